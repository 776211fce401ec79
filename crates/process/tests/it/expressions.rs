//! Tables of expressions with the values that Flink 2.2 gives.

use crate::support::call;
use arrow::array::{Array, StringArray};
use millrace_process::graph::{Expr, ExprKind, Value};
use millrace_process::{EvalContext, EvalError, Program};
use millrace_schema::{SqlType, Typed};

fn eval(expr: Expr) -> Result<Option<String>, EvalError> {
    let text = Typed { ty: SqlType::STRING, nullable: true };
    let expr = expr.coerced(&text);
    let context = EvalContext { now: 1_780_000_000_000, zone: chrono_tz::UTC };
    let column = Program::compile(&expr)?.run(&[], 1, &context)?.into_array(1)?;
    let column = column.as_any().downcast_ref::<StringArray>().unwrap();
    Ok(column.is_valid(0).then(|| column.value(0).to_owned()))
}

fn int(value: i64) -> Expr {
    Expr::literal(Value::Int(value), SqlType::Int)
}

fn long(value: i64) -> Expr {
    Expr::literal(Value::Int(value), SqlType::BigInt)
}

fn dec(unscaled: i128, precision: u8, scale: i8) -> Expr {
    Expr::literal(Value::Decimal(unscaled), SqlType::Decimal(precision, scale))
}

fn dbl(value: f64) -> Expr {
    Expr::literal(Value::Float(value), SqlType::Double)
}

fn s(text: &str) -> Expr {
    Expr::literal(Value::String(text.to_owned()), SqlType::Char(text.chars().count() as u32))
}

fn null() -> Expr {
    Expr::literal(Value::Null, SqlType::Int)
}

fn cast(input: Expr, ty: SqlType, try_: bool) -> Expr {
    let typed = Typed { ty, nullable: true };
    Expr { kind: ExprKind::Cast { input: Box::new(input), try_ }, typed }
}

fn ts(text: &str) -> Expr {
    cast(s(text), SqlType::Timestamp(3), false)
}

fn check(cases: Vec<(Expr, Option<&str>)>) {
    for (expr, expected) in cases {
        let shown = format!("{expr:?}");
        assert_eq!(eval(expr).unwrap().as_deref(), expected, "{shown}");
    }
}

#[test]
fn arithmetic() {
    check(vec![
        (call("+", vec![int(i64::from(i32::MAX)), int(1)]), Some("-2147483648")),
        (call("/", vec![int(7), int(-2)]), Some("-3")),
        (call("%", vec![int(-7), int(2)]), Some("-1")),
        (call("*", vec![int(3), long(4)]), Some("12")),
        (call("+", vec![dec(150, 3, 2), dec(25, 2, 1)]), Some("4.00")),
        (call("/", vec![dec(100, 3, 2), dec(300, 3, 2)]), Some("0.333333")),
        (call("*", vec![dec(15, 2, 1), int(2)]), Some("3.0")),
        (call("ROUND", vec![dbl(2.675), int(2)]), Some("2.68")),
        (call("ROUND", vec![dec(2675, 4, 3), int(2)]), Some("2.68")),
        (call("FLOOR", vec![dec(-15, 2, 1)]), Some("-2")),
        (call("+", vec![null(), int(1)]), None),
        (call("POWER", vec![int(2), int(10)]), Some("1024.0")),
    ]);
    assert!(eval(call("/", vec![int(1), int(0)])).is_err());
}

#[test]
fn logic_is_three_valued_and_lazy() {
    let yes = || Expr::literal(Value::Boolean(true), SqlType::Boolean);
    let no = || Expr::literal(Value::Boolean(false), SqlType::Boolean);
    let unknown = || Expr::literal(Value::Null, SqlType::Boolean);
    let boom = || call("=", vec![call("/", vec![int(1), int(0)]), int(1)]);
    check(vec![
        (call("AND", vec![unknown(), no()]), Some("FALSE")),
        (call("AND", vec![unknown(), yes()]), None),
        (call("OR", vec![unknown(), yes()]), Some("TRUE")),
        (call("AND", vec![no(), boom()]), Some("FALSE")),
        (call("OR", vec![yes(), boom()]), Some("TRUE")),
        (call("IF", vec![yes(), int(1), call("/", vec![int(1), int(0)])]), Some("1")),
        (call("COALESCE", vec![null(), int(2), call("/", vec![int(1), int(0)])]), Some("2")),
        (call("IS DISTINCT FROM", vec![null(), int(2)]), Some("TRUE")),
        (call("NULLIF", vec![int(2), int(2)]), None),
        (call("IN", vec![int(2), int(1), null()]), None),
        (call("BETWEEN", vec![int(2), int(1), int(3)]), Some("TRUE")),
        (call("GREATEST", vec![int(2), int(5), int(3)]), Some("5")),
    ]);
}

