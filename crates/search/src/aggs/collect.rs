//! Collects aggregations over one segment.

use super::digest::Digest;
use super::distinct::{Distinct, hash};
use super::keys::{Keying, Slots};
use super::partial::{Bucket, Key, Partial, Stats};
use super::request::{Agg, Kind, Metric, Range};
use crate::date::{DateFormat, Zone};
use crate::error::Error;
use crate::index::ColumnOf;
use crate::mapping::{self, Kind as FieldKind};
use crate::query::{Context, column_of, text_of};
use crate::values::{BLOCK_DOCS, Values};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use tantivy::query::EnableScoring;
use tantivy::{BitSet, DocId, DocSet, Searcher, SegmentReader, TERMINATED};

/// A segment may make this many buckets on the way, so that no request can exhaust the memory.
const SEGMENT_BUCKETS_MAX: usize = 2_000_000;
const ROOT: [u32; BLOCK_DOCS] = [0; BLOCK_DOCS];

/// The aggregations of a request over one segment.
pub struct SegmentAggs {
    nodes: Vec<Node>,
}

/// One aggregator.
enum Node {
    Keyed(Box<Keyed>),
    Placed(Box<Placed>),
    Stats {
        values: Option<Values>,
        missing: Option<f64>,
        stats: Vec<Stats>,
    },
    Count {
        values: Option<Values>,
        has_missing: bool,
        stats: Vec<Stats>,
    },
    Ordinals {
        values: Option<Values>,
        column: Option<tantivy::columnar::StrColumn>,
        missing: Option<u64>,
        sets: Vec<HashSet<u64>>,
    },
    Distinct {
        values: Option<Values>,
        missing: Option<u64>,
        sets: Vec<Distinct>,
    },
    Digest {
        values: Option<Values>,
        missing: Option<f64>,
        digests: Vec<Digest>,
    },
}

/// Buckets that come from values.
struct Keyed {
    values: Option<Values>,
    keying: Keying,
    missing: Option<(i64, Option<Key>)>,
    slots: Slots,
    /// Parent, key, documents.
    buckets: Vec<(u32, i64, u64)>,
    children: Children,
}

/// Buckets that the request lists.
struct Placed {
    test: Test,
    places: usize,
    counts: Vec<u64>,
    children: Children,
}

enum Test {
    Ranges { values: Option<Values>, ranges: Vec<Range> },
    Queries(Vec<BitSet>),
    Missing(Option<Values>),
}

/// The aggregators below, and what they are given.
struct Children {
    nodes: Vec<Node>,
    docs: Vec<DocId>,
    buckets: Vec<u32>,
}

impl SegmentAggs {
    /// Opens what a request's aggregations need of a segment.
    pub fn new(
        aggs: &[Agg],
        context: &Context<'_>,
        searcher: &Searcher,
        reader: &SegmentReader,
    ) -> Result<Self, Error> {
        Ok(Self { nodes: Builder { context, searcher, reader }.nodes(aggs, false)? })
    }

    /// Takes a block of documents.
    pub fn collect(&mut self, docs: &[DocId]) -> Result<(), Error> {
        self.nodes.iter_mut().try_for_each(|node| node.collect(docs, &ROOT[..docs.len()]))
    }

    /// What was found, one partial for each aggregation.
    pub fn harvest(self) -> Result<Vec<Partial>, Error> {
        let partials = self.nodes.into_iter().map(|node| node.harvest(1));
        partials.map(|partials| partials.map(|mut partials| partials.remove(0))).collect()
    }
}

struct Builder<'a> {
    context: &'a Context<'a>,
    searcher: &'a Searcher,
    reader: &'a SegmentReader,
}

