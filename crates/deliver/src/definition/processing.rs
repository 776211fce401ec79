//! What happens to each record on the way.

use crate::DeliverError;
use serde::{Deserialize, Serialize};

/// A setting of a processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ProcessorParameter {
    /// For example `MetadataExtractionQuery`.
    pub parameter_name: String,
    /// Its value.
    pub parameter_value: String,
}

/// One processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Processor {
    /// `MetadataExtraction` or `AppendDelimiterToRecord`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Its settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ProcessorParameter>,
}

/// The processors.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ProcessingConfiguration {
    /// On or off.
    #[serde(default)]
    pub enabled: bool,
    /// In order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processors: Vec<Processor>,
}

/// What a `MetadataExtraction` processor extracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataExtraction {
    /// A jq program whose result is an object of partition keys.
    pub query: String,
}

impl Processor {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|p| p.parameter_name == name).map(|p| p.parameter_value.as_str())
    }

    fn only(&self, names: &[&str]) -> Result<(), DeliverError> {
        match self.parameters.iter().find(|p| !names.contains(&p.parameter_name.as_str())) {
            None => Ok(()),
            Some(other) => Err(DeliverError::InvalidArgument(format!(
                "{} takes no parameter {}; it takes {}",
                self.kind,
                other.parameter_name,
                names.join(", ")
            ))),
        }
    }
}

impl ProcessingConfiguration {
    /// Refuses processors and parameters that are not supported.
    pub(super) fn validate(&self) -> Result<(), DeliverError> {
        for processor in &self.processors {
            match processor.kind.as_str() {
                "MetadataExtraction" => {
                    processor.only(&["MetadataExtractionQuery", "JsonParsingEngine"])?;
                    let engine = processor.parameter("JsonParsingEngine").unwrap_or("JQ-1.6");
                    if engine != "JQ-1.6" {
                        return Err(DeliverError::InvalidArgument(format!(
                            "JsonParsingEngine is JQ-1.6, not {engine}"
                        )));
                    }
                    if processor.parameter("MetadataExtractionQuery").is_none() {
                        return Err(DeliverError::InvalidArgument(
                            "MetadataExtraction needs the parameter MetadataExtractionQuery".to_owned(),
                        ));
                    }
                }
                "AppendDelimiterToRecord" => processor.only(&["Delimiter"])?,
                other => {
                    let property = format!("The processor {other}");
                    return Err(DeliverError::unsupported(
                        &property,
                        "MetadataExtraction and AppendDelimiterToRecord are; do the rest in an application before",
                    ));
                }
            }
        }
        Ok(())
    }

    /// The extraction of partition keys, if there is one.
    pub fn extraction(&self) -> Option<MetadataExtraction> {
        let processor = self.processors.iter().find(|p| self.enabled && p.kind == "MetadataExtraction")?;
        Some(MetadataExtraction { query: processor.parameter("MetadataExtractionQuery")?.to_owned() })
    }

    /// What is put after each record; a line end unless the parameter says otherwise.
    pub fn delimiter(&self) -> Option<Vec<u8>> {
        let processor = self.processors.iter().find(|p| self.enabled && p.kind == "AppendDelimiterToRecord")?;
        let text = processor.parameter("Delimiter").unwrap_or("\\n");
        Some(text.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r").into_bytes())
    }
}
