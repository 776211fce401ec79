//! Reads aggregations from a request.

use super::request::{Agg, DateHistogram, Interval, Kind, Metric, Order, OrderBy, Range};
use crate::date::{DateFormat, Unit, Zone, parse_math};
use crate::error::Error;
use crate::index::parse_interval;
use crate::query::{text_of, zone};
use serde_json::{Map, Value};

const DEPTH_MAX: usize = 20;
/// The percentages that OpenSearch gives when none are asked for.
const PERCENTS: [f64; 7] = [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0];

/// Reads `aggs`. `now` is for date math in bounds.
pub fn read(body: &Value, now: i64) -> Result<Vec<Agg>, Error> {
    read_at(body, now, 0)
}

fn read_at(body: &Value, now: i64, depth: usize) -> Result<Vec<Agg>, Error> {
    if depth > DEPTH_MAX {
        return Err(Error::parsing(format!("aggregations are nested more than {DEPTH_MAX} deep")));
    }
    let Some(members) = body.as_object() else {
        return Err(Error::parsing("[aggs] is an object of named aggregations"));
    };
    members.iter().map(|(name, definition)| one(name, definition, now, depth)).collect()
}

fn one(name: &str, definition: &Value, now: i64, depth: usize) -> Result<Agg, Error> {
    let Some(members) = definition.as_object() else {
        return Err(Error::parsing(format!("Expected [START_OBJECT] under the aggregation [{name}]")));
    };
    let (mut kind, mut subs, mut meta) = (None, Vec::new(), None);
    for (key, value) in members {
        match key.as_str() {
            "aggs" | "aggregations" => subs = read_at(value, now, depth + 1)?,
            "meta" => meta = Some(value.clone()),
            _ if kind.is_some() => {
                return Err(Error::parsing(format!(
                    "Found two aggregation type definitions in [{name}]: [{key}] is the second"
                )));
            }
            type_name => kind = Some(read_kind(name, type_name, value, now)?),
        }
    }
    let kind = kind.ok_or_else(|| Error::parsing(format!("Missing definition for aggregation [{name}]")))?;
    let is_metric = matches!(kind, Kind::Metric { .. } | Kind::Cardinality { .. } | Kind::Percentiles { .. });
    if is_metric && !subs.is_empty() {
        return Err(Error::illegal_argument(format!("Aggregator [{name}] cannot accept sub-aggregations")));
    }
    let agg = Agg { name: name.to_owned(), kind, subs, meta };
    check_order(&agg)?;
    Ok(agg)
}

fn check_order(agg: &Agg) -> Result<(), Error> {
    let order = match &agg.kind {
        Kind::Terms { order, .. } => order,
        Kind::DateHistogram(histogram) => &histogram.order,
        _ => return Ok(()),
    };
    for order in order {
        let OrderBy::Sub { name, property } = &order.by else { continue };
        let sub = agg.subs.iter().find(|sub| sub.name == *name);
        let fits = match sub.map(|sub| &sub.kind) {
            Some(Kind::Metric { metric: Metric::Stats, .. }) | Some(Kind::Percentiles { .. }) => property.is_some(),
            Some(Kind::Metric { .. } | Kind::Cardinality { .. }) => property.as_deref().is_none_or(|p| p == "value"),
            _ => false,
        };
        if !fits {
            return Err(Error::illegal_argument(format!(
                "Invalid aggregation order path [{name}]: it must name a metric directly below [{}], and one of its values \
                 if it has several",
                agg.name
            )));
        }
    }
    Ok(())
}

/// The parameters of an aggregation; each is taken once, what is left is unknown.
struct Params<'a> {
    agg: &'a str,
    kind: &'a str,
    members: Map<String, Value>,
}

impl Params<'_> {
    fn take(&mut self, key: &str) -> Option<Value> {
        self.members.shift_remove(key)
    }

    fn path(&mut self) -> Result<String, Error> {
        if self.members.contains_key("script") {
            return Err(Error::not_supported(format!("[script] in the aggregation [{}]", self.agg)));
        }
        let path = self.take("field");
        path.as_ref().and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
            Error::illegal_argument(format!(
                "Required [field] missing in aggregation [{}] of type [{}]",
                self.agg, self.kind
            ))
        })
    }

    fn number(&mut self, key: &str) -> Result<Option<f64>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        number.map(Some).ok_or_else(|| self.wrong(key, "must be a number"))
    }

    fn truth(&mut self, key: &str, default: bool) -> Result<bool, Error> {
        match self.take(key) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(key, "is true or false")),
        }
    }

    fn format(&mut self) -> Result<Option<DateFormat>, Error> {
        let Some(value) = self.take("format") else { return Ok(None) };
        DateFormat::parse_format(&text_of(&value)).map(Some).map_err(|error| Error::illegal_argument(error.to_string()))
    }

    fn wrong(&self, key: &str, why: &str) -> Error {
        Error::illegal_argument(format!("[{key}] of the aggregation [{}] {why}", self.agg))
    }

    fn finish(self) -> Result<(), Error> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(key) => Err(Error::parsing(format!(
                "[{}] unknown field [{key}] in the aggregation [{}], or not supported by Millrace yet",
                self.kind, self.agg
            ))),
        }
    }
}

