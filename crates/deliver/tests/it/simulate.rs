//! Seeded runs in which the disk dies, the store fails and definitions change, and an auditor who counts every record.
//!
//! `DELIVER_SEEDS=1000 cargo test -p millrace-deliver simulate` runs more; `DELIVER_SEED=7` runs one.

use crate::world::{
    FakeIndex, ROLE, World, answer, block, converted, create_table, failures, gunzip, lambda, parquet_ids, partitioned,
    s3,
};
use millrace_deliver::{Runner, Stager, TransformError};
use millrace_testkit::SimDice;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SEEDS: u64 = 150;
const ACTIONS: u64 = 60;

/// What was appended: whether the log acknowledged it, and whether it is good JSON.
type Appended = BTreeMap<u64, (bool, bool)>;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Plain,
    Partitioned,
    Converted,
    /// A function that fails, drops and sorts by chance.
    Transformed,
    /// The same one, which comes and goes.
    Switched,
}

#[test]
fn every_record_is_delivered_once_whatever_happens() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match setting("DELIVER_SEED") {
        Some(seed) => run(seed),
        None => (0..setting("DELIVER_SEEDS").unwrap_or(SEEDS)).for_each(run),
    }
}

fn definition(kind: Kind) -> Value {
    match kind {
        Kind::Plain => s3(json!({ "CompressionFormat": "GZIP", "ProcessingConfiguration": { "Enabled": true,
            "Processors": [{ "Type": "AppendDelimiterToRecord" }] } })),
        Kind::Partitioned => s3(partitioned()),
        Kind::Converted => s3(converted()),
        Kind::Transformed => {
            let mut members = partitioned();
            members["ProcessingConfiguration"] = processing(true);
            members["Prefix"] = json!("c=!{partitionKeyFromLambda:c}/");
            s3(backed_up(members))
        }
        Kind::Switched => s3(backed_up(json!({ "Prefix": "data/", "ProcessingConfiguration": processing(true) }))),
    }
}

fn processing(enabled: bool) -> Value {
    let mut processing = lambda(&[("NumberOfRetries", "2"), ("BufferIntervalInSeconds", "5")], &[]);
    processing["Enabled"] = json!(enabled);
    processing
}

fn backed_up(mut members: Value) -> Value {
    members["S3BackupMode"] = json!("Enabled");
    members["S3BackupConfiguration"] =
        json!({ "RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake", "Prefix": "backup/" });
    members
}

/// What the function said of each record, of all times that it was asked.
#[derive(Default)]
struct Said {
    dropped: BTreeSet<u64>,
}

/// A function that has no memory and no principles: twice the same question, two answers.
fn unprincipled(world: &World, dice: &Arc<SimDice>, said: &Arc<Mutex<Said>>) {
    let (dice, said) = (dice.clone(), said.clone());
    world.function.does(move |event| {
        let mut said = said.lock();
        match dice.below(8) {
            0 => return Err(TransformError::TimedOut("slow".to_owned())),
            1 => return Ok(json!({ "records": [] })),
            _ => {}
        }
        Ok(answer(event, |text| match dice.below(6) {
            0 => {
                said.dropped.insert(id_of(text));
                json!({ "result": "Dropped" })
            }
            1 => json!({ "result": "ProcessingFailed" }),
            _ => json!({ "metadata": { "partitionKeys": { "c": dice.below(3).to_string() } } }),
        }))
    });
}

