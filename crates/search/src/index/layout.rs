//! How documents lie in tantivy: one schema for every index, whatever its mapping.
//!
//! | tantivy field | holds | how |
//! | --- | --- | --- |
//! | `id` | `_id` | indexed, stored |
//! | `source` | `_source`, as it came | stored |
//! | `seq`, `version` | `_seq_no`, `_version` | columns |
//! | `text` | JSON: path → analyzed text | inverted, with positions |
//! | `keyword` | JSON: path → whole string | inverted, and a column |
//! | `number` | JSON: path → integer or double | a column |
//! | `length` | JSON: path → tokens in a text field | a column: BM25's lengths, and `exists` |
//!
//! Because paths are data to tantivy, a mapping grows without touching segments.

use crate::analysis;
use crate::mapping::{FieldValue, Iter, Number, Values};
use tantivy::schema::document::{ReferenceValue, ReferenceValueLeaf, Value};
use tantivy::schema::{
    FAST, Field, IndexRecordOption, JsonObjectOptions, STORED, STRING, Schema, TantivyDocument, TextFieldIndexing,
};
use tantivy::{SegmentReader, Term};

/// What a document takes in tantivy beside its strings, about.
const HEAD_BYTES: usize = 256;

/// The fields of every index's schema.
#[derive(Debug, Clone)]
pub struct Layout {
    pub schema: Schema,
    pub id: Field,
    pub source: Field,
    pub seq: Field,
    pub version: Field,
    pub text: Field,
    pub keyword: Field,
    pub number: Field,
    pub length: Field,
}

/// The column of a path in one of the JSON fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnOf {
    Keyword,
    Number,
    Length,
}

impl Layout {
    pub fn new() -> Self {
        let indexing = |tokenizer: &str, record| {
            let indexing =
                TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(record).set_fieldnorms(false);
            JsonObjectOptions::default().set_expand_dots_enabled().set_indexing_options(indexing)
        };
        let column = JsonObjectOptions::default().set_expand_dots_enabled().set_fast("raw");
        let mut schema = Schema::builder();
        let id = schema.add_text_field("id", STRING | STORED);
        let source = schema.add_bytes_field("source", STORED);
        let seq = schema.add_u64_field("seq", FAST);
        let version = schema.add_u64_field("version", FAST);
        let text =
            schema.add_json_field("text", indexing(analysis::STANDARD, IndexRecordOption::WithFreqsAndPositions));
        let keyword = schema.add_json_field("keyword", indexing("raw", IndexRecordOption::WithFreqs).set_fast("raw"));
        let number = schema.add_json_field("number", column.clone());
        let length = schema.add_json_field("length", column);
        Self { schema: schema.build(), id, source, seq, version, text, keyword, number, length }
    }

    /// The term of a document's id.
    pub fn id_term(&self, id: &str) -> Term {
        Term::from_field_text(self.id, id)
    }

    /// The term of a string at a path of the field `text` or `keyword`.
    pub fn path_term(&self, field: Field, path: &str, value: &str) -> Term {
        let mut term = Term::from_field_json_path(field, &escape(path), true);
        term.append_type_and_str(value);
        term
    }

    /// Gives a document its place among all operations, and its version.
    pub fn place(&self, document: &mut TantivyDocument, seq: u64, version: u64) {
        document.add_u64(self.seq, seq);
        document.add_u64(self.version, version);
    }

    /// A document for tantivy, but for its [place](Self::place).
    pub fn document(&self, id: &str, source: &[u8], values: &Values) -> TantivyDocument {
        let mut out = TantivyDocument::with_capacity(id.len() + source.len() + values.size() + HEAD_BYTES);
        out.add_text(self.id, id);
        out.add_bytes(self.source, source);
        let fields: [(Field, Pick); 4] = [
            (self.text, |value| if let FieldValue::Text(text) = value { Some(text.into()) } else { None }),
            (self.keyword, |value| if let FieldValue::Keyword(text) = value { Some(text.into()) } else { None }),
            (self.number, |value| match value {
                FieldValue::Number(Number::Integer(integer)) => Some(integer.into()),
                FieldValue::Number(Number::Real(real)) => Some(real.into()),
                _ => None,
            }),
            (self.length, |value| if let FieldValue::Length(tokens) = value { Some(tokens.into()) } else { None }),
        ];
        for (field, pick) in fields {
            if values.iter().any(|(_, value)| pick(value).is_some()) {
                out.add_field_value(field, Node::Object(Members { values: values.iter(), pick }));
            }
        }
        out
    }
}

/// What lies in a field of a document's values; none for those that lie in others.
type Pick = for<'a> fn(FieldValue<&'a str>) -> Option<ReferenceValueLeaf<'a>>;

/// The values of a document that lie in one field, as tantivy reads them.
#[derive(Debug, Clone)]
enum Node<'a> {
    Object(Members<'a>),
    Leaf(ReferenceValueLeaf<'a>),
}

#[derive(Debug, Clone)]
struct Members<'a> {
    values: Iter<'a>,
    pick: Pick,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.values.find_map(|(path, value)| Some((path, Node::Leaf((self.pick)(value)?))))
    }
}

impl<'a> Value<'a> for Node<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = Members<'a>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        match self {
            Self::Object(members) => ReferenceValue::Object(members.clone()),
            Self::Leaf(leaf) => ReferenceValue::Leaf(leaf.clone()),
        }
    }
}

impl ColumnOf {
    /// The name of a path's column, for tantivy's column readers.
    pub fn name(self, path: &str) -> String {
        let field = match self {
            Self::Keyword => "keyword",
            Self::Number => "number",
            Self::Length => "length",
        };
        format!("{field}.{}", escape(path))
    }

    /// The column of numbers (or of ordinals of strings) of a path in a segment, as order-preserving `u64`s with the type
    /// that they stand for. `None` when no document of the segment has the field.
    pub fn open(
        self,
        reader: &SegmentReader,
        path: &str,
    ) -> tantivy::Result<Option<(tantivy::columnar::Column<u64>, tantivy::columnar::ColumnType)>> {
        reader.fast_fields().u64_lenient(&self.name(path))
    }
}

/// A backslash in a path is an escape to tantivy.
fn escape(path: &str) -> std::borrow::Cow<'_, str> {
    if path.contains('\\') { path.replace('\\', "\\\\").into() } else { path.into() }
}
