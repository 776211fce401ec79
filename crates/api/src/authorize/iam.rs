//! IAM: roles, users, groups and policies, by their ARNs, paths included.

use super::input::Input;
use super::needs::{Need, Needs};

/// Operations that have no resource.
const WITHOUT: &[&str] = &[
    "ListAccountAliases",
    "ListGroups",
    "ListPolicies",
    "ListRoles",
    "ListUsers",
    "GetAccessKeyLastUsed",
    "SimulateCustomPolicy",
];

pub fn needs(operation: &str, input: &Input<'_>) -> Needs {
    let action = format!("iam:{operation}");
    if operation == "GetAccessKeyLastUsed" {
        return Need::on(action, "*").into();
    }
    let resource = if WITHOUT.contains(&operation) {
        "*".to_owned()
    } else if operation == "SimulatePrincipalPolicy" {
        input.text("PolicySourceArn").unwrap_or("*").to_owned()
    } else if operation.contains("Group") && operation != "ListGroupsForUser" {
        group(input, operation == "CreateGroup")
    } else if let Some(arn) = input.text("PolicyArn").filter(|_| !attaches(operation)) {
        arn.to_owned()
    } else if operation == "CreatePolicy" {
        named(input, "policy", "PolicyName", input.text("Path"))
    } else if operation == "CreateServiceLinkedRole" {
        let service = input.text("AWSServiceName").unwrap_or("*");
        let need = Need::on(action, arn(input, &format!("role/aws-service-role/{service}/*")));
        return need.with("iam:awsservicename", input.text("AWSServiceName")).into();
    } else if input.text("RoleName").is_some() {
        role(input, operation == "CreateRole")
    } else {
        return user(operation, input).map_or(Needs::Later, |user| with_keys(Need::on(action, user), input).into());
    };
    with_keys(Need::on(action, resource), input).into()
}

fn attaches(operation: &str) -> bool {
    operation.starts_with("Attach") || operation.starts_with("Detach")
}

fn with_keys(need: Need, input: &Input<'_>) -> Need {
    let policy = input.text("PolicyArn").filter(|_| need.action.contains("tach"));
    need.with("iam:policyarn", policy).with("iam:permissionsboundary", input.text("PermissionsBoundary"))
}

fn arn(input: &Input<'_>, resource: &str) -> String {
    format!("arn:aws:iam::{}:{resource}", input.scope.account)
}

fn named(input: &Input<'_>, kind: &str, member: &str, path: Option<&str>) -> String {
    arn(input, &format!("{kind}{}{}", path.unwrap_or("/"), input.text(member).unwrap_or("*")))
}

fn role(input: &Input<'_>, is_new: bool) -> String {
    let kept = || {
        let name = input.text("RoleName").filter(|_| !is_new)?;
        Some(input.identities?.role(&input.scope.account, name).ok()?.arn())
    };
    kept().unwrap_or_else(|| named(input, "role", "RoleName", input.text("Path")))
}

fn group(input: &Input<'_>, is_new: bool) -> String {
    let kept = || {
        let name = input.text("GroupName").filter(|_| !is_new)?;
        Some(input.identities?.group(&input.scope.account, name).ok()?.arn())
    };
    kept().unwrap_or_else(|| named(input, "group", "GroupName", input.text("Path")))
}

/// The user that a call names; nothing when it means the caller.
fn user(operation: &str, input: &Input<'_>) -> Option<String> {
    let name = input.text("UserName")?;
    let is_new = operation == "CreateUser";
    let kept = || Some(input.identities?.user(&input.scope.account, name).ok()?.arn());
    let found = if is_new { None } else { kept() };
    Some(found.unwrap_or_else(|| named(input, "user", "UserName", input.text("Path"))))
}
