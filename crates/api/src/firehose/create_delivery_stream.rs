//! CreateDeliveryStream: it delivers from now on.

use super::Firehose;
use crate::http::Call;
use crate::models::firehose::{CreateDeliveryStreamInput, CreateDeliveryStreamOutput};
use crate::wire::Fault;

pub async fn call(firehose: &Firehose, call: Call) -> Result<Vec<u8>, Fault> {
    let input: CreateDeliveryStreamInput = call.format.decode(call.body)?;
    let arn = firehose.deliveries.create(&call.caller.scope, super::body(&input)?)?;
    Ok(call.format.encode(&CreateDeliveryStreamOutput { delivery_stream_arn: Some(arn.to_string().into()) }))
}
