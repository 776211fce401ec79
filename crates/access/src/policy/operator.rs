//! Condition operators: how a value of the request is compared with a value of the policy.

use super::context::Context;
use super::pattern::{Pattern, Reading};
use ipnet::IpNet;
use millrace_base::calendar::{DAY_MS, days_of};
use std::net::IpAddr;

/// What an operator compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `StringEquals`: letter by letter.
    Text,
    /// `StringEqualsIgnoreCase`
    TextIgnoringCase,
    /// `StringLike`: with wildcards.
    TextLike,
    /// `Numeric…`
    Number(Order),
    /// `Date…`
    Date(Order),
    /// `Bool`
    Bool,
    /// `BinaryEquals`: base64 on both sides.
    Binary,
    /// `IpAddress`
    Address,
    /// `ArnEquals` and `ArnLike`, which are the same: part by part, with wildcards.
    Arn,
    /// `Null`: whether the key is absent.
    Null,
}

/// How two ordered values are to stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `…Equals`
    Equal,
    /// `…LessThan`
    Less,
    /// `…LessThanEquals`
    LessOrEqual,
    /// `…GreaterThan`
    Greater,
    /// `…GreaterThanEquals`
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, given: T, wanted: T) -> bool {
        match self {
            Self::Equal => given == wanted,
            Self::Less => given < wanted,
            Self::LessOrEqual => given <= wanted,
            Self::Greater => given > wanted,
            Self::GreaterOrEqual => given >= wanted,
        }
    }
}

/// The operators by name: what each compares, and whether it holds when the comparison does not.
const NAMES: &[(&str, Operator, bool)] = &[
    ("StringEquals", Operator::Text, false),
    ("StringNotEquals", Operator::Text, true),
    ("StringEqualsIgnoreCase", Operator::TextIgnoringCase, false),
    ("StringNotEqualsIgnoreCase", Operator::TextIgnoringCase, true),
    ("StringLike", Operator::TextLike, false),
    ("StringNotLike", Operator::TextLike, true),
    ("NumericEquals", Operator::Number(Order::Equal), false),
    ("NumericNotEquals", Operator::Number(Order::Equal), true),
    ("NumericLessThan", Operator::Number(Order::Less), false),
    ("NumericLessThanEquals", Operator::Number(Order::LessOrEqual), false),
    ("NumericGreaterThan", Operator::Number(Order::Greater), false),
    ("NumericGreaterThanEquals", Operator::Number(Order::GreaterOrEqual), false),
    ("DateEquals", Operator::Date(Order::Equal), false),
    ("DateNotEquals", Operator::Date(Order::Equal), true),
    ("DateLessThan", Operator::Date(Order::Less), false),
    ("DateLessThanEquals", Operator::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Operator::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Operator::Date(Order::GreaterOrEqual), false),
    ("Bool", Operator::Bool, false),
    ("BinaryEquals", Operator::Binary, false),
    ("IpAddress", Operator::Address, false),
    ("NotIpAddress", Operator::Address, true),
    ("ArnEquals", Operator::Arn, false),
    ("ArnNotEquals", Operator::Arn, true),
    ("ArnLike", Operator::Arn, false),
    ("ArnNotLike", Operator::Arn, true),
    ("Null", Operator::Null, false),
];

impl Operator {
    /// The operator of a name, and whether it is a negated one.
    pub fn of_name(name: &str) -> Option<(Self, bool)> {
        let found = NAMES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        found.map(|(_, operator, negated)| (*operator, *negated))
    }
}

/// A value of a policy's condition, read once.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    Text(Pattern),
    TextIgnoringCase(Pattern),
    Number(Order, f64),
    Date(Order, i64),
    Bool(bool),
    Binary(Vec<u8>),
    Net(IpNet),
    Arn(Box<[Pattern]>),
}

impl Wanted {
    /// Reads a policy's value; nothing when it is none that the operator compares with.
    pub fn new(operator: Operator, text: &str, variables: bool) -> Option<Self> {
        let plain = Reading { wildcards: false, variables };
        let glob = Reading { wildcards: true, variables };
        Some(match operator {
            Operator::Text => Self::Text(Pattern::new(text, plain)),
            Operator::TextIgnoringCase => Self::TextIgnoringCase(Pattern::new(text, plain)),
            Operator::TextLike => Self::Text(Pattern::new(text, glob)),
            Operator::Number(order) => Self::Number(order, number(text)?),
            Operator::Date(order) => Self::Date(order, date(text)?),
            Operator::Bool | Operator::Null => Self::Bool(boolean(text)?),
            Operator::Binary => Self::Binary(binary(text)?),
            Operator::Address => Self::Net(net(text)?),
            Operator::Arn => Self::Arn(pattern_parts(text).into_iter().map(|part| Pattern::new(part, glob)).collect()),
        })
    }

