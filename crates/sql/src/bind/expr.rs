//! Expressions: names, types, implicit coercions.

use super::aggregate::Grouped;
use super::literal;
use super::scope::{Scope, field_of};
use crate::error::{Span, SqlError};
use crate::tree::{self, ExprKind as Ast};
use millrace_process::functions::{common_type, resolve_with};
use millrace_process::graph::{Expr, ExprKind, Value};
use millrace_process::is_castable;
use millrace_schema::{SqlType, Typed};

/// Binds expressions over the columns in scope; over a grouping when there is one.
pub(super) struct ExprBinder<'a, 'g> {
    pub scope: &'a Scope,
    /// Where the expression stands, for messages: `WHERE`, `a computed column`.
    pub clause: &'static str,
    pub grouped: Option<&'a mut Grouped<'g>>,
}

impl<'a, 'g> ExprBinder<'a, 'g> {
    pub fn new(scope: &'a Scope, clause: &'static str) -> Self {
        Self { scope, clause, grouped: None }
    }

    pub fn bind(&mut self, expr: &tree::Expr) -> Result<Expr, SqlError> {
        if let Some(grouped) = self.grouped.as_mut()
            && let Some(found) = grouped.take(expr)?
        {
            return Ok(found);
        }
        match &expr.kind {
            Ast::Name(parts) => self.scope.resolve(parts),
            Ast::Null => Ok(literal::null()),
            Ast::Boolean(value) => Ok(Expr::literal(Value::Boolean(*value), SqlType::Boolean)),
            Ast::Integer(text) => literal::integer(text, expr.span),
            Ast::Decimal(text) => literal::decimal(text, expr.span),
            Ast::Approximate(text) => literal::approximate(text, expr.span),
            Ast::Text(text) => Ok(literal::text(text)),
            Ast::Moment(keyword, text) => literal::moment(keyword, text, expr.span),
            Ast::Interval(negated, text, unit, last) => literal::interval(*negated, text, unit, *last, expr.span),
            Ast::Unit(unit) => Ok(literal::text(unit)),
            Ast::Call(name, args, options) => self.bind_call(name, args, options, expr.span),
            Ast::Cast(input, typed, try_) => self.cast(input, typed, *try_, expr.span),
            Ast::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref(), expr.span)
            }
            Ast::InList(input, list, negated) => self.in_list(input, list, *negated, expr.span),
            Ast::Row(items) => self.call_all("ROW", items, expr.span),
            Ast::Array(items) => self.call_all("ARRAY", items, expr.span),
            Ast::Map(items) => self.call_all("MAP", items, expr.span),
            Ast::Index(input, index) => {
                let args = vec![self.bind(input)?, self.bind(index)?];
                call("ITEM", args, expr.span)
            }
            Ast::Field(input, name) => field_of(self.bind(input)?, name),
        }
    }

    /// A condition: BOOLEAN, or NULL.
    pub fn condition(&mut self, expr: &tree::Expr) -> Result<Expr, SqlError> {
        let bound = self.bind(expr)?;
        match bound.typed.ty {
            SqlType::Boolean => Ok(bound),
            SqlType::Null => Ok(Expr::literal(Value::Null, SqlType::Boolean)),
            ref other => {
                let what = format!("{} must be a condition, this is {other}", self.clause);
                Err(SqlError::invalid(expr.span, what).help("compare it with something, as in `a > 0`"))
            }
        }
    }

    pub fn bind_all(&mut self, exprs: &[tree::Expr]) -> Result<Vec<Expr>, SqlError> {
        exprs.iter().map(|expr| self.bind(expr)).collect()
    }

    fn call_all(&mut self, name: &str, args: &[tree::Expr], span: Span) -> Result<Expr, SqlError> {
        let args = self.bind_all(args)?;
        call(name, args, span)
    }

    fn cast(&mut self, input: &tree::Expr, typed: &Typed, try_: bool, span: Span) -> Result<Expr, SqlError> {
        let input = self.bind(input)?;
        if input.kind == ExprKind::Literal(Value::Null) {
            return Ok(Expr::literal(Value::Null, typed.ty.clone()));
        }
        if input.typed.ty == typed.ty {
            return Ok(input);
        }
        if !is_castable(&input.typed.ty, &typed.ty) {
            let message = format!("Cast function cannot convert value of type {} to type {}", input.typed.ty, typed.ty);
            return Err(SqlError::invalid(span, message));
        }
        let typed = Typed { ty: typed.ty.clone(), nullable: input.typed.nullable || try_ };
        Ok(Expr { kind: ExprKind::Cast { input: Box::new(input), try_ }, typed })
    }

    fn case(
        &mut self,
        operand: Option<&tree::Expr>,
        branches: &[(tree::Expr, tree::Expr)],
        otherwise: Option<&tree::Expr>,
        span: Span,
    ) -> Result<Expr, SqlError> {
        let clause = std::mem::replace(&mut self.clause, "WHEN");
        let mut bound = Vec::new();
        for (when, then) in branches {
            let condition = match operand {
                None => self.condition(when)?,
                Some(operand) => self.equals_any(operand, when)?,
            };
            bound.push((condition, self.bind(then)?));
        }
        let otherwise = match otherwise {
            Some(otherwise) => self.bind(otherwise)?,
            None => literal::null(),
        };
        self.clause = clause;
        let values = bound.iter().map(|(_, then)| then).chain([&otherwise]);
        let ty = common(values.map(|value| &value.typed.ty), span, "CASE")?;
        let nullable = otherwise.typed.nullable || bound.iter().any(|(_, then)| then.typed.nullable);
        let to = Typed { ty, nullable };
        let branches = bound.into_iter().map(|(when, then)| (when, coerce(then, &to))).collect();
        Ok(Expr { kind: ExprKind::Case { branches, otherwise: Some(Box::new(coerce(otherwise, &to))) }, typed: to })
    }

    /// `operand = when`, or one of a list of them.
    fn equals_any(&mut self, operand: &tree::Expr, when: &tree::Expr) -> Result<Expr, SqlError> {
        let list = match &when.kind {
            Ast::Row(items) if !matches!(operand.kind, Ast::Row(_)) => items.as_slice(),
            _ => std::slice::from_ref(when),
        };
        let mut any: Option<Expr> = None;
        for item in list {
            let args = vec![self.bind(operand)?, self.bind(item)?];
            let equal = call("=", args, item.span)?;
            any = Some(match any {
                None => equal,
                Some(before) => call("OR", vec![before, equal], item.span)?,
            });
        }
        any.ok_or_else(|| SqlError::syntax(when.span, "WHEN needs a value"))
    }

    fn in_list(
        &mut self,
        input: &tree::Expr,
        list: &[tree::Expr],
        negated: bool,
        span: Span,
    ) -> Result<Expr, SqlError> {
        let mut args = vec![self.bind(input)?];
        args.extend(self.bind_all(list)?);
        call(if negated { "NOT IN" } else { "IN" }, args, span)
    }
}

