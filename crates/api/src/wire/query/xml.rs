//! Writes the XML that answers a query: elements named as members, lists in `member`s, maps in `entry`s.

use super::super::shape::Writer;
use super::super::values::iso;
use super::super::{QueryNames, Timestamp};
use base64_simd::STANDARD;
use std::fmt::Write as _;

/// Writes one result.
pub struct XmlWriter<'a> {
    names: &'a QueryNames,
    operation: &'a str,
    out: String,
    open: Vec<Open>,
    /// The element that the next value stands in.
    next: Option<Element>,
}

/// An element that is about to be written.
struct Element {
    name: String,
    /// A list or map of this name has no element around it, only one for each item.
    flat: bool,
    entry: (&'static str, &'static str),
}

enum Open {
    Structure { element: Option<String> },
    List { element: Option<String>, item: String },
    Map { element: Option<String>, item: String, entry: (&'static str, &'static str) },
}

impl Element {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), flat: false, entry: ("key", "value") }
    }
}

/// `text` as XML writes it. A carriage return would be read as a line feed if it stood there as it is.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#xD;"),
            other => escaped.push(other),
        }
    }
    escaped
}

impl<'a> XmlWriter<'a> {
    /// A writer of the result of `operation`: an operation that answers with nothing has none.
    pub fn new(operation: &'a str, names: &'a QueryNames) -> Self {
        let next = Some(Element::new(&format!("{operation}Result")));
        Self { names, operation, out: String::new(), open: Vec::new(), next }
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.out
    }

    fn start(&mut self, name: &str) {
        let _ = write!(self.out, "<{name}>");
    }

    fn end(&mut self, name: &str) {
        let _ = write!(self.out, "</{name}>");
    }

    fn scalar(&mut self, value: &str) {
        let Some(element) = self.next.take() else { return };
        let escaped = escape(value);
        let _ = write!(self.out, "<{0}>{escaped}</{0}>", element.name);
        self.value_ends();
    }

    /// A map's entry ends with its value.
    fn value_ends(&mut self) {
        if let Some(Open::Map { item, .. }) = self.open.last() {
            let _ = write!(self.out, "</{item}>");
        }
    }

    fn close(&mut self) {
        if let Some(Open::Structure { element } | Open::List { element, .. } | Open::Map { element, .. }) =
            self.open.pop()
        {
            if let Some(name) = element {
                self.end(&name);
            }
            self.value_ends();
        }
    }
}

impl Writer for XmlWriter<'_> {
    fn text(&mut self, text: &str) {
        self.scalar(text);
    }

    fn blob(&mut self, blob: &[u8]) {
        self.scalar(&STANDARD.encode_to_string(blob));
    }

    fn integer(&mut self, number: i64) {
        self.scalar(&number.to_string());
    }

    fn double(&mut self, number: f64) {
        self.scalar(&number.to_string());
    }

    fn boolean(&mut self, value: bool) {
        self.scalar(if value { "true" } else { "false" });
    }

    fn timestamp(&mut self, moment: Timestamp) {
        self.scalar(&iso(moment));
    }

    fn open_structure(&mut self, _: usize) {
        let element = self.next.take().map(|element| element.name);
        if let Some(name) = &element {
            self.start(name);
        }
        self.open.push(Open::Structure { element });
    }

    fn open_map(&mut self, _: usize) {
        let Element { name, flat, entry } = self.next.take().unwrap_or_else(|| Element::new("entry"));
        let (element, item) = if flat { (None, name) } else { (Some(name), "entry".to_owned()) };
        if let Some(name) = &element {
            self.start(name);
        }
        self.open.push(Open::Map { element, item, entry });
    }

    fn key(&mut self, key: &str) {
        if let Some(Open::Map { item, entry: (name, value), .. }) = self.open.last() {
            let _ = write!(self.out, "<{item}><{name}>{}</{name}>", escape(key));
            self.next = Some(Element::new(value));
            return;
        }
        self.next = Some(match self.names.element(self.operation, key) {
            Some(known) => {
                Element { name: known.name.to_owned(), flat: true, entry: known.entry.unwrap_or(("key", "value")) }
            }
            None => Element::new(key),
        });
    }

    fn close_map(&mut self) {
        self.close();
    }

    fn open_list(&mut self, _: usize) {
        let Element { name, flat, .. } = self.next.take().unwrap_or_else(|| Element::new("member"));
        let (element, item) = if flat { (None, name) } else { (Some(name), "member".to_owned()) };
        if let Some(name) = &element {
            self.start(name);
        }
        self.open.push(Open::List { element, item });
    }

    fn item(&mut self) {
        if let Some(Open::List { item, .. }) = self.open.last() {
            self.next = Some(Element::new(item));
        }
    }

    fn close_list(&mut self) {
        self.close();
    }
}
