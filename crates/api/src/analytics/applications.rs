//! Applications: made, described, listed, started, stopped, deleted.

use super::{Analytics, AnalyticsError, ApplicationDefinition, ApplicationState, Restore};
use crate::http::Caller;
use crate::models::kinesisanalyticsv2::{
    ApplicationCodeConfigurationDescription, ApplicationConfiguration, ApplicationConfigurationDescription,
    ApplicationDetail, ApplicationRestoreConfiguration, ApplicationSnapshotConfigurationDescription,
    ApplicationSummary, CheckpointConfigurationDescription, CodeContentDescription, CreateApplicationRequest,
    CreateApplicationResponse, DeleteApplicationRequest, DeleteApplicationResponse, DescribeApplicationRequest,
    DescribeApplicationResponse, FlinkApplicationConfigurationDescription, ListApplicationsRequest,
    ListApplicationsResponse, ParallelismConfigurationDescription, RunConfigurationDescription,
    StartApplicationRequest, StartApplicationResponse, StopApplicationRequest, StopApplicationResponse,
};
use crate::wire::{Fault, Text, Timestamp};
use millrace_base::Scope;

/// What lists give when no limit is asked for.
const LISTED: usize = 50;
/// Flink's own, where nothing else is said.
const CHECKPOINT_INTERVAL_MS: i64 = 60_000;

fn wrong(message: impl Into<String>) -> AnalyticsError {
    AnalyticsError::InvalidArgument(message.into())
}

/// `INTERACTIVE` for the runtimes of Studio notebooks, on which AWS runs Flink SQL, and `STREAMING` for all others.
fn mode(runtime_environment: &str) -> &'static str {
    if runtime_environment.starts_with("ZEPPELIN-") { "INTERACTIVE" } else { "STREAMING" }
}

/// Says what is wrong with an application's mode, if one is given: its runtime has another.
pub fn check_mode(runtime_environment: &str, given: Option<&str>) -> Result<(), String> {
    let mode = mode(runtime_environment);
    match given {
        Some(given) if given != mode => Err(format!(
            "ApplicationMode {given} does not go with RuntimeEnvironment {runtime_environment}: give {mode}, or another \
             runtime (INTERACTIVE goes with ZEPPELIN-FLINK-3_0, STREAMING with those of Flink)."
        )),
        _ => Ok(()),
    }
}

pub fn create(
    analytics: &Analytics,
    caller: &Caller,
    input: CreateApplicationRequest,
) -> Result<CreateApplicationResponse, Fault> {
    check_mode(&input.runtime_environment, input.application_mode.as_ref().map(Text::as_str)).map_err(wrong)?;
    let mut definition = ApplicationDefinition {
        name: input.application_name.to_string(),
        sql: String::new(),
        description: input.application_description.as_ref().map(Text::to_string),
        runtime_environment: input.runtime_environment.to_string(),
        service_execution_role: input.service_execution_role.to_string(),
        parallelism: None,
        checkpoint_interval_ms: None,
    };
    configure(&mut definition, input.application_configuration)?;
    let created = analytics.room.create(&caller.scope, definition)?;
    Ok(CreateApplicationResponse { application_detail: detail(&caller.scope, &created) })
}

fn configure(
    definition: &mut ApplicationDefinition,
    configuration: Option<ApplicationConfiguration>,
) -> Result<(), AnalyticsError> {
    let configuration = configuration.unwrap_or_default();
    let text =
        configuration.application_code_configuration.filter(|code| code.code_content_type.as_str() == "PLAINTEXT");
    let text = text.and_then(|code| code.code_content).and_then(|content| content.text_content);
    definition.sql = text.map(|text| text.to_string()).ok_or_else(|| {
        wrong(
            "Millrace runs Flink SQL: give it as ApplicationCodeConfiguration.CodeContent.TextContent with CodeContentType \
             PLAINTEXT (packaged jobs are not supported yet).",
        )
    })?;
    if configuration.application_snapshot_configuration.is_some_and(|snapshots| !snapshots.snapshots_enabled) {
        return Err(wrong("SnapshotsEnabled false is not supported by Millrace yet: snapshots can always be taken."));
    }
    let flink = configuration.flink_application_configuration.unwrap_or_default();
    if let Some(checkpoints) = flink.checkpoint_configuration {
        if checkpoints.checkpointing_enabled == Some(false) {
            return Err(wrong("CheckpointingEnabled false is not supported by Millrace yet."));
        }
        let custom = checkpoints.configuration_type.as_str() == "CUSTOM";
        let interval = checkpoints.checkpoint_interval.filter(|_| custom);
        definition.checkpoint_interval_ms = interval.and_then(|interval| u64::try_from(interval).ok());
    }
    if let Some(parallelism) = flink.parallelism_configuration {
        if parallelism.auto_scaling_enabled == Some(true) {
            return Err(wrong("AutoScalingEnabled true is not supported by Millrace yet."));
        }
        let custom = parallelism.configuration_type.as_str() == "CUSTOM";
        let count = parallelism.parallelism.filter(|_| custom);
        definition.parallelism = count.and_then(|count| u32::try_from(count).ok());
    }
    Ok(())
}

