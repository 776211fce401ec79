//! What was acknowledged is there after a crash, once, whatever tantivy had committed by then.

use crate::rollover::Mortal;
use crate::{doc, open};
use bytes::Bytes;
use millrace_base::{SystemClock, SystemDice};
use millrace_search::{Action, Engine, Parts, Refresh, Write};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn count(engine: &Engine) -> u64 {
    engine.count("t", &json!({}), false).unwrap()["count"].as_u64().unwrap()
}

/// All files below a folder, by their paths in it. Locks are the living process's.
fn files(root: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files(root, &path, found);
        } else if !path.to_string_lossy().contains(".lock") {
            found.insert(path);
        }
    }
}

/// Copies a data folder as a crash would leave it: files as they are, no commit, no close. A crash leaves one moment: what
/// changed its files while they were copied, a merge or a commit, has them copied again.
fn crashed(from: &Path, to: &Path) {
    let listed = || {
        let mut found = BTreeSet::new();
        files(from, Path::new(""), &mut found);
        found
    };
    loop {
        let before = listed();
        let copied = before.iter().try_for_each(|path| {
            std::fs::create_dir_all(to.join(path).parent().unwrap())?;
            std::fs::copy(from.join(path), to.join(path)).map(|_| ())
        });
        match copied {
            Ok(()) if listed() == before => return,
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
            _ => std::fs::remove_dir_all(to).unwrap(),
        }
    }
}

fn translog(dir: &Path) -> PathBuf {
    let index = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let log = std::fs::read_dir(index).unwrap().map(|entry| entry.unwrap().path());
    log.into_iter().filter(|path| path.extension().is_some_and(|e| e == "log")).max().unwrap()
}

#[test]
fn acknowledged_writes_survive_without_a_refresh() {
    let (home, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = open(home.path());
    engine.index_docs("t", (0..100).map(doc)).unwrap();
    engine.refresh("t").unwrap();
    engine.index_docs("t", (50..150).map(doc)).unwrap();
    let delete = Write { id: Some("id-0".into()), action: Action::Delete, condition: Default::default() };
    engine.write("t", vec![delete], Refresh::Soon).unwrap();
    crashed(home.path(), after.path());
    for _ in 0..2 {
        let engine = open(after.path());
        assert_eq!(count(&engine), 149);
        assert_eq!(engine.get_doc("t", "id-0").unwrap(), None);
        let overwritten = engine.get_doc("t", "id-60").unwrap().unwrap();
        assert_eq!((overwritten.version, overwritten.seq), (2, 110));
        assert_eq!(engine.get_doc("t", "id-120").unwrap().unwrap().version, 1);
        let hits = engine.search("t", &json!({"query": {"term": {"n": 120}}}), false).unwrap();
        assert_eq!(hits["hits"]["total"]["value"], 1);
    }
    let engine = open(after.path());
    let done = engine.index_docs("t", [doc(200)]).unwrap().remove(0).unwrap();
    assert_eq!(done.seq, 201, "sequence numbers go on after what was there");
}

#[test]
fn a_torn_translog_loses_only_its_tail() {
    let home = tempfile::tempdir().unwrap();
    let engine = open(home.path());
    engine.index_docs("t", (0..20).map(doc)).unwrap();
    let whole = std::fs::read(translog(home.path())).unwrap();
    for cut in (0..whole.len()).step_by(37) {
        let after = tempfile::tempdir().unwrap();
        crashed(home.path(), after.path());
        std::fs::write(translog(after.path()), &whole[..cut]).unwrap();
        let engine = open(after.path());
        let survived = count(&engine);
        assert!(survived <= 20);
        for n in 0..20 {
            assert_eq!(engine.get_doc("t", &format!("id-{n}")).unwrap().is_some(), n < survived, "cut at {cut}");
        }
        engine.index_docs("t", [doc(99)]).unwrap();
        drop(engine);
    }
}

#[test]
fn many_writers_share_syncs_and_lose_nothing() {
    let (home, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = open(home.path());
    let refresher = engine.start().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8u64 {
            let engine = &engine;
            scope.spawn(move || {
                for batch in 0..20u64 {
                    let first = writer * 1000 + batch * 10;
                    engine.index_docs("t", (first..first + 10).map(doc)).unwrap();
                }
            });
        }
    });
    crashed(home.path(), after.path());
    let engine_after = open(after.path());
    assert_eq!(count(&engine_after), 1600);
    let soon =
        Write { id: None, action: Action::Index(Bytes::from_static(b"{\"n\":-1}")), condition: Default::default() };
    engine.write("t", vec![soon], Refresh::WaitFor).unwrap();
    assert_eq!(count(&engine), 1601);
    engine.close().unwrap();
    refresher.join().unwrap();
}

#[test]
fn a_deleted_index_stays_deleted() {
    let home = tempfile::tempdir().unwrap();
    let engine = open(home.path());
    engine.index_docs("t", [doc(1)]).unwrap();
    engine.create_index("u", &json!({"mappings": {"properties": {"a": {"type": "keyword"}}}})).unwrap();
    engine.delete_index("t").unwrap();
    drop(engine);
    let engine = open(home.path());
    assert!(!engine.has_index("t"));
    assert_eq!(engine.mappings("u").unwrap(), json!({"u": {"mappings": {"properties": {"a": {"type": "keyword"}}}}}));
}

