//! The bound plan: relations over columns by position, and how they become a job graph.

mod external;
mod group;
mod lower;
pub(crate) mod rewrite;
mod sinks;
mod tree;

pub(crate) use sinks::{PlanSettings, plan_inserts, plan_query};
pub(crate) use tree::describe;

use crate::bind::TableDef;
use millrace_process::aggregates::AggregateCall;
use millrace_process::graph::{Expr, Window, WindowProperty};
use millrace_schema::{Field, Typed};
use std::sync::Arc;

/// A relation: an operator and the columns it gives.
#[derive(Debug, Clone)]
pub(crate) struct Rel {
    pub op: RelOp,
    pub columns: Vec<RelColumn>,
}

/// A column of a relation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RelColumn {
    pub name: String,
    pub typed: Typed,
    /// It is the event time that watermarks speak about.
    pub rowtime: bool,
    pub role: Role,
}

/// What a column says about a window, by the window's number in the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    None,
    Start(usize),
    End(usize),
    Time(usize),
}

/// The operators.
#[derive(Debug, Clone)]
pub(crate) enum RelOp {
    /// All columns of a table, computed ones too, under its watermark.
    Scan(Arc<TableDef>),
    /// One row with one column that nobody reads.
    OneRow,
    Project(Box<Rel>, Vec<Expr>),
    Filter(Box<Rel>, Expr),
    Union(Vec<Rel>),
    /// A window table function: the input's columns, then start, end, time.
    Window(Box<Rel>, Windowing),
    Aggregate(Box<Rel>, Grouping),
}

/// The window of a window table function.
#[derive(Debug, Clone)]
pub(crate) struct Windowing {
    pub id: usize,
    pub window: Window,
    pub time: usize,
    /// `PARTITION BY` of a session window.
    pub partition: Vec<usize>,
}

/// A grouping. It gives the keys, the aggregates, then the properties.
#[derive(Debug, Clone)]
pub(crate) struct Grouping {
    pub keys: Vec<usize>,
    pub aggs: Vec<AggregateCall>,
    /// `GROUP BY TUMBLE(ts, …)`: the window and its time column.
    pub legacy: Option<(Window, usize)>,
    pub props: Vec<WindowProperty>,
    pub allowed_lateness_ms: i64,
}

impl Rel {
    pub fn fields(&self) -> Vec<Field> {
        self.columns.iter().map(|column| Field { name: column.name.clone(), typed: column.typed.clone() }).collect()
    }

    /// A column of it as an expression.
    pub fn column(&self, index: usize) -> Expr {
        Expr::column(index, self.columns[index].typed.clone())
    }

    /// `exprs` over it under these names; columns passed on keep what they say about time.
    pub fn project(self, exprs: Vec<(String, Expr)>) -> Self {
        let columns = exprs.iter().map(|(name, expr)| self.projected(name, expr)).collect();
        let exprs = exprs.into_iter().map(|(_, expr)| expr).collect();
        Self { op: RelOp::Project(Box::new(self), exprs), columns }
    }

    fn projected(&self, name: &str, expr: &Expr) -> RelColumn {
        let passed = match expr.kind {
            millrace_process::graph::ExprKind::Column(index) => self.columns.get(index),
            _ => None,
        };
        RelColumn {
            name: name.to_owned(),
            typed: expr.typed.clone(),
            rowtime: passed.is_some_and(|column| column.rowtime),
            role: passed.map_or(Role::None, |column| column.role),
        }
    }

    pub fn filter(self, condition: Expr) -> Self {
        let columns = self.columns.clone();
        Self { op: RelOp::Filter(Box::new(self), condition), columns }
    }

    /// The same rows under other names.
    pub fn renamed(mut self, names: &[String]) -> Self {
        for (column, name) in self.columns.iter_mut().zip(names) {
            column.name.clone_from(name);
        }
        self
    }
}

impl RelColumn {
    pub fn plain(name: &str, typed: Typed) -> Self {
        Self { name: name.to_owned(), typed, rowtime: false, role: Role::None }
    }
}
