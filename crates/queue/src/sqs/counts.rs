//! What a queue holds and what went through it.

use millrace_base::Millis;

/// How many messages a queue holds. Exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// `ApproximateNumberOfMessages`: those that wait to be received.
    pub visible: usize,
    /// `ApproximateNumberOfMessagesNotVisible`: received, not deleted.
    pub in_flight: usize,
    /// `ApproximateNumberOfMessagesDelayed`.
    pub delayed: usize,
}

/// What happened in a queue since the server started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// `NumberOfMessagesSent`.
    pub sent: u64,
    /// Bytes of bodies and attributes that were sent.
    pub sent_bytes: u64,
    /// `NumberOfMessagesReceived`.
    pub received: u64,
    /// `NumberOfEmptyReceives`.
    pub empty_receives: u64,
    /// `NumberOfMessagesDeleted`.
    pub deleted: u64,
    /// Messages that went to the dead-letter queue.
    pub given_up: u64,
}

/// Both, and the age of the oldest message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// What it holds.
    pub depth: Depth,
    /// When the oldest message was sent.
    pub oldest_sent: Option<Millis>,
    /// What happened.
    pub counters: Counters,
}
