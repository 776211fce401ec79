//! What topics did since the server started.

use super::topic::TopicKey;
use parking_lot::Mutex;
use std::collections::HashMap;

/// What a topic did, under AWS's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// `NumberOfMessagesPublished`.
    pub published: u64,
    /// Bytes of these messages: `PublishSize`.
    pub published_bytes: u64,
    /// `NumberOfNotificationsDelivered`.
    pub delivered: u64,
    /// `NumberOfNotificationsFailed`.
    pub failed: u64,
    /// `NumberOfNotificationsFilteredOut`.
    pub filtered_out: u64,
    /// `NumberOfNotificationsRedrivenToDlq`.
    pub redriven: u64,
    /// `NumberOfNotificationsFailedToRedriveToDlq`.
    pub redrive_failed: u64,
}

/// The tallies of all topics.
#[derive(Default)]
pub(super) struct Tallies {
    by_topic: Mutex<HashMap<TopicKey, Tally>>,
}

impl Tallies {
    pub(super) fn note(&self, topic: &TopicKey, change: impl FnOnce(&mut Tally)) {
        let mut all = self.by_topic.lock();
        match all.get_mut(topic) {
            Some(tally) => change(tally),
            None => change(all.entry(topic.clone()).or_default()),
        }
    }

    pub(super) fn forget(&self, topic: &TopicKey) {
        self.by_topic.lock().remove(topic);
    }

    pub(super) fn list(&self) -> Vec<(TopicKey, Tally)> {
        self.by_topic.lock().iter().map(|(topic, tally)| (topic.clone(), *tally)).collect()
    }
}
