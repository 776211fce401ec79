//! Queries made of queries.

use super::{BoxQuery, Context, number, object, text_of};
use crate::error::Error;
use serde_json::Value;
use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Occur};

impl Context<'_> {
    pub(super) fn bool_query(&self, body: &Value, depth: usize) -> Result<BoxQuery, Error> {
        let members = object("bool", body)?;
        let mut clauses: Vec<(Occur, BoxQuery)> = Vec::new();
        let (mut should, mut required, mut scoring) = (0, 0, false);
        for (key, value) in members {
            let one = std::slice::from_ref(value);
            let queries = value.as_array().map_or(one, Vec::as_slice);
            match key.as_str() {
                "must" | "filter" | "must_not" | "should" => {}
                "minimum_should_match" | "boost" | "_name" | "adjust_pure_negative" => continue,
                other => return Err(Error::parsing(format!("[bool] query does not support [{other}]"))),
            }
            for query in queries {
                let query = self.query_at(query, depth)?;
                match key.as_str() {
                    "must" => clauses.push((Occur::Must, query)),
                    "filter" => clauses.push((Occur::Must, Box::new(ConstScoreQuery::new(query, 0.0)))),
                    "must_not" => clauses.push((Occur::MustNot, query)),
                    _ => clauses.push((Occur::Should, query)),
                }
                scoring |= matches!(key.as_str(), "must" | "should");
                should += usize::from(key == "should");
                required += usize::from(matches!(key.as_str(), "must" | "filter"));
            }
        }
        if clauses.is_empty() {
            return self.boosted(Box::new(AllQuery), body);
        }
        let needed = match members.get("minimum_should_match") {
            Some(spec) => minimum_should_match(spec, should)?,
            None => usize::from(should > 0 && required == 0),
        };
        if needed > should {
            return Ok(Box::new(EmptyQuery));
        }
        if required == 0 && needed == 0 {
            let score = if scoring { 1.0 } else { 0.0 };
            clauses.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(AllQuery), score))));
        }
        self.boosted(Box::new(BooleanQuery::with_minimum_required_clauses(clauses, needed)), body)
    }

    pub(super) fn constant_score(&self, body: &Value, depth: usize) -> Result<BoxQuery, Error> {
        let members = object("constant_score", body)?;
        let Some(filter) = members.get("filter") else {
            return Err(Error::parsing("[constant_score] requires a 'filter' element"));
        };
        self.boosted(Box::new(ConstScoreQuery::new(self.query_at(filter, depth)?, 1.0)), body)
    }

    pub(super) fn dis_max(&self, body: &Value, depth: usize) -> Result<BoxQuery, Error> {
        let members = object("dis_max", body)?;
        let queries = members.get("queries").and_then(Value::as_array);
        let Some(queries) = queries.filter(|queries| !queries.is_empty()) else {
            return Err(Error::parsing("[dis_max] requires 'queries' field with at least one clause"));
        };
        let tie_breaker = members.get("tie_breaker").map_or(Ok(0.0), |value| number(value, "tie_breaker"))?;
        let queries = queries.iter().map(|query| self.query_at(query, depth)).collect::<Result<_, _>>()?;
        self.boosted(best_of(queries, tie_breaker as f32), body)
    }
}

/// The best of several queries, and a share of the others.
pub(super) fn best_of(mut queries: Vec<BoxQuery>, tie_breaker: f32) -> BoxQuery {
    match queries.len() {
        0 => Box::new(EmptyQuery),
        1 => queries.remove(0),
        _ => Box::new(DisjunctionMaxQuery::with_tie_breaker(queries, tie_breaker)),
    }
}

/// How many of `count` clauses must match: `2`, `-1`, `75%`, `-25%`.
pub(super) fn minimum_should_match(spec: &Value, count: usize) -> Result<usize, Error> {
    let text = text_of(spec);
    let wrong = || Error::not_supported(format!("[minimum_should_match] of [{text}] (a number or a percentage is)"));
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let wanted = match text.strip_suffix('%') {
        Some(percent) => {
            let percent: i64 = percent.trim().parse().map_err(|_| wrong())?;
            let part = count * percent.abs() / 100;
            if percent < 0 { count - part } else { part }
        }
        None => {
            let wanted: i64 = text.trim().parse().map_err(|_| wrong())?;
            if wanted < 0 { count + wanted } else { wanted }
        }
    };
    Ok(usize::try_from(wanted.max(0)).unwrap_or(0))
}
