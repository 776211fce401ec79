//! Alarms step by step: states, what they do, what holds them back, and what survives.

use super::*;
use crate::metrics::{MetricKey, Metrics, Resolution, Summary};
use millrace_base::{Clock, Scope};
use millrace_catalog::Catalog;
use millrace_testkit::{SimClock, SimDice, SimDisk};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:page";

struct World {
    clock: Arc<SimClock>,
    catalog: Catalog,
    metrics: Metrics,
    alarms: Alarms,
}

fn open(clock: &Arc<SimClock>, catalog: &Catalog, metrics: &Metrics) -> Alarms {
    Alarms::open(AlarmsParts {
        catalog: catalog.clone(),
        clock: clock.clone(),
        dice: Arc::new(SimDice::new(1)),
        metrics: metrics.clone(),
    })
    .unwrap()
}

fn world() -> World {
    let clock = Arc::new(SimClock::at(1_800_000_005_000));
    let catalog = Catalog::open(&SimDisk::new(1), Path::new("catalog.redb")).unwrap();
    let metrics = Metrics::new(clock.clone());
    let alarms = open(&clock, &catalog, &metrics);
    World { clock, catalog, metrics, alarms }
}

impl World {
    fn value(&self, value: f64) {
        let key = MetricKey::new(&Scope::default(), "Orders", "Age", [("Stream", "orders")]);
        self.metrics.count(&key, "Milliseconds", value);
    }

    fn seconds(&self, seconds: i64) {
        for _ in 0..seconds {
            self.clock.advance(1000);
            self.alarms.step().unwrap();
        }
    }

    fn state(&self, name: &str) -> AlarmState {
        self.alarms.get(&Scope::default(), name).unwrap().status.state
    }

    fn pages(&self) -> Vec<String> {
        let pending = self.alarms.pending().unwrap();
        pending.iter().for_each(|action| self.alarms.acted(action, &Ok(())).unwrap());
        pending.iter().map(|action| format!("{} {}", action.alarm, action.notification["NewStateValue"])).collect()
    }
}

fn alarm(name: &str, watches: Watches) -> Alarm {
    Alarm {
        scope: Scope::default(),
        name: name.into(),
        description: None,
        actions_enabled: true,
        actions: Actions { alarm: vec![TOPIC.to_owned()], ok: vec![TOPIC.to_owned()], ..Actions::default() },
        watches,
        configured: 0,
        status: Status::unchecked(0),
        tags: BTreeMap::new(),
    }
}

fn on_age(statistic: &str, period: u32, n: u32, m: u32) -> MetricAlarm {
    MetricAlarm {
        watched: Watched::Metric(AlarmMetric {
            namespace: "Orders".to_owned(),
            name: "Age".to_owned(),
            dimensions: vec![("Stream".to_owned(), "orders".to_owned())],
            statistic: statistic.to_owned(),
            period,
            unit: None,
        }),
        comparison: Comparison::GreaterThanThreshold,
        threshold: 10.0,
        evaluation_periods: n,
        datapoints_to_alarm: Some(m),
        missing: None,
        ignores_low_samples: None,
    }
}

fn composite(name: &str, rule: &str) -> Alarm {
    alarm(name, Watches::Composite(CompositeAlarm { rule: rule.to_owned(), suppressor: None }))
}

#[test]
fn it_fires_once_recovers_and_survives_a_restart() {
    let world = world();
    world.alarms.put(alarm("age", Watches::Metric(on_age("Average", 10, 2, 2)))).unwrap();
    assert_eq!(world.state("age"), AlarmState::InsufficientData);
    for _ in 0..3 {
        world.value(50.0);
        world.seconds(10);
    }
    assert_eq!(world.state("age"), AlarmState::Alarm);
    let reason = world.alarms.get(&Scope::default(), "age").unwrap().status.reason;
    assert!(reason.starts_with("Threshold Crossed: 2 out of the last 2 datapoints [50.0 ("), "{reason}");
    assert!(
        reason.ends_with(
            "was greater than the threshold (10.0) (minimum 2 datapoints for OK -> ALARM transition)."
                .replacen("was", "were", 1)
                .as_str()
        ),
        "{reason}"
    );
    // Killed before the action was carried out: it is still on the list, and the state is as it was.
    let again = World { alarms: open(&world.clock, &world.catalog, &world.metrics), ..world };
    assert_eq!(again.state("age"), AlarmState::Alarm);
    assert_eq!(again.pages(), ["age \"OK\"", "age \"ALARM\""]);
    again.value(1.0);
    again.seconds(13);
    assert_eq!((again.state("age"), again.pages()), (AlarmState::Ok, vec!["age \"OK\"".to_owned()]));
    let kinds: Vec<_> =
        again.alarms.history(&Scope::default(), Some("age")).unwrap().iter().map(|item| item.kind.word()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "StateUpdate").count(), 3);
    assert_eq!(kinds.iter().filter(|kind| **kind == "Action").count(), 3);
    assert_eq!(kinds.last(), Some(&"ConfigurationUpdate"));
}

