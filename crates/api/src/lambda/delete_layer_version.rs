//! DeleteLayerVersion: functions that hold it keep it.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::DeleteLayerVersionRequest;
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: DeleteLayerVersionRequest) -> Result<(), Fault> {
    let version = u64::try_from(input.version_number).unwrap_or(0);
    Ok(lambda.functions.delete_layer(&caller.scope, &input.layer_name, version)?)
}
