//! Runs a search: every segment of every index, one pass for hits, count and aggregations together.

use super::request::{SearchRequest, TotalHits};
use super::sort::{Place, SegmentKey, SortBy, SortKey, SortValue};
use crate::aggs::{self, Partial, SegmentAggs};
use crate::error::Error;
use crate::index::Index;
use crate::mapping::Mappings;
use crate::query::Context;
use crate::values::BLOCK_DOCS;
use millrace_base::Clock;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use tantivy::query::{EnableScoring, Weight};
use tantivy::{DocAddress, DocId, Score, Searcher, SegmentReader};

/// An index that is searched.
pub struct Target {
    index: Arc<Index>,
    mappings: Arc<Mappings>,
    searcher: Searcher,
}

impl Target {
    /// An index as searches see it now.
    pub fn new(index: &Arc<Index>) -> Self {
        Self { index: index.clone(), mappings: index.mappings(), searcher: index.searcher() }
    }

    fn context(&self, now: i64) -> Context<'_> {
        Context { index: &self.index, layout: &self.index.layout, mappings: &self.mappings, now }
    }
}

/// A hit, anywhere.
struct Hit {
    target: usize,
    address: DocAddress,
    score: Score,
    sort: Vec<SortValue>,
}

/// A candidate in a segment; the greatest is the worst.
#[derive(PartialEq)]
struct Candidate {
    places: Vec<Place>,
    doc: DocId,
    score: Score,
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.places.cmp(&other.places).then(self.doc.cmp(&other.doc))
    }
}

