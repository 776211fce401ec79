//! Job graphs: what a planner hands to the engine.
//!
//! A graph is a list of nodes in topological order; a node names its inputs by index. Columns are addressed by position in
//! the output of the node before, so names matter only at sources, sinks and in `EXPLAIN`. A graph serialises, and its
//! [`Display`](std::fmt::Display) is the text of `EXPLAIN`.
//!
//! # Column layout
//! - `Source`: the connector's physical fields with the metadata columns in their places ([`ConnectorSpec::fields`]).
//! - `Calc`: one column an expression of `project`.
//! - `Watermark`, `Union`, `Late`, `Limit`: as the input.
//! - `ExternalCalls`: the input's columns, then a column a call.
//! - `WindowAssign`: the input's columns, then `window_start`, `window_end` (TIMESTAMP(3)), `window_time`.
//! - `WindowAggregate`: the keys, the aggregates, then the asked-for window properties.
//! - `GroupAggregate`: the keys, then the aggregates.

use crate::aggregates::AggregateCall;
use millrace_base::Millis;
use millrace_schema::{Field, SqlType, Typed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The place of a node in [`JobGraph::nodes`].
pub type NodeId = usize;

/// A whole job: one or more sinks and all that feeds them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct JobGraph {
    /// In topological order: every input stands before its reader.
    pub nodes: Vec<Node>,
    /// What the session's `SET` said, as far as it concerns running.
    pub settings: JobSettings,
}

/// One operator with its inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What it does.
    pub operator: Operator,
    /// The nodes that it reads, in order.
    pub inputs: Vec<NodeId>,
    /// The columns that it gives.
    pub output: Vec<Field>,
}

/// Settings of a job, already parsed. Their Flink names stand at each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSettings {
    /// `pipeline.name`
    pub name: String,
    /// `parallelism.default`: how many subtasks read and pre-aggregate a source. Default 1.
    pub parallelism: usize,
    /// `table.local-time-zone`, an IANA name. Default `UTC`.
    pub time_zone: String,
    /// `pipeline.auto-watermark-interval`, in event time. Default 200 ms.
    pub auto_watermark_interval_ms: i64,
    /// `execution.checkpointing.interval`. None: streaming jobs commit every second, bounded ones at their end.
    pub checkpoint_interval_ms: Option<i64>,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            name: "job".to_owned(),
            parallelism: 1,
            time_zone: "UTC".to_owned(),
            auto_watermark_interval_ms: 200,
            checkpoint_interval_ms: None,
        }
    }
}

/// What a node does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Operator {
    /// Reads a table. No inputs.
    Source(ConnectorSpec),
    /// Filters, then projects.
    Calc {
        /// Rows for which it is not TRUE are dropped.
        filter: Option<Expr>,
        /// The output columns.
        project: Vec<Expr>,
    },
    /// Asks functions outside the engine about each row.
    ExternalCalls(Vec<ExternalCall>),
    /// Declares the event time of the rows and how far it has come (`WATERMARK FOR column AS expr`).
    Watermark {
        /// The rowtime column, TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p ≤ 3.
        column: usize,
        /// The watermark of each row.
        expr: Expr,
        /// `table.exec.source.idle-timeout` or `scan.watermark.idle-timeout`: after this long without a record a
        /// source split no longer holds the watermark back. None: it always does.
        idle_timeout_ms: Option<i64>,
    },
    /// A window table function without aggregation: each row once for each of its windows.
    WindowAssign {
        /// The window. Not `Session` or `Attached`.
        window: Window,
        /// The rowtime column.
        time: usize,
    },
    /// Groups by window and keys; gives a row for each when the watermark passes the window's end.
    WindowAggregate(WindowAggregate),
    /// `GROUP BY` without a window: gives a changelog.
    GroupAggregate {
        /// Key columns of the input.
        keys: Vec<usize>,
        /// The aggregates.
        aggs: Vec<AggregateCall>,
    },
    /// All rows of all inputs. The watermark is the least of theirs.
    Union,
    /// The rows that its one input, a `WindowAggregate`, dropped as late; with the columns that came into that.
    Late,
    /// The first rows of its one input; the job ends when they are there.
    Limit {
        /// How many.
        rows: u64,
    },
    /// Writes a table. One input.
    Sink(ConnectorSpec),
}

/// A call of a function outside the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExternalCall {
    /// Which, and how it is called.
    pub function: ExternalFunction,
    /// Columns of the input.
    pub args: Vec<usize>,
}

