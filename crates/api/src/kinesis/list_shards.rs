//! ListShards: a stream's shards by id, filtered, a page at a time.
//!
//! The token carries the stream and the filter, because a client that goes on names neither.

use super::seal::Purpose;
use super::{Kinesis, allow, describe, faults};
use crate::http::Caller;
use crate::models::kinesis::{ListShardsInput, ListShardsOutput, ShardFilter};
use crate::wire::{Fault, Text, Timestamp, kinds};
use millrace_base::{Millis, ShardId};
use millrace_log::{Shard, StreamInfo, StreamKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// AWS's page size, and the most it gives whatever is asked for.
const PAGE_SHARDS: usize = 1000;
/// How long a page's token is good for.
pub const TOKEN_MS_MAX: Millis = 300_000;

/// Which shards are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Filter {
    /// Every shard that still holds records or takes them.
    All,
    /// Those that were open at the trim horizon.
    AtTrimHorizon,
    /// Those that are open.
    AtLatest,
    /// Those that were open at a time.
    At(Millis),
    /// Those that were open at a time or later.
    From(Millis),
    /// Those after an id.
    After(ShardId),
}

/// What a `NextToken` carries.
#[derive(Serialize, Deserialize)]
struct Page {
    key: StreamKey,
    incarnation: u64,
    filter: Filter,
    after: Option<ShardId>,
    minted: Millis,
}

pub fn call(kinesis: &Kinesis, caller: &Caller, input: ListShardsInput) -> Result<ListShardsOutput, Fault> {
    let now = kinesis.clock.now();
    let (stream, filter, after) = match &input.next_token {
        Some(token) => {
            let begun = resume(kinesis, caller, &input, token, now)?;
            allow(caller, "kinesis:ListShards", &begun.0.key)?;
            begun
        }
        None => begin(kinesis, caller, &input)?,
    };
    let page = input.max_results.map_or(PAGE_SHARDS, |max| (max.unsigned_abs() as usize).min(PAGE_SHARDS));
    let listed = stream.shards.iter().filter(|shard| Some(shard.id) > after && filter.takes(shard, &stream, now));
    let mut listed = listed.peekable();
    let shards: Vec<&Shard> = listed.by_ref().take(page).collect();
    let next = shards.last().filter(|_| listed.peek().is_some()).map(|last| {
        let (key, incarnation) = (stream.key.clone(), stream.incarnation);
        kinesis.seal_page(Purpose::ListShards, &Page { key, incarnation, filter, after: Some(last.id), minted: now })
    });
    let shards = shards.into_iter().map(describe::shard).collect();
    Ok(ListShardsOutput { shards: Some(shards), next_token: next.transpose()? })
}

type Begun = (Arc<StreamInfo>, Filter, Option<ShardId>);

fn begin(kinesis: &Kinesis, caller: &Caller, input: &ListShardsInput) -> Result<Begun, Fault> {
    if input.stream_name.is_none() && input.stream_arn.is_none() {
        return Err(kinds::INVALID_ARGUMENT.because("Either NextToken or StreamName should be provided."));
    }
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    if let Some(Timestamp(created)) = input.stream_creation_timestamp
        // Clients send whole seconds in JSON.
        && created / 1000 != stream.created / 1000
    {
        return Err(faults::no_stream(&stream.key));
    }
    let id = |text: &Text| text.parse::<ShardId>().map_err(|_| faults::bad_shard_id(&stream.key, text));
    let after = input.exclusive_start_shard_id.as_ref().map(id).transpose()?;
    let filter = match &input.shard_filter {
        None => Filter::All,
        Some(filter) => Filter::of(filter, id)?,
    };
    Ok((stream, filter, after))
}

fn resume(
    kinesis: &Kinesis,
    caller: &Caller,
    input: &ListShardsInput,
    token: &str,
    now: Millis,
) -> Result<Begun, Fault> {
    if input.stream_name.is_some() || input.stream_arn.is_some() {
        return Err(kinds::INVALID_ARGUMENT.because("NextToken and StreamName cannot be provided together."));
    }
    let others = input.exclusive_start_shard_id.is_some() || input.shard_filter.is_some();
    if others || input.stream_creation_timestamp.is_some() {
        let message = "NextToken cannot be provided together with ExclusiveStartShardId, ShardFilter or \
                       StreamCreationTimestamp: it carries them.";
        return Err(kinds::INVALID_ARGUMENT.because(message));
    }
    let page: Option<Page> = kinesis.open_page(Purpose::ListShards, token);
    let page = page.filter(|page| page.key.scope == caller.scope);
    let page = page.ok_or_else(|| kinds::INVALID_ARGUMENT.because("NextToken is not valid."))?;
    if now - page.minted > TOKEN_MS_MAX {
        return Err(kinds::EXPIRED_NEXT_TOKEN.because("NextToken is older than 300 seconds: begin the list again."));
    }
    let stream = kinesis.log.stream(&page.key).map_err(faults::of_log)?;
    if stream.incarnation != page.incarnation {
        return Err(faults::no_stream(&page.key));
    }
    Ok((stream, page.filter, page.after))
}

