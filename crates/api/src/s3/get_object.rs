//! `GetObject`, `HeadObject` and `GetObjectTagging`.

use super::attributes::Attributes;
use super::conditions::{self, OWN, check_read};
use super::faults::{ACCESS_DENIED, INVALID_ARGUMENT, NO_SUCH_KEY, of_store};
use super::request::{Answer, Content, Request, quoted};
use super::store::Lake;
use super::xml::Xml;
use crate::wire::{Fault, Timestamp, http_date};
use millrace_deliver::OpenObject;
use std::ops::Range;
use std::sync::Arc;

impl Lake {
    /// `GetObject`.
    pub fn get_object(&self, request: &Request) -> Result<Answer, Fault> {
        let (object, range, answer) = self.asked(request)?;
        Ok(Answer { content: Content::Object(Arc::new(object), range), ..answer })
    }

    /// `HeadObject`.
    pub fn head_object(&self, request: &Request) -> Result<Answer, Fault> {
        self.asked(request).map(|(_, _, answer)| answer)
    }

    /// `GetObjectTagging`: objects here have no tags, which clients that copy them want to hear.
    pub fn get_object_tagging(&self, request: &Request) -> Result<Answer, Fault> {
        let bucket = self.may_object(request, "GetObjectTagging")?;
        self.open(&bucket.name, request.key())?;
        let mut xml = Xml::new("Tagging");
        xml.nest("TagSet", |_| {});
        Ok(Answer::xml(xml.finish()))
    }

    fn asked(&self, request: &Request) -> Result<(OpenObject, Range<u64>, Answer), Fault> {
        let bucket = self.may_object(request, "GetObject")?;
        let (object, attributes) = self.open(&bucket.name, request.key()).map_err(|fault| {
            // Who may not list does not hear what is there and what is not.
            match fault.kind == NO_SUCH_KEY && self.may_bucket(request, "ListBucket").is_err() {
                true => ACCESS_DENIED.because("Access Denied"),
                false => fault,
            }
        })?;
        check_read(request, &OWN, &object.info)?;
        let size = object.info.size;
        let part = conditions::range(request.header("range"), size)?;
        let mut answer = Answer::empty(if part.is_some() { 206 } else { 200 });
        if let Some(part) = &part {
            answer = answer.with("content-range", format!("bytes {}-{}/{size}", part.start, part.end - 1));
        }
        let range = part.unwrap_or(0..size);
        answer = answer
            .with("content-length", (range.end - range.start).to_string())
            .with("etag", quoted(&object.info.etag))
            .with("last-modified", http_date(Timestamp(object.info.modified)))
            .with("accept-ranges", "bytes");
        answer.headers.extend(attributes.headers(request));
        Ok((object, range, answer))
    }

    /// An object, and what is known of it beside its bytes.
    pub fn open(&self, bucket: &str, key: &str) -> Result<(OpenObject, Attributes), Fault> {
        if key.is_empty() {
            return Err(INVALID_ARGUMENT.because("A key is needed."));
        }
        let _held = self.hold(bucket, key);
        let object = self.lake.open_object(bucket, key).map_err(of_store)?;
        let attributes = self.attributes(bucket, key, &object.info.etag)?;
        Ok((object, attributes))
    }
}
