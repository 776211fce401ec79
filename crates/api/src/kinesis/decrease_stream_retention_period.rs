//! DecreaseStreamRetentionPeriod: older records are gone at once.

use super::{Kinesis, faults};
use crate::http::Caller;
use crate::models::kinesis::DecreaseStreamRetentionPeriodInput;
use crate::wire::{Fault, kinds};

const HOURS_MIN: i32 = 24;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: DecreaseStreamRetentionPeriodInput) -> Result<(), Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    let (asked, now) = (input.retention_period_hours, stream.spec.retention_hours as i32);
    if asked < HOURS_MIN {
        return Err(kinds::INVALID_ARGUMENT.because(format!(
            "Minimum allowed retention period is {HOURS_MIN} hours. Requested retention period ({asked} hours) is too short."
        )));
    }
    if asked > now {
        return Err(kinds::INVALID_ARGUMENT.because(format!(
            "Requested retention period ({asked} hours) for stream {} can not be longer than existing retention period \
             ({now} hours). Use IncreaseRetentionPeriod API.",
            stream.key.name
        )));
    }
    kinesis.log.set_retention(&stream.key, asked.unsigned_abs()).map_err(faults::of_log)
}
