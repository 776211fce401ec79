//! What S3's operations act on.

use super::faults::{ACCESS_DENIED, no_such_bucket, of_buckets};
use super::request::Request;
use crate::authorize::Need;
use crate::wire::Fault;
use millrace_base::{Clock, Dice, Scope};
use millrace_catalog::Catalog;
use millrace_deliver::{Bucket, Buckets, LocalLake};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Objects that are written at once without waiting for each other, but for a coincidence.
const STRIPES: usize = 256;

/// S3's API. Cheap to clone.
#[derive(Clone)]
pub struct S3(pub(super) Arc<Place>);

/// Where the lake is.
pub(super) enum Place {
    /// Here.
    Here(Lake),
    /// In a store that has S3's API itself: it is to be asked.
    Elsewhere,
}

/// The lake of this machine.
pub struct Lake {
    pub lake: Arc<LocalLake>,
    pub buckets: Buckets,
    pub catalog: Catalog,
    pub clock: Arc<dyn Clock>,
    pub dice: Arc<dyn Dice>,
    /// Whether what is written is sealed, which S3 calls AES256.
    pub is_sealed: bool,
    /// Who writes an object holds its stripe, so that conditions hold and attributes are those of their object.
    stripes: Vec<Mutex<()>>,
}

impl S3 {
    /// The API of a lake on this machine. `is_sealed`: its disk seals what is written.
    pub fn new(
        lake: Arc<LocalLake>,
        catalog: Catalog,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
        is_sealed: bool,
    ) -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        let buckets = Buckets::new(catalog.clone());
        Self(Arc::new(Place::Here(Lake { lake, buckets, catalog, clock, dice, is_sealed, stripes })))
    }

    /// The refusal of a server whose lake lies in a store that has S3's API itself.
    pub fn elsewhere() -> Self {
        Self(Arc::new(Place::Elsewhere))
    }

    /// Whether there is a bucket of this name.
    pub(super) fn is_bucket(&self, name: &str) -> bool {
        match &*self.0 {
            Place::Here(lake) => lake.buckets.get(name).is_ok_and(|found| found.is_some()),
            Place::Elsewhere => false,
        }
    }
}

impl Lake {
    /// Keeps others from writing an object meanwhile.
    pub fn hold(&self, bucket: &str, key: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        (bucket, key).hash(&mut hasher);
        let at = hasher.finish() as usize % STRIPES;
        // Nothing is broken by somebody who panicked: files are replaced as a whole.
        self.stripes[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request's bucket.
    pub fn bucket(&self, request: &Request) -> Result<Bucket, Fault> {
        let bucket = self.bucket_named(request.bucket())?;
        check_owner(request, "x-amz-expected-bucket-owner", &bucket)?;
        Ok(bucket)
    }

    /// A bucket by name.
    pub fn bucket_named(&self, name: &str) -> Result<Bucket, Fault> {
        self.buckets.get(name).map_err(of_buckets)?.ok_or_else(|| no_such_bucket(name))
    }

    /// Asks for an action on a request's bucket.
    pub fn may_bucket(&self, request: &Request, action: &str) -> Result<Bucket, Fault> {
        let bucket = self.bucket(request)?;
        may(request, &bucket, Need::on(format!("s3:{action}"), arn(&bucket.name)))?;
        Ok(bucket)
    }

    /// Asks for an action on a request's object.
    pub fn may_object(&self, request: &Request, action: &str) -> Result<Bucket, Fault> {
        let bucket = self.bucket(request)?;
        may_key(request, &bucket, action, request.key())?;
        Ok(bucket)
    }
}

/// Asks for an action on an object of a bucket.
pub fn may_key(request: &Request, bucket: &Bucket, action: &str, key: &str) -> Result<(), Fault> {
    may(request, bucket, Need::on(format!("s3:{action}"), format!("{}/{key}", arn(&bucket.name))))
}

/// Asks the policies; a bucket's ARN does not say whose it is.
pub fn may(request: &Request, bucket: &Bucket, need: Need) -> Result<(), Fault> {
    let scope = Scope::new(&bucket.scope.account, &request.caller.scope.region);
    request.caller.guard.allow(&scope, &need)
}

/// The ARN of a bucket.
pub fn arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

/// Refuses a request that expects somebody else to own the bucket.
pub fn check_owner(request: &Request, header: &str, bucket: &Bucket) -> Result<(), Fault> {
    match request.header(header) {
        Some(expected) if expected != &*bucket.scope.account => {
            Err(ACCESS_DENIED.because(format!("Access Denied: {header} is {expected}, and the bucket is not theirs.")))
        }
        _ => Ok(()),
    }
}
