//! AWS Lambda: definitions over [`Functions`], mappings over [`Mappings`], and calls.
//!
//! Requests are read and checked by the generated shapes, then handed on in the same words: definitions have types of their
//! own for what they do with them.

mod add_permission;
mod create_alias;
mod create_event_source_mapping;
mod create_function;
mod delete_alias;
mod delete_event_source_mapping;
mod delete_function;
mod delete_function_concurrency;
mod delete_function_event_invoke_config;
mod delete_layer_version;
mod faults;
mod get_account_settings;
mod get_alias;
mod get_event_source_mapping;
mod get_function;
mod get_function_code_signing_config;
mod get_function_concurrency;
mod get_function_configuration;
mod get_function_event_invoke_config;
mod get_function_recursion_config;
mod get_policy;
mod get_runtime_management_config;
mod invoke;
mod layer;
mod list_aliases;
mod list_event_source_mappings;
mod list_function_event_invoke_configs;
mod list_functions;
mod list_layer_versions;
mod list_layers;
mod list_tags;
mod list_versions_by_function;
mod packages;
mod publish_layer_version;
mod publish_version;
mod put_function_concurrency;
mod put_function_event_invoke_config;
mod remove_permission;
mod tag_resource;
mod untag_resource;
mod update_alias;
mod update_event_source_mapping;
mod update_function_code;
mod update_function_configuration;
mod update_function_event_invoke_config;

use crate::http::{Call, Caller, Reply, Service, awaited, blocking};
use crate::models::lambda::MODEL;
use crate::wire::{Fault, Format, Model, Shape, Text, kinds};
use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::{Arn, Dice};
use millrace_functions::{CodeObjects, CodeSource, Events, Functions, FunctionsError, Invoke, Mappings};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use packages::{Addresses, router};

/// A package of 50 MiB in base64, and the rest of its request (AWS's own ceiling).
const BODY_BYTES_MAX: usize = 70_167_211;
/// AWS's page.
const PAGE_ITEMS_MAX: usize = 50;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Lambda {
    /// What functions are.
    pub functions: Functions,
    /// The event source mappings.
    pub mappings: Mappings,
    /// Calls functions and waits.
    pub invoke: Arc<dyn Invoke>,
    /// Hands events to functions.
    pub events: Events,
    /// The buckets that packages can be read from.
    pub objects: Arc<dyn CodeObjects>,
    /// Where packages are had from.
    pub addresses: Addresses,
    /// Request ids.
    pub dice: Arc<dyn Dice>,
}

