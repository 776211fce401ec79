//! The mappings of all scopes: create, look at, change, delete.

use super::MappingError;
use super::definition::{Mapping, Request, SourceKind, StartingPosition};
use super::ports::{FunctionFacts, MappingParts};
use super::progress::{self, Checkpoint};
use super::status::NO_RECORDS;
use super::stream::{Applied, starts};
use super::workers::Workers;
use super::{stream, validate};
use crate::FunctionKey;
use millrace_base::{Arn, Scope, ShardId};
use millrace_log::{LogError, StreamKey};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The catalog's table of mappings, under `account/region/UUID`.
const TABLE: &str = "event-source-mappings";
/// A page of `ListEventSourceMappings` (AWS).
const PAGE_MAX: usize = 100;

/// The mappings of all scopes. Cheap to clone.
#[derive(Clone)]
pub struct Mappings {
    shared: Arc<Shared>,
}

struct Shared {
    parts: MappingParts,
    workers: Workers,
    /// One definition changes at a time.
    changing: Mutex<()>,
}

/// A page of `EventSourceMappingConfiguration`s.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MappingPage {
    /// In order of UUID.
    pub mappings: Vec<Value>,
    /// Where the next page begins.
    pub next_marker: Option<String>,
}

impl Mappings {
    /// The mappings that the catalog keeps; none runs yet.
    pub fn open(parts: MappingParts) -> Self {
        let workers = Workers::new(parts.clone());
        Self { shared: Arc::new(Shared { parts, workers, changing: Mutex::default() }) }
    }

    /// Runs all mappings, and from now on every new one, on `runtime`.
    pub fn start(&self, runtime: Handle) -> Result<(), MappingError> {
        let shared = &self.shared;
        shared.workers.enable(runtime);
        for (_, mapping) in shared.parts.catalog.list::<Mapping>(TABLE, "")? {
            match Applied::of(&mapping) {
                Ok(applied) => shared.workers.run(&mapping, Arc::new(applied)),
                // One that an earlier version took must not keep the others from running.
                Err(error) => tracing::warn!("event source mapping {} does not run: {error}", mapping.uuid),
            }
        }
        Ok(())
    }

    /// Stops all mappings where they are and writes their checkpoints down. What functions are at is called again at the next
    /// start.
    pub async fn shutdown(&self) {
        self.shared.workers.stop_all().await;
    }

    /// `CreateEventSourceMapping`, from its body to its answer. A stream's positions are written down with the definition:
    /// `LATEST` is what is durable now, however long the first read takes to come.
    pub fn create(&self, scope: &Scope, body: Value) -> Result<Value, MappingError> {
        let request = parse(body)?;
        let shared = &self.shared;
        let mapping = self.define(scope, &request)?;
        let applied = Arc::new(Applied::of(&mapping)?);
        let _changing = shared.changing.lock();
        self.refuse_double(&mapping)?;
        let starts = self.starts(&mapping)?;
        shared.parts.catalog.update(|transaction| {
            for (shard, checkpoint) in &starts {
                transaction.put(progress::TABLE, &progress::key(&mapping.uuid, *shard), checkpoint)?;
            }
            transaction.put(TABLE, &key(scope, &mapping.uuid), &mapping)
        })?;
        shared.workers.run(&mapping, applied);
        Ok(mapping.describe("Creating", NO_RECORDS))
    }

    /// `GetEventSourceMapping`.
    pub fn get(&self, scope: &Scope, uuid: &str) -> Result<Value, MappingError> {
        Ok(self.describe(&self.find(scope, uuid)?))
    }

    /// `ListEventSourceMappings`: of a source, of a function, from a marker on.
    pub fn list(
        &self,
        scope: &Scope,
        source_arn: Option<&str>,
        function: Option<&str>,
        marker: Option<&str>,
        max_items: Option<usize>,
    ) -> Result<MappingPage, MappingError> {
        let function = function.map(|name| validate::function(scope, name)).transpose()?;
        let all = self.shared.parts.catalog.list::<Mapping>(TABLE, &format!("{scope}/"))?;
        let wanted = |mapping: &Mapping| {
            let settings = &mapping.settings;
            source_arn.is_none_or(|arn| arn == mapping.source_arn)
                && function.as_ref().is_none_or(|(key, qualifier)| {
                    *key == settings.function && (qualifier.is_none() || *qualifier == settings.qualifier)
                })
                && marker.is_none_or(|marker| mapping.uuid.as_str() >= marker)
        };
        let mut found: Vec<Mapping> = all.into_iter().map(|(_, mapping)| mapping).filter(wanted).collect();
        let max = max_items.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let next_marker = found.get(max).map(|mapping| mapping.uuid.clone());
        found.truncate(max);
        Ok(MappingPage { mappings: found.iter().map(|mapping| self.describe(mapping)).collect(), next_marker })
    }

