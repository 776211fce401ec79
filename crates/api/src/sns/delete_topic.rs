//! DeleteTopic: a topic and its subscriptions; one that is gone is deleted.

use super::{Sns, topic};
use crate::http::Caller;
use crate::models::sns::DeleteTopicInput;
use crate::wire::Fault;

pub fn call(sns: &Sns, _: &Caller, input: DeleteTopicInput) -> Result<(), Fault> {
    Ok(sns.topics.delete(&topic(&input.topic_arn)?)?)
}
