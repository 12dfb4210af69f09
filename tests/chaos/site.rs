//! What can be disturbed, and how each fault is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::clocks::Clocks;
use super::faults::{Fault, Kind, Target};
use super::fleet::{Desk, Fleet, GUEST, INSTANCES};
use super::proxy::{Loss, Lossy, Proxies, Proxy, Sort};
use super::redis_faults;
use crate::support::servers::{Kafka, Redis};

/// Below a broker's session (9 s). A lone one that is frozen for longer has no leaders for a moment when
/// it goes on; what is aborted then stays open in its partitions, and a later commit makes it visible
/// (KAFKA-20734). No client can make up for that.
const LONE_BROKER_FROZEN_MAX: Duration = Duration::from_millis(7_000);

/// What a process may take to end after SIGTERM: its own bound is 25 s.
pub const STOP_PATIENCE: Duration = Duration::from_secs(40);
/// A loss that has met nothing to lose by then is called off.
const LOSS_PATIENCE: Duration = Duration::from_secs(40);
/// More than any session, transaction or time-out lasts.
const CLOCK_BACK: Duration = Duration::from_secs(600);
/// Instances that may be away for long at the same time: one stays, so that there is something to
/// disturb.
const LONG_MAX: usize = INSTANCES - 1;

/// Everything that can be disturbed.
pub struct Site {
    pub fleet: Fleet,
    /// Where processes were started with clocks that can be set.
    pub clocks: Option<Clocks>,
    pub brokers: Vec<Kafka>,
    pub redis: Redis,
    pub kafka_proxy: Proxies,
    pub redis_proxy: Proxy,
    pub desks: Desks,
    /// Long faults of instances that go on.
    pub long: AtomicUsize,
}

/// Of the servers and the ways to them.
#[derive(Default)]
pub struct Desks {
    redis: Desk,
    broker: Desk,
    redis_proxy: Desk,
    broker_proxy: Desk,
}

impl Site {
    /// Takes what the fault disturbs, if it is free; the number of the instance, where one is meant.
    fn take(&self, fault: &Fault) -> Option<usize> {
        let target = fault.kind.target();
        let from = if target == Target::Guest {
            GUEST
        } else {
            fault.instance
        };
        let mut instances = match target {
            Target::Instance => (0..INSTANCES).map(|step| (from + step) % INSTANCES).collect(),
            _ => vec![from],
        }
        .into_iter();
        instances.find(|instance| self.desk(target, *instance).take())
    }

    fn desk(&self, target: Target, instance: usize) -> &Desk {
        match target {
            Target::Redis => &self.desks.redis,
            Target::Broker => &self.desks.broker,
            Target::RedisProxy => &self.desks.redis_proxy,
            Target::BrokerProxy => &self.desks.broker_proxy,
            Target::Guest | Target::Instance => &self.fleet.members[instance].desk,
        }
    }

    /// Lets it happen on a thread of its own. None: what it disturbs is not free. The thread's
    /// answer: whether it met anything.
    pub fn begin(self: &Arc<Site>, fault: Fault) -> Option<thread::JoinHandle<bool>> {
        let long = fault.kind.is_long() && fault.kind.target() == Target::Instance;
        if long && self.long.load(Ordering::SeqCst) >= LONG_MAX {
            return None;
        }
        let instance = self.take(&fault)?;
        let site = self.clone();
        site.long.fetch_add(usize::from(long), Ordering::SeqCst);
        Some(thread::spawn(move || {
            let met = site.happen(&fault, instance);
            site.long.fetch_sub(usize::from(long), Ordering::SeqCst);
            site.desk(fault.kind.target(), instance).give_back();
            met
        }))
    }

    fn happen(&self, fault: &Fault, instance: usize) -> bool {
        if let Some(loss) = fault.kind.loss() {
            return self.lose(loss);
        }
        match fault.kind.target() {
            Target::Redis => return redis_faults::happen(&self.redis, fault),
            Target::Broker => self.disturb_broker(fault),
            Target::RedisProxy => self.redis_proxy.cut_all(),
            Target::BrokerProxy => self.kafka_proxy.cut_all(),
            Target::Guest | Target::Instance => self.disturb_instance(fault, instance),
        }
        true
    }

    fn lose(&self, loss: Loss) -> bool {
        let proxy: &dyn Lossy = match loss.sort {
            Sort::Script => &self.redis_proxy,
            Sort::Api(_) => &self.kafka_proxy,
        };
        let before = proxy.struck();
        proxy.arm(loss);
        let deadline = Instant::now() + LOSS_PATIENCE;
        while proxy.struck() == before && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        !proxy.disarm()
    }

    fn disturb_instance(&self, fault: &Fault, instance: usize) {
        let accrual = &self.fleet.members[instance].accrual;
        match fault.kind {
            Kind::Kill | Kind::KillBeyondSession => {
                self.fleet.kill(instance);
                thread::sleep(fault.lasts);
                self.fleet.launch(instance);
            }
            Kind::Hiccup | Kind::FreezeBeyondSession => {
                if !accrual.has_ended() {
                    accrual.pause();
                    thread::sleep(fault.lasts);
                    accrual.resume();
                }
            }
            Kind::ClockBack => {
                let clocks = self.clocks.as_ref().expect("drawn only where clocks can be set");
                clocks.set_back(instance, CLOCK_BACK);
                thread::sleep(fault.lasts);
                clocks.set_back(instance, Duration::ZERO);
            }
            Kind::Restart | Kind::ScaleIn => {
                self.fleet.stop(instance, STOP_PATIENCE);
                thread::sleep(fault.lasts);
                self.fleet.launch(instance);
            }
            _ => {
                self.fleet.launch(instance);
                thread::sleep(fault.lasts);
                self.fleet.stop(instance, STOP_PATIENCE);
            }
        }
    }

    /// A broker that is back is left alone for as long as it was away: on a busy machine it may take
    /// most of a minute to start, and one that is never there shows nothing.
    fn disturb_broker(&self, fault: &Fault) {
        let begun = Instant::now();
        let broker = &self.brokers[fault.seed as usize % self.brokers.len()];
        match fault.kind {
            Kind::BrokerFrozen => {
                let lasts = match self.brokers.len() {
                    1 => fault.lasts.min(LONE_BROKER_FROZEN_MAX),
                    _ => fault.lasts,
                };
                broker.pause();
                thread::sleep(lasts);
                broker.resume();
            }
            Kind::BrokerRestarted => {
                broker.stop();
                thread::sleep(fault.lasts);
                broker.start();
            }
            _ => {
                broker.kill();
                thread::sleep(fault.lasts);
                broker.start();
            }
        }
        thread::sleep(begun.elapsed());
    }
}
