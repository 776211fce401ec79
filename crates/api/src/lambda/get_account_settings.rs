//! GetAccountSettings: AWS's default quotas, and what is used.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{GetAccountSettingsRequest, GetAccountSettingsResponse};
use crate::wire::Fault;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: GetAccountSettingsRequest,
) -> Result<GetAccountSettingsResponse, Fault> {
    let GetAccountSettingsRequest {} = input;
    super::shown(lambda.functions.account_settings(&caller.scope))
}
