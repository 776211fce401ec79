//! Identities as IAM's model shows them.

use super::{Page, below, page};
use crate::models::iam::{AttachedPermissionsBoundary, AttachedPolicy, Group, Policy, PolicyVersion, Role, Tag, User};
use crate::wire::{Text, Timestamp};
use millrace_access::{self as access, AwsPolicy, Tags};
use std::collections::BTreeSet;
use std::fmt::Write;

/// A role, with its tags where IAM tells them.
pub fn role(role: &access::Role, with_tags: bool) -> Role {
    Role {
        path: role.path.as_str().into(),
        role_name: role.name.as_str().into(),
        role_id: role.id.as_str().into(),
        arn: role.arn().into(),
        create_date: seconds(role.created),
        assume_role_policy_document: Some(document(&role.trust)),
        description: role.description.as_deref().map(Text::from),
        max_session_duration: i32::try_from(role.session_seconds_max).ok(),
        permissions_boundary: role.boundary.as_deref().map(boundary),
        tags: with_tags.then(|| tags(&role.tags)).filter(|tags| !tags.is_empty()),
        ..Role::default()
    }
}

/// A user.
pub fn user(user: &access::User, with_tags: bool) -> User {
    User {
        path: user.path.as_str().into(),
        user_name: user.name.as_str().into(),
        user_id: user.id.as_str().into(),
        arn: user.arn().into(),
        create_date: seconds(user.created),
        permissions_boundary: user.boundary.as_deref().map(boundary),
        tags: with_tags.then(|| tags(&user.tags)).filter(|tags| !tags.is_empty()),
    }
}

/// A group.
pub fn group(group: &access::Group) -> Group {
    Group {
        path: group.path.as_str().into(),
        group_name: group.name.as_str().into(),
        group_id: group.id.as_str().into(),
        arn: group.arn().into(),
        create_date: seconds(group.created),
    }
}

/// A page of the managed policies on something.
pub fn attached_page(
    attached: BTreeSet<String>,
    prefix: Option<&Text>,
    marker: Option<&Text>,
    max: Option<i32>,
) -> Page<AttachedPolicy> {
    let arns = attached.into_iter().filter(|arn| below(path(arn), prefix)).collect();
    let Page { items, is_truncated, marker } = page(arns, String::clone, marker, max);
    let named = |arn: String| {
        let name = arn.rsplit_once('/').map_or(arn.as_str(), |(_, name)| name).into();
        AttachedPolicy { policy_name: Some(name), policy_arn: Some(arn.into()) }
    };
    Page { items: items.into_iter().map(named).collect(), is_truncated, marker }
}

/// `/a/` of `arn:aws:iam::111111111111:policy/a/p`.
fn path(arn: &str) -> &str {
    let resource = arn.split_once(":policy").map_or("/", |(_, resource)| resource);
    &resource[..=resource.rfind('/').unwrap_or(0)]
}

/// A policy, and on how many identities it is: attached, and as their boundary.
pub fn policy(policy: &access::Policy, (attached, bounding): (usize, usize), with_tags: bool) -> Policy {
    Policy {
        policy_name: Some(policy.name.as_str().into()),
        policy_id: Some(policy.id.as_str().into()),
        arn: Some(policy.arn().into()),
        path: Some(policy.path.as_str().into()),
        default_version_id: Some(version_id(policy.default_version)),
        attachment_count: i32::try_from(attached).ok(),
        permissions_boundary_usage_count: i32::try_from(bounding).ok(),
        is_attachable: Some(true),
        description: policy.description.as_deref().filter(|_| with_tags).map(Text::from),
        create_date: Some(seconds(policy.created)),
        update_date: Some(seconds(policy.updated)),
        tags: Some(tags(&policy.tags)).filter(|tags| with_tags && !tags.is_empty()),
    }
}

/// A policy of AWS's.
pub fn aws_policy(policy: &AwsPolicy, (attached, bounding): (usize, usize)) -> Policy {
    Policy {
        policy_name: Some(policy.name.into()),
        policy_id: Some(policy.id().into()),
        arn: Some(policy.arn().into()),
        path: Some(policy.path.into()),
        default_version_id: Some(version_id(1)),
        attachment_count: i32::try_from(attached).ok(),
        permissions_boundary_usage_count: i32::try_from(bounding).ok(),
        is_attachable: Some(true),
        ..Policy::default()
    }
}

/// A version of a policy; its document only where IAM tells it.
pub fn version(policy: &access::Policy, number: u32, with_document: bool) -> PolicyVersion {
    let version = policy.versions.get(&number);
    PolicyVersion {
        document: version.filter(|_| with_document).map(|version| document(&version.document)),
        version_id: Some(version_id(number)),
        is_default_version: Some(policy.default_version == number),
        create_date: version.map(|version| seconds(version.created)),
    }
}

/// `v3`.
pub fn version_id(number: u32) -> Text {
    format!("v{number}").into()
}

/// A document as IAM sends it: percent-encoded after RFC 3986.
pub fn document(json: &str) -> Text {
    let mut encoded = String::with_capacity(json.len() * 2);
    for byte in json.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded.into()
}

/// Tags, in order of key.
pub fn tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.as_str().into(), value: value.as_str().into() }).collect()
}

/// Tags of a request.
pub fn of_tags(tags: Vec<Tag>) -> Tags {
    tags.into_iter().map(|Tag { key, value }| (key.to_string(), value.to_string())).collect()
}

/// IAM tells times in whole seconds.
pub fn seconds(millis: i64) -> Timestamp {
    Timestamp(millis / 1000 * 1000)
}

fn boundary(arn: &str) -> AttachedPermissionsBoundary {
    AttachedPermissionsBoundary {
        permissions_boundary_type: Some("Policy".into()),
        permissions_boundary_arn: Some(arn.into()),
    }
}
