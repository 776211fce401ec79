//! Where the zips of functions and layers can be had: what `Code.Location` and `Content.Location` name.
//!
//! As with AWS's presigned addresses, whoever knows the address may read: it holds the SHA-256 of the content.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use millrace_functions::Functions;

/// The routes.
pub fn router(functions: Functions) -> Router {
    Router::new().route("/_millrace/packages/{file}", get(read)).with_state(functions)
}

/// The address of a package.
pub fn package_url(endpoint: &str, sha256: &str) -> String {
    format!("{endpoint}/_millrace/packages/{sha256}.zip")
}

async fn read(State(functions): State<Functions>, Path(file): Path<String>) -> Response {
    let sha256 = file.strip_suffix(".zip").unwrap_or(&file).to_owned();
    let found = tokio::task::spawn_blocking(move || functions.package(&sha256)).await;
    match found {
        Ok(Ok(Some(zip))) => ([(CONTENT_TYPE, "application/zip")], zip).into_response(),
        Ok(Ok(None)) => (StatusCode::NOT_FOUND, "No function or layer has this package any more.\n").into_response(),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        Err(stopped) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{stopped}\n")).into_response(),
    }
}