/// A function outside the engine, as `CREATE EXTERNAL FUNCTION` declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalFunction {
    /// Its name in SQL.
    pub name: String,
    /// The types of its arguments.
    pub parameters: Vec<Typed>,
    /// The type of its result.
    pub returns: Typed,
    /// The Lambda function: a name or an ARN, perhaps with a version or an alias.
    pub lambda: String,
    /// `batch.rows`: a request asks about so many rows at most.
    pub batch_rows: usize,
    /// `in-flight`: so many requests at a time, in each lane.
    pub in_flight: usize,
    /// `timeout` of a request.
    pub timeout_ms: u64,
    /// `retries`: how often a request that failed is made again.
    pub retries: u32,
    /// `on-error`: what then.
    pub on_error: OnError,
}

/// What becomes of rows that a function outside the engine gives no answer for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    /// The job fails, and is started again from its last checkpoint if it is supervised.
    Fail,
    /// Their result is NULL.
    Null,
}

/// The windowed aggregation of [`Operator::WindowAggregate`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowAggregate {
    /// The window.
    pub window: Window,
    /// The rowtime column; for `Attached` the column `window_end`.
    pub time: usize,
    /// Key columns of the input (never the window's own columns).
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggs: Vec<AggregateCall>,
    /// Columns given after keys and aggregates.
    pub props: Vec<WindowProperty>,
    /// `table.exec.emit.allow-lateness` of the legacy `GROUP BY TUMBLE(…)`: a row that comes up to this long after its
    /// window fired fires it again, as an update. 0 for window table functions.
    pub allowed_lateness_ms: i64,
}

/// How rows are put into windows. All spans are positive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Window {
    /// Side by side.
    Tumble {
        /// Span.
        size_ms: i64,
        /// Where windows start relative to 1970.
        offset_ms: i64,
    },
    /// Overlapping, one every `slide_ms`.
    Hop {
        /// Span; for table functions a multiple of `slide_ms`.
        size_ms: i64,
        /// Distance of starts.
        slide_ms: i64,
        /// Where windows start relative to 1970.
        offset_ms: i64,
    },
    /// Growing by `step_ms` up to `size_ms`, then starting again.
    Cumulate {
        /// The greatest span, a multiple of `step_ms`.
        size_ms: i64,
        /// Growth.
        step_ms: i64,
        /// Where windows start relative to 1970.
        offset_ms: i64,
    },
    /// Rows of one key no further apart than `gap_ms`.
    Session {
        /// The gap that ends a session.
        gap_ms: i64,
    },
    /// The rows already carry their window: grouping the result of a window table function or of another windowed
    /// aggregation again by `window_start, window_end`.
    Attached {
        /// The column `window_start`.
        start: usize,
        /// The column `window_end`.
        end: usize,
    },
}

/// A column that describes the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowProperty {
    /// `window_start`, `TUMBLE_START`: TIMESTAMP(3), inclusive.
    Start,
    /// `window_end`, `TUMBLE_END`: TIMESTAMP(3), exclusive.
    End,
    /// `window_time`, `TUMBLE_ROWTIME`: the end less one millisecond, with the type of the time column.
    Rowtime,
}

/// A table as its connector sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorSpec {
    /// The table's name, for messages and for `EXPLAIN`.
    pub table: String,
    /// `connector`, for example `kinesis`.
    pub connector: String,
    /// All of `WITH`, with `connector`.
    pub options: BTreeMap<String, String>,
    /// The columns that the connector reads or writes, metadata columns in their places; no computed columns.
    pub fields: Vec<Field>,
    /// Which of `fields` are metadata, and their key (`METADATA FROM 'key'`, else the column's own name).
    pub metadata: Vec<(usize, String)>,
    /// `PARTITIONED BY`, as positions in `fields`.
    pub partition_by: Vec<usize>,
    /// `PRIMARY KEY … NOT ENFORCED`, as positions in `fields`.
    pub primary_key: Vec<usize>,
}

/// A typed expression over the columns of one input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// The type of its value.
    pub typed: Typed,
}

