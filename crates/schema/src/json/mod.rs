//! The `json` format: one JSON object a record, as Flink's json format and Firehose's OpenX SerDe read and write it.

mod decode;
mod encode;
mod options;
mod row;
mod scan;

pub use decode::JsonDecoder;
pub(crate) use decode::JsonReader;
pub use encode::JsonEncoder;
pub(crate) use encode::{moment, print_string, print_whole, value};
pub use options::{JsonOptions, KeyRules, MapNullKeys};
