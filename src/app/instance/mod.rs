//! One process at a time runs an instance's stages. Two with one `instance_id` are the same member to
//! Kafka's groups, which accept the newer one and fence the older one: the newer one waits here instead.
//!
//! A lease in Redis, which its holder renews. Redis may lose it or be away: that never stops the
//! holder, which renews it when it can. Exactly-once does not depend on it.

mod decision;
mod holder;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::adapters::redis::{Holding, Lease};
use crate::config::Settings;
use crate::engine::error::StoreError;

use self::decision::{Claim, HELD_FOR, Keep, Kept, Next, RENEW_EVERY};
use self::holder::Holder;
use super::patience::{however_long, set_waits_for};
use super::setup::connect_lease;

/// How often a waiting process looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOG_EVERY: Duration = Duration::from_secs(60);
/// Less than `RENEW_EVERY`: a holder asks often, also where answers are lost.
const RENEW_TIMEOUT: Duration = Duration::from_secs(1);
/// The end does not wait longer for Redis.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);
/// The first call on a connection that broke while it was idle only hears of that.
const FAILURES_LOGGED_AT: u32 = 2;

/// This process' right to run the stages of its `instance_id`.
pub struct Instance {
    held: Arc<Held>,
    /// The process that took it.
    lost: watch::Sender<Option<String>>,
    keeper: OnceLock<AbortHandle>,
}

struct Held {
    id: String,
    own: Holder,
    entry: String,
    lease: OnceLock<Lease>,
}

impl Instance {
    /// Asks nobody yet.
    pub fn new(settings: &Settings) -> Self {
        let own = Holder::this_process();
        Self {
            held: Arc::new(Held {
                id: settings.instance_id.clone(),
                entry: own.entry(),
                own,
                lease: OnceLock::new(),
            }),
            lost: watch::Sender::new(None),
            keeper: OnceLock::new(),
        }
    }

    /// Waits until no other process runs as this instance. Readiness says for which one.
    pub async fn claim(&self, settings: &Settings) -> anyhow::Result<()> {
        let lease = however_long("Redis", async || connect_lease(settings).await).await?;
        let lease = self.held.lease.get_or_init(|| lease);
        let claimed = self.held.claim(lease).await;
        set_waits_for(None);
        claimed?;
        let (held, lost) = (self.held.clone(), self.lost.clone());
        let keeper = tokio::spawn(async move {
            let rival = held.keep().await;
            let _ = lost.send_replace(Some(rival));
        });
        let _ = self.keeper.set(keeper.abort_handle());
        Ok(())
    }

    /// Once another process runs as this instance.
    pub async fn lost(&self) -> anyhow::Error {
        let mut lost = self.lost.subscribe();
        let rival = match lost.wait_for(Option::is_some).await {
            Ok(rival) => rival.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        };
        anyhow::anyhow!(
            "instance_id {} was taken by {rival}: each process needs its own",
            self.held.id
        )
    }

    /// Gives the right back, so that a waiting process goes on at once. Also one that was asked for
    /// when a signal came.
    pub async fn release(&self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.abort();
        }
        let Some(lease) = self.held.lease.get() else {
            return;
        };
        let released = tokio::time::timeout(RELEASE_TIMEOUT, lease.release(&self.held.entry)).await;
        if self.keeper.get().is_some() && !matches!(released, Ok(Ok(()))) {
            tracing::info!(
                instance = self.held.id,
                "Redis does not answer: the instance_id is free in {HELD_FOR:?}"
            );
        }
    }
}

impl Held {
    async fn claim(&self, lease: &Lease) -> anyhow::Result<()> {
        let (begun, mut claim, mut said) = (Instant::now(), Claim::default(), Said::default());
        loop {
            let may_take = claim.may_take(Instant::now());
            let holding = lease.hold(&self.entry, HELD_FOR, may_take, claim.dead()).await;
            let now = Instant::now();
            let next = match &holding {
                Ok(holding) => claim.answered(holding, now, |entry| self.is_dead(entry)),
                Err(StoreError::Fatal(reason)) => bail!("{reason}"),
                Err(error) => {
                    claim.unanswered(now);
                    said.say(&error.to_string(), now);
                    Next::Later
                }
            };
            if let (Ok(Holding::Other { entry, .. }), Next::Later) = (&holding, next) {
                let holder = named(entry);
                let reason = format!("instance_id {} is held by {holder}; this process waits", self.id);
                said.say(&reason, now);
            }
            match next {
                Next::Done => break,
                Next::AtOnce => {}
                Next::Later => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
        if said.anything() {
            let waited = begun.elapsed().as_secs_f64();
            tracing::info!(
                "instance_id {} is free after {waited:.1} s: this process goes on",
                self.id
            );
        }
        Ok(())
    }

    /// Renews the lease until another process has it; which.
    async fn keep(&self) -> String {
        let (mut keep, mut failures) = (Keep::default(), 0_u32);
        let Some(lease) = self.lease.get() else {
            return std::future::pending().await;
        };
        loop {
            let asked = Instant::now();
            let holding = lease.hold(&self.entry, HELD_FOR, true, keep.dead());
            let holding = match tokio::time::timeout(RENEW_TIMEOUT, holding).await {
                Ok(holding) => holding.map_err(|error| error.to_string()),
                Err(_) => Err(format!("Redis does not answer within {RENEW_TIMEOUT:?}")),
            };
            let kept = match holding {
                Ok(holding) => {
                    if failures >= FAILURES_LOGGED_AT {
                        tracing::info!(instance = self.id, "the instance_id is renewed again");
                    }
                    failures = 0;
                    keep.answered(&holding, (asked, Instant::now()), |entry| self.is_dead(entry))
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    if failures == FAILURES_LOGGED_AT {
                        tracing::warn!(
                            instance = self.id,
                            error,
                            "the instance_id cannot be renewed in Redis; this process goes on"
                        );
                    }
                    Kept::Unclear(Next::Later)
                }
            };
            match kept {
                Kept::Lost(entry) => return named(&entry),
                Kept::Unclear(Next::AtOnce) => {}
                Kept::Ours | Kept::Unclear(_) => tokio::time::sleep(RENEW_EVERY).await,
            }
        }
    }

    fn is_dead(&self, entry: &str) -> bool {
        Holder::read(entry).is_some_and(|holder| holder.is_dead(&self.own))
    }
}

fn named(entry: &str) -> String {
    match Holder::read(entry) {
        Some(holder) => holder.to_string(),
        None => format!("an unknown entry in Redis, {entry:?}"),
    }
}

/// Why this process waits, as it was last said.
#[derive(Default)]
struct Said(Option<(String, Instant)>);

impl Said {
    /// To readiness now; to the log when it begins or changes, and once a minute.
    fn say(&mut self, reason: &str, now: Instant) {
        let known = |(said, at): &(String, Instant)| said == reason && now - *at < LOG_EVERY;
        if !self.0.as_ref().is_some_and(known) {
            tracing::warn!("{reason}");
            self.0 = Some((reason.to_owned(), now));
        }
        set_waits_for(Some(reason.to_owned()));
    }

    fn anything(&self) -> bool {
        self.0.is_some()
    }
}
