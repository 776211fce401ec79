//! Where a request's code comes from, and what is checked before it is kept.

use super::packages::PackageRef;
use super::{Functions, FunctionsError};
use crate::package::{PackageError, measure};
use async_trait::async_trait;
use bytes::Bytes;

/// AWS's ceiling for a package that comes in the request itself.
const DIRECT_BYTES_MAX: usize = 50 * 1024 * 1024;

/// The code of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeSource {
    /// `ZipFile`.
    Zip(Bytes),
    /// `S3Bucket` and `S3Key`.
    Object {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
}

/// Why an object could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectError {
    /// S3's code, for example `NoSuchKey`.
    pub code: &'static str,
    /// S3's message.
    pub message: String,
}

/// The objects that packages can be read from.
#[async_trait]
pub trait CodeObjects: Send + Sync + 'static {
    /// Reads an object.
    async fn read(&self, bucket: &str, key: &str) -> Result<Bytes, ObjectError>;
}

impl CodeSource {
    /// The source that a request names: a zip, or an object.
    pub fn of(zip: Option<Bytes>, bucket: Option<String>, key: Option<String>) -> Result<Self, FunctionsError> {
        match (zip, bucket, key) {
            (Some(zip), None, None) => Ok(Self::Zip(zip)),
            (None, Some(bucket), Some(key)) => Ok(Self::Object { bucket, key }),
            (None, None, None) => Err(FunctionsError::invalid(
                "Please provide a source for function code: ZipFile, or S3Bucket and S3Key.",
            )),
            (Some(_), ..) => Err(FunctionsError::invalid(
                "Please do not provide other FunctionCode parameters when providing a ZipFile.",
            )),
            (None, ..) => Err(FunctionsError::invalid("S3Bucket and S3Key must be given together.")),
        }
    }

    /// The zip's bytes.
    pub async fn read(self, objects: &dyn CodeObjects) -> Result<Bytes, FunctionsError> {
        match self {
            Self::Zip(zip) if zip.len() > DIRECT_BYTES_MAX => Err(FunctionsError::TooLarge(format!(
                "The package has {} bytes; at most {DIRECT_BYTES_MAX} may come in a request. Put it into a bucket and \
                 name S3Bucket and S3Key.",
                zip.len()
            ))),
            Self::Zip(zip) => Ok(zip),
            Self::Object { bucket, key } => objects.read(&bucket, &key).await.map_err(|error| {
                FunctionsError::invalid(format!(
                    "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}",
                    error.code, error.message
                ))
            }),
        }
    }
}

impl Functions {
    /// Checks a package without keeping it.
    pub(super) fn checked_package(&self, zip: &[u8]) -> Result<PackageRef, FunctionsError> {
        if zip.is_empty() {
            return Err(FunctionsError::invalid("Uploaded file must be a non-empty zip"));
        }
        match measure(zip) {
            Ok(0) => Err(FunctionsError::invalid("Uploaded file must be a non-empty zip")),
            Ok(_) => Ok(PackageRef::of(zip)),
            Err(PackageError::Disk { path, error }) => {
                Err(FunctionsError::Packages { place: path.display().to_string(), error })
            }
            Err(error) => Err(FunctionsError::invalid(error.to_string())),
        }
    }

    /// Checks and keeps a package.
    pub(super) fn keep_package(&self, zip: &[u8]) -> Result<PackageRef, FunctionsError> {
        self.checked_package(zip)?;
        self.shared.packages.put(zip)
    }

    /// The bytes of a package by its digest, if a function or layer names it.
    pub fn package(&self, sha256: &str) -> Result<Option<Vec<u8>>, FunctionsError> {
        match self.named_packages()?.contains(sha256) {
            true => Ok(Some(self.shared.packages.read(sha256)?)),
            false => Ok(None),
        }
    }
}
