//! AWS's event stream: the frames of an answer that goes on, as `SubscribeToShard`'s.
//!
//! # Format (big endian)
//! ```text
//! frame   := length(4) headers_length(4) crc32(4, of the eight bytes before) header* payload crc32(4, of all before)
//! header  := name_length(1) name 7 value_length(2) value
//! ```
//! `length` counts the whole frame, `headers_length` all headers. Headers are strings (kind 7) here.

use bytes::{BufMut, Bytes, BytesMut};

/// The content type of an event stream.
pub const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// Lengths and checksums around headers and payload.
const FRAME_BYTES: usize = 16;

/// A frame with string headers.
pub fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let headers_length: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let length = FRAME_BYTES + headers_length + payload.len();
    let mut frame = BytesMut::with_capacity(length);
    frame.put_u32(length as u32);
    frame.put_u32(headers_length as u32);
    frame.put_u32(crc32fast::hash(&frame));
    for (name, value) in headers {
        frame.put_u8(name.len() as u8);
        frame.put_slice(name.as_bytes());
        frame.put_u8(7);
        frame.put_u16(value.len() as u16);
        frame.put_slice(value.as_bytes());
    }
    frame.put_slice(payload);
    frame.put_u32(crc32fast::hash(&frame));
    frame.freeze()
}

/// An event of type `event`, its payload in `content_type`.
pub fn event(event: &str, content_type: &str, payload: &[u8]) -> Bytes {
    frame(&[(":event-type", event), (":content-type", content_type), (":message-type", "event")], payload)
}

/// An error that ends the stream: `exception` is its shape's name.
pub fn exception(exception: &str, content_type: &str, payload: &[u8]) -> Bytes {
    frame(&[(":exception-type", exception), (":content-type", content_type), (":message-type", "exception")], payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_the_one_of_aws_test_vectors() {
        // From the test suite of AWS's SDKs for event streams: `empty_message` and a payload without headers.
        assert_eq!(&frame(&[], b"")[..], [0, 0, 0, 16, 0, 0, 0, 0, 5, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff]);
        let payload = frame(&[], b"{'foo':'bar'}");
        assert_eq!(payload[..12], [0, 0, 0, 0x1d, 0, 0, 0, 0, 0xfd, 0x52, 0x8c, 0x5a]);
        assert_eq!(payload[25..], [0xc3, 0x65, 0x39, 0x36]);
    }

    #[test]
    fn headers_are_named_strings() {
        let event = event("SubscribeToShardEvent", "application/x-amz-json-1.1", b"{}");
        assert_eq!(event.len() as u32, u32::from_be_bytes([event[0], event[1], event[2], event[3]]));
        assert_eq!(event[12], 11);
        assert_eq!(&event[13..24], b":event-type");
        assert_eq!(event[24..27], [7, 0, 21]);
    }
}