#[test]
fn texts() {
    check(vec![
        (call("UPPER", vec![s("aé")]), Some("AÉ")),
        (call("SUBSTRING", vec![s("flink"), int(2), int(3)]), Some("lin")),
        (call("SUBSTRING", vec![s("flink"), int(-3)]), Some("ink")),
        (call("LIKE", vec![s("50%"), s("50\\%"), s("\\")]), Some("TRUE")),
        (call("LIKE", vec![s("abcabd"), s("a%b_")]), Some("TRUE")),
        (call("REGEXP_EXTRACT", vec![s("foothebar"), s("foo(.*?)(bar)"), int(2)]), Some("bar")),
        (call("REGEXP_REPLACE", vec![s("foobar"), s("oo|ar"), s("")]), Some("fb")),
        (call("SPLIT_INDEX", vec![s("a,b,c"), s(","), int(1)]), Some("b")),
        (call("LPAD", vec![s("hi"), int(4), s("??")]), Some("??hi")),
        (call("CONCAT_WS", vec![s("~"), s("AA"), null(), s("BB")]), Some("AA~BB")),
        (call("MD5", vec![s("abc")]), Some("900150983cd24fb0d6963f7d28e17f72")),
        (call("POSITION", vec![s("in"), s("flink")]), Some("3")),
        (call("JSON_VALUE", vec![s("{\"a\":{\"b\":[1,2]}}"), s("$.a.b[1]")]), Some("2")),
        (call("||", vec![s("a"), int(1)]), Some("a1")),
    ]);
}

#[test]
fn times() {
    check(vec![
        (call("DATE_FORMAT", vec![ts("2026-03-01 01:02:03"), s("yyyy/MM/dd HH:mm")]), Some("2026/03/01 01:02")),
        (call("FLOOR", vec![ts("2026-03-05 01:02:03"), s("MONTH")]), Some("2026-03-01 00:00:00.000")),
        (call("CEIL", vec![ts("2026-03-05 01:02:03"), s("HOUR")]), Some("2026-03-05 02:00:00.000")),
        (call("EXTRACT", vec![s("DOW"), ts("2026-03-01 00:00:00")]), Some("1")),
        (call("TIMESTAMPADD", vec![s("MONTH"), int(1), ts("2026-01-31 00:00:00")]), Some("2026-02-28 00:00:00.000")),
        (call("TIMESTAMPDIFF", vec![s("DAY"), ts("2026-01-01 12:00:00"), ts("2026-01-03 11:00:00")]), Some("1")),
        (call("TO_TIMESTAMP", vec![s("2026-01-02 03:04:05")]), Some("2026-01-02 03:04:05.000")),
        (call("TO_TIMESTAMP_LTZ", vec![long(1_000), int(0)]), Some("1970-01-01 00:16:40.000")),
        (call("FROM_UNIXTIME", vec![long(60)]), Some("1970-01-01 00:01:00")),
        (call("YEAR", vec![cast(s("2026-05-06"), SqlType::Date, false)]), Some("2026")),
    ]);
}

#[test]
fn casts() {
    check(vec![
        (cast(s(" 12.7 "), SqlType::Int, false), Some("12")),
        (cast(s("x"), SqlType::Int, true), None),
        (cast(dbl(1e10), SqlType::Int, false), Some("2147483647")),
        (cast(int(300), SqlType::TinyInt, false), Some("44")),
        (cast(dbl(1.0), SqlType::STRING, false), Some("1.0")),
        (cast(s("yes"), SqlType::Boolean, false), Some("TRUE")),
        (cast(s("12.345"), SqlType::Decimal(4, 2), false), Some("12.35")),
        (cast(s("12345"), SqlType::Decimal(4, 2), false), None),
        (cast(s("hello"), SqlType::Varchar(3), false), Some("hel")),
        (cast(s("ab"), SqlType::Char(4), false), Some("ab  ")),
    ]);
    assert!(eval(cast(s("x"), SqlType::Int, false)).is_err());
}
