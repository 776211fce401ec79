//! Texts. Positions and lengths count characters (Unicode code points), from 1.

use super::signature::{Args, Call, Entry, Param, Signature};
use crate::eval::{Column, EvalError};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, StringArray, StringBuilder};
use arrow::datatypes::Int32Type;
use md5::Digest;
use millrace_schema::SqlType;
use regex::Regex;
use std::sync::Arc;

use Param::{Int, Str, Text};

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "||",
        sign: |args| text(args, &[Text, Text], &[], None),
        eval: |call| rows(call, |r| Some(r.text(0)?.to_owned() + r.text(1)?)),
    },
    Entry { name: "CONCAT", sign: |args| text(args, &[Text], &[], Some(Text)), eval: concat },
    Entry { name: "CONCAT_WS", sign: |args| text(args, &[Str, Text], &[], Some(Text)), eval: concat_ws },
    Entry {
        name: "UPPER",
        sign: |args| text(args, &[Str], &[], None),
        eval: |call| rows(call, |r| Some(r.text(0)?.to_uppercase())),
    },
    Entry {
        name: "LOWER",
        sign: |args| text(args, &[Str], &[], None),
        eval: |call| rows(call, |r| Some(r.text(0)?.to_lowercase())),
    },
    Entry { name: "TRIM", sign: |args| text(args, &[Str], &[Str, Str], None), eval: |call| rows(call, trim) },
    Entry {
        name: "LTRIM",
        sign: |args| text(args, &[Str], &[Str], None),
        eval: |call| rows(call, |r| Some(r.text(0)?.trim_start_matches(r.set(1)?).to_owned())),
    },
    Entry {
        name: "RTRIM",
        sign: |args| text(args, &[Str], &[Str], None),
        eval: |call| rows(call, |r| Some(r.text(0)?.trim_end_matches(r.set(1)?).to_owned())),
    },
    Entry {
        name: "BTRIM",
        sign: |args| text(args, &[Str], &[Str], None),
        eval: |call| rows(call, |r| Some(r.text(0)?.trim_matches(r.set(1)?).to_owned())),
    },
    Entry { name: "SUBSTRING", sign: |args| text(args, &[Str, Int], &[Int], None), eval: |call| rows(call, substring) },
    Entry { name: "SUBSTR", sign: |args| text(args, &[Str, Int], &[Int], None), eval: |call| rows(call, substring) },
    Entry {
        name: "LEFT",
        sign: |args| text(args, &[Str, Int], &[], None),
        eval: |call| rows(call, |r| Some(r.text(0)?.chars().take(r.int(1)?.max(0) as usize).collect())),
    },
    Entry { name: "RIGHT", sign: |args| text(args, &[Str, Int], &[], None), eval: |call| rows(call, right) },
    Entry {
        name: "REPLACE",
        sign: |args| text(args, &[Str, Str, Str], &[], None),
        eval: |call| rows(call, |r| Some(r.text(0)?.replace(r.text(1)?, r.text(2)?))),
    },
    Entry {
        name: "REPEAT",
        sign: |args| text(args, &[Str, Int], &[], None),
        eval: |call| rows(call, |r| Some(r.text(0)?.repeat(r.int(1)?.max(0) as usize))),
    },
    Entry {
        name: "REVERSE",
        sign: |args| text(args, &[Str], &[], None),
        eval: |call| rows(call, |r| Some(r.text(0)?.chars().rev().collect())),
    },
    Entry {
        name: "INITCAP",
        sign: |args| text(args, &[Str], &[], None),
        eval: |call| rows(call, |r| Some(initcap(r.text(0)?))),
    },
    Entry { name: "LPAD", sign: |args| maybe(args, &[Str, Int, Str]), eval: |call| rows(call, |r| pad(r, true)) },
    Entry { name: "RPAD", sign: |args| maybe(args, &[Str, Int, Str]), eval: |call| rows(call, |r| pad(r, false)) },
    Entry { name: "SPLIT_INDEX", sign: |args| maybe(args, &[Str, Str, Int]), eval: |call| rows(call, split_index) },
    Entry {
        name: "MD5",
        sign: |args| text(args, &[Str], &[], None),
        eval: |call| rows(call, |r| Some(hex(&md5::Md5::digest(r.text(0)?)))),
    },
    Entry {
        name: "SHA224",
        sign: |args| text(args, &[Str], &[], None),
        eval: |call| rows(call, |r| Some(hex(&sha2::Sha224::digest(r.text(0)?)))),
    },
    Entry {
        name: "SHA256",
        sign: |args| text(args, &[Str], &[], None),
        eval: |call| rows(call, |r| Some(hex(&sha2::Sha256::digest(r.text(0)?)))),
    },
    Entry {
        name: "SHA384",
        sign: |args| text(args, &[Str], &[], None),
        eval: |call| rows(call, |r| Some(hex(&sha2::Sha384::digest(r.text(0)?)))),
    },
    Entry {
        name: "SHA512",
        sign: |args| text(args, &[Str], &[], None),
        eval: |call| rows(call, |r| Some(hex(&sha2::Sha512::digest(r.text(0)?)))),
    },
    Entry {
        name: "CHR",
        sign: |args| text(args, &[Int], &[], None),
        eval: |call| rows(call, |r| Some(char::from(r.int(0)? as u8).to_string())),
    },
    Entry {
        name: "CHAR_LENGTH",
        sign: |args| number(args, &[Str], &[]),
        eval: |call| ints(call, |r| Some(r.text(0)?.chars().count() as i32)),
    },
    Entry {
        name: "CHARACTER_LENGTH",
        sign: |args| number(args, &[Str], &[]),
        eval: |call| ints(call, |r| Some(r.text(0)?.chars().count() as i32)),
    },
    Entry {
        name: "ASCII",
        sign: |args| number(args, &[Str], &[]),
        eval: |call| ints(call, |r| Some(r.text(0)?.bytes().next().map_or(0, i32::from))),
    },
    Entry {
        name: "POSITION",
        sign: |args| number(args, &[Str, Str], &[Int]),
        eval: |call| ints(call, |r| position(r.text(0)?, r.text(1)?, r.int_or(2, 1)?)),
    },
    Entry {
        name: "LOCATE",
        sign: |args| number(args, &[Str, Str], &[Int]),
        eval: |call| ints(call, |r| position(r.text(0)?, r.text(1)?, r.int_or(2, 1)?)),
    },
    Entry {
        name: "INSTR",
        sign: |args| number(args, &[Str, Str], &[]),
        eval: |call| ints(call, |r| position(r.text(1)?, r.text(0)?, 1)),
    },
    Entry { name: "LIKE", sign: sign_like, eval: |call| like(call, false, like_matcher) },
    Entry { name: "NOT LIKE", sign: sign_like, eval: |call| like(call, true, like_matcher) },
    Entry { name: "SIMILAR TO", sign: sign_like, eval: |call| like(call, false, similar_matcher) },
    Entry { name: "NOT SIMILAR TO", sign: sign_like, eval: |call| like(call, true, similar_matcher) },
    Entry {
        name: "STARTSWITH",
        sign: sign_like,
        eval: |call| bools(call, |r| Some(r.text(0)?.starts_with(r.text(1)?))),
    },
    Entry { name: "ENDSWITH", sign: sign_like, eval: |call| bools(call, |r| Some(r.text(0)?.ends_with(r.text(1)?))) },
    Entry { name: "REGEXP", sign: sign_like, eval: |call| like(call, false, regex_matcher) },
    Entry { name: "REGEXP_REPLACE", sign: |args| maybe(args, &[Str, Str, Str]), eval: regexp_replace },
    Entry { name: "REGEXP_EXTRACT", sign: sign_extract, eval: regexp_extract },
];

