//! HTTP: one port for HTTP/1.1 and HTTP/2 without TLS (prior knowledge), and what every request goes through.
//!
//! ```text
//! socket ─► serve ─┬─ X-Amz-Target ─► rpc: who calls, which service, which format ─► Service::call
//!                  └─ anything else ─► the router (REST services, the server's own routes)
//! ```

mod body;
mod caller;
mod rpc;
mod serve;

pub use body::{BODY_BYTES_MAX, read_body};
pub use caller::Caller;
pub use rpc::{Call, Service, blocking};
pub use serve::{Doors, serve};
