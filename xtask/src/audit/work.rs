//! The connections of an audit: senders repeat what was not acknowledged, receivers delete what they receive, and all
//! of them wait for the restarted server when a connection breaks.

use super::ledger::{BATCH, Ledger, group};
use crate::bench::queue::{Client, request};
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a connection looks whether the server is back.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a message is: an id and some filling.
const BODY_BYTES: usize = 100;

/// What all connections share.
pub struct Shared {
    ledger: Mutex<Ledger>,
    door: Mutex<Door>,
    /// Set when the audit cannot go on.
    pub stop: AtomicBool,
}

/// Where the server is, and how often it was started before.
#[derive(Clone, Copy)]
pub struct Door {
    /// Its port.
    pub port: u16,
    /// Its life.
    pub life: usize,
}

/// One of the two queues.
#[derive(Clone)]
pub struct Queue {
    /// Its URL; the server looks only at its path.
    pub url: String,
    /// Its messages.
    pub ids: Range<usize>,
    /// True for the FIFO queue.
    pub fifo: bool,
}

impl Shared {
    /// A server was started.
    pub fn new(ledger: Ledger, port: u16) -> Self {
        Self { ledger: Mutex::new(ledger), door: Mutex::new(Door { port, life: 0 }), stop: AtomicBool::new(false) }
    }

    /// What is known; also when another thread panicked, which is told when it is joined.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the server is now.
    pub fn door(&self) -> Door {
        *self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server was started again.
    pub fn reborn(&self, port: u16) {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        *door = Door { port, life: door.life + 1 };
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Sends the batches `first`, `first + step` … of a queue, each until it is acknowledged.
pub fn send(shared: &Shared, queue: &Queue, first: usize, step: usize) -> Result<(), String> {
    let mut link = Link::new(shared);
    for from in queue.ids.clone().step_by(BATCH).skip(first).step_by(step) {
        let ids = from..(from + BATCH).min(queue.ids.end);
        let body =
            json!({"QueueUrl": queue.url, "Entries": ids.clone().map(|id| entry(queue, id)).collect::<Vec<_>>()});
        let batch = request("SendMessageBatch", &body.to_string());
        let answer = loop {
            if shared.is_stopped() {
                return Ok(());
            }
            shared.ledger().trying(ids.clone());
            if let Some(answer) = link.call(&batch)? {
                break answer;
            }
        };
        let done = list(&answer, "Successful");
        if done.len() != ids.len() {
            return Err(format!("a batch of {} was not all taken: {answer}", ids.len()));
        }
        let mut ledger = shared.ledger();
        for taken in done {
            ledger.acknowledged(number(&taken["Id"])?, message_id(taken)?);
        }
    }
    Ok(())
}

fn entry(queue: &Queue, id: usize) -> Value {
    let mut entry = json!({"Id": id.to_string(), "MessageBody": format!("{id:.<BODY_BYTES$}")});
    if queue.fifo {
        entry["MessageGroupId"] = format!("group-{}", group(id - queue.ids.start)).into();
        entry["MessageDeduplicationId"] = id.to_string().into();
    }
    entry
}

/// Receives and deletes from when half of all is sent until the queue is empty and nothing more will be sent.
pub fn receive(shared: &Shared, queue: &Queue, half: usize) -> Result<(), String> {
    while shared.ledger().counts.sent < half && !shared.is_stopped() {
        std::thread::sleep(LOOK_EVERY);
    }
    let mut link = Link::new(shared);
    let receive = json!({"QueueUrl": queue.url, "MaxNumberOfMessages": BATCH, "WaitTimeSeconds": 1});
    let receive = request("ReceiveMessage", &receive.to_string());
    while !shared.is_stopped() {
        let (life, began) = (link.door.life, Instant::now());
        let Some(answer) = link.call(&receive)? else { continue };
        let messages = list(&answer, "Messages");
        if messages.is_empty() {
            if shared.ledger().is_sent() && link.depth(queue)? == Some(0) {
                break;
            }
            continue;
        }
        let mut ids = Vec::with_capacity(messages.len());
        let mut ledger = shared.ledger();
        for message in messages {
            ids.push(message_id(message)?);
            ledger.delivered(number(&message["Body"])?, message_id(message)?, life, began);
        }
        drop(ledger);
        let handles = messages.iter().enumerate();
        let handles = handles.map(|(at, it)| json!({"Id": at.to_string(), "ReceiptHandle": it["ReceiptHandle"]}));
        let delete = json!({"QueueUrl": queue.url, "Entries": handles.collect::<Vec<_>>()});
        let Some(answer) = link.call(&request("DeleteMessageBatch", &delete.to_string()))? else { continue };
        let mut ledger = shared.ledger();
        for gone in list(&answer, "Successful") {
            ledger.deleted(ids[number(&gone["Id"])?], life);
        }
    }
    Ok(())
}

/// A connection to the server of one life, then to that of the next.
pub struct Link<'a> {
    shared: &'a Shared,
    door: Door,
    client: Client,
}

impl<'a> Link<'a> {
    /// A connection to the server as it is now.
    pub fn new(shared: &'a Shared) -> Self {
        let door = shared.door();
        Self { shared, door, client: Client::new(door.port) }
    }

    /// The answer; none when the connection broke: then this waits for the restarted server. A refusal is an error.
    pub fn call(&mut self, request: &[u8]) -> Result<Option<Value>, String> {
        match self.client.call(request) {
            Ok(answer) if answer.is_empty() => Ok(Some(Value::Null)),
            Ok(answer) => serde_json::from_slice(&answer).map(Some).map_err(|error| format!("no JSON: {error}")),
            Err(error) if error.starts_with("the server refused") => Err(error),
            Err(_broken) => {
                while self.shared.door().life == self.door.life && !self.shared.is_stopped() {
                    std::thread::sleep(LOOK_EVERY);
                }
                *self = Self::new(self.shared);
                Ok(None)
            }
        }
    }

    /// How many messages a queue holds, visible or not.
    pub fn depth(&mut self, queue: &Queue) -> Result<Option<usize>, String> {
        let body = json!({"QueueUrl": queue.url, "AttributeNames": ["All"]});
        let Some(answer) = self.call(&request("GetQueueAttributes", &body.to_string()))? else { return Ok(None) };
        let counts = ["", "NotVisible", "Delayed"].map(|kind| format!("ApproximateNumberOfMessages{kind}"));
        counts.iter().map(|count| number(&answer["Attributes"][count.as_str()])).sum::<Result<_, _>>().map(Some)
    }
}

fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}

/// The number that a string begins with; the dots behind it are filling.
fn number(text: &Value) -> Result<usize, String> {
    let digits = text.as_str().map(|text| text.trim_end_matches('.'));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| format!("no number where one was expected: {text}"))
}

/// A `MessageId`, which is a UUID, as a number.
fn message_id(message: &Value) -> Result<u128, String> {
    let hex = message["MessageId"].as_str().unwrap_or_default().replace('-', "");
    u128::from_str_radix(&hex, 16).map_err(|_| format!("no UUID as MessageId: {message}"))
}
