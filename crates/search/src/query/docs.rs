//! Queries that are a set of documents a segment, found from columns or from the dictionary of terms; every match scores
//! alike.

use crate::index::ColumnOf;
use std::fmt;
use std::sync::Arc;
use tantivy::columnar::{Column, ColumnIndex, ColumnType};
use tantivy::query::{BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, DocSet, Score, SegmentReader, TERMINATED, Term, f64_to_u64, i64_to_u64};

/// Columns are scanned in pieces of this many documents, so that the matches of a piece stay in the cache.
const PIECE_DOCS: u32 = 1 << 16;

type Finder = dyn Fn(&SegmentReader, &mut BitSet) -> tantivy::Result<()> + Send + Sync;

/// A query from a function that marks a segment's matches.
#[derive(Clone)]
pub struct DocsQuery {
    name: &'static str,
    find: Arc<Finder>,
}

/// Numbers from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Span {
    /// Of a column of integers.
    Integer(i64, i64),
    /// Of a column of doubles.
    Real(f64, f64),
}

impl DocsQuery {
    fn new(
        name: &'static str,
        find: impl Fn(&SegmentReader, &mut BitSet) -> tantivy::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self { name, find: Arc::new(find) }
    }

    /// Documents that have a value in one of several spans.
    pub fn spans(path: &str, spans: Vec<Span>) -> Self {
        let path = path.to_owned();
        Self::new("spans", move |reader, out| {
            let Some((column, kind)) = ColumnOf::Number.open(reader, &path)? else { return Ok(()) };
            for span in &spans {
                let (low, high) = span.of_column(kind);
                mark(&column, low, high, reader.max_doc(), out);
            }
            Ok(())
        })
    }

    /// Documents whose keyword lies between two strings (`None`: no bound), which are included or not.
    pub fn strings(path: &str, low: std::ops::Bound<String>, high: std::ops::Bound<String>) -> Self {
        let path = path.to_owned();
        Self::new("strings", move |reader, out| {
            let Some(column) = reader.fast_fields().str(&ColumnOf::Keyword.name(&path))? else { return Ok(()) };
            let (low, high) = column.dictionary().term_bounds_to_ord(low.as_ref(), high.as_ref())?;
            let low = match low {
                std::ops::Bound::Included(ord) => ord,
                std::ops::Bound::Excluded(ord) => ord + 1,
                std::ops::Bound::Unbounded => 0,
            };
            let high = match high {
                std::ops::Bound::Included(ord) => ord,
                std::ops::Bound::Excluded(0) => return Ok(()),
                std::ops::Bound::Excluded(ord) => ord - 1,
                std::ops::Bound::Unbounded => u64::MAX,
            };
            mark(column.ords(), low, high, reader.max_doc(), out);
            Ok(())
        })
    }

    /// Documents that have a value in a column.
    pub fn exists(column: ColumnOf, path: &str) -> Self {
        let path = path.to_owned();
        Self::new("exists", move |reader, out| {
            let Some((column, _)) = column.open(reader, &path)? else { return Ok(()) };
            match &column.index {
                ColumnIndex::Empty { .. } => {}
                ColumnIndex::Full => (0..reader.max_doc()).for_each(|doc| mark_one(out, doc)),
                ColumnIndex::Optional(optional) => optional.iter_non_null_docs().for_each(|doc| mark_one(out, doc)),
                index => (0..reader.max_doc()).filter(|doc| index.has_value(*doc)).for_each(|doc| mark_one(out, doc)),
            }
            Ok(())
        })
    }

    /// Documents with a term at a path that begins with `prefix` and that the pattern, if any, matches whole.
    pub fn terms_like(field: Field, path_term: &Term, prefix: &str, pattern: Option<regex::bytes::Regex>) -> Self {
        let path_bytes = path_term.serialized_value_bytes().to_vec();
        let mut from = path_bytes.clone();
        from.extend_from_slice(prefix.as_bytes());
        Self::new("terms_like", move |reader, out| {
            let inverted = reader.inverted_index(field)?;
            let mut terms = inverted.terms().range().ge(&from).into_stream()?;
            while terms.advance() {
                let Some(value) = terms.key().strip_prefix(path_bytes.as_slice()) else { break };
                if !terms.key().starts_with(&from) {
                    break;
                }
                if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(value)) {
                    continue;
                }
                let mut postings = inverted.read_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
                let mut doc = postings.doc();
                while doc != TERMINATED {
                    out.insert(doc);
                    doc = postings.advance();
                }
            }
            Ok(())
        })
    }
}

impl Span {
    /// The span in a column's order-preserving numbers.
    fn of_column(self, kind: ColumnType) -> (u64, u64) {
        match (self, kind) {
            (Self::Integer(low, high), ColumnType::F64) => (f64_to_u64(low as f64), f64_to_u64(high as f64)),
            (Self::Integer(low, high), ColumnType::U64) => (low.max(0) as u64, high.max(0) as u64),
            (Self::Integer(low, high), _) => (i64_to_u64(low), i64_to_u64(high)),
            (Self::Real(low, high), ColumnType::F64) => (f64_to_u64(low), f64_to_u64(high)),
            (Self::Real(low, high), _) => (i64_to_u64(low.ceil() as i64), i64_to_u64(high.floor() as i64)),
        }
    }
}

fn mark_one(out: &mut BitSet, doc: DocId) {
    out.insert(doc);
}

fn mark(column: &Column<u64>, low: u64, high: u64, docs: DocId, out: &mut BitSet) {
    // A span that ends below a segment's least value would find what has the least one (tantivy 0.27).
    if low > high || high < column.min_value() || low > column.max_value() {
        return;
    }
    let mut found = Vec::new();
    let mut from = 0;
    while from < docs {
        let to = docs.min(from.saturating_add(PIECE_DOCS));
        found.clear();
        column.get_docids_for_value_range(low..=high, from..to, &mut found);
        found.iter().for_each(|doc| mark_one(out, *doc));
        from = to;
    }
}

impl fmt::Debug for DocsQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Query for DocsQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for DocsQuery {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut docs = BitSet::with_max_value(reader.max_doc());
        (self.find)(reader, &mut docs)?;
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(docs), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Ok(Explanation::new("constant", 1.0))
    }
}
