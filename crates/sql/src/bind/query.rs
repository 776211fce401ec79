//! Queries: `FROM`, `WITH`, `UNION ALL`, `VALUES`.

use super::expr::{ExprBinder, coerce, common};
use super::scope::Scope;
use super::{Context, Object};
use crate::error::{Span, SqlError};
use crate::plan::{Rel, RelColumn, RelOp, Role};
use crate::tree::{self, Body, CreateView, Hint, Ident, ObjectName, Query, TableAlias, TableRef};
use millrace_base::did_you_mean;
use millrace_process::graph::Expr;
use millrace_schema::{SqlType, Typed};
use std::sync::Arc;

/// Binds queries; knows the `WITH` names around them.
pub(crate) struct QueryBinder<'a> {
    pub(super) context: &'a Context<'a>,
    ctes: Vec<(String, Arc<Rel>)>,
}

impl<'a> QueryBinder<'a> {
    pub fn new(context: &'a Context<'a>) -> Self {
        Self { context, ctes: Vec::new() }
    }

    pub fn query(&self, query: &Query) -> Result<Rel, SqlError> {
        if let Some(limit) = &query.limit {
            let help = "LIMIT stands at the end of a SELECT that is a statement of its own";
            return Err(SqlError::not_supported(limit.span, "LIMIT here").help(help));
        }
        self.unlimited(query)
    }

    /// The outermost query of a statement, whose LIMIT the planner puts on top.
    fn unlimited(&self, query: &Query) -> Result<Rel, SqlError> {
        if let Some(item) = query.order_by.first() {
            return Err(SqlError::not_supported(item.expr.span, "ORDER BY").help("sort where the result is read"));
        }
        let mut inner = Self { context: self.context, ctes: self.ctes.clone() };
        for cte in &query.with {
            let rel = rename(inner.query(&cte.query)?, &cte.alias.columns)?;
            inner.ctes.push((cte.alias.name.name.clone(), Arc::new(rel)));
        }
        inner.body(&query.body)
    }

    /// A query whose columns are shown to people, without its LIMIT.
    pub fn top_query(&self, query: &Query) -> Result<Rel, SqlError> {
        self.unlimited(query).map(numbered)
    }

    /// What a `CREATE VIEW` stands for.
    pub fn view(&self, create: &CreateView) -> Result<Rel, SqlError> {
        rename(numbered(self.query(&create.query)?), &create.columns)
    }

    fn body(&self, body: &Body) -> Result<Rel, SqlError> {
        match body {
            Body::Select(select) => self.select(select),
            Body::Values(rows, span) => values(rows, *span),
            Body::Nested(query) => self.query(query),
            Body::Table(name) => self.named(name, None),
            Body::SetOperation("UNION", true, span, left, right) => {
                union(vec![self.body(left)?, self.body(right)?], *span)
            }
            Body::SetOperation(name, all, span, ..) => {
                let what = if *all { format!("{name} ALL") } else { (*name).to_owned() };
                Err(SqlError::not_supported(*span, what).help("UNION ALL works"))
            }
        }
    }

    pub(super) fn table_ref(&self, table: &TableRef) -> Result<(Rel, Scope), SqlError> {
        let (rel, alias, own_name) = match table {
            TableRef::Table(name, hint, alias) => {
                let last = name.parts.last().map(|part| part.name.clone());
                (self.named(name, hint.as_ref())?, alias, last)
            }
            TableRef::Subquery(query, alias) => (self.query(query)?, alias, None),
            TableRef::Function(name, args, span, alias) => (self.table_function(name, args, *span)?, alias, None),
        };
        let (rel, qualifier) = match alias {
            Some(TableAlias { name, columns }) => (rename(rel, columns)?, Some(name.name.clone())),
            None => (rel, own_name),
        };
        let scope = Scope::of(&rel, qualifier).with(&self.context.objects.functions);
        Ok((rel, scope))
    }

