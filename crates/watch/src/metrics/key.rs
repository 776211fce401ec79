//! Which metric.

use millrace_base::Scope;
use std::sync::Arc;

/// Which metric. Dimensions are in order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricKey {
    /// Account and region.
    pub scope: Scope,
    /// For example `AWS/Lambda`.
    pub namespace: Arc<str>,
    /// For example `Invocations`.
    pub name: Arc<str>,
    /// For example `FunctionName` = `score`.
    pub dimensions: Vec<(Arc<str>, Arc<str>)>,
}

impl MetricKey {
    /// A metric; dimensions in any order.
    pub fn new<'a>(
        scope: &Scope,
        namespace: &str,
        name: &str,
        dimensions: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let dimensions = dimensions.into_iter().map(|(name, value)| (Arc::from(name), Arc::from(value)));
        let mut dimensions: Vec<(Arc<str>, Arc<str>)> = dimensions.collect();
        dimensions.sort();
        Self { scope: scope.clone(), namespace: namespace.into(), name: name.into(), dimensions }
    }
}
