//! Comparison: `=` to `BETWEEN` and `IN`, `GREATEST`, `LEAST`, `NULLIF`.

use super::signature::{Args, Call, Entry, Signature, all, common_type, is_approximate, is_text};
use crate::eval::{Column, EvalError};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, NullArray};
use arrow::compute::{self, kernels::cmp};
use arrow::datatypes::{Float32Type, Float64Type};
use millrace_schema::{SqlType, Typed};
use std::sync::Arc;

pub(super) const TABLE: &[Entry] = &[
    Entry { name: "=", sign: sign_binary, eval: |call| two(call, Op::Eq) },
    Entry { name: "<>", sign: sign_binary, eval: |call| two(call, Op::Neq) },
    Entry { name: "!=", sign: sign_binary, eval: |call| two(call, Op::Neq) },
    Entry { name: "<", sign: sign_binary, eval: |call| two(call, Op::Lt) },
    Entry { name: "<=", sign: sign_binary, eval: |call| two(call, Op::LtEq) },
    Entry { name: ">", sign: sign_binary, eval: |call| two(call, Op::Gt) },
    Entry { name: ">=", sign: sign_binary, eval: |call| two(call, Op::GtEq) },
    Entry { name: "IS DISTINCT FROM", sign: sign_distinct, eval: |call| distinct(call, true) },
    Entry { name: "IS NOT DISTINCT FROM", sign: sign_distinct, eval: |call| distinct(call, false) },
    Entry { name: "BETWEEN", sign: sign_between, eval: |call| between(call, false) },
    Entry { name: "NOT BETWEEN", sign: sign_between, eval: |call| between(call, true) },
    Entry { name: "IN", sign: sign_in, eval: |call| any_of(call, false) },
    Entry { name: "NOT IN", sign: sign_in, eval: |call| any_of(call, true) },
    Entry { name: "GREATEST", sign: sign_most, eval: |call| most(call, Op::Gt) },
    Entry { name: "LEAST", sign: sign_most, eval: |call| most(call, Op::Lt) },
    Entry { name: "NULLIF", sign: sign_nullif, eval: nullif },
];

#[derive(Clone, Copy, PartialEq)]
enum Op {
    Eq,
    Neq,
    Lt,
    LtEq,
    Gt,
    GtEq,
}

/// The type in which two values are compared: a text beside another type becomes that type.
fn comparable(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    match (a, b) {
        (a, b) if is_text(a) && !is_text(b) && *b != SqlType::Null => text_as(b),
        (a, b) if is_text(b) && !is_text(a) && *a != SqlType::Null => text_as(a),
        _ => common_type(a, b),
    }
}

fn text_as(other: &SqlType) -> Option<SqlType> {
    match other {
        SqlType::Array(_) | SqlType::Map(..) | SqlType::Row(_) | SqlType::Binary(_) | SqlType::Varbinary(_) => None,
        other => Some(other.clone()),
    }
}

fn comparison(args: &Args<'_>, types: &[Typed]) -> Result<Vec<Typed>, String> {
    let mut common = SqlType::Null;
    for typed in types {
        common = comparable(&common, &typed.ty).ok_or_else(|| {
            format!("{} and {} cannot be compared by {}; cast one of them", common, typed.ty, args.name)
        })?;
    }
    if matches!(common, SqlType::Map(..)) {
        return Err(format!("{} does not compare {common}", args.name));
    }
    Ok(all(types, &common))
}

fn sign_binary(args: &Args<'_>) -> Result<Signature, String> {
    if args.types.len() != 2 {
        return Err(format!("{} takes two arguments, not {}", args.name, args.types.len()));
    }
    args.fixed(comparison(args, args.types)?, SqlType::Boolean)
}

fn sign_distinct(args: &Args<'_>) -> Result<Signature, String> {
    let signature = sign_binary(args)?;
    Ok(Signature { args: signature.args, result: Typed { ty: SqlType::Boolean, nullable: false } })
}

fn sign_between(args: &Args<'_>) -> Result<Signature, String> {
    if args.types.len() != 3 {
        return Err(format!("{} takes three arguments, not {}", args.name, args.types.len()));
    }
    args.fixed(comparison(args, args.types)?, SqlType::Boolean)
}

fn sign_in(args: &Args<'_>) -> Result<Signature, String> {
    if args.types.len() < 2 {
        return Err(format!("{} needs at least one value to look for", args.name));
    }
    args.fixed(comparison(args, args.types)?, SqlType::Boolean)
}

fn sign_most(args: &Args<'_>) -> Result<Signature, String> {
    if args.types.is_empty() {
        return Err(format!("{} takes at least one argument", args.name));
    }
    let common = args.common(args.types)?;
    args.fixed(all(args.types, &common), common)
}

fn sign_nullif(args: &Args<'_>) -> Result<Signature, String> {
    let [value, _] = args.types else {
        return Err(format!("NULLIF takes two arguments, not {}", args.types.len()));
    };
    // The result is the first argument as it is; the comparison casts inside.
    comparison(args, args.types)?;
    args.maybe(args.types.to_vec(), value.ty.clone())
}

