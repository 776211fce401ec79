//! The tokens of conditions.

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, `&&`, `||`, `(`, `)`.
    Sign(&'static str),
    /// Between quotes.
    Quoted(String),
    /// A name, a selector, a number or a word with stars.
    Word(String),
}

const SIGNS: &[&str] = &["!=", "<=", ">=", "&&", "||", "=", "<", ">", "(", ")"];

/// The tokens of `text`.
pub fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
        if let Some(sign) = sign {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if first == '"' {
            let (quoted, after) = quoted(&rest[1..])?;
            tokens.push(Token::Quoted(quoted));
            rest = after;
        } else if first == '%' {
            return Err("regular expressions (%…%) are not supported yet".to_owned());
        } else {
            let end = end_of_word(rest);
            if end == 0 {
                return Err(format!("'{first}' is not understood"));
            }
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// A text up to its closing quote, which a backslash keeps open.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut letters = text.char_indices();
    let mut found = String::new();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((found, &text[at + 1..])),
            '\\' => found.extend(letters.next().map(|(_, escaped)| escaped)),
            letter => found.push(letter),
        }
    }
    Err("a quote is not closed".to_owned())
}

/// Where a word ends: at a space or a sign that does not stand between brackets.
fn end_of_word(text: &str) -> usize {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ if depth > 0 => {}
            letter if letter.is_whitespace() || "=!<>&|()\"~".contains(letter) => return at,
            _ => {}
        }
    }
    text.len()
}
