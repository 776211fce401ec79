//! Aggregates beyond sums: DISTINCT, FILTER, changelogs, and windows that rows carry with them.

use crate::support::{World, aggregate, call, column, field, files, orders, rows, sink};
use millrace_process::aggregates::AggregateCall;
use millrace_process::connect::Collect;
use millrace_process::graph::{Expr, JobGraph, NodeId, Operator, Value, Window, WindowAggregate, WindowProperty};
use millrace_process::{Job, Progress};
use millrace_schema::{Field, SqlType};
use std::sync::Arc;

/// `orders` under a watermark without delay, with a last column `v > 2`.
fn watched(graph: &mut JobGraph) -> (NodeId, Vec<Field>) {
    let mut fields = orders();
    let source = graph.add(Operator::Source(files("orders", "/in/orders", &fields)), vec![], fields.clone());
    let mut project: Vec<Expr> = (0..fields.len()).map(|index| column(&fields, index)).collect();
    project.push(call(">", vec![column(&fields, 2), Expr::literal(Value::Int(2), SqlType::BigInt)]));
    fields.push(field("great", SqlType::Boolean));
    let calc = graph.add(Operator::Calc { filter: None, project }, vec![source], fields.clone());
    let watermark = Operator::Watermark { column: 0, expr: column(&fields, 0), idle_timeout_ms: None };
    (graph.add(watermark, vec![calc], fields.clone()), fields)
}

fn tumble(size_ms: i64, keys: Vec<usize>, aggs: Vec<AggregateCall>, props: Vec<WindowProperty>) -> Operator {
    let window = Window::Tumble { size_ms, offset_ms: 0 };
    Operator::WindowAggregate(WindowAggregate { window, time: 0, keys, aggs, props, allowed_lateness_ms: 0 })
}

#[test]
fn distinct_and_filter() {
    let world = World::new(1);
    world.write("/in/orders/1", &rows(&[(0, "a", 1), (1, "a", 3), (2, "a", 3), (3, "b", 4), (12, "a", 2)]));
    let mut graph = JobGraph::default();
    let (input, fields) = watched(&mut graph);
    let distinct = |function| AggregateCall { distinct: true, ..aggregate(function, &[2], &fields) };
    let filtered = |call: AggregateCall| AggregateCall { filter: Some(3), ..call };
    let aggs = vec![
        distinct("COUNT"),
        distinct("SUM"),
        filtered(aggregate("COUNT", &[], &fields)),
        filtered(distinct("COUNT")),
        filtered(aggregate("MIN", &[2], &fields)),
    ];
    let names = ["kinds", "sum_of_kinds", "great", "great_kinds", "least_great"];
    let output: Vec<Field> = names.iter().map(|name| field(name, SqlType::BigInt)).collect();
    let window = graph.add(tumble(10_000, vec![], aggs, vec![]), vec![input], output.clone());
    sink(&mut graph, window, "out", &output);
    world.run(&graph);
    assert_eq!(
        world.lines_in_order("/out/out"),
        [
            r#"{"kinds":3,"sum_of_kinds":8,"great":3,"great_kinds":2,"least_great":3}"#,
            r#"{"kinds":1,"sum_of_kinds":2,"great":0,"great_kinds":0,"least_great":null}"#,
        ]
    );
}

#[test]
fn a_group_without_a_window_gives_a_changelog() {
    let world = World::new(1);
    // Each file is a batch of its own, and each batch changes a group once.
    world.write("/in/orders/1", &rows(&[(0, "a", 1), (0, "b", 2), (0, "a", 3)]));
    world.write("/in/orders/2", &rows(&[(0, "a", 5), (0, "c", 1), (0, "b", 0)]));
    let mut graph = JobGraph::default();
    let fields = orders();
    let source = graph.add(Operator::Source(files("orders", "/in/orders", &fields)), vec![], fields.clone());
    let output = vec![field("k", SqlType::STRING), field("total", SqlType::BigInt)];
    let aggs = vec![aggregate("SUM", &[2], &fields)];
    let group = graph.add(Operator::GroupAggregate { keys: vec![1], aggs }, vec![source], output.clone());
    assert!(graph.is_changelog(group));
    let mut spec = files("out", "", &output);
    spec.connector = "collect".to_owned();
    graph.add(Operator::Sink(spec), vec![group], output);
    let mut parts = world.parts();
    let (collect, collected) = Collect::pair();
    parts.connectors.add_sink("collect", Arc::new(collect));
    let mut job = Job::open(&graph, parts, None).unwrap();
    while job.step().unwrap() != Progress::Finished {}
    drop(job);
    let shown: Vec<String> =
        collected.flat_map(|rows| (0..rows.batch.num_rows()).map(|row| rows.render(row)).collect::<Vec<_>>()).collect();
    // b stays 2: what does not change gives no update.
    assert_eq!(shown, ["+I[a, 4]", "+I[b, 2]", "-U[a, 4]", "+U[a, 9]", "+I[c, 1]"]);
}

