//! The two values that wire formats write differently or that share memory: [`Text`] and [`Timestamp`].

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use millrace_base::Millis;
use std::fmt;
use std::ops::Deref;

/// A string that shares the memory of the request it came in. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Bytes);

impl Text {
    /// A text that lives in the program.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The bytes as a text, when they are UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Option<Self> {
        std::str::from_utf8(&bytes).is_ok().then_some(Self(bytes))
    }

    /// The text's characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a Text is checked to be UTF-8 when it is made")
    }

    /// The text's bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Length in bytes.
    pub fn byte_len(&self) -> usize {
        self.0.len()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A moment, in milliseconds since 1970-01-01T00:00:00Z: seconds with a fraction in JSON, milliseconds in Kinesis's CBOR.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub Millis);

/// A moment as ISO 8601 has it, as XML's `2026-11-21T10:00:00Z`; without a fraction when it has none.
pub(crate) fn iso(Timestamp(millis): Timestamp) -> String {
    let precision = if millis % 1000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
    moment(millis).to_rfc3339_opts(precision, true)
}

/// A moment as HTTP's headers have it.
pub(crate) fn http_date(Timestamp(millis): Timestamp) -> String {
    moment(millis).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Reads ISO 8601, or seconds since 1970.
pub(crate) fn of_iso(text: &str) -> Option<Timestamp> {
    let iso = DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.timestamp_millis());
    let seconds = || text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
    iso.or_else(|| seconds().map(|seconds| (seconds * 1000.0).round() as i64)).map(Timestamp)
}

fn moment(millis: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}
