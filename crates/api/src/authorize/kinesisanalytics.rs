//! Managed Service for Apache Flink: applications, and the roles that they are given.

use super::input::Input;
use super::needs::{Need, Needs};

/// What a role is handed to.
const SERVICE: &str = "kinesisanalytics.amazonaws.com";

pub fn needs(operation: &str, input: &Input<'_>) -> Needs {
    let action = format!("kinesisanalytics:{operation}");
    if matches!(operation, "ListApplications" | "CreateApplication") {
        let mut all = vec![Need::on(action, "*")];
        all.extend(input.text("ServiceExecutionRole").map(|role| Need::pass_role(role, SERVICE)));
        return Needs::All(all);
    }
    let name = input.text("ApplicationName").unwrap_or("*");
    Need::on(action, input.arn("kinesisanalytics", &format!("application/{name}"))).into()
}
