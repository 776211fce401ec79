//! Contracts: what a stream's records must look like, when its tags name a schema.
//!
//! | tag | says |
//! | --- | --- |
//! | `millrace:schema` | the schema: its ARN, `REGISTRY/NAME`, or the `NAME` of one of the default registry |
//! | `millrace:schema-enforcement` | `enforce` (default): what does not conform is refused; `warn`: counted and logged; `off` |
//!
//! A record with the registry's header must be framed with a version of that schema and be what the version says; any other
//! record must be what the latest version says. The user records in an aggregate of the Kinesis Producer Library are judged one
//! by one, and the aggregate is refused with the first that does not conform.
//!
//! What a stream without the tag pays is one look at a number: contracts are kept until the catalog changes.

use super::observer::Unlike;
use super::quota::Refusal;
use super::{Kinesis, tags};
use crate::wire::{Fault, Text, kinds};
use bytes::Bytes;
use millrace_base::Millis;
use millrace_catalog::Catalog;
use millrace_functions::user_records;
use millrace_log::{NewRecord, StreamInfo, StreamKey, TagStore};
use millrace_schema::framed::Frame;
use millrace_schema::registry::conform::{Conform, Layout};
use millrace_schema::registry::{Registry, RegistryError, SchemaKey, SchemaVersion, Uuid, VersionStatus};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Names a stream's schema.
const SCHEMA_TAG: &str = "millrace:schema";
/// Says what becomes of records that do not conform.
const ENFORCEMENT_TAG: &str = "millrace:schema-enforcement";
/// What the names of all of Millrace's own tags begin with.
const OWN_TAGS: &str = "millrace:";
/// A warned-of stream is written of at most this often.
const WARN_MS: Millis = 10_000;
/// Compiled versions that a contract keeps; a stream whose records have more writers than that compiles again.
const VERSIONS_MAX: usize = 256;

/// What becomes of records that do not conform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enforcement {
    Off,
    Warn,
    Enforce,
}

impl Enforcement {
    fn of(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Off),
            "warn" => Some(Self::Warn),
            "enforce" => Some(Self::Enforce),
            _ => None,
        }
    }
}

/// Refuses tags that would make no contract.
pub(super) fn check_tags(tags: &BTreeMap<Text, Text>) -> Result<(), Fault> {
    let tags = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    check_contract_tags(tags).map_err(|wrong| kinds::INVALID_ARGUMENT.because(wrong))
}

/// Refuses tags that would make no contract when they are added to those that a stream has.
pub(super) fn check_added(tags: &BTreeMap<String, String>, added: &BTreeMap<Text, Text>) -> Result<(), Fault> {
    // What a stream already has is no reason to refuse others.
    let kept = tags.get(SCHEMA_TAG).map(|schema| (SCHEMA_TAG, schema.as_str()));
    let added = added.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    check_contract_tags(kept.into_iter().chain(added)).map_err(|wrong| kinds::INVALID_ARGUMENT.because(wrong))
}

