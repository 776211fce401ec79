//! The model's constraints, and the list of those that a request breaks.
//!
//! The texts are AWS's own (source: kinesalite's and AWS's recorded answers): every broken rule is reported at once, in
//! the order of the model, as `2 validation errors detected: Value 'x' at 'member' failed to satisfy constraint: …; …`.

use super::{Fault, Shape, Text, kinds};
use regex::Regex;
use std::sync::OnceLock;

/// How many broken rules one answer lists; AWS stops there too.
const REPORTED_MAX: usize = 10;
/// A value longer than this is cut in the message, so that a bad 10 MiB request has no 10 MiB answer.
const SHOWN_CHARS_MAX: usize = 2048;

/// The constraints of one shape of the model.
#[derive(Debug)]
pub struct Rule {
    pub(crate) min: i64,
    pub(crate) max: i64,
    pattern: Option<Pattern>,
    compiled: OnceLock<Regex>,
    values: &'static [&'static str],
    pub(crate) key: Option<&'static Rule>,
    pub(crate) member: Option<&'static Rule>,
}

#[derive(Debug, Clone, Copy)]
struct Pattern {
    /// As the model writes it, and as messages show it.
    text: &'static str,
    /// The same in Rust's notation; it must match the whole value.
    regex: &'static str,
}

impl Default for Rule {
    fn default() -> Self {
        Self::new()
    }
}

impl Rule {
    /// A rule that everything keeps.
    pub const fn new() -> Self {
        let compiled = OnceLock::new();
        Self { min: i64::MIN, max: i64::MAX, pattern: None, compiled, values: &[], key: None, member: None }
    }

    /// The least length, size or value.
    pub const fn min(mut self, min: i64) -> Self {
        self.min = min;
        self
    }

    /// The greatest length, size or value.
    pub const fn max(mut self, max: i64) -> Self {
        self.max = max;
        self
    }

    /// The pattern that a text matches from end to end: the model's notation, and Rust's.
    pub const fn pattern(mut self, text: &'static str, regex: &'static str) -> Self {
        self.pattern = Some(Pattern { text, regex });
        self
    }

    /// The only texts allowed.
    pub const fn values(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }

    /// The rule of a map's keys.
    pub const fn key(mut self, rule: &'static Rule) -> Self {
        self.key = Some(rule);
        self
    }

    /// The rule of a list's items or a map's values.
    pub const fn member(mut self, rule: &'static Rule) -> Self {
        self.member = Some(rule);
        self
    }

    /// Notes a length out of bounds.
    pub fn check_length(&self, len: usize, show: &dyn Fn() -> String, checks: &mut Checks) {
        let len = i64::try_from(len).unwrap_or(i64::MAX);
        if len < self.min {
            checks.broken(&show(), format!("Member must have length greater than or equal to {}", self.min));
        }
        if len > self.max {
            checks.broken(&show(), format!("Member must have length less than or equal to {}", self.max));
        }
    }

    /// Notes a number out of bounds.
    pub fn check_range(&self, value: i64, checks: &mut Checks) {
        if value < self.min {
            checks.broken(&value.to_string(), format!("Member must have value greater than or equal to {}", self.min));
        }
        if value > self.max {
            checks.broken(&value.to_string(), format!("Member must have value less than or equal to {}", self.max));
        }
    }

    /// Notes a text that breaks the pattern or is not among the values.
    pub fn check_text(&self, text: &Text, checks: &mut Checks) {
        if let Some(pattern) = &self.pattern
            && !self.compiled(pattern).is_match(text)
        {
            checks.broken(text, format!("Member must satisfy regular expression pattern: {}", pattern.text));
        }
        if !self.values.is_empty() && !self.values.contains(&text.as_str()) {
            checks.broken(text, format!("Member must satisfy enum value set: [{}]", self.values.join(", ")));
        }
    }

    /// Notes, once for the whole map, that some of its keys or values break this rule.
    pub fn check_each<'a, T: Shape + 'a>(
        &self,
        mut members: impl Iterator<Item = &'a T>,
        which: &str,
        show: &dyn Fn() -> String,
        checks: &mut Checks,
    ) {
        let breaks = |member: &T| {
            let mut own = Checks::default();
            member.check(self, &mut own);
            !own.broken.is_empty()
        };
        if members.any(breaks) {
            checks.broken(&show(), format!("{which} must satisfy constraint: [{}]", self.describe()));
        }
    }

