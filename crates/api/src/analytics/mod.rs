//! Amazon Managed Service for Apache Flink (`KinesisAnalyticsV2`) over an [`AnalyticsRoom`]: applications, and their snapshots.
//!
//! | status | means |
//! | --- | --- |
//! | `READY` | it does not run; `StartApplication` runs it |
//! | `RUNNING` | its jobs run, or try again after a failure |

mod applications;
mod port;
mod snapshots;

pub use applications::check_mode as check_application_mode;
pub use port::{AnalyticsError, AnalyticsRoom, ApplicationDefinition, ApplicationSnapshot, ApplicationState, Restore};

use crate::http::{Call, Reply, Service, blocking};
use crate::models::kinesisanalyticsv2::{MODEL, faults};
use crate::wire::{Fault, Model, kinds};
use async_trait::async_trait;
use std::sync::Arc;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Analytics {
    room: Arc<dyn AnalyticsRoom>,
}

impl Analytics {
    /// The service over `room`.
    pub fn new(room: Arc<dyn AnalyticsRoom>) -> Self {
        Self { room }
    }
}

#[async_trait]
impl Service for Analytics {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "CreateApplication" => blocking(self, call, applications::create).await,
            "CreateApplicationSnapshot" => blocking(self, call, snapshots::create).await,
            "DeleteApplication" => blocking(self, call, applications::delete).await,
            "DeleteApplicationSnapshot" => blocking(self, call, snapshots::delete).await,
            "DescribeApplication" => blocking(self, call, applications::describe).await,
            "DescribeApplicationSnapshot" => blocking(self, call, snapshots::describe).await,
            "ListApplicationSnapshots" => blocking(self, call, snapshots::list).await,
            "ListApplications" => blocking(self, call, applications::list).await,
            "StartApplication" => blocking(self, call, applications::start).await,
            "StopApplication" => blocking(self, call, applications::stop).await,
            _ => Err(call.unsupported("process")),
        }
    }
}

impl From<AnalyticsError> for Fault {
    fn from(error: AnalyticsError) -> Self {
        let kind = match &error {
            AnalyticsError::NotFound(_) => faults::RESOURCE_NOT_FOUND_EXCEPTION,
            AnalyticsError::InUse(_) => faults::RESOURCE_IN_USE_EXCEPTION,
            AnalyticsError::InvalidArgument(_) => faults::INVALID_ARGUMENT_EXCEPTION,
            AnalyticsError::InvalidRequest(_) => faults::INVALID_REQUEST_EXCEPTION,
            AnalyticsError::Code(_) => faults::CODE_VALIDATION_EXCEPTION,
            AnalyticsError::Failed(_) => kinds::INTERNAL_FAILURE,
        };
        kind.because(error.to_string())
    }
}
