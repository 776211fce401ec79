//! What a template's resources are made of: one adapter for each CloudFormation type, over the rooms that do the work.
//!
//! An adapter names the properties that are honoured; every other property that AWS knows is refused with its line before
//! anything is changed. `docs/compat/cloudformation.md` lists them for people. Tags are kept with the stack.

mod application;
mod bucket;
mod database;
mod delivery_stream;
mod domain;
mod identity;
mod ports;
mod read;
mod stream;
mod table;

pub use ports::{ApplicationDefinition, ApplicationPort, BucketPort, DeliveryPort, DomainPort, PortError};

use millrace_access::Identities;
use millrace_base::Clock;
use millrace_log::Log;
use millrace_schema::tables::Tables;
use millrace_stack::ResourceType;
use std::sync::Arc;

/// The rooms that the adapters call.
#[derive(Clone)]
pub struct Rooms {
    /// Roles and their policies.
    pub identities: Identities,
    /// When a database or table was created.
    pub clock: Arc<dyn Clock>,
    /// Streams.
    pub log: Arc<dyn Log>,
    /// Glue's databases and tables.
    pub tables: Tables,
    /// The lake's buckets.
    pub buckets: Arc<dyn BucketPort>,
    /// Delivery streams.
    pub deliveries: Arc<dyn DeliveryPort>,
    /// Search domains.
    pub domains: Arc<dyn DomainPort>,
    /// Flink SQL applications.
    pub applications: Arc<dyn ApplicationPort>,
}

/// Every adapter under its type, for [`Deployer::new`](millrace_stack::Deployer::new).
pub fn resource_types(rooms: &Rooms) -> Vec<(&'static str, Arc<dyn ResourceType>)> {
    let (tables, clock) = (rooms.tables.clone(), Arc::clone(&rooms.clock));
    vec![
        ("AWS::Kinesis::Stream", Arc::new(stream::Stream { log: Arc::clone(&rooms.log) })),
        ("AWS::S3::Bucket", Arc::new(bucket::Bucket { buckets: Arc::clone(&rooms.buckets) })),
        ("AWS::Glue::Database", Arc::new(database::GlueDatabase { tables: tables.clone(), clock: Arc::clone(&clock) })),
        ("AWS::Glue::Table", Arc::new(table::GlueTable { tables, clock })),
        (
            "AWS::KinesisFirehose::DeliveryStream",
            Arc::new(delivery_stream::DeliveryStream { deliveries: Arc::clone(&rooms.deliveries) }),
        ),
        ("AWS::OpenSearchService::Domain", Arc::new(domain::Domain { domains: Arc::clone(&rooms.domains) })),
        (
            "AWS::KinesisAnalyticsV2::Application",
            Arc::new(application::Application { applications: Arc::clone(&rooms.applications) }),
        ),
        ("AWS::IAM::Role", Arc::new(identity::Role { identities: rooms.identities.clone() })),
        ("AWS::IAM::Policy", Arc::new(identity::Policy { identities: rooms.identities.clone() })),
    ]
}
