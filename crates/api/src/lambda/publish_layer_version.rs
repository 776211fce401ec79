//! PublishLayerVersion.

use super::{Lambda, layer};
use crate::http::Call;
use crate::models::lambda::{PublishLayerVersionRequest, PublishLayerVersionResponse};
use crate::wire::Fault;

pub async fn call(
    lambda: &Lambda,
    call: &Call,
    mut input: PublishLayerVersionRequest,
) -> Result<PublishLayerVersionResponse, Fault> {
    let content = std::mem::take(&mut input.content);
    let zip = lambda.code(content.zip_file, content.s3_bucket, content.s3_key).await?;
    let request = super::kept(&input)?;
    let (functions, scope) = (lambda.functions.clone(), call.caller.scope.clone());
    let version = super::on_disk(move || functions.publish_layer(&scope, request, &zip)).await?;
    super::shown(layer::shown(lambda, &call.endpoint, version))
}
