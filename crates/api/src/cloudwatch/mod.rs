//! CloudWatch's metrics over [`Metrics`]: single metrics, by minute, of the last three hours.

mod get_metric_data;
mod get_metric_statistics;
mod list_metrics;
mod put_metric_data;

use crate::http::{Call, Caller, Reply, Service, blocking};
use crate::models::cloudwatch::{Dimension, MODEL, faults};
use crate::wire::{Fault, Model};
use async_trait::async_trait;
use millrace_base::{Clock, Millis};
use millrace_watch::{MINUTE_MS, MetricKey, Metrics, Statistics};
use std::sync::Arc;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct CloudWatch {
    metrics: Metrics,
    clock: Arc<dyn Clock>,
}

impl CloudWatch {
    /// The service over `metrics`.
    pub fn new(metrics: Metrics, clock: Arc<dyn Clock>) -> Self {
        Self { metrics, clock }
    }
}

#[async_trait]
impl Service for CloudWatch {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "GetMetricData" => blocking(self, call, get_metric_data::call).await,
            "GetMetricStatistics" => blocking(self, call, get_metric_statistics::call).await,
            "ListMetrics" => blocking(self, call, list_metrics::call).await,
            "PutMetricData" => blocking(self, call, put_metric_data::call).await,
            _ => Err(call.unsupported("cloudwatch")),
        }
    }
}

/// A metric of the caller's; dimensions in any order.
fn metric(caller: &Caller, namespace: &str, name: &str, dimensions: Option<&[Dimension]>) -> MetricKey {
    let named = dimensions.unwrap_or_default().iter();
    let mut dimensions: Vec<_> = named.map(|dimension| ((*dimension.name).into(), (*dimension.value).into())).collect();
    dimensions.sort();
    MetricKey { scope: caller.scope.clone(), namespace: namespace.into(), name: name.into(), dimensions }
}

/// A period in milliseconds: whole minutes.
fn period(seconds: i32) -> Result<Millis, Fault> {
    let period_ms = Millis::from(seconds) * 1000;
    match period_ms % MINUTE_MS {
        0 if period_ms > 0 => Ok(period_ms),
        _ => Err(faults::INVALID_PARAMETER_VALUE_EXCEPTION.because(format!(
            "Period {seconds} is not supported: metrics are kept by minute, so name a multiple of 60."
        ))),
    }
}

/// A statistic by its name.
fn statistic(values: &Statistics, name: &str) -> Result<f64, Fault> {
    match name {
        "SampleCount" => Ok(values.count),
        "Sum" => Ok(values.sum),
        "Average" => Ok(values.sum / values.count),
        "Minimum" => Ok(values.min),
        "Maximum" => Ok(values.max),
        other => Err(faults::INVALID_PARAMETER_VALUE_EXCEPTION.because(format!(
            "Millrace does not support the statistic '{other}' yet: SampleCount, Sum, Average, Minimum and Maximum are."
        ))),
    }
}
