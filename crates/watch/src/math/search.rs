//! What SEARCH searches: `{AWS/Lambda, FunctionName} MetricName="Errors" NOT (orders OR "Project-A")`.
//!
//! Names are cut into tokens at changes of case, before digits and at what is neither; a term without quotes finds what has all its
//! tokens side by side, one in quotes what is exactly so. What a term says of where (`MetricName=`, `Namespace=`, a dimension's name)
//! narrows it.

use super::error::Wrong;
use crate::metrics::MetricKey;

/// CloudWatch's ceiling.
const QUERY_CHARS_MAX: usize = 1024;
/// How deep terms nest.
const DEPTH_MAX: usize = 32;

/// What to search.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Search {
    /// A namespace and exactly these dimensions.
    schema: Option<(String, Vec<String>)>,
    term: Option<Term>,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    All(Vec<Term>),
    Any(Vec<Term>),
    Not(Box<Term>),
    Match { place: Option<String>, text: String, is_exact: bool },
}

impl Search {
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        if text.chars().count() > QUERY_CHARS_MAX {
            return Err(Wrong::new(format!("a search is longer than {QUERY_CHARS_MAX} characters")));
        }
        let mut words = words(text)?;
        words.reverse();
        let mut parser = Parser { words, depth: 0 };
        let schema = parser.schema()?;
        while parser.is_sign(",") {
            parser.words.pop();
        }
        let term = if parser.words.is_empty() { None } else { Some(parser.any()?) };
        if !parser.words.is_empty() {
            return Err(Wrong::new("a search has a ')' too many"));
        }
        if schema.is_none() && term.is_none() {
            return Err(Wrong::new("a search needs {a namespace and dimensions}, a term, or both"));
        }
        Ok(Self { schema, term })
    }

    pub(super) fn matches(&self, key: &MetricKey) -> bool {
        let fits = self.schema.as_ref().is_none_or(|(namespace, dimensions)| {
            let mut names: Vec<&str> = key.dimensions.iter().map(|(name, _)| &**name).collect();
            let mut wanted: Vec<&str> = dimensions.iter().map(String::as_str).collect();
            names.sort_unstable();
            wanted.sort_unstable();
            *key.namespace == **namespace && names == wanted
        });
        fits && self.term.as_ref().is_none_or(|term| term.matches(key))
    }
}

impl Term {
    fn matches(&self, key: &MetricKey) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.matches(key)),
            Self::Any(terms) => terms.iter().any(|term| term.matches(key)),
            Self::Not(term) => !term.matches(key),
            Self::Match { place, text, is_exact } => {
                let is_found = |name: &str| if *is_exact { name == text } else { has_tokens(name, text) };
                match place.as_deref() {
                    Some("MetricName") => is_found(&key.name),
                    Some("Namespace") => is_found(&key.namespace),
                    Some(place) => key.dimensions.iter().any(|(name, value)| **name == *place && is_found(value)),
                    None => {
                        let dimensions = key.dimensions.iter().flat_map(|(name, value)| [name, value]);
                        [&key.name, &key.namespace].into_iter().chain(dimensions).any(|name| is_found(name))
                    }
                }
            }
        }
    }
}

/// Whether a term's tokens stand side by side in a name. A single one may be written in any case.
fn has_tokens(name: &str, term: &str) -> bool {
    let (name_tokens, wanted) = (tokens(name), tokens(term));
    let whole = |tokens: &[String]| tokens.concat().to_lowercase();
    match &wanted[..] {
        [] => false,
        [one] => {
            let one = one.to_lowercase();
            name_tokens.iter().any(|token| token.to_lowercase() == one) || whole(&name_tokens) == one
        }
        many => whole(&name_tokens) == whole(many) || name_tokens.windows(many.len()).any(|window| window == many),
    }
}

