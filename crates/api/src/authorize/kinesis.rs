//! Kinesis: streams and their consumers.

use super::input::Input;
use super::needs::{Need, Needs};

pub fn needs(operation: &str, input: &Input<'_>) -> Needs {
    let action = format!("kinesis:{operation}");
    let stream = || {
        let named = || input.text("StreamName").map(|name| input.arn("kinesis", &format!("stream/{name}")));
        input.text("StreamARN").map(str::to_owned).or_else(named)
    };
    let resource = match operation {
        "ListStreams" | "DescribeLimits" | "DescribeAccountSettings" | "UpdateAccountSettings" => Some("*".to_owned()),
        "TagResource" | "UntagResource" | "ListTagsForResource" => input.text("ResourceARN").map(str::to_owned),
        "PutResourcePolicy" | "GetResourcePolicy" | "DeleteResourcePolicy" => {
            input.text("ResourceARN").map(str::to_owned)
        }
        "SubscribeToShard" => input.text("ConsumerARN").map(str::to_owned),
        "DescribeStreamConsumer" | "DeregisterStreamConsumer" => {
            // A consumer that is named by its stream: when it was made, a part of its ARN, is not said.
            let named = || Some(format!("{}/consumer/{}:*", input.text("StreamARN")?, input.text("ConsumerName")?));
            input.text("ConsumerARN").map(str::to_owned).or_else(named)
        }
        // The stream stands in the token or the iterator, which the operation can read.
        "GetRecords" => return Needs::Later,
        "ListShards" if stream().is_none() => return Needs::Later,
        _ => stream(),
    };
    // An input that names nothing is refused by the operation, for those who may ask about everything.
    Need::on(action, resource.unwrap_or_else(|| "*".to_owned())).into()
}
