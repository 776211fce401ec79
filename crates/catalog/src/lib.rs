//! Definitions and small durable facts, in one embedded transactional store.
//!
//! A fact is a JSON value in a named table under a text key, usually `account/region/name`. Every change is one
//! transaction that is on disk when the call returns: bulk data belongs in the log, never here.

mod backend;
mod catalog;
mod error;
mod seal;

pub use catalog::{Catalog, Transaction};
pub use error::CatalogError;
pub use seal::Seal;
