//! Numbers as Flink computes and prints them: decimals on 128 bits rounded HALF_UP, floating point in Java's form.

use arrow::datatypes::i256;
use std::fmt::Write;

/// `DECIMAL(precision, scale)` after Flink's rule for results that would need more than 38 digits: digits before the
/// point win, but six after it (or all, when there are fewer) are kept.
pub(crate) fn adjusted(precision: i32, scale: i32) -> (u8, i8) {
    if precision <= 38 {
        return (precision.max(1) as u8, scale as i8);
    }
    let whole = precision - scale;
    (38, (38 - whole).max(scale.min(6)) as i8)
}

const fn powers() -> [i128; 39] {
    let mut table = [1i128; 39];
    let mut n = 1;
    while n < 39 {
        table[n] = table[n - 1] * 10;
        n += 1;
    }
    table
}

/// 10^0 to 10^38.
pub(crate) const TEN: [i128; 39] = powers();

fn wide_ten(exponent: u32) -> i256 {
    if exponent < 39 {
        return i256::from_i128(TEN[exponent as usize]);
    }
    i256::from_i128(TEN[38]).wrapping_mul(i256::from_i128(TEN[(exponent - 38).min(38) as usize]))
}

/// Whether a value has at most `precision` digits.
pub(crate) fn fits(value: i128, precision: u8) -> bool {
    value.unsigned_abs() < TEN[precision as usize].unsigned_abs()
}

/// `numerator / denominator` rounded HALF_UP (away from zero at the half).
fn divide_half_up(numerator: i256, denominator: i256) -> i256 {
    let (quotient, rest) = (numerator.wrapping_div(denominator), numerator.wrapping_rem(denominator));
    let negative = (numerator < i256::ZERO) != (denominator < i256::ZERO);
    let twice = rest.wrapping_abs().wrapping_add(rest.wrapping_abs());
    if twice >= denominator.wrapping_abs() {
        return if negative { quotient.wrapping_sub(i256::ONE) } else { quotient.wrapping_add(i256::ONE) };
    }
    quotient
}

/// Brings a wide unscaled value from one scale to another and into `precision`; None when it does not fit.
pub(crate) fn rescale_wide(value: i256, from: i32, to: i32, precision: u8) -> Option<i128> {
    let moved = if to >= from {
        value.checked_mul(wide_ten((to - from) as u32))?
    } else {
        divide_half_up(value, wide_ten((from - to) as u32))
    };
    moved.to_i128().filter(|value| fits(*value, precision))
}

/// Brings an unscaled value from one scale to another and into `precision`; None when it does not fit.
pub(crate) fn rescale(value: i128, from: i8, to: i8, precision: u8) -> Option<i128> {
    if from == to {
        return Some(value).filter(|value| fits(*value, precision));
    }
    if to > from && to - from < 39 {
        if let Some(moved) = value.checked_mul(TEN[(to - from) as usize]) {
            return Some(moved).filter(|value| fits(*value, precision));
        }
        return None;
    }
    rescale_wide(i256::from_i128(value), i32::from(from), i32::from(to), precision)
}

/// A decimal operation of two unscaled values with their scales into `(precision, scale)`; None is NULL (too large).
pub(crate) fn decimal_binary(op: char, a: (i128, i8), b: (i128, i8), to: (u8, i8)) -> Option<i128> {
    let (x, y) = (i256::from_i128(a.0), i256::from_i128(b.0));
    let (sx, sy) = (i32::from(a.1), i32::from(b.1));
    let scale = sx.max(sy);
    let level = |value: i256, from: i32| value.wrapping_mul(wide_ten((scale - from) as u32));
    let (value, from) = match op {
        '+' => (level(x, sx).wrapping_add(level(y, sy)), scale),
        '-' => (level(x, sx).wrapping_sub(level(y, sy)), scale),
        '*' => (x.wrapping_mul(y), sx + sy),
        '%' => (level(x, sx).wrapping_rem(level(y, sy)), scale),
        _ => {
            // x/10^sx ÷ y/10^sy at scale t is x·10^(t - sx + sy) / y.
            let shift = i32::from(to.1) - sx + sy;
            let quotient = if shift >= 0 {
                divide_half_up(x.checked_mul(wide_ten(shift as u32))?, y)
            } else {
                divide_half_up(x, y.checked_mul(wide_ten((-shift) as u32))?)
            };
            return quotient.to_i128().filter(|value| fits(*value, to.0));
        }
    };
    rescale_wide(value, from, i32::from(to.1), to.0)
}

/// A decimal in plain notation with all its fractional digits.
pub(crate) fn decimal_text(value: i128, scale: i8) -> String {
    let mut text = String::new();
    write_decimal(&mut text, value, scale);
    text
}

/// Appends [`decimal_text`].
pub(crate) fn write_decimal(out: &mut String, value: i128, scale: i8) {
    if scale <= 0 {
        let _ = write!(out, "{value}");
        (0..-scale).for_each(|_| out.push('0'));
        return;
    }
    let unit = TEN[scale as usize].unsigned_abs();
    let (whole, part) = (value.unsigned_abs() / unit, value.unsigned_abs() % unit);
    let sign = if value < 0 { "-" } else { "" };
    let _ = write!(out, "{sign}{whole}.{part:0width$}", width = scale as usize);
}