    fn describe(&self) -> String {
        let mut parts = Vec::new();
        if self.max != i64::MAX {
            parts.push(format!("Member must have length less than or equal to {}", self.max));
        }
        if self.min != i64::MIN {
            parts.push(format!("Member must have length greater than or equal to {}", self.min));
        }
        if let Some(pattern) = &self.pattern {
            parts.push(format!("Member must satisfy regular expression pattern: {}", pattern.text));
        }
        if !self.values.is_empty() {
            parts.push(format!("Member must satisfy enum value set: [{}]", self.values.join(", ")));
        }
        parts.join(", ")
    }

    /// The pattern's regular expression, if it has one: a test compiles every generated one.
    pub fn regex(&self) -> Option<&Regex> {
        self.pattern.as_ref().map(|pattern| self.compiled(pattern))
    }

    fn compiled(&self, pattern: &Pattern) -> &Regex {
        self.compiled.get_or_init(|| {
            Regex::new(&format!("^(?:{})$", pattern.regex)).expect("a test compiles every generated pattern")
        })
    }
}

/// Collects the broken rules of one request and where they were broken.
#[derive(Debug, Default)]
pub struct Checks {
    path: Vec<Step>,
    broken: Vec<Broken>,
    unsupported: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A member of a structure, and all the structure's members in the model's order.
    Member(&'static str, &'static [&'static str]),
    /// An item of a list, from 0.
    Item(usize),
}

#[derive(Debug)]
struct Broken {
    order: Vec<usize>,
    text: String,
}

impl Checks {
    /// Goes into a structure's member.
    pub fn enter(&mut self, name: &'static str, all: &'static [&'static str]) {
        self.path.push(Step::Member(name, all));
    }

    /// Goes into a list's item.
    pub fn enter_item(&mut self, place: usize) {
        self.path.push(Step::Item(place));
    }

    /// Goes back out of the innermost member or item.
    pub fn leave(&mut self) {
        self.path.pop();
    }

    /// Notes that the value here is missing.
    pub fn missing(&mut self) {
        let text = format!("Value null at '{}' failed to satisfy constraint: Member must not be null", self.place());
        self.note(text);
    }

    /// Notes that the member here is one that Millrace does not serve yet.
    pub fn unsupported(&mut self) {
        let place = self.place();
        self.unsupported.get_or_insert(place);
    }

    fn broken(&mut self, value: &str, constraint: String) {
        let shown = match value.char_indices().nth(SHOWN_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &value[..end]),
            None => value.to_owned(),
        };
        self.note(format!("Value '{shown}' at '{}' failed to satisfy constraint: {constraint}", self.place()));
    }

    fn note(&mut self, text: String) {
        let order = self.path.iter().map(|step| match step {
            Step::Member(name, all) => all.iter().position(|other| other == name).unwrap_or(all.len()),
            Step::Item(place) => *place,
        });
        self.broken.push(Broken { order: order.collect(), text });
    }

    /// The place as AWS writes it: `records.1.member.partitionKey`.
    fn place(&self) -> String {
        let steps = self.path.iter().map(|step| match step {
            Step::Member(name, _) => {
                let mut letters = name.chars();
                letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
            }
            Step::Item(place) => format!("{}.member", place + 1),
        });
        steps.collect::<Vec<String>>().join(".")
    }

    /// The error that names every broken rule; `Ok` when all were kept.
    pub fn finish(mut self) -> Result<(), Fault> {
        if self.broken.is_empty() {
            return match self.unsupported {
                Some(place) => {
                    Err(kinds::UNSUPPORTED.because(format!("Millrace does not support '{place}' yet: leave it out.")))
                }
                None => Ok(()),
            };
        }
        self.broken.sort_by(|a, b| a.order.cmp(&b.order));
        self.broken.truncate(REPORTED_MAX);
        let texts: Vec<&str> = self.broken.iter().map(|broken| broken.text.as_str()).collect();
        let plural = if texts.len() == 1 { "" } else { "s" };
        let message = format!("{} validation error{plural} detected: {}", texts.len(), texts.join("; "));
        Err(kinds::VALIDATION.because(message))
    }
}
