//! Windows: the table functions TUMBLE, HOP, CUMULATE, SESSION, and their older form in `GROUP BY`.

use super::expr::ExprBinder;
use super::query::QueryBinder;
use super::scope::Scope;
use crate::error::{Span, SqlError};
use crate::plan::{Rel, RelColumn, RelOp, Role, Windowing};
use crate::tree::{self, Ident, TvfArg, TvfValue};
use millrace_base::did_you_mean;
use millrace_process::graph::{ExprKind, Value, Window};
use millrace_schema::{SqlType, Typed};

/// `GROUP BY TUMBLE(ts, INTERVAL …)`
pub(super) struct LegacyWindow {
    /// `TUMBLE`, `HOP`, `SESSION`
    pub name: String,
    pub args: Vec<tree::Expr>,
    pub window: Window,
    pub time: usize,
}

/// The parameters of each function, in order; the last of a longer call is optional.
fn parameters(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "TUMBLE" => &["DATA", "TIMECOL", "SIZE", "OFFSET"],
        "HOP" => &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"],
        "CUMULATE" => &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"],
        "SESSION" => &["DATA", "TIMECOL", "GAP"],
        _ => return None,
    })
}

impl QueryBinder<'_> {
    /// `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL …))`
    pub(super) fn table_function(&self, name: &Ident, args: &[TvfArg], span: Span) -> Result<Rel, SqlError> {
        let upper = name.name.to_ascii_uppercase();
        let Some(parameters) = parameters(&upper) else {
            return Err(SqlError::not_supported(name.span, format!("the table function {upper}"))
                .help_with(did_you_mean(&upper, ["TUMBLE", "HOP", "CUMULATE", "SESSION"])));
        };
        let args = arrange(&upper, parameters, args, span)?;
        let (data, partition) = match args.first().copied().flatten() {
            Some(TvfArg { value: TvfValue::Table(table, partition), .. }) => (self.table_ref(table)?, partition),
            Some(other) => {
                return Err(SqlError::invalid(other.span, format!("the first argument of {upper} is a table"))
                    .help("write TABLE t, or a query in brackets"));
            }
            None => return Err(missing(&upper, "DATA", span)),
        };
        let (rel, scope) = data;
        let time = self.time_column(&scope, args.get(1).copied().flatten(), &upper, span)?;
        let spans = args[2..].iter().map(|arg| arg.map(|arg| self.span_of(arg)).transpose());
        let spans = spans.collect::<Result<Vec<_>, _>>()?;
        let window = window_of(&upper, parameters, &spans, span)?;
        if !partition.is_empty() && upper != "SESSION" {
            return Err(SqlError::invalid(partition[0].span, format!("{upper} takes no PARTITION BY"))
                .help("keys stand in GROUP BY"));
        }
        let partition = partition
            .iter()
            .map(|key| match ExprBinder::new(&scope, "PARTITION BY").bind(key)?.kind {
                ExprKind::Column(index) => Ok(index),
                _ => Err(SqlError::not_supported(key.span, "PARTITION BY of an expression")),
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(windowed(rel, Windowing { id: self.context.fresh_window(), window, time, partition }))
    }

    fn time_column(&self, scope: &Scope, arg: Option<&TvfArg>, name: &str, span: Span) -> Result<usize, SqlError> {
        let Some(arg) = arg else { return Err(missing(name, "TIMECOL", span)) };
        let TvfValue::Descriptor(columns) = &arg.value else {
            return Err(SqlError::invalid(
                arg.span,
                format!("the second argument of {name} is DESCRIPTOR(time column)"),
            ));
        };
        let [column] = columns.as_slice() else {
            return Err(SqlError::invalid(arg.span, "DESCRIPTOR takes one time column here"));
        };
        let index = scope.position(column)?;
        check_time(scope, index, column.span)?;
        Ok(index)
    }

    fn span_of(&self, arg: &TvfArg) -> Result<i64, SqlError> {
        let TvfValue::Expr(expr) = &arg.value else {
            return Err(SqlError::invalid(arg.span, "this argument is an interval, as INTERVAL '1' MINUTE"));
        };
        interval_of(expr)
    }
}

/// A constant interval in milliseconds.
fn interval_of(expr: &tree::Expr) -> Result<i64, SqlError> {
    let bound = ExprBinder::new(&Scope::default(), "a window").bind(expr)?;
    match bound.kind {
        ExprKind::Literal(Value::IntervalMillis(millis)) => Ok(millis),
        ExprKind::Literal(Value::IntervalMonths(_)) => {
            Err(SqlError::invalid(expr.span, "windows of months or years do not exist")
                .help("months differ in length; use INTERVAL … DAY"))
        }
        _ => {
            Err(SqlError::invalid(expr.span, "this argument is a constant interval").help("write INTERVAL '1' MINUTE"))
        }
    }
}

/// Each parameter's argument, by position or by name.
fn arrange<'t>(
    function: &str,
    parameters: &[&str],
    args: &'t [TvfArg],
    span: Span,
) -> Result<Vec<Option<&'t TvfArg>>, SqlError> {
    if args.len() > parameters.len() {
        let surplus = args.get(parameters.len()).map_or(span, |arg| arg.span);
        return Err(SqlError::invalid(surplus, format!("{function} takes {} at most", parameters.join(", "))));
    }
    let mut out = vec![None; parameters.len()];
    for (nth, arg) in args.iter().enumerate() {
        let place = match &arg.name {
            None => nth,
            Some(name) => {
                let place = parameters.iter().position(|parameter| parameter.eq_ignore_ascii_case(&name.name));
                place.ok_or_else(|| {
                    let help = did_you_mean(&name.name, parameters.iter().copied());
                    SqlError::invalid(name.span, format!("{function} has no parameter '{}'", name.name))
                        .help_with(help.or_else(|| Some(format!("it has {}", parameters.join(", ")))))
                })?
            }
        };
        out[place] = Some(arg);
    }
    Ok(out)
}

