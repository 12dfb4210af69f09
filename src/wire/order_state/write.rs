//! An order as its message. Everything is destructured: a forgotten field does not compile.

use super::messages::*;
use super::write_snapshot::{exact_units, snapshot, whole_units};
use super::{is_unknown, usual_pending};
use crate::domain::order::facts::{
    Cancellation, Choice, Claim, Fact, Facts, Known, Named, Refund, Snapshot, Told, Withdrawn,
};
use crate::domain::order::{
    Again, Bound, Given, Issued, Order, PossibleIssue, Progress, Promised, Reason, SentForecast,
};
use crate::domain::price_list::PricedFor;
use crate::wire::priced_for::birthday_tag;

pub fn order(order: &Order) -> OrderRef<'_> {
    let Order {
        facts,
        bound: tie,
        progress,
        due_at,
        expected,
        pending,
        promised,
        forecast: sent_forecast,
        again: going_on,
        stated,
        newest,
        entries,
        last_event,
    } = order;
    let Facts {
        snapshot: known,
        customers,
        created,
        known: facts_known,
        withdrawn: taken_back,
        cancellation,
        claim: claimed,
        refunds,
    } = facts;
    let first = |fact: Fact| facts_known[fact as usize].first.as_ref();
    let (unknown, named): (Vec<&Named>, Vec<&Named>) = customers.iter().partition(|named| is_unknown(named));
    let promised = promised
        .as_ref()
        .map(|Promised { member_id, points }| (member_id, *points));
    let pending = (*pending != usual_pending(*expected, *due_at)).then_some(pending);
    let withheld = match progress {
        Progress::Withheld {
            reason,
            by_cancellation,
        } => Some((*reason, *by_cancellation)),
        Progress::Open | Progress::Deferred { .. } | Progress::Issued(_) => None,
    };
    OrderRef {
        snapshot: known.as_deref().map(snapshot),
        created: created.as_ref().map(told),
        paid: first(Fact::Paid).map(told),
        shipped: first(Fact::Shipped).map(told),
        delivered: first(Fact::Delivered).map(told),
        picked_up: first(Fact::PickedUp).map(told),
        completed: first(Fact::Completed).map(told),
        cancelled: first(Fact::Cancelled).map(|told| cancelled(told, cancellation)),
        refunds: refunds.iter().map(refund).collect(),
        bound: tie.as_ref().map(|tie| bound(tie, known.as_deref())),
        deferred_since: match progress {
            Progress::Deferred { since } => Some(since.0),
            _ => None,
        },
        issued: match progress {
            Progress::Issued(points) => Some(issued(points)),
            _ => None,
        },
        withheld: withheld.map(|(reason, _)| reason.number()),
        due_at: due_at.map(|at| at.0),
        expected: *expected,
        last_event: last_event.map(|at| at.0),
        promised_to: promised.map(|(member_id, _)| member_id.as_str()),
        promised: promised.map_or(0, |(_, points)| points),
        other_customers: unknown.into_iter().map(|named| named.id.as_str()).collect(),
        customers: named.into_iter().map(customer).collect(),
        later: later(facts_known),
        withdrawn: taken_back.iter().map(withdrawn).collect(),
        claim: claimed.as_ref().map(claim),
        by_cancellation: withheld
            .filter(|(reason, by)| (*reason == Reason::Cancelled) != *by)
            .map(|(_, by)| by),
        pending: pending.map(|pending| pending.as_ref().map_or(0, |pending| pending.points)),
        pending_due_at: pending
            .and_then(|pending| pending.as_ref())
            .map_or(0, |pending| pending.due_at.0),
        again: going_on.as_ref().map(again),
        stated_to: stated.as_ref().map(|stated| stated.member_id.as_str()),
        stated: stated.as_ref().map_or(0, |stated| stated.digest as i64),
        newest: newest.as_deref().map(snapshot),
        forecast: sent_forecast.as_ref().map(forecast),
        entries: *entries,
    }
}

fn later(known: &[Known]) -> Vec<LaterRef<'_>> {
    let of_fact = |fact: Fact| {
        known[fact as usize].later.iter().map(move |telling| LaterRef {
            fact: fact.number(),
            told: Some(told(telling)),
        })
    };
    Fact::ALL.into_iter().flat_map(of_fact).collect()
}

fn withdrawn(withdrawn: &Withdrawn) -> WithdrawnRef<'_> {
    let Withdrawn {
        facts,
        time,
        event_id,
        traceparent,
    } = withdrawn;
    WithdrawnRef {
        facts: facts.bits(),
        time: time.0,
        event_id,
        traceparent: traceparent.as_deref(),
    }
}

