//! The tests of queues and topics, in one binary.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod sns_behaviour;
mod sns_kit;
mod sns_simulate;
mod sqs_behaviour;
mod sqs_disk;
mod sqs_kit;
mod sqs_simulate;
