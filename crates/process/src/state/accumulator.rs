//! Accumulators: one aggregate's running value for every group, in columns.
//!
//! Every accumulator can be updated by rows, merged with another of its kind, turned into result columns, and saved.

use super::Seen;
use super::numbers::{decimals, doubles, from_longs, longs};
use crate::aggregates::AggregateCall;
use crate::codec::{CodecError, Reader, Writer};
use crate::eval::EvalError;
use crate::number::{decimal_binary, rescale};
use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float32Array, Float64Array};
use arrow::buffer::NullBuffer;
use arrow::row::{RowConverter, SortField};
use millrace_schema::SqlType;
use std::sync::Arc;

/// What an aggregate needs to know to compute.
pub(crate) struct AccSpec {
    how: How,
    input: Option<SqlType>,
    result: SqlType,
    column: Option<usize>,
    filter: Option<usize>,
    distinct: bool,
    /// Packs single values where values are kept as bytes.
    packer: Option<RowConverter>,
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    Count,
    Sum,
    Avg,
    Min,
    Max,
    First,
    Last,
}

/// The running values of one aggregate.
pub(crate) struct Accumulator {
    values: Values,
    /// Values that were already counted, with their group: for DISTINCT.
    seen: Option<Seen>,
}

enum Values {
    /// COUNT
    Counts(Vec<i64>),
    /// SUM, MIN, MAX of what is held as an integer, and how many went in
    Longs(Vec<i64>, Vec<i64>),
    /// of FLOAT and DOUBLE
    Doubles(Vec<f64>, Vec<i64>),
    /// of DECIMAL
    Decimals(Vec<i128>, Vec<i64>),
    /// MIN, MAX of other types, FIRST_VALUE, LAST_VALUE: packed so that bytes sort as values do
    Packed(Vec<Option<Box<[u8]>>>),
}

impl AccSpec {
    /// For a call over an input of these types.
    pub fn new(call: &AggregateCall, input: &[SqlType]) -> Result<Arc<Self>, EvalError> {
        let how = match call.function.as_str() {
            "COUNT" => How::Count,
            "SUM" => How::Sum,
            "AVG" => How::Avg,
            "MIN" => How::Min,
            "MAX" => How::Max,
            "FIRST_VALUE" => How::First,
            "LAST_VALUE" => How::Last,
            other => return Err(EvalError(format!("the aggregate {other} is not supported"))),
        };
        let column = call.args.first().copied();
        let ty = column.map(|column| input[column].clone());
        let mut spec = Self {
            how,
            input: ty.clone(),
            result: call.result.ty.clone(),
            column,
            filter: call.filter,
            // The least of distinct values is the least of all.
            distinct: call.distinct && matches!(how, How::Count | How::Sum | How::Avg),
            packer: None,
        };
        if let (true, Some(ty)) = (spec.distinct || matches!(spec.empty(), Values::Packed(_)), ty) {
            spec.packer = Some(RowConverter::new(vec![SortField::new(ty.to_arrow())])?);
        }
        Ok(Arc::new(spec))
    }

    fn empty(&self) -> Values {
        use SqlType as T;
        match (self.how, &self.input) {
            (How::Count, _) => Values::Counts(Vec::new()),
            (How::First | How::Last, _) => Values::Packed(Vec::new()),
            (_, Some(T::Float | T::Double)) => Values::Doubles(Vec::new(), Vec::new()),
            (_, Some(T::Decimal(..))) => Values::Decimals(Vec::new(), Vec::new()),
            (_, Some(T::Char(_) | T::Varchar(_) | T::Binary(_) | T::Varbinary(_) | T::Null)) => {
                Values::Packed(Vec::new())
            }
            _ => Values::Longs(Vec::new(), Vec::new()),
        }
    }

    /// An accumulator without groups.
    pub fn accumulator(&self) -> Accumulator {
        Accumulator { values: self.empty(), seen: self.distinct.then(Seen::new) }
    }

    fn pack(&self, column: &ArrayRef) -> Result<arrow::row::Rows, EvalError> {
        let packer = self.packer.as_ref().ok_or_else(|| EvalError("an aggregate without packer".to_owned()))?;
        Ok(packer.convert_columns(std::slice::from_ref(column))?)
    }

    fn unpack<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Result<ArrayRef, EvalError> {
        let packer = self.packer.as_ref().ok_or_else(|| EvalError("an aggregate without packer".to_owned()))?;
        let parser = packer.parser();
        let mut columns = packer.convert_rows(values.map(|bytes| parser.parse(bytes)))?;
        columns.pop().ok_or_else(|| EvalError("a packed value without column".to_owned()))
    }
}

