//! Aliases that are rolled over, by policies and by requests, and what a crash in between leaves.

use crate::doc;
use crate::lifecycle::{Ahead, DAY_MS, open};
use millrace_base::{Disk, DiskFile, Stamp, SystemClock, SystemDice, SystemDisk};
use millrace_search::{Engine, Parts};
use serde_json::{Value, json};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

fn prepared(engine: &Engine, rollover: Value) {
    let template = json!({"index_patterns": ["log-*"], "template": {
        "settings": {"plugins.index_state_management.rollover_alias": "log"},
        "mappings": {"properties": {"n": {"type": "long"}}},
    }});
    engine.put_template("log", &template, false).unwrap();
    let policy = json!({"policy": {
        "default_state": "hot", "ism_template": {"index_patterns": ["log-*"]},
        "states": [
            {"name": "hot", "actions": [{"rollover": rollover}],
             "transitions": [{"state_name": "gone", "conditions": {"min_rollover_age": "7d"}}]},
            {"name": "gone", "actions": [{"delete": {}}], "transitions": []},
        ],
    }});
    engine.put_policy("log", &policy, None).unwrap();
    engine.create_index("log-000001", &json!({"aliases": {"log": {"is_write_index": true}, "all": {}}})).unwrap();
}

fn write(engine: &Engine, from: u64, to: u64) {
    engine.index_docs("log", (from..to).map(doc)).unwrap();
    engine.refresh("log").unwrap();
}

fn look(engine: &Engine, clock: &Ahead) {
    clock.0.fetch_add(60_000, Ordering::Relaxed);
    engine.tick();
}

fn count(engine: &Engine, index: &str) -> u64 {
    engine.count(index, &json!({}), false).unwrap()["count"].as_u64().unwrap()
}

#[test]
fn a_policy_rolls_over_what_is_full_and_deletes_it_when_it_is_old() {
    let (home, clock) = (tempfile::tempdir().unwrap(), Arc::new(Ahead(AtomicI64::new(0))));
    let engine = open(home.path(), &clock);
    prepared(&engine, json!({"min_doc_count": 10, "min_index_age": "3d"}));
    write(&engine, 0, 9);
    look(&engine, &clock);
    let explained = engine.explain_policies("log-000001").unwrap()["log-000001"].clone();
    assert_eq!(explained["step"], json!({"name": "attempt_rollover", "step_status": "condition_not_met"}));
    assert_eq!(explained["info"]["message"], "Pending rollover of index [index=log-000001]");
    assert_eq!(explained["info"]["conditions"]["min_doc_count"], json!({"condition": 10, "current": 9}));
    assert!(!engine.has_index("log-000002"));

    write(&engine, 9, 12);
    look(&engine, &clock);
    write(&engine, 12, 15);
    look(&engine, &clock);
    let named = json!({
        "log-000001": {"aliases": {"log": {"is_write_index": false}}},
        "log-000002": {"aliases": {"log": {"is_write_index": true}}},
    });
    assert_eq!(engine.aliases("log", Some("log")).unwrap(), named);
    assert_eq!((count(&engine, "log-000001"), count(&engine, "log-000002"), count(&engine, "log")), (12, 3, 15));
    assert_eq!(engine.aliases("log-000002", Some("all")).unwrap(), json!({}), "copy_alias was not asked for");
    drop(engine);

    // A restart does not roll over again, and goes on from there.
    let engine = open(home.path(), &clock);
    look(&engine, &clock);
    assert_eq!(engine.aliases("log", Some("log")).unwrap(), named);
    assert_eq!(engine.explain_policies("log-000001").unwrap()["log-000001"]["rolled_over"], true);
    clock.0.fetch_add(3 * DAY_MS, Ordering::Relaxed);
    look(&engine, &clock);
    assert!(engine.has_index("log-000003"), "one condition is enough, and this one is old");
    clock.0.fetch_add(5 * DAY_MS, Ordering::Relaxed);
    look(&engine, &clock);
    let left: Vec<String> = engine.aliases("log-*", None).unwrap().as_object().unwrap().keys().cloned().collect();
    assert_eq!(left, ["log-000002", "log-000003", "log-000004"], "seven days after its rollover the first is gone");
}

#[test]
fn what_a_policy_cannot_roll_over_is_explained() {
    let (home, clock) = (tempfile::tempdir().unwrap(), Arc::new(Ahead(AtomicI64::new(0))));
    let engine = open(home.path(), &clock);
    prepared(&engine, json!({"copy_alias": true}));
    engine.create_index("log-2", &json!({})).unwrap();
    engine
        .create_index("log-now", &json!({"settings": {"index.plugins.index_state_management.rollover_alias": "now"}}))
        .unwrap();
    engine.put_alias("log-now", "now", &json!({})).unwrap();
    look(&engine, &clock);
    let explained = engine.explain_policies("log-*").unwrap();
    let message = |index: &str| explained[index]["info"]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(message("log-2"), "Missing alias or not the write index when rollover [index=log-2]");
    assert!(message("log-now").contains("does not match pattern"), "{}", message("log-now"));
    assert_eq!(explained["log-now"]["action"]["failed"], true);
    // Without conditions the next look rolls over, here with all aliases; and so does every later one.
    assert_eq!(engine.aliases("log-000002", None).unwrap()["log-000002"]["aliases"]["all"], json!({}));
    look(&engine, &clock);
    assert!(engine.has_index("log-000003"));
}

