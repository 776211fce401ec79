//! Where objects are kept: a local lake or any S3 store.

mod buckets;
mod local;
mod parts;
mod s3;

pub use buckets::{Bucket, Buckets};
pub use local::{LocalLake, OpenObject};
pub use s3::{S3Settings, S3Store};

use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::Millis;

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Millis,
    /// Another text for other content, without quotes. It tells nothing about the content.
    pub etag: String,
}

/// A failed operation on the store. Nothing is known of whether a failed put took place; repeating it is harmless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("there is no object {bucket}/{key}")]
    NoSuchKey {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// There is no such bucket.
    #[error("there is no bucket {0}: create it, and delivery goes on")]
    NoSuchBucket(String),
    /// The key cannot be stored.
    #[error("the key '{key}' cannot be stored: {reason}")]
    BadKey {
        /// The key.
        key: String,
        /// Why.
        reason: String,
    },
    /// The store could not be reached or refused; trying again may help.
    #[error("the store failed at {bucket}/{key}: {reason}")]
    Failed {
        /// The bucket.
        bucket: String,
        /// The key or prefix.
        key: String,
        /// What the store said.
        reason: String,
    },
}

/// A store of objects. A put replaces the whole object, atomically and durably: once it returned `Ok`, every reader finds
/// the new content, also after a crash. A put that was cut off leaves the old object or the new one, never a part.
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    /// Writes an object.
    async fn put(&self, bucket: &str, key: &str, content: Bytes) -> Result<(), StoreError>;
    /// Reads an object.
    async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, StoreError>;
    /// What is known of an object.
    async fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, StoreError>;
    /// The objects whose keys begin with `prefix`, in order of key.
    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError>;
    /// Removes an object; an absent one is no error.
    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError>;
}
