//! ListStreamConsumers: a stream's consumers by name, a page at a time.

use super::consumers::{self, ACTIVE};
use super::list_shards::TOKEN_MS_MAX;
use super::seal::Purpose;
use super::{Kinesis, faults};
use crate::http::Caller;
use crate::models::kinesis::{ListStreamConsumersInput, ListStreamConsumersOutput};
use crate::wire::{Fault, Timestamp, kinds};
use millrace_base::Millis;
use millrace_log::StreamKey;
use serde::{Deserialize, Serialize};

/// AWS's page size, and the most it gives whatever is asked for.
const PAGE_CONSUMERS: usize = 100;

/// What a `NextToken` carries.
#[derive(Serialize, Deserialize)]
struct Page {
    key: StreamKey,
    incarnation: u64,
    after: String,
    minted: Millis,
}

pub fn call(
    kinesis: &Kinesis,
    caller: &Caller,
    input: ListStreamConsumersInput,
) -> Result<ListStreamConsumersOutput, Fault> {
    let now = kinesis.clock.now();
    let stream = kinesis.stream(caller, None, Some(&input.stream_arn))?;
    if let Some(Timestamp(created)) = input.stream_creation_timestamp
        // Clients send whole seconds in JSON.
        && created / 1000 != stream.created / 1000
    {
        return Err(faults::no_stream(&stream.key));
    }
    let after = match &input.next_token {
        None => None,
        Some(_) if input.stream_creation_timestamp.is_some() => {
            let message = "NextToken and StreamCreationTimestamp cannot be provided together.";
            return Err(kinds::INVALID_ARGUMENT.because(message));
        }
        Some(token) => {
            let page: Option<Page> = kinesis.open_page(Purpose::ListStreamConsumers, token);
            let page = page.filter(|page| page.key == stream.key && page.incarnation == stream.incarnation);
            let page = page.ok_or_else(|| kinds::INVALID_ARGUMENT.because("NextToken is not valid."))?;
            if now - page.minted > TOKEN_MS_MAX {
                let message = "NextToken is older than 300 seconds: begin the list again.";
                return Err(kinds::EXPIRED_NEXT_TOKEN.because(message));
            }
            Some(page.after)
        }
    };
    let page = input.max_results.map_or(PAGE_CONSUMERS, |max| (max.unsigned_abs() as usize).min(PAGE_CONSUMERS));
    let all = kinesis.consumers.list(&stream)?;
    let mut rest =
        all.iter().filter(|consumer| after.as_deref().is_none_or(|after| *consumer.name > *after)).peekable();
    let listed: Vec<_> = rest.by_ref().take(page).collect();
    let next = listed.last().filter(|_| rest.peek().is_some()).map(|last| {
        let (key, incarnation, after) = (stream.key.clone(), stream.incarnation, last.name.to_string());
        kinesis.seal_page(Purpose::ListStreamConsumers, &Page { key, incarnation, after, minted: now })
    });
    let consumers = listed.into_iter().map(|consumer| consumers::describe(consumer, ACTIVE)).collect();
    Ok(ListStreamConsumersOutput { consumers: Some(consumers), next_token: next.transpose()? })
}
