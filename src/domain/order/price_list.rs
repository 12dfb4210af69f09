//! Orders whose member's ledger decides the points: prices for every case, due and ahead.

use super::case::Case;
use super::earning::Valued;
use super::eligibility;
use super::facts::OrderEvent;
use super::pending::Takeover;
use super::settlement::{self, Cause, Expiries, Resting, reason_by_amount};
use super::{CausedBy, Issued, PossibleIssue, Progress, Reason, SentForecast};
use crate::domain::entry::EntryKind;
use crate::domain::instant::Instant;
use crate::domain::price_list::{Forecast, ForecastBy, Price, PriceList, PricedFor};
use crate::domain::rules::book::Published;
use crate::domain::short_text::ShortText;

/// What an order is expected to bring, for whom, and when.
struct Ahead<'c> {
    at: Instant,
    cause: CausedBy<'c>,
    by: ForecastBy,
    /// `None`: its trigger was withdrawn.
    due_at: Option<Instant>,
    list: Option<PriceList>,
}

impl Case<'_> {
    /// At the due time: the ledger is asked to issue, unless the member makes no difference to an
    /// order that ends without points.
    pub(super) fn settle_by_member(
        &mut self,
        bound: &Published,
        at: Instant,
        cause: Cause,
        resting: Resting,
    ) {
        let facts = &self.order.facts;
        let (Some(snapshot), buyer) = (&facts.snapshot, facts.buyer()) else {
            return;
        };
        let in_force = self.book.in_force(self.key.shop_id, at).map(|v| &*v.rules);
        let reason = eligibility::excluded_for_every_tier(facts, snapshot, &bound.rules, in_force);
        let (None, Some(buyer)) = (reason, buyer) else {
            self.waits_no_more();
            return self.end_without(reason.unwrap_or(Reason::Guest), None, at, &cause);
        };
        let (member_id, tier) = (buyer.id.clone(), buyer.tier.map(ShortText::from));
        let list = self.price_list(bound, at, resting);
        let waits = |price: &Price| price.reason.is_none_or(|reason| reason == Reason::BelowRate);
        if resting == Resting::Defers && list.prices.iter().any(waits) {
            return self.defer(bound, at);
        }
        self.waits_no_more();
        let for_everybody = list.for_everybody();
        if let Some((reason, lost)) = for_everybody.and_then(|price| Some((price.reason?, price.lost))) {
            return self.end_without(reason, Some(lost).filter(|lost| *lost > 0), at, &cause);
        }
        let has_bonuses = !bound.rules.bonuses.is_empty();
        let valued = if has_bonuses { self.valued(bound) } else { None };
        let possible = list.prices.iter().map(|price| PossibleIssue {
            of: price.of.clone(),
            bonuses: bonuses_for(valued.as_ref(), &price.of),
        });
        let by_member = possible.collect();
        self.send(
            &member_id,
            at,
            cause.borrowed(),
            EntryKind::IssueByPriceList(list),
        );
        self.order.progress = Progress::Issued(Issued {
            at,
            member_id,
            tier,
            points: 0,
            kept: 0,
            kept_before: None,
            parts: 1,
            bonuses: Vec::new(),
            by_member,
        });
    }

    /// All that the order may bring its buyer, were it due at `at`.
    pub(super) fn price_list(&self, bound: &Published, at: Instant, resting: Resting) -> PriceList {
        let told = bound.rules.told_tier(self.order.facts.tier());
        let cases = bound.rules.priced_for(told).into_iter();
        let valued = self.valued(bound);
        let mut expiries = Expiries::of(self, bound, at);
        let prices = cases.map(|of| price(valued.as_ref(), bound, resting, of, &mut expiries));
        let prices = prices.collect();
        self.list_of(bound, told.map(Into::into), prices)
    }

    pub(super) fn list_of(
        &self,
        bound: &Published,
        told_tier: Option<ShortText>,
        prices: Vec<Price>,
    ) -> PriceList {
        let created = self.order.bound.as_ref().map(|bound| bound.created_at);
        PriceList {
            created_at: created.unwrap_or(self.now),
            told_tier,
            currency: bound.rules.currency.code.clone(),
            again: self.order.again.as_ref().map(|again| again.times),
            prices,
        }
    }

    fn valued<'v>(&'v self, bound: &'v Published) -> Option<Valued<'v>> {
        let facts = &self.order.facts;
        let snapshot = facts.snapshot.as_ref()?;
        Some(Valued::of(facts, snapshot, &bound.rules))
    }

    /// What would be issued at a due time that lies ahead, by what is known now. `None`: nothing.
    pub(super) fn list_ahead(&self, bound: &Published, due_at: Instant) -> Option<PriceList> {
        let facts = &self.order.facts;
        let snapshot = facts.snapshot.as_ref()?;
        let in_force = self.book.in_force(self.key.shop_id, due_at).map(|v| &*v.rules);
        if eligibility::excluded_for_every_tier(facts, snapshot, &bound.rules, in_force).is_some() {
            return None;
        }
        let list = self.price_list(bound, due_at, Resting::No);
        list.prices.iter().any(|price| price.points() > 0).then_some(list)
    }

    /// Sends the ledger what the order would bring by now; the ledger finds out whether that changes
    /// anything.
    pub(super) fn forecast(&mut self, event: &OrderEvent, due_at: Instant, list: Option<PriceList>) {
        self.send_forecast(Ahead {
            at: event.time,
            cause: CausedBy::from(event),
            by: ForecastBy::Event,
            due_at: Some(due_at),
            list,
        });
    }

    /// The rules or the shop's status changed: told where that changes the list or the due time.
    pub(super) fn forecast_change(
        &mut self,
        takeover: Option<Takeover>,
        cause_id: &str,
        due_at: Instant,
        list: Option<PriceList>,
    ) {
        let changed = self.book.last_change(self.key.shop_id);
        let Some(at) = takeover.as_ref().map(|takeover| takeover.published).or(changed) else {
            return;
        };
        let is_known = match (&self.order.forecast, &list) {
            (None, None) => true,
            (Some(sent), Some(list)) => sent.due_at == due_at && sent.digest == list.digest(),
            _ => false,
        };
        if is_known || due_at <= at {
            return;
        }
        self.send_forecast(Ahead {
            at,
            cause: CausedBy {
                id: cause_id,
                source: "",
                traceparent: None,
            },
            by: takeover.map_or(ForecastBy::Change, |takeover| {
                ForecastBy::Takeover(takeover.version)
            }),
            due_at: Some(due_at),
            list,
        });
    }

    /// Its trigger was withdrawn.
    pub(super) fn forecast_nothing(&mut self, event: &OrderEvent) {
        self.send_forecast(Ahead {
            at: event.time,
            cause: CausedBy::from(event),
            by: ForecastBy::Event,
            due_at: None,
            list: None,
        });
    }

    fn send_forecast(&mut self, ahead: Ahead<'_>) {
        let buyer = self.order.facts.buyer().map(|buyer| buyer.id.clone());
        let standing = self.order.forecast.as_ref().map(|sent| &sent.member_id);
        let Some(member_id) = buyer.filter(|buyer| ahead.list.is_some() || standing == Some(buyer)) else {
            return;
        };
        if standing != Some(&member_id) {
            self.withdraw_forecast();
        }
        let standing = ahead.list.as_ref().zip(ahead.due_at);
        self.order.forecast = standing.map(|(list, due_at)| SentForecast {
            member_id: member_id.clone(),
            due_at,
            digest: list.digest(),
        });
        let forecast = Forecast {
            due_at: ahead.due_at,
            list: ahead.list,
            by: ahead.by,
        };
        self.send(&member_id, ahead.at, ahead.cause, EntryKind::Forecast(forecast));
    }
}

