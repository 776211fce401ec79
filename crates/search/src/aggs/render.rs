//! Writes what aggregations found as OpenSearch does.

use super::BUCKETS_MAX;
use super::partial::{Bucket, Key, Partial, Stats};
use super::request::{Agg, DateHistogram, Interval, Kind, Metric, Order, OrderBy, Range};
use crate::date::{DateFormat, Zone};
use crate::error::Error;
use crate::mapping::{Kind as FieldKind, Mappings};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::HashMap;

/// The `aggregations` of a response. `mappings` say how keys of a field are written.
pub fn render(aggs: &[Agg], partials: Vec<Partial>, mappings: &[&Mappings]) -> Result<Value, Error> {
    Renderer { mappings, buckets: 0 }.aggs(aggs, partials).map(Value::Object)
}

struct Renderer<'a> {
    mappings: &'a [&'a Mappings],
    buckets: usize,
}

impl Renderer<'_> {
    fn aggs(&mut self, aggs: &[Agg], partials: Vec<Partial>) -> Result<Map<String, Value>, Error> {
        let mut out = Map::new();
        for (agg, partial) in aggs.iter().zip(partials) {
            let mut value = self.agg(agg, partial)?;
            if let Some(meta) = &agg.meta {
                value["meta"] = meta.clone();
            }
            out.insert(agg.name.clone(), value);
        }
        Ok(out)
    }

    fn agg(&mut self, agg: &Agg, partial: Partial) -> Result<Value, Error> {
        match (&agg.kind, partial) {
            (Kind::Terms { path, size, order, min_doc_count, format, .. }, Partial::Keyed(buckets)) => {
                let kind = self.field_kind(path);
                let mut buckets: Vec<_> =
                    buckets.into_iter().filter(|(_, bucket)| bucket.count >= *min_doc_count).collect();
                sort(agg, order, &mut buckets);
                let other: u64 = buckets.iter().skip(*size).map(|(_, bucket)| bucket.count).sum();
                buckets.truncate(*size);
                let shown = buckets.into_iter().map(|(key, bucket)| {
                    let (key, text) = key_json(&key, kind.as_ref(), format.as_ref(), &Zone::UTC);
                    self.bucket(agg, key, text, bucket)
                });
                let shown = shown.collect::<Result<Vec<_>, _>>()?;
                Ok(json!({"doc_count_error_upper_bound": 0, "sum_other_doc_count": other, "buckets": shown}))
            }
            (Kind::DateHistogram(histogram), Partial::Keyed(buckets)) => self.date_histogram(agg, histogram, buckets),
            (Kind::Histogram { interval, offset, min_doc_count, keyed, .. }, Partial::Keyed(buckets)) => {
                let number = |key: &Key| match key {
                    Key::Real(bits) => ((tantivy::u64_to_f64(*bits) - offset) / interval).round() as i64,
                    _ => 0,
                };
                let mut buckets: Vec<_> = buckets.into_iter().map(|(key, bucket)| (number(&key), bucket)).collect();
                let next = |key: i64| key + 1;
                fill(&mut buckets, *min_doc_count, None, &agg.subs, next)?;
                let key = |key: i64| (json!(key as f64 * interval + offset), None);
                let texts = |key: &Value| key.to_string();
                self.stretches(agg, buckets, *keyed, key, texts)
            }
            (Kind::Range { ranges, keyed, .. }, Partial::Placed(buckets)) => self.ranges(agg, ranges, *keyed, buckets),
            (Kind::Filter(_) | Kind::Missing { .. }, Partial::Placed(mut buckets)) => {
                self.count_bucket()?;
                let bucket = buckets.remove(0);
                let mut out = Map::from_iter([("doc_count".to_owned(), json!(bucket.count))]);
                out.extend(self.aggs(&agg.subs, bucket.subs)?);
                Ok(Value::Object(out))
            }
            (Kind::Filters { filters }, Partial::Placed(buckets)) => {
                let mut named = Map::new();
                let mut listed = Vec::new();
                for ((name, _), bucket) in filters.iter().zip(buckets) {
                    self.count_bucket()?;
                    let mut out = Map::from_iter([("doc_count".to_owned(), json!(bucket.count))]);
                    out.extend(self.aggs(&agg.subs, bucket.subs)?);
                    match name {
                        Some(name) => drop(named.insert(name.clone(), Value::Object(out))),
                        None => listed.push(Value::Object(out)),
                    }
                }
                Ok(if listed.is_empty() { json!({"buckets": named}) } else { json!({"buckets": listed}) })
            }
            (Kind::Metric { path, metric, .. }, Partial::Stats(stats)) => Ok(self.metric(path, *metric, &stats)),
            (Kind::Cardinality { .. }, Partial::Distinct(distinct)) => Ok(json!({"value": distinct.count()})),
            (Kind::Percentiles { percents, keyed, .. }, Partial::Digest(mut digest)) => {
                let values = percents.iter().map(|percent| (percent, digest.quantile(percent / 100.0)));
                Ok(if *keyed {
                    let values: Map<_, _> =
                        values.map(|(percent, value)| (format!("{percent:?}"), json!(value))).collect();
                    json!({"values": values})
                } else {
                    let values: Vec<_> =
                        values.map(|(percent, value)| json!({"key": percent, "value": value})).collect();
                    json!({"values": values})
                })
            }
            _ => unreachable!("a partial is of its aggregation's kind"),
        }
    }

    fn date_histogram(
        &mut self,
        agg: &Agg,
        histogram: &DateHistogram,
        buckets: HashMap<Key, Bucket>,
    ) -> Result<Value, Error> {
        let zone = &histogram.zone;
        let number = |key: Key| match key {
            Key::Integer(millis) => millis,
            _ => 0,
        };
        let mut buckets: Vec<_> = buckets.into_iter().map(|(key, bucket)| (number(key), bucket)).collect();
        let next = |utc: i64| {
            let local = zone.to_local(utc) - histogram.offset_ms;
            let next = match histogram.interval {
                Interval::Fixed(interval) => local.checked_add(interval),
                Interval::Calendar(unit) => unit.add(local, 1),
            };
            // A clock set back must not send the walk back.
            next.map_or(i64::MAX, |next| zone.to_utc(next + histogram.offset_ms)).max(utc + 1)
        };
        let floor = |utc: i64| {
            let local = zone.to_local(utc) - histogram.offset_ms;
            let start = match histogram.interval {
                Interval::Fixed(interval) => local.div_euclid(interval) * interval,
                Interval::Calendar(unit) => unit.floor(local),
            };
            zone.to_utc(start + histogram.offset_ms)
        };
        let bounds = histogram.bounds.map(|(least, most)| (floor(least), floor(most)));
        fill(&mut buckets, histogram.min_doc_count, bounds, &agg.subs, next)?;
        if histogram.order.first().is_some_and(|order| order.by != OrderBy::Key || order.descending) {
            let mut keyed: Vec<_> = buckets.into_iter().map(|(key, bucket)| (Key::Integer(key), bucket)).collect();
            sort(agg, &histogram.order, &mut keyed);
            buckets = keyed.into_iter().map(|(key, bucket)| (number(key), bucket)).collect();
        }
        let field = match self.field_kind(&histogram.path) {
            Some(FieldKind::Date(format)) => format,
            _ => DateFormat::default(),
        };
        let format = histogram.format.as_ref().unwrap_or(&field);
        let key = |key: i64| (json!(key), Some(format.render(key, zone)));
        self.stretches(agg, buckets, histogram.keyed, key, |key| key.to_string())
    }

    fn stretches(
        &mut self,
        agg: &Agg,
        buckets: Vec<(i64, Bucket)>,
        keyed: bool,
        key_of: impl Fn(i64) -> (Value, Option<String>),
        name_of: impl Fn(&Value) -> String,
    ) -> Result<Value, Error> {
        let (mut named, mut listed) = (Map::new(), Vec::new());
        for (key, bucket) in buckets {
            let (key, text) = key_of(key);
            let name = text.clone().unwrap_or_else(|| name_of(&key));
            let shown = self.bucket(agg, key, text, bucket)?;
            if keyed { drop(named.insert(name, shown)) } else { listed.push(shown) }
        }
        Ok(if keyed { json!({"buckets": named}) } else { json!({"buckets": listed}) })
    }

    fn ranges(&mut self, agg: &Agg, ranges: &[Range], keyed: bool, buckets: Vec<Bucket>) -> Result<Value, Error> {
        let (mut named, mut listed) = (Map::new(), Vec::new());
        for (range, bucket) in ranges.iter().zip(buckets) {
            self.count_bucket()?;
            let end = |bound: Option<f64>| bound.map_or("*".to_owned(), |bound| format!("{bound:?}"));
            let key = range.key.clone().unwrap_or_else(|| format!("{}-{}", end(range.from), end(range.to)));
            let mut out = Map::new();
            if !keyed {
                out.insert("key".to_owned(), json!(key));
            }
            if let Some(from) = range.from {
                out.insert("from".to_owned(), json!(from));
            }
            if let Some(to) = range.to {
                out.insert("to".to_owned(), json!(to));
            }
            out.insert("doc_count".to_owned(), json!(bucket.count));
            out.extend(self.aggs(&agg.subs, bucket.subs)?);
            if keyed { drop(named.insert(key, Value::Object(out))) } else { listed.push(Value::Object(out)) }
        }
        Ok(if keyed { json!({"buckets": named}) } else { json!({"buckets": listed}) })
    }

    fn bucket(&mut self, agg: &Agg, key: Value, text: Option<String>, bucket: Bucket) -> Result<Value, Error> {
        self.count_bucket()?;
        let mut out = Map::new();
        if let Some(text) = text {
            out.insert("key_as_string".to_owned(), json!(text));
        }
        out.insert("key".to_owned(), key);
        out.insert("doc_count".to_owned(), json!(bucket.count));
        out.extend(self.aggs(&agg.subs, bucket.subs)?);
        Ok(Value::Object(out))
    }

    fn count_bucket(&mut self) -> Result<(), Error> {
        self.buckets += 1;
        if self.buckets > BUCKETS_MAX { Err(Error::too_many_buckets(BUCKETS_MAX)) } else { Ok(()) }
    }

    fn metric(&self, path: &str, metric: Metric, stats: &Stats) -> Value {
        let none = stats.count == 0;
        let average = (!none).then(|| stats.sum / stats.count as f64);
        let (min, max) = ((!none).then_some(stats.min), (!none).then_some(stats.max));
        let mut out = match metric {
            Metric::ValueCount => return json!({"value": stats.count}),
            Metric::Stats => {
                json!({"count": stats.count, "min": min, "max": max, "avg": average, "sum": stats.sum})
            }
            Metric::Avg => json!({"value": average}),
            Metric::Sum => json!({"value": stats.sum}),
            Metric::Min => json!({"value": min}),
            Metric::Max => json!({"value": max}),
        };
        if let (Some(FieldKind::Date(format)), false) = (self.field_kind(path), none) {
            let text = |value: &Value| value.as_f64().map(|value| format.render(value as i64, &Zone::UTC));
            let members = out.as_object().cloned().unwrap_or_default();
            for (name, value) in members.iter().filter(|(name, _)| *name != "count") {
                out[format!("{name}_as_string")] = json!(text(value));
            }
        }
        out
    }

    fn field_kind(&self, path: &str) -> Option<FieldKind> {
        self.mappings.iter().find_map(|mappings| mappings.field(path)).map(|field| field.kind.clone())
    }
}