/// The forms of an expression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ExprKind {
    /// A column of the input.
    Column(usize),
    /// A constant of the expression's type.
    Literal(Value),
    /// A scalar function or an operator; the arguments have the types that [`crate::functions::resolve`] asked for.
    Call {
        /// Its name in the registry.
        function: String,
        /// In order.
        args: Vec<Expr>,
    },
    /// A call of a function outside the engine. A planner takes it out of the expression, into an
    /// [`Operator::ExternalCalls`] below: no operator evaluates it.
    External {
        /// Which.
        function: Arc<ExternalFunction>,
        /// In order, of the declared types.
        args: Vec<Expr>,
    },
    /// `CAST(input AS typed)`, or `TRY_CAST`, which gives NULL where CAST fails. Also carries implicit coercions.
    Cast {
        /// What is cast.
        input: Box<Expr>,
        /// NULL instead of failure.
        try_: bool,
    },
    /// `CASE WHEN condition THEN value … ELSE otherwise END`; the simple form is rewritten to this one.
    Case {
        /// In order; the first TRUE condition wins, later ones are not evaluated.
        branches: Vec<(Expr, Expr)>,
        /// NULL when absent.
        otherwise: Option<Box<Expr>>,
    },
    /// Field `index` of a ROW.
    Field {
        /// The row.
        input: Box<Expr>,
        /// From 0.
        index: usize,
    },
}

/// A constant. Its SQL type stands beside it, in [`Expr::typed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// NULL of any type.
    Null,
    /// `BOOLEAN`
    Boolean(bool),
    /// `TINYINT` to `BIGINT`
    Int(i64),
    /// `FLOAT`, `DOUBLE`
    Float(f64),
    /// `DECIMAL`, unscaled: `1.50` as DECIMAL(3, 2) is 150
    Decimal(i128),
    /// `CHAR`, `VARCHAR`
    String(String),
    /// `BINARY`, `VARBINARY`
    Bytes(Vec<u8>),
    /// Days since 1970
    Date(i32),
    /// Milliseconds of the day
    Time(i32),
    /// `TIMESTAMP(p)`, `TIMESTAMP_LTZ(p)`: since 1970 in the unit of the type's Arrow form (p ≤ 3 ms, ≤ 6 µs, else ns)
    Timestamp(i64),
    /// `INTERVAL YEAR TO MONTH`
    IntervalMonths(i32),
    /// `INTERVAL DAY TO SECOND`
    IntervalMillis(Millis),
}

impl Expr {
    /// A column.
    pub fn column(index: usize, typed: Typed) -> Self {
        Self { kind: ExprKind::Column(index), typed }
    }

    /// A constant.
    pub fn literal(value: Value, ty: SqlType) -> Self {
        let nullable = value == Value::Null;
        Self { kind: ExprKind::Literal(value), typed: Typed { ty, nullable } }
    }

    /// This expression with another type, by an implicit cast unless it has it already.
    pub fn coerced(self, to: &Typed) -> Self {
        if self.typed.ty == to.ty {
            return self;
        }
        let typed = Typed { ty: to.ty.clone(), nullable: self.typed.nullable };
        Self { kind: ExprKind::Cast { input: Box::new(self), try_: false }, typed }
    }

    /// Calls `visit` with every column that is read.
    pub fn columns(&self, visit: &mut dyn FnMut(usize)) {
        match &self.kind {
            ExprKind::Column(index) => visit(*index),
            ExprKind::Literal(_) => {}
            ExprKind::Call { args, .. } | ExprKind::External { args, .. } => {
                args.iter().for_each(|arg| arg.columns(visit));
            }
            ExprKind::Cast { input, .. } | ExprKind::Field { input, .. } => input.columns(visit),
            ExprKind::Case { branches, otherwise } => {
                for (when, then) in branches {
                    when.columns(visit);
                    then.columns(visit);
                }
                if let Some(otherwise) = otherwise {
                    otherwise.columns(visit);
                }
            }
        }
    }
}

impl JobGraph {
    /// Adds a node and gives its id.
    pub fn add(&mut self, operator: Operator, inputs: Vec<NodeId>, output: Vec<Field>) -> NodeId {
        self.nodes.push(Node { operator, inputs, output });
        self.nodes.len() - 1
    }

    /// Whether `node`'s rows may be updates and deletions of earlier rows, not only new ones.
    pub fn is_changelog(&self, node: NodeId) -> bool {
        match &self.nodes[node].operator {
            Operator::GroupAggregate { .. } => true,
            Operator::WindowAggregate(w) => {
                w.allowed_lateness_ms > 0 || self.nodes[node].inputs.iter().any(|&i| self.is_changelog(i))
            }
            Operator::Late => false,
            _ => self.nodes[node].inputs.iter().any(|&i| self.is_changelog(i)),
        }
    }
}
