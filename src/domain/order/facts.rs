//! What was told about an order: a set, so the order of arrival and repeats do not matter.

use std::sync::Arc;

use rust_decimal::Decimal;

use crate::domain::instant::Instant;
use crate::domain::short_text::ShortText;

/// An order changes hands once or twice; who does more is not remembered.
const OTHER_CUSTOMERS_MAX: usize = 16;

/// One order event, read.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderEvent {
    pub shop_id: ShortText,
    pub order_id: ShortText,
    pub id: ShortText,
    /// With `id` it tells events apart.
    pub source: ShortText,
    pub time: Instant,
    pub traceparent: Option<ShortText>,
    pub snapshot: Option<Arc<Snapshot>>,
    pub times: FactTimes,
    pub refund: Option<Refund>,
    /// `take_back: false`: points of this cancellation or refund are not taken back.
    pub take_back: bool,
    /// `return_redeemed: false`: points redeemed are not given back for it.
    pub return_redeemed: bool,
}

/// When things happened, as one event tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactTimes {
    pub paid: Option<Instant>,
    pub shipped: Option<Instant>,
    pub delivered: Option<Instant>,
    pub picked_up: Option<Instant>,
    pub completed: Option<Instant>,
    pub cancelled: Option<Instant>,
}

/// The amounts of an order, whole. The greatest wins: two events of one id, from two sources, may
/// tell different ones, and then the amounts decide, as they do in any order of arrival.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub struct Snapshot {
    /// The highest wins. The event's time in microseconds where none was given.
    pub revision: i64,
    /// Of one revision the event id that sorts last wins.
    pub event_id: ShortText,
    pub created_at: Option<Instant>,
    pub channel: ShortText,
    /// `None`: the rule's.
    pub currency: Option<ShortText>,
    /// `None`: a guest.
    pub customer: Option<Customer>,
    pub lines: Vec<Line>,
    pub subtotal: Decimal,
    pub discount_total: Decimal,
    pub store_credit: Decimal,
    pub shipping_total: Decimal,
    pub tax_total: Decimal,
    pub surcharge_total: Decimal,
    pub points_redeemed: i64,
    pub points_redeemed_amount: Decimal,
    pub delivery: Delivery,
    pub test: bool,
}

impl Snapshot {
    pub fn tier(&self) -> Option<&str> {
        self.customer.as_ref()?.tier.as_deref()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd)]
pub struct Customer {
    pub id: ShortText,
    pub logged_in: bool,
    pub tier: Option<ShortText>,
}

#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub struct Line {
    pub id: ShortText,
    pub quantity: u32,
    pub unit_price: Decimal,
    pub discount_total: Decimal,
}

/// What the final delivery state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Delivery {
    /// Delivered.
    Home,
    /// Picked up; delivered means that it reached the store.
    Pickup,
    /// Shipped and delivered when paid.
    None,
}

/// Of those with one id the least counts: the first in time.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub struct Refund {
    /// Counts once.
    pub id: ShortText,
    pub time: Instant,
    pub event_id: ShortText,
    /// Where there are lines the amount is not looked at.
    pub lines: Vec<(ShortText, u32)>,
    pub amount: Option<Decimal>,
    pub take_back: bool,
    pub return_redeemed: bool,
    /// It became known after the points were credited.
    pub after_issue: bool,
}

/// A fact with the event that told it first. The earliest time counts; of several events that
/// tell it the first, so that the cause of what follows is the same in any order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    pub at: Instant,
    /// Time of the event.
    pub time: Instant,
    pub event_id: ShortText,
    pub traceparent: Option<ShortText>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    pub told: Told,
    pub take_back: bool,
    pub return_redeemed: bool,
    /// It became known after the points were credited.
    pub after_issue: bool,
}

/// All that is known of an order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub snapshot: Option<Arc<Snapshot>>,
    /// Whom other snapshots named as the customer, in order: they may have redeemed points.
    pub other_customers: Vec<ShortText>,
    pub created: Option<Told>,
    pub paid: Option<Told>,
    pub shipped: Option<Told>,
    pub delivered: Option<Told>,
    pub picked_up: Option<Told>,
    pub completed: Option<Told>,
    pub cancelled: Option<Cancelled>,
    /// By id.
    pub refunds: Vec<Refund>,
}

/// What an event told that was not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    pub snapshot: bool,
    pub created: bool,
    pub cancelled: bool,
    pub refund: bool,
    /// A refund that was known turned out to be another.
    pub refund_replaced: bool,
}

