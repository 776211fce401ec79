//! The `standard` analyzer: words by the rules of Unicode's text segmentation, in lower case.
//!
//! A word is a run of letters, digits and underscores. It goes on over one `'`, `.`, `:`, `’` or `·` between letters and
//! over one `.`, `,`, `'` or `;` between digits (UAX #29, rules WB5 to WB13), so `don't`, `3.14` and `example.com` are one
//! token each and `wi-fi` is two. Ideographs and kana that are written without spaces are a token each.

use tantivy::tokenizer::{LowerCaser, TextAnalyzer, Token, TokenStream, Tokenizer};

/// The name under which the analyzer is registered in an index.
pub const STANDARD: &str = "standard";

/// A longer token is cut into pieces of this many characters, as OpenSearch's `max_token_length` says.
const TOKEN_CHARS_MAX: usize = 255;

/// The analyzer of text fields.
pub fn standard() -> TextAnalyzer {
    TextAnalyzer::builder(StandardTokenizer::default()).filter(LowerCaser).build()
}

/// The tokens of a text, as the standard analyzer gives them.
pub fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    standard().token_stream(text).process(&mut |token| tokens.push(token.text.clone()));
    tokens
}

/// How many tokens a text has, without making them.
pub fn count(text: &str) -> u64 {
    let mut at = 0;
    let mut count = 0;
    while let Some((_, end)) = next_word(text, at) {
        count += 1;
        at = end;
    }
    count
}

/// Splits text into words.
#[derive(Debug, Clone, Default)]
pub struct StandardTokenizer {
    token: Token,
}

/// The words of one text.
#[derive(Debug)]
pub struct StandardStream<'a> {
    text: &'a str,
    at: usize,
    token: &'a mut Token,
}

impl Tokenizer for StandardTokenizer {
    type TokenStream<'a> = StandardStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> StandardStream<'a> {
        self.token.reset();
        StandardStream { text, at: 0, token: &mut self.token }
    }
}

impl TokenStream for StandardStream<'_> {
    fn advance(&mut self) -> bool {
        self.token.text.clear();
        self.token.position = self.token.position.wrapping_add(1);
        let Some((start, end)) = next_word(self.text, self.at) else { return false };
        self.at = end;
        self.token.offset_from = start;
        self.token.offset_to = end;
        self.token.text.push_str(&self.text[start..end]);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// The first word at or after byte `from`: where it starts and ends.
fn next_word(text: &str, from: usize) -> Option<(usize, usize)> {
    let mut chars = text[from..].char_indices().peekable();
    let (start, first) = chars.find(|(_, c)| is_word(*c))?;
    let start = from + start;
    if stands_alone(first) {
        return Some((start, start + first.len_utf8()));
    }
    let mut last = first;
    let mut end = start + first.len_utf8();
    let mut length = 1;
    while let Some((at, c)) = chars.next() {
        if length == TOKEN_CHARS_MAX {
            break;
        }
        let next = chars.peek().map(|(_, next)| *next);
        let goes_on = (is_word(c) && !stands_alone(c)) || is_mark(c) || joins(last, c, next);
        if !goes_on {
            break;
        }
        end = from + at + c.len_utf8();
        last = c;
        length += 1;
    }
    Some((start, end))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Combining marks and joiners belong to the character before them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{309f}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3134f}')
}

fn joins(before: char, c: char, after: Option<char>) -> bool {
    let Some(after) = after else { return false };
    let letters = before.is_alphabetic() && after.is_alphabetic() && !stands_alone(after);
    let digits = before.is_numeric() && after.is_numeric();
    match c {
        '\'' | '.' | '\u{2019}' | '\u{2024}' | '\u{ff07}' | '\u{ff0e}' => letters || digits,
        ':' | '\u{b7}' => letters,
        ',' | ';' => digits,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_the_standard_analyzer_cuts_them() {
        let cases = [
            (
                "The 2 QUICK Brown-Foxes jumped over the lazy dog's bone.",
                "the 2 quick brown foxes jumped over the lazy dog's bone",
            ),
            ("3.14 1,000 a_b u.s.a. example.com", "3.14 1,000 a_b u.s.a example.com"),
            ("me@example.com 10:30", "me example.com 10 30"),
            ("日本 Straße", "日 本 straße"),
            ("  --  ", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens(text).join(" "), expected, "{text}");
            assert_eq!(count(text) as usize, tokens(text).len());
        }
    }
}
