//! The arithmetic of windows: which slice a time falls into, which windows a slice belongs to, when they fire.
//!
//! A slice is the greatest span that no window cuts: the window itself for TUMBLE, the greatest common divisor of size and
//! slide for HOP, the step for CUMULATE. Rows are gathered by slice; a window is the sum of its slices. Slices are named by
//! their end.

use crate::eval::{EvalContext, EvalError};
use crate::graph::Window;
use crate::time::{offset_at, to_instant};
use arrow::array::{Array, ArrayRef};
use chrono_tz::Tz;
use millrace_schema::SqlType;

/// The windows of one operator.
#[derive(Debug, Clone)]
pub(crate) struct Spans {
    window: Window,
    slice: i64,
    offset: i64,
    /// Set when the time column is TIMESTAMP_LTZ in a zone other than UTC: windows are cut in local time.
    zone: Option<Tz>,
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn floor(time: i64, span: i64, offset: i64) -> i64 {
    time - (time - offset).rem_euclid(span)
}

impl Spans {
    /// For a window over a time column of this type.
    pub fn new(window: &Window, time: &SqlType, context: &EvalContext) -> Self {
        let (slice, offset) = match *window {
            Window::Tumble { size_ms, offset_ms } => (size_ms, offset_ms),
            Window::Hop { size_ms, slide_ms, offset_ms } => (gcd(size_ms, slide_ms), offset_ms),
            Window::Cumulate { step_ms, offset_ms, .. } => (step_ms, offset_ms),
            Window::Session { gap_ms } => (gap_ms, 0),
            Window::Attached { .. } => (1, 0),
        };
        let is_zoned = matches!(time, SqlType::TimestampLtz(_)) && context.zone != Tz::UTC;
        Self { window: window.clone(), slice: slice.max(1), offset, zone: is_zoned.then_some(context.zone) }
    }

    /// The local time of a point in event time.
    pub fn local(&self, time: i64) -> i64 {
        self.zone.map_or(time, |zone| time + offset_at(zone, time))
    }

    /// The watermark at which a window with this (local) end fires.
    pub fn trigger(&self, end: i64) -> i64 {
        self.zone.map_or(end - 1, |zone| to_instant(zone, end - 1))
    }

    /// The end of the slice that each time falls into.
    pub fn slice_ends(&self, columns: &[ArrayRef], time: usize) -> Result<Vec<i64>, EvalError> {
        let column = &columns[time];
        if column.null_count() > 0 {
            return Err(EvalError(
                "the time column of a window is NULL: filter such rows out before the window".to_owned(),
            ));
        }
        let times = crate::state::longs(column)?;
        if let Window::Attached { .. } = self.window {
            return Ok(times.into_owned());
        }
        let (slice, offset) = (self.slice, self.offset);
        Ok(match self.zone {
            None => times.iter().map(|&time| floor(time, slice, offset) + slice).collect(),
            Some(_) => times.iter().map(|&time| floor(self.local(time), slice, offset) + slice).collect(),
        })
    }

    /// The last slice end that a watermark has passed.
    pub fn passed(&self, watermark: i64) -> i64 {
        match watermark {
            i64::MIN => i64::MIN,
            i64::MAX => i64::MAX,
            // One unit of the time column is one slice when rows carry their window.
            _ => floor(self.local(watermark.saturating_add(1)), self.slice, self.offset),
        }
    }

    /// The windows (start, end) that a slice belongs to, in order of end.
    pub fn windows(&self, slice_end: i64, start: i64) -> Vec<(i64, i64)> {
        match self.window {
            Window::Hop { size_ms, slide_ms, offset_ms } => {
                let newest = floor(slice_end - self.slice, slide_ms, offset_ms);
                let starts = std::iter::successors(Some(newest), |start| Some(start - slide_ms));
                let mut windows: Vec<_> = starts
                    .take_while(|start| start + size_ms >= slice_end)
                    .map(|start| (start, start + size_ms))
                    .collect();
                windows.reverse();
                windows
            }
            Window::Cumulate { size_ms, step_ms, offset_ms } => {
                let start = floor(slice_end - self.slice, size_ms, offset_ms);
                let ends = std::iter::successors(Some(slice_end), |end| Some(end + step_ms));
                ends.take_while(|end| *end <= start + size_ms).map(|end| (start, end)).collect()
            }
            Window::Attached { .. } => vec![(start, slice_end)],
            Window::Tumble { .. } | Window::Session { .. } => vec![(slice_end - self.slice, slice_end)],
        }
    }

    /// The end of the last window that a slice belongs to, if it belongs to any (HOP may leave gaps).
    pub fn last_end(&self, slice_end: i64) -> Option<i64> {
        match self.window {
            Window::Tumble { .. } | Window::Attached { .. } => Some(slice_end),
            _ => self.windows(slice_end, 0).last().map(|window| window.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(window: Window) -> Spans {
        Spans::new(&window, &SqlType::Timestamp(3), &EvalContext { now: 0, zone: Tz::UTC })
    }

    #[test]
    fn hop_slices_belong_to_overlapping_windows() {
        let hop = spans(Window::Hop { size_ms: 10, slide_ms: 5, offset_ms: 0 });
        assert_eq!(hop.windows(5, 0), vec![(-5, 5), (0, 10)]);
        assert_eq!(hop.last_end(10), Some(15));
        let gaps = spans(Window::Hop { size_ms: 2, slide_ms: 6, offset_ms: 0 });
        assert_eq!(gaps.windows(2, 0), vec![(0, 2)]);
        assert_eq!(gaps.last_end(4), None);
    }

    #[test]
    fn cumulate_grows() {
        let cumulate = spans(Window::Cumulate { size_ms: 30, step_ms: 10, offset_ms: 0 });
        assert_eq!(cumulate.windows(20, 0), vec![(0, 20), (0, 30)]);
    }

    #[test]
    fn a_watermark_passes_ends() {
        let tumble = spans(Window::Tumble { size_ms: 10, offset_ms: 3 });
        assert_eq!(tumble.passed(12), 13);
        assert_eq!(tumble.passed(11), 3);
        assert_eq!(tumble.trigger(13), 12);
    }
}
