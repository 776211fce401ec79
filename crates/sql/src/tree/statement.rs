//! Statements.

use super::{Expr, Ident, ObjectName, Query, Text};
use crate::error::Span;
use millrace_schema::Typed;

/// A statement and its place, without the semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// Where it stands.
    pub span: Span,
}

/// What can be dropped and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// A view.
    View,
}

/// The kinds of statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementKind {
    /// `CREATE TABLE`
    CreateTable(CreateTable),
    /// `CREATE VIEW`
    CreateView(CreateView),
    /// `DROP TABLE|VIEW [IF EXISTS] name`: the last says `IF EXISTS`.
    Drop(ObjectKind, ObjectName, bool),
    /// `CREATE EXTERNAL FUNCTION`
    CreateFunction(CreateFunction),
    /// `DROP FUNCTION`
    DropFunction(DropFunction),
    /// `INSERT INTO`
    Insert(Insert),
    /// `EXECUTE STATEMENT SET BEGIN … END`
    StatementSet(Vec<Insert>),
    /// `EXPLAIN` of a query, an insert or a statement set.
    Explain(Box<Statement>),
    /// `SET 'k' = 'v'`
    Set(Text, Text),
    /// `SET`: all settings
    ShowSettings,
    /// `RESET` of one setting or all.
    Reset(Option<Text>),
    /// `SHOW TABLES|VIEWS`
    Show(ObjectKind),
    /// `SHOW [USER] FUNCTIONS`
    ShowFunctions {
        /// Without the built-in ones.
        user: bool,
    },
    /// `DESCRIBE t`
    Describe(ObjectName),
    /// `SELECT …`
    Query(Query),
}

/// `CREATE TABLE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTable {
    /// Its name.
    pub name: ObjectName,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// `WATERMARK FOR`
    pub watermark: Option<Watermark>,
    /// `PRIMARY KEY`
    pub primary_key: Vec<Ident>,
    /// `PARTITIONED BY`
    pub partitioned_by: Vec<Ident>,
    /// `WITH`
    pub options: Vec<(Text, Text)>,
    /// `LIKE`
    pub like: Option<LikeClause>,
}

/// `LIKE other`, with Flink's default rules: everything is taken over, the new table's options win.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikeClause {
    /// The table that it is like.
    pub table: ObjectName,
}

/// A column of `CREATE TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// What it holds.
    pub kind: ColumnKind,
    /// `COMMENT '…'`
    pub comment: Option<String>,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnKind {
    /// A field of the record.
    Physical(Typed),
    /// `AS expr`
    Computed(Expr),
    /// `METADATA [FROM 'key'] [VIRTUAL]`: type, key, virtual?
    Metadata(Typed, Option<Text>, bool),
}

/// `WATERMARK FOR column AS expr`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The column that becomes the event time, possibly a field of a row.
    pub column: Ident,
    /// The watermark that a row gives.
    pub expr: Expr,
    /// All of it.
    pub span: Span,
}

/// `CREATE VIEW`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateView {
    /// Its name.
    pub name: ObjectName,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// Names for its columns, or none.
    pub columns: Vec<Ident>,
    /// What it stands for.
    pub query: Query,
}

/// `CREATE [OR REPLACE] [TEMPORARY] EXTERNAL FUNCTION`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFunction {
    /// Its name.
    pub name: ObjectName,
    /// `OR REPLACE`
    pub or_replace: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The types of its arguments and their places.
    pub parameters: Vec<(Typed, Span)>,
    /// `RETURNS`
    pub returns: (Typed, Span),
    /// `LAMBDA 'name or ARN'`
    pub lambda: Text,
    /// `WITH`
    pub options: Vec<(Text, Text)>,
}

/// `DROP [TEMPORARY] FUNCTION`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropFunction {
    /// Its name.
    pub name: ObjectName,
    /// `IF EXISTS`
    pub if_exists: bool,
}

/// `INSERT INTO`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insert {
    /// The sink.
    pub table: ObjectName,
    /// The columns written, or none for all.
    pub columns: Vec<Ident>,
    /// `/*+ OPTIONS(…) */` on the sink.
    pub options: Vec<(Text, Text)>,
    /// What is written.
    pub query: Query,
    /// Where it stands.
    pub span: Span,
}
