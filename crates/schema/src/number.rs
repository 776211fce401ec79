//! Numbers as Java reads and prints them, because Flink's formats do.

use std::io::Write;

/// The powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The double nearest to `mantissa × 10^exponent`, when one correctly rounded operation gives it (Clinger's fast path).
#[inline]
pub(crate) fn double_of_parts(mantissa: u64, exponent: i32) -> Option<f64> {
    if mantissa > 1 << 53 || !(-22..=22).contains(&exponent) {
        return None;
    }
    let value = mantissa as f64;
    let power = EXACT_POWERS[exponent.unsigned_abs() as usize];
    Some(if exponent < 0 { value / power } else { value * power })
}

/// Java's `Double.parseDouble` on a trimmed text: also `NaN`, `Infinity` and a suffix `d` or `f`.
pub fn parse_double(text: &str) -> Option<f64> {
    let unsigned = text.trim_start_matches(['+', '-']);
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    let bare = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    // Rust also reads "inf" and "nan", which Java does not.
    let numeric = bare.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if numeric { bare.parse().ok() } else { None }
}

/// A text is no number. Whoever reads it knows its place and makes the error for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotANumber;

/// A decimal text as the unscaled value of `DECIMAL(precision, scale)`, rounded half up as Flink does. `Ok(None)` when it
/// has too many digits for the type (Flink makes that NULL).
pub fn parse_decimal(text: &str, precision: u8, scale: i8) -> Result<Option<i128>, NotANumber> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().map_err(|_| NotANumber)?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.as_bytes() {
        [b'-', ..] => (true, &mantissa[1..]),
        [b'+', ..] => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let all = || whole.bytes().chain(places.bytes());
    if whole.len() + places.len() == 0 || !all().all(|b| b.is_ascii_digit()) {
        return Err(NotANumber);
    }
    // The number of leading digits that stay before rounding.
    let kept = whole.len() as i64 + i64::from(exponent) + i64::from(scale);
    let mut value: i128 = 0;
    let mut digits = all().map(|b| i128::from(b - b'0'));
    for _ in 0..kept.clamp(0, i64::from(i32::MAX)) {
        let Some(digit) = digits.next() else {
            if value == 0 {
                break;
            }
            value = match value.checked_mul(10) {
                Some(value) => value,
                None => return Ok(None),
            };
            continue;
        };
        value = match value.checked_mul(10).and_then(|value| value.checked_add(digit)) {
            Some(value) => value,
            None => return Ok(None),
        };
    }
    if kept >= 0 && digits.next().is_some_and(|digit| digit >= 5) {
        value += 1;
    }
    Ok(fit(if negative { -value } else { value }, precision))
}

/// `mantissa × 10^exponent` as the unscaled value of `DECIMAL(precision, scale)`; None when it does not fit.
pub(crate) fn decimal_of_parts(mantissa: u64, exponent: i32, negative: bool, precision: u8, scale: i8) -> Option<i128> {
    let shift = exponent + i32::from(scale);
    let value = i128::from(mantissa);
    let value = match shift {
        0..=38 => value.checked_mul(10i128.pow(shift as u32))?,
        39.. => return (mantissa == 0).then_some(0),
        -20..=-1 => {
            let power = 10i128.pow(shift.unsigned_abs());
            (value + power / 2) / power
        }
        _ => 0,
    };
    fit(if negative { -value } else { value }, precision)
}

fn fit(value: i128, precision: u8) -> Option<i128> {
    (value.unsigned_abs() < 10u128.pow(u32::from(precision.min(38)))).then_some(value)
}

/// Appends a double as Java's `Double.toString` does: `1.0`, `1.0E10`, `1.0E-4`, `NaN`, `Infinity`.
pub fn print_double(value: f64, out: &mut Vec<u8>) {
    print_float(value, format!("{value:e}"), out);
}

/// Appends a float as Java's `Float.toString` does.
pub fn print_float32(value: f32, out: &mut Vec<u8>) {
    print_float(f64::from(value), format!("{value:e}"), out);
}

/// `scientific` holds the shortest digits, as Rust and Java (19 and newer) agree on.
fn print_float(value: f64, scientific: String, out: &mut Vec<u8>) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value < 0.0 { b"-Infinity" } else { b"Infinity" });
    }
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let digits: String = digits.chars().filter(|c| *c != '.').collect();
    out.extend_from_slice(sign.as_bytes());
    let places = |from: usize| digits.get(from..).filter(|rest| !rest.is_empty()).unwrap_or("0");
    // Writing to a Vec cannot fail.
    let _ = match exponent {
        _ if value == 0.0 => write!(out, "0.0"),
        0..=6 => {
            let whole = exponent as usize + 1;
            write!(out, "{:0<whole$}.{}", &digits[..digits.len().min(whole)], places(whole))
        }
        -3..=-1 => write!(out, "0.{}{digits}", "0".repeat((-exponent - 1) as usize)),
        _ => write!(out, "{}.{}E{exponent}", &digits[..1], places(1)),
    };
}

