//! What is wrong with a query.

/// Something wrong in an expression, before it is known in which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) String);

impl Wrong {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    /// At a byte of the text; people count letters from 1.
    pub(super) fn at(byte: usize, what: impl std::fmt::Display) -> Self {
        Self(format!("{what} (character {})", byte + 1))
    }
}

/// Why queries cannot be evaluated. The texts begin as CloudWatch's do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MathError {
    /// An expression is wrong.
    #[error("Error in expression '{id}': {reason}")]
    Expression {
        /// The query's.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// A query is wrong, or the queries together.
    #[error("{0}")]
    Query(String),
}

impl MathError {
    pub(super) fn of(id: &str, wrong: Wrong) -> Self {
        Self::Expression { id: id.to_owned(), reason: wrong.0 }
    }
}
