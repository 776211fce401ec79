//! Syntax tree → bound, typed plan: names are looked up, types derived, Flink's rules checked.

mod aggregate;
pub(crate) mod expr;
mod external;
mod function;
mod insert;
mod literal;
mod query;
mod scope;
mod select;
mod table;
mod window;

pub(crate) use external::{Functions, bind_function};
pub(crate) use insert::BoundInsert;
pub(crate) use query::QueryBinder;
pub(crate) use table::{ColumnSource, TableDef, bind_table};

use crate::plan::Rel;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a name in `FROM` stands for.
#[derive(Debug, Clone)]
pub(crate) enum Object {
    /// A declared table.
    Table(Arc<TableDef>),
    /// A view, bound when it was created.
    View(Arc<Rel>),
}

/// The tables and views of a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
    pub by_name: BTreeMap<String, Object>,
    pub functions: Functions,
}

/// What binding needs besides the statement.
pub(crate) struct Context<'a> {
    pub objects: &'a Objects,
    /// `table.exec.emit.allow-lateness`
    pub allowed_lateness_ms: i64,
    /// Distinguishes the windows of one statement.
    pub next_window: std::cell::Cell<usize>,
}

impl Context<'_> {
    pub fn fresh_window(&self) -> usize {
        let id = self.next_window.get();
        self.next_window.set(id + 1);
        id
    }
}