#[test]
fn an_index_that_gave_its_name_to_an_alias_stays_swapped() {
    let home = tempfile::tempdir().unwrap();
    let engine = open(home.path());
    engine.index_docs("view", [doc(1)]).unwrap();
    engine.index_docs("view-2", [doc(2), doc(3)]).unwrap();
    let swap = json!({"actions": [
        {"remove_index": {"index": "view"}}, {"add": {"index": "view-2", "alias": "view"}},
    ]});
    engine.update_aliases(&swap).unwrap();
    engine.index_docs("view", [doc(4)]).unwrap();
    drop(engine);
    let engine = open(home.path());
    engine.refresh("view").unwrap();
    assert_eq!(engine.count("view", &json!({}), false).unwrap()["count"], 3);
    assert_eq!(engine.aliases("_all", Some("view")).unwrap(), json!({"view-2": {"aliases": {"view": {}}}}));
    assert!(engine.delete_index("view").unwrap_err().reason.contains("matches an alias"));
    engine.delete_index("view-2").unwrap();
    assert!(!engine.has_index("view"));
    drop(engine);
    assert!(!open(home.path()).has_index("view"));
}

#[test]
fn what_a_rolled_translog_forgot_is_durable_in_segments() {
    let (home, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = open(home.path());
    let filler = "x".repeat(4000);
    let large = |n: u64| (format!("id-{n}"), Bytes::from(format!("{{\"n\":{n},\"filler\":\"{filler}\"}}")));
    // Twice 20 MB, overwritten in part, with refreshes between: the translog is rolled, merges and flushes take place.
    for from in (0..10_000).step_by(500) {
        engine.index_docs("t", (from..from + 500).map(large)).unwrap();
        engine.index_docs("t", (from / 2..from / 2 + 10).map(large)).unwrap();
        engine.refresh("t").unwrap();
        engine.tick();
    }
    engine.index_docs("t", [doc(10_000)]).unwrap();
    let left = std::fs::metadata(translog(home.path())).unwrap().len();
    assert!(left < 20 << 20, "the translog was rolled, and not all is in it: {left} bytes");
    crashed(home.path(), after.path());
    let repeated = open(after.path());
    assert_eq!(count(&repeated), 10_001);
    repeated.close().unwrap();
    drop(repeated);
    let again = open(after.path());
    assert_eq!(count(&again), 10_001);
    assert_eq!(again.get_doc("t", "id-7").unwrap().unwrap().version, 2);
}

/// Flushes go on beside writes and refreshes: wherever one is cut short, what was acknowledged is there.
#[test]
fn a_flush_that_a_crash_cuts_short_beside_writes_loses_nothing() {
    const LAST: u64 = 10_001;
    let filler = "x".repeat(4000);
    let large = |n: u64| (format!("id-{n}"), Bytes::from(format!("{{\"n\":{n},\"filler\":\"{filler}\"}}")));
    let (mut cut_short, mut calls) = (0, 50);
    loop {
        let home = tempfile::tempdir().unwrap();
        let disk = Arc::new(Mortal { left: AtomicU64::new(u64::MAX) });
        let (clock, dice) = (Arc::new(SystemClock), Arc::new(SystemDice));
        let engine = Engine::open(Parts { dir: home.path().to_owned(), disk: disk.clone(), clock, dice }).unwrap();
        let threads = engine.start().unwrap();
        engine.index_docs("t", [doc(0)]).unwrap();
        disk.left.store(calls, Ordering::Relaxed);
        let mut acknowledged = 1;
        while acknowledged < LAST && engine.index_docs("t", (acknowledged..acknowledged + 500).map(large)).is_ok() {
            acknowledged += 500;
            let _ = engine.refresh("t");
        }
        let is_closed = engine.close().is_ok();
        threads.join().unwrap();
        drop(engine);
        let first_generation = translog(home.path()).with_file_name("translog-0000000001.log");
        let engine = open(home.path());
        assert!(count(&engine) >= acknowledged, "{acknowledged} acknowledged, dead after {calls} calls");
        assert!(engine.get_doc("t", &format!("id-{}", acknowledged - 1)).unwrap().is_some());
        if is_closed && acknowledged == LAST {
            assert!(!first_generation.exists(), "the translog was rolled and forgotten");
            break;
        }
        cut_short += 1;
        calls += calls / 2;
    }
    assert!(cut_short > 3, "{cut_short}");
}

#[test]
fn ids_of_another_start_are_known_before_their_segments_are_read_and_after() {
    let home = tempfile::tempdir().unwrap();
    let engine = open(home.path());
    // More than are read at once, in two segments.
    for range in [0..22_000, 22_000..45_000] {
        engine.index_docs("t", range.map(doc)).unwrap();
        engine.refresh("t").unwrap();
    }
    engine.close().unwrap();
    drop(engine);
    let engine = open(home.path());
    let versions = |ids: [u64; 4]| {
        let done = engine.index_docs("t", ids.map(doc)).unwrap();
        done.into_iter().map(|done| done.unwrap().version).collect::<Vec<_>>()
    };
    assert_eq!(versions([0, 21_999, 44_999, 50_000]), [2, 2, 2, 1]);
    for (tick, ids) in
        [[1, 19_999, 20_000, 50_001], [2, 21_998, 44_998, 50_002], [3, 30_000, 44_997, 50_003]].into_iter().enumerate()
    {
        for _ in 0..2 * tick {
            engine.tick();
        }
        assert_eq!(versions(ids), [2, 2, 2, 1], "{ids:?}");
    }
    engine.refresh("t").unwrap();
    assert_eq!(versions([0, 4, 50_000, 50_004]), [3, 2, 2, 1]);
    engine.refresh("t").unwrap();
    assert_eq!(count(&engine), 45_005);
}
