//! CloudWatch over [`Metrics`], [`Alarms`] and [`Dashboards`].

mod alarms;
mod dashboards;
mod get_metric_data;
mod get_metric_statistics;
mod list_metrics;
pub mod prometheus;
mod put_metric_data;
mod tags;

use crate::http::{Call, Caller, Reply, Service, blocking};
use crate::models::cloudwatch::{Dimension, MODEL, faults};
use crate::wire::{Fault, Model, Timestamp};
use async_trait::async_trait;
use millrace_base::{Clock, Millis};
use millrace_watch::alarms::Alarms;
use millrace_watch::{Dashboards, MetricKey, Metrics, Stat, UnknownStat, math};
use std::sync::Arc;

/// A hundred million days, in milliseconds.
const MOMENT_MAX: Millis = 8_640_000_000_000_000;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct CloudWatch {
    metrics: Metrics,
    alarms: Alarms,
    dashboards: Dashboards,
    clock: Arc<dyn Clock>,
}

impl CloudWatch {
    /// The service over `metrics`, `alarms` and `dashboards`.
    pub fn new(metrics: Metrics, alarms: Alarms, dashboards: Dashboards, clock: Arc<dyn Clock>) -> Self {
        Self { metrics, alarms, dashboards, clock }
    }
}

#[async_trait]
impl Service for CloudWatch {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "DeleteAlarmMuteRule" => blocking(self, call, alarms::delete_mute).await,
            "DeleteAlarms" => blocking(self, call, alarms::delete).await,
            "DeleteDashboards" => blocking(self, call, dashboards::delete).await,
            "DescribeAlarmHistory" => blocking(self, call, alarms::history).await,
            "DescribeAlarms" => blocking(self, call, alarms::describe).await,
            "DescribeAlarmsForMetric" => blocking(self, call, alarms::describe_for_metric).await,
            "DisableAlarmActions" => blocking(self, call, alarms::disable_actions).await,
            "EnableAlarmActions" => blocking(self, call, alarms::enable_actions).await,
            "GetAlarmMuteRule" => blocking(self, call, alarms::get_mute).await,
            "GetDashboard" => blocking(self, call, dashboards::get).await,
            "GetMetricData" => blocking(self, call, get_metric_data::call).await,
            "GetMetricStatistics" => blocking(self, call, get_metric_statistics::call).await,
            "ListAlarmMuteRules" => blocking(self, call, alarms::list_mutes).await,
            "ListDashboards" => blocking(self, call, dashboards::list).await,
            "ListMetrics" => blocking(self, call, list_metrics::call).await,
            "ListTagsForResource" => blocking(self, call, tags::list).await,
            "PutAlarmMuteRule" => blocking(self, call, alarms::put_mute).await,
            "PutCompositeAlarm" => blocking(self, call, alarms::put_composite_alarm).await,
            "PutDashboard" => blocking(self, call, dashboards::put).await,
            "PutMetricAlarm" => blocking(self, call, alarms::put_metric_alarm).await,
            "PutMetricData" => blocking(self, call, put_metric_data::call).await,
            "SetAlarmState" => blocking(self, call, alarms::set_state).await,
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

/// A time of a request; one that no calendar has is the last that one has.
fn moment(time: Timestamp) -> Millis {
    time.0.clamp(-MOMENT_MAX, MOMENT_MAX)
}

/// The place of a page by its token.
fn place(token: Option<&str>) -> Result<usize, Fault> {
    let wrong = || faults::INVALID_NEXT_TOKEN.because("The next token specified is invalid.");
    token.map_or(Ok(0), |token| token.parse().map_err(|_| wrong()))
}
