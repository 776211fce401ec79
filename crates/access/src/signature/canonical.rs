//! The canonical request: one writing of a request that client and server agree on.
//!
//! ```text
//! METHOD ⏎ PATH ⏎ name=value&… ⏎ (header:value ⏎)* ⏎ header;… ⏎ PAYLOADHASH
//! ```

use std::borrow::Cow;

/// What a signature covers of a request's head.
#[derive(Debug, Clone, Default)]
pub struct Head<'a> {
    /// For example `POST`.
    pub method: &'a str,
    /// The path as it was sent, percent-encoded.
    pub path: &'a str,
    /// The query as it was sent, without the question mark.
    pub query: &'a str,
    /// All headers in their order, names in lower case. HTTP/2's `:authority` stands here as `host`.
    pub headers: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Head<'a> {
    /// The first value of a header, if it is a text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.headers.iter().find(|(other, _)| *other == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// How a path becomes canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathRule {
    /// Dots and doubled slashes are resolved, and what was encoded is encoded once more: all services but S3.
    Normalized,
    /// As it was sent, encoded once: S3, whose keys may contain anything.
    AsSent,
}

impl PathRule {
    /// The rule of a service.
    pub fn of_service(service: &str) -> Self {
        if matches!(service, "s3" | "s3express" | "s3-outposts") { Self::AsSent } else { Self::Normalized }
    }

    fn apply(self, path: &str) -> String {
        let mut canonical = String::with_capacity(path.len() + 8);
        match self {
            Self::AsSent => encode(&decode(path, b'+'), true, &mut canonical),
            Self::Normalized => encode(normalized(path).as_bytes(), true, &mut canonical),
        }
        if canonical.is_empty() {
            canonical.push('/');
        }
        canonical
    }
}

/// How a plus in a query is read: clients do not agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlusRule {
    /// A space, as in forms; AWS's way.
    Space,
    /// The query is taken as it was sent, only sorted: botocore's way with a URL that it did not write itself.
    AsSent,
}

/// A header that need not be signed, because it changes nothing (`x-amz-user-agent`) or is checked by itself (the token).
pub fn is_free(name: &str) -> bool {
    !name.starts_with("x-amz-") || matches!(name, "x-amz-user-agent" | "x-amz-security-token")
}

/// The canonical request of `head`; `signed` are the names of the signed headers, sorted.
pub fn request(head: &Head<'_>, path: PathRule, plus: PlusRule, signed: &[String], payload_hash: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    text.extend_from_slice(head.method.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(path.apply(head.path).as_bytes());
    text.push(b'\n');
    text.extend_from_slice(query(head.query, plus).as_bytes());
    text.push(b'\n');
    for name in signed {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        let mut is_first = true;
        for (_, value) in head.headers.iter().filter(|(other, _)| other == name) {
            if !std::mem::take(&mut is_first) {
                text.push(b',');
            }
            trimmed(value, &mut text);
        }
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(signed.join(";").as_bytes());
    text.push(b'\n');
    text.extend_from_slice(payload_hash.as_bytes());
    text
}

/// A header's value without spaces at its ends, and with one for each run of them inside.
fn trimmed(value: &[u8], text: &mut Vec<u8>) {
    let mut words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    if let Some(first) = words.next() {
        text.extend_from_slice(first);
    }
    for word in words {
        text.push(b' ');
        text.extend_from_slice(word);
    }
}

/// The query sorted by name and value, without the signature itself.
fn query(query: &str, plus: PlusRule) -> String {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let pairs = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
    let same = |text: &str| match plus {
        PlusRule::AsSent => text.to_owned(),
        PlusRule::Space => {
            let mut again = String::with_capacity(text.len());
            encode(&decode(text, b' '), false, &mut again);
            again
        }
    };
    let mut pairs: Vec<(String, String)> =
        pairs.map(|(name, value)| (same(name), same(value))).filter(|(name, _)| name != "X-Amz-Signature").collect();
    pairs.sort_unstable();
    let mut canonical = String::with_capacity(query.len());
    for (name, value) in &pairs {
        if !canonical.is_empty() {
            canonical.push('&');
        }
        canonical.push_str(name);
        canonical.push('=');
        canonical.push_str(value);
    }
    canonical
}

/// A path without empty parts, `.` and `..`; a slash at its end stays.
fn normalized(path: &str) -> Cow<'_, str> {
    let is_plain = path.starts_with('/') && !path.contains("//") && !path.contains("/.");
    if is_plain {
        return Cow::Borrowed(path);
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    Cow::Owned(format!("/{}{end}", parts.join("/")))
}

/// Percent-decodes a text; a plus stands for `plus`. What is not encoded well stays as it is.
pub fn decode(text: &str, plus: u8) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = (byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let value = hex.and_then(|hex| Some(digit(hex[0])? << 4 | digit(hex[1])?));
        decoded.push(match (byte, value) {
            (_, Some(value)) => value,
            (b'+', None) => plus,
            (other, None) => other,
        });
        at += if value.is_some() { 3 } else { 1 };
    }
    decoded
}

fn digit(letter: u8) -> Option<u8> {
    char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Percent-encodes all but the unreserved letters of RFC 3986, and slashes in a path.
fn encode(bytes: &[u8], is_path: bool, text: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        if is_plain || (is_path && byte == b'/') {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, normal, sent) in [
            ("", "/", "/"),
            ("/", "/", "/"),
            ("/a/./b//c/../d/", "/a/b/d/", "/a/./b//c/../d/"),
            ("/a%2Fb", "/a%252Fb", "/a/b"),
            ("/example space/", "/example%20space/", "/example%20space/"),
            ("/é", "/%C3%A9", "/%C3%A9"),
            ("/a+b", "/a%2Bb", "/a%2Bb"),
            ("/..", "/", "/.."),
        ] {
            assert_eq!((&*PathRule::Normalized.apply(path), &*PathRule::AsSent.apply(path)), (normal, sent), "{path}");
        }
    }

    #[test]
    fn queries_are_sorted_and_encoded_once() {
        let sorted = query("b=2&a=%7e+x&a=1&X-Amz-Signature=00&c&%zz=%4", PlusRule::Space);
        assert_eq!(sorted, "%25zz=%254&a=1&a=~%20x&b=2&c=");
        assert_eq!(query("b=2&a=x+y%2f", PlusRule::AsSent), "a=x+y%2f&b=2");
    }
}
