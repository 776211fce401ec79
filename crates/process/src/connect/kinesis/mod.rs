//! `kinesis`: a stream of the log as a table.

mod shards;
mod sink;
mod source;

pub(super) use sink::KinesisSink;
pub(super) use source::KinesisSource;

use super::{ConnectError, Environment, Options};
use millrace_base::Arn;
use millrace_log::{Log, StreamInfo, StreamKey};
use millrace_schema::glue::Schemas;
use millrace_schema::registry::Registry;
use std::sync::Arc;

/// The registry's schemas as the job's account sees them.
fn schemas(registry: Option<&Registry>, environment: &Environment) -> Option<Schemas> {
    registry.map(|registry| Schemas::new(registry.clone(), environment.scope.clone()))
}

/// The stream that a table's options name, and the log that has it.
fn stream(options: &Options<'_>, environment: &Environment) -> Result<(Arc<dyn Log>, Arc<StreamInfo>), ConnectError> {
    let region = options.get("aws.region");
    let key = match (options.get("stream.arn"), options.get("stream")) {
        (Some(arn), _) => {
            let arn: Arn = arn.parse().map_err(|error| options.error(format!("'stream.arn': {error}")))?;
            StreamKey { scope: arn.scope.clone(), name: arn.name().into() }
        }
        (None, Some(name)) => {
            let mut scope = environment.scope.clone();
            scope.region = region.map_or(scope.region, Into::into);
            StreamKey { scope, name: name.into() }
        }
        (None, None) => {
            options.required("stream.arn", "arn:aws:kinesis:us-east-1:000000000000:stream/orders")?;
            unreachable!("the option was just found missing")
        }
    };
    if key.scope.account != environment.scope.account {
        return Err(options.error(format!(
            "stream {key} belongs to another account; this job runs as account {}",
            environment.scope.account
        )));
    }
    let log = environment.log.clone().ok_or_else(|| {
        options.error("streams live in a server: start one with `millrace up`, or name it with --endpoint")
    })?;
    let info = log.stream(&key).map_err(|_| {
        options.error(format!("stream '{}' does not exist in region {}; create it first", key.name, key.scope.region))
    })?;
    Ok((log, info))
}
