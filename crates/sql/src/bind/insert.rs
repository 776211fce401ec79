//! `INSERT INTO`: a query's columns against a sink's.

use super::expr::coerce;
use super::query::QueryBinder;
use super::{Object, TableDef};
use crate::error::SqlError;
use crate::plan::Rel;
use crate::tree::{Ident, Insert};
use millrace_base::did_you_mean;
use millrace_process::functions::is_implicit_cast;
use millrace_process::graph::{Expr, Value};
use std::sync::Arc;

/// An `INSERT INTO` whose rows have exactly the sink's columns.
#[derive(Debug)]
pub(crate) struct BoundInsert {
    pub sink: Arc<TableDef>,
    /// Gives [`TableDef::persisted`], in order and type.
    pub rows: Rel,
    pub span: crate::error::Span,
}

impl QueryBinder<'_> {
    pub fn insert(&self, insert: &Insert) -> Result<BoundInsert, SqlError> {
        let name = insert.table.resolved();
        let mut sink = match self.context.objects.by_name.get(&name) {
            Some(Object::Table(table)) => table.clone(),
            Some(Object::View(_)) => {
                return Err(SqlError::invalid(
                    insert.table.span,
                    format!("'{name}' is a view and cannot be written to"),
                ));
            }
            None => {
                let help = did_you_mean(&name, self.context.objects.by_name.keys().map(String::as_str));
                return Err(SqlError::invalid(insert.table.span, format!("Cannot find table '{name}' to write to"))
                    .help_with(help.or_else(|| Some("declare it with CREATE TABLE".to_owned()))));
            }
        };
        if !insert.options.is_empty() {
            let options = insert.options.iter().map(|(key, value)| (key.value.clone(), value.value.clone()));
            Arc::make_mut(&mut sink).options.extend(options);
        }
        let rows = self.query(&insert.query)?;
        let written = sink.persisted();
        let targets =
            if insert.columns.is_empty() { written.clone() } else { named(&insert.columns, &sink, &written)? };
        let rows = fit(rows, &sink, &written, &targets, insert)?;
        Ok(BoundInsert { sink, rows, span: insert.span })
    }
}

/// The columns of an `INSERT INTO t (a, b)`.
fn named(names: &[Ident], sink: &TableDef, written: &[usize]) -> Result<Vec<usize>, SqlError> {
    let mut out = Vec::new();
    for name in names {
        let found = written.iter().find(|index| sink.columns[**index].name == name.name);
        let Some(index) = found else {
            let known = written.iter().map(|index| sink.columns[*index].name.as_str());
            return Err(SqlError::invalid(name.span, format!("Unknown target column '{}'", name.name))
                .help_with(did_you_mean(&name.name, known)));
        };
        if out.contains(index) {
            return Err(SqlError::invalid(
                name.span,
                format!("Target column '{}' is assigned more than once", name.name),
            ));
        }
        out.push(*index);
    }
    let missing = written.iter().find(|index| !out.contains(index) && !sink.columns[**index].typed.nullable);
    match missing.zip(names.first()) {
        Some((index, first)) => Err(SqlError::invalid(
            first.span,
            format!("Column '{}' has no default value and does not allow NULLs", sink.columns[*index].name),
        )),
        None => Ok(out),
    }
}

/// `rows` with the sink's columns: by position, cast where Flink casts by itself, NULL where nothing is given.
fn fit(rows: Rel, sink: &TableDef, written: &[usize], targets: &[usize], insert: &Insert) -> Result<Rel, SqlError> {
    if rows.columns.len() != targets.len() {
        return Err(mismatch("Different number of columns.", &rows, sink, targets, insert));
    }
    for (nth, (column, target)) in rows.columns.iter().zip(targets).enumerate() {
        let wanted = &sink.columns[*target];
        if !is_implicit_cast(&column.typed.ty, &wanted.typed.ty) {
            let cause = format!("Incompatible types for sink column '{}' at position {nth}.", wanted.name);
            return Err(mismatch(&cause, &rows, sink, targets, insert)
                .help(format!("CAST(`{}` AS {})", column.name, wanted.typed.ty)));
        }
    }
    let exprs = written.iter().map(|index| {
        let wanted = &sink.columns[*index];
        let expr = match targets.iter().position(|target| target == index) {
            Some(at) => coerce(rows.column(at), &wanted.typed),
            None => Expr::literal(Value::Null, wanted.typed.ty.clone()),
        };
        (wanted.name.clone(), expr)
    });
    let exprs = exprs.collect();
    Ok(rows.project(exprs))
}

fn mismatch(cause: &str, rows: &Rel, sink: &TableDef, targets: &[usize], insert: &Insert) -> SqlError {
    let query = rows.columns.iter().map(|column| {
        let time = if column.rowtime { " *ROWTIME*" } else { "" };
        let null = if column.typed.nullable { "" } else { " NOT NULL" };
        format!("{}: {}{time}{null}", column.name, column.typed.ty)
    });
    let wanted =
        targets.iter().map(|index| &sink.columns[*index]).map(|column| format!("{}: {}", column.name, column.typed));
    let message = format!(
        "Column types of query result and sink for 'default_catalog.default_database.{}' do not match.\nCause: {cause}\n\nQuery schema: [{}]\nSink schema:  [{}]",
        sink.name,
        query.collect::<Vec<_>>().join(", "),
        wanted.collect::<Vec<_>>().join(", ")
    );
    SqlError::invalid(insert.query.span, message)
}
