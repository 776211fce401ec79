//! What can go wrong between a table and the world.

use millrace_base::Remedy;
use millrace_log::LogError;
use millrace_schema::FormatError;

/// A failure of a source or sink; names the table.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    /// No connector of this name plays this role.
    #[error("table '{table}': there is no {role} connector '{connector}' here; available are {available}")]
    Connector {
        /// The table.
        table: String,
        /// The name in `WITH`.
        connector: String,
        /// `source` or `sink`.
        role: &'static str,
        /// The known ones.
        available: String,
    },
    /// An option is missing, unknown, or has a value that it does not take.
    #[error("table '{table}': {reason}")]
    Option {
        /// The table.
        table: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A record cannot be decoded, or a row cannot be encoded.
    #[error("table '{table}', {place}: {error}; 'json.ignore-parse-errors' = 'true' (or csv.…) skips such records")]
    Data {
        /// The table.
        table: String,
        /// The file and line, or the shard and sequence number.
        place: String,
        /// What is wrong with it.
        error: FormatError,
    },
    /// A file could not be read or written.
    #[error("table '{table}': {path}: {reason}")]
    File {
        /// The table.
        table: String,
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The log refused.
    #[error("table '{table}': {error}")]
    Log {
        /// The table.
        table: String,
        /// What it said.
        error: LogError,
    },
    /// A sink of another room refused for now.
    #[error("table '{table}': {reason}")]
    Sink {
        /// The table.
        table: String,
        /// What it said.
        reason: String,
        /// Whether trying again may help.
        remedy: Remedy,
    },
}

impl ConnectError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Connector { .. } | Self::Option { .. } => Remedy::FixRequest,
            Self::Data { .. } => Remedy::FixData,
            Self::File { .. } => Remedy::Retry,
            Self::Log { error, .. } => error.remedy(),
            Self::Sink { remedy, .. } => *remedy,
        }
    }

    /// An option's error.
    pub(crate) fn option(table: &str, reason: impl Into<String>) -> Self {
        Self::Option { table: table.to_owned(), reason: reason.into() }
    }
}
