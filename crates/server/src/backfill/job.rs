//! What a backfill is to do, and how far it is: one fact of the catalog each.
//!
//! # Crash behaviour
//! A job is saved behind the work that it tells of. What was done since is done again after a crash, under the same ids, so it
//! overwrites.

use millrace_base::{Millis, Scope};
use millrace_deliver::Handover;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The catalog's table of jobs, under `account/region/id`.
pub const TABLE: &str = "backfill";
/// Reasons of refused records that are kept.
const SAMPLES: usize = 20;

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// With the oldest record that the stream keeps.
    TrimHorizon,
    /// With what arrived at this time or later.
    At(Millis),
}

/// What is read for the time that the stream no longer keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LakeChoice {
    /// The objects of the delivery streams that read the stream, if anything is gone.
    Auto,
    /// Nothing.
    Never,
    /// The objects below this prefix.
    Prefix {
        /// The bucket.
        bucket: String,
        /// Where their keys begin.
        prefix: String,
    },
}

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Through {
    /// A document whose id is this member of the record; a member of a member by dots. A record of a lake is known by it.
    Field(String),
    /// A document whose id is the record's shard and sequence number, as delivery streams make them; an object's record.
    Position,
    /// What the function makes of it, which writes to the index itself.
    Function {
        /// Its name.
        name: String,
        /// The variable of its environment that its index names begin with.
        variable: String,
    },
}

impl Spec {
    /// The view, for people.
    pub fn view(&self) -> &str {
        self.to_lake.as_deref().unwrap_or(&self.index)
    }
}

/// Which view is rebuilt, from what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The stream.
    pub stream: String,
    /// Where reading begins.
    pub from: Start,
    /// What arrived at this time or later is left out; none reads up to the tip.
    pub to: Option<Millis>,
    /// What stands in for records that are gone.
    pub lake: LakeChoice,
    /// The view: an index or an alias; with a function an expression of those that it writes. Empty for a lake.
    pub index: String,
    /// The view: what this delivery stream writes into its lake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_lake: Option<String>,
    /// How records become documents.
    pub through: Through,
}

/// What of a job may change between two tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Consent {
    /// The replaced index is deleted.
    pub drop_old: bool,
    /// The rebuilt index may have fewer documents than the live one.
    pub allow_fewer: bool,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The indices beside the live ones are being made.
    Preparing,
    /// Records are read.
    Reading,
    /// The live names are given to the rebuilt indices.
    Swapping,
    /// What arrived until the swap is read.
    Draining,
    /// Everything is done.
    Done,
    /// It cannot go on; the same command tries again.
    Failed(String),
    /// Somebody ended it.
    Cancelled,
}

/// How far one shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The first index that is read.
    pub from: u64,
    /// The index that is read next.
    pub next: u64,
    /// The index that is not read any more; none up to the tip.
    pub until: Option<u64>,
    /// It was read to its end.
    pub ended: bool,
}

/// How far the lake is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LakeProgress {
    /// The objects, in the order in which they are read; empty when nothing is read there.
    pub objects: Vec<LakeObject>,
    /// How many of them are done.
    pub done: usize,
}

/// An object of the lake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LakeObject {
    /// When its oldest record arrived, as far as its name tells.
    pub oldest: Millis,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// When it was written.
    #[serde(default)]
    pub newest: Millis,
    /// The log has some of its records, too: those are left out. Only a lake asks, an index finds them by their ids.
    #[serde(default)]
    pub seam: bool,
    /// It holds what could not be delivered.
    #[serde(default)]
    pub failed: bool,
}

/// What only a job has that rebuilds a lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LakeWork {
    /// The bucket.
    pub bucket: String,
    /// The version of the delivery stream from which on the view is its own again: at least this one.
    pub version: u64,
    /// Where that version began.
    pub handover: Option<Handover>,
    /// What arrived then or later is read in the log.
    pub since: Millis,
    /// The number of the chunk that is written next: what those before hold will not be read again.
    pub chunk: u64,
    /// Objects of those chunks.
    pub objects: u64,
    /// Records in them.
    pub rebuilt: u64,
    /// Objects that will be replaced.
    pub replaced: u64,
    /// Whether what arrived before `since` stays as it is in the lake.
    pub keeps_older: bool,
}

