//! The XML of requests and answers.

use super::faults::MALFORMED_XML;
use crate::wire::{Fault, escape};
use std::fmt::Write as _;

/// Elements lie no deeper in each other than this; S3's own lie three deep.
const DEPTH_MAX: usize = 16;

/// A document that is being written.
pub struct Xml {
    text: String,
    root: &'static str,
}

impl Xml {
    /// A document whose outermost element is `root`.
    pub fn new(root: &'static str) -> Self {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        );
        Self { text, root }
    }

    /// An element with a text.
    pub fn leaf(&mut self, name: &str, value: &str) -> &mut Self {
        let _ = write!(self.text, "<{name}>{}</{name}>", plain(value));
        self
    }

    /// An element with a text, if there is one.
    pub fn some(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.leaf(name, value);
        }
        self
    }

    /// An element with others in it.
    pub fn nest(&mut self, name: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let _ = write!(self.text, "<{name}>");
        fill(self);
        let _ = write!(self.text, "</{name}>");
        self
    }

    /// The whole document.
    pub fn finish(&mut self) -> String {
        format!("{}</{}>", std::mem::take(&mut self.text), self.root)
    }
}

/// A text as XML writes it; control characters as references, as S3 does it.
fn plain(text: &str) -> String {
    let escaped = escape(text);
    if !escaped.contains(|letter: char| letter.is_ascii_control()) {
        return escaped;
    }
    let mut out = String::new();
    for letter in escaped.chars() {
        match letter.is_ascii_control() {
            true => {
                let _ = write!(out, "&#x{:X};", u32::from(letter));
            }
            false => out.push(letter),
        }
    }
    out
}

/// An element that was read. Prefixes of names, attributes and comments are not kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The elements in it.
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document whose outermost element is `root`.
    pub fn parse(document: &[u8], root: &str) -> Result<Self, Fault> {
        let malformed = |what: &str| {
            let message = "The XML you provided was not well-formed or did not validate against our published schema";
            MALFORMED_XML.because(format!("{message}: {what}"))
        };
        let text = std::str::from_utf8(document).map_err(|_| malformed("it is not UTF-8"))?;
        let found = read(text.trim_start_matches('\u{feff}')).map_err(malformed)?;
        if found.name == root { Ok(found) } else { Err(malformed(&format!("it has to be a {root}"))) }
    }

    /// The text of a child.
    pub fn child(&self, name: &str) -> Option<&str> {
        self.children.iter().find(|child| child.name == name).map(|child| child.text.as_str())
    }
}

fn read(text: &str) -> Result<Element, &'static str> {
    let mut rest = text;
    // The document itself, as if it were an element.
    let mut open = vec![Element::default()];
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        let top = open.last_mut().ok_or("an end has no beginning")?;
        top.text.push_str(&unescape(before)?);
        if let Some(behind) = tag.strip_prefix("<!--") {
            rest = behind.split_once("-->").ok_or("a comment does not end")?.1;
            continue;
        }
        if let Some(behind) = tag.strip_prefix("<![CDATA[") {
            let (data, behind) = behind.split_once("]]>").ok_or("character data does not end")?;
            top.text.push_str(data);
            rest = behind;
            continue;
        }
        let (inner, behind) = tag[1..].split_once('>').ok_or("a tag does not end")?;
        rest = behind;
        match inner.as_bytes().first() {
            Some(b'?') => {}
            Some(b'!') => return Err("it declares a document type"),
            Some(b'/') => close(&mut open, inner[1..].trim_end())?,
            _ => begin(&mut open, inner)?,
        }
    }
    let mut document = open.pop().filter(|_| open.is_empty()).ok_or("an element does not end")?;
    match (document.children.pop(), document.children.is_empty(), rest.trim().is_empty()) {
        (Some(root), true, true) => Ok(root),
        _ => Err("it is not one element"),
    }
}

fn begin(open: &mut Vec<Element>, inner: &str) -> Result<(), &'static str> {
    let (inner, is_empty) = inner.strip_suffix('/').map_or((inner, false), |inner| (inner, true));
    let name = local(inner.split_whitespace().next().ok_or("a tag has no name")?).to_owned();
    if open.len() > DEPTH_MAX {
        return Err("its elements lie too deep in each other");
    }
    open.push(Element { name, ..Element::default() });
    if is_empty { end(open) } else { Ok(()) }
}

fn close(open: &mut Vec<Element>, name: &str) -> Result<(), &'static str> {
    match open.last() {
        Some(top) if open.len() > 1 && top.name == local(name) => end(open),
        _ => Err("an element ends that has not begun"),
    }
}

fn end(open: &mut Vec<Element>) -> Result<(), &'static str> {
    let element = open.pop().ok_or("an end has no beginning")?;
    open.last_mut().ok_or("an end has no beginning")?.children.push(element);
    Ok(())
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn unescape(text: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        plain.push_str(before);
        let (name, behind) = behind.split_once(';').ok_or("a reference does not end")?;
        rest = behind;
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => {
                let code = match other.strip_prefix("#x").or_else(|| other.strip_prefix("#X")) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok(),
                    None => other.strip_prefix('#').and_then(|number| number.parse().ok()),
                };
                code.and_then(char::from_u32).ok_or("a reference is to nothing")?
            }
        });
    }
    plain.push_str(rest);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_read() {
        let text = b"<?xml version=\"1.0\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><!-- x -->\
            <Object><Key>a &amp; b&#x41;&#66;</Key></Object><s3:Object><Key><![CDATA[<c>]]></Key></s3:Object><Quiet/></Delete>";
        let found = Element::parse(text, "Delete").unwrap();
        let keys: Vec<_> = found.children.iter().filter_map(|child| child.child("Key")).collect();
        assert_eq!(keys, ["a & bAB", "<c>"]);
        assert_eq!(found.child("Quiet"), Some(""));
        for broken in [
            "",
            "<a>",
            "<Delete></Other>",
            "<Delete/><Delete/>",
            "<Delete>&x;</Delete>",
            "</Delete>",
            "<!DOCTYPE a><Delete/>",
            "<Delete/>x",
            "<",
        ] {
            assert_eq!(Element::parse(broken.as_bytes(), "Delete").unwrap_err().kind, MALFORMED_XML, "{broken}");
        }
        assert!(Element::parse("<a>".repeat(1000).as_bytes(), "a").is_err());
    }

    #[test]
    fn texts_are_escaped() {
        let mut xml = Xml::new("A");
        xml.leaf("Key", "a<&\u{1}\n").nest("B", |xml| {
            xml.some("C", None).some("D", Some("é"));
        });
        assert!(xml.finish().ends_with("<Key>a&lt;&amp;&#x1;&#xA;</Key><B><D>é</D></B></A>"));
    }
}
