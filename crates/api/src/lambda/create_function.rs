//! CreateFunction: `Pending` until its runtime and its code are ready.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{CreateFunctionRequest, FunctionConfiguration};
use crate::wire::Fault;

pub async fn call(
    lambda: &Lambda,
    caller: &Caller,
    mut input: CreateFunctionRequest,
) -> Result<FunctionConfiguration, Fault> {
    super::check_role(caller, &input.function_name, Some(&input.role))?;
    let code = std::mem::take(&mut input.code);
    let zip = lambda.code(code.zip_file, code.s3_bucket, code.s3_key).await?;
    let request = super::kept(&input)?;
    let (functions, scope) = (lambda.functions.clone(), caller.scope.clone());
    super::shown(super::on_disk(move || functions.create(&scope, request, &zip)).await?)
}
