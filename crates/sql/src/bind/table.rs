//! `CREATE TABLE`: columns, watermark, keys and options, checked.

use super::expr::ExprBinder;
use super::scope::Scope;
use super::{Object, Objects};
use crate::error::{Span, SqlError};
use crate::tree::{ColumnKind, CreateTable, Ident};
use millrace_base::did_you_mean;
use millrace_process::graph::Expr;
use millrace_schema::{Field, SqlType, Typed};
use std::collections::BTreeMap;

/// Time attributes keep milliseconds at most.
const ROWTIME_PRECISION_MAX: u8 = 3;

/// A declared table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableDef {
    pub name: String,
    pub columns: Vec<TableColumn>,
    /// The event-time column and the watermark over all columns.
    pub watermark: Option<(usize, Expr)>,
    pub primary_key: Vec<usize>,
    pub partitioned_by: Vec<usize>,
    /// All of `WITH`.
    pub options: BTreeMap<String, String>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableColumn {
    pub name: String,
    pub typed: Typed,
    pub source: ColumnSource,
    pub comment: Option<String>,
}

/// Where a column's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ColumnSource {
    /// The record.
    Physical,
    /// The connector, by key; virtual columns are not written.
    Metadata(String, bool),
    /// The columns that are not computed.
    Computed(Expr),
}

impl TableDef {
    /// The connector's name.
    pub fn connector(&self) -> &str {
        self.options.get("connector").map_or("", String::as_str)
    }

    /// The columns that a sink writes.
    pub fn persisted(&self) -> Vec<usize> {
        let is_written = |column: &TableColumn| match &column.source {
            ColumnSource::Physical => true,
            ColumnSource::Metadata(_, is_virtual) => !is_virtual,
            ColumnSource::Computed(_) => false,
        };
        (0..self.columns.len()).filter(|index| is_written(&self.columns[*index])).collect()
    }
}

/// Checks a `CREATE TABLE`; `connectors` are those that exist.
pub(crate) fn bind_table(create: &CreateTable, objects: &Objects, connectors: &[String]) -> Result<TableDef, SqlError> {
    let mut table = match &create.like {
        None => TableDef {
            name: String::new(),
            columns: Vec::new(),
            watermark: None,
            primary_key: Vec::new(),
            partitioned_by: Vec::new(),
            options: BTreeMap::new(),
        },
        Some(like) => match objects.by_name.get(&like.table.resolved()) {
            Some(Object::Table(table)) => table.as_ref().clone(),
            _ => {
                let help = did_you_mean(&like.table.resolved(), objects.by_name.keys().map(String::as_str));
                return Err(SqlError::invalid(
                    like.table.span,
                    format!("there is no table '{}'", like.table.resolved()),
                )
                .help_with(help));
            }
        },
    };
    table.name = create.name.resolved();
    bind_columns(create, &mut table)?;
    bind_watermark(create, &mut table)?;
    bind_keys(create, &mut table)?;
    bind_options(create, &mut table, connectors)?;
    Ok(table)
}

fn bind_columns(create: &CreateTable, table: &mut TableDef) -> Result<(), SqlError> {
    let mut computed = Vec::new();
    for column in &create.columns {
        if table.columns.iter().any(|known| known.name == column.name.name) {
            return Err(SqlError::invalid(
                column.name.span,
                format!("A column named '{}' already exists in the table", column.name.name),
            ));
        }
        let (typed, source) = match &column.kind {
            ColumnKind::Physical(typed) => (typed.clone(), ColumnSource::Physical),
            ColumnKind::Metadata(typed, key, is_virtual) => {
                let key = key.as_ref().map_or(&column.name.name, |key| &key.value);
                check_metadata(table, &column.name, key)?;
                (typed.clone(), ColumnSource::Metadata(key.clone(), *is_virtual))
            }
            ColumnKind::Computed(expr) => {
                computed.push((table.columns.len(), expr));
                let unknown = Typed { ty: SqlType::Null, nullable: true };
                (unknown.clone(), ColumnSource::Computed(Expr::column(0, unknown)))
            }
        };
        let name = column.name.name.clone();
        table.columns.push(TableColumn { name, typed, source, comment: column.comment.clone() });
    }
    let mut scope = scope_of(table);
    let hidden: Vec<String> = computed.iter().map(|(index, _)| table.columns[*index].name.clone()).collect();
    for (index, _) in &computed {
        // Computed columns see only columns that are not computed, as in Flink; positions stay.
        scope.columns[*index].name = String::new();
    }
    for (index, expr) in computed {
        let bound = ExprBinder::new(&scope, "a computed column").bind(expr).map_err(|error| {
            let about_computed = hidden.iter().any(|name| error.message.contains(&format!("'{name}'")));
            if about_computed { error.help("a computed column cannot refer to another computed column") } else { error }
        })?;
        let column = &mut table.columns[index];
        column.typed = bound.typed.clone();
        column.source = ColumnSource::Computed(bound);
    }
    Ok(())
}