impl Builder<'_> {
    fn nodes(&self, aggs: &[Agg], inner: bool) -> Result<Vec<Node>, Error> {
        aggs.iter().map(|agg| self.node(agg, inner)).collect()
    }

    fn children(&self, aggs: &[Agg]) -> Result<Children, Error> {
        Ok(Children { nodes: self.nodes(aggs, true)?, docs: Vec::new(), buckets: Vec::new() })
    }

    /// The column of a field, and the field; `None` for a field that the index does not have.
    fn column(&self, agg: &Agg, path: &str) -> Result<Option<(Option<Values>, &mapping::Field)>, Error> {
        let Some(field) = self.context.mappings.field(path) else { return Ok(None) };
        let is_missing_agg = matches!(agg.kind, Kind::Missing { .. });
        if field.kind == FieldKind::Text && !is_missing_agg {
            return Err(Error::illegal_argument(format!(
                "Text fields are not optimised for operations that require per-document field data like aggregations and \
                 sorting, so these operations are disabled by default. Please use a keyword field instead of [{path}], for \
                 example [{path}.keyword]"
            )));
        }
        Ok(Some((Values::open(self.reader, column_of(&field.kind), path)?, field)))
    }

    fn node(&self, agg: &Agg, inner: bool) -> Result<Node, Error> {
        match &agg.kind {
            Kind::Terms { path, missing, .. } => self.terms(agg, path, missing.as_ref(), inner),
            Kind::DateHistogram(histogram) => {
                let keying = Keying::of_interval(histogram.interval, histogram.offset_ms, histogram.zone);
                let column = self.column(agg, &histogram.path)?;
                if let Some((_, field)) = &column
                    && !matches!(field.kind, FieldKind::Date(_))
                    && !field.kind.is_integral()
                {
                    return Err(unfit(agg, &histogram.path, &field.kind));
                }
                self.keyed(agg, column.and_then(|(values, _)| values), keying, histogram.missing.as_ref(), inner)
            }
            Kind::Histogram { path, interval, offset, missing, .. } => {
                let keying = Keying::Width { interval: *interval, offset: *offset };
                self.keyed(agg, self.numbers(agg, path)?, keying, missing.as_ref(), inner)
            }
            Kind::Range { path, ranges, .. } => {
                let test = Test::Ranges { values: self.numbers(agg, path)?, ranges: ranges.clone() };
                self.placed(agg, test, ranges.len())
            }
            Kind::Filter(query) => self.placed(agg, Test::Queries(vec![self.matches(query)?]), 1),
            Kind::Filters { filters } => {
                let sets = filters.iter().map(|(_, query)| self.matches(query)).collect::<Result<Vec<_>, _>>()?;
                let places = sets.len();
                self.placed(agg, Test::Queries(sets), places)
            }
            Kind::Missing { path } => {
                let values = self.column(agg, path)?.and_then(|(values, _)| values);
                self.placed(agg, Test::Missing(values), 1)
            }
            Kind::Metric { path, metric: Metric::ValueCount, missing } => {
                let values = self.column(agg, path)?.and_then(|(values, _)| values);
                Ok(Node::Count { values, has_missing: missing.is_some(), stats: Vec::new() })
            }
            Kind::Metric { path, missing, .. } => {
                let missing = self.missing_number(agg, path, missing.as_ref())?;
                Ok(Node::Stats { values: self.numbers(agg, path)?, missing, stats: Vec::new() })
            }
            Kind::Percentiles { path, missing, .. } => {
                let missing = self.missing_number(agg, path, missing.as_ref())?;
                Ok(Node::Digest { values: self.numbers(agg, path)?, missing, digests: Vec::new() })
            }
            Kind::Cardinality { path, missing } => self.cardinality(agg, path, missing.as_ref()),
        }
    }

    fn terms(&self, agg: &Agg, path: &str, missing: Option<&Value>, inner: bool) -> Result<Node, Error> {
        let Some((values, field)) = self.column(agg, path)? else {
            return self.keyed(agg, None, Keying::Integer, None, inner);
        };
        let keying = match &field.kind {
            FieldKind::Keyword => match self.reader.fast_fields().str(&ColumnOf::Keyword.name(path))? {
                Some(column) => Keying::Ordinal(column),
                None => Keying::Ordinal(tantivy::columnar::StrColumn::wrap(tantivy::columnar::BytesColumn::empty(0))),
            },
            FieldKind::Double | FieldKind::Float => Keying::Real,
            _ => Keying::Integer,
        };
        self.keyed(agg, values, keying, missing, inner)
    }

    fn keyed(
        &self,
        agg: &Agg,
        values: Option<Values>,
        mut keying: Keying,
        missing: Option<&Value>,
        inner: bool,
    ) -> Result<Node, Error> {
        let missing = match missing {
            None => None,
            Some(value) => {
                let (integer, real) = (as_integer(value), as_real(value));
                let key = keying.key_of_missing(integer, real);
                let key = key.ok_or_else(|| wrong_missing(agg, value))?;
                let outside = matches!(keying, Keying::Ordinal(_)).then(|| Key::Text(text_of(value)));
                Some((key, outside))
            }
        };
        let slots = Slots::new(&mut keying, values.as_ref(), inner);
        let children = self.children(&agg.subs)?;
        Ok(Node::Keyed(Box::new(Keyed { values, keying, missing, slots, buckets: Vec::new(), children })))
    }

    fn placed(&self, agg: &Agg, test: Test, places: usize) -> Result<Node, Error> {
        let children = self.children(&agg.subs)?;
        Ok(Node::Placed(Box::new(Placed { test, places, counts: Vec::new(), children })))
    }

    /// The column of a field that must be a number, a date or a boolean.
    fn numbers(&self, agg: &Agg, path: &str) -> Result<Option<Values>, Error> {
        match self.column(agg, path)? {
            Some((_, field)) if field.kind.is_keyword() => Err(unfit(agg, path, &field.kind)),
            column => Ok(column.and_then(|(values, _)| values)),
        }
    }

    fn missing_number(&self, agg: &Agg, path: &str, missing: Option<&Value>) -> Result<Option<f64>, Error> {
        let Some(value) = missing else { return Ok(None) };
        let is_date = self.context.mappings.field(path).is_some_and(|field| matches!(field.kind, FieldKind::Date(_)));
        let number = if is_date { as_integer(value).map(|millis| millis as f64) } else { as_real(value) };
        number.map(Some).ok_or_else(|| wrong_missing(agg, value))
    }

    fn cardinality(&self, agg: &Agg, path: &str, missing: Option<&Value>) -> Result<Node, Error> {
        let Some((values, field)) = self.column(agg, path)? else {
            return Ok(Node::Distinct { values: None, missing: None, sets: Vec::new() });
        };
        if field.kind.is_keyword() {
            let column = self.reader.fast_fields().str(&ColumnOf::Keyword.name(path))?;
            let missing = missing.map(|value| hash(text_of(value).as_bytes()));
            return Ok(Node::Ordinals { values, column, missing, sets: Vec::new() });
        }
        let missing = match missing {
            Some(value) => Some(hash_of_number(as_real(value).ok_or_else(|| wrong_missing(agg, value))?)),
            None => None,
        };
        Ok(Node::Distinct { values, missing, sets: Vec::new() })
    }

    fn matches(&self, query: &Value) -> Result<BitSet, Error> {
        let query = self.context.query(query)?;
        let weight = query.weight(EnableScoring::disabled_from_searcher(self.searcher))?;
        let mut scorer = weight.scorer(self.reader, 1.0)?;
        let mut docs = BitSet::with_max_value(self.reader.max_doc());
        let mut doc = scorer.doc();
        while doc != TERMINATED {
            docs.insert(doc);
            doc = scorer.advance();
        }
        Ok(docs)
    }
}

