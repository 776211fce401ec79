//! DescribeDeliveryStream: every property that was given comes back.

use super::Firehose;
use crate::http::{Call, Reply};
use crate::models::firehose::{DeliveryStreamDescription, DescribeDeliveryStreamInput, DescribeDeliveryStreamOutput};
use crate::wire::{Fault, Format};

pub async fn call(firehose: &Firehose, call: Call) -> Result<Reply, Fault> {
    let input: DescribeDeliveryStreamInput = call.input()?;
    let description = firehose.deliveries.describe(&call.caller.scope, &input.delivery_stream_name)?;
    let mut delivery_stream_description: DeliveryStreamDescription =
        Format::Json.decode(description.to_string().into_bytes().into())?;
    // There is one destination, so whoever asks for those after it gets none.
    if input.exclusive_start_destination_id.is_some() {
        delivery_stream_description.destinations.clear();
    }
    Ok(call.output(&DescribeDeliveryStreamOutput { delivery_stream_description }))
}
