//! Users and their access keys, and the account's aliases.

use super::{Iam, Page, below, page, shapes};
use crate::http::Caller;
use crate::models::iam::{
    AccessKey, AccessKeyLastUsed, AccessKeyMetadata, CreateAccessKeyRequest, CreateAccessKeyResponse,
    CreateUserRequest, CreateUserResponse, DeleteAccessKeyRequest, DeleteUserRequest, GetAccessKeyLastUsedRequest,
    GetAccessKeyLastUsedResponse, GetUserRequest, GetUserResponse, ListAccessKeysRequest, ListAccessKeysResponse,
    ListAccountAliasesRequest, ListAccountAliasesResponse, ListUsersRequest, ListUsersResponse, User,
};
use crate::wire::{Fault, Text, kinds};
use millrace_access::{IdentityError, KeyUse, NewAccessKey, NewUser};

/// The status of a key whose signatures are taken, and of one that rests.
const ACTIVE: &str = "Active";
const INACTIVE: &str = "Inactive";

pub fn create_user(iam: &Iam, caller: &Caller, input: CreateUserRequest) -> Result<CreateUserResponse, Fault> {
    let new = NewUser {
        name: input.user_name.to_string(),
        path: input.path.map(|path| path.to_string()).unwrap_or_default(),
        boundary: input.permissions_boundary.map(|arn| arn.to_string()),
        tags: shapes::of_tags(input.tags.unwrap_or_default()),
    };
    let user = iam.identities.create_user(&caller.scope.account, new)?;
    Ok(CreateUserResponse { user: Some(shapes::user(&user, true)) })
}

pub fn get_user(iam: &Iam, caller: &Caller, input: GetUserRequest) -> Result<GetUserResponse, Fault> {
    let account = &*caller.scope.account;
    if let Some(name) = input.user_name {
        return Ok(GetUserResponse { user: shapes::user(&iam.identities.user(account, &name)?, true) });
    }
    if let Some(user) = iam.identities.user_of_key(account, &caller.access_key_id)? {
        return Ok(GetUserResponse { user: shapes::user(&user, true) });
    }
    let identity = iam.identities.identify(account, &caller.access_key_id)?;
    if !identity.arn.ends_with(":root") {
        return Err(kinds::VALIDATION.because("Must specify userName when calling with non-User credentials"));
    }
    // The root user has no name and no date of its own here.
    let root = User { path: "/".into(), user_id: account.into(), arn: identity.arn.into(), ..User::default() };
    Ok(GetUserResponse { user: root })
}

pub fn list_users(iam: &Iam, caller: &Caller, input: ListUsersRequest) -> Result<ListUsersResponse, Fault> {
    let mut users = iam.identities.users(&caller.scope.account)?;
    users.retain(|user| below(&user.path, input.path_prefix.as_ref()));
    let Page { items, is_truncated, marker } =
        page(users, |user| user.name.clone(), input.marker.as_ref(), input.max_items);
    let users = items.iter().map(|user| shapes::user(user, false)).collect();
    Ok(ListUsersResponse { users, is_truncated, marker })
}

pub fn delete_user(iam: &Iam, caller: &Caller, input: DeleteUserRequest) -> Result<(), Fault> {
    Ok(iam.identities.delete_user(&caller.scope.account, &input.user_name)?)
}

/// The user that a request is about: the one it names, else the one whose key it is signed with.
pub(super) fn user_name(iam: &Iam, caller: &Caller, named: Option<Text>) -> Result<String, Fault> {
    if let Some(name) = named {
        return Ok(name.to_string());
    }
    let user = iam.identities.user_of_key(&caller.scope.account, &caller.access_key_id)?;
    let none = || kinds::VALIDATION.because("Must specify userName when calling with non-User credentials");
    Ok(user.ok_or_else(none)?.name)
}

pub fn create_access_key(
    iam: &Iam,
    caller: &Caller,
    input: CreateAccessKeyRequest,
) -> Result<CreateAccessKeyResponse, Fault> {
    let user_name = user_name(iam, caller, input.user_name)?;
    let NewAccessKey { key, secret } = iam.identities.create_access_key(&caller.scope.account, &user_name)?;
    let access_key = AccessKey {
        user_name: user_name.into(),
        access_key_id: key.id.into(),
        status: ACTIVE.into(),
        secret_access_key: secret.expose().into(),
        create_date: Some(shapes::seconds(key.created)),
    };
    Ok(CreateAccessKeyResponse { access_key })
}

pub fn list_access_keys(
    iam: &Iam,
    caller: &Caller,
    input: ListAccessKeysRequest,
) -> Result<ListAccessKeysResponse, Fault> {
    let user = iam.identities.user(&caller.scope.account, &user_name(iam, caller, input.user_name)?)?;
    let Page { items, is_truncated, marker } =
        page(user.keys, |key| key.id.clone(), input.marker.as_ref(), input.max_items);
    let shown = items.into_iter().map(|key| AccessKeyMetadata {
        user_name: Some(user.name.as_str().into()),
        access_key_id: Some(key.id.into()),
        status: Some(if key.active { ACTIVE } else { INACTIVE }.into()),
        create_date: Some(shapes::seconds(key.created)),
    });
    Ok(ListAccessKeysResponse { access_key_metadata: shown.collect(), is_truncated, marker })
}

pub fn delete_access_key(iam: &Iam, caller: &Caller, input: DeleteAccessKeyRequest) -> Result<(), Fault> {
    let user_name = user_name(iam, caller, input.user_name)?;
    Ok(iam.identities.delete_access_key(&caller.scope.account, &user_name, &input.access_key_id)?)
}

/// When a key was used last; what nobody has verified, as with `--auth off`, was no use.
pub fn get_access_key_last_used(
    iam: &Iam,
    caller: &Caller,
    input: GetAccessKeyLastUsedRequest,
) -> Result<GetAccessKeyLastUsedResponse, Fault> {
    let id = &input.access_key_id;
    let unknown = || IdentityError::NoSuchEntity(format!("The Access Key with id {id} cannot be found."));
    let user = iam.identities.user_of_key(&caller.scope.account, id)?.ok_or_else(unknown)?;
    let used = iam.identities.last_use(id)?;
    let never = || KeyUse { at: 0, service: "N/A".to_owned(), region: "N/A".to_owned() };
    let last_used_date = used.as_ref().map(|used| shapes::seconds(used.at));
    let KeyUse { service, region, .. } = used.unwrap_or_else(never);
    let last = AccessKeyLastUsed { last_used_date, service_name: service.into(), region: region.into() };
    Ok(GetAccessKeyLastUsedResponse { user_name: Some(user.name.into()), access_key_last_used: Some(last) })
}

/// An account has no aliases here: there is no sign-in page that one would stand for.
pub fn list_account_aliases(
    _: &Iam,
    _: &Caller,
    _: ListAccountAliasesRequest,
) -> Result<ListAccountAliasesResponse, Fault> {
    Ok(ListAccountAliasesResponse { account_aliases: Vec::new(), is_truncated: Some(false), marker: None })
}
