//! A small world: a simulated disk with JSON files as tables.

use millrace_base::{Clock, Disk, SystemDice};
use millrace_process::aggregates::AggregateCall;
use millrace_process::connect::{Connectors, Environment};
use millrace_process::graph::{
    ConnectorSpec, Expr, ExprKind, JobGraph, NodeId, Operator, Value, Window, WindowAggregate, WindowProperty,
};
use millrace_process::{CheckpointStore, Counters, Job, Parts, Progress, functions};
use millrace_schema::{Field, SqlType, Typed};
use millrace_testkit::{SimClock, SimDisk};
use std::path::Path;
use std::sync::Arc;

pub struct World {
    pub disk: SimDisk,
    pub clock: Arc<SimClock>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self { disk: SimDisk::new(seed), clock: Arc::new(SimClock::at(1_780_000_000_000)) }
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = Path::new(path);
        self.disk.create_dir(path.parent().unwrap()).unwrap();
        self.disk.replace(path, text.as_bytes()).unwrap();
    }

    pub fn parts(&self) -> Parts {
        let environment = Environment {
            scope: Default::default(),
            log: None,
            disk: Arc::new(self.disk.clone()),
            clock: self.clock.clone() as Arc<dyn Clock>,
            dice: Arc::new(SystemDice),
            job: "test".into(),
        };
        Parts { environment, connectors: Connectors::default() }
    }

    pub fn store(&self) -> CheckpointStore {
        CheckpointStore::new(Arc::new(self.disk.clone()), "/checkpoints")
    }

    pub fn run(&self, graph: &JobGraph) -> Counters {
        let mut job = Job::open(graph, self.parts(), None).unwrap();
        while job.step().unwrap() != Progress::Finished {}
        job.counters()
    }

    /// The visible lines of a table that was written, sorted.
    pub fn lines(&self, dir: &str) -> Vec<String> {
        let mut lines = self.lines_in_order(dir);
        lines.sort();
        lines
    }

    pub fn lines_in_order(&self, dir: &str) -> Vec<String> {
        let dir = Path::new(dir);
        let names = self.disk.list(dir).unwrap();
        let mut lines = Vec::new();
        for name in names.iter().filter(|name| !name.starts_with('.')) {
            let text = String::from_utf8(self.disk.read(&dir.join(name)).unwrap()).unwrap();
            lines.extend(text.lines().map(str::to_owned));
        }
        lines
    }
}

pub fn field(name: &str, ty: SqlType) -> Field {
    Field::nullable(name, ty)
}

pub fn files(table: &str, path: &str, fields: &[Field]) -> ConnectorSpec {
    let options = [("connector", "filesystem"), ("path", path), ("format", "json")];
    ConnectorSpec {
        table: table.to_owned(),
        connector: "filesystem".to_owned(),
        options: options.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        fields: fields.to_vec(),
        metadata: Vec::new(),
        partition_by: Vec::new(),
        primary_key: Vec::new(),
    }
}

pub fn orders() -> Vec<Field> {
    vec![field("ts", SqlType::Timestamp(3)), field("k", SqlType::STRING), field("v", SqlType::BigInt)]
}

/// A call with its arguments coerced, as a planner makes it.
pub fn call(name: &str, args: Vec<Expr>) -> Expr {
    let types: Vec<Typed> = args.iter().map(|arg| arg.typed.clone()).collect();
    let literals: Vec<Option<Value>> = args
        .iter()
        .map(|arg| match &arg.kind {
            ExprKind::Literal(value) => Some(value.clone()),
            _ => None,
        })
        .collect();
    let resolved = functions::resolve_with(name, &types, &literals).unwrap();
    let args = args.into_iter().zip(&resolved.args).map(|(arg, to)| arg.coerced(to)).collect();
    Expr { kind: ExprKind::Call { function: resolved.function, args }, typed: resolved.result }
}

pub fn column(fields: &[Field], index: usize) -> Expr {
    Expr::column(index, fields[index].typed.clone())
}

pub fn aggregate(function: &str, args: &[usize], fields: &[Field]) -> AggregateCall {
    let types: Vec<Typed> = args.iter().map(|&arg| fields[arg].typed.clone()).collect();
    let resolved = millrace_process::aggregates::resolve(function, &types).unwrap();
    AggregateCall {
        function: resolved.function,
        distinct: false,
        args: args.to_vec(),
        filter: None,
        result: resolved.result,
    }
}

/// `SELECT window_start, k, COUNT(*), SUM(v), MAX(v)` over a window of `orders`, late rows kept.
pub fn windowed(window: Window, delay_ms: i64, lateness_ms: i64) -> JobGraph {
    let mut graph = JobGraph::default();
    let fields = orders();
    let source = graph.add(Operator::Source(files("orders", "/in/orders", &fields)), vec![], fields.clone());
    let rowtime = column(&fields, 0);
    let delay = Expr::literal(Value::IntervalMillis(delay_ms), SqlType::IntervalMillis);
    let expr = call("-", vec![rowtime, delay]);
    let watermark = Operator::Watermark { column: 0, expr, idle_timeout_ms: None };
    let watermark = graph.add(watermark, vec![source], fields.clone());
    let aggs = vec![aggregate("COUNT", &[], &fields), aggregate("SUM", &[2], &fields), aggregate("MAX", &[2], &fields)];
    let output = vec![
        field("k", SqlType::STRING),
        field("n", SqlType::BigInt),
        field("total", SqlType::BigInt),
        field("most", SqlType::BigInt),
        field("window_start", SqlType::Timestamp(3)),
        field("window_end", SqlType::Timestamp(3)),
    ];
    let aggregate = WindowAggregate {
        window,
        time: 0,
        keys: vec![1],
        aggs,
        props: vec![WindowProperty::Start, WindowProperty::End],
        allowed_lateness_ms: lateness_ms,
    };
    let node = graph.add(Operator::WindowAggregate(aggregate), vec![watermark], output.clone());
    sink(&mut graph, node, "out", &output);
    let late = graph.add(Operator::Late, vec![node], fields.clone());
    sink(&mut graph, late, "late", &fields);
    graph
}

pub fn sink(graph: &mut JobGraph, input: NodeId, table: &str, fields: &[Field]) {
    let spec = files(table, &format!("/out/{table}"), fields);
    graph.add(Operator::Sink(spec), vec![input], fields.to_vec());
}

/// Rows `(second, key, value)` as JSON lines.
pub fn rows(rows: &[(i64, &str, i64)]) -> String {
    let line = |(second, key, value): &(i64, &str, i64)| {
        let (minute, second) = (second / 60, second % 60);
        format!(
            "{{\"ts\":\"2026-01-01 {:02}:{:02}:{second:02}\",\"k\":\"{key}\",\"v\":{value}}}\n",
            minute / 60,
            minute % 60
        )
    };
    rows.iter().map(line).collect()
}
