//! Unsubscribe: one that is gone is ended.

use super::Sns;
use crate::http::Caller;
use crate::models::sns::UnsubscribeInput;
use crate::wire::Fault;

pub fn call(sns: &Sns, caller: &Caller, input: UnsubscribeInput) -> Result<(), Fault> {
    Ok(sns.topics.unsubscribe(&input.subscription_arn, !caller.access_key_id.is_empty())?)
}