fn missing(function: &str, parameter: &str, span: Span) -> SqlError {
    SqlError::invalid(span, format!("{function} lacks its argument {parameter}"))
        .help("as in TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))")
}

/// The window of a function with these spans, in the order of its parameters after DATA and TIMECOL.
fn window_of(name: &str, parameters: &[&str], spans: &[Option<i64>], span: Span) -> Result<Window, SqlError> {
    let given = |wanted: &str| {
        let at = parameters[2..].iter().position(|parameter| *parameter == wanted);
        at.and_then(|at| spans.get(at).copied().flatten())
    };
    let needed = |wanted: &str| given(wanted).ok_or_else(|| missing(name, wanted, span));
    let offset_ms = given("OFFSET").unwrap_or(0);
    let window = match name {
        "TUMBLE" => Window::Tumble { size_ms: needed("SIZE")?, offset_ms },
        "HOP" => {
            let (slide_ms, size_ms) = (needed("SLIDE")?, needed("SIZE")?);
            check_multiple("HOP table function based aggregate", ("size", size_ms), ("slide", slide_ms), span)?;
            Window::Hop { size_ms, slide_ms, offset_ms }
        }
        "CUMULATE" => {
            let (step_ms, size_ms) = (needed("STEP")?, needed("SIZE")?);
            check_multiple("CUMULATE table function based aggregate", ("maxSize", size_ms), ("step", step_ms), span)?;
            Window::Cumulate { size_ms, step_ms, offset_ms }
        }
        _ => Window::Session { gap_ms: needed("GAP")? },
    };
    check_positive(&window, span)?;
    Ok(window)
}

fn check_multiple(
    what: &str,
    (size_name, size): (&str, i64),
    (part_name, part): (&str, i64),
    span: Span,
) -> Result<(), SqlError> {
    if part > 0 && size % part == 0 {
        return Ok(());
    }
    Err(SqlError::invalid(
        span,
        format!(
            "{what} requires {size_name} must be an integral multiple of {part_name}, but got {size_name} {size} ms and {part_name} {part} ms"
        ),
    ))
}

fn check_positive(window: &Window, span: Span) -> Result<(), SqlError> {
    let least = match window {
        Window::Tumble { size_ms, .. } => *size_ms,
        Window::Hop { size_ms, slide_ms, .. } => *size_ms.min(slide_ms),
        Window::Cumulate { size_ms, step_ms, .. } => *size_ms.min(step_ms),
        Window::Session { gap_ms } => *gap_ms,
        Window::Attached { .. } => 1,
    };
    if least <= 0 { Err(SqlError::invalid(span, "a window's spans must be greater than zero")) } else { Ok(()) }
}

