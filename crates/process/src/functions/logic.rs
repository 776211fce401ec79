//! Three-valued logic, and the functions that choose: `IF`, `COALESCE`, `IFNULL`.
//!
//! `AND`, `OR`, `IF`, `COALESCE` and `IFNULL` are evaluated lazily in [`crate::eval`]; their entries here type them.

use super::signature::{Args, Call, Entry, Param, Signature, all};
use crate::eval::EvalError;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute;
use millrace_schema::{SqlType, Typed};
use std::sync::Arc;

pub(super) const TABLE: &[Entry] = &[
    Entry { name: "AND", sign: sign_logic, eval: |call| fold(call, compute::and_kleene) },
    Entry { name: "OR", sign: sign_logic, eval: |call| fold(call, compute::or_kleene) },
    Entry { name: "NOT", sign: sign_not, eval: |call| Ok(Arc::new(compute::not(call.args[0].array().as_boolean())?)) },
    Entry { name: "IS NULL", sign: sign_test, eval: |call| nulls(call, true) },
    Entry { name: "IS NOT NULL", sign: sign_test, eval: |call| nulls(call, false) },
    Entry { name: "IS TRUE", sign: sign_truth, eval: |call| truth(call, |v| v == Some(true)) },
    Entry { name: "IS NOT TRUE", sign: sign_truth, eval: |call| truth(call, |v| v != Some(true)) },
    Entry { name: "IS FALSE", sign: sign_truth, eval: |call| truth(call, |v| v == Some(false)) },
    Entry { name: "IS NOT FALSE", sign: sign_truth, eval: |call| truth(call, |v| v != Some(false)) },
    Entry { name: "IS UNKNOWN", sign: sign_truth, eval: |call| truth(call, |v| v.is_none()) },
    Entry { name: "IS NOT UNKNOWN", sign: sign_truth, eval: |call| truth(call, |v| v.is_some()) },
    Entry { name: "IF", sign: sign_if, eval: lazy },
    Entry { name: "COALESCE", sign: sign_coalesce, eval: lazy },
    Entry { name: "IFNULL", sign: sign_ifnull, eval: lazy },
];

fn sign_logic(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Bool, Param::Bool], &[], Some(Param::Bool))?;
    args.fixed(types, SqlType::Boolean)
}

fn sign_not(args: &Args<'_>) -> Result<Signature, String> {
    args.fixed(args.takes(&[Param::Bool], &[], None)?, SqlType::Boolean)
}

fn sign_test(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Any], &[], None)?;
    Ok(Signature { args: types, result: Typed { ty: SqlType::Boolean, nullable: false } })
}

fn sign_truth(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Bool], &[], None)?;
    Ok(Signature { args: types, result: Typed { ty: SqlType::Boolean, nullable: false } })
}

fn sign_if(args: &Args<'_>) -> Result<Signature, String> {
    let mut types = args.takes(&[Param::Bool, Param::Any, Param::Any], &[], None)?;
    let common = args.common(&types[1..])?;
    let nullable = types[1].nullable || types[2].nullable;
    for typed in &mut types[1..] {
        typed.ty = common.clone();
    }
    Ok(Signature { args: types, result: Typed { ty: common, nullable } })
}

fn sign_coalesce(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Any], &[], Some(Param::Any))?;
    let common = args.common(&types)?;
    let nullable = types.iter().all(|typed| typed.nullable);
    Ok(Signature { args: all(&types, &common), result: Typed { ty: common, nullable } })
}

fn sign_ifnull(args: &Args<'_>) -> Result<Signature, String> {
    args.takes(&[Param::Any, Param::Any], &[], None)?;
    sign_coalesce(args)
}

fn lazy(_: &Call<'_>) -> Result<ArrayRef, EvalError> {
    Err(EvalError("evaluated lazily, never as a call: a fault of the engine".to_owned()))
}

type Kernel = fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, arrow::error::ArrowError>;

fn fold(call: &Call<'_>, kernel: Kernel) -> Result<ArrayRef, EvalError> {
    let mut value = call.args[0].clone().into_array(call.rows)?;
    for arg in &call.args[1..] {
        let next = arg.clone().into_array(call.rows)?;
        value = Arc::new(kernel(value.as_boolean(), next.as_boolean())?);
    }
    Ok(value)
}

fn nulls(call: &Call<'_>, wanted: bool) -> Result<ArrayRef, EvalError> {
    let arg = &call.args[0];
    let nulls = arg.array().logical_nulls();
    let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(arg.at(row)));
    Ok(Arc::new((0..call.rows).map(|row| Some(is_null(row) == wanted)).collect::<BooleanArray>()))
}

fn truth(call: &Call<'_>, test: fn(Option<bool>) -> bool) -> Result<ArrayRef, EvalError> {
    let arg = &call.args[0];
    let values = arg.array().as_boolean();
    let value = |row: usize| values.is_valid(arg.at(row)).then(|| values.value(arg.at(row)));
    Ok(Arc::new((0..call.rows).map(|row| Some(test(value(row)))).collect::<BooleanArray>()))
}