#[test]
fn what_cannot_be_undone_alarms_within_its_period() {
    let world = world();
    world.alarms.put(alarm("max", Watches::Metric(on_age("Maximum", 300, 1, 1)))).unwrap();
    world.alarms.put(alarm("mean", Watches::Metric(on_age("Average", 300, 1, 1)))).unwrap();
    world.seconds(5);
    world.value(50.0);
    world.seconds(10);
    assert_eq!((world.state("max"), world.state("mean")), (AlarmState::Alarm, AlarmState::InsufficientData));
}

#[test]
fn percentiles_of_few_samples_may_be_ignored() {
    let world = world();
    let ignoring = MetricAlarm { ignores_low_samples: Some(true), ..on_age("p99", 10, 1, 1) };
    world.alarms.put(alarm("few", Watches::Metric(ignoring))).unwrap();
    world.alarms.put(alarm("any", Watches::Metric(on_age("p99", 10, 1, 1)))).unwrap();
    world.value(50.0);
    world.seconds(13);
    assert_eq!((world.state("few"), world.state("any")), (AlarmState::InsufficientData, AlarmState::Alarm));
    (0..2000).for_each(|_| world.value(50.0));
    world.seconds(13);
    assert_eq!(world.state("few"), AlarmState::Alarm);
}

#[test]
fn composites_follow_and_are_suppressed() {
    let world = world();
    world.alarms.put(alarm("age", Watches::Metric(on_age("Maximum", 10, 1, 1)))).unwrap();
    world.alarms.put(alarm("deploy", Watches::Metric(on_age("Minimum", 10, 1, 1)))).unwrap();
    assert!(matches!(world.alarms.put(composite("c", "ALARM(gone)")), Err(AlarmError::Invalid(_))));
    world.alarms.put(composite("page", "ALARM(age)")).unwrap();
    assert!(matches!(world.alarms.put(composite("age", "ALARM(page)")), Err(AlarmError::Invalid(_))));
    let suppressor = Some(Suppressor { alarm: "deploy".to_owned(), wait: 5, extension: 2 });
    let quiet = CompositeAlarm { rule: "ALARM(page)".to_owned(), suppressor };
    world.alarms.put(alarm("quiet", Watches::Composite(quiet))).unwrap();
    assert!(matches!(world.alarms.delete(&Scope::default(), &["age".to_owned()]), Err(AlarmError::Invalid(_))));
    world.seconds(1);
    world.pages();

    let set = |name: &str, state| {
        world.alarms.set_state(&Scope::default(), name, state, "by hand".to_owned(), None).unwrap();
    };
    set("deploy", AlarmState::Alarm);
    set("age", AlarmState::Alarm);
    world.seconds(1);
    assert_eq!((world.state("page"), world.state("quiet")), (AlarmState::Alarm, AlarmState::Alarm));
    let pages = world.pages();
    assert!(pages.contains(&"page \"ALARM\"".to_owned()) && !pages.iter().any(|page| page.starts_with("quiet")));
    set("deploy", AlarmState::Ok);
    world.pages();
    world.seconds(1);
    assert!(world.pages().is_empty(), "two seconds more");
    world.seconds(2);
    assert!(world.pages().contains(&"quiet \"ALARM\"".to_owned()));
}

#[test]
fn muted_alarms_change_and_do_nothing() {
    let world = world();
    world.alarms.put(alarm("age", Watches::Metric(on_age("Maximum", 10, 1, 1)))).unwrap();
    let rule = MuteRule {
        scope: Scope::default(),
        name: "night".to_owned(),
        description: None,
        expression: "cron(* * * * *)".to_owned(),
        duration: "PT1M".to_owned(),
        timezone: None,
        alarms: vec!["age".to_owned()],
        start: None,
        expire: Some(world.clock.now() + 20_000),
        updated: 0,
        tags: BTreeMap::new(),
    };
    world.alarms.put_mute(rule).unwrap();
    world.value(50.0);
    world.seconds(5);
    assert_eq!(world.state("age"), AlarmState::Alarm);
    assert!(world.pages().is_empty());
    assert_eq!(world.alarms.mutes(&Scope::default()).unwrap()[0].1, MuteStatus::Active);
    let history = world.alarms.history(&Scope::default(), Some("age")).unwrap();
    assert!(history.iter().any(|item| item.summary == "Actions muted by alarm mute rule night"), "{history:?}");
    // Its time is over and the alarm still rings.
    world.seconds(16);
    let late = world.alarms.pending().unwrap();
    assert_eq!(late[0].notification["ActionExecutedAfterMuteWindow"], true);
    assert_eq!(late[0].notification["OldStateValue"], "INSUFFICIENT_DATA");
    assert_eq!(world.pages(), ["age \"ALARM\""]);
    world.value(1.0);
    world.seconds(13);
    assert_eq!(world.pages(), ["age \"OK\""]);
}