#[test]
fn a_request_rolls_over_when_a_condition_holds() {
    let home = tempfile::tempdir().unwrap();
    let engine = crate::open(home.path());
    engine.create_index("log-9", &json!({"aliases": {"log": {}}})).unwrap();
    write(&engine, 0, 3);
    let body = json!({"conditions": {"max_docs": 3, "max_age": "1d", "max_size": "1gb"}});
    let results = json!({"[max_docs: 3]": true, "[max_age: 1d]": false, "[max_size: 1gb]": false});
    let tried = engine.roll_over("log", None, &body, true).unwrap();
    let answer = |rolled: bool, dry: bool, conditions: &Value| {
        json!({"acknowledged": rolled, "shards_acknowledged": rolled, "old_index": "log-9", "new_index": "log-000010",
               "rolled_over": rolled, "dry_run": dry, "conditions": conditions})
    };
    assert_eq!(tried, answer(false, true, &results));
    let large = json!({"conditions": {"max_docs": 4}});
    assert_eq!(
        engine.roll_over("log", None, &large, false).unwrap(),
        answer(false, false, &json!({"[max_docs: 4]": false}))
    );
    assert!(!engine.has_index("log-000010"));
    assert_eq!(engine.roll_over("log", None, &body, false).unwrap(), answer(true, false, &results));
    // It was the only one, and no write index by name: it leaves the alias, as in OpenSearch.
    assert_eq!(
        engine.aliases("_all", None).unwrap(),
        json!({"log-9": {"aliases": {}}, "log-000010": {"aliases": {"log": {}}}})
    );
    let made = json!({"mappings": {"properties": {"k": {"type": "keyword"}}}, "aliases": {"more": {}}});
    assert_eq!(engine.roll_over("log", Some("other"), &made, false).unwrap()["new_index"], "other");
    assert_eq!(engine.aliases("other", None).unwrap()["other"]["aliases"], json!({"log": {}, "more": {}}));

    let wrong =
        |alias: &str, new: Option<&str>, body: Value| engine.roll_over(alias, new, &body, false).unwrap_err().reason;
    assert!(wrong("log", None, Value::Null).contains("index name [other] does not match pattern"));
    assert!(wrong("none", None, Value::Null).contains("rollover target [none] does not exist"));
    assert!(wrong("other", None, Value::Null).contains("but one of [alias] was expected"));
    assert!(wrong("log", Some("log-9"), Value::Null).contains("already exists"));
    assert!(wrong("log", Some("x"), json!({"conditions": {"min_docs": 1}})).contains("[min_docs]"));
    assert!(wrong("log", Some("x"), json!({"condition": {}})).contains("[condition]"));
    engine.put_alias("log-9", "log", &json!({})).unwrap();
    assert!(wrong("log", Some("x"), Value::Null).contains("does not point to a write index"));
    engine.put_template("t", &json!({"index_patterns": ["x"], "template": {"aliases": {"more": {}}}}), false).unwrap();
    assert!(wrong("more", Some("x"), Value::Null).contains("found duplicated alias [[more]] in index template [t]"));
}

/// The system's disk, that does nothing any more after some calls.
pub struct Mortal {
    /// Calls that it still answers.
    pub left: AtomicU64,
}

impl Mortal {
    fn living(&self) -> io::Result<SystemDisk> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(|_| SystemDisk).map_err(|_| io::Error::other("the process is dead"))
    }
}

impl Disk for Mortal {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        self.living()?.open(path, create)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.living()?.list(dir)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.living()?.create_dir(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.living()?.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.living()?.remove(path)
    }
    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.living()?.remove_dir(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.living()?.sync_dir(dir)
    }
    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.living()?.stamp(path)
    }
}

#[test]
fn a_rollover_that_a_crash_cuts_short_leaves_one_index_that_is_written() {
    let (mut rolled, mut not) = (0, 0);
    for calls in 0..200 {
        let home = tempfile::tempdir().unwrap();
        let disk = Arc::new(Mortal { left: AtomicU64::new(u64::MAX) });
        let parts = Parts {
            dir: home.path().to_owned(),
            disk: disk.clone(),
            clock: Arc::new(SystemClock),
            dice: Arc::new(SystemDice),
        };
        let engine = Engine::open(parts).unwrap();
        engine.create_index("log-000001", &json!({"aliases": {"log": {"is_write_index": true}}})).unwrap();
        engine.index_docs("log", [doc(1)]).unwrap();
        disk.left.store(calls, Ordering::Relaxed);
        let was_done = engine.roll_over("log", None, &Value::Null, false).is_ok();
        drop(engine);
        let engine = crate::open(home.path());
        let named = engine.aliases("_all", Some("log")).unwrap();
        let is_rolled = engine.has_index("log-000002");
        assert!(is_rolled || !was_done, "what was answered holds");
        let expected = match is_rolled {
            true => json!({"log-000001": {"aliases": {"log": {"is_write_index": false}}},
                           "log-000002": {"aliases": {"log": {"is_write_index": true}}}}),
            false => json!({"log-000001": {"aliases": {"log": {"is_write_index": true}}}}),
        };
        assert_eq!(named, expected, "dead after {calls} calls");
        engine.index_docs("log", [doc(2)]).unwrap();
        engine.roll_over("log", None, &Value::Null, false).unwrap();
        engine.refresh("log").unwrap();
        assert_eq!(count(&engine, "log"), 2);
        *(if is_rolled { &mut rolled } else { &mut not }) += 1;
        if was_done {
            break;
        }
    }
    assert!(rolled > 1 && not > 1, "both sides of the step were seen: {rolled} {not}");
}
