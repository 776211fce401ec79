//! What a request belongs to: the trace that its headers name, else one of its own.

use axum::http::HeaderMap;
use millrace_watch::journey::{TraceContext, TraceId};

/// A request's trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correlation {
    /// The trace.
    pub trace: TraceId,
    /// The caller's span.
    pub parent: Option<u64>,
    /// True when the caller named the trace. One that is made here is the request's id.
    pub given: bool,
}

impl Correlation {
    /// Reads `traceparent` (W3C), then `X-Amzn-Trace-Id`; what is malformed is passed over, as W3C wants it.
    pub fn of(headers: &HeaderMap, request_id: &str) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let w3c = || text("traceparent").and_then(TraceContext::of_traceparent);
        let given = w3c().or_else(|| text("x-amzn-trace-id").and_then(TraceContext::of_amzn));
        match given {
            Some(TraceContext { trace, parent }) => Self { trace, parent, given: true },
            None => Self { trace: own(request_id), parent: None, given: false },
        }
    }

    /// Of something that no request asked for.
    pub fn none() -> Self {
        Self { trace: own(""), parent: None, given: false }
    }
}

/// The trace that is a request id. One that is no UUID, which is never made here, stands for the trace 1.
fn own(request_id: &str) -> TraceId {
    request_id.parse().unwrap_or_else(|()| TraceId::new(1).expect("one is not zero"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_name_the_trace_or_the_request_does() {
        let id = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
        let mut headers = HeaderMap::new();
        let own = Correlation::of(&headers, id);
        assert_eq!((own.trace.to_string().as_str(), own.given), ("4bf92f3577b34da6a3ce929d0e0e4736", false));
        headers.insert("x-amzn-trace-id", "Root=1-00000000-000000000000000000000007".parse().unwrap());
        assert_eq!(Correlation::of(&headers, id).trace.bits(), 7);
        headers.insert("traceparent", "00-00000000000000000000000000000009-00f067aa0ba902b7-01".parse().unwrap());
        let given = Correlation::of(&headers, id);
        assert_eq!((given.trace.bits(), given.given, given.parent), (9, true, Some(0x00f0_67aa_0ba9_02b7)));
        headers.insert("traceparent", "nonsense".parse().unwrap());
        assert_eq!(Correlation::of(&headers, id).trace.bits(), 7);
    }
}
