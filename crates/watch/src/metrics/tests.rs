//! Metrics in memory.

use super::*;
use millrace_testkit::SimClock;

fn key(name: &str) -> MetricKey {
    MetricKey::new(&Scope::default(), "AWS/Lambda", name, [("FunctionName", "f")])
}

#[test]
fn values_are_gathered_by_period() {
    let clock = Arc::new(SimClock::at(600_000));
    let metrics = Metrics::new(clock.clone());
    for value in [1.0, 5.0, 3.0] {
        metrics.count(&key("Duration"), "Milliseconds", value);
    }
    clock.advance(MINUTE_MS);
    metrics.count(&key("Duration"), "Milliseconds", 7.0);
    let (periods, unit) = metrics.statistics(&key("Duration"), 0, 10_000_000, MINUTE_MS);
    let first = Statistics { count: 3.0, sum: 9.0, min: 1.0, max: 5.0 };
    assert_eq!(periods, [(600_000, first), (660_000, Statistics::of(7.0))]);
    assert_eq!(unit.as_deref(), Some("Milliseconds"));
    let (periods, _) = metrics.statistics(&key("Duration"), 0, 10_000_000, 5 * MINUTE_MS);
    assert_eq!(periods, [(600_000, Statistics { count: 4.0, sum: 16.0, min: 1.0, max: 7.0 })]);
    let (periods, _) = metrics.statistics(&key("Duration"), 601_000, 10_000_000, 1000);
    assert_eq!(periods, [(660_000, Statistics::of(7.0))]);
    assert_eq!(metrics.list(&Scope::default(), |_| true), [key("Duration")]);
    clock.advance(16 * 24 * 3_600_000);
    assert!(metrics.list(&Scope::default(), |_| true).is_empty());
    assert!(!metrics.add(&key("Duration"), None, 600_000, Statistics::of(1.0)));
}

#[test]
fn handles_count_from_many_threads_and_queries_see_it_at_once() {
    let clock = Arc::new(SimClock::at(600_000));
    let metrics = Metrics::new(clock.clone());
    let series = metrics.series(&key("Invocations"), "Count");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let series = series.clone();
            scope.spawn(move || (0..1000).for_each(|_| series.count(2.0)));
        }
    });
    series.add(Statistics { count: 2.0, sum: 10.0, min: 4.0, max: 6.0 });
    let (periods, _) = metrics.statistics(&key("Invocations"), 0, 10_000_000, MINUTE_MS);
    assert_eq!(periods, [(600_000, Statistics { count: 8002.0, sum: 16_010.0, min: 2.0, max: 6.0 })]);
    assert_eq!(metrics.list(&Scope::default(), |_| true).len(), 1);
}

#[test]
fn percentiles_are_within_a_percent() {
    let metrics = Metrics::new(Arc::new(SimClock::at(600_000)));
    let series = metrics.series(&key("Duration"), "Milliseconds");
    (1..=1000).for_each(|value| series.count(f64::from(value)));
    let values = metrics.summaries(&key("Duration"), None, 0..10_000_000, MINUTE_MS).remove(0).1;
    for (name, expected) in [("p50", 500.0), ("p99", 990.0), ("tm90", 450.5)] {
        let found = name.parse::<Stat>().unwrap().of(&values).unwrap();
        assert!((found - expected).abs() < expected * 0.01, "{name}: {found}");
    }
}

#[test]
fn memory_is_bounded_without_a_disk() {
    let clock = Arc::new(SimClock::at(600_000));
    let metrics = Metrics::new(clock.clone());
    let series = metrics.series(&key("Duration"), "Milliseconds");
    for second in 0..200_000 {
        series.count(f64::from(second % 100));
        clock.advance(1000);
        metrics.step().unwrap();
    }
    assert!(metrics.shared.state.lock().bytes < 4 << 20);
    let last_hour = clock.now() - 3_600_000..clock.now();
    assert_eq!(metrics.summaries(&key("Duration"), None, last_hour.clone(), 1000).len(), 3600);
    assert_eq!(metrics.summaries(&key("Duration"), None, last_hour, 3_600_000).len(), 2);
}

/// What a count costs on this machine: run with `--ignored --nocapture`.
#[test]
#[ignore = "measures; it says nothing on a busy machine"]
#[allow(clippy::disallowed_methods, reason = "it measures time")]
fn what_a_count_costs() {
    let metrics = Metrics::new(Arc::new(SimClock::at(600_000)));
    let series = metrics.series(&key("Duration"), "Milliseconds");
    const COUNTS: u32 = 10_000_000;
    for (name, spread) in [("the same value", 0), ("128 values", 127)] {
        let began = std::time::Instant::now();
        (0..COUNTS).for_each(|place| series.count(f64::from((place.wrapping_mul(2_654_435_761) >> 8) & spread)));
        println!("{name}: {:.1} ns", began.elapsed().as_nanos() as f64 / f64::from(COUNTS));
    }
}
