//! The ids that an index may have, so that an id that is new is looked for in no segment.
//!
//! They are in Bloom filters, each with twice the room of the one before it. An id that is deleted stays there, and one in two
//! hundred that is new is taken for one that may be there: it is looked for, as all are while the segments that were there when
//! the index was opened are still being read.

use super::{Index, Layout};
use crate::error::Error;
use fastbloom::BloomFilter;
use tantivy::Searcher;

/// What the first filter has room for.
const FIRST_ROOM: usize = 1 << 16;
/// Of one filter; an index of a million documents has five.
const FALSE_POSITIVES: f64 = 0.001;
/// An index with more has no filters: they would take more than 100 MB.
const IDS_MAX: usize = 1 << 26;
/// Ids of segments are read in pieces, between refreshes.
const READ_AT_ONCE: usize = 20_000;

/// The filters.
pub(super) struct Ids {
    filters: Vec<BloomFilter>,
    /// What the last filter was made for.
    size: usize,
    /// What it still has room for.
    left: usize,
    /// Whether every id that the index has is in them.
    is_whole: bool,
}

impl Ids {
    /// Of an index that has none, or whose segments are still to be read.
    pub fn new(is_whole: bool) -> Self {
        Self { filters: Vec::new(), size: FIRST_ROOM / 2, left: 0, is_whole }
    }

    /// Adds an id; one that is there already takes no room.
    pub fn add(&mut self, id: &[u8]) {
        if self.left == 0 {
            self.grow();
        }
        let Some(hash) = self.hash(id).filter(|hash| !self.contain(*hash)) else { return };
        if let Some(filter) = self.filters.last_mut() {
            filter.insert_hash(hash);
            self.left -= 1;
        }
    }

    fn grow(&mut self) {
        self.size *= 2;
        if self.is_given_up() {
            (self.filters, self.left, self.is_whole) = (Vec::new(), usize::MAX, false);
            return;
        }
        // The seed is the same in all, so that an id is hashed once.
        self.filters.push(BloomFilter::with_false_pos(FALSE_POSITIVES).seed(&0).expected_items(self.size));
        self.left = self.size;
    }

    /// False when the index does not have the id.
    pub fn may_have(&self, id: &[u8]) -> bool {
        !self.is_whole || self.hash(id).is_some_and(|hash| self.contain(hash))
    }

    /// What an id is in every filter; none when there is no filter.
    fn hash(&self, id: &[u8]) -> Option<u64> {
        self.filters.first().map(|filter| filter.source_hash(id))
    }

    fn contain(&self, hash: u64) -> bool {
        self.filters.iter().any(|filter| filter.contains_hash(hash))
    }

    fn is_given_up(&self) -> bool {
        self.size > IDS_MAX
    }
}

/// Reads the ids of the segments that were there when an index was opened.
pub(super) struct Learner {
    searcher: Searcher,
    segment: usize,
    /// The last one that was read of this segment.
    after: Option<Vec<u8>>,
}

impl Learner {
    /// None when there is nothing to read.
    pub fn new(searcher: Searcher) -> Option<Self> {
        (!searcher.segment_readers().is_empty()).then_some(Self { searcher, segment: 0, after: None })
    }

    /// Some more of them; none when they are at their end.
    fn next(&mut self, layout: &Layout) -> Result<Vec<Vec<u8>>, Error> {
        while let Some(reader) = self.searcher.segment_readers().get(self.segment) {
            let inverted = reader.inverted_index(layout.id)?;
            let mut range = inverted.terms().range();
            if let Some(after) = &self.after {
                range = range.gt(after);
            }
            let mut stream = range.into_stream()?;
            let mut ids = Vec::new();
            while ids.len() < READ_AT_ONCE && stream.advance() {
                ids.push(stream.key().to_vec());
            }
            self.after = ids.last().cloned();
            if self.after.is_some() {
                return Ok(ids);
            }
            self.segment += 1;
        }
        Ok(Vec::new())
    }
}

impl Index {
    /// Of these ids, those that the index may have.
    pub fn known(&self, ids: impl Iterator<Item = String>) -> Vec<String> {
        let state = self.state.lock();
        ids.filter(|id| state.ids.may_have(id.as_bytes())).collect()
    }

    /// Reads some more ids of the segments that were there when it was opened; false when there is nothing left to read.
    pub(super) fn learn(&self) -> bool {
        let mut slot = self.learner.lock();
        let Some(learner) = slot.as_mut() else { return false };
        // What cannot be read is told by whoever needs it; without it, every id is looked for.
        let read = learner.next(&self.layout);
        let mut state = self.state.lock();
        let ended = read.as_ref().map_or(true, Vec::is_empty) || state.ids.is_given_up();
        match read {
            Ok(ids) if !ids.is_empty() => ids.iter().for_each(|id| state.ids.add(id)),
            Ok(_) => state.ids.is_whole = !state.ids.is_given_up(),
            Err(_) => {}
        }
        if ended {
            *slot = None;
        }
        !ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_was_added_may_be_there_and_nearly_no_other() {
        let mut ids = Ids::new(true);
        assert!(!ids.may_have(b"a"));
        let count = 3 * FIRST_ROOM;
        (0..count).for_each(|n| ids.add(format!("id-{n}").as_bytes()));
        assert_eq!(ids.filters.len(), 2);
        assert!((0..count).all(|n| ids.may_have(format!("id-{n}").as_bytes())));
        let wrong = (0..count).filter(|n| ids.may_have(format!("no-{n}").as_bytes())).count();
        assert!(wrong < count / 200, "{wrong} of {count}");
        ids.is_whole = false;
        assert!(ids.may_have(b"a"));
    }

    #[test]
    fn ids_that_are_written_again_take_no_room() {
        let mut ids = Ids::new(true);
        (0..3 * FIRST_ROOM).for_each(|n| ids.add(format!("id-{}", n % 1000).as_bytes()));
        assert_eq!((ids.filters.len(), ids.left), (1, FIRST_ROOM - 1000));
    }
}
