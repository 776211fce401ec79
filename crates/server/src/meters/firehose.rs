//! AWS/Firehose: what delivery streams take, transform, convert and deliver.

use super::sheet::{Sheet, Shelf, measures};
use crate::trace::notes::Notes;
use millrace_api::firehose::{DirectPut, FirehoseObserver};
use millrace_base::{Millis, Scope};
use millrace_deliver::definition::Destination;
use millrace_deliver::{
    Converted, Delivered, Deliveries, DeliveryName, DeliveryObserver, DestinationKind, Processed, Taken, Transformed,
};
use millrace_watch::Metrics;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

measures! {
    /// Metrics of a delivery stream.
    DeliveryMeasure in "AWS/Firehose" {
        IncomingBytes "IncomingBytes" BYTES,
        IncomingRecords "IncomingRecords" COUNT,
        ThrottledRecords "ThrottledRecords" COUNT,
        SourceBytes "DataReadFromKinesisStream.Bytes" BYTES,
        SourceRecords "DataReadFromKinesisStream.Records" COUNT,
        MillisBehindLatest "KinesisMillisBehindLatest" MILLISECONDS,
        S3Bytes "DeliveryToS3.Bytes" BYTES,
        S3Records "DeliveryToS3.Records" COUNT,
        S3Success "DeliveryToS3.Success" COUNT,
        S3Objects "DeliveryToS3.ObjectCount" COUNT,
        S3Freshness "DeliveryToS3.DataFreshness" SECONDS,
        SearchBytes "DeliveryToAmazonOpenSearchService.Bytes" BYTES,
        SearchRecords "DeliveryToAmazonOpenSearchService.Records" COUNT,
        SearchSuccess "DeliveryToAmazonOpenSearchService.Success" COUNT,
        SearchFreshness "DeliveryToAmazonOpenSearchService.DataFreshness" SECONDS,
        BackupBytes "BackupToS3.Bytes" BYTES,
        BackupRecords "BackupToS3.Records" COUNT,
        BackupSuccess "BackupToS3.Success" COUNT,
        BackupFreshness "BackupToS3.DataFreshness" SECONDS,
        ProcessingDuration "ExecuteProcessing.Duration" MILLISECONDS,
        ProcessingSuccess "ExecuteProcessing.Success" COUNT,
        ProcessingRecords "SucceedProcessing.Records" COUNT,
        ProcessingBytes "SucceedProcessing.Bytes" BYTES,
        ConvertedRecords "SucceedConversion.Records" COUNT,
        ConvertedBytes "SucceedConversion.Bytes" BYTES,
        UnconvertedRecords "FailedConversion.Records" COUNT,
        UnconvertedBytes "FailedConversion.Bytes" BYTES,
        PartitionCount "PartitionCount" COUNT,
        PutRecordBytes "PutRecord.Bytes" BYTES,
        PutRecordLatency "PutRecord.Latency" MILLISECONDS,
        PutRecordRequests "PutRecord.Requests" COUNT,
        PutRecordBatchBytes "PutRecordBatch.Bytes" BYTES,
        PutRecordBatchLatency "PutRecordBatch.Latency" MILLISECONDS,
        PutRecordBatchRecords "PutRecordBatch.Records" COUNT,
        PutRecordBatchRequests "PutRecordBatch.Requests" COUNT,
    }
}

/// A delivery stream.
type Key = (Scope, String);

/// Counts what delivery streams do. Cheap to clone.
#[derive(Clone)]
pub struct DeliveryMeter {
    sheets: Arc<Shelf<Key, DeliveryMeasure>>,
    /// Documents that an index refused with status 429 since the start, for the index's own metrics.
    rejected: Arc<Mutex<HashMap<Key, u64>>>,
    /// Why the last record that could not be converted could not.
    unconverted: Arc<Mutex<HashMap<Key, String>>>,
    notes: Notes,
}

/// So much of a reason is kept.
const REASON_CHARS_MAX: usize = 300;

impl DeliveryMeter {
    /// Counts into `metrics`.
    pub fn new(metrics: &Metrics, notes: Notes) -> Self {
        Self { sheets: Arc::new(Shelf::new(metrics)), rejected: Arc::default(), unconverted: Arc::default(), notes }
    }

    /// A delivery stream's sheet.
    pub fn sheet(&self, scope: &Scope, name: &str) -> Arc<Sheet<DeliveryMeasure>> {
        let describe = || (scope.clone(), vec![("DeliveryStreamName", name.to_owned())]);
        self.sheets.of(&(scope.clone(), name.to_owned()), describe)
    }

    /// How many documents an index refused with status 429, by delivery stream.
    pub fn rejected(&self) -> HashMap<Key, u64> {
        self.rejected.lock().clone()
    }

    /// Why the last record that could not be converted could not, by delivery stream.
    pub fn unconverted(&self) -> HashMap<Key, String> {
        self.unconverted.lock().clone()
    }