#[test]
fn a_state_that_was_set_stays_for_a_moment_and_then_follows_the_metric() {
    let world = world();
    world.alarms.put(alarm("age", Watches::Metric(on_age("Average", 10, 1, 1)))).unwrap();
    world.value(1.0);
    world.seconds(13);
    assert_eq!(world.state("age"), AlarmState::Ok);
    let set = world.alarms.set_state(&Scope::default(), "age", AlarmState::Alarm, "by hand".to_owned(), None);
    set.unwrap();
    world.seconds(4);
    assert_eq!(world.state("age"), AlarmState::Alarm);
    world.value(1.0);
    world.seconds(10);
    assert_eq!(world.state("age"), AlarmState::Ok);
    let reason = world.alarms.get(&Scope::default(), "age").unwrap().status.reason;
    assert!(reason.contains("was not greater than the threshold (10.0)"), "{reason}");
}

#[test]
fn a_metric_of_minutes_serves_an_alarm_of_seconds() {
    let world = world();
    let plain = MetricAlarm { datapoints_to_alarm: None, ..on_age("Average", 10, 1, 1) };
    world.alarms.put(alarm("age", Watches::Metric(plain))).unwrap();
    let key = MetricKey::new(&Scope::default(), "Orders", "Age", [("Stream", "orders")]);
    world.seconds(45);
    let put = world.metrics.put(&key, "None", world.clock.now(), &Summary::of(21.5), Resolution::Minute);
    put.unwrap();
    world.seconds(3);
    assert_eq!(world.state("age"), AlarmState::Alarm);
    let status = world.alarms.get(&Scope::default(), "age").unwrap().status;
    let begin = chrono::DateTime::from_timestamp_millis(world.clock.now() / 60_000 * 60_000).unwrap();
    let begin = begin.format("%d/%m/%y %H:%M:%S");
    let expected = format!("Threshold Crossed: 1 datapoint [21.5 ({begin})] was greater than the threshold (10.0).");
    assert_eq!(status.reason, expected);
    let data: serde_json::Value = serde_json::from_str(&status.reason_data.unwrap()).unwrap();
    assert_eq!(data["evaluatedDatapoints"][0]["sampleCount"], 1.0);
    assert_eq!(data["recentDatapoints"], serde_json::json!([21.5]));
}

#[test]
fn missing_datapoints_are_told() {
    let world = world();
    let watch =
        MetricAlarm { missing: Some(MissingData::Breaching), datapoints_to_alarm: None, ..on_age("Average", 10, 2, 2) };
    world.alarms.put(alarm("age", Watches::Metric(watch))).unwrap();
    world.seconds(1);
    let status = world.alarms.get(&Scope::default(), "age").unwrap().status;
    assert_eq!(
        status.reason,
        "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as [Breaching]."
    );
    let data: serde_json::Value = serde_json::from_str(&status.reason_data.unwrap()).unwrap();
    assert_eq!(data["evaluatedDatapoints"].as_array().unwrap().len(), 2);
    assert!(data["evaluatedDatapoints"][0]["timestamp"].is_string() && data.get("startDate").is_none());
}

#[test]
fn a_composite_alarm_says_which_child_brought_it_there() {
    let world = world();
    for name in ["one", "two"] {
        world.alarms.put(alarm(name, Watches::Metric(on_age("Maximum", 300, 1, 1)))).unwrap();
    }
    world.alarms.put(composite("any", "ALARM(one) OR ALARM(two)")).unwrap();
    world.seconds(1);
    let status = || world.alarms.get(&Scope::default(), "any").unwrap().status;
    let arn = |name: &str| format!("arn:aws:cloudwatch:us-east-1:000000000000:alarm:{name}");
    assert_eq!(status().reason, format!("{} was created and its alarm rule evaluates to OK", arn("any")));
    world.seconds(1);
    world.alarms.set_state(&Scope::default(), "two", AlarmState::Alarm, "by hand".to_owned(), None).unwrap();
    world.seconds(1);
    let found = status();
    assert!(found.reason.starts_with(&format!("{} transitioned to ALARM at ", arn("two"))), "{}", found.reason);
    assert!(found.reason.ends_with(" UTC"), "{}", found.reason);
    let data: serde_json::Value = serde_json::from_str(&found.reason_data.unwrap()).unwrap();
    assert_eq!(data["triggeringAlarms"].as_array().unwrap().len(), 1);
    let pending = world.alarms.pending().unwrap();
    let page = pending.iter().find(|action| &*action.alarm == "any" && action.notification["NewStateValue"] == "ALARM");
    let page = &page.unwrap().notification;
    assert_eq!(page["TriggeringChildren"][0]["Arn"], arn("two"));
    assert_eq!(page["Region"], "US East (N. Virginia)");
    // Both go to OK, the one that was never to blame last.
    world.alarms.set_state(&Scope::default(), "two", AlarmState::Ok, "by hand".to_owned(), None).unwrap();
    world.seconds(1);
    world.clock.advance(1);
    world.alarms.set_state(&Scope::default(), "two", AlarmState::Alarm, "by hand".to_owned(), None).unwrap();
    world.clock.advance(1);
    world.alarms.set_state(&Scope::default(), "one", AlarmState::Ok, "by hand".to_owned(), None).unwrap();
    world.seconds(1);
    let found = status();
    assert!(found.reason.starts_with(&format!("{} transitioned to ALARM at ", arn("two"))), "{}", found.reason);
    assert!(!found.reason_data.unwrap().contains(&arn("one")));
}
