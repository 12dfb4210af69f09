//! When timers may fire (E13): only when the input has been read past them, or to its end.

use super::ports::{Millis, Offset};

/// Progress of one partition's input, in the processor's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// Timers before this may fire.
    open_until: Millis,
    /// Once the input is read to this offset, timers before this time may fire.
    fence: Option<(Millis, Offset)>,
}

impl Gate {
    /// Starts closed beyond the partition's clock.
    pub fn new(clock: Millis) -> Self {
        Self {
            open_until: clock,
            fence: None,
        }
    }

    pub fn open_until(&self) -> Millis {
        self.open_until
    }

    /// At time `at` the input ended at `end`: what came before `at` lies before `end`.
    /// A fence that stands is kept, or flowing input would push it ahead for ever.
    pub fn fence(&mut self, at: Millis, end: Offset) {
        if self.fence.is_none() && at > self.open_until {
            self.fence = Some((at, end));
        }
    }

    pub fn fenced(&self) -> bool {
        self.fence.is_some()
    }

    /// The input was read to `position`.
    pub fn reached(&mut self, position: Offset) {
        if let Some((at, end)) = self.fence
            && position >= end
        {
            self.open_until = self.open_until.max(at);
            self.fence = None;
        }
    }

    /// A record that arrived at `arrival` was decided: the input is read past everything before.
    pub fn passed(&mut self, arrival: Millis) {
        self.open_until = self.open_until.max(arrival);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_at_the_fence_or_past_a_record() {
        let mut gate = Gate::new(10);
        gate.fence(20, 5);
        gate.fence(30, 9);
        gate.reached(4);
        assert_eq!((gate.open_until(), gate.fenced()), (10, true));
        gate.reached(5);
        assert_eq!((gate.open_until(), gate.fenced()), (20, false));
        gate.passed(25);
        gate.passed(15);
        assert_eq!(gate.open_until(), 25);
        gate.fence(25, 100);
        assert!(!gate.fenced(), "nothing to gain");
    }
}