/// Says which of a stream's tags, all of them, would make no contract, and why.
pub fn check_contract_tags<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), String> {
    let (mut has_schema, mut has_enforcement) = (false, false);
    for (key, value) in tags {
        has_schema |= key == SCHEMA_TAG;
        has_enforcement |= key == ENFORCEMENT_TAG;
        let wrong = match key {
            // The schema itself may be made later.
            SCHEMA_TAG => SchemaKey::named(&Default::default(), value).err().map(|error| error.to_string()),
            ENFORCEMENT_TAG if Enforcement::of(value).is_none() => {
                Some(format!("'{value}' is none of enforce, warn and off."))
            }
            ENFORCEMENT_TAG => None,
            // A misspelled tag would be a contract that nobody keeps.
            _ if key.starts_with(OWN_TAGS) => {
                Some(format!("tags that begin with {OWN_TAGS} are Millrace's own: {SCHEMA_TAG} and {ENFORCEMENT_TAG}."))
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(format!("Tag {key}: {wrong}"));
        }
    }
    if has_enforcement && !has_schema {
        return Err(format!(
            "Tag {ENFORCEMENT_TAG}: it needs the tag {SCHEMA_TAG}, which names the schema to enforce."
        ));
    }
    Ok(())
}

/// The contracts of all streams, as far as records were put to them.
pub(super) struct Contracts {
    catalog: Catalog,
    registry: Registry,
    kept: RwLock<HashMap<StreamKey, Arc<Kept>>>,
}

/// What the catalog said about a stream after so many changes of it.
struct Kept {
    changes: AtomicU64,
    terms: Terms,
    contract: Option<Arc<Contract>>,
}

/// What a contract is made of: while it is the same, so is the contract.
#[derive(PartialEq, Eq)]
struct Terms {
    incarnation: u64,
    schema: Option<String>,
    enforcement: Option<String>,
    /// The schema's birth and revision; none when it does not exist.
    revision: Option<(Millis, u64)>,
}

impl Contracts {
    pub(super) fn new(catalog: Catalog, registry: Registry) -> Self {
        Self { catalog, registry, kept: RwLock::default() }
    }

    /// The contract of a stream; none when its tags name no schema or turn it off.
    fn of(&self, stream: &StreamInfo) -> Result<Option<Arc<Contract>>, Fault> {
        let changes = self.catalog.changes();
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner).get(&stream.key).cloned();
        let kept = kept.filter(|kept| kept.terms.incarnation == stream.incarnation);
        if let Some(kept) = &kept
            && kept.changes.load(Ordering::Acquire) == changes
        {
            return Ok(kept.contract.clone());
        }
        let terms = self.terms(stream)?;
        if let Some(kept) = &kept
            && kept.terms == terms
        {
            kept.changes.store(changes, Ordering::Release);
            return Ok(kept.contract.clone());
        }
        let contract = self.contract(stream, &terms)?.map(Arc::new);
        let made = Kept { changes: AtomicU64::new(changes), terms, contract: contract.clone() };
        self.kept.write().unwrap_or_else(PoisonError::into_inner).insert(stream.key.clone(), Arc::new(made));
        Ok(contract)
    }

    /// Drops what is known of a stream that is gone.
    pub(super) fn forget(&self, stream: &StreamKey) {
        self.kept.write().unwrap_or_else(PoisonError::into_inner).remove(stream);
    }

    fn terms(&self, stream: &StreamInfo) -> Result<Terms, Fault> {
        let mut tags = TagStore::new(self.catalog.clone()).get(&tags::of_stream(stream))?;
        let schema = tags.remove(SCHEMA_TAG);
        let named = schema.as_ref().and_then(|text| SchemaKey::named(&stream.key.scope, text).ok());
        let revision = match named.map(|key| self.registry.schema(&key)) {
            Some(Ok(schema)) => Some((schema.created, schema.revision)),
            None | Some(Err(RegistryError::NotFound(_))) => None,
            Some(Err(error)) => return Err(error.into()),
        };
        let enforcement = tags.remove(ENFORCEMENT_TAG);
        Ok(Terms { incarnation: stream.incarnation, schema, enforcement, revision })
    }

    fn contract(&self, stream: &StreamInfo, terms: &Terms) -> Result<Option<Contract>, Fault> {
        let Some(named) = &terms.schema else { return Ok(None) };
        let enforcement = terms.enforcement.as_deref().and_then(Enforcement::of).unwrap_or(Enforcement::Enforce);
        if enforcement == Enforcement::Off {
            return Ok(None);
        }
        let key = SchemaKey::named(&stream.key.scope, named).ok();
        let key = key.filter(|key| key.scope == stream.key.scope);
        let latest = match &key {
            // A schema that is not there is a reason to refuse, not a failure.
            Some(key) if terms.revision.is_some() => self.registry.latest(key)?,
            _ => None,
        };
        let plain = match (&latest, &terms.revision) {
            (Some(latest), _) => compiled(latest),
            (None, Some(_)) => Err(format!("schema {named} has no version that can be used: register one")),
            (None, None) => {
                Err(format!("the stream's tag {SCHEMA_TAG} names {named}, and there is no such schema here"))
            }
        };
        let registry = self.registry.clone();
        let framed = Mutex::default();
        Ok(Some(Contract { enforcement, named: named.clone(), key, registry, plain, framed, warned: Lines::new() }))
    }
}

/// A version, ready to judge records.
struct Compiled {
    number: u32,
    conform: Conform,
}

fn compiled(version: &SchemaVersion) -> Result<Arc<Compiled>, String> {
    let conform = Conform::new(version.format, &version.definition)?;
    Ok(Arc::new(Compiled { number: version.number, conform }))
}

/// What records of one stream must be.
struct Contract {
    enforcement: Enforcement,
    /// What the tag says.
    named: String,
    key: Option<SchemaKey>,
    registry: Registry,
    plain: Result<Arc<Compiled>, String>,
    framed: Mutex<HashMap<Uuid, Result<Arc<Compiled>, String>>>,
    warned: Lines,
}

/// Lines about a stream whose records are taken although they do not conform.
struct Lines {
    /// When the last one was written.
    at: AtomicI64,
    /// Records since then.
    records: AtomicU64,
}

impl Lines {
    fn new() -> Self {
        Self { at: AtomicI64::new(Millis::MIN), records: AtomicU64::new(0) }
    }

