//! What the server says while it runs: one event a line on standard error, as text for people or as JSON for machines.

use clap::{Args, ValueEnum};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// What is said when nothing says otherwise.
const DEFAULT_FILTER: &str = "info,tantivy=warn,hyper=warn,reqwest=warn,rustls=error";

/// How the log is written.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// One line an event, as text or as JSON
    #[arg(long, default_value = "text", env = "MILLRACE_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, also by module, as in info,millrace_deliver=debug
    #[arg(long, default_value = DEFAULT_FILTER, env = "MILLRACE_LOG", value_name = "FILTER")]
    pub log: String,
}

/// Text or JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: `{"timestamp", "level", "fields": {"message", …}, "target"}`.
    Json,
}

impl Default for LogArgs {
    fn default() -> Self {
        Self { log_format: LogFormat::Text, log: DEFAULT_FILTER.to_owned() }
    }
}

impl LogArgs {
    /// Begins to log. A filter that cannot be read is an error in words.
    pub fn install(&self) -> Result<(), String> {
        let filter = EnvFilter::try_new(&self.log).map_err(|error| {
            format!("--log {} cannot be read ({error}): write a level, or module=level, separated by commas", self.log)
        })?;
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        let installed = match self.log_format {
            LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
            LogFormat::Json => builder.json().try_init(),
        };
        installed.map_err(|error| format!("the log cannot be written: {error}"))
    }
}
