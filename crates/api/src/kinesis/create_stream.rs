//! CreateStream: the stream is there, and ACTIVE, when the call returns.

use super::{Kinesis, contract, faults, tags};
use crate::http::Caller;
use crate::models::kinesis::CreateStreamInput;
use crate::wire::{Fault, kinds};
use millrace_log::{StreamKey, StreamMode, StreamSpec};

/// What an on-demand stream begins with (source: a recording of AWS).
const ON_DEMAND_SHARDS: u32 = 4;
const RETENTION_HOURS: u32 = 24;
const RECORD_KIB: u32 = 1024;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: CreateStreamInput) -> Result<(), Fault> {
    refuse_what_is_not_there(&input)?;
    let spec = spec(&input)?;
    let key = StreamKey { scope: caller.scope.clone(), name: input.stream_name.as_str().into() };
    if let Some(tags) = &input.tags {
        tags::validate(tags.keys().chain(tags.values()), tags.len())?;
        contract::check_tags(tags)?;
    }
    let stream = kinesis.log.create_stream(&key, spec).map_err(faults::of_log)?;
    match input.tags {
        Some(tags) => kinesis.add_tags(&tags::of_stream(&stream), &tags),
        None => Ok(()),
    }
}

fn refuse_what_is_not_there(input: &CreateStreamInput) -> Result<(), Fault> {
    if input.record_distribution_strategy.as_deref() == Some("AUTO") {
        return Err(faults::unsupported_parameter("CreateStream", "RecordDistributionStrategy AUTO"));
    }
    Ok(())
}

fn spec(input: &CreateStreamInput) -> Result<StreamSpec, Fault> {
    let asked = input.stream_mode_details.as_ref().map(|details| details.stream_mode.as_str());
    let (mode, shard_count) = match (asked, input.shard_count) {
        (Some("ON_DEMAND"), Some(_)) => {
            let message =
                "ShardCount must not be given for a stream in ON_DEMAND mode: its shards are the service's affair.";
            return Err(kinds::INVALID_ARGUMENT.because(message));
        }
        (Some("PROVISIONED"), None) => {
            return Err(kinds::INVALID_ARGUMENT.because("ShardCount must be given for a stream in PROVISIONED mode."));
        }
        (_, Some(count)) => (StreamMode::Provisioned, count.unsigned_abs()),
        (_, None) => (StreamMode::OnDemand, ON_DEMAND_SHARDS),
    };
    faults::room_for_shards(shard_count)?;
    let record_kib_max = input.max_record_size_in_kib.map_or(RECORD_KIB, i32::unsigned_abs);
    Ok(StreamSpec { shard_count, mode, retention_hours: RETENTION_HOURS, record_kib_max })
}
