//! CBOR (RFC 8949) in the dialect of Kinesis: blobs are byte strings, times are tag 1 with whole *milliseconds*. In the
//! dialect of Smithy's RPC v2 times are tag 1 with seconds, as the RFC has them.
//!
//! Read: definite and indefinite lengths, chunked strings, half, single and double floats. Written: definite lengths.

use super::shape::{DEPTH_MAX, Kind, Malformed, Reader, Writer};
use super::{Text, Timestamp};
use bytes::Bytes;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

const TRUE: u8 = 0xf5;
const FALSE: u8 = 0xf4;
const NULL: u8 = 0xf6;
const UNDEFINED: u8 = 0xf7;
const BREAK: u8 = 0xff;
const TAG_EPOCH: u8 = 0xc1;

/// Reads one CBOR data item.
pub struct CborReader {
    body: Bytes,
    at: usize,
    /// For each open map or list: how many entries remain, or none when a break ends it.
    open: Vec<Option<u64>>,
    /// Times are seconds, not milliseconds.
    seconds: bool,
}

/// An item's head: its major type and its argument; no argument means indefinite length.
struct Head {
    major: u8,
    argument: Option<u64>,
}

impl CborReader {
    /// A reader of `body`.
    pub fn new(body: Bytes) -> Self {
        Self { body, at: 0, open: Vec::new(), seconds: false }
    }

    /// A reader of `body` in Smithy's dialect, whose times are seconds.
    pub fn in_seconds(body: Bytes) -> Self {
        Self { seconds: true, ..Self::new(body) }
    }

    fn peek(&self) -> Result<u8, Malformed> {
        self.body.get(self.at).copied().ok_or_else(broken)
    }

    fn take(&mut self, len: usize) -> Result<Bytes, Malformed> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.body.len()).ok_or_else(broken)?;
        let taken = self.body.slice(self.at..end);
        self.at = end;
        Ok(taken)
    }

    fn head(&mut self) -> Result<Head, Malformed> {
        let first = self.peek()?;
        self.at += 1;
        let (major, info) = (first >> 5, first & 31);
        let argument = match info {
            0..=23 => u64::from(info),
            24..=27 => self.take(1 << (info - 24))?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            31 if matches!(major, BYTES | TEXT | LIST | MAP) => return Ok(Head { major, argument: None }),
            _ => return Err(broken()),
        };
        Ok(Head { major, argument: Some(argument) })
    }

    /// What is next, tags passed over.
    fn next_kind(&mut self) -> Result<Kind, Malformed> {
        let mut first = self.peek()?;
        while first >> 5 == TAG {
            self.head()?;
            first = self.peek()?;
        }
        Ok(match first >> 5 {
            UNSIGNED | NEGATIVE => Kind::Number,
            BYTES => Kind::Bytes,
            TEXT => Kind::Text,
            LIST => Kind::List,
            MAP => Kind::Map,
            _ if matches!(first, TRUE | FALSE) => Kind::Boolean,
            _ if (0xf9..=0xfb).contains(&first) => Kind::Number,
            _ => Kind::Other,
        })
    }

    fn expect_kind(&mut self, wanted: Kind, expected: &str) -> Result<(), Malformed> {
        match self.next_kind()? {
            found if found == wanted => Ok(()),
            found => Err(Malformed::mismatch(found, expected)),
        }
    }

    /// A text or byte string, put together when it comes in chunks.
    fn string(&mut self) -> Result<Bytes, Malformed> {
        let Head { major, argument } = self.head()?;
        if let Some(len) = argument {
            return self.take(usize::try_from(len).map_err(|_| broken())?);
        }
        let mut whole = Vec::new();
        while self.peek()? != BREAK {
            let chunk = self.head()?;
            let len = chunk.argument.filter(|_| chunk.major == major).ok_or_else(broken)?;
            whole.extend_from_slice(&self.take(usize::try_from(len).map_err(|_| broken())?)?);
        }
        self.at += 1;
        Ok(whole.into())
    }

    /// A number of any kind: whole when it is written so.
    fn number(&mut self) -> Result<Number, Malformed> {
        let first = self.peek()?;
        let Head { major, argument } = self.head()?;
        let argument = argument.ok_or_else(broken)?;
        match (major, first) {
            (UNSIGNED, _) => i64::try_from(argument).map(Number::Whole).map_err(|_| broken()),
            (NEGATIVE, _) => i64::try_from(argument).map(|value| Number::Whole(-1 - value)).map_err(|_| broken()),
            (SIMPLE, 0xf9) => Ok(Number::Float(half(argument as u16))),
            (SIMPLE, 0xfa) => Ok(Number::Float(f64::from(f32::from_bits(argument as u32)))),
            (SIMPLE, 0xfb) => Ok(Number::Float(f64::from_bits(argument))),
            _ => Err(broken()),
        }
    }

    fn open(&mut self) -> Result<(), Malformed> {
        if self.open.len() == DEPTH_MAX {
            return Err(Malformed(format!("The request is nested deeper than {DEPTH_MAX} levels.")));
        }
        let head = self.head()?;
        self.open.push(head.argument);
        Ok(())
    }

    /// Moves to the next entry of the innermost map or list; false at its end.
    fn next(&mut self) -> Result<bool, Malformed> {
        let at_break = self.peek() == Ok(BREAK);
        let more = match self.open.last_mut().ok_or_else(broken)? {
            Some(0) => false,
            Some(remaining) => {
                *remaining -= 1;
                true
            }
            None if at_break => {
                self.at += 1;
                false
            }
            None => true,
        };
        if !more {
            self.open.pop();
        }
        Ok(more)
    }
}

