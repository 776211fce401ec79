//! Searching: a request, run over segments, made into OpenSearch's response.

mod request;
mod run;
mod sort;
mod source;

pub use request::SearchRequest;
pub use run::{Target, count, search};
pub use source::SourceFilter;
