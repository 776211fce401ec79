//! Functions outside the engine: what they are asked, in which order their answers go on, and what their failures do.

use crate::support::{World, aggregate, field, files, orders, rows, sink, windowed};
use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::Scope;
use millrace_process::graph::{
    ExternalCall, ExternalFunction, JobGraph, OnError, Operator, Window, WindowAggregate, WindowProperty,
};
use millrace_process::{CallFailure, Job, JobError, Parts, Progress, RunOptions, ScalarCalls, Stop, run_job};
use millrace_schema::{SqlType, Typed};
use millrace_testkit::SimDice;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

type Handler = Box<dyn Fn(&Value) -> Result<Value, CallFailure> + Send + Sync>;

/// A function that doubles its one argument, or does what it is told, and takes its time by chance.
struct Fake {
    handler: Handler,
    dice: SimDice,
    calls: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
    pauses: AtomicUsize,
}

impl Fake {
    fn new(seed: u64, handler: impl Fn(&Value) -> Result<Value, CallFailure> + Send + Sync + 'static) -> Arc<Self> {
        let zero = AtomicUsize::default;
        let (handler, dice) = (Box::new(handler) as Handler, SimDice::new(seed));
        Arc::new(Self { handler, dice, calls: zero(), under_way: zero(), most: zero(), pauses: zero() })
    }

    fn doubling(seed: u64) -> Arc<Self> {
        Self::new(seed, |event| Ok(doubled(event)))
    }
}

fn doubled(event: &Value) -> Value {
    let rows = event["arguments"].as_array().unwrap();
    assert_eq!(event["num_records"], rows.len());
    let results: Vec<_> = rows.iter().map(|row| row[0].as_i64().map(|value| value * 2)).collect();
    json!({ "success": true, "num_records": rows.len(), "results": results })
}

/// Comes back so many times before it is done.
async fn take_turns(turns: u64) {
    for _ in 0..turns {
        let mut first = true;
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::take(&mut first) { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
        })
        .await;
    }
}

#[async_trait]
impl ScalarCalls for Fake {
    async fn call(&self, scope: &Scope, lambda: &str, event: Bytes, timeout: Duration) -> Result<Bytes, CallFailure> {
        assert_eq!((scope, lambda, timeout.as_secs()), (&Scope::default(), "double:live", 60));
        self.calls.fetch_add(1, Ordering::Relaxed);
        let now = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        take_turns(self.dice.below(5)).await;
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        let event: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!((&event["external_function"], event["request_id"].as_str().unwrap().len()), (&json!("twice"), 36));
        (self.handler)(&event).map(|answer| Bytes::from(answer.to_string()))
    }

    async fn pause(&self, _: Duration) {
        self.pauses.fetch_add(1, Ordering::Relaxed);
    }
}

fn function() -> ExternalFunction {
    let bigint = Typed { ty: SqlType::BigInt, nullable: true };
    ExternalFunction {
        name: "twice".into(),
        parameters: vec![bigint.clone()],
        returns: bigint,
        lambda: "double:live".into(),
        batch_rows: 10,
        in_flight: 3,
        timeout_ms: 60_000,
        retries: 2,
        on_error: OnError::Fail,
    }
}

/// `SELECT ts, k, v, twice(v) FROM orders`.
fn asking(function: ExternalFunction) -> JobGraph {
    let mut graph = JobGraph::default();
    let fields = orders();
    let source = graph.add(Operator::Source(files("orders", "/in/orders", &fields)), vec![], fields.clone());
    let mut output = fields;
    output.push(field("twice", SqlType::BigInt));
    let calls = vec![ExternalCall { function, args: vec![2] }];
    let node = graph.add(Operator::ExternalCalls(calls), vec![source], output.clone());
    sink(&mut graph, node, "out", &output);
    graph
}

fn parts(world: &World, fake: &Arc<Fake>) -> Parts {
    let mut parts = world.parts();
    parts.connectors.set_functions(fake.clone());
    parts
}

fn open(world: &World, graph: &JobGraph, fake: &Arc<Fake>) -> Job {
    Job::open(graph, parts(world, fake), None).unwrap()
}