/// Compares two columns of one type, element by element; NULL when either is NULL. Floats as Java: NaN equals nothing.
fn compare(op: Op, a: &Column, b: &Column, ty: &SqlType, rows: usize) -> Result<BooleanArray, EvalError> {
    if *ty == SqlType::Null {
        return Ok(BooleanArray::new_null(rows));
    }
    if is_approximate(ty) {
        return Ok(match ty {
            SqlType::Float => {
                floats(op, a, b, rows, |array, at| f64::from(array.as_primitive::<Float32Type>().value(at)))
            }
            _ => floats(op, a, b, rows, |array, at| array.as_primitive::<Float64Type>().value(at)),
        });
    }
    if matches!(ty, SqlType::Row(_) | SqlType::Array(_)) {
        return nested(op, a, b, rows);
    }
    let compared = match op {
        Op::Eq => cmp::eq(a, b),
        Op::Neq => cmp::neq(a, b),
        Op::Lt => cmp::lt(a, b),
        Op::LtEq => cmp::lt_eq(a, b),
        Op::Gt => cmp::gt(a, b),
        Op::GtEq => cmp::gt_eq(a, b),
    }?;
    // Two constants give one value; the caller asked for `rows`.
    if compared.len() == rows {
        return Ok(compared);
    }
    Ok(Column::Scalar(Arc::new(compared)).into_array(rows)?.as_boolean().clone())
}

fn floats(op: Op, a: &Column, b: &Column, rows: usize, value: impl Fn(&ArrayRef, usize) -> f64) -> BooleanArray {
    (0..rows)
        .map(|row| {
            let (i, j) = (a.at(row), b.at(row));
            if a.array().is_null(i) || b.array().is_null(j) {
                return None;
            }
            let (x, y) = (value(a.array(), i), value(b.array(), j));
            Some(match op {
                Op::Eq => x == y,
                Op::Neq => x != y,
                Op::Lt => x < y,
                Op::LtEq => x <= y,
                Op::Gt => x > y,
                Op::GtEq => x >= y,
            })
        })
        .collect()
}

fn nested(op: Op, a: &Column, b: &Column, rows: usize) -> Result<BooleanArray, EvalError> {
    use std::cmp::Ordering;
    let order = arrow::array::make_comparator(a.array().as_ref(), b.array().as_ref(), Default::default())?;
    Ok((0..rows)
        .map(|row| {
            let (i, j) = (a.at(row), b.at(row));
            if a.array().is_null(i) || b.array().is_null(j) {
                return None;
            }
            let order = order(i, j);
            Some(match op {
                Op::Eq => order == Ordering::Equal,
                Op::Neq => order != Ordering::Equal,
                Op::Lt => order == Ordering::Less,
                Op::LtEq => order != Ordering::Greater,
                Op::Gt => order == Ordering::Greater,
                Op::GtEq => order != Ordering::Less,
            })
        })
        .collect())
}

fn two(call: &Call<'_>, op: Op) -> Result<ArrayRef, EvalError> {
    Ok(Arc::new(compare(op, &call.args[0], &call.args[1], &call.types[0].ty, call.rows)?))
}

fn distinct(call: &Call<'_>, negated: bool) -> Result<ArrayRef, EvalError> {
    let (a, b) = (&call.args[0], &call.args[1]);
    let equal = compare(Op::Eq, a, b, &call.types[0].ty, call.rows)?;
    let is_null = |column: &Column, row: usize| is_null(column.array(), column.at(row));
    let values = (0..call.rows).map(|row| {
        let same = match (is_null(a, row), is_null(b, row)) {
            (true, true) => true,
            (false, false) => equal.value(row),
            _ => false,
        };
        Some(same != negated)
    });
    Ok(Arc::new(values.collect::<BooleanArray>()))
}

/// NULL of an array of type Null too.
fn is_null(array: &ArrayRef, at: usize) -> bool {
    array.is_null(at) || array.as_any().is::<NullArray>()
}

fn between(call: &Call<'_>, negated: bool) -> Result<ArrayRef, EvalError> {
    let ty = &call.types[0].ty;
    let low = compare(Op::GtEq, &call.args[0], &call.args[1], ty, call.rows)?;
    let high = compare(Op::LtEq, &call.args[0], &call.args[2], ty, call.rows)?;
    let both = compute::and_kleene(&low, &high)?;
    Ok(Arc::new(if negated { compute::not(&both)? } else { both }))
}

fn any_of(call: &Call<'_>, negated: bool) -> Result<ArrayRef, EvalError> {
    let mut found = BooleanArray::from(vec![false; call.rows]);
    for value in &call.args[1..] {
        let equal = compare(Op::Eq, &call.args[0], value, &call.types[0].ty, call.rows)?;
        found = compute::or_kleene(&found, &equal)?;
    }
    Ok(Arc::new(if negated { compute::not(&found)? } else { found }))
}

fn most(call: &Call<'_>, better: Op) -> Result<ArrayRef, EvalError> {
    let mut best = call.args[0].clone().into_array(call.rows)?;
    for arg in &call.args[1..] {
        let next = arg.clone().into_array(call.rows)?;
        let wins =
            compare(better, &Column::Array(next.clone()), &Column::Array(best.clone()), &call.result.ty, call.rows)?;
        // A NULL on either side makes the result NULL; `wins` is NULL then, and takes the side that is NULL.
        let picks: Vec<(usize, usize)> = (0..call.rows)
            .map(|row| {
                let second = if wins.is_null(row) { next.is_null(row) } else { wins.value(row) };
                (usize::from(second), row)
            })
            .collect();
        best = compute::interleave(&[best.as_ref(), next.as_ref()], &picks)?;
    }
    Ok(best)
}

fn nullif(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let common = comparable(&call.types[0].ty, &call.types[1].ty).unwrap_or(SqlType::Null);
    let level = |nth: usize| -> Result<Column, EvalError> {
        let arg = &call.args[nth];
        let cast = crate::cast::cast(arg.array(), &call.types[nth].ty, &common, false, call.context)?;
        Ok(if arg.is_scalar() { Column::Scalar(cast) } else { Column::Array(cast) })
    };
    let equal = compare(Op::Eq, &level(0)?, &level(1)?, &common, call.rows)?;
    let value = call.args[0].clone().into_array(call.rows)?;
    Ok(compute::nullif(&value, &equal)?)
}
