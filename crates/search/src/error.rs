//! What can go wrong, in OpenSearch's own words: a status, an exception's name, a reason.

use millrace_base::Remedy;
use serde_json::{Value, json};

/// A failure as OpenSearch would report it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{kind}: {reason}")]
pub struct Error {
    /// The HTTP status.
    pub status: u16,
    /// OpenSearch's name of it, for example `index_not_found_exception`.
    pub kind: &'static str,
    /// For a person: the thing, the place, the cure.
    pub reason: String,
    /// The index it concerns.
    pub index: Option<String>,
}

impl Error {
    fn new(status: u16, kind: &'static str, reason: impl Into<String>) -> Self {
        Self { status, kind, reason: reason.into(), index: None }
    }

    /// The request's body is not what the API takes.
    pub fn parsing(reason: impl Into<String>) -> Self {
        Self::new(400, "parsing_exception", reason)
    }

    /// Too much is on its way into the index at once: send it again a little later.
    pub fn rejected(under_way: usize, bytes: usize, bytes_max: usize) -> Self {
        let reason = format!(
            "rejected execution of coordinating operation [coordinating_and_primary_bytes={under_way}, \
             coordinating_operation_bytes={bytes}, max_coordinating_and_primary_bytes={bytes_max}]"
        );
        Self::new(429, "rejected_execution_exception", reason)
    }

    /// An argument has a wrong value.
    pub fn illegal_argument(reason: impl Into<String>) -> Self {
        Self::new(400, "illegal_argument_exception", reason)
    }

    /// OpenSearch does it, Millrace does not yet.
    pub fn not_supported(what: impl std::fmt::Display) -> Self {
        Self::illegal_argument(format!("{what} is not supported by Millrace yet; see docs/compat/opensearch.md"))
    }

    /// A document or a mapping does not fit.
    pub fn mapper_parsing(reason: impl Into<String>) -> Self {
        Self::new(400, "mapper_parsing_exception", reason)
    }

    /// A document has a field that a strict mapping does not know.
    pub fn strict_dynamic(path: &str) -> Self {
        let reason = format!("mapping set to strict, dynamic introduction of [{path}] within [_doc] is not allowed");
        Self::new(400, "strict_dynamic_mapping_exception", reason)
    }

    /// A query cannot be run on this index.
    pub fn query_shard(reason: impl Into<String>) -> Self {
        Self::new(400, "query_shard_exception", reason)
    }

    /// A request lacks something.
    pub fn validation(reason: impl Into<String>) -> Self {
        Self::new(400, "action_request_validation_exception", format!("Validation Failed: 1: {};", reason.into()))
    }

    /// There is no such index.
    pub fn index_not_found(name: &str) -> Self {
        Self::new(404, "index_not_found_exception", format!("no such index [{name}]")).at(name)
    }

    /// The index is there already.
    pub fn index_exists(name: &str, uuid: &str) -> Self {
        let reason = format!("index [{name}/{uuid}] already exists");
        Self::new(400, "resource_already_exists_exception", reason).at(name)
    }

    /// There is no such index template.
    pub fn template_missing(name: &str) -> Self {
        Self::new(404, "resource_not_found_exception", format!("index template matching [{name}] not found"))
    }

    /// There is no such lifecycle policy.
    pub fn policy_missing(id: &str) -> Self {
        Self::new(404, "status_exception", format!("Policy not found: {id}"))
    }

    /// A name that no index can have.
    pub fn invalid_index_name(name: &str, why: &str) -> Self {
        Self::new(400, "invalid_index_name_exception", format!("Invalid index name [{name}], {why}")).at(name)
    }

    /// An alias that an index is called.
    pub fn invalid_alias_name(name: &str) -> Self {
        let reason = format!("Invalid alias name [{name}]: an index exists with the same name as the alias");
        Self::new(400, "invalid_alias_name_exception", reason).at(name)
    }

    /// There is no such alias.
    pub fn aliases_not_found(name: &str) -> Self {
        Self::new(404, "aliases_not_found_exception", format!("aliases [{name}] missing"))
    }

    /// The document is not there (of an update).
    pub fn document_missing(index: &str, id: &str) -> Self {
        Self::new(404, "document_missing_exception", format!("[{id}]: document missing")).at(index)
    }

    /// Somebody else wrote the document first.
    pub fn version_conflict(index: &str, id: &str, why: &str) -> Self {
        Self::new(409, "version_conflict_engine_exception", format!("[{id}]: version conflict, {why}")).at(index)
    }

    /// Disk or index failed; nothing more was acknowledged.
    pub fn storage(index: &str, reason: impl Into<String>) -> Self {
        Self::new(500, "engine_exception", reason).at(index)
    }

    /// Too many aggregation buckets.
    pub fn too_many_buckets(max: usize) -> Self {
        let reason = format!("Trying to create too many buckets. Must be less than or equal to: [{max}].");
        Self::new(503, "too_many_buckets_exception", reason)
    }

    /// No door of this name or method.
    pub fn no_handler(method: &str, path: &str) -> Self {
        let reason = format!(
            "no handler found for uri [{path}] and method [{method}]: Millrace does not support it yet; see docs/compat/opensearch.md"
        );
        Self::new(400, "illegal_argument_exception", reason)
    }

    /// The same failure, with the index that it concerns.
    pub fn at(mut self, index: &str) -> Self {
        self.index = Some(index.to_owned());
        self
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self.status {
            503 => Remedy::Retry,
            500.. => Remedy::Report,
            _ if matches!(self.kind, "mapper_parsing_exception" | "strict_dynamic_mapping_exception") => {
                Remedy::FixData
            }
            _ => Remedy::FixRequest,
        }
    }

    /// The cause alone: `{"type":…,"reason":…}`, as in an item of a bulk response.
    pub fn cause(&self) -> Value {
        let mut cause = json!({"type": self.kind, "reason": self.reason});
        if let Some(index) = &self.index {
            cause["index"] = json!(index);
            if self.status == 404 && self.kind == "index_not_found_exception" {
                cause["resource.id"] = json!(index);
                cause["resource.type"] = json!("index_or_alias");
                cause["index_uuid"] = json!("_na_");
            }
        }
        cause
    }

    /// The whole body of an error response.
    pub fn body(&self) -> Value {
        let mut error = self.cause();
        error["root_cause"] = json!([self.cause()]);
        json!({"error": error, "status": self.status})
    }
}

impl From<tantivy::TantivyError> for Error {
    fn from(error: tantivy::TantivyError) -> Self {
        Self::new(500, "engine_exception", format!("the index engine failed: {error}"))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(500, "engine_exception", format!("the disk failed: {error}"))
    }
}
