//! Functions outside the engine: their declarations, and calls of them.

use super::aggregate::is_aggregate;
use super::expr::coerce;
use super::function::WINDOW_AUXILIARY;
use crate::error::{Span, SqlError};
use crate::settings::duration_ms;
use crate::tree::{CallOptions, CreateFunction, Text};
use millrace_base::did_you_mean;
use millrace_process::functions::is_implicit_cast;
use millrace_process::graph::{Expr, ExprKind, ExternalFunction, OnError};
use millrace_schema::{SqlType, Typed};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

const OPTIONS: [&str; 5] = ["batch.rows", "in-flight", "timeout", "retries", "on-error"];
/// Rows of a request, when nothing is said.
const BATCH_ROWS: usize = 100;
/// Requests of a lane at a time, when nothing is said.
const IN_FLIGHT: usize = 4;
const TIMEOUT_MS: u64 = 60_000;
/// Lambda's own limit of an invocation.
const TIMEOUT_MS_MAX: i64 = 900_000;
const RETRIES: u32 = 3;

/// The declared functions, by their names in lower case. Cheap to clone.
pub(crate) type Functions = Arc<BTreeMap<String, Arc<ExternalFunction>>>;

/// What a `CREATE EXTERNAL FUNCTION` declares.
pub(crate) fn bind_function(create: &CreateFunction) -> Result<ExternalFunction, SqlError> {
    let name = create.name.resolved();
    let upper = name.to_ascii_uppercase();
    let built_in = millrace_process::functions::names().iter().any(|known| known.eq_ignore_ascii_case(&name));
    if built_in || is_aggregate(&upper) || WINDOW_AUXILIARY.contains(&upper.as_str()) {
        return Err(SqlError::invalid(create.name.span, format!("{upper} is a built-in function"))
            .help("give your function another name"));
    }
    check_lambda(&create.lambda)?;
    for (typed, span) in create.parameters.iter().chain([&create.returns]) {
        check_type(&typed.ty, *span)?;
    }
    let mut function = ExternalFunction {
        name,
        parameters: create.parameters.iter().map(|(typed, _)| typed.clone()).collect(),
        returns: create.returns.0.clone(),
        lambda: create.lambda.value.clone(),
        batch_rows: BATCH_ROWS,
        in_flight: IN_FLIGHT,
        timeout_ms: TIMEOUT_MS,
        retries: RETRIES,
        on_error: OnError::Fail,
    };
    for (key, value) in &create.options {
        option(&mut function, key, value)?;
    }
    if function.on_error == OnError::Null && !function.returns.nullable {
        return Err(SqlError::invalid(create.returns.1, "a function WITH ('on-error' = 'null') may give NULL")
            .help("RETURNS the type without NOT NULL"));
    }
    Ok(function)
}

fn option(function: &mut ExternalFunction, key: &Text, value: &Text) -> Result<(), SqlError> {
    let wrong =
        |wanted: &str| SqlError::invalid(value.span, format!("'{}' takes {wanted}, not '{}'", key.value, value.value));
    let number = |range: RangeInclusive<usize>| {
        let parsed = value.value.parse::<usize>().ok().filter(|number| range.contains(number));
        parsed.ok_or_else(|| wrong(&format!("a number from {} to {}", range.start(), range.end())))
    };
    match key.value.as_str() {
        "batch.rows" => function.batch_rows = number(1..=10_000)?,
        "in-flight" => function.in_flight = number(1..=100)?,
        "retries" => function.retries = number(0..=100)? as u32,
        "timeout" => match duration_ms(&value.value).filter(|millis| (1..=TIMEOUT_MS_MAX).contains(millis)) {
            Some(millis) => function.timeout_ms = millis as u64,
            None => return Err(wrong("a duration up to 15 min, such as '30 s'")),
        },
        "on-error" => match value.value.to_ascii_lowercase().as_str() {
            "fail" => function.on_error = OnError::Fail,
            "null" => function.on_error = OnError::Null,
            _ => return Err(wrong("'fail' or 'null'")),
        },
        other => {
            let listed = format!("there are {}", OPTIONS.join(", "));
            return Err(SqlError::invalid(key.span, format!("an external function has no option '{other}'"))
                .help_with(did_you_mean(other, OPTIONS).or(Some(listed))));
        }
    }
    Ok(())
}

/// A name or an ARN, perhaps with a version or an alias.
fn check_lambda(lambda: &Text) -> Result<(), SqlError> {
    let text = lambda.value.as_str();
    let legal = |text: &str| {
        let char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !text.is_empty() && text.len() <= 128 && text.chars().all(char)
    };
    let rest = match text.strip_prefix("arn:") {
        None => Some(text),
        // arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]
        Some(arn) => match arn.splitn(6, ':').collect::<Vec<_>>().as_slice() {
            [_, "lambda", region, account, "function", rest] if legal(region) && legal(account) => Some(*rest),
            _ => None,
        },
    };
    let fine = rest.is_some_and(|rest| match rest.split_once(':') {
        None => legal(rest),
        Some((name, qualifier)) => legal(name) && (qualifier == "$LATEST" || legal(qualifier)),
    });
    match fine {
        true => Ok(()),
        false => Err(SqlError::invalid(lambda.span, format!("'{text}' is no name or ARN of a Lambda function"))
            .help("write 'name', 'name:alias' or 'arn:aws:lambda:REGION:ACCOUNT:function:name'")),
    }
}

fn check_type(ty: &SqlType, span: Span) -> Result<(), SqlError> {
    use SqlType as T;
    match ty {
        T::Boolean | T::TinyInt | T::SmallInt | T::Int | T::BigInt | T::Float | T::Double | T::Decimal(..) => Ok(()),
        T::Char(_) | T::Varchar(_) | T::Date | T::Time(_) | T::Timestamp(_) | T::TimestampLtz(_) => Ok(()),
        other => Err(SqlError::not_supported(span, format!("{other} in an external function"))
            .help("numbers, texts, BOOLEAN, DATE, TIME and TIMESTAMP work; hand the rest over as JSON text")),
    }
}

/// A call, its arguments coerced as Flink does.
pub(super) fn external_call(
    function: &Arc<ExternalFunction>,
    args: Vec<Expr>,
    options: &CallOptions,
    span: Span,
) -> Result<Expr, SqlError> {
    let name = &function.name;
    let shape = || {
        let types: Vec<String> = function.parameters.iter().map(|typed| typed.ty.to_string()).collect();
        format!("{name}({})", types.join(", "))
    };
    if options.star || options.distinct || options.filter.is_some() {
        return Err(SqlError::invalid(
            span,
            format!("{name} is no aggregate function: *, DISTINCT and FILTER do not apply"),
        )
        .help(format!("it is declared as {}", shape())));
    }
    if args.len() != function.parameters.len() {
        let message = format!("{name} takes {} arguments, not {}", function.parameters.len(), args.len());
        return Err(SqlError::invalid(span, message).help(format!("it is declared as {}", shape())));
    }
    let bind = |(nth, (arg, to)): (usize, (Expr, &Typed))| {
        if !is_implicit_cast(&arg.typed.ty, &to.ty) {
            let message = format!("argument {} of {name} is {}, not {}", nth + 1, arg.typed.ty, to.ty);
            return Err(SqlError::invalid(span, message).help(format!("CAST it: it is declared as {}", shape())));
        }
        Ok(coerce(arg, to))
    };
    let args = args.into_iter().zip(&function.parameters).enumerate().map(bind).collect::<Result<_, _>>()?;
    let typed = function.returns.clone();
    Ok(Expr { kind: ExprKind::External { function: function.clone(), args }, typed })
}
