//! Calls of functions outside the engine are taken out of the expressions: what they are asked about is computed below
//! them, what is made of their answers above.
//!
//! ```text
//! Calc(select=[id, score(a, b + 1) * 2 AS s], where=[b > 0 AND ok(a)])
//!   ⇒ Calc(id, $1 * 2 AS s) ◄─ AsyncCalc(score) ◄─ Calc(where=$1) ◄─ AsyncCalc(ok) ◄─ Calc(id, a, b + 1, where=b > 0)
//! ```
//! Conditions that need no such call are tested first, then those that do, so that nobody asks about rows that are dropped.
//! All calls of a list are one step, and the same call is made once. A call within a CASE is made for every row.

use super::lower::{Lowering, Outputs};
use super::rewrite::{all_of, conjuncts, externals, reads, replace_parts};
use millrace_process::graph::{Expr, ExprKind, ExternalCall, NodeId, Operator};
use millrace_schema::Field;

impl Lowering {
    /// `filter` and `outputs` over a node, when there are such calls in them.
    pub(super) fn calc_with_calls(&mut self, node: NodeId, filter: Option<Expr>, outputs: Outputs) -> NodeId {
        let (plain, asking): (Vec<_>, Vec<_>) =
            conjuncts(filter).into_iter().partition(|condition| externals(condition).is_empty());
        let ready = match asking.is_empty() {
            true => ready_calls(outputs.iter().map(|(_, expr)| expr)),
            false => ready_calls(&asking),
        };
        // Below: the columns that are still read above, then the arguments.
        let without = |expr: &Expr| replace_parts(expr, &|part| ready.contains(part).then(|| nothing(part)));
        let kept: Vec<Expr> = asking.iter().chain(outputs.iter().map(|(_, expr)| expr)).map(without).collect();
        let input = self.graph.nodes[node].output.clone();
        let columns: Vec<usize> = reads(&kept).into_iter().collect();
        let mut below: Outputs = columns
            .iter()
            .map(|&column| (input[column].clone(), Expr::column(column, input[column].typed.clone())))
            .collect();
        let mut calls = Vec::new();
        for call in &ready {
            let ExprKind::External { function, args } = &call.kind else { continue };
            let args = args.iter().map(|arg| place(&mut below, arg, &input)).collect();
            calls.push(ExternalCall { function: function.as_ref().clone(), args });
        }
        let asked = self.calc(node, all_of(plain), below);
        let mut fields = self.graph.nodes[asked].output.clone();
        let width = fields.len();
        fields.extend(
            ready
                .iter()
                .enumerate()
                .map(|(nth, call)| Field { name: format!("$call{}", width + nth), typed: call.typed.clone() }),
        );
        let answered = self.graph.add(Operator::ExternalCalls(calls), vec![asked], fields);
        let above = |expr: &Expr| {
            replace_parts(expr, &|part| match (ready.iter().position(|call| call == part), &part.kind) {
                (Some(nth), _) => Some(Expr::column(width + nth, part.typed.clone())),
                (None, ExprKind::Column(column)) => {
                    let at = columns.iter().position(|kept| kept == column).unwrap_or(*column);
                    Some(Expr::column(at, part.typed.clone()))
                }
                _ => None,
            })
        };
        let filter = all_of(asking.iter().map(above).collect());
        let outputs = outputs.iter().map(|(field, expr)| (field.clone(), above(expr))).collect();
        self.calc(answered, filter, outputs)
    }
}

/// The calls whose arguments hold no other such call, each once.
fn ready_calls<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Vec<Expr> {
    let mut ready: Vec<Expr> = Vec::new();
    for call in exprs.into_iter().flat_map(externals) {
        let ExprKind::External { args, .. } = &call.kind else { continue };
        if args.iter().all(|arg| externals(arg).is_empty()) && !ready.contains(call) {
            ready.push(call.clone());
        }
    }
    ready
}

/// Stands for a call when it is asked which columns the rest reads.
fn nothing(call: &Expr) -> Expr {
    Expr::literal(millrace_process::graph::Value::Null, call.typed.ty.clone())
}

/// The place of an argument below the call.
fn place(below: &mut Outputs, arg: &Expr, input: &[Field]) -> usize {
    if let Some(known) = below.iter().position(|(_, known)| known == arg) {
        return known;
    }
    let name = match arg.kind {
        ExprKind::Column(column) => input[column].name.clone(),
        _ => format!("$arg{}", below.len()),
    };
    below.push((Field { name, typed: arg.typed.clone() }, arg.clone()));
    below.len() - 1
}
