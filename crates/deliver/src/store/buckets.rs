//! Which buckets exist. Names are shared by all accounts, as on AWS.

use crate::DeliverError;
use millrace_base::{Millis, Scope};
use millrace_catalog::Catalog;
use serde::{Deserialize, Serialize};

const TABLE: &str = "s3-bucket";

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Who created it.
    pub scope: Scope,
    /// When.
    pub created: Millis,
}

/// The buckets of the lake.
#[derive(Clone)]
pub struct Buckets {
    catalog: Catalog,
}

impl Buckets {
    /// Those that the catalog knows.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }

    /// Adds a bucket; succeeds when the same owner has it already.
    pub fn create(&self, bucket: &Bucket) -> Result<(), DeliverError> {
        let name = &bucket.name;
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !(3..=63).contains(&name.len())
            || !name.chars().all(legal)
            || !name.starts_with(ends)
            || !name.ends_with(ends)
        {
            return Err(DeliverError::InvalidArgument(format!(
                "The specified bucket is not valid: '{name}' has to be 3 to 63 of [a-z0-9.-], beginning and ending with a letter or digit"
            )));
        }
        self.catalog.update(|transaction| match transaction.get::<Bucket>(TABLE, name)? {
            Some(old) if old.scope.account != bucket.scope.account => Err(DeliverError::InUse(
                "The requested bucket name is not available. Please select a different name and try again.".to_owned(),
            )),
            Some(_) => Ok(()),
            None => Ok(transaction.put(TABLE, name, bucket)?),
        })
    }

    /// A bucket by name.
    pub fn get(&self, name: &str) -> Result<Option<Bucket>, DeliverError> {
        Ok(self.catalog.get(TABLE, name)?)
    }

    /// All buckets of an account, by name.
    pub fn list(&self, scope: &Scope) -> Result<Vec<Bucket>, DeliverError> {
        let all = self.catalog.list::<Bucket>(TABLE, "")?;
        Ok(all.into_iter().map(|(_, bucket)| bucket).filter(|bucket| bucket.scope.account == scope.account).collect())
    }

    /// Removes the fact; true when it was there. The objects are the caller's affair.
    pub fn delete(&self, name: &str) -> Result<bool, DeliverError> {
        Ok(self.catalog.delete(TABLE, name)?)
    }
}
