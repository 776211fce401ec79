//! What the producers know: which events were acknowledged, how often, and of which nobody knows.
//!
//! An acknowledgement is a promise, and the audit holds the pipeline to it. A put whose answer was lost (the server was
//! killed, say) may or may not have been written; the producer puts it again, and the stream may hold it twice.

use super::event::{Class, Generator};
use parking_lot::Mutex;

/// How often copies are counted; more are as many.
const COPIES_MAX: u16 = 15;

/// The events of a run, by their numbers, which have no gaps.
#[derive(Debug)]
pub struct Ledger {
    seed: u32,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    /// For each event: acknowledged copies, copies of which nobody knows, and its class; four bits each.
    entries: Vec<u16>,
    counts: Counts,
}

/// What has been put.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Events that were made.
    pub made: u64,
    /// Records that were acknowledged, copies too.
    pub acknowledged: u64,
    /// Events that were acknowledged, each once.
    pub events: u64,
    /// Records that were put once more after they had been acknowledged.
    pub repeated: u64,
    /// Records of whose put nobody knows whether it was written.
    pub unknown: u64,
    /// Records that were refused, and put again.
    pub refused: u64,
    /// Events that were acknowledged and are damaged, poisonous or of another shape.
    pub special: u64,
}

/// What is known of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Copies that were acknowledged.
    pub acknowledged: u16,
    /// Copies of which nobody knows.
    pub unknown: u16,
    /// What is special about it.
    pub class: Class,
}

impl Ledger {
    /// An empty ledger of the events of a seed.
    pub fn new(seed: u32) -> Self {
        Self { seed, book: Mutex::default() }
    }

    /// An event was made. They come in order.
    pub fn made(&self, class: Class) {
        let mut book = self.book.lock();
        book.entries.push((class as u16) << 8);
        book.counts.made += 1;
    }

    /// Records were acknowledged.
    pub fn acknowledged(&self, numbers: impl Iterator<Item = u64>) {
        let mut book = self.book.lock();
        for number in numbers {
            let Some(entry) = book.entries.get_mut(number as usize) else { continue };
            let before = *entry;
            *entry += u16::from(before & COPIES_MAX < COPIES_MAX);
            book.counts.acknowledged += 1;
            if before & COPIES_MAX == 0 {
                book.counts.events += 1;
                book.counts.special += u64::from(before >> 8 != Class::Good as u16);
            } else {
                book.counts.repeated += 1;
            }
        }
    }

    /// The answer to a put was lost.
    pub fn unknown(&self, numbers: impl Iterator<Item = u64>) {
        let mut book = self.book.lock();
        for number in numbers {
            let Some(entry) = book.entries.get_mut(number as usize) else { continue };
            if (*entry >> 4) & COPIES_MAX < COPIES_MAX {
                *entry += 1 << 4;
            }
            book.counts.unknown += 1;
        }
    }

    /// Records were refused.
    pub fn refused(&self, records: usize) {
        self.book.lock().counts.refused += records as u64;
    }

    /// The figures so far.
    pub fn counts(&self) -> Counts {
        self.book.lock().counts
    }

    /// All entries, by the events' numbers.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |packed: &u16| Entry {
            acknowledged: packed & COPIES_MAX,
            unknown: (packed >> 4) & COPIES_MAX,
            class: match packed >> 8 {
                0 => Class::Good,
                1 => Class::Malformed,
                2 => Class::Poison,
                _ => Class::Breaking,
            },
        };
        self.book.lock().entries.iter().map(entry).collect()
    }

    /// The id of an event.
    pub fn id(&self, number: u64) -> String {
        Generator::id(self.seed, number)
    }

    /// The number of the event with this id, if it is one of this run's.
    pub fn number(&self, id: &str) -> Option<u64> {
        let (seed, number) = id.strip_prefix("auth-")?.split_once('-')?;
        let is_ours = u32::from_str_radix(seed, 16).ok()? == self.seed && number.len() == 10;
        is_ours.then(|| number.parse().ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_doubts_are_kept_apart() {
        let ledger = Ledger::new(0xbeef);
        for class in [Class::Good, Class::Malformed, Class::Good, Class::Breaking] {
            ledger.made(class);
        }
        ledger.unknown([0, 0].into_iter());
        ledger.acknowledged([0, 1, 1].into_iter());
        let entries = ledger.entries();
        assert_eq!(entries[0], Entry { acknowledged: 1, unknown: 2, class: Class::Good });
        assert_eq!(entries[1], Entry { acknowledged: 2, unknown: 0, class: Class::Malformed });
        assert_eq!(entries[3], Entry { acknowledged: 0, unknown: 0, class: Class::Breaking });
        let counts = ledger.counts();
        assert_eq!((counts.made, counts.acknowledged, counts.events, counts.repeated), (4, 3, 2, 1));
        assert_eq!((counts.unknown, counts.special), (2, 1));
    }

    #[test]
    fn copies_beyond_what_is_counted_change_nothing_else() {
        let ledger = Ledger::new(1);
        ledger.made(Class::Poison);
        for _ in 0..40 {
            ledger.acknowledged(std::iter::once(0));
            ledger.unknown(std::iter::once(0));
        }
        assert_eq!(ledger.entries()[0], Entry { acknowledged: 15, unknown: 15, class: Class::Poison });
    }

    #[test]
    fn ids_lead_back_to_numbers() {
        let ledger = Ledger::new(0xbeef);
        assert_eq!(ledger.number(&ledger.id(12)), Some(12));
        assert_eq!(ledger.number("auth-0000beee-0000000012"), None);
        assert_eq!(ledger.number("x"), None);
    }
}
