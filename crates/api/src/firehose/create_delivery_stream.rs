//! CreateDeliveryStream: it delivers from now on.

use super::Firehose;
use crate::http::{Call, Reply};
use crate::models::firehose::{CreateDeliveryStreamInput, CreateDeliveryStreamOutput};
use crate::wire::Fault;

pub async fn call(firehose: &Firehose, call: Call) -> Result<Reply, Fault> {
    let input: CreateDeliveryStreamInput = call.input()?;
    let arn = firehose.deliveries.create(&call.caller.scope, super::body(&input)?)?;
    Ok(call.output(&CreateDeliveryStreamOutput { delivery_stream_arn: Some(arn.to_string().into()) }))
}
