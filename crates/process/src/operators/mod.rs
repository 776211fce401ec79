//! The operators, each a small state machine over chunks: what comes in goes out, nothing waits for a clock.

mod assign;
mod calc;
mod external;
mod group;
mod local;
mod session;
mod spans;
mod valve;
mod watermark;
mod window;

pub(crate) use assign::Assign;
pub(crate) use calc::Calc;
pub(crate) use external::{Caller, External};
pub(crate) use group::Group;
pub(crate) use local::LocalWindow;
pub(crate) use session::Session;
pub(crate) use spans::Spans;
pub(crate) use valve::Valve;
pub(crate) use watermark::{SplitProgress, Watermark};
pub(crate) use window::{GlobalWindow, Properties};

use crate::chunk::Chunk;
use crate::state::Pane;

/// What travels to and within the trunk.
pub(crate) enum Event {
    /// Rows.
    Rows(Chunk),
    /// The part of a window's state that a lane has gathered, by the end of its slice.
    Pane(i64, Box<Pane>),
    /// No rows at or before this time are to come, but late ones.
    Watermark(i64),
    /// True: no longer to be waited for; false: to be waited for again.
    Idle(bool),
    /// From a window to itself: it has more results to give. They travel a part at a time, so that a filter behind it sees the
    /// first before the last is made.
    Fire,
}
