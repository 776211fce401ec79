//! Metrics on a disk that fails, in processes that die.

use super::*;
use millrace_testkit::{Call, SimClock, SimDice, SimDisk};
use std::path::Path;

const DIR: &str = "/data/metrics";
/// A moment at the beginning of a minute.
const START: Millis = 1_795_262_400_000;

fn key(name: &str) -> MetricKey {
    MetricKey::new(&Scope::default(), "Mine", name, [("Stage", "log")])
}

fn open(disk: &SimDisk, clock: &SimClock) -> Metrics {
    let parts = MetricsParts {
        clock: Arc::new(clock.clone()),
        disk: Arc::new(disk.clone()),
        dir: DIR.into(),
        bytes_max: Metrics::BYTES_MAX,
    };
    Metrics::open(parts).unwrap()
}

/// Steps so many seconds, counting in each.
fn run(metrics: &Metrics, clock: &SimClock, seconds: i64, mut each: impl FnMut(i64)) {
    for second in 0..seconds {
        each(second);
        clock.advance(1000);
        metrics.step().unwrap();
    }
}

fn sum(metrics: &Metrics, name: &str, period_ms: Millis) -> f64 {
    let periods = metrics.summaries(&key(name), None, 0..Millis::MAX / 2, period_ms);
    periods.iter().map(|(_, values)| values.statistics.sum).sum()
}

fn files(disk: &SimDisk, kind: &str) -> usize {
    disk.files().iter().filter(|(path, _)| path.file_name().unwrap().to_string_lossy().starts_with(kind)).count()
}

#[test]
fn a_restart_finds_every_resolution() {
    let (disk, clock) = (SimDisk::new(1), SimClock::at(START));
    let metrics = open(&disk, &clock);
    let series = metrics.series(&key("Count"), "Count");
    run(&metrics, &clock, 2 * 3600, |second| series.count((second % 10) as f64));
    metrics.close().unwrap();
    let before: Vec<_> = [1000, MINUTE_MS, 3_600_000]
        .map(|period| metrics.summaries(&key("Count"), Some("Count"), START..clock.now(), period))
        .to_vec();
    assert_eq!(before[0].len(), 7200);
    assert_eq!(before[1].len(), 120);
    assert_eq!(before[2].len(), 2);
    drop((metrics, series));
    disk.kill();
    let metrics = open(&disk, &clock);
    for (period, before) in [1000, MINUTE_MS, 3_600_000].into_iter().zip(&before) {
        assert_eq!(&metrics.summaries(&key("Count"), Some("Count"), START..clock.now(), period), before);
    }
    let median = "p50".parse::<Stat>().unwrap();
    assert_eq!(median.of(&before[1][0].1), Some(4.0));
    assert_eq!(metrics.list(&Scope::default(), |_| true), [key("Count")]);
    // What was read from the journal goes into blocks, and the journal goes.
    metrics.step().unwrap();
    assert_eq!(files(&disk, "journal"), 0);
    assert_eq!(metrics.summaries(&key("Count"), None, START..clock.now(), 1000), before[0]);
}

#[test]
fn a_kill_loses_seconds_and_a_torn_tail_is_cut() {
    for seed in 0..150 {
        let (disk, clock, dice) = (SimDisk::new(seed), SimClock::at(START), SimDice::new(seed));
        let mut counted = 0.0f64;
        let mut least = 0.0f64;
        for _ in 0..4 {
            let metrics = open(&disk, &clock);
            let series = metrics.series(&key("Count"), "Count");
            let seconds = dice.below(700) as i64;
            let mut history = Vec::new();
            let base = counted;
            run(&metrics, &clock, seconds, |_| {
                series.count(1.0);
                counted += 1.0;
                history.push(counted);
            });
            // What was counted six seconds ago was flushed: the second that counts, and five until the flush.
            least = history.len().checked_sub(7).map_or(least.min(base), |place| history[place]).max(least);
            if dice.one_in(2) {
                disk.crash()
            } else {
                disk.kill()
            }
            let metrics = open(&disk, &clock);
            let found = sum(&metrics, "Count", 1000);
            assert!((least..=counted).contains(&found), "seed {seed}: {found} of {counted}, at least {least}");
            assert_eq!(sum(&metrics, "Count", MINUTE_MS), found, "seed {seed}: minutes and seconds");
            assert_eq!(sum(&metrics, "Count", 3_600_000), found, "seed {seed}: hours and seconds");
            counted = found;
            least = found;
            disk.kill();
        }
    }
}

