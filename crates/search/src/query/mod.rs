//! Queries: OpenSearch's query DSL, made into tantivy's queries for one index.

mod bm25;
mod compound;
mod docs;
mod field;
mod full_text;
mod lucene;
mod simple;

pub use field::{column_of, text_of, wildcard_to_regex};

use crate::date::{DateFormat, Zone};
use crate::error::Error;
use crate::index::{Index, Layout};
use crate::mapping::Mappings;
use field::Range;
use serde_json::{Map, Value};
use tantivy::query::{AllQuery, BoostQuery, EmptyQuery, Query};

/// A query of tantivy.
pub type BoxQuery = Box<dyn Query>;

/// Queries nest at most this deep, so that no request can exhaust the stack.
const DEPTH_MAX: usize = 50;

/// What a query needs to know of the index that it runs on.
pub struct Context<'a> {
    /// The index.
    pub index: &'a Index,
    /// Where things lie.
    pub layout: &'a Layout,
    /// What the fields are.
    pub mappings: &'a Mappings,
    /// `now` of date math.
    pub now: i64,
}

impl Context<'_> {
    /// Makes a query of the DSL's JSON.
    pub fn query(&self, dsl: &Value) -> Result<BoxQuery, Error> {
        self.query_at(dsl, 0)
    }

    pub(crate) fn query_at(&self, dsl: &Value, depth: usize) -> Result<BoxQuery, Error> {
        if depth > DEPTH_MAX {
            return Err(Error::parsing(format!("queries are nested more than {DEPTH_MAX} deep")));
        }
        let clause = dsl.as_object().filter(|clause| clause.len() <= 1);
        let Some(clause) = clause else {
            return Err(Error::parsing("[query] malformed query: one query name and its body are expected"));
        };
        let Some((name, body)) = clause.iter().next() else {
            return Err(Error::illegal_argument("query malformed, empty clause found"));
        };
        let depth = depth + 1;
        match name.as_str() {
            "match_all" => self.boosted(Box::new(AllQuery), body),
            "match_none" => Ok(Box::new(EmptyQuery)),
            "bool" => self.bool_query(body, depth),
            "constant_score" => self.constant_score(body, depth),
            "dis_max" => self.dis_max(body, depth),
            "match" => self.match_query(body),
            "match_phrase" => self.match_phrase_query(body),
            "multi_match" => self.multi_match(body),
            "query_string" => self.query_string(body),
            "simple_query_string" => self.simple_query_string(body),
            "term" => self.term_query(body),
            "terms" => self.terms_query(body),
            "range" => self.range_query(body),
            "exists" => self.exists_query(body),
            "prefix" => self.pattern_query(body, "prefix"),
            "wildcard" => self.pattern_query(body, "wildcard"),
            "ids" => self.ids_query(body),
            known @ ("fuzzy"
            | "regexp"
            | "nested"
            | "has_child"
            | "has_parent"
            | "function_score"
            | "script"
            | "script_score"
            | "geo_distance"
            | "geo_bounding_box"
            | "geo_shape"
            | "more_like_this"
            | "match_phrase_prefix"
            | "match_bool_prefix"
            | "terms_set"
            | "boosting"
            | "knn"
            | "neural"
            | "percolate"
            | "intervals"
            | "span_term"
            | "span_near"
            | "rank_feature"
            | "distance_feature"
            | "wrapper") => Err(Error::not_supported(format!("the query [{known}]"))),
            unknown => Err(Error::parsing(format!("unknown query [{unknown}]"))),
        }
    }

    fn boosted(&self, query: BoxQuery, body: &Value) -> Result<BoxQuery, Error> {
        let boost = match body.as_object().and_then(|body| body.get("boost")) {
            Some(boost) => number(boost, "boost")? as f32,
            None => return Ok(query),
        };
        if boost < 0.0 {
            return Err(Error::illegal_argument(format!("negative [boost] are not allowed in [{boost}]")));
        }
        Ok(if boost == 1.0 { query } else { Box::new(BoostQuery::new(query, boost)) })
    }

    fn term_query(&self, body: &Value) -> Result<BoxQuery, Error> {
        let (path, options) = single_field("term", body)?;
        let options = Options::of("term", options, "value", &["boost", "case_insensitive", "_name"])?;
        if options.truth("case_insensitive")? {
            let text = text_of(options.main("term", path)?);
            let escaped = text.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?");
            return self.boosted(self.wildcard(path, &escaped, true)?, options.whole);
        }
        self.boosted(self.term(path, options.main("term", path)?)?, options.whole)
    }

    fn terms_query(&self, body: &Value) -> Result<BoxQuery, Error> {
        let mut query = None;
        for (key, value) in object("terms", body)? {
            match (key.as_str(), value) {
                ("boost" | "_name", _) => {}
                (path, Value::Array(values)) if query.is_none() => query = Some(self.terms(path, values)?),
                (path, Value::Object(_)) => {
                    return Err(Error::not_supported(format!("the terms lookup of [{path}] in another index")));
                }
                (path, _) => {
                    return Err(Error::parsing(format!("[terms] query needs one field with an array: [{path}]")));
                }
            }
        }
        let query = query.ok_or_else(|| Error::parsing("[terms] query requires a field name"))?;
        self.boosted(query, body)
    }

    fn range_query(&self, body: &Value) -> Result<BoxQuery, Error> {
        let (path, options) = single_field("range", body)?;
        let mut range = Range::default();
        let or_null = |value: &Value, included| (!value.is_null()).then(|| (value.clone(), included));
        for (key, value) in object("range", options)? {
            match key.as_str() {
                "gte" => range.low = or_null(value, true),
                "gt" => range.low = or_null(value, false),
                "lte" => range.high = or_null(value, true),
                "lt" => range.high = or_null(value, false),
                "from" => range.low = or_null(value, options["include_lower"] != Value::Bool(false)),
                "to" => range.high = or_null(value, options["include_upper"] != Value::Bool(false)),
                "include_lower" | "include_upper" | "boost" | "_name" => {}
                "format" => {
                    let format = DateFormat::parse_format(&text_of(value));
                    range.format = Some(format.map_err(|error| Error::illegal_argument(error.to_string()))?);
                }
                "time_zone" => range.zone = Some(zone(value)?),
                other => return Err(Error::parsing(format!("[range] query does not support [{other}]"))),
            }
        }
        self.boosted(self.range(path, &range)?, options)
    }

    fn exists_query(&self, body: &Value) -> Result<BoxQuery, Error> {
        let options = Options::of("exists", body, "field", &["boost", "_name"])?;
        self.boosted(self.exists(&text_of(options.main("exists", "field")?)), body)
    }

    fn pattern_query(&self, body: &Value, name: &'static str) -> Result<BoxQuery, Error> {
        let (path, options) = single_field(name, body)?;
        let allowed = &["boost", "case_insensitive", "wildcard", "rewrite", "_name"];
        let options = Options::of(name, options, "value", allowed)?;
        let text = options.get("wildcard").map_or_else(|| options.main(name, path), Ok)?;
        let fold_case = options.truth("case_insensitive")?;
        let query = match name {
            "prefix" => self.prefix(path, &text_of(text), fold_case)?,
            _ => self.wildcard(path, &text_of(text), fold_case)?,
        };
        self.boosted(query, options.whole)
    }

    fn ids_query(&self, body: &Value) -> Result<BoxQuery, Error> {
        let options = Options::of("ids", body, "values", &["boost", "_name"])?;
        let values = options.main("ids", "values")?;
        let one = std::slice::from_ref(values);
        let ids = values.as_array().map_or(one, Vec::as_slice);
        self.boosted(self.ids(ids.iter().map(text_of)), body)
    }
}

