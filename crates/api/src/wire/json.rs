//! awsJson1.1: a pull parser whose texts share the body's memory, and a writer.
//!
//! Blobs are base64 and are decoded into one buffer per request, which all of them share. Times are seconds since 1970
//! with a fraction.

use super::shape::{DEPTH_MAX, Kind, Malformed, Reader, Writer};
use super::{Text, Timestamp};
use base64_simd::{AsOut, STANDARD};
use bytes::{Bytes, BytesMut};
use std::io::Write;

/// Reads one JSON document.
pub struct JsonReader {
    body: Bytes,
    at: usize,
    /// For each open map or list: whether nothing of it was read yet.
    open: Vec<bool>,
    /// Decoded blobs; its spare room is as large as all blobs of the body can be.
    blobs: BytesMut,
}

impl JsonReader {
    /// A reader of `body`.
    pub fn new(body: Bytes) -> Self {
        Self { body, at: 0, open: Vec::new(), blobs: BytesMut::new() }
    }

    /// The next byte that is not white space, not yet taken.
    fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.body.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                other => return Some(other),
            }
        }
        None
    }

    fn next_kind(&mut self) -> Kind {
        match self.peek() {
            Some(b'"') => Kind::Text,
            Some(b'{') => Kind::Map,
            Some(b'[') => Kind::List,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            _ => Kind::Other,
        }
    }

    fn expect_kind(&mut self, wanted: Kind, expected: &str) -> Result<(), Malformed> {
        match self.next_kind() {
            found if found == wanted => Ok(()),
            found => Err(Malformed::mismatch(found, expected)),
        }
    }

    /// Takes `word` if it is next.
    fn take(&mut self, word: &[u8]) -> bool {
        let next = self.body[self.at..].starts_with(word);
        if next {
            self.at += word.len();
        }
        next
    }

    /// The bytes between a string's quotes, shared when it has no escapes.
    fn string(&mut self) -> Result<Bytes, Malformed> {
        let start = self.at + 1;
        let rest = self.body.get(start..).ok_or_else(broken)?;
        let stop = memchr::memchr2(b'"', b'\\', rest).ok_or_else(broken)?;
        if rest[stop] == b'"' {
            self.at = start + stop + 1;
            return Ok(self.body.slice(start..start + stop));
        }
        self.escaped(start, start + stop)
    }

    /// A string with escapes: `start` is behind its quote, `at` the first backslash.
    fn escaped(&mut self, start: usize, mut at: usize) -> Result<Bytes, Malformed> {
        let mut text = self.body[start..at].to_vec();
        loop {
            let rest = self.body.get(at..).ok_or_else(broken)?;
            let stop = memchr::memchr2(b'"', b'\\', rest).ok_or_else(broken)?;
            text.extend_from_slice(&rest[..stop]);
            if rest[stop] == b'"' {
                self.at = at + stop + 1;
                return Ok(text.into());
            }
            let (plain, taken) = unescape(&rest[stop..])?;
            text.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
            at += stop + taken;
        }
    }

    /// The characters of a number.
    fn number(&mut self) -> Result<&str, Malformed> {
        let rest = &self.body[self.at..];
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let len = rest.iter().take_while(|byte| is_part(byte)).count();
        self.at += len;
        std::str::from_utf8(&rest[..len]).map_err(|_| broken())
    }

    fn open(&mut self) -> Result<(), Malformed> {
        if self.open.len() == DEPTH_MAX {
            return Err(Malformed(format!("The request is nested deeper than {DEPTH_MAX} levels.")));
        }
        self.at += 1;
        self.open.push(true);
        Ok(())
    }

    /// Moves to the next member of the innermost map or list; false at its `end`.
    fn next(&mut self, end: u8) -> Result<bool, Malformed> {
        let next = self.peek().ok_or_else(broken)?;
        let first = self.open.last_mut().ok_or_else(broken)?;
        if next == end {
            self.at += 1;
            self.open.pop();
            return Ok(false);
        }
        if std::mem::take(first) {
            return Ok(true);
        }
        if next != b',' {
            return Err(broken());
        }
        self.at += 1;
        // A comma is followed by another member, never by the end.
        match self.peek() {
            Some(byte) if byte != end => Ok(true),
            _ => Err(broken()),
        }
    }
}

