//! Arrays, maps and rows: construction, `ITEM` (`a[i]`, `m[k]`), `CARDINALITY`.

use super::signature::{Args, Call, Entry, Param, Signature, all, is_integer};
use crate::eval::{Column, EvalError};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListArray, MapArray, StructArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute;
use arrow::datatypes::{DataType, Int32Type};
use millrace_schema::{Field, SqlType, Typed};
use std::sync::Arc;

pub(super) const TABLE: &[Entry] = &[
    Entry { name: "ITEM", sign: sign_item, eval: item },
    Entry { name: "ELEMENT", sign: sign_element, eval: element },
    Entry { name: "CARDINALITY", sign: sign_cardinality, eval: cardinality },
    Entry { name: "ARRAY", sign: sign_array, eval: array },
    Entry { name: "MAP", sign: sign_map, eval: map },
    Entry { name: "ROW", sign: sign_row, eval: row },
    Entry { name: "ARRAY_CONTAINS", sign: sign_contains, eval: contains },
];

fn sign_item(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Any, Param::Any], &[], None)?;
    match &types[0].ty {
        SqlType::Array(item) if is_integer(&types[1].ty) => {
            let index = Typed { ty: SqlType::Int, nullable: types[1].nullable };
            args.maybe(vec![types[0].clone(), index], item.ty.clone())
        }
        SqlType::Map(key, value) => {
            let wanted = Typed { ty: key.ty.clone(), nullable: types[1].nullable };
            args.maybe(vec![types[0].clone(), wanted], value.ty.clone())
        }
        ty => Err(format!("an element can be taken of an ARRAY (by an integer) or a MAP, not of {ty}")),
    }
}

fn sign_element(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Any], &[], None)?;
    match &types[0].ty {
        SqlType::Array(item) => args.maybe(types.clone(), item.ty.clone()),
        ty => Err(format!("ELEMENT takes an ARRAY, not {ty}")),
    }
}

fn sign_cardinality(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Any], &[], None)?;
    match &types[0].ty {
        SqlType::Array(_) | SqlType::Map(..) => args.fixed(types, SqlType::Int),
        ty => Err(format!("CARDINALITY takes an ARRAY or a MAP, not {ty}")),
    }
}

fn sign_array(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Any], &[], Some(Param::Any))?;
    let common = args.common(&types)?;
    let item = Typed { ty: common.clone(), nullable: args.null_in() };
    let result = Typed { ty: SqlType::Array(Box::new(item)), nullable: false };
    Ok(Signature { args: all(&types, &common), result })
}

fn sign_map(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Any, Param::Any], &[], Some(Param::Any))?;
    if types.len() % 2 != 0 {
        return Err("MAP takes keys and values in turn".to_owned());
    }
    let side = |which: usize| types.iter().skip(which).step_by(2).cloned().collect::<Vec<_>>();
    let (keys, values) = (side(0), side(1));
    let (key, value) = (args.common(&keys)?, args.common(&values)?);
    let wanted = types.iter().enumerate().map(|(nth, typed)| {
        let ty = if nth % 2 == 0 { key.clone() } else { value.clone() };
        Typed { ty, nullable: typed.nullable }
    });
    let args = wanted.collect();
    let key = Typed { ty: key.clone(), nullable: false };
    let value = Typed { ty: value.clone(), nullable: values.iter().any(|value| value.nullable) };
    let result = Typed { ty: SqlType::Map(Box::new(key), Box::new(value)), nullable: false };
    Ok(Signature { args, result })
}

fn sign_row(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Any], &[], Some(Param::Any))?;
    let field = |(nth, typed): (usize, &Typed)| Field { name: format!("EXPR${nth}"), typed: typed.clone() };
    let fields = types.iter().enumerate().map(field).collect();
    Ok(Signature { args: types, result: Typed { ty: SqlType::Row(fields), nullable: false } })
}

fn sign_contains(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Any, Param::Any], &[], None)?;
    match &types[0].ty {
        SqlType::Array(item) => {
            let needle = Typed { ty: item.ty.clone(), nullable: types[1].nullable };
            args.fixed(vec![types[0].clone(), needle], SqlType::Boolean)
        }
        ty => Err(format!("ARRAY_CONTAINS takes an ARRAY, not {ty}")),
    }
}

fn item(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let (whole, wanted) = (&call.args[0], &call.args[1]);
    if let DataType::Map(..) = whole.array().data_type() {
        return map_item(call, whole, wanted);
    }
    let lists = whole.array().as_list::<i32>();
    let index = wanted.array().as_primitive::<Int32Type>();
    let mut places = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let (at, i) = (whole.at(row), wanted.at(row));
        if lists.is_null(at) || index.is_null(i) {
            places.push(None);
            continue;
        }
        let (start, end) = (lists.value_offsets()[at], lists.value_offsets()[at + 1]);
        let nth = index.value(i);
        if nth < 1 {
            return Err(EvalError(format!("array index {nth}: the first element of an ARRAY has index 1")));
        }
        places.push((nth <= end - start).then(|| (start + nth - 1) as u32));
    }
    Ok(compute::take(lists.values(), &UInt32Array::from(places), None)?)
}

