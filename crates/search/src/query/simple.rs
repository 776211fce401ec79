//! `simple_query_string`: `+` and, `|` or, `-` not, `"phrase"~N`, `prefix*`, `( )`. Nothing in it is ever an error: what does
//! not fit is passed over.

use super::lucene::{Clause, Leaf, Node, Occurs};

const DEPTH_MAX: usize = 50;

/// Reads a query; `all` when words are joined by "and" by default.
pub fn parse(text: &str, all: bool) -> Node {
    let mut parser = Parser { chars: text.chars().collect(), at: 0, all };
    parser.group(0)
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    all: bool,
}

impl Parser {
    fn group(&mut self, depth: usize) -> Node {
        let mut clauses: Vec<Clause> = Vec::new();
        let (mut operator, mut not) = (None, false);
        while let Some(c) = self.chars.get(self.at).copied() {
            self.at += 1;
            let node = match c {
                c if c.is_whitespace() => continue,
                '+' => {
                    operator = Some(Occurs::Must);
                    continue;
                }
                '|' => {
                    operator = Some(Occurs::Should);
                    continue;
                }
                '-' => {
                    not = !not;
                    continue;
                }
                ')' if depth > 0 => break,
                ')' => continue,
                '(' if depth < DEPTH_MAX => self.group(depth + 1),
                '(' => continue,
                '"' => self.phrase(),
                _ => self.word(),
            };
            if matches!(&node, Node::Group(inner) if inner.is_empty()) {
                continue;
            }
            let joined = operator.take().unwrap_or(if self.all { Occurs::Must } else { Occurs::Should });
            // An operator joins what stands on both its sides.
            if let Some(before) = clauses.last_mut().filter(|before| before.occurs != Occurs::MustNot)
                && clauses_first(joined, before.occurs)
            {
                before.occurs = joined;
            }
            let occurs = if std::mem::take(&mut not) { Occurs::MustNot } else { joined };
            clauses.push(Clause { occurs, node });
        }
        Node::Group(clauses)
    }

    fn phrase(&mut self) -> Node {
        let mut text = String::new();
        while let Some(c) = self.chars.get(self.at).copied() {
            self.at += 1;
            match c {
                '"' => break,
                '\\' => text.extend(self.next()),
                c => text.push(c),
            }
        }
        let mut slop = 0;
        if self.chars.get(self.at) == Some(&'~') {
            self.at += 1;
            while let Some(digit) = self.chars.get(self.at).and_then(|c| c.to_digit(10)) {
                slop = (slop * 10 + digit).min(1_000);
                self.at += 1;
            }
        }
        Node::Leaf(Leaf::Phrase(text, slop))
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied();
        self.at += 1;
        c
    }

    fn word(&mut self) -> Node {
        self.at -= 1;
        let (mut text, mut pattern) = (String::new(), String::new());
        while let Some(c) = self.chars.get(self.at).copied() {
            if c.is_whitespace() || matches!(c, '+' | '|' | '(' | ')' | '"') {
                break;
            }
            self.at += 1;
            let c = if c == '\\' { self.next().unwrap_or('\\') } else { c };
            text.push(c);
            if matches!(c, '*' | '?' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        match pattern.strip_suffix("\\*") {
            Some(prefix) if !prefix.is_empty() => Node::Leaf(Leaf::Wildcard(format!("{prefix}*"))),
            Some(_) => Node::Leaf(Leaf::All),
            None => Node::Leaf(Leaf::Word(text)),
        }
    }
}

/// True when an operator changes what was said of the clause on its left.
fn clauses_first(joined: Occurs, before: Occurs) -> bool {
    joined == Occurs::Must && before == Occurs::Should
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators() {
        let Node::Group(clauses) = parse("a + b | -c \"d e\"~2 f* (", false) else { panic!("a group") };
        let occurs: Vec<_> = clauses.iter().map(|clause| clause.occurs).collect();
        assert_eq!(occurs, [Occurs::Must, Occurs::Must, Occurs::MustNot, Occurs::Should, Occurs::Should]);
        assert_eq!(clauses[3].node, Node::Leaf(Leaf::Phrase("d e".into(), 2)));
        assert_eq!(clauses[4].node, Node::Leaf(Leaf::Wildcard("f*".into())));
    }
}
