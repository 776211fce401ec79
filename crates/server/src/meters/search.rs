//! AWS/ES: what the index does, once for each search domain, all of which lead to the one index.

use super::sheet::{Shelf, measures};
use millrace_base::Scope;
use millrace_search::{Engine, Figures};
use millrace_watch::Metrics;
use parking_lot::Mutex;
use std::sync::Arc;

/// Sizes are looked at every so many seconds: it takes a walk over all segments.
const SIZES_EVERY: u64 = 10;
const MB: f64 = 1_048_576.0;

measures! {
    /// Metrics of a search domain.
    DomainMeasure in "AWS/ES" {
        Green "ClusterStatus.green" COUNT,
        Yellow "ClusterStatus.yellow" COUNT,
        Red "ClusterStatus.red" COUNT,
        FreeStorage "FreeStorageSpace" MEGABYTES,
        UsedSpace "ClusterUsedSpace" MEGABYTES,
        Documents "SearchableDocuments" COUNT,
        IndexingRate "IndexingRate" COUNT,
        IndexingLatency "IndexingLatency" MILLISECONDS,
        SearchRate "SearchRate" COUNT,
        SearchLatency "SearchLatency" MILLISECONDS,
        WriteRejected "ThreadpoolWriteRejected" COUNT,
        Requests2xx "2xx" COUNT,
        Requests4xx "4xx" COUNT,
        Requests5xx "5xx" COUNT,
        Nodes "Nodes" COUNT,
    }
}

/// Looks at the index.
pub struct SearchMeter {
    engine: Arc<Engine>,
    domains: Shelf<(Scope, String), DomainMeasure>,
    last: Mutex<(Figures, u64)>,
}

impl SearchMeter {
    /// Counts into `metrics`.
    pub fn new(metrics: &Metrics, engine: Arc<Engine>) -> Self {
        let last = Mutex::new((engine.tally().figures(), 0));
        Self { engine, domains: Shelf::new(metrics), last }
    }

    /// Looks at the index for each of its domains. `free`: bytes that are left on its disk.
    pub fn sample(&self, domains: &[(Scope, String)], free: Option<u64>) {
        use DomainMeasure as M;
        let now = self.engine.tally().figures();
        let (before, nth) = {
            let mut last = self.last.lock();
            let before = last.0;
            *last = (now, last.1 + 1);
            (before, last.1)
        };
        let sizes = (nth % SIZES_EVERY == 1 && !domains.is_empty()).then(|| self.engine.size());
        for key in domains {
            let describe = || {
                let dimensions = vec![("DomainName", key.1.clone()), ("ClientId", key.0.account.to_string())];
                (key.0.clone(), dimensions)
            };
            let sheet = self.domains.of(key, describe);
            let per = |us: u64, count: u64| if count == 0 { 0.0 } else { us as f64 / 1000.0 / count as f64 };
            let (indexed, searches) = (now.indexed - before.indexed, now.searches - before.searches);
            // AWS tells the rates by the minute: the sum of a minute's values is that.
            sheet.count(M::IndexingRate, indexed as f64);
            sheet.count_many(M::IndexingLatency, per(now.indexing_us - before.indexing_us, indexed), indexed);
            sheet.count(M::SearchRate, searches as f64);
            sheet.count_many(M::SearchLatency, per(now.searching_us - before.searching_us, searches), searches);
            sheet.count(M::WriteRejected, (now.rejected - before.rejected) as f64);
            for (class, measure) in [M::Requests2xx, M::Requests4xx, M::Requests5xx].into_iter().enumerate() {
                sheet.count(measure, (now.responses[class] - before.responses[class]) as f64);
            }
            if let Some((documents, bytes)) = sizes {
                sheet.count(M::Documents, documents as f64);
                sheet.count(M::UsedSpace, bytes as f64 / MB);
                // One node holds one copy of everything, so there is no yellow; an index that cannot be opened stops the server.
                for (measure, value) in [(M::Green, 1.0), (M::Yellow, 0.0), (M::Red, 0.0), (M::Nodes, 1.0)] {
                    sheet.count(measure, value);
                }
                if let Some(free) = free {
                    sheet.count(M::FreeStorage, free as f64 / MB);
                }
            }
        }
    }
}
