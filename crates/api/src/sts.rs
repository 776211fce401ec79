//! STS, as far as everybody's first command needs it: `aws sts get-caller-identity`.
//!
//! STS speaks the query protocol: `POST /` with a form, answered in XML.

use crate::http::{Caller, read_body};
use crate::wire::{Fault, kinds};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The route of the query protocol; STS is the only service on it yet.
pub fn router() -> Router {
    Router::new().route("/", post(answer))
}

async fn answer(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let identity = Caller::identify(&head.headers, head.uri.query());
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = content_type.starts_with("application/x-www-form-urlencoded");
    let result = match (read_body(&head.headers, body).await, identity) {
        _ if !is_form => {
            Err(kinds::UNKNOWN_SERVICE.because("The request names no operation: X-Amz-Target is missing."))
        }
        (Ok(form), Ok(caller)) => call(&String::from_utf8_lossy(&form), &caller),
        (Err(fault), _) | (_, Err(fault)) => Err(fault),
    };
    let (status, xml) = match result {
        Ok(xml) => (StatusCode::OK, xml),
        Err(fault) => (StatusCode::from_u16(fault.kind.status).unwrap_or_default(), error_xml(&fault)),
    };
    (status, [(CONTENT_TYPE, "text/xml")], xml).into_response()
}

fn call(form: &str, caller: &Caller) -> Result<String, Fault> {
    let action = form.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap_or_default();
    if action != "GetCallerIdentity" {
        return Err(
            kinds::UNSUPPORTED.because(format!("Millrace does not support '{action}' of the query protocol yet."))
        );
    }
    let account = &caller.scope.account;
    Ok(format!(
        "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::{account}:root</Arn><UserId>{account}</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    ))
}

fn error_xml(fault: &Fault) -> String {
    let message = fault.message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{}</Code>\
         <Message>{message}</Message></Error></ErrorResponse>",
        fault.kind.code
    )
}
