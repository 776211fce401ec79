//! What a frame tells: messages that came, went, moved and were received.

use super::frame::RawRecord;
use super::take::Take;
use crate::sqs::message::md5;
use crate::sqs::{AttributeValue, MessageAttribute};
use bytes::Bytes;
use millrace_base::Millis;

/// Kinds of records.
pub(crate) mod kind {
    pub(crate) const PUT: u8 = 1;
    pub(crate) const REMOVE: u8 = 2;
    pub(crate) const MOVED: u8 = 3;
    pub(crate) const NOTE: u8 = 4;
    pub(crate) const PURGE: u8 = 5;
    pub(crate) const DEDUP: u8 = 6;
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
/// Where others have their number of attributes: the rest is sealed.
const SEALED: u8 = u8::MAX;

const _: () = assert!(crate::sqs::message::ATTRIBUTES_MAX < SEALED as usize);

/// The part of a message that is kept in memory, and what goes with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PutHead {
    pub(crate) no: u64,
    pub(crate) queue: u64,
    pub(crate) sent: Millis,
    pub(crate) visible_at: Millis,
    pub(crate) first_received: Millis,
    pub(crate) received: u32,
    pub(crate) base: u32,
    pub(crate) nonce: u32,
    /// 0: none.
    pub(crate) dedup: u128,
    pub(crate) message_id: [u8; 16],
    pub(crate) body_md5: [u8; 16],
    pub(crate) group: Bytes,
}

/// A message as it is on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StoredMessage {
    pub(crate) head: PutHead,
    pub(crate) sender: Bytes,
    pub(crate) dedup_id: Bytes,
    pub(crate) trace: Bytes,
    pub(crate) source: Bytes,
    pub(crate) attributes: Vec<MessageAttribute>,
    pub(crate) body: Bytes,
    /// The body is what a key made of trace header, attributes and body.
    pub(crate) is_sealed: bool,
}

/// A message that is to be written.
pub(crate) type Put = StoredMessage;

/// A receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) queue: u64,
    pub(crate) no: u64,
    pub(crate) visible_at: Millis,
    pub(crate) first_received: Millis,
    pub(crate) received: u32,
    pub(crate) nonce: u32,
}

/// A deduplication id whose message is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dedup {
    pub(crate) queue: u64,
    pub(crate) key: u128,
    pub(crate) no: u64,
    pub(crate) message_id: [u8; 16],
    pub(crate) sent: Millis,
}

/// A record, as far as memory needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Put(PutHead),
    Remove { queue: u64, no: u64 },
    Moved { from_queue: u64, from_no: u64, put: PutHead },
    Note(Note),
    Purge { queue: u64, before_no: u64 },
    Dedup(Dedup),
}

impl Record {
    /// Reads a record. `None`: it is none of ours.
    pub(crate) fn decode(raw: &RawRecord) -> Option<Self> {
        let take = &mut Take::new(raw.payload.clone());
        Some(match raw.kind {
            kind::PUT => Self::Put(PutHead::take(take)?),
            kind::REMOVE => Self::Remove { queue: take.u64()?, no: take.u64()? },
            kind::MOVED => Self::Moved { from_queue: take.u64()?, from_no: take.u64()?, put: PutHead::take(take)? },
            kind::NOTE => Self::Note(Note {
                queue: take.u64()?,
                no: take.u64()?,
                visible_at: take.i64()?,
                first_received: take.i64()?,
                received: take.u32()?,
                nonce: take.u32()?,
            }),
            kind::PURGE => Self::Purge { queue: take.u64()?, before_no: take.u64()? },
            kind::DEDUP => Self::Dedup(Dedup {
                queue: take.u64()?,
                key: take.u128()?,
                no: take.u64()?,
                message_id: take.array()?,
                sent: take.i64()?,
            }),
            _ => return None,
        })
    }
}

