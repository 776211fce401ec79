//! The least watermark of several inputs, as Flink's status watermark valve finds it.

use crate::codec::{CodecError, Reader, Writer};

/// Watermarks of an operator's inputs. The output never goes back.
#[derive(Debug, Clone)]
pub(crate) struct Valve {
    inputs: Vec<(i64, bool)>,
    current: i64,
}

impl Valve {
    /// For so many inputs, none of which has a watermark yet.
    pub fn new(inputs: usize) -> Self {
        Self { inputs: vec![(i64::MIN, false); inputs], current: i64::MIN }
    }

    /// The watermark that holds.
    pub fn current(&self) -> i64 {
        self.current
    }

    /// Whether no input is to be waited for.
    pub fn is_idle(&self) -> bool {
        self.inputs.iter().all(|(_, idle)| *idle)
    }

    /// Whether one input is not waited for.
    pub fn is_idle_input(&self, input: usize) -> bool {
        self.inputs[input].1
    }

    /// An input's new watermark; gives the output's, if it moves.
    pub fn advance(&mut self, input: usize, watermark: i64) -> Option<i64> {
        let held = &mut self.inputs[input];
        held.0 = held.0.max(watermark);
        self.move_on()
    }

    /// An input falls idle or wakes; gives the output's new watermark, if it moves.
    pub fn idle(&mut self, input: usize, idle: bool) -> Option<i64> {
        self.inputs[input].1 = idle;
        self.move_on()
    }

    fn move_on(&mut self) -> Option<i64> {
        let active = self.inputs.iter().filter(|(_, idle)| !idle).map(|(watermark, _)| *watermark).min();
        // When the last input falls idle, what all have seen is let through.
        let least = active.or_else(|| self.inputs.iter().map(|(watermark, _)| *watermark).max())?;
        (least > self.current).then(|| {
            self.current = least;
            least
        })
    }

    /// Adds an input that stands where another one stands.
    pub fn add(&mut self, like: usize) {
        self.inputs.push(self.inputs[like]);
    }

    /// Takes an input away; those behind it move up.
    pub fn remove(&mut self, input: usize) {
        self.inputs.remove(input);
    }

    /// Appends the state.
    pub fn save(&self, out: &mut Writer<'_>) {
        out.i64(self.current);
        out.list(self.inputs.iter(), |out, (watermark, idle)| {
            out.i64(*watermark);
            out.u8(u8::from(*idle));
        });
    }

    /// Takes the saved state over. With another number of inputs (another parallelism) only the output's watermark holds.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.current = from.i64()?;
        let inputs = from.list(|from| Ok((from.i64()?, from.u8()? == 1)))?;
        if inputs.len() == self.inputs.len() {
            self.inputs = inputs;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_active_input_rules() {
        let mut valve = Valve::new(2);
        assert_eq!(valve.advance(0, 10), None);
        assert_eq!(valve.advance(1, 5), Some(5));
        assert_eq!(valve.idle(1, true), Some(10));
        assert_eq!(valve.idle(1, false), None);
        assert_eq!(valve.current(), 10);
    }
}