    /// Notes how fresh what is delivered is, and how many partitions wait.
    pub fn sample(&self, deliveries: &Deliveries, now: Millis) {
        for running in deliveries.running() {
            let Ok(stream) = deliveries.get(&running.scope, &running.name) else { continue };
            let freshness = match stream.definition.destination() {
                Ok(Destination::S3(_)) => DeliveryMeasure::S3Freshness,
                Ok(Destination::Search(_)) => DeliveryMeasure::SearchFreshness,
                Err(_) => continue,
            };
            let sheet = self.sheet(&running.scope, &running.name);
            let oldest = running.stats.oldest_pending.map_or(0, |arrival| (now - arrival).max(0));
            sheet.count(freshness, oldest as f64 / 1000.0);
            if running.stats.partitions > 0 {
                sheet.count(DeliveryMeasure::PartitionCount, running.stats.partitions as f64);
            }
        }
    }
}

impl FirehoseObserver for DeliveryMeter {
    fn put(&self, put: &DirectPut<'_>) {
        self.notes.put(&put.puts.stream, &put.puts.placed, put.correlation, put.took_ms);
        use DeliveryMeasure as M;
        let sheet = self.sheet(put.scope, put.name);
        if put.is_batch {
            sheet.count(M::PutRecordBatchBytes, put.bytes as f64);
            sheet.count(M::PutRecordBatchLatency, put.took_ms);
            sheet.count(M::PutRecordBatchRecords, put.puts.placed.len() as f64);
            sheet.count(M::PutRecordBatchRequests, 1.0);
        } else {
            sheet.count(M::PutRecordBytes, put.bytes as f64);
            sheet.count(M::PutRecordLatency, put.took_ms);
            sheet.count(M::PutRecordRequests, 1.0);
        }
    }
}

impl DeliveryObserver for DeliveryMeter {
    fn taken(&self, delivery: &DeliveryName<'_>, taken: &Taken) {
        use DeliveryMeasure as M;
        let sheet = self.sheet(delivery.scope, delivery.name);
        sheet.count(M::IncomingBytes, taken.bytes as f64);
        sheet.count(M::IncomingRecords, taken.records as f64);
        // Direct puts have no quota here, so none was ever throttled.
        sheet.count(M::ThrottledRecords, 0.0);
        if taken.is_kinesis {
            sheet.count(M::SourceBytes, taken.bytes as f64);
            sheet.count(M::SourceRecords, taken.records as f64);
        }
    }

    fn delivered(&self, delivery: &DeliveryName<'_>, delivered: &Delivered<'_>) {
        self.notes.delivered(delivery, delivered);
        use DeliveryMeasure as M;
        let sheet = self.sheet(delivery.scope, delivery.name);
        let (bytes, records, success) = match delivered.kind {
            DestinationKind::S3 => (M::S3Bytes, M::S3Records, M::S3Success),
            DestinationKind::Search => (M::SearchBytes, M::SearchRecords, M::SearchSuccess),
            DestinationKind::Backup => (M::BackupBytes, M::BackupRecords, M::BackupSuccess),
        };
        let ok = delivered.failure.is_none();
        sheet.count(success, f64::from(u8::from(ok)));
        if ok {
            sheet.count(bytes, delivered.bytes as f64);
            sheet.count(records, delivered.records as f64);
        }
        match delivered.kind {
            DestinationKind::S3 if ok => sheet.count(M::S3Objects, 1.0),
            DestinationKind::Backup if ok => sheet.count(M::BackupFreshness, delivered.oldest_ms as f64 / 1000.0),
            _ => {}
        }
        if delivered.rejected > 0 {
            let key = (delivery.scope.clone(), delivery.name.to_owned());
            *self.rejected.lock().entry(key).or_default() += delivered.rejected as u64;
        }
    }

    fn processed(&self, delivery: &DeliveryName<'_>, processed: &Processed) {
        use DeliveryMeasure as M;
        let sheet = self.sheet(delivery.scope, delivery.name);
        sheet.count(M::ProcessingDuration, processed.took_ms as f64);
        sheet.count(M::ProcessingSuccess, f64::from(u8::from(processed.ok)));
        if processed.ok {
            sheet.count(M::ProcessingRecords, processed.records as f64);
            sheet.count(M::ProcessingBytes, processed.bytes as f64);
        }
    }

    fn transformed(&self, delivery: &DeliveryName<'_>, transformed: &Transformed<'_>) {
        self.notes.transformed(delivery, transformed);
    }

    fn converted(&self, delivery: &DeliveryName<'_>, converted: &Converted) {
        use DeliveryMeasure as M;
        let sheet = self.sheet(delivery.scope, delivery.name);
        for (measure, value) in [
            (M::ConvertedRecords, converted.converted.0),
            (M::ConvertedBytes, converted.converted.1),
            (M::UnconvertedRecords, converted.failed.0),
            (M::UnconvertedBytes, converted.failed.1),
        ] {
            sheet.count(measure, value as f64);
        }
        if let Some(reason) = &converted.reason {
            let key = (delivery.scope.clone(), delivery.name.to_owned());
            self.unconverted.lock().insert(key, reason.chars().take(REASON_CHARS_MAX).collect());
        }
    }
}
