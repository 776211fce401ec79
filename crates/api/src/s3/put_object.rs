//! `PutObject`.

use super::attributes::Attributes;
use super::checksum;
use super::conditions::check_write;
use super::faults::{INVALID_ARGUMENT, of_store};
use super::request::{Answer, Request, quoted};
use super::store::Lake;
use crate::wire::Fault;
use millrace_deliver::{ObjectInfo, StoreError};

/// S3's own limit of a key.
const KEY_BYTES_MAX: usize = 1024;

impl Lake {
    /// `PutObject`.
    pub fn put_object(&self, request: &Request) -> Result<Answer, Fault> {
        self.may_object(request, "PutObject")?;
        let sums = checksum::verify(request)?;
        let attributes = Attributes::of(request)?;
        let content = request.body.clone();
        let written = self.write(request, &attributes, |lake| {
            lake.lake.write_object(request.bucket(), request.key(), &mut std::iter::once(Ok(content)))
        })?;
        let mut answer = Answer::empty(200).with("etag", quoted(&written.etag));
        answer.headers.extend(sums);
        Ok(answer)
    }

    /// Writes a request's object and what is known of it, if the request's conditions hold.
    pub fn write(
        &self,
        request: &Request,
        attributes: &Attributes,
        write: impl FnOnce(&Self) -> Result<ObjectInfo, StoreError>,
    ) -> Result<ObjectInfo, Fault> {
        let (bucket, key) = (request.bucket(), request.key());
        if key.len() > KEY_BYTES_MAX {
            return Err(
                INVALID_ARGUMENT.because(format!("Your key is too long: {} of {KEY_BYTES_MAX} bytes.", key.len()))
            );
        }
        let _held = self.hold(bucket, key);
        if request.header("if-match").is_some() || request.header("if-none-match").is_some() {
            let found = match self.lake.open_object(bucket, key) {
                Ok(object) => Some(object.info),
                Err(StoreError::NoSuchKey { .. }) => None,
                Err(error) => return Err(of_store(error)),
            };
            check_write(request, found.as_ref())?;
        }
        let written = write(self).map_err(of_store)?;
        self.keep_attributes(bucket, key, &written.etag, attributes)?;
        Ok(written)
    }
}