fn run(seed: u64) {
    let dice = Arc::new(SimDice::new(seed));
    let kind = *dice.pick(&[Kind::Plain, Kind::Partitioned, Kind::Converted, Kind::Transformed, Kind::Switched]);
    let said = Arc::<Mutex<Said>>::default();
    let mut world = World::new(seed);
    create_table(&world.parts.tables, &world.scope);
    world.deliveries().create(&world.scope, definition(kind)).unwrap();
    unprincipled(&world, &dice, &said);
    let mut halves = Some(world.halves("d"));
    let mut appended = Appended::new();
    let mut updates = 0;
    let lines = matches!(kind, Kind::Transformed | Kind::Switched);
    for _ in 0..ACTIONS {
        match dice.below(13) {
            12 => reshard(&world, &dice),
            0..=3 => append(&world, &dice, &mut appended, lines),
            4..=8 => steps(&mut halves, dice.below(12), &dice),
            9 => drop(world.clock.advance(dice.below(40_000) as i64)),
            10 if dice.one_in(3) => *world.store.fails.lock() = dice.below(4) as u32,
            10 if dice.one_in(3) => updates += u64::from(update(&world, kind, updates)),
            10 => world.disk.die_after(1 + dice.below(60)),
            _ if dice.one_in(3) => {
                (world, halves) = restart(world, halves.take(), dice.one_in(2));
                unprincipled(&world, &dice, &said);
            }
            _ => {}
        }
    }
    (world, halves) = restart(world, halves.take(), true);
    unprincipled(&world, &dice, &said);
    for _ in 0..20 {
        steps(&mut halves, 300, &dice);
        world.clock.advance(61_000);
    }
    match kind {
        Kind::Transformed | Kind::Switched => audit_transformed(seed, &world, &appended, &said.lock()),
        _ => audit(seed, kind, &world, &appended),
    }
    let stats = halves.map(|(runner, _)| runner.stats().snapshot()).unwrap_or_default();
    assert_eq!(stats.oldest_pending, None, "seed {seed}");
}

