//! The csv format; expectations were taken from Flink 2.2.

use crate::{decode_one, fields, with};
use millrace_schema::format;

const SPEC: [(&str, &str); 6] =
    [("i", "int"), ("s", "string"), ("d", "double"), ("t", "timestamp"), ("b", "boolean"), ("l", "array<int>")];

#[test]
fn lines_are_read_as_flink_reads_them() {
    let cases = [
        ("1,abc,2.5,2026-01-01 00:00:00,true,1;2", "1|abc|2.5|2026-01-01T00:00:00|true|[1, 2]"),
        (r#"2,"a ""q"" b", 3.5 ,2026-01-01 00:00:00.5,false,"#, r#"2|a "q" b|3.5|2026-01-01T00:00:00.500|false|[]"#),
        ("3,,,,,", "3||∅|∅|false|[]"),
        ("4,short", "4|short|∅|∅|∅|∅"),
        ("5,x,1,2026-01-01 00:00:00,true,1;2,extra", "-"),
        (r#"6, "sp" ,1,,yes,"#, r#"6| "sp" |1.0|∅|false|[]"#),
        (r#"7,"multi"tail,1,,1,"#, "-"),
        ("x,badint,1,,1,", "∅|badint|1.0|∅|false|[]"),
        (r#"8,"open,1"#, "-"),
        ("9,\"two\nlines\",1,,,\r\n", "9|two\nlines|1.0|∅|false|[]"),
    ];
    for (line, expected) in cases {
        assert_eq!(decode_one("csv", &[("csv.ignore-parse-errors", "true")], &SPEC, line), expected, "{line}");
    }
}

#[test]
fn strict_reading_says_what_is_wrong() {
    assert_eq!(decode_one("csv", &[], &SPEC, "3,,,,,"), "! field 'd': '' is no DOUBLE");
    let short = decode_one("csv", &[], &SPEC[..3], "4,short");
    assert!(short.contains("Row length mismatch. 3 fields expected but was 2"), "{short}");
}

#[test]
fn options_change_the_characters() {
    let options = [
        ("csv.field-delimiter", "|"),
        ("csv.quote-character", "'"),
        ("csv.escape-character", "\\"),
        ("csv.null-literal", "n/a"),
        ("csv.allow-comments", "true"),
        ("csv.array-element-delimiter", "+"),
    ];
    let spec = [("s", "string"), ("i", "int"), ("l", "array<int>")];
    assert_eq!(decode_one("csv", &options, &spec, r"'a|\'b'|n/a|1+2"), "a|'b|∅|[1, 2]");
    assert_eq!(decode_one("csv", &options, &spec, "# nothing"), "-");
    assert!(format::decoder("csv", &with(&[("csv.delimiter", ";")]), &[]).err().unwrap().to_string().contains("'csv."));
    let map = format::decoder("csv", &with(&[]), &fields(&[("m", "map<string,int>")]));
    assert!(map.err().unwrap().to_string().contains("cannot carry field 'm'"));
}

#[test]
fn lines_are_printed_as_flink_prints_them() {
    let spec = fields(&[
        ("a", "decimal(20,9)"),
        ("d", "double"),
        ("t", "timestamp"),
        ("da", "date"),
        ("s", "string"),
        ("by", "binary"),
        ("r", "struct<x:int,y:string>"),
        ("ar", "array<double>"),
        ("bo", "boolean"),
        ("n", "int"),
    ]);
    let lines = [
        r#"1E-8,1.0E10,"2026-01-01 00:00:00",2026-01-01,"a""b,c",AQI=,1;z,1.5;2.0,true,"#,
        r#"0,1.0E10,"2026-01-01 00:00:00",2026-01-01," a b",AQI=,1;z,1.5;2.0,true,3"#,
    ];
    for line in lines {
        let mut decoder = format::decoder("csv", &with(&[("csv.ignore-parse-errors", "true")]), &spec).unwrap();
        decoder.push(line.as_bytes()).unwrap();
        let mut out = Vec::new();
        format::encoder("csv", &with(&[]), &spec).unwrap().encode(&decoder.finish(), 0, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), line);
    }
}

#[test]
fn raw_is_the_payload_itself() {
    assert_eq!(decode_one("raw", &[], &[("v", "string")], "a\nb"), "a\nb");
    assert_eq!(decode_one("raw", &[], &[("v", "binary")], "AB"), "4142");
    assert!(format::decoder("raw", &with(&[]), &fields(&[("a", "string"), ("b", "string")])).is_err());
}