    fn named(&self, name: &ObjectName, hint: Option<&Hint>) -> Result<Rel, SqlError> {
        let resolved = name.resolved();
        if let Some((_, rel)) = self.ctes.iter().rev().find(|(known, _)| *known == resolved) {
            return Ok(rel.as_ref().clone());
        }
        match self.context.objects.by_name.get(&resolved) {
            Some(Object::View(rel)) => Ok(rel.as_ref().clone()),
            Some(Object::Table(table)) => {
                let mut table = table.clone();
                if let Some(hint) = hint {
                    let own = Arc::make_mut(&mut table);
                    own.options
                        .extend(hint.options.iter().map(|(key, value)| (key.value.clone(), value.value.clone())));
                }
                Ok(scan(table))
            }
            None => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &ObjectName) -> SqlError {
        let wanted = name.resolved();
        let known: Vec<&str> = self
            .context
            .objects
            .by_name
            .keys()
            .map(String::as_str)
            .chain(self.ctes.iter().map(|(name, _)| name.as_str()))
            .collect();
        let help = match known.iter().find(|known| known.eq_ignore_ascii_case(&wanted)) {
            Some(same) => Some(format!("did you mean '{same}'? Names are case-sensitive")),
            None => did_you_mean(&wanted, known.iter().copied()),
        };
        let listed = if known.is_empty() {
            "no table is declared yet: CREATE TABLE first".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        SqlError::invalid(name.span, format!("Object '{wanted}' not found")).help_with(help.or(Some(listed)))
    }
}

/// Names that stand twice get a number, as in Flink.
fn numbered(mut rel: Rel) -> Rel {
    for nth in 0..rel.columns.len() {
        let name = rel.columns[nth].name.clone();
        let is_taken = |name: &str| rel.columns[..nth].iter().any(|column| column.name == name);
        if is_taken(&name) {
            let free = (0..).map(|number| format!("{name}{number}")).find(|name| !is_taken(name));
            rel.columns[nth].name = free.unwrap_or(name);
        }
    }
    rel
}

/// All columns of a table.
fn scan(table: Arc<super::TableDef>) -> Rel {
    let rowtime = table.watermark.as_ref().map(|(column, _)| *column);
    let columns = table.columns.iter().enumerate().map(|(index, column)| RelColumn {
        rowtime: rowtime == Some(index),
        ..RelColumn::plain(&column.name, column.typed.clone())
    });
    Rel { columns: columns.collect(), op: RelOp::Scan(table) }
}

/// One row with nothing in it.
pub(super) fn one_row() -> Rel {
    Rel { op: RelOp::OneRow, columns: Vec::new() }
}

pub(super) fn rename(rel: Rel, names: &[Ident]) -> Result<Rel, SqlError> {
    let Some(first) = names.first() else { return Ok(rel) };
    if names.len() != rel.columns.len() {
        return Err(SqlError::invalid(first.span, format!("{} names for {} columns", names.len(), rel.columns.len())));
    }
    let names: Vec<String> = names.iter().map(|name| name.name.clone()).collect();
    Ok(rel.renamed(&names))
}

/// Flink wants NULL to have a type wherever it becomes a column.
pub(super) fn untyped_null(span: Span) -> SqlError {
    SqlError::invalid(span, "Illegal use of 'NULL'").help("give it a type: CAST(NULL AS STRING)")
}

fn values(rows: &[Vec<tree::Expr>], span: Span) -> Result<Rel, SqlError> {
    let scope = Scope::default();
    let mut bound = Vec::new();
    for row in rows {
        if row.len() != rows[0].len() {
            return Err(SqlError::invalid(span, "Values passed to VALUES operator must have equal numbers of columns"));
        }
        let exprs = ExprBinder::new(&scope, "VALUES").bind_all(row)?;
        if let Some(nth) = exprs.iter().position(|expr| expr.typed.ty == SqlType::Null) {
            return Err(untyped_null(row[nth].span));
        }
        let named = exprs.into_iter().enumerate().map(|(nth, expr)| (format!("EXPR${nth}"), expr)).collect();
        bound.push(one_row().project(named));
    }
    union(bound, span)
}

/// All rows of all inputs, brought to common types.
fn union(mut inputs: Vec<Rel>, span: Span) -> Result<Rel, SqlError> {
    if inputs.len() == 1 {
        return Ok(inputs.remove(0));
    }
    let first = inputs[0].columns.clone();
    if let Some(other) = inputs.iter().find(|input| input.columns.len() != first.len()) {
        let message = format!("UNION ALL of {} and {} columns", first.len(), other.columns.len());
        return Err(SqlError::invalid(span, message).help("both sides need the same number of columns"));
    }
    let mut columns = Vec::new();
    for (nth, column) in first.iter().enumerate() {
        let all = || inputs.iter().map(|input| &input.columns[nth]);
        let what = format!("column '{}' of the union", column.name);
        let ty = common(all().map(|column| &column.typed.ty), span, &what)?;
        let typed = Typed { ty, nullable: all().any(|column| column.typed.nullable) };
        let same_role = all().all(|other| other.role == column.role);
        let rowtime = all().all(|column| column.rowtime && column.typed.ty == typed.ty);
        let role = if same_role { column.role } else { Role::None };
        columns.push(RelColumn { name: column.name.clone(), typed, rowtime, role });
    }
    let mut flat = Vec::new();
    for input in inputs {
        let is_same = input.columns.iter().zip(&columns).all(|(a, b)| a.typed.ty == b.typed.ty);
        match input.op {
            RelOp::Union(inner) if is_same => flat.extend(inner),
            _ if is_same => flat.push(input),
            _ => flat.push(cast_to(input, &columns)),
        }
    }
    Ok(Rel { op: RelOp::Union(flat), columns })
}

fn cast_to(input: Rel, columns: &[RelColumn]) -> Rel {
    let exprs: Vec<(String, Expr)> = columns
        .iter()
        .enumerate()
        .map(|(nth, column)| (column.name.clone(), coerce(input.column(nth), &column.typed)))
        .collect();
    input.project(exprs)
}
