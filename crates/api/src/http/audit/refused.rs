//! Calls whose signature was refused: nobody knows who made them, and anybody may make as many as the network carries.
//!
//! The first of a source (an address; of IPv6 its network of 64 bits) with one error code is told as it comes; those that follow
//! within the minute are counted, and told as one record when the minute is over. Beyond [`SOURCES_MAX`] sources in a minute the
//! rest are told together. So a minute brings `2 * (SOURCES_MAX + 1)` records of [`RECORD_BYTES_MAX`] at most, whatever comes in.

use super::{Recorder, locked, moment};
use crate::http::caller::Caller;
use crate::http::port::Peer;
use crate::http::route::text_header;
use crate::wire::{Fault, kinds};
use axum::http::request::Parts;
use millrace_base::{Millis, Scope};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

/// How many pairs of source and error code are told apart in a minute.
const SOURCES_MAX: usize = 32;
/// How long calls are counted before they are told.
const WINDOW_MS: Millis = 60_000;
/// What strangers write into a record is cut to this.
const TEXT_CHARACTERS_MAX: usize = 128;
/// What follows from that: seven texts and what is written around them.
#[cfg(test)]
const RECORD_BYTES_MAX: usize = 7 * TEXT_CHARACTERS_MAX * 4 + 1024;

/// A call that was refused before anybody knew who made it.
pub struct Attempt<'a> {
    /// The service that it was for.
    pub source: Cow<'static, str>,
    /// The operation, as far as the request says it.
    pub operation: &'a str,
    /// The request's head.
    pub head: &'a Parts,
    /// The request's id.
    pub id: &'a str,
    /// How it was refused.
    pub fault: &'a Fault,
}

/// What was refused within a minute.
#[derive(Default)]
pub struct Refusals {
    since: Millis,
    seen: HashMap<Option<(String, &'static str)>, Seen>,
}

struct Seen {
    /// The record of the first.
    first: Value,
    /// How many followed.
    more: u64,
    /// When the last of them came.
    last: Millis,
}

impl Refusals {
    /// Notes a refusal; gives the records that are to be written now.
    fn note(&mut self, place: (String, &'static str), now: Millis, record: impl FnOnce() -> Value) -> Vec<Value> {
        let mut due = self.due(now);
        let place = Some(place);
        let place = if self.seen.len() < SOURCES_MAX || self.seen.contains_key(&place) { place } else { None };
        match self.seen.get_mut(&place) {
            Some(seen) => (seen.more, seen.last) = (seen.more + 1, now),
            None => {
                let mut first = record();
                if place.is_none() {
                    first["additionalEventData"]["sources"] = "more than are told apart in a minute".into();
                }
                due.push(first.clone());
                self.seen.insert(place, Seen { first, more: 0, last: now });
            }
        }
        due
    }

    /// What is to be told of a minute that is over.
    fn due(&mut self, now: Millis) -> Vec<Value> {
        if now - self.since < WINDOW_MS && now >= self.since {
            return Vec::new();
        }
        self.since = now;
        let told = |seen: Seen| {
            let mut record = seen.first;
            record["eventTime"] = moment(seen.last).into();
            record["additionalEventData"]["count"] = seen.more.into();
            record
        };
        std::mem::take(&mut self.seen).into_values().filter(|seen| seen.more > 0).map(told).collect()
    }

    /// What is still to be told when nothing more will come.
    fn rest(&mut self) -> Vec<Value> {
        self.since = 0;
        self.due(Millis::MAX)
    }
}

/// Whether a fault says that nobody is known to have made the call.
pub fn is_unidentified(fault: &Fault) -> bool {
    [
        kinds::MISSING_AUTHENTICATION,
        kinds::INCOMPLETE_SIGNATURE,
        kinds::UNRECOGNIZED_CLIENT,
        kinds::EXPIRED_TOKEN,
        kinds::REQUEST_EXPIRED,
        kinds::INVALID_SIGNATURE,
    ]
    .iter()
    .any(|kind| kind.code == fault.kind.code)
}

impl Recorder {
    /// Puts on record that a call was refused. An audit that cannot be written changes nothing: it is refused all the same.
    pub async fn refused(&self, attempt: Attempt<'_>) {
        let (now, code) = (self.clock.now(), attempt.fault.kind.query_code());
        let ip = attempt.head.extensions.get::<Peer>().map(|peer| peer.ip);
        let place = (ip.map(network).unwrap_or_default(), code);
        let due = locked(&self.refusals).note(place, now, || self.record_of(&attempt, now, ip));
        for record in due {
            let _ = self.write(self.stamped(record), false).await;
        }
    }

