//! Any S3 store, through the object_store crate.

use super::{ObjectInfo, ObjectStore, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ObjectMeta, ObjectStoreExt, RetryConfig, path::Path};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Tries of a request before its failure is told; delivery itself tries again for as long as it takes.
const RETRIES_MAX: usize = 2;

/// How the store is reached.
#[derive(Debug, Clone, Default)]
pub struct S3Settings {
    /// For example `http://minio:9000`; AWS's own when absent.
    pub endpoint: Option<String>,
    /// `us-east-1` when absent.
    pub region: Option<String>,
    /// Both or neither; the environment (`AWS_ACCESS_KEY_ID` …) and the machine's role when absent.
    pub credentials: Option<(String, String)>,
}

/// Buckets of an S3 store.
pub struct S3Store {
    settings: S3Settings,
    clients: Mutex<HashMap<String, Arc<AmazonS3>>>,
}

impl S3Store {
    /// A store by its settings. Nothing is contacted yet.
    pub fn new(settings: S3Settings) -> Self {
        Self { settings, clients: Mutex::default() }
    }

    fn client(&self, bucket: &str) -> Result<Arc<AmazonS3>, StoreError> {
        if let Some(client) = self.clients.lock().get(bucket) {
            return Ok(client.clone());
        }
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_allow_http(true);
        builder = builder.with_retry(RetryConfig { max_retries: RETRIES_MAX, ..RetryConfig::default() });
        builder = builder.with_region(self.settings.region.as_deref().unwrap_or("us-east-1"));
        if let Some(endpoint) = &self.settings.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some((id, secret)) = &self.settings.credentials {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        let client = Arc::new(builder.build().map_err(|error| failed(bucket, "", error))?);
        self.clients.lock().insert(bucket.to_owned(), client.clone());
        Ok(client)
    }
}

fn failed(bucket: &str, key: &str, error: object_store::Error) -> StoreError {
    let (bucket, key) = (bucket.to_owned(), key.to_owned());
    let reason = error.to_string();
    match error {
        _ if reason.contains("NoSuchBucket") => StoreError::NoSuchBucket(bucket),
        object_store::Error::NotFound { .. } => StoreError::NoSuchKey { bucket, key },
        _ => StoreError::Failed { bucket, key, reason },
    }
}

fn info(meta: ObjectMeta) -> ObjectInfo {
    ObjectInfo {
        key: meta.location.to_string(),
        size: meta.size,
        modified: meta.last_modified.timestamp_millis(),
        etag: meta.e_tag.unwrap_or_default().trim_matches('"').to_owned(),
    }
}

fn path(key: &str) -> Result<Path, StoreError> {
    Path::parse(key).map_err(|error| StoreError::BadKey { key: key.to_owned(), reason: error.to_string() })
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn put(&self, bucket: &str, key: &str, content: Bytes) -> Result<(), StoreError> {
        let put = self.client(bucket)?;
        put.put(&path(key)?, content.into()).await.map(drop).map_err(|error| failed(bucket, key, error))
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, StoreError> {
        let client = self.client(bucket)?;
        let found = client.get(&path(key)?).await.map_err(|error| failed(bucket, key, error))?;
        found.bytes().await.map_err(|error| failed(bucket, key, error))
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, StoreError> {
        let client = self.client(bucket)?;
        let meta = client.head(&path(key)?).await.map_err(|error| failed(bucket, key, error))?;
        Ok(info(meta))
    }

    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        use object_store::ObjectStore as _;
        let client = self.client(bucket)?;
        // object_store lists by whole folders; the rest of the prefix is compared here.
        let folder = prefix.rsplit_once('/').map(|(folder, _)| path(folder)).transpose()?;
        let all: Vec<_> =
            client.list(folder.as_ref()).try_collect().await.map_err(|error| failed(bucket, prefix, error))?;
        let mut found: Vec<_> = all.into_iter().map(info).filter(|object| object.key.starts_with(prefix)).collect();
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        let client = self.client(bucket)?;
        match client.delete(&path(key)?).await {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(failed(bucket, key, error)),
        }
    }
}
