//! How JSON is to be read and written.

use crate::FormatError;
use crate::options::Options;
use crate::temporal::TimestampStandard;
use std::collections::BTreeMap;

/// Settings of the `json` format; the defaults are Flink's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonOptions {
    /// A value that does not fit its field becomes NULL, and a record that is no JSON object is left out.
    pub ignore_parse_errors: bool,
    /// A missing field is an error instead of NULL.
    pub fail_on_missing_field: bool,
    /// How timestamps are written.
    pub timestamps: TimestampStandard,
    /// What the encoder does with a NULL key of a map.
    pub map_null_keys: MapNullKeys,
    /// Decimals are written as `0.00000001`, never as `1E-8`.
    pub decimal_as_plain_number: bool,
    /// Fields that are NULL are not written.
    pub encode_ignore_null_fields: bool,
    /// How the keys of a record find their columns.
    pub keys: KeyRules,
}

/// How the keys of a record find their columns. The default is Flink's: equal byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRules {
    /// Keys are lower-cased before they are compared (OpenX's default).
    pub case_insensitive: bool,
    /// Dots in keys are underscores in columns.
    pub dots_to_underscores: bool,
    /// Column → key, for columns that are named otherwise.
    pub mappings: BTreeMap<String, String>,
}

/// What the encoder does with a NULL key of a map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MapNullKeys {
    /// An error.
    #[default]
    Fail,
    /// The entry is left out.
    Drop,
    /// The key is written as this text.
    Literal(String),
}

impl JsonOptions {
    /// The settings of Firehose's OpenX JSON SerDe with its defaults: keys in any case, timestamps in many forms.
    pub fn openx() -> Self {
        Self {
            timestamps: TimestampStandard::OpenX,
            keys: KeyRules { case_insensitive: true, ..KeyRules::default() },
            ..Self::default()
        }
    }

    /// The settings from a table's `WITH` options that begin with `json.`.
    pub fn from_with(with: &BTreeMap<String, String>) -> Result<Self, FormatError> {
        let mut options = Options::new("json", with);
        let ignore_parse_errors = options.flag("ignore-parse-errors", false)?;
        let fail_on_missing_field = options.flag("fail-on-missing-field", false)?;
        let timestamps = match options.text("timestamp-format.standard", "SQL").as_str() {
            "SQL" => TimestampStandard::Sql,
            "ISO-8601" => TimestampStandard::Iso8601,
            _ => return Err(options.refuse("timestamp-format.standard", "SQL or ISO-8601 is expected")),
        };
        let literal = options.text("map-null-key.literal", "null");
        let map_null_keys = match options.text("map-null-key.mode", "FAIL").as_str() {
            "FAIL" => MapNullKeys::Fail,
            "DROP" => MapNullKeys::Drop,
            "LITERAL" => MapNullKeys::Literal(literal),
            _ => return Err(options.refuse("map-null-key.mode", "FAIL, DROP or LITERAL is expected")),
        };
        let decimal_as_plain_number = options.flag("encode.decimal-as-plain-number", false)?;
        let encode_ignore_null_fields = options.flag("encode.ignore-null-fields", false)?;
        // Chooses between two of Flink's parsers, which give the same rows.
        options.flag("decode.json-parser.enabled", true)?;
        if ignore_parse_errors && fail_on_missing_field {
            return Err(options.refuse(
                "fail-on-missing-field",
                "fail-on-missing-field and ignore-parse-errors shouldn't both be true: keep one of them",
            ));
        }
        options.end()?;
        Ok(Self {
            ignore_parse_errors,
            fail_on_missing_field,
            timestamps,
            map_null_keys,
            decimal_as_plain_number,
            encode_ignore_null_fields,
            keys: KeyRules::default(),
        })
    }
}
