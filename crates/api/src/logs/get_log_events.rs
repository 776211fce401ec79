//! GetLogEvents: one stream, forward or backward. At the end the same token comes back, as on AWS.

use super::{CloudWatchLogs, identified, token};
use crate::http::Caller;
use crate::models::logs::{GetLogEventsRequest, GetLogEventsResponse, OutputLogEvent};
use crate::wire::Fault;
use millrace_base::Millis;
use millrace_watch::{EventKey, FilterPattern, Query, Streams};

/// AWS's page.
const EVENTS_MAX: usize = 10_000;

pub fn call(
    service: &CloudWatchLogs,
    caller: &Caller,
    input: GetLogEventsRequest,
) -> Result<GetLogEventsResponse, Fault> {
    let key = identified(caller, input.log_group_name.as_ref(), input.log_group_identifier.as_ref())?;
    service.logs.stream(&key, &input.log_stream_name)?;
    let token = input.next_token.as_ref().map(token::read).transpose()?;
    let newest_first = match token {
        Some((direction, _)) => direction == 'b',
        None => input.start_from_head != Some(true),
    };
    let query = Query {
        start: input.start_time.unwrap_or(0),
        end: input.end_time.unwrap_or(Millis::MAX),
        streams: Streams::Named(vec![input.log_stream_name.to_string()]),
        pattern: FilterPattern::ALL,
        beyond: token.map(|(_, key)| key),
        newest_first,
        events_max: input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(EVENTS_MAX),
    };
    let found = service.logs.query(&key, &query)?;
    // Where there is nothing, both ways lead on from where the caller stands, or from the beginning.
    let here = token.map_or(EventKey { timestamp: query.start, position: 0 }, |(_, key)| key);
    let last = found.events.last().map_or(here, |last| last.key);
    let first = found.events.first().map_or(here, |first| first.key);
    let shown = |event: millrace_watch::StoredEvent| OutputLogEvent {
        timestamp: Some(event.key.timestamp),
        message: Some(event.message.into()),
        ingestion_time: Some(event.ingestion),
    };
    Ok(GetLogEventsResponse {
        events: Some(found.events.into_iter().map(shown).collect()),
        next_forward_token: Some(token::next('f', last)),
        next_backward_token: Some(token::next('b', first)),
    })
}
