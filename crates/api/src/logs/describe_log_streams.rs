//! DescribeLogStreams: in order of name or of the last event.

use super::{CloudWatchLogs, group_arn, identified};
use crate::http::Caller;
use crate::models::logs::{DescribeLogStreamsRequest, DescribeLogStreamsResponse, LogStream, faults};
use crate::wire::{Fault, Text};
use millrace_watch::StreamInfo;

/// AWS's page.
const PAGE: usize = 50;

pub fn call(
    service: &CloudWatchLogs,
    caller: &Caller,
    input: DescribeLogStreamsRequest,
) -> Result<DescribeLogStreamsResponse, Fault> {
    let key = identified(caller, input.log_group_name.as_ref(), input.log_group_identifier.as_ref())?;
    let by_time = input.order_by.as_deref() == Some("LastEventTime");
    let prefix = input.log_stream_name_prefix.as_deref();
    if by_time && prefix.is_some() {
        return Err(
            faults::INVALID_PARAMETER_EXCEPTION.because("Cannot order by LastEventTime with a logStreamNamePrefix.")
        );
    }
    let mut streams = service.logs.streams(&key, prefix.unwrap_or_default())?;
    if by_time {
        streams.sort_by(|a, b| (a.last, &a.name).cmp(&(b.last, &b.name)));
    }
    if input.descending == Some(true) {
        streams.reverse();
    }
    // The token is the name of the page's last stream; when that is gone meanwhile, the list begins again.
    let start = input.next_token.and_then(|token| streams.iter().position(|stream| *stream.name == *token));
    let max = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE);
    let mut rest = streams.into_iter().skip(start.map_or(0, |start| start + 1)).peekable();
    let page: Vec<StreamInfo> = rest.by_ref().take(max).collect();
    let next_token = rest.peek().and(page.last()).map(|last| Text::from(&*last.name));
    let arn = group_arn(&key);
    let log_streams = page.into_iter().map(|stream| shown(&arn, &stream)).collect();
    Ok(DescribeLogStreamsResponse { log_streams: Some(log_streams), next_token })
}

fn shown(group_arn: &str, stream: &StreamInfo) -> LogStream {
    LogStream {
        log_stream_name: Some((*stream.name).into()),
        creation_time: Some(stream.created),
        first_event_timestamp: stream.first,
        last_event_timestamp: stream.last,
        last_ingestion_time: stream.last_ingestion,
        arn: Some(format!("{group_arn}:log-stream:{}", stream.name).into()),
        // AWS itself has said 0 since 2019.
        stored_bytes: Some(0),
    }
}