fn read_kind(agg: &str, kind: &str, value: &Value, now: i64) -> Result<Kind, Error> {
    match kind {
        "filter" => return Ok(Kind::Filter(value.clone())),
        "filters" => return filters(agg, value),
        _ => {}
    }
    let members = value.as_object().cloned();
    let members =
        members.ok_or_else(|| Error::parsing(format!("Expected [START_OBJECT] under [{kind}] in [{agg}]")))?;
    let mut params = Params { agg, kind, members };
    let metric = match kind {
        "avg" => Some(Metric::Avg),
        "sum" => Some(Metric::Sum),
        "min" => Some(Metric::Min),
        "max" => Some(Metric::Max),
        "value_count" => Some(Metric::ValueCount),
        "stats" => Some(Metric::Stats),
        _ => None,
    };
    let read = match kind {
        _ if let Some(metric) = metric => {
            Kind::Metric { path: params.path()?, metric, missing: params.take("missing") }
        }
        "terms" => terms(&mut params)?,
        "date_histogram" => Kind::DateHistogram(Box::new(date_histogram(&mut params, now)?)),
        "histogram" => histogram(&mut params)?,
        "range" => range(&mut params)?,
        "missing" => Kind::Missing { path: params.path()? },
        "cardinality" => {
            params.take("precision_threshold");
            Kind::Cardinality { path: params.path()?, missing: params.take("missing") }
        }
        "percentiles" => percentiles(&mut params)?,
        other => {
            return Err(Error::illegal_argument(format!(
                "Unknown or not yet supported aggregation type [{other}] in [{agg}]; Millrace has terms, date_histogram, \
                 histogram, range, filter, filters, missing, avg, sum, min, max, value_count, stats, cardinality, percentiles"
            )));
        }
    };
    params.finish()?;
    Ok(read)
}

fn terms(params: &mut Params<'_>) -> Result<Kind, Error> {
    let path = params.path()?;
    let size = params.number("size")?.unwrap_or(10.0);
    if size < 1.0 {
        return Err(params.wrong("size", "must be greater than 0"));
    }
    // Every bucket is counted here, so there is nothing to make more exact.
    params.take("shard_size");
    params.take("show_term_doc_count_error");
    params.take("execution_hint");
    params.take("collect_mode");
    let default = vec![Order { by: OrderBy::Count, descending: true }];
    let order = params.take("order").map_or(Ok(default), |order| read_order(params, &order))?;
    let min_doc_count = params.number("min_doc_count")?.unwrap_or(1.0) as u64;
    if min_doc_count == 0 {
        return Err(Error::not_supported("[min_doc_count] of 0 in a terms aggregation"));
    }
    Ok(Kind::Terms {
        path,
        size: size as usize,
        order,
        missing: params.take("missing"),
        min_doc_count,
        format: params.format()?,
    })
}

fn read_order(params: &Params<'_>, order: &Value) -> Result<Vec<Order>, Error> {
    let one = std::slice::from_ref(order);
    let entries = order.as_array().map_or(one, Vec::as_slice);
    let mut read = Vec::new();
    for entry in entries {
        for (key, direction) in entry.as_object().into_iter().flatten() {
            let by = match key.as_str() {
                "_count" => OrderBy::Count,
                "_key" | "_term" => OrderBy::Key,
                name => match name.split_once(['.', '[']) {
                    Some((name, property)) => OrderBy::Sub {
                        name: name.to_owned(),
                        property: Some(property.trim_end_matches(']').to_owned()),
                    },
                    None => OrderBy::Sub { name: name.to_owned(), property: None },
                },
            };
            let descending = match text_of(direction).to_lowercase().as_str() {
                "asc" => false,
                "desc" => true,
                _ => return Err(params.wrong("order", "is asc or desc")),
            };
            read.push(Order { by, descending });
        }
    }
    if read.is_empty() { Err(params.wrong("order", "must name _count, _key or a metric")) } else { Ok(read) }
}

