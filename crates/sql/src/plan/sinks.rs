//! Sinks: what `INSERT INTO` writes, what `SELECT` shows, and where late rows go.

use super::Rel;
use super::group::add;
use super::lower::{Lowering, Outputs, connector_spec};
use crate::bind::expr::coerce;
use crate::bind::{BoundInsert, TableDef};
use crate::error::{Span, SqlError};
use crate::tree::Limit;
use millrace_process::functions::is_implicit_cast;
use millrace_process::graph::{ConnectorSpec, Expr, JobGraph, NodeId, Operator, Value};
use millrace_schema::Field;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Connectors that only append.
const APPEND_ONLY: [&str; 2] = ["filesystem", "kinesis"];

/// What planning takes from the settings.
pub(crate) struct PlanSettings {
    pub idle_timeout_ms: Option<i64>,
    pub late_sink: Option<Arc<TableDef>>,
}

/// The job of one or more inserts.
pub(crate) fn plan_inserts(inserts: &[BoundInsert], settings: PlanSettings, span: Span) -> Result<JobGraph, SqlError> {
    let mut lowering = Lowering::new(span, settings.idle_timeout_ms, settings.late_sink);
    lower_inserts(&mut lowering, inserts)?;
    let mut lowering = lowering.again();
    lower_inserts(&mut lowering, inserts)?;
    lowering.finish()
}

fn lower_inserts(lowering: &mut Lowering, inserts: &[BoundInsert]) -> Result<(), SqlError> {
    for insert in inserts {
        lowering.span = insert.span;
        let node = lowering.all(&insert.rows)?;
        lowering.write(&insert.sink, node)?;
    }
    Ok(())
}

/// The job of a query: it ends in the sink `collect`.
pub(crate) fn plan_query(
    rel: &Rel,
    limit: Option<Limit>,
    settings: PlanSettings,
    span: Span,
) -> Result<JobGraph, SqlError> {
    let mut lowering = Lowering::new(span, settings.idle_timeout_ms, settings.late_sink);
    lowering.all(rel)?;
    let mut lowering = lowering.again();
    let mut node = lowering.all(rel)?;
    if let Some(Limit { rows, span }) = limit {
        if lowering.graph.is_changelog(node) {
            return Err(SqlError::not_supported(span, "LIMIT of a query that updates its rows")
                .help("group by a window, or read the result without LIMIT"));
        }
        node = lowering.graph.add(Operator::Limit { rows }, vec![node], rel.fields());
    }
    let spec = ConnectorSpec {
        table: "collect".to_owned(),
        connector: "collect".to_owned(),
        options: BTreeMap::new(),
        fields: rel.fields(),
        metadata: Vec::new(),
        partition_by: Vec::new(),
        primary_key: Vec::new(),
    };
    lowering.graph.add(Operator::Sink(spec), vec![node], rel.fields());
    lowering.finish()
}

impl Lowering {
    fn write(&mut self, sink: &TableDef, node: NodeId) -> Result<(), SqlError> {
        let spec = connector_spec(sink, &sink.persisted());
        if self.graph.is_changelog(node) && APPEND_ONLY.contains(&spec.connector.as_str()) {
            return Err(SqlError::invalid(
                self.span,
                format!(
                    "Table sink '{}' doesn't support consuming update changes, which this query produces",
                    sink.name
                ),
            )
            .help(format!(
                "the connector {} appends: group by a window, or write to a table whose connector takes updates",
                spec.connector
            )));
        }
        let fields = spec.fields.clone();
        self.graph.add(Operator::Sink(spec), vec![node], fields);
        Ok(())
    }

    fn finish(mut self) -> Result<JobGraph, SqlError> {
        if let Some(sink) = self.late_sink.clone()
            && !self.late.is_empty()
        {
            let nodes = std::mem::take(&mut self.late);
            let node = match nodes.as_slice() {
                [one] => *one,
                _ => {
                    let output = self.graph.nodes[nodes[0]].output.clone();
                    self.graph.add(Operator::Union, nodes, output)
                }
            };
            self.write(&sink, node)?;
        }
        Ok(self.graph)
    }

    /// Adds the late sink's columns to what goes into a window; gives, for each of them, the column and its type.
    pub(super) fn late_columns(&self, base: &Rel, inner: &mut Outputs) -> Option<Vec<Option<usize>>> {
        let sink = self.late_sink.as_ref()?;
        let columns = sink.persisted().into_iter().map(|index| {
            let name = &sink.columns[index].name;
            let found = base.columns.iter().position(|column| column.name == *name)?;
            Some(add(inner, base.fields()[found].clone(), base.column(found)))
        });
        Some(columns.collect())
    }

    /// Sends what the window drops as late to the late sink; `input` is the window's input.
    pub(super) fn divert_late(
        &mut self,
        window: NodeId,
        input: NodeId,
        columns: Vec<Option<usize>>,
    ) -> Result<(), SqlError> {
        let Some(sink) = self.late_sink.clone() else { return Ok(()) };
        let about = |message: String| {
            SqlError::invalid(self.span, format!("late events cannot be written to '{}': {message}", sink.name))
                .help("RESET 'table.exec.late-events.sink', or declare the table with columns of the window's input")
        };
        if columns.iter().all(Option::is_none) {
            return Err(about("it has no column of the window's input".to_owned()));
        }
        let fields: Vec<Field> = self.graph.nodes[input].output.clone();
        let mut outputs: Outputs = Vec::new();
        for (index, column) in sink.persisted().into_iter().zip(columns) {
            let wanted = &sink.columns[index];
            let field = Field { name: wanted.name.clone(), typed: wanted.typed.clone() };
            let expr = match column {
                Some(column) if is_implicit_cast(&fields[column].typed.ty, &wanted.typed.ty) => {
                    coerce(Expr::column(column, fields[column].typed.clone()), &wanted.typed)
                }
                Some(column) => {
                    return Err(about(format!(
                        "its column '{}' is {}, the input's {}",
                        wanted.name, wanted.typed.ty, fields[column].typed.ty
                    )));
                }
                None if wanted.typed.nullable => Expr::literal(Value::Null, wanted.typed.ty.clone()),
                None => return Err(about(format!("the input has no column '{}', which is NOT NULL", wanted.name))),
            };
            outputs.push((field, expr));
        }
        let late = self.graph.add(Operator::Late, vec![window], fields);
        let node = self.calc(late, None, outputs);
        self.late.push(node);
        Ok(())
    }
}