fn text(args: &Args<'_>, required: &[Param], optional: &[Param], rest: Option<Param>) -> Result<Signature, String> {
    args.fixed(args.takes(required, optional, rest)?, SqlType::STRING)
}

fn maybe(args: &Args<'_>, required: &[Param]) -> Result<Signature, String> {
    args.maybe(args.takes(required, &[], None)?, SqlType::STRING)
}

fn number(args: &Args<'_>, required: &[Param], optional: &[Param]) -> Result<Signature, String> {
    args.fixed(args.takes(required, optional, None)?, SqlType::Int)
}

fn sign_like(args: &Args<'_>) -> Result<Signature, String> {
    args.fixed(args.takes(&[Str, Str], &[Str], None)?, SqlType::Boolean)
}

fn sign_extract(args: &Args<'_>) -> Result<Signature, String> {
    args.maybe(args.takes(&[Str, Str], &[Int], None)?, SqlType::STRING)
}

/// The texts of a column.
pub(super) struct Texts<'a> {
    column: &'a Column,
    values: Option<&'a StringArray>,
}

impl<'a> Texts<'a> {
    pub fn new(column: &'a Column) -> Self {
        Self { column, values: column.array().as_string_opt::<i32>() }
    }

    pub fn get(&self, row: usize) -> Option<&'a str> {
        let (values, at) = (self.values?, self.column.at(row));
        values.is_valid(at).then(|| values.value(at))
    }
}

/// A STRING column from computed texts.
pub(super) fn texts_of(texts: Vec<Option<String>>) -> ArrayRef {
    Arc::new(StringArray::from(texts))
}

/// One row of a call's arguments.
#[derive(Clone, Copy)]
struct Row<'a> {
    args: &'a [Column],
    row: usize,
}

