//! What rooms know of their resources.

use crate::domains::{domain_names, domain_policy};
use millrace_access::keyring::Manager;
use millrace_access::{KeyRing, ResourcePolicies, StreamSeals, Tags};
use millrace_api::authorize::ResourceFacts;
use millrace_base::{Arn, Scope};
use millrace_catalog::Catalog;
use millrace_functions::Functions;
use millrace_log::{Log, StreamInfo, StreamKey, TagStore};
use millrace_queue::sns::{TopicKey, Topics};
use millrace_queue::{QueueKey, Queues};
use std::sync::{Arc, OnceLock};

/// What rooms know of their resources.
pub struct RoomFacts {
    /// Search domains, and tags of streams.
    pub catalog: Catalog,
    /// Streams.
    pub log: Arc<dyn Log>,
    /// Queues.
    pub queues: Queues,
    /// Topics.
    pub topics: Topics,
    /// Keys.
    pub ring: KeyRing,
    /// Streams' keys.
    pub seals: StreamSeals,
    /// Streams' and consumers' own policies.
    pub policies: ResourcePolicies,
    /// Set when functions are open.
    pub functions: OnceLock<Functions>,
}

impl RoomFacts {
    /// The ARN of the customer's key that seals a stream. The key that is managed for Kinesis is for everybody who may use the
    /// stream, as on AWS.
    pub fn key_of_stream(&self, stream: &str) -> Option<String> {
        let (scope, info) = self.stream(&stream.parse().ok()?)?;
        let seal = self.seals.of(&scope, &info.key.name, info.incarnation)?;
        let key = self.ring.find(&scope, &seal.key_id).ok()?;
        (key.manager == Manager::Customer).then(|| key.arn())
    }

    fn stream(&self, arn: &Arn) -> Option<(Scope, Arc<StreamInfo>)> {
        let name = arn.resource.strip_prefix("stream/")?;
        // A consumer's is below its stream's.
        let name = name.split('/').next().unwrap_or_default();
        let info = self.log.stream(&StreamKey { scope: arn.scope.clone(), name: name.into() }).ok()?;
        Some((arn.scope.clone(), info))
    }
}

impl ResourceFacts for RoomFacts {
    fn policy(&self, arn: &str) -> Option<String> {
        let parsed: Arn = arn.parse().ok()?;
        match &*parsed.service {
            "sqs" => self.queues.queue(&QueueKey::of_arn(&parsed)?).ok()?.settings.policy.clone(),
            "sns" => self.topics.attributes(&TopicKey::of_arn(arn)?).ok()?.remove("Policy"),
            "lambda" => {
                let (name, qualifier) = function(&parsed)?;
                Some(self.functions.get()?.policy(&parsed.scope, name, qualifier).ok()?.policy)
            }
            "kms" => Some(self.ring.find(&parsed.scope, arn).ok()?.policy.clone()),
            "kinesis" if !self.policies.is_empty() => {
                let (_, stream) = self.stream(&parsed)?;
                self.policies.get(arn, stream.incarnation)
            }
            "es" => {
                let domain = parsed.resource.strip_prefix("domain/")?.split('/').next()?;
                domain_policy(&self.catalog, &parsed.scope, domain)
            }
            _ => None,
        }
    }

    fn tags(&self, arn: &str) -> Option<Tags> {
        let parsed: Arn = arn.parse().ok()?;
        match &*parsed.service {
            "sqs" => Some(self.queues.queue(&QueueKey::of_arn(&parsed)?).ok()?.tags.clone()),
            "sns" => self.topics.tags(&TopicKey::of_arn(arn)?).ok(),
            "lambda" => self.functions.get()?.tags(&parsed.scope, arn).ok(),
            "kms" => Some(self.ring.find(&parsed.scope, arn).ok()?.tags.clone()),
            "kinesis" if !parsed.resource.contains("/consumer/") => {
                let (_, stream) = self.stream(&parsed)?;
                TagStore::new(self.catalog.clone()).get(&TagStore::of_stream(&stream)).ok()
            }
            _ => None,
        }
    }

    fn domains(&self, scope: &Scope) -> Vec<String> {
        domain_names(&self.catalog, scope)
    }

    fn key(&self, scope: &Scope, name: &str) -> Option<String> {
        Some(self.ring.find(scope, name).ok()?.arn())
    }
}

/// Name and qualifier of a function's ARN.
fn function(arn: &Arn) -> Option<(&str, Option<&str>)> {
    let rest = arn.resource.strip_prefix("function:")?;
    Some(rest.split_once(':').map_or((rest, None), |(name, qualifier)| (name, Some(qualifier))))
}