enum Number {
    Whole(i64),
    Float(f64),
}

fn broken() -> Malformed {
    Malformed(String::new())
}

/// A float of 16 bits: 1 sign, 5 exponent, 10 fraction (RFC 8949, appendix D).
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 0 { magnitude } else { -magnitude }
}

impl Reader for CborReader {
    fn kind(&mut self) -> Result<Kind, Malformed> {
        self.next_kind()
    }

    fn null(&mut self) -> Result<bool, Malformed> {
        let null = matches!(self.peek()?, NULL | UNDEFINED);
        self.at += usize::from(null);
        Ok(null)
    }

    fn text(&mut self) -> Result<Text, Malformed> {
        self.expect_kind(Kind::Text, "String")?;
        Text::from_utf8(self.string()?).ok_or_else(broken)
    }

    fn blob(&mut self) -> Result<Bytes, Malformed> {
        self.expect_kind(Kind::Bytes, "Blob")?;
        self.string()
    }

    fn integer(&mut self, expected: &'static str) -> Result<i64, Malformed> {
        self.expect_kind(Kind::Number, expected)?;
        match self.number()? {
            Number::Whole(whole) => Ok(whole),
            Number::Float(float) => Ok(float as i64),
        }
    }

    fn double(&mut self) -> Result<f64, Malformed> {
        self.expect_kind(Kind::Number, "Double")?;
        match self.number()? {
            Number::Whole(whole) => Ok(whole as f64),
            Number::Float(float) => Ok(float),
        }
    }

    fn boolean(&mut self) -> Result<bool, Malformed> {
        self.expect_kind(Kind::Boolean, "Boolean")?;
        let value = self.peek()? == TRUE;
        self.at += 1;
        Ok(value)
    }

    fn timestamp(&mut self) -> Result<Timestamp, Malformed> {
        self.expect_kind(Kind::Number, "Date")?;
        Ok(Timestamp(match (self.number()?, self.seconds) {
            (Number::Whole(millis), false) => millis,
            (Number::Float(millis), false) => millis.round() as i64,
            (Number::Whole(seconds), true) => seconds.saturating_mul(1000),
            (Number::Float(seconds), true) => (seconds * 1000.0).round() as i64,
        }))
    }

