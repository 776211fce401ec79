//! STS: who am I, and temporary credentials.

use crate::http::{Call, Caller, Reply, Service, blocking};
use crate::models::sts::{
    AssumeRoleRequest, AssumeRoleResponse, AssumedRoleUser, Credentials, GetAccessKeyInfoRequest,
    GetAccessKeyInfoResponse, GetCallerIdentityRequest, GetCallerIdentityResponse, GetSessionTokenRequest,
    GetSessionTokenResponse, MODEL, faults::PACKED_POLICY_TOO_LARGE_EXCEPTION,
};
use crate::wire::{Fault, Model, Timestamp, kinds};
use async_trait::async_trait;
use millrace_access::{self as access, Identities, SessionRequest};
use millrace_base::Scope;

/// How long GetSessionToken's credentials last for a user, and for root, who gets no more.
const USER_SECONDS: u32 = 12 * 3600;
const ROOT_SECONDS: u32 = 3600;
/// STS's quotas: managed policies of a session, and characters of all its policies, as far as they are not packed.
const SESSION_POLICIES_MAX: usize = 10;
const SESSION_CHARACTERS_MAX: usize = 10 * 6144 + 2048;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Sts {
    identities: Identities,
}

impl Sts {
    /// The service over `identities`.
    pub fn new(identities: Identities) -> Self {
        Self { identities }
    }
}

#[async_trait]
impl Service for Sts {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "GetCallerIdentity" => blocking(self, call, get_caller_identity).await,
            "AssumeRole" => blocking(self, call, assume_role).await,
            "GetSessionToken" => blocking(self, call, get_session_token).await,
            "GetAccessKeyInfo" => blocking(self, call, get_access_key_info).await,
            _ => Err(call.unsupported("sts")),
        }
    }
}

fn get_caller_identity(
    sts: &Sts,
    caller: &Caller,
    _: GetCallerIdentityRequest,
) -> Result<GetCallerIdentityResponse, Fault> {
    let identity = sts.identities.identify(&caller.scope.account, &caller.access_key_id)?;
    Ok(GetCallerIdentityResponse {
        user_id: Some(identity.user_id.into()),
        account: Some(identity.account.into()),
        arn: Some(identity.arn.into()),
    })
}

fn assume_role(sts: &Sts, caller: &Caller, input: AssumeRoleRequest) -> Result<AssumeRoleResponse, Fault> {
    let identity = sts.identities.identify(&caller.scope.account, &caller.access_key_id)?;
    let policies = session_policies(sts, &input)?;
    let tags = input.tags.unwrap_or_default().into_iter().map(|tag| (tag.key.to_string(), tag.value.to_string()));
    let asked = SessionRequest {
        role_arn: &input.role_arn,
        name: &input.role_session_name,
        seconds: input.duration_seconds.map(i32::unsigned_abs),
        policies,
        tags: tags.collect(),
    };
    let session = sts.identities.assume_role(&identity, asked)?;
    let user = AssumedRoleUser {
        assumed_role_id: session.identity.user_id.as_str().into(),
        arn: session.identity.arn.as_str().into(),
    };
    Ok(AssumeRoleResponse {
        credentials: Some(credentials(session)),
        assumed_role_user: Some(user),
        source_identity: input.source_identity,
    })
}

/// What bounds the session: the policy that was passed, and those that were named, which lie in the role's account.
fn session_policies(sts: &Sts, input: &AssumeRoleRequest) -> Result<Vec<String>, Fault> {
    let mut documents: Vec<String> = Vec::new();
    if let Some(policy) = &input.policy {
        access::check_document(policy, access::DocumentKind::Inline)?;
        documents.push(policy.to_string());
    }
    let arns = input.policy_arns.as_deref().unwrap_or_default();
    if arns.len() > SESSION_POLICIES_MAX {
        let message = format!("Member must have length less than or equal to {SESSION_POLICIES_MAX}");
        return Err(kinds::VALIDATION.because(message));
    }
    let account = input.role_arn.split(':').nth(4).unwrap_or_default();
    for arn in arns.iter().filter_map(|named| named.arn.as_deref()) {
        documents.push(sts.identities.managed_document(account, arn)?);
    }
    let characters: usize = documents.iter().map(|document| document.chars().count()).sum();
    if characters > SESSION_CHARACTERS_MAX {
        let message =
            format!("The session policies have {characters} characters, of {SESSION_CHARACTERS_MAX} at most.");
        return Err(PACKED_POLICY_TOO_LARGE_EXCEPTION.because(message));
    }
    Ok(documents)
}

fn get_session_token(
    sts: &Sts,
    caller: &Caller,
    input: GetSessionTokenRequest,
) -> Result<GetSessionTokenResponse, Fault> {
    // A session would shed what bounds it.
    if caller.access_key_id.starts_with(access::TEMPORARY) {
        return Err(kinds::ACCESS_DENIED.because("Cannot call GetSessionToken with session credentials"));
    }
    let identity = sts.identities.identify(&caller.scope.account, &caller.access_key_id)?;
    let asked = input.duration_seconds.map(i32::unsigned_abs);
    let seconds = if identity.arn.ends_with(":root") {
        asked.map_or(ROOT_SECONDS, |asked| asked.min(ROOT_SECONDS))
    } else {
        asked.unwrap_or(USER_SECONDS)
    };
    let session = sts.identities.session_token(identity, seconds)?;
    Ok(GetSessionTokenResponse { credentials: Some(credentials(session)) })
}

fn get_access_key_info(_: &Sts, _: &Caller, input: GetAccessKeyInfoRequest) -> Result<GetAccessKeyInfoResponse, Fault> {
    let account = Scope::account_of(&input.access_key_id).ok_or_else(|| {
        let id = &input.access_key_id;
        kinds::VALIDATION.because(format!("The access key {id} was not made here, so its account is not known."))
    })?;
    Ok(GetAccessKeyInfoResponse { account: Some(account.into()) })
}

fn credentials(session: access::Credentials) -> Credentials {
    Credentials {
        access_key_id: session.access_key_id.into(),
        secret_access_key: session.secret_access_key.expose().into(),
        session_token: session.session_token.expose().into(),
        expiration: Timestamp(session.expiration / 1000 * 1000),
    }
}
