//! What functions are: their code, configuration, versions, aliases, layers and settings, kept in the catalog.
//!
//! ```text
//! request ─► input (AWS's words) ─► configuration (rules) ─► record (the catalog) ─► view (AWS's words)
//!                  code ─► packages (immutable zips) ─┘           └─► source (what the runner takes)
//! ```
//! `$LATEST` changes, published versions never do. A new function is `Pending` until it is prepared, and an update that is
//! being prepared, or could not be, leaves what ran before running.

mod alias;
mod code;
mod configuration;
mod create;
mod error;
mod functions;
mod input;
mod layers;
mod name;
mod packages;
mod policy;
mod read;
mod record;
mod settings;
mod source;
mod tags;
#[cfg(test)]
mod tests;
mod update;
mod view;

pub use code::{CodeObjects, CodeSource, ObjectError};
pub use configuration::ARCHITECTURE;
pub use error::FunctionsError;
pub use functions::{Functions, FunctionsParts, Prepare, Unprepared};
pub use input::{
    AddPermission, AliasInput, ConfigurationInput, CreateFunction, DeadLetterInput, DestinationInput,
    DestinationsInput, EnvironmentInput, EphemeralStorageInput, EventInvokeInput, LoggingInput, PublishLayerVersion,
    PublishVersion, RoutingInput, SnapStartInput, TracingInput, UpdateFunctionCode, UpdateFunctionConfiguration,
};
pub use layers::{LayerFilter, LayerVersion};
pub use name::{FunctionRef, LATEST, LayerName};
pub use policy::Policy;
pub use read::Function;
pub use settings::ACCOUNT_CONCURRENCY;

use functions::not_found;
