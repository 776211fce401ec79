//! DescribeLimits: what is used. Millrace has no quota, so the limits are the largest that AWS's model can say.

use super::{Kinesis, describe};
use crate::http::Caller;
use crate::models::kinesis::{DescribeLimitsInput, DescribeLimitsOutput};
use crate::wire::Fault;
use millrace_log::{StreamKey, StreamMode};

const NO_LIMIT: i32 = 1_000_000;

pub fn call(kinesis: &Kinesis, caller: &Caller, _: DescribeLimitsInput) -> Result<DescribeLimitsOutput, Fault> {
    let names = kinesis.log.streams(&caller.scope).into_iter();
    let keys = names.map(|name| StreamKey { scope: caller.scope.clone(), name });
    // A stream that is deleted meanwhile counts no more.
    let streams: Vec<_> = keys.filter_map(|key| kinesis.log.stream(&key).ok()).collect();
    let on_demand = streams.iter().filter(|stream| stream.spec.mode == StreamMode::OnDemand).count();
    Ok(DescribeLimitsOutput {
        shard_limit: NO_LIMIT,
        open_shard_count: streams.iter().map(|stream| describe::open_shards(stream)).sum(),
        on_demand_stream_count: on_demand as i32,
        on_demand_stream_count_limit: NO_LIMIT,
        channel_count: Some(0),
        channel_count_limit: Some(0),
    })
}
