//! Publishing: a message is durable in every queue that takes it before it is acknowledged.
//!
//! ```text
//! publish ─► check ─► filter ─┬─► the queue of an SQS subscription                       all in one or two group commits
//!                             └─► the outbox of a function's or HTTP endpoint's subscription ─► courier
//! ```
//!
//! # Crash behaviour
//! A message that was acknowledged is in all these queues. One that was not may be in some: its publisher sends it again, and
//! who got it gets it twice. FIFO queues tell the second one by its deduplication id, which they keep on disk; the topic's
//! own memory of ids serves the other subscribers and is lost with the process.

use super::TopicError;
use super::book::{Entry, Live};
use super::courier::Parcel;
use super::envelope::{NOTIFICATION, Notification};
use super::message::NewNotification;
use super::permits::DENIED;
use super::subscription::Protocol;
use super::topic::{Topic, TopicKey};
use super::topics::Topics;
use crate::sqs::{AttributeValue, MessageAttribute, NewMessage, QueueError, QueueKey};
use futures::future::join_all;
use millrace_base::Millis;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap, VecDeque};

/// AWS's quota on a batch.
pub const BATCH_MAX: usize = 10;
/// AWS's window (SNS developer guide, "Message deduplication for FIFO topics").
const DEDUPLICATION_MS: Millis = 5 * 60 * 1000;
/// AWS's quota is 3,000 messages a second and FIFO topic; older ids go first.
const DEDUPLICATION_IDS_MAX: usize = 900_000;
const ENTRY_ID_CHARS_MAX: usize = 80;
/// Who sends a queue its messages.
const SENDER: &str = "sns.amazonaws.com";
/// Why a queue that subscribed does not get a message that it cannot take.
const GONE: &str = "InvalidEndpoint";
/// SQS takes no more with a message.
const QUEUE_ATTRIBUTES_MAX: usize = 10;

/// What the publisher of a message learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// A UUID.
    pub message_id: String,
    /// FIFO: twenty digits that grow within the topic.
    pub sequence_number: Option<String>,
}

/// The deduplication ids that FIFO topics saw within five minutes, and the last sequence numbers.
#[derive(Default)]
pub(super) struct Deduplication {
    topics: Mutex<HashMap<TopicKey, Seen>>,
}

#[derive(Default)]
struct Seen {
    published: HashMap<String, Published>,
    in_order: VecDeque<(Millis, String)>,
    last_sequence: u64,
}

/// A message that was checked.
struct Prepared<'a> {
    new: &'a NewNotification,
    texts: Option<Map<String, Value>>,
    published: Published,
    /// FIFO: what tells it from others, and what the subscribed queues tell it by.
    deduplication: Option<Identity>,
}

struct Identity {
    id: String,
    within_topic: String,
}

impl Topics {
    /// Publishes a message: durable on return, delivered at least once to every confirmed subscription that wants it.
    pub async fn publish(&self, key: &TopicKey, new: NewNotification) -> Result<Published, TopicError> {
        let entry = self.shared.book.entry(key)?;
        self.check_key(&entry.topic)?;
        let mut results = self.publish_all(&entry, &[&new]).await;
        results.pop().unwrap_or(Err(TopicError::EmptyBatch))
    }

    /// Publishes some messages, each with an id of the caller's own. One may fail while others are published.
    pub async fn publish_batch(
        &self,
        key: &TopicKey,
        entries: &[(String, NewNotification)],
    ) -> Result<Vec<Result<Published, TopicError>>, TopicError> {
        let entry = self.shared.book.entry(key)?;
        check_batch(entries, entry.topic.message_bytes_max())?;
        self.check_key(&entry.topic)?;
        let messages: Vec<&NewNotification> = entries.iter().map(|(_, new)| new).collect();
        Ok(self.publish_all(&entry, &messages).await)
    }