impl PutHead {
    fn take(take: &mut Take) -> Option<Self> {
        Some(Self {
            no: take.u64()?,
            queue: take.u64()?,
            sent: take.i64()?,
            visible_at: take.i64()?,
            first_received: take.i64()?,
            received: take.u32()?,
            base: take.u32()?,
            nonce: take.u32()?,
            dedup: take.u128()?,
            message_id: take.array()?,
            body_md5: take.array()?,
            group: take.short()?,
        })
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        for field in [self.no, self.queue] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        for field in [self.sent, self.visible_at, self.first_received] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        for field in [self.received, self.base, self.nonce] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&self.dedup.to_le_bytes());
        bytes.extend_from_slice(&self.message_id);
        bytes.extend_from_slice(&self.body_md5);
        short(bytes, &self.group);
    }
}

impl StoredMessage {
    /// Reads the message of a put or moved record.
    pub(crate) fn decode(raw: &RawRecord) -> Option<Self> {
        let take = &mut Take::new(raw.payload.clone());
        match raw.kind {
            kind::PUT => {}
            kind::MOVED => drop(take.array::<16>()?),
            _ => return None,
        }
        let head = PutHead::take(take)?;
        let [sender, dedup_id, trace, source] = [take.short()?, take.short()?, take.short()?, take.short()?];
        let count = take.u8()?;
        let is_sealed = count == SEALED;
        let attributes = if is_sealed { Vec::new() } else { take_attributes(take, count)? };
        let body = take.long()?;
        take.is_done().then_some(Self { head, sender, dedup_id, trace, source, attributes, body, is_sealed })
    }

    /// What a key seals of it.
    pub(crate) fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.body.len() + 64);
        short(&mut bytes, &self.trace);
        self.write_content(&mut bytes);
        bytes
    }

    /// The same message with its content sealed.
    pub(crate) fn with_sealed(mut self, sealed: Bytes) -> Self {
        (self.trace, self.attributes, self.head.body_md5) = (Bytes::new(), Vec::new(), [0; 16]);
        Self { body: sealed, is_sealed: true, ..self }
    }

    /// The same message with its content open. `None`: it is none of ours.
    pub(crate) fn with_content(mut self, content: Bytes) -> Option<Self> {
        let take = &mut Take::new(content);
        self.trace = take.short()?;
        let count = take.u8()?;
        self.attributes = take_attributes(take, count)?;
        self.body = take.long()?;
        self.head.body_md5 = md5(&self.body);
        self.is_sealed = false;
        take.is_done().then_some(self)
    }

    /// Writes the payload of a put.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        self.head.write(bytes);
        for text in [&self.sender, &self.dedup_id, &self.trace, &self.source] {
            short(bytes, text);
        }
        self.write_content(bytes);
    }

    fn write_content(&self, bytes: &mut Vec<u8>) {
        bytes.push(if self.is_sealed { SEALED } else { self.attributes.len() as u8 });
        for attribute in &self.attributes {
            short(bytes, attribute.name.as_bytes());
            short(bytes, attribute.data_type.as_bytes());
            bytes.push(if matches!(attribute.value, AttributeValue::Binary(_)) { BINARY } else { TEXT });
            long(bytes, attribute.value.bytes());
        }
        long(bytes, &self.body);
    }
}

impl Note {
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.queue.to_le_bytes());
        bytes.extend_from_slice(&self.no.to_le_bytes());
        bytes.extend_from_slice(&self.visible_at.to_le_bytes());
        bytes.extend_from_slice(&self.first_received.to_le_bytes());
        bytes.extend_from_slice(&self.received.to_le_bytes());
        bytes.extend_from_slice(&self.nonce.to_le_bytes());
    }
}

impl Dedup {
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.queue.to_le_bytes());
        bytes.extend_from_slice(&self.key.to_le_bytes());
        bytes.extend_from_slice(&self.no.to_le_bytes());
        bytes.extend_from_slice(&self.message_id);
        bytes.extend_from_slice(&self.sent.to_le_bytes());
    }
}

fn take_attributes(take: &mut Take, count: u8) -> Option<Vec<MessageAttribute>> {
    (0..count).map(|_| take_attribute(take)).collect()
}

fn take_attribute(take: &mut Take) -> Option<MessageAttribute> {
    let text = |bytes: Bytes| std::str::from_utf8(&bytes).ok().map(str::to_owned);
    let (name, data_type) = (text(take.short()?)?, text(take.short()?)?);
    let value = match take.u8()? {
        TEXT => AttributeValue::Text(take.long()?),
        BINARY => AttributeValue::Binary(take.long()?),
        _ => return None,
    };
    Some(MessageAttribute { name, data_type, value })
}

