//! PublishVersion: the last one again when nothing has changed since.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{FunctionConfiguration, PublishVersionRequest};
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: PublishVersionRequest) -> Result<FunctionConfiguration, Fault> {
    super::shown(lambda.functions.publish_version(&caller.scope, super::kept(&input)?)?)
}