fn check_metadata(table: &TableDef, name: &Ident, key: &str) -> Result<(), SqlError> {
    let same = |column: &&TableColumn| matches!(&column.source, ColumnSource::Metadata(known, _) if known == key);
    let Some(other) = table.columns.iter().find(same) else { return Ok(()) };
    let message = format!(
        "The column `{}` and `{}` in the table are both from the same metadata key '{key}'",
        other.name, name.name
    );
    Err(SqlError::invalid(name.span, message)
        .help(format!("compute one from the other: `{}` AS `{}`", name.name, other.name)))
}

fn scope_of(table: &TableDef) -> Scope {
    let fields: Vec<Field> =
        table.columns.iter().map(|column| Field { name: column.name.clone(), typed: column.typed.clone() }).collect();
    Scope::of_fields(&fields)
}

fn bind_watermark(create: &CreateTable, table: &mut TableDef) -> Result<(), SqlError> {
    let Some(watermark) = &create.watermark else { return Ok(()) };
    let scope = scope_of(table);
    let column = scope.position(&watermark.column)?;
    check_time(&table.columns[column].typed.ty, "time field", "the time field", watermark.column.span)?;
    let expr = ExprBinder::new(&scope, "WATERMARK").bind(&watermark.expr)?;
    check_time(&expr.typed.ty, "expression", "the watermark expression", watermark.expr.span)?;
    table.watermark = Some((column, expr));
    Ok(())
}

fn check_time(ty: &SqlType, what: &str, which: &str, span: Span) -> Result<(), SqlError> {
    if let SqlType::Timestamp(p) | SqlType::TimestampLtz(p) = ty
        && *p <= ROWTIME_PRECISION_MAX
    {
        return Ok(());
    }
    let help = match ty {
        SqlType::Timestamp(_) => "declare the column as TIMESTAMP(3)",
        SqlType::TimestampLtz(_) => "declare the column as TIMESTAMP_LTZ(3)",
        SqlType::BigInt => "compute it: ts AS TO_TIMESTAMP_LTZ(millis, 3), WATERMARK FOR ts AS …",
        _ => "compute it: ts AS TO_TIMESTAMP(text), WATERMARK FOR ts AS …",
    };
    Err(SqlError::invalid(
        span,
        format!(
            "Invalid data type of {what} for watermark definition. The field must be of type TIMESTAMP(p) or TIMESTAMP_LTZ(p), \
             the supported precision 'p' is from 0 to 3, but {which} type is {ty}"
        ),
    )
    .help(help))
}

fn bind_keys(create: &CreateTable, table: &mut TableDef) -> Result<(), SqlError> {
    if !create.primary_key.is_empty() {
        table.primary_key = positions(&create.primary_key, table)?;
        for index in table.primary_key.clone() {
            table.columns[index].typed.nullable = false;
        }
    }
    if !create.partitioned_by.is_empty() {
        table.partitioned_by = positions(&create.partitioned_by, table)?;
    }
    Ok(())
}

fn positions(names: &[Ident], table: &TableDef) -> Result<Vec<usize>, SqlError> {
    let scope = scope_of(table);
    names
        .iter()
        .map(|name| {
            let index = scope.position(name)?;
            match table.columns[index].source {
                ColumnSource::Physical => Ok(index),
                _ => Err(SqlError::invalid(name.span, format!("'{}' is not a physical column", name.name))),
            }
        })
        .collect()
}

fn bind_options(create: &CreateTable, table: &mut TableDef, connectors: &[String]) -> Result<(), SqlError> {
    for (nth, (key, value)) in create.options.iter().enumerate() {
        if create.options[..nth].iter().any(|(known, _)| known.value == key.value) {
            return Err(SqlError::invalid(key.span, format!("the option '{}' stands twice", key.value)));
        }
        table.options.insert(key.value.clone(), value.value.clone());
    }
    let given = create.options.iter().find(|(key, _)| key.value == "connector");
    let Some(connector) = table.options.get("connector") else {
        return Err(SqlError::invalid(
            create.name.span,
            "Table options do not contain an option key 'connector' for discovering a connector",
        )
        .help(format!("add WITH ('connector' = '…') with one of {}", connectors.join(", "))));
    };
    if connectors.contains(connector) {
        return Ok(());
    }
    let span = given.map_or(create.name.span, |(_, value)| value.span);
    let help = did_you_mean(connector, connectors.iter().map(String::as_str));
    Err(SqlError::invalid(span, format!("Could not find any factory for the connector '{connector}'"))
        .help_with(help.or_else(|| Some(format!("there are {}", connectors.join(", "))))))
}
