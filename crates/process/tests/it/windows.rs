//! Windows: what fires, what is late, and that parallel runs give what sequential ones give.

use crate::support::{World, rows, windowed};
use millrace_process::connect::Collect;
use millrace_process::graph::{Operator, Window};
use millrace_process::{Job, Progress};
use std::sync::Arc;

const TUMBLE: Window = Window::Tumble { size_ms: 10_000, offset_ms: 0 };

#[test]
fn the_third_row_is_late() {
    // The example of the oracle: rows at 00:00:00, 00:01:40, 00:00:01 with a bound of 5 s.
    let world = World::new(1);
    world.write("/in/orders/1", &rows(&[(0, "a", 1), (100, "a", 2), (1, "a", 4)]));
    let counters = world.run(&windowed(TUMBLE, 5_000, 0));
    assert_eq!(
        world.lines("/out/out"),
        [
            r#"{"k":"a","n":1,"total":1,"most":1,"window_start":"2026-01-01 00:00:00","window_end":"2026-01-01 00:00:10"}"#,
            r#"{"k":"a","n":1,"total":2,"most":2,"window_start":"2026-01-01 00:01:40","window_end":"2026-01-01 00:01:50"}"#,
        ]
    );
    assert_eq!(world.lines("/out/late"), [r#"{"ts":"2026-01-01 00:00:01","k":"a","v":4}"#]);
    assert_eq!((counters.late, counters.rows_in, counters.rows_out), (1, 3, 3));
}

#[test]
fn hop_and_cumulate_share_slices() {
    let input = rows(&[(1, "a", 1), (6, "a", 2), (12, "b", 3), (30, "a", 9)]);
    let hop = World::new(1);
    hop.write("/in/orders/1", &input);
    hop.run(&windowed(Window::Hop { size_ms: 10_000, slide_ms: 5_000, offset_ms: 0 }, 0, 0));
    let starts = |world: &World| -> Vec<String> {
        let lines = world.lines_in_order("/out/out");
        lines.iter().map(|line| line.replace("2026-01-01 00:", "")).collect()
    };
    assert_eq!(
        starts(&hop),
        [
            r#"{"k":"a","n":1,"total":1,"most":1,"window_start":"2025-12-31 23:59:55","window_end":"00:05"}"#,
            r#"{"k":"a","n":2,"total":3,"most":2,"window_start":"00:00","window_end":"00:10"}"#,
            r#"{"k":"a","n":1,"total":2,"most":2,"window_start":"00:05","window_end":"00:15"}"#,
            r#"{"k":"b","n":1,"total":3,"most":3,"window_start":"00:05","window_end":"00:15"}"#,
            r#"{"k":"b","n":1,"total":3,"most":3,"window_start":"00:10","window_end":"00:20"}"#,
            r#"{"k":"a","n":1,"total":9,"most":9,"window_start":"00:25","window_end":"00:35"}"#,
            r#"{"k":"a","n":1,"total":9,"most":9,"window_start":"00:30","window_end":"00:40"}"#,
        ]
    );
    let cumulate = World::new(1);
    cumulate.write("/in/orders/1", &input);
    cumulate.run(&windowed(Window::Cumulate { size_ms: 10_000, step_ms: 5_000, offset_ms: 0 }, 0, 0));
    assert_eq!(starts(&cumulate).len(), 6);
}

#[test]
fn sessions_join_over_the_gap() {
    let world = World::new(1);
    world
        .write("/in/orders/1", &rows(&[(0, "a", 1), (8, "a", 1), (4, "a", 1), (4, "b", 7), (40, "a", 1), (1, "a", 5)]));
    world.run(&windowed(Window::Session { gap_ms: 5_000 }, 10_000, 0));
    let lines: Vec<String> =
        world.lines_in_order("/out/out").iter().map(|line| line.replace("2026-01-01 00:", "")).collect();
    assert_eq!(
        lines,
        [
            r#"{"k":"b","n":1,"total":7,"most":7,"window_start":"00:04","window_end":"00:09"}"#,
            r#"{"k":"a","n":3,"total":3,"most":1,"window_start":"00:00","window_end":"00:13"}"#,
            r#"{"k":"a","n":1,"total":1,"most":1,"window_start":"00:40","window_end":"00:45"}"#,
        ]
    );
    assert_eq!(world.lines("/out/late").len(), 1);
}

#[test]
fn allowed_lateness_fires_again() {
    let world = World::new(1);
    // The third row is behind its window, which is kept for 20 s; the fifth comes after that.
    world.write("/in/orders/1", &rows(&[(0, "a", 1), (15, "a", 2), (1, "a", 4), (60, "a", 8), (2, "a", 16)]));
    let mut graph = windowed(TUMBLE, 0, 20_000);
    for node in &mut graph.nodes {
        if let Operator::Sink(spec) = &mut node.operator
            && spec.table == "out"
        {
            spec.connector = "collect".to_owned();
        }
    }
    let mut parts = world.parts();
    let (collect, collected) = Collect::pair();
    parts.connectors.add_sink("collect", Arc::new(collect));
    let mut job = Job::open(&graph, parts, None).unwrap();
    while job.step().unwrap() != Progress::Finished {}
    drop(job);
    let shown: Vec<String> =
        collected.flat_map(|rows| (0..rows.batch.num_rows()).map(|row| rows.render(row)).collect::<Vec<_>>()).collect();
    let shown: Vec<&str> = shown.iter().map(|row| &row[..row.find(", 20").unwrap()]).collect();
    assert_eq!(shown, ["+I[a, 1, 1, 1", "-U[a, 1, 1, 1", "+U[a, 2, 5, 4", "+I[a, 1, 2, 2", "+I[a, 1, 8, 8"]);
    assert_eq!(world.lines("/out/late").len(), 1);
}

/// Rows over half an hour, a few of them far behind the others.
fn many(count: i64) -> String {
    let keys: Vec<String> = (0..50).map(|key| format!("key-{key}")).collect();
    let row = |nth: i64| {
        let behind = if nth % 97 == 0 { 120 } else { nth * 7 % 5 };
        ((nth * 1800 / count - behind).max(0), keys[(nth * nth % 50) as usize].as_str(), nth)
    };
    rows(&(0..count).map(row).collect::<Vec<_>>())
}

#[test]
fn a_watermark_without_late_rows_gives_the_same_in_parallel() {
    let mut results = Vec::new();
    for parallelism in [1, 3] {
        let world = World::new(1);
        for file in 0..4 {
            world.write(&format!("/in/orders/{file}"), &many(3000));
        }
        // Four files one after the other go back in time: only a bound longer than all of it keeps every row.
        let mut graph = windowed(TUMBLE, 3_600_000, 0);
        graph.settings.parallelism = parallelism;
        let counters = world.run(&graph);
        assert_eq!((counters.late, counters.rows_in), (0, 12_000));
        results.push(world.lines("/out/out"));
    }
    assert!(results[0].len() > 1000);
    assert_eq!(results[0], results[1]);
}

#[test]
fn late_rows_are_never_lost() {
    let world = World::new(1);
    world.write("/in/orders/1", &many(20_000));
    let counters = world.run(&windowed(TUMBLE, 5_000, 0));
    let counted: i64 = world
        .lines("/out/out")
        .iter()
        .map(|line| line.split("\"n\":").nth(1).unwrap().split(',').next().unwrap().parse::<i64>().unwrap())
        .sum();
    assert_eq!(counted + counters.late as i64, 20_000);
    assert_eq!(world.lines("/out/late").len() as u64, counters.late);
    assert!(counters.late > 150);
}
