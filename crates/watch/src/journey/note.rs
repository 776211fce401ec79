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
    /// Which of `read` led to which of `led_to`, both in order: so many records, and so many that each of them led to.
    /// Empty when that is not known: then any may have led to any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<(u64, u64)>,
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
    /// One position of the same shard.
    fn at(&self, at: u64) -> Self {
        Self { first: at, next: at + 1, ..self.clone() }
    }

    fn len(&self) -> u64 {
        self.next.saturating_sub(self.first)
    }

    /// True when the two share a position.
    pub fn touches(&self, other: &Self) -> bool {
        self.shard == other.shard
            && self.first < other.next
            && other.first < self.next
            && self.stream == other.stream
            && self.scope == other.scope
    }
}

impl Step {
    /// The records that those of `wanted` led to; none if this step left them out, all of `led_to` when it is not known which.
    pub fn led_to_of(&self, wanted: &[Range]) -> Vec<Range> {
        let sum = |ranges: &[Range]| ranges.iter().map(Range::len).sum::<u64>();
        let (read, led) = self.each.iter().fold((0, 0), |sum, (count, each)| (sum.0 + count, sum.1 + count * each));
        if self.each.is_empty() || (read, led) != (sum(&self.read), sum(&self.led_to)) {
            return self.led_to.clone();
        }
        let places = |range: &Range| (range.first..range.next).map(|at| range.at(at)).collect::<Vec<_>>();
        let mut written = self.led_to.iter().flat_map(places);
        let mut counts = self.each.iter().flat_map(|(count, each)| std::iter::repeat_n(*each, *count as usize));
        let mut found: Vec<Range> = Vec::new();
        for at in self.read.iter().flat_map(places) {
            let led_to = written.by_ref().take(counts.next().unwrap_or(0) as usize);
            if wanted.iter().any(|range| range.touches(&at)) {
                led_to.for_each(|place| push(&mut found, place));
            } else {
                led_to.for_each(drop);
            }
        }
        found
    }
}

/// Adds a position; neighbours become one range.
fn push(ranges: &mut Vec<Range>, place: Range) {
    match ranges.last_mut() {
        Some(last) if last.next == place.first && last.at(place.first) == place => last.next = place.next,
        _ => ranges.push(place),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn range(stream: &str, shard: u32, first: u64, next: u64) -> Range {
        Range { scope: Scope::default(), stream: stream.into(), shard: ShardId(shard), first, next }
    }

    #[test]
    fn a_step_that_says_which_made_which_is_followed_record_by_record() {
        let mut step = Step {
            stage: "delivery".into(),
            name: "lake".into(),
            began: 1,
            ended: 2,
            outcome: Outcome::Done,
            read: vec![range("orders", 0, 10, 13), range("orders", 1, 5, 7)],
            made: Vec::new(),
            led_to: vec![range("staged", 0, 100, 106)],
            // The second was dropped; of the last two the sources were kept, too.
            each: vec![(1, 1), (1, 0), (1, 1), (2, 2)],
        };
        assert_eq!(step.led_to_of(&[range("orders", 0, 10, 11)]), [range("staged", 0, 100, 101)]);
        assert_eq!(step.led_to_of(&[range("orders", 0, 11, 12)]), []);
        assert_eq!(step.led_to_of(&[range("orders", 0, 12, 20)]), [range("staged", 0, 101, 102)]);
        let both = [range("orders", 0, 0, 11), range("orders", 1, 6, 7)];
        assert_eq!(step.led_to_of(&both), [range("staged", 0, 100, 101), range("staged", 0, 104, 106)]);
        // What does not add up says nothing.
        step.each.pop();
        assert_eq!(step.led_to_of(&both), step.led_to);
    }
}
