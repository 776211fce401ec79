//! The handle: what can be asked of topics and subscriptions. Publishing is in [`publish`](super::publish), what brings
//! messages to functions and HTTP endpoints in [`courier`](super::courier).

use super::TopicError;
use super::book::{Book, Change, Entry};
use super::courier::{Carriers, Endpoint, Parcel};
use super::envelope::{Confirmation, SUBSCRIPTION_CONFIRMATION};
use super::permits::SubscriberPermits;
use super::policy::{self, Permission};
use super::publish::Deduplication;
use super::subscription::{self, Pending, Protocol, Subscription, TOKEN_VALID_MS};
use super::tally::{Tallies, Tally};
use super::topic::{Topic, TopicKey, check_tags};
use crate::sqs::Queues;
use millrace_base::{Clock, Dice, Scope};
use millrace_catalog::Catalog;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// What a page of a list holds: AWS's number.
pub const PAGE_MAX: usize = 100;

/// What topics are made of.
pub struct TopicParts {
    /// Where topics and subscriptions are kept.
    pub catalog: Catalog,
    /// Where their messages go, and where those for other endpoints wait.
    pub queues: Queues,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and tokens come from here.
    pub dice: Arc<dyn Dice>,
    /// Calls functions.
    pub functions: Arc<dyn Endpoint>,
    /// Posts to HTTP endpoints.
    pub http: Arc<dyn Endpoint>,
    /// Where this server answers, for the links in messages: `http://127.0.0.1:4566`.
    pub base_url: String,
}

/// All topics. Cheap to clone.
#[derive(Clone)]
pub struct Topics {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) book: Book,
    pub(super) queues: Queues,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) dice: Arc<dyn Dice>,
    pub(super) functions: Arc<dyn Endpoint>,
    pub(super) http: Arc<dyn Endpoint>,
    pub(super) base_url: String,
    pub(super) deduplication: Deduplication,
    pub(super) carriers: Carriers,
    pub(super) tallies: Tallies,
    pub(super) permits: OnceLock<Arc<dyn SubscriberPermits>>,
}

/// A subscription to be made.
#[derive(Debug, Clone)]
pub struct NewSubscription {
    /// AWS's word for the kind of endpoint.
    pub protocol: String,
    /// The queue's or function's ARN, or the URL.
    pub endpoint: String,
    /// Who subscribes.
    pub owner: String,
    /// In AWS's words.
    pub attributes: BTreeMap<String, String>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What it holds.
    pub items: Vec<T>,
    /// Asks for the next one.
    pub next_token: Option<String>,
}

