//! The words of the registry: formats, compatibility modes, and what is wrong with a definition or a step.

use millrace_base::Remedy;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// In which language a schema is written. AWS's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DataFormat {
    /// Apache Avro, as JSON.
    Avro,
    /// JSON Schema, drafts 4 to 2020-12.
    Json,
    /// Protocol Buffers, the text of one `.proto` file.
    Protobuf,
}

impl DataFormat {
    /// Every format, in AWS's order.
    pub const ALL: [Self; 3] = [Self::Avro, Self::Json, Self::Protobuf];

    /// AWS's name: `AVRO`, `JSON` or `PROTOBUF`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
        }
    }
}

/// Which readers a new version must keep working. AWS's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Compatibility {
    /// Anything goes.
    None,
    /// There is no second version.
    Disabled,
    /// The new version reads what the last one wrote.
    Backward,
    /// The new version reads what every version wrote.
    BackwardAll,
    /// The last version reads what the new one writes.
    Forward,
    /// Every version reads what the new one writes.
    ForwardAll,
    /// Both ways with the last version.
    Full,
    /// Both ways with every version.
    FullAll,
}

impl Compatibility {
    /// Every mode, in AWS's order.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Disabled,
        Self::Backward,
        Self::BackwardAll,
        Self::Forward,
        Self::ForwardAll,
        Self::Full,
        Self::FullAll,
    ];

    /// AWS's name, for example `BACKWARD_ALL`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Disabled => "DISABLED",
            Self::Backward => "BACKWARD",
            Self::BackwardAll => "BACKWARD_ALL",
            Self::Forward => "FORWARD",
            Self::ForwardAll => "FORWARD_ALL",
            Self::Full => "FULL",
            Self::FullAll => "FULL_ALL",
        }
    }

    /// Which way data must be readable, or nothing where nothing is compared.
    pub fn directions(self) -> &'static [Direction] {
        match self {
            Self::None | Self::Disabled => &[],
            Self::Backward | Self::BackwardAll => &[Direction::Backward],
            Self::Forward | Self::ForwardAll => &[Direction::Forward],
            Self::Full | Self::FullAll => &[Direction::Backward, Direction::Forward],
        }
    }

    /// Whether every old version counts, not the last alone.
    pub fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardAll | Self::ForwardAll | Self::FullAll)
    }
}

/// Who reads whose data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// The new version reads what the old one wrote.
    Backward,
    /// The old version reads what the new one writes.
    Forward,
}

impl Direction {
    /// As a sentence needs it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backward => "BACKWARD",
            Self::Forward => "FORWARD",
        }
    }
}

macro_rules! words {
    ($($word:ident: $what:literal),*) => {$(
        impl fmt::Display for $word {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $word {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::ALL.into_iter().find(|word| word.name().eq_ignore_ascii_case(text));
                found.ok_or_else(|| {
                    let names = Self::ALL.map(Self::name).join(", ");
                    format!("'{text}' is no {}: it is one of {names}", $what)
                })
            }
        }
    )*};
}

words!(DataFormat: "data format", Compatibility: "compatibility mode");

/// A text that is no definition of its format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the definition is no valid {format} schema{}: {reason}", place(.at))]
pub struct InvalidDefinition {
    /// The format that was tried.
    pub format: DataFormat,
    /// Where in the definition: a line and column, a JSON pointer or a name. Empty when it is all of it.
    pub at: String,
    /// What is wrong there, and what would be right.
    pub reason: String,
}

fn place(at: &str) -> String {
    if at.is_empty() { String::new() } else { format!(" at {at}") }
}

impl InvalidDefinition {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        Remedy::FixRequest
    }
}

/// One reason why a step from an old version to a new one would break somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Who could no longer read whose data. Nothing where no data is concerned (`DISABLED`, an unreadable definition).
    pub direction: Option<Direction>,
    /// Which of the old versions it breaks with: its index in the list that was given, oldest first.
    pub old_index: usize,
    /// Where: the path of a field, for example `Order.customer.age`, or a JSON pointer.
    pub at: String,
    /// The rule's name, short and stable, for example `reader-field-needs-default`.
    pub rule: &'static str,
    /// What the old version says there.
    pub was: String,
    /// What the new version says there.
    pub is: String,
    /// Why that breaks, in a sentence without its full stop.
    pub why: String,
    /// What to do about it, in a sentence without its full stop.
    pub remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, rule, was, is, why, .. } = self;
        match self.direction {
            Some(direction) => write!(f, "{at}: {why} ({direction:?} rule {rule}: was {was}, is {is})"),
            None => write!(f, "{at}: {why} (rule {rule})"),
        }
    }
}
