//! UpdateStreamMode: who decides about the number of shards. The shards stay as they are.

use super::{Kinesis, faults};
use crate::http::Caller;
use crate::models::kinesis::UpdateStreamModeInput;
use crate::wire::Fault;
use millrace_log::StreamMode;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: UpdateStreamModeInput) -> Result<(), Fault> {
    let stream = kinesis.stream(caller, None, Some(&input.stream_arn))?;
    let mode = match input.stream_mode_details.stream_mode.as_str() {
        "ON_DEMAND" => StreamMode::OnDemand,
        // The model's rule lets nothing else through.
        _ => StreamMode::Provisioned,
    };
    kinesis.log.set_mode(&stream.key, mode).map_err(faults::of_log)
}
