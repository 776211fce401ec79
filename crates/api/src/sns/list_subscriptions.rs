//! ListSubscriptions: those of all the caller's topics.

use super::{Sns, listed, text};
use crate::http::Caller;
use crate::models::sns::{ListSubscriptionsInput, ListSubscriptionsResponse};
use crate::wire::Fault;

pub fn call(sns: &Sns, caller: &Caller, input: ListSubscriptionsInput) -> Result<ListSubscriptionsResponse, Fault> {
    let page = sns.topics.subscriptions(&caller.scope, text(&input.next_token));
    Ok(ListSubscriptionsResponse {
        subscriptions: Some(page.items.into_iter().map(listed).collect()),
        next_token: page.next_token.map(Into::into),
    })
}
