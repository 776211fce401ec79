//! CloudWatch Logs: groups and streams. AWS asks about a group as `…:log-group:NAME:log-stream:`, which is what policies that
//! end with `:*` are written for; about tags by the group's own ARN.

use super::input::Input;
use super::needs::{Need, Needs};

pub fn needs(operation: &str, input: &Input<'_>) -> Needs {
    let action = format!("logs:{operation}");
    if let Some(arn) = input.text("resourceArn") {
        return Need::on(action, arn).into();
    }
    let identifier = input.text("logGroupIdentifier").map(|given| given.trim_end_matches(":*"));
    let group = match (input.text("logGroupName"), identifier) {
        (Some(name), _) => input.arn("logs", &format!("log-group:{name}")),
        (None, Some(arn)) if arn.starts_with("arn:") => arn.to_owned(),
        (None, Some(name)) => input.arn("logs", &format!("log-group:{name}")),
        (None, None) if operation == "DescribeLogGroups" => input.arn("logs", "log-group:"),
        (None, None) => return Need::on(action, "*").into(),
    };
    let resource = match operation {
        "TagLogGroup" | "UntagLogGroup" | "ListTagsLogGroup" => group,
        _ => format!("{group}:log-stream:{}", input.text("logStreamName").unwrap_or_default()),
    };
    Need::on(action, resource).into()
}