    /// Whether a value of the request is what is wanted.
    pub fn matches(&self, given: &str, context: &dyn Context) -> bool {
        match self {
            Self::Text(pattern) => pattern.matches(given, context),
            Self::TextIgnoringCase(pattern) => pattern.matches_ignoring_case(given, context),
            Self::Number(order, wanted) => number(given).is_some_and(|given| order.holds(given, *wanted)),
            Self::Date(order, wanted) => date(given).is_some_and(|given| order.holds(given, *wanted)),
            Self::Bool(wanted) => boolean(given) == Some(*wanted),
            Self::Binary(wanted) => binary(given).is_some_and(|given| given == *wanted),
            Self::Net(wanted) => net(given).is_some_and(|given| wanted.contains(&given)),
            Self::Arn(wanted) => {
                let given = arn_parts(given);
                // A lone star is any ARN.
                let is_any = wanted.len() == 1 && given.len() > 1;
                let each = || wanted.iter().zip(&given).all(|(wanted, given)| wanted.matches(given, context));
                if is_any { wanted[0].matches("arn:", context) } else { wanted.len() == given.len() && each() }
            }
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A network, or an address as a network of one. IPv4 in IPv6's writing is IPv4.
fn net(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical().into());
    }
    text.parse().ok()
}

/// The six parts of an ARN; its last may contain colons.
fn arn_parts(text: &str) -> Vec<&str> {
    text.splitn(6, ':').collect()
}

/// The parts of an ARN with variables: a colon in one (`${aws:username}`) parts nothing.
pub(super) fn pattern_parts(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut in_variable) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if text[..at].ends_with('$') => in_variable = true,
            '}' => in_variable = false,
            ':' if !in_variable && parts.len() < 5 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// Base64 with or without its padding.
fn binary(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = text.trim_end_matches('=');
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::with_capacity(text.len() * 3 / 4));
    for letter in text.bytes() {
        let value = LETTERS.iter().position(|known| *known == letter)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// Milliseconds since 1970: W3C's profile of ISO 8601 (a year, a month, a day, or a moment with its zone), or seconds.
fn date(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() > 4 && text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<i64>().ok()?.checked_mul(1000);
    }
    let (day, time) = text.split_once(['T', 't']).map_or((text, None), |(day, time)| (day, Some(time)));
    let mut parts = day.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let year = parts.next()??;
    let (month, day) = (parts.next().unwrap_or(Some(1))?, parts.next().unwrap_or(Some(1))?);
    if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let midnight = days_of(year, month, day) * DAY_MS;
    time.map_or(Some(midnight), |time| Some(midnight + of_day(time)?))
}

/// Milliseconds since midnight of `13:30:00.5Z`, `13:30+02:00`.
fn of_day(time: &str) -> Option<i64> {
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone_at);
    let minutes = |text: &str| -> Option<i64> {
        let (hours, minutes) = text.split_once(':')?;
        Some(hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?)
    };
    let offset = match zone.as_bytes().first() {
        Some(b'+') => minutes(&zone[1..])?,
        Some(b'-') => -minutes(&zone[1..])?,
        _ => 0,
    };
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?);
    let second = parts.next().map_or(Some(0.0), |second| second.parse::<f64>().ok())?;
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..61.0).contains(&second) {
        return None;
    }
    Some((hour * 60 + minute - offset) * 60_000 + (second * 1000.0) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Facts;

    #[test]
    fn dates() {
        assert_eq!(date("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(date("2019-07-16T12:00:00Z"), Some(1_563_278_400_000));
        assert_eq!(date("2019-07-16T14:00:00.5+02:00"), Some(1_563_278_400_500));
        assert_eq!(date("2019-07-16T12:00Z"), Some(1_563_278_400_000));
        assert_eq!(date("1563278400"), Some(1_563_278_400_000));
        assert_eq!(date("2020"), date("2020-01-01T00:00:00Z"));
        assert_eq!(date("2020-03"), date("2020-03-01T00:00:00Z"));
        for bad in ["", "soon", "2020-13-01", "2020-01-01T25:00Z", "2020-01-01T10:00:00"] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }

    #[test]
    fn values_that_are_none_never_match() {
        let facts = Facts::default();
        assert!(Wanted::new(Operator::Number(Order::Less), "many", true).is_none());
        assert!(Wanted::new(Operator::Address, "10.0.0.0/33", true).is_none());
        let less = Wanted::new(Operator::Number(Order::Less), "10", true).unwrap();
        assert!(less.matches("9.5", &facts) && !less.matches("few", &facts));
        let binary = Wanted::new(Operator::Binary, "QmluYXJ5", true).unwrap();
        assert!(binary.matches("QmluYXJ5", &facts) && !binary.matches("QmluYXJ6", &facts));
        assert_eq!(self::binary("QQ=="), Some(vec![0x41]));
    }
}