fn price(
    valued: Option<&Valued<'_>>,
    bound: &Published,
    resting: Resting,
    of: PricedFor,
    expiries: &mut Expiries<'_>,
) -> Price {
    let Some(valued) = valued else {
        return Price {
            of,
            reason: Some(Reason::BelowRate),
            parts: Vec::new(),
            lost: 0,
        };
    };
    let earned = valued.earned_by(of.traits());
    let reason = match bound.rules.earning(of.traits().tier) {
        None => Some(Reason::TierExcluded),
        Some(_) => reason_by_amount(&earned, resting == Resting::Withholds),
    };
    let parts = match reason {
        None => settlement::parts(of.traits().tier, &earned, expiries),
        Some(_) => Vec::new(),
    };
    let is_told = matches!(reason, None | Some(Reason::Refunded));
    Price {
        of,
        reason,
        parts,
        lost: if is_told { earned.lost() } else { 0 },
    }
}

/// The bonuses that such a member's order has, those without points included.
fn bonuses_for(valued: Option<&Valued<'_>>, of: &PricedFor) -> Vec<ShortText> {
    let bonuses = valued.map(|valued| valued.earned_by(of.traits()).bonuses);
    let bonuses = bonuses.into_iter().flatten();
    bonuses.map(|bonus| bonus.id).collect()
}
