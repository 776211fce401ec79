//! One term, scored as Lucene scores it: BM25 with k1 = 1.2 and b = 0.75, lengths rounded as Lucene stores them.
//!
//! tantivy keeps no lengths for paths of a JSON field, so they lie in a column ([`ColumnOf::Length`]), and a field's average
//! length is over the documents that have it, as in Lucene. A keyword has no length: each counts as 1.

use crate::index::ColumnOf;
use tantivy::columnar::{Column, ColumnIndex};
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::{EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Score, Searcher, SegmentReader, Term};

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// A term of a path.
#[derive(Debug, Clone)]
pub struct Bm25Query {
    /// The term, path included.
    pub term: Term,
    /// The path.
    pub path: String,
    /// True for text: the field's length counts.
    pub lengths: bool,
}

struct Bm25Weight {
    term: Term,
    path: String,
    idf: f32,
    /// The average length; `None` when length does not count.
    average: Option<f32>,
}

struct Bm25Scorer {
    postings: SegmentPostings,
    lengths: Option<(Column<u64>, f32)>,
    weight: f32,
}

impl Query for Bm25Query {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let mut weight = Bm25Weight { term: self.term.clone(), path: self.path.clone(), idf: 1.0, average: None };
        if let EnableScoring::Enabled { searcher, .. } = scoring {
            let (docs, tokens) = self.statistics(searcher)?;
            let with_term = searcher.doc_freq(&self.term)? as f32;
            let docs = docs.max(1) as f32;
            weight.idf = (1.0 + (docs - with_term + 0.5) / (with_term + 0.5)).ln();
            weight.average = self.lengths.then_some(tokens as f32 / docs);
        }
        Ok(Box::new(weight))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        visitor(&self.term, false);
    }
}

impl Bm25Query {
    /// How many documents have the field, and how many tokens it has in all.
    fn statistics(&self, searcher: &Searcher) -> tantivy::Result<(u64, u64)> {
        let column_of = if self.lengths { ColumnOf::Length } else { ColumnOf::Keyword };
        let (mut docs, mut tokens) = (0, 0);
        for reader in searcher.segment_readers() {
            let Some((column, _)) = column_of.open(reader, &self.path)? else { continue };
            docs += match &column.index {
                ColumnIndex::Empty { .. } => 0,
                ColumnIndex::Full => u64::from(reader.max_doc()),
                ColumnIndex::Optional(optional) => u64::from(optional.num_non_nulls()),
                index => (0..reader.max_doc()).filter(|doc| index.has_value(*doc)).count() as u64,
            };
            if self.lengths {
                let values = &column.values;
                tokens +=
                    (0..values.num_vals()).map(|row| tantivy::u64_to_i64(values.get_val(row)) as u64).sum::<u64>();
            }
        }
        Ok((docs, tokens))
    }
}

impl Weight for Bm25Weight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let postings =
            reader.inverted_index(self.term.field())?.read_postings(&self.term, IndexRecordOption::WithFreqs)?;
        let Some(postings) = postings else { return Ok(Box::new(EmptyScorer)) };
        let lengths = match self.average {
            Some(average) => ColumnOf::Length.open(reader, &self.path)?.map(|(column, _)| (column, average)),
            None => None,
        };
        Ok(Box::new(Bm25Scorer { postings, lengths, weight: boost * self.idf * (K1 + 1.0) }))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        scorer.seek(doc);
        Ok(Explanation::new("BM25", scorer.score()))
    }
}

impl DocSet for Bm25Scorer {
    fn advance(&mut self) -> DocId {
        self.postings.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.postings.seek(target)
    }

    fn doc(&self) -> DocId {
        self.postings.doc()
    }

    fn size_hint(&self) -> u32 {
        self.postings.size_hint()
    }
}

impl Scorer for Bm25Scorer {
    fn score(&mut self) -> Score {
        let frequency = self.postings.term_freq() as f32;
        let relative = match &self.lengths {
            Some((column, average)) => {
                let length = column.first(self.postings.doc()).map_or(1, |raw| tantivy::u64_to_i64(raw) as u64);
                rounded(length) as f32 / average.max(f32::MIN_POSITIVE)
            }
            None => 1.0,
        };
        self.weight * frequency / (frequency + K1 * (1.0 - B + B * relative))
    }
}

/// A length as Lucene's one-byte norm gives it back (`SmallFloat.intToByte4`): exact to 40, then four significant bits.
fn rounded(length: u64) -> u64 {
    const FREE: u64 = 24;
    if length < FREE {
        return length;
    }
    let rest = length - FREE;
    let bits = 64 - rest.leading_zeros();
    let shift = bits.saturating_sub(4);
    FREE + (rest >> shift << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_round_as_lucene_does() {
        // From Lucene's SmallFloat.byte4ToInt(intToByte4(i)).
        for (length, expected) in
            [(0, 0), (1, 1), (39, 39), (40, 40), (41, 40), (43, 42), (56, 56), (59, 56), (100, 96)]
        {
            assert_eq!(rounded(length), expected, "{length}");
        }
    }
}
