//! How functions say what they take and give, and Flink's rules for common types and implicit casts.

use crate::eval::{Column, EvalContext, EvalError};
use crate::graph::Value;
use arrow::array::ArrayRef;
use millrace_schema::{SqlType, Typed};

/// A function of the registry.
pub(crate) struct Entry {
    /// In upper case.
    pub name: &'static str,
    /// Its typing.
    pub sign: fn(&Args<'_>) -> Result<Signature, String>,
    /// Its evaluation over columns.
    pub eval: fn(&Call<'_>) -> Result<ArrayRef, EvalError>,
}

/// The arguments of a call that is being resolved.
pub(crate) struct Args<'a> {
    pub name: &'static str,
    pub types: &'a [Typed],
    pub literals: &'a [Option<Value>],
}

/// Argument types and result type.
pub(crate) struct Signature {
    pub args: Vec<Typed>,
    pub result: Typed,
}

/// A call that is being evaluated.
pub(crate) struct Call<'a> {
    /// Each of `rows` values, or a constant.
    pub args: &'a [Column],
    pub types: &'a [Typed],
    pub rows: usize,
    pub result: &'a Typed,
    pub context: &'a EvalContext,
}

/// What a parameter takes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Param {
    /// A text.
    Str,
    /// Up to 32 bits.
    Int,
    /// Up to 64 bits.
    Big,
    /// A number, as DOUBLE.
    Dbl,
    /// BOOLEAN
    Bool,
    /// TIMESTAMP or TIMESTAMP_LTZ of any precision, or a text that is one.
    Ts,
    /// DATE, TIMESTAMP or TIMESTAMP_LTZ.
    Day,
    /// Anything, as it is.
    Any,
    /// Anything, cast to STRING.
    Text,
}

impl Args<'_> {
    pub fn null_in(&self) -> bool {
        self.types.iter().any(|t| t.nullable)
    }

    /// `required`, then any of `optional`, then any number of `rest`.
    pub fn takes(&self, required: &[Param], optional: &[Param], rest: Option<Param>) -> Result<Vec<Typed>, String> {
        let (n, min) = (self.types.len(), required.len());
        if n < min || (rest.is_none() && n > min + optional.len()) {
            let wanted = match (optional.len(), rest) {
                (_, Some(_)) => format!("at least {min}"),
                (0, None) => format!("{min}"),
                (more, None) => format!("{min} to {}", min + more),
            };
            return Err(format!("{} takes {wanted} argument(s), not {n}", self.name));
        }
        let params = required.iter().chain(optional).copied().map(Some).chain(std::iter::repeat(rest));
        let pairs = self.types.iter().zip(params).enumerate();
        pairs.map(|(nth, (typed, param))| self.fit(nth, typed, param.unwrap_or(Param::Any))).collect()
    }

    fn fit(&self, nth: usize, typed: &Typed, param: Param) -> Result<Typed, String> {
        use SqlType as T;
        let to = |ty: SqlType| Some(Typed { ty, nullable: typed.nullable });
        let is_number = is_numeric(&typed.ty);
        let is_text = is_text(&typed.ty);
        let is_null = typed.ty == T::Null;
        let fitted = match param {
            Param::Any => Some(typed.clone()),
            Param::Text => to(T::STRING),
            Param::Str => (is_text || is_null).then(|| if is_text { typed.ty.clone() } else { T::STRING }).and_then(to),
            Param::Int => (is_number || is_null).then_some(T::Int).and_then(to),
            Param::Big => (is_number || is_null).then_some(T::BigInt).and_then(to),
            Param::Dbl => (is_number || is_text || is_null).then_some(T::Double).and_then(to),
            Param::Bool => (typed.ty == T::Boolean || is_null).then_some(T::Boolean).and_then(to),
            Param::Ts => match typed.ty {
                T::Timestamp(_) | T::TimestampLtz(_) => Some(typed.clone()),
                T::Date => to(T::Timestamp(3)),
                _ => (is_text || is_null).then_some(T::Timestamp(3)).and_then(to),
            },
            Param::Day => match typed.ty {
                T::Date | T::Time(_) | T::Timestamp(_) | T::TimestampLtz(_) => Some(typed.clone()),
                _ => (is_text || is_null).then_some(T::Timestamp(3)).and_then(to),
            },
        };
        fitted.ok_or_else(|| format!("argument {} of {} cannot be {}", nth + 1, self.name, typed.ty))
    }

    /// A signature with a fixed result, NULL when any argument is NULL.
    pub fn fixed(&self, args: Vec<Typed>, ty: SqlType) -> Result<Signature, String> {
        Ok(Signature { args, result: Typed { ty, nullable: self.null_in() } })
    }

    /// A signature whose result may be NULL whatever the arguments are.
    pub fn maybe(&self, args: Vec<Typed>, ty: SqlType) -> Result<Signature, String> {
        Ok(Signature { args, result: Typed { ty, nullable: true } })
    }

    /// All arguments of one common type.
    pub fn common(&self, types: &[Typed]) -> Result<SqlType, String> {
        let mut common = SqlType::Null;
        for typed in types {
            common = common_type(&common, &typed.ty)
                .ok_or_else(|| format!("{} cannot take {} and {} together", self.name, common, typed.ty))?;
        }
        Ok(common)
    }

    /// A literal integer argument.
    pub fn literal_int(&self, nth: usize) -> Option<i64> {
        match self.literals.get(nth) {
            Some(Some(Value::Int(v))) => Some(*v),
            _ => None,
        }
    }

    /// A literal string argument in upper case.
    pub fn literal_word(&self, nth: usize) -> Option<String> {
        match self.literals.get(nth) {
            Some(Some(Value::String(v))) => Some(v.to_ascii_uppercase()),
            _ => None,
        }
    }
}

