//! What each operator of a job has done, told while it runs: lanes and trunk write, whoever looks reads.

use crate::graph::NodeId;
use millrace_base::Millis;
use serde::Serialize;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Figures of one operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct NodeFigures {
    /// Rows that it handed on since the job was opened; a sink's are those that it was given.
    pub rows_out: u64,
    /// How far event time has come at its inputs. None before the first watermark, and for what runs beside a source: there
    /// every shard has its own.
    pub watermark: Option<Millis>,
    /// What it holds, as it lies in the last checkpoint, in bytes.
    pub state_bytes: u64,
}

/// Figures of all operators of a job, by their place in the graph.
#[derive(Debug, Default)]
pub struct Figures(Vec<Told>);

#[derive(Debug)]
struct Told {
    rows: AtomicU64,
    /// `i64::MIN` before the first.
    watermark: AtomicI64,
    state: AtomicU64,
}

impl Figures {
    /// Of so many operators that have done nothing.
    pub(crate) fn new(nodes: usize) -> Self {
        let none = || Told { rows: AtomicU64::new(0), watermark: AtomicI64::new(i64::MIN), state: AtomicU64::new(0) };
        Self((0..nodes).map(|_| none()).collect())
    }

    pub(crate) fn rows(&self, node: NodeId, rows: usize) {
        self.0[node].rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn watermark(&self, node: NodeId, watermark: Millis) {
        self.0[node].watermark.store(watermark, Ordering::Relaxed);
    }

    pub(crate) fn state(&self, node: NodeId, bytes: usize) {
        self.0[node].state.store(bytes as u64, Ordering::Relaxed);
    }

    /// As they are now.
    pub fn nodes(&self) -> Vec<NodeFigures> {
        let shown = self.0.iter().map(|told| {
            let watermark = told.watermark.load(Ordering::Relaxed);
            NodeFigures {
                rows_out: told.rows.load(Ordering::Relaxed),
                watermark: (watermark > i64::MIN && watermark < i64::MAX).then_some(watermark),
                state_bytes: told.state.load(Ordering::Relaxed),
            }
        });
        shown.collect()
    }
}
