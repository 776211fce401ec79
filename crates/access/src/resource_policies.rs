//! Policies of streams and of their consumers, which `PutResourcePolicy` of Kinesis attaches. Other resources keep theirs themselves.

use millrace_catalog::{Catalog, CatalogError};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// The catalog's table; keys are `ARN#INCARNATION`, so that a later stream of the same name has none.
const TABLE: &str = "resource-policy";

/// All of them, in memory too: they are asked for at every call. Cheap to clone.
#[derive(Clone)]
pub struct ResourcePolicies {
    catalog: Catalog,
    known: Arc<RwLock<HashMap<String, String>>>,
}

impl ResourcePolicies {
    /// Those of a catalog.
    pub fn open(catalog: Catalog) -> Result<Self, CatalogError> {
        let known = catalog.list::<String>(TABLE, "")?.into_iter().collect();
        Ok(Self { catalog, known: Arc::new(RwLock::new(known)) })
    }

    /// True when there is none at all.
    pub fn is_empty(&self) -> bool {
        self.known.read().is_empty()
    }

    /// The policy of a stream of this incarnation, or of a consumer of such a stream.
    pub fn get(&self, arn: &str, incarnation: u64) -> Option<String> {
        self.known.read().get(&place(arn, incarnation)).cloned()
    }

    /// Attaches a policy in place of the one that there was.
    pub fn put(&self, arn: &str, incarnation: u64, policy: &str) -> Result<(), CatalogError> {
        let (mut known, place) = (self.known.write(), place(arn, incarnation));
        self.catalog.put(TABLE, &place, &policy)?;
        known.insert(place, policy.to_owned());
        Ok(())
    }

    /// Takes the policy away; false when there is none.
    pub fn delete(&self, arn: &str, incarnation: u64) -> Result<bool, CatalogError> {
        let (mut known, place) = (self.known.write(), place(arn, incarnation));
        if !known.contains_key(&place) {
            return Ok(false);
        }
        self.catalog.delete(TABLE, &place)?;
        known.remove(&place);
        Ok(true)
    }

    /// Drops the policies of a stream that is gone, and of its consumers.
    pub fn forget(&self, stream_arn: &str, incarnation: u64) -> Result<(), CatalogError> {
        let consumers = format!("{stream_arn}/consumer/");
        let of_stream = |key: &&String| **key == place(stream_arn, incarnation) || key.starts_with(&consumers);
        let mut known = self.known.write();
        let gone: Vec<String> = known.keys().filter(of_stream).cloned().collect();
        for place in gone {
            self.catalog.delete(TABLE, &place)?;
            known.remove(&place);
        }
        Ok(())
    }
}

fn place(arn: &str, incarnation: u64) -> String {
    format!("{arn}#{incarnation:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_testkit::SimDisk;
    use std::path::Path;

    #[test]
    fn a_policy_outlives_a_restart_and_goes_with_its_stream() {
        let disk = SimDisk::new(1);
        let open = || ResourcePolicies::open(Catalog::open(&disk, Path::new("catalog.redb")).unwrap()).unwrap();
        {
            let policies = open();
            policies.put("arn:s", 1, "{}").unwrap();
            policies.put("arn:s/consumer/c:1", 1, "[]").unwrap();
            policies.put("arn:s2", 1, "{}").unwrap();
        }
        let policies = open();
        assert_eq!((policies.get("arn:s", 1), policies.get("arn:s", 2)), (Some("{}".to_owned()), None));
        policies.forget("arn:s", 1).unwrap();
        assert_eq!((policies.get("arn:s", 1), policies.get("arn:s/consumer/c:1", 1)), (None, None));
        assert!(policies.delete("arn:s2", 1).unwrap() && !policies.delete("arn:s2", 1).unwrap() && policies.is_empty());
    }
}
