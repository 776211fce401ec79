//! Dashboards: PutDashboard, GetDashboard, ListDashboards, DeleteDashboards.

use super::{CloudWatch, place};
use crate::http::Caller;
use crate::models::cloudwatch::{
    DashboardEntry, DashboardValidationMessage, DeleteDashboardsInput, DeleteDashboardsOutput, GetDashboardInput,
    GetDashboardOutput, ListDashboardsInput, ListDashboardsOutput, PutDashboardInput, PutDashboardOutput, Tag, faults,
};
use crate::wire::{Fault, Text, Timestamp};
use millrace_watch::{DashboardError, Dashboards};
use std::collections::BTreeMap;

/// AWS's page.
const PAGE: usize = 1000;

pub fn put(service: &CloudWatch, caller: &Caller, input: PutDashboardInput) -> Result<PutDashboardOutput, Fault> {
    let tags = input.tags.map(|tags| map(&tags));
    let noticed = service.dashboards.put(&caller.scope, &input.dashboard_name, &input.dashboard_body, tags)?;
    let message = |finding: millrace_watch::Finding| DashboardValidationMessage {
        data_path: Some(finding.path.into()),
        message: Some(finding.message.into()),
    };
    Ok(PutDashboardOutput { dashboard_validation_messages: Some(noticed.into_iter().map(message).collect()) })
}

pub fn get(service: &CloudWatch, caller: &Caller, input: GetDashboardInput) -> Result<GetDashboardOutput, Fault> {
    let dashboard = service.dashboards.get(&caller.scope, &input.dashboard_name)?;
    Ok(GetDashboardOutput {
        dashboard_arn: Some(Dashboards::arn(&caller.scope, &dashboard.name).to_string().into()),
        dashboard_body: Some(dashboard.body.into()),
        dashboard_name: Some(dashboard.name.into()),
    })
}

pub fn list(service: &CloudWatch, caller: &Caller, input: ListDashboardsInput) -> Result<ListDashboardsOutput, Fault> {
    let first = place(input.next_token.as_deref())?;
    let all = service.dashboards.list(&caller.scope, input.dashboard_name_prefix.as_deref().unwrap_or_default())?;
    let next_token = (all.len() > first + PAGE).then(|| Text::from((first + PAGE).to_string()));
    let entry = |dashboard: millrace_watch::Dashboard| DashboardEntry {
        dashboard_arn: Some(Dashboards::arn(&caller.scope, &dashboard.name).to_string().into()),
        last_modified: Some(Timestamp(dashboard.modified)),
        size: Some(dashboard.body.len() as i64),
        dashboard_name: Some(dashboard.name.into()),
    };
    let entries = all.into_iter().skip(first).take(PAGE).map(entry).collect();
    Ok(ListDashboardsOutput { dashboard_entries: Some(entries), next_token })
}

pub fn delete(
    service: &CloudWatch,
    caller: &Caller,
    input: DeleteDashboardsInput,
) -> Result<DeleteDashboardsOutput, Fault> {
    service.dashboards.delete(&caller.scope, input.dashboard_names.iter().map(|name| &**name))?;
    Ok(DeleteDashboardsOutput {})
}

/// Tags as they are kept.
pub fn map(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().map(|tag| (tag.key.to_string(), tag.value.to_string())).collect()
}

impl From<DashboardError> for Fault {
    fn from(error: DashboardError) -> Self {
        let kind = match &error {
            DashboardError::Name(_) => faults::INVALID_PARAMETER_VALUE_EXCEPTION,
            DashboardError::Body(_) => faults::DASHBOARD_INVALID_INPUT_ERROR,
            DashboardError::Absent(_) => faults::DASHBOARD_NOT_FOUND_ERROR,
            DashboardError::Catalog(_) => faults::INTERNAL_SERVICE_FAULT,
        };
        kind.because(error.to_string())
    }
}
