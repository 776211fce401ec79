//! Which service and operation a request means, told by its head; a query protocol's by its form.

use super::port::Peer;
use super::service::Service;
use crate::wire::{Parameters, Place, Route, Text};
use axum::http::{HeaderMap, Method, request};
use std::sync::Arc;

/// The way that a request takes, told by its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Road {
    /// `X-Amz-Target` names service and operation.
    Target,
    /// Smithy's RPC v2: the path names service and operation.
    RpcV2 { service: String, operation: String },
    /// A form names the operation and the version of its API; one in the query string of a GET is given.
    Query { form: Option<String> },
    /// The path is one of a REST service's.
    Rest,
}

impl Road {
    /// The way of a request, if it is one of AWS's; `rest` tells the paths of REST services.
    pub fn of(head: &request::Parts, rest: impl Fn(&str) -> bool) -> Option<Self> {
        if head.headers.contains_key("x-amz-target") {
            return Some(Self::Target);
        }
        let segments: Vec<&str> = head.uri.path().split('/').skip(1).collect();
        if let ["service", service, "operation", operation] = segments[..] {
            return Some(Self::RpcV2 { service: service.to_owned(), operation: operation.to_owned() });
        }
        if head.method == Method::POST
            && text_header(&head.headers, "content-type").starts_with("application/x-www-form-urlencoded")
        {
            return Some(Self::Query { form: None });
        }
        let query = head.uri.query().unwrap_or_default();
        if head.method == Method::GET && query.split('&').any(|part| part.starts_with("Action=")) {
            return Some(Self::Query { form: Some(query.to_owned()) });
        }
        rest(segments.first().copied().unwrap_or_default()).then_some(Self::Rest)
    }
}

/// A header as a text, empty when there is none.
pub fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The operation of a REST request, with its members from path, query string and headers.
pub fn rest(
    services: &[Arc<dyn Service>],
    head: &request::Parts,
) -> Option<(Arc<dyn Service>, &'static Route, Parameters)> {
    let path: Vec<String> = segments(head.uri.path()).map(decoded).collect();
    let query: Vec<(String, String)> =
        form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let mut best: Option<(&Arc<dyn Service>, &'static Route)> = None;
    for service in services {
        for route in service.model().routes.iter().filter(|route| route.method == head.method.as_str()) {
            let rank = |route: &Route| (route.query.len(), usize::MAX - labels(route));
            if matches(route, &path, &query) && best.is_none_or(|(_, other)| rank(route) > rank(other)) {
                best = Some((service, route));
            }
        }
    }
    let (service, route) = best?;
    Some((service.clone(), route, parameters(route, &path, &query, &head.headers)))
}

/// The first segments of all paths of `services`.
pub fn prefixes(services: &[Arc<dyn Service>]) -> Vec<&'static str> {
    let routes = services.iter().flat_map(|service| service.model().routes);
    let mut prefixes: Vec<_> = routes.filter_map(|route| segments(route.path).next()).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}

/// A path's parts; a slash at its end says nothing.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_matches('/').split('/')
}

fn decoded(segment: &str) -> String {
    // In a path a plus is a plus.
    let form = format!("={}", segment.replace('+', "%2B"));
    form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn labels(route: &Route) -> usize {
    segments(route.path).filter(|segment| segment.starts_with('{')).count()
}

fn matches(route: &Route, path: &[String], query: &[(String, String)]) -> bool {
    let wanted = route.query.split_once('=').unwrap_or((route.query, ""));
    let has_query =
        route.query.is_empty() || query.iter().any(|(name, value)| (name.as_str(), value.as_str()) == wanted);
    let mut parts = segments(route.path);
    let all = path.iter().all(|given| {
        parts.next().is_some_and(|part| if part.starts_with('{') { !given.is_empty() } else { part == given })
    });
    has_query && all && parts.next().is_none()
}

fn parameters(route: &'static Route, path: &[String], query: &[(String, String)], headers: &HeaderMap) -> Parameters {
    let label = |name: &str| {
        let at = segments(route.path).position(|part| part.trim_matches(['{', '}', '+']) == name)?;
        path.get(at).map(|value| vec![Text::from(value.as_str())])
    };
    let values = |place: Place| match place {
        Place::Label(name) => label(name),
        Place::Query(name) => {
            let given = query.iter().filter(|(other, _)| other == name);
            Some(given.map(|(_, value)| Text::from(value.as_str())).collect())
        }
        Place::Header(name) => headers.get(name).and_then(|value| value.to_str().ok()).map(|value| vec![value.into()]),
        Place::Status | Place::Payload => None,
    };
    let found = route.input.iter().filter_map(|(member, place)| Some((*member, values(*place)?)));
    found.filter(|(_, values): &(_, Vec<Text>)| !values.is_empty()).collect()
}

/// The address under which a request reached the server.
pub fn endpoint(head: &request::Parts) -> String {
    let authority = head.uri.authority().map(|authority| authority.as_str());
    let host = authority.unwrap_or_else(|| text_header(&head.headers, "host"));
    let scheme = if head.extensions.get::<Peer>().is_some_and(|peer| peer.secure) { "https" } else { "http" };
    format!("{scheme}://{}", if host.is_empty() { "localhost" } else { host })
}