impl Node {
    fn collect(&mut self, docs: &[DocId], parents: &[u32]) -> Result<(), Error> {
        match self {
            Self::Keyed(keyed) => keyed.collect(docs, parents),
            Self::Placed(placed) => placed.collect(docs, parents),
            Self::Stats { values, missing, stats } => {
                numbers(values.as_ref(), *missing, docs, |place, value| at(stats, parents[place]).add(value));
                Ok(())
            }
            Self::Digest { values, missing, digests } => {
                numbers(values.as_ref(), *missing, docs, |place, value| at(digests, parents[place]).add(value));
                Ok(())
            }
            Self::Count { values, has_missing, stats } => {
                let missing = has_missing.then_some(0);
                raws(values.as_ref(), missing, docs, |place, _| at(stats, parents[place]).count += 1);
                Ok(())
            }
            Self::Ordinals { values, missing, sets, .. } => {
                let absent = missing.map(|_| u64::MAX);
                raws(values.as_ref(), absent, docs, |place, ord| {
                    at(sets, parents[place]).insert(ord);
                });
                Ok(())
            }
            Self::Distinct { values, missing, sets } => {
                if let Some(values) = values {
                    values.each(docs, |place, raw| at(sets, parents[place]).add(hash_of_number(values.real(raw))));
                }
                if let Some(missing) = missing {
                    absent(values.as_ref(), docs, |place| at(sets, parents[place]).add(*missing));
                }
                Ok(())
            }
        }
    }