/// The body of a query on one field: either the value itself, or an object of options.
pub(crate) struct Options<'a> {
    whole: &'a Value,
    main: Option<&'a Value>,
}

impl<'a> Options<'a> {
    /// Reads the options; any that is neither `main` nor allowed is an error that names it.
    pub fn of(query: &str, body: &'a Value, main: &str, allowed: &[&str]) -> Result<Self, Error> {
        let Some(members) = body.as_object() else { return Ok(Self { whole: body, main: Some(body) }) };
        if let Some(unknown) = members.keys().find(|key| *key != main && !allowed.contains(&key.as_str())) {
            return Err(Error::parsing(format!("[{query}] query does not support [{unknown}]")));
        }
        Ok(Self { whole: body, main: members.get(main) })
    }

    /// The value itself.
    pub fn main(&self, query: &str, place: &str) -> Result<&'a Value, Error> {
        self.main.ok_or_else(|| {
            Error::illegal_argument(format!("value cannot be null: [{query}] query on [{place}] has none"))
        })
    }

    /// An option.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.whole.as_object()?.get(key)
    }

    /// An option that is true or false; false when absent.
    pub fn truth(&self, key: &str) -> Result<bool, Error> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(Value::String(text)) if text == "true" || text == "false" => Ok(text == "true"),
            Some(other) => Err(Error::parsing(format!("[{key}] is true or false, not [{other}]"))),
        }
    }
}

pub(crate) fn object<'a>(query: &str, body: &'a Value) -> Result<&'a Map<String, Value>, Error> {
    body.as_object()
        .ok_or_else(|| Error::parsing(format!("[{query}] query malformed, no start_object after query name")))
}

pub(crate) fn single_field<'a>(query: &str, body: &'a Value) -> Result<(&'a str, &'a Value), Error> {
    let members = object(query, body)?;
    let mut fields = members.iter();
    match (fields.next(), fields.next()) {
        (Some((path, options)), None) => Ok((path, options)),
        (None, _) => Err(Error::illegal_argument(format!("[{query}] query needs a field name"))),
        (_, Some((second, _))) => Err(Error::parsing(format!(
            "[{query}] query doesn't support multiple fields, found [{second}] besides the first"
        ))),
    }
}

pub(crate) fn number(value: &Value, name: &str) -> Result<f64, Error> {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| Error::parsing(format!("[{name}] must be a number, not [{}]", text_of(value))))
}

/// Reads a `time_zone`.
pub fn zone(value: &Value) -> Result<Zone, Error> {
    let text = text_of(value);
    Zone::parse(&text).ok_or_else(|| Error::illegal_argument(format!("unknown time_zone [{text}]")))
}
