//! A request to S3, and the answer to it.

use super::route::Target;
use crate::http::Caller;
use axum::http::HeaderMap;
use bytes::Bytes;
use millrace_access::signature::Trailers;
use millrace_base::{Millis, calendar};
use millrace_deliver::OpenObject;
use std::ops::Range;
use std::sync::Arc;

/// A request whose signature was verified.
#[derive(Debug)]
pub struct Request {
    /// What it asks for.
    pub target: Target,
    /// Its headers.
    pub headers: HeaderMap,
    /// Who asks.
    pub caller: Caller,
    /// What it carries.
    pub body: Bytes,
    /// What stood behind that.
    pub trailers: Trailers,
    /// The address that the caller reached the server under.
    pub endpoint: String,
}

/// An answer.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub content: Content,
}

/// An answer's body.
pub enum Content {
    /// None.
    Empty,
    /// A document.
    Xml(String),
    /// A part of an object.
    Object(Arc<OpenObject>, Range<u64>),
}

impl Request {
    /// A header that says something.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.target.bucket
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.target.key
    }

    /// A parameter of the query string.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.target.parameter(name)
    }
}

impl Answer {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Content::Empty }
    }

    /// A document.
    pub fn xml(document: String) -> Self {
        Self { status: 200, headers: Vec::new(), content: Content::Xml(document) }
    }

    /// The same with one more header.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// A moment as XML has it.
pub fn iso(millis: Millis) -> String {
    calendar::timestamp(millis, "Z")
}

/// An ETag as headers and documents have it.
pub fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
