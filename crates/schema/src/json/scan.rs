//! The tokens of JSON (RFC 8259), read straight off a slice: no allocation, eight bytes of a string at a time.
//!
//! As in Flink, control characters may stand unescaped in strings.

/// Nesting beyond this is refused, as Jackson does: it bounds the stack.
pub(crate) const DEPTH_MAX: usize = 1000;

/// Why reading stopped.
#[derive(Debug)]
pub(crate) enum Fail {
    /// The bytes are no JSON.
    Syntax { at: usize, reason: &'static str },
    /// The JSON is fine, the value does not fit its field. The path is built while unwinding.
    Value { path: String, reason: String },
}

impl Fail {
    pub(crate) fn value(reason: impl Into<String>) -> Self {
        Self::Value { path: String::new(), reason: reason.into() }
    }
}

/// A place in a document.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

/// A string's content between its quotes.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) escaped: bool,
}

/// A number: its text and, when it has at most 19 digits, its value as `±mantissa × 10^exponent`.
#[derive(Clone, Copy)]
pub(crate) struct Number<'a> {
    pub(crate) text: &'a str,
    pub(crate) negative: bool,
    pub(crate) mantissa: u64,
    pub(crate) exponent: i32,
    /// The mantissa did not overflow.
    pub(crate) exact: bool,
    /// Neither point nor exponent.
    pub(crate) integral: bool,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn fail<T>(&self, reason: &'static str) -> Result<T, Fail> {
        let reason = if self.at >= self.bytes.len() { "the text ends too early" } else { reason };
        Err(Fail::Syntax { at: self.at, reason })
    }

    /// The next byte; 0 at the end, which no token begins with.
    #[inline]
    pub(crate) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    pub(crate) fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// True, and past it, when the next bytes are `expected`.
    #[inline]
    pub(crate) fn take(&mut self, expected: &[u8]) -> bool {
        let found = self.bytes[self.at..].starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    /// Reads a string, standing on its opening quote; checks escapes and UTF-8.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Text<'a>, Fail> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        let mut highs = 0u64;
        loop {
            let found = find_special(self.bytes, self.at, &mut highs);
            self.at = found;
            match self.bytes.get(found) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return self.fail("the string has no end"),
            }
        }
        let raw = &self.bytes[start..self.at];
        if highs != 0
            && let Err(error) = std::str::from_utf8(raw)
        {
            return Err(Fail::Syntax { at: start + error.valid_up_to(), reason: "the text is not UTF-8" });
        }
        self.at += 1;
        Ok(Text { raw, escaped })
    }

    fn escape(&mut self) -> Result<(), Fail> {
        self.at += 1;
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                let digits = self.bytes.get(self.at + 1..self.at + 5);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return self.fail("\\u needs four hexadecimal digits");
                }
                self.at += 5;
            }
            _ => return self.fail("there is no such escape"),
        }
        Ok(())
    }

    /// Reads a number, standing on its first byte.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<Number<'a>, Fail> {
        let start = self.at;
        let negative = self.peek() == b'-';
        self.at += usize::from(negative);
        let first = self.at;
        let mut mantissa = 0u64;
        self.digits(&mut mantissa);
        let whole = self.at - first;
        if whole == 0 || (whole > 1 && self.bytes[first] == b'0') {
            return self.fail("a number begins with a digit, and with 0 only before a point");
        }
        let mut number = Number { text: "", negative, mantissa, exponent: 0, exact: whole <= 19, integral: true };
        if matches!(self.peek(), b'.' | b'e' | b'E') {
            self.fraction(&mut number, whole)?;
        }
        // A JSON number is ASCII, so this never fails.
        number.text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        Ok(number)
    }

    #[inline]
    fn digits(&mut self, mantissa: &mut u64) {
        while let Some(digit) = self.bytes.get(self.at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
        {
            *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
    }

    fn fraction(&mut self, number: &mut Number<'a>, whole: usize) -> Result<(), Fail> {
        number.integral = false;
        if self.peek() == b'.' {
            self.at += 1;
            let first = self.at;
            self.digits(&mut number.mantissa);
            let places = self.at - first;
            if places == 0 {
                return self.fail("a digit must follow the point");
            }
            number.exponent = -(places as i32);
            number.exact = whole + places <= 19;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            let negative = self.peek() == b'-';
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            let first = self.at;
            let mut exponent = 0;
            self.digits(&mut exponent);
            if self.at == first {
                return self.fail("a digit must follow the exponent's e");
            }
            // Beyond six digits every number is 0 or infinite; the slow path reads the text.
            number.exact &= self.at - first <= 6;
            let exponent = exponent.min(1_000_000) as i32;
            number.exponent += if negative { -exponent } else { exponent };
        }
        Ok(())
    }

    /// Skips one value, checking its grammar.
    #[inline]
    pub(crate) fn skip_value(&mut self) -> Result<(), Fail> {
        match self.peek() {
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => self.skip_other(0),
        }
    }

    fn skip_other(&mut self, depth: usize) -> Result<(), Fail> {
        match self.peek() {
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b't' if self.take(b"true") => Ok(()),
            b'f' if self.take(b"false") => Ok(()),
            b'n' if self.take(b"null") => Ok(()),
            b'{' | b'[' if depth >= DEPTH_MAX => self.fail("the nesting is deeper than 1000"),
            b'{' => self.skip_items(b'}', depth),
            b'[' => self.skip_items(b']', depth),
            _ => self.fail("a value was expected"),
        }
    }

    fn skip_items(&mut self, end: u8, depth: usize) -> Result<(), Fail> {
        self.at += 1;
        self.skip_space();
        if self.peek() == end {
            self.at += 1;
            return Ok(());
        }
        loop {
            if end == b'}' {
                self.key()?;
            }
            self.skip_other(depth + 1)?;
            if !self.more(end)? {
                return Ok(());
            }
        }
    }

    /// Reads a key and its colon, and goes to the value.
    pub(crate) fn key(&mut self) -> Result<Text<'a>, Fail> {
        if self.peek() != b'"' {
            return self.fail("a key in double quotes was expected");
        }
        let key = self.string()?;
        self.skip_space();
        if self.peek() != b':' {
            return self.fail("a colon was expected");
        }
        self.at += 1;
        self.skip_space();
        Ok(key)
    }

    /// After a value: goes past a comma to the next item (true) or past the end (false).
    #[inline]
    pub(crate) fn more(&mut self, end: u8) -> Result<bool, Fail> {
        self.skip_space();
        let next = self.peek();
        if next != b',' && next != end {
            return self.fail("a comma or the end was expected");
        }
        self.at += 1;
        if next == end {
            return Ok(false);
        }
        self.skip_space();
        Ok(true)
    }
}

