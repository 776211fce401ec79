//! Opening the journal: folds its frames, cuts a torn tail, and makes durable again what may not be.

use crate::sqs::error::{corrupt, disk};
use crate::sqs::format::{self, FRAME_HEADER, FrameHeader, HeaderError, Record, SEGMENT_HEADER, SegmentHeader, Site};
use crate::sqs::journal::{Journal, create_segment};
use crate::sqs::library::{Library, Segment};
use crate::sqs::state::{Place, State};
use crate::sqs::{Env, QueueError};
use bytes::Bytes;
use millrace_base::Millis;
use std::path::Path;
use std::sync::Arc;

/// Reads the journal into `state`, which knows the queues already.
pub(crate) fn open_journal(env: &Env, library: &Library, state: &mut State) -> Result<Journal, QueueError> {
    env.disk.create_dir(&env.dir).map_err(|e| disk(&env.dir, &e))?;
    let names = env.disk.list(&env.dir).map_err(|e| disk(&env.dir, &e))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| format::segment_of(name)).collect();
    if let Some(gap) = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1) {
        let path = env.dir.join(format::segment_name(gap[0] + 1));
        return Err(corrupt(&path, 0, "the segment is missing"));
    }
    remove_torn_creation(env, &mut numbers)?;
    let now = env.clock.now();
    let mut fold = Fold { state, frame: None, now };
    let mut last = None;
    let headers = numbers.iter().map(|number| read_header(env, *number)).collect::<Result<Vec<_>, _>>()?;
    for (at, header) in headers.iter().enumerate() {
        let end = headers.get(at + 1).map(|next| next.previous_len);
        last = Some(fold.segment(env, header, end)?);
    }
    let frame = fold.frame.map_or(1, |frame| frame + 1);
    state.next_no = state.next_no.max(1);
    let (segment, end) = match last {
        Some(end) => (secure(env, end.segment, end.end, end.last_frame)?, end.end),
        None => {
            let made = create_segment(env, 1, state.next_no, 0).map_err(|e| disk(&env.dir, &e))?;
            (Arc::new(made), SEGMENT_HEADER as u64)
        }
    };
    state.segments.entry(segment.number).or_default().bytes = end;
    library.add(segment.clone());
    state.is_live = true;
    Ok(Journal { segment, offset: end, frame })
}

/// A segment whose header was never whole has no frames: its creation was cut short.
fn remove_torn_creation(env: &Env, numbers: &mut Vec<u64>) -> Result<(), QueueError> {
    let Some(&number) = numbers.last() else { return Ok(()) };
    let path = env.dir.join(format::segment_name(number));
    let content = env.disk.read(&path).map_err(|e| disk(&path, &e))?;
    if SegmentHeader::decode(&content, number) != Err(HeaderError::Torn) || content.len() > SEGMENT_HEADER {
        return Ok(());
    }
    let removed = env.disk.remove(&path).and_then(|()| env.disk.sync_dir(&env.dir));
    removed.map_err(|e| disk(&path, &e))?;
    numbers.pop();
    Ok(())
}

struct Fold<'a> {
    state: &'a mut State,
    /// The last frame's number.
    frame: Option<u64>,
    now: Millis,
}

/// Where the last segment ends.
struct End {
    segment: Segment,
    end: u64,
    /// Offset and bytes of its last frame.
    last_frame: Option<(u64, Bytes)>,
}

fn read_header(env: &Env, number: u64) -> Result<SegmentHeader, QueueError> {
    let path = env.dir.join(format::segment_name(number));
    let file = env.disk.open(&path, false).map_err(|e| disk(&path, &e))?;
    let mut head = [0; SEGMENT_HEADER];
    file.read_exact_at(&mut head, 0).map_err(|e| disk(&path, &e))?;
    SegmentHeader::decode(&head, number).map_err(|error| match error {
        HeaderError::Torn => corrupt(&path, 0, "the header of the segment is wrong"),
        HeaderError::Version(version) => {
            corrupt(&path, 8, format!("it is of version {version}, this Millrace reads version {}", format::VERSION))
        }
    })
}

