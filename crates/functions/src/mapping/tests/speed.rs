//! What a mapping itself costs: `cargo test -p millrace-functions --lib -- --ignored --nocapture speed`.

use super::world::World;
use crate::{FunctionResponse, Invocation, Invoke, InvokeError};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// A function that does not even look.
struct NoOp;

#[async_trait]
impl Invoke for NoOp {
    async fn invoke(&self, _: Invocation) -> Result<FunctionResponse, InvokeError> {
        Ok(FunctionResponse {
            executed_version: "$LATEST".into(),
            failed: false,
            payload: Bytes::from_static(b"null"),
            log_tail: Bytes::new(),
        })
    }
}

#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement needs the machine's clock")]
fn speed_of_batches_of_a_hundred() {
    let pattern = json!({ "Filters": [{ "Pattern": r#"{"data": {"id": [{"exists": true}]}}"# }] });
    for (name, more) in [
        ("one lane", json!({})),
        ("ten lanes", json!({ "ParallelizationFactor": 10 })),
        ("filtered", json!({ "FilterCriteria": pattern })),
    ] {
        let mut world = World::new(1, 1);
        world.parts.invoke = Arc::new(NoOp);
        let uuid = world.create(more).unwrap()["UUID"].as_str().unwrap().to_owned();
        let record = json!({ "id": 1, "note": "x".repeat(1000) }).to_string();
        let keys: Vec<String> = (0..500).map(|key| format!("k{key}")).collect();
        let batch: Vec<_> = keys.iter().map(|key| (key.as_str(), record.as_bytes())).collect();
        (0..200).for_each(|_| assert!(world.put(&batch)));
        let mut shard = world.shards(&uuid).into_values().next().unwrap();
        let start = Instant::now();
        let calls = world.settle(&mut shard);
        let secs = start.elapsed().as_secs_f64();
        world.writer.flush().unwrap();
        assert_eq!(world.checkpoints(&uuid)[&millrace_base::ShardId(0)].index, 100_000);
        println!("{name}: {:.0} records/s in {calls} calls", 100_000.0 / secs);
    }
}
