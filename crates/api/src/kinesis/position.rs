//! Places in a shard as clients name them: five ways, for iterators and subscriptions alike.
//!
//! A sequence number need not be a record's. Every number in a shard's range is a good one, also the shard's first and last,
//! and [`before`], which stands before a record whose number is not known yet.

use super::{Kinesis, faults};
use crate::wire::{Fault, Text, Timestamp, kinds};
use millrace_base::{Millis, SequenceNumber, ShardId};
use millrace_log::{Shard, StreamInfo};

/// Where to begin.
pub struct Start<'a> {
    /// The operation, for messages.
    pub operation: &'static str,
    /// `LATEST`, `TRIM_HORIZON`, …
    pub kind: &'a str,
    /// For the types that need one.
    pub number: Option<&'a Text>,
    /// For `AT_TIMESTAMP`.
    pub timestamp: Option<Timestamp>,
}

impl Start<'_> {
    /// Each type takes its own parameter and no other's.
    pub fn check(&self) -> Result<(), Fault> {
        let kind = self.kind;
        let by_number = matches!(kind, "AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER");
        let given = self.number.is_some();
        if by_number != given {
            let what = if given { "also a" } else { "no" };
            return Err(kinds::INVALID_ARGUMENT.because(format!(
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
                 TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {kind} and {what} \
                 StartingSequenceNumber."
            )));
        }
        if kind == "AT_TIMESTAMP" && self.timestamp.is_none() {
            return Err(kinds::INVALID_ARGUMENT.because(
                "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no \
                 timestamp parameter.",
            ));
        }
        Ok(())
    }

    /// The index of the first record to be read. `check` has passed.
    pub fn index(&self, kinesis: &Kinesis, stream: &StreamInfo, shard: &Shard, now: Millis) -> Result<u64, Fault> {
        let bounds = || kinesis.log.bounds(&stream.key, shard.id).map_err(faults::of_log);
        match (self.kind, self.number, self.timestamp) {
            ("TRIM_HORIZON", ..) => Ok(bounds()?.trim),
            ("AT_TIMESTAMP", _, Some(Timestamp(time))) => index_at(kinesis, stream, shard.id, time, now),
            ("AT_SEQUENCE_NUMBER", Some(number), _) => self.index_of(kinesis, stream, shard, number, Side::At),
            ("AFTER_SEQUENCE_NUMBER", Some(number), _) => self.index_of(kinesis, stream, shard, number, Side::After),
            // LATEST: behind the last record there is now, not at the first read. The rest was checked.
            _ => Ok(bounds()?.tail),
        }
    }

    /// The index of the first record whose number is not below (`At`) or above (`After`) `text`.
    fn index_of(
        &self,
        kinesis: &Kinesis,
        stream: &StreamInfo,
        shard: &Shard,
        text: &Text,
        side: Side,
    ) -> Result<u64, Fault> {
        let number = self.sequence_number(stream, shard, text)?;
        let bounds = kinesis.log.bounds(&stream.key, shard.id).map_err(faults::of_log)?;
        if number.index < bounds.trim {
            return Ok(bounds.trim);
        }
        if number.index >= bounds.tail {
            return Ok(bounds.tail);
        }
        let mut reader = kinesis.log.reader(&stream.key, shard.id, number.index).map_err(faults::of_log)?;
        let batch = reader.read(1, 1).map_err(faults::of_log)?;
        let Some(record) = batch.records.first().filter(|record| record.index == number.index) else {
            // Trimmed since the bounds were read.
            return Ok(batch.records.first().map_or(batch.next, |record| record.index));
        };
        let found = shard.number(record.index, record.arrival);
        let behind = found < number || found == number && side == Side::After;
        Ok(number.index + u64::from(behind))
    }

    /// The number that `text` is, if it can be one of this shard.
    fn sequence_number(&self, stream: &StreamInfo, shard: &Shard, text: &Text) -> Result<SequenceNumber, Fault> {
        let (id, name, account) = (shard.id, &stream.key.name, &stream.key.scope.account);
        let invalid = |why: &str| {
            let used = format!("used in {} on shard {id} in stream {name} under account {account}", self.operation);
            kinds::INVALID_ARGUMENT.because(format!("StartingSequenceNumber {text} {used} is invalid{why}"))
        };
        let number: SequenceNumber = text.parse().map_err(|_| invalid("."))?;
        if number.shard != id {
            return Err(kinds::INVALID_ARGUMENT.because(format!(
                "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard with {id}",
                number.shard
            )));
        }
        if number.shard_created_secs != shard.created_secs {
            return Err(invalid(" because it did not come from this stream."));
        }
        Ok(number)
    }
}

/// A number that is greater than the record's before `index`, and less than the one's at it: `AT_` and `AFTER_` it mean the
/// same.
pub fn before(shard: &Shard, index: u64) -> SequenceNumber {
    SequenceNumber { index, arrival_secs: 0, ..shard.starting_number() }
}

fn index_at(kinesis: &Kinesis, stream: &StreamInfo, id: ShardId, time: Millis, now: Millis) -> Result<u64, Fault> {
    if time > now {
        return Err(kinds::INVALID_ARGUMENT.because(format!(
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {time}, \
             currentTimestampInMillis: {now}"
        )));
    }
    kinesis.log.index_at(&stream.key, id, time).map_err(faults::of_log)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    At,
    After,
}
