//! Requests that are to no service of AWS's protocols: the server's own routes, and the index's.
//!
//! ```text
//! POST /_millrace/deploy        millrace:PostDeploy on arn:aws:millrace:REGION:ACCOUNT:deploy
//! GET  /orders/_search          es:ESHttpGet        on arn:aws:es:REGION:ACCOUNT:domain/DOMAIN/orders/_search
//! ```
//! One index serves all search domains, so a request to it may be made by whoever may make it to one of them, unless a policy
//! forbids it to them on another.

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
    let need = Need::on(format!("millrace:{}", own_action(method, path)), scope.arn("millrace", own(path)).to_string());
    guard.allow(scope, &need)
}

/// The action of a request to one of the server's own routes, as `PostDeploy`.
pub fn own_action(method: &Method, path: &str) -> String {
    let first = own(path).split('/').next().unwrap_or_default();
    format!("{}{}", capital(method.as_str()), capital(first))
}

fn own(path: &str) -> &str {
    path.trim_start_matches("/_millrace").trim_matches('/')
}

/// The action of a request to the index, as `ESHttpPut`.
pub fn search_action(method: &Method) -> String {
    format!("ESHttp{}", capital(method.as_str()))
}

/// Asks whether a request to the index may be made.
pub fn allow_search(guard: &Guard, scope: &Scope, method: &Method, path: &str) -> Result<(), Fault> {
    if guard.is_open() {
        return Ok(());
    }
    let action = format!("es:{}", search_action(method));
    let path = path.trim_start_matches('/');
    let resources = guard.domains(scope);
    let resources = resources.iter().map(|domain| scope.arn("es", &format!("domain/{domain}/{path}")).to_string());
    guard.allow_any(scope, &action, resources)
}

/// `Post` of `POST`, `Deploy` of `deploy`.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters.map(|letter| letter.to_ascii_lowercase())).collect()
}
