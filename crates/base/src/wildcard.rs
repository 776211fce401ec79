//! Patterns in which `*` stands for anything, as names of indices, paths of an answer and terms of a log filter have them.

/// Whether a text is of a pattern, in which `*` stands for any letters, or none. There is no other sign and no escape.
///
/// Asked on each request: no regular expression is made.
pub fn wildcard_matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text) in
            [("*", ""), ("a*", "a"), ("a*b*c", "aXbbYc"), ("*-1", "x-1"), ("*b*", "abc"), ("ab", "ab"), ("a**c", "abc")]
        {
            assert!(wildcard_matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*", "ba"), ("a*b*c", "aXcYb"), ("ab*ba", "aba"), ("ab", "abc"), ("a.c", "abc")] {
            assert!(!wildcard_matches(pattern, text), "{pattern} {text}");
        }
    }
}
