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
        let unreadable = |reason: String| {
            format!("--log {} cannot be read ({reason}): write a level, or module=level, separated by commas", self.log)
        };
        check(&self.log).map_err(unreadable)?;
        let filter = EnvFilter::try_new(&self.log).map_err(|error| unreadable(error.to_string()))?;
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        let installed = match self.log_format {
            LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
            LogFormat::Json => builder.json().try_init(),
        };
        installed.map_err(|error| format!("the log cannot be written: {error}"))
    }
}

/// The filter's own reader takes `module=` for everything of the module, and a level with a slip of the pen for a module.
fn check(filter: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| LEVELS.contains(&word.to_ascii_lowercase().as_str());
    for directive in filter.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
        // Spans and their fields have a grammar of their own, which is read strictly.
        if directive.contains(['[', ']', '{', '}']) {
            continue;
        }
        match directive.split_once('=') {
            Some((module, level)) if module.is_empty() || !is_level(level) => {
                return Err(format!("'{directive}' is not module=level; levels are {}", LEVELS.join(", ")));
            }
            None if !is_level(directive) => {
                return Err(format!("'{directive}' is no level; levels are {}", LEVELS.join(", ")));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_says_nothing_is_refused() {
        for good in [DEFAULT_FILTER, "WARN", "info,millrace_deliver=debug", "millrace_log[append]=trace"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["garbage=", "=info", "inof", "info,millrace_log=loud"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
