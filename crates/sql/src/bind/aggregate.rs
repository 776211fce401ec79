//! Grouping: `GROUP BY`, aggregate functions and what may stand beside them.

use super::expr::{ExprBinder, coerce};
use super::function::WINDOW_AUXILIARY;
use super::scope::Scope;
use super::window::LegacyWindow;
use crate::error::{Span, SqlError};
use crate::plan::{Grouping, Rel, RelColumn, RelOp, Role};
use crate::tree::{self, CallOptions, ExprKind as Ast};
use millrace_process::aggregates::{self, AggregateCall};
use millrace_process::graph::{Expr, WindowProperty};
use millrace_schema::{SqlType, Typed};

/// Aggregates and ranking functions that Flink has and Millrace has not yet.
const LATER: [&str; 24] = [
    "LISTAGG",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "VAR_POP",
    "VAR_SAMP",
    "VARIANCE",
    "COLLECT",
    "ARRAY_AGG",
    "RANK",
    "DENSE_RANK",
    "ROW_NUMBER",
    "PERCENT_RANK",
    "CUME_DIST",
    "NTILE",
    "LEAD",
    "LAG",
    "JSON_ARRAYAGG",
    "JSON_OBJECTAGG",
    "APPROX_COUNT_DISTINCT",
    "PERCENTILE",
    "STRING_AGG",
    "GROUPING",
    "GROUP_ID",
];

/// Until all are known, aggregates are columns from here on…
const AGGREGATES_AT: usize = 1 << 20;
/// …and window properties from here on.
const PROPERTIES_AT: usize = 1 << 21;

/// Whether a name in upper case is an aggregate function's.
pub(super) fn is_aggregate(upper: &str) -> bool {
    (aggregates::NAMES.contains(&upper) || LATER.contains(&upper)) && upper != "GROUPING"
}

/// Whether an aggregate stands anywhere in `expr`.
pub(super) fn has_aggregate(expr: &tree::Expr) -> bool {
    expr.any(&|inner| matches!(&inner.kind, Ast::Call(name, _, options) if !options.operator && is_aggregate(&name.to_ascii_uppercase())))
}

fn has_auxiliary(expr: &tree::Expr) -> bool {
    let is_auxiliary = |name: &str| WINDOW_AUXILIARY.iter().any(|auxiliary| auxiliary.eq_ignore_ascii_case(name));
    expr.any(&|inner| matches!(&inner.kind, Ast::Call(name, ..) if is_auxiliary(name)))
}

/// A grouping that is being bound.
pub(super) struct Grouped<'g> {
    input: &'g Scope,
    /// The grouping keys over the input, in order.
    keys: Vec<Expr>,
    legacy: Option<LegacyWindow>,
    /// What is computed before grouping: the keys, then arguments and filters.
    before: Vec<(String, Expr)>,
    aggs: Vec<AggregateCall>,
    props: Vec<WindowProperty>,
}

impl<'g> Grouped<'g> {
    pub fn new(input: &'g Scope, keys: Vec<(String, Expr)>, legacy: Option<LegacyWindow>) -> Self {
        let bound = keys.iter().map(|(_, key)| key.clone()).collect();
        Self { input, keys: bound, legacy, before: keys, aggs: Vec::new(), props: Vec::new() }
    }

    /// What `expr` is over the grouping: a key, an aggregate, a property of the window; None: look inside it.
    pub fn take(&mut self, expr: &tree::Expr) -> Result<Option<Expr>, SqlError> {
        if let Ast::Call(name, args, options) = &expr.kind {
            let upper = name.to_ascii_uppercase();
            if WINDOW_AUXILIARY.contains(&upper.as_str()) && self.legacy.is_some() {
                return self.property(&upper, args, expr.span).map(Some);
            }
            if !options.operator && is_aggregate(&upper) {
                return self.aggregate(&upper, args, options, expr.span).map(Some);
            }
        }
        if has_aggregate(expr) || has_auxiliary(expr) {
            return Ok(None);
        }
        let is_name = matches!(expr.kind, Ast::Name(_));
        match ExprBinder::new(self.input, "GROUP BY").bind(expr) {
            Ok(bound) => {
                if let Some(key) = self.keys.iter().position(|key| *key == bound) {
                    return Ok(Some(Expr::column(key, bound.typed)));
                }
                if is_name { Err(not_grouped(expr)) } else { Ok(None) }
            }
            Err(error) if is_name => Err(error),
            Err(_) => Ok(None),
        }
    }

    fn aggregate(
        &mut self,
        name: &str,
        args: &[tree::Expr],
        options: &CallOptions,
        span: Span,
    ) -> Result<Expr, SqlError> {
        if LATER.contains(&name) {
            return Err(SqlError::not_supported(span, format!("the function {name}")));
        }
        if let Some(inner) = args.iter().find(|arg| has_aggregate(arg)) {
            return Err(SqlError::invalid(inner.span, "Aggregate expressions cannot be nested"));
        }
        if options.star && name != "COUNT" || args.is_empty() && !options.star {
            return Err(SqlError::invalid(span, format!("{name} needs a column to aggregate")));
        }
        let bound = ExprBinder::new(self.input, "an aggregate").bind_all(args)?;
        let types: Vec<Typed> = bound.iter().map(|arg| arg.typed.clone()).collect();
        let resolved = aggregates::resolve(name, &types).map_err(|message| SqlError::invalid(span, message))?;
        let mut columns = Vec::new();
        for (arg, to) in bound.into_iter().zip(&resolved.args) {
            columns.push(self.computed(coerce(arg, to)));
        }
        let filter = match &options.filter {
            Some(filter) => {
                let condition = ExprBinder::new(self.input, "FILTER").condition(filter)?;
                Some(self.computed(condition))
            }
            None => None,
        };
        let call = AggregateCall {
            function: resolved.function,
            distinct: options.distinct,
            args: columns,
            filter,
            result: resolved.result.clone(),
        };
        let index = self.aggs.iter().position(|known| *known == call).unwrap_or(self.aggs.len());
        if index == self.aggs.len() {
            self.aggs.push(call);
        }
        Ok(Expr::column(AGGREGATES_AT + index, resolved.result))
    }

