//! Snapshots: made, listed, described, deleted.

use super::{Analytics, AnalyticsError, ApplicationSnapshot};
use crate::http::Caller;
use crate::models::kinesisanalyticsv2::{
    CreateApplicationSnapshotRequest, CreateApplicationSnapshotResponse, DeleteApplicationSnapshotRequest,
    DeleteApplicationSnapshotResponse, DescribeApplicationSnapshotRequest, DescribeApplicationSnapshotResponse,
    ListApplicationSnapshotsRequest, ListApplicationSnapshotsResponse, SnapshotDetails,
};
use crate::wire::{Fault, Timestamp};
use millrace_base::Scope;

/// What lists give when no limit is asked for.
const LISTED: usize = 50;

pub fn create(
    analytics: &Analytics,
    caller: &Caller,
    input: CreateApplicationSnapshotRequest,
) -> Result<CreateApplicationSnapshotResponse, Fault> {
    analytics.room.create_snapshot(&caller.scope, &input.application_name, &input.snapshot_name)?;
    Ok(CreateApplicationSnapshotResponse {})
}

pub fn delete(
    analytics: &Analytics,
    caller: &Caller,
    input: DeleteApplicationSnapshotRequest,
) -> Result<DeleteApplicationSnapshotResponse, Fault> {
    let (application, name) = (input.application_name.as_str(), input.snapshot_name.as_str());
    let found = find(analytics, &caller.scope, application, name)?;
    // Whole seconds are what clients get to see.
    if found.created / 1000 != input.snapshot_creation_timestamp.0 / 1000 {
        return Err(AnalyticsError::InvalidArgument(format!(
            "SnapshotCreationTimestamp is not that of snapshot {name}: DescribeApplicationSnapshot tells it."
        ))
        .into());
    }
    analytics.room.delete_snapshot(&caller.scope, application, name)?;
    Ok(DeleteApplicationSnapshotResponse {})
}

pub fn describe(
    analytics: &Analytics,
    caller: &Caller,
    input: DescribeApplicationSnapshotRequest,
) -> Result<DescribeApplicationSnapshotResponse, Fault> {
    let found = find(analytics, &caller.scope, &input.application_name, &input.snapshot_name)?;
    Ok(DescribeApplicationSnapshotResponse { snapshot_details: details(&found) })
}

pub fn list(
    analytics: &Analytics,
    caller: &Caller,
    input: ListApplicationSnapshotsRequest,
) -> Result<ListApplicationSnapshotsResponse, Fault> {
    let all = analytics.room.snapshots(&caller.scope, &input.application_name)?;
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LISTED);
    let after = input.next_token.as_ref().map(|token| token.as_str());
    let start = after.and_then(|after| all.iter().position(|one| one.name == after).map(|at| at + 1)).unwrap_or(0);
    let page = all.get(start..).unwrap_or_default();
    let next = page.get(limit).and_then(|_| page.get(limit.saturating_sub(1))).map(|last| last.name.as_str().into());
    let summaries = page.iter().take(limit).map(details).collect();
    Ok(ListApplicationSnapshotsResponse { snapshot_summaries: Some(summaries), next_token: next })
}

fn find(analytics: &Analytics, scope: &Scope, application: &str, name: &str) -> Result<ApplicationSnapshot, Fault> {
    let all = analytics.room.snapshots(scope, application)?;
    let known = all.iter().map(|one| one.name.as_str()).take(10).collect::<Vec<_>>().join(", ");
    all.iter().find(|one| one.name == name).cloned().ok_or_else(|| {
        let known = if known.is_empty() { "none".to_owned() } else { known };
        let message = format!("Snapshot {name} of application {application} does not exist; there are: {known}.");
        AnalyticsError::NotFound(message).into()
    })
}

fn details(snapshot: &ApplicationSnapshot) -> SnapshotDetails {
    SnapshotDetails {
        snapshot_name: snapshot.name.as_str().into(),
        snapshot_status: "READY".into(),
        application_version_id: snapshot.version as i64,
        snapshot_creation_timestamp: Some(Timestamp(snapshot.created)),
        runtime_environment: Some(snapshot.runtime_environment.as_str().into()),
    }
}
