//! The one registry of scalar functions and operators: names, typing and evaluation.
//!
//! Operators are functions by their sign: `+`, `=`, `AND`, `LIKE`, `IS NULL`, `BETWEEN`, `||`. Unary minus is `-` with one
//! argument. Units (`EXTRACT`, `FLOOR … TO`, `TIMESTAMPADD`) arrive as literal strings: `EXTRACT('DAY', ts)`,
//! `FLOOR(ts, 'HOUR')`, `TIMESTAMPADD('MINUTE', 5, ts)`, `TIMESTAMPDIFF('SECOND', a, b)`; so do the sides of
//! `TRIM('BOTH', ' ', s)`. `POSITION(x IN s)` is `POSITION(x, s)`; an element of an array or a map is `ITEM(a, i)`;
//! `JSON_VALUE … RETURNING` is not known here: cast its result.

mod signature;

mod collections;
mod compare;
mod json;
mod logic;
mod math;
mod text;
mod time;

pub(crate) use signature::Call;
pub use signature::{common_type, is_implicit_cast};
pub(crate) use time::{Locals, from_locals};

use crate::graph::Value;
use millrace_schema::Typed;
use signature::{Args, Entry};

/// What [`resolve`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Its name in the registry, for [`crate::graph::ExprKind::Call`].
    pub function: String,
    /// The types to coerce the arguments to.
    pub args: Vec<Typed>,
    /// The type of the result.
    pub result: Typed,
}

const TABLES: &[&[Entry]] =
    &[math::TABLE, compare::TABLE, logic::TABLE, text::TABLE, time::TABLE, json::TABLE, collections::TABLE];

/// Finds a function or operator by name (any case) and argument types.
///
/// # Errors
/// A sentence for people: no such function (with the nearest name), or arguments that it does not take.
pub fn resolve(name: &str, args: &[Typed]) -> Result<Resolved, String> {
    resolve_with(name, args, &vec![None; args.len()])
}

/// [`resolve`] for arguments of which some are constants: the type of `ROUND(DECIMAL, 2)` depends on the 2.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_with(name: &str, args: &[Typed], literals: &[Option<Value>]) -> Result<Resolved, String> {
    let upper = name.to_ascii_uppercase();
    let entry = find(&upper).ok_or_else(|| no_such(&upper))?;
    let signature = (entry.sign)(&Args { name: entry.name, types: args, literals })?;
    Ok(Resolved { function: entry.name.to_owned(), args: signature.args, result: signature.result })
}

/// The names of all functions and operators, sorted.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = TABLES.iter().flat_map(|table| table.iter()).map(|entry| entry.name).collect();
    names.sort_unstable();
    names
}

pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    TABLES.iter().flat_map(|table| table.iter()).find(|entry| entry.name == name)
}

fn no_such(name: &str) -> String {
    match millrace_base::nearest(name, names()) {
        Some(near) => format!("there is no function {name}; did you mean {near}?"),
        None => format!("there is no function {name}"),
    }
}