#[async_trait]
impl Service for Lambda {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn reword(&self, fault: Fault) -> Fault {
        faults::reword(fault)
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "Invoke" => awaited(&call, |input| invoke::call(self, &call, input)).await,
            "InvokeAsync" => awaited(&call, |input| invoke::call_async(self, &call, input)).await,
            "GetFunction" => Ok(call.output(&get_function::call(self, &call, &call.input()?)?)),
            "GetLayerVersion" => Ok(call.output(&layer::get(self, &call, &call.input()?)?)),
            "GetLayerVersionByArn" => Ok(call.output(&layer::get_by_arn(self, &call, &call.input()?)?)),
            "AddPermission" => blocking(self, call, add_permission::call).await,
            "CreateAlias" => blocking(self, call, create_alias::call).await,
            "CreateEventSourceMapping" => blocking(self, call, create_event_source_mapping::call).await,
            "CreateFunction" => awaited(&call, |input| create_function::call(self, &call.caller, input)).await,
            "DeleteAlias" => blocking(self, call, delete_alias::call).await,
            "DeleteEventSourceMapping" => {
                awaited(&call, |input| delete_event_source_mapping::call(self, &call.caller, input)).await
            }
            "DeleteFunction" => blocking(self, call, delete_function::call).await,
            "DeleteFunctionConcurrency" => blocking(self, call, delete_function_concurrency::call).await,
            "DeleteFunctionEventInvokeConfig" => blocking(self, call, delete_function_event_invoke_config::call).await,
            "DeleteLayerVersion" => blocking(self, call, delete_layer_version::call).await,
            "GetAccountSettings" => blocking(self, call, get_account_settings::call).await,
            "GetAlias" => blocking(self, call, get_alias::call).await,
            "GetEventSourceMapping" => blocking(self, call, get_event_source_mapping::call).await,
            "GetFunctionCodeSigningConfig" => blocking(self, call, get_function_code_signing_config::call).await,
            "GetFunctionConcurrency" => blocking(self, call, get_function_concurrency::call).await,
            "GetFunctionConfiguration" => blocking(self, call, get_function_configuration::call).await,
            "GetFunctionEventInvokeConfig" => blocking(self, call, get_function_event_invoke_config::call).await,
            "GetFunctionRecursionConfig" => blocking(self, call, get_function_recursion_config::call).await,
            "GetPolicy" => blocking(self, call, get_policy::call).await,
            "GetRuntimeManagementConfig" => blocking(self, call, get_runtime_management_config::call).await,
            "ListAliases" => blocking(self, call, list_aliases::call).await,
            "ListEventSourceMappings" => blocking(self, call, list_event_source_mappings::call).await,
            "ListFunctionEventInvokeConfigs" => blocking(self, call, list_function_event_invoke_configs::call).await,
            "ListFunctions" => blocking(self, call, list_functions::call).await,
            "ListLayerVersions" => blocking(self, call, list_layer_versions::call).await,
            "ListLayers" => blocking(self, call, list_layers::call).await,
            "ListTags" => blocking(self, call, list_tags::call).await,
            "ListVersionsByFunction" => blocking(self, call, list_versions_by_function::call).await,
            "PublishLayerVersion" => awaited(&call, |input| publish_layer_version::call(self, &call, input)).await,
            "PublishVersion" => blocking(self, call, publish_version::call).await,
            "PutFunctionConcurrency" => blocking(self, call, put_function_concurrency::call).await,
            "PutFunctionEventInvokeConfig" => blocking(self, call, put_function_event_invoke_config::call).await,
            "RemovePermission" => blocking(self, call, remove_permission::call).await,
            "TagResource" => blocking(self, call, tag_resource::call).await,
            "UntagResource" => blocking(self, call, untag_resource::call).await,
            "UpdateAlias" => blocking(self, call, update_alias::call).await,
            "UpdateEventSourceMapping" => blocking(self, call, update_event_source_mapping::call).await,
            "UpdateFunctionCode" => awaited(&call, |input| update_function_code::call(self, &call.caller, input)).await,
            "UpdateFunctionConfiguration" => blocking(self, call, update_function_configuration::call).await,
            "UpdateFunctionEventInvokeConfig" => blocking(self, call, update_function_event_invoke_config::call).await,
            _ => Err(call.unsupported("lambda")),
        }
    }
}

impl Lambda {
    /// The zip of a request.
    async fn code(&self, zip: Option<Bytes>, bucket: Option<Text>, key: Option<Text>) -> Result<Bytes, Fault> {
        let text = |text: Option<Text>| text.map(|text| text.to_string());
        Ok(CodeSource::of(zip, text(bucket), text(key))?.read(&*self.objects).await?)
    }
}

/// Runs what waits for the disk on a thread that may.
async fn on_disk<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, FunctionsError> + Send + 'static,
) -> Result<R, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|stopped| kinds::INTERNAL_FAILURE.because(format!("the operation stopped: {stopped}")))??)
}

/// A request in the definitions' words, which are AWS's.
fn kept<T: DeserializeOwned>(input: &impl Shape) -> Result<T, Fault> {
    let json = Format::Json.encode(input);
    serde_json::from_slice(&json).map_err(|error| kinds::INTERNAL_FAILURE.because(error.to_string()))
}

/// What definitions show, as an output.
fn shown<O: Shape>(value: Value) -> Result<O, Fault> {
    Format::Json.decode(value.to_string().into_bytes().into())
}

/// How long a page may be.
fn page_max(given: Option<i32>) -> usize {
    given.and_then(|given| usize::try_from(given).ok()).map_or(PAGE_ITEMS_MAX, |given| given.clamp(1, PAGE_ITEMS_MAX))
}

fn texts(given: BTreeMap<Text, Text>) -> BTreeMap<String, String> {
    given.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// The UUID in an event source mapping's ARN.
fn mapping_of(resource: &Text) -> Option<String> {
    let arn: Arn = resource.parse().ok()?;
    arn.resource.strip_prefix("event-source-mapping:").map(str::to_owned)
}

/// Refuses a role that Lambda may not assume, or that is not there, in AWS's words.
fn check_role(caller: &Caller, function: &str, role: Option<&str>) -> Result<(), Fault> {
    let name = function.rsplit(':').next().unwrap_or(function);
    let source = caller.scope.arn("lambda", &format!("function:{name}")).to_string();
    match role.filter(|role| !caller.guard.is_assumable(&caller.scope, role, "lambda.amazonaws.com", &source)) {
        None => Ok(()),
        Some(_) => Err(crate::models::lambda::faults::INVALID_PARAMETER_VALUE_EXCEPTION
            .because("The role defined for the function cannot be assumed by Lambda.")),
    }
}