#[test]
fn dying_at_any_moment_loses_nothing_that_was_flushed() {
    for seed in 0..300 {
        let (disk, clock, dice) = (SimDisk::new(seed), SimClock::at(START), SimDice::new(seed));
        let metrics = open(&disk, &clock);
        let series = metrics.series(&key("Count"), "Count");
        disk.die_after(1 + dice.below(120));
        let (mut counted, mut safe, mut recent) = (0.0, 0.0, Vec::new());
        for _ in 0..1500 {
            series.count(1.0);
            counted += 1.0;
            clock.advance(1000);
            if metrics.step().is_err() {
                break;
            }
            recent.push(counted);
            if recent.len() > 6 {
                safe = recent.remove(0);
            }
        }
        disk.crash();
        let metrics = open(&disk, &clock);
        let found = sum(&metrics, "Count", 1000);
        assert!((safe..=counted).contains(&found), "seed {seed}: {found}, at least {safe} of {counted}");
        // It goes on.
        let series = metrics.series(&key("Count"), "Count");
        run(&metrics, &clock, 400, |_| series.count(1.0));
        assert_eq!(sum(&metrics, "Count", MINUTE_MS), found + 400.0, "seed {seed}");
    }
}

#[test]
fn a_disk_that_fails_stops_nobody_and_gets_everything_later() {
    for seed in 0..200 {
        let (disk, clock, dice) = (SimDisk::new(seed), SimClock::at(START), SimDice::new(seed));
        let metrics = open(&disk, &clock);
        let series = metrics.series(&key("Count"), "Count");
        let mut failed = 0;
        for second in 0..2000 {
            if dice.one_in(40) {
                let call = *dice.pick(&[Call::Write, Call::Sync, Call::SyncDir, Call::Open]);
                disk.fail(call, 1 + dice.below(3), "metrics");
            }
            series.count(1.0);
            clock.advance(1000);
            failed += usize::from(metrics.step().is_err());
            if second % 97 == 0 {
                assert_eq!(sum(&metrics, "Count", 1000), f64::from(second + 1), "seed {seed}");
            }
        }
        assert!(failed > 0);
        // The failures that are still planned come, and then none does.
        for _ in 0..200 {
            clock.advance(31_000);
            let _ = metrics.step();
        }
        metrics.close().unwrap();
        drop((metrics, series));
        disk.crash();
        let metrics = open(&disk, &clock);
        assert_eq!(sum(&metrics, "Count", MINUTE_MS), 2000.0, "seed {seed}");
        assert_eq!(sum(&metrics, "Count", 3_600_000), 2000.0, "seed {seed}");
    }
}

#[test]
fn a_full_disk_is_said_and_memory_stays_bounded() {
    let (disk, clock) = (SimDisk::new(7), SimClock::at(START));
    let metrics = open(&disk, &clock);
    run(&metrics, &clock, 10, |_| metrics.count(&key("Count"), "Count", 1.0));
    disk.set_capacity(Some(disk.used()));
    let mut errors = Vec::new();
    for _ in 0..60 {
        metrics.count(&key("Count"), "Count", 1.0);
        clock.advance(1000);
        errors.extend(metrics.step().err());
    }
    assert!(errors.iter().any(|error| error.to_string().contains("look at its space")), "{errors:?}");
    assert_eq!(sum(&metrics, "Count", 1000), 70.0);
    // Far more than memory takes.
    let mut values = Summary::default();
    (0..500).for_each(|value| values.add(1.02f64.powi(value), 1.0));
    for name in 0..500 {
        for minute in 0..30 {
            let moment = clock.now() - minute * MINUTE_MS;
            metrics.put(&key(&format!("m{name}")), "None", moment, &values, Resolution::Minute).unwrap();
        }
        clock.advance(1000);
        errors.extend(metrics.step().err());
    }
    assert!(errors.iter().any(|error| matches!(error, MetricsError::Shed(_))));
    assert!(metrics.shared.state.lock().bytes < 64 << 20);
    disk.set_capacity(None);
    clock.advance(31_000);
    metrics.step().unwrap();
}

