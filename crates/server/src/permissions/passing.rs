//! Whether somebody who deploys a template may hand out the roles that it names.
//!
//! As CloudFormation does it in its caller's name: `iam:PassRole` on each role that a function, a delivery stream or an
//! application is given, and the service that gets it must be able to assume it. Asked when the resource is created or
//! changed, so that roles of the same template are there.

use super::{APPLICATIONS, FIREHOSE, LAMBDA};
use millrace_api::Caller;
use millrace_api::authorize::Need;
use millrace_stack::{Approver, Context, ResourceError};
use serde_json::Value;

/// Whoever deploys.
pub struct Passing(pub Caller);

/// How one type of resource names its roles.
struct Handed {
    service: &'static str,
    /// The member that is a role, wherever it stands.
    member: &'static str,
    name: &'static str,
    arn: &'static str,
}

fn handed(type_name: &str) -> Option<Handed> {
    Some(match type_name {
        "AWS::Lambda::Function" => {
            Handed { service: LAMBDA, member: "Role", name: "FunctionName", arn: "lambda/function:" }
        }
        "AWS::KinesisFirehose::DeliveryStream" => {
            Handed { service: FIREHOSE, member: "RoleARN", name: "DeliveryStreamName", arn: "firehose/deliverystream/" }
        }
        "AWS::KinesisAnalyticsV2::Application" => Handed {
            service: APPLICATIONS,
            member: "ServiceExecutionRole",
            name: "ApplicationName",
            arn: "kinesisanalytics/application/",
        },
        _ => return None,
    })
}

impl Approver for Passing {
    fn approve(&self, type_name: &str, ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        let Self(Caller { guard, scope, .. }) = self;
        let Some(handed) = handed(type_name).filter(|_| !guard.is_open()) else { return Ok(()) };
        let name = properties.get(handed.name).and_then(Value::as_str).unwrap_or(&ctx.generated_name);
        let (service, resource) = handed.arn.split_once('/').unwrap_or((handed.arn, ""));
        let source = scope.arn(service, &format!("{resource}{name}")).to_string();
        for (path, role) in roles(properties, handed.member, String::new()) {
            let passed = guard.allow(scope, &Need::pass_role(role, handed.service));
            passed.map_err(|fault| ResourceError::property(path.as_str(), fault.message))?;
            if !guard.is_assumable(scope, role, handed.service, &source) {
                let message = format!(
                    "{role} cannot be assumed by {}: the role must exist, and its trust policy must allow it",
                    handed.service
                );
                return Err(ResourceError::property(path, message));
            }
        }
        Ok(())
    }
}

/// The roles in properties, with their paths.
fn roles<'a>(properties: &'a Value, member: &str, path: String) -> Vec<(String, &'a str)> {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match properties {
        Value::Object(members) => {
            let of = |(name, value): (&'a String, &'a Value)| match value.as_str() {
                Some(role) if name == member => vec![(below(name), role)],
                _ => roles(value, member, below(name)),
            };
            members.iter().flat_map(of).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(n, item)| roles(item, member, below(&n.to_string()))).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn roles_are_found_where_they_stand() {
        let properties = json!({"A": {"RoleARN": "a", "B": [{"RoleARN": "b"}]}, "Role": "c"});
        let mut found = roles(&properties, "RoleARN", String::new());
        found.sort();
        assert_eq!(found, [("A.B.0.RoleARN".into(), "b"), ("A.RoleARN".into(), "a")]);
    }
}
