//! The driver, over functions and destinations that a test makes.
#![allow(clippy::disallowed_methods, reason = "tests run on the real clock and disk")]

use super::*;
use crate::mapping::{DestinationError, FailureRecord};
use crate::{FunctionResponse, FunctionVersion, LogFormat, Logging, Package};
use async_trait::async_trait;
use millrace_base::{SystemClock, SystemDice, SystemDisk};
use std::path::Path;

/// Fails as often as it is told, then answers; knows one function.
struct World {
    failures: Mutex<u32>,
    invoked: Mutex<Vec<String>>,
    records: Mutex<Vec<(String, String)>>,
    refuse_records: Mutex<u32>,
    config: EventConfig,
}

#[async_trait]
impl Invoke for World {
    async fn invoke(&self, invocation: Invocation) -> Result<FunctionResponse, InvokeError> {
        self.invoked.lock().push(String::from_utf8(invocation.payload.to_vec()).unwrap());
        let mut failures = self.failures.lock();
        let failed = *failures > 0;
        *failures = failures.saturating_sub(1);
        Ok(FunctionResponse { executed_version: "$LATEST".into(), failed, payload: "1".into(), log_tail: Bytes::new() })
    }
}

impl FunctionSource for World {
    fn resolve(&self, function: &FunctionKey, _: Option<&str>) -> Result<Arc<FunctionVersion>, InvokeError> {
        if &*function.name != "f" {
            return Err(InvokeError::NotFound(function.arn().to_string()));
        }
        Ok(Arc::new(FunctionVersion {
            key: function.clone(),
            version: "$LATEST".into(),
            arn: "arn".into(),
            revision: "1".into(),
            runtime: "python3.11".into(),
            handler: "app.handler".into(),
            code: Package { sha256: "0".into(), zip: "0.zip".into() },
            layers: Vec::new(),
            environment: Default::default(),
            timeout_secs: 3,
            memory_mib: 128,
            ephemeral_mib: 512,
            logging: Logging {
                format: LogFormat::Text,
                application_level: None,
                system_level: None,
                group: "/aws/lambda/f".into(),
            },
            reserved_concurrency: None,
        }))
    }

    fn event_config(&self, _: &FunctionKey, _: Option<&str>) -> EventConfig {
        self.config.clone()
    }
}

#[async_trait]
impl Destinations for World {
    async fn deliver(&self, destination: &Arn, record: &FailureRecord) -> Result<(), DestinationError> {
        let mut refuse = self.refuse_records.lock();
        if *refuse > 0 {
            *refuse -= 1;
            return Err(DestinationError { destination: destination.to_string(), reason: "no such queue".into() });
        }
        let message = String::from_utf8(record.message.to_vec()).unwrap();
        self.records.lock().push((destination.name().to_owned(), message));
        Ok(())
    }
}

fn world(failures: u32, config: EventConfig) -> Arc<World> {
    Arc::new(World {
        failures: Mutex::new(failures),
        invoked: Mutex::default(),
        records: Mutex::default(),
        refuse_records: Mutex::default(),
        config,
    })
}

fn open(world: &Arc<World>, dir: &Path, pace: Pace) -> Events {
    let parts = EventsParts {
        catalog: Catalog::open(&SystemDisk, &dir.join("catalog.redb")).unwrap(),
        invoke: world.clone(),
        source: world.clone(),
        destinations: world.clone(),
        permits: Arc::new(crate::Unlimited),
        observer: Arc::new(UnobservedEvents),
        clock: Arc::new(SystemClock),
        dice: Arc::new(SystemDice),
    };
    Events::with_pace(parts, pace).unwrap()
}

const QUICK: Pace = Pace { retries_ms: [5, 5], throttled_ms: 5, throttled_ms_max: 20 };

fn invocation(name: &str, payload: &str) -> Invocation {
    Invocation {
        function: FunctionKey { scope: Default::default(), name: name.into() },
        qualifier: None,
        request_id: "id".into(),
        payload: payload.to_owned().into(),
        client_context: None,
    }
}

async fn drained(events: &Events) {
    for _ in 0..500 {
        if events.waiting() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} events still wait", events.waiting());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_tried_three_times_and_its_record_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let on_failure = Some("arn:aws:sqs:us-east-1:000000000000:failed".into());
    let world = world(9, EventConfig { on_failure, ..EventConfig::default() });
    *world.refuse_records.lock() = 2;
    let events = open(&world, dir.path(), QUICK);
    events.submit(invocation("f", r#"{"n":1}"#)).await.unwrap();
    drained(&events).await;
    assert_eq!(world.invoked.lock().len(), 3);
    let records = world.records.lock();
    assert_eq!((records.len(), records[0].0.as_str()), (1, "failed"));
    assert!(records[0].1.contains(r#""condition":"RetriesExhausted""#), "{}", records[0].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_can_be_a_destination() {
    let dir = tempfile::tempdir().unwrap();
    let on_success = Some("arn:aws:lambda:us-east-1:000000000000:function:f".into());
    let world = world(0, EventConfig { on_success, ..EventConfig::default() });
    let events = open(&world, dir.path(), QUICK);
    events.submit(invocation("f", "1")).await.unwrap();
    while world.invoked.lock().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    events.shut_down().await;
    let second: serde_json::Value = serde_json::from_str(&world.invoked.lock()[1]).unwrap();
    assert_eq!((&second["requestPayload"], &second["requestContext"]["condition"]), (&1.into(), &"Success".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(1, EventConfig::default());
    let patient = Pace { retries_ms: [300, 300], ..QUICK };
    let events = open(&world, dir.path(), patient);
    events.submit(invocation("f", "1")).await.unwrap();
    while world.invoked.lock().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    events.shut_down().await;
    drop(events);
    assert_eq!(world.invoked.lock().len(), 1);
    // The file is closed when the last task of the first queue is gone.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let events = open(&world, dir.path(), patient);
    assert_eq!(events.waiting(), 1);
    drained(&events).await;
    assert_eq!(*world.invoked.lock(), ["1", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_share_commits() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(0, EventConfig::default());
    let events = open(&world, dir.path(), QUICK);
    let all = (0..500).map(|number| events.submit(invocation("f", &number.to_string())));
    futures::future::try_join_all(all).await.unwrap();
    drained(&events).await;
    let mut seen: Vec<u32> = world.invoked.lock().iter().map(|payload| payload.parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..500).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_is_not_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let events = open(&world(0, EventConfig::default()), dir.path(), QUICK);
    assert!(matches!(events.submit(invocation("g", "1")).await, Err(InvokeError::NotFound(_))));
    let large = format!("\"{}\"", "x".repeat(ASYNC_EVENT_BYTES_MAX));
    assert!(matches!(events.submit(invocation("f", &large)).await, Err(InvokeError::TooLarge { kind: "Event", .. })));
}
