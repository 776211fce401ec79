//! What each operator of a job has done, told while it runs: lanes and trunk write, whoever looks reads.
//!
//! Operators of a lane are one thread, as those of a task of Flink's are: while the thread waits for the trunk to take what it
//! made, all of them are back-pressured. What runs in the trunk waits for nobody.
#![allow(clippy::disallowed_methods, reason = "figures for people: nothing that a job does depends on them")]

use crate::graph::NodeId;
use millrace_base::Millis;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Figures of one operator.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct NodeFigures {
    /// Rows that it handed on since the job was opened; a sink's are those that it was given.
    pub rows_out: u64,
    /// How far event time has come at its inputs. None before the first watermark, and for what runs beside a source: there
    /// every shard has its own.
    pub watermark: Option<Millis>,
    /// What it holds, as it lies in the last checkpoint, in bytes.
    pub state_bytes: u64,
    /// The threads that run it: a lane for each subtask of its sources, or the trunk, or both for what gathers in lanes.
    pub threads: Vec<ThreadFigures>,
}

/// What an operator has done on one of its threads since the job was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ThreadFigures {
    /// How long it worked, in microseconds.
    pub busy_us: u64,
    /// How long it waited until those behind it took what it made, in microseconds.
    pub back_pressured_us: u64,
}

/// Figures of all operators of a job, by their place in the graph.
#[derive(Debug, Default)]
pub struct Figures {
    nodes: Vec<Told>,
    threads: Mutex<Vec<Arc<ThreadTimes>>>,
}

#[derive(Debug)]
struct Told {
    rows: AtomicU64,
    /// `i64::MIN` before the first.
    watermark: AtomicI64,
    state: AtomicU64,
}

/// How one thread of a job spends its time, in nanoseconds: a step over few rows takes less than a microsecond.
#[derive(Debug)]
pub(crate) struct ThreadTimes {
    /// By operator.
    busy: Vec<AtomicU64>,
    runs: Vec<NodeId>,
    /// Those of them that wait when it waits.
    waits: Vec<NodeId>,
    waited: AtomicU64,
}

impl ThreadTimes {
    /// The beginning of some work.
    pub(crate) fn begin(&self) -> Instant {
        Instant::now()
    }

    /// What has passed since `begun` was an operator's work.
    pub(crate) fn worked(&self, node: NodeId, begun: Instant) {
        self.busy[node].fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }

    /// The thread waited for those behind it.
    pub(crate) fn waited(&self, time: Duration) {
        self.waited.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    fn of(&self, node: NodeId) -> Option<ThreadFigures> {
        let micros = |time: &AtomicU64| time.load(Ordering::Relaxed) / 1000;
        self.runs.contains(&node).then(|| ThreadFigures {
            busy_us: micros(&self.busy[node]),
            back_pressured_us: if self.waits.contains(&node) { micros(&self.waited) } else { 0 },
        })
    }
}

impl Figures {
    /// Of so many operators that have done nothing.
    pub(crate) fn new(nodes: usize) -> Self {
        let none = || Told { rows: AtomicU64::new(0), watermark: AtomicI64::new(i64::MIN), state: AtomicU64::new(0) };
        Self { nodes: (0..nodes).map(|_| none()).collect(), threads: Mutex::default() }
    }

    /// A thread that runs these operators, of which those wait when it waits.
    pub(crate) fn thread(&self, runs: Vec<NodeId>, waits: Vec<NodeId>) -> Arc<ThreadTimes> {
        let busy = self.nodes.iter().map(|_| AtomicU64::new(0)).collect();
        let times = Arc::new(ThreadTimes { busy, runs, waits, waited: AtomicU64::new(0) });
        self.threads.lock().push(times.clone());
        times
    }

    pub(crate) fn rows(&self, node: NodeId, rows: usize) {
        self.nodes[node].rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn watermark(&self, node: NodeId, watermark: Millis) {
        self.nodes[node].watermark.store(watermark, Ordering::Relaxed);
    }

    pub(crate) fn state(&self, node: NodeId, bytes: u64) {
        self.nodes[node].state.store(bytes, Ordering::Relaxed);
    }

    /// As they are now.
    pub fn nodes(&self) -> Vec<NodeFigures> {
        let threads = self.threads.lock();
        let shown = self.nodes.iter().enumerate().map(|(node, told)| {
            let watermark = told.watermark.load(Ordering::Relaxed);
            NodeFigures {
                rows_out: told.rows.load(Ordering::Relaxed),
                watermark: (watermark > i64::MIN && watermark < i64::MAX).then_some(watermark),
                state_bytes: told.state.load(Ordering::Relaxed),
                threads: threads.iter().filter_map(|thread| thread.of(node)).collect(),
            }
        });
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_runs_beside_its_lane_does_not_wait_with_it() {
        let figures = Figures::new(3);
        let lane = figures.thread(vec![0, 1], vec![0]);
        figures.thread(vec![1, 2], Vec::new());
        let begun = lane.begin();
        while begun.elapsed() < Duration::from_micros(50) {}
        lane.worked(1, begun);
        lane.waited(Duration::from_millis(7));
        let told = figures.nodes();
        let waited = |node: usize| told[node].threads.iter().map(|thread| thread.back_pressured_us).collect::<Vec<_>>();
        assert_eq!([waited(0), waited(1), waited(2)], [vec![7000], vec![0, 0], vec![0]]);
        assert!(told[1].threads[0].busy_us >= 50 && told[1].threads[1].busy_us == 0, "{told:?}");
        assert_eq!(told[0].threads[0].busy_us, 0);
    }
}
