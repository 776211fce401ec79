//! Function calls: what is not in the registry is explained.

use super::aggregate::is_aggregate;
use super::expr::{ExprBinder, call};
use super::external::external_call;
use crate::error::{Span, SqlError};
use crate::tree::{self, CallOptions};
use millrace_process::graph::{Expr, ExprKind, Value};

/// Functions that Flink has for windows and processing time.
const LATER: [&str; 4] = ["CURRENT_WATERMARK", "SOURCE_WATERMARK", "TUMBLE_PROCTIME", "HOP_PROCTIME"];

/// Auxiliary functions of `GROUP BY TUMBLE(…)`.
pub(super) const WINDOW_AUXILIARY: [&str; 9] = [
    "TUMBLE_START",
    "TUMBLE_END",
    "TUMBLE_ROWTIME",
    "HOP_START",
    "HOP_END",
    "HOP_ROWTIME",
    "SESSION_START",
    "SESSION_END",
    "SESSION_ROWTIME",
];

impl ExprBinder<'_, '_> {
    pub(super) fn bind_call(
        &mut self,
        name: &str,
        args: &[tree::Expr],
        options: &CallOptions,
        span: Span,
    ) -> Result<Expr, SqlError> {
        if !options.operator
            && let Some(function) = self.scope.functions.get(&name.to_lowercase())
        {
            return external_call(&function.clone(), self.bind_all(args)?, options, span);
        }
        if !options.operator {
            self.check(name, options, span)?;
        }
        let args = self.bind_all(args)?;
        if name == "-"
            && let [arg] = args.as_slice()
            && let Some(negated) = negated(arg)
        {
            return Ok(negated);
        }
        call(name, args, span)
    }

    fn check(&self, name: &str, options: &CallOptions, span: Span) -> Result<(), SqlError> {
        let upper = name.to_ascii_uppercase();
        if LATER.contains(&upper.as_str()) {
            return Err(SqlError::not_supported(span, format!("the function {upper}"))
                .help("windows need event time: declare WATERMARK FOR a time column in CREATE TABLE"));
        }
        if WINDOW_AUXILIARY.contains(&upper.as_str()) {
            return Err(SqlError::invalid(span, format!("{upper} needs a GROUP BY with the same window"))
                .help("group by TUMBLE(…), HOP(…) or SESSION(…) with the same arguments"));
        }
        if matches!(upper.as_str(), "TUMBLE" | "HOP" | "SESSION" | "CUMULATE") {
            return Err(SqlError::invalid(span, format!("the window {upper} may stand in GROUP BY or FROM only"))
                .help("FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)), or GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)"));
        }
        if is_aggregate(&upper) {
            return Err(SqlError::invalid(
                span,
                format!("the aggregate function {upper} is not allowed in {}", self.clause),
            )
            .help("conditions on aggregates stand in HAVING"));
        }
        if options.star || options.distinct || options.filter.is_some() {
            return Err(SqlError::invalid(
                span,
                format!("{upper} is no aggregate function: *, DISTINCT and FILTER do not apply"),
            ));
        }
        Ok(())
    }
}

/// A negative constant.
fn negated(arg: &Expr) -> Option<Expr> {
    let ExprKind::Literal(value) = &arg.kind else { return None };
    let value = match value {
        Value::Int(v) => Value::Int(v.checked_neg()?),
        Value::Decimal(v) => Value::Decimal(v.checked_neg()?),
        Value::Float(v) => Value::Float(-v),
        _ => return None,
    };
    Some(Expr::literal(value, arg.typed.ty.clone()))
}
