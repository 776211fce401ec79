//! What is to go wrong, and when.

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `DiskFile::write_at`.
    Write,
    /// `DiskFile::sync`.
    Sync,
    /// `Disk::sync_dir`.
    SyncDir,
    /// `Disk::open`.
    Open,
    /// `DiskFile::read_exact_at`.
    Read,
}

/// The plan of failures.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    planned: Vec<Planned>,
    /// The process dies after so many more calls that change something.
    pub(crate) dies_after: Option<u64>,
    pub(crate) dead: bool,
    /// No more bytes than these fit.
    pub(crate) capacity: Option<u64>,
}

#[derive(Debug)]
struct Planned {
    call: Call,
    path_contains: String,
    left: u64,
}

impl Faults {
    pub(crate) fn plan(&mut self, call: Call, nth: u64, path_contains: &str) {
        self.planned.push(Planned { call, path_contains: path_contains.to_owned(), left: nth.max(1) });
    }

    /// Counts a call; true when it is to fail.
    pub(crate) fn fails(&mut self, call: Call, path: &str) -> bool {
        let mut fails = false;
        self.planned.retain_mut(|planned| {
            if planned.call == call && path.contains(&planned.path_contains) {
                planned.left -= 1;
                fails |= planned.left == 0;
            }
            planned.left > 0
        });
        fails
    }

    /// Counts a call that changes something; true when the process is dead or dies in it.
    pub(crate) fn dies(&mut self) -> bool {
        if let Some(left) = &mut self.dies_after {
            *left = left.saturating_sub(1);
            self.dead |= *left == 0;
        }
        self.dead
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { capacity: self.capacity, ..Self::default() };
    }
}