fn check_time(scope: &Scope, index: usize, span: Span) -> Result<(), SqlError> {
    let column = &scope.columns[index];
    if column.rowtime {
        return Ok(());
    }
    let (name, ty) = (&column.name, &column.typed.ty);
    let attributes: Vec<&str> = scope.columns.iter().filter(|c| c.rowtime).map(|c| c.name.as_str()).collect();
    let help = if attributes.is_empty() {
        format!("declare it in CREATE TABLE: WATERMARK FOR {name} AS {name} - INTERVAL '5' SECOND")
    } else {
        format!("the event time here is {}", attributes.join(", "))
    };
    Err(SqlError::invalid(
        span,
        format!("The window function requires the timecol is a time attribute type, but '{name}' is {ty}"),
    )
    .help(help))
}

/// The relation with `window_start`, `window_end`, `window_time`.
fn windowed(input: Rel, windowing: Windowing) -> Rel {
    let id = windowing.id;
    let mut columns: Vec<RelColumn> =
        input.columns.iter().map(|column| RelColumn { role: Role::None, rowtime: false, ..column.clone() }).collect();
    let time_type = input.columns[windowing.time].typed.ty.clone();
    let bound = |name: &str, role: Role| RelColumn {
        role,
        ..RelColumn::plain(name, Typed { ty: SqlType::Timestamp(3), nullable: false })
    };
    columns.push(bound("window_start", Role::Start(id)));
    columns.push(bound("window_end", Role::End(id)));
    let time = RelColumn::plain("window_time", Typed { ty: time_type, nullable: false });
    columns.push(RelColumn { rowtime: true, role: Role::Time(id), ..time });
    Rel { op: RelOp::Window(Box::new(input), windowing), columns }
}

/// `TUMBLE(ts, size)`, `HOP(ts, slide, size)`, `SESSION(ts, gap)` in GROUP BY; None when `expr` is something else.
pub(super) fn legacy_window(expr: &tree::Expr, scope: &Scope) -> Result<Option<LegacyWindow>, SqlError> {
    let tree::ExprKind::Call(name, args, options) = &expr.kind else { return Ok(None) };
    let upper = name.to_ascii_uppercase();
    let Some(parameters) = parameters(&upper).filter(|_| !options.operator) else { return Ok(None) };
    let wanted = if upper == "HOP" { 3 } else { 2 };
    if upper == "CUMULATE" {
        return Err(SqlError::invalid(expr.span, "CUMULATE is no group window").help(
            "write FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), step, size)) and GROUP BY window_start, window_end",
        ));
    }
    if args.len() != wanted {
        if args.len() == wanted + 1 {
            return Err(SqlError::not_supported(args[wanted].span, "an alignment of a group window")
                .help("the table function TUMBLE takes an offset"));
        }
        return Err(SqlError::invalid(expr.span, format!("{upper} in GROUP BY takes {wanted} arguments")));
    }
    let time = match ExprBinder::new(scope, "a window").bind(&args[0])?.kind {
        ExprKind::Column(index) => index,
        _ => {
            return Err(SqlError::invalid(
                args[0].span,
                "Window aggregate can only be defined over a time attribute column",
            )
            .help("compute the column in CREATE TABLE and declare WATERMARK FOR it"));
        }
    };
    check_time(scope, time, args[0].span)?;
    let spans = args[1..].iter().map(|arg| interval_of(arg).map(Some)).collect::<Result<Vec<_>, _>>()?;
    let window = match (upper.as_str(), spans.as_slice()) {
        ("HOP", [Some(slide_ms), Some(size_ms)]) => {
            Window::Hop { size_ms: *size_ms, slide_ms: *slide_ms, offset_ms: 0 }
        }
        _ => window_of(&upper, parameters, &spans, expr.span)?,
    };
    check_positive(&window, expr.span)?;
    Ok(Some(LegacyWindow { name: upper, args: args.clone(), window, time }))
}