    async fn publish_all(&self, entry: &Entry, messages: &[&NewNotification]) -> Vec<Result<Published, TopicError>> {
        let now = self.shared.clock.now();
        let mut fresh: Vec<Prepared<'_>> = Vec::new();
        let mut results: Vec<Result<Published, TopicError>> = Vec::new();
        for new in messages {
            let prepared = new.check(&entry.topic).map(|texts| self.prepare(&entry.topic, new, texts, now));
            results.push(prepared.map(|prepared| match self.known(&entry.topic.key, &prepared, &fresh, now) {
                Some(earlier) => earlier,
                None => {
                    let published = prepared.published.clone();
                    fresh.push(prepared);
                    published
                }
            }));
        }
        if let Err(error) = self.spread(entry, &fresh, now).await {
            let lost: BTreeSet<&str> = fresh.iter().map(|one| one.published.message_id.as_str()).collect();
            for result in &mut results {
                if result.as_ref().is_ok_and(|published| lost.contains(published.message_id.as_str())) {
                    *result = Err(error.clone());
                }
            }
            return results;
        }
        self.shared.tallies.note(&entry.topic.key, |tally| {
            tally.published += fresh.len() as u64;
            tally.published_bytes += fresh.iter().map(|one| one.new.message.len() as u64).sum::<u64>();
        });
        for one in fresh {
            if let Some(identity) = one.deduplication {
                self.shared.deduplication.remember(&entry.topic.key, identity.within_topic, one.published, now);
            }
        }
        results
    }