/// Answers a search over some indices, begun at `now`, in OpenSearch's form.
pub fn search(targets: &[Target], request: &SearchRequest, now: i64, clock: &dyn Clock) -> Result<Value, Error> {
    let mut hits: Vec<Hit> = Vec::new();
    let mut total = 0;
    let mut best = None;
    let mut partials = aggs::nothing(&request.aggs);
    let by_score = [SortKey {
        by: SortBy::Score,
        descending: true,
        missing: None,
        of_greatest: None,
        format: None,
        unmapped: false,
    }];
    let order: &[SortKey] = if request.sort.is_empty() { &by_score } else { &request.sort };
    for (number, target) in targets.iter().enumerate() {
        let at = |error: Error| if error.index.is_none() { error.at(&target.index.meta.name) } else { error };
        let context = target.context(now);
        let query = context.query(&request.query).map_err(at)?;
        let scoring = if request.needs_scores() {
            EnableScoring::enabled_from_searcher(&target.searcher)
        } else {
            EnableScoring::disabled_from_searcher(&target.searcher)
        };
        let weight = query.weight(scoring)?;
        for (ord, reader) in target.searcher.segment_readers().iter().enumerate() {
            let mut segment = Segment::open(request, order, target, &context, reader).map_err(at)?;
            segment.run(&*weight, reader)?;
            total += segment.count;
            best = match (best, segment.best) {
                (Some(a), Some(b)) => Some(f32::max(a, b)),
                (a, b) => a.or(b),
            };
            let found = segment.aggs.map_or(Ok(Vec::new()), SegmentAggs::harvest)?;
            partials.iter_mut().zip(found).for_each(|(partial, found): (&mut Partial, Partial)| partial.merge(found));
            for candidate in segment.heap.into_sorted_vec() {
                let sort = segment.keys.iter().zip(&candidate.places).map(|(key, place)| key.outside(*place));
                let address = DocAddress::new(u32::try_from(ord).unwrap_or(u32::MAX), candidate.doc);
                hits.push(Hit {
                    target: number,
                    address,
                    score: candidate.score,
                    sort: sort.collect::<Result<_, _>>()?,
                });
            }
        }
    }
    // The sort is stable: equal hits stay in the order of indices, segments and documents.
    hits.sort_by(|a, b| {
        let keys = order.iter().zip(a.sort.iter().zip(&b.sort));
        keys.map(|(key, (a, b))| key.compare(a, b))
            .find(|ordering| *ordering != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    });
    let page = hits.into_iter().skip(request.from).take(request.size);
    let hits = page.map(|hit| shown(&targets[hit.target], request, &hit)).collect::<Result<Vec<_>, _>>()?;
    let scored = request.size > 0 && (request.sort.is_empty() || request.track_scores);
    let max_score = best.filter(|_| scored);
    let mut answer = json!({"took": (clock.now() - now).max(0), "timed_out": false, "_shards": shards(targets.len())});
    answer["hits"] = hits_json(request.total, total, max_score, hits);
    if !request.aggs.is_empty() {
        let mappings: Vec<&Mappings> = targets.iter().map(|target| &*target.mappings).collect();
        answer["aggregations"] = aggs::render(&request.aggs, partials, &mappings)?;
    }
    Ok(answer)
}

/// How many documents of some indices a query finds.
pub fn count(targets: &[Target], query: &Value, now: i64) -> Result<Value, Error> {
    let mut count = 0;
    for target in targets {
        let query = target.context(now).query(query).map_err(|error| error.at(&target.index.meta.name))?;
        count += query.count(&target.searcher)?;
    }
    Ok(json!({"count": count, "_shards": shards(targets.len())}))
}

fn shards(count: usize) -> Value {
    json!({"total": count, "successful": count, "skipped": 0, "failed": 0})
}

fn hits_json(tracked: TotalHits, total: u64, max_score: Option<Score>, hits: Vec<Value>) -> Value {
    let total = match tracked {
        TotalHits::Off => None,
        TotalHits::UpTo(most) if total > most => Some(json!({"value": most, "relation": "gte"})),
        _ => Some(json!({"value": total, "relation": "eq"})),
    };
    let mut out = Map::new();
    if let Some(total) = total {
        out.insert("total".to_owned(), total);
    }
    out.insert("max_score".to_owned(), json!(max_score));
    out.insert("hits".to_owned(), json!(hits));
    Value::Object(out)
}

fn shown(target: &Target, request: &SearchRequest, hit: &Hit) -> Result<Value, Error> {
    let (id, source) = target.index.stored(&target.searcher, hit.address)?;
    let scored = request.sort.is_empty() || request.track_scores;
    let mut out = Map::new();
    out.insert("_index".to_owned(), json!(target.index.meta.name));
    out.insert("_id".to_owned(), json!(id));
    let column = |name: &str| -> Result<u64, Error> {
        let reader = target.searcher.segment_reader(hit.address.segment_ord);
        Ok(reader.fast_fields().u64(name)?.first(hit.address.doc_id).unwrap_or_default())
    };
    if request.version {
        out.insert("_version".to_owned(), json!(column("version")?));
    }
    if request.seq_no {
        out.insert("_seq_no".to_owned(), json!(column("seq")?));
        out.insert("_primary_term".to_owned(), json!(1));
    }
    out.insert("_score".to_owned(), if scored { json!(hit.score) } else { Value::Null });
    let source = serde_json::from_slice(&source).map_err(|error| Error::mapper_parsing(error.to_string()))?;
    if let Some(source) = request.source.apply(source) {
        out.insert("_source".to_owned(), source);
    }
    if !request.sort.is_empty() {
        let values: Vec<_> = request.sort.iter().zip(&hit.sort).map(|(key, value)| key.json(value)).collect();
        out.insert("sort".to_owned(), json!(values));
    }
    Ok(Value::Object(out))
}

/// A search in one segment.
struct Segment {
    keys: Vec<SegmentKey>,
    after: Option<Vec<Place>>,
    min_score: Option<Score>,
    scoring: bool,
    keep: usize,
    heap: BinaryHeap<Candidate>,
    scratch: Vec<Place>,
    count: u64,
    best: Option<Score>,
    aggs: Option<SegmentAggs>,
    block: Vec<DocId>,
}

impl Segment {
    fn open(
        request: &SearchRequest,
        order: &[SortKey],
        target: &Target,
        context: &Context<'_>,
        reader: &SegmentReader,
    ) -> Result<Self, Error> {
        let keys = order.iter().map(|key| key.open(&target.mappings, reader)).collect::<Result<Vec<_>, _>>()?;
        let after = match &request.after {
            Some(after) => {
                Some(keys.iter().zip(after).map(|(key, value)| key.place_after(value)).collect::<Result<_, _>>()?)
            }
            None => None,
        };
        let aggs = match request.aggs.is_empty() {
            true => None,
            false => Some(SegmentAggs::new(&request.aggs, context, &target.searcher, reader)?),
        };
        Ok(Self {
            keys,
            after,
            min_score: request.min_score,
            scoring: request.needs_scores(),
            keep: if request.size == 0 { 0 } else { request.from + request.size },
            heap: BinaryHeap::new(),
            scratch: Vec::new(),
            count: 0,
            best: None,
            aggs,
            block: Vec::with_capacity(BLOCK_DOCS),
        })
    }

    fn run(&mut self, weight: &dyn Weight, reader: &SegmentReader) -> Result<(), Error> {
        let alive = reader.alive_bitset();
        let scoring = self.scoring;
        let mut failed = None;
        let mut take = |docs: &[DocId], score: Score| {
            for doc in docs {
                if failed.is_none() && alive.is_none_or(|alive| alive.is_alive(*doc)) {
                    failed = self.take(*doc, score).err();
                }
            }
        };
        if scoring {
            weight.for_each(reader, &mut |doc, score| take(&[doc], score))?;
        } else {
            weight.for_each_no_score(reader, &mut |docs| take(docs, 0.0))?;
        }
        match failed {
            Some(error) => Err(error),
            None => self.flush(),
        }
    }

    fn take(&mut self, doc: DocId, score: Score) -> Result<(), Error> {
        if self.min_score.is_some_and(|least| score < least) {
            return Ok(());
        }
        self.count += 1;
        if self.aggs.is_some() {
            self.block.push(doc);
            if self.block.len() == BLOCK_DOCS {
                self.flush()?;
            }
        }
        if self.keep == 0 {
            return Ok(());
        }
        if self.scoring && self.best.is_none_or(|best| score > best) {
            self.best = Some(score);
        }
        self.scratch.clear();
        self.scratch.extend(self.keys.iter().map(|key| key.place(doc, score)));
        if self.after.as_ref().is_some_and(|after| self.scratch <= *after) {
            return Ok(());
        }
        if self.heap.len() < self.keep {
            self.heap.push(Candidate { places: self.scratch.clone(), doc, score });
        } else if let Some(mut worst) = self.heap.peek_mut()
            && (&self.scratch, doc) < (&worst.places, worst.doc)
        {
            worst.places.clone_from(&self.scratch);
            worst.doc = doc;
            worst.score = score;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if let Some(aggs) = &mut self.aggs {
            aggs.collect(&self.block)?;
        }
        self.block.clear();
        Ok(())
    }
}
