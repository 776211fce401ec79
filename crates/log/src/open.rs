//! Opening a stream: what its files hold, after whatever happened to them.

use crate::error::{corrupt, disk};
use crate::format::{self, ByShard, HeaderError, SegmentHeader};
use crate::routing::Routes;
use crate::scan::{self, Bad, NO_ARRIVALS, Scan};
use crate::stream::{Env, StoredStream, Stream};
use crate::view::{Active, Life, SegmentMeta, ShardView, View};
use crate::writer::{Producers, Writer, create_segment};
use crate::{LogError, Shard, StreamInfo};
use millrace_base::{DiskFile, ShardId};
use parking_lot::{Mutex, RwLock};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The piece in which a frame is written again.
const REWRITE_BYTES: u64 = 1 << 20;

/// The folder of a stream.
pub(crate) fn stream_dir(env: &Env, info: &StreamInfo) -> PathBuf {
    env.dir.join(format::stream_dir_name(info.incarnation, &info.key.name))
}

/// Makes the files of a new stream, durable with their names.
pub(crate) fn create_files(env: &Env, info: &StreamInfo) -> Result<(), LogError> {
    let dir = stream_dir(env, info);
    let header = SegmentHeader {
        incarnation: info.incarnation,
        segment: 1,
        first_frame: 0,
        previous_len: 0,
        previous_arrivals: NO_ARRIVALS,
        bases: ByShard::new(ShardId(0), vec![0; info.shards.len()]),
        producers: Vec::new(),
    };
    let path = dir.join(format::segment_name(1));
    let create = || -> io::Result<()> {
        // A crash may have left one of this number.
        env.disk.remove_dir(&dir)?;
        env.disk.create_dir(&dir)?;
        create_segment(&*env.disk, &dir, &path, &header)?;
        env.disk.sync_dir(&env.dir)
    };
    create().map_err(|error| {
        // If that fails, too, the folder is rubbish that the next start removes.
        let _ = env.disk.remove_dir(&dir);
        disk(&path, &error)
    })
}

/// A segment's file.
struct Opened {
    path: Arc<Path>,
    file: Arc<dyn DiskFile>,
    len: u64,
}

/// A segment whose header was read.
struct Headed {
    path: Arc<Path>,
    file: Arc<dyn DiskFile>,
    len: u64,
    /// With its length.
    header: (SegmentHeader, u64),
}

/// Opens a stream as its files are.
pub(crate) fn open_stream(env: &Arc<Env>, stored: StoredStream) -> Result<Stream, LogError> {
    let info = stored.info;
    let dir = stream_dir(env, &info);
    let mut numbers = segment_numbers(env, &dir, stored.first_segment)?;
    let last = loop {
        let number = *numbers.last().ok_or_else(|| corrupt(&dir, 0, "the stream's segments are gone"))?;
        match head(env, &info, &dir, number)? {
            Ok(last) => break last,
            // Torn while it was created: nothing was ever written to it.
            Err(_) if numbers.len() > 1 && is_bare(env, &dir, info.incarnation, number)? => {
                let path = dir.join(format::segment_name(number));
                let removed = env.disk.remove(&path).and_then(|()| env.disk.sync_dir(&dir));
                removed.map_err(|e| disk(&path, &e))?;
                numbers.pop();
            }
            Err(error) => return Err(scan::header_error(&dir.join(format::segment_name(number)), &error)),
        }
    };
    if info.shards.iter().any(|shard| last.header.0.bases.get(shard.id).is_none()) {
        return Err(corrupt(&last.path, 0, "the segment does not list all shards of the stream"));
    }
    let segments = metas(env, &info, &dir, &numbers, &last)?;
    let scan = recover(env, &info, &dir, &last)?;
    check_ends(&info, &last, &scan.next)?;
    let trims = ByShard::new(ShardId(stored.first_shard), stored.trims);
    Ok(assemble(env, info, dir, &trims, segments, last, scan))
}

