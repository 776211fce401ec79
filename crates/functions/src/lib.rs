//! Lambda: functions, their runtimes and their event source mappings.

mod definition;
mod invoke;
mod package;
mod version;

pub use definition::{
    ACCOUNT_CONCURRENCY, ARCHITECTURE, AddPermission, AliasInput, CodeObjects, CodeSource, ConfigurationInput,
    CreateFunction, DeadLetterInput, DestinationInput, DestinationsInput, EnvironmentInput, EphemeralStorageInput,
    EventInvokeInput, Function, FunctionRef, Functions, FunctionsError, FunctionsParts, LATEST, LayerFilter, LayerName,
    LayerVersion, LoggingInput, ObjectError, Policy, Prepare, PublishLayerVersion, PublishVersion, RoutingInput,
    SnapStartInput, TracingInput, Unprepared, UpdateFunctionCode, UpdateFunctionConfiguration, timestamp,
};
pub use invoke::{FunctionKey, FunctionResponse, Invocation, Invoke, InvokeError};
pub use version::{EventConfig, FunctionSource, FunctionVersion, LogFormat, Logging, Package};
