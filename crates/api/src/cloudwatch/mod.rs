//! CloudWatch over [`Metrics`] and [`Dashboards`].

mod dashboards;
mod get_metric_data;
mod get_metric_statistics;
mod list_metrics;
mod put_metric_data;
mod tags;

use crate::http::{Call, Caller, Reply, Service, blocking};
use crate::models::cloudwatch::{Dimension, MODEL, faults};
use crate::wire::{Fault, Model};
use async_trait::async_trait;
use millrace_base::{Clock, Millis};
use millrace_watch::{Dashboards, MetricKey, Metrics, Stat, UnknownStat, math};
use std::sync::Arc;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct CloudWatch {
    metrics: Metrics,
    dashboards: Dashboards,
    clock: Arc<dyn Clock>,
}

impl CloudWatch {
    /// The service over `metrics` and `dashboards`.
    pub fn new(metrics: Metrics, dashboards: Dashboards, clock: Arc<dyn Clock>) -> Self {
        Self { metrics, dashboards, clock }
    }
}

#[async_trait]
impl Service for CloudWatch {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "DeleteDashboards" => blocking(self, call, dashboards::delete).await,
            "GetDashboard" => blocking(self, call, dashboards::get).await,
            "GetMetricData" => blocking(self, call, get_metric_data::call).await,
            "GetMetricStatistics" => blocking(self, call, get_metric_statistics::call).await,
            "ListDashboards" => blocking(self, call, dashboards::list).await,
            "ListMetrics" => blocking(self, call, list_metrics::call).await,
            "ListTagsForResource" => blocking(self, call, tags::list).await,
            "PutDashboard" => blocking(self, call, dashboards::put).await,
            "PutMetricData" => blocking(self, call, put_metric_data::call).await,
            "TagResource" => blocking(self, call, tags::tag).await,
            "UntagResource" => blocking(self, call, tags::untag).await,
            _ => Err(call.unsupported("cloudwatch")),
        }
    }
}

/// A metric of the caller's; dimensions in any order.
fn metric(caller: &Caller, namespace: &str, name: &str, dimensions: Option<&[Dimension]>) -> MetricKey {
    let named = dimensions.unwrap_or_default().iter();
    let named = named.map(|dimension| (&*dimension.name, &*dimension.value));
    MetricKey::new(&caller.scope, namespace, name, named)
}

/// A period in milliseconds.
fn period(seconds: i32) -> Result<Millis, Fault> {
    let period_ms = Millis::from(seconds) * 1000;
    if math::is_period(period_ms) {
        return Ok(period_ms);
    }
    Err(faults::INVALID_PARAMETER_VALUE_EXCEPTION.because(format!(
        "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60 seconds, at most a day, not {seconds}."
    )))
}

/// A statistic by its name.
fn statistic(name: &str) -> Result<Stat, Fault> {
    name.parse().map_err(|unknown: UnknownStat| {
        faults::INVALID_PARAMETER_VALUE_EXCEPTION
            .because(format!("The value {name} for parameter Stat is not supported: {unknown}."))
    })
}

/// The place of a page by its token.
fn place(token: Option<&str>) -> Result<usize, Fault> {
    let wrong = || faults::INVALID_NEXT_TOKEN.because("The next token specified is invalid.");
    token.map_or(Ok(0), |token| token.parse().map_err(|_| wrong()))
}
