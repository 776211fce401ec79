//! Which records of a shard are done: the checkpoint is the lowest that is not.

use crate::mapping::event::Spot;
use std::collections::VecDeque;

/// Records in order of reading, each until it and all before it are done.
#[derive(Debug)]
pub(crate) struct Tickets {
    /// The ticket of the first entry.
    first: u64,
    entries: VecDeque<(Spot, bool)>,
    /// Everything before was read.
    read_to: Spot,
}

impl Tickets {
    pub(crate) fn from(read_to: Spot) -> Self {
        Self { first: 0, entries: VecDeque::new(), read_to }
    }

    /// A ticket for a record that a function is to see.
    pub(crate) fn issue(&mut self, spot: Spot) -> u64 {
        self.entries.push_back((spot, false));
        self.first + self.entries.len() as u64 - 1
    }

    /// Marks a record as done.
    pub(crate) fn done(&mut self, ticket: u64) {
        let at = ticket.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) {
            entry.1 = true;
        }
        while self.entries.front().is_some_and(|(_, done)| *done) {
            self.entries.pop_front();
            self.first += 1;
        }
    }

    /// Everything before was read, seen or not.
    pub(crate) fn read_to(&mut self, spot: Spot) {
        self.read_to = spot;
    }

    /// Where reading goes on.
    pub(crate) fn next_read(&self) -> Spot {
        self.read_to
    }

    /// Everything before is done.
    pub(crate) fn lowest(&self) -> Spot {
        self.entries.front().map_or(self.read_to, |(spot, _)| *spot)
    }

    /// Records that are read and not done, with those that wait for lower ones.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_that_is_not_done_holds_the_checkpoint() {
        let spot = |index, sub| Spot { index, sub };
        let mut tickets = Tickets::from(spot(5, 1));
        assert_eq!(tickets.lowest(), spot(5, 1));
        let issued: Vec<u64> = [spot(5, 1), spot(5, 2), spot(7, 0)].map(|spot| tickets.issue(spot)).into();
        tickets.read_to(spot(9, 0));
        assert_eq!(issued, [0, 1, 2]);
        tickets.done(1);
        assert_eq!((tickets.lowest(), tickets.len()), (spot(5, 1), 3));
        tickets.done(0);
        assert_eq!((tickets.lowest(), tickets.len()), (spot(7, 0), 1));
        tickets.done(0);
        tickets.done(2);
        assert_eq!((tickets.lowest(), tickets.len()), (spot(9, 0), 0));
        assert_eq!(tickets.issue(spot(9, 0)), 3);
    }
}
