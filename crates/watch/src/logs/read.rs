//! Finding events: a page in order of time out of segments that are in order of arrival.
//!
//! A page keeps the first events of the wanted direction that it has seen and gives up those that no longer fit, so its
//! memory is a page and one segment, however much is stored. Segments and blocks whose times cannot matter are passed over.

use super::segment::{Blocks, SegmentInfo, file_name, shared};
use super::store::{Group, Store, failed};
use super::types::{EventKey, Found, LogsError, Query, StoredEvent};
use millrace_base::Millis;
use millrace_base::calendar::DAY_MS;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

/// CloudWatch's ceiling of an answer.
const PAGE_BYTES_MAX: usize = 1 << 20;

impl Store {
    /// The events that a query wants.
    pub fn query(&self, group: &Group, query: &Query) -> Result<Found, LogsError> {
        let retention = group.facts.read().retention_days;
        let oldest = retention.map_or(Millis::MIN, |days| self.parts.clock.now() - Millis::from(days) * DAY_MS);
        let mut segments = group.state.read().segments.clone();
        if query.newest_first {
            segments.reverse();
        }
        let mut page = Page::new(query, oldest);
        let mut alive = HashMap::new();
        for info in segments {
            if page.may_want(info.min, info.max) {
                self.read_segment(group, info, &mut page, &mut alive)?;
            }
        }
        Ok(page.finish())
    }

    fn read_segment(
        &self,
        group: &Group,
        info: SegmentInfo,
        page: &mut Page<'_>,
        alive: &mut HashMap<u64, bool>,
    ) -> Result<(), LogsError> {
        let path = self.dir(group.id).join(file_name(info.number));
        let content = match self.parts.disk.open(&path, false) {
            // It has outlived its retention meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(&path, error)),
            Ok(file) => {
                // Shorter than it was when a sync failed and the machine lost its power.
                let len = file.len().map_err(|error| failed(&path, error))?.min(info.len);
                let mut content = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
                file.read_exact_at(&mut content, 0).map_err(|error| failed(&path, error))?;
                content
            }
        };
        for block in Blocks::of(&content) {
            if !page.may_want(block.min, block.max) || !page.query.streams.has(block.stream) {
                continue;
            }
            let is_alive = match alive.get(&block.stream_id) {
                Some(is_alive) => *is_alive,
                None => {
                    let stream = self.stream(group, block.stream)?;
                    let is_alive = stream.is_some_and(|stream| stream.id == block.stream_id);
                    alive.insert(block.stream_id, is_alive);
                    is_alive
                }
            };
            if is_alive {
                page.take(block.events(info.number), block.stream, block.ingestion);
            }
        }
        Ok(())
    }
}

/// The best events so far.
struct Page<'a> {
    query: &'a Query,
    /// Retention's and the query's beginning.
    start: Millis,
    /// In the wanted direction: the first is wanted most.
    kept: BTreeMap<Rank, StoredEvent>,
    bytes: usize,
    /// Events from here on do not fit.
    bound: Option<Rank>,
    names: HashMap<String, Arc<str>>,
}

/// An event's place in the wanted direction.
type Rank = (Millis, u64);

impl<'a> Page<'a> {
    fn new(query: &'a Query, oldest: Millis) -> Self {
        Self {
            query,
            start: query.start.max(oldest),
            kept: BTreeMap::new(),
            bytes: 0,
            bound: None,
            names: HashMap::new(),
        }
    }

    fn rank(&self, key: EventKey) -> Rank {
        // The bitwise complement turns both orders around and has no overflow.
        match self.query.newest_first {
            true => (!key.timestamp, !key.position),
            false => (key.timestamp, key.position),
        }
    }

    /// Whether events between two times, inclusive, can be of the page.
    fn may_want(&self, min: Millis, max: Millis) -> bool {
        let first = if self.query.newest_first { !max } else { min };
        let in_range = max >= self.start && min < self.query.end;
        let beyond = self.query.beyond.is_none_or(|key| match self.query.newest_first {
            true => min <= key.timestamp,
            false => max >= key.timestamp,
        });
        in_range && beyond && self.bound.is_none_or(|bound| first <= bound.0)
    }

    fn take<'b>(&mut self, events: impl Iterator<Item = (EventKey, &'b str)>, stream: &str, ingestion: Millis) {
        for (key, message) in events {
            let rank = self.rank(key);
            let wanted = key.timestamp >= self.start
                && key.timestamp < self.query.end
                && self.query.beyond.is_none_or(|beyond| rank > self.rank(beyond))
                && self.bound.is_none_or(|bound| rank < bound);
            if !wanted || !self.query.pattern.matches(message) {
                continue;
            }
            let stream = shared(&mut self.names, stream);
            self.bytes += message.len();
            self.kept.insert(rank, StoredEvent { key, stream, ingestion, message: message.to_owned() });
            while self.kept.len() > 1 && (self.kept.len() > self.query.events_max || self.bytes > PAGE_BYTES_MAX) {
                let Some((rank, event)) = self.kept.pop_last() else { break };
                self.bytes -= event.message.len();
                self.bound = Some(rank);
            }
        }
    }

    fn finish(self) -> Found {
        let mut events: Vec<StoredEvent> = self.kept.into_values().collect();
        if self.query.newest_first {
            events.reverse();
        }
        Found { events, more: self.bound.is_some() }
    }
}
