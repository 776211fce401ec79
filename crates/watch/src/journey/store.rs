//! The journal: gathers notes, writes them once a second, finds them again by reading.
//!
//! Files are read from end to end when somebody asks: asking is rare, noting is not.

use super::format::{self, HEADER_BYTES};
use super::{Note, Put, Range, Step, TraceId};
use millrace_base::{Clock, Disk, DiskFile, Millis};
use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The journal's size on disk; the oldest notes go first. At ten thousand puts a second it is some hours, at a hundred days.
pub const JOURNEY_BYTES_MAX: u64 = 256 << 20;
/// A file is closed at this size, so that the oldest can go in steps.
const FILE_BYTES: u64 = JOURNEY_BYTES_MAX / 16;
/// Notes that may wait for the next second.
const WAITING_MAX: usize = 50_000;

/// What a journal is made of.
pub struct JourneysParts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where it is written.
    pub disk: Arc<dyn Disk>,
    /// The folder.
    pub dir: PathBuf,
}

/// The journal of all records' journeys. Cheap to clone.
#[derive(Clone)]
pub struct Journeys {
    shared: Arc<Shared>,
}

struct Shared {
    parts: JourneysParts,
    waiting: Mutex<Vec<Note>>,
    written: Mutex<Vec<Note>>,
    dropped: AtomicU64,
    files: Mutex<Files>,
}

struct Files {
    /// Numbers and sizes of what is on disk, oldest first.
    old: Vec<(u64, u64)>,
    /// The file that is written to.
    last: Option<(Arc<dyn DiskFile>, u64, u64)>,
    next: u64,
}

