//! The console: the page at `/_console`.
//!
//! It is one more client of the AWS APIs. The server hands out its files, which are in the binary, and nothing else: the page
//! signs its requests in the browser, so that policies and the audit hold for it as for everybody. What no AWS API tells it
//! asks of the routes under `/_millrace/`. How a view is written stands in `assets/README.md`.

mod assets;
mod serve;

pub use serve::router;
