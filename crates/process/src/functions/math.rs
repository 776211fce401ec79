//! Arithmetic and mathematics.

use super::signature::{
    Args, Call, Entry, Param, Signature, all, as_decimal, is_approximate, is_integer, is_numeric, is_text,
};
use super::time as clock;
use crate::eval::EvalError;
use crate::number::{TEN, adjusted, decimal_binary, rescale, round_double};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, Float64Array, PrimitiveArray, PrimitiveBuilder,
};
use arrow::datatypes::{
    ArrowNativeTypeOp, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType,
};
use millrace_schema::{SqlType, Typed};
use std::sync::Arc;

pub(super) const TABLE: &[Entry] = &[
    Entry { name: "+", sign: sign_arithmetic, eval: eval_arithmetic::<'+'> },
    Entry { name: "-", sign: sign_arithmetic, eval: eval_arithmetic::<'-'> },
    Entry { name: "*", sign: sign_arithmetic, eval: eval_arithmetic::<'*'> },
    Entry { name: "/", sign: sign_arithmetic, eval: eval_arithmetic::<'/'> },
    Entry { name: "%", sign: sign_arithmetic, eval: eval_arithmetic::<'%'> },
    Entry { name: "MOD", sign: sign_arithmetic, eval: eval_arithmetic::<'%'> },
    Entry { name: "ABS", sign: sign_same, eval: |call| unary(call, Unary::Abs) },
    Entry { name: "SIGN", sign: sign_same, eval: |call| unary(call, Unary::Sign) },
    Entry { name: "FLOOR", sign: sign_floor, eval: |call| floor(call, Unary::Floor) },
    Entry { name: "CEIL", sign: sign_floor, eval: |call| floor(call, Unary::Ceil) },
    Entry { name: "CEILING", sign: sign_floor, eval: |call| floor(call, Unary::Ceil) },
    Entry { name: "ROUND", sign: sign_round, eval: |call| round(call, false) },
    Entry { name: "TRUNCATE", sign: sign_round, eval: |call| round(call, true) },
    Entry { name: "POWER", sign: sign_two, eval: |call| doubles(call, |x| power(x[0], x[1])) },
    Entry { name: "ATAN2", sign: sign_two, eval: |call| doubles(call, |x| x[0].atan2(x[1])) },
    Entry { name: "SQRT", sign: sign_one, eval: |call| doubles(call, |x| x[0].sqrt()) },
    Entry { name: "EXP", sign: sign_one, eval: |call| doubles(call, |x| x[0].exp()) },
    Entry { name: "LN", sign: sign_one, eval: |call| doubles(call, |x| x[0].ln()) },
    Entry { name: "LOG10", sign: sign_one, eval: |call| doubles(call, |x| x[0].log10()) },
    Entry { name: "LOG2", sign: sign_one, eval: |call| doubles(call, |x| x[0].ln() / std::f64::consts::LN_2) },
    Entry { name: "LOG", sign: sign_log, eval: |call| doubles(call, logarithm) },
    Entry { name: "SIN", sign: sign_one, eval: |call| doubles(call, |x| x[0].sin()) },
    Entry { name: "COS", sign: sign_one, eval: |call| doubles(call, |x| x[0].cos()) },
    Entry { name: "TAN", sign: sign_one, eval: |call| doubles(call, |x| x[0].tan()) },
    Entry { name: "ASIN", sign: sign_one, eval: |call| doubles(call, |x| x[0].asin()) },
    Entry { name: "ACOS", sign: sign_one, eval: |call| doubles(call, |x| x[0].acos()) },
    Entry { name: "ATAN", sign: sign_one, eval: |call| doubles(call, |x| x[0].atan()) },
    Entry { name: "RADIANS", sign: sign_one, eval: |call| doubles(call, |x| x[0].to_radians()) },
    Entry { name: "DEGREES", sign: sign_one, eval: |call| doubles(call, |x| x[0].to_degrees()) },
    Entry { name: "PI", sign: sign_constant, eval: |call| doubles(call, |_| std::f64::consts::PI) },
    Entry { name: "E", sign: sign_constant, eval: |call| doubles(call, |_| std::f64::consts::E) },
];

fn sign_one(args: &Args<'_>) -> Result<Signature, String> {
    args.fixed(args.takes(&[Param::Dbl], &[], None)?, SqlType::Double)
}

fn sign_two(args: &Args<'_>) -> Result<Signature, String> {
    args.fixed(args.takes(&[Param::Dbl, Param::Dbl], &[], None)?, SqlType::Double)
}

