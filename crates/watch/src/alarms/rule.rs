//! A composite alarm's rule: an expression over other alarms' states.
//!
//! ```text
//! rule  := any
//! any   := all (OR all)*
//! all   := not (AND not)*
//! not   := NOT not | ( any ) | TRUE | FALSE | (ALARM | OK | INSUFFICIENT_DATA) ( name )
//! name  := "…" | what stands between the parentheses
//! ```
//! Source: the documentation of `PutCompositeAlarm`'s `AlarmRule`.

use super::AlarmState;

/// Alarms that a rule may name.
const CHILDREN_MAX: usize = 100;
/// Alarms, constants and parentheses of a rule.
const ELEMENTS_MAX: usize = 500;

/// A parsed rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmRule {
    /// Always so.
    Constant(bool),
    /// An alarm, by name or ARN, is in a state.
    Is(AlarmState, String),
    /// The opposite.
    Not(Box<AlarmRule>),
    /// All hold.
    All(Vec<AlarmRule>),
    /// One holds.
    Any(Vec<AlarmRule>),
}

/// Why a rule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("AlarmRule cannot be read at character {at}: {expected}")]
pub struct AlarmRuleError {
    /// Where, from 1.
    pub at: usize,
    /// What was expected there.
    pub expected: String,
}

impl AlarmRule {
    /// Reads a rule.
    pub fn parse(text: &str) -> Result<Self, AlarmRuleError> {
        let mut reader = Reader { text, at: 0, elements: 0, children: 0 };
        let rule = reader.any()?;
        reader.space();
        match reader.at == text.len() {
            true => Ok(rule),
            false => Err(reader.expected("AND, OR or the end is expected")),
        }
    }

    /// Whether the rule holds, given the state of each alarm that it names. An alarm that is not there has none, and every
    /// statement about it is false.
    pub fn holds(&self, state: &impl Fn(&str) -> Option<AlarmState>) -> bool {
        match self {
            Self::Constant(value) => *value,
            Self::Is(wanted, name) => state(name) == Some(*wanted),
            Self::Not(rule) => !rule.holds(state),
            Self::All(rules) => rules.iter().all(|rule| rule.holds(state)),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(state)),
        }
    }

    /// The alarms by whose states the rule holds, or does not: as [`Self::children`], without those that make no difference.
    pub fn causes(&self, state: &impl Fn(&str) -> Option<AlarmState>) -> Vec<&str> {
        let mut names = Vec::new();
        self.explain(state, &mut names);
        names
    }

    fn explain<'a>(&'a self, state: &impl Fn(&str) -> Option<AlarmState>, names: &mut Vec<&'a str>) {
        match self {
            Self::Constant(_) | Self::Is(..) => self.collect(names),
            Self::Not(rule) => rule.explain(state, names),
            // AND is false by those that are false, OR true by those that are true; the other way round all of them count.
            Self::All(rules) | Self::Any(rules) => {
                let holds = self.holds(state);
                rules.iter().filter(|rule| rule.holds(state) == holds).for_each(|rule| rule.explain(state, names));
            }
        }
    }

    /// The alarms that it names, by name or ARN as written, in order and each once.
    pub fn children(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.collect(&mut names);
        names
    }

    fn collect<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Self::Constant(_) => {}
            Self::Is(_, name) if names.contains(&name.as_str()) => {}
            Self::Is(_, name) => names.push(name),
            Self::Not(rule) => rule.collect(names),
            Self::All(rules) | Self::Any(rules) => rules.iter().for_each(|rule| rule.collect(names)),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    elements: usize,
    children: usize,
}

