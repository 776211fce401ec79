//! What goes wrong with metrics on disk.

use std::io;
use std::path::PathBuf;

/// A failure of the store. Counting goes on whatever happens; what is lost is said.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The disk failed. Metrics are kept in memory, within a ceiling, and written when it works again.
    #[error("metrics could not be kept in {}: {source}. They stay in memory and are written when the disk takes them: \
             look at its space and health", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file's bytes are not what was written.
    #[error("{} is damaged ({reason}): what it held is missing from metrics; other files are not touched by it", path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The disk failed for so long that memory's ceiling was reached.
    #[error(
        "metrics of up to the last minutes were thrown away: the disk has taken none for too long, and {0} bytes wait in memory"
    )]
    Shed(usize),
    /// The ceiling of the folder's size was reached.
    #[error(
        "metrics before the millisecond {before} are gone early: their files are larger than {bytes_max} bytes together"
    )]
    Full {
        /// What the files may hold.
        bytes_max: u64,
        /// All older points of one resolution are gone.
        before: i64,
    },
    /// More metrics than are kept.
    #[error(
        "{refused} values or counters of new metrics were refused in the last minute: there are {series_max} metrics already. \
         Use fewer dimension values; metrics without values for two weeks make room"
    )]
    TooMany {
        /// How often something was refused.
        refused: u64,
        /// The ceiling.
        series_max: usize,
    },
}

impl MetricsError {
    pub(super) fn disk(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { path, source }
    }

    pub(super) fn damaged(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), reason: reason.into() }
    }
}
