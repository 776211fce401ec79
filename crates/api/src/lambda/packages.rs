//! Where the zips of functions and layers can be had: what `Code.Location` and `Content.Location` name.
//!
//! As AWS's presigned addresses, each is signed and holds for ten minutes; until then whoever knows it may read. The key
//! that signs them is the process's own: a restart ends them all.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use millrace_base::{Clock, Dice};
use millrace_functions::Functions;
use ring::hmac;
use std::collections::HashMap;
use std::sync::Arc;

/// How long an address holds, in seconds: as AWS's.
const SECONDS: i64 = 600;

/// Makes addresses of packages, and knows its own.
#[derive(Clone)]
pub struct Addresses {
    key: hmac::Key,
    clock: Arc<dyn Clock>,
}

impl Addresses {
    /// Addresses under a new key.
    pub fn new(clock: Arc<dyn Clock>, dice: &dyn Dice) -> Self {
        let mut key = [0; 32];
        key.chunks_mut(8).for_each(|part| part.copy_from_slice(&dice.roll().to_le_bytes()));
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), clock }
    }

    /// The address of a package.
    pub fn package(&self, endpoint: &str, sha256: &str) -> String {
        let until = self.clock.now() / 1000 + SECONDS;
        let tag = hmac::sign(&self.key, signed(sha256, until).as_bytes());
        let tag = base64_simd::URL_SAFE_NO_PAD.encode_to_string(tag.as_ref());
        format!("{endpoint}/_millrace/packages/{sha256}.zip?until={until}&signature={tag}")
    }

    /// Whether an address is one of these, and still holds.
    fn is_good(&self, sha256: &str, query: &HashMap<String, String>) -> bool {
        let until = query.get("until").and_then(|until| until.parse::<i64>().ok());
        let tag = query.get("signature").and_then(|tag| base64_simd::URL_SAFE_NO_PAD.decode_to_vec(tag).ok());
        let (Some(until), Some(tag)) = (until, tag) else { return false };
        let is_ours = hmac::verify(&self.key, signed(sha256, until).as_bytes(), &tag).is_ok();
        is_ours && self.clock.now() / 1000 <= until
    }
}

fn signed(sha256: &str, until: i64) -> String {
    format!("{sha256}\n{until}")
}

/// The routes.
pub fn router(functions: Functions, addresses: Addresses) -> Router {
    Router::new().route("/_millrace/packages/{file}", get(read)).with_state((functions, addresses))
}

async fn read(
    State((functions, addresses)): State<(Functions, Addresses)>,
    Path(file): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let sha256 = file.strip_suffix(".zip").unwrap_or(&file).to_owned();
    if !addresses.is_good(&sha256, &query) {
        return (StatusCode::FORBIDDEN, "This address has expired: ask GetFunction for another.\n").into_response();
    }
    let found = tokio::task::spawn_blocking(move || functions.package(&sha256)).await;
    match found {
        Ok(Ok(Some(zip))) => ([(CONTENT_TYPE, "application/zip")], zip).into_response(),
        Ok(Ok(None)) => (StatusCode::NOT_FOUND, "No function or layer has this package any more.\n").into_response(),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        Err(stopped) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{stopped}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_testkit::{SimClock, SimDice};

    #[test]
    fn an_address_holds_for_ten_minutes_and_for_one_package() {
        let clock = SimClock::at(1_000_000);
        let addresses = Addresses::new(Arc::new(clock.clone()), &SimDice::new(1));
        let address = addresses.package("http://localhost", "abc");
        let (path, query) = address.split_once('?').unwrap();
        assert_eq!(path, "http://localhost/_millrace/packages/abc.zip");
        let query: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert!(addresses.is_good("abc", &query) && !addresses.is_good("abd", &query));
        let mut later = query.clone();
        later.insert("until".to_owned(), "9999999".to_owned());
        assert!(!addresses.is_good("abc", &later) && !addresses.is_good("abc", &HashMap::new()));
        let other = Addresses::new(Arc::new(clock.clone()), &SimDice::new(2));
        assert!(!other.is_good("abc", &query));
        clock.advance(600_000);
        assert!(addresses.is_good("abc", &query));
        clock.advance(1000);
        assert!(!addresses.is_good("abc", &query));
    }
}
