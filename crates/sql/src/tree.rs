//! The syntax tree: what was written, with places, before any name is looked up.

mod expr;
mod query;
mod statement;

pub use expr::{CallOptions, Expr, ExprKind, TimeUnit};
pub use query::{Body, Cte, Hint, Limit, OrderItem, Query, Select, SelectItem, TableAlias, TableRef, TvfArg, TvfValue};
pub use statement::{
    Column, ColumnKind, CreateFunction, CreateTable, CreateView, DropFunction, Insert, LikeClause, ObjectKind,
    Statement, StatementKind, Watermark,
};

use crate::error::Span;

/// A name and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ident {
    /// The name without backquotes.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// A table's or view's name, with up to two qualifiers (catalog, database).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// Qualifiers, then the name.
    pub parts: Vec<Ident>,
    /// All of it.
    pub span: Span,
}

impl ObjectName {
    /// The name as Flink's default catalog and database resolve it: without those two qualifiers.
    pub fn resolved(&self) -> String {
        let names: Vec<&str> = self.parts.iter().map(|part| part.name.as_str()).collect();
        match names.as_slice() {
            ["default_catalog", "default_database", name] | ["default_database", name] | [name] => (*name).to_owned(),
            other => other.join("."),
        }
    }
}

/// A text and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The value, without quotes.
    pub value: String,
    /// Where it stands.
    pub span: Span,
}