#[test]
fn two_weeks_fit_and_old_files_go() {
    let (disk, clock) = (SimDisk::new(3), SimClock::at(START));
    let metrics = open(&disk, &clock);
    let dice = SimDice::new(3);
    let (counter, latency) = (metrics.series(&key("Count"), "Count"), metrics.series(&key("Latency"), "Milliseconds"));
    let minutes = 17 * 24 * 60;
    let mut newest = 0.0;
    for minute in 0..minutes {
        counter.count_many(1.0, 60.0);
        for _ in 0..20 {
            latency.count(1.0 + dice.below(1000) as f64 / 50.0);
        }
        if minute >= minutes - 15 * 24 * 60 + 60 {
            newest += 60.0;
        }
        clock.advance(MINUTE_MS);
        metrics.step().unwrap();
    }
    let since = clock.now() - 15 * 24 * 3_600_000 + 3_600_000;
    let kept: f64 = metrics
        .summaries(&key("Count"), None, since..clock.now(), MINUTE_MS)
        .iter()
        .map(|(_, values)| values.statistics.sum)
        .sum();
    assert_eq!(kept, newest);
    assert_eq!(sum(&metrics, "Count", 3_600_000), 60.0 * f64::from(minutes));
    assert!(files(&disk, "block") < 110, "{} blocks", files(&disk, "block"));
    assert!(disk.used() < 4 << 20, "{} bytes", disk.used());
    let drops = metrics.summaries(&key("Count"), None, START..START + MINUTE_MS, MINUTE_MS);
    assert!(drops.is_empty(), "the first minutes are gone: {drops:?}");
}

#[test]
fn the_folder_holds_no_more_than_it_may() {
    let (disk, clock) = (SimDisk::new(4), SimClock::at(START));
    let bytes_max = 700_000;
    let parts =
        MetricsParts { clock: Arc::new(clock.clone()), disk: Arc::new(disk.clone()), dir: DIR.into(), bytes_max };
    let metrics = Metrics::open(parts).unwrap();
    let all: Vec<Series> = (0..50).map(|place| metrics.series(&key(&format!("m{place}")), "Count")).collect();
    let mut is_said = false;
    for second in 0..3600 {
        all.iter().for_each(|series| series.count(f64::from(second)));
        clock.advance(1000);
        is_said |= matches!(metrics.step(), Err(MetricsError::Full { .. }));
    }
    assert!(is_said);
    let blocks: u64 =
        disk.files().iter().filter(|(path, _)| path.to_string_lossy().contains("block-")).map(|(_, len)| len).sum();
    assert!(blocks <= bytes_max, "{blocks}");
    assert_eq!(metrics.summaries(&key("m0"), None, START..clock.now(), MINUTE_MS).len(), 60);
}

#[test]
fn damage_is_said_and_costs_only_what_it_hit() {
    let (disk, clock) = (SimDisk::new(5), SimClock::at(START));
    let metrics = open(&disk, &clock);
    run(&metrics, &clock, 301, |_| {
        metrics.count(&key("a"), "Count", 1.0);
        metrics.count(&key("b"), "Count", 1.0);
    });
    let blocks: Vec<_> =
        disk.files().into_iter().filter(|(path, _)| path.to_string_lossy().contains("block-")).collect();
    assert_eq!(blocks.len(), 3);
    // The first series' points begin behind the header.
    blocks.iter().for_each(|(path, _)| disk.corrupt(path, 20, 0x10));
    assert_eq!(sum(&metrics, "a", MINUTE_MS), 1.0, "what the block does not hold yet");
    assert_eq!(sum(&metrics, "b", MINUTE_MS), 301.0);
    assert!(metrics.shared.troubles.lock()[0].to_string().contains("checksum"));
    disk.corrupt(Path::new("/data/metrics/manifest"), 30, 1);
    disk.kill();
    let metrics = open(&disk, &clock);
    assert!(metrics.shared.troubles.lock()[0].to_string().contains("manifest is damaged"));
    assert_eq!(files(&disk, "manifest.damaged"), 1);
    run(&metrics, &clock, 310, |_| metrics.count(&key("a"), "Count", 1.0));
    assert_eq!(sum(&metrics, "a", MINUTE_MS), 310.0);
}

