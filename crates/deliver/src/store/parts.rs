//! Parts of objects that are uploaded in several requests, kept until the object is put together or given up.
//!
//! `<root>/.multipart/UPLOAD/NUMBER` is a part. It is written under `<root>/.uploads/`, synced and renamed, as objects are. What
//! is known of an upload beside its parts' bytes is the caller's affair: an upload without parts has no folder.

use super::local::failed;
use super::{LocalLake, ObjectInfo, OpenObject, StoreError};
use bytes::Bytes;
use std::io;
use std::path::PathBuf;

const MULTIPART: &str = ".multipart";

impl LocalLake {
    /// Keeps a part; one of the same number is replaced. `upload` must be a name that the caller made.
    pub fn write_part(
        &self,
        upload: &str,
        number: u32,
        pieces: &mut dyn Iterator<Item = io::Result<Bytes>>,
    ) -> Result<ObjectInfo, StoreError> {
        let path = self.upload_dir(upload).join(number.to_string());
        let written = self.write(&path, pieces);
        let written = written.map_err(|error| failed(MULTIPART, upload, &error))?;
        Ok(super::local::info(&number.to_string(), written.0, written.1))
    }

    /// Puts an object together of parts, in the order given.
    pub fn join_parts(&self, upload: &str, numbers: &[u32], bucket: &str, key: &str) -> Result<ObjectInfo, StoreError> {
        let parts = numbers.iter().map(|number| self.open_part(upload, *number)).collect::<Result<Vec<_>, _>>()?;
        self.write_object(bucket, key, &mut parts.iter().flat_map(|part| part.pieces(0..part.info.size)))
    }

    /// Removes the parts of an upload.
    pub fn remove_parts(&self, upload: &str) -> Result<(), StoreError> {
        let removed = self.disk.remove_dir(&self.upload_dir(upload));
        removed.map_err(|error| failed(MULTIPART, upload, &error))
    }

    fn open_part(&self, upload: &str, number: u32) -> Result<OpenObject, StoreError> {
        self.open_file(&self.upload_dir(upload).join(number.to_string()), &number.to_string())
            .map_err(|error| failed(MULTIPART, upload, &error))
    }

    fn upload_dir(&self, upload: &str) -> PathBuf {
        self.root.join(MULTIPART).join(upload)
    }
}