/// The type that all of `types` are brought to.
pub(super) fn common<'t>(
    mut types: impl Iterator<Item = &'t SqlType>,
    span: Span,
    what: &str,
) -> Result<SqlType, SqlError> {
    let first = types.next().cloned().unwrap_or(SqlType::Null);
    types.try_fold(first, |a, b| {
        common_type(&a, b).ok_or_else(|| {
            SqlError::invalid(span, format!("{what} mixes {a} and {b}, which have no common type"))
                .help("CAST one of them")
        })
    })
}

/// A call of a function of the registry, its arguments coerced.
pub(super) fn call(name: &str, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    check_comparison(name, &args, span)?;
    let types: Vec<Typed> = args.iter().map(|arg| arg.typed.clone()).collect();
    let literals: Vec<Option<Value>> = args
        .iter()
        .map(|arg| match &arg.kind {
            ExprKind::Literal(value) => Some(value.clone()),
            _ => None,
        })
        .collect();
    let resolved = resolve_with(name, &types, &literals).map_err(|message| SqlError::invalid(span, message))?;
    let args = args.into_iter().zip(&resolved.args).map(|(arg, to)| coerce(arg, to)).collect();
    Ok(Expr { kind: ExprKind::Call { function: resolved.function, args }, typed: resolved.result })
}

/// Flink compares texts with texts only (and with times, which it reads from them).
fn check_comparison(name: &str, args: &[Expr], span: Span) -> Result<(), SqlError> {
    let [left, right] = args else { return Ok(()) };
    if !matches!(name, "=" | "<>" | "<" | "<=" | ">" | ">=") {
        return Ok(());
    }
    let is_text = |ty: &SqlType| matches!(ty, SqlType::Char(_) | SqlType::Varchar(_));
    let is_number = |ty: &SqlType| {
        use SqlType as T;
        matches!(ty, T::TinyInt | T::SmallInt | T::Int | T::BigInt | T::Float | T::Double | T::Decimal(..))
    };
    let (a, b) = (&left.typed.ty, &right.typed.ty);
    if !(is_text(a) && is_number(b) || is_number(a) && is_text(b)) {
        return Ok(());
    }
    let kind = |ty: &SqlType| ty.to_string().split('(').next().unwrap_or_default().replace("STRING", "VARCHAR");
    let message = format!("implicit type conversion between {} and {} is not supported now", kind(a), kind(b));
    Err(SqlError::invalid(span, message).help("CAST one side to the type of the other"))
}

/// `expr` with the type `to`; a literal is converted here rather than for every row.
pub(crate) fn coerce(expr: Expr, to: &Typed) -> Expr {
    if expr.typed.ty == to.ty {
        return expr;
    }
    if let ExprKind::Literal(value) = &expr.kind
        && let Some(value) = converted(value, &expr.typed.ty, &to.ty)
    {
        return Expr::literal(value, to.ty.clone());
    }
    expr.coerced(to)
}

fn converted(value: &Value, from: &SqlType, to: &SqlType) -> Option<Value> {
    match (value, from, to) {
        (Value::Null, ..) => Some(Value::Null),
        (Value::Int(v), _, SqlType::BigInt) => Some(Value::Int(*v)),
        (Value::Int(v), _, SqlType::Double) => Some(Value::Float(*v as f64)),
        (Value::Int(v), _, SqlType::Decimal(precision, scale)) => {
            let scaled = i128::from(*v).checked_mul(10_i128.checked_pow(u32::try_from(*scale).ok()?)?)?;
            let fits = scaled.unsigned_abs() < 10_u128.checked_pow(u32::from(*precision))?;
            fits.then_some(Value::Decimal(scaled))
        }
        (Value::Decimal(v), SqlType::Decimal(_, scale), SqlType::Double) => {
            format!("{v}e-{scale}").parse().ok().map(Value::Float)
        }
        (Value::String(text), SqlType::Char(_), SqlType::Varchar(length))
            if text.chars().count() <= *length as usize =>
        {
            Some(Value::String(text.clone()))
        }
        _ => None,
    }
}