/// What folding a value into an accumulator means.
#[derive(Clone, Copy)]
enum Fold {
    Add,
    Least,
    Greatest,
}

impl How {
    fn fold(self) -> Fold {
        match self {
            Self::Min => Fold::Least,
            Self::Max => Fold::Greatest,
            _ => Fold::Add,
        }
    }
}

/// Folds `value`, which stands for `count` rows, into a slot.
macro_rules! fold {
    ($fold:expr, $slot:expr, $seen:expr, $value:expr, $count:expr, $add:expr) => {{
        let (slot, seen, value) = ($slot, $seen, $value);
        match $fold {
            Fold::Add => *slot = $add(*slot, value),
            Fold::Least => {
                if *seen == 0 || value < *slot {
                    *slot = value
                }
            }
            Fold::Greatest => {
                if *seen == 0 || value > *slot {
                    *slot = value
                }
            }
        }
        *seen += $count;
    }};
}

impl Accumulator {
    fn resize(&mut self, groups: usize) {
        match &mut self.values {
            Values::Counts(counts) => counts.resize(groups, 0),
            Values::Longs(values, seen) => {
                values.resize(groups, 0);
                seen.resize(groups, 0);
            }
            Values::Doubles(values, seen) => {
                values.resize(groups, 0.0);
                seen.resize(groups, 0);
            }
            Values::Decimals(values, seen) => {
                values.resize(groups, 0);
                seen.resize(groups, 0);
            }
            Values::Packed(values) => values.resize(groups, None),
        }
    }

    /// Takes the rows `rows` of a chunk; `groups[i]` is the group of `rows[i]`, all below `count`.
    pub fn update(
        &mut self,
        spec: &AccSpec,
        columns: &[ArrayRef],
        rows: &[u32],
        groups: &[u32],
        count: usize,
    ) -> Result<(), EvalError> {
        self.resize(count);
        let column = spec.column.map(|column| &columns[column]);
        let filter = spec.filter.map(|filter| columns[filter].as_boolean());
        let nulls = column.and_then(|column| column.nulls());
        if filter.is_none() && nulls.is_none_or(|nulls| nulls.null_count() == 0) && self.seen.is_none() {
            return self.fold_rows(spec, column, rows, groups);
        }
        let counts = |row: usize| {
            nulls.is_none_or(|nulls: &NullBuffer| nulls.is_valid(row))
                && filter.is_none_or(|filter| crate::eval::is_true(filter, row))
        };
        let (mut some_rows, mut some_groups) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        let packed = match (&self.seen, column) {
            (Some(_), Some(column)) => Some(spec.pack(column)?),
            _ => None,
        };
        for (&row, &group) in rows.iter().zip(groups) {
            if !counts(row as usize) {
                continue;
            }
            if let (Some(seen), Some(packed)) = (&mut self.seen, &packed)
                && !seen.insert(group, packed.row(row as usize).data())
            {
                continue;
            }
            some_rows.push(row);
            some_groups.push(group);
        }
        self.fold_rows(spec, column, &some_rows, &some_groups)
    }

    fn fold_rows(
        &mut self,
        spec: &AccSpec,
        column: Option<&ArrayRef>,
        rows: &[u32],
        groups: &[u32],
    ) -> Result<(), EvalError> {
        let fold = spec.how.fold();
        let Some(column) = column else {
            if let Values::Counts(counts) = &mut self.values {
                groups.iter().for_each(|&group| counts[group as usize] += 1);
            }
            return Ok(());
        };
        match &mut self.values {
            Values::Counts(counts) => groups.iter().for_each(|&group| counts[group as usize] += 1),
            Values::Longs(values, seen) => {
                let input = longs(column)?;
                for (&row, &group) in rows.iter().zip(groups) {
                    let (slot, seen) = (&mut values[group as usize], &mut seen[group as usize]);
                    fold!(fold, slot, seen, input[row as usize], 1, |a: i64, b| a.wrapping_add(b));
                }
            }
            Values::Doubles(values, seen) => {
                let input = doubles(column);
                // SUM(FLOAT) adds in FLOAT.
                let single = spec.result == SqlType::Float && spec.how == How::Sum;
                let add = |a: f64, b: f64| if single { f64::from(a as f32 + b as f32) } else { a + b };
                for (&row, &group) in rows.iter().zip(groups) {
                    let (slot, seen) = (&mut values[group as usize], &mut seen[group as usize]);
                    fold!(fold, slot, seen, input[row as usize], 1, add);
                }
            }
            Values::Decimals(values, seen) => {
                let input = decimals(column);
                for (&row, &group) in rows.iter().zip(groups) {
                    let (slot, seen) = (&mut values[group as usize], &mut seen[group as usize]);
                    fold!(fold, slot, seen, input[row as usize], 1, |a: i128, b| a.saturating_add(b));
                }
            }
            Values::Packed(values) => {
                let packed = spec.pack(column)?;
                for (&row, &group) in rows.iter().zip(groups) {
                    pick(spec.how, &mut values[group as usize], packed.row(row as usize).data());
                }
            }
        }
        Ok(())
    }

