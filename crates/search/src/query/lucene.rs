//! Lucene's query language, as `query_string` and `?q=` take it: words, phrases, `field:`, ranges, wildcards, `AND`, `OR`,
//! `NOT`, `+`, `-`, groups and boosts. Read as Lucene's classic parser does: `AND` makes its two neighbours required, `NOT`
//! its right one forbidden.

const DEPTH_MAX: usize = 50;

/// The tree of a query string.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Several clauses.
    Group(Vec<Clause>),
    /// In this field.
    Field(String, Box<Node>),
    /// With this weight.
    Boost(Box<Node>, f32),
    /// One thing to look for.
    Leaf(Leaf),
}

/// A part of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// Whether it must match.
    pub occurs: Occurs,
    /// What.
    pub node: Node,
}

/// Whether a clause must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurs {
    /// As the default operator says.
    Default,
    /// It may.
    Should,
    /// It must.
    Must,
    /// It must not.
    MustNot,
}

/// One thing to look for.
#[derive(Debug, Clone, PartialEq)]
pub enum Leaf {
    /// Text, to be analyzed.
    Word(String),
    /// Words in order, with this much slop.
    Phrase(String, u32),
    /// A pattern; escapes are kept in it.
    Wildcard(String),
    /// Bounds; true for included.
    Range { low: Option<(String, bool)>, high: Option<(String, bool)> },
    /// Everything (`*:*`).
    All,
    /// `_exists_:path`.
    Exists(String),
}