fn claim(claim: &Claim) -> ClaimRef<'_> {
    let Claim {
        time,
        event_id,
        traceparent,
        member_id,
        tier,
    } = claim;
    ClaimRef {
        time: time.0,
        event_id,
        traceparent: traceparent.as_deref(),
        member_id,
        tier: tier.as_deref(),
    }
}

fn customer(named: &Named) -> NamedRef<'_> {
    let Named {
        id,
        revision,
        event_id,
        tier,
    } = named;
    NamedRef {
        id,
        revision: *revision,
        event_id,
        tier: tier.as_deref(),
    }
}

fn again(again: &Again) -> AgainRef<'_> {
    let Again {
        at,
        event_id,
        traceparent,
        times,
    } = again;
    AgainRef {
        at: at.0,
        event_id,
        traceparent: traceparent.as_deref(),
        times: *times,
    }
}

fn told(told: &Told) -> ToldRef<'_> {
    let Told {
        at,
        time,
        event_id,
        traceparent,
    } = told;
    ToldRef {
        at: at.0,
        told_after: time.0.wrapping_sub(at.0),
        event_id,
        traceparent: traceparent.as_deref(),
    }
}

fn cancelled<'a>(fact: &'a Told, cancellation: &'a Cancellation) -> CancelledRef<'a> {
    let Cancellation { choices, after_issue } = cancellation;
    let (take_back, return_redeemed) = cancellation.choice();
    let is_usual = match choices.as_slice() {
        [] => true,
        [only] => only.time == fact.time,
        _ => false,
    };
    let choice = |choice: &Choice| {
        let Choice {
            time,
            take_back,
            return_redeemed,
        } = choice;
        ChoiceV1 {
            time: time.0,
            no_take_back: !take_back,
            no_return: !return_redeemed,
        }
    };
    CancelledRef {
        told: Some(told(fact)),
        no_take_back: !take_back,
        no_return: !return_redeemed,
        after_issue: *after_issue,
        choices: match is_usual {
            true => Vec::new(),
            false => choices.iter().map(choice).collect(),
        },
    }
}

fn bound<'a>(bound: &'a Bound, snapshot: Option<&Snapshot>) -> BoundRef<'a> {
    let Bound {
        version,
        created_at,
        redeemer,
        redeemed,
    } = bound;
    let usual = snapshot.map_or(0, |snapshot| snapshot.points_redeemed);
    BoundRef {
        version: *version,
        created_at: created_at.0,
        redeemer: redeemer.as_deref(),
        redeemed: (*redeemed != usual).then_some(*redeemed),
    }
}

fn refund(refund: &Refund) -> RefundRef<'_> {
    let Refund {
        id,
        time,
        event_id,
        lines,
        amount,
        take_back,
        return_redeemed,
        after_issue,
    } = refund;
    RefundRef {
        id,
        time: time.0,
        event_id,
        lines: lines
            .iter()
            .map(|(id, quantity)| RefundLineRef {
                id,
                quantity: whole_units(*quantity).unwrap_or(0),
                quantity_exact: exact_units(*quantity),
            })
            .collect(),
        amount: amount.map(AmountV1::from),
        no_take_back: !take_back,
        no_return: !return_redeemed,
        after_issue: *after_issue,
    }
}

fn issued(issued: &Issued) -> IssuedRef<'_> {
    let Issued {
        at,
        member_id,
        tier,
        points,
        kept,
        kept_before,
        parts,
        bonuses,
        by_member,
    } = issued;

    IssuedRef {
        at: at.0,
        member_id,
        tier: tier.as_deref(),
        points: *points,
        kept: *kept,
        parts: *parts,
        bonuses: bonuses.iter().map(given).collect(),
        kept_before: *kept_before,
        by_member: by_member.iter().map(possible).collect(),
    }
}

fn possible(possible: &PossibleIssue) -> PossibleIssueRef<'_> {
    let PossibleIssue { of, bonuses } = possible;
    let PricedFor {
        tier,
        birthday,
        first_order,
    } = of;
    PossibleIssueRef {
        tier: tier.as_deref(),
        birthday: birthday_tag(*birthday),
        first_order: *first_order,
        bonuses: bonuses.iter().map(|id| id.as_str()).collect(),
    }
}

fn forecast(forecast: &SentForecast) -> SentForecastRef<'_> {
    let SentForecast {
        member_id,
        due_at,
        digest,
    } = forecast;
    SentForecastRef {
        member_id,
        due_at: due_at.0,
        digest: digest.cast_signed(),
    }
}

fn given(given: &Given) -> GivenRef<'_> {
    let Given {
        bonus_id,
        points,
        kept,
        kept_before,
    } = given;
    GivenRef {
        bonus_id,
        points: *points,
        kept: *kept,
        kept_before: *kept_before,
    }
}