/// AWS says nothing about what is wrong with a body that is not JSON.
fn broken() -> Malformed {
    Malformed(String::new())
}

/// The character of an escape that `rest` begins with, and the escape's length.
fn unescape(rest: &[u8]) -> Result<(char, usize), Malformed> {
    let plain = match rest.get(1).ok_or_else(broken)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_unicode(rest),
        _ => return Err(broken()),
    };
    Ok((plain, 2))
}

fn unescape_unicode(rest: &[u8]) -> Result<(char, usize), Malformed> {
    let unit = |at: usize| {
        let digits = rest.get(at..at + 4).and_then(|digits| std::str::from_utf8(digits).ok())?;
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    };
    let first = unit(2).ok_or_else(broken)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first).map(|plain| (plain, 6)).ok_or_else(broken);
    }
    let second = unit(8).filter(|second| rest[6..8] == *b"\\u" && (0xdc00..0xe000).contains(second));
    let second = second.ok_or_else(broken)?;
    let plain = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    char::from_u32(plain).map(|plain| (plain, 12)).ok_or_else(broken)
}

impl Reader for JsonReader {
    fn kind(&mut self) -> Result<Kind, Malformed> {
        Ok(self.next_kind())
    }

    fn null(&mut self) -> Result<bool, Malformed> {
        Ok(self.peek() == Some(b'n') && self.take(b"null"))
    }

    fn text(&mut self) -> Result<Text, Malformed> {
        self.expect_kind(Kind::Text, "String")?;
        Text::from_utf8(self.string()?).ok_or_else(broken)
    }

    fn blob(&mut self) -> Result<Bytes, Malformed> {
        self.expect_kind(Kind::Text, "Blob")?;
        let base64 = self.string()?;
        if !base64.len().is_multiple_of(4) {
            let len = base64.len();
            let reason = format!("Base64 encoded length is expected a multiple of 4 bytes but found: {len}");
            return Err(Malformed(format!("'{}' can not be converted to a Blob: {reason}", shown(&base64))));
        }
        if self.blobs.is_empty() && self.blobs.capacity() < base64.len() / 4 * 3 {
            // All blobs together fit: four characters of the body are at most three bytes of a blob.
            self.blobs.reserve((self.body.len() - self.at + base64.len()) / 4 * 3 + 3);
        }
        self.blobs.resize(base64.len() / 4 * 3, 0);
        let decoded = STANDARD.decode(&base64, self.blobs.as_mut().as_out());
        let Ok(len) = decoded.map(|bytes| bytes.len()) else {
            let reason = "Invalid Base64 character or padding";
            return Err(Malformed(format!("'{}' can not be converted to a Blob: {reason}", shown(&base64))));
        };
        Ok(self.blobs.split_to(self.blobs.len()).freeze().slice(..len))
    }

    fn integer(&mut self, expected: &'static str) -> Result<i64, Malformed> {
        self.expect_kind(Kind::Number, expected)?;
        let number = self.number()?;
        match number.parse::<i64>() {
            Ok(whole) => Ok(whole),
            // AWS cuts fractions off.
            Err(_) => number.parse::<f64>().map(|float| float as i64).map_err(|_| broken()),
        }
    }

    fn double(&mut self) -> Result<f64, Malformed> {
        self.expect_kind(Kind::Number, "Double")?;
        self.number()?.parse().map_err(|_| broken())
    }

    fn boolean(&mut self) -> Result<bool, Malformed> {
        self.expect_kind(Kind::Boolean, "Boolean")?;
        if self.take(b"true") {
            Ok(true)
        } else if self.take(b"false") {
            Ok(false)
        } else {
            Err(broken())
        }
    }

    fn timestamp(&mut self) -> Result<Timestamp, Malformed> {
        self.expect_kind(Kind::Number, "Date")?;
        let seconds: f64 = self.number()?.parse().map_err(|_| broken())?;
        Ok(Timestamp((seconds * 1000.0).round() as i64))
    }

