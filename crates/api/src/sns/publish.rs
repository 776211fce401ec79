//! Publish: one message, durable with everybody who wants it when it is acknowledged.

use super::{Sns, message, text, topic};
use crate::models::sns::{PublishInput, PublishResponse, faults};
use crate::wire::Fault;
use millrace_queue::sns::TopicError;

pub async fn call(sns: &Sns, input: PublishInput) -> Result<PublishResponse, Fault> {
    let arn = text(&input.topic_arn).or(text(&input.target_arn)).map(str::to_owned);
    let arn = match (arn, &input.phone_number) {
        (Some(arn), None) => arn,
        (_, Some(_)) => return Err(TopicError::Unsupported("publishing to a PhoneNumber".into()).into()),
        (None, None) => {
            return Err(faults::INVALID_PARAMETER_EXCEPTION
                .because("Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter"));
        }
    };
    if arn.contains(":endpoint/") {
        return Err(TopicError::Unsupported("publishing to a platform endpoint".into()).into());
    }
    let published = sns.topics.publish(&topic(&arn)?, message::of_input(input)?).await?;
    Ok(PublishResponse {
        message_id: Some(published.message_id.into()),
        sequence_number: published.sequence_number.map(Into::into),
    })
}