fn date_histogram(params: &mut Params<'_>, now: i64) -> Result<DateHistogram, Error> {
    let path = params.path()?;
    let (fixed, calendar) = (params.take("fixed_interval"), params.take("calendar_interval"));
    if params.members.contains_key("interval") {
        return Err(params.wrong("interval", "is deprecated: use [fixed_interval] or [calendar_interval]"));
    }
    let interval = match (fixed, calendar) {
        (Some(fixed), None) => {
            let interval = parse_interval(&text_of(&fixed)).filter(|interval| *interval > 0);
            Interval::Fixed(
                interval.ok_or_else(|| params.wrong("fixed_interval", "is a number with ms, s, m, h or d"))?,
            )
        }
        (None, Some(calendar)) => {
            let unit = Unit::of_calendar_interval(&text_of(&calendar));
            Interval::Calendar(unit.ok_or_else(|| {
                params.wrong("calendar_interval", "is one of minute, hour, day, week, month, quarter, year")
            })?)
        }
        _ => {
            return Err(Error::illegal_argument(format!(
                "Invalid interval specified, must be non-null and non-empty: [{}] needs [fixed_interval] or [calendar_interval]",
                params.agg
            )));
        }
    };
    let zone = params.take("time_zone").map_or(Ok(Zone::UTC), |value| zone(&value))?;
    let format = params.format()?;
    let offset_ms = match params.take("offset").map(|value| text_of(&value)) {
        None => 0,
        Some(text) => {
            let interval = parse_interval(text.trim_start_matches(['+', '-']));
            let interval = interval.ok_or_else(|| params.wrong("offset", "is a number with ms, s, m, h or d"))?;
            if text.starts_with('-') { -interval } else { interval }
        }
    };
    let bounds = match params.take("extended_bounds") {
        None => None,
        Some(bounds) => {
            let format = format.clone().unwrap_or_default();
            let at = |key: &str| {
                bounds[key].as_i64().or_else(|| parse_math(bounds[key].as_str()?, &format, now, false, &zone))
            };
            let bounds = at("min").zip(at("max"));
            Some(bounds.ok_or_else(|| params.wrong("extended_bounds", "needs [min] and [max], both dates"))?)
        }
    };
    let order = match params.take("order") {
        Some(order) => read_order(params, &order)?,
        None => vec![Order { by: OrderBy::Key, descending: false }],
    };
    let min_doc_count = params.number("min_doc_count")?.unwrap_or(0.0) as u64;
    let keyed = params.truth("keyed", false)?;
    let missing = params.take("missing");
    Ok(DateHistogram { path, interval, offset_ms, zone, format, min_doc_count, keyed, bounds, order, missing })
}

fn histogram(params: &mut Params<'_>) -> Result<Kind, Error> {
    let path = params.path()?;
    let interval = params.number("interval")?.filter(|interval| *interval > 0.0);
    let interval = interval.ok_or_else(|| params.wrong("interval", "must be a number greater than 0"))?;
    Ok(Kind::Histogram {
        path,
        interval,
        offset: params.number("offset")?.unwrap_or(0.0),
        min_doc_count: params.number("min_doc_count")?.unwrap_or(0.0) as u64,
        keyed: params.truth("keyed", false)?,
        missing: params.take("missing"),
    })
}

fn range(params: &mut Params<'_>) -> Result<Kind, Error> {
    let path = params.path()?;
    let keyed = params.truth("keyed", false)?;
    let ranges = params.take("ranges");
    let ranges = ranges.as_ref().and_then(Value::as_array).filter(|ranges| !ranges.is_empty());
    let ranges = ranges.ok_or_else(|| params.wrong("ranges", "must be an array of at least one range"))?;
    let bound = |range: &Value, key: &str| match &range[key] {
        Value::Null => Ok(None),
        value => {
            let bound = value.as_f64().or_else(|| value.as_str()?.parse().ok());
            bound.map(Some).ok_or_else(|| params.wrong("ranges", "has a bound that is no number"))
        }
    };
    let read = ranges.iter().map(|range| {
        let key = range["key"].as_str().map(str::to_owned);
        Ok(Range { key, from: bound(range, "from")?, to: bound(range, "to")? })
    });
    let mut ranges = read.collect::<Result<Vec<_>, Error>>()?;
    let low = |range: &Range| (range.from.unwrap_or(f64::NEG_INFINITY), range.to.unwrap_or(f64::INFINITY));
    ranges.sort_by(|a, b| low(a).partial_cmp(&low(b)).unwrap_or(std::cmp::Ordering::Equal));
    Ok(Kind::Range { path, ranges, keyed })
}

fn percentiles(params: &mut Params<'_>) -> Result<Kind, Error> {
    let path = params.path()?;
    let percents = match params.take("percents") {
        None => PERCENTS.to_vec(),
        Some(percents) => {
            let percents = percents.as_array().map(|all| all.iter().filter_map(Value::as_f64).collect::<Vec<_>>());
            let fits = |all: &Vec<f64>| !all.is_empty() && all.iter().all(|percent| (0.0..=100.0).contains(percent));
            percents
                .filter(fits)
                .ok_or_else(|| params.wrong("percents", "must be an array of numbers from 0 to 100"))?
        }
    };
    let keyed = params.truth("keyed", true)?;
    Ok(Kind::Percentiles { path, percents, keyed, missing: params.take("missing") })
}

fn filters(agg: &str, value: &Value) -> Result<Kind, Error> {
    let filters = match &value["filters"] {
        Value::Object(named) => named.iter().map(|(name, query)| (Some(name.clone()), query.clone())).collect(),
        Value::Array(queries) => queries.iter().map(|query| (None, query.clone())).collect(),
        _ => {
            return Err(Error::parsing(format!(
                "[filters] of the aggregation [{agg}] is an object or an array of queries"
            )));
        }
    };
    let unknown = value.as_object().into_iter().flatten().map(|(key, _)| key).find(|key| *key != "filters");
    if let Some(key) = unknown {
        return Err(Error::not_supported(format!("[{key}] in the filters aggregation [{agg}]")));
    }
    Ok(Kind::Filters { filters })
}