    /// Counts `records`; when a line is due, it is of so many.
    fn due(&self, records: usize, now: Millis) -> Option<u64> {
        self.records.fetch_add(records as u64, Ordering::Relaxed);
        let last = self.at.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(last) >= WARN_MS || now < last;
        // Of the requests that come at once, one writes.
        let writes = is_due && self.at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        writes.then(|| self.records.swap(0, Ordering::Relaxed))
    }
}

impl Contract {
    /// Why a record does not conform.
    fn judge(&self, data: &Bytes) -> Result<(), String> {
        let Some(inside) = user_records(data) else { return self.judge_one(data) };
        for (index, data) in inside.iter().enumerate() {
            self.judge_one(data).map_err(|reason| format!("user record {index} of the aggregate: {reason}"))?;
        }
        Ok(())
    }

    fn judge_one(&self, data: &[u8]) -> Result<(), String> {
        let Ok(frame) = Frame::parse(data) else { return self.judge_plain(data) };
        // A value without a header may begin with the same two bytes; then it conforms as it is.
        self.judge_framed(frame).or_else(|reason| match &self.plain {
            Ok(latest) if latest.conform.check(Layout::Plain, data).is_ok() => Ok(()),
            _ => Err(reason),
        })
    }

    fn judge_plain(&self, data: &[u8]) -> Result<(), String> {
        let latest = self.plain.as_ref().map_err(String::clone)?;
        latest.conform.check(Layout::Plain, data).map_err(|reason| self.unlike(latest.number, &reason))
    }

    fn judge_framed(&self, frame: Frame<'_>) -> Result<(), String> {
        let version = self.version(frame.version)?;
        let payload = frame.payload().map_err(|error| error.to_string())?;
        version.conform.check(Layout::Framed, &payload).map_err(|reason| self.unlike(version.number, &reason))
    }

    fn unlike(&self, number: u32, reason: &str) -> String {
        format!("it does not conform to version {number} of schema {}: {reason}", self.name())
    }

    fn name(&self) -> String {
        // A tag that names no schema of this account is told as it stands.
        self.key.as_ref().map_or_else(|| self.named.clone(), |key| format!("{}/{}", key.registry, key.name))
    }

    fn version(&self, id: Uuid) -> Result<Arc<Compiled>, String> {
        let lock = || self.framed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&id) {
            return known.clone();
        }
        let found = self.find(id);
        let mut framed = lock();
        // Ids of nobody are cheap to look for again, and whoever sends many must not push out the real ones.
        if found.is_ok() {
            if framed.len() >= VERSIONS_MAX {
                framed.clear();
            }
            framed.insert(id, found.clone());
        }
        found
    }

    fn find(&self, id: Uuid) -> Result<Arc<Compiled>, String> {
        let found = self.registry.version_by_id(id).map_err(|error| error.to_string())?;
        let own = |version: &SchemaVersion| self.key.as_ref().is_some_and(|key| key.scope == version.schema.scope);
        match found.filter(own) {
            Some(version) if Some(&version.schema) != self.key.as_ref() => Err(format!(
                "it is framed with version {} of schema {}/{}, and the stream's schema is {}",
                version.number,
                version.schema.registry,
                version.schema.name,
                self.name()
            )),
            Some(version) if version.status != VersionStatus::Available => Err(format!(
                "it is framed with version {} of schema {}, which was refused",
                version.number,
                self.name()
            )),
            Some(version) => compiled(&version),
            None => Err(format!("it is framed with schema version {id}, which is not registered here")),
        }
    }
}

/// What was refused by the contract, and by quotas among the records that were left: all of it by its place in the request.
pub(super) fn merged(
    unlike: BTreeMap<usize, Refusal>,
    throttled: BTreeMap<usize, Refusal>,
) -> BTreeMap<usize, Refusal> {
    if unlike.is_empty() || throttled.is_empty() {
        return if unlike.is_empty() { throttled } else { unlike };
    }
    let mut left = (0..).filter(|place| !unlike.contains_key(place)).enumerate();
    let place_of = |index: usize| left.find(|(at, _)| *at == index).map_or(index, |(_, place)| place);
    // The keys come in order, so the places are walked through once.
    let indices: Vec<usize> = throttled.keys().copied().collect();
    let places: Vec<usize> = indices.into_iter().map(place_of).collect();
    let mut refused: BTreeMap<usize, Refusal> = places.into_iter().zip(throttled.into_values()).collect();
    refused.extend(unlike);
    refused
}

