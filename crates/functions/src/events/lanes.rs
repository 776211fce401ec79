//! Which event is looked at when: each function has a lane of its own, so that a slow one holds up nobody else.

use crate::FunctionKey;
use millrace_base::Millis;
use std::collections::{BTreeSet, HashMap};

/// So many events of one function are worked on at once.
pub(super) const RUNNING_MAX: usize = 32;

/// The events that wait, by function. Ids only: what they hold is in the catalog.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: HashMap<FunctionKey, Lane>,
    count: usize,
}

#[derive(Default)]
struct Lane {
    waiting: BTreeSet<(Millis, String)>,
    running: usize,
}

impl Lanes {
    /// How many events wait or run.
    pub fn len(&self) -> usize {
        self.count
    }

    /// A new event.
    pub fn add(&mut self, function: &FunctionKey, due: Millis, id: String) {
        self.count += 1;
        self.lanes.entry(function.clone()).or_default().waiting.insert((due, id));
    }

    /// All that may be worked on now. Each is given back by [`Lanes::again`] or [`Lanes::done`].
    pub fn take(&mut self, now: Millis) -> Vec<(FunctionKey, String)> {
        let mut taken = Vec::new();
        for (function, lane) in &mut self.lanes {
            while lane.running < RUNNING_MAX && lane.waiting.first().is_some_and(|(due, _)| *due <= now) {
                let Some((_, id)) = lane.waiting.pop_first() else { break };
                lane.running += 1;
                taken.push((function.clone(), id));
            }
        }
        taken
    }

    /// A taken event waits again.
    pub fn again(&mut self, function: &FunctionKey, due: Millis, id: String) {
        if let Some(lane) = self.lanes.get_mut(function) {
            lane.running -= 1;
            lane.waiting.insert((due, id));
        }
    }

    /// A taken event is over.
    pub fn done(&mut self, function: &FunctionKey) {
        self.count -= 1;
        if let Some(lane) = self.lanes.get_mut(function) {
            lane.running -= 1;
            if lane.running == 0 && lane.waiting.is_empty() {
                self.lanes.remove(function);
            }
        }
    }

    /// When the next event that could be taken is due.
    pub fn next_due(&self) -> Option<Millis> {
        let open = self.lanes.values().filter(|lane| lane.running < RUNNING_MAX);
        open.filter_map(|lane| lane.waiting.first()).map(|(due, _)| *due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_lane_leaves_the_others_alone() {
        let key = |name: &str| FunctionKey { scope: Default::default(), name: name.into() };
        let (slow, quick) = (key("slow"), key("quick"));
        let mut lanes = Lanes::default();
        for number in 0..RUNNING_MAX + 5 {
            lanes.add(&slow, 0, format!("{number:03}"));
        }
        assert_eq!(lanes.take(0).len(), RUNNING_MAX);
        lanes.add(&quick, 10, "q".into());
        assert_eq!((lanes.take(9).len(), lanes.next_due()), (0, Some(10)));
        assert_eq!(lanes.take(10), [(quick.clone(), "q".to_owned())]);
        assert_eq!(lanes.next_due(), None);
        lanes.done(&slow);
        assert_eq!(lanes.take(10).len(), 1);
        lanes.again(&quick, 50, "q".into());
        assert_eq!((lanes.len(), lanes.next_due()), (RUNNING_MAX + 5, Some(50)));
    }
}
