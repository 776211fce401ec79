//! Folders that belong to no stream: deleted ones, and ones whose creation was not finished.

use crate::error::{corrupt, disk};
use crate::open::{is_bare, stream_dir};
use crate::stream::{COUNTERS, Env, INCARNATION};
use crate::{LogError, StreamInfo, format};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Removes folders of streams that the catalog does not know. Refuses when one holds records and the catalog never gave it
/// its number: then it is not this log's catalog, and what looks like rubbish is somebody's data.
pub(crate) fn remove_rubbish(env: &Env, known: &[Arc<StreamInfo>]) -> Result<(), LogError> {
    let known: HashSet<PathBuf> = known.iter().map(|info| stream_dir(env, info)).collect();
    let given = env.catalog.get::<u64>(COUNTERS, INCARNATION)?.unwrap_or(0);
    for name in env.disk.list(&env.dir).map_err(|e| disk(&env.dir, &e))? {
        let dir = env.dir.join(&name);
        let Some(incarnation) = format::incarnation_of(&name).filter(|_| !known.contains(&dir)) else { continue };
        if incarnation > given && holds_records(env, &dir, incarnation)? {
            let reason = "it holds a stream that the catalog has never known: was the catalog lost or exchanged? Put the \
                          right one back, or move this folder away";
            return Err(corrupt(&dir, 0, reason));
        }
        env.disk.remove_dir(&dir).map_err(|e| disk(&dir, &e))?;
    }
    Ok(())
}

fn holds_records(env: &Env, dir: &Path, incarnation: u64) -> Result<bool, LogError> {
    for name in env.disk.list(dir).map_err(|e| disk(dir, &e))? {
        if let Some(number) = format::segment_of(&name)
            && (number > 1 || !is_bare(env, dir, incarnation, number)?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}
