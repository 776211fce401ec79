//! Lambda: functions, their runtimes and their event source mappings.

mod invoke;

pub use invoke::{FunctionKey, FunctionResponse, Invocation, Invoke, InvokeError};
