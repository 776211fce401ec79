//! Seeded runs in which the disk dies, the store fails and definitions change, and an auditor who counts every record.
//!
//! `DELIVER_SEEDS=1000 cargo test -p millrace-deliver simulate` runs more; `DELIVER_SEED=7` runs one.

use crate::world::{FakeIndex, World, block, converted, create_table, failures, gunzip, parquet_ids, partitioned, s3};
use millrace_deliver::Runner;
use millrace_testkit::SimDice;
use serde_json::{Value, json};
use std::collections::BTreeMap;
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
    }
}

fn run(seed: u64) {
    let dice = SimDice::new(seed);
    let kind = *dice.pick(&[Kind::Plain, Kind::Partitioned, Kind::Converted]);
    let mut world = World::new(seed);
    create_table(&world.parts.tables, &world.scope);
    world.deliveries().create(&world.scope, definition(kind)).unwrap();
    let mut runner = Some(world.runner("d"));
    let mut appended = Appended::new();
    let mut updates = 0;
    for _ in 0..ACTIONS {
        match dice.below(12) {
            0..=3 => append(&world, &dice, &mut appended),
            4..=8 => steps(&mut runner, dice.below(12)),
            9 => drop(world.clock.advance(dice.below(40_000) as i64)),
            10 if dice.one_in(3) => *world.store.fails.lock() = dice.below(4) as u32,
            10 if dice.one_in(3) => updates += u64::from(update(&world, updates)),
            10 => world.disk.die_after(1 + dice.below(60)),
            _ if dice.one_in(3) => (world, runner) = restart(world, runner.take(), dice.one_in(2)),
            _ => {}
        }
    }
    (world, runner) = restart(world, runner.take(), true);
    for _ in 0..20 {
        steps(&mut runner, 300);
        world.clock.advance(61_000);
    }
    audit(seed, kind, &world, &appended);
    let stats = runner.map(|runner| runner.stats().snapshot()).unwrap_or_default();
    assert_eq!(stats.oldest_pending, None, "seed {seed}");
}

fn append(world: &World, dice: &SimDice, appended: &mut Appended) {
    let mut batch = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..1 + dice.below(5) {
        let id = appended.len() as u64 + ids.len() as u64;
        let good = !dice.one_in(8);
        let text = if good { format!(r#"{{"id":{id},"c":"{}"}}"#, dice.below(4)) } else { format!("bad {id}") };
        batch.push((u128::from(dice.below(2) * 200), text));
        ids.push((id, good));
    }
    let acknowledged = world.append(&batch);
    appended.extend(ids.into_iter().map(|(id, good)| (id, (acknowledged, good))));
}

fn steps(runner: &mut Option<Runner>, count: u64) {
    let Some(runner) = runner else { return };
    for _ in 0..count {
        if !block(runner.step()).worked {
            break;
        }
    }
}

fn update(world: &World, count: u64) -> bool {
    let hints = json!({ "SizeInMBs": 64, "IntervalInSeconds": 30 + count % 60 });
    let change = json!({ "ExtendedS3DestinationUpdate": { "BufferingHints": hints } });
    let Ok(stream) = world.deliveries().get(&world.scope, "d") else { return false };
    let version = stream.version_id.to_string();
    world.deliveries().update_destination(&world.scope, "d", &version, "destinationId-000000000001", change).is_ok()
}

/// The process dies, with the machine or without, and a new one opens what is there.
fn restart(world: World, runner: Option<Runner>, power: bool) -> (World, Option<Runner>) {
    let (disk, clock) = (world.disk.clone(), world.clock.clone());
    disk.die_after(1);
    drop((world, runner));
    if power {
        disk.crash()
    } else {
        disk.kill()
    }
    let world = World::open(disk, clock, Arc::<FakeIndex>::default());
    let runner = world.runner("d");
    (world, Some(runner))
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
