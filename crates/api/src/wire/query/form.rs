//! Reads a form as a tree: `A.member.1.B=x` is the member `B` of the first item of the list `A`.
//!
//! Whether a node is a structure, a list or a map is asked by the shape that reads it, so a form needs no table beyond the
//! names that a service writes in its own way. A list may stand flattened (`A.1`) or not (`A.member.1`), a map as
//! `A.1.key` or `A.entry.1.key`; both are taken, as AWS takes them.

use super::super::shape::{DEPTH_MAX, Kind, Malformed, Reader};
use super::super::values::of_iso;
use super::super::{QueryNames, Text, Timestamp};
use base64_simd::STANDARD;
use bytes::Bytes;
use std::collections::{BTreeMap, btree_map};
use std::vec;

/// Reads one form.
pub struct FormReader<'a> {
    names: &'a QueryNames,
    operation: &'a str,
    current: Node,
    open: Vec<Open>,
}

#[derive(Default)]
struct Node {
    text: Option<Text>,
    children: BTreeMap<Text, Node>,
}

enum Open {
    Structure(btree_map::IntoIter<Text, Node>),
    Entries(vec::IntoIter<(Text, Node)>),
    Items(vec::IntoIter<Node>),
}

impl<'a> FormReader<'a> {
    /// A reader of the parameters of `operation`; its `Action` and `Version` are passed over.
    pub fn new(form: &[u8], operation: &'a str, names: &'a QueryNames) -> Result<Self, Malformed> {
        let mut root = Node::default();
        for (name, value) in form_urlencoded::parse(form) {
            if matches!(&*name, "Action" | "Version" | "") {
                continue;
            }
            let mut node = &mut root;
            for (depth, part) in name.split('.').enumerate() {
                if depth == DEPTH_MAX {
                    return Err(Malformed(format!("The request is nested deeper than {DEPTH_MAX} levels.")));
                }
                node = node.children.entry(part.into()).or_default();
            }
            node.text = Some(value.into_owned().into());
        }
        Ok(Self { names, operation, current: root, open: Vec::new() })
    }

    fn leaf(&mut self, expected: &str) -> Result<Text, Malformed> {
        match self.current.text.take() {
            Some(text) if self.current.children.is_empty() => Ok(text),
            _ => Err(Malformed::mismatch(Kind::Map, expected)),
        }
    }

    fn push(&mut self, open: Open) -> Result<(), Malformed> {
        if self.open.len() == DEPTH_MAX {
            return Err(Malformed(format!("The request is nested deeper than {DEPTH_MAX} levels.")));
        }
        self.open.push(open);
        Ok(())
    }
}

impl Node {
    fn is_numbered(&self) -> bool {
        !self.children.is_empty() && self.children.keys().all(|key| place(key).is_some())
    }

    /// Items in the order of their numbers; a node of another kind is given back.
    fn items(mut self) -> Result<Vec<Node>, Self> {
        if !self.is_numbered() {
            // `A.member.1`: the one child is the list.
            let wrapped = self.children.len() == 1 && self.children.values().all(Self::is_numbered);
            match wrapped.then(|| self.children.pop_first()).flatten() {
                Some((_, list)) => self = list,
                None => return Err(self),
            }
        }
        let mut items: Vec<_> =
            self.children.into_iter().filter_map(|(key, node)| Some((place(&key)?, node))).collect();
        items.sort_by_key(|(place, _)| *place);
        Ok(items.into_iter().map(|(_, node)| node).collect())
    }

    /// The key and value of a map's entry.
    fn entry(mut self) -> Result<(Text, Self), Malformed> {
        let mut take = |names: [&str; 3]| names.iter().find_map(|name| self.children.remove(&Text::from(*name)));
        let key = take(["key", "Name", "Key"]).and_then(|key| key.text);
        let key = key.ok_or_else(|| Malformed("An entry of a map has no key.".to_owned()))?;
        Ok((key, take(["value", "Value", "value"]).unwrap_or_default()))
    }
}

fn place(key: &str) -> Option<u32> {
    key.parse().ok()
}

