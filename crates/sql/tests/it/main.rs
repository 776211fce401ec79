//! The crate's integration tests, in one binary.

mod functions;
mod oracle;
mod plans;