    fn prepare<'a>(
        &self,
        topic: &Topic,
        new: &'a NewNotification,
        texts: Option<Map<String, Value>>,
        now: Millis,
    ) -> Prepared<'a> {
        let is_fifo = topic.key.is_fifo();
        let deduplication = is_fifo.then(|| {
            let id = new.deduplication_id();
            let group = new.group_id.as_deref().filter(|_| topic.deduplicates_by_group()).unwrap_or_default();
            Identity { within_topic: format!("{group}\n{id}"), id }
        });
        let sequence_number = is_fifo.then(|| self.shared.deduplication.next_sequence(&topic.key, now));
        let published = Published { message_id: self.shared.dice.uuid(), sequence_number };
        Prepared { new, texts, published, deduplication }
    }

    /// What was answered to the same message before.
    fn known(&self, key: &TopicKey, prepared: &Prepared<'_>, batch: &[Prepared<'_>], now: Millis) -> Option<Published> {
        let id = &prepared.deduplication.as_ref()?.within_topic;
        let same = |other: &&Prepared<'_>| other.deduplication.as_ref().is_some_and(|one| one.within_topic == *id);
        let in_batch = batch.iter().find(same).map(|other| other.published.clone());
        in_batch.or_else(|| self.shared.deduplication.find(key, id, now))
    }

    /// Puts messages into every queue that takes them.
    async fn spread(&self, entry: &Entry, messages: &[Prepared<'_>], now: Millis) -> Result<(), TopicError> {
        let sends = entry.subscriptions.iter().filter_map(|live| {
            let copies = self.copies(entry, live, messages, now);
            (!copies.is_empty()).then(|| self.send(live, copies))
        });
        join_all(sends).await.into_iter().collect()
    }

    fn copies(&self, entry: &Entry, live: &Live, messages: &[Prepared<'_>], now: Millis) -> Vec<NewMessage> {
        let subscription = &live.subscription;
        if subscription.pending.is_some() {
            return Vec::new();
        }
        let subscription_arn = subscription.arn();
        let about = About {
            topic_arn: &entry.topic.key.arn(),
            unsubscribe_url: &format!(
                "{}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}",
                self.shared.base_url
            ),
            subscription_arn: &subscription_arn,
            now,
        };
        let wanted = messages.iter().filter(|one| {
            let text = one.text(subscription.protocol);
            live.filter.as_ref().is_none_or(|filter| filter.matches(text, &one.new.attributes))
        });
        let copies: Vec<NewMessage> = wanted.map(|one| one.copy(live, &about)).collect();
        let filtered_out = (messages.len() - copies.len()) as u64;
        if filtered_out > 0 {
            self.shared.tallies.note(&entry.topic.key, |tally| tally.filtered_out += filtered_out);
        }
        copies
    }

    /// Sends copies to a subscription's queue. A queue that is gone, whose policy does not let the topic in, or that does
    /// not take the message, is the subscriber's fault: then the dead-letter queue gets it, if there is one, and the publisher does not hear of it, as on AWS.
    async fn send(&self, live: &Live, copies: Vec<NewMessage>) -> Result<(), TopicError> {
        let queue = match live.subscription.protocol {
            Protocol::Sqs => live.subscription.queue(),
            _ => Some(live.subscription.outbox()),
        };
        let Some(queue) = queue else { return Ok(()) };
        if live.subscription.protocol == Protocol::Sqs
            && let Err(reason) = self.permitted(&live.subscription.topic, &live.subscription.endpoint)
        {
            return self.bury(live, copies, (DENIED, &reason)).await;
        }
        let error = match self.shared.queues.send(&queue, copies.clone()).await {
            Ok(_) => {
                self.handed_over(live, copies.len());
                return Ok(());
            }
            // The key of an outbox is the topic's.
            Err(error @ QueueError::Key(_)) if live.subscription.protocol != Protocol::Sqs => return Err(error.into()),
            Err(error) if !is_subscribers_fault(&error) => return Err(error.into()),
            Err(error) => error,
        };
        if copies.len() == 1 {
            return self.bury(live, copies, (GONE, &error.to_string())).await;
        }
        // One of them is at fault: each is tried on its own, in order.
        for copy in copies {
            match self.shared.queues.send(&queue, vec![copy.clone()]).await {
                Ok(_) => self.handed_over(live, 1),
                Err(error) if is_subscribers_fault(&error) => {
                    self.bury(live, vec![copy], (GONE, &error.to_string())).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A queue that subscribed has its copies; those in an outbox are on their way only.
    fn handed_over(&self, live: &Live, copies: usize) {
        if live.subscription.protocol == Protocol::Sqs {
            self.shared.tallies.note(&live.subscription.topic, |tally| tally.delivered += copies as u64);
        }
    }

    async fn bury(&self, live: &Live, copies: Vec<NewMessage>, (code, reason): (&str, &str)) -> Result<(), TopicError> {
        let topic = &live.subscription.topic;
        self.shared.tallies.note(topic, |tally| tally.failed += copies.len() as u64);
        let Some(queue) = live.subscription.dead_letter_queue() else { return Ok(()) };
        let copies = copies.into_iter().map(|copy| with_reason(copy, code, reason)).collect();
        self.bury_in(topic, &queue, copies).await
    }

    /// Puts messages that cannot be delivered into a dead-letter queue; one that is gone, or whose policy does not let the
    /// topic in, takes nothing.
    pub(super) async fn bury_in(
        &self,
        topic: &TopicKey,
        queue: &QueueKey,
        messages: Vec<NewMessage>,
    ) -> Result<(), TopicError> {
        let count = messages.len() as u64;
        let taken = match self.permitted(topic, &queue.arn().to_string()) {
            Err(_) => false,
            Ok(()) => match self.shared.queues.send(queue, messages).await {
                Err(error) if !is_subscribers_fault(&error) => return Err(error.into()),
                sent => sent.is_ok(),
            },
        };
        self.shared.tallies.note(topic, |tally| match taken {
            true => tally.redriven += count,
            false => tally.redrive_failed += count,
        });
        Ok(())
    }
}

struct About<'a> {
    topic_arn: &'a str,
    subscription_arn: &'a str,
    unsubscribe_url: &'a str,
    now: Millis,
}

impl Prepared<'_> {
    /// The text for a protocol.
    fn text(&self, protocol: Protocol) -> &str {
        let Some(texts) = &self.texts else { return &self.new.message };
        let own = texts.get(protocol.word()).and_then(Value::as_str);
        own.or_else(|| texts.get("default").and_then(Value::as_str)).unwrap_or_default()
    }

    /// The message as a subscription gets it.
    fn copy(&self, live: &Live, about: &About<'_>) -> NewMessage {
        let subscription = &live.subscription;
        let notification = Notification {
            message_id: &self.published.message_id,
            topic_arn: about.topic_arn,
            subscription_arn: about.subscription_arn,
            subject: self.new.subject.as_deref(),
            message: self.text(subscription.protocol),
            published: about.now,
            sequence_number: self.published.sequence_number.as_deref(),
            attributes: &self.new.attributes,
            unsubscribe_url: about.unsubscribe_url,
        };
        let is_raw = subscription.is_raw();
        let body = match subscription.protocol {
            Protocol::Lambda => notification.event(),
            _ if is_raw => notification.message.to_owned(),
            _ => notification.envelope(),
        };
        if subscription.protocol != Protocol::Sqs {
            let message_id = &self.published.message_id;
            return Parcel { message_type: NOTIFICATION, message_id, is_raw, body }.into_message();
        }
        let to_fifo = subscription.endpoint.ends_with(super::topic::FIFO_SUFFIX);
        NewMessage {
            attributes: if is_raw { self.new.attributes.clone() } else { Vec::new() },
            group_id: self.new.group_id.clone(),
            deduplication_id: self.deduplication.as_ref().filter(|_| to_fifo).map(|identity| identity.id.clone()),
            sender_id: SENDER.to_owned(),
            ..NewMessage::of(body)
        }
    }
}

impl Deduplication {
    fn find(&self, key: &TopicKey, id: &str, now: Millis) -> Option<Published> {
        let mut topics = self.topics.lock();
        let seen = topics.get_mut(key)?;
        seen.expire(now);
        seen.published.get(id).cloned()
    }

    fn remember(&self, key: &TopicKey, id: String, published: Published, now: Millis) {
        let mut topics = self.topics.lock();
        let seen = topics.entry(key.clone()).or_default();
        seen.expire(now);
        if seen.published.insert(id.clone(), published).is_none() {
            seen.in_order.push_back((now, id));
        }
    }

    /// Grows within a process, and from one to the next as long as the clock does not go back.
    fn next_sequence(&self, key: &TopicKey, now: Millis) -> String {
        const PER_MILLI: u64 = 1_000_000;
        let mut topics = self.topics.lock();
        let seen = topics.entry(key.clone()).or_default();
        let by_clock = u64::try_from(now).unwrap_or_default().saturating_mul(PER_MILLI);
        seen.last_sequence = by_clock.max(seen.last_sequence + 1);
        format!("{:020}", seen.last_sequence)
    }

    pub(super) fn forget(&self, key: &TopicKey) {
        self.topics.lock().remove(key);
    }
}

impl Seen {
    fn expire(&mut self, now: Millis) {
        while let Some((at, _)) = self.in_order.front()
            && (*at + DEDUPLICATION_MS <= now || self.in_order.len() > DEDUPLICATION_IDS_MAX)
            && let Some((_, id)) = self.in_order.pop_front()
        {
            self.published.remove(&id);
        }
    }
}

/// A message with the reason why it could not be delivered, as far as its attributes leave room.
pub(super) fn with_reason(mut message: NewMessage, code: &str, reason: &str) -> NewMessage {
    for (name, value) in [("ErrorCode", code), ("ErrorMessage", reason)] {
        let is_there = message.attributes.iter().any(|attribute| attribute.name == name);
        if !is_there && message.attributes.len() < QUEUE_ATTRIBUTES_MAX && !value.is_empty() {
            let value = AttributeValue::Text(value.to_owned().into());
            message.attributes.push(MessageAttribute { name: name.into(), data_type: "String".into(), value });
        }
    }
    message
}

/// True when another try cannot help: the queue is gone, or does not take such a message.
pub(super) fn is_subscribers_fault(error: &QueueError) -> bool {
    error.remedy() == millrace_base::Remedy::FixRequest
}

fn check_batch(entries: &[(String, NewNotification)], bytes_max: usize) -> Result<(), TopicError> {
    if entries.is_empty() {
        return Err(TopicError::EmptyBatch);
    }
    if entries.len() > BATCH_MAX {
        return Err(TopicError::TooManyEntries);
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let fits = |id: &str| (1..=ENTRY_ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(plain);
    if !entries.iter().all(|(id, _)| fits(id)) {
        return Err(TopicError::InvalidEntryId);
    }
    let ids: BTreeSet<&str> = entries.iter().map(|(id, _)| id.as_str()).collect();
    if ids.len() < entries.len() {
        return Err(TopicError::IdsNotDistinct);
    }
    if entries.iter().map(|(_, new)| new.size()).sum::<usize>() > bytes_max {
        return Err(TopicError::BatchTooLong);
    }
    Ok(())
}
