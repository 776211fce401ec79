//! Records that wait for the function, by shard, and which of them make a batch.

use super::event::{EVENT_OVERHEAD, PAYLOAD_BYTES_MAX, Taken};
use crate::definition::LambdaProcessor;
use crate::run::Positions;
use millrace_base::Millis;
use std::collections::{BTreeMap, VecDeque};

/// Records that are read and not asked about yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_shard: BTreeMap<u32, VecDeque<Taken>>,
    /// Payload bytes.
    bytes: usize,
    /// What they take in an event.
    event_bytes: usize,
    /// When the first of them was read.
    since: Millis,
}

impl Waiting {
    pub(super) fn push(&mut self, taken: Taken, now: Millis) {
        if self.is_empty() {
            self.since = now;
        }
        self.bytes += taken.data.len();
        self.event_bytes += taken.event_bytes();
        self.by_shard.entry(taken.shard).or_default().push_back(taken);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_shard.is_empty()
    }

    /// When the oldest record arrived.
    pub(super) fn oldest(&self) -> Option<Millis> {
        self.by_shard.values().filter_map(VecDeque::front).map(|taken| taken.arrival).min()
    }

    /// When a batch is due at the latest.
    pub(super) fn due_at(&self, lambda: &LambdaProcessor) -> Option<Millis> {
        (!self.is_empty()).then(|| self.since + lambda.interval_ms)
    }

    /// Whether a batch is due: large enough for the processor or for an event, or old enough.
    pub(super) fn is_due(&self, lambda: &LambdaProcessor, now: Millis) -> bool {
        let full = self.bytes >= lambda.buffer_bytes || EVENT_OVERHEAD + self.event_bytes >= PAYLOAD_BYTES_MAX;
        !self.is_empty() && (full || self.due_at(lambda).is_some_and(|at| now >= at))
    }

    /// Up to where the next batch reaches: a record of each shard in turn, as many as fit, but at least one.
    pub(super) fn next_batch(&self, lambda: &LambdaProcessor) -> Positions {
        let (mut to, mut bytes, mut event_bytes) = (Positions::new(), 0, EVENT_OVERHEAD);
        let deepest = self.by_shard.values().map(VecDeque::len).max().unwrap_or(0);
        for depth in 0..deepest {
            for (shard, queue) in &self.by_shard {
                let Some(taken) = queue.get(depth) else { continue };
                let more = (bytes + taken.data.len(), event_bytes + taken.event_bytes());
                let fits = bytes < lambda.buffer_bytes && more.1 <= PAYLOAD_BYTES_MAX;
                if !fits && !to.is_empty() {
                    return to;
                }
                (bytes, event_bytes) = more;
                to.insert(*shard, taken.index + 1);
            }
        }
        to
    }

    /// Takes the records before `to`, in order of shard and index.
    pub(super) fn take(&mut self, to: &Positions, now: Millis) -> Vec<Taken> {
        let mut taken = Vec::new();
        for (shard, queue) in &mut self.by_shard {
            let end = to.get(shard).copied().unwrap_or(0);
            let count = queue.partition_point(|taken| taken.index < end);
            taken.extend(queue.drain(..count));
        }
        self.by_shard.retain(|_, queue| !queue.is_empty());
        self.bytes -= taken.iter().map(|taken| taken.data.len()).sum::<usize>();
        self.event_bytes -= taken.iter().map(Taken::event_bytes).sum::<usize>();
        self.since = now;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn push(waiting: &mut Waiting, shard: u32, index: u64, bytes: usize) {
        let taken = Taken {
            shard,
            index,
            arrival: 0,
            sequence: String::new(),
            partition_key: Bytes::new(),
            data: vec![0; bytes].into(),
        };
        waiting.push(taken, 0);
    }

    #[test]
    fn a_batch_takes_from_every_shard_and_fits_an_event() {
        let lambda =
            LambdaProcessor { lambda_arn: String::new(), retries: 0, buffer_bytes: 3 << 20, interval_ms: 1000 };
        let mut waiting = Waiting::default();
        for index in 0..6 {
            push(&mut waiting, 0, index, 1 << 20);
        }
        push(&mut waiting, 1, 9, 10);
        assert!(waiting.is_due(&lambda, 0));
        let to = waiting.next_batch(&lambda);
        assert_eq!(to, [(0, 3), (1, 10)].into());
        assert_eq!(waiting.take(&to, 5).len(), 4);
        assert_eq!(waiting.next_batch(&lambda), [(0, 6)].into());
        assert_eq!(waiting.take(&[(0, 6)].into(), 5).len(), 3);
        assert!(waiting.is_empty() && waiting.bytes == 0 && waiting.event_bytes == 0);
        // Small records fill an event long before they fill the buffer; a single large one goes alone.
        (0..20_000).for_each(|index| push(&mut waiting, 0, index, 1));
        let count = waiting.next_batch(&lambda)[&0];
        assert!((10_000..20_000).contains(&count), "{count}");
        waiting.take(&[(0, 20_000)].into(), 5);
        push(&mut waiting, 0, 20_000, 9 << 20);
        push(&mut waiting, 0, 20_001, 1);
        assert_eq!(waiting.next_batch(&lambda), [(0, 20_001)].into());
    }
}
