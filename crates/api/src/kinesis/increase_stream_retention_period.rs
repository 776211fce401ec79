//! IncreaseStreamRetentionPeriod: records live longer from now on; what was trimmed stays trimmed.

use super::{Kinesis, faults};
use crate::http::Caller;
use crate::models::kinesis::IncreaseStreamRetentionPeriodInput;
use crate::wire::{Fault, kinds};

/// A year.
const HOURS_MAX: i32 = 8760;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: IncreaseStreamRetentionPeriodInput) -> Result<(), Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    let (asked, now) = (input.retention_period_hours, stream.spec.retention_hours as i32);
    if asked > HOURS_MAX {
        return Err(kinds::INVALID_ARGUMENT.because(format!(
            "Maximum allowed retention period is {HOURS_MAX} hours. Requested retention period ({asked} hours) is too long."
        )));
    }
    if asked < now {
        return Err(kinds::INVALID_ARGUMENT.because(format!(
            "Requested retention period ({asked} hours) for stream {} can not be shorter than existing retention period \
             ({now} hours). Use DecreaseRetentionPeriod API.",
            stream.key.name
        )));
    }
    kinesis.log.set_retention(&stream.key, asked.unsigned_abs()).map_err(faults::of_log)
}
