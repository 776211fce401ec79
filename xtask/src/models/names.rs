//! How names, patterns and documentation of the models are said in Rust.

use regex::Regex;
use serde_json::Value;

/// Patterns that Rust's regular expressions cannot say as they are (look-around), with what says the same, or nearly: the
/// reserved prefix `aws:` of tag keys is the one thing that is not said.
const PATTERNS: &[(&str, &str)] = &[
    (r"^(?!aws:)[\p{L}\p{Z}\p{N}_.:\/=+\-@%]*$", r"[\p{L}\p{Z}\p{N}_.:/=+\-@%]*"),
    (r"^(?!\s*$).+", r"\s*\S.*"),
    // A schema's definition may have many lines.
    (r".*\S.*", r"(?s).*\S.*"),
    // An alias is no number.
    (r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", r"[0-9]*[a-zA-Z_-][a-zA-Z0-9-_]*"),
    (r"((?!^\d+$)^[0-9a-zA-Z-_]+$)", r"[0-9]*[a-zA-Z_-][a-zA-Z0-9-_]*"),
    (
        r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?",
        r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-[0-9]:)?([0-9]{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:([0-9]*[a-zA-Z_-][0-9a-zA-Z-_]*))?",
    ),
    // A bucket does not end with a dot.
    (r"[0-9A-Za-z\.\-_]*(?<!\.)", r"([0-9A-Za-z\.\-_]*[0-9A-Za-z\-_])?"),
    // DocumentDB's collections: that none begins with `system.` is not said.
    (r"(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)", r"[_a-zA-Z0-9][^$]*"),
];

/// Longer documentation is cut: the model's pages are AWS's, ours only remind.
const DOC_CHARS_MAX: usize = 110;

/// The first sentence of the documentation, as text.
pub fn doc(value: &Value, fallback: &str) -> String {
    let html = value["documentation"].as_str().unwrap_or_default();
    let mut text = String::new();
    let mut in_tag = false;
    for letter in html.replace("<code>", "`").replace("</code>", "`").chars() {
        match letter {
            '<' => in_tag = true,
            '>' => in_tag = false,
            '[' | ']' if !in_tag => text.extend(['\\', letter]),
            letter if letter.is_whitespace() && !in_tag => text.push(' '),
            letter if !in_tag => text.push(letter),
            _ => {}
        }
    }
    let text = text.replace("&lt;", "less than").replace("&gt;", "greater than").replace("&amp;", "and");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut sentence = String::new();
    for word in words {
        if sentence.len() + word.len() >= DOC_CHARS_MAX {
            sentence.truncate(sentence.trim_end_matches([',', ':', ';', '.']).len());
            sentence.push('…');
            break;
        }
        sentence.push_str(if sentence.is_empty() { "" } else { " " });
        sentence.push_str(word);
        if word.ends_with('.') && !matches!(word, "e.g." | "i.e.") {
            break;
        }
    }
    if sentence.matches('`').count() % 2 == 1 {
        sentence = sentence.replace('`', "");
    }
    if sentence.is_empty() || sentence.contains("://") { fallback.to_owned() } else { sentence }
}

/// A Java pattern in Rust's notation.
pub fn in_rust(pattern: &str) -> Result<String, String> {
    if let Some((_, same)) = PATTERNS.iter().find(|(java, _)| *java == pattern) {
        return Ok((*same).to_owned());
    }
    // Java's \d, \w and \s are ASCII; a pair of surrogates in a class is every character beyond the first plane.
    let rust = pattern.replace(r"\d", "[0-9]").replace(r"\w", "[a-zA-Z0-9_]");
    let rust = rust.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF").replace(r"\/", "/");
    let rust = rust.replace(r"\u10000-\u10FFFF", r"\U00010000-\U0010FFFF");
    // Surrogates are no characters in Rust, and a text has none.
    Regex::new(&rust).map_err(|error| format!("pattern {pattern}: {error}; say the same in PATTERNS"))?;
    Ok(rust)
}

/// A raw string literal.
pub fn literal(text: &str) -> String {
    if text.contains(['"', '\\']) { format!("r#\"{text}\"#") } else { format!("\"{text}\"") }
}

/// The name of a structure: AWS's, unless generated files use the word for something else.
pub fn structure(name: &str) -> String {
    match name {
        "Model" | "Rule" | "Text" | "Timestamp" | "Unsupported" => format!("{name}Shape"),
        name => name.to_owned(),
    }
}

/// `StreamARN` → `stream_arn`.
fn snake(name: &str) -> String {
    let name = name.replace("KiB", "Kib").replace("MiBps", "Mibps").replace("ARNs", "Arns").replace("MBs", "Mbs");
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let after_lower = before.is_some_and(|before| before.is_lowercase() || before.is_ascii_digit());
        let before_lower = before.is_some() && letters.get(at + 1).is_some_and(|after| after.is_lowercase());
        if letter.is_uppercase() && (after_lower || before_lower) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

pub fn screaming(name: &str) -> String {
    snake(name).to_uppercase()
}

pub fn field(wire: &str) -> String {
    let name = snake(wire);
    if matches!(name.as_str(), "type" | "match" | "enum" | "ref") { format!("r#{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_rusts() {
        assert_eq!(snake("StreamARN"), "stream_arn");
        assert_eq!(snake("MaxRecordSizeInKiB"), "max_record_size_in_kib");
        assert_eq!(snake("S3DestinationDescription"), "s3_destination_description");
        assert_eq!(field("Type"), "r#type");
    }

    #[test]
    fn documentation_is_its_first_sentence() {
        let value = serde_json::json!({"documentation": "<p>The <code>key</code> of a [thing]. And more.</p>"});
        assert_eq!(doc(&value, ""), r"The `key` of a \[thing\].");
        assert_eq!(doc(&Value::Null, "AWS's `X`."), "AWS's `X`.");
    }
}