impl<'a> Row<'a> {
    fn text(&self, nth: usize) -> Option<&'a str> {
        Texts::new(self.args.get(nth)?).get(self.row)
    }

    fn int(&self, nth: usize) -> Option<i32> {
        let column = self.args.get(nth)?;
        let (values, at) = (column.array().as_primitive_opt::<Int32Type>()?, column.at(self.row));
        values.is_valid(at).then(|| values.value(at))
    }

    fn int_or(&self, nth: usize, absent: i32) -> Option<i32> {
        if nth < self.args.len() { self.int(nth) } else { Some(absent) }
    }

    /// A test for the characters of an argument, of the blank when it is absent.
    fn set(&self, nth: usize) -> Option<impl Fn(char) -> bool + Copy + 'a> {
        let set = if nth < self.args.len() { self.text(nth)? } else { " " };
        Some(move |c| set.contains(c))
    }
}

fn rows(call: &Call<'_>, op: impl Fn(Row<'_>) -> Option<String>) -> Result<ArrayRef, EvalError> {
    let mut out = StringBuilder::with_capacity(call.rows, call.rows * 16);
    (0..call.rows).for_each(|row| out.append_option(op(Row { args: call.args, row })));
    Ok(Arc::new(out.finish()))
}

fn ints(call: &Call<'_>, op: impl Fn(Row<'_>) -> Option<i32>) -> Result<ArrayRef, EvalError> {
    Ok(Arc::new((0..call.rows).map(|row| op(Row { args: call.args, row })).collect::<Int32Array>()))
}

fn bools(call: &Call<'_>, op: impl Fn(Row<'_>) -> Option<bool>) -> Result<ArrayRef, EvalError> {
    Ok(Arc::new((0..call.rows).map(|row| op(Row { args: call.args, row })).collect::<BooleanArray>()))
}

fn concat(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    rows(call, |row| (0..row.args.len()).map(|nth| row.text(nth)).collect::<Option<String>>())
}

fn concat_ws(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    rows(call, |row| {
        let separator = row.text(0)?;
        let parts: Vec<&str> = (1..row.args.len()).filter_map(|nth| row.text(nth)).collect();
        Some(parts.join(separator))
    })
}

/// `TRIM(s)`, `TRIM(s, set)`, or `TRIM(side, set, s)` as the parser writes `TRIM(side set FROM s)`.
fn trim(row: Row<'_>) -> Option<String> {
    if row.args.len() < 3 {
        return Some(row.text(0)?.trim_matches(row.set(1)?).to_owned());
    }
    let (side, set, text) = (row.text(0)?, row.set(1)?, row.text(2)?);
    let trimmed = match side {
        "LEADING" => text.trim_start_matches(set),
        "TRAILING" => text.trim_end_matches(set),
        _ => text.trim_matches(set),
    };
    Some(trimmed.to_owned())
}

fn substring(row: Row<'_>) -> Option<String> {
    let text = row.text(0)?;
    let (start, wanted) = (i64::from(row.int(1)?), row.int_or(2, i32::MAX)?);
    if wanted < 0 {
        return None;
    }
    let skip = match start {
        1.. => start - 1,
        0 => 0,
        // From the end; before the beginning counts as the beginning.
        back => (text.chars().count() as i64 + back).max(0),
    };
    Some(text.chars().skip(skip as usize).take(wanted as usize).collect())
}

fn right(row: Row<'_>) -> Option<String> {
    let text = row.text(0)?;
    let skip = text.chars().count().saturating_sub(row.int(1)?.max(0) as usize);
    Some(text.chars().skip(skip).collect())
}

fn initcap(text: &str) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric();
    }
    out
}

fn pad(row: Row<'_>, left: bool) -> Option<String> {
    let (text, wanted, pad) = (row.text(0)?, row.int(1)?, row.text(2)?);
    let wanted = usize::try_from(wanted).ok()?;
    let length = text.chars().count();
    if length >= wanted {
        return Some(text.chars().take(wanted).collect());
    }
    if pad.is_empty() {
        return None;
    }
    let padding: String = pad.chars().cycle().take(wanted - length).collect();
    Some(if left { padding + text } else { text.to_owned() + &padding })
}

fn split_index(row: Row<'_>) -> Option<String> {
    let (text, separator, index) = (row.text(0)?, row.text(1)?, row.int(2)?);
    let index = usize::try_from(index).ok()?;
    if text.is_empty() || separator.is_empty() {
        return None;
    }
    text.split(separator).nth(index).map(str::to_owned)
}

fn position(needle: &str, text: &str, from: i32) -> Option<i32> {
    let skip = usize::try_from(from.max(1) - 1).ok()?;
    let Some((start, _)) = text.char_indices().chain([(text.len(), ' ')]).nth(skip) else { return Some(0) };
    Some(match text[start..].find(needle) {
        Some(at) => text[..start + at].chars().count() as i32 + 1,
        None => 0,
    })
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| char::from(DIGITS[nibble as usize])).collect()
}