/// A key, and how it is written out where that differs.
fn key_json(key: &Key, kind: Option<&FieldKind>, format: Option<&DateFormat>, zone: &Zone) -> (Value, Option<String>) {
    match (key, kind) {
        (Key::Text(text), _) => (json!(text), None),
        (Key::Real(bits), _) => (json!(tantivy::u64_to_f64(*bits)), None),
        (Key::Integer(truth), Some(FieldKind::Boolean)) => (json!(truth), Some((*truth != 0).to_string())),
        (Key::Integer(millis), Some(FieldKind::Date(own))) => {
            (json!(millis), Some(format.unwrap_or(own).render(*millis, zone)))
        }
        (Key::Integer(integer), _) => (json!(integer), None),
    }
}

/// Sorts the buckets of a histogram, drops those with too few documents, and with a minimum of none fills the gaps.
fn fill(
    buckets: &mut Vec<(i64, Bucket)>,
    min_doc_count: u64,
    bounds: Option<(i64, i64)>,
    subs: &[Agg],
    next: impl Fn(i64) -> i64,
) -> Result<(), Error> {
    buckets.sort_by_key(|(key, _)| *key);
    if min_doc_count > 0 {
        buckets.retain(|(_, bucket)| bucket.count >= min_doc_count);
        return Ok(());
    }
    let ends = buckets.first().map(|(key, _)| *key).zip(buckets.last().map(|(key, _)| *key));
    let (first, last) = match (ends, bounds) {
        (Some((first, last)), Some((least, most))) => (first.min(least), last.max(most)),
        (Some(ends), None) => ends,
        (None, Some(bounds)) => bounds,
        (None, None) => return Ok(()),
    };
    let mut filled = Vec::with_capacity(buckets.len());
    let mut present = std::mem::take(buckets).into_iter().peekable();
    let mut key = first;
    while key <= last {
        // What the walk steps over because a clock was changed is kept.
        while let Some(early) = present.next_if(|(at, _)| *at < key) {
            filled.push(early);
        }
        filled.push(present.next_if(|(at, _)| *at == key).unwrap_or_else(|| (key, empty(subs))));
        if filled.len() > BUCKETS_MAX {
            return Err(Error::too_many_buckets(BUCKETS_MAX));
        }
        key = next(key);
    }
    filled.extend(present);
    *buckets = filled;
    Ok(())
}

