//! Policies and templates through the engine: what is old goes, and everything is there after a start.

use bytes::Bytes;
use millrace_base::{Clock, Millis, SystemClock, SystemDice, SystemDisk};
use millrace_search::{Engine, Parts};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A day.
pub const DAY_MS: i64 = 86_400_000;

/// The system's clock, some time ahead.
#[derive(Default)]
pub struct Ahead(pub AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Millis {
        SystemClock.now() + self.0.load(Ordering::Relaxed)
    }
}

/// An engine on that clock.
pub fn open(dir: &Path, clock: &Arc<Ahead>) -> Arc<Engine> {
    let parts =
        Parts { dir: dir.to_owned(), disk: Arc::new(SystemDisk), clock: clock.clone(), dice: Arc::new(SystemDice) };
    Engine::open(parts).unwrap()
}

#[test]
fn an_index_is_deleted_when_its_policy_says_so_with_its_names() {
    let (home, clock) = (tempfile::tempdir().unwrap(), Arc::new(Ahead::default()));
    let engine = open(home.path(), &clock);
    let template = json!({"index_patterns": ["day-*"], "template": {"aliases": {"days": {}}}});
    engine.put_template("days", &template, false).unwrap();
    let policy = json!({"policy": {
        "default_state": "hot", "ism_template": [{"index_patterns": ["day-*"]}],
        "states": [
            {"name": "hot", "actions": [], "transitions": [{"state_name": "gone", "conditions": {"min_index_age": "14d"}}]},
            {"name": "gone", "actions": [{"delete": {}}], "transitions": []},
        ],
    }});
    let write = |engine: &Engine, index: &str| {
        engine.index_docs(index, [("1".to_owned(), Bytes::from_static(b"{}"))]).unwrap();
    };
    write(&engine, "day-1");
    write(&engine, "kept");
    engine.put_policy("days", &policy, None).unwrap();
    clock.0.fetch_add(10 * DAY_MS, Ordering::Relaxed);
    write(&engine, "day-2");
    engine.tick();
    assert!(engine.has_index("day-1"), "it is ten days old");
    drop(engine);

    // Both outlive a restart.
    let engine = open(home.path(), &clock);
    write(&engine, "day-3");
    assert_eq!(engine.aliases("day-*", None).unwrap().as_object().unwrap().len(), 3);
    assert_eq!(engine.explain_policies("day-1").unwrap()["day-1"]["state"], json!({"name": "hot"}));
    clock.0.fetch_add(5 * DAY_MS, Ordering::Relaxed);
    engine.tick();
    assert!(!engine.has_index("day-1") && engine.has_index("day-2") && engine.has_index("kept"));
    let named = engine.aliases("days", None).unwrap();
    assert_eq!(named.as_object().unwrap().keys().collect::<Vec<_>>(), ["day-2", "day-3"]);
    engine.delete_template("days").unwrap();
    engine.delete_policy("days").unwrap();
    assert!(engine.templates("days").is_err() && engine.policy("days").is_err() && engine.policies().is_empty());
}
