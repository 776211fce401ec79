//! Fields between spaces: `[ip, user, status = 4*, ...]`.

use super::condition::{Condition, Selector, Subject, parse};
use serde_json::Value;
use std::borrow::Cow;

/// A pattern of fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Fields {
    before: Vec<Field>,
    /// After `...`, if there is one.
    after: Option<Vec<Field>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Field {
    name: String,
    condition: Option<Condition>,
}

impl Fields {
    /// Reads what stands between the brackets.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut before, mut after) = (Vec::new(), None);
        for part in split(text) {
            match (part.trim(), &mut after) {
                ("...", None) => after = Some(Vec::new()),
                ("...", Some(_)) => return Err("'...' may stand only once".to_owned()),
                (part, None) => before.push(Field::parse(part)?),
                (part, Some(after)) => after.push(Field::parse(part)?),
            }
        }
        Ok(Self { before, after })
    }

    /// Whether a line has these fields and their conditions hold.
    pub fn match_text(&self, line: &str) -> bool {
        let found = words(line);
        let after = self.after.as_deref().unwrap_or_default();
        let wanted = self.before.len() + after.len();
        if found.len() < wanted || (self.after.is_none() && found.len() > wanted) {
            return false;
        }
        let firsts = self.before.iter().zip(&found);
        let lasts = after.iter().zip(&found[found.len() - after.len()..]);
        let named: Vec<(&Field, &str)> = firsts.chain(lasts).map(|(field, text)| (field, *text)).collect();
        let find = |selector: &Selector| match selector {
            Selector::Field(name) => {
                let named = named.iter().filter(|(field, _)| field.name == *name);
                named.map(|(_, text)| Cow::Owned(Value::String((*text).to_owned()))).collect()
            }
            Selector::Path(_) => Vec::new(),
        };
        named.iter().all(|(field, _)| field.condition.as_ref().is_none_or(|condition| condition.holds(&find)))
    }
}

impl Field {
    fn parse(text: &str) -> Result<Self, String> {
        let end = text.find(|letter: char| letter.is_whitespace() || "=!<>".contains(letter)).unwrap_or(text.len());
        let name = text[..end].trim_start_matches('(').to_owned();
        if name.is_empty() {
            return Err("a field has no name".to_owned());
        }
        let condition = (end < text.len()).then(|| parse(text, Subject::Field)).transpose()?;
        Ok(Self { name, condition })
    }
}

/// The parts between commas that do not stand in quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The fields of a line: what stands between spaces, in quotes or in brackets.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let close = match first {
            '"' => Some('"'),
            '[' => Some(']'),
            _ => None,
        };
        let (word, after) = match close.and_then(|close| rest[1..].split_once(close)) {
            Some(inside) => inside,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}
