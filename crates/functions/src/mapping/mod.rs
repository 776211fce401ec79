//! Event source mappings: functions that are called with what arrives in a stream or a queue.
//!
//! A mapping is a definition in the catalog, a checkpoint a shard, and workers. What a worker decides is a machine without
//! threads, timers or sockets, which a simulation steps by seed (`stream`, `queue`); `workers` drives it.

mod aggregate;
mod answer;
mod definition;
mod error;
mod event;
mod failure;
mod filter;
mod mappings;
mod pause;
mod permits;
mod ports;
mod progress;
mod queue;
mod status;
mod stream;
#[cfg(test)]
mod tests;
mod validate;
mod workers;

pub use aggregate::user_records;
pub use error::MappingError;
pub use event::stream_event;
pub use mappings::{MappingPage, Mappings};
pub(crate) use permits::sending;
pub use permits::{Edge, Permits, Unlimited};
pub use ports::{
    BatchEvent, BatchOutcome, DestinationError, Destinations, FailureRecord, FunctionFacts, FunctionFinder,
    MappingParts, MessageAttribute, MessageQueues, Meter, QueueFacts, QueueFault, QueueMessage, RecordText,
    StreamConsumers,
};
