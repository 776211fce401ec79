//! Registered consumers of streams: facts in the catalog, for whoever must know that one exists.
//!
//! The table is `kinesis-consumer`, the keys are `account/region/stream/consumer`. A consumer belongs to one incarnation of
//! its stream: one that was left behind when the stream was deleted is not there.

use crate::{Log, StreamInfo, StreamKey};
use millrace_base::{Arn, Millis};
use millrace_catalog::{Catalog, CatalogError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const TABLE: &str = "kinesis-consumer";

/// A registered consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamConsumer {
    /// The stream that it reads.
    pub stream: StreamKey,
    /// Which of the streams that had this name.
    pub incarnation: u64,
    /// Its name, unique in the stream: 1 to 128 of `[a-zA-Z0-9_.-]`.
    pub name: Arc<str>,
    /// When it was registered; part of its ARN.
    pub created: Millis,
}

impl StreamConsumer {
    /// `…:stream/NAME/consumer/CONSUMER:EPOCHSECONDS`.
    pub fn arn(&self) -> Arn {
        let seconds = self.created.div_euclid(1000);
        self.stream.scope.arn("kinesis", &format!("stream/{}/consumer/{}:{seconds}", self.stream.name, self.name))
    }
}

/// Why a consumer is not registered.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The name is taken.
    #[error("consumer {} of stream {} already exists", .0.name, .0.stream)]
    Exists(Box<StreamConsumer>),
    /// The stream has as many as it may have.
    #[error("stream {stream} has {count} consumers already")]
    TooMany {
        /// Whose.
        stream: StreamKey,
        /// How many.
        count: usize,
    },
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// The consumers of all streams. Cheap to clone.
#[derive(Clone)]
pub struct Consumers {
    catalog: Catalog,
}

impl Consumers {
    /// Those in `catalog`.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }

    /// Registers a consumer, unless the stream has `count_max` already.
    pub fn register(
        &self,
        stream: &StreamInfo,
        name: &str,
        now: Millis,
        count_max: usize,
    ) -> Result<StreamConsumer, ConsumerError> {
        let count = self.list(stream)?.iter().filter(|consumer| &*consumer.name != name).count();
        let consumer = StreamConsumer {
            stream: stream.key.clone(),
            incarnation: stream.incarnation,
            name: name.into(),
            created: now,
        };
        self.catalog.update(|catalog| {
            let key = key(&stream.key, name);
            let other: Option<StreamConsumer> = catalog.get(TABLE, &key)?;
            if let Some(other) = other.filter(|other| other.incarnation == stream.incarnation) {
                return Err(ConsumerError::Exists(Box::new(other)));
            }
            if count >= count_max {
                return Err(ConsumerError::TooMany { stream: stream.key.clone(), count });
            }
            catalog.put(TABLE, &key, &consumer)?;
            Ok(consumer)
        })
    }

    /// Removes a consumer; false when it was not there.
    pub fn deregister(&self, consumer: &StreamConsumer) -> Result<bool, CatalogError> {
        self.catalog.delete(TABLE, &key(&consumer.stream, &consumer.name))
    }

    /// A stream's consumer.
    pub fn get(&self, stream: &StreamInfo, name: &str) -> Result<Option<StreamConsumer>, CatalogError> {
        let consumer: Option<StreamConsumer> = self.catalog.get(TABLE, &key(&stream.key, name))?;
        Ok(consumer.filter(|consumer| consumer.incarnation == stream.incarnation))
    }

    /// A stream's consumers, by name.
    pub fn list(&self, stream: &StreamInfo) -> Result<Vec<StreamConsumer>, CatalogError> {
        let mut consumers = self.catalog.list::<StreamConsumer>(TABLE, &key(&stream.key, ""))?;
        consumers.retain(|(_, consumer)| consumer.incarnation == stream.incarnation);
        Ok(consumers.into_iter().map(|(_, consumer)| consumer).collect())
    }

    /// The consumer that an ARN is of, if it and its stream are there.
    pub fn find(&self, log: &dyn Log, arn: &Arn) -> Result<Option<StreamConsumer>, CatalogError> {
        let Some((stream, consumer)) = arn.resource.strip_prefix("stream/").and_then(|r| r.split_once("/consumer/"))
        else {
            return Ok(None);
        };
        let name = consumer.rsplit_once(':').map_or(consumer, |(name, _)| name);
        let key = StreamKey { scope: arn.scope.clone(), name: stream.into() };
        let Ok(stream) = log.stream(&key) else { return Ok(None) };
        Ok(self.get(&stream, name)?.filter(|consumer| consumer.arn() == *arn))
    }

    /// Removes all consumers of a stream that was deleted.
    pub fn forget(&self, stream: &StreamKey) -> Result<(), CatalogError> {
        let consumers = self.catalog.list::<StreamConsumer>(TABLE, &key(stream, ""))?;
        self.catalog.update(|catalog| consumers.iter().try_for_each(|(key, _)| catalog.delete(TABLE, key).map(|_| ())))
    }
}

fn key(stream: &StreamKey, consumer: &str) -> String {
    format!("{stream}/{consumer}")
}
