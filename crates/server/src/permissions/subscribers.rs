//! Whether topics may deliver: the policies of queues and functions must let `sns.amazonaws.com` in.

use super::{Asked, Roles, circumstances};
use millrace_access::Principal;
use millrace_api::authorize::{Guard, Need};
use millrace_base::Arn;
use millrace_queue::sns::{SubscriberPermits, TopicKey};
use parking_lot::Mutex;
use std::collections::HashSet;

const SNS: &str = "sns.amazonaws.com";
/// Refused edges that are remembered, so that each is told once; then they are told anew.
const TOLD_MAX: usize = 4096;

/// What topics may deliver to.
pub struct Subscribers {
    roles: Roles,
    /// Edges that were refused the last time.
    told: Mutex<HashSet<(TopicKey, String)>>,
}

impl Subscribers {
    /// Asks what `roles` asks; nothing with `--auth off`.
    pub fn new(roles: Roles) -> Self {
        Self { roles, told: Mutex::default() }
    }

    fn decide(&self, topic: &TopicKey, endpoint: &str) -> Result<(), String> {
        let Some(Asked { gate, .. }) = &self.roles.0 else { return Ok(()) };
        let invalid = |error: millrace_base::ArnError| error.to_string();
        let source: Arn = topic.arn().parse().map_err(invalid)?;
        let target: Arn = endpoint.parse().map_err(invalid)?;
        let action = if &*target.service == "sqs" { "sqs:SendMessage" } else { "lambda:InvokeFunction" };
        let principal = Principal::service(&topic.scope.account, SNS);
        let guard = Guard::new(gate.clone(), principal, circumstances(SNS, &source));
        guard.allow(&topic.scope, &Need::on(action, endpoint)).map_err(|fault| fault.message)
    }
}

impl SubscriberPermits for Subscribers {
    fn check(&self, topic: &TopicKey, endpoint: &str) -> Result<(), String> {
        let decided = self.decide(topic, endpoint);
        let mut told = self.told.lock();
        match &decided {
            Ok(()) if told.is_empty() => {}
            Ok(()) => {
                told.remove(&(topic.clone(), endpoint.to_owned()));
            }
            Err(reason) => {
                if told.len() >= TOLD_MAX {
                    told.clear();
                }
                if told.insert((topic.clone(), endpoint.to_owned())) {
                    tracing::warn!(
                        topic = %topic.arn(), %endpoint, %reason,
                        "a topic may not deliver to a subscriber: its policy must allow sns.amazonaws.com"
                    );
                }
            }
        }
        decided
    }
}
