//! Firehose: delivery streams, and the roles that they are given.

use super::input::Input;
use super::needs::{Need, Needs};
use crate::http::Caller;
use crate::wire::{Fault, Members, kinds};

/// What a role is handed to.
const SERVICE: &str = "firehose.amazonaws.com";
/// Where destinations name their roles, behind `…Configuration` and `…Update`.
const DESTINATIONS: &[&str] = &[
    "S3Destination",
    "ExtendedS3Destination",
    "AmazonopensearchserviceDestination",
    "ElasticsearchDestination",
    "HttpEndpointDestination",
];
const PLACES: &[&str] = &[
    "RoleARN",
    "S3BackupConfiguration.RoleARN",
    "S3BackupUpdate.RoleARN",
    "S3Configuration.RoleARN",
    "S3Update.RoleARN",
    "DataFormatConversionConfiguration.SchemaConfiguration.RoleARN",
];

pub fn needs(operation: &str, input: &Input<'_>) -> Needs {
    let action = format!("firehose:{operation}");
    if operation == "ListDeliveryStreams" {
        return Need::on(action, "*").into();
    }
    let name = input.text("DeliveryStreamName").unwrap_or("*");
    let mut all = vec![Need::on(action, input.arn("firehose", &format!("deliverystream/{name}")))];
    if matches!(operation, "CreateDeliveryStream" | "UpdateDestination") {
        all.extend(roles(input).into_iter().map(|role| Need::pass_role(&role, SERVICE)));
    }
    Needs::All(all)
}

/// Refuses roles that Firehose may not assume, or that are not there, in AWS's words.
pub fn check_roles(caller: &Caller, name: &str, members: &dyn Members) -> Result<(), Fault> {
    let Caller { scope, guard, .. } = caller;
    let source = scope.arn("firehose", &format!("deliverystream/{name}")).to_string();
    let named = roles(&Input { members, scope, identities: None, facts: None });
    match named.iter().find(|role| !guard.is_assumable(scope, role, SERVICE, &source)) {
        None => Ok(()),
        Some(role) => Err(kinds::INVALID_ARGUMENT
            .because(format!("Firehose is unable to assume role {role}. Please check the role provided."))),
    }
}

/// Every role that a definition names, once.
fn roles(input: &Input<'_>) -> Vec<String> {
    let mut roles: Vec<String> = Vec::new();
    let mut add = |path: &str| {
        if let Some(role) = input.text(path)
            && !roles.iter().any(|known| known == role)
        {
            roles.push(role.to_owned());
        }
    };
    add("KinesisStreamSourceConfiguration.RoleARN");
    for destination in DESTINATIONS {
        for end in ["Configuration", "Update"] {
            for place in PLACES {
                add(&format!("{destination}{end}.{place}"));
            }
        }
    }
    roles
}