    /// `UpdateEventSourceMapping`: applied while the mapping runs, positions stay.
    pub fn update(&self, scope: &Scope, uuid: &str, body: Value) -> Result<Value, MappingError> {
        let request = parse(body)?;
        let shared = &self.shared;
        let _changing = shared.changing.lock();
        let old = self.find(scope, uuid)?;
        refuse_moving(&request, &old)?;
        let mut mapping = old.clone();
        if let Some(name) = &request.function_name {
            (mapping.settings.function, mapping.settings.qualifier) = validate::function(scope, name)?;
        }
        validate::apply(&request, mapping.kind, &mut mapping.settings)?;
        mapping.enabled = request.enabled.unwrap_or(old.enabled);
        mapping.last_modified = shared.parts.clock.now();
        let function = self.function(&mapping.settings.function, mapping.settings.qualifier.as_deref())?;
        self.check_visibility(&mapping, &function)?;
        if mapping.settings.function_arn() != old.settings.function_arn() {
            self.refuse_double(&mapping)?;
        }
        let applied = Arc::new(Applied::of(&mapping)?);
        shared.parts.catalog.put(TABLE, &key(scope, uuid), &mapping)?;
        let phase = match (old.enabled, mapping.enabled) {
            (false, true) => "Enabling",
            (true, false) => "Disabling",
            _ => "Updating",
        };
        shared.workers.change(&mapping, applied, phase);
        Ok(mapping.describe(phase, &shared.workers.last_result(uuid)))
    }

    /// `DeleteEventSourceMapping`: what its function is at runs to its end, unheard.
    pub async fn delete(&self, scope: &Scope, uuid: &str) -> Result<Value, MappingError> {
        let answer = {
            let _changing = self.shared.changing.lock();
            let mapping = self.find(scope, uuid)?;
            self.shared.parts.catalog.delete(TABLE, &key(scope, uuid))?;
            mapping.describe("Deleting", &self.shared.workers.last_result(uuid))
        };
        self.shared.workers.remove(uuid).await?;
        Ok(answer)
    }

    /// The tags of a mapping.
    pub fn tags(&self, scope: &Scope, uuid: &str) -> Result<BTreeMap<String, String>, MappingError> {
        Ok(self.find(scope, uuid)?.tags)
    }

    /// Changes the tags of a mapping.
    pub fn change_tags(
        &self,
        scope: &Scope,
        uuid: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), MappingError> {
        let _changing = self.shared.changing.lock();
        let mut mapping = self.find(scope, uuid)?;
        change(&mut mapping.tags);
        // A tag says how records are read.
        let applied = Arc::new(Applied::of(&mapping)?);
        self.shared.parts.catalog.put(TABLE, &key(scope, uuid), &mapping)?;
        let phase = self.shared.workers.phase(&mapping);
        self.shared.workers.change(&mapping, applied, phase);
        Ok(())
    }

    fn find(&self, scope: &Scope, uuid: &str) -> Result<Mapping, MappingError> {
        self.shared.parts.catalog.get(TABLE, &key(scope, uuid))?.ok_or(MappingError::ResourceNotFound)
    }

    fn describe(&self, mapping: &Mapping) -> Value {
        let workers = &self.shared.workers;
        mapping.describe(workers.phase(mapping), &workers.last_result(&mapping.uuid))
    }

    /// A definition by a request, checked against everything that it names.
    fn define(&self, scope: &Scope, request: &Request) -> Result<Mapping, MappingError> {
        let parts = &self.shared.parts;
        let Some(source_arn) = request.event_source_arn.clone().filter(|arn| !arn.is_empty()) else {
            return Err(MappingError::invalid("Unrecognized event source."));
        };
        let source: Arn = source_arn.parse().map_err(|_| MappingError::invalid("Unrecognized event source."))?;
        let mut kind = validate::source_kind(&source)?;
        let name = request.function_name.as_deref().unwrap_or_default();
        let (key, qualifier) = validate::function(scope, name)?;
        let now = parts.clock.now();
        let starting_position = validate::starting_position(request, kind, now)?;
        let function = self.function(&key, qualifier.as_deref())?;
        if let SourceKind::Queue { fifo } = &mut kind {
            let queue = parts.queues.find(&source).ok_or_else(|| {
                MappingError::invalid(
                    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS \
                     Error Message: The specified queue does not exist for this wsdl version.",
                )
            })?;
            *fifo = queue.fifo;
        }
        let mut settings = validate::defaults(kind, key, qualifier);
        validate::apply(request, kind, &mut settings)?;
        let mapping = Mapping {
            uuid: parts.dice.uuid(),
            scope: scope.clone(),
            kind,
            source_arn,
            starting_position,
            enabled: request.enabled.unwrap_or(true),
            last_modified: now,
            settings,
            tags: request.tags.clone().unwrap_or_default(),
        };
        self.check_visibility(&mapping, &function)?;
        Ok(mapping)
    }