fn finish(mut job: Job) -> Result<(), JobError> {
    while job.step()? != Progress::Finished {}
    Ok(())
}

fn input(world: &World, count: i64) {
    let row = |nth: i64| (nth / 20, ["a", "b", "c"][(nth % 3) as usize], nth);
    world.write("/in/orders/1", &rows(&(0..count).map(row).collect::<Vec<_>>()));
}

#[test]
fn answers_go_on_in_the_order_of_their_rows() {
    let world = World::new(1);
    input(&world, 1_005);
    let fake = Fake::doubling(1);
    finish(open(&world, &asking(function()), &fake)).unwrap();
    let lines = world.lines_in_order("/out/out");
    let values: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (nth, value) in values.iter().enumerate() {
        assert_eq!((&value["v"], &value["twice"]), (&json!(nth), &json!(2 * nth)));
    }
    assert_eq!(values.len(), 1_005);
    assert_eq!(fake.calls.load(Ordering::Relaxed), 101);
    assert_eq!(fake.most.load(Ordering::Relaxed), 3, "three at a time");
}

/// The windows of [`windowed`] over the doubled value, with a call below the window and one above.
fn windowed_calls(window: Window) -> JobGraph {
    let mut graph = JobGraph::default();
    let plain = windowed(window.clone(), 2_000, 0);
    graph.nodes.extend(plain.nodes[..2].iter().cloned());
    let mut fields = orders();
    fields.push(field("twice", SqlType::BigInt));
    let function = ExternalFunction { batch_rows: 400, ..function() };
    let below = vec![ExternalCall { function: function.clone(), args: vec![2] }];
    let asked = graph.add(Operator::ExternalCalls(below), vec![1], fields.clone());
    let output = vec![
        field("k", SqlType::STRING),
        field("total", SqlType::BigInt),
        field("window_start", SqlType::Timestamp(3)),
        field("window_end", SqlType::Timestamp(3)),
    ];
    let aggregate = WindowAggregate {
        window,
        time: 0,
        keys: vec![1],
        aggs: vec![aggregate("SUM", &[3], &fields)],
        props: vec![WindowProperty::Start, WindowProperty::End],
        allowed_lateness_ms: 0,
    };
    let node = graph.add(Operator::WindowAggregate(aggregate), vec![asked], output.clone());
    let mut above = output;
    above.push(field("fourfold", SqlType::BigInt));
    let calls = vec![ExternalCall { function, args: vec![1] }];
    let node = graph.add(Operator::ExternalCalls(calls), vec![node], above.clone());
    sink(&mut graph, node, "out", &above);
    graph
}

#[test]
fn watermarks_keep_their_places_and_kills_change_nothing() {
    for window in [Window::Tumble { size_ms: 10_000, offset_ms: 0 }, Window::Session { gap_ms: 1_000 }] {
        let calm = World::new(0);
        input(&calm, 20_000);
        calm.run(&windowed(window.clone(), 2_000, 0));
        let total = |line: &String| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["window_start"].to_string(), line["k"].to_string(), line["total"].as_i64().unwrap())
        };
        let plain: Vec<_> = calm.lines("/out/out").iter().map(total).collect();
        let mut deaths = 0;
        for seed in 0..10 {
            let world = World::new(seed);
            input(&world, 20_000);
            deaths += through_kills(&world, &windowed_calls(window.clone()), seed);
            let found: Vec<Value> =
                world.lines("/out/out").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
            let mut halved: Vec<_> = found
                .iter()
                .map(|line| {
                    let total = line["total"].as_i64().unwrap();
                    assert_eq!(line["fourfold"], 2 * total);
                    (line["window_start"].to_string(), line["k"].to_string(), total / 2)
                })
                .collect();
            let mut expected = plain.clone();
            halved.sort();
            expected.sort();
            assert_eq!(halved, expected, "seed {seed}");
        }
        assert!(deaths > 10, "only {deaths} deaths");
    }
}

