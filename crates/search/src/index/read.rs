//! Reading single documents: by id, as they are now, refreshed or not.

use super::{Index, State};
use crate::error::Error;
use bytes::Bytes;
use tantivy::schema::{IndexRecordOption, Value as _};
use tantivy::{DocAddress, DocSet, Searcher, TERMINATED, TantivyDocument};

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `_version`.
    pub version: u64,
    /// `_seq_no`.
    pub seq: u64,
    /// `_source`, as it was sent.
    pub source: Bytes,
}

/// An id's present state.
pub(super) struct Current {
    pub version: u64,
    pub seq: u64,
    pub exists: bool,
}

impl Index {
    /// What searches see.
    pub fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    /// The document of an id, with writes that no search finds yet.
    pub fn get(&self, id: &str) -> Result<Option<Found>, Error> {
        self.get_locked(&self.state.lock(), id)
    }

    pub(super) fn get_locked(&self, state: &State, id: &str) -> Result<Option<Found>, Error> {
        if let Some(recent) = state.versions.get(id) {
            let found = |source: &Bytes| Found { version: recent.version, seq: recent.seq, source: source.clone() };
            return Ok(recent.source.as_ref().map(found));
        }
        let searcher = self.searcher();
        let Some((address, version, seq)) = self.locate(state, &searcher, id)? else { return Ok(None) };
        let (_, source) = self.stored(&searcher, address)?;
        Ok(Some(Found { version, seq, source }))
    }

    /// Version and sequence number of an id.
    pub(super) fn current(&self, state: &State, id: &str) -> Result<Option<Current>, Error> {
        if let Some(recent) = state.versions.get(id) {
            return Ok(Some(Current { version: recent.version, seq: recent.seq, exists: recent.source.is_some() }));
        }
        let located = self.locate(state, &self.searcher(), id)?;
        Ok(located.map(|(_, version, seq)| Current { version, seq, exists: true }))
    }

    /// Where segments have an id, with its version and sequence number.
    fn locate(&self, state: &State, searcher: &Searcher, id: &str) -> Result<Option<(DocAddress, u64, u64)>, Error> {
        if !state.ids.may_have(id.as_bytes()) {
            return Ok(None);
        }
        let term = self.layout.id_term(id);
        for (ord, reader) in searcher.segment_readers().iter().enumerate() {
            let postings = reader.inverted_index(self.layout.id)?.read_postings(&term, IndexRecordOption::Basic)?;
            let Some(mut postings) = postings else { continue };
            let mut doc = postings.doc();
            while doc != TERMINATED {
                if !reader.is_deleted(doc) {
                    let value = |name: &str| -> tantivy::Result<u64> {
                        Ok(reader.fast_fields().u64(name)?.first(doc).unwrap_or_default())
                    };
                    let address = DocAddress::new(u32::try_from(ord).unwrap_or(u32::MAX), doc);
                    return Ok(Some((address, value("version")?, value("seq")?)));
                }
                doc = postings.advance();
            }
        }
        Ok(None)
    }

    /// Id and source of a document of a segment.
    pub fn stored(&self, searcher: &Searcher, address: DocAddress) -> Result<(String, Bytes), Error> {
        let document: TantivyDocument = searcher.doc(address)?;
        let id = document.get_first(self.layout.id).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let source = document.get_first(self.layout.source).and_then(|value| value.as_bytes()).unwrap_or_default();
        Ok((id, Bytes::copy_from_slice(source)))
    }
}
