//! CreateDeliveryStream: it delivers from now on.

use super::Firehose;
use crate::authorize::check_roles;
use crate::http::{Call, Reply};
use crate::models::firehose::{CreateDeliveryStreamInput, CreateDeliveryStreamOutput};
use crate::wire::Fault;

pub async fn call(firehose: &Firehose, call: Call) -> Result<Reply, Fault> {
    let input: CreateDeliveryStreamInput = call.input()?;
    check_roles(&call.caller, &input.delivery_stream_name, &input)?;
    let arn = firehose.deliveries.create(&call.caller.scope, super::body(&input)?)?;
    Ok(call.output(&CreateDeliveryStreamOutput { delivery_stream_arn: Some(arn.to_string().into()) }))
}
