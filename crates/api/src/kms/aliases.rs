//! Aliases.

use super::{Kms, page, time};
use crate::http::Caller;
use crate::models::kms::{
    AliasListEntry, CreateAliasRequest, DeleteAliasRequest, ListAliasesRequest, ListAliasesResponse, UpdateAliasRequest,
};
use crate::wire::Fault;
use millrace_access::keyring::Alias;

pub fn create(kms: &Kms, caller: &Caller, input: CreateAliasRequest) -> Result<(), Fault> {
    Ok(kms.ring.create_alias(&caller.scope, &input.alias_name, &input.target_key_id)?)
}

pub fn update(kms: &Kms, caller: &Caller, input: UpdateAliasRequest) -> Result<(), Fault> {
    Ok(kms.ring.update_alias(&caller.scope, &input.alias_name, &input.target_key_id)?)
}

pub fn delete(kms: &Kms, caller: &Caller, input: DeleteAliasRequest) -> Result<(), Fault> {
    Ok(kms.ring.delete_alias(&caller.scope, &input.alias_name)?)
}

pub fn list(kms: &Kms, caller: &Caller, input: ListAliasesRequest) -> Result<ListAliasesResponse, Fault> {
    let all = kms.ring.aliases(&caller.scope, input.key_id.as_deref())?;
    let (aliases, next_marker) = page(all, |alias| alias.name.clone(), input.marker.as_ref(), input.limit);
    let entry = |alias: Alias| AliasListEntry {
        alias_arn: Some(alias.arn().into()),
        alias_name: Some(alias.name.into()),
        target_key_id: Some(alias.key.into()),
        creation_date: Some(time(alias.created)),
        last_updated_date: Some(time(alias.updated)),
    };
    let aliases = aliases.into_iter().map(entry).collect();
    Ok(ListAliasesResponse { aliases: Some(aliases), truncated: Some(next_marker.is_some()), next_marker })
}
