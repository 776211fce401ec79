//! What is known of uploads that are under way: facts in the catalog, while the parts' bytes are files of the lake.

use super::attributes::Attributes;
use super::checksum::Checksums;
use super::faults::{NO_SUCH_UPLOAD, of_store};
use super::store::Lake;
use crate::wire::Fault;
use millrace_base::Millis;
use serde::{Deserialize, Serialize};

const UPLOADS: &str = "s3-upload";
const PARTS: &str = "s3-part";

/// An upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Upload {
    pub bucket: String,
    pub key: String,
    pub initiated: Millis,
    pub attributes: Attributes,
}

/// A part of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    pub etag: String,
    pub size: u64,
    pub modified: Millis,
    pub checksums: Checksums,
}

impl Lake {
    /// Keeps an upload that begins.
    pub fn keep_upload(&self, id: &str, upload: &Upload) -> Result<(), Fault> {
        Ok(self.catalog.put(UPLOADS, id, upload)?)
    }

    /// The upload of an object.
    pub fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, Fault> {
        let found: Option<Upload> = self.catalog.get(UPLOADS, id)?;
        found.filter(|upload| (&*upload.bucket, &*upload.key) == (bucket, key)).ok_or_else(|| {
            let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
                           aborted or completed.";
            NO_SUCH_UPLOAD.because(message).with("UploadId", id)
        })
    }

    /// All uploads of a bucket with their ids, in order of key.
    pub fn uploads(&self, bucket: &str) -> Result<Vec<(String, Upload)>, Fault> {
        let mut found: Vec<(String, Upload)> = self.catalog.list(UPLOADS, "")?;
        found.retain(|(_, upload)| upload.bucket == bucket);
        found.sort_by(|a, b| (&a.1.key, &a.0).cmp(&(&b.1.key, &b.0)));
        Ok(found)
    }

    /// Keeps what is known of a part.
    pub fn keep_part(&self, id: &str, number: u32, part: &Part) -> Result<(), Fault> {
        Ok(self.catalog.put(PARTS, &place(id, number), part)?)
    }

    /// One part.
    pub fn part(&self, id: &str, number: u32) -> Result<Option<Part>, Fault> {
        Ok(self.catalog.get(PARTS, &place(id, number))?)
    }

    /// All parts, in order of number.
    pub fn parts(&self, id: &str) -> Result<Vec<(u32, Part)>, Fault> {
        let found: Vec<(String, Part)> = self.catalog.list(PARTS, &format!("{id}/"))?;
        let number = |place: &str| place.rsplit('/').next().and_then(|number| number.parse().ok());
        Ok(found.into_iter().filter_map(|(place, part)| Some((number(&place)?, part))).collect())
    }

    /// Forgets an upload and removes its parts.
    pub fn remove_upload(&self, id: &str) -> Result<(), Fault> {
        let parts: Vec<(String, Part)> = self.catalog.list(PARTS, &format!("{id}/"))?;
        self.catalog.update(|transaction| {
            for (place, _) in &parts {
                transaction.delete(PARTS, place)?;
            }
            transaction.delete(UPLOADS, id).map(|_| ())
        })?;
        self.lake.remove_parts(id).map_err(of_store)
    }

    /// Forgets all uploads of a bucket.
    pub fn remove_uploads(&self, bucket: &str) -> Result<(), Fault> {
        self.uploads(bucket)?.iter().try_for_each(|(id, _)| self.remove_upload(id))
    }
}

/// Padded, so that the catalog lists parts in order.
fn place(id: &str, number: u32) -> String {
    format!("{id}/{number:05}")
}