type Matcher = Box<dyn Fn(&str) -> bool>;

/// Matches each text against its row's pattern; a pattern is compiled once for as long as it stays the same.
fn like(
    call: &Call<'_>,
    negated: bool,
    compile: fn(&str, Option<char>) -> Result<Matcher, EvalError>,
) -> Result<ArrayRef, EvalError> {
    let (texts, patterns) = (Texts::new(&call.args[0]), Texts::new(&call.args[1]));
    let escapes = call.args.get(2).map(Texts::new);
    let mut last: Option<(&str, Matcher)> = None;
    let mut out = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row)) else {
            out.push(None);
            continue;
        };
        let escape = escapes.as_ref().and_then(|escapes| escapes.get(row)).and_then(|text| text.chars().next());
        if last.as_ref().is_none_or(|(compiled, _)| *compiled != pattern) {
            last = Some((pattern, compile(pattern, escape)?));
        }
        out.push(last.as_ref().map(|(_, matches)| matches(text) != negated));
    }
    Ok(Arc::new(BooleanArray::from(out)))
}

#[derive(Clone, Copy, PartialEq)]
enum Wild {
    Char(char),
    One,
    Many,
}

fn like_matcher(pattern: &str, escape: Option<char>) -> Result<Matcher, EvalError> {
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            c if Some(c) == escape => {
                let next = chars.next().filter(|next| matches!(next, '%' | '_') || Some(*next) == escape);
                Wild::Char(
                    next.ok_or_else(|| EvalError(format!("invalid escape sequence in LIKE pattern '{pattern}'")))?,
                )
            }
            '%' => Wild::Many,
            '_' => Wild::One,
            c => Wild::Char(c),
        });
    }
    Ok(Box::new(move |text| wild_match(&parts, &text.chars().collect::<Vec<_>>())))
}

/// Greedy matching that goes back only to the last `%`.
fn wild_match(pattern: &[Wild], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Wild::Many) => {
                back = Some((p, t));
                p += 1;
            }
            Some(Wild::One) => (p, t) = (p + 1, t + 1),
            Some(Wild::Char(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match back {
                Some((many, from)) => {
                    back = Some((many, from + 1));
                    (p, t) = (many + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|part| *part == Wild::Many)
}

fn similar_matcher(pattern: &str, escape: Option<char>) -> Result<Matcher, EvalError> {
    let mut out = String::from("(?s)^(?:");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => out.extend(chars.next().map(|c| regex::escape(&c.to_string()))),
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '.' | '^' | '$' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push_str(")$");
    let regex = compile(&out)?;
    Ok(Box::new(move |text| regex.is_match(text)))
}

fn regex_matcher(pattern: &str, _: Option<char>) -> Result<Matcher, EvalError> {
    let regex = compile(pattern)?;
    Ok(Box::new(move |text| regex.is_match(text)))
}

fn compile(pattern: &str) -> Result<Regex, EvalError> {
    Regex::new(pattern).map_err(|error| EvalError(format!("the regular expression '{pattern}' is not valid: {error}")))
}

/// The regular expression of each row, compiled once for as long as it stays the same; a wrong one gives NULL, as in Flink.
fn regexes(
    call: &Call<'_>,
    mut op: impl FnMut(Row<'_>, &str, &Regex) -> Option<String>,
) -> Result<ArrayRef, EvalError> {
    let mut last: Option<(String, Option<Regex>)> = None;
    let mut out = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let row = Row { args: call.args, row };
        out.push(row.text(0).zip(row.text(1)).and_then(|(text, pattern)| {
            if last.as_ref().is_none_or(|(compiled, _)| compiled != pattern) {
                last = Some((pattern.to_owned(), Regex::new(pattern).ok()));
            }
            op(row, text, last.as_ref()?.1.as_ref()?)
        }));
    }
    Ok(texts_of(out))
}

fn regexp_replace(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    regexes(call, |row, text, regex| {
        let replacement = java_replacement(row.text(2)?);
        Some(regex.replace_all(text, replacement.as_str()).into_owned())
    })
}

/// Java's `$1` ends at the first non-digit; the regex crate's `$1x` would be a group named `1x`.
fn java_replacement(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('$') => out.push_str("$$"),
                Some(c) => out.push(c),
                None => {}
            },
            '$' if chars.peek().is_some_and(char::is_ascii_digit) => {
                out.push_str("${");
                out.extend(chars.next());
                out.push('}');
            }
            c => out.push(c),
        }
    }
    out
}

fn regexp_extract(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    regexes(call, |row, text, regex| {
        let group = usize::try_from(row.int_or(2, 0)?).ok()?;
        Some(regex.captures(text)?.get(group)?.as_str().to_owned())
    })
}
