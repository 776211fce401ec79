//! `collect`: the sink of a bare SELECT, whose rows go to whoever asked.

use super::{ConnectError, Environment, Rows, Sink, SinkFactory};
use crate::graph::ConnectorSpec;
use millrace_base::Remedy;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How many batches may wait for the one who asked before the job waits too.
const WAITING_BATCHES_MAX: usize = 64;

/// Makes the sinks of one query; register it as `collect`.
pub struct Collect(SyncSender<Rows>);

/// The other end: yields the query's rows until the job has ended.
pub struct Collected(Receiver<Rows>);

struct CollectSink {
    table: String,
    to: SyncSender<Rows>,
}

impl Collect {
    /// The factory and the receiving end.
    pub fn pair() -> (Self, Collected) {
        let (to, from) = sync_channel(WAITING_BATCHES_MAX);
        (Self(to), Collected(from))
    }
}

impl Iterator for Collected {
    type Item = Rows;

    /// Blocks until there are rows; none when the job has ended.
    fn next(&mut self) -> Option<Rows> {
        self.0.recv().ok()
    }
}

impl SinkFactory for Collect {
    fn open(&self, spec: &ConnectorSpec, _: &Environment, _: &str) -> Result<Box<dyn Sink>, ConnectError> {
        Ok(Box::new(CollectSink { table: spec.table.clone(), to: self.0.clone() }))
    }

    fn accepts_updates(&self) -> bool {
        true
    }
}

impl Sink for CollectSink {
    fn write(&mut self, rows: &Rows) -> Result<(), ConnectError> {
        self.to.send(rows.clone()).map_err(|_| ConnectError::Sink {
            table: self.table.clone(),
            reason: "whoever asked for the rows is gone".to_owned(),
            remedy: Remedy::FixRequest,
        })
    }

    fn prepare(&mut self, _: u64) -> Result<Vec<u8>, ConnectError> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _: u64, _: &[u8]) -> Result<(), ConnectError> {
        Ok(())
    }
}