impl Kinesis {
    /// Holds records against their stream's contract. Gives those that may be written, and the others by their places.
    pub(super) async fn conforming(
        &self,
        stream: &StreamInfo,
        records: Vec<NewRecord>,
    ) -> Result<(Vec<NewRecord>, BTreeMap<usize, Refusal>), Fault> {
        let Some(contract) = self.contracts.of(stream)? else { return Ok((records, BTreeMap::new())) };
        let judged = contract.clone();
        // Megabytes of JSON would hold up the other requests of this thread.
        let judge = move || {
            let judge = |record: &NewRecord| judged.judge(&record.data).err();
            let reasons: Vec<Option<String>> = records.iter().map(judge).collect();
            (records, reasons)
        };
        let done = tokio::task::spawn_blocking(judge).await;
        let (records, reasons) =
            done.map_err(|stopped| kinds::INTERNAL_FAILURE.because(format!("the schema check stopped: {stopped}")))?;
        let wrong = reasons.iter().flatten().count();
        if wrong == 0 {
            return Ok((records, BTreeMap::new()));
        }
        let is_enforced = contract.enforcement == Enforcement::Enforce;
        let reason = reasons.iter().flatten().next_back().map_or("", String::as_str);
        let unlike =
            Unlike { stream: &stream.key, records: wrong, is_refused: is_enforced, schema: contract.name(), reason };
        self.observer.unconforming(&unlike);
        if !is_enforced {
            self.warn(&contract, stream, wrong, reasons.iter().flatten().next());
            return Ok((records, BTreeMap::new()));
        }
        let mut refused = BTreeMap::new();
        let mut kept = Vec::with_capacity(records.len() - wrong);
        for (place, (record, reason)) in records.into_iter().zip(reasons).enumerate() {
            match reason {
                Some(reason) => drop(refused.insert(place, refusal(&reason))),
                None => kept.push(record),
            }
        }
        Ok((kept, refused))
    }

    fn warn(&self, contract: &Contract, stream: &StreamInfo, wrong: usize, first: Option<&String>) {
        let Some(records) = contract.warned.due(wrong, self.clock.now()) else { return };
        let reason = first.map_or("", String::as_str);
        tracing::warn!(
            stream = %stream.key,
            records,
            reason,
            "records since the last such line do not conform to the stream's schema; they are taken because {ENFORCEMENT_TAG} is warn"
        );
    }
}

fn refusal(reason: &str) -> Refusal {
    Refusal {
        code: "InvalidArgumentException",
        message: format!("The record is refused by the stream's schema: {reason}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(key: &str, value: &str) -> BTreeMap<Text, Text> {
        BTreeMap::from([(Text::from(key), Text::from(value))])
    }

    #[test]
    fn tags_that_make_no_contract_are_refused() {
        for good in ["order", "shop/order", "arn:aws:glue:us-east-1:000000000000:schema/shop/order"] {
            assert!(check_tags(&tags(SCHEMA_TAG, good)).is_ok(), "{good}");
        }
        for bad in ["", "a/b/c", "arn:aws:glue:us-east-1:000000000000:registry/shop"] {
            assert!(check_tags(&tags(SCHEMA_TAG, bad)).is_err(), "{bad}");
        }
        let mut both = tags(SCHEMA_TAG, "order");
        both.extend(tags(ENFORCEMENT_TAG, "warn"));
        assert!(check_tags(&both).is_ok());
        let error = check_tags(&tags(ENFORCEMENT_TAG, "warn")).unwrap_err();
        assert!(error.message.contains("it needs the tag millrace:schema"), "{error}");
        let error = check_tags(&tags("millrace:schema-enforcment", "warn")).unwrap_err();
        assert!(error.message.contains("millrace:schema-enforcement"), "{error}");
        let error = check_tags(&tags(ENFORCEMENT_TAG, "on")).unwrap_err();
        assert!(error.message.contains("'on' is none of enforce, warn and off"), "{error}");
        assert!(check_tags(&tags("team", "")).is_ok());
    }

    #[test]
    fn a_line_tells_of_all_records_since_the_one_before() {
        let lines = Lines::new();
        assert_eq!(lines.due(2, 5_000), Some(2));
        assert_eq!((lines.due(3, 6_000), lines.due(4, 14_999)), (None, None));
        assert_eq!(lines.due(1, 15_000), Some(8));
        // A clock that was set back does not silence it.
        assert_eq!(lines.due(1, 1_000), Some(1));
    }

    #[test]
    fn refusals_stand_at_their_places_in_the_request() {
        let map = |places: &[usize], word: &str| places.iter().map(|place| (*place, refusal(word))).collect();
        // Of six records 1 and 4 are unlike the schema; of those left (0, 2, 3, 5) the second and the fourth are throttled.
        let all = merged(map(&[1, 4], "schema"), map(&[1, 3], "quota"));
        let told: Vec<(usize, bool)> = all.iter().map(|(place, why)| (*place, why.message.contains("quota"))).collect();
        assert_eq!(told, [(1, false), (2, true), (4, false), (5, true)]);
        assert_eq!(merged(map(&[], "schema"), map(&[3], "quota")).keys().collect::<Vec<_>>(), [&3]);
    }
}
