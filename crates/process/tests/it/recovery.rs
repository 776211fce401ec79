//! A job that dies at any moment and is opened again gives the same tables.

use crate::support::{World, rows, windowed};
use millrace_process::graph::{JobGraph, Window};
use millrace_process::{Job, Progress, RunOptions, Stop, run_job};
use millrace_testkit::SimDice;

fn input(world: &World) {
    let keys = ["a", "b", "c", "d"];
    let row = |nth: i64| {
        let behind = if nth % 31 == 0 { 60 } else { nth % 4 };
        ((nth / 20 - behind).max(0), keys[(nth % 4) as usize], nth)
    };
    world.write("/in/orders/1", &rows(&(0..20_000).map(row).collect::<Vec<_>>()));
}

/// Steps, checkpoints and crashes as the dice fall, until the job is finished.
fn run_through_crashes(world: &World, graph: &JobGraph, dice: &SimDice) -> u32 {
    let mut deaths = 0;
    'life: loop {
        // Every life is longer than the one before, so that one of them reaches the end.
        world.disk.die_after(dice.below(60 + 40 * deaths));
        let mut job = match Job::open(graph, world.parts(), Some(world.store())) {
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
                Ok(Progress::Finished) => return deaths as u32,
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
fn crashes_change_nothing() {
    for window in [
        Window::Tumble { size_ms: 10_000, offset_ms: 0 },
        Window::Hop { size_ms: 15_000, slide_ms: 5_000, offset_ms: 1_000 },
        Window::Session { gap_ms: 1_000 },
    ] {
        let graph = windowed(window, 2_000, 0);
        let calm = World::new(0);
        input(&calm);
        calm.run(&graph);
        let mut deaths = 0;
        for seed in 0..8 {
            let world = World::new(seed);
            input(&world);
            deaths += run_through_crashes(&world, &graph, &SimDice::new(seed));
            assert_eq!(world.lines("/out/out"), calm.lines("/out/out"), "seed {seed}");
            assert_eq!(world.lines("/out/late"), calm.lines("/out/late"), "seed {seed}");
        }
        assert!(deaths > 8, "only {deaths} deaths");
    }
}

#[test]
fn a_finished_job_stays_finished() {
    let world = World::new(0);
    input(&world);
    let graph = windowed(Window::Tumble { size_ms: 10_000, offset_ms: 0 }, 2_000, 0);
    let options = || (Stop::new(), |_: &millrace_process::Counters| {});
    for _ in 0..2 {
        let job = Job::open(&graph, world.parts(), Some(world.store())).unwrap();
        let (stop, mut report) = options();
        run_job(job, RunOptions { stop, report: &mut report }).unwrap();
    }
    let once = World::new(0);
    input(&once);
    once.run(&graph);
    assert_eq!(world.lines("/out/out"), once.lines("/out/out"));
}

#[test]
fn a_stopped_job_goes_on_where_it_was() {
    let mut graph = windowed(Window::Tumble { size_ms: 10_000, offset_ms: 0 }, 2_000, 0);
    // Due at once: a checkpoint after each message, and a first one before any.
    graph.settings.checkpoint_interval_ms = Some(0);
    let world = World::new(0);
    input(&world);
    for life in 0..4 {
        let job = Job::open(&graph, world.parts(), Some(world.store())).unwrap();
        let stop = Stop::new();
        let mut report = |_: &millrace_process::Counters| {
            if life < 3 {
                stop.stop();
            }
        };
        run_job(job, RunOptions { stop: stop.clone(), report: &mut report }).unwrap();
    }
    let calm = World::new(0);
    input(&calm);
    calm.run(&graph);
    assert_eq!(world.lines("/out/out"), calm.lines("/out/out"));
    assert_eq!(world.lines("/out/late"), calm.lines("/out/late"));
}

#[test]
fn a_checkpoint_of_another_query_is_refused() {
    let world = World::new(0);
    input(&world);
    let mut job =
        Job::open(&windowed(Window::Session { gap_ms: 5 }, 0, 0), world.parts(), Some(world.store())).unwrap();
    job.checkpoint().unwrap();
    let other = windowed(Window::Session { gap_ms: 6 }, 0, 0);
    let error = Job::open(&other, world.parts(), Some(world.store())).err().unwrap();
    assert!(error.to_string().contains("another query"), "{error}");
}
