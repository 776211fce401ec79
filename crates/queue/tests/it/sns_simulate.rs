//! Seeded simulation of topics: a publisher repeats what was not acknowledged, endpoints fail, the process dies.
//!
//! Held over all seeds: what was acknowledged reaches every subscription that wants it, or its dead-letter queue; what a
//! filter refuses never does; a FIFO queue behind a FIFO topic has every message once and in order.

use crate::sns_kit::{FUNCTION, Outside, URL, message, open, subscribe, text_of, topic, with_number};
use crate::sqs_kit::{World, body, key, map};
use futures::executor::block_on;
use millrace_queue::sns::{NewNotification, Topics};
use millrace_queue::{QueueError, Queues, ReceiveOptions};
use millrace_testkit::SimDice;
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: u64 = 150;

#[derive(Default)]
struct Tally {
    published: u64,
    unanswered: u64,
    lives: u64,
    retried: u64,
    dead_letters: u64,
}

struct Run {
    dice: SimDice,
    world: World,
    outside: Outside,
    /// Acknowledged, by number.
    published: BTreeMap<u64, bool>,
    next: u64,
    /// Acknowledged to the publisher of the FIFO topic, in order.
    in_order: Vec<u64>,
    next_in_order: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        Self {
            dice: SimDice::new(seed),
            world: World::new(seed),
            outside: Outside::default(),
            published: BTreeMap::new(),
            next: 0,
            in_order: Vec::new(),
            next_in_order: 0,
        }
    }

    /// One life of the process; `None` when it died.
    fn live(&mut self, life: u64, tally: &mut Tally) -> Option<()> {
        let (queues, topics) = open(&self.world, &self.outside, life).ok()?;
        set_up(&queues, &topics).ok()?;
        self.confirm(&topics)?;
        if self.dice.one_in(2) {
            self.world.disk.die_after(1 + self.dice.below(150));
        }
        for _ in 0..self.dice.below(60) {
            self.world.clock.advance(self.dice.below(3000) as i64);
            match self.dice.below(6) {
                0 | 1 => self.publish(&topics, tally)?,
                2 | 3 => self.publish_in_order(&topics, tally)?,
                4 => self.deliver(&topics)?,
                _ => queues.upkeep(),
            }
        }
        Some(())
    }

    fn confirm(&mut self, topics: &Topics) -> Option<()> {
        let pending = topics.subscriptions_of(&topic("t"), None).ok()?.items;
        for subscription in pending {
            if let Some(pending) = subscription.pending {
                topics.confirm(&topic("t"), &pending.token, false).ok()?;
            }
        }
        Some(())
    }

    fn publish(&mut self, topics: &Topics, tally: &mut Tally) -> Option<()> {
        let number = self.next;
        self.next += 1;
        let answer = block_on(topics.publish(&topic("t"), with_number(&number.to_string(), "n", number % 10)));
        self.published.insert(number, answer.is_ok());
        if answer.is_err() {
            tally.unanswered += 1;
            return None;
        }
        tally.published += 1;
        Some(())
    }

    fn publish_in_order(&mut self, topics: &Topics, tally: &mut Tally) -> Option<()> {
        let number = self.next_in_order;
        let new = NewNotification {
            group_id: Some("g".into()),
            deduplication_id: Some(number.to_string()),
            ..message(&number.to_string())
        };
        // A repeated one is not kept twice by the queue, whether or not the first was acknowledged.
        let Ok(_) = block_on(topics.publish(&topic("t.fifo"), new)) else {
            tally.unanswered += 1;
            return None;
        };
        tally.published += 1;
        self.in_order.push(number);
        self.next_in_order += 1;
        Some(())
    }

    fn deliver(&mut self, topics: &Topics) -> Option<()> {
        for subscription in topics.subscriptions_of(&topic("t"), None).ok()?.items {
            if subscription.queue().is_none() {
                block_on(topics.deliver(&subscription.arn(), 0)).ok()?;
            }
        }
        Some(())
    }

    /// All is well again: what waits is delivered.
    fn settle(&mut self, life: u64) -> (Queues, Topics) {
        *self.outside.functions.refuse_one_in.lock() = 0;
        *self.outside.http.refuse_one_in.lock() = 0;
        self.world.disk.crash();
        let (queues, topics) = open(&self.world, &self.outside, life).unwrap();
        set_up(&queues, &topics).unwrap();
        self.confirm(&topics).unwrap();
        for _ in 0..200 {
            self.world.pass_secs(61);
            self.deliver(&topics).unwrap();
        }
        (queues, topics)
    }
}

