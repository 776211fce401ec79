//! Delivery streams: from the log into a lake or an index, each record once.
//!
//! ```text
//! log ─► lanes (buffers by partition) ─► cut (written down) ─► objects or documents ─► position
//!  └─► function ─► staged ─┘
//! ```

mod columns;
pub mod definition;
mod deliveries;
mod describe;
mod error;

mod extract;
mod javatime;
mod permits;
mod prefix;
mod run;
mod stage;
mod transform;
mod workers;

mod index;
mod lake;
mod observer;
mod rebuild;
pub mod store;

pub use columns::{ColumnError, text_column};
pub use definition::{DeliveryStream, DeliveryStreamDefinition, DeliveryStreamType};
pub use deliveries::{Deliveries, DeliveryStreamNames, DirectPuts, RunningDelivery, direct_puts_scope};
pub use error::DeliverError;
pub use index::{BulkError, BulkIndex, DocumentOutcome, IndexDocument};
pub use lake::{
    DeliveredObject, DeliveredTo, STAGING_PREFIX, UNPACKED_BYTES_MAX, count_records, failures_of, records_of,
};
pub use observer::{
    Converted, Delivered, DeliveryName, DeliveryObserver, DestinationKind, Processed, Run, Taken, Transformed,
    Unobserved,
};
pub use permits::{Edge, Permits, Unlimited};
pub use rebuild::{Handover, Rebuilder, Rebuilt, Reread};
pub use run::{Parts, Runner, Stats, StatsSnapshot, Step};
pub use stage::Stager;
pub use store::{Bucket, Buckets, LocalLake, ObjectInfo, ObjectStore, OpenObject, S3Settings, S3Store, StoreError};
pub use transform::{Transform, TransformError};
