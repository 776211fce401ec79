//! ListDeliveryStreams: names in order, ten at a time unless asked otherwise.

use super::Firehose;
use crate::http::{Call, Reply};
use crate::models::firehose::{ListDeliveryStreamsInput, ListDeliveryStreamsOutput};
use crate::wire::{Fault, Text};
use millrace_deliver::DeliveryStreamType;

pub async fn call(firehose: &Firehose, call: Call) -> Result<Reply, Fault> {
    let input: ListDeliveryStreamsInput = call.input()?;
    let kind = match input.delivery_stream_type.as_deref() {
        Some("DirectPut") => Some(DeliveryStreamType::DirectPut),
        Some("KinesisStreamAsSource") => Some(DeliveryStreamType::KinesisStreamAsSource),
        // The model's other types have no delivery streams.
        Some(_) => return Ok(call.output(&ListDeliveryStreamsOutput::default())),
        None => None,
    };
    let after = input.exclusive_start_delivery_stream_name.as_deref();
    let limit = input.limit.map(|limit| limit.unsigned_abs() as usize);
    let page = firehose.deliveries.list(&call.caller.scope, after, kind, limit)?;
    Ok(call.output(&ListDeliveryStreamsOutput {
        delivery_stream_names: page.names.into_iter().map(Text::from).collect(),
        has_more_delivery_streams: page.has_more,
    }))
}
