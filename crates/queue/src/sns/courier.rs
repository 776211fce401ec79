//! The courier: takes messages out of the outboxes and hands them to functions and HTTP endpoints.
//!
//! ```text
//! outbox (one queue a subscription) ─► receive ─► Endpoint::hand_over ─┬─ taken ─► delete
//!                                                                      ├─ failed ─► hidden until the next try is due
//!                                                                      └─ given up ─► dead-letter queue, delete
//! ```
//! One outbox a subscription, so that a slow endpoint delays nobody else. What waits, how often it was tried and when it is
//! due again is in the queue and so on disk: a restart goes on where the process died. A message is deleted only after it
//! was taken, so that an endpoint may get it twice and never not at all.

use super::TopicError;
use super::envelope::NOTIFICATION;
use super::permits::DENIED;
use super::publish::with_reason;
use super::retry::RetryPolicy;
use super::subscription::{self, Protocol, Subscription};
use super::topic::{KMS_KEY, Topic};
use super::topics::{Shared, Topics};
use crate::sqs::{AttributeValue, Delivered, MessageAttribute, NewMessage, QueueError, QueueKey, ReceiveOptions};
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Deliveries of one subscription that are under way at once.
const IN_FLIGHT_MAX: usize = 10;
/// Longer than any delivery takes: functions are only handed the event, HTTP endpoints have fifteen seconds.
const LEASE_SECS: u32 = 60;
/// A receive that finds nothing ends after so long and begins anew.
const WAIT_SECS: u32 = 20;
/// After an error of the queues themselves.
const PAUSE: Duration = Duration::from_secs(1);
/// SQS's longest.
const RETENTION_SECS: u32 = 1_209_600;

const MESSAGE_TYPE: &str = "x-amz-sns-message-type";
const MESSAGE_ID: &str = "x-amz-sns-message-id";
const RAW_DELIVERY: &str = "x-amz-sns-rawdelivery";

/// A message on its way to a function or an HTTP endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where to: a function's ARN (perhaps with a version or alias), or a URL.
    pub endpoint: String,
    /// The message's id; the same at every try.
    pub message_id: String,
    /// What is sent: an envelope, the raw message, or a function's event.
    pub body: Bytes,
    /// HTTP: `x-amz-sns-…` and `Content-Type`.
    pub headers: Vec<(&'static str, String)>,
}

/// Why an endpoint did not take a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// True when another try cannot help, for example because there is no such function.
    pub is_final: bool,
    /// A short code, for example an HTTP status.
    pub code: String,
    /// For people.
    pub reason: String,
}

/// Functions, or HTTP endpoints.
#[async_trait]
pub trait Endpoint: Send + Sync + 'static {
    /// Hands a message over; `Ok` means that the endpoint took it. Ends within the lease of a minute.
    async fn hand_over(&self, delivery: &Delivery) -> Result<(), Undelivered>;
}

/// A message as an outbox keeps it: what changes with the subscription's attributes is looked up when it is delivered.
pub(super) struct Parcel<'a> {
    pub(super) message_type: &'static str,
    pub(super) message_id: &'a str,
    pub(super) is_raw: bool,
    pub(super) body: String,
}

impl Parcel<'_> {
    pub(super) fn into_message(self) -> NewMessage {
        let text = |name: &str, value: &str| MessageAttribute {
            name: name.to_owned(),
            data_type: "String".into(),
            value: AttributeValue::Text(Bytes::copy_from_slice(value.as_bytes())),
        };
        let mut attributes = vec![text(MESSAGE_TYPE, self.message_type), text(MESSAGE_ID, self.message_id)];
        if self.is_raw {
            attributes.push(text(RAW_DELIVERY, "true"));
        }
        NewMessage { attributes, ..NewMessage::of(self.body) }
    }
}

/// The tasks that deliver, by outbox.
#[derive(Default)]
pub(super) struct Carriers {
    running: Mutex<Option<Handle>>,
    tasks: Mutex<HashMap<QueueKey, JoinHandle<()>>>,
}

/// What becomes of a message.
enum Outcome {
    Taken,
    Again { after_secs: u32 },
    GivenUp(Undelivered),
}

impl Topics {
    /// Begins to deliver to functions and HTTP endpoints.
    pub fn start(&self, runtime: Handle) -> Result<(), TopicError> {
        *self.shared.carriers.running.lock() = Some(runtime);
        for entry in self.shared.book.all() {
            for live in &entry.subscriptions {
                // The process may have died between the two of them.
                self.open_outbox(&live.subscription, &entry.topic)?;
                self.carry(&live.subscription);
            }
        }
        Ok(())
    }