/// `CustomCount1` → `Custom`, `Count`, `1`; `SDBFailure` → `SDB`, `Failure`.
fn tokens(name: &str) -> Vec<String> {
    #[derive(PartialEq, Clone, Copy)]
    enum Class {
        Upper,
        Lower,
        Digit,
        Other,
    }
    let class = |letter: char| match letter {
        letter if letter.is_numeric() => Class::Digit,
        letter if letter.is_uppercase() => Class::Upper,
        letter if letter.is_alphabetic() => Class::Lower,
        _ => Class::Other,
    };
    let letters: Vec<char> = name.chars().collect();
    let mut tokens: Vec<String> = Vec::new();
    let mut last = Class::Other;
    for (at, letter) in letters.iter().enumerate() {
        let now = class(*letter);
        let ends_capitals = last == Class::Upper
            && now == Class::Upper
            && letters.get(at + 1).is_some_and(|next| class(*next) == Class::Lower);
        let goes_on = now == last || (last == Class::Upper && now == Class::Lower);
        if now != Class::Other {
            match tokens.last_mut() {
                Some(token) if goes_on && !ends_capitals => token.push(*letter),
                _ => tokens.push(letter.to_string()),
            }
        }
        last = now;
    }
    tokens
}

#[derive(Debug, Clone, PartialEq)]
enum Word {
    Sign(String),
    Plain(String),
    Quoted(String),
}

fn words(text: &str) -> Result<Vec<Word>, Wrong> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_whitespace() {
            continue;
        }
        if "{}(),=".contains(letter) {
            words.push(Word::Sign(letter.to_string()));
        } else if letter == '"' {
            let mut quoted = String::new();
            loop {
                match letters.next() {
                    Some('"') => break,
                    Some('\\') => quoted.extend(letters.next()),
                    Some(letter) => quoted.push(letter),
                    None => return Err(Wrong::new("a search has a quote that does not end")),
                }
            }
            words.push(Word::Quoted(quoted));
        } else {
            let mut plain = letter.to_string();
            while let Some(next) = letters.next_if(|next| !next.is_whitespace() && !"{}(),=\"".contains(*next)) {
                plain.push(next);
            }
            words.push(Word::Plain(plain));
        }
    }
    Ok(words)
}

/// Words from the last to the first.
struct Parser {
    words: Vec<Word>,
    depth: usize,
}

impl Parser {
    fn is_sign(&self, wanted: &str) -> bool {
        matches!(self.words.last(), Some(Word::Sign(sign)) if sign == wanted)
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let is_next = matches!(self.words.last(), Some(Word::Plain(word)) if word == wanted);
        if is_next {
            self.words.pop();
        }
        is_next
    }

    fn schema(&mut self) -> Result<Option<(String, Vec<String>)>, Wrong> {
        if !self.is_sign("{") {
            return Ok(None);
        }
        self.words.pop();
        let mut names = Vec::new();
        loop {
            match self.words.pop() {
                Some(Word::Plain(name) | Word::Quoted(name)) => names.push(name),
                _ => {
                    return Err(Wrong::new(
                        "a search's {…} has a namespace and names of dimensions, with commas between",
                    ));
                }
            }
            match self.words.pop() {
                Some(Word::Sign(sign)) if sign == "," => {}
                Some(Word::Sign(sign)) if sign == "}" => break,
                _ => return Err(Wrong::new("a search's {…} needs commas between names, and a '}' at its end")),
            }
        }
        let namespace = names.remove(0);
        Ok(Some((namespace, names)))
    }

    fn any(&mut self) -> Result<Term, Wrong> {
        let mut terms = vec![self.all()?];
        while self.take_word("OR") {
            terms.push(self.all()?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Term::Any(terms) })
    }

    fn all(&mut self) -> Result<Term, Wrong> {
        let mut terms = vec![self.one()?];
        loop {
            let is_said = self.take_word("AND");
            let ends = self.words.is_empty()
                || self.is_sign(")")
                || matches!(self.words.last(), Some(Word::Plain(word)) if word == "OR");
            match (is_said, ends) {
                (false, true) => return Ok(if terms.len() == 1 { terms.remove(0) } else { Term::All(terms) }),
                (true, true) => return Err(Wrong::new("a search's AND needs a term behind it")),
                _ => terms.push(self.one()?),
            }
        }
    }