impl Topics {
    /// Reads all topics. Nothing is delivered to functions and HTTP endpoints before [`Topics::start`].
    pub fn open(parts: TopicParts) -> Result<Self, TopicError> {
        let shared = Shared {
            book: Book::open(parts.catalog)?,
            queues: parts.queues,
            clock: parts.clock,
            dice: parts.dice,
            functions: parts.functions,
            http: parts.http,
            base_url: parts.base_url,
            deduplication: Deduplication::default(),
            carriers: Carriers::default(),
            tallies: Tallies::default(),
            permits: OnceLock::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What every topic did since the server started.
    pub fn tallies(&self) -> Vec<(TopicKey, Tally)> {
        self.shared.tallies.list()
    }

    /// Creates a topic. One of that name will do when it has the attributes and tags that are given.
    pub fn create(
        &self,
        key: &TopicKey,
        attributes: &BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
    ) -> Result<(), TopicError> {
        let topic = Topic::new(key.clone(), attributes, tags)?;
        if !self.exists(key) {
            self.check_key(&topic)?;
        }
        let wanted = topic.clone();
        self.shared.book.add(topic, |there| {
            let other_tags = !wanted.tags.is_empty() && wanted.tags != there.topic.tags;
            if other_tags {
                return Err(TopicError::invalid("Tags Reason: Topic already exists with different tags"));
            }
            let same = |(name, value): (&String, &String)| there.topic.attributes.get(name) == Some(value);
            if !wanted.attributes.iter().all(same) {
                return Err(TopicError::invalid("Attributes Reason: Topic already exists with different attributes"));
            }
            Ok(())
        })
    }

    /// Removes a topic with its subscriptions; one that is gone is removed.
    pub fn delete(&self, key: &TopicKey) -> Result<(), TopicError> {
        self.shared.tallies.forget(key);
        for live in self.shared.book.remove(key)? {
            self.close_outbox(&live.subscription)?;
        }
        self.shared.deduplication.forget(key);
        Ok(())
    }

    /// Whether there is such a topic.
    pub fn exists(&self, key: &TopicKey) -> bool {
        self.shared.book.find(key).is_some()
    }

    /// The topics of a scope, in order of name.
    pub fn list(&self, scope: &Scope, token: Option<&str>) -> Page<TopicKey> {
        let all = self.shared.book.all();
        let own = all.iter().map(|entry| &entry.topic.key).filter(|key| key.scope == *scope);
        page(own.map(|key| (key.arn(), key.clone())), token)
    }

    /// All attributes of a topic.
    pub fn attributes(&self, key: &TopicKey) -> Result<BTreeMap<String, String>, TopicError> {
        let entry = self.shared.book.entry(key)?;
        let mut all = entry.topic.describe();
        let pending = entry.subscriptions.iter().filter(|live| live.subscription.pending.is_some()).count();
        all.insert("SubscriptionsPending".into(), pending.to_string());
        all.insert("SubscriptionsConfirmed".into(), (entry.subscriptions.len() - pending).to_string());
        Ok(all)
    }

    /// Sets one attribute; an empty value takes it away.
    pub fn set_attribute(&self, key: &TopicKey, name: &str, value: &str) -> Result<(), TopicError> {
        self.change_topic(key, |topic| topic.set(name, value))
    }

    /// An error when the topic's key may not be used now.
    pub(super) fn check_key(&self, topic: &Topic) -> Result<(), TopicError> {
        match topic.kms_key() {
            Some(name) => Ok(self.shared.queues.check_key(&topic.key.scope, name)?),
            None => Ok(()),
        }
    }

    /// Adds a statement to the policy.
    pub fn add_permission(&self, key: &TopicKey, permission: &Permission) -> Result<(), TopicError> {
        self.change_topic(key, |topic| {
            let changed = policy::add(&topic.policy(), key, permission)?;
            topic.set("Policy", &changed)
        })
    }

    /// Removes the statement of that label from the policy.
    pub fn remove_permission(&self, key: &TopicKey, label: &str) -> Result<(), TopicError> {
        self.change_topic(key, |topic| {
            let changed = policy::remove(&topic.policy(), label)?;
            topic.set("Policy", &changed)
        })
    }

    /// A topic's tags.
    pub fn tags(&self, key: &TopicKey) -> Result<BTreeMap<String, String>, TopicError> {
        Ok(self.shared.book.find(key).ok_or(TopicError::NoResource)?.topic.tags.clone())
    }

    /// Adds tags, replacing those of the same key.
    pub fn tag(&self, key: &TopicKey, tags: BTreeMap<String, String>) -> Result<(), TopicError> {
        self.change_tags(key, |all| all.extend(tags))
    }

    /// Removes tags.
    pub fn untag(&self, key: &TopicKey, keys: &[String]) -> Result<(), TopicError> {
        self.change_tags(key, |all| all.retain(|name, _| !keys.contains(name)))
    }

    fn change_tags(
        &self,
        key: &TopicKey,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), TopicError> {
        if !self.exists(key) {
            return Err(TopicError::NoResource);
        }
        self.change_topic(key, |topic| {
            change(&mut topic.tags);
            check_tags(&topic.tags)
        })
    }

    fn change_topic(
        &self,
        key: &TopicKey,
        change: impl FnOnce(&mut Topic) -> Result<(), TopicError>,
    ) -> Result<(), TopicError> {
        self.shared.book.change(key, |entry| {
            let mut topic = entry.topic.clone();
            change(&mut topic)?;
            topic.check_subscribers(entry.subscriptions.iter().map(|live| live.subscription.protocol))?;
            if topic.kms_key() != entry.topic.kms_key() {
                self.check_key(&topic)?;
                // Before the topic says so: what waits is never plainer than what is told of it.
                entry.subscriptions.iter().try_for_each(|live| self.key_outbox(&live.subscription, &topic))?;
            }
            Ok((Some(Change::Topic(topic)), ()))
        })
    }

    /// Subscribes an endpoint. An HTTP endpoint is asked first and is pending until it confirms; the same subscription twice
    /// is one.
    pub async fn subscribe(&self, key: &TopicKey, new: NewSubscription) -> Result<Subscription, TopicError> {
        let protocol = Protocol::parse(&new.protocol)?;
        subscription::check_endpoint(key, protocol, &new.endpoint)?;
        let pending =
            protocol.has_to_confirm().then(|| Pending { token: self.token(), since: self.shared.clock.now() });
        let wanted = subscription::checked(Subscription {
            topic: key.clone(),
            id: self.shared.dice.uuid(),
            protocol,
            endpoint: new.endpoint,
            owner: new.owner,
            attributes: new.attributes,
            pending,
            confirmed_with: None,
            authenticated_unsubscribe: false,
        })?;
        let entry = self.shared.book.entry(key)?;
        // The outbox is there before somebody publishes to it.
        self.open_outbox(&wanted, &entry.topic)?;
        let kept = self.shared.book.change(key, |entry| subscribe(entry, wanted.clone()))?;
        if kept.id != wanted.id {
            self.close_outbox(&wanted)?;
        } else {
            // The topic's key may have changed meanwhile.
            self.key_outbox(&kept, &self.shared.book.entry(key)?.topic)?;
        }
        if kept.pending.is_some() {
            self.ask(&kept).await?;
        }
        self.carry(&kept);
        Ok(kept)
    }

    /// Confirms a subscription with the token that its endpoint was sent.
    pub fn confirm(&self, key: &TopicKey, token: &str, authenticated: bool) -> Result<Subscription, TopicError> {
        let now = self.shared.clock.now();
        self.shared.book.change(key, |entry| {
            for live in &entry.subscriptions {
                let mut one = live.subscription.clone();
                if one.confirmed_with.as_deref() == Some(token) {
                    return Ok((None, one));
                }
                let Some(pending) = one.pending.take_if(|pending| pending.token == token) else { continue };
                if now - pending.since > TOKEN_VALID_MS {
                    break;
                }
                one.confirmed_with = Some(pending.token);
                one.authenticated_unsubscribe = authenticated;
                return Ok((Some(Change::Subscription(one.clone())), one));
            }
            Err(TopicError::invalid("Token"))
        })
    }

    /// Ends a subscription; one that is gone is ended. `authenticated`: the request says who calls.
    pub fn unsubscribe(&self, arn: &str, authenticated: bool) -> Result<(), TopicError> {
        let (entry, live) = match self.shared.book.subscription(arn) {
            Err(TopicError::NotFound(_)) => return Ok(()),
            other => other?,
        };
        let ended = &live.subscription;
        if ended.authenticated_unsubscribe && !authenticated {
            return Err(TopicError::AuthorizationError(
                "this subscription was confirmed with AuthenticateOnUnsubscribe: only its owner may end it".into(),
            ));
        }
        self.shared.book.change(&entry.topic.key, |entry| {
            let still = entry.subscription(&ended.id).is_ok();
            Ok((still.then(|| Change::Ended(ended.id.clone())), ()))
        })?;
        self.close_outbox(ended)
    }

    /// A subscription by its ARN.
    pub fn subscription(&self, arn: &str) -> Result<Subscription, TopicError> {
        Ok(self.shared.book.subscription(arn)?.1.subscription.clone())
    }

    /// All attributes of a subscription.
    pub fn subscription_attributes(&self, arn: &str) -> Result<BTreeMap<String, String>, TopicError> {
        let (entry, live) = self.shared.book.subscription(arn)?;
        Ok(live.subscription.describe(&entry.topic))
    }

    /// Sets attributes of a subscription, all or none; an empty value takes one away.
    pub fn set_subscription_attributes(&self, arn: &str, values: &BTreeMap<String, String>) -> Result<(), TopicError> {
        let (entry, live) = self.shared.book.subscription(arn)?;
        self.shared.book.change(&entry.topic.key, |entry| {
            let mut one = entry.subscription(&live.subscription.id)?.subscription.clone();
            one.set(values)?;
            Ok((Some(Change::Subscription(one)), ()))
        })
    }

    /// The subscriptions of a scope's topics.
    pub fn subscriptions(&self, scope: &Scope, token: Option<&str>) -> Page<Subscription> {
        let all = self.shared.book.all();
        let own = all.iter().filter(|entry| entry.topic.key.scope == *scope).flat_map(|entry| &entry.subscriptions);
        page(own.map(|live| (live.subscription.arn(), live.subscription.clone())), token)
    }

    /// The subscriptions of a topic.
    pub fn subscriptions_of(&self, key: &TopicKey, token: Option<&str>) -> Result<Page<Subscription>, TopicError> {
        let entry = self.shared.book.entry(key)?;
        let own = entry.subscriptions.iter();
        Ok(page(own.map(|live| (live.subscription.arn(), live.subscription.clone())), token))
    }

    /// 64 hexadecimal digits that nobody guesses.
    fn token(&self) -> String {
        (0..4).map(|_| format!("{:016x}", self.shared.dice.roll())).collect()
    }

    /// Asks an HTTP endpoint whether it wants the subscription.
    async fn ask(&self, subscription: &Subscription) -> Result<(), TopicError> {
        let Some(pending) = &subscription.pending else { return Ok(()) };
        let (topic_arn, token) = (subscription.topic.arn(), pending.token.as_str());
        let message_id = self.shared.dice.uuid();
        let confirmation = Confirmation {
            message_id: &message_id,
            topic_arn: &topic_arn,
            token,
            subscribe_url: &format!(
                "{}/?Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}",
                self.shared.base_url
            ),
            at: self.shared.clock.now(),
        };
        let parcel = Parcel {
            message_type: SUBSCRIPTION_CONFIRMATION,
            message_id: &message_id,
            is_raw: false,
            body: confirmation.envelope(),
        };
        self.shared.queues.send(&subscription.outbox(), vec![parcel.into_message()]).await?;
        Ok(())
    }
}

/// Adds a subscription, unless the topic has it.
fn subscribe(entry: &Entry, wanted: Subscription) -> Result<(Option<Change>, Subscription), TopicError> {
    let there = entry.subscriptions.iter().find(|live| live.subscription.is_for(wanted.protocol, &wanted.endpoint));
    match there {
        None => {
            let protocols = entry.subscriptions.iter().map(|live| live.subscription.protocol);
            entry.topic.check_subscribers(protocols.chain([wanted.protocol]))?;
            Ok((Some(Change::Subscription(wanted.clone())), wanted))
        }
        Some(live) if wanted.attributes.is_empty() || live.subscription.attributes == wanted.attributes => {
            Ok((None, live.subscription.clone()))
        }
        Some(_) => Err(TopicError::invalid("Attributes Reason: Subscription already exists with different attributes")),
    }
}

/// One page of items in order of their ARNs; a token is the ARN that the page before ended with.
fn page<T>(items: impl Iterator<Item = (String, T)>, token: Option<&str>) -> Page<T> {
    let mut items: Vec<(String, T)> = items.filter(|(arn, _)| token.is_none_or(|token| arn.as_str() > token)).collect();
    items.sort_by(|a, b| a.0.cmp(&b.0));
    let more = items.len() > PAGE_MAX;
    items.truncate(PAGE_MAX);
    let next_token = if more { items.last().map(|(arn, _)| arn.clone()) } else { None };
    Page { items: items.into_iter().map(|(_, item)| item).collect(), next_token }
}
