//! From positions to everything that happened to them, stream by stream.

use super::{Hop, HopEvent};
use millrace_base::Millis;
use millrace_watch::journey::{Journeys, Range};
use std::io;

/// Streams that a journey is followed over; a loop of streams would have no end.
const DEPTH_MAX: usize = 12;
/// Ranges of one stream after another that are followed.
const RANGES_MAX: usize = 4096;

/// All hops of the records in `ranges` and of what was made of them, in order of time.
pub fn hops(journeys: &Journeys, ranges: &[Range]) -> io::Result<Vec<Hop>> {
    let (mut hops, mut seen, mut here): (Vec<Hop>, Vec<Range>, Vec<Range>) = (Vec::new(), Vec::new(), ranges.to_vec());
    for depth in 0..DEPTH_MAX {
        if here.is_empty() {
            break;
        }
        let (puts, steps) = journeys.touching(&here)?;
        seen.append(&mut here);
        let events = puts.into_iter().map(HopEvent::Put).chain(steps.into_iter().map(HopEvent::Step));
        for event in events {
            if let HopEvent::Step(step) = &event {
                let new = step.led_to.iter().filter(|range| !seen.contains(range)).cloned();
                here.extend(new.take(RANGES_MAX.saturating_sub(here.len())));
            }
            if hops.iter().all(|hop| hop.event != event) {
                hops.push(Hop { depth, event });
            }
        }
    }
    hops.sort_by_key(|hop| (began(&hop.event), hop.depth));
    Ok(hops)
}

fn began(event: &HopEvent) -> Millis {
    match event {
        HopEvent::Put(put) => put.began,
        HopEvent::Step(step) => step.began,
    }
}
