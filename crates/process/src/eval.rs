//! Evaluates expressions over columns.
//!
//! An [`Expr`] is compiled once into a [`Program`], with every function looked up, and then run over batches. Constants
//! stay constants: a [`Column::Scalar`] holds one value for all rows.
//!
//! # Laziness
//! Flink evaluates row by row and stops early: `a <> 0 AND b / a > 1` never divides by zero. Here `CASE`, `IF`, `COALESCE`,
//! `IFNULL`, `AND` and `OR` evaluate a later argument only for the rows that need it, when it is one that can fail.

use crate::cast;
use crate::functions::{self, Call};
use crate::graph::{Expr, ExprKind, Value};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Datum, Decimal128Array, DurationMillisecondArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalYearMonthArray, StringArray,
    Time32MillisecondArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    UInt32Array, new_null_array,
};
use arrow::compute;
use chrono_tz::Tz;
use millrace_base::Millis;
use millrace_schema::{SqlType, Typed};
use std::sync::Arc;

/// A value that could not be computed. The job that meets one fails, as in Flink.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(pub String);

impl From<arrow::error::ArrowError> for EvalError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self(error.to_string())
    }
}

/// What an evaluation may know of the world.
#[derive(Debug, Clone)]
pub struct EvalContext {
    /// The time of `CURRENT_TIMESTAMP`, `NOW()`, `PROCTIME()`.
    pub now: Millis,
    /// The session's time zone.
    pub zone: Tz,
}

/// The values of one expression: one for each row, or one for all.
#[derive(Debug, Clone)]
pub enum Column {
    /// A value a row.
    Array(ArrayRef),
    /// An array of length 1 that stands for all rows.
    Scalar(ArrayRef),
}

impl Column {
    /// The values behind it.
    pub fn array(&self) -> &ArrayRef {
        match self {
            Self::Array(array) | Self::Scalar(array) => array,
        }
    }

    /// Where row `row` is in [`Self::array`].
    pub fn at(&self, row: usize) -> usize {
        match self {
            Self::Array(_) => row,
            Self::Scalar(_) => 0,
        }
    }

    /// Whether it is one value for all rows.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::Scalar(_))
    }

    /// An array of `rows` values.
    pub fn into_array(self, rows: usize) -> Result<ArrayRef, EvalError> {
        match self {
            Self::Array(array) => Ok(array),
            Self::Scalar(array) if rows == 1 => Ok(array),
            Self::Scalar(array) => Ok(compute::take(&array, &UInt32Array::from_value(0, rows), None)?),
        }
    }
}

impl Datum for Column {
    fn get(&self) -> (&dyn Array, bool) {
        (self.array().as_ref(), self.is_scalar())
    }
}

/// A compiled expression.
pub struct Program {
    step: Step,
    typed: Typed,
    can_fail: bool,
}

