//! Conditions of requests: on what an object is, and on which part of it is asked for.

use super::faults::{INVALID_RANGE, NOT_MODIFIED, PRECONDITION_FAILED, unsupported};
use super::request::{Request, quoted};
use crate::wire::Fault;
use chrono::DateTime;
use millrace_deliver::ObjectInfo;
use std::ops::Range;

/// Where the conditions of a read stand.
pub struct Names {
    pub matches: &'static str,
    pub none_match: &'static str,
    pub modified: &'static str,
    pub unmodified: &'static str,
}

/// Those of the object that is asked for.
pub const OWN: Names = Names {
    matches: "if-match",
    none_match: "if-none-match",
    modified: "if-modified-since",
    unmodified: "if-unmodified-since",
};
/// Those of the object that is copied.
pub const SOURCE: Names = Names {
    matches: "x-amz-copy-source-if-match",
    none_match: "x-amz-copy-source-if-none-match",
    modified: "x-amz-copy-source-if-modified-since",
    unmodified: "x-amz-copy-source-if-unmodified-since",
};

/// Refuses a read whose conditions do not hold: an ETag counts more than a moment.
pub fn check_read(request: &Request, names: &Names, info: &ObjectInfo) -> Result<(), Fault> {
    let failed = |name: &str| {
        let message = "At least one of the pre-conditions you specified did not hold";
        PRECONDITION_FAILED.because(message).with("Condition", name)
    };
    // A copy is never "not modified".
    let unchanged = |name: &str| match name.starts_with("if-") {
        true => NOT_MODIFIED.because("Not Modified").with("ETag", quoted(&info.etag)),
        false => failed(name),
    };
    let seconds = info.modified.div_euclid(1000);
    match (request.header(names.matches), moment(request, names.unmodified)) {
        (Some(given), _) if !names_etag(given, &info.etag) => return Err(failed(names.matches)),
        (None, Some(since)) if seconds > since => return Err(failed(names.unmodified)),
        _ => {}
    }
    match (request.header(names.none_match), moment(request, names.modified)) {
        (Some(given), _) if names_etag(given, &info.etag) => Err(unchanged(names.none_match)),
        (None, Some(since)) if seconds <= since => Err(unchanged(names.modified)),
        _ => Ok(()),
    }
}

/// Refuses a write whose conditions do not hold: what is there now is `found`.
pub fn check_write(request: &Request, found: Option<&ObjectInfo>) -> Result<(), Fault> {
    let failed = |name: &str| {
        let message = "At least one of the pre-conditions you specified did not hold";
        Err(PRECONDITION_FAILED.because(message).with("Condition", name))
    };
    match request.header("if-none-match") {
        None => {}
        Some("*") if found.is_some() => return failed("If-None-Match"),
        Some("*") => {}
        Some(_) => return Err(unsupported("If-None-Match with anything but * on a write")),
    }
    match (request.header("if-match"), found) {
        (Some(_), None) => Err(super::faults::no_such_key(request.key())),
        (Some(given), Some(info)) if !names_etag(given, &info.etag) => failed("If-Match"),
        _ => Ok(()),
    }
}

fn names_etag(given: &str, etag: &str) -> bool {
    given
        .split(',')
        .map(|one| one.trim().trim_start_matches("W/").trim_matches('"'))
        .any(|one| one == "*" || one == etag)
}

fn moment(request: &Request, name: &str) -> Option<i64> {
    DateTime::parse_from_rfc2822(request.header(name)?).ok().map(|moment| moment.timestamp())
}

/// The part of `size` bytes that a `Range` header asks for; none for the whole. S3 gives the whole of what asks for several.
pub fn range(given: Option<&str>, size: u64) -> Result<Option<Range<u64>>, Fault> {
    let Some(wanted) = given.and_then(|given| given.strip_prefix("bytes=")).filter(|wanted| !wanted.contains(','))
    else {
        return Ok(None);
    };
    let Some((first, last)) = wanted.trim().split_once('-') else { return Ok(None) };
    let (first, last) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if last < first => return Ok(None),
        (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(0)) if first.is_empty() => (size, size),
        (Err(_), Ok(last)) if first.is_empty() => (size.saturating_sub(last), size),
        _ => return Ok(None),
    };
    if first >= size {
        let fault = INVALID_RANGE.because("The requested range is not satisfiable");
        let fault = fault.with("RangeRequested", given.unwrap_or_default());
        return Err(fault.with("ActualObjectSize", size.to_string()));
    }
    Ok(Some(first..last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_https() {
        let of = |given: &str| range(Some(given), 10).map_err(|fault| fault.kind.code);
        assert_eq!(of("bytes=0-0"), Ok(Some(0..1)));
        assert_eq!(of("bytes=2-"), Ok(Some(2..10)));
        assert_eq!(of("bytes=-3"), Ok(Some(7..10)));
        assert_eq!(of("bytes=-30"), Ok(Some(0..10)));
        assert_eq!(of("bytes=5-99"), Ok(Some(5..10)));
        assert_eq!(of("bytes=10-"), Err("InvalidRange"));
        assert_eq!(of("bytes=-0"), Err("InvalidRange"));
        for whole in ["bytes=5-4", "bytes=x-1", "bytes=0-1,3-4", "lines=1-2", "bytes=-"] {
            assert_eq!(of(whole), Ok(None), "{whole}");
        }
    }
}