impl Reader<'_> {
    fn any(&mut self) -> Result<AlarmRule, AlarmRuleError> {
        let mut rules = vec![self.all()?];
        while self.word("OR") {
            rules.push(self.all()?);
        }
        Ok(alone_or(rules, AlarmRule::Any))
    }

    fn all(&mut self) -> Result<AlarmRule, AlarmRuleError> {
        let mut rules = vec![self.not()?];
        while self.word("AND") {
            rules.push(self.not()?);
        }
        Ok(alone_or(rules, AlarmRule::All))
    }

    fn not(&mut self) -> Result<AlarmRule, AlarmRuleError> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(self.expected(&format!("a rule has at most {ELEMENTS_MAX} elements")));
        }
        if self.word("NOT") {
            return Ok(AlarmRule::Not(Box::new(self.not()?)));
        }
        if self.sign('(') {
            let rule = self.any()?;
            return if self.sign(')') { Ok(rule) } else { Err(self.expected("a closing parenthesis is expected")) };
        }
        for (word, value) in [("TRUE", true), ("FALSE", false)] {
            if self.word(word) {
                return Ok(AlarmRule::Constant(value));
            }
        }
        for state in [AlarmState::Ok, AlarmState::Alarm, AlarmState::InsufficientData] {
            if self.word(state.word()) {
                return Ok(AlarmRule::Is(state, self.name()?));
            }
        }
        Err(self.expected("ALARM(…), OK(…), INSUFFICIENT_DATA(…), TRUE, FALSE, NOT or a parenthesis is expected"))
    }

    fn name(&mut self) -> Result<String, AlarmRuleError> {
        self.children += 1;
        if self.children > CHILDREN_MAX {
            return Err(self.expected(&format!("a rule names at most {CHILDREN_MAX} alarms")));
        }
        if !self.sign('(') {
            return Err(self.expected("an alarm's name in parentheses is expected"));
        }
        self.space();
        let rest = &self.text[self.at..];
        let (name, len) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').map(|(name, _)| (name, name.len() + 2)),
            None => rest.split_once(')').map(|(name, _)| (name.trim(), name.len())),
        }
        .ok_or_else(|| self.expected("the alarm's name does not end"))?;
        if name.is_empty() {
            return Err(self.expected("an alarm's name is expected"));
        }
        let name = name.to_owned();
        self.at += len;
        if self.sign(')') { Ok(name) } else { Err(self.expected("a closing parenthesis is expected")) }
    }

    /// Passes a word that stands alone.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        let Some(rest) = self.text[self.at..].strip_prefix(word) else { return false };
        let goes_on = rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        self.at += if goes_on { 0 } else { word.len() };
        !goes_on
    }

    fn sign(&mut self, sign: char) -> bool {
        self.space();
        let is_there = self.text[self.at..].starts_with(sign);
        self.at += usize::from(is_there);
        is_there
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn expected(&self, expected: &str) -> AlarmRuleError {
        AlarmRuleError { at: self.text[..self.at].chars().count() + 1, expected: expected.to_owned() }
    }
}

fn alone_or(mut rules: Vec<AlarmRule>, several: fn(Vec<AlarmRule>) -> AlarmRule) -> AlarmRule {
    match rules.len() {
        1 => rules.remove(0),
        _ => several(rules),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(rule: &str) -> bool {
        let state = |name: &str| match name {
            "a" | "arn:aws:cloudwatch:us-east-1:000000000000:alarm:a" => Some(AlarmState::Alarm),
            "b" => Some(AlarmState::Ok),
            "with (sign)" => Some(AlarmState::InsufficientData),
            _ => None,
        };
        AlarmRule::parse(rule).unwrap().holds(&state)
    }

    #[test]
    fn rules_hold_as_written() {
        for yes in [
            "ALARM(a)",
            "ALARM(\"a\") AND OK(b)",
            "ALARM(arn:aws:cloudwatch:us-east-1:000000000000:alarm:a)",
            "ALARM(a) AND NOT ALARM(b)",
            "(ALARM(b) OR ALARM(a)) AND OK( b )",
            "ALARM(b) AND ALARM(b) OR TRUE",
            "INSUFFICIENT_DATA(\"with (sign)\")",
            "NOT OK(gone)",
        ] {
            assert!(holds(yes), "{yes}");
        }
        for no in ["OK(a)", "FALSE", "ALARM(b) OR OK(a) AND TRUE", "OK(gone)", "NOT (TRUE)"] {
            assert!(!holds(no), "{no}");
        }
        let rule = AlarmRule::parse("ALARM(a) OR (OK(b) AND NOT ALARM(a))").unwrap();
        assert_eq!(rule.children(), ["a", "b"]);
    }

    #[test]
    fn only_those_that_make_the_difference_are_causes() {
        for (rule, causes) in [
            ("ALARM(a) OR ALARM(b)", &["a"][..]),
            ("ALARM(a) AND NOT ALARM(b)", &["a", "b"]),
            ("ALARM(b) OR OK(a)", &["b", "a"]),
            ("ALARM(a) AND (OK(a) OR ALARM(b))", &["a", "b"]),
            ("ALARM(b) AND ALARM(a)", &["b"]),
            ("NOT (OK(b) AND ALARM(b))", &["b"]),
            ("TRUE OR ALARM(b)", &[]),
        ] {
            let state = |name: &str| Some(if name == "a" { AlarmState::Alarm } else { AlarmState::Ok });
            assert_eq!(AlarmRule::parse(rule).unwrap().causes(&state), causes, "{rule}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_pointed_at() {
        for (rule, at) in
            [("", 1), ("ALARM(a) ALARM(b)", 10), ("ALARM a", 7), ("(TRUE", 6), ("ALARM(a", 7), ("ALERT(a)", 1)]
        {
            assert_eq!(AlarmRule::parse(rule).unwrap_err().at, at, "{rule}");
        }
        let many = vec!["ALARM(a)"; 101].join(" OR ");
        assert!(AlarmRule::parse(&many).unwrap_err().expected.contains("100"));
    }
}