    /// What was found below each of so many parents.
    fn harvest(self, parents: usize) -> Result<Vec<Partial>, Error> {
        Ok(match self {
            Self::Keyed(keyed) => return keyed.harvest(parents),
            Self::Placed(placed) => return placed.harvest(parents),
            Self::Stats { stats, .. } | Self::Count { stats, .. } => {
                padded(stats, parents).map(Partial::Stats).collect()
            }
            Self::Digest { digests, .. } => padded(digests, parents).map(Partial::Digest).collect(),
            Self::Distinct { sets, .. } => padded(sets, parents).map(Partial::Distinct).collect(),
            Self::Ordinals { column, missing, sets, .. } => {
                let mut text = String::new();
                let mut out = Vec::with_capacity(parents);
                for set in padded(sets, parents) {
                    let mut distinct = Distinct::default();
                    for ord in set {
                        match (ord, missing, &column) {
                            (u64::MAX, Some(missing), _) => distinct.add(missing),
                            (ord, _, Some(column)) => {
                                column.ord_to_str(ord, &mut text)?;
                                distinct.add(hash(text.as_bytes()));
                            }
                            _ => {}
                        }
                    }
                    out.push(Partial::Distinct(distinct));
                }
                out
            }
        })
    }
}

impl Keyed {
    fn collect(&mut self, docs: &[DocId], parents: &[u32]) -> Result<(), Error> {
        let Self { values, keying, missing, slots, buckets, children } = self;
        let mut take = |place: usize, key: i64, children: &mut Children| {
            let parent = parents[place];
            let bucket = slots.bucket(parent, key, buckets.len() as u32);
            if bucket as usize == buckets.len() {
                buckets.push((parent, key, 0));
            }
            buckets[bucket as usize].2 += 1;
            children.push(docs[place], bucket);
        };
        if let Some(values) = values {
            if values.is_multivalued() {
                let mut keys: Vec<i64> = Vec::new();
                for (place, doc) in docs.iter().enumerate() {
                    // A document counts once in a bucket, however many of its values fall into it.
                    keys.clear();
                    keys.extend(values.of(*doc).map(|raw| keying.key(values, raw)));
                    keys.sort_unstable();
                    keys.dedup();
                    keys.iter().for_each(|key| take(place, *key, children));
                }
            } else {
                values.each(docs, |place, raw| take(place, keying.key(values, raw), children));
            }
        }
        if let Some((key, _)) = missing {
            absent(values.as_ref(), docs, |place| take(place, *key, children));
        }
        if buckets.len() > SEGMENT_BUCKETS_MAX {
            return Err(Error::too_many_buckets(SEGMENT_BUCKETS_MAX));
        }
        children.flush()
    }

    fn harvest(self, parents: usize) -> Result<Vec<Partial>, Error> {
        let keys: Vec<i64> = self.buckets.iter().map(|(_, key, _)| *key).collect();
        let mut outside = self.keying.outside(&keys)?;
        if let Some((missing, Some(key))) = &self.missing {
            for at in (0..keys.len()).filter(|at| keys[*at] == *missing) {
                outside[at] = key.clone();
            }
        }
        let subs = self.children.harvest(self.buckets.len())?;
        let mut out: Vec<HashMap<Key, Bucket>> = vec![HashMap::new(); parents];
        for (((parent, _, count), key), subs) in self.buckets.into_iter().zip(outside).zip(subs) {
            let bucket = Bucket { count, subs };
            match out[parent as usize].get_mut(&key) {
                Some(same) => same.merge(bucket),
                None => drop(out[parent as usize].insert(key, bucket)),
            }
        }
        Ok(out.into_iter().map(Partial::Keyed).collect())
    }
}

impl Placed {
    fn collect(&mut self, docs: &[DocId], parents: &[u32]) -> Result<(), Error> {
        let Self { test, places, counts, children } = self;
        let mut take = |place: usize, slot: usize, children: &mut Children| {
            let bucket = parents[place] as usize * *places + slot;
            *at(counts, bucket as u32) += 1;
            children.push(docs[place], bucket as u32);
        };
        match test {
            Test::Queries(sets) => {
                for (place, doc) in docs.iter().enumerate() {
                    for slot in (0..sets.len()).filter(|slot| sets[*slot].contains(*doc)) {
                        take(place, slot, children);
                    }
                }
            }
            Test::Missing(values) => absent(values.as_ref(), docs, |place| take(place, 0, children)),
            Test::Ranges { values: None, .. } => {}
            Test::Ranges { values: Some(values), ranges } => {
                for (place, doc) in docs.iter().enumerate() {
                    for (slot, range) in ranges.iter().enumerate() {
                        let inside = |value: f64| {
                            range.from.is_none_or(|from| value >= from) && range.to.is_none_or(|to| value < to)
                        };
                        if values.of(*doc).any(|raw| inside(values.real(raw))) {
                            take(place, slot, children);
                        }
                    }
                }
            }
        }
        children.flush()
    }

