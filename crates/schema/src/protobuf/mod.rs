//! Protobuf's encoding: messages into columns and back, by a definition (`.proto` text or a descriptor set).
//!
//! The type mapping is Flink's: `bool`, `int32` and its kin → INT, `int64` and its kin → BIGINT, `float`, `double`, `string` → STRING, `bytes` → BYTES,
//! enums → STRING (the name) or INT (the number), repeated → ARRAY, `map` → MAP, messages → ROW. As in Flink's registry format, DATE and TIME
//! are `int32`, timestamps `int64` milliseconds, DECIMAL a `string`. Beyond Flink, a timestamp column also takes `google.protobuf.Timestamp`,
//! and a scalar column the wrappers (`google.protobuf.StringValue`, …).

mod decode;
mod derive;
mod encode;
mod options;
mod plan;
mod read;
mod schema;
mod wire;

pub use decode::ProtobufDecoder;
pub use derive::derive;
pub use encode::ProtobufEncoder;
pub use options::ProtobufOptions;
pub use schema::ProtobufSchema;

pub(crate) use schema::print_message;

pub(crate) use plan::Plan;
pub(crate) use wire::{put_varint, varint};
