//! What can go wrong between bytes and columns.

use millrace_base::Remedy;

/// A value, record or format option that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A record's bytes are not of the format at all.
    #[error("the record is no valid {format} at byte {at}: {reason}")]
    Malformed {
        /// The format, for example `JSON`.
        format: &'static str,
        /// The first byte that does not fit.
        at: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A value cannot become the type of its field.
    #[error("field '{field}': {reason}")]
    Value {
        /// The field's path from the top, for example `customer.age`.
        field: String,
        /// What is wrong with the value.
        reason: String,
    },
    /// There is no format of this name.
    #[error("there is no format '{name}'; available formats are {available}")]
    UnknownFormat {
        /// The name that was given.
        name: String,
        /// The names that are known.
        available: String,
    },
    /// A format has no such option.
    #[error("'{key}' is no option of the format{hint}; the options are {available}")]
    UnknownOption {
        /// The option as written.
        key: String,
        /// The nearest option, if one is near, as `; did you mean '…'?`.
        hint: String,
        /// All options.
        available: String,
    },
    /// An option's value is none that the option takes.
    #[error("the option '{key}' cannot be '{value}': {expected}")]
    BadOption {
        /// The option.
        key: String,
        /// Its value as written.
        value: String,
        /// What it takes.
        expected: String,
    },
    /// A schema's definition cannot be used.
    #[error("the {format} definition cannot be used: {reason}")]
    BadDefinition {
        /// The language of the definition.
        format: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A record was written with a schema that cannot be used for it.
    #[error("{0}")]
    Unregistered(String),
    /// The schema registry does not give what is needed.
    #[error("{0}")]
    Registry(String),
    /// The format cannot carry a field's type.
    #[error("the {format} format cannot carry field '{field}' of type {ty}: {reason}")]
    UnsupportedType {
        /// The format.
        format: &'static str,
        /// The field.
        field: String,
        /// Its type.
        ty: String,
        /// Why.
        reason: String,
    },
}

impl FormatError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Malformed { .. } | Self::Value { .. } | Self::Unregistered(_) => Remedy::FixData,
            _ => Remedy::FixRequest,
        }
    }
}
