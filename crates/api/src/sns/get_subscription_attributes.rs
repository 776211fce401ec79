//! GetSubscriptionAttributes.

use super::{Sns, map};
use crate::http::Caller;
use crate::models::sns::{GetSubscriptionAttributesInput, GetSubscriptionAttributesResponse};
use crate::wire::Fault;

pub fn call(
    sns: &Sns,
    _: &Caller,
    input: GetSubscriptionAttributesInput,
) -> Result<GetSubscriptionAttributesResponse, Fault> {
    let attributes = sns.topics.subscription_attributes(&input.subscription_arn)?;
    Ok(GetSubscriptionAttributesResponse { attributes: Some(map(attributes)) })
}
