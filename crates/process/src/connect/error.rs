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
    #[error("table '{table}', {place}: {error}{}", hint(.format.as_deref()))]
    Data {
        /// The table.
        table: String,
        /// The file and line, or the shard and sequence number.
        place: String,
        /// What is wrong with it.
        error: FormatError,
        /// The format that it was read in; none when a row is written.
        format: Option<String>,
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

/// How records that cannot be read are skipped, where the format has an option for that.
fn hint(format: Option<&str>) -> String {
    match format {
        Some(format @ ("json" | "csv" | "protobuf")) => {
            format!("; '{format}.ignore-parse-errors' = 'true' skips such records")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_out_is_an_option_that_the_format_has() {
        let error = |format: &str| ConnectError::Data {
            table: "t".to_owned(),
            place: "here".to_owned(),
            error: FormatError::Value { field: "a".to_owned(), reason: "no".to_owned() },
            format: Some(format.to_owned()),
        };
        assert!(error("csv").to_string().ends_with("; 'csv.ignore-parse-errors' = 'true' skips such records"));
        for format in ["avro-glue", "protobuf-glue", "avro"] {
            assert_eq!(error(format).to_string(), "table 't', here: field 'a': no");
        }
    }
}