/// Reads digits with an optional sign, point and exponent, rounding HALF_UP to `scale`. `Ok(None)` is too large.
pub(crate) fn parse_decimal(text: &str, precision: u8, scale: i8) -> Result<Option<i128>, ()> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().map_err(|_| ())?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.as_bytes().first() {
        Some(b'-') => (true, &mantissa[1..]),
        Some(b'+') => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && part.is_empty() || !whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(());
    }
    let mut value = i256::ZERO;
    let mut dropped = 0;
    for (nth, digit) in whole.bytes().chain(part.bytes()).enumerate() {
        if nth >= 76 {
            dropped += 1;
            continue;
        }
        value = value.wrapping_mul(i256::from_i128(10)).wrapping_add(i256::from_i128(i128::from(digit - b'0')));
    }
    if negative {
        value = value.wrapping_neg();
    }
    let from = part.len() as i32 - exponent - dropped;
    if value == i256::ZERO {
        return Ok(Some(0));
    }
    if !(-80..=76).contains(&(from - i32::from(scale))) {
        return Ok(if from > i32::from(scale) { Some(0) } else { None });
    }
    Ok(rescale_wide(value, from, i32::from(scale), precision))
}

/// A DOUBLE as Java prints it: `1.0`, `1.0E10`, `NaN`, `-Infinity`.
pub(crate) fn double_text(value: f64) -> String {
    java_float(value, value.is_nan(), value.is_infinite(), !(1e-3..1e7).contains(&value.abs()), || {
        (format!("{value}"), format!("{value:e}"))
    })
}

/// A FLOAT as Java prints it.
pub(crate) fn float_text(value: f32) -> String {
    java_float(f64::from(value), value.is_nan(), value.is_infinite(), !(1e-3..1e7).contains(&value.abs()), || {
        (format!("{value}"), format!("{value:e}"))
    })
}

fn java_float(value: f64, nan: bool, infinite: bool, extreme: bool, texts: impl Fn() -> (String, String)) -> String {
    if nan {
        return "NaN".to_owned();
    }
    if infinite {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0.0" } else { "0.0" }.to_owned();
    }
    let (plain, scientific) = texts();
    if !extreme {
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    match scientific.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => scientific,
    }
}

/// Rounds a DOUBLE to `digits` after the point, HALF_UP on its shortest decimal form, as `BigDecimal.valueOf` does.
pub(crate) fn round_double(value: f64, digits: i32, truncate: bool) -> f64 {
    if !value.is_finite() {
        return value;
    }
    // Java rounds by way of BigDecimal, which has no -0.0: adding 0.0 takes the sign off a zero.
    round_finite(value, digits, truncate) + 0.0
}

fn round_finite(value: f64, digits: i32, truncate: bool) -> f64 {
    if digits > 20 {
        return value;
    }
    let text = format!("{}", value.abs());
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    if digits >= 0 && part.len() <= digits as usize {
        return value;
    }
    let mut number: Vec<u8> = whole.bytes().chain(part.bytes()).collect();
    let keep = whole.len() as i32 + digits;
    if keep < 0 {
        return 0.0f64.copysign(value);
    }
    let keep = keep as usize;
    let up = !truncate && number.get(keep).is_some_and(|digit| *digit >= b'5');
    let dropped = number.len() - keep;
    number.truncate(keep);
    if up {
        let mut at = number.len();
        loop {
            if at == 0 {
                number.insert(0, b'1');
                break;
            }
            at -= 1;
            if number[at] == b'9' {
                number[at] = b'0';
            } else {
                number[at] += 1;
                break;
            }
        }
    }
    let exponent = dropped as i32 - part.len() as i32;
    let digits: String = number.iter().map(|digit| char::from(*digit)).collect();
    let rounded =
        format!("{}e{exponent}", if digits.is_empty() { "0" } else { &digits }).parse().unwrap_or(value.abs());
    f64::copysign(rounded, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_java_does() {
        let cases = [(1.0, "1.0"), (1e7, "1.0E7"), (0.001, "0.001"), (1.5e-5, "1.5E-5"), (123456.75, "123456.75")];
        for (value, text) in cases {
            assert_eq!(double_text(value), text);
        }
        assert_eq!(float_text(0.1), "0.1");
    }

    #[test]
    fn rounds_half_up() {
        assert_eq!(rescale(-25, 1, 0, 38), Some(-3));
        assert_eq!(decimal_binary('/', (100, 2), (300, 2), (13, 11)), Some(33_333_333_333));
        assert_eq!(round_double(2.675, 2, false), 2.68);
        assert_eq!(round_double(1250.0, -2, false), 1300.0);
        assert_eq!(parse_decimal("1.005", 10, 2), Ok(Some(101)));
        assert_eq!(parse_decimal("1e3", 10, 2), Ok(Some(100_000)));
        assert_eq!(parse_decimal("x", 10, 2), Err(()));
    }
}
