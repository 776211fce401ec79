//! What a template's resources are made of: one adapter for each CloudFormation type, over the rooms that do the work.
//!
//! An adapter names the properties that are honoured; every other property that AWS knows is refused with its line before
//! anything is changed. `docs/compat/cloudformation.md` lists them for people. Tags of streams, registries and schemas are theirs,
//! all others are kept with the stack.

mod alarm;
mod application;
mod bucket;
mod consumer;
mod dashboard;
mod database;
mod delivery_stream;
mod domain;
mod function;
mod function_parts;
mod identity;
mod keys;
mod log_group;
mod mapping;
mod ports;
mod queue;
mod read;
mod registry;
mod stream;
mod table;
mod topic;

pub use ports::{ApplicationDefinition, ApplicationPort, BucketPort, DeliveryPort, DomainPort, Guarantees, PortError};

use crate::functions::FunctionRoom;
use millrace_access::{Identities, KeyRing, StreamSeals};
use millrace_base::Clock;
use millrace_functions::CodeObjects;
use millrace_log::{Consumers, Log, TagStore};
use millrace_queue::Queues;
use millrace_queue::sns::Topics;
use millrace_schema::registry::Registry;
use millrace_schema::tables::Tables;
use millrace_stack::ResourceType;
use std::sync::Arc;

/// The rooms that the adapters call.
#[derive(Clone)]
pub struct Rooms {
    /// What holds of all of them.
    pub guarantees: Guarantees,
    /// Roles and their policies.
    pub identities: Identities,
    /// When a database or table was created.
    pub clock: Arc<dyn Clock>,
    /// Streams.
    pub log: Arc<dyn Log>,
    /// Streams' tags.
    pub tags: TagStore,
    /// Glue's databases and tables.
    pub tables: Tables,
    /// Glue's schema registry.
    pub registry: Registry,
    /// The lake's buckets.
    pub buckets: Arc<dyn BucketPort>,
    /// Delivery streams.
    pub deliveries: Arc<dyn DeliveryPort>,
    /// Search domains.
    pub domains: Arc<dyn DomainPort>,
    /// Flink SQL applications.
    pub applications: Arc<dyn ApplicationPort>,
    /// Streams' registered consumers.
    pub consumers: Consumers,
    /// KMS's keys.
    pub ring: KeyRing,
    /// Streams that are encrypted by them.
    pub seals: StreamSeals,
    /// Queues.
    pub queues: Queues,
    /// Topics.
    pub topics: Topics,
    /// Functions with their mappings and logs.
    pub functions: FunctionRoom,
    /// Where their code is read from: what came with a template, and buckets.
    pub packages: Arc<dyn CodeObjects>,
    /// Where this server answers, without a slash at its end: queues are named by URLs.
    pub base_url: String,
}

/// Every adapter under its type, for [`Deployer::new`](millrace_stack::Deployer::new).
pub fn resource_types(rooms: &Rooms) -> Vec<(&'static str, Arc<dyn ResourceType>)> {
    [streaming(rooms), schemas(rooms), messaging(rooms), functions(rooms), alarms(rooms)].concat()
}

fn streaming(rooms: &Rooms) -> Vec<(&'static str, Arc<dyn ResourceType>)> {
    let (tables, clock, guarantees) = (rooms.tables.clone(), Arc::clone(&rooms.clock), rooms.guarantees);
    vec![
        (
            "AWS::Kinesis::Stream",
            Arc::new(stream::Stream {
                log: Arc::clone(&rooms.log),
                tags: rooms.tags.clone(),
                seals: rooms.seals.clone(),
            }),
        ),
        ("AWS::S3::Bucket", Arc::new(bucket::Bucket { buckets: Arc::clone(&rooms.buckets), guarantees })),
        ("AWS::Glue::Database", Arc::new(database::GlueDatabase { tables: tables.clone(), clock: Arc::clone(&clock) })),
        ("AWS::Glue::Table", Arc::new(table::GlueTable { tables, clock })),
        (
            "AWS::KinesisFirehose::DeliveryStream",
            Arc::new(delivery_stream::DeliveryStream { deliveries: Arc::clone(&rooms.deliveries) }),
        ),
        (
            "AWS::OpenSearchService::Domain",
            Arc::new(domain::Domain { domains: Arc::clone(&rooms.domains), guarantees }),
        ),
        (
            "AWS::KinesisAnalyticsV2::Application",
            Arc::new(application::Application { applications: Arc::clone(&rooms.applications) }),
        ),
        (
            "AWS::Kinesis::StreamConsumer",
            Arc::new(consumer::Consumer {
                consumers: rooms.consumers.clone(),
                log: Arc::clone(&rooms.log),
                clock: Arc::clone(&rooms.clock),
            }),
        ),
        ("AWS::KMS::Key", Arc::new(keys::KmsKey { ring: rooms.ring.clone() })),
        ("AWS::KMS::Alias", Arc::new(keys::KmsAlias { ring: rooms.ring.clone() })),
        ("AWS::IAM::Role", Arc::new(identity::Role { identities: rooms.identities.clone() })),
        ("AWS::IAM::Policy", Arc::new(identity::Policy { identities: rooms.identities.clone() })),
    ]
}

