//! The json format, case by case; the cases marked "Flink" were run on Flink 2.2.

use crate::{decode_one, fields, rows, with};
use millrace_schema::format;

fn json(ty: &str, payload: &str) -> String {
    decode_one("json", &[], &[("v", ty)], payload)
}

fn lenient(ty: &str, payload: &str) -> String {
    decode_one("json", &[("json.ignore-parse-errors", "true")], &[("v", ty)], payload)
}

#[test]
fn values_are_coerced_as_flink_coerces_them() {
    let cases = [
        ("int", "12", "12"),
        ("int", r#""12""#, "12"),
        ("int", r#"" 7 ""#, "7"),
        ("int", "3.99", "3"),
        ("bigint", "-3.99", "-3"),
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("bigint", "-9223372036854775808", "-9223372036854775808"),
        ("tinyint", r#""5""#, "5"),
        ("double", r#""1.5""#, "1.5"),
        ("double", "1.5e3", "1500.0"),
        ("double", "123456789012345678901234567890", "1.2345678901234568e29"),
        ("double", "0.1", "0.1"),
        ("double", "-0.0", "-0.0"),
        ("float", "0.1", "0.1"),
        ("boolean", "true", "true"),
        ("boolean", r#""TRUE""#, "true"),
        ("boolean", r#""no""#, "false"),
        ("boolean", "1", "false"),
        ("string", "12.50", "12.50"),
        ("string", "true", "true"),
        ("string", r#"{ "a": [1, "x y"] }"#, r#"{"a":[1,"x y"]}"#),
        ("string", r#""A\u00e9\ud83d\ude00\n""#, "Aé😀\n"),
        ("string", r#""x\ud800y""#, "x?y"),
        ("string", r#""""#, ""),
        ("string", "null", "∅"),
        ("decimal(10,2)", "1.005", "1.01"),
        ("decimal(10,2)", r#""1.005""#, "1.01"),
        ("decimal(10,2)", "-1.005", "-1.01"),
        ("decimal(10,2)", "123456789.5", "∅"),
        ("decimal(38,9)", "12345678901234567890123456789.123456789", "12345678901234567890123456789.123456789"),
        ("binary", r#""AQI=""#, "0102"),
        ("date", r#""2026-02-28""#, "2026-02-28"),
        ("timestamp", r#""2026-02-28 01:02:03.5""#, "2026-02-28T01:02:03.500"),
        ("timestamp", r#""2026-02-30 00:00:00""#, "2026-02-28T00:00:00"),
        ("timestamp_ltz", r#""2026-02-28 01:02:03Z""#, "2026-02-28T01:02:03"),
        ("time", r#""12:30:15.5""#, "12:30:15"),
        ("string", "\"ctrl\tx\"", "ctrl\tx"),
        ("array<int>", r#"[1, "2", null, 3.5]"#, "[1, 2, ∅, 3]"),
        ("array<int>", "[]", "[]"),
        ("map<string,int>", r#"{"a": 1, "b": null}"#, "{a: 1, b: ∅}"),
        ("struct<x:int,y:string>", r#"{"y": "z", "q": [1]}"#, "{x: ∅, y: z}"),
        ("struct<x:struct<y:array<int>>>", r#"{"x":{"y":[1]}}"#, "{x: {y: [1]}}"),
        ("struct<x:int>", "null", "∅"),
    ];
    for (ty, value, expected) in cases {
        assert_eq!(json(ty, &format!(r#"{{"v":{value}}}"#)), expected, "{ty} {value}");
    }
}

#[test]
fn values_that_do_not_fit_are_errors_that_name_the_field() {
    let cases = [
        ("int", r#""x""#, "! field 'v': 'x' is no INT"),
        ("int", "3000000000", "! field 'v': '3000000000' is no INT"),
        ("int", "true", "! field 'v': 'true' is no INT"),
        ("int", "[1]", "! field 'v': an object or array is no INT"),
        ("bigint", "99999999999999999999", "! field 'v': '99999999999999999999' is no BIGINT"),
        ("tinyint", "1.0", "! field 'v': '1.0' is no TINYINT"),
        ("timestamp", "1234", "! field 'v': '1234' is no TIMESTAMP(3)"),
        ("timestamp", r#""2026-01-01T00:00:00""#, "! field 'v': '2026-01-01T00:00:00' is no TIMESTAMP(3)"),
        ("date", r#""2026-02-30""#, "! field 'v': '2026-02-30' is no DATE"),
        ("array<int>", "5", "! field 'v': a value of another shape is no ARRAY<INT>"),
        ("struct<x:struct<y:int>>", r#"{"x":{"y":"q"}}"#, "! field 'v.x.y': 'q' is no INT"),
    ];
    for (ty, value, expected) in cases {
        let payload = format!(r#"{{"v":{value},"w":1}}"#);
        assert_eq!(json(ty, &payload), expected, "{ty} {value}");
        let nested = ty.starts_with("struct");
        assert_eq!(lenient(ty, &payload), if nested { "{x: {y: ∅}}" } else { "∅" }, "{ty} {value}");
    }
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    let cases = [
        ("not json", "! the record is no valid JSON at byte 0: a JSON object was expected"),
        ("", "! the record is no valid JSON at byte 0: the text ends too early"),
        ("[1]", "! the record is no valid JSON at byte 0: a JSON object was expected"),
        (r#"{"v":1"#, "! the record is no valid JSON at byte 6: the text ends too early"),
        (r#"{"v":1,}"#, "! the record is no valid JSON at byte 7: a key in double quotes was expected"),
        (
            r#"{"v":007}"#,
            "! the record is no valid JSON at byte 8: a number begins with a digit, and with 0 only before a point",
        ),
        (r#"{"v" 1}"#, "! the record is no valid JSON at byte 5: a colon was expected"),
        (r#"{"v":1 "w":2}"#, "! the record is no valid JSON at byte 7: a comma or the end was expected"),
        (r#"{"w":"\x"}"#, "! the record is no valid JSON at byte 7: there is no such escape"),
        (r#"{"w":nul}"#, "! the record is no valid JSON at byte 5: a value was expected"),
        (r#"{"w":1.}"#, "! the record is no valid JSON at byte 7: a digit must follow the point"),
    ];
    for (payload, expected) in cases {
        assert_eq!(json("int", payload), expected, "{payload}");
        assert_eq!(lenient("int", payload), "-", "{payload}");
    }
    let mut decoder = format::decoder("json", &with(&[]), &fields(&[("v", "string")])).unwrap();
    for bad in [&b"{\"v\":\"\xff\"}"[..], b"{\"w\":\"\xc3\x28\",\"v\":\"x\"}"] {
        let error = decoder.push(bad).unwrap_err().to_string();
        assert!(error.contains("not UTF-8"), "{error}");
    }
    let deep = format!(r#"{{"w":{}1{}}}"#, "[".repeat(1200), "]".repeat(1200));
    assert!(json("int", &deep).contains("deeper than 1000"));
}

#[test]
fn a_bad_record_leaves_the_others_whole() {
    let spec = fields(&[("a", "int"), ("l", "array<string>"), ("r", "struct<x:int,y:map<string,int>>")]);
    let mut decoder = format::decoder("json", &with(&[]), &spec).unwrap();
    decoder.push(br#"{"a":1,"l":["p","q"],"r":{"x":1,"y":{"k":1}}}"#).unwrap();
    decoder.push(br#"{"a":2,"l":["r","s"],"r":{"x":1,"y":{"k":1,"m":"bad"}}}"#).unwrap_err();
    decoder.push(br#"{"l":["t",{"#).unwrap_err();
    decoder.push(br#"{"r":null,"l":["u"],"a":3}"#).unwrap();
    decoder.push(br#"{}"#).unwrap();
    assert_eq!(decoder.len(), 3);
    assert_eq!(rows(decoder.as_mut()), ["1|[p, q]|{x: 1, y: {k: 1}}", "3|[u]|∅", "∅|∅|∅"]);
    decoder.push(br#"{"a":4, "a": 5}"#).unwrap();
    assert_eq!(rows(decoder.as_mut()), ["5|∅|∅"]);
}

#[test]
fn keys_in_any_order_and_spacing_are_found() {
    let mut decoder = format::decoder("json", &with(&[]), &fields(&[("a", "int"), ("bé", "int")])).unwrap();
    for payload in [
        r#"{"x":[{"a":9}],"a":1,"bé":2}"#,
        r#"{"x":[{"a":9}],"a": 1 ,"bé" :2}"#,
        r#"{ "bé":2, "a":1 }"#,
        r#"{"b\u00e9":2,"\u0061":1}"#,
        "\u{feff} {\n\"a\"\t:\r1,\"bé\":  2}\n",
        r#"{"aa":7,"a":1,"bé":2,"b":5}"#,
    ] {
        decoder.push(payload.as_bytes()).unwrap();
    }
    assert_eq!(rows(decoder.as_mut()), ["1|2"; 6]);
}

#[test]
fn options_are_flinks() {
    let missing = decode_one("json", &[("json.fail-on-missing-field", "true")], &[("v", "int")], "{}");
    assert_eq!(missing, "! field 'v': the record has no such field, and fail-on-missing-field is true");
    let iso = [("json.timestamp-format.standard", "ISO-8601")];
    assert_eq!(decode_one("json", &iso, &[("v", "timestamp")], r#"{"v":"2026-01-01T01:02"}"#), "2026-01-01T01:02:00");
    let refuse = |options: &[(&str, &str)]| match format::decoder("json", &with(options), &[]) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    };
    assert!(refuse(&[("json.ignore-parse-error", "true")]).contains("did you mean 'json.ignore-parse-errors'?"));
    assert!(refuse(&[("json.ignore-parse-errors", "yes")]).contains("true or false is expected"));
    assert!(refuse(&[("json.ignore-parse-errors", "true"), ("json.fail-on-missing-field", "true")]).contains("both"));
    assert!(
        format::decoder("orc", &with(&[]), &[]).err().unwrap().to_string().contains("csv, json, json-glue, protobuf")
    );
    assert!(format::decoder("json", &with(&[("csv.x", "1"), ("scan.x", "2")]), &[]).is_ok());
}

#[test]
fn rows_are_printed_as_flink_prints_them() {
    let spec = fields(&[
        ("a", "decimal(20,9)"),
        ("d", "double"),
        ("f", "float"),
        ("t", "timestamp"),
        ("l", "timestamp_ltz"),
        ("da", "date"),
        ("ti", "time"),
        ("s", "string"),
        ("by", "binary"),
        ("m", "map<string,int>"),
        ("r", "struct<x:int,y:string>"),
        ("ar", "array<double>"),
        ("n", "boolean"),
    ]);
    // What Flink 2.2 wrote for these values.
    let flink = r#"{"a":1E-8,"d":1.0E10,"f":0.1,"t":"2026-01-01 00:00:00","l":"2026-01-01 00:00:00.12Z","da":"2026-01-01","ti":"01:02:03","s":"a\"b\\\u0001/é\n","by":"AQI=","m":{"k":1},"r":{"x":1,"y":"z"},"ar":[1.5,2.0],"n":null}"#;
    let print = |options: &[(&str, &str)], payload: &str| {
        let mut decoder = format::decoder("json", &with(options), &spec).unwrap();
        decoder.push(payload.as_bytes()).unwrap();
        let mut out = Vec::new();
        format::encoder("json", &with(options), &spec).unwrap().encode(&decoder.finish(), 0, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(print(&[], flink), flink);
    let iso = [("json.timestamp-format.standard", "ISO-8601"), ("json.encode.decimal-as-plain-number", "true")];
    let brief = [iso[0], iso[1], ("json.encode.ignore-null-fields", "true")];
    assert_eq!(
        print(&brief, r#"{"t":"2026-01-01T00:00:00.5","l":"2026-01-01T00:00:00.12Z","a":0.00000001}"#),
        r#"{"a":0.000000010,"t":"2026-01-01T00:00:00.5","l":"2026-01-01T00:00:00.12Z"}"#
    );
}
