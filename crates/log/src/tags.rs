//! Tags of streams and of consumers, kept in the catalog under what tells one from a namesake that came later: a stream's
//! incarnation, the second in which a consumer was registered.

use crate::{StreamConsumer, StreamInfo};
use millrace_catalog::{Catalog, CatalogError};
use std::collections::BTreeMap;

const TABLE: &str = "kinesis-tags";

/// The tags of one resource.
pub type Tags = BTreeMap<String, String>;

/// The tags of all resources.
#[derive(Clone)]
pub struct TagStore {
    catalog: Catalog,
}

impl TagStore {
    /// Those that the catalog keeps.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }

    /// Where a stream's tags are kept.
    pub fn of_stream(stream: &StreamInfo) -> String {
        format!("{}/{:016x}", stream.key, stream.incarnation)
    }

    /// Where a consumer's tags are kept.
    pub fn of_consumer(consumer: &StreamConsumer) -> String {
        let StreamConsumer { stream, incarnation, name, created } = consumer;
        format!("{stream}/{incarnation:016x}/{name}:{created}")
    }

    /// All tags that are kept in a place.
    pub fn get(&self, place: &str) -> Result<Tags, CatalogError> {
        Ok(self.catalog.get(TABLE, place)?.unwrap_or_default())
    }

    /// Changes tags in one step; a change that fails leaves them as they were.
    pub fn change<E: From<CatalogError>>(
        &self,
        place: &str,
        change: impl FnOnce(&mut Tags) -> Result<(), E>,
    ) -> Result<(), E> {
        self.catalog.update(|catalog| {
            let mut tags: Tags = catalog.get(TABLE, place)?.unwrap_or_default();
            change(&mut tags)?;
            Ok(catalog.put(TABLE, place, &tags)?)
        })
    }

    /// Drops the tags of a resource that is gone.
    pub fn forget(&self, place: &str) -> Result<(), CatalogError> {
        self.catalog.delete(TABLE, place).map(drop)
    }
}