impl Filter {
    fn of(filter: &ShardFilter, id: impl Fn(&Text) -> Result<ShardId, Fault>) -> Result<Self, Fault> {
        let kind = filter.r#type.as_str();
        let needs =
            |what: &str| kinds::INVALID_ARGUMENT.because(format!("{what} must be provided for shard filter {kind}."));
        let time = || filter.timestamp.map(|Timestamp(time)| time).ok_or_else(|| needs("Timestamp"));
        Ok(match kind {
            "AT_TRIM_HORIZON" => Self::AtTrimHorizon,
            "AT_LATEST" => Self::AtLatest,
            "AT_TIMESTAMP" => Self::At(time()?),
            "FROM_TIMESTAMP" => Self::From(time()?),
            "AFTER_SHARD_ID" => Self::After(id(filter.shard_id.as_ref().ok_or_else(|| needs("ShardId"))?)?),
            // FROM_TRIM_HORIZON; the model's rule lets nothing else through.
            _ => Self::All,
        })
    }

    fn takes(self, shard: &Shard, stream: &StreamInfo, now: Millis) -> bool {
        let horizon = (now - Millis::from(stream.spec.retention_hours) * 3_600_000).max(stream.created);
        let begun_by = |time: Millis| shard.created_secs as Millis <= time.div_euclid(1000);
        let open_at =
            |time: Millis| shard.closed.is_none_or(|closed| closed.at_secs as Millis >= time.div_euclid(1000));
        match self {
            Self::All => open_at(horizon),
            Self::AtLatest => shard.closed.is_none(),
            Self::AtTrimHorizon => begun_by(horizon) && open_at(horizon),
            Self::At(time) => begun_by(time.max(horizon)) && open_at(time.max(horizon)),
            Self::From(time) => open_at(time.max(horizon)),
            Self::After(id) => shard.id > id && open_at(horizon),
        }
    }
}

impl Kinesis {
    /// A page's token.
    pub(super) fn seal_page<T: Serialize>(&self, purpose: Purpose, page: &T) -> Result<Text, Fault> {
        let content = serde_json::to_vec(page).map_err(|error| kinds::INTERNAL_FAILURE.because(error.to_string()))?;
        Ok(self.seal.close(purpose, &content))
    }

    /// What a page's token carries, when it is one of ours.
    pub(super) fn open_page<T: DeserializeOwned>(&self, purpose: Purpose, token: &str) -> Option<T> {
        serde_json::from_slice(&self.seal.open(purpose, token)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Scope;
    use millrace_log::{Closed, HashRange, StreamMode, StreamSpec};

    const HOUR: Millis = 3_600_000;

    /// A stream of 100 hours whose first shard was split at hour 90, with a retention of 24 hours.
    fn taken(filter: Filter) -> Vec<u32> {
        let shard = |id, created: Millis, closed: Option<Millis>| Shard {
            id: ShardId(id),
            parent: None,
            adjacent_parent: None,
            range: HashRange { start: 0, end: u128::MAX },
            created_secs: (created / 1000) as u64,
            closed: closed.map(|at| Closed { tail: 0, at_secs: (at / 1000) as u64 }),
        };
        let stream = StreamInfo {
            key: StreamKey { scope: Scope::default(), name: "s".into() },
            incarnation: 1,
            created: 0,
            spec: StreamSpec {
                shard_count: 1,
                mode: StreamMode::Provisioned,
                retention_hours: 24,
                record_kib_max: 1024,
            },
            shards: vec![
                shard(0, 0, Some(90 * HOUR)),
                shard(1, 90 * HOUR, None),
                shard(2, 90 * HOUR, Some(95 * HOUR)),
                shard(3, 95 * HOUR, None),
            ],
        };
        let taken = stream.shards.iter().filter(|shard| filter.takes(shard, &stream, 100 * HOUR));
        taken.map(|shard| shard.id.0).collect()
    }

    #[test]
    fn filters_follow_the_lives_of_shards() {
        assert_eq!(taken(Filter::All), [0, 1, 2, 3]);
        assert_eq!(taken(Filter::AtTrimHorizon), [0]);
        assert_eq!(taken(Filter::AtLatest), [1, 3]);
        assert_eq!(taken(Filter::At(92 * HOUR)), [1, 2]);
        assert_eq!(taken(Filter::At(HOUR)), [0], "clamped to the trim horizon");
        assert_eq!(taken(Filter::From(92 * HOUR)), [1, 2, 3]);
        assert_eq!(taken(Filter::From(99 * HOUR)), [1, 3]);
        assert_eq!(taken(Filter::After(ShardId(1))), [2, 3]);
    }
}
