//! What happens to each record on the way.

use super::MB;
use crate::DeliverError;
use millrace_base::{Arn, Millis};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

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
    /// `Lambda`, `MetadataExtraction` or `AppendDelimiterToRecord`.
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

/// What a `Lambda` processor asks of a function, ready for work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LambdaProcessor {
    /// The function, with a version or an alias or without.
    pub lambda_arn: String,
    /// How often it is asked again after it failed.
    pub retries: u32,
    /// It is asked when so many payload bytes wait,
    pub buffer_bytes: usize,
    /// or when the first of them waits for so long.
    pub interval_ms: Millis,
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

impl Processor {
    fn lambda(&self) -> Result<LambdaProcessor, DeliverError> {
        let names = ["LambdaArn", "NumberOfRetries", "RoleArn", "BufferSizeInMBs", "BufferIntervalInSeconds"];
        self.only(&names)?;
        let refuse = |reason: String| Err(DeliverError::InvalidArgument(reason));
        let Some(arn) = self.parameter("LambdaArn") else {
            return refuse("Lambda needs the parameter LambdaArn".to_owned());
        };
        let is_function = |arn: &Arn| &*arn.service == "lambda" && arn.resource.starts_with("function:");
        if !arn.parse::<Arn>().is_ok_and(|arn| is_function(&arn)) {
            return refuse(format!("LambdaArn '{arn}' is not the ARN of a function, arn:aws:lambda:…:function:name"));
        }
        let retries = self.number("NumberOfRetries", 3.0, 0.0..=300.0)?;
        let size_mbs = self.number("BufferSizeInMBs", 1.0, 0.2..=3.0)?;
        let interval = self.number("BufferIntervalInSeconds", 60.0, 0.0..=900.0)?;
        if retries.fract() != 0.0 || interval.fract() != 0.0 {
            return refuse("NumberOfRetries and BufferIntervalInSeconds are whole numbers".to_owned());
        }
        Ok(LambdaProcessor {
            lambda_arn: arn.to_owned(),
            retries: retries as u32,
            buffer_bytes: (size_mbs * MB as f64) as usize,
            interval_ms: interval as Millis * 1000,
        })
    }

    fn number(&self, name: &str, default: f64, range: RangeInclusive<f64>) -> Result<f64, DeliverError> {
        let Some(text) = self.parameter(name) else { return Ok(default) };
        match text.parse::<f64>() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(DeliverError::InvalidArgument(format!(
                "{name} is '{text}'; it has to be a number from {} to {}",
                range.start(),
                range.end()
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
                "Lambda" => drop(processor.lambda()?),
                other => {
                    let property = format!("The processor {other}");
                    return Err(DeliverError::unsupported(
                        &property,
                        "Lambda, MetadataExtraction and AppendDelimiterToRecord are; do the rest in a function",
                    ));
                }
            }
        }
        if self.processors.iter().filter(|processor| processor.kind == "Lambda").count() > 1 {
            return Err(DeliverError::InvalidArgument("Processors can hold one Lambda processor, not more".to_owned()));
        }
        Ok(())
    }

    /// The function that transforms the records, if there is one.
    pub fn lambda(&self) -> Option<LambdaProcessor> {
        let processor = self.processors.iter().find(|p| self.enabled && p.kind == "Lambda")?;
        // It was checked when the definition was.
        processor.lambda().ok()
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