    /// Ends all deliveries. What was under way is delivered again after the next start.
    pub fn stop(&self) {
        *self.shared.carriers.running.lock() = None;
        for (_, task) in self.shared.carriers.tasks.lock().drain() {
            task.abort();
        }
    }

    /// Starts the task that empties a subscription's outbox, when it has one and no task yet.
    pub(super) fn carry(&self, subscription: &Subscription) {
        let runtime = self.shared.carriers.running.lock().clone();
        let (Some(runtime), true) = (runtime, has_outbox(subscription)) else { return };
        let shared = Arc::downgrade(&self.shared);
        let mut tasks = self.shared.carriers.tasks.lock();
        tasks.entry(subscription.outbox()).or_insert_with(|| runtime.spawn(run(shared, subscription.arn())));
    }

    pub(super) fn open_outbox(&self, subscription: &Subscription, topic: &Topic) -> Result<(), TopicError> {
        let is_there = || self.shared.queues.queue(&subscription.outbox()).is_ok();
        if has_outbox(subscription) && !is_there() {
            let mut attributes = BTreeMap::from([("MessageRetentionPeriod".to_owned(), RETENTION_SECS.to_string())]);
            attributes.extend(topic.kms_key_arn().map(|key| (KMS_KEY.to_owned(), key)));
            self.shared.queues.create(&subscription.outbox(), &attributes, &BTreeMap::new())?;
        }
        Ok(())
    }

    /// What waits for the subscriber from now on is sealed as the topic says.
    pub(super) fn key_outbox(&self, subscription: &Subscription, topic: &Topic) -> Result<(), TopicError> {
        let Ok(outbox) = self.shared.queues.queue(&subscription.outbox()) else { return Ok(()) };
        let key = topic.kms_key_arn();
        if outbox.settings.kms_key != key {
            let key = key.unwrap_or_default();
            self.shared.queues.set_attributes(&outbox.key, &BTreeMap::from([(KMS_KEY.to_owned(), key)]))?;
        }
        Ok(())
    }

