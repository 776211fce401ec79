//! Aggregate functions: which there are, what they take and what they give. They are computed in `crate::state`.
//!
//! Types follow Flink: `SUM(INT)` is INT and wraps, `AVG` of an integer is that integer type and truncates, `SUM` of
//! `DECIMAL(p, s)` is `DECIMAL(38, s)`, `AVG` of it `DECIMAL(38, max(6, s))`.

use millrace_schema::{SqlType, Typed};
use serde::{Deserialize, Serialize};

/// One aggregate of a grouping. Arguments and filter are columns of the input: a planner computes them in a `Calc` before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregateCall {
    /// Its name in upper case, as [`resolve`] knows it.
    pub function: String,
    /// `COUNT(DISTINCT x)` and the like.
    pub distinct: bool,
    /// Columns of the input, of the types that [`resolve`] asked for; empty for `COUNT(*)`.
    pub args: Vec<usize>,
    /// `FILTER (WHERE …)`: a BOOLEAN column; only rows where it is TRUE count.
    pub filter: Option<usize>,
    /// The type of the result.
    pub result: Typed,
}

/// What [`resolve`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedAggregate {
    /// Its name in the registry.
    pub function: String,
    /// The types to coerce the arguments to.
    pub args: Vec<Typed>,
    /// The type of the result. Nullable, but for `COUNT`: an empty group has no sum.
    pub result: Typed,
}

/// The names of all aggregate functions.
pub const NAMES: &[&str] = &["COUNT", "SUM", "MIN", "MAX", "AVG", "FIRST_VALUE", "LAST_VALUE"];

/// Finds an aggregate function by name (any case) and argument types.
///
/// # Errors
/// A sentence for people: no such function, or arguments that it does not take.
pub fn resolve(name: &str, args: &[Typed]) -> Result<ResolvedAggregate, String> {
    let function = name.to_ascii_uppercase();
    if !NAMES.contains(&function.as_str()) {
        return Err(format!("there is no aggregate function {function}; there are {}", NAMES.join(", ")));
    }
    if function == "COUNT" {
        if args.len() > 1 {
            return Err("COUNT takes one argument or *".to_owned());
        }
        let result = Typed { ty: SqlType::BigInt, nullable: false };
        return Ok(ResolvedAggregate { function, args: args.to_vec(), result });
    }
    let [arg] = args else {
        return Err(format!("{function} takes one argument, not {}", args.len()));
    };
    let ty = match function.as_str() {
        "SUM" => sum_type(&arg.ty),
        "AVG" => average_type(&arg.ty),
        "MIN" | "MAX" => is_ordered(&arg.ty).then(|| arg.ty.clone()),
        _ => Some(arg.ty.clone()),
    };
    let ty = ty.ok_or_else(|| format!("{function} does not take {}", arg.ty))?;
    let arg = match arg.ty {
        SqlType::Null => Typed { ty: ty.clone(), nullable: true },
        _ => arg.clone(),
    };
    Ok(ResolvedAggregate { function, args: vec![arg], result: Typed { ty, nullable: true } })
}

fn sum_type(ty: &SqlType) -> Option<SqlType> {
    match ty {
        SqlType::Decimal(_, scale) => Some(SqlType::Decimal(38, *scale)),
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt | SqlType::Float | SqlType::Double => {
            Some(ty.clone())
        }
        SqlType::Null => Some(SqlType::Int),
        _ => None,
    }
}

fn average_type(ty: &SqlType) -> Option<SqlType> {
    match ty {
        SqlType::Decimal(_, scale) => Some(SqlType::Decimal(38, (*scale).max(6))),
        other => sum_type(other),
    }
}

fn is_ordered(ty: &SqlType) -> bool {
    !matches!(ty, SqlType::Array(_) | SqlType::Map(..) | SqlType::Row(_) | SqlType::Binary(_) | SqlType::Varbinary(_))
}
