//! The values of a document by path, in one piece of memory: there are dozens, most of a few bytes.

/// What a value takes beside its path and its string, in the form in which tantivy holds documents.
const ITEM_BYTES: usize = 20;

/// A number as a column holds it: whole numbers, dates in milliseconds and booleans as 0 and 1 are integers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Long and smaller, dates, booleans.
    Integer(i64),
    /// Double and float.
    Real(f64),
}

/// One value, or what is known of several; `S` is a string.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue<S> {
    /// To be analyzed.
    Text(S),
    /// A whole string.
    Keyword(S),
    /// A number, a date, a boolean.
    Number(Number),
    /// How many tokens a text field has, in all of its values.
    Length(u64),
}

impl<S> FieldValue<S> {
    /// The same with another string; gives the one that was there.
    fn with<T>(self, string: T) -> (FieldValue<T>, Option<S>) {
        match self {
            Self::Text(was) => (FieldValue::Text(string), Some(was)),
            Self::Keyword(was) => (FieldValue::Keyword(string), Some(was)),
            Self::Number(number) => (FieldValue::Number(number), None),
            Self::Length(tokens) => (FieldValue::Length(tokens), None),
        }
    }
}

/// Values in the order in which they were found. A path stands there once for each of its values.
#[derive(Debug, Default)]
pub struct Values {
    /// Paths, and behind each the string that is its value, if it is one.
    bytes: String,
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    /// Where the path begins and ends in `bytes`, and where its string does.
    start: usize,
    path: usize,
    end: usize,
    value: FieldValue<()>,
}

impl Values {
    /// With room for what a document of so many bytes usually has.
    pub(super) fn for_document(bytes: usize) -> Self {
        Self { bytes: String::with_capacity(bytes / 2), items: Vec::with_capacity(bytes / 48) }
    }

    /// Adds a value of a field, or of the multi-field of that name.
    pub(super) fn push(&mut self, path: &str, multi: Option<&str>, value: FieldValue<&str>) {
        let start = self.bytes.len();
        self.bytes.push_str(path);
        if let Some(name) = multi {
            self.bytes.push('.');
            self.bytes.push_str(name);
        }
        let path = self.bytes.len();
        let (value, string) = value.with(());
        self.bytes.push_str(string.unwrap_or_default());
        self.items.push(Item { start, path, end: self.bytes.len(), value });
    }

    /// Adds to the length of a field, or of the multi-field of that name.
    pub(super) fn lengthen(&mut self, path: &str, multi: Option<&str>, tokens: u64) {
        self.push(path, multi, FieldValue::Length(tokens));
        let Some((last, before)) = self.items.split_last_mut() else { return };
        let path = &self.bytes[last.start..last.path];
        let known = before.iter_mut().filter(|item| &self.bytes[item.start..item.path] == path);
        for item in known {
            if let FieldValue::Length(length) = &mut item.value {
                *length += tokens;
                self.items.pop();
                return;
            }
        }
    }

    /// All of them, with their paths.
    pub fn iter(&self) -> Iter<'_> {
        Iter { bytes: &self.bytes, items: self.items.iter() }
    }

    /// About how many bytes they take with their lengths and places.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.items.len() * ITEM_BYTES
    }
}

/// Goes through values.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    bytes: &'a str,
    items: std::slice::Iter<'a, Item>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, FieldValue<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.items.next()?;
        let (value, _) = item.value.with(&self.bytes[item.path..item.end]);
        Some((&self.bytes[item.start..item.path], value))
    }
}
