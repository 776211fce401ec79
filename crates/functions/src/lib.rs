//! Lambda: functions, their runtimes and their event source mappings.

mod cache;
mod credentials;
mod definition;
mod events;
mod invoke;
mod mapping;
mod moment;
mod package;
mod pool;
mod runner;
mod runtimes;
mod sandbox;
mod version;

pub use cache::runtimes_cache;
pub use credentials::{Credentials, NoCredentials, PROCESS_AGE_MAX, RoleCredentials};
pub use definition::{
    ACCOUNT_CONCURRENCY, ARCHITECTURE, AddPermission, AliasInput, CodeObjects, CodeSource, ConfigurationInput,
    CreateFunction, DeadLetterInput, DestinationInput, DestinationsInput, EnvironmentInput, EphemeralStorageInput,
    EventInvokeInput, Function, FunctionRef, Functions, FunctionsError, FunctionsParts, LATEST, LayerFilter, LayerName,
    LayerVersion, LoggingInput, ObjectError, Policy, Prepare, PublishLayerVersion, PublishVersion, RoutingInput,
    SnapStartInput, TracingInput, Unprepared, UpdateFunctionCode, UpdateFunctionConfiguration,
};
pub use events::{ASYNC_EVENT_BYTES_MAX, EventObserver, Events, EventsParts, UnobservedEvents};
pub use invoke::{FunctionKey, FunctionResponse, Invocation, Invoke, InvokeError};
pub use mapping::{
    BatchEvent, BatchOutcome, DestinationError, Destinations, Edge, FailureRecord, FunctionFacts, FunctionFinder,
    MappingError, MappingPage, MappingParts, Mappings, MessageAttribute, MessageQueues, Meter, Permits, QueueFacts,
    QueueFault, QueueMessage, RecordText, StreamConsumers, Unlimited, stream_event, user_records,
};
pub use package::{PackageError, UNZIPPED_BYTES_MAX, measure};
pub use pool::ACCOUNT_EXECUTIONS_MAX;
pub use runner::{EVENT_BYTES_MAX, Runner, RunnerParts};
pub use runtimes::{PrepareError, Runtime, RuntimeNameError};
pub use sandbox::{
    Exchange, LogLine, LogSink, RESPONSE_BYTES_MAX, Refused, RuntimeDoor, RuntimeHost, UNSTARTABLE, Work,
};
pub use version::{EventConfig, FunctionSource, FunctionVersion, LogFormat, Logging, Package};