fn sign_log(args: &Args<'_>) -> Result<Signature, String> {
    args.fixed(args.takes(&[Param::Dbl], &[Param::Dbl], None)?, SqlType::Double)
}

fn sign_constant(args: &Args<'_>) -> Result<Signature, String> {
    args.fixed(args.takes(&[], &[], None)?, SqlType::Double)
}

fn sign_same(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Any], &[], None)?;
    match &types[0].ty {
        ty if is_numeric(ty) => args.fixed(types.clone(), ty.clone()),
        ty if is_text(ty) => args.fixed(all(&types, &SqlType::Double), SqlType::Double),
        ty => Err(format!("{} takes a number, not {ty}", args.name)),
    }
}

fn sign_floor(args: &Args<'_>) -> Result<Signature, String> {
    if args.types.len() == 2 {
        return clock::sign_floor(args);
    }
    let signature = sign_same(args)?;
    let ty = match signature.result.ty {
        SqlType::Decimal(p, s) if s > 0 => SqlType::Decimal(p, 0),
        ty => ty,
    };
    args.fixed(signature.args, ty)
}

fn sign_round(args: &Args<'_>) -> Result<Signature, String> {
    let mut types = args.takes(&[Param::Any], &[Param::Int], None)?;
    if is_text(&types[0].ty) {
        types[0].ty = SqlType::Double;
    }
    let digits = if types.len() == 1 { Some(0) } else { args.literal_int(1) };
    let ty = match (&types[0].ty, digits) {
        (SqlType::Decimal(p, s), Some(digits)) if digits < i64::from(*s) => {
            let (p, s) = (i32::from(*p), i32::from(*s));
            match digits {
                ..0 => SqlType::Decimal((1 + p - s).min(38) as u8, 0),
                _ => SqlType::Decimal((1 + p - s + digits as i32).min(38) as u8, digits as i8),
            }
        }
        (ty, _) if is_numeric(ty) => ty.clone(),
        (ty, _) => return Err(format!("{} takes a number, not {ty}", args.name)),
    };
    args.fixed(types, ty)
}

fn sign_arithmetic(args: &Args<'_>) -> Result<Signature, String> {
    use SqlType as T;
    let op = args.name;
    if let ([one], "+" | "-") = (args.types, op) {
        return match &one.ty {
            ty if is_numeric(ty) || matches!(ty, T::IntervalMillis | T::IntervalMonths) => {
                args.fixed(vec![one.clone()], ty.clone())
            }
            ty => Err(format!("unary {op} takes a number, not {ty}")),
        };
    }
    let [left, right] = args.types else {
        return Err(format!("{op} takes two arguments, not {}", args.types.len()));
    };
    let fail = || format!("{} {op} {} is not possible", left.ty, right.ty);
    let keep = vec![left.clone(), right.clone()];
    match (&left.ty, &right.ty) {
        (T::Timestamp(_) | T::TimestampLtz(_) | T::Time(_) | T::Date, T::IntervalMillis | T::IntervalMonths)
            if matches!(op, "+" | "-") =>
        {
            args.fixed(keep, left.ty.clone())
        }
        (T::IntervalMillis | T::IntervalMonths, T::Timestamp(_) | T::TimestampLtz(_) | T::Time(_) | T::Date)
            if op == "+" =>
        {
            args.fixed(keep, right.ty.clone())
        }
        (T::IntervalMillis, T::IntervalMillis) | (T::IntervalMonths, T::IntervalMonths) if matches!(op, "+" | "-") => {
            args.fixed(keep, left.ty.clone())
        }
        (T::IntervalMillis | T::IntervalMonths, ty) if is_numeric(ty) && matches!(op, "*" | "/") => {
            let factor = Typed { ty: T::BigInt, nullable: right.nullable };
            args.fixed(vec![left.clone(), factor], left.ty.clone())
        }
        (ty, T::IntervalMillis | T::IntervalMonths) if is_numeric(ty) && op == "*" => {
            let factor = Typed { ty: T::BigInt, nullable: left.nullable };
            args.fixed(vec![factor, right.clone()], right.ty.clone())
        }
        (a, b) => sign_numbers(args, number_like(a, b).ok_or_else(fail)?, number_like(b, a).ok_or_else(fail)?),
    }
}

/// The numeric type that an operand takes part as: texts become the other side's type (or DOUBLE), NULL likewise.
fn number_like(ty: &SqlType, other: &SqlType) -> Option<SqlType> {
    match ty {
        ty if is_numeric(ty) => Some(ty.clone()),
        SqlType::Null if is_numeric(other) => Some(other.clone()),
        SqlType::Null => Some(SqlType::Int),
        ty if is_text(ty) && is_numeric(other) => Some(SqlType::Double),
        _ => None,
    }
}

