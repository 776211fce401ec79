//! What is noted: puts and steps over ranges of positions.

use super::TraceId;
use millrace_base::{Millis, Scope, ShardId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Positions of one shard: `first` inclusive, `next` exclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Whose stream.
    pub scope: Scope,
    /// The stream's name.
    pub stream: Arc<str>,
    /// The shard.
    pub shard: ShardId,
    /// The first position.
    pub first: u64,
    /// The position after the last.
    pub next: u64,
}

/// Records that one request put under one correlation id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// The trace.
    pub trace: TraceId,
    /// The producer's span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// True when the producer gave the id, false when it was made here.
    pub given: bool,
    /// When the request came.
    pub began: Millis,
    /// When its records were durable.
    pub ended: Millis,
    /// What it filled, a range for each shard.
    pub placed: Vec<Range>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It worked.
    Done,
    /// It failed, and will be tried again.
    Failed(String),
    /// It was given up: the records went to where failures go.
    GivenUp(String),
}

/// What a stage did with records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which stage, as people call it: `delivery`, `sql`, `function`, `index`.
    pub stage: Arc<str>,
    /// Which one of its kind, for example a delivery stream's name.
    pub name: Arc<str>,
    /// When it began to work on them.
    pub began: Millis,
    /// When it was done.
    pub ended: Millis,
    /// How it ended.
    pub outcome: Outcome,
    /// What it worked on.
    pub read: Vec<Range>,
    /// What came of it, to be read by people: an object, a request id, a count of documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<String>,
    /// Records that it wrote in turn: the journey goes on there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub led_to: Vec<Range>,
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// Records came in.
    Put(Put),
    /// Records were worked on.
    Step(Step),
}

impl Range {
    /// True when the two share a position.
    pub fn touches(&self, other: &Self) -> bool {
        self.shard == other.shard
            && self.first < other.next
            && other.first < self.next
            && self.stream == other.stream
            && self.scope == other.scope
    }
}

impl Note {
    /// When it ended.
    pub fn ended(&self) -> Millis {
        match self {
            Self::Put(put) => put.ended,
            Self::Step(step) => step.ended,
        }
    }

    /// The positions that it is about: those put, or those worked on.
    pub fn ranges(&self) -> &[Range] {
        match self {
            Self::Put(put) => &put.placed,
            Self::Step(step) => &step.read,
        }
    }
}