/// Reads a query string; the reason when it cannot be read.
pub fn parse(text: &str) -> Result<Node, String> {
    let mut parser = Parser { chars: text.chars().collect(), at: 0, depth: 0 };
    let node = parser.group(false)?;
    if parser.at < parser.chars.len() {
        return Err(format!("unexpected '{}' at character {}", parser.chars[parser.at], parser.at + 1));
    }
    Ok(node)
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Takes an operator word that stands alone.
    fn operator(&mut self, words: &[&str]) -> bool {
        for word in words {
            let end = self.at + word.chars().count();
            let is_here = self.chars.get(self.at..end).is_some_and(|here| here.iter().copied().eq(word.chars()));
            let is_symbol = !word.starts_with(|c: char| c.is_ascii_alphabetic());
            let ends = self.chars.get(end).is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')'));
            if is_here && (is_symbol || ends) {
                self.at = end;
                return true;
            }
        }
        false
    }

    fn group(&mut self, inner: bool) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("it is nested too deep".to_owned());
        }
        let mut clauses: Vec<Clause> = Vec::new();
        loop {
            self.space();
            if self.peek().is_none() || (inner && self.peek() == Some(')')) {
                break;
            }
            let and = self.operator(&["AND", "&&"]);
            let or = !and && self.operator(&["OR", "||"]);
            self.space();
            let not = self.operator(&["NOT", "!"]);
            self.space();
            let mut occurs = match (self.eat('+'), self.peek() == Some('-')) {
                (true, _) => Occurs::Must,
                (false, true) => {
                    self.at += 1;
                    Occurs::MustNot
                }
                _ => Occurs::Default,
            };
            if not {
                occurs = Occurs::MustNot;
            } else if and && occurs == Occurs::Default {
                occurs = Occurs::Must;
            } else if or && occurs == Occurs::Default {
                occurs = Occurs::Should;
            }
            let before = clauses.last_mut().filter(|before| before.occurs != Occurs::MustNot);
            match before {
                Some(before) if and => before.occurs = Occurs::Must,
                Some(before) if or && before.occurs == Occurs::Default => before.occurs = Occurs::Should,
                _ => {}
            }
            let node = self.clause()?;
            clauses.push(Clause { occurs, node });
        }
        self.depth -= 1;
        if clauses.len() == 1 && clauses[0].occurs != Occurs::MustNot {
            return Ok(clauses.remove(0).node);
        }
        Ok(Node::Group(clauses))
    }

    fn clause(&mut self) -> Result<Node, String> {
        let node = match self.peek() {
            Some('(') => {
                self.at += 1;
                let node = self.group(true)?;
                if !self.eat(')') {
                    return Err("a ')' is missing".to_owned());
                }
                node
            }
            Some('"') => self.phrase()?,
            Some('[' | '{') => self.range()?,
            Some('>' | '<') => self.comparison()?,
            Some('/') => return Err("regular expressions are not supported by Millrace yet".to_owned()),
            Some(')' | ']' | '}' | '^' | ':') => {
                return Err(format!("unexpected '{}' at character {}", self.chars[self.at], self.at + 1));
            }
            None => return Err("it ends where a word is expected".to_owned()),
            Some(_) => return self.word_or_field(),
        };
        self.boost(node)
    }

    fn word_or_field(&mut self) -> Result<Node, String> {
        let (word, wild) = self.word()?;
        if !self.eat(':') {
            let node = self.word_node(word, wild)?;
            return self.boost(node);
        }
        self.space();
        let field = unescape(&word);
        if field == "*" && self.eat('*') {
            return self.boost(Node::Leaf(Leaf::All));
        }
        if field == "_exists_" {
            let (path, _) = self.word()?;
            return self.boost(Node::Leaf(Leaf::Exists(unescape(&path))));
        }
        if self.depth > DEPTH_MAX {
            return Err("it is nested too deep".to_owned());
        }
        // A value after a field is one clause, never a field again: `a:b:c` is not Lucene's.
        let inner = match self.peek() {
            Some('(' | '"' | '[' | '{' | '>' | '<' | '/') => self.clause()?,
            Some(_) => {
                let (word, wild) = self.word()?;
                let node = self.word_node(word, wild)?;
                self.boost(node)?
            }
            None => return Err(format!("a value is missing after [{field}:]")),
        };
        Ok(Node::Field(field, Box::new(inner)))
    }

    /// A word with its escapes, and whether it has wildcards.
    fn word(&mut self) -> Result<(String, bool), String> {
        let (mut word, mut wild) = (String::new(), false);
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    word.push(c);
                    self.at += 1;
                    word.push(self.peek().ok_or("it ends with a backslash")?);
                }
                c if c.is_whitespace() => break,
                '(' | ')' | '[' | ']' | '{' | '}' | '"' | '^' | '~' | ':' => break,
                c => {
                    wild |= matches!(c, '*' | '?');
                    word.push(c);
                }
            }
            self.at += 1;
        }
        if word.is_empty() {
            return Err(format!("a word is expected at character {}", self.at + 1));
        }
        Ok((word, wild))
    }

    fn word_node(&mut self, word: String, wild: bool) -> Result<Node, String> {
        if self.peek() == Some('~') {
            return Err(format!("the fuzzy term [{word}~] is not supported by Millrace yet"));
        }
        Ok(Node::Leaf(if wild { Leaf::Wildcard(word) } else { Leaf::Word(unescape(&word)) }))
    }

    fn phrase(&mut self) -> Result<Node, String> {
        let text = self.quoted()?;
        let slop = if self.eat('~') { self.number()? as u32 } else { 0 };
        Ok(Node::Leaf(Leaf::Phrase(text, slop)))
    }

    fn quoted(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek().ok_or("a closing '\"' is missing")? {
                '"' => break,
                '\\' => {
                    self.at += 1;
                    text.push(self.peek().ok_or("it ends with a backslash")?);
                }
                c => text.push(c),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(text)
    }

    fn range(&mut self) -> Result<Node, String> {
        let low_included = self.peek() == Some('[');
        self.at += 1;
        let low = self.bound()?;
        self.space();
        if !self.operator(&["TO"]) {
            return Err("a range is written [low TO high]".to_owned());
        }
        let high = self.bound()?;
        self.space();
        let high_included = match self.peek() {
            Some(']') => true,
            Some('}') => false,
            _ => return Err("a range ends with ']' or '}'".to_owned()),
        };
        self.at += 1;
        let low = low.map(|text| (text, low_included));
        let high = high.map(|text| (text, high_included));
        Ok(Node::Leaf(Leaf::Range { low, high }))
    }

    fn bound(&mut self) -> Result<Option<String>, String> {
        self.space();
        if self.peek() == Some('"') {
            return self.quoted().map(Some);
        }
        let start = self.at;
        while self.peek().is_some_and(|c| !c.is_whitespace() && !matches!(c, ']' | '}')) {
            self.at += 1;
        }
        let text: String = self.chars[start..self.at].iter().collect();
        match text.as_str() {
            "" => Err("a bound of a range is missing".to_owned()),
            "*" => Ok(None),
            _ => Ok(Some(unescape(&text))),
        }
    }

    fn comparison(&mut self) -> Result<Node, String> {
        let above = self.peek() == Some('>');
        self.at += 1;
        let included = self.eat('=');
        self.space();
        let text = if self.peek() == Some('"') { self.quoted()? } else { unescape(&self.word()?.0) };
        let bound = Some((text, included));
        Ok(Node::Leaf(match above {
            true => Leaf::Range { low: bound, high: None },
            false => Leaf::Range { low: None, high: bound },
        }))
    }

    fn boost(&mut self, node: Node) -> Result<Node, String> {
        if !self.eat('^') {
            return Ok(node);
        }
        Ok(Node::Boost(Box::new(node), self.number()?))
    }

    fn number(&mut self) -> Result<f32, String> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit() || c == '.') {
            self.at += 1;
        }
        let text: String = self.chars[start..self.at].iter().collect();
        text.parse().map_err(|_| format!("a number is expected at character {}", start + 1))
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(node: &Node) -> String {
        match node {
            Node::Group(clauses) => {
                let clauses = clauses.iter().map(|clause| {
                    let sign = match clause.occurs {
                        Occurs::Default => "",
                        Occurs::Should => "?",
                        Occurs::Must => "+",
                        Occurs::MustNot => "-",
                    };
                    format!("{sign}{}", shown(&clause.node))
                });
                format!("({})", clauses.collect::<Vec<_>>().join(" "))
            }
            Node::Field(name, inner) => format!("{name}:{}", shown(inner)),
            Node::Boost(inner, boost) => format!("{}^{boost}", shown(inner)),
            Node::Leaf(Leaf::Word(word)) => word.clone(),
            Node::Leaf(Leaf::Phrase(words, slop)) => format!("\"{words}\"~{slop}"),
            Node::Leaf(Leaf::Wildcard(pattern)) => format!("/{pattern}/"),
            Node::Leaf(Leaf::Range { low, high }) => format!("{low:?}..{high:?}"),
            Node::Leaf(Leaf::All) => "*:*".to_owned(),
            Node::Leaf(Leaf::Exists(path)) => format!("exists {path}"),
        }
    }

    #[test]
    fn trees() {
        let cases = [
            ("a b", "(a b)"),
            ("a AND b OR c", "(+a +b ?c)"),
            ("+a -b NOT c", "(+a -b -c)"),
            ("title:(quick OR brown) AND \"the fox\"~2", "(+title:(?quick ?brown) +\"the fox\"~2)"),
            ("n:>=10 AND d:[2012-01-01 TO *]", "(+n:Some((\"10\", true))..None +d:Some((\"2012-01-01\", true))..None)"),
            ("qu?ck bro* x\\:y^2", "(/qu?ck/ /bro*/ x:y^2)"),
            ("_exists_:a.b", "exists a.b"),
            ("*:*", "*:*"),
            ("carrier:UA && !origin:EWR", "(+carrier:UA -origin:EWR)"),
            ("well-known", "well-known"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).map(|node| shown(&node)), Ok(expected.to_owned()), "{text}");
        }
        for wrong in ["(a", "a)", "\"a", "a:", "[1 TO", "a~1", "AND"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(parse(&"(".repeat(1000)).is_err());
    }
}
