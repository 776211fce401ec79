//! Delivery streams that do not deliver, or not all: what to do goes by what they fail with.

use super::{Finding, time};
use crate::meters::vitals::{DeliveryVitals, LATELY_MS};
use millrace_base::Millis;

/// What is wrong with a delivery stream.
pub(super) fn finding(delivery: &DeliveryVitals) -> Option<Finding> {
    let DeliveryVitals { name, interval_secs, unconverted, .. } = delivery;
    let patience = 2 * *interval_secs as Millis * 1000 + 60_000;
    if let Some(error) = &delivery.error {
        return Some(failing(delivery, error));
    }
    if *unconverted > 0 {
        return Some(unconvertible(delivery));
    }
    (delivery.freshness_ms > patience).then(|| Finding {
        symptom: "stale delivery",
        subject: format!("delivery stream {name}"),
        seen: format!("{}, with a buffer of {interval_secs} s", waits(delivery)),
        cause: "it is busy with what came before, or its function takes long".to_owned(),
        remedy: "give it smaller buffers, or a faster function".to_owned(),
        command: Some(describe(name)),
    })
}

fn waits(delivery: &DeliveryVitals) -> String {
    format!("the oldest record has waited for {}", time(delivery.freshness_ms))
}

fn describe(name: &str) -> String {
    format!("aws firehose describe-delivery-stream --delivery-stream-name {name}")
}

fn failing(delivery: &DeliveryVitals, error: &str) -> Finding {
    let DeliveryVitals { name, retries, rejected, .. } = delivery;
    let (too_many, refused) = match rejected {
        0 => ("", String::new()),
        many => ("; the index is asked for more than it takes", format!(", {many} documents with status 429")),
    };
    let (remedy, command) = advice(name, error);
    Finding {
        symptom: "stale delivery",
        subject: format!("delivery stream {name}"),
        seen: format!("{}; {retries} tries failed since the start{refused}", waits(delivery)),
        cause: format!("it cannot deliver: {error}{too_many}"),
        remedy: format!(
            "{remedy}; the delivery stream goes on by itself, and nothing is lost as long as its stream keeps the records"
        ),
        command: Some(command),
    }
}

/// What to do about an error, and the command that does it.
fn advice(name: &str, error: &str) -> (String, String) {
    if let Some(denied) = Denied::read(error) {
        return denied.advice(name);
    }
    if let Some(bucket) = between(error, "there is no bucket ", ":") {
        let remedy = "make the bucket, with the command below or as an AWS::S3::Bucket of a template".to_owned();
        return (remedy, format!("aws s3 mb s3://{bucket}"));
    }
    let remedy = "make the destination take records again (is it there, has its disk room?)".to_owned();
    (remedy, describe(name))
}

/// What an error in AWS's words says about who may not do what.
struct Denied<'a> {
    who: &'a str,
    action: &'a str,
    resource: &'a str,
    is_explicit: bool,
}

impl<'a> Denied<'a> {
    fn read(error: &'a str) -> Option<Self> {
        Some(Self {
            who: between(error, "User: ", " is not authorized")?,
            action: between(error, "not authorized to perform: ", " ")?,
            resource: between(error, "on resource: ", " ").unwrap_or("*").trim_end_matches('.'),
            is_explicit: error.contains("explicit deny"),
        })
    }

    fn advice(&self, delivery: &str) -> (String, String) {
        let Self { who, action, resource, is_explicit } = self;
        if *action == "sts:AssumeRole" {
            let role = resource.rsplit('/').next().unwrap_or(resource);
            let remedy =
                format!("let {who} assume role {role}: its trust policy must allow sts:AssumeRole, and it must exist");
            return (remedy, format!("aws iam get-role --role-name {role}"));
        }
        let Some(role) = between(who, "assumed-role/", "/") else {
            return (format!("let {who} do {action} on {resource}"), describe(delivery));
        };
        // A policy for one object's key would last until the next one.
        let resource = match resource.strip_prefix("arn:aws:s3:::").and_then(|object| object.split_once('/')) {
            Some((bucket, _)) => format!("arn:aws:s3:::{bucket}/*"),
            None => (*resource).to_owned(),
        };
        if *is_explicit {
            let remedy =
                format!("a policy denies role {role} the action {action} on {resource}: take that statement away");
            return (remedy, format!("aws iam list-role-policies --role-name {role}"));
        }
        let remedy = format!("role {role} may not do {action} on {resource}: add it to the role's policy");
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}]}}"#
        );
        let name = action.replace(':', "-");
        let command =
            format!("aws iam put-role-policy --role-name {role} --policy-name {name} --policy-document '{policy}'");
        (remedy, command)
    }
}

/// What stands between two marks; up to the end without the second.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after).map_or(rest, |(found, _)| found))
}

fn unconvertible(delivery: &DeliveryVitals) -> Finding {
    let DeliveryVitals { name, unconverted, unconverted_reason, .. } = delivery;
    let cause = match unconverted_reason {
        Some(reason) => format!("the last one: {reason}"),
        None => "they cannot be read by the table's schema; each one's reason lies beside it in the bucket".to_owned(),
    };
    Finding {
        symptom: "failing conversion",
        subject: format!("delivery stream {name}"),
        seen: format!("{unconverted} records could not be converted in the last {}", time(LATELY_MS)),
        cause,
        remedy: "look at the lines below format-conversion-failed/ in the bucket, which hold the records and say why; \
                 change the producer, the table or its schema"
            .to_owned(),
        command: Some(describe(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing_with(error: &str) -> Finding {
        finding(&DeliveryVitals { name: "d".into(), error: Some(error.into()), ..DeliveryVitals::default() }).unwrap()
    }

    #[test]
    fn a_role_that_may_not_is_named_with_its_action() {
        let found = failing_with(
            "S3.AccessDenied: Access was denied. User: arn:aws:sts::000000000000:assumed-role/narrow/d is not authorized to \
             perform: s3:PutObject on resource: arn:aws:s3:::lake/2026/a because no identity-based policy allows the \
             s3:PutObject action",
        );
        assert!(
            found.remedy.starts_with("role narrow may not do s3:PutObject on arn:aws:s3:::lake/*"),
            "{}",
            found.remedy
        );
        assert!(found.command.unwrap().starts_with("aws iam put-role-policy --role-name narrow "));
        assert!(!found.seen.contains("429"), "{}", found.seen);
        let untrusted = failing_with(
            "S3.AccessDenied: User: firehose.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: \
             arn:aws:iam::000000000000:role/other because no",
        );
        assert!(untrusted.remedy.contains("assume role other: its trust policy"), "{}", untrusted.remedy);
    }

    #[test]
    fn a_bucket_that_is_not_there_can_be_made() {
        let found = failing_with("there is no bucket lake: create it, and delivery goes on");
        assert_eq!(found.command.as_deref(), Some("aws s3 mb s3://lake"));
    }

    #[test]
    fn what_cannot_be_converted_tells_its_own_reason() {
        let reason = Some("schema version 7 is not registered".to_owned());
        let delivery = DeliveryVitals { unconverted: 3, unconverted_reason: reason, ..DeliveryVitals::default() };
        let found = finding(&delivery).unwrap();
        assert_eq!(
            (found.symptom, &*found.cause),
            ("failing conversion", "the last one: schema version 7 is not registered")
        );
    }
}
