//! FilterLogEvents: across streams, in order of time.

use super::{CloudWatchLogs, identified, token};
use crate::http::Caller;
use crate::models::logs::{FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent, faults};
use crate::wire::Fault;
use millrace_base::Millis;
use millrace_watch::{FilterPattern, Query, StoredEvent, Streams};

/// AWS's page.
const EVENTS_MAX: usize = 10_000;

pub fn call(
    service: &CloudWatchLogs,
    caller: &Caller,
    input: FilterLogEventsRequest,
) -> Result<FilterLogEventsResponse, Fault> {
    let key = identified(caller, input.log_group_name.as_ref(), input.log_group_identifier.as_ref())?;
    let streams = match (input.log_stream_names, input.log_stream_name_prefix) {
        (Some(_), Some(_)) => {
            return Err(faults::INVALID_PARAMETER_EXCEPTION
                .because("logStreamNames and logStreamNamePrefix are mutually exclusive."));
        }
        (Some(names), None) => Streams::Named(names.iter().map(ToString::to_string).collect()),
        (None, Some(prefix)) => Streams::Prefix(prefix.to_string()),
        (None, None) => Streams::All,
    };
    if let Streams::Named(names) = &streams {
        names.iter().try_for_each(|name| service.logs.stream(&key, name).map(|_| ()))?;
    }
    let token = input.next_token.as_ref().map(token::read).transpose()?;
    let newest_first = match token {
        Some((direction, _)) => direction == 'b',
        None => input.start_from_head == Some(false),
    };
    let query = Query {
        start: input.start_time.unwrap_or(0),
        // The last moment is included.
        end: input.end_time.map_or(Millis::MAX, |end| end.saturating_add(1)),
        streams,
        pattern: FilterPattern::parse(input.filter_pattern.as_deref().unwrap_or_default())?,
        beyond: token.map(|(_, key)| key),
        newest_first,
        events_max: input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(EVENTS_MAX),
    };
    let mut found = service.logs.query(&key, &query)?;
    if newest_first {
        found.events.reverse();
    }
    let direction = if newest_first { 'b' } else { 'f' };
    let next_token = found.events.last().filter(|_| found.more).map(|last| token::next(direction, last.key));
    let events = found.events.into_iter().map(shown).collect();
    Ok(FilterLogEventsResponse { events: Some(events), searched_log_streams: Some(Vec::new()), next_token })
}

fn shown(event: StoredEvent) -> FilteredLogEvent {
    FilteredLogEvent {
        log_stream_name: Some((*event.stream).into()),
        timestamp: Some(event.key.timestamp),
        message: Some(event.message.into()),
        ingestion_time: Some(event.ingestion),
        event_id: Some(token::digits(event.key).into()),
    }
}
