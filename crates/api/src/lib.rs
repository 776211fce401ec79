//! The doors: AWS's protocols on one port.
//!
//! ```text
//! HTTP/1.1 and h2c ─► http (who calls, which service) ─► wire (JSON or CBOR ↔ typed shapes) ─► authorize ─► one file per operation
//! ```
//!
//! Shapes and their rules are generated from AWS's own service models; no handler touches untyped input.

pub mod analytics;
pub mod authorize;
pub mod cloudwatch;
pub mod firehose;
pub mod glue;
pub mod http;
pub mod iam;
pub mod kinesis;
pub mod kms;
pub mod lambda;
pub mod logs;
pub mod models;
pub mod opensearch;
pub mod runtime;
pub mod s3;
pub mod sns;
pub mod sqs;
pub mod sts;
pub mod wire;

pub use http::{Call, Caller, Doors, Recorder, Reply, Service, serve};
