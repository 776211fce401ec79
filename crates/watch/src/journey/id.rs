//! Correlation ids, as W3C's `traceparent` and AWS's `X-Amzn-Trace-Id` write them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A trace's id: 128 bits, not zero. Written as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(u128);

/// What a request says about the trace that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The caller's span, if it said which.
    pub parent: Option<u64>,
}

impl TraceId {
    /// The id of these bits; none of zero, which W3C forbids.
    pub fn new(bits: u128) -> Option<Self> {
        (bits != 0).then_some(Self(bits))
    }

    /// The bits.
    pub fn bits(self) -> u128 {
        self.0
    }

    /// As AWS writes it: `1-8 digits-24 digits`.
    pub fn root(self) -> String {
        format!("1-{:08x}-{:024x}", self.0 >> 96, self.0 & ((1 << 96) - 1))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for TraceId {
    type Err = ();

    /// Takes 32 hexadecimal digits, a UUID, a whole `traceparent`, and AWS's form with or without `Root=`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        if let Some(context) = TraceContext::of_traceparent(text).or_else(|| TraceContext::of_amzn(text)) {
            return Ok(context.trace);
        }
        // A request id is one, too: a UUID without its hyphens.
        let plain = if text.len() == 36 { text.replace('-', "") } else { text.to_owned() };
        hex(&plain, 32).and_then(Self::new).or_else(|| root(text)).ok_or(())
    }
}

impl Serialize for TraceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| serde::de::Error::custom("a trace id has 32 hexadecimal digits"))
    }
}

impl TraceContext {
    /// Reads `00-TRACE(32)-SPAN(16)-FLAGS(2)`; later versions may have more behind it. None when it is malformed, as W3C
    /// wants it: a receiver then starts a trace of its own.
    pub fn of_traceparent(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.trim().split('-').collect();
        let [version, trace, span, flags, rest @ ..] = &parts[..] else { return None };
        let version = hex(version, 2)?;
        if version == 0xff || (version == 0 && !rest.is_empty()) || flags.len() != 2 {
            return None;
        }
        let span = u64::try_from(hex(span, 16)?).ok().filter(|span| *span != 0)?;
        Some(Self { trace: TraceId::new(hex(trace, 32)?)?, parent: Some(span) })
    }

    /// Reads `Root=1-…;Parent=…;Sampled=1`, in any order.
    pub fn of_amzn(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let fields = text.split(';').filter_map(|field| field.trim().split_once('='));
            fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
        };
        let parent = field("Parent").and_then(|span| hex(span, 16)).and_then(|span| u64::try_from(span).ok());
        Some(Self { trace: root(field("Root")?)?, parent })
    }
}

/// `1-8 digits-24 digits`.
fn root(text: &str) -> Option<TraceId> {
    let rest = text.strip_prefix("1-")?;
    let (time, unique) = rest.split_once('-')?;
    TraceId::new(hex(time, 8)? << 96 | hex(unique, 24)?)
}

/// Exactly `digits` hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const XRAY: &str = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1";

    #[test]
    fn both_forms_name_one_trace() {
        let context = TraceContext::of_traceparent(W3C).unwrap();
        assert_eq!(Some(context), TraceContext::of_amzn(XRAY));
        assert_eq!(context.parent, Some(0x00f0_67aa_0ba9_02b7));
        assert_eq!(context.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.trace.root(), "1-4bf92f35-77b34da6a3ce929d0e0e4736");
        for text in [
            W3C,
            XRAY,
            "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "1-4bf92f35-77b34da6a3ce929d0e0e4736",
        ] {
            assert_eq!(text.parse(), Ok(context.trace), "{text}");
        }
    }

    #[test]
    fn what_w3c_forbids_is_no_trace() {
        for bad in [
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "",
        ] {
            assert_eq!(TraceContext::of_traceparent(bad), None, "{bad}");
            assert!(bad.parse::<TraceId>().is_err(), "{bad}");
        }
        // A later version may say more.
        assert!(TraceContext::of_traceparent(&W3C.replacen("00", "01", 1)).is_some());
        assert_eq!(TraceContext::of_amzn("Self=1-4bf92f35-77b34da6a3ce929d0e0e4736"), None);
    }
}
