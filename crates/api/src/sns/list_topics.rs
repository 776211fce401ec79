//! ListTopics: the caller's.

use super::{Sns, text};
use crate::http::Caller;
use crate::models::sns::{ListTopicsInput, ListTopicsResponse, Topic};
use crate::wire::Fault;

pub fn call(sns: &Sns, caller: &Caller, input: ListTopicsInput) -> Result<ListTopicsResponse, Fault> {
    let page = sns.topics.list(&caller.scope, text(&input.next_token));
    let topics = page.items.into_iter().map(|key| Topic { topic_arn: Some(key.arn().into()) }).collect();
    Ok(ListTopicsResponse { topics: Some(topics), next_token: page.next_token.map(Into::into) })
}
