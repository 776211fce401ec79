//! SQS queues and SNS topics: where failures and alarms go.

pub mod sns;
pub mod sqs;

pub use sqs::*;