    /// Forgets all groups; what they took is kept for others.
    pub fn clear(&mut self) {
        self.resize(0);
        if let Some(seen) = &mut self.seen {
            seen.clear();
        }
    }

    /// Takes groups of another accumulator in, whose rows came later: each there and here, all here below `count`.
    pub fn merge(
        &mut self,
        spec: &AccSpec,
        other: &Self,
        groups: &[(u32, u32)],
        count: usize,
    ) -> Result<(), EvalError> {
        self.resize(count);
        if let (Some(seen), Some(theirs)) = (&mut self.seen, &other.seen) {
            return Self::merge_distinct(&mut self.values, seen, spec, theirs, groups);
        }
        let fold = spec.how.fold();
        match (&mut self.values, &other.values) {
            (Values::Counts(mine), Values::Counts(theirs)) => {
                groups.iter().for_each(|&(from, to)| mine[to as usize] += theirs[from as usize]);
            }
            (Values::Longs(mine, seen), Values::Longs(theirs, counts)) => {
                merge_numbers(fold, (mine, seen), (theirs, counts), groups, |a, b| a.wrapping_add(b));
            }
            (Values::Doubles(mine, seen), Values::Doubles(theirs, counts)) => {
                merge_numbers(fold, (mine, seen), (theirs, counts), groups, |a, b| a + b);
            }
            (Values::Decimals(mine, seen), Values::Decimals(theirs, counts)) => {
                merge_numbers(fold, (mine, seen), (theirs, counts), groups, |a, b| a.saturating_add(b));
            }
            (Values::Packed(mine), Values::Packed(theirs)) => {
                for &(from, to) in groups {
                    if let Some(value) = &theirs[from as usize] {
                        pick(spec.how, &mut mine[to as usize], value);
                    }
                }
            }
            _ => return Err(EvalError("accumulators of different kinds cannot be merged".to_owned())),
        }
        Ok(())
    }

    fn merge_distinct(
        values: &mut Values,
        seen: &mut Seen,
        spec: &AccSpec,
        theirs: &Seen,
        groups: &[(u32, u32)],
    ) -> Result<(), EvalError> {
        let mut fresh: Vec<(u32, &[u8])> = Vec::new();
        for &(from, to) in groups {
            fresh.extend(theirs.of(from).filter(|bytes| seen.insert(to, bytes)).map(|bytes| (to, bytes)));
        }
        if let Values::Counts(counts) = values {
            fresh.iter().for_each(|(group, _)| counts[*group as usize] += 1);
            return Ok(());
        }
        // In order of value, so that floating sums do not depend on which lane came first.
        fresh.sort_unstable();
        let column = spec.unpack(fresh.iter().map(|(_, bytes)| *bytes))?;
        let rows: Vec<u32> = (0..fresh.len() as u32).collect();
        let groups: Vec<u32> = fresh.iter().map(|(group, _)| *group).collect();
        let mut inner = Self { values: std::mem::replace(values, Values::Counts(Vec::new())), seen: None };
        inner.fold_rows(spec, Some(&column), &rows, &groups)?;
        *values = inner.values;
        Ok(())
    }

