//! All topics and subscriptions: in memory for publishing, in the catalog for good.

use super::filter::Filter;
use super::subscription::Subscription;
use super::topic::{Topic, TopicKey};
use super::{TopicError, subscription};
use millrace_catalog::Catalog;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;

const TOPICS: &str = "sns-topic";
const SUBSCRIPTIONS: &str = "sns-subscription";

/// A subscription with its compiled filter.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) subscription: Subscription,
    pub(super) filter: Option<Filter>,
}

impl Live {
    fn new(subscription: Subscription) -> Result<Arc<Self>, TopicError> {
        let filter = subscription.filter()?;
        Ok(Arc::new(Self { subscription, filter }))
    }
}

/// A topic with its subscriptions. Never changed, only replaced: who publishes keeps what it looked up.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) topic: Topic,
    pub(super) subscriptions: Vec<Arc<Live>>,
}

impl Entry {
    pub(super) fn subscription(&self, id: &str) -> Result<&Arc<Live>, TopicError> {
        self.subscriptions.iter().find(|live| live.subscription.id == id).ok_or(TopicError::NotFound("Subscription"))
    }
}

/// What to write of a topic.
pub(super) enum Change {
    /// The topic itself.
    Topic(Topic),
    /// A subscription that is new or changed.
    Subscription(Subscription),
    /// A subscription that ended, and the topic that counts it.
    Ended(String),
}

pub(super) struct Book {
    catalog: Catalog,
    /// Held while something is changed, so that what is read is still so when it is written.
    writing: Mutex<()>,
    entries: RwLock<BTreeMap<TopicKey, Arc<Entry>>>,
}

impl Book {
    pub(super) fn open(catalog: Catalog) -> Result<Self, TopicError> {
        let mut entries = BTreeMap::new();
        for (_, topic) in catalog.list::<Topic>(TOPICS, "")? {
            entries.insert(topic.key.clone(), Entry { topic, subscriptions: Vec::new() });
        }
        for (_, subscription) in catalog.list::<Subscription>(SUBSCRIPTIONS, "")? {
            if let Some(entry) = entries.get_mut(&subscription.topic) {
                entry.subscriptions.push(Live::new(subscription)?);
            }
        }
        let entries = entries.into_iter().map(|(key, entry)| (key, Arc::new(entry))).collect();
        Ok(Self { catalog, writing: Mutex::new(()), entries: RwLock::new(entries) })
    }

    pub(super) fn find(&self, key: &TopicKey) -> Option<Arc<Entry>> {
        self.entries.read().get(key).cloned()
    }

    pub(super) fn entry(&self, key: &TopicKey) -> Result<Arc<Entry>, TopicError> {
        self.find(key).ok_or(TopicError::NotFound("Topic"))
    }

    /// A subscription and its topic's entry, by the subscription's ARN.
    pub(super) fn subscription(&self, arn: &str) -> Result<(Arc<Entry>, Arc<Live>), TopicError> {
        let (topic, id) = subscription::of_arn(arn)
            .ok_or_else(|| TopicError::invalid("SubscriptionArn Reason: not a subscription's ARN"))?;
        let entry = self.find(&topic).ok_or(TopicError::NotFound("Subscription"))?;
        let live = Arc::clone(entry.subscription(id)?);
        Ok((entry, live))
    }

    /// All topics, in order of scope and name.
    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        self.entries.read().values().cloned().collect()
    }

    /// Adds a topic, unless `decide` says that the one of that name will do.
    pub(super) fn add(
        &self,
        topic: Topic,
        decide: impl FnOnce(&Entry) -> Result<(), TopicError>,
    ) -> Result<(), TopicError> {
        let _writing = self.writing.lock();
        if let Some(there) = self.find(&topic.key) {
            return decide(&there);
        }
        self.catalog.put(TOPICS, &topic.key.to_string(), &topic)?;
        let entry = Entry { topic, subscriptions: Vec::new() };
        self.entries.write().insert(entry.topic.key.clone(), Arc::new(entry));
        Ok(())
    }

    /// Changes a topic or its subscriptions: durable on return, and then seen by whoever publishes next. What `decide`
    /// reads cannot change before it is written.
    pub(super) fn change<R>(
        &self,
        key: &TopicKey,
        decide: impl FnOnce(&Entry) -> Result<(Option<Change>, R), TopicError>,
    ) -> Result<R, TopicError> {
        let _writing = self.writing.lock();
        let mut entry = Entry::clone(&*self.entry(key)?);
        let (change, result) = decide(&entry)?;
        match change {
            None => return Ok(result),
            Some(Change::Topic(topic)) => {
                self.catalog.put(TOPICS, &key.to_string(), &topic)?;
                entry.topic = topic;
            }
            Some(Change::Subscription(subscription)) => {
                self.catalog.put(SUBSCRIPTIONS, &place(key, &subscription.id), &subscription)?;
                let live = Live::new(subscription)?;
                match entry.subscriptions.iter_mut().find(|one| one.subscription.id == live.subscription.id) {
                    Some(there) => *there = live,
                    None => entry.subscriptions.push(live),
                }
            }
            Some(Change::Ended(id)) => {
                entry.subscriptions.retain(|live| live.subscription.id != id);
                entry.topic.deleted_subscriptions += 1;
                self.catalog.update(|transaction| {
                    transaction.put(TOPICS, &key.to_string(), &entry.topic)?;
                    transaction.delete(SUBSCRIPTIONS, &place(key, &id))?;
                    Ok::<_, TopicError>(())
                })?;
            }
        }
        self.entries.write().insert(key.clone(), Arc::new(entry));
        Ok(result)
    }

    /// Removes a topic with its subscriptions, and returns these. A topic that is gone has none.
    pub(super) fn remove(&self, key: &TopicKey) -> Result<Vec<Arc<Live>>, TopicError> {
        let _writing = self.writing.lock();
        let Some(entry) = self.find(key) else { return Ok(Vec::new()) };
        self.catalog.update(|transaction| {
            transaction.delete(TOPICS, &key.to_string())?;
            for live in &entry.subscriptions {
                transaction.delete(SUBSCRIPTIONS, &place(key, &live.subscription.id))?;
            }
            Ok::<_, TopicError>(())
        })?;
        self.entries.write().remove(key);
        Ok(entry.subscriptions.clone())
    }
}

fn place(key: &TopicKey, id: &str) -> String {
    format!("{key}/{id}")
}
