//! awsQuery, the protocol of AWS's older services: a form comes in, XML goes out.
//!
//! ```text
//! Action=CreateRole&Version=2010-05-08&RoleName=r&Tags.member.1.Key=k ─► FormReader ─► shapes
//! shapes ─► XmlWriter ─► <CreateRoleResult><Role>…</Role></CreateRoleResult>
//! ```
//!
//! Lists are `Tags.member.1`, maps `Attributes.entry.1.key`. A service may *flatten* them (`Tag.1.Key`): the table
//! [`QueryNames`](super::QueryNames) of its model says which.

mod form;
mod sqs;
mod xml;

pub use form::FormReader;
pub use sqs::SQS_NAMES;
pub use xml::{XmlWriter, escape};
