//! What an object has that its file has no place for: a fact in the catalog, beside the ETag of the file that it is about. When
//! the file was written by somebody else since (a delivery stream, a copy by hand), the fact is about nothing.

use super::faults::METADATA_TOO_LARGE;
use super::request::Request;
use super::store::Lake;
use crate::wire::Fault;
use millrace_catalog::CatalogError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const TABLE: &str = "s3-object";
/// Headers that are kept with an object.
const KEPT: [&str; 6] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"];
const META: &str = "x-amz-meta-";
/// S3's own limit of a user's metadata.
const META_BYTES_MAX: usize = 2 * 1024;
/// What an object is of which nobody said more.
const CONTENT_TYPE: &str = "binary/octet-stream";

/// Headers by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes(pub BTreeMap<String, String>);

#[derive(Serialize, Deserialize)]
struct Kept {
    etag: String,
    attributes: Attributes,
}

impl Attributes {
    /// Those that a request gives its object.
    pub fn of(request: &Request) -> Result<Self, Fault> {
        let mut found = BTreeMap::new();
        let mut meta_bytes = 0;
        for (name, value) in &request.headers {
            let name = name.as_str();
            let value = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
            let value = match name {
                "content-encoding" => unchunked(&value),
                _ => value,
            };
            if let Some(meta) = name.strip_prefix(META) {
                meta_bytes += meta.len() + value.len();
            } else if !KEPT.contains(&name) || value.is_empty() || (name, &*value) == ("content-type", CONTENT_TYPE) {
                continue;
            }
            found.insert(name.to_owned(), value);
        }
        if meta_bytes > META_BYTES_MAX {
            return Err(METADATA_TOO_LARGE.because(format!(
                "Your metadata headers exceed the maximum allowed metadata size: {meta_bytes} of {META_BYTES_MAX} bytes."
            )));
        }
        Ok(Self(found))
    }

    /// The headers of an answer with the object; `response-…` parameters of the request take the place of its own.
    pub fn headers(&self, request: &Request) -> Vec<(String, String)> {
        let mut headers = self.0.clone();
        headers.entry("content-type".to_owned()).or_insert_with(|| CONTENT_TYPE.to_owned());
        for name in KEPT {
            if let Some(value) = request.parameter(&format!("response-{name}")) {
                headers.insert(name.to_owned(), value.to_owned());
            }
        }
        headers.into_iter().collect()
    }
}

/// `aws-chunked` is how a request was sent, not what the object is.
fn unchunked(encoding: &str) -> String {
    let codings = encoding.split(',').map(str::trim).filter(|coding| !coding.eq_ignore_ascii_case("aws-chunked"));
    codings.collect::<Vec<_>>().join(",")
}

impl Lake {
    /// The attributes of the object that is there with this ETag.
    pub fn attributes(&self, bucket: &str, key: &str, etag: &str) -> Result<Attributes, CatalogError> {
        let kept: Option<Kept> = self.catalog.get(TABLE, &place(bucket, key))?;
        Ok(kept.filter(|kept| kept.etag == etag).map(|kept| kept.attributes).unwrap_or_default())
    }

    /// Keeps the attributes of an object that was just written, or forgets those of the one before.
    pub fn keep_attributes(
        &self,
        bucket: &str,
        key: &str,
        etag: &str,
        attributes: &Attributes,
    ) -> Result<(), CatalogError> {
        if attributes.0.is_empty() {
            return self.forget_attributes(bucket, key);
        }
        let kept = Kept { etag: etag.to_owned(), attributes: attributes.clone() };
        self.catalog.put(TABLE, &place(bucket, key), &kept)
    }

    /// Forgets the attributes of an object that is no more.
    pub fn forget_attributes(&self, bucket: &str, key: &str) -> Result<(), CatalogError> {
        let place = place(bucket, key);
        // Most objects have none, and looking costs no write.
        if self.catalog.get::<Kept>(TABLE, &place)?.is_some() {
            self.catalog.delete(TABLE, &place)?;
        }
        Ok(())
    }
}

/// No bucket's name has a slash.
fn place(bucket: &str, key: &str) -> String {
    format!("{bucket}/{key}")
}
