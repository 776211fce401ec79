//! Whatever is written in one format is read back the same, and the same from the other; no input stops the readers.

use bytes::Bytes;
use millrace_api::models::kinesis::{ChildShard, GetRecordsOutput, HashKeyRange, PutRecordsInput, Record};
use millrace_api::wire::{Format, Shape, Text, Timestamp};

/// A small generator (splitmix64): one seed is one case.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(3) > 0).then(|| make(self))
    }

    fn list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(5)).map(|_| make(self)).collect()
    }

    fn text(&mut self) -> Text {
        let alphabet = ['a', 'Z', '0', '"', '\\', '/', '\n', '\u{1}', '\u{7f}', 'é', '漢', '🌊', '\u{2028}', ' '];
        let letters: String =
            self.list(|dice| alphabet[dice.below(alphabet.len() as u64) as usize]).into_iter().collect();
        letters.repeat(1 + self.below(40) as usize).into()
    }

    fn blob(&mut self) -> Bytes {
        let len = [0, 1, 2, 3, 23, 24, 255, 256, 70_000][self.below(9) as usize];
        (0..len).map(|_| self.next() as u8).collect::<Vec<_>>().into()
    }

    fn output(&mut self) -> GetRecordsOutput {
        GetRecordsOutput {
            records: self.list(|dice| Record {
                sequence_number: dice.text(),
                // 2^51 ms is exact as seconds in a double.
                approximate_arrival_timestamp: dice.some(|dice| Timestamp(dice.below(1 << 51) as i64 - (1 << 40))),
                data: dice.blob(),
                partition_key: dice.some(Self::text),
                encryption_type: dice.some(Self::text),
            }),
            next_shard_iterator: self.some(Self::text),
            millis_behind_latest: self.some(|dice| dice.next() as i64),
            child_shards: self.some(|dice| {
                dice.list(|dice| ChildShard {
                    shard_id: dice.text(),
                    parent_shards: dice.list(Self::text),
                    hash_key_range: HashKeyRange { starting_hash_key: dice.text(), ending_hash_key: dice.text() },
                })
            }),
        }
    }
}

fn round_trip<T: Shape + PartialEq + std::fmt::Debug>(value: &T, format: Format, seed: u64) {
    let bytes = Bytes::from(format.encode(value));
    let back: T = format.decode(bytes.clone()).unwrap_or_else(|fault| panic!("seed {seed}, {format:?}: {fault}"));
    assert_eq!(&back, value, "seed {seed}, {format:?}");
    if format == Format::Json {
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

#[test]
fn both_formats_say_the_same() {
    for seed in 0..2_000 {
        let output = Seeded(seed).output();
        round_trip(&output, Format::Json, seed);
        round_trip(&output, Format::Cbor, seed);
    }
}

#[test]
fn damaged_input_is_refused_not_fatal() {
    for seed in 0..20_000 {
        let mut dice = Seeded(seed);
        let format = if seed % 2 == 0 { Format::Json } else { Format::Cbor };
        let mut output = dice.output();
        output.records.iter_mut().for_each(|record| record.data.truncate(300));
        let mut bytes = format.encode(&output);
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(bytes.len() as u64) as usize;
            match dice.below(3) {
                0 => bytes[at] = dice.next() as u8,
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, dice.next() as u8),
            }
        }
        let bytes = Bytes::from(bytes);
        let _ = format.decode::<GetRecordsOutput>(bytes.clone());
        let _ = format.decode::<PutRecordsInput>(bytes);
    }
}
