//! A search request, read and checked.

use super::sort::{SortBy, SortKey};
use super::source::SourceFilter;
use crate::aggs::{self, Agg};
use crate::date::DateFormat;
use crate::error::Error;
use crate::query::text_of;
use serde_json::{Value, json};

/// OpenSearch's `index.max_result_window`.
const WINDOW_MAX: usize = 10_000;
/// Hits are counted exactly up to here unless the request says otherwise, as in OpenSearch.
const TRACK_DEFAULT: u64 = 10_000;

/// How far hits are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalHits {
    /// All.
    Exact,
    /// No more than this.
    UpTo(u64),
    /// Not at all.
    Off,
}

/// What to look for, and what to give back.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// The query DSL.
    pub query: Value,
    /// Hits to pass over.
    pub from: usize,
    /// Hits to give back.
    pub size: usize,
    /// The order of hits; empty for by score.
    pub(super) sort: Vec<SortKey>,
    pub(super) track_scores: bool,
    /// Sort values after which hits begin.
    pub(super) after: Option<Vec<Value>>,
    pub(super) source: SourceFilter,
    pub(super) aggs: Vec<Agg>,
    pub(super) total: TotalHits,
    pub(super) min_score: Option<f32>,
    pub(super) version: bool,
    pub(super) seq_no: bool,
}

impl SearchRequest {
    /// Reads the body of `_search`. `now` is for date math.
    pub fn read(body: &Value, now: i64) -> Result<Self, Error> {
        let empty = json!({});
        let body = if body.is_null() { &empty } else { body };
        let Some(members) = body.as_object() else { return Err(Error::parsing("a search is a JSON object")) };
        let mut request = Self {
            query: json!({"match_all": {}}),
            from: 0,
            size: 10,
            sort: Vec::new(),
            track_scores: false,
            after: None,
            source: SourceFilter::All,
            aggs: Vec::new(),
            total: TotalHits::UpTo(TRACK_DEFAULT),
            min_score: None,
            version: false,
            seq_no: false,
        };
        for (key, value) in members {
            match key.as_str() {
                "query" if value.is_null() => {}
                "query" => request.query = value.clone(),
                "from" => request.from = whole(key, value)?,
                "size" => request.size = whole(key, value)?,
                "sort" => request.sort = read_sort(value)?,
                "track_scores" => request.track_scores = truth(key, value)?,
                "search_after" => {
                    let values = value.as_array().cloned();
                    request.after =
                        Some(values.ok_or_else(|| Error::parsing("[search_after] is an array of sort values"))?);
                }
                "_source" => request.source = SourceFilter::read(value)?,
                "aggs" | "aggregations" => request.aggs = aggs::read(value, now)?,
                "track_total_hits" => request.total = total(value)?,
                "min_score" => {
                    let score = value.as_f64().ok_or_else(|| Error::parsing("[min_score] must be a number"))?;
                    request.min_score = Some(score as f32);
                }
                "version" => request.version = truth(key, value)?,
                "seq_no_primary_term" => request.seq_no = truth(key, value)?,
                // A search runs to its end here; there is nothing to cut short or to explain.
                "timeout" => {}
                "explain" | "profile" if value == &Value::Bool(false) => {}
                other => return Err(Error::parsing(format!("Unknown or not yet supported key [{other}] in a search"))),
            }
        }
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), Error> {
        let window = self.from.saturating_add(self.size);
        if window > WINDOW_MAX {
            return Err(Error::illegal_argument(format!(
                "Result window is too large, from + size must be less than or equal to: [{WINDOW_MAX}] but was [{window}]. \
                 Use [search_after] to go further"
            )));
        }
        match &self.after {
            Some(after) if after.len() != self.sort.len() => Err(Error::illegal_argument(format!(
                "search_after has {} value(s) but sort has {}.",
                after.len(),
                self.sort.len()
            ))),
            Some(_) if self.from > 0 => {
                Err(Error::illegal_argument("`from` parameter must be set to 0 when `search_after` is used."))
            }
            _ => Ok(()),
        }
    }

    /// True when hits need their scores.
    pub(super) fn needs_scores(&self) -> bool {
        let sorted_by_score = self.sort.is_empty() || self.sort.iter().any(|key| key.by == SortBy::Score);
        (sorted_by_score && self.size > 0) || self.track_scores || self.min_score.is_some()
    }
}

fn whole(key: &str, value: &Value) -> Result<usize, Error> {
    let whole = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let whole = whole.ok_or_else(|| Error::parsing(format!("[{key}] must be a whole number")))?;
    let negative = |_| Error::illegal_argument(format!("[{key}] parameter cannot be negative, found [{whole}]"));
    usize::try_from(whole).map_err(negative)
}

fn truth(key: &str, value: &Value) -> Result<bool, Error> {
    value.as_bool().ok_or_else(|| Error::parsing(format!("[{key}] is true or false")))
}

fn total(value: &Value) -> Result<TotalHits, Error> {
    match value {
        Value::Bool(true) => Ok(TotalHits::Exact),
        Value::Bool(false) => Ok(TotalHits::Off),
        value => match whole("track_total_hits", value)? {
            usize::MAX => Ok(TotalHits::Exact),
            count => Ok(TotalHits::UpTo(count as u64)),
        },
    }
}

fn read_sort(value: &Value) -> Result<Vec<SortKey>, Error> {
    let one = std::slice::from_ref(value);
    let entries = value.as_array().map_or(one, Vec::as_slice);
    let mut keys = Vec::new();
    for entry in entries {
        match entry {
            // `field` or `field:desc`, the latter from a URL.
            Value::String(text) => {
                let (path, direction) = text.rsplit_once(':').unwrap_or((text, ""));
                let path = if matches!(direction, "asc" | "desc") { path } else { text };
                keys.push(sort_key(path, &json!(if direction.is_empty() { Value::Null } else { json!(direction) }))?);
            }
            Value::Object(members) => {
                for (path, options) in members {
                    keys.push(sort_key(path, options)?);
                }
            }
            _ => return Err(Error::parsing("[sort] is a field, an object, or an array of them")),
        }
    }
    Ok(keys)
}

fn sort_key(path: &str, options: &Value) -> Result<SortKey, Error> {
    let by = match path {
        "_score" => SortBy::Score,
        "_doc" => SortBy::Doc,
        path => SortBy::Field(path.to_owned()),
    };
    let mut key = SortKey {
        descending: by == SortBy::Score,
        by,
        missing: None,
        of_greatest: None,
        format: None,
        unmapped: false,
    };
    let direction = |text: &str| match text.to_lowercase().as_str() {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(Error::illegal_argument(format!("sort order of [{path}] is asc or desc, not [{text}]"))),
    };
    match options {
        Value::Null => {}
        Value::String(text) => key.descending = direction(text)?,
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "order" => key.descending = direction(&text_of(value))?,
                    "missing" => key.missing = Some(value.clone()),
                    "mode" if value == "min" => key.of_greatest = Some(false),
                    "mode" if value == "max" => key.of_greatest = Some(true),
                    "unmapped_type" => key.unmapped = true,
                    "format" => {
                        let format = DateFormat::parse_format(&text_of(value));
                        key.format = Some(format.map_err(|error| Error::illegal_argument(error.to_string()))?);
                    }
                    other => return Err(Error::not_supported(format!("[{other}] in the sort on [{path}]"))),
                }
            }
        }
        _ => return Err(Error::parsing(format!("the sort on [{path}] is asc, desc or an object"))),
    }
    Ok(key)
}
