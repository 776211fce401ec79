//! STS: who am I.

use crate::http::{Call, Caller, Reply, Service, blocking};
use crate::models::sts::{GetCallerIdentityRequest, GetCallerIdentityResponse, MODEL};
use crate::wire::{Fault, Model};
use async_trait::async_trait;

/// The service.
#[derive(Debug, Clone, Default)]
pub struct Sts {}

#[async_trait]
impl Service for Sts {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "GetCallerIdentity" => blocking(self, call, get_caller_identity).await,
            _ => Err(call.unsupported("access")),
        }
    }
}

fn get_caller_identity(
    _: &Sts,
    caller: &Caller,
    _: GetCallerIdentityRequest,
) -> Result<GetCallerIdentityResponse, Fault> {
    let account = &*caller.scope.account;
    Ok(GetCallerIdentityResponse {
        user_id: Some(account.into()),
        account: Some(account.into()),
        arn: Some(format!("arn:aws:iam::{account}:root").into()),
    })
}
