//! Ports of event source mappings that have no room behind them yet: whoever asks is told so.

use async_trait::async_trait;
use millrace_base::Arn;
use millrace_functions::{
    DestinationError, Destinations, FailureRecord, MessageQueues, QueueFacts, QueueFault, QueueMessage, StreamConsumers,
};

/// None of the ports.
pub struct Unwired;

#[async_trait]
impl Destinations for Unwired {
    async fn deliver(&self, destination: &Arn, _: &FailureRecord) -> Result<(), DestinationError> {
        let reason = "destinations are not open".to_owned();
        Err(DestinationError { destination: destination.to_string(), reason })
    }
}

impl StreamConsumers for Unwired {
    fn exists(&self, _: &Arn) -> bool {
        false
    }
}

#[async_trait]
impl MessageQueues for Unwired {
    fn find(&self, _: &Arn) -> Option<QueueFacts> {
        None
    }

    async fn receive(&self, queue: &Arn, _: usize) -> Result<Vec<QueueMessage>, QueueFault> {
        Err(QueueFault(format!("{queue} is not open")))
    }

    async fn delete(&self, queue: &Arn, _: Vec<String>) -> Result<(), QueueFault> {
        Err(QueueFault(format!("{queue} is not open")))
    }

    async fn change_visibility(&self, queue: &Arn, _: Vec<String>, _: u32) -> Result<(), QueueFault> {
        Err(QueueFault(format!("{queue} is not open")))
    }
}
