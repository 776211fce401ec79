//! The last checkpoints of a job, as they are told to people: what was taken, what failed, and what it began from.

use millrace_base::Millis;
use millrace_process::Counters;
use serde::Serialize;
use std::collections::VecDeque;

/// So many are remembered; a job takes at most one a second, if it is not told otherwise.
const REMEMBERED: usize = 60;

/// What came of a checkpoint, in Flink's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// It is on disk, and what the sinks had prepared for it is visible.
    Completed,
    /// It was not taken, and the job begins again from the one before it.
    Failed,
    /// The job began from it.
    Restored,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToldCheckpoint {
    /// Greater at each checkpoint of a job.
    pub epoch: u64,
    /// When it was seen, up to a second after it was taken.
    pub at: Millis,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took, from the first barrier to the sinks' commit.
    pub took_ms: Option<Millis>,
    /// Its bytes.
    pub bytes: Option<u64>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// The last of a job since the server started, the newest last.
#[derive(Debug, Default)]
pub struct History {
    told: VecDeque<ToldCheckpoint>,
    /// Checkpoints of the job that runs now that were seen.
    seen: u64,
}

impl History {
    /// A job was opened; these are its first figures.
    pub fn opened(&mut self, counters: &Counters, now: Millis) {
        self.seen = 0;
        if counters.checkpoints == 0 && counters.epoch > 1 {
            self.tell(counters.epoch - 1, now, Outcome::Restored, (None, None, None));
        }
        self.looked(counters, now);
    }

    /// Its figures later on.
    pub fn looked(&mut self, counters: &Counters, now: Millis) {
        if counters.checkpoints > self.seen {
            self.seen = counters.checkpoints;
            let (took, bytes) = (Some(counters.checkpoint_ms), Some(counters.checkpoint_bytes));
            self.tell(counters.epoch - 1, now, Outcome::Completed, (took, bytes, None));
        }
    }

    /// The one that was being taken failed.
    pub fn failed(&mut self, counters: &Counters, now: Millis, reason: &str) {
        self.tell(counters.epoch, now, Outcome::Failed, (None, None, Some(reason.to_owned())));
    }

    /// The newest first.
    pub fn told(&self) -> Vec<ToldCheckpoint> {
        self.told.iter().rev().cloned().collect()
    }

    fn tell(
        &mut self,
        epoch: u64,
        at: Millis,
        outcome: Outcome,
        (took_ms, bytes, reason): (Option<Millis>, Option<u64>, Option<String>),
    ) {
        if self.told.len() == REMEMBERED {
            self.told.pop_front();
        }
        self.told.push_back(ToldCheckpoint { epoch, at, outcome, took_ms, bytes, reason });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(checkpoints: u64, epoch: u64) -> Counters {
        Counters { checkpoints, epoch, checkpoint_ms: 3, checkpoint_bytes: 100, ..Counters::default() }
    }

    #[test]
    fn each_is_told_once_and_a_restart_begins_anew() {
        let mut history = History::default();
        history.opened(&counters(1, 2), 10);
        history.looked(&counters(1, 2), 20);
        history.looked(&counters(2, 3), 30);
        history.failed(&counters(2, 3), 40, "the disk is full");
        history.opened(&counters(0, 3), 50);
        history.looked(&counters(1, 4), 60);
        let told: Vec<_> = history.told().into_iter().map(|each| (each.epoch, each.at, each.outcome)).collect();
        let expected = [
            (3, 60, Outcome::Completed),
            (2, 50, Outcome::Restored),
            (3, 40, Outcome::Failed),
            (2, 30, Outcome::Completed),
            (1, 10, Outcome::Completed),
        ];
        assert_eq!(told, expected);
        assert_eq!(history.told()[2].reason.as_deref(), Some("the disk is full"));
        (0..100).for_each(|nth| history.looked(&counters(nth + 2, nth + 5), 70));
        assert_eq!(history.told().len(), REMEMBERED);
    }
}