pub fn delete(
    analytics: &Analytics,
    caller: &Caller,
    input: DeleteApplicationRequest,
) -> Result<DeleteApplicationResponse, Fault> {
    let found = analytics.room.describe(&caller.scope, &input.application_name)?;
    if found.created / 1000 != input.create_timestamp.0 / 1000 {
        let message = "CreateTimestamp is not that of the application: DescribeApplication tells it.";
        return Err(wrong(message).into());
    }
    analytics.room.delete(&caller.scope, &input.application_name)?;
    Ok(DeleteApplicationResponse {})
}

pub fn describe(
    analytics: &Analytics,
    caller: &Caller,
    input: DescribeApplicationRequest,
) -> Result<DescribeApplicationResponse, Fault> {
    if input.include_additional_details == Some(true) {
        return Err(
            wrong("IncludeAdditionalDetails is not supported by Millrace yet: EXPLAIN shows a job's plan.").into()
        );
    }
    let found = analytics.room.describe(&caller.scope, &input.application_name)?;
    Ok(DescribeApplicationResponse { application_detail: detail(&caller.scope, &found) })
}

pub fn list(
    analytics: &Analytics,
    caller: &Caller,
    input: ListApplicationsRequest,
) -> Result<ListApplicationsResponse, Fault> {
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LISTED);
    let after = input.next_token.as_ref().map_or("", Text::as_str);
    let mut rest = analytics.room.list(&caller.scope)?.into_iter().filter(|one| one.definition.name.as_str() > after);
    let page: Vec<ApplicationState> = rest.by_ref().take(limit).collect();
    let next_token = rest.next().and_then(|_| page.last()).map(|last| last.definition.name.as_str().into());
    let application_summaries = page.iter().map(|one| summary(&caller.scope, one)).collect();
    Ok(ListApplicationsResponse { application_summaries, next_token })
}

pub fn start(
    analytics: &Analytics,
    caller: &Caller,
    input: StartApplicationRequest,
) -> Result<StartApplicationResponse, Fault> {
    let run = input.run_configuration.unwrap_or_default();
    if run.flink_run_configuration.is_some_and(|flink| flink.allow_non_restored_state == Some(true)) {
        let message = "AllowNonRestoredState is not supported by Millrace yet: state is restored by the query that it was taken of.";
        return Err(wrong(message).into());
    }
    let from = match run.application_restore_configuration {
        None => Restore::Latest,
        Some(restore) => restored_from(&restore)?,
    };
    analytics.room.start(&caller.scope, &input.application_name, from)?;
    Ok(StartApplicationResponse { operation_id: None })
}

fn restored_from(restore: &ApplicationRestoreConfiguration) -> Result<Restore, AnalyticsError> {
    match (restore.application_restore_type.as_str(), &restore.snapshot_name) {
        ("SKIP_RESTORE_FROM_SNAPSHOT", None) => Ok(Restore::Skip),
        ("RESTORE_FROM_LATEST_SNAPSHOT", None) => Ok(Restore::Latest),
        ("RESTORE_FROM_CUSTOM_SNAPSHOT", Some(name)) => Ok(Restore::Snapshot(name.to_string())),
        (kind, None) => Err(wrong(format!("{kind} needs a SnapshotName."))),
        (kind, Some(_)) => Err(wrong(format!("SnapshotName goes with RESTORE_FROM_CUSTOM_SNAPSHOT, not with {kind}."))),
    }
}

