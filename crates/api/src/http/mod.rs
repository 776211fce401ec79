//! HTTP: one port for HTTP/1.1 and HTTP/2 without TLS (prior knowledge), and what every request goes through.
//!
//! ```text
//! socket ─► serve ─► route: which road ─┬─ X-Amz-Target      ┐
//!                                       ├─ Smithy's RPC v2   ├─► door: who calls, which service ─► Service::call
//!                                       ├─ a form (awsQuery) │
//!                                       ├─ REST with JSON    ┘
//!                                       └─ anything else ─► the router (the server's own routes)
//! ```

mod body;
mod caller;
mod door;
mod fault;
mod route;
mod serve;
mod service;

pub use body::{BODY_BYTES_MAX, read_body};
pub use caller::Caller;
pub use serve::{Doors, serve};
pub use service::{Answer, Call, Protocol, Reply, Service, awaited, blocking};