/// The first quote or backslash at `at` or later; `highs` becomes non-zero when bytes of 0x80 or more
/// were passed. Of each test the lowest flagged byte is always a true hit: a borrow only runs upwards from one.
#[inline]
fn find_special(bytes: &[u8], mut at: usize, highs: &mut u64) -> usize {
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * b'"' as u64);
        let slash = word ^ (ONES * b'\\' as u64);
        let hits = (quote.wrapping_sub(ONES) & !quote | slash.wrapping_sub(ONES) & !slash) & HIGHS;
        if hits != 0 {
            let lowest = hits & hits.wrapping_neg();
            *highs |= word & HIGHS & (lowest - 1);
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        *highs |= word & HIGHS;
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' {
            break;
        }
        *highs |= u64::from(byte & 0x80);
        at += 1;
    }
    at
}

impl Text<'_> {
    /// Appends the text with its escapes resolved. A surrogate without its partner becomes `?`, as in Java's UTF-8.
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        if !self.escaped {
            out.extend_from_slice(self.raw);
            return;
        }
        let mut rest = self.raw;
        while let Some(found) = memchr::memchr(b'\\', rest) {
            out.extend_from_slice(&rest[..found]);
            let kind = rest.get(found + 1).copied().unwrap_or(b'\\');
            rest = rest.get(found + 2..).unwrap_or_default();
            match kind {
                b'b' => out.push(8),
                b'f' => out.push(12),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'u' => rest = append_unicode(rest, out),
                other => out.push(other),
            }
        }
        out.extend_from_slice(rest);
    }

    /// The text with its escapes resolved, borrowed when there are none.
    pub(crate) fn resolved<'t>(&'t self, room: &'t mut Vec<u8>) -> &'t str {
        let bytes = if self.escaped {
            room.clear();
            self.append_to(room);
            room.as_slice()
        } else {
            self.raw
        };
        // The scan has checked the UTF-8, and escapes only add whole characters.
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Appends the character of `XXXX` (after `\u`) and of a low surrogate that follows; returns what comes after.
fn append_unicode<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let unit = hex4(text);
    let rest = text.get(4..).unwrap_or_default();
    let (character, rest) = match unit {
        0xd800..=0xdbff if rest.starts_with(b"\\u") && matches!(hex4(&rest[2..]), 0xdc00..=0xdfff) => {
            let low = hex4(&rest[2..]);
            (char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)), rest.get(6..).unwrap_or_default())
        }
        unit => (char::from_u32(unit), rest),
    };
    out.extend_from_slice(character.unwrap_or('?').encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

fn hex4(text: &[u8]) -> u32 {
    text.iter().take(4).fold(0, |value, digit| value << 4 | (*digit as char).to_digit(16).unwrap_or(0))
}
