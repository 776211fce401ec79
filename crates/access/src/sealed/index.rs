//! Which extent holds which bytes of a file.
//!
//! Extents that follow each other on disk and in the file are one *run*; of a run only a mark every [`MARK_EVERY`] is kept,
//! from which a reader walks. A file that only grows is one run.

use std::collections::BTreeMap;

/// How far apart marks of a run are, in sealed bytes.
pub(crate) const MARK_EVERY: u64 = 64 << 10;

/// The index of a file.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// The file's length.
    pub(crate) len: u64,
    /// Where the sealed file ends.
    pub(crate) sealed_end: u64,
    /// By their first byte; they do not overlap.
    pieces: BTreeMap<u64, Piece>,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    end: u64,
    run: usize,
}

#[derive(Debug)]
struct Run {
    /// `(offset, position)` of some of its extents, ascending.
    marks: Vec<(u64, u64)>,
    end: u64,
}

/// Where bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a run: walk from the extent at `position` to the one that holds them. Valid up to `until`, exclusive.
    Run { run: usize, position: u64, until: u64 },
    /// Nowhere: they are zeros up to `until`, exclusive.
    Hole { until: u64 },
}

impl Index {
    /// Notes `len` bytes at `offset`, in an extent at `position`, which is behind all others.
    pub(crate) fn write(&mut self, offset: u64, len: u64, position: u64) {
        let end = offset + len;
        let run = match self.runs.last_mut() {
            Some(run) if run.end == offset => {
                if run.marks.last().is_none_or(|(_, last)| position - last >= MARK_EVERY) {
                    run.marks.push((offset, position));
                }
                run.end = end;
                self.runs.len() - 1
            }
            _ => {
                self.runs.push(Run { marks: vec![(offset, position)], end });
                self.runs.len() - 1
            }
        };
        self.cut(offset, end);
        match self.pieces.range_mut(..offset).next_back() {
            Some((_, before)) if before.end == offset && before.run == run => before.end = end,
            _ => {
                self.pieces.insert(offset, Piece { end, run });
            }
        }
        self.len = self.len.max(end);
    }

    /// Notes that the file was cut or grown.
    pub(crate) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.cut(len, u64::MAX);
        }
        self.len = len;
    }

    /// The marks of a file that only ever grew, 16 bytes each; none when reading it through is no work.
    pub(crate) fn table(&self) -> Option<Vec<u8>> {
        let [Run { marks, end }] = &self.runs[..] else { return None };
        let is_whole = self.pieces.get(&0).is_some_and(|piece| piece.end == self.len) && *end == self.len;
        let numbers = marks.iter().flat_map(|(offset, position)| [offset, position]);
        (is_whole && marks.len() > 1).then(|| numbers.flat_map(|number| number.to_le_bytes()).collect())
    }

    /// The index that a table was made of; none when it is no table.
    pub(crate) fn of_table(table: &[u8], len: u64, sealed_end: u64) -> Option<Self> {
        let (numbers, rest) = table.as_chunks::<8>();
        let (pairs, odd) = numbers.as_chunks::<2>();
        let marks: Vec<_> = pairs.iter().map(|pair| pair.map(u64::from_le_bytes).into()).collect();
        let is_whole = rest.is_empty() && odd.is_empty() && marks.first().is_some_and(|(offset, _)| *offset == 0);
        let pieces = BTreeMap::from([(0, Piece { end: len, run: 0 })]);
        is_whole.then(|| Self { len, sealed_end, pieces, runs: vec![Run { marks, end: len }] })
    }

    /// Where the byte at `offset`, before the end, is.
    pub(crate) fn find(&self, offset: u64) -> Place {
        if let Some((_, piece)) = self.pieces.range(..=offset).next_back().filter(|(_, piece)| offset < piece.end) {
            let marks = &self.runs[piece.run].marks;
            let at = marks.partition_point(|(first, _)| *first <= offset).saturating_sub(1);
            return Place::Run { run: piece.run, position: marks[at].1, until: piece.end };
        }
        let next = self.pieces.range(offset..).next().map_or(self.len, |(start, _)| *start);
        Place::Hole { until: next }
    }

    /// Takes a range out of what is held.
    fn cut(&mut self, start: u64, end: u64) {
        if let Some((_, piece)) = self.pieces.range_mut(..start).next_back().filter(|(_, piece)| piece.end > start) {
            let whole = *piece;
            piece.end = start;
            if whole.end > end {
                self.pieces.insert(end, whole);
            }
        }
        while let Some((first, piece)) = self.pieces.range(start..end).next().map(|(first, piece)| (*first, *piece)) {
            self.pieces.remove(&first);
            if piece.end > end {
                self.pieces.insert(end, piece);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_grows_is_one_run_with_few_marks() {
        let mut index = Index::default();
        for number in 0..1000 {
            index.write(number * 100, 100, 256 + number * 156);
        }
        assert_eq!((index.runs.len(), index.pieces.len()), (1, 1));
        assert_eq!(index.runs[0].marks.len(), 3);
        assert_eq!(index.find(99_999), Place::Run { run: 0, position: index.runs[0].marks[2].1, until: 100_000 });
    }

    #[test]
    fn the_last_write_wins_and_cuts_leave_holes() {
        let mut index = Index::default();
        index.write(0, 100, 256);
        index.write(40, 20, 500);
        let runs: Vec<_> = [10, 45, 70].map(|offset| index.find(offset)).to_vec();
        assert_eq!(runs[0], Place::Run { run: 0, position: 256, until: 40 });
        assert_eq!(runs[1], Place::Run { run: 1, position: 500, until: 60 });
        assert_eq!(runs[2], Place::Run { run: 0, position: 256, until: 100 });
        index.set_len(50);
        index.set_len(200);
        assert_eq!(index.find(50), Place::Hole { until: 200 });
        index.write(150, 10, 700);
        assert_eq!(index.find(60), Place::Hole { until: 150 });
    }
}
