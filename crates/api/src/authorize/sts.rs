//! STS: the role that is to be assumed. Who one is may be asked by everybody.

use super::input::Input;
use super::needs::{Need, Needs};

pub fn needs(operation: &str, input: &Input<'_>) -> Needs {
    match operation {
        "GetCallerIdentity" | "GetSessionToken" => Needs::Nothing,
        "AssumeRole" => {
            let role = input.text("RoleArn").unwrap_or("*");
            let keyed = |action: &str| {
                Need::on(action, role)
                    .with("sts:externalid", input.text("ExternalId"))
                    .with("sts:rolesessionname", input.text("RoleSessionName"))
                    .with("sts:sourceidentity", input.text("SourceIdentity"))
            };
            let mut all = vec![keyed("sts:AssumeRole")];
            if input.find("Tags").is_some_and(|tags| !tags.items().is_empty()) {
                all.push(keyed("sts:TagSession"));
            }
            if input.text("SourceIdentity").is_some() {
                all.push(keyed("sts:SetSourceIdentity"));
            }
            Needs::All(all)
        }
        other => Need::on(format!("sts:{other}"), "*").into(),
    }
}