    /// The results of the given groups.
    pub fn finish(&self, spec: &AccSpec, groups: &[u32]) -> Result<ArrayRef, EvalError> {
        let at = |group: &u32| *group as usize;
        match &self.values {
            Values::Counts(counts) => from_longs(groups.iter().map(|g| Some(counts[at(g)])).collect(), &spec.result),
            Values::Longs(values, seen) => {
                let result = |g: &u32| {
                    let (value, count) = (values[at(g)], seen[at(g)]);
                    (count > 0).then(|| if spec.how == How::Avg { value.wrapping_div(count) } else { value })
                };
                from_longs(groups.iter().map(result).collect(), &spec.result)
            }
            Values::Doubles(values, seen) => {
                let result = |g: &u32| {
                    let (value, count) = (values[at(g)], seen[at(g)]);
                    (count > 0).then(|| if spec.how == How::Avg { value / count as f64 } else { value })
                };
                Ok(match spec.result {
                    SqlType::Float => {
                        Arc::new(groups.iter().map(|g| result(g).map(|v| v as f32)).collect::<Float32Array>())
                    }
                    _ => Arc::new(groups.iter().map(result).collect::<Float64Array>()),
                })
            }
            Values::Decimals(values, seen) => {
                let (SqlType::Decimal(precision, to), Some(SqlType::Decimal(_, from))) = (&spec.result, &spec.input)
                else {
                    return Err(EvalError("a decimal aggregate gives a decimal".to_owned()));
                };
                let result = |g: &u32| {
                    let (value, count) = (values[at(g)], seen[at(g)]);
                    if count == 0 {
                        None
                    } else if spec.how == How::Avg {
                        decimal_binary('/', (value, *from), (i128::from(count), 0), (*precision, *to))
                    } else {
                        rescale(value, *from, *to, *precision)
                    }
                };
                let values: Decimal128Array = groups.iter().map(result).collect();
                Ok(Arc::new(values.with_precision_and_scale(*precision, *to)?))
            }
            Values::Packed(values) => {
                // Groups without a value take a NULL, which is packed like any other.
                let null = spec.pack(&arrow::array::new_null_array(&spec.result.to_arrow(), 1))?;
                let null = null.row(0);
                spec.unpack(groups.iter().map(|g| values[at(g)].as_deref().unwrap_or(null.data())))
            }
        }
    }

    /// Appends the running values.
    pub fn save(&self, out: &mut Writer<'_>) {
        match &self.values {
            Values::Counts(counts) => out.list(counts.iter(), |out, count| out.i64(*count)),
            Values::Longs(values, seen) => out.list(values.iter().zip(seen), |out, (value, seen)| {
                out.i64(*value);
                out.i64(*seen);
            }),
            Values::Doubles(values, seen) => out.list(values.iter().zip(seen), |out, (value, seen)| {
                out.u64(value.to_bits());
                out.i64(*seen);
            }),
            Values::Decimals(values, seen) => out.list(values.iter().zip(seen), |out, (value, seen)| {
                out.i128(*value);
                out.i64(*seen);
            }),
            Values::Packed(values) => out.list(values.iter(), |out, value| {
                out.u8(u8::from(value.is_some()));
                out.bytes(value.as_deref().unwrap_or_default());
            }),
        }
        match &self.seen {
            Some(seen) => seen.save(out),
            None => out.u64(0),
        }
    }

    /// Reads what [`Self::save`] wrote for the same aggregate.
    pub fn load(spec: &AccSpec, from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let values = match spec.empty() {
            Values::Counts(_) => Values::Counts(from.list(|from| from.i64())?),
            Values::Longs(..) => {
                let (values, seen) = from.list(|from| Ok((from.i64()?, from.i64()?)))?.into_iter().unzip();
                Values::Longs(values, seen)
            }
            Values::Doubles(..) => {
                let pairs = from.list(|from| Ok((f64::from_bits(from.u64()?), from.i64()?)))?;
                let (values, seen) = pairs.into_iter().unzip();
                Values::Doubles(values, seen)
            }
            Values::Decimals(..) => {
                let (values, seen) = from.list(|from| Ok((from.i128()?, from.i64()?)))?.into_iter().unzip();
                Values::Decimals(values, seen)
            }
            Values::Packed(_) => Values::Packed(from.list(|from| {
                let is_some = from.u8()? == 1;
                let bytes: Box<[u8]> = from.bytes()?.into();
                Ok(is_some.then_some(bytes))
            })?),
        };
        let seen = Seen::load(from)?;
        Ok(Self { values, seen: spec.distinct.then_some(seen) })
    }
}

/// Folds values of groups there, and how many rows each stands for, into groups here.
fn merge_numbers<T: Copy + PartialOrd>(
    fold: Fold,
    mine: (&mut [T], &mut [i64]),
    theirs: (&[T], &[i64]),
    groups: &[(u32, u32)],
    add: impl Fn(T, T) -> T,
) {
    for &(from, to) in groups {
        let (value, count) = (theirs.0[from as usize], theirs.1[from as usize]);
        if count > 0 {
            fold!(fold, &mut mine.0[to as usize], &mut mine.1[to as usize], value, count, add);
        }
    }
}

/// Puts a packed value into a slot when it belongs there.
fn pick(how: How, slot: &mut Option<Box<[u8]>>, value: &[u8]) {
    let wins = match slot.as_deref() {
        None => true,
        Some(held) => match how {
            How::Min => value < held,
            How::Max => value > held,
            How::Last => true,
            _ => false,
        },
    };
    if wins {
        *slot = Some(value.into());
    }
}
