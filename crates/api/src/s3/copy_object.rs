//! `CopyObject`, and the source of `UploadPartCopy`.

use super::attributes::Attributes;
use super::conditions::{SOURCE, check_read};
use super::faults::{INVALID_ARGUMENT, INVALID_REQUEST, unsupported};
use super::request::{Answer, Request, iso, quoted};
use super::route::decoded;
use super::store::{Lake, check_owner, may_key};
use super::xml::Xml;
use crate::wire::Fault;
use millrace_deliver::OpenObject;

/// What a copy is made of.
pub struct Source {
    /// Its bucket and key.
    pub name: (String, String),
    /// Its bytes.
    pub object: OpenObject,
    /// What is known of it.
    pub attributes: Attributes,
}

impl Lake {
    /// `CopyObject`.
    pub fn copy_object(&self, request: &Request) -> Result<Answer, Fault> {
        self.may_object(request, "PutObject")?;
        let Source { name: (bucket, key), object, attributes } = self.source(request)?;
        let is_replaced = match request.header("x-amz-metadata-directive") {
            None | Some("COPY") => false,
            Some("REPLACE") => true,
            Some(other) => return Err(INVALID_ARGUMENT.because(format!("Unknown metadata directive: {other}"))),
        };
        if request.header("x-amz-checksum-algorithm").is_some() {
            return Err(unsupported("a checksum of a copy (x-amz-checksum-algorithm)"));
        }
        if !is_replaced && (&*bucket, &*key) == (request.bucket(), request.key()) {
            return Err(INVALID_REQUEST.because(
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes.",
            ));
        }
        let attributes = if is_replaced { Attributes::of(request)? } else { attributes };
        let written = self.write(request, &attributes, |lake| {
            let mut pieces = object.pieces(0..object.info.size);
            lake.lake.write_object(request.bucket(), request.key(), &mut pieces)
        })?;
        let mut xml = Xml::new("CopyObjectResult");
        xml.leaf("LastModified", &iso(written.modified)).leaf("ETag", &quoted(&written.etag));
        Ok(Answer::xml(xml.finish()))
    }

    /// The object that `x-amz-copy-source` names, of a caller who may read it.
    pub fn source(&self, request: &Request) -> Result<Source, Fault> {
        let given = request.header("x-amz-copy-source").unwrap_or_default();
        if given.contains("?versionId=") {
            return Err(unsupported("versions (?versionId in x-amz-copy-source)"));
        }
        let name = decoded(given.trim_start_matches('/'))?;
        let (bucket, key) = name.split_once('/').filter(|(_, key)| !key.is_empty()).ok_or_else(|| {
            INVALID_ARGUMENT.because("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
        })?;
        let owner = self.bucket_named(bucket)?;
        check_owner(request, "x-amz-source-expected-bucket-owner", &owner)?;
        may_key(request, &owner, "GetObject", key)?;
        let (object, attributes) = self.open(bucket, key)?;
        check_read(request, &SOURCE, &object.info)?;
        Ok(Source { name: (bucket.to_owned(), key.to_owned()), object, attributes })
    }
}
