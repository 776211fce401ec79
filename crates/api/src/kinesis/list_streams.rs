//! ListStreams: the caller's streams by name, a page at a time.

use super::list_shards::TOKEN_MS_MAX;
use super::seal::Purpose;
use super::{Kinesis, describe};
use crate::http::Caller;
use crate::models::kinesis::{ListStreamsInput, ListStreamsOutput, StreamSummary};
use crate::wire::{Fault, Text, Timestamp, kinds};
use millrace_base::{Millis, Scope};
use millrace_log::StreamKey;
use serde::{Deserialize, Serialize};

/// AWS's page size, and the most it gives whatever is asked for.
const PAGE_STREAMS: usize = 100;

/// What a `NextToken` carries.
#[derive(Serialize, Deserialize)]
struct Page {
    scope: Scope,
    after: String,
    minted: Millis,
}

pub fn call(kinesis: &Kinesis, caller: &Caller, input: ListStreamsInput) -> Result<ListStreamsOutput, Fault> {
    let now = kinesis.clock.now();
    let after = match (&input.next_token, &input.exclusive_start_stream_name) {
        (Some(_), Some(_)) => {
            let message = "NextToken and ExclusiveStartStreamName cannot be provided together.";
            return Err(kinds::INVALID_ARGUMENT.because(message));
        }
        (Some(token), None) => Some(open(kinesis, caller, token, now)?),
        (None, name) => name.as_ref().map(|name| name.to_string()),
    };
    let page = input.limit.map_or(PAGE_STREAMS, |limit| (limit.unsigned_abs() as usize).min(PAGE_STREAMS));
    let names = kinesis.log.streams(&caller.scope);
    let mut rest = names.into_iter().filter(|name| after.as_deref().is_none_or(|after| **name > *after)).peekable();
    let mut stream_names = Vec::new();
    let mut summaries = Vec::new();
    for name in rest.by_ref().take(page) {
        let key = StreamKey { scope: caller.scope.clone(), name };
        // A stream that was deleted since the names were read is left out.
        let Ok(stream) = kinesis.log.stream(&key) else { continue };
        stream_names.push(Text::from(&*key.name));
        summaries.push(StreamSummary {
            stream_name: Text::from(&*key.name),
            stream_arn: describe::arn(&key),
            stream_status: describe::ACTIVE,
            stream_mode_details: Some(describe::mode(&stream)),
            stream_creation_timestamp: Some(Timestamp(stream.created)),
        });
    }
    let has_more_streams = rest.peek().is_some();
    let next = stream_names.last().filter(|_| has_more_streams).map(|after| {
        let page = Page { scope: caller.scope.clone(), after: after.to_string(), minted: now };
        kinesis.seal_page(Purpose::ListStreams, &page)
    });
    let stream_summaries = Some(summaries);
    Ok(ListStreamsOutput { stream_names, has_more_streams, next_token: next.transpose()?, stream_summaries })
}

fn open(kinesis: &Kinesis, caller: &Caller, token: &str, now: Millis) -> Result<String, Fault> {
    let page: Option<Page> = kinesis.open_page(Purpose::ListStreams, token);
    let page = page.filter(|page| page.scope == caller.scope);
    let page = page.ok_or_else(|| kinds::INVALID_ARGUMENT.because("NextToken is not valid."))?;
    if now - page.minted > TOKEN_MS_MAX {
        return Err(kinds::EXPIRED_NEXT_TOKEN.because("NextToken is older than 300 seconds: begin the list again."));
    }
    Ok(page.after)
}