    fn harvest(self, parents: usize) -> Result<Vec<Partial>, Error> {
        let total = parents * self.places;
        let counts = padded(self.counts, total);
        let subs = self.children.harvest(total)?;
        let mut buckets = counts.zip(subs).map(|(count, subs)| Bucket { count, subs });
        Ok((0..parents).map(|_| Partial::Placed(buckets.by_ref().take(self.places).collect())).collect())
    }
}

impl Children {
    fn push(&mut self, doc: DocId, bucket: u32) {
        if !self.nodes.is_empty() {
            self.docs.push(doc);
            self.buckets.push(bucket);
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        // Documents with several values make more pairs than a block has places.
        for (docs, buckets) in self.docs.chunks(BLOCK_DOCS).zip(self.buckets.chunks(BLOCK_DOCS)) {
            self.nodes.iter_mut().try_for_each(|node| node.collect(docs, buckets))?;
        }
        self.docs.clear();
        self.buckets.clear();
        Ok(())
    }

    /// For each bucket, what each aggregator found.
    fn harvest(self, buckets: usize) -> Result<Vec<Vec<Partial>>, Error> {
        let mut out: Vec<Vec<Partial>> = (0..buckets).map(|_| Vec::with_capacity(self.nodes.len())).collect();
        for node in self.nodes {
            out.iter_mut().zip(node.harvest(buckets)?).for_each(|(subs, partial)| subs.push(partial));
        }
        Ok(out)
    }
}

fn numbers(values: Option<&Values>, missing: Option<f64>, docs: &[DocId], mut give: impl FnMut(usize, f64)) {
    if let Some(values) = values {
        values.each(docs, |place, raw| give(place, values.real(raw)));
    }
    if let Some(missing) = missing {
        absent(values, docs, |place| give(place, missing));
    }
}

fn raws(values: Option<&Values>, missing: Option<u64>, docs: &[DocId], mut give: impl FnMut(usize, u64)) {
    if let Some(values) = values {
        values.each(docs, &mut give);
    }
    if let Some(missing) = missing {
        absent(values, docs, |place| give(place, missing));
    }
}

/// The places of documents without a value.
fn absent(values: Option<&Values>, docs: &[DocId], mut give: impl FnMut(usize)) {
    for (place, doc) in docs.iter().enumerate() {
        if values.is_none_or(|values| !values.has(*doc)) {
            give(place);
        }
    }
}

fn at<T: Default + Clone>(items: &mut Vec<T>, bucket: u32) -> &mut T {
    let bucket = bucket as usize;
    if bucket >= items.len() {
        items.resize(bucket + 1, T::default());
    }
    &mut items[bucket]
}

fn padded<T: Default>(items: Vec<T>, len: usize) -> impl Iterator<Item = T> {
    items.into_iter().chain(std::iter::repeat_with(T::default)).take(len)
}

fn hash_of_number(value: f64) -> u64 {
    hash(&value.to_bits().to_le_bytes())
}

fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(truth) => Some(i64::from(*truth)),
        Value::String(text) => match text.as_str() {
            "true" => Some(1),
            "false" => Some(0),
            text => text.parse().ok().or_else(|| DateFormat::default().parse(text, false, &Zone::UTC)),
        },
        other => other.as_i64().or_else(|| other.as_f64().map(|real| real as i64)),
    }
}

fn as_real(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn unfit(agg: &Agg, path: &str, kind: &FieldKind) -> Error {
    let reason =
        format!("Field [{path}] of type [{}] is not supported for the aggregation [{}]", kind.name(), agg.name);
    Error::illegal_argument(reason)
}

fn wrong_missing(agg: &Agg, value: &Value) -> Error {
    Error::illegal_argument(format!(
        "[missing] of the aggregation [{}] does not fit its field: [{}]",
        agg.name,
        text_of(value)
    ))
}