type Eval = fn(&Call<'_>) -> Result<ArrayRef, EvalError>;

enum Step {
    Column(usize),
    Constant(ArrayRef),
    Call { eval: Eval, args: Vec<Program>, types: Vec<Typed>, is_pure: bool },
    And(Box<[Program; 2]>),
    Or(Box<[Program; 2]>),
    Coalesce(Vec<Program>),
    Cast { input: Box<Program>, try_: bool },
    Case { branches: Vec<(Program, Program)>, otherwise: Option<Box<Program>> },
    Field { input: Box<Program>, index: usize },
}

/// Functions whose value is not decided by their arguments.
const IMPURE: &[&str] = &[
    "CURRENT_TIMESTAMP",
    "NOW",
    "PROCTIME",
    "LOCALTIMESTAMP",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "LOCALTIME",
    "CURRENT_ROW_TIMESTAMP",
    "UNIX_TIMESTAMP",
];
/// Functions that fail for no argument, so that evaluating them too often does no harm.
const SAFE: &[&str] = &[
    "=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "AND",
    "OR",
    "NOT",
    "IS NULL",
    "IS NOT NULL",
    "IS TRUE",
    "IS NOT TRUE",
    "IS FALSE",
    "IS NOT FALSE",
    "BETWEEN",
    "NOT BETWEEN",
    "IN",
    "NOT IN",
    "LIKE",
    "NOT LIKE",
    "||",
    "+",
    "-",
    "*",
    "UPPER",
    "LOWER",
    "CHAR_LENGTH",
    "COALESCE",
    "ABS",
];

impl Program {
    /// Looks every function up.
    ///
    /// # Errors
    /// A function that the registry does not know.
    pub fn compile(expr: &Expr) -> Result<Self, EvalError> {
        let compile_all = |exprs: &[Expr]| exprs.iter().map(Self::compile).collect::<Result<Vec<_>, _>>();
        let mut can_fail = false;
        let step = match &expr.kind {
            ExprKind::Column(index) => Step::Column(*index),
            ExprKind::Literal(value) => Step::Constant(constant(value, &expr.typed.ty)?),
            ExprKind::Call { function, args } => {
                let entry = functions::find(function).ok_or_else(|| EvalError(format!("no function {function}")))?;
                let programs = compile_all(args)?;
                can_fail = !SAFE.contains(&entry.name) || programs.iter().any(|program| program.can_fail);
                call(entry.name, entry.eval, programs, args)
            }
            ExprKind::External { function, .. } => {
                return Err(EvalError(format!("the function {} cannot be called in this place", function.name)));
            }
            ExprKind::Cast { input, try_ } => {
                let input = Self::compile(input)?;
                can_fail = input.can_fail || (!try_ && cast::can_fail(&input.typed.ty, &expr.typed.ty));
                Step::Cast { input: Box::new(input), try_: *try_ }
            }
            ExprKind::Case { branches, otherwise } => {
                let branches: Vec<_> = branches
                    .iter()
                    .map(|(when, then)| Ok((Self::compile(when)?, Self::compile(then)?)))
                    .collect::<Result<_, EvalError>>()?;
                let otherwise = otherwise.as_deref().map(Self::compile).transpose()?.map(Box::new);
                can_fail = branches.iter().any(|(when, then)| when.can_fail || then.can_fail)
                    || otherwise.as_ref().is_some_and(|program| program.can_fail);
                Step::Case { branches, otherwise }
            }
            ExprKind::Field { input, index } => Step::Field { input: Box::new(Self::compile(input)?), index: *index },
        };
        Ok(Self { step, typed: expr.typed.clone(), can_fail })
    }

    /// The column that it just hands on, if it is one.
    pub fn as_column(&self) -> Option<usize> {
        match self.step {
            Step::Column(index) => Some(index),
            _ => None,
        }
    }

    /// Its type.
    pub fn typed(&self) -> &Typed {
        &self.typed
    }

    /// Evaluates over `rows` rows.
    pub fn run(&self, columns: &[ArrayRef], rows: usize, context: &EvalContext) -> Result<Column, EvalError> {
        if rows == 0 {
            // Not even a constant may fail when there is no row to fail for.
            return Ok(Column::Array(arrow::array::new_empty_array(&self.typed.ty.to_arrow())));
        }
        match &self.step {
            Step::Column(index) => Ok(Column::Array(columns[*index].clone())),
            Step::Constant(value) => Ok(Column::Scalar(value.clone())),
            Step::Call { eval, args, types, is_pure } => {
                let args: Vec<Column> =
                    args.iter().map(|arg| arg.run(columns, rows, context)).collect::<Result<_, _>>()?;
                let constant = *is_pure && args.iter().all(Column::is_scalar);
                let rows = if constant || (!is_pure && args.is_empty()) { 1 } else { rows };
                let array = eval(&Call { args: &args, types, rows, result: &self.typed, context })?;
                Ok(if constant || !is_pure && args.is_empty() { Column::Scalar(array) } else { Column::Array(array) })
            }
            Step::And(sides) => logic(sides, false, columns, rows, context),
            Step::Or(sides) => logic(sides, true, columns, rows, context),
            Step::Coalesce(args) => self.coalesce(args, columns, rows, context),
            Step::Cast { input, try_ } => {
                let value = input.run(columns, rows, context)?;
                let cast = cast::cast(value.array(), &input.typed.ty, &self.typed.ty, *try_, context)?;
                Ok(if value.is_scalar() { Column::Scalar(cast) } else { Column::Array(cast) })
            }
            Step::Case { branches, otherwise } => self.case(branches, otherwise.as_deref(), columns, rows, context),
            Step::Field { input, index } => {
                let value = input.run(columns, rows, context)?;
                let row = value.array().as_struct();
                let field = row.column(*index).clone();
                let nulls = arrow::buffer::NullBuffer::union(row.nulls(), field.nulls());
                let field = arrow::array::make_array(field.to_data().into_builder().nulls(nulls).build()?);
                Ok(if value.is_scalar() { Column::Scalar(field) } else { Column::Array(field) })
            }
        }
    }

    fn case(
        &self,
        branches: &[(Program, Program)],
        otherwise: Option<&Program>,
        columns: &[ArrayRef],
        rows: usize,
        context: &EvalContext,
    ) -> Result<Column, EvalError> {
        // The branch that each row takes; `branches.len()` is ELSE.
        let mut taken = vec![branches.len(); rows];
        let mut open: Vec<u32> = (0..rows as u32).collect();
        for (nth, (when, _)) in branches.iter().enumerate() {
            if open.is_empty() {
                break;
            }
            let (subset, count) = self::subset(columns, &open, rows)?;
            let truth = when.run(&subset, count, context)?;
            let is_true = |at: usize| is_true(truth.array().as_boolean(), truth.at(at));
            let mut still = Vec::with_capacity(open.len());
            for (at, &row) in open.iter().enumerate() {
                if is_true(at) {
                    taken[row as usize] = nth;
                } else {
                    still.push(row);
                }
            }
            open = still;
        }
        let mut values: Vec<ArrayRef> = Vec::with_capacity(branches.len() + 1);
        let mut picks = vec![(0usize, 0usize); rows];
        let thens = branches.iter().map(|(_, then)| Some(then)).chain(std::iter::once(otherwise));
        for (nth, then) in thens.enumerate() {
            let wanted: Vec<u32> = (0..rows as u32).filter(|&row| taken[row as usize] == nth).collect();
            for (at, &row) in wanted.iter().enumerate() {
                picks[row as usize] = (nth, at);
            }
            values.push(match then {
                Some(then) if !wanted.is_empty() => {
                    let (subset, count) = self::subset(columns, &wanted, rows)?;
                    then.run(&subset, count, context)?.into_array(count)?
                }
                _ => new_null_array(&self.typed.ty.to_arrow(), wanted.len()),
            });
        }
        let values: Vec<&dyn Array> = values.iter().map(|value| value.as_ref()).collect();
        Ok(Column::Array(compute::interleave(&values, &picks)?))
    }

    fn coalesce(
        &self,
        args: &[Program],
        columns: &[ArrayRef],
        rows: usize,
        context: &EvalContext,
    ) -> Result<Column, EvalError> {
        let mut value = new_null_array(&self.typed.ty.to_arrow(), rows);
        for (nth, arg) in args.iter().enumerate() {
            let open: Vec<u32> = (0..rows as u32).filter(|&row| value.is_null(row as usize)).collect();
            if open.is_empty() {
                break;
            }
            let (subset, count) = subset(columns, &open, rows)?;
            let more = arg.run(&subset, count, context)?.into_array(count)?;
            if nth == 0 {
                value = more;
                continue;
            }
            let mut picks: Vec<(usize, usize)> = (0..rows).map(|row| (0, row)).collect();
            for (at, &row) in open.iter().enumerate() {
                picks[row as usize] = (1, at);
            }
            value = compute::interleave(&[value.as_ref(), more.as_ref()], &picks)?;
        }
        Ok(Column::Array(value))
    }
}

fn call(name: &str, eval: Eval, mut args: Vec<Program>, exprs: &[Expr]) -> Step {
    match name {
        "AND" | "OR" if args.len() == 2 => {
            let right = args.pop();
            let left = args.pop();
            match (left, right) {
                (Some(left), Some(right)) if name == "AND" => Step::And(Box::new([left, right])),
                (Some(left), Some(right)) => Step::Or(Box::new([left, right])),
                _ => Step::Coalesce(Vec::new()),
            }
        }
        "COALESCE" | "IFNULL" => Step::Coalesce(args),
        "IF" if args.len() == 3 => {
            let otherwise = args.pop().map(Box::new);
            let then = args.pop();
            let when = args.pop();
            Step::Case { branches: when.into_iter().zip(then).collect(), otherwise }
        }
        _ => {
            let types = exprs.iter().map(|expr| expr.typed.clone()).collect();
            Step::Call { eval, args, types, is_pure: !IMPURE.contains(&name) }
        }
    }
}

/// `AND` (`decides` = false) or `OR` (`decides` = true): a left side equal to `decides` settles the row.
fn logic(
    sides: &[Program; 2],
    decides: bool,
    columns: &[ArrayRef],
    rows: usize,
    context: &EvalContext,
) -> Result<Column, EvalError> {
    let left = sides[0].run(columns, rows, context)?.into_array(rows)?;
    let left = left.as_boolean();
    let settled = |row: usize| left.is_valid(row) && left.value(row) == decides;
    let right = if sides[1].can_fail && (0..rows).any(settled) {
        let open: Vec<u32> = (0..rows as u32).filter(|&row| !settled(row as usize)).collect();
        let (subset, count) = subset(columns, &open, rows)?;
        let some = sides[1].run(&subset, count, context)?.into_array(count)?;
        let mut places = vec![None; rows];
        for (at, &row) in open.iter().enumerate() {
            places[row as usize] = Some(at as u32);
        }
        compute::take(&some, &UInt32Array::from(places), None)?
    } else {
        sides[1].run(columns, rows, context)?.into_array(rows)?
    };
    let value = if decides {
        compute::or_kleene(left, right.as_boolean())?
    } else {
        compute::and_kleene(left, right.as_boolean())?
    };
    Ok(Column::Array(Arc::new(value)))
}

fn subset(columns: &[ArrayRef], wanted: &[u32], rows: usize) -> Result<(Vec<ArrayRef>, usize), EvalError> {
    if wanted.len() == rows {
        return Ok((columns.to_vec(), rows));
    }
    let wanted = UInt32Array::from(wanted.to_vec());
    let taken = columns.iter().map(|column| compute::take(column, &wanted, None)).collect::<Result<_, _>>()?;
    Ok((taken, wanted.len()))
}

/// Whether a value is TRUE, neither FALSE nor NULL.
pub(crate) fn is_true(values: &BooleanArray, row: usize) -> bool {
    values.is_valid(row) && values.value(row)
}

/// A constant as an array of length 1.
pub(crate) fn constant(value: &Value, ty: &SqlType) -> Result<ArrayRef, EvalError> {
    let wrong = || EvalError(format!("a literal {value:?} is not of type {ty}"));
    Ok(match (value, ty) {
        (Value::Null, ty) => new_null_array(&ty.to_arrow(), 1),
        (Value::Boolean(v), SqlType::Boolean) => Arc::new(BooleanArray::from(vec![*v])),
        (Value::Int(v), ty) => match ty {
            SqlType::TinyInt => Arc::new(Int8Array::from(vec![*v as i8])),
            SqlType::SmallInt => Arc::new(Int16Array::from(vec![*v as i16])),
            SqlType::Int => Arc::new(Int32Array::from(vec![*v as i32])),
            SqlType::BigInt => Arc::new(Int64Array::from(vec![*v])),
            _ => return Err(wrong()),
        },
        (Value::Float(v), SqlType::Float) => Arc::new(Float32Array::from(vec![*v as f32])),
        (Value::Float(v), SqlType::Double) => Arc::new(Float64Array::from(vec![*v])),
        (Value::Decimal(v), SqlType::Decimal(p, s)) => {
            Arc::new(Decimal128Array::from(vec![*v]).with_precision_and_scale(*p, *s)?)
        }
        (Value::String(v), SqlType::Char(_) | SqlType::Varchar(_)) => Arc::new(StringArray::from(vec![v.as_str()])),
        (Value::Bytes(v), SqlType::Binary(_) | SqlType::Varbinary(_)) => {
            Arc::new(BinaryArray::from(vec![v.as_slice()]))
        }
        (Value::Date(v), SqlType::Date) => Arc::new(Date32Array::from(vec![*v])),
        (Value::Time(v), SqlType::Time(_)) => Arc::new(Time32MillisecondArray::from(vec![*v])),
        (Value::Timestamp(v), SqlType::Timestamp(p) | SqlType::TimestampLtz(p)) => {
            let array: ArrayRef = match p {
                0..=3 => Arc::new(TimestampMillisecondArray::from(vec![*v])),
                4..=6 => Arc::new(TimestampMicrosecondArray::from(vec![*v])),
                _ => Arc::new(TimestampNanosecondArray::from(vec![*v])),
            };
            relabel(array, ty)?
        }
        (Value::IntervalMonths(v), SqlType::IntervalMonths) => Arc::new(IntervalYearMonthArray::from(vec![*v])),
        (Value::IntervalMillis(v), SqlType::IntervalMillis) => Arc::new(DurationMillisecondArray::from(vec![*v])),
        _ => return Err(wrong()),
    })
}

/// The same buffers under another Arrow type of the same layout.
pub(crate) fn relabel(array: ArrayRef, ty: &SqlType) -> Result<ArrayRef, EvalError> {
    let wanted = ty.to_arrow();
    if array.data_type() == &wanted {
        return Ok(array);
    }
    Ok(arrow::array::make_array(array.to_data().into_builder().data_type(wanted).build()?))
}