#[test]
fn a_window_of_windows_groups_what_the_inner_one_gives() {
    let world = World::new(1);
    world.write("/in/orders/1", &rows(&[(0, "a", 1), (3, "b", 2), (4, "a", 5), (11, "a", 7), (19, "c", 1)]));
    let mut graph = JobGraph::default();
    let (input, fields) = watched(&mut graph);
    let inner = vec![
        field("k", SqlType::STRING),
        field("total", SqlType::BigInt),
        field("window_start", SqlType::Timestamp(3)),
        field("window_end", SqlType::Timestamp(3)),
    ];
    let aggs = vec![aggregate("SUM", &[2], &fields)];
    let props = vec![WindowProperty::Start, WindowProperty::End];
    let first = graph.add(tumble(10_000, vec![1], aggs, props), vec![input], inner.clone());
    let outer = vec![
        field("keys", SqlType::BigInt),
        field("most", SqlType::BigInt),
        field("window_end", SqlType::Timestamp(3)),
    ];
    let second = WindowAggregate {
        window: Window::Attached { start: 2, end: 3 },
        time: 3,
        keys: vec![],
        aggs: vec![aggregate("COUNT", &[], &inner), aggregate("MAX", &[1], &inner)],
        props: vec![WindowProperty::End],
        allowed_lateness_ms: 0,
    };
    let second = graph.add(Operator::WindowAggregate(second), vec![first], outer.clone());
    sink(&mut graph, second, "out", &outer);
    let counters = world.run(&graph);
    assert_eq!(counters.late, 0);
    assert_eq!(
        world.lines_in_order("/out/out"),
        [
            r#"{"keys":2,"most":6,"window_end":"2026-01-01 00:00:10"}"#,
            r#"{"keys":2,"most":7,"window_end":"2026-01-01 00:00:20"}"#,
        ]
    );
}

/// More groups than are summed at a time: each is whole, and the watermark comes behind the last of them, so that a window over
/// these windows finds none late.
#[test]
fn a_window_of_many_groups_fires_in_parts() {
    const KEYS: i64 = 80_000;
    let world = World::new(1);
    let keys: Vec<String> = (0..KEYS).map(|key| format!("key-{key}")).collect();
    let of_second = |second, kinds| (0..KEYS).zip(&keys).map(move |(key, name)| (second, name.as_str(), key % kinds));
    let all: Vec<_> = of_second(1, 5).chain(of_second(6, 3)).chain(of_second(7, 3)).collect();
    world.write("/in/orders/1", &rows(&all));
    let mut graph = JobGraph::default();
    let (input, fields) = watched(&mut graph);
    let distinct = AggregateCall { distinct: true, ..aggregate("COUNT", &[2], &fields) };
    let aggs = vec![aggregate("COUNT", &[], &fields), aggregate("SUM", &[2], &fields), distinct];
    let inner = vec![
        field("k", SqlType::STRING),
        field("n", SqlType::BigInt),
        field("total", SqlType::BigInt),
        field("kinds", SqlType::BigInt),
        field("window_start", SqlType::Timestamp(3)),
        field("window_end", SqlType::Timestamp(3)),
    ];
    let hop = WindowAggregate {
        window: Window::Hop { size_ms: 10_000, slide_ms: 5_000, offset_ms: 0 },
        time: 0,
        keys: vec![1],
        aggs,
        props: vec![WindowProperty::Start, WindowProperty::End],
        allowed_lateness_ms: 0,
    };
    let hop = graph.add(Operator::WindowAggregate(hop), vec![input], inner.clone());
    sink(&mut graph, hop, "each", &inner);
    let outer = vec![field("keys", SqlType::BigInt), field("rows", SqlType::BigInt), field("kinds", SqlType::BigInt)];
    let over = WindowAggregate {
        window: Window::Attached { start: 4, end: 5 },
        time: 5,
        keys: vec![],
        aggs: vec![aggregate("COUNT", &[], &inner), aggregate("SUM", &[1], &inner), aggregate("SUM", &[3], &inner)],
        props: vec![],
        allowed_lateness_ms: 0,
    };
    let over = graph.add(Operator::WindowAggregate(over), vec![hop], outer.clone());
    sink(&mut graph, over, "all", &outer);
    let counters = world.run(&graph);
    assert_eq!((counters.late, counters.rows_in), (0, 3 * KEYS as u64));
    let kinds: i64 = (0..KEYS).map(|key| if key % 5 == key % 3 { 1 } else { 2 }).sum();
    let line = |rows: i64, kinds: i64| format!(r#"{{"keys":{KEYS},"rows":{rows},"kinds":{kinds}}}"#);
    assert_eq!(world.lines_in_order("/out/all"), [line(KEYS, KEYS), line(3 * KEYS, kinds), line(2 * KEYS, KEYS)]);
    let mut expected: Vec<String> = (0..KEYS)
        .map(|key| {
            let (total, kinds) = (key % 5 + 2 * (key % 3), if key % 5 == key % 3 { 1 } else { 2 });
            format!(
                r#"{{"k":"key-{key}","n":3,"total":{total},"kinds":{kinds},"window_start":"2026-01-01 00:00:00","window_end":"2026-01-01 00:00:10"}}"#
            )
        })
        .collect();
    expected.sort();
    let mut whole = world.lines("/out/each");
    whole.retain(|line| line.contains(r#""window_start":"2026-01-01 00:00:00""#));
    whole.sort();
    assert!(whole == expected, "{} windows instead of {}", whole.len(), expected.len());
}

#[test]
fn a_limit_ends_the_job() {
    let world = World::new(1);
    world.write("/in/orders/1", &rows(&(0..10_000).map(|nth| (nth, "a", nth)).collect::<Vec<_>>()));
    for limit in [0, 3] {
        let mut graph = JobGraph::default();
        let fields = orders();
        let source = graph.add(Operator::Source(files("orders", "/in/orders", &fields)), vec![], fields.clone());
        let first = graph.add(Operator::Limit { rows: limit }, vec![source], fields.clone());
        sink(&mut graph, first, &format!("out-{limit}"), &fields);
        let counters = world.run(&graph);
        assert_eq!(counters.rows_out, limit);
        assert!(counters.rows_in < 10_000, "{counters:?}");
    }
    assert_eq!(world.lines("/out/out-3").len(), 3);
}
