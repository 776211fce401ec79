//! CloudWatch Logs' filter patterns: which messages a person wants to see.
//!
//! Three notations, told apart by their first letter: terms (`ERROR -timeout "out of memory"`), conditions on JSON
//! (`{ $.level = "ERROR" && $.ms > 100 }`) and on fields between spaces (`[ip, user, status = 4*, ...]`).

mod condition;
mod fields;
mod lex;

use condition::{Condition, Subject};
use fields::Fields;

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterPattern(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    All,
    Terms(Terms),
    Json(Condition),
    Fields(Fields),
}

/// A pattern that cannot be read: what is wrong and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter pattern '{pattern}': {reason}")]
pub struct FilterPatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Terms {
    required: Vec<String>,
    excluded: Vec<String>,
    optional: Vec<String>,
}

impl FilterPattern {
    /// The pattern that lets everything through.
    pub const ALL: Self = Self(Kind::All);

    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, FilterPatternError> {
        let wrong = |reason: String| FilterPatternError { pattern: text.to_owned(), reason };
        let trimmed = text.trim();
        Ok(Self(match trimmed.bytes().next() {
            None => Kind::All,
            Some(b'{') => {
                let inner =
                    trimmed[1..].strip_suffix('}').ok_or_else(|| wrong("'}' is missing at its end".to_owned()))?;
                Kind::Json(condition::parse(inner, Subject::Json).map_err(wrong)?)
            }
            Some(b'[') => {
                let inner =
                    trimmed[1..].strip_suffix(']').ok_or_else(|| wrong("']' is missing at its end".to_owned()))?;
                Kind::Fields(Fields::parse(inner).map_err(wrong)?)
            }
            Some(_) => Kind::Terms(Terms::parse(trimmed).map_err(wrong)?),
        }))
    }

    /// Whether the pattern lets a message through.
    pub fn matches(&self, message: &str) -> bool {
        match &self.0 {
            Kind::All => true,
            Kind::Terms(terms) => terms.match_text(message),
            Kind::Json(condition) => {
                serde_json::from_str(message).is_ok_and(|json| condition.holds(&|selector| selector.find(&json)))
            }
            Kind::Fields(fields) => fields.match_text(message),
        }
    }
}

impl Terms {
    fn parse(text: &str) -> Result<Self, String> {
        let mut terms = Self::default();
        let mut rest = text;
        while let Some(first) = rest.trim_start().chars().next() {
            rest = rest.trim_start();
            let list = match first {
                '-' => &mut terms.excluded,
                '?' => &mut terms.optional,
                '%' => return Err("regular expressions (%…%) are not supported yet".to_owned()),
                _ => &mut terms.required,
            };
            rest = rest.strip_prefix(['-', '?']).unwrap_or(rest);
            let (term, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
                None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
            };
            list.push(term.to_owned());
            rest = after;
        }
        Ok(terms)
    }

    fn match_text(&self, message: &str) -> bool {
        let has = |term: &String| message.contains(term.as_str());
        let required = self.required.iter().all(has) && !self.excluded.iter().any(has);
        // As on AWS, beside terms that must be there those that may be there decide nothing.
        required && (!self.required.is_empty() || self.optional.is_empty() || self.optional.iter().any(has))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let parsed = FilterPattern::parse(pattern).unwrap();
        yes.iter().for_each(|message| assert!(parsed.matches(message), "{pattern} lets {message} through"));
        no.iter().for_each(|message| assert!(!parsed.matches(message), "{pattern} holds {message} back"));
    }

    #[test]
    fn terms() {
        check("", &["", "anything"], &[]);
        check("ERROR 400", &["[ERROR 400] BAD"], &["[ERROR 419]", "error 400"]);
        check("?ERROR ?WARN", &["ERROR", "a WARN"], &["INFO"]);
        check("ERROR -Exiting", &["ERROR"], &["ERROR Exiting", "INFO"]);
        check("\"INTERNAL SERVER ERROR\"", &["x INTERNAL SERVER ERROR y"], &["INTERNAL ERROR SERVER"]);
        check("-INFO", &["WARN"], &["INFO"]);
    }

    #[test]
    fn json() {
        let event =
            r#"{"level": "ERROR", "ms": 12.5, "user": {"id": 7, "tags": ["a", "b"]}, "gone": null, "ok": true}"#;
        for yes in [
            r#"{ $.level = "ERROR" }"#,
            r#"{ $.level = "ERR*" && $.ms > 12 }"#,
            "{ $.ms >= 1.25e1 && ($.user.id != 8 || $.none = 1) }",
            r#"{ $.user.tags[1] = "b" }"#,
            r#"{ $.user.tags[*] = "b" }"#,
            r#"{ $['user']['id'] = 7 }"#,
            "{ $.gone IS NULL }",
            "{ $.ok IS TRUE }",
            "{ $.none NOT EXISTS }",
            "{ $.level = *RRO* }",
        ] {
            check(
                yes,
                &[event],
                &["no json", "{}"].into_iter().filter(|_| !yes.contains("NOT EXISTS")).collect::<Vec<_>>(),
            );
        }
        for no in [
            r#"{ $.level = "error" }"#,
            "{ $.ms < 12 }",
            "{ $.level > 5 }",
            "{ $.none != 5 }",
            "{ $.ok IS FALSE }",
            "{ $.ms NOT EXISTS }",
            "{ $.user.tags[2] = \"b\" }",
        ] {
            check(no, &[], &[event]);
        }
    }

    #[test]
    fn fields() {
        let line = r#"127.0.0.1 - frank [10/Oct/2026:13:25:15 -0700] "GET /a.html HTTP/1.0" 404 1534"#;
        check(r#"[ip, id, user, when, request, status = 4*, bytes > 1000]"#, &[line], &["a b"]);
        check(r#"[..., request = "*html*", status != 200, bytes]"#, &[line], &[]);
        check(r#"[ip, ..., bytes]"#, &[line, "a b"], &["a"]);
        check(r#"[ip, id, user = frank || user = joe, when, request, status, bytes]"#, &[line], &[]);
        check(r#"[ip, id, user, when, request, status = 200, bytes]"#, &[], &[line]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let wrong = |pattern: &str| FilterPattern::parse(pattern).unwrap_err().to_string();
        assert!(wrong("{ $.a = 1").contains("'}' is missing"));
        assert!(wrong("{ $.a ~ 1 }").contains("'~'"), "{}", wrong("{ $.a ~ 1 }"));
        assert!(wrong("{ level = 1 }").contains("$"), "{}", wrong("{ level = 1 }"));
        assert!(wrong("%a%").contains("not supported yet"));
        assert!(wrong("{ $.a = %x% }").contains("not supported yet"));
        assert!(wrong("[a, ..., b, ...]").contains("only once"));
        assert!(wrong("\"open").contains("quote"));
    }
}
