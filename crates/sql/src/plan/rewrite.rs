//! Rewriting bound expressions: other columns, conditions taken apart and put together.

use millrace_process::graph::{Expr, ExprKind};
use millrace_schema::{SqlType, Typed};
use std::collections::BTreeSet;

/// Functions that give another value at each call: they are never computed twice or moved.
const UNSTABLE: [&str; 3] = ["RAND", "RAND_INTEGER", "UUID"];

/// Calls `visit` with every part of `expr`, `expr` first.
fn walk<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Expr)) {
    visit(expr);
    match &expr.kind {
        ExprKind::Column(_) | ExprKind::Literal(_) => {}
        ExprKind::Call { args, .. } | ExprKind::External { args, .. } => args.iter().for_each(|arg| walk(arg, visit)),
        ExprKind::Cast { input, .. } | ExprKind::Field { input, .. } => walk(input, visit),
        ExprKind::Case { branches, otherwise } => {
            for (when, then) in branches {
                walk(when, visit);
                walk(then, visit);
            }
            otherwise.iter().for_each(|otherwise| walk(otherwise, visit));
        }
    }
}

/// `expr` with every column replaced by what `column` gives for it.
fn replaced(expr: &Expr, column: &dyn Fn(usize, &Typed) -> Expr) -> Expr {
    replace_parts(expr, &|part| match part.kind {
        ExprKind::Column(index) => Some(column(index, &part.typed)),
        _ => None,
    })
}

/// `expr` with every part replaced for which `replace` gives another; what it gives is not looked into.
pub(super) fn replace_parts(expr: &Expr, replace: &dyn Fn(&Expr) -> Option<Expr>) -> Expr {
    if let Some(other) = replace(expr) {
        return other;
    }
    let inner = |expr: &Expr| replace_parts(expr, replace);
    let kind = match &expr.kind {
        ExprKind::Column(index) => ExprKind::Column(*index),
        ExprKind::External { function, args } => {
            ExprKind::External { function: function.clone(), args: args.iter().map(inner).collect() }
        }
        ExprKind::Literal(value) => ExprKind::Literal(value.clone()),
        ExprKind::Call { function, args } => {
            ExprKind::Call { function: function.clone(), args: args.iter().map(inner).collect() }
        }
        ExprKind::Cast { input, try_ } => ExprKind::Cast { input: Box::new(inner(input)), try_: *try_ },
        ExprKind::Field { input, index } => ExprKind::Field { input: Box::new(inner(input)), index: *index },
        ExprKind::Case { branches, otherwise } => ExprKind::Case {
            branches: branches.iter().map(|(when, then)| (inner(when), inner(then))).collect(),
            otherwise: otherwise.as_ref().map(|otherwise| Box::new(inner(otherwise))),
        },
    };
    Expr { kind, typed: expr.typed.clone() }
}

/// Gives every column another position.
pub(crate) fn map_columns(expr: &mut Expr, place: &dyn Fn(usize) -> usize) {
    *expr = replaced(expr, &|index, typed| Expr::column(place(index), typed.clone()));
}

/// `expr` over the input of a projection, when it was over its output.
pub(super) fn substitute(expr: &Expr, exprs: &[Expr]) -> Expr {
    replaced(expr, &|index, _| exprs[index].clone())
}

/// The columns that are read.
pub(super) fn reads<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> BTreeSet<usize> {
    let mut out = BTreeSet::new();
    for expr in exprs {
        expr.columns(&mut |column| {
            out.insert(column);
        });
    }
    out
}

/// The calls of functions outside the engine.
pub(super) fn externals(expr: &Expr) -> Vec<&Expr> {
    let mut out = Vec::new();
    walk(expr, &mut |part| out.extend(matches!(part.kind, ExprKind::External { .. }).then_some(part)));
    out
}

/// Whether `expr` gives the same value each time it is computed over the same row.
pub(super) fn is_stable(expr: &Expr) -> bool {
    let mut stable = true;
    walk(expr, &mut |part| {
        stable &= match &part.kind {
            ExprKind::Call { function, .. } => !UNSTABLE.contains(&function.as_str()),
            ExprKind::External { .. } => false,
            _ => true,
        };
    });
    stable
}

/// Whether projecting `exprs` first and `over` their results next may be one step: nothing costly is computed twice.
pub(super) fn is_mergeable<'e>(exprs: &[Expr], over: impl IntoIterator<Item = &'e Expr>) -> bool {
    let mut uses = vec![0_usize; exprs.len()];
    for expr in over {
        expr.columns(&mut |column| uses[column] += 1);
    }
    exprs.iter().zip(uses).all(|(expr, uses)| {
        let costly = matches!(expr.kind, ExprKind::Call { .. } | ExprKind::Case { .. } | ExprKind::Cast { .. });
        is_stable(expr) && (uses <= 1 || !costly)
    })
}

/// The conditions that `filter` joins by AND.
pub(super) fn conjuncts(filter: Option<Expr>) -> Vec<Expr> {
    let Some(filter) = filter else { return Vec::new() };
    match filter.kind {
        ExprKind::Call { ref function, .. } if function == "AND" => match filter.kind {
            ExprKind::Call { args, .. } => args.into_iter().flat_map(|arg| conjuncts(Some(arg))).collect(),
            _ => Vec::new(),
        },
        _ => vec![filter],
    }
}

/// All of `conditions` joined by AND.
pub(super) fn all_of(conditions: Vec<Expr>) -> Option<Expr> {
    conditions.into_iter().reduce(|left, right| {
        let nullable = left.typed.nullable || right.typed.nullable;
        let kind = ExprKind::Call { function: "AND".to_owned(), args: vec![left, right] };
        Expr { kind, typed: Typed { ty: SqlType::Boolean, nullable } }
    })
}