/// A backfill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id: the same for the same command.
    pub id: String,
    /// Whose it is.
    pub scope: Scope,
    /// What it does.
    pub spec: Spec,
    /// What its owner agrees to.
    pub consent: Consent,
    /// Where it stands.
    pub phase: Phase,
    /// Which stream of the name is read.
    pub incarnation: u64,
    /// Whether there is everything that it writes to.
    pub prepared: bool,
    /// How far the lake is.
    pub lake: LakeProgress,
    /// How far the shards are, by number.
    pub shards: BTreeMap<u32, Place>,
    /// How far a lake is.
    #[serde(default)]
    pub to_lake: Option<LakeWork>,
    /// Up to where each rebuilt index was written when it was swapped in: what has a greater number is the live writer's.
    pub swapped_at: BTreeMap<String, u64>,
    /// Records that were read, those that a crash made it read twice too.
    pub records: u64,
    /// Records that gave no document; that could not be delivered into a lake and lie below its error prefix.
    pub refused: u64,
    /// The first of them, and why.
    pub samples: Vec<String>,
    /// Records of a lake in what is replaced.
    #[serde(default)]
    pub before: u64,
    /// What was done at the swap, for people.
    pub swaps: Vec<String>,
    /// When it was first started.
    pub created: Millis,
    /// When it was last saved.
    pub updated: Millis,
    /// What it is trying again, and why.
    pub trouble: Option<String>,
}

impl Job {
    /// A job that has done nothing yet. `round` is greater each time that a finished one is done once more.
    pub fn new(scope: &Scope, spec: Spec, consent: Consent, round: u32, now: Millis) -> Self {
        Self {
            id: id_of(scope, &spec, round),
            scope: scope.clone(),
            spec,
            consent,
            phase: Phase::Preparing,
            incarnation: 0,
            prepared: false,
            lake: LakeProgress::default(),
            shards: BTreeMap::new(),
            to_lake: None,
            swapped_at: BTreeMap::new(),
            records: 0,
            refused: 0,
            samples: Vec::new(),
            before: 0,
            swaps: Vec::new(),
            created: now,
            updated: now,
            trouble: None,
        }
    }

    /// The catalog's key.
    pub fn key(&self) -> String {
        format!("{}/{}", self.scope, self.id)
    }

    /// What the names of its indices begin with. No pattern of a live name matches it.
    pub fn prefix(&self) -> String {
        format!("backfill-{}-", self.id)
    }

    /// The name of the copy of its function.
    pub fn copy_of(&self, function: &str) -> String {
        format!("{}-backfill-{}", function.chars().take(40).collect::<String>(), self.id)
    }

    /// Whether somebody should work on it.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Preparing | Phase::Reading | Phase::Swapping | Phase::Draining)
    }

    /// Notes a record that gave no document.
    pub fn refuse(&mut self, place: &str, reason: &str) {
        self.refuse_many(1, place, reason);
    }

    /// Notes records that are together in one place, and the reason of one of them.
    pub fn refuse_many(&mut self, records: u64, place: &str, reason: &str) {
        self.refused += records;
        if self.samples.len() < SAMPLES {
            self.samples.push(format!("{place}: {reason}"));
        }
    }
}

/// Ten digits that follow from the command.
pub fn id_of(scope: &Scope, spec: &Spec, round: u32) -> String {
    let text = serde_json::to_vec(&(scope, spec, round)).unwrap_or_default();
    Sha256::digest(&text).iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_of_older_versions_are_read_and_keep_their_ids() {
        let spec = r#"{"stream":"s","from":"TrimHorizon","to":null,"lake":"Auto","index":"i","through":"Position"}"#;
        let read: Spec = serde_json::from_str(spec).unwrap();
        assert_eq!((read.to_lake.as_ref(), read.view()), (None, "i"));
        assert_eq!(serde_json::to_string(&read).unwrap(), spec);
        let object = r#"{"oldest":5,"bucket":"b","key":"k"}"#;
        let read: LakeObject = serde_json::from_str(object).unwrap();
        assert_eq!((read.oldest, read.seam, read.failed), (5, false, false));
    }

    #[test]
    fn the_same_command_is_the_same_job() {
        let spec = |index: &str| Spec {
            stream: "s".to_owned(),
            from: Start::At(5),
            to: None,
            lake: LakeChoice::Auto,
            index: index.to_owned(),
            to_lake: None,
            through: Through::Position,
        };
        let scope = Scope::default();
        let one = Job::new(&scope, spec("i"), Consent::default(), 0, 1);
        let again = Job::new(&scope, spec("i"), Consent { drop_old: true, allow_fewer: true }, 0, 2);
        assert_eq!((&one.id, one.id.len()), (&again.id, 10));
        assert_ne!(one.id, Job::new(&scope, spec("j"), Consent::default(), 0, 1).id);
        assert_ne!(one.id, Job::new(&scope, spec("i"), Consent::default(), 1, 1).id);
        let kept: Job = serde_json::from_slice(&serde_json::to_vec(&one).unwrap()).unwrap();
        assert_eq!(kept, one);
    }
}
