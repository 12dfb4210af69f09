//! What was told about an order: a set, so the order of arrival and repeats do not matter.

pub mod cancellation;
pub mod customers;
pub mod event;
pub mod snapshot;
pub mod telling;
pub mod unknown;

use std::sync::Arc;

pub use self::cancellation::{Cancellation, Cancelled, Choice};
pub use self::customers::{Buyer, Claim, Named};
pub use self::event::{FactTimes, OrderEvent, Refund};
pub use self::snapshot::{Customer, Delivery, Line, Snapshot};
pub use self::telling::{Fact, FactSet, Known, Told};
pub use self::unknown::{Section, UnknownField};
use crate::domain::instant::Instant;
use crate::domain::short_text::ShortText;

/// Withdrawals by one event that are the latest of their facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    pub facts: FactSet,
    pub time: Instant,
    pub event_id: ShortText,
    pub traceparent: Option<ShortText>,
}

/// All that is known of an order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub snapshot: Option<Arc<Snapshot>>,
    /// Customers of snapshots that do not count any more, by id. They may have redeemed points,
    /// and they know the tier at placement.
    pub customers: Vec<Named>,
    pub created: Option<Told>,
    /// By [`Fact`].
    pub known: [Known; Fact::ALL.len()],
    pub withdrawn: Vec<Withdrawn>,
    pub cancellation: Cancellation,
    pub claim: Option<Claim>,
    /// By id.
    pub refunds: Vec<Refund>,
}

/// What an event told that was not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    pub snapshot: bool,
    pub created: bool,
    pub cancelled: bool,
    /// A cancellation was withdrawn, and none is left.
    pub reopened: bool,
    pub refund: bool,
    /// A refund that was known turned out to be another.
    pub refund_replaced: bool,
    /// The claim that counts is another.
    pub claimed: bool,
}

/// How far an order has come when an event arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// The points were credited.
    pub issued: bool,
    /// Snapshots change nothing any more.
    pub frozen: bool,
}

/// A fact that counts.
#[derive(Clone, Copy, Debug)]
pub struct Occurred<'a> {
    /// Never before the order was created.
    pub at: Instant,
    pub told: &'a Told,
}