impl Journeys {
    /// Opens the journal in its folder.
    pub fn open(parts: JourneysParts) -> io::Result<Self> {
        parts.disk.create_dir(&parts.dir)?;
        let mut old = Vec::new();
        for name in parts.disk.list(&parts.dir)? {
            if let Some(number) = name.strip_suffix(".journey").and_then(|number| number.parse().ok()) {
                let len = parts.disk.open(&parts.dir.join(&name), false)?.len()?;
                old.push((number, len));
            }
        }
        let next = old.last().map_or(0, |(number, _)| number + 1);
        let files = Mutex::new(Files { old, last: None, next });
        let shared =
            Shared { parts, waiting: Mutex::default(), written: Mutex::default(), dropped: AtomicU64::new(0), files };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The time, by which notes are made.
    pub fn now(&self) -> Millis {
        self.shared.parts.clock.now()
    }

    /// Notes something. Never waits for the disk.
    pub fn note(&self, note: Note) {
        let mut waiting = self.shared.waiting.lock();
        if waiting.len() < WAITING_MAX {
            waiting.push(note);
        } else {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many notes were dropped because too many came within a second, since the start.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Writes what has gathered, and gives what was written since the last call, for whoever hands it on. To be called every
    /// second; blocking.
    pub fn flush(&self) -> io::Result<Vec<Note>> {
        self.write_waiting()?;
        Ok(std::mem::take(&mut *self.shared.written.lock()))
    }

    /// Somebody who asks writes what waits, too: what was written is kept until [`Self::flush`] gives it.
    fn write_waiting(&self) -> io::Result<()> {
        let notes = std::mem::take(&mut *self.shared.waiting.lock());
        if notes.is_empty() {
            return Ok(());
        }
        self.write(&notes)?;
        let mut written = self.shared.written.lock();
        if written.len() < WAITING_MAX {
            written.extend(notes);
        }
        Ok(())
    }

    fn write(&self, notes: &[Note]) -> io::Result<()> {
        let block = format::encode(notes)?;
        let mut files = self.shared.files.lock();
        let (file, number, len) = match files.last.take() {
            Some(last) => last,
            None => self.begin(&mut files)?,
        };
        file.write_at(&block, len)?;
        let len = len + block.len() as u64;
        match len < FILE_BYTES {
            true => files.last = Some((file, number, len)),
            false => files.old.push((number, len)),
        }
        self.remove_oldest(&mut files, len)
    }

    fn begin(&self, files: &mut Files) -> io::Result<(Arc<dyn DiskFile>, u64, u64)> {
        let number = files.next;
        let file = self.shared.parts.disk.open(&self.path(number), true)?;
        file.write_at(&format::header(), 0)?;
        files.next += 1;
        Ok((file, number, HEADER_BYTES))
    }

    fn remove_oldest(&self, files: &mut Files, last: u64) -> io::Result<()> {
        while files.old.iter().map(|(_, len)| len).sum::<u64>() + last > JOURNEY_BYTES_MAX && !files.old.is_empty() {
            self.shared.parts.disk.remove(&self.path(files.old[0].0))?;
            files.old.remove(0);
        }
        Ok(())
    }

    /// What was put under a correlation id, in order of time. Blocking.
    pub fn puts(&self, trace: TraceId) -> io::Result<Vec<Put>> {
        let mut found = Vec::new();
        self.each(|note| match note {
            Note::Put(put) if put.trace == trace => found.push(put),
            _ => {}
        })?;
        found.sort_by_key(|put| put.began);
        Ok(found)
    }

    /// The puts and steps that touch any of `ranges`, each list in order of time. Blocking.
    pub fn touching(&self, ranges: &[Range]) -> io::Result<(Vec<Put>, Vec<Step>)> {
        let (mut puts, mut steps) = (Vec::new(), Vec::new());
        self.each(|note| {
            if note.ranges().iter().any(|mine| ranges.iter().any(|other| mine.touches(other))) {
                match note {
                    Note::Put(put) => puts.push(put),
                    Note::Step(step) => steps.push(step),
                }
            }
        })?;
        puts.sort_by_key(|put| put.began);
        steps.sort_by_key(|step| step.began);
        Ok((puts, steps))
    }

    /// The steps that made something with `text` in it, for example a request's id. Blocking.
    pub fn made(&self, text: &str) -> io::Result<Vec<Step>> {
        let mut found = Vec::new();
        self.each(|note| match note {
            Note::Step(step) if step.made.iter().any(|made| made.contains(text)) => found.push(step),
            _ => {}
        })?;
        Ok(found)
    }

    /// All notes, those on disk first.
    fn each(&self, mut each: impl FnMut(Note)) -> io::Result<()> {
        // What waits is written first, so that nothing is between the two.
        self.write_waiting()?;
        let files = self.shared.files.lock();
        let numbers: Vec<u64> =
            files.old.iter().map(|(number, _)| *number).chain(files.last.as_ref().map(|last| last.1)).collect();
        drop(files);
        for number in numbers {
            match self.shared.parts.disk.read(&self.path(number)) {
                Ok(content) => format::read(&content, &mut each),
                // The oldest may go while somebody reads.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.shared.parts.dir.join(format!("{number:010}.journey"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::Outcome;
    use millrace_base::{Scope, ShardId};
    use millrace_testkit::{SimClock, SimDisk};

    fn range(stream: &str, shard: u32, first: u64, next: u64) -> Range {
        Range { scope: Scope::default(), stream: stream.into(), shard: ShardId(shard), first, next }
    }

    fn put(trace: u128, placed: Range) -> Note {
        let trace = TraceId::new(trace).unwrap();
        Note::Put(Put { trace, parent: None, given: true, began: 1, ended: 2, placed: vec![placed] })
    }

    fn step(name: &str, read: Range, led_to: Vec<Range>) -> Note {
        let (began, ended, made) = (3, 4, vec!["object".to_owned()]);
        let outcome = Outcome::Done;
        Note::Step(Step {
            stage: "delivery".into(),
            name: name.into(),
            began,
            ended,
            outcome,
            read: vec![read],
            made,
            led_to,
            each: Vec::new(),
        })
    }

    fn open(disk: &SimDisk) -> Journeys {
        let (clock, disk) = (Arc::new(SimClock::at(0)), Arc::new(disk.clone()));
        Journeys::open(JourneysParts { clock, disk, dir: "journey".into() }).unwrap()
    }

    #[test]
    fn a_journey_is_found_after_a_restart() {
        let disk = SimDisk::new(1);
        let journeys = open(&disk);
        journeys.note(put(7, range("orders", 2, 17, 42)));
        journeys.note(put(8, range("orders", 2, 42, 43)));
        journeys.note(step("lake", range("orders", 2, 0, 40), Vec::new()));
        assert_eq!(journeys.flush().unwrap().len(), 3);
        journeys.note(step("later", range("orders", 2, 40, 50), vec![range("rates", 0, 3, 5)]));
        journeys.flush().unwrap();
        drop(journeys);
        let journeys = open(&disk);
        journeys.note(step("new", range("orders", 2, 20, 21), Vec::new()));
        let puts = journeys.puts(TraceId::new(7).unwrap()).unwrap();
        assert_eq!(puts.len(), 1);
        assert_eq!(journeys.flush().unwrap().len(), 1, "asking takes nothing from whoever exports");
        let names = |ranges: &[Range]| {
            let (_, steps) = journeys.touching(ranges).unwrap();
            steps.iter().map(|step| step.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&puts[0].placed), ["lake", "later", "new"]);
        assert_eq!(names(&[range("orders", 2, 42, 43)]), ["later"]);
        assert!(names(&[range("orders", 1, 0, 99)]).is_empty() && names(&[range("other", 2, 0, 99)]).is_empty());
    }

    #[test]
    fn a_torn_end_hides_nothing_before_it() {
        let disk = SimDisk::new(1);
        let journeys = open(&disk);
        for trace in 1..=3 {
            journeys.note(put(trace, range("orders", 0, 0, 1)));
            journeys.flush().unwrap();
        }
        drop(journeys);
        let file = disk.open("journey/0000000000.journey".as_ref(), false).unwrap();
        file.set_len(file.len().unwrap() - 1).unwrap();
        let found = open(&disk).touching(&[range("orders", 0, 0, 1)]).unwrap().0;
        assert_eq!(found.iter().map(|put| put.trace.bits()).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn too_many_notes_are_dropped_and_counted() {
        let journeys = open(&SimDisk::new(1));
        for _ in 0..WAITING_MAX + 5 {
            journeys.note(put(1, range("orders", 0, 0, 1)));
        }
        assert_eq!((journeys.dropped(), journeys.flush().unwrap().len()), (5, WAITING_MAX));
    }
}