/// The disk dies and the function fails as the dice fall, until the job is finished.
fn through_kills(world: &World, graph: &JobGraph, seed: u64) -> u64 {
    let dice = Arc::new(SimDice::new(seed));
    let moods = dice.clone();
    let fake = Fake::new(seed, move |event| match moods.below(16) {
        0..3 => Err(CallFailure("busy".to_owned())),
        3 => Ok(json!({ "success": false, "error_msg": "no" })),
        _ => Ok(doubled(event)),
    });
    let mut deaths = 0;
    'life: loop {
        world.disk.die_after(dice.below(60 + 40 * deaths));
        let job = Job::open(graph, parts(world, &fake), Some(world.store()));
        let mut job = match job {
            Ok(job) => job,
            Err(error) => {
                deaths += 1;
                assert!(deaths < 500, "no life reaches the end: {error}");
                world.disk.crash();
                continue;
            }
        };
        loop {
            let done = match job.step() {
                Ok(Progress::Finished) => return deaths,
                Ok(_) if dice.one_in(2) => job.checkpoint(),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                deaths += 1;
                assert!(deaths < 500, "no life reaches the end: {error}");
                world.disk.crash();
                continue 'life;
            }
        }
    }
}

#[test]
fn a_function_that_fails_to_the_last_fails_the_job_or_gives_null() {
    type Case = (fn(&Value) -> Result<Value, CallFailure>, &'static str);
    let cases: [Case; 6] = [
        (|_| Err(CallFailure("Rate Exceeded.".to_owned())), "Rate Exceeded."),
        (|_| Ok(json!({ "success": false, "error_msg": "the model is gone" })), "the model is gone"),
        (|_| Ok(json!({ "success": true, "results": [1] })), "asked about 10 rows and answered for 1"),
        (|_| Ok(json!({ "success": true, "num_records": 10, "results": vec!["x"; 10] })), "its result 0 is \"x\""),
        (|_| Ok(json!({ "results": [] })), "no \"success\""),
        (|_| Ok(json!("fine")), "its answer is not"),
    ];
    for (handler, words) in cases {
        let world = World::new(2);
        input(&world, 15);
        let fake = Fake::new(2, handler);
        let error = finish(open(&world, &asking(function()), &fake)).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("the function twice ('double:live') failed 3 times for a batch of 10 rows"), "{error}");
        assert!(fake.pauses.load(Ordering::Relaxed) >= 2);
        let lenient = ExternalFunction { on_error: OnError::Null, retries: 0, ..function() };
        finish(open(&world, &asking(lenient), &fake)).unwrap();
        let lines = world.lines("/out/out");
        assert_eq!(lines.len(), 15);
        assert!(lines.iter().all(|line| line.contains("\"twice\":null")), "{lines:?}");
    }
}

#[test]
fn a_job_without_a_server_says_so() {
    let world = World::new(3);
    input(&world, 1);
    let error = Job::open(&asking(function()), world.parts(), None).err().unwrap().to_string();
    assert!(error.contains("the function twice runs in a server"), "{error}");
}

/// A function that never answers.
struct Stuck;

#[async_trait]
impl ScalarCalls for Stuck {
    async fn call(&self, _: &Scope, _: &str, _: Bytes, _: Duration) -> Result<Bytes, CallFailure> {
        std::future::pending().await
    }
    async fn pause(&self, _: Duration) {}
}

#[test]
fn a_job_that_waits_for_a_function_can_be_stopped() {
    let world = World::new(4);
    input(&world, 5);
    let mut parts = world.parts();
    parts.connectors.set_functions(Arc::new(Stuck));
    let job = Job::open(&asking(function()), parts, Some(world.store())).unwrap();
    let stop = Stop::new();
    let stopper = stop.clone();
    let stopping = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        stopper.stop();
    });
    let counters = run_job(job, RunOptions { stop, report: &mut |_| {} }).unwrap();
    assert_eq!(counters.rows_out, 0);
    stopping.join().unwrap();
    let fake = Fake::doubling(4);
    finish(Job::open(&asking(function()), self::parts(&world, &fake), Some(world.store())).unwrap()).unwrap();
    assert_eq!(world.lines("/out/out").len(), 5, "nothing was lost");
}
