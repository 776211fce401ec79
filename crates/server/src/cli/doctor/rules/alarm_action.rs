//! Actions of alarms that failed: what to do goes by what the failure said.

use super::Finding;

/// An alarm whose actions failed; what each failure said, the newest first.
pub fn alarm_action(alarm: &str, summaries: &[String]) -> Finding {
    let cause = summaries.first().cloned().unwrap_or_default();
    Finding {
        symptom: "failing alarm action",
        subject: format!("alarm {alarm}"),
        seen: match summaries.len() {
            1 => "1 action failed in the last 15 min".to_owned(),
            count => format!("{count} actions failed in the last 15 min"),
        },
        remedy: format!("nobody hears this alarm: {}", advice(&cause)),
        cause,
        command: Some(format!("aws cloudwatch describe-alarms --alarm-names {alarm}")),
    }
}

fn advice(cause: &str) -> &'static str {
    let cause = cause.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if says(&["not authorized", "accessdenied", "denied"]) {
        "let cloudwatch.amazonaws.com (for a function lambda.alarms.cloudwatch.amazonaws.com) use the target, in the \
         target's own policy or in the role that the reason names"
    } else if says(&["not supported", "unsupported"]) {
        "name an action that works here: a topic, or a function"
    } else if says(&["not exist", "not found", "notfound", "no such", "there is no"]) {
        "create the topic or function that it names, or name another"
    } else {
        "mend what the reason names; the alarm acts again when its state changes"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_follows_the_reason() {
        let of = |reason: &str| alarm_action("a", &[reason.to_owned()]).remedy;
        assert!(of("Topic does not exist").contains("create the topic"));
        assert!(of("User: x is not authorized to perform: sns:Publish").contains("policy"));
        assert!(of("the function timed out").contains("mend what the reason names"));
    }
}
