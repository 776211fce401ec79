//! What the door of Firehose tells whoever counts or follows direct puts: one event a request, after it was answered.

use crate::http::Correlation;
use millrace_base::Scope;
use millrace_deliver::DirectPuts;

/// Is told what went through the door. Called on the request's own thread: it must be quick and never wait.
pub trait FirehoseObserver: Send + Sync + 'static {
    /// Records of a PutRecord or PutRecordBatch are durable.
    fn put(&self, put: &DirectPut<'_>);
}

/// Records that were put directly.
#[derive(Debug)]
pub struct DirectPut<'a> {
    /// Whose delivery stream.
    pub scope: &'a Scope,
    /// Its name.
    pub name: &'a str,
    /// True for PutRecordBatch.
    pub is_batch: bool,
    /// Their data.
    pub bytes: usize,
    /// Where they were written.
    pub puts: &'a DirectPuts,
    /// From the request to its answer.
    pub took_ms: f64,
    /// The trace that the request belongs to.
    pub correlation: Correlation,
}

/// Watches nothing.
pub struct Unobserved;

impl FirehoseObserver for Unobserved {
    fn put(&self, _: &DirectPut<'_>) {}
}
