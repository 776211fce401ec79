//! Queries: `SELECT`, `VALUES`, `UNION ALL` and what they read.

use super::{Expr, Ident, ObjectName, Text};
use crate::error::Span;

/// `WITH … body ORDER BY … LIMIT …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Named subqueries.
    pub with: Vec<Cte>,
    /// The rows.
    pub body: Body,
    /// `ORDER BY`
    pub order_by: Vec<OrderItem>,
    /// `LIMIT n`, `FETCH FIRST n ROWS ONLY`
    pub limit: Option<Limit>,
    /// All of it.
    pub span: Span,
}

/// How many rows of a query are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// So many.
    pub rows: u64,
    /// Where it stands.
    pub span: Span,
}

/// `name [(columns)] AS (query)`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cte {
    /// Its name and the names of its columns.
    pub alias: TableAlias,
    /// What it stands for.
    pub query: Query,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// `SELECT …`
    Select(Box<Select>),
    /// `VALUES (…), (…)`
    Values(Vec<Vec<Expr>>, Span),
    /// A set operation: its name (`UNION`), whether `ALL`, its place, both sides.
    SetOperation(&'static str, bool, Span, Box<Body>, Box<Body>),
    /// `(query)`
    Nested(Box<Query>),
    /// `TABLE t`
    Table(ObjectName),
}

/// One `SELECT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// Where `DISTINCT` stands.
    pub distinct: Option<Span>,
    /// What is selected.
    pub items: Vec<SelectItem>,
    /// What is read; none means one row without columns.
    pub from: Option<TableRef>,
    /// `WHERE`
    pub filter: Option<Expr>,
    /// `GROUP BY`; `Some` of nothing for `GROUP BY ()`.
    pub group_by: Option<Vec<Expr>>,
    /// `HAVING`
    pub having: Option<Expr>,
    /// From `SELECT` to its end.
    pub span: Span,
}

/// An item of a select list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectItem {
    /// `*`
    Star(Span),
    /// `t.*`
    QualifiedStar(Ident),
    /// `e [AS name]`
    Expr(Expr, Option<Ident>),
}

/// `e [ASC|DESC]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderItem {
    /// What is ordered by.
    pub expr: Expr,
    /// `DESC`
    pub descending: bool,
}

/// `AS t [(a, b)]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableAlias {
    /// The name.
    pub name: Ident,
    /// Names for its columns, or none.
    pub columns: Vec<Ident>,
}

/// `/*+ OPTIONS('k' = 'v') */`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Key and value.
    pub options: Vec<(Text, Text)>,
}

/// Something in `FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableRef {
    /// A table or view.
    Table(ObjectName, Option<Hint>, Option<TableAlias>),
    /// `(query) AS t`
    Subquery(Box<Query>, Option<TableAlias>),
    /// `TABLE(TUMBLE(…))`: name, arguments, place, alias.
    Function(Ident, Vec<TvfArg>, Span, Option<TableAlias>),
}

/// An argument of a table function, named or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TvfArg {
    /// `DATA =>`
    pub name: Option<Ident>,
    /// What is given.
    pub value: TvfValue,
    /// Where it stands.
    pub span: Span,
}

/// What a table function takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TvfValue {
    /// `TABLE t [PARTITION BY …]` or `(query)`
    Table(TableRef, Vec<Expr>),
    /// `DESCRIPTOR(ts)`
    Descriptor(Vec<Ident>),
    /// A size, a step, an offset.
    Expr(Expr),
}
