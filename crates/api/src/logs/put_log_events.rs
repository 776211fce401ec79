//! PutLogEvents: events of one stream in order of time. What is too old or too new is left out and told, as on AWS.

use super::{CloudWatchLogs, group};
use crate::http::Caller;
use crate::models::logs::{PutLogEventsRequest, PutLogEventsResponse, RejectedLogEventsInfo, faults};
use crate::wire::Fault;
use millrace_base::Millis;
use millrace_watch::LogEvent;

const HOUR_MS: Millis = 3_600_000;
/// AWS's window.
const FUTURE_MAX_MS: Millis = 2 * HOUR_MS;
const PAST_MAX_MS: Millis = 14 * 24 * HOUR_MS;
/// AWS's ceiling of a batch: each event counts its bytes and some more.
const BATCH_BYTES_MAX: usize = 1_048_576;
const EVENT_OVERHEAD_BYTES: usize = 26;

pub fn call(
    service: &CloudWatchLogs,
    caller: &Caller,
    input: PutLogEventsRequest,
) -> Result<PutLogEventsResponse, Fault> {
    let key = group(caller, &input.log_group_name);
    let retention = service.logs.group(&key)?.retention_days;
    let events = &input.log_events;
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(faults::INVALID_PARAMETER_EXCEPTION
            .because("Log events in a single PutLogEvents request must be in chronological order."));
    }
    let bytes: usize = events.iter().map(|event| event.message.byte_len() + EVENT_OVERHEAD_BYTES).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(faults::INVALID_PARAMETER_EXCEPTION
            .because(format!("Upload too large: {bytes} bytes exceeds limit of {BATCH_BYTES_MAX}")));
    }
    let now = service.clock.now();
    let until = |moment: Millis| events.partition_point(|event| event.timestamp < moment);
    let expired = retention.map_or(0, |days| until(now - Millis::from(days) * 24 * HOUR_MS));
    let (old, new) = (until(now - PAST_MAX_MS), until(now + FUTURE_MAX_MS + 1));
    let kept = &events[old.max(expired).min(new)..new];
    let kept: Vec<LogEvent> =
        kept.iter().map(|event| LogEvent { timestamp: event.timestamp, message: event.message.to_string() }).collect();
    service.logs.put_now(&key, &input.log_stream_name, kept)?;
    let index = |at: usize| i32::try_from(at).ok();
    let rejected = RejectedLogEventsInfo {
        too_new_log_event_start_index: (new < events.len()).then(|| index(new)).flatten(),
        too_old_log_event_end_index: (old > 0).then(|| index(old)).flatten(),
        expired_log_event_end_index: (expired > 0).then(|| index(expired)).flatten(),
    };
    let any = rejected != RejectedLogEventsInfo::default();
    Ok(PutLogEventsResponse { rejected_log_events_info: any.then_some(rejected) })
}
