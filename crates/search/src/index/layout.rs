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
use crate::mapping::{Document, Number};
use tantivy::schema::{
    FAST, Field, IndexRecordOption, JsonObjectOptions, OwnedValue, STORED, STRING, Schema, TantivyDocument,
    TextFieldIndexing,
};
use tantivy::{SegmentReader, Term};

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

    /// A document for tantivy.
    pub fn document(&self, id: &str, source: &[u8], seq: u64, version: u64, parts: Document) -> TantivyDocument {
        let mut out = TantivyDocument::new();
        out.add_text(self.id, id);
        out.add_bytes(self.source, source);
        out.add_u64(self.seq, seq);
        out.add_u64(self.version, version);
        let number = |number| match number {
            Number::Integer(integer) => OwnedValue::I64(integer),
            Number::Real(real) => OwnedValue::F64(real),
        };
        add(&mut out, self.text, parts.texts, OwnedValue::Str);
        add(&mut out, self.keyword, parts.keywords, OwnedValue::Str);
        add(&mut out, self.number, parts.numbers, number);
        add(&mut out, self.length, parts.lengths, OwnedValue::U64);
        out
    }
}

fn add<T>(out: &mut TantivyDocument, field: Field, values: Vec<(String, T)>, wrap: impl Fn(T) -> OwnedValue) {
    if !values.is_empty() {
        let object = values.into_iter().map(|(path, value)| (path, wrap(value))).collect();
        out.add_field_value(field, &OwnedValue::Object(object));
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
