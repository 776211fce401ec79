//! Records of the schema registry as JSON, for the event source mappings that ask for it.

use bytes::Bytes;
use millrace_base::Scope;
use millrace_functions::RecordText;
use millrace_schema::glue::{FramedText, Schemas};
use millrace_schema::registry::Registry;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Reads records by the schema versions that they name.
pub struct RegisteredText {
    registry: Registry,
    /// What is known of the versions of each scope.
    texts: Mutex<HashMap<Scope, FramedText>>,
}

impl RegisteredText {
    /// By the schemas of this registry.
    pub fn new(registry: Registry) -> Self {
        Self { registry, texts: Mutex::default() }
    }
}

impl RecordText for RegisteredText {
    fn json(&self, scope: &Scope, record: &[u8]) -> Option<Result<Bytes, String>> {
        if !FramedText::is_framed(record) {
            return None;
        }
        let mut texts = self.texts.lock();
        let new = || FramedText::new(Schemas::new(self.registry.clone(), scope.clone()));
        let text = texts.entry(scope.clone()).or_insert_with(new);
        let mut json = Vec::with_capacity(record.len() * 2);
        let printed = text.print(record, &mut json)?;
        Some(printed.map(|()| json.into()).map_err(|error| error.to_string()))
    }
}
