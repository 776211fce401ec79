//! How fast records are read: `cargo test -p millrace-schema -- --ignored --nocapture speed`.

use crate::fields;
use millrace_schema::format;
use std::collections::BTreeMap;
use std::time::Instant;

#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement needs the machine's clock")]
fn speed_of_four_of_seven_flat_fields() {
    let records: Vec<Vec<u8>> = (0..100_000u64)
        .map(|n| {
            format!(
                r#"{{"order_id":"o-{n:08}","customer":"customer-{}","product":"product {} with a longish name","price":{}.{:02},"quantity":{},"ts":"2026-01-01 {:02}:{:02}:{:02}.{:03}","note":"left at the door"}}"#,
                n % 5000, n % 97, n % 500, n % 100, n % 9 + 1, n / 3600 % 24, n / 60 % 60, n % 60, n % 1000
            )
            .into_bytes()
        })
        .collect();
    let bytes: usize = records.iter().map(Vec::len).sum();
    let spec = fields(&[("customer", "string"), ("price", "double"), ("quantity", "int"), ("ts", "timestamp")]);
    let mut decoder = format::decoder("json", &BTreeMap::new(), &spec).unwrap();
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        for chunk in records.chunks(4096) {
            for record in chunk {
                decoder.push(record).unwrap();
            }
            assert_eq!(decoder.finish().num_rows(), chunk.len());
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let per_sec = records.len() as f64 / best;
    println!("{:.0} MB/s, {per_sec:.0} records/s of {} bytes", bytes as f64 / best / 1e6, bytes / records.len());
}