fn map_item(call: &Call<'_>, whole: &Column, wanted: &Column) -> Result<ArrayRef, EvalError> {
    let maps = whole.array().as_map();
    let order = arrow::array::make_comparator(maps.keys().as_ref(), wanted.array().as_ref(), Default::default())?;
    let places: UInt32Array = (0..call.rows)
        .map(|row| {
            let (at, key) = (whole.at(row), wanted.at(row));
            if maps.is_null(at) || wanted.array().is_null(key) {
                return None;
            }
            let mut entries = maps.value_offsets()[at] as usize..maps.value_offsets()[at + 1] as usize;
            entries.find(|&entry| order(entry, key).is_eq()).map(|entry| entry as u32)
        })
        .collect();
    Ok(compute::take(maps.values(), &places, None)?)
}

fn element(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let whole = &call.args[0];
    let lists = whole.array().as_list::<i32>();
    let mut places = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let at = whole.at(row);
        let (start, end) = (lists.value_offsets()[at], lists.value_offsets()[at + 1]);
        if lists.is_valid(at) && end - start > 1 {
            return Err(EvalError("ELEMENT takes an array of at most one element".to_owned()));
        }
        places.push((lists.is_valid(at) && end > start).then_some(start as u32));
    }
    Ok(compute::take(lists.values(), &UInt32Array::from(places), None)?)
}

fn cardinality(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let whole = &call.args[0];
    let offsets = match whole.array().data_type() {
        DataType::Map(..) => whole.array().as_map().value_offsets(),
        _ => whole.array().as_list::<i32>().value_offsets(),
    };
    let count = |row: usize| {
        let at = whole.at(row);
        whole.array().is_valid(at).then(|| offsets[at + 1] - offsets[at])
    };
    Ok(Arc::new((0..call.rows).map(count).collect::<Int32Array>()))
}

fn array(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let SqlType::Array(item) = &call.result.ty else {
        return Err(EvalError("ARRAY gives an ARRAY".to_owned()));
    };
    let columns: Vec<&dyn Array> = call.args.iter().map(|arg| arg.array().as_ref()).collect();
    let picks: Vec<(usize, usize)> =
        (0..call.rows).flat_map(|row| (0..columns.len()).map(move |nth| (nth, call.args[nth].at(row)))).collect();
    let values = compute::interleave(&columns, &picks)?;
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(columns.len(), call.rows));
    let DataType::List(field) = SqlType::Array(item.clone()).to_arrow() else {
        return Err(EvalError("ARRAY gives an ARRAY".to_owned()));
    };
    Ok(Arc::new(ListArray::try_new(field, offsets, values, None)?))
}

fn map(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let DataType::Map(field, sorted) = call.result.ty.to_arrow() else {
        return Err(EvalError("MAP gives a MAP".to_owned()));
    };
    let DataType::Struct(fields) = field.data_type() else {
        return Err(EvalError("MAP gives a MAP".to_owned()));
    };
    let pairs = call.args.len() / 2;
    let side = |which: usize| -> Result<ArrayRef, EvalError> {
        let columns: Vec<&dyn Array> =
            call.args.iter().skip(which).step_by(2).map(|arg| arg.array().as_ref()).collect();
        let at = |row: usize| (0..pairs).map(move |nth| (nth, call.args[2 * nth + which].at(row)));
        let picks: Vec<(usize, usize)> = (0..call.rows).flat_map(at).collect();
        Ok(compute::interleave(&columns, &picks)?)
    };
    let entries = StructArray::try_new(fields.clone(), vec![side(0)?, side(1)?], None)?;
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(pairs, call.rows));
    Ok(Arc::new(MapArray::try_new(field, offsets, entries, None, sorted)?))
}

fn row(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let DataType::Struct(fields) = call.result.ty.to_arrow() else {
        return Err(EvalError("ROW gives a ROW".to_owned()));
    };
    let columns = call.args.iter().map(|arg| arg.clone().into_array(call.rows)).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(StructArray::try_new(fields, columns, None)?))
}

fn contains(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let (whole, wanted) = (&call.args[0], &call.args[1]);
    let lists = whole.array().as_list::<i32>();
    let order = arrow::array::make_comparator(lists.values().as_ref(), wanted.array().as_ref(), Default::default())?;
    let found = |row: usize| {
        let (at, needle) = (whole.at(row), wanted.at(row));
        let mut items = lists.value_offsets()[at] as usize..lists.value_offsets()[at + 1] as usize;
        lists.is_valid(at).then(|| items.any(|item| order(item, needle).is_eq()))
    };
    Ok(Arc::new((0..call.rows).map(found).collect::<BooleanArray>()))
}