    fn open_map(&mut self) -> Result<(), Malformed> {
        match self.next_kind() {
            Kind::Map => self.open(),
            Kind::Other => Err(broken()),
            _ => Err(Malformed("Unexpected field type".to_owned())),
        }
    }

    fn next_key(&mut self) -> Result<Option<Text>, Malformed> {
        if !self.next(b'}')? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return Err(broken());
        }
        let key = self.string()?;
        if self.peek() != Some(b':') {
            return Err(broken());
        }
        self.at += 1;
        Text::from_utf8(key).map(Some).ok_or_else(broken)
    }

    fn open_list(&mut self) -> Result<(), Malformed> {
        match self.next_kind() {
            Kind::List => self.open(),
            Kind::Other => Err(broken()),
            Kind::Map => Err(Malformed("Start of structure or map found where not expected.".to_owned())),
            _ => Err(Malformed("Unexpected field type".to_owned())),
        }
    }

    fn next_item(&mut self) -> Result<bool, Malformed> {
        self.next(b']')
    }

    fn skip(&mut self) -> Result<(), Malformed> {
        match self.next_kind() {
            Kind::Text => self.string().map(drop),
            Kind::Number => self.double().map(drop),
            Kind::Boolean => self.boolean().map(drop),
            Kind::Map => {
                self.open()?;
                while self.next_key()?.is_some() {
                    self.skip()?;
                }
                Ok(())
            }
            Kind::List => {
                self.open()?;
                while self.next(b']')? {
                    self.skip()?;
                }
                Ok(())
            }
            Kind::Bytes | Kind::Other if self.null()? => Ok(()),
            Kind::Bytes | Kind::Other => Err(broken()),
        }
    }

    fn finish(&mut self) -> Result<(), Malformed> {
        if self.peek().is_none() { Ok(()) } else { Err(broken()) }
    }
}

/// The beginning of a bad value.
fn shown(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(&value[..value.len().min(100)]).into_owned();
    if value.len() > 100 { text + "…" } else { text }
}

/// Writes one JSON document.
#[derive(Default)]
pub struct JsonWriter {
    out: Vec<u8>,
}

impl JsonWriter {
    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn comma(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[') | None) {
            self.out.push(b',');
        }
    }

    fn format(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.out.write_fmt(arguments).expect("a vector takes every byte");
    }
}

impl Writer for JsonWriter {
    fn text(&mut self, text: &str) {
        self.out.push(b'"');
        let mut rest = text.as_bytes();
        while let Some(stop) = rest.iter().position(|byte| *byte < b' ' || *byte == b'"' || *byte == b'\\') {
            self.out.extend_from_slice(&rest[..stop]);
            match rest[stop] {
                b'"' => self.out.extend_from_slice(b"\\\""),
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                other => self.format(format_args!("\\u{other:04x}")),
            }
            rest = &rest[stop + 1..];
        }
        self.out.extend_from_slice(rest);
        self.out.push(b'"');
    }

    fn blob(&mut self, blob: &[u8]) {
        self.out.push(b'"');
        STANDARD.encode_append(blob, &mut self.out);
        self.out.push(b'"');
    }

    fn integer(&mut self, number: i64) {
        self.format(format_args!("{number}"));
    }

    fn double(&mut self, number: f64) {
        // JSON has no NaN and no infinity; AWS writes them as strings.
        if number.is_finite() {
            self.format(format_args!("{number:?}"));
        } else {
            self.text(if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            });
        }
    }

    fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn timestamp(&mut self, Timestamp(millis): Timestamp) {
        let (sign, magnitude) = (if millis < 0 { "-" } else { "" }, millis.unsigned_abs());
        self.format(format_args!("{sign}{}", magnitude / 1000));
        if magnitude % 1000 != 0 {
            self.format(format_args!(".{:03}", magnitude % 1000));
        }
    }

    fn open_map(&mut self, _: usize) {
        self.out.push(b'{');
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.text(key);
        self.out.push(b':');
    }

    fn close_map(&mut self) {
        self.out.push(b'}');
    }

    fn open_list(&mut self, _: usize) {
        self.out.push(b'[');
    }

    fn item(&mut self) {
        self.comma();
    }

    fn close_list(&mut self) {
        self.out.push(b']');
    }
}
