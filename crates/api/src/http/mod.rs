//! HTTP: one port for HTTP/1.1 and HTTP/2, with TLS and without, and what every request goes through.
//!
//! ```text
//! socket ─► port ─► serve ─► route: which road ─┬─ X-Amz-Target      ┐
//!                                       ├─ Smithy's RPC v2   ├─► door: lock, which service ─► Service::call
//!                                       ├─ a form (awsQuery) │
//!                                       ├─ REST with JSON    ┘
//!                                       └─ anything else ─► the router (the server's own routes)
//! ```

mod audit;
mod body;
mod caller;
mod correlation;
mod door;
mod fault;
mod lock;
mod port;
mod route;
mod serve;
mod service;
mod stopwatch;

pub(crate) use audit::{Attempt, Recorded, SEARCH_SOURCE, event_source, failure, shown_json};
pub use audit::{Recorder, Trail};
pub use body::{BODY_BYTES_MAX, read_body};
pub use caller::Caller;
pub use correlation::Correlation;
pub(crate) use door::Writing;
pub(crate) use fault::stamp;
pub use lock::{Lock, Refused, fault as signature_fault};
pub use port::{Peer, Tls, serve_port};
pub(crate) use route::endpoint;
pub use serve::{Doors, serve};
pub use service::{Answer, Call, Protocol, Reply, Service, awaited, blocking};
pub(crate) use stopwatch::Stopwatch;
