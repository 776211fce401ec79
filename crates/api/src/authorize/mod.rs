//! May this be done? Every call's actions and resources, and the question put to the policies.
//!
//! ```text
//! Call::input ─► typed input ─► needs: [action, resources, condition keys] ─► Guard ─► Authorizer ─► go on, or AWS's refusal
//! ```
//!
//! The question is asked when a call's input has been read and nothing has been done yet, so it costs what the input has at
//! its top, never its records. What an operation needs follows AWS's *Service Authorization Reference*: one file a service.
//! With `--auth off` a guard is open and asks nothing.

mod cloudwatch;
mod context;
mod firehose;
mod glue;
mod guard;
mod iam;
mod input;
mod kinesis;
mod kinesisanalytics;
mod kms;
mod lambda;
mod logs;
mod needs;
#[cfg(test)]
mod reference;
mod refusal;
mod routes;
mod sns;
mod sqs;
mod sts;

pub use context::{Circumstances, Via};
pub(crate) use firehose::check_roles;
pub use guard::{Gate, Guard, NoFacts, ResourceFacts};
pub(crate) use kms::context_keys;
pub use needs::{Keys, Need};
pub use refusal::prefix as service_prefix;
pub(crate) use refusal::prefix;
pub use routes::{allow_own, allow_search, own_action, search_action};
