//! Queries on analyzed text: `match`, `match_phrase`, `multi_match`, and what the query string's tree becomes.

use super::compound::{best_of, minimum_should_match};
use super::field::Range;
use super::lucene::{self, Clause, Leaf, Node, Occurs};
use super::{BoxQuery, Context, Options, number, object, simple, single_field, text_of, wildcard_to_regex};
use crate::error::Error;
use crate::mapping::Kind;
use serde_json::Value;
use tantivy::query::{AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, Occur};

const MATCH_OPTIONS: &[&str] = &[
    "operator",
    "minimum_should_match",
    "boost",
    "lenient",
    "zero_terms_query",
    "auto_generate_synonyms_phrase_query",
    "_name",
];

/// Where and how the words of a query string are looked for.
struct Scope {
    /// Paths with their boosts; empty for all fields.
    fields: Vec<(String, f32)>,
    all_must_match: bool,
    lenient: bool,
    analyze_wildcard: bool,
}

impl Context<'_> {
    pub(super) fn match_query(&self, body: &Value) -> Result<BoxQuery, Error> {
        let (path, options) = single_field("match", body)?;
        let options = Options::of("match", options, "query", MATCH_OPTIONS)?;
        let value = options.main("match", path)?;
        let query = self.match_with(path, value, &options)?;
        self.boosted(query, options.whole)
    }

    fn match_with(&self, path: &str, value: &Value, options: &Options<'_>) -> Result<BoxQuery, Error> {
        let and = is_and(options.get("operator"))?;
        let zero_terms = options.get("zero_terms_query").map(text_of);
        let spec = options.get("minimum_should_match");
        if let Some(spec) = spec {
            minimum_should_match(spec, 1)?;
        }
        let needed = |count: usize| match spec {
            _ if and => count,
            Some(spec) => minimum_should_match(spec, count).unwrap_or(1),
            None => 1,
        };
        let is_text = self.mappings.field(path).is_some_and(|field| field.kind == Kind::Text);
        if zero_terms.as_deref() == Some("all") && is_text && crate::analysis::count(&text_of(value)) == 0 {
            return Ok(Box::new(AllQuery));
        }
        self.lenient(options.truth("lenient")?, self.match_text(path, value, needed))
    }

    pub(super) fn match_phrase_query(&self, body: &Value) -> Result<BoxQuery, Error> {
        let (path, options) = single_field("match_phrase", body)?;
        let options = Options::of("match_phrase", options, "query", &["slop", "boost", "zero_terms_query", "_name"])?;
        let slop = options.get("slop").map_or(Ok(0.0), |slop| number(slop, "slop"))?;
        self.boosted(self.match_phrase(path, options.main("match_phrase", path)?, slop as u32)?, options.whole)
    }

    pub(super) fn multi_match(&self, body: &Value) -> Result<BoxQuery, Error> {
        object("multi_match", body)?;
        let mut allowed = MATCH_OPTIONS.to_vec();
        allowed.extend(["fields", "type", "tie_breaker", "slop"]);
        let options = Options::of("multi_match", body, "query", &allowed)?;
        let value = options.main("multi_match", "query")?;
        let fields = self.expand(&names(options.get("fields"))?);
        let kind = options.get("type").map_or_else(|| "best_fields".to_owned(), text_of);
        let tie_breaker = options.get("tie_breaker").map_or(Ok(0.0), |value| number(value, "tie_breaker"))? as f32;
        let mut queries = Vec::new();
        for (path, boost) in fields {
            let query = match kind.as_str() {
                "best_fields" | "most_fields" => self.match_with(&path, value, &options)?,
                "phrase" => {
                    let slop = options.get("slop").map_or(Ok(0.0), |slop| number(slop, "slop"))?;
                    self.match_phrase(&path, value, slop as u32)?
                }
                other => return Err(Error::not_supported(format!("[multi_match] of type [{other}]"))),
            };
            queries.push(with_boost(query, boost));
        }
        let query = if kind == "most_fields" { any_of(queries) } else { best_of(queries, tie_breaker) };
        self.boosted(query, body)
    }

    pub(super) fn query_string(&self, body: &Value) -> Result<BoxQuery, Error> {
        let allowed = [
            "default_field",
            "fields",
            "default_operator",
            "lenient",
            "analyze_wildcard",
            "boost",
            "type",
            "allow_leading_wildcard",
            "_name",
        ];
        let options = Options::of("query_string", body, "query", &allowed)?;
        let text = text_of(options.main("query_string", "query")?);
        if let Some(other) = options.get("type").map(text_of).filter(|kind| kind != "best_fields") {
            return Err(Error::not_supported(format!("[query_string] of type [{other}]")));
        }
        let mut fields = names(options.get("fields"))?;
        fields.extend(names(options.get("default_field"))?);
        let scope = self.scope(&fields, is_and(options.get("default_operator"))?, &options)?;
        let tree =
            lucene::parse(&text).map_err(|why| Error::query_shard(format!("Failed to parse query [{text}]: {why}")))?;
        self.boosted(self.tree(&tree, &scope)?, body)
    }

    pub(super) fn simple_query_string(&self, body: &Value) -> Result<BoxQuery, Error> {
        let allowed = ["fields", "default_operator", "lenient", "analyze_wildcard", "boost", "_name"];
        let options = Options::of("simple_query_string", body, "query", &allowed)?;
        let text = text_of(options.main("simple_query_string", "query")?);
        let all = is_and(options.get("default_operator"))?;
        let scope = self.scope(&names(options.get("fields"))?, all, &options)?;
        self.boosted(self.tree(&simple::parse(&text, all), &Scope { lenient: true, ..scope })?, body)
    }

    fn scope(&self, fields: &[String], all_must_match: bool, options: &Options<'_>) -> Result<Scope, Error> {
        let everywhere = fields.is_empty() || fields.iter().any(|field| field == "*");
        let lenient = options.truth("lenient")? || (everywhere && options.get("lenient").is_none());
        let analyze_wildcard = options.truth("analyze_wildcard")?;
        Ok(Scope {
            fields: if everywhere { self.expand(&["*".into()]) } else { self.expand(fields) },
            all_must_match,
            lenient,
            analyze_wildcard,
        })
    }

    /// Paths and boosts of names like `title^2` and `user.*`.
    fn expand(&self, names: &[String]) -> Vec<(String, f32)> {
        let mut out = Vec::new();
        for name in names {
            let (pattern, boost) = match name.rsplit_once('^') {
                Some((pattern, boost)) => (pattern, boost.parse().unwrap_or(1.0)),
                None => (name.as_str(), 1.0),
            };
            if !pattern.contains('*') {
                out.push((pattern.to_owned(), boost));
                continue;
            }
            let Ok(regex) = regex::Regex::new(&format!("^(?:{})$", wildcard_to_regex(pattern).0)) else { continue };
            out.extend(self.mappings.all().filter(|(path, _)| regex.is_match(path)).map(|(path, _)| (path, boost)));
        }
        out
    }

    fn lenient(&self, lenient: bool, query: Result<BoxQuery, Error>) -> Result<BoxQuery, Error> {
        match query {
            Err(error) if lenient && error.status == 400 => Ok(Box::new(EmptyQuery)),
            other => other,
        }
    }

    fn tree(&self, node: &Node, scope: &Scope) -> Result<BoxQuery, Error> {
        match node {
            Node::Group(clauses) => self.group(clauses, scope),
            Node::Boost(inner, boost) => Ok(with_boost(self.tree(inner, scope)?, *boost)),
            Node::Field(name, inner) => {
                let fields = self.expand(std::slice::from_ref(name));
                self.tree(inner, &Scope { fields, ..*scope })
            }
            Node::Leaf(Leaf::All) => Ok(Box::new(AllQuery)),
            Node::Leaf(Leaf::Exists(path)) => Ok(self.exists(path)),
            Node::Leaf(leaf) => {
                let queries = scope.fields.iter().map(|(path, boost)| {
                    Ok(with_boost(self.lenient(scope.lenient, self.leaf(path, leaf, scope))?, *boost))
                });
                Ok(best_of(queries.collect::<Result<_, Error>>()?, 0.0))
            }
        }
    }

    fn group(&self, clauses: &[Clause], scope: &Scope) -> Result<BoxQuery, Error> {
        let mut out: Vec<(Occur, BoxQuery)> = Vec::new();
        for clause in clauses {
            let occur = match clause.occurs {
                Occurs::Must => Occur::Must,
                Occurs::MustNot => Occur::MustNot,
                Occurs::Default if scope.all_must_match => Occur::Must,
                Occurs::Default | Occurs::Should => Occur::Should,
            };
            out.push((occur, self.tree(&clause.node, scope)?));
        }
        if out.is_empty() {
            return Ok(Box::new(EmptyQuery));
        }
        if out.iter().all(|(occur, _)| *occur == Occur::MustNot) {
            out.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0))));
        }
        if out.len() == 1 {
            return Ok(out.remove(0).1);
        }
        Ok(Box::new(BooleanQuery::new(out)))
    }

    fn leaf(&self, path: &str, leaf: &Leaf, scope: &Scope) -> Result<BoxQuery, Error> {
        match leaf {
            Leaf::Word(text) => {
                let all = scope.all_must_match;
                self.match_text(path, &Value::from(text.as_str()), |count| if all { count } else { 1 })
            }
            Leaf::Phrase(text, slop) => self.match_phrase(path, &Value::from(text.as_str()), *slop),
            Leaf::Wildcard(pattern) if pattern == "*" => Ok(self.exists(path)),
            Leaf::Wildcard(pattern) => {
                let is_text = self.mappings.field(path).is_some_and(|field| field.kind == Kind::Text);
                // Terms of text are in lower case; Lucene normalizes a wildcard's letters like a token's.
                let pattern = if is_text || scope.analyze_wildcard { pattern.to_lowercase() } else { pattern.clone() };
                self.wildcard(path, &pattern, false)
            }
            Leaf::Range { low, high } => {
                let bound = |bound: &Option<(String, bool)>| {
                    bound.as_ref().map(|(text, inc)| (Value::from(text.as_str()), *inc))
                };
                self.range(path, &Range { low: bound(low), high: bound(high), ..Range::default() })
            }
            Leaf::All => Ok(Box::new(AllQuery)),
            Leaf::Exists(path) => Ok(self.exists(path)),
        }
    }
}

fn with_boost(query: BoxQuery, boost: f32) -> BoxQuery {
    if boost == 1.0 { query } else { Box::new(BoostQuery::new(query, boost)) }
}

fn any_of(queries: Vec<BoxQuery>) -> BoxQuery {
    Box::new(BooleanQuery::new(queries.into_iter().map(|query| (Occur::Should, query)).collect()))
}

fn is_and(operator: Option<&Value>) -> Result<bool, Error> {
    match operator.map(|operator| text_of(operator).to_lowercase()).as_deref() {
        None | Some("or") => Ok(false),
        Some("and") => Ok(true),
        Some(other) => Err(Error::parsing(format!("operator needs to be either OR or AND, but not [{other}]"))),
    }
}

fn names(value: Option<&Value>) -> Result<Vec<String>, Error> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(name)) => Ok(vec![name.clone()]),
        Some(Value::Array(names)) => Ok(names.iter().map(text_of).collect()),
        Some(other) => Err(Error::parsing(format!("fields are a name or an array of names, not [{other}]"))),
    }
}