/// Appends a decimal with all its places: `0.00000010`.
pub fn print_decimal(unscaled: i128, scale: i8, out: &mut Vec<u8>) {
    print_scaled(unscaled, i32::from(scale), true, out);
}

/// Appends a decimal as Jackson writes one: without zeros at its end, and as `1E-7` or `1E+2` where Java's
/// `BigDecimal.toString` does so.
pub fn print_short_decimal(mut unscaled: i128, scale: i8, out: &mut Vec<u8>) {
    let mut scale = if unscaled == 0 { 0 } else { i32::from(scale) };
    while unscaled != 0 && unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    print_scaled(unscaled, scale, false, out);
}

fn print_scaled(unscaled: i128, scale: i32, plain: bool, out: &mut Vec<u8>) {
    if unscaled < 0 {
        out.push(b'-');
    }
    let digits = unscaled.unsigned_abs().to_string();
    let adjusted = digits.len() as i32 - 1 - scale;
    let scientific = !plain && (scale < 0 || adjusted < -6);
    let _ = if scientific {
        let point = if digits.len() > 1 { "." } else { "" };
        let plus = if adjusted > 0 { "+" } else { "" };
        let exponent = if adjusted == 0 { String::new() } else { format!("E{plus}{adjusted}") };
        write!(out, "{}{point}{}{exponent}", &digits[..1], &digits[1..])
    } else if scale <= 0 {
        write!(out, "{digits}{}", "0".repeat(-scale as usize))
    } else {
        let padded = format!("{digits:0>width$}", width = scale as usize + 1);
        let (whole, places) = padded.split_at(padded.len() - scale as usize);
        write!(out, "{whole}.{places}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(print: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        print(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_print_as_java_prints_them() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (1234567.0, "1234567.0"),
            (12345678.0, "1.2345678E7"),
            (1e7, "1.0E7"),
            (9999999.5, "9999999.5"),
            (0.001, "0.001"),
            (0.0123, "0.0123"),
            (0.0001, "1.0E-4"),
            (-2.5e-10, "-2.5E-10"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(|out| print_double(value, out)), expected);
        }
        assert_eq!(text(|out| print_float32(0.1, out)), "0.1");
    }

    #[test]
    fn decimals_are_exact_and_round_half_up() {
        let cases = [
            ("1.005", 10, 2, Ok(Some(101))),
            ("-1.005", 10, 2, Ok(Some(-101))),
            ("0.004", 10, 2, Ok(Some(0))),
            ("12345678901234567890.123456789", 38, 9, Ok(Some(12_345_678_901_234_567_890_123_456_789))),
            ("99999999.995", 10, 2, Ok(None)),
            ("1e3", 10, 2, Ok(Some(100_000))),
            ("1e-3", 10, 2, Ok(Some(0))),
            ("5e-3", 10, 2, Ok(Some(1))),
            ("5e-4", 10, 2, Ok(Some(0))),
            ("0e999999", 10, 2, Ok(Some(0))),
            ("1e999999", 10, 2, Ok(None)),
            ("x", 10, 2, Err(NotANumber)),
            ("", 10, 2, Err(NotANumber)),
            (".", 10, 2, Err(NotANumber)),
            (".5", 10, 2, Ok(Some(50))),
        ];
        for (text, precision, scale, expected) in cases {
            assert_eq!(parse_decimal(text, precision, scale), expected, "{text}");
        }
        assert_eq!(decimal_of_parts(1005, -3, true, 10, 2), Some(-101));
        assert_eq!(decimal_of_parts(1, 0, false, 3, 2), Some(100));
        assert_eq!(decimal_of_parts(10, 0, false, 3, 2), None);
    }

    #[test]
    fn decimals_print_plain_or_as_java() {
        let cases = [
            (12345, 2, "123.45", "123.45"),
            (-5, 2, "-0.05", "-0.05"),
            (1, 7, "0.0000001", "1E-7"),
            (120, 10, "0.0000000120", "1.2E-8"),
            (10_000, 2, "100.00", "1E+2"),
            (-10, 2, "-0.10", "-0.1"),
            (7, 0, "7", "7"),
            (0, 2, "0.00", "0"),
        ];
        for (unscaled, scale, plain, short) in cases {
            assert_eq!(text(|out| print_decimal(unscaled, scale, out)), plain);
            assert_eq!(text(|out| print_short_decimal(unscaled, scale, out)), short);
        }
    }

    #[test]
    fn java_reads_what_it_reads() {
        assert_eq!(parse_double("1.5f"), Some(1.5));
        assert!(parse_double("NaN").is_some_and(f64::is_nan));
        assert_eq!(parse_double("-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_double("inf"), None);
        assert_eq!(parse_double(""), None);
    }
}