impl Fold<'_> {
    /// Carries out a segment. `end`: where it ends, of all but the last.
    fn segment(&mut self, env: &Env, header: &SegmentHeader, end: Option<u64>) -> Result<End, QueueError> {
        let (number, stamp) = (header.segment, header.stamp);
        let path: Arc<Path> = env.dir.join(format::segment_name(number)).into();
        let file = env.disk.open(&path, false).map_err(|e| disk(&path, &e))?;
        let mut content: Bytes = env.disk.read(&path).map_err(|e| disk(&path, &e))?.into();
        if let Some(end) = end {
            if end > content.len() as u64 {
                return Err(corrupt(&path, content.len() as u64, "the end of the segment is missing"));
            }
            // Behind it lies what a full disk had no room for.
            content.truncate(end as usize);
        }
        self.state.next_no = self.state.next_no.max(header.next_no);
        let mut offset = SEGMENT_HEADER as u64;
        let mut last_frame = None;
        while let Some(frame) = self.frame(&content, Site { stamp, segment: number, offset })? {
            last_frame = Some((offset, frame.clone()));
            offset += frame.len() as u64;
        }
        let torn = end.is_none() && !has_frame_behind(&content, stamp, number, offset);
        if offset < content.len() as u64 && !torn {
            return Err(corrupt(&path, offset, "a commit in the middle of the journal is not whole"));
        }
        self.state.segments.entry(number).or_default().bytes = offset;
        Ok(End { segment: Segment { number, stamp, path, file }, end: offset, last_frame })
    }

    /// Carries out the frame at `site`. `None`: there is no whole frame.
    fn frame(&mut self, content: &Bytes, site: Site) -> Result<Option<Bytes>, QueueError> {
        let rest = content.slice((site.offset as usize).min(content.len())..);
        let Some(header) = FrameHeader::decode(&rest, site) else { return Ok(None) };
        if self.frame.is_some_and(|last| header.frame != last + 1) || header.len as usize > rest.len() {
            return Ok(None);
        }
        let frame = rest.slice(..header.len as usize);
        let Some(records) = format::records(&frame, header, site) else { return Ok(None) };
        let Some(decoded) = records.iter().map(Record::decode).collect::<Option<Vec<_>>>() else { return Ok(None) };
        for (raw, record) in records.iter().zip(decoded) {
            let offset = (site.offset as usize + raw.offset) as u32;
            let place = Place { segment: site.segment, offset, len: raw.len as u32 };
            self.state.apply(record, place, self.now);
        }
        self.frame = Some(header.frame);
        Ok(Some(frame))
    }
}

fn has_frame_behind(content: &Bytes, stamp: u64, segment: u64, offset: u64) -> bool {
    let from = offset as usize + 1;
    let starts = from..content.len().saturating_sub(FRAME_HEADER).max(from);
    starts.into_iter().any(|at| {
        let site = Site { stamp, segment, offset: at as u64 };
        FrameHeader::may_begin(&content[at..]) && FrameHeader::decode(&content[at..], site).is_some()
    })
}

/// What was read was perhaps never synced: it is written again, and what was torn is cut off.
fn secure(env: &Env, segment: Segment, end: u64, last_frame: Option<(u64, Bytes)>) -> Result<Arc<Segment>, QueueError> {
    let work = || {
        let mut head = [0; SEGMENT_HEADER];
        segment.file.read_exact_at(&mut head, 0)?;
        segment.file.set_len(end)?;
        segment.file.write_at(&head, 0)?;
        if let Some((offset, frame)) = &last_frame {
            segment.file.write_at(frame, *offset)?;
        }
        segment.file.sync()?;
        env.disk.sync_dir(&env.dir)
    };
    work().map_err(|e| disk(&segment.path, &e))?;
    Ok(Arc::new(segment))
}
