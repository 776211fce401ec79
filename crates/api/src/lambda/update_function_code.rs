//! UpdateFunctionCode: what ran before runs on until the new code is ready.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{FunctionConfiguration, UpdateFunctionCodeRequest};
use crate::wire::Fault;

pub async fn call(
    lambda: &Lambda,
    caller: &Caller,
    mut input: UpdateFunctionCodeRequest,
) -> Result<FunctionConfiguration, Fault> {
    let zip = lambda.code(input.zip_file.take(), input.s3_bucket.take(), input.s3_key.take()).await?;
    let request = super::kept(&input)?;
    let (functions, scope) = (lambda.functions.clone(), caller.scope.clone());
    super::shown(super::on_disk(move || functions.update_code(&scope, request, &zip)).await?)
}