impl Facts {
    pub fn fact(&self, fact: Fact) -> Option<Occurred<'_>> {
        let told = self.known[fact as usize].first.as_ref()?;
        Some(self.occurred(told))
    }

    pub fn created(&self) -> Option<Occurred<'_>> {
        self.created.as_ref().map(|told| Occurred { at: told.at, told })
    }

    pub fn cancelled(&self) -> Option<Cancelled<'_>> {
        let Occurred { at, told } = self.fact(Fact::Cancelled)?;
        let (take_back, return_redeemed) = self.cancellation.choice();
        Some(Cancelled {
            at,
            told,
            take_back,
            return_redeemed,
            after_issue: self.cancellation.after_issue,
        })
    }

    /// The latest withdrawal of a fact.
    pub fn withdrawal(&self, fact: Fact) -> Option<&Withdrawn> {
        self.withdrawn.iter().find(|known| known.facts.contains(fact))
    }

    /// Takes an event in.
    pub fn learn(&mut self, event: &OrderEvent, stage: Stage) -> News {
        let mut news = News::default();
        if let Some(snapshot) = &event.snapshot {
            if !stage.frozen {
                news.snapshot = self.learn_snapshot(snapshot);
            }
            if let Some(at) = snapshot.created_at {
                news.created = self.learn_created(event.told(at));
            }
        }
        let was_cancelled = self.fact(Fact::Cancelled).is_some();
        if !event.withdraws.is_empty() {
            self.withdraw(event);
        }
        for fact in Fact::ALL {
            if let Some(at) = event.tells.get(fact) {
                let withdrawn = self.withdrawal(fact).map(|known| known.time);
                self.known[fact as usize].learn(event.told(at), withdrawn);
                if fact == Fact::Cancelled {
                    self.learn_choice(event, withdrawn, stage);
                }
            }
        }
        let is_cancelled = self.fact(Fact::Cancelled).is_some();
        news.cancelled = is_cancelled && !was_cancelled;
        news.reopened = was_cancelled && !is_cancelled;
        if news.cancelled || !is_cancelled {
            self.cancellation.after_issue = news.cancelled && stage.issued;
        }
        if let Some(customer) = &event.claim {
            news.claimed = self.learn_claim(event, customer);
        }
        if let Some(refund) = &event.refund {
            (news.refund, news.refund_replaced) = self.learn_refund(refund, stage.issued);
        }
        news
    }

    /// Whether a refund takes points, as far as the merchant chose. One that is not before a
    /// cancellation which was forgiven is forgiven with it.
    pub fn takes_back(&self, refund: &Refund) -> bool {
        let forgiven = |cancelled: Cancelled| !cancelled.take_back && cancelled.at <= refund.time;
        refund.take_back && !self.cancelled().is_some_and(forgiven)
    }

    /// Whether a refund still counts for points redeemed: whatever is not before a cancellation
    /// that gave none back changes nothing any more.
    pub fn counts_for_redeemed(&self, refund: &Refund) -> bool {
        let kept = |cancelled: Cancelled| !cancelled.return_redeemed && cancelled.at <= refund.time;
        !self.cancelled().is_some_and(kept)
    }

    fn occurred<'a>(&self, told: &'a Told) -> Occurred<'a> {
        let created = self.created.as_ref().map_or(Instant::MIN, |created| created.at);
        Occurred {
            at: told.at.max(created),
            told,
        }
    }

    /// Says whether it counts.
    fn learn_snapshot(&mut self, snapshot: &Arc<Snapshot>) -> bool {
        let known = self.snapshot.as_ref();
        let is_newest = known.is_none_or(|known| snapshot.replaces(known));
        let other = match is_newest {
            true => self.snapshot.replace(snapshot.clone()),
            false => Some(snapshot.clone()),
        };
        if let Some(other) = other
            && Some(&other) != self.snapshot.as_ref()
        {
            self.learn_customer(&other);
        }
        is_newest
    }

    /// Takes in a snapshot that came too late to earn.
    pub(super) fn learn_late(&mut self, snapshot: &Arc<Snapshot>) {
        self.learn_snapshot(snapshot);
    }

    /// Says whether the order is older than was known.
    fn learn_created(&mut self, told: Told) -> bool {
        let known = self.created.as_ref();
        let is_earlier = known.is_none_or(|known| told.at < known.at);
        if known.is_none_or(|known| told < *known) {
            self.created = Some(told);
        }
        is_earlier
    }

    fn withdraw(&mut self, event: &OrderEvent) {
        let mut latest = FactSet::default();
        for fact in Fact::ALL {
            if !event.withdraws.contains(fact) {
                continue;
            }
            let known = self.withdrawn.iter_mut().find(|known| known.facts.contains(fact));
            match known {
                Some(known) if (known.time, &known.event_id) >= (event.time, &event.id) => continue,
                Some(known) => known.facts.remove(fact),
                None => {}
            }
            latest.insert(fact);
            self.known[fact as usize].withdraw(event.time);
            if fact == Fact::Cancelled {
                self.cancellation.withdraw(event.time);
            }
        }
        self.withdrawn.retain(|known| !known.facts.is_empty());
        if !latest.is_empty() {
            self.withdrawn.push(Withdrawn {
                facts: latest,
                time: event.time,
                event_id: event.id.clone(),
                traceparent: event.traceparent.clone(),
            });
            self.withdrawn
                .sort_by(|a, b| (a.time, &a.event_id).cmp(&(b.time, &b.event_id)));
        }
    }

    /// After the issue a cancellation is carried out at once: choices that come later are too late.
    fn learn_choice(&mut self, event: &OrderEvent, withdrawn: Option<Instant>, stage: Stage) {
        let carried_out =
            !self.cancellation.choices.is_empty() && stage.issued && self.cancellation.after_issue;
        if carried_out {
            return;
        }
        let choice = Choice {
            time: event.time,
            take_back: event.take_back,
            return_redeemed: event.return_redeemed,
        };
        self.cancellation.learn(choice, withdrawn);
    }

    /// Says whether it is new, and whether it replaced what was known of it.
    fn learn_refund(&mut self, refund: &Refund, issued: bool) -> (bool, bool) {
        match self.refunds.binary_search_by(|known| known.id.cmp(&refund.id)) {
            Ok(at) => {
                let known = &mut self.refunds[at];
                // Until the points are credited the event that came first in time counts.
                let first = !issued && refund.precedes(known);
                if first {
                    *known = refund.clone();
                }
                (false, first)
            }
            Err(at) => {
                let refund = Refund {
                    after_issue: issued,
                    ..refund.clone()
                };
                self.refunds.insert(at, refund);
                (true, false)
            }
        }
    }
}
