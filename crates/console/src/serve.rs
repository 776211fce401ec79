//! The routes under `/_console`: a file each, without credentials, since none of them tells anything of the server's data.
//!
//! ```text
//! GET /_console            index.html
//! GET /_console/PATH       the file
//! GET /_console#/streams   a view: what is behind the hash never reaches the server
//! ```
//! Browsers ask each time whether a file has changed, and are mostly told that it has not.

use crate::assets::{self, Asset};
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::routing::get;

/// Scripts, styles, pictures and requests of this server only; no page of anybody else's may frame the console.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// The routes.
pub fn router() -> Router {
    let index = async |headers: HeaderMap| answer("index.html", &headers);
    Router::new()
        .route("/_console", get(index))
        .route("/_console/", get(index))
        .route("/_console/{*path}", get(async |Path(path): Path<String>, headers: HeaderMap| answer(&path, &headers)))
}

fn answer(path: &str, asked: &HeaderMap) -> Response<Body> {
    let Some(asset) = assets::find(path) else {
        let mut response =
            Response::new(Body::from(format!("The console has no file {path}: it begins at /_console\n")));
        *response.status_mut() = StatusCode::NOT_FOUND;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        return response;
    };
    let mut response = body(asset, asked);
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept-encoding"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        headers.insert(ETAG, etag);
    }
    response
}

fn body(asset: &Asset, asked: &HeaderMap) -> Response<Body> {
    let says = |name, wanted: &str| {
        let value = asked.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
        value.split(',').any(|part| part.split(';').next().unwrap_or_default().trim() == wanted)
    };
    if says(IF_NONE_MATCH, &asset.etag) || says(IF_NONE_MATCH, &format!("W/{}", asset.etag)) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    if !says(ACCEPT_ENCODING, "gzip") {
        return Response::new(Body::from(asset.plain.clone()));
    }
    let mut response = Response::new(Body::from(asset.gzip.clone()));
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;
    use http_body_util::BodyExt;

    fn asked(headers: &[(HeaderName, &str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[tokio::test]
    async fn a_file_is_packed_for_whoever_can_unpack_it() {
        let plain = answer("app.js", &HeaderMap::new());
        assert_eq!(plain.status(), StatusCode::OK);
        assert_eq!(plain.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(plain.headers()[CONTENT_SECURITY_POLICY], POLICY);
        let packed = answer("app.js", &asked(&[(ACCEPT_ENCODING, "br, gzip;q=0.8")]));
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        let (plain, packed) = (plain.into_body().collect().await.unwrap(), packed.into_body().collect().await.unwrap());
        let (plain, packed) = (plain.to_bytes(), packed.to_bytes());
        assert!(packed.len() < plain.len() / 2, "{} of {}", packed.len(), plain.len());
    }

    #[tokio::test]
    async fn a_file_that_has_not_changed_is_not_sent_again() {
        let etag = answer("index.html", &HeaderMap::new()).headers()[ETAG].to_str().unwrap().to_owned();
        let again = answer("index.html", &asked(&[(IF_NONE_MATCH, &etag)]));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(again.into_body().collect().await.unwrap().to_bytes().is_empty());
        let other = answer("index.html", &asked(&[(IF_NONE_MATCH, "\"other\"")]));
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn nothing_else_is_handed_out() {
        for path in ["README.md", "../Cargo.toml", "lib/", ""] {
            assert_eq!(answer(path, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
