//! A world for topics: queues that are committed inline, and endpoints that refuse as the dice fall.

use crate::sqs_kit::{World, map};
use async_trait::async_trait;
use futures::executor::block_on;
use millrace_base::Scope;
use millrace_catalog::Catalog;
use millrace_queue::sns::{
    Delivery, Endpoint, NewNotification, NewSubscription, Subscription, TopicError, TopicKey, TopicParts, Topics,
    Undelivered,
};
use millrace_queue::{AttributeValue, MessageAttribute, QueueOptions, QueueParts, Queues};
use millrace_testkit::SimDice;
use parking_lot::Mutex;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

pub const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
pub const URL: &str = "http://example.test/hook";

/// What functions or HTTP endpoints took, over all lives of the process.
#[derive(Default)]
pub struct Taken {
    pub deliveries: Mutex<Vec<Delivery>>,
    /// One in so many is refused; 0: none, 1: all.
    pub refuse_one_in: Mutex<u64>,
    /// Refuses for good.
    pub is_gone: Mutex<bool>,
}

impl Taken {
    pub fn bodies(&self) -> Vec<String> {
        self.deliveries.lock().iter().map(|one| String::from_utf8(one.body.to_vec()).unwrap()).collect()
    }
}

struct Double {
    taken: Arc<Taken>,
    dice: SimDice,
}

#[async_trait]
impl Endpoint for Double {
    async fn hand_over(&self, delivery: &Delivery) -> Result<(), Undelivered> {
        let one_in = *self.taken.refuse_one_in.lock();
        let is_final = *self.taken.is_gone.lock();
        if is_final || (one_in > 0 && self.dice.one_in(one_in)) {
            return Err(Undelivered { is_final, code: "503".into(), reason: "not now".into() });
        }
        self.taken.deliveries.lock().push(delivery.clone());
        Ok(())
    }
}

/// The endpoints' side of the world; it outlives the process.
#[derive(Clone, Default)]
pub struct Outside {
    pub functions: Arc<Taken>,
    pub http: Arc<Taken>,
}

/// Opens queues and topics as the next process would.
pub fn open(world: &World, outside: &Outside, life: u64) -> Result<(Queues, Topics), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let catalog = Catalog::open(&world.disk, Path::new("/data/catalog.redb")).map_err(|e| text(&e))?;
    let (clock, dice) = (Arc::new(world.clock.clone()), Arc::new(SimDice::new(life)));
    let parts = QueueParts {
        clock: clock.clone(),
        dice: dice.clone(),
        disk: Arc::new(world.disk.clone()),
        catalog: catalog.clone(),
        dir: "/data/queue".into(),
        keys: Arc::new(world.keys.clone()),
    };
    let options = QueueOptions { segment_bytes: 64 << 10, ..world.options.clone() };
    let queues = Queues::open(parts, options).map_err(|e| text(&e))?;
    let double = |taken: &Arc<Taken>, salt: u64| {
        Arc::new(Double { taken: taken.clone(), dice: SimDice::new(life ^ salt) }) as Arc<dyn Endpoint>
    };
    let topics = Topics::open(TopicParts {
        catalog,
        queues: queues.clone(),
        clock,
        dice,
        functions: double(&outside.functions, 1 << 40),
        http: double(&outside.http, 1 << 41),
        base_url: "http://localhost:4566".into(),
    });
    topics.map(|topics| (queues, topics)).map_err(|e| text(&e))
}

pub fn topic(name: &str) -> TopicKey {
    TopicKey::new(&Scope::default(), name)
}

pub fn message(text: &str) -> NewNotification {
    NewNotification { message: text.into(), ..NewNotification::default() }
}

pub fn with_number(text: &str, name: &str, number: u64) -> NewNotification {
    let value = AttributeValue::Text(number.to_string().into());
    let attributes = vec![MessageAttribute { name: name.into(), data_type: "Number".into(), value }];
    NewNotification { attributes, ..message(text) }
}

pub fn subscribe(
    topics: &Topics,
    name: &str,
    protocol: &str,
    endpoint: &str,
    attributes: &[(&str, &str)],
) -> Result<Subscription, TopicError> {
    let new = NewSubscription {
        protocol: protocol.into(),
        endpoint: endpoint.into(),
        owner: "000000000000".into(),
        attributes: map(attributes),
    };
    block_on(topics.subscribe(&topic(name), new))
}

/// The published text in an envelope or in a function's event.
pub fn text_of(body: &str) -> String {
    let json: Value = serde_json::from_str(body).unwrap();
    let text = if json["Records"].is_array() { &json["Records"][0]["Sns"]["Message"] } else { &json["Message"] };
    text.as_str().unwrap().to_owned()
}
