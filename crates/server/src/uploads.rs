//! Packages that came with a template: the local folders and zips that its functions and layers name instead of a bucket.
//!
//! `millrace deploy` zips them and sends them along; here they are kept under the digest of their content, as
//! `aws cloudformation package` does with a bucket. A package that no stack names is removed after a deploy.
//!
//! # Format
//! `DATA/functions/uploads/SHA256.zip`, whole or not there.

use crate::door::DeployRequest;
use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::Disk;
use millrace_functions::{CodeObjects, ObjectError};
use millrace_stack::{Deployer, Template};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{RwLock, RwLockReadGuard};

/// Stands for these packages where a bucket's name stands: no bucket is called so, S3 has no upper case.
pub const BUCKET: &str = "TEMPLATE";

/// The packages. Cheap to clone.
#[derive(Clone)]
pub struct Uploads {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Held while a template is deployed, so that nothing is removed that its stack does not name yet.
    deploys: Arc<RwLock<()>>,
}

impl Uploads {
    /// Those in `dir`.
    pub fn new(disk: Arc<dyn Disk>, dir: PathBuf) -> Self {
        Self { disk, dir, deploys: Arc::default() }
    }

    /// Keeps what came with a template, and has the template name it.
    pub fn take(&self, request: &DeployRequest, template: &mut Template) -> Result<(), String> {
        let mut kept = BTreeMap::new();
        for (path, zip) in &request.packages {
            let zip = base64_simd::STANDARD.decode_to_vec(zip).map_err(|error| format!("{path}: {error}"))?;
            let key = self.keep(&zip).map_err(|error| format!("{path} cannot be kept: {error}"))?;
            kept.insert(path.clone(), json!({"S3Bucket": BUCKET, "S3Key": key}));
        }
        template.package(&kept);
        Ok(())
    }

    fn keep(&self, zip: &[u8]) -> io::Result<String> {
        let digest = sha256_hex(zip);
        let key = format!("{digest}.zip");
        self.disk.create_dir(&self.dir)?;
        self.disk.replace(&self.dir.join(&key), zip)?;
        Ok(key)
    }

    /// To be held from [`Self::take`] to the end of the deploy.
    pub async fn hold(&self) -> RwLockReadGuard<'_, ()> {
        self.deploys.read().await
    }

    /// Removes what no stack names, unless something is being deployed.
    pub fn tidy(&self, deployer: &Deployer) -> Result<(), String> {
        let Ok(_alone) = self.deploys.try_write() else { return Ok(()) };
        for name in self.disk.list(&self.dir).map_err(|error| error.to_string())? {
            if !deployer.mentions(&name).map_err(|error| error.to_string())? {
                self.disk.remove(&self.dir.join(&name)).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }
}

/// The packages that came with templates, and the objects of real buckets.
pub struct Packages {
    /// Those of templates.
    pub uploads: Uploads,
    /// All others.
    pub objects: Arc<dyn CodeObjects>,
}

#[async_trait]
impl CodeObjects for Packages {
    async fn read(&self, bucket: &str, key: &str) -> Result<Bytes, ObjectError> {
        if bucket != BUCKET {
            return self.objects.read(bucket, key).await;
        }
        let (disk, path) = (self.uploads.disk.clone(), self.uploads.dir.join(key));
        let read = tokio::task::spawn_blocking(move || disk.read(&path)).await;
        let read = read.unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
        read.map(Bytes::from).map_err(|error| ObjectError { code: "NoSuchKey", message: error.to_string() })
    }
}

/// The SHA-256 of some bytes in hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_testkit::SimDisk;

    struct NoObjects;

    #[async_trait]
    impl CodeObjects for NoObjects {
        async fn read(&self, bucket: &str, _key: &str) -> Result<Bytes, ObjectError> {
            Err(ObjectError { code: "NoSuchBucket", message: bucket.to_owned() })
        }
    }

    #[tokio::test]
    async fn what_came_with_a_template_is_read_by_its_digest() {
        let uploads = Uploads::new(Arc::new(SimDisk::new(1)), "/data/uploads".into());
        let template = "Resources:\n  F:\n    Type: AWS::Lambda::Function\n    Properties: {Code: src/, Role: r}\n";
        let mut parsed = Template::parse("t.yaml", template).unwrap();
        assert_eq!(parsed.local_paths(), ["src/"]);
        let packages = BTreeMap::from([("src/".to_owned(), base64_simd::STANDARD.encode_to_string("zip"))]);
        let request = DeployRequest {
            stack: "s".into(),
            file: "t.yaml".into(),
            template: template.into(),
            parameters: BTreeMap::new(),
            packages,
        };
        uploads.take(&request, &mut parsed).unwrap();
        assert_eq!(parsed.local_paths(), Vec::<String>::new());
        let key = uploads.disk.list(&uploads.dir).unwrap().remove(0);
        let packages = Packages { uploads, objects: Arc::new(NoObjects) };
        assert_eq!(packages.read(BUCKET, &key).await.unwrap(), "zip");
        assert_eq!(packages.read(BUCKET, "other.zip").await.unwrap_err().code, "NoSuchKey");
        assert_eq!(packages.read("lake", &key).await.unwrap_err().code, "NoSuchBucket");
    }
}
