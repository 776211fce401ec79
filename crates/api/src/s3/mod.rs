//! S3: the objects of the lake under S3's own API.
//!
//! ```text
//! request ─► route: bucket, key, operation ─► lock (signature, chunks) ─► one function an operation ─► the lake's files
//! ```
//!
//! An object is the file that delivery would write; what a file has no place for (its content type, its user's metadata)
//! is a fact in the catalog, which holds for as long as the file is the one that it was written for. Parts of uploads are
//! files beside the buckets, joined at the end. No object is ever in memory as a whole but for what one request sends.

mod attributes;
mod buckets;
mod checksum;
mod conditions;
mod copy_object;
mod delete_object;
mod door;
mod encryption;
mod faults;
mod get_object;
mod list_objects;
mod multipart;
mod parts;
mod put_object;
mod refused;
mod request;
mod route;
mod store;
mod xml;

pub use store::S3;

use crate::wire::{Model, NO_NAMES};

/// S3, as the audit and the policies know it.
pub static MODEL: Model = Model {
    name: "Amazon S3",
    target_prefix: "",
    version: "2006-03-01",
    namespace: "http://s3.amazonaws.com/doc/2006-03-01/",
    query_compatible: false,
    query_names: NO_NAMES,
    routes: &[],
    operations: route::OPERATIONS,
};
