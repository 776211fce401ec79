//! Partition keys by a jq program over each record.

use crate::DeliverError;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, data, unwrap_valr};
use jaq_json::{Val, read};
use std::collections::BTreeMap;

/// A compiled query.
pub struct Extractor {
    filter: Filter<data::JustLut<Val>>,
}

impl Extractor {
    /// Compiles a `MetadataExtractionQuery`, for example `{customer: .customer_id}`.
    pub fn new(query: &str) -> Result<Self, DeliverError> {
        let refuse = |reason: String| {
            DeliverError::InvalidArgument(format!("MetadataExtractionQuery '{query}' is no jq program: {reason}"))
        };
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let program = File { code: query, path: () };
        let modules =
            Loader::new(definitions).load(&arena, program).map_err(|_| refuse("it does not parse".to_owned()))?;
        let filter = Compiler::default().with_funs(functions).compile(modules).map_err(|errors| {
            let unknown: Vec<_> =
                errors.into_iter().flat_map(|(_, errors)| errors).map(|(name, _)| name.to_owned()).collect();
            refuse(format!("unknown {}", unknown.join(", ")))
        })?;
        Ok(Self { filter })
    }

    /// The keys that the query finds in a record, each as text. The reason when it is no JSON, when the query fails or gives
    /// no object, or when a key is null or empty.
    pub fn extract(&self, record: &[u8]) -> Result<BTreeMap<String, String>, String> {
        let input = read::parse_single(record).map_err(|error| format!("the record is no JSON: {error}"))?;
        let context = Ctx::<data::JustLut<Val>>::new(&self.filter.lut, Vars::new([]));
        let mut results = self.filter.id.run((context, input)).map(unwrap_valr);
        let result = match results.next() {
            None => return Err("the query gives nothing".to_owned()),
            Some(Err(error)) => return Err(format!("the query fails: {error}")),
            Some(Ok(result)) => result,
        };
        let Val::Obj(members) = result else {
            return Err(format!("the query gives {result}, not an object of partition keys"));
        };
        members.iter().map(|(key, value)| Ok((text(key), key_text(key, value)?))).collect()
    }
}

fn text(value: &Val) -> String {
    match value {
        Val::TStr(text) | Val::BStr(text) => String::from_utf8_lossy(text).into_owned(),
        other => other.to_string(),
    }
}

fn key_text(key: &Val, value: &Val) -> Result<String, String> {
    let found = match value {
        Val::Null | Val::Arr(_) | Val::Obj(_) => String::new(),
        scalar => text(scalar),
    };
    if found.is_empty() {
        Err(format!("partitionKeys values must not be null or empty: {}", text(key)))
    } else {
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_find_keys() {
        let query = Extractor::new(r#"{customer: .c.id, day: .ts[0:10], big: (.n > 5)}"#).unwrap();
        let keys = query.extract(br#"{"c":{"id":7},"ts":"2026-01-31T00","n":9}"#).unwrap();
        assert_eq!(keys["customer"], "7");
        assert_eq!(keys["day"], "2026-01-31");
        assert_eq!(keys["big"], "true");
        assert!(query.extract(br#"{"ts":"2026-01-31T00","n":9}"#).unwrap_err().contains("null or empty: customer"));
        assert!(query.extract(b"x").unwrap_err().contains("no JSON"));
        assert!(Extractor::new("{a: .b").is_err());
        assert!(Extractor::new("nope").err().unwrap().to_string().contains("unknown nope"));
    }
}