/// The types of `args`, all set to `ty`.
pub(crate) fn all(args: &[Typed], ty: &SqlType) -> Vec<Typed> {
    args.iter().map(|arg| Typed { ty: ty.clone(), nullable: arg.nullable }).collect()
}

pub(crate) fn is_integer(ty: &SqlType) -> bool {
    matches!(ty, SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt)
}

pub(crate) fn is_approximate(ty: &SqlType) -> bool {
    matches!(ty, SqlType::Float | SqlType::Double)
}

pub(crate) fn is_numeric(ty: &SqlType) -> bool {
    is_integer(ty) || is_approximate(ty) || matches!(ty, SqlType::Decimal(..))
}

pub(crate) fn is_text(ty: &SqlType) -> bool {
    matches!(ty, SqlType::Char(_) | SqlType::Varchar(_))
}

pub(crate) fn is_bytes(ty: &SqlType) -> bool {
    matches!(ty, SqlType::Binary(_) | SqlType::Varbinary(_))
}

/// The decimal that holds every value of an exact numeric type.
pub(crate) fn as_decimal(ty: &SqlType) -> Option<(u8, i8)> {
    match ty {
        SqlType::TinyInt => Some((3, 0)),
        SqlType::SmallInt => Some((5, 0)),
        SqlType::Int => Some((10, 0)),
        SqlType::BigInt => Some((19, 0)),
        SqlType::Decimal(p, s) => Some((*p, *s)),
        _ => None,
    }
}

fn rank(ty: &SqlType) -> u8 {
    match ty {
        SqlType::TinyInt => 1,
        SqlType::SmallInt => 2,
        SqlType::Int => 3,
        SqlType::BigInt => 4,
        SqlType::Float => 6,
        SqlType::Double => 7,
        _ => 5,
    }
}

/// The type that values of both types are brought to in `CASE`, `COALESCE`, `IN`, set operations; None when there is none.
pub fn common_type(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    use SqlType as T;
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        (T::Null, other) | (other, T::Null) => Some(other.clone()),
        (x, y) if is_numeric(x) && is_numeric(y) => common_number(x, y),
        (T::Char(x), T::Char(y)) => Some(if x == y { T::Char(*x) } else { T::Varchar(*x.max(y)) }),
        (T::Char(x) | T::Varchar(x), T::Char(y) | T::Varchar(y)) => Some(T::Varchar(*x.max(y))),
        (T::Binary(x) | T::Varbinary(x), T::Binary(y) | T::Varbinary(y)) => Some(T::Varbinary(*x.max(y))),
        (T::Timestamp(x), T::Timestamp(y)) => Some(T::Timestamp(*x.max(y))),
        (T::TimestampLtz(x), T::TimestampLtz(y) | T::Timestamp(y)) | (T::Timestamp(x), T::TimestampLtz(y)) => {
            Some(T::TimestampLtz(*x.max(y)))
        }
        (T::Date, T::Timestamp(p)) | (T::Timestamp(p), T::Date) => Some(T::Timestamp(*p)),
        (T::Time(x), T::Time(y)) => Some(T::Time(*x.max(y))),
        (T::Array(x), T::Array(y)) => {
            let ty = common_type(&x.ty, &y.ty)?;
            Some(T::Array(Box::new(Typed { ty, nullable: x.nullable || y.nullable })))
        }
        (T::Row(x), T::Row(y)) if x.len() == y.len() && x.iter().zip(y).all(|(x, y)| x.typed.ty == y.typed.ty) => {
            Some(a.clone())
        }
        _ => None,
    }
}

fn common_number(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    if is_integer(a) && is_integer(b) || is_approximate(a) && is_approximate(b) {
        return Some(if rank(a) >= rank(b) { a.clone() } else { b.clone() });
    }
    let decimal_in = matches!(a, SqlType::Decimal(..)) || matches!(b, SqlType::Decimal(..));
    if is_approximate(a) || is_approximate(b) {
        let approximate = if is_approximate(a) { a } else { b };
        return Some(if decimal_in { SqlType::Double } else { approximate.clone() });
    }
    let ((p1, s1), (p2, s2)) = (as_decimal(a)?, as_decimal(b)?);
    let scale = s1.max(s2);
    let whole = (p1 as i8 - s1).max(p2 as i8 - s2);
    let precision = (whole + scale).min(38);
    Some(SqlType::Decimal(precision as u8, scale.min(precision)))
}

/// Whether a value of type `from` may stand where `to` is wanted without a CAST (INSERT columns, arguments).
pub fn is_implicit_cast(from: &SqlType, to: &SqlType) -> bool {
    use SqlType as T;
    match (from, to) {
        (a, b) if a == b => true,
        (T::Null, _) => true,
        (a, b) if is_numeric(a) && is_numeric(b) => rank(a) <= rank(b),
        (a, b) if is_text(a) && is_text(b) || is_bytes(a) && is_bytes(b) => true,
        (T::Timestamp(_) | T::TimestampLtz(_), T::Timestamp(_) | T::TimestampLtz(_)) => true,
        (T::Date, T::Timestamp(_) | T::TimestampLtz(_)) => true,
        (T::Time(_), T::Time(_)) => true,
        (T::Array(a), T::Array(b)) => is_implicit_cast(&a.ty, &b.ty),
        (T::Map(a, x), T::Map(b, y)) => is_implicit_cast(&a.ty, &b.ty) && is_implicit_cast(&x.ty, &y.ty),
        (T::Row(a), T::Row(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_implicit_cast(&a.typed.ty, &b.typed.ty))
        }
        _ => false,
    }
}
