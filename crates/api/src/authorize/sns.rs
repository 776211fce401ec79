//! SNS: topics; a subscription is its topic's.

use super::input::Input;
use super::needs::{Need, Needs};

pub fn needs(operation: &str, input: &Input<'_>) -> Needs {
    let action = format!("sns:{}", operation.strip_suffix("Batch").unwrap_or(operation));
    let topic = input.first(&["TopicArn", "TargetArn", "ResourceArn"]);
    let resource = match operation {
        "ListTopics" | "ListSubscriptions" => "*".to_owned(),
        "CreateTopic" => input.arn("sns", input.text("Name").unwrap_or("*")),
        "GetSubscriptionAttributes" | "SetSubscriptionAttributes" | "Unsubscribe" => {
            // `arn:aws:sns:REGION:ACCOUNT:TOPIC:ID`
            let subscription = input.text("SubscriptionArn").unwrap_or("*");
            subscription.rsplit_once(':').map_or(subscription, |(topic, _)| topic).to_owned()
        }
        _ => topic.unwrap_or("*").to_owned(),
    };
    Need::on(action, resource)
        .with("sns:protocol", input.text("Protocol"))
        .with("sns:endpoint", input.text("Endpoint"))
        .into()
}
