//! Amazon Data Firehose over [`Deliveries`].
//!
//! Definitions are read and checked by the generated shapes, then handed on in the same words: delivery has its own types
//! for what it does with them.

mod create_delivery_stream;
mod delete_delivery_stream;
mod describe_delivery_stream;
mod list_delivery_streams;
mod observer;
mod put_record;
mod put_record_batch;
mod update_destination;

use crate::http::{Call, Reply, Service, Stopwatch};
use crate::models::firehose::MODEL;
use crate::wire::{Fault, Format, Model, Shape, kinds};
use async_trait::async_trait;
use bytes::Bytes;
use millrace_deliver::{DeliverError, Deliveries, DirectPuts};
use serde_json::Value;
use std::sync::Arc;

pub use observer::{DirectPut, FirehoseObserver, Unobserved};

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Firehose {
    deliveries: Deliveries,
    observer: Arc<dyn FirehoseObserver>,
}

impl Firehose {
    /// The service over `deliveries`.
    pub fn new(deliveries: Deliveries) -> Self {
        Self { deliveries, observer: Arc::new(Unobserved) }
    }

    /// Tells `observer` what is put.
    pub fn observed(self, observer: Arc<dyn FirehoseObserver>) -> Self {
        Self { observer, ..self }
    }

    /// Puts the records of a request.
    async fn put(&self, call: &Call, name: &str, records: Vec<Bytes>, is_batch: bool) -> Result<DirectPuts, Fault> {
        let (watch, scope) = (Stopwatch::start(), &call.caller.scope);
        let bytes = records.iter().map(Bytes::len).sum();
        let puts = self.deliveries.put_record_batch(scope, name, records).await?;
        let (took_ms, correlation) = (watch.ms(), call.correlation);
        self.observer.put(&DirectPut { scope, name, is_batch, bytes, puts: &puts, took_ms, correlation });
        Ok(puts)
    }
}

#[async_trait]
impl Service for Firehose {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "PutRecord" => put_record::call(self, call).await,
            "PutRecordBatch" => put_record_batch::call(self, call).await,
            "CreateDeliveryStream" => create_delivery_stream::call(self, call).await,
            "DescribeDeliveryStream" => describe_delivery_stream::call(self, call).await,
            "ListDeliveryStreams" => list_delivery_streams::call(self, call).await,
            "DeleteDeliveryStream" => delete_delivery_stream::call(self, call).await,
            "UpdateDestination" => update_destination::call(self, call).await,
            other => Err(kinds::UNSUPPORTED.because(format!(
                "Millrace does not support {other} of Firehose yet: docs/compat/firehose.md lists what it does."
            ))),
        }
    }
}

/// An input in delivery's words, which are AWS's.
fn body<T: Shape>(input: &T) -> Result<Value, Fault> {
    let json = Format::Json.encode(input);
    serde_json::from_slice(&json).map_err(|error| kinds::INTERNAL_FAILURE.because(error.to_string()))
}

impl From<DeliverError> for Fault {
    fn from(error: DeliverError) -> Self {
        let kind = match &error {
            DeliverError::InvalidArgument(_) | DeliverError::Table(_) => kinds::INVALID_ARGUMENT,
            DeliverError::Denied(_) => kinds::ACCESS_DENIED,
            DeliverError::NotFound(_) => kinds::RESOURCE_NOT_FOUND,
            DeliverError::InUse(_) => kinds::RESOURCE_IN_USE,
            DeliverError::ConcurrentModification(_) => kinds::CONCURRENT_MODIFICATION,
            DeliverError::Unsupported { .. } => kinds::UNSUPPORTED,
            DeliverError::Store(_) | DeliverError::Log(_) | DeliverError::Catalog(_) => kinds::SERVICE_UNAVAILABLE,
        };
        kind.because(error.to_string())
    }
}
