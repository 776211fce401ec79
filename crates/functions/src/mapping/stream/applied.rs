//! A mapping's settings, compiled for its workers.

use crate::mapping::MappingError;
use crate::mapping::definition::{Mapping, Settings};
use crate::mapping::filter::Filters;
use millrace_base::{Arn, Millis, Scope};

/// The tag of a mapping that says how its function gets records of the schema registry: `JSON`, or `SOURCE` as they are.
/// The words are those of `SchemaRegistryConfig`, which AWS has for Kafka alone.
const RECORD_FORMAT: &str = "millrace:event-record-format";

/// What a worker works by until it is told otherwise.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) uuid: String,
    pub(crate) scope: Scope,
    pub(crate) arn: Arn,
    pub(crate) source_arn: String,
    pub(crate) region: String,
    pub(crate) settings: Settings,
    pub(crate) function_arn: String,
    pub(crate) filters: Filters,
    pub(crate) on_failure: Option<Arn>,
    /// Records that name their schema become JSON.
    pub(crate) decodes: bool,
}

impl Applied {
    pub(crate) fn of(mapping: &Mapping) -> Result<Self, MappingError> {
        let settings = mapping.settings.clone();
        let on_failure = settings.on_failure.as_deref().map(str::parse).transpose();
        Ok(Self {
            uuid: mapping.uuid.clone(),
            scope: mapping.scope.clone(),
            decodes: decodes(mapping)?,
            arn: mapping.arn(),
            source_arn: mapping.source_arn.clone(),
            region: mapping.scope.region.to_string(),
            function_arn: settings.function_arn(),
            filters: settings.filter_criteria.as_ref().map(Filters::parse).transpose()?.unwrap_or_default(),
            on_failure: on_failure
                .map_err(|error: millrace_base::ArnError| MappingError::invalid(error.to_string()))?,
            settings,
        })
    }

    /// How long records are gathered.
    pub(crate) fn batching_ms(&self) -> Millis {
        Millis::from(self.settings.batching_window_secs) * 1000
    }

    /// How long a tumbling window is; 0 without windows.
    pub(crate) fn tumbling_ms(&self) -> Millis {
        Millis::from(self.settings.tumbling_window_secs) * 1000
    }
}

fn decodes(mapping: &Mapping) -> Result<bool, MappingError> {
    match mapping.tags.get(RECORD_FORMAT).map(String::as_str) {
        None | Some("SOURCE") => Ok(false),
        Some("JSON") => Ok(true),
        Some(other) => {
            Err(MappingError::invalid(format!("The tag {RECORD_FORMAT} cannot be '{other}': it is JSON or SOURCE.")))
        }
    }
}