    fn one(&mut self) -> Result<Term, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Wrong::new("a search nests too deeply"));
        }
        let term = if self.take_word("NOT") { Term::Not(Box::new(self.one()?)) } else { self.term()? };
        self.depth -= 1;
        Ok(term)
    }

    fn term(&mut self) -> Result<Term, Wrong> {
        let (text, is_exact) = match self.words.pop() {
            Some(Word::Sign(sign)) if sign == "(" => {
                let inner = self.any()?;
                return match self.words.pop() {
                    Some(Word::Sign(sign)) if sign == ")" => Ok(inner),
                    _ => Err(Wrong::new("a search's '(' needs a ')'")),
                };
            }
            Some(Word::Plain(text)) => (text, false),
            Some(Word::Quoted(text)) => (text, true),
            Some(Word::Sign(sign)) => {
                return Err(Wrong::new(format!("a search has a '{sign}' where a term is needed")));
            }
            None => return Err(Wrong::new("a search ends where a term is needed")),
        };
        if !self.is_sign("=") {
            return Ok(Term::Match { place: None, text, is_exact });
        }
        self.words.pop();
        match self.words.pop() {
            Some(Word::Sign(sign)) if sign == "(" => self.within(text),
            Some(Word::Plain(value)) => Ok(Term::Match { place: Some(text), text: value, is_exact: false }),
            Some(Word::Quoted(value)) => Ok(Term::Match { place: Some(text), text: value, is_exact: true }),
            _ => Err(Wrong::new(format!("a search's '{text}=' needs a value behind it"))),
        }
    }

    /// `MetricName=("A" OR "B")`: the place goes to every term inside.
    fn within(&mut self, place: String) -> Result<Term, Wrong> {
        let mut inner = self.any()?;
        match self.words.pop() {
            Some(Word::Sign(sign)) if sign == ")" => {}
            _ => return Err(Wrong::new("a search's '(' needs a ')'")),
        }
        inner.put(&place);
        Ok(inner)
    }
}

impl Term {
    fn put(&mut self, at: &str) {
        match self {
            Self::All(terms) | Self::Any(terms) => terms.iter_mut().for_each(|term| term.put(at)),
            Self::Not(term) => term.put(at),
            Self::Match { place, .. } => *place = Some(place.take().unwrap_or_else(|| at.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Scope;

    #[test]
    fn names_are_cut_as_cloudwatch_cuts_them() {
        assert_eq!(tokens("CustomCount1"), ["Custom", "Count", "1"]);
        assert_eq!(tokens("SDBFailure"), ["SDB", "Failure"]);
        assert_eq!(tokens("Project2-trial333"), ["Project", "2", "trial", "333"]);
    }

    #[test]
    fn terms_find_metrics() {
        let key = |namespace, name, function| {
            MetricKey::new(&Scope::default(), namespace, name, [("FunctionName", function)])
        };
        let errors = key("AWS/Lambda", "Errors", "orders-ProjectA");
        let counts = key("Mine", "CustomCount1", "Network-Errors-2");
        // (search, finds errors, finds counts)
        let cases = [
            ("{AWS/Lambda, FunctionName}", true, false),
            ("{AWS/Lambda}", false, false),
            ("{AWS/Lambda, FunctionName}, MetricName=\"Errors\" ", true, false),
            ("MetricName=errors", true, false),
            ("\"Errors\"", true, false),
            ("errors", true, true),
            ("count", false, true),
            ("customcount1", false, true),
            ("CustomCount", false, true),
            ("Count1", false, true),
            ("couNT", false, false),
            ("customcount", false, false),
            ("Network/Errors", false, true),
            ("\"Network_Errors-2\"", false, false),
            ("NOT Namespace=AWS", false, true),
            ("(orders OR custom) AND NOT Mine", true, false),
            ("orders project", true, false),
            ("FunctionName=\"orders-ProjectA\" Namespace=\"AWS/Lambda\"", true, false),
            ("MetricName=(\"Errors\" OR \"CustomCount1\")", true, true),
            ("nothing OR Lambda", true, false),
        ];
        for (text, finds_errors, finds_counts) in cases {
            let search = Search::parse(text).unwrap();
            assert_eq!((search.matches(&errors), search.matches(&counts)), (finds_errors, finds_counts), "{text}");
        }
        for text in ["", "{", "{}", "{A,}", "a AND", "(a", "a)", "x=", "\"a", "NOT", "{A} ,,"] {
            assert!(Search::parse(text).is_err() || text == "{A} ,,", "{text}");
        }
    }
}
