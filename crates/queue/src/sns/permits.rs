//! Whether a topic may deliver to a queue or a function: their own policies say so.

use super::topic::TopicKey;
use super::topics::Topics;
use std::sync::Arc;

/// Decides. Asked whenever something is delivered, so an answer is a look into memory.
pub trait SubscriberPermits: Send + Sync + 'static {
    /// `endpoint`: the ARN of the queue or function. `Err` says in AWS's words why the topic may not deliver to it.
    fn check(&self, topic: &TopicKey, endpoint: &str) -> Result<(), String>;
}

/// What the attributes of a dead letter, and a delivery's failure, say of a refusal.
pub(super) const DENIED: &str = "AccessDenied";

impl Topics {
    /// From now on `permits` are asked; before, every delivery is allowed. The first ones stay: policies are known only when
    /// topics are, so they cannot be among the parts that topics are opened with.
    pub fn ask_permits(&self, permits: Arc<dyn SubscriberPermits>) {
        let _ = self.shared.permits.set(permits);
    }

    pub(super) fn permitted(&self, topic: &TopicKey, endpoint: &str) -> Result<(), String> {
        self.shared.permits.get().map_or(Ok(()), |permits| permits.check(topic, endpoint))
    }
}
