//! `SELECT`: its list, conditions and grouping.

use super::aggregate::{Grouped, has_aggregate};
use super::expr::ExprBinder;
use super::query::{QueryBinder, one_row, untyped_null};
use super::scope::Scope;
use super::window::legacy_window;
use crate::error::{Span, SqlError};
use crate::plan::Rel;
use crate::plan::rewrite::map_columns;
use crate::tree::{self, ExprKind as Ast, Ident, Select, SelectItem};
use millrace_process::graph::Expr;
use millrace_schema::SqlType;

impl QueryBinder<'_> {
    pub(super) fn select(&self, select: &Select) -> Result<Rel, SqlError> {
        let (mut input, scope) = match &select.from {
            Some(from) => self.table_ref(from)?,
            None => (one_row(), Scope::default().with(&self.context.objects.functions)),
        };
        if let Some(filter) = &select.filter {
            input = input.filter(ExprBinder::new(&scope, "WHERE").condition(filter)?);
        }
        let grouped = select.group_by.is_some() || select.having.is_some() || select.items.iter().any(is_aggregated);
        let out = if grouped {
            self.grouped(select, input, &scope)?
        } else {
            let exprs = named(&select.items, &scope, |expr| ExprBinder::new(&scope, "SELECT").bind(expr))?;
            input.project(exprs)
        };
        match select.distinct {
            Some(_) => Ok(self.distinct(out)),
            None => Ok(out),
        }
    }

    /// `SELECT DISTINCT` groups by all columns.
    fn distinct(&self, input: Rel) -> Rel {
        let scope = Scope::of(&input, None);
        let keys =
            input.columns.iter().enumerate().map(|(nth, column)| (column.name.clone(), input.column(nth))).collect();
        Grouped::new(&scope, keys, None).finish(input, 0)
    }

    fn grouped(&self, select: &Select, input: Rel, scope: &Scope) -> Result<Rel, SqlError> {
        let mut keys: Vec<(String, Expr)> = Vec::new();
        let mut legacy = None;
        for item in flattened(select.group_by.as_deref().unwrap_or_default()) {
            if let Some(window) = legacy_window(item, scope)? {
                if legacy.is_some() {
                    return Err(SqlError::invalid(item.span, "only one group window is allowed in GROUP BY"));
                }
                legacy = Some(window);
                continue;
            }
            if has_aggregate(item) {
                return Err(SqlError::invalid(item.span, "Aggregate expression is illegal in GROUP BY clause"));
            }
            let key = self.key(item, scope, select)?;
            if !keys.iter().any(|(_, known)| *known == key) {
                keys.push((name_of(item).unwrap_or_else(|| format!("$k{}", keys.len())), key));
            }
        }
        let mut grouped = Grouped::new(scope, keys, legacy);
        let mut bind = |expr: &tree::Expr, clause| {
            let mut binder = ExprBinder { scope, clause, grouped: Some(&mut grouped) };
            if clause == "HAVING" { binder.condition(expr) } else { binder.bind(expr) }
        };
        let mut exprs = named(&select.items, scope, |expr| bind(expr, "SELECT"))?;
        let mut having = select.having.as_ref().map(|having| bind(having, "HAVING")).transpose()?;
        let place = grouped.place();
        exprs.iter_mut().map(|(_, expr)| expr).chain(&mut having).for_each(|expr| map_columns(expr, &place));
        let mut out = grouped.finish(input, self.context.allowed_lateness_ms);
        if let Some(having) = having {
            out = out.filter(having);
        }
        Ok(out.project(exprs))
    }

    /// A grouping key; names of the select list do not count, as in Flink.
    fn key(&self, item: &tree::Expr, scope: &Scope, select: &Select) -> Result<Expr, SqlError> {
        ExprBinder::new(scope, "GROUP BY").bind(item).map_err(|error| {
            let alias = name_of(item).filter(|name| {
                select.items.iter().any(|item| matches!(item, SelectItem::Expr(_, Some(alias)) if alias.name == *name))
            });
            match alias {
                Some(_) => error.help("GROUP BY does not see the names that SELECT gives: repeat the expression"),
                None => error,
            }
        })
    }
}

fn is_aggregated(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Expr(expr, _) if has_aggregate(expr))
}

/// `GROUP BY (a, b), c` is `GROUP BY a, b, c`.
fn flattened(items: &[tree::Expr]) -> Vec<&tree::Expr> {
    items
        .iter()
        .flat_map(|item| match &item.kind {
            Ast::Row(inner) => flattened(inner),
            _ => vec![item],
        })
        .collect()
}

fn name_of(expr: &tree::Expr) -> Option<String> {
    match &expr.kind {
        Ast::Name(parts) => parts.last().map(|part| part.name.clone()),
        Ast::Field(_, name) => Some(name.name.clone()),
        _ => None,
    }
}

/// The columns of a select list with their names.
fn named(
    items: &[SelectItem],
    scope: &Scope,
    mut bind: impl FnMut(&tree::Expr) -> Result<Expr, SqlError>,
) -> Result<Vec<(String, Expr)>, SqlError> {
    let mut out = Vec::new();
    for item in items {
        match item {
            SelectItem::Expr(expr, alias) => {
                let name = match alias {
                    Some(alias) => alias.name.clone(),
                    None => name_of(expr).unwrap_or_else(|| format!("EXPR${}", out.len())),
                };
                let bound = bind(expr)?;
                if bound.typed.ty == SqlType::Null {
                    return Err(untyped_null(expr.span));
                }
                out.push((name, bound));
            }
            SelectItem::Star(span) => star(scope, *span, &mut bind, &mut out)?,
            SelectItem::QualifiedStar(name) => {
                if scope.qualifier.as_ref() != Some(&name.name) {
                    return Err(SqlError::invalid(name.span, format!("Table '{}' not found", name.name))
                        .help_with(scope.qualifier.as_ref().map(|known| format!("there is '{known}'"))));
                }
                star(scope, name.span, &mut bind, &mut out)?;
            }
        }
    }
    Ok(out)
}

fn star(
    scope: &Scope,
    span: Span,
    bind: &mut dyn FnMut(&tree::Expr) -> Result<Expr, SqlError>,
    out: &mut Vec<(String, Expr)>,
) -> Result<(), SqlError> {
    if scope.columns.is_empty() {
        return Err(SqlError::invalid(span, "SELECT * needs a FROM"));
    }
    for column in &scope.columns {
        let name = Ident { name: column.name.clone(), span };
        out.push((column.name.clone(), bind(&tree::Expr { kind: Ast::Name(vec![name]), span })?));
    }
    Ok(())
}