fn sign_numbers(args: &Args<'_>, left: SqlType, right: SqlType) -> Result<Signature, String> {
    let is_mod = matches!(args.name, "%" | "MOD");
    let has_decimal = matches!(left, SqlType::Decimal(..)) || matches!(right, SqlType::Decimal(..));
    if let (true, Some((p1, s1)), Some((p2, s2))) = (has_decimal, as_decimal(&left), as_decimal(&right)) {
        let (p1, s1, p2, s2) = (i32::from(p1), i32::from(s1), i32::from(p2), i32::from(s2));
        let (precision, scale) = match args.name {
            "+" | "-" => (s1.max(s2) + (p1 - s1).max(p2 - s2) + 1, s1.max(s2)),
            "*" => (p1 + p2 + 1, s1 + s2),
            "/" => {
                let scale = (s1 + p2 + 1).max(6);
                (p1 - s1 + s2 + scale, scale)
            }
            _ => ((p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
        };
        let (precision, scale) = adjusted(precision, scale);
        let as_decimals = [(&args.types[0], (p1, s1)), (&args.types[1], (p2, s2))];
        let types = as_decimals
            .map(|(typed, (p, s))| Typed { ty: SqlType::Decimal(p as u8, s as i8), nullable: typed.nullable });
        return args.maybe(types.to_vec(), SqlType::Decimal(precision, scale));
    }
    let pair = [Typed { ty: left, nullable: false }, Typed { ty: right, nullable: false }];
    let common = match &pair[0].ty {
        // Flink's rule, narrower as it may be: of FLOAT and DOUBLE the first operand's type is that of the result.
        first if is_approximate(first) && is_approximate(&pair[1].ty) => first.clone(),
        _ => args.common(&pair)?,
    };
    let result = if is_mod && is_integer(&common) { pair[1].ty.clone() } else { common.clone() };
    args.fixed(all(args.types, &common), result)
}

fn eval_arithmetic<const OP: char>(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    use SqlType as T;
    if call.args.len() == 1 {
        return if OP == '-' { unary(call, Unary::Negate) } else { Ok(call.args[0].array().clone()) };
    }
    match (&call.types[0].ty, &call.types[1].ty) {
        (T::Decimal(_, s1), T::Decimal(_, s2)) => decimals::<OP>(call, *s1, *s2),
        (T::IntervalMillis | T::IntervalMonths, _) | (_, T::IntervalMillis | T::IntervalMonths) => {
            clock::eval_interval::<OP>(call)
        }
        (ty, _) => {
            let common = match ty {
                T::TinyInt => integers::<Int8Type, OP>(call),
                T::SmallInt => integers::<Int16Type, OP>(call),
                T::Int => integers::<Int32Type, OP>(call),
                T::BigInt => integers::<Int64Type, OP>(call),
                T::Float => floats::<Float32Type, OP>(call),
                _ => floats::<Float64Type, OP>(call),
            }?;
            crate::cast::cast(&common, ty, &call.result.ty, false, call.context)
        }
    }
}

/// Applies `op` to the rows where both sides are valid. Values behind NULLs are never looked at.
fn pairs<T: ArrowPrimitiveType>(
    call: &Call<'_>,
    op: impl Fn(T::Native, T::Native) -> Result<T::Native, EvalError>,
) -> Result<ArrayRef, EvalError> {
    let (a, b) = (&call.args[0], &call.args[1]);
    let (x, y) = (a.array().as_primitive::<T>(), b.array().as_primitive::<T>());
    let mut out = PrimitiveBuilder::<T>::with_capacity(call.rows);
    for row in 0..call.rows {
        let (i, j) = (a.at(row), b.at(row));
        if x.is_valid(i) && y.is_valid(j) {
            out.append_value(op(x.value(i), y.value(j))?);
        } else {
            out.append_null();
        }
    }
    Ok(Arc::new(out.finish()))
}

fn integers<T: ArrowPrimitiveType, const OP: char>(call: &Call<'_>) -> Result<ArrayRef, EvalError>
where
    T::Native: ArrowNativeTypeOp,
{
    use arrow::compute::kernels::numeric;
    match OP {
        '+' => return Ok(numeric::add_wrapping(&call.args[0], &call.args[1])?),
        '-' => return Ok(numeric::sub_wrapping(&call.args[0], &call.args[1])?),
        '*' => return Ok(numeric::mul_wrapping(&call.args[0], &call.args[1])?),
        _ => {}
    }
    pairs::<T>(call, |a, b| {
        if b.is_zero() {
            return Err(by_zero());
        }
        Ok(if OP == '/' { a.div_wrapping(b) } else { a.mod_wrapping(b) })
    })
}

fn by_zero() -> EvalError {
    EvalError("/ by zero: an integer or decimal was divided by 0; guard it with NULLIF(divisor, 0)".to_owned())
}

fn floats<T: ArrowPrimitiveType, const OP: char>(call: &Call<'_>) -> Result<ArrayRef, EvalError>
where
    T::Native: ArrowNativeTypeOp,
{
    pairs::<T>(call, |a, b| {
        Ok(match OP {
            '+' => a.add_wrapping(b),
            '-' => a.sub_wrapping(b),
            '*' => a.mul_wrapping(b),
            '/' => a.div_wrapping(b),
            _ => a.mod_wrapping(b),
        })
    })
}

fn decimals<const OP: char>(call: &Call<'_>, s1: i8, s2: i8) -> Result<ArrayRef, EvalError> {
    let SqlType::Decimal(precision, scale) = call.result.ty else {
        return Err(EvalError("decimal arithmetic gives a decimal".to_owned()));
    };
    let (a, b) = (&call.args[0], &call.args[1]);
    let (x, y) = (a.array().as_primitive::<Decimal128Type>(), b.array().as_primitive::<Decimal128Type>());
    let mut out = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let (i, j) = (a.at(row), b.at(row));
        if x.is_null(i) || y.is_null(j) {
            out.push(None);
            continue;
        }
        if matches!(OP, '/' | '%') && y.value(j) == 0 {
            return Err(by_zero());
        }
        out.push(decimal_binary(OP, (x.value(i), s1), (y.value(j), s2), (precision, scale)));
    }
    Ok(Arc::new(Decimal128Array::from(out).with_precision_and_scale(precision, scale)?))
}

#[derive(Clone, Copy)]
enum Unary {
    Abs,
    Sign,
    Negate,
    Floor,
    Ceil,
}

fn unary(call: &Call<'_>, op: Unary) -> Result<ArrayRef, EvalError> {
    use SqlType as T;
    let array = call.args[0].array();
    fn map<T: ArrowPrimitiveType>(array: &ArrayRef, op: impl Fn(T::Native) -> T::Native) -> ArrayRef {
        let mapped: PrimitiveArray<T> = array.as_primitive::<T>().unary(op);
        Arc::new(mapped)
    }
    macro_rules! integer {
        ($ty:ty) => {
            map::<$ty>(array, |v| match op {
                Unary::Abs => v.wrapping_abs(),
                Unary::Sign => v.signum(),
                Unary::Negate => v.wrapping_neg(),
                Unary::Floor | Unary::Ceil => v,
            })
        };
    }
    macro_rules! float {
        ($ty:ty) => {
            map::<$ty>(array, |v| match op {
                Unary::Abs => v.abs(),
                Unary::Sign => {
                    if v == 0.0 || v.is_nan() {
                        v
                    } else {
                        v.signum()
                    }
                }
                Unary::Negate => -v,
                Unary::Floor => v.floor(),
                Unary::Ceil => v.ceil(),
            })
        };
    }
    Ok(match &call.types[0].ty {
        T::TinyInt => integer!(Int8Type),
        T::SmallInt => integer!(Int16Type),
        T::Int => integer!(Int32Type),
        T::BigInt => integer!(Int64Type),
        T::Float => float!(Float32Type),
        T::Double => float!(Float64Type),
        T::IntervalMillis => map::<DurationMillisecondType>(array, |v| v.wrapping_neg()),
        T::IntervalMonths => map::<IntervalYearMonthType>(array, |v| v.wrapping_neg()),
        T::Decimal(_, scale) => return decimal_unary(call, op, *scale),
        other => return Err(EvalError(format!("{other} is not a number"))),
    })
}

fn decimal_unary(call: &Call<'_>, op: Unary, scale: i8) -> Result<ArrayRef, EvalError> {
    let SqlType::Decimal(precision, to) = call.result.ty else {
        return Err(EvalError("decimal arithmetic gives a decimal".to_owned()));
    };
    let unit = TEN[scale.max(0) as usize];
    let values = call.args[0].array().as_primitive::<Decimal128Type>();
    let mapped: Decimal128Array = values.unary_opt(|v| match op {
        Unary::Abs => Some(v.abs()),
        Unary::Negate => Some(-v),
        Unary::Sign => rescale(v.signum(), 0, to, precision),
        Unary::Floor => Some(v.div_euclid(unit)),
        Unary::Ceil => Some(-(-v).div_euclid(unit)),
    });
    Ok(Arc::new(mapped.with_precision_and_scale(precision, to)?))
}

fn floor(call: &Call<'_>, op: Unary) -> Result<ArrayRef, EvalError> {
    if call.args.len() == 2 {
        return clock::eval_floor(call, matches!(op, Unary::Ceil));
    }
    unary(call, op)
}

fn round(call: &Call<'_>, truncate: bool) -> Result<ArrayRef, EvalError> {
    let value = &call.args[0];
    let ty = &call.types[0].ty;
    let digits = |row: usize| match call.args.get(1) {
        Some(arg) => {
            let array = arg.array().as_primitive::<Int32Type>();
            array.is_valid(arg.at(row)).then(|| array.value(arg.at(row)))
        }
        None => Some(0),
    };
    let cast = |array: ArrayRef, from: &SqlType| crate::cast::cast(&array, from, &call.result.ty, false, call.context);
    if let (SqlType::Decimal(_, scale), SqlType::Decimal(precision, to)) = (ty, &call.result.ty) {
        let array = value.array().as_primitive::<Decimal128Type>();
        let rounded = (0..call.rows).map(|row| {
            let (at, digits) = (value.at(row), digits(row)?);
            array
                .is_valid(at)
                .then(|| round_unscaled(array.value(at), *scale, digits, truncate))?
                .and_then(|v| rescale(v, *scale, *to, *precision))
        });
        let rounded: Decimal128Array = rounded.collect();
        return Ok(Arc::new(rounded.with_precision_and_scale(*precision, *to)?));
    }
    if is_approximate(ty) {
        let wide = crate::cast::cast(value.array(), ty, &SqlType::Double, false, call.context)?;
        let wide = wide.as_primitive::<Float64Type>();
        let rounded: Float64Array = (0..call.rows)
            .map(|row| {
                let (at, digits) = (value.at(row), digits(row)?);
                wide.is_valid(at).then(|| round_double(wide.value(at), digits, truncate))
            })
            .collect();
        return cast(Arc::new(rounded), &SqlType::Double);
    }
    let wide = crate::cast::cast(value.array(), ty, &SqlType::BigInt, false, call.context)?;
    let wide = wide.as_primitive::<Int64Type>();
    let rounded: PrimitiveArray<Int64Type> = (0..call.rows)
        .map(|row| {
            let (at, digits) = (value.at(row), digits(row)?);
            let rounded = || round_unscaled(i128::from(wide.value(at)), 0, digits, truncate).map(|v| v as i64);
            wide.is_valid(at).then(rounded).flatten()
        })
        .collect();
    cast(Arc::new(rounded), &SqlType::BigInt)
}

/// Rounds an unscaled value to `digits` after the point, keeping its scale.
fn round_unscaled(value: i128, scale: i8, digits: i32, truncate: bool) -> Option<i128> {
    let drop = i32::from(scale) - digits;
    if drop <= 0 {
        return Some(value);
    }
    let unit = *TEN.get(drop as usize)?;
    let rest = value % unit;
    let away = if !truncate && rest.abs() * 2 >= unit { unit * value.signum() } else { 0 };
    Some(value - rest + away)
}

fn doubles(call: &Call<'_>, op: impl Fn(&[f64]) -> f64) -> Result<ArrayRef, EvalError> {
    let arrays: Vec<_> = call.args.iter().map(|arg| arg.array().as_primitive::<Float64Type>()).collect();
    let mut values = vec![0.0; arrays.len()];
    let computed: Float64Array = (0..call.rows)
        .map(|row| {
            for (nth, array) in arrays.iter().enumerate() {
                let at = call.args[nth].at(row);
                if array.is_null(at) {
                    return None;
                }
                values[nth] = array.value(at);
            }
            Some(op(&values))
        })
        .collect();
    Ok(Arc::new(computed))
}

fn logarithm(x: &[f64]) -> f64 {
    match x {
        [base, value] => value.ln() / base.ln(),
        _ => x[0].ln(),
    }
}

/// `Math.pow`: unlike C, 1 to the NaN is NaN.
fn power(base: f64, exponent: f64) -> f64 {
    if exponent.is_nan() || base.abs() == 1.0 && exponent.is_infinite() { f64::NAN } else { base.powf(exponent) }
}