    /// Tells of the minutes that are over; with `last` also of the one that is not. Waits for the disk.
    pub fn tell_refusals(&self, last: bool) {
        let mut refusals = locked(&self.refusals);
        let due = if last { refusals.rest() } else { refusals.due(self.clock.now()) };
        drop(refusals);
        for record in due {
            let _ = self.audit.write(&self.stamped(record), false);
        }
    }

    fn stamped(&self, mut record: Value) -> String {
        record["eventID"] = self.dice.uuid().into();
        record.to_string()
    }

    fn record_of(&self, attempt: &Attempt<'_>, now: Millis, ip: Option<IpAddr>) -> Value {
        let Attempt { source, operation, head, id, fault } = attempt;
        let claimed = Caller::identify(&head.headers, head.uri.query()).ok();
        let region = claimed.as_ref().map_or(Scope::DEFAULT_REGION, |claimed| &claimed.scope.region);
        json!({
            "eventVersion": "1.11",
            "userIdentity": {"type": "Unknown"},
            "eventTime": moment(now),
            "eventSource": source,
            "eventName": cut(operation),
            "awsRegion": cut(region),
            "sourceIPAddress": ip.map_or_else(String::new, |ip| ip.to_string()),
            "userAgent": cut(text_header(&head.headers, "user-agent")),
            "errorCode": fault.kind.query_code(),
            "errorMessage": cut(plain(&fault.message)),
            "requestParameters": null,
            "responseElements": null,
            "additionalEventData": {
                "claimedAccessKeyId": claimed.as_ref().map(|claimed| cut(&claimed.access_key_id)),
                "count": 1,
            },
            "requestID": id,
            "readOnly": super::is_read_only(operation),
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": claimed.as_ref().map(|claimed| claimed.scope.account.to_string()),
            "eventCategory": "Management",
        })
    }
}

/// A source of calls: whoever has one address of IPv6 has 2^64.
fn network(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => ip.segments()[..4].iter().map(|part| format!("{part:x}:")).collect(),
    }
}

/// The message without the canonical request and the header behind it, in which tokens stand.
fn plain(message: &str) -> &str {
    let line = message.lines().next().unwrap_or_default();
    line.split_once("Authorization=").map_or(line, |(before, _)| before).trim_end()
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Value {
        json!({"additionalEventData": {"count": 1}})
    }

    fn counts(records: &[Value]) -> Vec<u64> {
        let mut counts: Vec<u64> =
            records.iter().map(|record| record["additionalEventData"]["count"].as_u64().unwrap()).collect();
        counts.sort_unstable();
        counts
    }

    #[test]
    fn a_flood_is_told_as_a_number() {
        let mut refusals = Refusals::default();
        let at = |ip: &str| (ip.to_owned(), "InvalidSignatureException");
        assert_eq!(counts(&refusals.note(at("a"), 100_000, record)), [1]);
        for _ in 0..1000 {
            assert!(refusals.note(at("a"), 100_001, record).is_empty());
        }
        assert_eq!(counts(&refusals.note(at("b"), 159_000, record)), [1], "another source");
        // The minute is over: what was counted, and the first of the next minute.
        assert_eq!(counts(&refusals.note(at("a"), 160_001, record)), [1, 1000]);
        assert!(refusals.rest().is_empty(), "the one of this minute was told");
    }

    #[test]
    fn many_sources_are_told_together() {
        let mut refusals = Refusals::default();
        let note = |refusals: &mut Refusals, source: usize| refusals.note((source.to_string(), "x"), 100_000, record);
        let told: usize = (0..10_000).map(|source| note(&mut refusals, source).len()).sum();
        assert_eq!(told, SOURCES_MAX + 1);
        let rest = refusals.rest();
        assert_eq!(counts(&rest), [10_000 - SOURCES_MAX as u64 - 1]);
        assert!(rest[0].to_string().len() < RECORD_BYTES_MAX);
    }

    #[test]
    fn no_token_comes_into_a_record() {
        assert_eq!(plain("It differs.\nThe Canonical String was\nx-amz-security-token:abc"), "It differs.");
        assert_eq!(plain("Requires 'Signature'. Authorization=AWS4-HMAC-SHA256 x"), "Requires 'Signature'.");
        assert_eq!(network("2001:db8:1:2:3:4:5:6".parse().unwrap()), "2001:db8:1:2:");
    }
}
