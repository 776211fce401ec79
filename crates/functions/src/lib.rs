//! Lambda: functions, their runtimes and their event source mappings.

mod invoke;
mod version;

pub use invoke::{FunctionKey, FunctionResponse, Invocation, Invoke, InvokeError};
pub use version::{EventConfig, FunctionSource, FunctionVersion, LogFormat, Logging, Package};