#[test]
fn late_values_and_many_metrics() {
    let (disk, clock) = (SimDisk::new(6), SimClock::at(START));
    let metrics = open(&disk, &clock);
    let two_weeks = START - 14 * 24 * 3_600_000;
    metrics.put(&key("late"), "Count", two_weeks, &Summary::of(5.0), Resolution::Second).unwrap();
    assert_eq!(
        metrics.put(&key("late"), "Count", START - 16 * 24 * 3_600_000, &Summary::of(5.0), Resolution::Minute),
        Err(NotKept::TooOld)
    );
    assert_eq!(
        metrics.put(&key("late"), "Count", START + 3 * 3_600_000, &Summary::of(5.0), Resolution::Minute),
        Err(NotKept::TooNew)
    );
    run(&metrics, &clock, 301, |_| {});
    disk.crash();
    let metrics = open(&disk, &clock);
    let late = metrics.summaries(&key("late"), None, two_weeks..two_weeks + MINUTE_MS, MINUTE_MS);
    assert_eq!(late.len(), 1);
    for place in 0..SERIES_MAX - 1 {
        metrics.count(&key(&format!("m{place}")), "Count", 1.0);
    }
    assert_eq!(
        metrics.put(&key("more"), "Count", clock.now(), &Summary::of(1.0), Resolution::Second),
        Err(NotKept::TooMany)
    );
    let refused = metrics.series(&key("more"), "Count");
    assert!(!refused.is_kept());
    refused.count(1.0);
    clock.advance(16 * 24 * 3_600_000);
    metrics.put(&key("more"), "Count", clock.now(), &Summary::of(1.0), Resolution::Second).unwrap();
    assert_eq!(metrics.list(&Scope::default(), |_| true), [key("more")]);
}

/// What a metric takes by itself: run with `--ignored --nocapture`; the module's documentation tells the figures.
#[test]
#[ignore = "it measures"]
fn what_a_metric_takes() {
    type Feed = fn(&Series, &SimDice);
    let feeds: [(&str, Feed); 3] = [
        ("one count a second", |series, _| series.count(1.0)),
        ("a varying sum a second", |series, dice| series.count(dice.below(5000) as f64)),
        ("fifty latencies a second", |series, dice| {
            (0..50).for_each(|_| series.count(1.5f64.powf(dice.below(1000) as f64 / 100.0)));
        }),
    ];
    for (name, feed) in feeds {
        let (disk, clock, dice) = (SimDisk::new(8), SimClock::at(START), SimDice::new(8));
        let metrics = open(&disk, &clock);
        let series = metrics.series(&key("m"), "Count");
        run(&metrics, &clock, 6 * 3600, |_| feed(&series, &dice));
        let state = metrics.shared.state.lock();
        let bytes = |resolution: Resolution| -> f64 {
            let rows = state.blocks.iter().map(|block| &block.row).filter(|row| row.resolution() == resolution);
            let hours = if resolution == Resolution::Second { 3.0 } else { 6.0 };
            rows.map(|row| row.bytes as f64).sum::<f64>() / hours / 1000.0
        };
        let (seconds, minutes, hours) = (bytes(Resolution::Second), bytes(Resolution::Minute), bytes(Resolution::Hour));
        println!(
            "{name}: {seconds:.1} KB an hour of seconds, {minutes:.2} KB of minutes, {hours:.2} KB of hours: in all \
             {:.0} KB, {:.0} KB and {:.0} KB",
            seconds * 3.0,
            minutes * 24.0 * 15.0,
            hours * 24.0 * 455.0
        );
    }
}
