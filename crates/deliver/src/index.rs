//! The index that documents are delivered to, as a trait: the server implements it with the search room or a cluster.

use crate::definition::IndexRotationPeriod;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Datelike, Timelike};
use millrace_base::Millis;

/// A document to be indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDocument {
    /// `shardId-…:sequence`, the same at every try; None when the index is to make one.
    pub id: Option<String>,
    /// The record, which should be a JSON object.
    pub source: Bytes,
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentOutcome {
    /// It is indexed.
    Indexed,
    /// It is not. Status 429 and from 500 on are worth another try.
    Failed {
        /// As in the bulk response.
        status: u16,
        /// The error's text.
        reason: String,
    },
}

/// The index could not be asked at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BulkError(pub String);

/// Indexes documents by id: the same document twice is one document.
#[async_trait]
pub trait BulkIndex: Send + Sync + 'static {
    /// Indexes documents into one index of a domain and says what became of each, in order.
    async fn bulk(
        &self,
        domain_arn: &str,
        index: &str,
        documents: &[IndexDocument],
    ) -> Result<Vec<DocumentOutcome>, BulkError>;
}

/// The index's name with its rotation, by the record's arrival in UTC.
pub fn rotated(name: &str, period: IndexRotationPeriod, arrival: Millis) -> String {
    let at = DateTime::from_timestamp_millis(arrival).unwrap_or_default();
    let (year, month, day) = (at.year(), at.month(), at.day());
    match period {
        IndexRotationPeriod::NoRotation => name.to_owned(),
        IndexRotationPeriod::OneHour => format!("{name}-{year:04}-{month:02}-{day:02}-{:02}", at.hour()),
        IndexRotationPeriod::OneDay => format!("{name}-{year:04}-{month:02}-{day:02}"),
        IndexRotationPeriod::OneWeek => format!("{name}-{:04}-w{:02}", at.iso_week().year(), at.iso_week().week()),
        IndexRotationPeriod::OneMonth => format!("{name}-{year:04}-{month:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_rotate_by_arrival() {
        let name = |period| rotated("orders", period, 1_769_846_700_000);
        assert_eq!(name(IndexRotationPeriod::NoRotation), "orders");
        assert_eq!(name(IndexRotationPeriod::OneHour), "orders-2026-01-31-08");
        assert_eq!(name(IndexRotationPeriod::OneDay), "orders-2026-01-31");
        assert_eq!(name(IndexRotationPeriod::OneWeek), "orders-2026-w05");
        assert_eq!(name(IndexRotationPeriod::OneMonth), "orders-2026-01");
    }
}
