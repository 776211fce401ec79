//! What is counted of one resource: a sheet with a place for each metric of its kind, filled when it is first needed.

use millrace_base::Scope;
use millrace_watch::{MetricKey, Metrics, Series};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

/// AWS's units.
pub mod unit {
    /// How many.
    pub const COUNT: &str = "Count";
    /// How long.
    pub const MILLISECONDS: &str = "Milliseconds";
    /// How long, of Firehose.
    pub const SECONDS: &str = "Seconds";
    /// How large.
    pub const BYTES: &str = "Bytes";
    /// How large, of OpenSearch.
    pub const MEGABYTES: &str = "Megabytes";
    /// How many in a second.
    pub const PER_SECOND: &str = "Count/Second";
}

/// The metrics of a kind of resource.
pub trait Measure: Copy {
    /// The namespace.
    const NAMESPACE: &'static str;
    /// Names and units.
    const ALL: &'static [(&'static str, &'static str)];
    /// The place in `ALL`.
    fn place(self) -> usize;
}

/// Declares the metrics of a kind of resource: an enum whose variants have AWS's names and units.
macro_rules! measures {
    ($(#[$doc:meta])* $name:ident in $namespace:literal { $($variant:ident $text:literal $unit:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "AWS's names say it")]
        pub enum $name { $($variant,)* }

        impl $crate::meters::sheet::Measure for $name {
            const NAMESPACE: &'static str = $namespace;
            const ALL: &'static [(&'static str, &'static str)] =
                &[$(($text, $crate::meters::sheet::unit::$unit),)*];
            fn place(self) -> usize {
                self as usize
            }
        }
    };
}
pub(crate) use measures;

/// The metrics of one resource.
pub struct Sheet<M> {
    metrics: Metrics,
    scope: Scope,
    dimensions: Vec<(&'static str, String)>,
    cells: Box<[OnceLock<Series>]>,
    kind: PhantomData<M>,
}

impl<M: Measure> Sheet<M> {
    /// An empty sheet of the resource that the dimensions name.
    pub fn new(metrics: &Metrics, scope: &Scope, dimensions: Vec<(&'static str, String)>) -> Self {
        let cells = M::ALL.iter().map(|_| OnceLock::new()).collect();
        Self { metrics: metrics.clone(), scope: scope.clone(), dimensions, cells, kind: PhantomData }
    }

    /// Counts a value now.
    pub fn count(&self, measure: M, value: f64) {
        self.series(measure).count(value);
    }

    /// Counts a value `count` times now.
    pub fn count_many(&self, measure: M, value: f64, count: u64) {
        if count > 0 {
            self.series(measure).count_many(value, count as f64);
        }
    }

    fn series(&self, measure: M) -> &Series {
        let place = measure.place();
        self.cells[place].get_or_init(|| {
            let (name, unit) = M::ALL[place];
            let dimensions = self.dimensions.iter().map(|(name, value)| (*name, value.as_str()));
            self.metrics.series(&MetricKey::new(&self.scope, M::NAMESPACE, name, dimensions), unit)
        })
    }
}

/// At so many sheets all are thrown away, and those that are needed made again: resources come and go, and their handles with
/// them.
const SHEETS_MAX: usize = 4096;

/// The sheets of a kind of resource, by what names one.
pub struct Shelf<K, M> {
    metrics: Metrics,
    sheets: RwLock<HashMap<K, Arc<Sheet<M>>>>,
}

impl<K: Hash + Eq + Clone, M: Measure> Shelf<K, M> {
    /// No sheets yet.
    pub fn new(metrics: &Metrics) -> Self {
        Self { metrics: metrics.clone(), sheets: RwLock::default() }
    }

    /// The sheet of a resource; `describe` gives its scope and dimensions when it is new.
    pub fn of(&self, key: &K, describe: impl FnOnce() -> (Scope, Vec<(&'static str, String)>)) -> Arc<Sheet<M>> {
        if let Some(sheet) = self.sheets.read().get(key) {
            return sheet.clone();
        }
        let (scope, dimensions) = describe();
        let sheet = Arc::new(Sheet::new(&self.metrics, &scope, dimensions));
        let mut sheets = self.sheets.write();
        if sheets.len() >= SHEETS_MAX {
            sheets.clear();
        }
        sheets.entry(key.clone()).or_insert(sheet).clone()
    }
}