/// The numbers of a stream's segments, ascending without holes; removes those that were trimmed.
fn segment_numbers(env: &Env, dir: &Path, first: u64) -> Result<Vec<u64>, LogError> {
    let mut numbers = Vec::new();
    for name in env.disk.list(dir).map_err(|e| disk(dir, &e))? {
        match format::segment_of(&name) {
            Some(number) if number < first => {
                let path = dir.join(&name);
                env.disk.remove(&path).map_err(|e| disk(&path, &e))?;
            }
            Some(number) if name.ends_with(".log") => numbers.push(number),
            _ => {}
        }
    }
    numbers.sort_unstable();
    for (expected, number) in (first..).zip(&numbers) {
        if expected != *number {
            return Err(corrupt(&dir.join(format::segment_name(expected)), 0, "the segment is missing"));
        }
    }
    Ok(numbers)
}

fn open_file(env: &Env, dir: &Path, number: u64) -> Result<Opened, LogError> {
    let path: Arc<Path> = dir.join(format::segment_name(number)).into();
    let file = env.disk.open(&path, false).map_err(|e| disk(&path, &e))?;
    let len = file.len().map_err(|e| disk(&path, &e))?;
    Ok(Opened { path, file, len })
}

fn head(env: &Env, info: &StreamInfo, dir: &Path, number: u64) -> Result<Result<Headed, HeaderError>, LogError> {
    let Opened { path, file, len } = open_file(env, dir, number)?;
    let header = match scan::try_header(&path, &*file)? {
        Ok(header) => header,
        Err(error) => return Ok(Err(error)),
    };
    let own = header.0.incarnation == info.incarnation && header.0.segment == number;
    if !own {
        return Err(corrupt(&path, 0, "the segment belongs to another stream or place"));
    }
    Ok(Ok(Headed { path, file, len, header }))
}

/// True when a segment has no frame.
pub(crate) fn is_bare(env: &Env, dir: &Path, incarnation: u64, number: u64) -> Result<bool, LogError> {
    let Opened { path, file, len } = open_file(env, dir, number)?;
    Ok(scan::frame_behind(&path, &*file, (incarnation, number), 0, len)?.is_none())
}

/// What is known of each segment: its own beginning, and its end from the header of the next.
fn metas(
    env: &Env,
    info: &StreamInfo,
    dir: &Path,
    numbers: &[u64],
    last: &Headed,
) -> Result<VecDeque<SegmentMeta>, LogError> {
    let mut segments: VecDeque<SegmentMeta> = VecDeque::with_capacity(numbers.len());
    for number in numbers {
        let headed = if *number == last.header.0.segment {
            None
        } else {
            let headed = head(env, info, dir, *number)?;
            Some(headed.map_err(|e| scan::header_error(&dir.join(format::segment_name(*number)), &e))?)
        };
        let headed = headed.as_ref().unwrap_or(last);
        let (header, start) = &headed.header;
        if let Some(before) = segments.back_mut() {
            let (ids, were) = (header.bases.ids(), before.bases.ids());
            if ids.start < were.start || ids.end < were.end {
                return Err(corrupt(&headed.path, 0, "the segment has lost shards, or lists some that had expired"));
            }
            // `end` is still the file's length, which is never shorter than what was written.
            if before.end < header.previous_len {
                let path = dir.join(format::segment_name(before.number));
                return Err(corrupt(&path, before.end, "the end of the segment is missing"));
            }
            before.end = header.previous_len;
            before.arrivals = header.previous_arrivals;
        }
        segments.push_back(SegmentMeta {
            number: *number,
            start: *start,
            end: headed.len,
            arrivals: NO_ARRIVALS,
            bases: header.bases.clone(),
        });
    }
    Ok(segments)
}

/// Goes through the last segment; cuts a torn commit, reports anything else that is wrong.
fn recover(env: &Env, info: &StreamInfo, dir: &Path, last: &Headed) -> Result<Scan, LogError> {
    let scan = scan_last(info, last)?;
    // A process that was killed may have left a whole frame, or the file's very name, in the system's memory only, and a
    // system that once failed to write it takes it for written. It is about to be shown to readers and built upon, so it
    // is written again and synced. Frames before the last were synced before it was begun.
    let synced = last
        .file
        .set_len(scan.end)
        .and_then(|()| rewrite(&*last.file, scan.last_frame, scan.end))
        .and_then(|()| last.file.sync())
        .and_then(|()| env.disk.sync_dir(dir));
    synced.map_err(|error| disk(&last.path, &error))?;
    Ok(scan)
}