/// A bucket that nothing fell into.
fn empty(subs: &[Agg]) -> Bucket {
    let subs = subs.iter().map(|sub| match &sub.kind {
        Kind::Terms { .. } | Kind::DateHistogram(_) | Kind::Histogram { .. } => Partial::Keyed(HashMap::new()),
        Kind::Range { ranges, .. } => Partial::Placed(ranges.iter().map(|_| empty(&sub.subs)).collect()),
        Kind::Filters { filters } => Partial::Placed(filters.iter().map(|_| empty(&sub.subs)).collect()),
        Kind::Filter(_) | Kind::Missing { .. } => Partial::Placed(vec![empty(&sub.subs)]),
        Kind::Metric { .. } => Partial::Stats(Stats::default()),
        Kind::Cardinality { .. } => Partial::Distinct(Default::default()),
        Kind::Percentiles { .. } => Partial::Digest(Default::default()),
    });
    Bucket { count: 0, subs: subs.collect() }
}

/// What an aggregation finds where there is nothing to look at.
pub fn nothing(aggs: &[Agg]) -> Vec<Partial> {
    empty(aggs).subs
}

fn sort(agg: &Agg, order: &[Order], buckets: &mut [(Key, Bucket)]) {
    let mut values: Vec<Vec<f64>> = Vec::new();
    for order in order {
        if let OrderBy::Sub { name, property } = &order.by
            && let Some(at) = agg.subs.iter().position(|sub| sub.name == *name)
        {
            values.push(
                buckets
                    .iter_mut()
                    .map(|(_, bucket)| metric_value(&mut bucket.subs[at], &agg.subs[at], property.as_deref()))
                    .collect(),
            );
        } else {
            values.push(Vec::new());
        }
    }
    let mut places: Vec<usize> = (0..buckets.len()).collect();
    places.sort_by(|a, b| {
        for (order, values) in order.iter().zip(&values) {
            let compared = match order.by {
                OrderBy::Count => buckets[*a].1.count.cmp(&buckets[*b].1.count),
                OrderBy::Key => buckets[*a].0.cmp(&buckets[*b].0),
                // A bucket without a value comes last, whatever the direction.
                OrderBy::Sub { .. } => match (values[*a].is_nan(), values[*b].is_nan()) {
                    (true, true) => Ordering::Equal,
                    (true, false) => return Ordering::Greater,
                    (false, true) => return Ordering::Less,
                    _ => values[*a].total_cmp(&values[*b]),
                },
            };
            let compared = if order.descending { compared.reverse() } else { compared };
            if compared != Ordering::Equal {
                return compared;
            }
        }
        buckets[*a].0.cmp(&buckets[*b].0)
    });
    let mut rank = vec![0; places.len()];
    places.iter().enumerate().for_each(|(to, from)| rank[*from] = to);
    for at in 0..rank.len() {
        while rank[at] != at {
            let to = rank[at];
            buckets.swap(at, to);
            rank.swap(at, to);
        }
    }
}

fn metric_value(partial: &mut Partial, agg: &Agg, property: Option<&str>) -> f64 {
    match (partial, &agg.kind) {
        (Partial::Distinct(distinct), _) => distinct.count() as f64,
        (Partial::Digest(digest), _) => {
            let percent: f64 = property.and_then(|property| property.parse().ok()).unwrap_or(50.0);
            digest.quantile(percent / 100.0).unwrap_or(f64::NAN)
        }
        (Partial::Stats(stats), Kind::Metric { metric, .. }) => {
            let none = stats.count == 0;
            let average = if none { f64::NAN } else { stats.sum / stats.count as f64 };
            match (metric, property) {
                (Metric::Avg, _) | (Metric::Stats, Some("avg")) => average,
                (Metric::Min, _) | (Metric::Stats, Some("min")) => {
                    if none {
                        f64::NAN
                    } else {
                        stats.min
                    }
                }
                (Metric::Max, _) | (Metric::Stats, Some("max")) => {
                    if none {
                        f64::NAN
                    } else {
                        stats.max
                    }
                }
                (Metric::ValueCount, _) | (Metric::Stats, Some("count")) => stats.count as f64,
                _ => stats.sum,
            }
        }
        _ => f64::NAN,
    }
}
