//! Which requests change what is defined: indices, mappings, settings, aliases, templates, policies. They are put on record; those
//! that write documents and search are not.

use axum::http::Method;

/// What stands behind an index, or in its place, in requests that write documents, search, or look.
const DATA: &[&str] = &[
    "_analyze",
    "_bulk",
    "_cache",
    "_count",
    "_create",
    "_delete_by_query",
    "_doc",
    "_explain",
    "_field_caps",
    "_flush",
    "_forcemerge",
    "_mget",
    "_msearch",
    "_mtermvectors",
    "_pit",
    "_rank_eval",
    "_refresh",
    "_reindex",
    "_render",
    "_search",
    "_search_shards",
    "_source",
    "_termvectors",
    "_update",
    "_update_by_query",
    "_validate",
];
/// Plugins whose requests are searches, whatever their method.
const SEARCHING: &[&str] = &["_sql", "_ppl"];
/// What stands at the end of plugins' paths that only look or try.
const LOOKING: &[&str] =
    &["_search", "_explain", "_execute", "_validate", "_preview", "_results", "_profile", "explain"];

/// Whether a request changes definitions. One that nobody has written down here does.
pub fn changed_by(method: &Method, path: &str) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts[..] {
        ["_plugins" | "_opendistro", plugin, ref rest @ ..] => {
            !SEARCHING.contains(&plugin) && !rest.iter().any(|part| LOOKING.contains(part))
        }
        [first, ..] if DATA.contains(&first) => false,
        [_, second, ..] if DATA.contains(&second) => false,
        [] => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_told_from_documents() {
        let changed = |method: Method, path: &str| changed_by(&method, path);
        for path in
            ["/orders", "/orders/_mapping", "/orders/_settings", "/_index_template/t", "/_plugins/_ism/policies/p"]
        {
            assert!(changed(Method::PUT, path), "{path}");
            assert!(!changed(Method::GET, path), "{path}");
        }
        assert!(changed(Method::POST, "/_aliases") && changed(Method::DELETE, "/orders"));
        assert!(changed(Method::POST, "/_plugins/_alerting/monitors") && changed(Method::POST, "/logs/_rollover"));
        for path in ["/orders/_doc/1", "/_bulk", "/orders/_bulk", "/orders/_search", "/_msearch", "/orders/_update/1"] {
            assert!(!changed(Method::POST, path), "{path}");
        }
        assert!(!changed(Method::DELETE, "/orders/_doc/1") && !changed(Method::POST, "/_plugins/_sql"));
        assert!(!changed(Method::POST, "/_plugins/_alerting/monitors/_search"));
    }
}
