//! DeleteDeliveryStream: what is buffered is discarded, as on AWS.

use super::Firehose;
use crate::http::Call;
use crate::models::firehose::{DeleteDeliveryStreamInput, DeleteDeliveryStreamOutput};
use crate::wire::Fault;

pub async fn call(firehose: &Firehose, call: Call) -> Result<Vec<u8>, Fault> {
    // `AllowForceDelete` is for keys that cannot be retired; there are none.
    let input: DeleteDeliveryStreamInput = call.format.decode(call.body)?;
    firehose.deliveries.delete(&call.caller.scope, &input.delivery_stream_name).await?;
    Ok(call.format.encode(&DeleteDeliveryStreamOutput {}))
}
