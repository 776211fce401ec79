//! `DeleteObject` and `DeleteObjects`.

use super::checksum;
use super::faults::{MALFORMED_XML, PRECONDITION_FAILED, of_store, unsupported};
use super::request::{Answer, Request};
use super::store::{Lake, may_key};
use super::xml::{Element, Xml};
use crate::wire::Fault;
use millrace_deliver::{Bucket, ObjectStore};

/// S3 takes no more at once.
const KEYS_MAX: usize = 1000;

impl Lake {
    /// `DeleteObject`; an absent one is no error.
    pub fn delete_object(&self, request: &Request) -> Result<Answer, Fault> {
        let bucket = self.bucket(request)?;
        self.remove(request, &bucket, request.key(), request.header("if-match"))?;
        Ok(Answer::empty(204))
    }

    /// `DeleteObjects`: each succeeds or fails by itself.
    pub fn delete_objects(&self, request: &Request) -> Result<Answer, Fault> {
        let bucket = self.bucket(request)?;
        checksum::verify(request)?;
        let asked = Element::parse(&request.body, "Delete")?;
        let objects: Vec<&Element> = asked.children.iter().filter(|child| child.name == "Object").collect();
        if objects.is_empty() || objects.len() > KEYS_MAX {
            return Err(
                MALFORMED_XML.because(format!("A Delete names 1 to {KEYS_MAX} objects, not {}.", objects.len()))
            );
        }
        let is_quiet = asked.child("Quiet") == Some("true");
        let mut xml = Xml::new("DeleteResult");
        for object in objects {
            let key = object.child("Key").unwrap_or_default();
            match self.remove_named(request, &bucket, object, key) {
                Ok(()) if is_quiet => {}
                Ok(()) => {
                    xml.nest("Deleted", |xml| {
                        xml.leaf("Key", key);
                    });
                }
                Err(fault) => {
                    xml.nest("Error", |xml| {
                        xml.leaf("Key", key).leaf("Code", fault.kind.query_code()).leaf("Message", &fault.message);
                    });
                }
            }
        }
        Ok(Answer::xml(xml.finish()))
    }

    fn remove_named(&self, request: &Request, bucket: &Bucket, object: &Element, key: &str) -> Result<(), Fault> {
        let known = |name: &str| matches!(name, "Key" | "ETag");
        if let Some(other) = object.children.iter().find(|child| !known(&child.name)) {
            return Err(unsupported(&format!("{} of an object to delete", other.name)));
        }
        self.remove(request, bucket, key, object.child("ETag"))
    }

    fn remove(&self, request: &Request, bucket: &Bucket, key: &str, etag: Option<&str>) -> Result<(), Fault> {
        may_key(request, bucket, "DeleteObject", key)?;
        let _held = self.hold(&bucket.name, key);
        if let Some(etag) = etag.map(|etag| etag.trim_matches('"')).filter(|etag| *etag != "*") {
            let found = self.lake.open_object(&bucket.name, key).map_err(of_store)?;
            if found.info.etag != etag {
                return Err(
                    PRECONDITION_FAILED.because("At least one of the pre-conditions you specified did not hold")
                );
            }
        }
        futures::executor::block_on(self.lake.delete(&bucket.name, key)).map_err(of_store)?;
        Ok(self.forget_attributes(&bucket.name, key)?)
    }
}
