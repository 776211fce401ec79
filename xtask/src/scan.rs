//! Reads Rust source without a compiler: what is code, what is comment, and where each function begins and ends.
//!
//! [`Source`] holds two masks of the text, each as long as the text itself and with the same line breaks: in `code` every
//! byte of a comment or a literal is blank, in `comments` every byte of anything else. Rules then look for words in the
//! mask they mean, and a `}` in a string never ends a function.

/// A source file taken apart.
pub struct Source {
    /// The text with comments and the insides of literals blanked.
    pub code: String,
    /// The text with all but comments blanked.
    pub comments: String,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// Lines from `fn` to the closing brace, both counted.
    pub lines: usize,
}

impl Source {
    /// Takes a file's text apart.
    pub fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let blank: Vec<u8> = bytes.iter().map(|&byte| if byte == b'\n' { b'\n' } else { b' ' }).collect();
        let (mut code, mut comments) = (bytes.to_vec(), blank.clone());
        let mut at = 0;
        while at < bytes.len() {
            let (end, comment) = match token(bytes, at) {
                Token::Code(end) => {
                    at = end;
                    continue;
                }
                Token::Literal(end) => (end, false),
                Token::Comment(end) => (end, true),
            };
            code[at..end].copy_from_slice(&blank[at..end]);
            if comment {
                comments[at..end].copy_from_slice(&bytes[at..end]);
            }
            at = end;
        }
        Self {
            code: String::from_utf8_lossy(&code).into_owned(),
            comments: String::from_utf8_lossy(&comments).into_owned(),
        }
    }

    /// The functions that have a body, in order, inner ones too.
    pub fn functions(&self) -> Vec<Function> {
        let bytes = self.code.as_bytes();
        words(&self.code, "fn").filter_map(|at| self.function_at(bytes, at)).collect()
    }

    fn function_at(&self, bytes: &[u8], at: usize) -> Option<Function> {
        let name: String = self.code[at + 2..].trim_start().chars().take_while(|c| is_word(*c)).collect();
        if name.is_empty() {
            return None; // the type `fn(u8) -> u8`
        }
        let body = body_start(bytes, at)?;
        let end = closing(bytes, body);
        let line = line_of(&self.code, at);
        Some(Function { name, line, lines: line_of(&self.code, end) - line + 1 })
    }

    /// How many lines the file has without its `#[cfg(test)] mod …` blocks.
    pub fn lines_without_tests(&self) -> usize {
        let bytes = self.code.as_bytes();
        let mut tests = 0;
        let mut from = 0;
        while let Some(found) = self.code[from..].find("#[cfg(test)]") {
            let at = from + found;
            from = at + 1;
            let after = at + "#[cfg(test)]".len();
            let Some(open) = self.code[after..].find(['{', ';']).map(|offset| after + offset) else { break };
            let head = self.code[after..open].trim_start();
            if bytes[open] == b'{' && (head.starts_with("mod ") || head.starts_with("pub mod ")) {
                let end = closing(bytes, open);
                tests += line_of(&self.code, end) - line_of(&self.code, at) + 1;
                from = end;
            }
        }
        self.code.lines().count() - tests
    }
}

/// Offsets of `word` in `text` where it stands alone.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// The line of a byte offset, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What begins at an offset, with the offset after it.
enum Token {
    Code(usize),
    Literal(usize),
    Comment(usize),
}

fn token(bytes: &[u8], at: usize) -> Token {
    let rest = &bytes[at..];
    match rest[0] {
        b'/' if rest.starts_with(b"//") => Token::Comment(find(bytes, at, b"\n").unwrap_or(bytes.len())),
        b'/' if rest.starts_with(b"/*") => Token::Comment(block_comment_end(bytes, at)),
        b'"' => Token::Literal(string_end(bytes, at + 1)),
        b'\'' => char_end(bytes, at).map_or(Token::Code(at + 1), Token::Literal),
        first if first.is_ascii_alphabetic() || first == b'_' => {
            let word = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
            match &rest[..word] {
                b"r" | b"br" | b"cr" => raw_string_end(bytes, at + word).map_or(Token::Code(at + word), Token::Literal),
                b"b" if rest.get(1) == Some(&b'\'') => {
                    char_end(bytes, at + 1).map_or(Token::Code(at + 1), Token::Literal)
                }
                _ => Token::Code(at + word),
            }
        }
        _ => Token::Code(at + 1),
    }
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    bytes[from..].windows(needle.len()).position(|window| window == needle).map(|offset| from + offset)
}