/// Writes what a file holds in a range once more.
fn rewrite(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
    let mut bytes = Vec::new();
    for from in (start..end).step_by(REWRITE_BYTES as usize) {
        bytes.resize((end - from).min(REWRITE_BYTES) as usize, 0);
        file.read_exact_at(&mut bytes, from)?;
        file.write_at(&bytes, from)?;
    }
    Ok(())
}

fn scan_last(info: &StreamInfo, last: &Headed) -> Result<Scan, LogError> {
    let path = &last.path;
    let scan = scan::frames(&*last.file, &last.header, last.len, true);
    match &scan.stopped {
        None => {}
        Some((_, Bad::Disk(error))) => return Err(disk(path, error)),
        Some((offset, Bad::Order(reason))) => return Err(corrupt(path, *offset, *reason)),
        Some((offset, Bad::Frame(reason))) => {
            let segment = (info.incarnation, last.header.0.segment);
            if let Some(behind) = scan::frame_behind(path, &*last.file, segment, *offset, last.len)? {
                let reason = format!("{reason}, and an intact frame follows at byte {behind}");
                return Err(corrupt(path, *offset, reason));
            }
        }
    }
    Ok(scan)
}

fn assemble(
    env: &Arc<Env>,
    info: Arc<StreamInfo>,
    dir: PathBuf,
    trims: &ByShard<u64>,
    mut segments: VecDeque<SegmentMeta>,
    last: Headed,
    scan: Scan,
) -> Stream {
    let mut producers = Producers::default();
    for mark in &last.header.0.producers {
        producers.note(mark.id.clone(), mark.epoch, mark.frame);
    }
    for (id, epoch, frame) in &scan.producers {
        producers.note(id.clone(), *epoch, *frame);
    }
    if let Some(meta) = segments.back_mut() {
        meta.end = scan.end;
        meta.arrivals = scan.arrivals;
    }
    let shards = scan.next.map(|id, tail| {
        let trimmed = trims.get(id).copied().unwrap_or(0).max(segments[0].bases.stand(id));
        ShardView::standing(trimmed.min(*tail), *tail, life(&info, id))
    });
    let writer = Writer {
        dir: dir.clone(),
        incarnation: info.incarnation,
        path: last.path.clone(),
        file: last.file.clone(),
        segment: last.header.0.segment,
        start: last.header.1,
        offset: scan.end,
        frame: scan.next_frame,
        next: scan.next,
        oldest: info.shards.first().map_or(0, |shard| shard.id.0),
        arrivals: scan.arrivals,
        producers,
    };
    let active = Active { path: last.path, file: last.file, points: Arc::new(scan.points) };
    let view =
        View { dir, incarnation: info.incarnation, segments, active, shards, cached: VecDeque::new(), deleted: false };
    Stream {
        key: info.key.clone(),
        routes: RwLock::new(Arc::new(Routes::new(&info.shards))),
        info: RwLock::new(info),
        view: RwLock::new(view),
        writer: Mutex::new(writer),
        upkeep: Mutex::new(()),
        env: env.clone(),
    }
}

fn life(info: &StreamInfo, id: ShardId) -> Life {
    match info.shards.binary_search_by_key(&id, |shard| shard.id) {
        Ok(at) if info.shards[at].closed.is_some() => Life::Closed,
        Ok(_) => Life::Open,
        Err(_) => Life::Gone,
    }
}

/// Whether every shard stands where the catalog has it: closed ones at their end, those it does not know at their beginning.
fn check_ends(info: &StreamInfo, last: &Headed, next: &ByShard<u64>) -> Result<(), LogError> {
    let misplaced = |shard: &Shard| shard.closed.is_some_and(|closed| next.stand(shard.id) != closed.tail);
    if let Some(shard) = info.shards.iter().find(|shard| misplaced(shard)) {
        return Err(corrupt(&last.path, 0, format!("{} does not end where the catalog has its end", shard.id)));
    }
    let end = info.shards.last().map_or(0, |shard| shard.id.0 + 1);
    if let Some((id, _)) = next.iter().find(|(id, next)| id.0 >= end && **next > 0) {
        return Err(corrupt(&last.path, 0, format!("it has records of {id}, which the catalog does not know")));
    }
    Ok(())
}