    pub(super) fn close_outbox(&self, subscription: &Subscription) -> Result<(), TopicError> {
        if !has_outbox(subscription) {
            return Ok(());
        }
        let outbox = subscription.outbox();
        let task = self.shared.carriers.tasks.lock().remove(&outbox);
        if let Some(task) = task {
            task.abort();
        }
        match self.shared.queues.delete_queue(&outbox) {
            Err(QueueError::NoQueue(_)) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Delivers what is due of a subscription's outbox, after waiting for it for so long; how many messages it was.
    pub async fn deliver(&self, subscription_arn: &str, wait_secs: u32) -> Result<usize, TopicError> {
        let outbox = match subscription::of_arn(subscription_arn) {
            Some((topic, id)) => subscription::outbox(&topic.scope, id),
            None => return Err(TopicError::NotFound("Subscription")),
        };
        let options = ReceiveOptions {
            max: IN_FLIGHT_MAX,
            visibility: Some(LEASE_SECS),
            wait: Some(wait_secs),
            ..ReceiveOptions::default()
        };
        let messages = self.shared.queues.receive(&outbox, options).await?;
        let settled = join_all(messages.iter().map(|message| self.settle(&outbox, subscription_arn, message))).await;
        settled.into_iter().collect::<Result<Vec<()>, TopicError>>()?;
        Ok(messages.len())
    }

    async fn settle(&self, outbox: &QueueKey, arn: &str, message: &Delivered) -> Result<(), TopicError> {
        let (entry, live) = self.shared.book.subscription(arn)?;
        let subscription = &live.subscription;
        let policy = subscription.effective_policy(&entry.topic);
        let delivery = delivery(subscription, message, &policy.content_type);
        let (endpoint, retry) = match subscription.protocol {
            Protocol::Http | Protocol::Https => (&self.shared.http, policy.retry),
            Protocol::Lambda | Protocol::Sqs => (&self.shared.functions, RetryPolicy::MANAGED),
        };
        let taken = match self.may_hand_over(subscription) {
            Ok(()) => endpoint.hand_over(&delivery).await,
            refused => refused,
        };
        match outcome(taken, retry, message.system.receive_count) {
            Outcome::Taken => self.shared.tallies.note(&subscription.topic, |tally| tally.delivered += 1),
            Outcome::Again { after_secs } => {
                return self.later(outbox, message, after_secs).await;
            }
            Outcome::GivenUp(undelivered) => self.give_up(subscription, message, &undelivered).await?,
        }
        let deleted = self.shared.queues.delete(outbox, vec![message.receipt_handle.clone()]).await?;
        Ok(deleted.into_iter().collect::<Result<(), _>>()?)
    }

    /// A function's policy must let the topic in; a URL has none.
    fn may_hand_over(&self, subscription: &Subscription) -> Result<(), Undelivered> {
        if subscription.protocol != Protocol::Lambda {
            return Ok(());
        }
        let denied = |reason| Undelivered { is_final: true, code: DENIED.into(), reason };
        self.permitted(&subscription.topic, &subscription.endpoint).map_err(denied)
    }

    async fn later(&self, outbox: &QueueKey, message: &Delivered, after_secs: u32) -> Result<(), TopicError> {
        let entries = vec![(message.receipt_handle.clone(), after_secs)];
        // One whose lease ran out meanwhile is due already.
        self.shared.queues.change_visibility(outbox, entries).await?;
        Ok(())
    }

    async fn give_up(
        &self,
        subscription: &Subscription,
        message: &Delivered,
        why: &Undelivered,
    ) -> Result<(), TopicError> {
        let is_notification = header(message, MESSAGE_TYPE).as_deref() == Some(NOTIFICATION);
        let queue = subscription.dead_letter_queue().filter(|_| is_notification);
        self.shared.tallies.note(&subscription.topic, |tally| tally.failed += 1);
        let Some(queue) = queue else { return Ok(()) };
        let letter = with_reason(NewMessage::of(message.body.clone()), &why.code, &why.reason);
        self.bury_in(&subscription.topic, &queue, vec![letter]).await
    }
}

fn has_outbox(subscription: &Subscription) -> bool {
    subscription.protocol != Protocol::Sqs
}

fn outcome(taken: Result<(), Undelivered>, retry: RetryPolicy, tries: u32) -> Outcome {
    match taken {
        Ok(()) => Outcome::Taken,
        Err(undelivered) if undelivered.is_final => Outcome::GivenUp(undelivered),
        Err(undelivered) => match retry.delay_secs(tries.saturating_sub(1)) {
            Some(after_secs) => Outcome::Again { after_secs },
            None => Outcome::GivenUp(undelivered),
        },
    }
}

fn delivery(subscription: &Subscription, message: &Delivered, content_type: &str) -> Delivery {
    let message_id = header(message, MESSAGE_ID).unwrap_or_default();
    let message_type = header(message, MESSAGE_TYPE).unwrap_or_default();
    let mut headers = vec![
        (MESSAGE_TYPE, message_type),
        (MESSAGE_ID, message_id.clone()),
        ("x-amz-sns-topic-arn", subscription.topic.arn()),
        ("Content-Type", content_type.to_owned()),
    ];
    if subscription.pending.is_none() {
        headers.push(("x-amz-sns-subscription-arn", subscription.arn()));
    }
    headers.extend(header(message, RAW_DELIVERY).map(|raw| (RAW_DELIVERY, raw)));
    Delivery { endpoint: subscription.endpoint.clone(), message_id, body: message.body.clone(), headers }
}

fn header(message: &Delivered, name: &str) -> Option<String> {
    let attribute = message.attributes.iter().find(|attribute| attribute.name == name)?;
    Some(String::from_utf8_lossy(attribute.value.bytes()).into_owned())
}

/// Empties one outbox until the subscription or the server ends.
async fn run(shared: Weak<Shared>, subscription_arn: String) {
    while let Some(shared) = shared.upgrade() {
        match (Topics { shared }).deliver(&subscription_arn, WAIT_SECS).await {
            Ok(_) => {}
            Err(TopicError::NotFound(_)) => return,
            Err(TopicError::Queue(error)) if matches!(*error, QueueError::NoQueue(_) | QueueError::Closed) => return,
            // The queues say it to whoever calls them; here it is only waited for.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(is_final: bool) -> Result<(), Undelivered> {
        Err(Undelivered { is_final, code: "500".into(), reason: "no".into() })
    }

    #[test]
    fn a_delivery_is_tried_until_its_policy_ends() {
        assert!(matches!(outcome(Ok(()), RetryPolicy::HTTP, 1), Outcome::Taken));
        assert!(matches!(outcome(refused(false), RetryPolicy::HTTP, 1), Outcome::Again { after_secs: 20 }));
        assert!(matches!(outcome(refused(false), RetryPolicy::HTTP, 3), Outcome::Again { .. }));
        assert!(matches!(outcome(refused(false), RetryPolicy::HTTP, 4), Outcome::GivenUp(_)));
        assert!(matches!(outcome(refused(true), RetryPolicy::HTTP, 1), Outcome::GivenUp(_)));
        assert!(matches!(outcome(refused(false), RetryPolicy::MANAGED, 1), Outcome::Again { after_secs: 0 }));
    }
}