pub fn stop(
    analytics: &Analytics,
    caller: &Caller,
    input: StopApplicationRequest,
) -> Result<StopApplicationResponse, Fault> {
    if input.force == Some(true) {
        let message = "Force is not supported by Millrace yet: a job that fails ends without a last checkpoint anyway.";
        return Err(wrong(message).into());
    }
    analytics.room.stop(&caller.scope, &input.application_name)?;
    Ok(StopApplicationResponse { operation_id: None })
}

fn arn(scope: &Scope, state: &ApplicationState) -> Text {
    scope.arn("kinesisanalytics", &format!("application/{}", state.definition.name)).to_string().into()
}

fn status(state: &ApplicationState) -> Text {
    if state.running { "RUNNING".into() } else { "READY".into() }
}

fn summary(scope: &Scope, state: &ApplicationState) -> ApplicationSummary {
    ApplicationSummary {
        application_name: state.definition.name.as_str().into(),
        application_arn: arn(scope, state),
        application_status: status(state),
        application_version_id: state.version as i64,
        runtime_environment: state.definition.runtime_environment.as_str().into(),
        application_mode: Some(mode(&state.definition.runtime_environment).into()),
    }
}

fn detail(scope: &Scope, state: &ApplicationState) -> ApplicationDetail {
    let definition = &state.definition;
    let text = |text: &str| Text::from(text);
    ApplicationDetail {
        application_arn: arn(scope, state),
        application_description: definition.description.as_deref().map(text),
        application_name: text(&definition.name),
        runtime_environment: text(&definition.runtime_environment),
        service_execution_role: Some(text(&definition.service_execution_role)),
        application_status: status(state),
        application_version_id: state.version as i64,
        create_timestamp: Some(Timestamp(state.created)),
        last_update_timestamp: Some(Timestamp(state.updated)),
        application_configuration_description: Some(configuration(state)),
        application_mode: Some(mode(&definition.runtime_environment).into()),
    }
}

fn configuration(state: &ApplicationState) -> ApplicationConfigurationDescription {
    let definition = &state.definition;
    let kind = |is_custom: bool| Text::from(if is_custom { "CUSTOM" } else { "DEFAULT" });
    let interval = definition.checkpoint_interval_ms.map_or(CHECKPOINT_INTERVAL_MS, |interval| interval as i64);
    let parallelism = definition.parallelism.map_or(1, |count| count as i32);
    let (restore_type, snapshot) = match &state.restored {
        Restore::Latest => ("RESTORE_FROM_LATEST_SNAPSHOT", None),
        Restore::Skip => ("SKIP_RESTORE_FROM_SNAPSHOT", None),
        Restore::Snapshot(name) => ("RESTORE_FROM_CUSTOM_SNAPSHOT", Some(name.as_str().into())),
    };
    ApplicationConfigurationDescription {
        application_code_configuration_description: Some(ApplicationCodeConfigurationDescription {
            code_content_type: "PLAINTEXT".into(),
            code_content_description: Some(CodeContentDescription {
                text_content: Some(definition.sql.as_str().into()),
                code_size: Some(definition.sql.len() as i64),
                ..CodeContentDescription::default()
            }),
        }),
        run_configuration_description: Some(RunConfigurationDescription {
            application_restore_configuration_description: Some(ApplicationRestoreConfiguration {
                application_restore_type: restore_type.into(),
                snapshot_name: snapshot,
                snapshot_arn: None,
            }),
            ..RunConfigurationDescription::default()
        }),
        flink_application_configuration_description: Some(FlinkApplicationConfigurationDescription {
            checkpoint_configuration_description: Some(CheckpointConfigurationDescription {
                configuration_type: Some(kind(definition.checkpoint_interval_ms.is_some())),
                checkpointing_enabled: Some(true),
                checkpoint_interval: Some(interval),
            }),
            parallelism_configuration_description: Some(ParallelismConfigurationDescription {
                configuration_type: Some(kind(definition.parallelism.is_some())),
                parallelism: Some(parallelism),
                current_parallelism: Some(parallelism),
                auto_scaling_enabled: Some(false),
            }),
            ..FlinkApplicationConfigurationDescription::default()
        }),
        application_snapshot_configuration_description: Some(ApplicationSnapshotConfigurationDescription {
            snapshots_enabled: true,
        }),
    }
}