    /// The column before grouping that holds `expr`.
    fn computed(&mut self, expr: Expr) -> usize {
        if let Some(known) = self.before.iter().position(|(_, before)| *before == expr) {
            return known;
        }
        let name = match expr.kind {
            millrace_process::graph::ExprKind::Column(index) => self.input.columns[index].name.clone(),
            _ => format!("$f{}", self.before.len()),
        };
        self.before.push((name, expr));
        self.before.len() - 1
    }

    fn property(&mut self, name: &str, args: &[tree::Expr], span: Span) -> Result<Expr, SqlError> {
        let Some(legacy) = &self.legacy else {
            return Err(SqlError::invalid(span, format!("{name} needs a window in GROUP BY")));
        };
        let same_name = name.split('_').next() == Some(legacy.name.as_str());
        let same_args = args.len() == legacy.args.len() && args.iter().zip(&legacy.args).all(|(a, b)| a.same(b));
        if !same_name || !same_args {
            return Err(SqlError::invalid(span, format!("{name} does not belong to the window in GROUP BY"))
                .help(format!("it takes the same arguments as {} in GROUP BY", legacy.name)));
        }
        let time = legacy.time;
        let (property, ty) = match name.rsplit('_').next() {
            Some("START") => (WindowProperty::Start, SqlType::Timestamp(3)),
            Some("END") => (WindowProperty::End, SqlType::Timestamp(3)),
            _ => (WindowProperty::Rowtime, self.input.columns[time].typed.ty.clone()),
        };
        let index = self.props.iter().position(|known| *known == property).unwrap_or(self.props.len());
        if index == self.props.len() {
            self.props.push(property);
        }
        Ok(Expr::column(PROPERTIES_AT + index, Typed { ty, nullable: false }))
    }

    /// The grouped relation.
    pub fn finish(self, input: Rel, allowed_lateness_ms: i64) -> Rel {
        let Self { keys, legacy, mut before, aggs, props, .. } = self;
        let legacy = legacy.map(|legacy| {
            let time = input.column(legacy.time);
            let column = before.iter().position(|(_, expr)| *expr == time).unwrap_or(before.len());
            if column == before.len() {
                before.push((input.columns[legacy.time].name.clone(), time));
            }
            (legacy.window, column)
        });
        let computed = input.project(before);
        let mut columns: Vec<RelColumn> = computed.columns[..keys.len()].to_vec();
        let windowed = columns.iter().any(|start| match start.role {
            Role::Start(id) => columns.iter().any(|end| end.role == Role::End(id)),
            _ => false,
        });
        for column in &mut columns {
            column.role = if windowed { column.role } else { Role::None };
            column.rowtime = matches!(column.role, Role::Time(_));
        }
        let is_legacy = legacy.is_some();
        columns.extend(
            aggs.iter().enumerate().map(|(nth, agg)| RelColumn::plain(&format!("EXPR${nth}"), agg.result.clone())),
        );
        for property in &props {
            let time = legacy.as_ref().map(|(_, time)| computed.columns[*time].typed.ty.clone());
            columns.push(property_column(*property, time));
        }
        let allowed_lateness_ms = if is_legacy { allowed_lateness_ms } else { 0 };
        let grouping = Grouping { keys: (0..keys.len()).collect(), aggs, legacy, props, allowed_lateness_ms };
        Rel { op: RelOp::Aggregate(Box::new(computed), grouping), columns }
    }

    /// Where a column of a bound expression stands in [`Self::finish`]'s relation.
    pub fn place(&self) -> impl Fn(usize) -> usize + use<> {
        let (keys, aggs) = (self.keys.len(), self.aggs.len());
        move |column| match column {
            at if at >= PROPERTIES_AT => keys + aggs + at - PROPERTIES_AT,
            at if at >= AGGREGATES_AT => keys + at - AGGREGATES_AT,
            key => key,
        }
    }
}

fn property_column(property: WindowProperty, time: Option<SqlType>) -> RelColumn {
    let (name, ty, rowtime) = match property {
        WindowProperty::Start => ("window_start", SqlType::Timestamp(3), false),
        WindowProperty::End => ("window_end", SqlType::Timestamp(3), false),
        WindowProperty::Rowtime => ("window_time", time.unwrap_or(SqlType::Timestamp(3)), true),
    };
    RelColumn { rowtime, ..RelColumn::plain(name, Typed { ty, nullable: false }) }
}

fn not_grouped(expr: &tree::Expr) -> SqlError {
    let name = match &expr.kind {
        Ast::Name(parts) => parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join("."),
        _ => String::new(),
    };
    SqlError::invalid(expr.span, format!("Expression '{name}' is not being grouped"))
        .help(format!("add `{name}` to GROUP BY, or aggregate it, as in MAX({name})"))
}