fn append(world: &World, dice: &SimDice, appended: &mut Appended, lines: bool) {
    let mut batch = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..1 + dice.below(5) {
        let id = appended.len() as u64 + ids.len() as u64;
        let good = !dice.one_in(8);
        let text = if good { format!(r#"{{"id":{id},"c":"{}"}}"#, dice.below(4)) } else { format!("bad {id}") };
        let text = if lines { text + "\n" } else { text };
        batch.push((u128::from(dice.below(256)), text));
        ids.push((id, good));
    }
    let acknowledged = world.append(&batch);
    appended.extend(ids.into_iter().map(|(id, good)| (id, (acknowledged, good))));
}

/// Splits, merges or scales the source, or lets its oldest shards expire.
fn reshard(world: &World, dice: &SimDice) {
    let Ok(info) = world.parts.log.stream(&world.orders()) else { return };
    let mut open: Vec<_> = info.shards.iter().filter(|shard| shard.closed.is_none()).collect();
    open.sort_by_key(|shard| shard.range.start);
    let at = dice.below(open.len() as u64) as usize;
    // A change that fails does not matter here.
    let _ = match dice.below(3) {
        0 => {
            world.parts.log.split_shard(&world.orders(), open[at].id, open[at].range.start / 2 + open[at].range.end / 2)
        }
        1 if at + 1 < open.len() => world.parts.log.merge_shards(&world.orders(), open[at].id, open[at + 1].id),
        _ => world.parts.log.set_shard_count(&world.orders(), 1 + dice.below(5) as u32),
    };
}

fn steps(halves: &mut Option<(Runner, Stager)>, count: u64, dice: &SimDice) {
    let Some((runner, stager)) = halves else { return };
    for _ in 0..count {
        let worked = match dice.one_in(2) {
            true => block(stager.step()).worked | block(runner.step()).worked,
            false => block(runner.step()).worked | block(stager.step()).worked,
        };
        if !worked {
            break;
        }
    }
}

fn update(world: &World, kind: Kind, count: u64) -> bool {
    let hints = json!({ "SizeInMBs": 64, "IntervalInSeconds": 30 + count % 60 });
    let mut change = json!({ "ExtendedS3DestinationUpdate": { "BufferingHints": hints } });
    if kind == Kind::Switched {
        change["ExtendedS3DestinationUpdate"]["ProcessingConfiguration"] = processing(count % 2 == 1);
    }
    let Ok(stream) = world.deliveries().get(&world.scope, "d") else { return false };
    let version = stream.version_id.to_string();
    world.deliveries().update_destination(&world.scope, "d", &version, "destinationId-000000000001", change).is_ok()
}

/// The process dies, with the machine or without, and a new one opens what is there.
fn restart(world: World, halves: Option<(Runner, Stager)>, power: bool) -> (World, Option<(Runner, Stager)>) {
    let (disk, clock) = (world.disk.clone(), world.clock.clone());
    disk.die_after(1);
    drop((world, halves));
    if power {
        disk.crash()
    } else {
        disk.kill()
    }
    let world = World::open(disk, clock, Arc::<FakeIndex>::default());
    let halves = world.halves("d");
    (world, Some(halves))
}

/// Every record is delivered once, or failed once, or was dropped by the function; and it is backed up once.
fn audit_transformed(seed: u64, world: &World, appended: &Appended, said: &Said) {
    let (mut delivered, mut failed, mut kept) = (Counts::new(), Counts::new(), Counts::new());
    let count = |counts: &mut Counts, text: &str| {
        text.lines().for_each(|line| *counts.entry(id_of(line)).or_default() += 1);
    };
    for (key, content) in world.objects() {
        let text = String::from_utf8(content.to_vec()).unwrap();
        if key.starts_with("errors/processing-failed/") {
            failures(&content).iter().for_each(|line| count(&mut failed, line["rawData"].as_str().unwrap()));
        } else if key.starts_with("backup/") {
            count(&mut kept, &text);
        } else {
            assert!(["c=0/", "c=1/", "c=2/", "data"].contains(&&key[..4]), "seed {seed}: {key}");
            count(&mut delivered, &text);
        }
    }
    for (id, (acknowledged, _)) in appended {
        let times = |counts: &Counts| counts.get(id).copied().unwrap_or(0);
        let (delivered, failed, kept) = (times(&delivered), times(&failed), times(&kept));
        let told = format!("seed {seed}: record {id} was delivered {delivered}, failed {failed}, kept {kept} times");
        assert!(kept == 1 || (kept == 0 && !acknowledged), "{told}");
        let dropped = kept == 1 && delivered + failed == 0 && said.dropped.contains(id);
        assert!(dropped || delivered + failed == kept, "{told}");
    }
}

type Counts = BTreeMap<u64, u32>;

fn id_of(line: &str) -> u64 {
    match line.trim_end().strip_prefix("bad ") {
        Some(id) => id.parse().unwrap(),
        None => serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap(),
    }
}

fn audit(seed: u64, kind: Kind, world: &World, appended: &Appended) {
    let mut good: BTreeMap<u64, u32> = BTreeMap::new();
    let mut bad: BTreeMap<u64, u32> = BTreeMap::new();
    let mut count_line = |line: &str| match line.strip_prefix("bad ") {
        Some(id) => *bad.entry(id.parse().unwrap()).or_default() += 1,
        None => {
            let value: Value = serde_json::from_str(line).unwrap();
            *good.entry(value["id"].as_u64().unwrap()).or_default() += 1;
        }
    };
    for (key, content) in world.objects() {
        if key.starts_with("errors/") {
            assert_ne!(kind, Kind::Plain, "seed {seed}: {key}");
            failures(&content).iter().for_each(|failure| count_line(failure["rawData"].as_str().unwrap()));
        } else if kind == Kind::Converted {
            parquet_ids(&content).iter().for_each(|id| count_line(&format!(r#"{{"id":{id}}}"#)));
        } else if kind == Kind::Plain {
            gunzip(&content).lines().for_each(&mut count_line);
        } else {
            let text = std::str::from_utf8(&content).unwrap();
            assert!(text.lines().all(|line| key.starts_with(&format!("c={}/", &line[line.len() - 3..line.len() - 2]))));
            text.lines().for_each(&mut count_line);
        }
    }
    for (id, (acknowledged, is_good)) in appended {
        let (here, elsewhere) = if *is_good { (&good, &bad) } else { (&bad, &good) };
        let found = here.get(id).copied().unwrap_or(0);
        // A record that was not acknowledged may be there, but not twice.
        assert!(
            found == 1 || (found == 0 && !acknowledged),
            "seed {seed}, {kind:?}: record {id} was delivered {found} times"
        );
        assert!(!elsewhere.contains_key(id), "seed {seed}: record {id} is in the wrong place");
    }
}
