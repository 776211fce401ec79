//! How far behind those are who read streams inside this process.
//!
//! A reader that is stuck makes no calls that could be counted, so its mark in the log's [`Readership`](millrace_log::Readership) is looked at once a
//! second: the age of the record that it takes next is how far behind it is, and it climbs for as long as nothing moves.

use super::analytics::ApplicationMeter;
use super::firehose::{DeliveryMeasure, DeliveryMeter};
use super::kinesis::{ConsumerMeasure, Streams, is_internal};
use millrace_base::{Millis, ShardId};
use millrace_log::{Log, LogError, ReaderKind, Reading, StreamKey, StreamReader};
use millrace_watch::Metrics;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::sheet::{Shelf, measures};

measures! {
    /// The age of what a function's mappings take next, beside that of what they have done.
    MappingMeasure in "AWS/Lambda" {
        IteratorAge "IteratorAge" MILLISECONDS,
    }
}

/// A reader whose mark is gone is still looked at for so long: a job that fails comes back after a pause of half a minute.
const GONE_MS: Millis = 45_000;

/// A reader of a shard, and what is known of it.
#[derive(Debug, Clone)]
pub struct Behind {
    /// Who and where.
    pub reading: Reading,
    /// Records that are not done.
    pub records: u64,
    /// The age of the oldest of them; 0 when there is none.
    pub age_ms: Millis,
    /// When the mark was last seen to move, or to be at the end.
    pub moved: Millis,
    /// Why the shard cannot be read.
    pub damage: Option<String>,
    seen: Millis,
    /// The record at the mark and when it arrived.
    arrival: Option<(u64, Millis)>,
}

type Key = (StreamReader, StreamKey, ShardId);

/// Looks at all readers.
pub struct Ages {
    log: Arc<dyn Log>,
    streams: Streams,
    deliveries: DeliveryMeter,
    applications: ApplicationMeter,
    mappings: Shelf<(millrace_base::Scope, String), MappingMeasure>,
    readers: Mutex<HashMap<Key, Behind>>,
}

impl Ages {
    /// Of the readers of `log`.
    pub fn new(
        log: Arc<dyn Log>,
        metrics: &Metrics,
        streams: Streams,
        deliveries: DeliveryMeter,
        applications: ApplicationMeter,
    ) -> Self {
        Self { log, streams, deliveries, applications, mappings: Shelf::new(metrics), readers: Mutex::default() }
    }

    /// Everybody who reads, as of the last look.
    pub fn readers(&self) -> Vec<Behind> {
        self.readers.lock().values().cloned().collect()
    }

    /// Looks at every reader. May read a record from the disk.
    pub fn sample(&self, now: Millis) {
        let mut known = std::mem::take(&mut *self.readers.lock());
        for mut reading in self.log.readership().list() {
            if is_internal(&reading.stream.scope) {
                continue;
            }
            // A job that is opened again is the same reader, whatever its incarnation.
            reading.reader.name = plain(&reading.reader);
            let key = (reading.reader.clone(), reading.stream.clone(), reading.shard);
            let behind = known.entry(key).or_insert_with(|| Behind {
                reading: reading.clone(),
                records: 0,
                age_ms: 0,
                moved: now,
                damage: None,
                seen: now,
                arrival: None,
            });
            if behind.reading.next != reading.next {
                behind.moved = now;
            }
            (behind.reading, behind.seen) = (reading, now);
        }
        known.retain(|_, behind| now - behind.seen < GONE_MS && self.look(behind, now));
        self.tell(&known);
        *self.readers.lock() = known;
    }

    /// Finds out how far behind a reader is; false when its shard is gone.
    fn look(&self, behind: &mut Behind, now: Millis) -> bool {
        let (stream, shard) = (&behind.reading.stream, behind.reading.shard);
        let Ok(bounds) = self.log.bounds(stream, shard) else { return false };
        let next = behind.reading.next.max(bounds.trim);
        behind.records = bounds.tail.saturating_sub(next);
        if behind.records == 0 {
            (behind.age_ms, behind.arrival, behind.moved, behind.damage) = (0, None, now, None);
            return true;
        }
        if behind.arrival.is_none_or(|(index, _)| index != next) {
            match self.arrival(stream, shard, next) {
                Ok(arrival) => (behind.arrival, behind.damage) = (arrival.map(|arrival| (next, arrival)), None),
                Err(error) => behind.damage = Some(error.to_string()),
            }
        }
        behind.age_ms = behind.arrival.map_or(behind.age_ms, |(_, arrival)| (now - arrival).max(0));
        true
    }

    fn arrival(&self, stream: &StreamKey, shard: ShardId, index: u64) -> Result<Option<Millis>, LogError> {
        let batch = self.log.reader(stream, shard, index)?.read(1, 1)?;
        Ok(batch.records.first().map(|record| record.arrival))
    }

    /// Counts: of a stream every shard and reader, of a reader its shard that is furthest behind.
    fn tell(&self, readers: &HashMap<Key, Behind>) {
        let mut worst: BTreeMap<(&StreamReader, &StreamKey), Millis> = BTreeMap::new();
        for behind in readers.values() {
            let reading = &behind.reading;
            self.streams.age(&reading.stream, reading.shard, behind.age_ms);
            let age = worst.entry((&reading.reader, &reading.stream)).or_default();
            *age = behind.age_ms.max(*age);
        }
        for ((reader, stream), age) in worst {
            match reader.kind {
                ReaderKind::Application => self.applications.behind(&reader.name, &stream.name, age),
                ReaderKind::Delivery => {
                    let sheet = self.deliveries.sheet(&reader.scope, &reader.name);
                    sheet.count(DeliveryMeasure::MillisBehindLatest, age as f64);
                }
                ReaderKind::Function => {
                    if let Some(consumer) = &reader.consumer {
                        let sheet = self.streams.consumer(stream, consumer);
                        sheet.count(ConsumerMeasure::MillisBehindLatest, age as f64);
                    }
                    // A function that keeps up tells its own ages, batch by batch.
                    if age > 0 {
                        let describe = || (reader.scope.clone(), vec![("FunctionName", reader.name.to_string())]);
                        let key = (reader.scope.clone(), reader.name.to_string());
                        self.mappings.of(&key, describe).count(MappingMeasure::IteratorAge, age as f64);
                    }
                }
            }
        }
    }
}

/// A reader's name without what changes when it is opened again.
fn plain(reader: &StreamReader) -> Arc<str> {
    match reader.kind {
        // `account/region/NAME/GENERATION/N-incarnation`
        ReaderKind::Application => reader.name.rsplit_once('-').map_or(reader.name.clone(), |(name, _)| name.into()),
        _ => reader.name.clone(),
    }
}
