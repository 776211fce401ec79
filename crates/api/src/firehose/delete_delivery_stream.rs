//! DeleteDeliveryStream: what is buffered is discarded, as on AWS.

use super::Firehose;
use crate::http::{Call, Reply};
use crate::models::firehose::{DeleteDeliveryStreamInput, DeleteDeliveryStreamOutput};
use crate::wire::Fault;

pub async fn call(firehose: &Firehose, call: Call) -> Result<Reply, Fault> {
    // `AllowForceDelete` is for keys that cannot be retired; there are none.
    let input: DeleteDeliveryStreamInput = call.input()?;
    firehose.deliveries.delete(&call.caller.scope, &input.delivery_stream_name).await?;
    Ok(call.output(&DeleteDeliveryStreamOutput {}))
}
