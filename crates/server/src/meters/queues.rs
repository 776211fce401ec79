//! AWS/SQS and AWS/SNS: what queues hold and what went through queues and topics, by what they counted since the last look.

use super::kinesis::is_internal;
use super::sheet::{Shelf, measures};
use millrace_base::Millis;
use millrace_queue::sns::{Tally, TopicKey, Topics};
use millrace_queue::{Counters, QueueKey, Queues};
use millrace_watch::Metrics;
use parking_lot::Mutex;
use std::collections::HashMap;

measures! {
    /// Metrics of a queue.
    QueueMeasure in "AWS/SQS" {
        Visible "ApproximateNumberOfMessagesVisible" COUNT,
        NotVisible "ApproximateNumberOfMessagesNotVisible" COUNT,
        Delayed "ApproximateNumberOfMessagesDelayed" COUNT,
        Age "ApproximateAgeOfOldestMessage" SECONDS,
        Sent "NumberOfMessagesSent" COUNT,
        SentSize "SentMessageSize" BYTES,
        Received "NumberOfMessagesReceived" COUNT,
        EmptyReceives "NumberOfEmptyReceives" COUNT,
        Deleted "NumberOfMessagesDeleted" COUNT,
    }
}

measures! {
    /// Metrics of a topic.
    TopicMeasure in "AWS/SNS" {
        Published "NumberOfMessagesPublished" COUNT,
        PublishSize "PublishSize" BYTES,
        Delivered "NumberOfNotificationsDelivered" COUNT,
        Failed "NumberOfNotificationsFailed" COUNT,
        FilteredOut "NumberOfNotificationsFilteredOut" COUNT,
        Redriven "NumberOfNotificationsRedrivenToDlq" COUNT,
        RedriveFailed "NumberOfNotificationsFailedToRedriveToDlq" COUNT,
    }
}

/// Looks at queues and topics.
pub struct QueueMeter {
    queues: Shelf<QueueKey, QueueMeasure>,
    topics: Shelf<TopicKey, TopicMeasure>,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    queues: HashMap<QueueKey, Counters>,
    topics: HashMap<TopicKey, Tally>,
}

/// What a counter moved by; one that was begun anew moved by all of it.
fn moved(now: u64, before: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

impl QueueMeter {
    /// Counts into `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        Self { queues: Shelf::new(metrics), topics: Shelf::new(metrics), last: Mutex::default() }
    }

    /// Looks at all queues.
    pub fn sample_queues(&self, queues: &Queues, now: Millis) {
        use QueueMeasure as M;
        let mut seen = HashMap::new();
        let before = std::mem::take(&mut self.last.lock().queues);
        for (key, counts) in queues.all_counts() {
            // Outboxes of topics are the server's own.
            if is_internal(&key.scope) {
                continue;
            }
            let describe = || (key.scope.clone(), vec![("QueueName", key.name.to_string())]);
            let sheet = self.queues.of(&key, describe);
            sheet.count(M::Visible, counts.depth.visible as f64);
            sheet.count(M::NotVisible, counts.depth.in_flight as f64);
            sheet.count(M::Delayed, counts.depth.delayed as f64);
            let age = counts.oldest_sent.map_or(0, |sent| (now - sent).max(0));
            sheet.count(M::Age, age as f64 / 1000.0);
            let (counters, last) = (counts.counters, before.get(&key).copied().unwrap_or_default());
            let sent = moved(counters.sent, last.sent);
            if sent > 0 {
                // Single sizes are not kept: the mean of each second stands for them.
                let mean = moved(counters.sent_bytes, last.sent_bytes) as f64 / sent as f64;
                sheet.count_many(M::SentSize, mean, sent);
            }
            for (measure, count) in [
                (M::Sent, sent),
                (M::Received, moved(counters.received, last.received)),
                (M::EmptyReceives, moved(counters.empty_receives, last.empty_receives)),
                (M::Deleted, moved(counters.deleted, last.deleted)),
            ] {
                sheet.count(measure, count as f64);
            }
            seen.insert(key, counters);
        }
        self.last.lock().queues = seen;
    }

    /// Looks at all topics.
    pub fn sample_topics(&self, topics: &Topics) {
        use TopicMeasure as M;
        let mut seen = HashMap::new();
        let before = std::mem::take(&mut self.last.lock().topics);
        for (key, tally) in topics.tallies() {
            let last = before.get(&key).copied().unwrap_or_default();
            let describe = || (key.scope.clone(), vec![("TopicName", key.name.to_string())]);
            let sheet = self.topics.of(&key, describe);
            let published = moved(tally.published, last.published);
            if published > 0 {
                let mean = moved(tally.published_bytes, last.published_bytes) as f64 / published as f64;
                sheet.count_many(M::PublishSize, mean, published);
            }
            for (measure, count) in [
                (M::Published, published),
                (M::Delivered, moved(tally.delivered, last.delivered)),
                (M::Failed, moved(tally.failed, last.failed)),
                (M::FilteredOut, moved(tally.filtered_out, last.filtered_out)),
                (M::Redriven, moved(tally.redriven, last.redriven)),
                (M::RedriveFailed, moved(tally.redrive_failed, last.redrive_failed)),
            ] {
                if count > 0 {
                    sheet.count_many(measure, 1.0, count);
                }
            }
            seen.insert(key, tally);
        }
        self.last.lock().topics = seen;
    }
}
