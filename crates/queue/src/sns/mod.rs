//! SNS: topics that copy messages to their subscribers.
//!
//! A topic keeps nothing itself. To publish is to send a copy to every queue that subscribed, and to an *outbox*, a queue of
//! SNS's own, for every function and HTTP endpoint that did; the engine of [`sqs`](crate::sqs) makes them durable together.
//! A courier empties the outboxes with AWS's schedules of retries.
//!
//! ```text
//! publish ─► Topics ─► Queues ─┬─► queues of subscribers
//!                              └─► outboxes ─► courier ─► Endpoint (functions, HTTP)
//! ```

mod book;
mod courier;
mod envelope;
mod error;
mod filter;
mod message;
mod permits;
mod policy;
mod publish;
mod retry;
mod subscription;
mod tally;
mod topic;
mod topics;

pub use courier::{Delivery, Endpoint, Undelivered};
pub use error::TopicError;
pub use filter::FilterPolicyScope;
pub use message::{MESSAGE_BYTES_DEFAULT, NewNotification};
pub use permits::SubscriberPermits;
pub use policy::Permission;
pub use publish::{BATCH_MAX, Published};
pub use retry::{BackoffFunction, RetryPolicy, SubscriptionDeliveryPolicy, TopicDeliveryPolicy};
pub use subscription::{Pending, Protocol, Subscription, TOKEN_VALID_MS, check_subscription, of_arn};
pub use tally::Tally;
pub use topic::{FIFO_SUFFIX, TAGS_MAX, Topic, TopicKey, check_topic};
pub use topics::{NewSubscription, PAGE_MAX, Page, TopicParts, Topics};
