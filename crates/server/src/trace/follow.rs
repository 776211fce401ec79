//! From positions to everything that happened to them, stream by stream.

use super::{Hop, HopEvent};
use millrace_base::Millis;
use millrace_watch::journey::{Journeys, Outcome, Range};
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
        let read = std::mem::take(&mut here);
        seen.extend_from_slice(&read);
        let events = puts.into_iter().map(HopEvent::Put).chain(steps.into_iter().map(HopEvent::Step));
        for event in events {
            if let HopEvent::Step(step) = &event {
                let led_to = step.led_to_of(&read);
                let new = led_to.into_iter().filter(|range| !seen.contains(range));
                here.extend(new.take(RANGES_MAX.saturating_sub(here.len())));
            }
            match hops.iter_mut().find(|hop| is_again(&hop.event, &event)) {
                Some(hop) if hop.event == event => {}
                Some(hop) => hop.repeats += 1,
                None => hops.push(Hop { depth, event, repeats: 0 }),
            }
        }
    }
    since(&mut hops);
    hops.sort_by_key(|hop| (began(&hop.event), hop.depth));
    Ok(hops)
}

/// Steps begin no earlier than the records whose journey is told: a stage is noted since it last looked, and a read may be
/// quicker than the put's answer.
fn since(hops: &mut [Hop]) {
    let puts = hops.iter().filter_map(|hop| match &hop.event {
        HopEvent::Put(put) if hop.depth == 0 => Some(put.began),
        _ => None,
    });
    let Some(came) = puts.min() else { return };
    for hop in hops {
        if let HopEvent::Step(step) = &mut hop.event {
            step.began = step.began.max(came).min(step.ended);
        }
    }
}

/// Whether the second is the first once more: a try that failed in the same way.
fn is_again(first: &HopEvent, second: &HopEvent) -> bool {
    match (first, second) {
        (HopEvent::Step(first), HopEvent::Step(second)) => {
            let same = first.stage == second.stage && first.name == second.name && first.read == second.read;
            first == second || (same && first.outcome == second.outcome && first.outcome != Outcome::Done)
        }
        (first, second) => first == second,
    }
}

fn began(event: &HopEvent) -> Millis {
    match event {
        HopEvent::Put(put) => put.began,
        HopEvent::Step(step) => step.began,
    }
}