fn schemas(rooms: &Rooms) -> Vec<(&'static str, Arc<dyn ResourceType>)> {
    let own = || rooms.registry.clone();
    vec![
        ("AWS::Glue::Registry", Arc::new(registry::GlueRegistry { registry: own() })),
        ("AWS::Glue::Schema", Arc::new(registry::GlueSchema { registry: own() })),
        ("AWS::Glue::SchemaVersion", Arc::new(registry::GlueSchemaVersion { registry: own() })),
        ("AWS::Glue::SchemaVersionMetadata", Arc::new(registry::GlueSchemaVersionMetadata { registry: own() })),
    ]
}

fn messaging(rooms: &Rooms) -> Vec<(&'static str, Arc<dyn ResourceType>)> {
    let (queues, topics) = (&rooms.queues, &rooms.topics);
    vec![
        ("AWS::SQS::Queue", Arc::new(queue::Queue { queues: queues.clone(), base_url: rooms.base_url.clone() })),
        ("AWS::SQS::QueuePolicy", Arc::new(queue::QueuePolicy { queues: queues.clone() })),
        ("AWS::SNS::Topic", Arc::new(topic::Topic { topics: topics.clone() })),
        ("AWS::SNS::Subscription", Arc::new(topic::Subscription { topics: topics.clone() })),
        ("AWS::SNS::TopicPolicy", Arc::new(topic::TopicPolicy { topics: topics.clone() })),
    ]
}

fn alarms(rooms: &Rooms) -> Vec<(&'static str, Arc<dyn ResourceType>)> {
    let alarm = |kind| {
        let alarms = rooms.functions.alarms.clone();
        Arc::new(alarm::Alarm { service: rooms.functions.cloud_watch(), alarms, kind })
    };
    let (service, alarms) = (rooms.functions.cloud_watch(), rooms.functions.alarms.clone());
    vec![
        ("AWS::CloudWatch::Alarm", alarm(alarm::Kind::Metric)),
        ("AWS::CloudWatch::CompositeAlarm", alarm(alarm::Kind::Composite)),
        ("AWS::CloudWatch::AlarmMuteRule", Arc::new(alarm::MuteRule { service, alarms })),
    ]
}

fn functions(rooms: &Rooms) -> Vec<(&'static str, Arc<dyn ResourceType>)> {
    let FunctionRoom { functions, mappings, logs, dashboards, .. } = rooms.functions.clone();
    let objects = || Arc::clone(&rooms.packages);
    let own = || functions.clone();
    vec![
        ("AWS::Lambda::Function", Arc::new(function::Function { functions: own(), objects: objects() })),
        ("AWS::Lambda::Version", Arc::new(function_parts::Version { functions: own() })),
        ("AWS::Lambda::Alias", Arc::new(function_parts::Alias { functions: own() })),
        ("AWS::Lambda::Permission", Arc::new(function_parts::Permission { functions: own() })),
        ("AWS::Lambda::EventInvokeConfig", Arc::new(function_parts::EventInvokeConfig { functions: own() })),
        ("AWS::Lambda::LayerVersion", Arc::new(function_parts::LayerVersion { functions: own(), objects: objects() })),
        ("AWS::Lambda::EventSourceMapping", Arc::new(mapping::EventSourceMapping { mappings })),
        ("AWS::Logs::LogGroup", Arc::new(log_group::LogGroup { logs })),
        ("AWS::CloudWatch::Dashboard", Arc::new(dashboard::Dashboard { dashboards })),
    ]
}
