//! How fast records are delivered: `cargo test -p millrace-deliver -- --ignored --nocapture speed`.

use crate::world::{World, converted, create_table, s3};
use serde_json::json;
use std::time::Instant;

#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement needs the machine's clock")]
fn speed_of_plain_and_converted_records() {
    for (name, more) in [("plain", json!({})), ("parquet", converted())] {
        let world = World::new(1);
        create_table(&world.parts.tables, &world.scope);
        world.deliveries().create(&world.scope, s3(more)).unwrap();
        let note = "x".repeat(120);
        let batch = |n: u64| -> Vec<_> {
            let record = |id| {
                (u128::from(id % 2) * 200, format!(r#"{{"id":{id},"c":"customer-{}","note":"{note}"}}"#, id % 999))
            };
            (n * 500..(n + 1) * 500).map(record).collect()
        };
        let mut bytes = 0;
        for n in 0..400 {
            let records = batch(n);
            bytes += records.iter().map(|(_, text)| text.len()).sum::<usize>();
            assert!(world.append(&records));
        }
        let mut runner = world.runner("d");
        let start = Instant::now();
        world.settle(&mut runner);
        world.clock.advance(60_000);
        world.settle(&mut runner);
        let secs = start.elapsed().as_secs_f64();
        assert_eq!(runner.stats().snapshot().records_out, 200_000);
        println!("{name}: {:.0} records/s, {:.0} MB/s", 200_000.0 / secs, bytes as f64 / secs / 1e6);
    }
}