fn set_up(queues: &Queues, topics: &Topics) -> Result<(), String> {
    let text = |error: QueueError| error.to_string();
    for (name, attributes) in
        [("all", map(&[])), ("large", map(&[])), ("dead", map(&[])), ("order.fifo", map(&[("FifoQueue", "true")]))]
    {
        queues.create(&key(name), &attributes, &BTreeMap::new()).map_err(text)?;
    }
    topics.create(&topic("t"), &BTreeMap::new(), BTreeMap::new()).map_err(|e| e.to_string())?;
    topics.create(&topic("t.fifo"), &map(&[("FifoTopic", "true")]), BTreeMap::new()).map_err(|e| e.to_string())?;
    let arn = |name: &str| key(name).arn().to_string();
    let dead = format!(r#"{{"deadLetterTargetArn": "{}"}}"#, arn("dead"));
    let large = r#"{"n": [{"numeric": [">=", 5]}]}"#;
    let wanted = [
        ("t", "sqs", arn("all"), vec![]),
        ("t", "sqs", arn("large"), vec![("FilterPolicy", large)]),
        ("t", "lambda", FUNCTION.to_owned(), vec![]),
        ("t", "http", URL.to_owned(), vec![("FilterPolicy", large), ("RedrivePolicy", &dead)]),
        ("t.fifo", "sqs", arn("order.fifo"), vec![]),
    ];
    for (name, protocol, endpoint, attributes) in wanted {
        subscribe(topics, name, protocol, &endpoint, &attributes).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn drain(queues: &Queues, name: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let options = ReceiveOptions { max: 10, visibility: None, wait: Some(0), attempt_id: None };
        let messages = block_on(queues.receive(&key(name), options)).unwrap();
        if messages.is_empty() {
            return bodies;
        }
        bodies.extend(messages.iter().map(body));
        let receipts = messages.into_iter().map(|message| message.receipt_handle).collect();
        block_on(queues.delete(&key(name), receipts)).unwrap();
    }
}

fn numbers(bodies: &[String]) -> BTreeSet<u64> {
    bodies.iter().filter(|body| !body.contains("\"Token\"")).map(|body| text_of(body).parse().unwrap()).collect()
}

fn audit(seed: u64, run: &Run, queues: &Queues, tally: &mut Tally) {
    let acknowledged: BTreeSet<u64> = run.published.iter().filter(|(_, ok)| **ok).map(|(number, _)| *number).collect();
    let large: BTreeSet<u64> = acknowledged.iter().copied().filter(|number| number % 10 >= 5).collect();
    let dead = numbers(&drain(queues, "dead"));
    tally.dead_letters += dead.len() as u64;
    let hooked: BTreeSet<u64> = numbers(&run.outside.http.bodies()).union(&dead).copied().collect();
    for (name, got, wanted) in [
        ("all", numbers(&drain(queues, "all")), &acknowledged),
        ("large", numbers(&drain(queues, "large")), &large),
        ("function", numbers(&run.outside.functions.bodies()), &acknowledged),
        ("http", hooked, &large),
    ] {
        let lost: Vec<_> = wanted.difference(&got).collect();
        assert!(lost.is_empty(), "seed {seed}: {name} lost {lost:?}");
        let is_filtered = matches!(name, "large" | "http");
        assert!(!is_filtered || got.iter().all(|number| number % 10 >= 5), "seed {seed}: {name} got what it refuses");
        assert!(got.iter().all(|number| run.published.contains_key(number)), "seed {seed}: {name} made something up");
    }
    let ordered: Vec<u64> = drain(queues, "order.fifo").iter().map(|body| text_of(body).parse().unwrap()).collect();
    // The last one may be there although its publisher died before he heard of it.
    let (known, unheard) = ordered.split_at(run.in_order.len().min(ordered.len()));
    assert_eq!(known, run.in_order, "seed {seed}: order");
    assert!(unheard.is_empty() || unheard == [run.next_in_order], "seed {seed}: {unheard:?}");
}

#[test]
fn acknowledged_messages_reach_whoever_wants_them() {
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        let mut run = Run::new(seed);
        *run.outside.functions.refuse_one_in.lock() = 1 + run.dice.below(4);
        *run.outside.http.refuse_one_in.lock() = 1 + run.dice.below(4);
        let lives = 1 + run.dice.below(5);
        for life in 0..lives {
            tally.lives += 1;
            if run.live(seed * 100 + life, &mut tally).is_some() && run.dice.one_in(2) {
                run.world.disk.kill();
            } else {
                run.world.disk.crash();
            }
        }
        let (queues, _topics) = run.settle(seed * 100 + 99);
        audit(seed, &run, &queues, &mut tally);
        let bodies = run.outside.functions.bodies();
        tally.retried += (bodies.len() - numbers(&bodies).len()) as u64;
    }
    // A simulation in which nothing happens proves nothing.
    let Tally { published, unanswered, lives, retried, dead_letters } = tally;
    assert!(published > 2000 && unanswered > 20 && lives > SEEDS * 2, "{published} {unanswered} {lives}");
    assert!(retried > 0 && dead_letters > 0, "{retried} {dead_letters}");
}