    fn open_map(&mut self) -> Result<(), Malformed> {
        match self.next_kind()? {
            Kind::Map => self.open(),
            Kind::Other => Err(broken()),
            _ => Err(Malformed("Unexpected field type".to_owned())),
        }
    }

    fn next_key(&mut self) -> Result<Option<Text>, Malformed> {
        if self.next()? { self.text().map(Some) } else { Ok(None) }
    }

    fn open_list(&mut self) -> Result<(), Malformed> {
        match self.next_kind()? {
            Kind::List => self.open(),
            Kind::Other => Err(broken()),
            Kind::Map => Err(Malformed("Start of structure or map found where not expected.".to_owned())),
            _ => Err(Malformed("Unexpected field type".to_owned())),
        }
    }

    fn next_item(&mut self) -> Result<bool, Malformed> {
        self.next()
    }

    fn skip(&mut self) -> Result<(), Malformed> {
        match self.next_kind()? {
            Kind::Number => self.number().map(drop),
            Kind::Boolean => self.boolean().map(drop),
            Kind::Text | Kind::Bytes => self.string().map(drop),
            Kind::List => {
                self.open()?;
                while self.next()? {
                    self.skip()?;
                }
                Ok(())
            }
            Kind::Map => {
                self.open()?;
                while self.next()? {
                    self.skip()?;
                    self.skip()?;
                }
                Ok(())
            }
            Kind::Other if self.null()? => Ok(()),
            Kind::Other => Err(broken()),
        }
    }

    fn finish(&mut self) -> Result<(), Malformed> {
        if self.at == self.body.len() { Ok(()) } else { Err(broken()) }
    }
}

/// Writes one CBOR data item.
#[derive(Default)]
pub struct CborWriter {
    out: Vec<u8>,
    /// Times are seconds, not milliseconds.
    seconds: bool,
}

impl CborWriter {
    /// A writer in Smithy's dialect, whose times are seconds.
    pub fn in_seconds() -> Self {
        Self { out: Vec::new(), seconds: true }
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        let bytes = argument.to_be_bytes();
        match argument {
            0..=23 => self.out.push(major | argument as u8),
            24..=0xff => self.out.extend_from_slice(&[major | 24, argument as u8]),
            0x100..=0xffff => {
                self.out.push(major | 25);
                self.out.extend_from_slice(&bytes[6..]);
            }
            0x1_0000..=0xffff_ffff => {
                self.out.push(major | 26);
                self.out.extend_from_slice(&bytes[4..]);
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend_from_slice(&bytes);
            }
        }
    }
}

impl Writer for CborWriter {
    fn text(&mut self, text: &str) {
        self.head(TEXT, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    fn blob(&mut self, blob: &[u8]) {
        self.head(BYTES, blob.len() as u64);
        self.out.extend_from_slice(blob);
    }

    fn integer(&mut self, number: i64) {
        match u64::try_from(number) {
            Ok(number) => self.head(UNSIGNED, number),
            // -1 - n is the bitwise complement of n.
            Err(_) => self.head(NEGATIVE, !number as u64),
        }
    }

    fn double(&mut self, number: f64) {
        self.out.push(0xfb);
        self.out.extend_from_slice(&number.to_be_bytes());
    }

    fn boolean(&mut self, value: bool) {
        self.out.push(if value { TRUE } else { FALSE });
    }

    fn timestamp(&mut self, Timestamp(millis): Timestamp) {
        self.out.push(TAG_EPOCH);
        if self.seconds {
            self.double(millis as f64 / 1000.0);
        } else {
            self.integer(millis);
        }
    }

    fn open_map(&mut self, len: usize) {
        self.head(MAP, len as u64);
    }

    fn key(&mut self, key: &str) {
        self.text(key);
    }

    fn close_map(&mut self) {}

    fn open_list(&mut self, len: usize) {
        self.head(LIST, len as u64);
    }

    fn item(&mut self) {}

    fn close_list(&mut self) {}
}
