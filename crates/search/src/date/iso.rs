//! `strict_date_optional_time`: ISO 8601 with everything after the year optional.

use super::Parts;
use super::zone::parse_offset;

/// Reads `yyyy[-MM[-dd[THH[:mm[:ss[.SSS…]]]][zone]]]`.
pub(crate) fn parse(text: &str) -> Option<Parts> {
    let mut rest = text;
    let mut parts = Parts { year: number(&mut rest, 4)?.try_into().ok()?, ..Parts::default() };
    if take(&mut rest, '-') {
        parts.month = Some(number(&mut rest, 2)?);
        if take(&mut rest, '-') {
            parts.day = Some(number(&mut rest, 2)?);
        }
    }
    if rest.is_empty() {
        return in_range(parts);
    }
    parts.day?;
    if !take(&mut rest, 'T') {
        return None;
    }
    if rest.is_empty() {
        return in_range(parts);
    }
    parts.hour = Some(number(&mut rest, 2)?);
    if take(&mut rest, ':') {
        parts.minute = Some(number(&mut rest, 2)?);
        if take(&mut rest, ':') {
            parts.second = Some(number(&mut rest, 2)?);
            if take(&mut rest, '.') || take(&mut rest, ',') {
                parts.millis = Some(fraction(&mut rest)?);
            }
        }
    }
    if !rest.is_empty() {
        parts.offset_ms = Some(parse_offset(rest)?);
    }
    in_range(parts)
}

fn in_range(parts: Parts) -> Option<Parts> {
    let ok = parts.month.is_none_or(|m| (1..=12).contains(&m)) && parts.hour.is_none_or(|h| h < 24);
    (ok && parts.day.is_none_or(|d| (1..=31).contains(&d))).then_some(parts)
}

fn take(rest: &mut &str, c: char) -> bool {
    match rest.strip_prefix(c) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

fn number(rest: &mut &str, digits: usize) -> Option<u32> {
    let head = rest.get(..digits).filter(|head| head.bytes().all(|b| b.is_ascii_digit()))?;
    *rest = &rest[digits..];
    head.parse().ok()
}

/// Digits after the point, cut to milliseconds.
pub(crate) fn fraction(rest: &mut &str) -> Option<u32> {
    let end = rest.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=9).contains(&end) {
        return None;
    }
    let millis =
        rest[..end].bytes().chain(std::iter::repeat(b'0')).take(3).fold(0, |all, b| all * 10 + u32::from(b - b'0'));
    *rest = &rest[end..];
    Some(millis)
}
