//! How fast it is, by hand: `cargo test --release -p millrace-search speed -- --ignored --nocapture`.

use crate::open;
use bytes::Bytes;
use serde_json::json;
use std::time::Instant;

const DOCS: u64 = 1_000_000;

fn flight(n: u64) -> (String, Bytes) {
    let carrier = ["UA", "AA", "DL", "B6", "EV", "MQ", "WN"][(n * 7919 % 7) as usize];
    let origin = ["EWR", "JFK", "LGA"][(n % 3) as usize];
    let at = 1_357_016_400_000 + n as i64 * 30_000;
    let delay = (n.wrapping_mul(6_364_136_223_846_793_005) >> 40) % 240;
    let body = format!(
        "{{\"carrier\":\"{carrier}\",\"origin\":\"{origin}\",\"flight\":{},\"dep_delay\":{}.5,\"at\":{at},\"note\":\"on its way\"}}",
        n % 6000,
        delay
    );
    (format!("shardId-000000000000-{n:020}"), Bytes::from(body))
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let home = tempfile::tempdir().unwrap();
    let engine = open(home.path());
    let refresher = engine.start().unwrap();
    let mappings =
        json!({"properties": {"at": {"type": "date"}, "carrier": {"type": "keyword"}, "origin": {"type": "keyword"}}});
    engine.create_index("flights", &json!({"mappings": mappings})).unwrap();
    let begun = Instant::now();
    for from in (0..DOCS).step_by(1000) {
        engine.index_docs("flights", (from..from + 1000).map(flight)).unwrap();
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("index: {:.0} documents/s", DOCS as f64 / seconds);
    engine.refresh("flights").unwrap();
    let searches = [
        ("terms", json!({"size": 0, "aggs": {"a": {"terms": {"field": "carrier"}}}})),
        (
            "terms > avg",
            json!({"size": 0, "aggs": {"a": {"terms": {"field": "carrier"}, "aggs": {"d": {"avg": {"field": "dep_delay"}}}}}}),
        ),
        (
            "date_histogram",
            json!({"size": 0, "aggs": {"a": {"date_histogram": {"field": "at", "fixed_interval": "1h"}}}}),
        ),
        ("month", json!({"size": 0, "aggs": {"a": {"date_histogram": {"field": "at", "calendar_interval": "month"}}}})),
        ("percentiles", json!({"size": 0, "aggs": {"a": {"percentiles": {"field": "dep_delay"}}}})),
        ("range", json!({"query": {"range": {"dep_delay": {"gte": 200}}}, "size": 10, "sort": [{"at": "desc"}]})),
        ("match", json!({"query": {"match": {"note": "way"}}})),
        ("bool", json!({"query": {"bool": {"filter": [{"term": {"carrier": "UA"}}, {"term": {"origin": "JFK"}}]}}})),
    ];
    for (name, body) in searches {
        let mut times: Vec<f64> = (0..5)
            .map(|_| {
                let begun = Instant::now();
                engine.search("flights", &body, false).unwrap();
                begun.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{name}: {:.1} ms over {DOCS} documents", times[2]);
    }
    engine.close().unwrap();
    refresher.join().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!(
        "{}",
        status
            .lines()
            .filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"))
            .collect::<Vec<_>>()
            .join(", ")
    );
}

/// How long single documents, one every 10 ms, take until a search finds them.
#[test]
#[ignore = "a measurement"]
fn speed_of_single_documents() {
    let home = tempfile::tempdir_in(std::env::var("MILLRACE_SPEED_DIR").unwrap_or("/tmp".into())).unwrap();
    let engine = open(home.path());
    let refresher = engine.start().unwrap();
    engine.create_index("flights", &json!({})).unwrap();
    engine.index_docs("flights", (0..20_000).map(flight)).unwrap();
    let mut waiting = std::collections::VecDeque::new();
    let mut delays = Vec::new();
    let mut writes = Vec::new();
    for n in 20_000..21_000 {
        let begun = Instant::now();
        engine.index_docs("flights", [flight(n)]).unwrap();
        writes.push(begun.elapsed().as_secs_f64() * 1000.0);
        waiting.push_back((n, begun));
        while begun.elapsed().as_millis() < 10 {
            let found = engine.count("flights", &json!({}), false).unwrap()["count"].as_u64().unwrap();
            while let Some((_, put)) = waiting.pop_front_if(|(n, _)| *n < found) {
                delays.push(put.elapsed().as_secs_f64() * 1000.0);
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
    for (what, mut times) in [("write", writes), ("write to found", delays)] {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[(times.len() as f64 * share) as usize];
        println!("{what}: p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms", at(0.5), at(0.99), at(0.9999));
    }
    engine.close().unwrap();
    refresher.join().unwrap();
}