/// After a `/* … */`; they nest.
fn block_comment_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut i) = (0usize, at);
    while i + 1 < bytes.len() {
        match &bytes[i..i + 2] {
            b"/*" => (depth, i) = (depth + 1, i + 2),
            b"*/" => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    bytes.len()
}

/// After the quote that closes a string whose inside begins at `from`.
fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut i = from;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b'"' => return i + 1,
            _ => i += 1,
        }
    }
    bytes.len()
}

/// After `"…"##` for the hashes at `at`; none when this is a raw identifier (`r#type`) or a plain word.
fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at..].iter().take_while(|&&byte| byte == b'#').count();
    if bytes.get(at + hashes) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    Some(find(bytes, at + hashes + 1, &close).map_or(bytes.len(), |found| found + close.len()))
}

/// After a character literal; none when the quote begins a lifetime.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        return find(bytes, at + 3, b"'").map(|close| close + 1);
    }
    let width = std::str::from_utf8(bytes.get(at + 1..(at + 5).min(bytes.len()))?)
        .or_else(|error| std::str::from_utf8(&bytes[at + 1..at + 1 + error.valid_up_to()]))
        .ok()?
        .chars()
        .next()?
        .len_utf8();
    (bytes.get(at + 1 + width) == Some(&b'\'')).then_some(at + 2 + width)
}

/// The `{` that opens the body of the function whose `fn` is at `at`; none for a declaration that ends with `;`.
fn body_start(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (i, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(i),
            _ => {}
        }
    }
    None
}

/// The `}` of the `{` at `open`; the last byte when the file ends first.
fn closing(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0usize;
    for (i, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return i,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    bytes.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn functions(text: &str) -> Vec<(String, usize, usize)> {
        Source::new(text).functions().into_iter().map(|f| (f.name, f.line, f.lines)).collect()
    }

    #[test]
    fn braces_in_literals_and_comments_do_not_count() {
        let text = r##"fn a() {
    let s = "}\"}"; // }
    let r = r#"}"}"#; /* } /* } */ } */
    let c = '}'; let b = b'}'; let e = '\''; let u = '\u{7d}';
    let f: &'static str = "";
}
fn b<'a>(x: &'a str) -> &'a str { x }
"##;
        assert_eq!(functions(text), [("a".into(), 1, 6), ("b".into(), 7, 1)]);
    }

    #[test]
    fn declarations_and_function_types_are_no_functions() {
        let text = "trait T {\n    fn a(&self, x: [u8; 4]);\n    fn b(&self) -> fn(u8) {\n        c\n    }\n}\n";
        assert_eq!(functions(text), [("b".into(), 3, 3)]);
    }

    #[test]
    fn a_signature_over_several_lines_counts() {
        let text = "pub async fn long(\n    a: u8,\n) -> u8\nwhere\n    u8: Copy,\n{\n    a\n}\n";
        assert_eq!(functions(text), [("long".into(), 1, 8)]);
    }

    #[test]
    fn characters_of_several_bytes_are_literals() {
        assert_eq!(Source::new("'é' '{' '→'").code.trim(), "");
        assert_eq!(Source::new("f::<'é>(\"}\")").code.trim_end(), "f::<'é>(   )");
    }

    #[test]
    fn the_tests_module_is_not_counted() {
        let text = "//! x\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(Source::new(text).lines_without_tests(), 3);
        let elsewhere = "//! x\n#[cfg(test)]\nmod tests;\nfn a() {}\n";
        assert_eq!(Source::new(elsewhere).lines_without_tests(), 4);
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(words("fn fnord _fn fn", "fn").collect::<Vec<_>>(), [0, 13]);
    }

    #[test]
    fn masks_split_code_and_comments() {
        let source = Source::new("a(); // why\n\"text\"");
        assert_eq!(source.code, "a();       \n      ");
        assert_eq!(source.comments, "     // why\n      ");
    }
}
