//! Values of a journal's shards: ids are given in order and never again, so they are a dense run.

use millrace_base::ShardId;
use std::ops::{Index, IndexMut, Range};

/// A value for each shard of a run of ids. The run grows at its end when shards are created, and loses its beginning when
/// the oldest ones are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByShard<T> {
    first: u32,
    values: Vec<T>,
}

impl<T> ByShard<T> {
    /// Values from the shard `first` on.
    pub fn new(first: ShardId, values: Vec<T>) -> Self {
        Self { first: first.0, values }
    }

    /// The ids.
    pub fn ids(&self) -> Range<u32> {
        self.first..self.first + self.values.len() as u32
    }

    /// How many shards there are.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// A shard's value.
    pub fn get(&self, shard: ShardId) -> Option<&T> {
        self.values.get(shard.0.checked_sub(self.first)? as usize)
    }

    /// A shard's value, to be changed.
    pub fn get_mut(&mut self, shard: ShardId) -> Option<&mut T> {
        self.values.get_mut(shard.0.checked_sub(self.first)? as usize)
    }

    /// The shards and their values.
    pub fn iter(&self) -> impl Iterator<Item = (ShardId, &T)> {
        self.ids().map(ShardId).zip(&self.values)
    }

    /// The values.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The same shards with other values.
    pub(crate) fn map<U>(&self, mut value: impl FnMut(ShardId, &T) -> U) -> ByShard<U> {
        ByShard { first: self.first, values: self.iter().map(|(shard, of)| value(shard, of)).collect() }
    }

    /// Forgets the shards before `ids`, and adds those that are missing at the end.
    pub(crate) fn reach(&mut self, ids: Range<u32>, mut new: impl FnMut() -> T) {
        let gone = ids.start.saturating_sub(self.first).min(self.values.len() as u32);
        self.values.drain(..gone as usize);
        self.first += gone;
        while self.ids().end < ids.end {
            self.values.push(new());
        }
    }
}

impl ByShard<u64> {
    /// Where a shard stood that may not be in the list: one that came later stood at its beginning, one that is long gone
    /// behind everything.
    pub(crate) fn stand(&self, shard: ShardId) -> u64 {
        match self.get(shard) {
            Some(index) => *index,
            None if shard.0 < self.first => u64::MAX,
            None => 0,
        }
    }
}

impl<T> Index<ShardId> for ByShard<T> {
    type Output = T;

    fn index(&self, shard: ShardId) -> &T {
        &self.values[(shard.0 - self.first) as usize]
    }
}

impl<T> IndexMut<ShardId> for ByShard<T> {
    fn index_mut(&mut self, shard: ShardId) -> &mut T {
        &mut self.values[(shard.0 - self.first) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_grows_at_its_end_and_forgets_its_beginning() {
        let mut run = ByShard::new(ShardId(2), vec![20, 30]);
        assert_eq!([1, 2, 3, 4].map(|id| run.stand(ShardId(id))), [u64::MAX, 20, 30, 0]);
        run.reach(3..6, || 7);
        assert_eq!(run, ByShard::new(ShardId(3), vec![30, 7, 7]));
        run.reach(1..2, || 9);
        assert_eq!((run.ids(), run[ShardId(3)], run.get(ShardId(2))), (3..6, 30, None));
    }
}