/// Whoever makes texts keeps them short; what does not fit is cut rather than spoil the record.
fn short(bytes: &mut Vec<u8>, text: &[u8]) {
    let text = &text[..text.len().min(usize::from(u16::MAX))];
    bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
    bytes.extend_from_slice(text);
}

fn long(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::super::{FrameBuilder, FrameHeader, Site, records};
    use super::*;

    #[test]
    fn records_round_trip_only_where_they_lie() {
        let head = PutHead {
            no: 9,
            queue: 2,
            sent: 3,
            visible_at: -4,
            first_received: 5,
            received: 6,
            base: 1,
            nonce: 7,
            dedup: u128::MAX,
            message_id: [1; 16],
            body_md5: [2; 16],
            group: Bytes::from_static(b"g"),
        };
        let attribute = MessageAttribute {
            name: "n".into(),
            data_type: "Binary".into(),
            value: AttributeValue::Binary(Bytes::from_static(&[0, 1])),
        };
        let put = Put {
            head,
            sender: Bytes::from_static(b"me"),
            dedup_id: Bytes::from_static(b"d"),
            trace: Bytes::new(),
            source: Bytes::from_static(b"arn"),
            attributes: vec![attribute],
            body: Bytes::from_static(b"body"),
            is_sealed: false,
        };
        let note = Note { queue: 2, no: 9, visible_at: 1, first_received: 1, received: 7, nonce: 8 };
        let mut builder = FrameBuilder::default();
        builder.push(kind::PUT, |bytes| put.write(bytes));
        builder.push(kind::NOTE, |bytes| note.write(bytes));
        let site = Site { stamp: 1, segment: 2, offset: 300 };
        let bytes = builder.seal(site, 5);
        let header = FrameHeader::decode(&bytes, site).unwrap();
        assert_eq!((header.frame, header.records, header.len as usize), (5, 2, bytes.len()));
        let found = records(&bytes, header, site).unwrap();
        assert_eq!(StoredMessage::decode(&found[0]), Some(put.clone()));
        assert_eq!(Record::decode(&found[0]), Some(Record::Put(put.head)));
        assert_eq!(Record::decode(&found[1]), Some(Record::Note(note)));
        let elsewhere = Site { offset: 301, ..site };
        assert!(FrameHeader::decode(&bytes, elsewhere).is_none());
        assert!(records(&bytes, header, elsewhere).is_none());
    }
    #[test]
    fn a_sealed_message_shows_nothing_of_its_content() {
        let head = PutHead { message_id: [1; 16], body_md5: md5(b"body"), ..PutHead::default() };
        let value = AttributeValue::Text(Bytes::from_static(b"value"));
        let attributes = vec![MessageAttribute { name: "name".into(), data_type: "String".into(), value }];
        let (trace, body) = (Bytes::from_static(b"trace"), Bytes::from_static(b"body"));
        let put = Put { head, trace, attributes, body, ..Put::default() };
        let content = put.content();
        let sealed = put.clone().with_sealed(content.iter().map(|byte| byte ^ 0xff).collect());
        let mut builder = FrameBuilder::default();
        builder.push(kind::PUT, |bytes| sealed.write(bytes));
        let site = Site { stamp: 1, segment: 2, offset: 300 };
        let bytes = builder.seal(site, 5);
        for known in [&b"body"[..], b"value", b"name", b"trace", &put.head.body_md5] {
            assert!(!bytes.windows(known.len()).any(|window| window == known));
        }
        let found = records(&bytes, FrameHeader::decode(&bytes, site).unwrap(), site).unwrap();
        let stored = StoredMessage::decode(&found[0]).unwrap();
        assert_eq!(stored, sealed);
        let opened = stored.body.iter().map(|byte| byte ^ 0xff).collect();
        assert_eq!(stored.with_content(opened), Some(put.clone()));
        assert_eq!(put.with_content(Bytes::from_static(b"\0\0\xff")), None);
    }
}
