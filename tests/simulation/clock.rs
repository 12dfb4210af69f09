//! Simulated time as one machine sees it.
//!
//! Permitted: a skew that stays the same for a life of a machine, and jumps forward for all.
//! Survivable: times of decisions come from records and due times (E8), not from here.

use accrual::engine::ports::{Clock, Millis};

use super::world::Sim;

pub struct SimClock {
    pub sim: Sim,
    pub machine: usize,
}

impl Clock for SimClock {
    fn now(&self) -> Millis {
        self.sim.lock().clock(self.machine)
    }

    fn wall(&self) -> Millis {
        self.now()
    }

    async fn wait_until(&self, at: Millis) {
        let skew = self.sim.lock().machines[self.machine].skew;
        if at == Millis::MAX {
            return std::future::pending().await;
        }
        self.sim.timer(at.saturating_sub(skew)).await
    }

    async fn pause(&self, millis: u64) {
        let now = self.sim.lock().now;
        self.sim.timer(now + millis as Millis).await
    }
}