impl Facts {
    /// Takes an event in. `issued`: the points were credited before it became known.
    pub fn learn(&mut self, event: &OrderEvent, issued: bool) -> News {
        let mut news = News::default();
        if let Some(snapshot) = &event.snapshot {
            let newer = self.snapshot.as_ref().is_none_or(|known| known < snapshot);
            let older = match newer {
                true => self.snapshot.replace(snapshot.clone()),
                false => Some(snapshot.clone()),
            };
            if let Some(older) = older {
                self.learn_customer(&older);
            }
            news.snapshot = newer;
            news.created = learn(&mut self.created, snapshot.created_at, event);
        }
        let times = &event.times;
        learn(&mut self.paid, times.paid, event);
        learn(&mut self.shipped, times.shipped, event);
        learn(&mut self.delivered, times.delivered, event);
        learn(&mut self.picked_up, times.picked_up, event);
        learn(&mut self.completed, times.completed, event);
        news.cancelled = self.learn_cancelled(event, issued);
        if let Some(refund) = &event.refund {
            (news.refund, news.refund_replaced) = self.learn_refund(refund, issued);
        }
        news
    }

    /// Whether a refund takes points, as far as the merchant chose. One that is not before a
    /// cancellation which was forgiven is forgiven with it.
    pub fn takes_back(&self, refund: &Refund) -> bool {
        let forgiven = |cancelled: &Cancelled| !cancelled.take_back && cancelled.told.at <= refund.time;
        refund.take_back && !self.cancelled.as_ref().is_some_and(forgiven)
    }

    /// Whether a refund still counts for points redeemed: whatever is not before a cancellation
    /// that gave none back changes nothing any more.
    pub fn counts_for_redeemed(&self, refund: &Refund) -> bool {
        let kept = |cancelled: &Cancelled| !cancelled.return_redeemed && cancelled.told.at <= refund.time;
        !self.cancelled.as_ref().is_some_and(kept)
    }

    fn learn_customer(&mut self, older: &Snapshot) {
        let newest = self.snapshot.as_ref().and_then(|newest| newest.customer.as_ref());
        let Some(customer) = &older.customer else { return };
        if newest.is_some_and(|newest| newest.id == customer.id) {
            return;
        }
        if let Err(at) = self.other_customers.binary_search(&customer.id)
            && self.other_customers.len() < OTHER_CUSTOMERS_MAX
        {
            self.other_customers.insert(at, customer.id.clone());
        }
    }

    fn learn_cancelled(&mut self, event: &OrderEvent, issued: bool) -> bool {
        if event.times.cancelled.is_none() {
            return false;
        }
        let known = self.cancelled.take();
        let is_new = known.is_none();
        let after_issue = known.as_ref().map_or(issued, |known| known.after_issue);
        let told = (event.take_back, event.return_redeemed);
        // The merchant's choice counts in whichever of the events it was told. After the issue
        // the first is carried out at once, so a later one comes too late.
        let (take_back, return_redeemed) = match &known {
            Some(known) if known.after_issue => (known.take_back, known.return_redeemed),
            Some(known) => (known.take_back && told.0, known.return_redeemed && told.1),
            None => told,
        };
        let mut fact = known.map(|known| known.told);
        learn(&mut fact, event.times.cancelled, event);
        self.cancelled = fact.map(|told| Cancelled {
            told,
            take_back,
            return_redeemed,
            after_issue,
        });
        is_new
    }

    /// Says whether it is new, and whether it replaced what was known of it.
    fn learn_refund(&mut self, refund: &Refund, issued: bool) -> (bool, bool) {
        match self.refunds.binary_search_by(|known| known.id.cmp(&refund.id)) {
            Ok(at) => {
                let known = &mut self.refunds[at];
                // Until the points are credited the event that came first in time counts.
                let first = !issued && refund < known;
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

/// Says whether the fact is new or earlier than it was.
fn learn(fact: &mut Option<Told>, at: Option<Instant>, event: &OrderEvent) -> bool {
    let Some(at) = at else { return false };
    let earlier = fact.as_ref().is_none_or(|known| {
        (at, event.time, event.id.as_str()) < (known.at, known.time, known.event_id.as_str())
    });
    let moved = fact.as_ref().is_none_or(|known| at < known.at);
    if earlier {
        *fact = Some(Told {
            at,
            time: event.time,
            event_id: event.id.clone(),
            traceparent: event.traceparent.clone(),
        });
    }
    moved
}
