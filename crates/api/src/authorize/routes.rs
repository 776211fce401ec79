//! Requests that are to no service of AWS's protocols: the server's own routes, and the index's.
//!
//! ```text
//! POST /_millrace/deploy        millrace:PostDeploy on arn:aws:millrace:REGION:ACCOUNT:deploy
//! GET  /orders/_search          es:ESHttpGet        on arn:aws:es:REGION:ACCOUNT:domain/DOMAIN/orders/_search
//! ```
//! One index serves all search domains, so a request to it may be made by whoever may make it to one of them.

use super::guard::Guard;
use super::needs::Need;
use crate::wire::Fault;
use axum::http::Method;
use millrace_base::Scope;

/// Asks whether a request to one of the server's own routes may be made.
pub fn allow_own(guard: &Guard, scope: &Scope, method: &Method, path: &str) -> Result<(), Fault> {
    if guard.is_open() {
        return Ok(());
    }
    let path = path.trim_start_matches("/_millrace").trim_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    let action = format!("millrace:{}{}", capital(method.as_str()), capital(first));
    guard.allow(scope, &Need::on(action, scope.arn("millrace", path).to_string()))
}

/// Asks whether a request to the index may be made.
pub fn allow_search(guard: &Guard, scope: &Scope, method: &Method, path: &str) -> Result<(), Fault> {
    if guard.is_open() {
        return Ok(());
    }
    let action = format!("es:ESHttp{}", capital(method.as_str()));
    let path = path.trim_start_matches('/');
    let mut refused = None;
    for domain in guard.domains(scope) {
        let resource = scope.arn("es", &format!("domain/{domain}/{path}")).to_string();
        match guard.allow(scope, &Need::on(action.as_str(), resource)) {
            Ok(()) => return Ok(()),
            Err(fault) => refused = refused.or(Some(fault)),
        }
    }
    refused.map_or(Ok(()), Err)
}

/// `Post` of `POST`, `Deploy` of `deploy`.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters.map(|letter| letter.to_ascii_lowercase())).collect()
}
