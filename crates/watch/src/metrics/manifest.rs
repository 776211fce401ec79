//! The manifest: which series there are, which blocks, and the first journal that they do not hold.
//!
//! # Format (v1)
//! ```text
//! manifest := crc32c(8 hex digits) '\n' json          the checksum is of the JSON
//! ```
//! It is replaced as a whole: after a crash the old or the new one is there. A damaged one is set aside and metrics begin anew:
//! they are not worth a server that does not start.

use super::block::BlockRow;
use super::error::MetricsError;
use super::key::MetricKey;
use super::state::{SeriesId, State};
use millrace_base::{Disk, Millis, Scope};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

const VERSION: u32 = 1;
const NAME: &str = "manifest";

/// What is on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    version: u32,
    /// The next file's number; journals from this on are not in blocks yet.
    pub(super) next: u64,
    /// The next series' id: none is used twice, because blocks know series by it.
    pub(super) next_id: SeriesId,
    pub(super) series: Vec<SeriesRow>,
    pub(super) blocks: Vec<BlockRow>,
}

/// A series: id, account, region, namespace, name, dimensions, unit, the last second with values.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SeriesRow(SeriesId, String, String, String, String, Vec<(String, String)>, String, Millis);

impl Manifest {
    pub(super) fn new(next: u64, state: &State, blocks: Vec<BlockRow>) -> Self {
        let row = |(id, entry): (&SeriesId, &super::state::Entry)| {
            let key = &entry.key;
            let dimensions = key.dimensions.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            let (account, region) = (key.scope.account.to_string(), key.scope.region.to_string());
            let (namespace, name) = (key.namespace.to_string(), key.name.to_string());
            SeriesRow(*id, account, region, namespace, name, dimensions, entry.unit.to_string(), entry.last)
        };
        let next_id = state.next_id;
        Self { version: VERSION, next, next_id, series: state.series.iter().map(row).collect(), blocks }
    }

    /// Reads the manifest; none is an empty one.
    pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, MetricsError> {
        let path = dir.join(NAME);
        let content = match disk.read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::empty()),
            Err(error) => return Err(MetricsError::disk(path)(error)),
        };
        let found = content.split_first_chunk::<9>().and_then(|(head, json)| {
            let crc = u32::from_str_radix(std::str::from_utf8(&head[..8]).ok()?, 16).ok()?;
            (crc == crc32c::crc32c(json)).then_some(json)
        });
        let json = found.ok_or_else(|| MetricsError::damaged(&path, "its checksum is wrong"))?;
        let read: Self =
            serde_json::from_slice(json).map_err(|error| MetricsError::damaged(&path, error.to_string()))?;
        if read.version != VERSION {
            let reason = format!("it is of version {}, and this Millrace reads {VERSION}", read.version);
            return Err(MetricsError::damaged(path, reason));
        }
        Ok(read)
    }

    pub(super) fn empty() -> Self {
        Self { version: VERSION, next: 0, next_id: 0, series: Vec::new(), blocks: Vec::new() }
    }

    /// Puts a damaged manifest where somebody can look at it.
    pub(super) fn set_aside(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        disk.rename(&dir.join(NAME), &dir.join("manifest.damaged"))?;
        disk.sync_dir(dir)
    }

    pub(super) fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), MetricsError> {
        let path = dir.join(NAME);
        let json = serde_json::to_vec(self).map_err(|error| MetricsError::disk(&path)(io::Error::other(error)))?;
        let mut content = format!("{:08x}\n", crc32c::crc32c(&json)).into_bytes();
        content.extend_from_slice(&json);
        disk.replace(&path, &content).map_err(MetricsError::disk(&path))
    }
}

impl SeriesRow {
    pub(super) fn insert_into(&self, state: &mut State) {
        let Self(id, account, region, namespace, name, dimensions, unit, last) = self;
        let dimensions = dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let key = MetricKey::new(&Scope::new(account, region), namespace, name, dimensions);
        state.insert(*id, key, unit.as_str().into(), *last);
    }
}