    fn function(&self, key: &FunctionKey, qualifier: Option<&str>) -> Result<FunctionFacts, MappingError> {
        let found = self.shared.parts.functions.find(key, qualifier);
        found.ok_or_else(|| MappingError::invalid("Function does not exist"))
    }

    /// A message must not come back while the function still has it.
    fn check_visibility(&self, mapping: &Mapping, function: &FunctionFacts) -> Result<(), MappingError> {
        let SourceKind::Queue { .. } = mapping.kind else { return Ok(()) };
        let arn = mapping.source_arn.parse::<Arn>();
        let queue = arn.ok().and_then(|arn| self.shared.parts.queues.find(&arn));
        match queue {
            Some(queue) if queue.visibility_secs < function.timeout_secs => Err(MappingError::invalid(format!(
                "Queue visibility timeout: {} seconds is less than Function timeout: {} seconds",
                queue.visibility_secs, function.timeout_secs
            ))),
            _ => Ok(()),
        }
    }

    fn refuse_double(&self, mapping: &Mapping) -> Result<(), MappingError> {
        let all = self.shared.parts.catalog.list::<Mapping>(TABLE, &format!("{}/", mapping.scope))?;
        let arn = mapping.settings.function_arn();
        let same = all.iter().map(|(_, other)| other).find(|other| {
            other.uuid != mapping.uuid && other.source_arn == mapping.source_arn && other.settings.function_arn() == arn
        });
        match same {
            Some(other) => Err(MappingError::ResourceConflict(format!(
                "The event source arn (\" {} \") and function (\" {} \") provided mapping already exists. Please update or \
                 delete the existing mapping with UUID {}",
                other.source_arn, other.settings.function.name, other.uuid
            ))),
            None => Ok(()),
        }
    }

    /// Where a stream's mapping begins; nothing for a queue.
    fn starts(&self, mapping: &Mapping) -> Result<BTreeMap<ShardId, Checkpoint>, MappingError> {
        if mapping.kind != SourceKind::Kinesis {
            return Ok(BTreeMap::new());
        }
        let parts = &self.shared.parts;
        let source: Arn =
            mapping.source_arn.parse().map_err(|_| MappingError::invalid("Unrecognized event source."))?;
        let words = "Received Exception while reading from provided stream.";
        if stream::is_consumer(&source) && !parts.consumers.exists(&source) {
            return Err(MappingError::invalid(format!("{words} Consumer {source} not found.")));
        }
        let stream = stream::key(&source);
        let info = parts.log.stream(&stream).map_err(|error| match error {
            LogError::NoStream(StreamKey { scope, name }) => {
                MappingError::invalid(format!("{words} Stream {name} under account {} not found.", scope.account))
            }
            other => other.into(),
        })?;
        let position = mapping.starting_position.unwrap_or(StartingPosition::TrimHorizon);
        starts(&*parts.log, &info, position)
    }
}

/// What a mapping reads, and from where on, is decided when it is created.
fn refuse_moving(request: &Request, old: &Mapping) -> Result<(), MappingError> {
    let moves = request.event_source_arn.as_ref().is_some_and(|arn| *arn != old.source_arn);
    if moves || request.starting_position.is_some() || request.starting_position_timestamp.is_some() {
        return Err(MappingError::invalid(
            "EventSourceArn, StartingPosition and StartingPositionTimestamp cannot be changed: create another mapping.",
        ));
    }
    Ok(())
}

fn key(scope: &Scope, uuid: &str) -> String {
    format!("{scope}/{uuid}")
}

fn parse(body: Value) -> Result<Request, MappingError> {
    let request: Request = serde_json::from_value(body)
        .map_err(|error| MappingError::invalid(format!("Could not parse request body into json: {error}")))?;
    validate::refuse_others(&request)?;
    Ok(request)
}
