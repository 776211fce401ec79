//! SubscribeToShard: a shard's records as they come, over one answer that goes on for five minutes.

use super::observer::Subscribed;
use super::position::Start;
use super::subscription::{EventBody, Subscription};
use super::{Kinesis, faults};
use crate::http::{Call, Protocol, Reply};
use crate::models::kinesis::SubscribeToShardInput;
use crate::wire::event_stream::EVENT_STREAM;
use crate::wire::{Fault, Format, kinds};
use axum::body::Body;

pub async fn call(kinesis: &Kinesis, call: Call) -> Result<Reply, Fault> {
    let kinesis = kinesis.clone();
    let work = move || open(&kinesis, &call);
    let opened = tokio::task::spawn_blocking(work).await;
    let opened = opened
        .unwrap_or_else(|stopped| Err(kinds::INTERNAL_FAILURE.because(format!("the operation stopped: {stopped}"))));
    Ok(Reply::stream(EVENT_STREAM, Body::new(EventBody::new(opened?))))
}

fn open(kinesis: &Kinesis, call: &Call) -> Result<Subscription, Fault> {
    let input: SubscribeToShardInput = call.input()?;
    let start = Start {
        operation: "SubscribeToShard",
        kind: &input.starting_position.r#type,
        number: input.starting_position.sequence_number.as_ref(),
        timestamp: input.starting_position.timestamp,
    };
    start.check()?;
    let now = kinesis.clock.now();
    let consumer = kinesis.consumer_of(&call.caller, &input.consumer_arn)?;
    let stream = kinesis.log.stream(&consumer.stream).map_err(faults::of_log)?;
    kinesis.check_key(&stream)?;
    let shard = kinesis.shard_to_read(&stream, &input.shard_id)?;
    let index = start.index(kinesis, &stream, shard, now)?;
    if input.dry_run == Some(true) {
        return Err(faults::dry_run());
    }
    let reader = kinesis.log.reader(&stream.key, shard.id, index).map_err(faults::of_log)?;
    let lease = kinesis.subscriptions.take(&input.consumer_arn, shard.id, now);
    let outcome = match &lease {
        Ok(_) => Subscribed::Yes,
        Err(fault) if fault.kind == kinds::RESOURCE_IN_USE => Subscribed::RateExceeded,
        Err(_) => Subscribed::Failed,
    };
    kinesis.observer.subscribed(&stream.key, &consumer.name, outcome);
    let lease = lease?;
    let format = match call.protocol {
        Protocol::Document(format) => format,
        _ => Format::Json,
    };
    Ok(Subscription::new(kinesis, &stream, consumer.name.clone(), shard, format, lease, reader))
}
