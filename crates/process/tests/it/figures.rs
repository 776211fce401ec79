//! What a job tells of its operators.

use crate::support::{World, rows, windowed};
use millrace_process::graph::{Operator, Window};
use millrace_process::{Job, Progress};

#[test]
fn operators_tell_how_long_each_of_their_threads_worked() {
    let mut graph = windowed(Window::Tumble { size_ms: 10_000, offset_ms: 0 }, 2_000, 0);
    graph.settings.parallelism = 2;
    let world = World::new(0);
    for file in ["/in/orders/1", "/in/orders/2"] {
        world.write(file, &rows(&(0..20_000).map(|nth| (nth / 20, "a", nth)).collect::<Vec<_>>()));
    }
    let mut job = Job::open(&graph, world.parts(), None).unwrap();
    let figures = job.figures();
    assert!(figures.nodes().iter().flat_map(|node| &node.threads).all(|thread| thread.busy_us == 0));
    while job.step().unwrap() != Progress::Finished {}
    let told = figures.nodes();
    for (node, told) in graph.nodes.iter().zip(&told) {
        let threads = match node.operator {
            Operator::Source(_) => 2,
            // Gathered in two lanes, and put together in the trunk.
            Operator::WindowAggregate(_) => 3,
            _ => continue,
        };
        assert_eq!(told.threads.len(), threads, "{told:?}");
        assert!(told.threads.iter().all(|thread| thread.busy_us > 0), "{told:?}");
    }
    let rows: Vec<u64> = told.iter().map(|node| node.rows_out).collect();
    assert_eq!(rows[0], 40_000, "{rows:?}");
}