fn no_number(text: &str, expected: &str) -> Malformed {
    Malformed(format!("'{text}' can not be converted to {expected}"))
}

impl Reader for FormReader<'_> {
    fn kind(&mut self) -> Result<Kind, Malformed> {
        Ok(if self.current.children.is_empty() { Kind::Text } else { Kind::Map })
    }

    fn null(&mut self) -> Result<bool, Malformed> {
        Ok(false)
    }

    fn text(&mut self) -> Result<Text, Malformed> {
        self.leaf("String")
    }

    fn blob(&mut self) -> Result<Bytes, Malformed> {
        let base64 = self.leaf("Blob")?;
        let decoded = STANDARD.decode_to_vec(base64.as_bytes());
        decoded.map(Bytes::from).map_err(|_| no_number(&base64, "a Blob: invalid Base64 character or padding"))
    }

    fn integer(&mut self, expected: &'static str) -> Result<i64, Malformed> {
        let text = self.leaf(expected)?;
        text.trim().parse().map_err(|_| no_number(&text, expected))
    }

    fn double(&mut self) -> Result<f64, Malformed> {
        let text = self.leaf("Double")?;
        text.trim().parse().map_err(|_| no_number(&text, "Double"))
    }

    fn boolean(&mut self) -> Result<bool, Malformed> {
        let text = self.leaf("Boolean")?;
        match text.trim() {
            word if word.eq_ignore_ascii_case("true") => Ok(true),
            word if word.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(no_number(&text, "Boolean")),
        }
    }

    fn timestamp(&mut self) -> Result<Timestamp, Malformed> {
        let text = self.leaf("Date")?;
        of_iso(&text).ok_or_else(|| no_number(&text, "a Date"))
    }

    fn open_map(&mut self) -> Result<(), Malformed> {
        let node = std::mem::take(&mut self.current);
        if node.children.is_empty() && node.text.as_ref().is_some_and(|text| !text.is_empty()) {
            return Err(Malformed("Unexpected field type".to_owned()));
        }
        // A structure has no members that are numbers, so numbered children are a map's entries.
        let is_map =
            node.is_numbered() || node.children.get(&Text::from_static("entry")).is_some_and(Node::is_numbered);
        if !is_map {
            return self.push(Open::Structure(node.children.into_iter()));
        }
        let entries: Result<Vec<_>, _> = node.items().unwrap_or_default().into_iter().map(Node::entry).collect();
        self.push(Open::Entries(entries?.into_iter()))
    }

    fn next_key(&mut self) -> Result<Option<Text>, Malformed> {
        let next = match self.open.last_mut() {
            Some(Open::Structure(members)) => members.next().map(|(name, node)| {
                let known = self.names.member(self.operation, &name);
                (known.map_or(name, |known| Text::from_static(known.member)), node)
            }),
            Some(Open::Entries(entries)) => entries.next(),
            Some(Open::Items(_)) | None => return Err(Malformed(String::new())),
        };
        match next {
            Some((key, node)) => {
                self.current = node;
                Ok(Some(key))
            }
            None => {
                self.open.pop();
                Ok(None)
            }
        }
    }

    fn open_list(&mut self) -> Result<(), Malformed> {
        let items = match std::mem::take(&mut self.current).items() {
            Ok(items) => items,
            // `Names=` is an empty list, `Names=x` one of one item.
            Err(node) if node.children.is_empty() => {
                let empty = node.text.as_ref().is_none_or(|text| text.is_empty());
                if empty { Vec::new() } else { vec![node] }
            }
            Err(_) => return Err(Malformed("Start of structure or map found where not expected.".to_owned())),
        };
        self.push(Open::Items(items.into_iter()))
    }

    fn next_item(&mut self) -> Result<bool, Malformed> {
        let Some(Open::Items(items)) = self.open.last_mut() else { return Err(Malformed(String::new())) };
        match items.next() {
            Some(node) => {
                self.current = node;
                Ok(true)
            }
            None => {
                self.open.pop();
                Ok(false)
            }
        }
    }

    fn skip(&mut self) -> Result<(), Malformed> {
        self.current = Node::default();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Malformed> {
        Ok(())
    }
}
