//! Invoke and InvokeAsync: calls a function and waits, hands it an event, or only looks whether it could be called.

use super::Lambda;
use crate::http::Call;
use crate::models::lambda::{InvocationRequest, InvocationResponse, InvokeAsyncRequest, InvokeAsyncResponse, faults};
use crate::wire::{Fault, Text};
use base64_simd::STANDARD;
use bytes::Bytes;
use millrace_functions::{FunctionRef, Invocation, InvokeError};

pub async fn call(lambda: &Lambda, call: &Call, input: InvocationRequest) -> Result<InvocationResponse, Fault> {
    let kind = input.invocation_type.as_deref().unwrap_or("RequestResponse");
    if kind == "DryRun" {
        let qualifier = input.qualifier.as_deref();
        lambda.functions.arn(&call.caller.scope, &input.function_name, qualifier)?;
        return Ok(InvocationResponse { status_code: Some(204), ..Default::default() });
    }
    let wants_tail = input.log_type.as_deref() == Some("Tail");
    let is_event = kind == "Event";
    let invocation = invocation(lambda, call, input)?;
    if is_event {
        lambda.events.submit(invocation).await?;
        return Ok(InvocationResponse { status_code: Some(202), ..Default::default() });
    }
    let response = lambda.invoke.invoke(invocation).await?;
    Ok(InvocationResponse {
        status_code: Some(200),
        function_error: response.failed.then(|| Text::from_static("Unhandled")),
        log_result: wants_tail.then(|| STANDARD.encode_to_string(&response.log_tail).into()),
        payload: Some(response.payload),
        executed_version: Some((*response.executed_version).into()),
    })
}

/// The older name of asynchronous invocations.
pub async fn call_async(lambda: &Lambda, call: &Call, input: InvokeAsyncRequest) -> Result<InvokeAsyncResponse, Fault> {
    let request = InvocationRequest {
        function_name: input.function_name,
        payload: Some(input.invoke_args),
        ..Default::default()
    };
    lambda.events.submit(invocation(lambda, call, request)?).await?;
    Ok(InvokeAsyncResponse { status: Some(202) })
}

fn invocation(lambda: &Lambda, call: &Call, input: InvocationRequest) -> Result<Invocation, Fault> {
    let function = FunctionRef::parse(&call.caller.scope, &input.function_name, input.qualifier.as_deref())?;
    // Without a payload a function gets an empty object, as on AWS.
    let payload = input.payload.filter(|payload| !payload.is_empty()).unwrap_or(Bytes::from_static(b"{}"));
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&payload) {
        let message = format!("Could not parse request body into json: Could not parse payload into json: {error}");
        return Err(faults::INVALID_REQUEST_CONTENT_EXCEPTION.because(message));
    }
    Ok(Invocation {
        function: function.key,
        qualifier: function.qualifier.map(Into::into),
        request_id: lambda.dice.uuid().into(),
        payload,
        client_context: input.client_context.map(|context| client_context(&context)).transpose()?,
    })
}

/// The header's base64, decoded: JSON that the function finds in its context.
fn client_context(header: &Text) -> Result<Bytes, Fault> {
    let wrong = || {
        faults::INVALID_REQUEST_CONTENT_EXCEPTION.because("Client context must be a valid Base64-encoded JSON object.")
    };
    let json = STANDARD.decode_to_vec(header.as_bytes()).map_err(|_| wrong())?;
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&json).map_err(|_| wrong())?;
    Ok(json.into())
}

impl From<InvokeError> for Fault {
    fn from(error: InvokeError) -> Self {
        let message = error.to_string();
        match error {
            InvokeError::NotFound(_) => faults::RESOURCE_NOT_FOUND_EXCEPTION.because(message),
            InvokeError::Throttled { reason } => {
                faults::TOO_MANY_REQUESTS_EXCEPTION.because(message).with("Reason", reason)
            }
            InvokeError::TooLarge { .. } => faults::REQUEST_TOO_LARGE_EXCEPTION.because(message),
            InvokeError::NotReady(_) => faults::RESOURCE_CONFLICT_EXCEPTION.because(message),
            InvokeError::Failed(_) => faults::SERVICE_EXCEPTION.because(message),
        }
    }
}
