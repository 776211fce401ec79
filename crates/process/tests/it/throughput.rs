//! The measure of issue 2: two million JSON orders, one-minute windows, ten thousand keys, parallelism 2.
//! `cargo test --release -p millrace-process throughput -- --ignored --nocapture`

use crate::support::{aggregate, call, column, field, files, orders};
use millrace_base::{SystemClock, SystemDice, SystemDisk};
use millrace_process::connect::{Connectors, Environment};
use millrace_process::graph::{Expr, JobGraph, Operator, Value, Window, WindowAggregate, WindowProperty};
use millrace_process::{Job, Parts, RunOptions, Stop, run_job};
use millrace_schema::SqlType;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

#[test]
#[ignore = "a measurement"]
fn throughput() {
    let dir = std::env::temp_dir().join(format!("millrace-throughput-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let count = 2_000_000i64;
    let mut text = String::new();
    for nth in 0..count {
        let ms = nth * 600_000 / count;
        let key = (nth * 2_654_435_761) % 10_000;
        let _ = writeln!(
            text,
            "{{\"order_id\":{nth},\"ts\":\"2026-01-01 00:{:02}:{:02}.{:03}\",\"k\":\"customer-{key:05}\",\"city\":\"Amsterdam\",\"currency\":\"EUR\",\"v\":{},\"note\":\"plain\"}}",
            ms / 60_000,
            ms / 1000 % 60,
            ms % 1000,
            nth % 1000
        );
    }
    std::fs::write(dir.join("orders.json"), &text).unwrap();
    let fields = orders();
    let mut graph = JobGraph::default();
    graph.settings.parallelism = 2;
    let source = graph.add(Operator::Source(files("orders", dir.to_str().unwrap(), &fields)), vec![], fields.clone());
    let expr =
        call("-", vec![column(&fields, 0), Expr::literal(Value::IntervalMillis(5_000), SqlType::IntervalMillis)]);
    let watermark = Operator::Watermark { column: 0, expr, idle_timeout_ms: None };
    let watermark = graph.add(watermark, vec![source], fields.clone());
    let output = vec![
        field("k", SqlType::STRING),
        field("n", SqlType::BigInt),
        field("total", SqlType::BigInt),
        field("window_start", SqlType::Timestamp(3)),
    ];
    let window = WindowAggregate {
        window: Window::Tumble { size_ms: 60_000, offset_ms: 0 },
        time: 0,
        keys: vec![1],
        aggs: vec![aggregate("COUNT", &[], &fields), aggregate("SUM", &[2], &fields)],
        props: vec![WindowProperty::Start],
        allowed_lateness_ms: 0,
    };
    let window = graph.add(Operator::WindowAggregate(window), vec![watermark], output.clone());
    let out = std::env::temp_dir().join(format!("millrace-throughput-out-{}", std::process::id()));
    graph.add(Operator::Sink(files("out", out.to_str().unwrap(), &output)), vec![window], output);
    let environment = Environment {
        scope: Default::default(),
        log: None,
        disk: Arc::new(SystemDisk),
        clock: Arc::new(SystemClock),
        dice: Arc::new(SystemDice),
        job: "bench".into(),
    };
    for _ in 0..3 {
        let parts = Parts { environment: environment.clone(), connectors: Connectors::default() };
        let started = Instant::now();
        let job = Job::open(&graph, parts, None).unwrap();
        let counters = run_job(job, RunOptions { stop: Stop::new(), report: &mut |_| {} }).unwrap();
        let seconds = started.elapsed().as_secs_f64();
        let per_row = text.len() as f64 / count as f64;
        println!("{:.0} rows/s, {seconds:.2} s, {per_row:.0} B a row, {counters:?}", count as f64 / seconds);
    }
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::remove_dir_all(&out).unwrap();
}
