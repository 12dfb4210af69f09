//! An order out of its message.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::messages::*;
use super::{StateError, usual_pending};
use crate::domain::instant::Instant;
use crate::domain::order::facts::{
    Cancellation, Choice, Claim, Customer, Delivery, Fact, FactSet, Facts, Known, Line, Named, Refund,
    Snapshot, Told, Withdrawn,
};
use crate::domain::order::{
    Again, Bound, Given, Issued, Order, Pending, PossibleIssue, Progress, Promised, Reason, SentForecast,
    Stated,
};
use crate::domain::price_list::PricedFor;
use crate::wire::priced_for::birthday_span;

impl TryFrom<OrderV1> for Order {
    type Error = StateError;

    fn try_from(read: OrderV1) -> Result<Self, StateError> {
        let cancellation = read.cancelled.as_ref().map(cancellation).transpose()?;
        let cancelled = read.cancelled.and_then(|cancelled| cancelled.told);
        let withheld = |number| {
            let reason = Reason::of_number(number).ok_or(StateError::Field("withheld"))?;
            Ok(Progress::Withheld {
                reason,
                by_cancellation: read.by_cancellation.unwrap_or(reason == Reason::Cancelled),
            })
        };
        let progress = match (read.deferred_since, read.issued, read.withheld) {
            (Some(since), None, None) => Progress::Deferred {
                since: Instant(since),
            },
            (None, Some(issued), None) => Progress::Issued(issued.try_into()?),
            (None, None, Some(number)) => withheld(number)?,
            (None, None, None) => Progress::Open,
            _ => return Err(StateError::Field("progress")),
        };
        let snapshot = read.snapshot.map(Snapshot::try_from).transpose()?;
        let redeemed = snapshot.as_ref().map_or(0, |snapshot| snapshot.points_redeemed);
        // In the order of `Fact`.
        let firsts = [
            read.paid,
            read.shipped,
            read.delivered,
            read.picked_up,
            read.completed,
            cancelled,
        ];
        let mut known = firsts.map(|told| Known {
            first: told.map(Told::from),
            later: Vec::new(),
        });
        for later in read.later {
            let fact = Fact::of_number(later.fact).ok_or(StateError::Field("later"))?;
            let told = later.told.ok_or(StateError::Field("later"))?;
            known[fact as usize].later.push(told.into());
        }
        let due_at = read.due_at.map(Instant);
        let pending = match read.pending {
            None => usual_pending(read.expected, due_at),
            Some(0) => None,
            Some(points) => Some(Pending {
                points,
                due_at: Instant(read.pending_due_at),
            }),
        };
        let unknown = read.other_customers.into_iter().map(unknown);
        let mut customers: Vec<Named> = unknown
            .chain(read.customers.into_iter().map(Named::from))
            .collect();
        customers.sort_by(|a, b| a.id.cmp(&b.id));
        let withdrawn = read.withdrawn.into_iter().map(Withdrawn::try_from);
        Ok(Order {
            facts: Facts {
                snapshot: snapshot.map(Arc::new),
                customers,
                created: read.created.map(Told::from),
                known,
                withdrawn: withdrawn.collect::<Result<_, _>>()?,
                cancellation: cancellation.unwrap_or_default(),
                claim: read.claim.map(Claim::from),
                refunds: read.refunds.into_iter().map(Refund::from).collect(),
            },
            bound: read.bound.map(|bound| Bound {
                version: bound.version,
                created_at: Instant(bound.created_at),
                redeemer: bound.redeemer.map(Into::into),
                redeemed: bound.redeemed.unwrap_or(redeemed),
            }),
            progress,
            due_at,
            expected: read.expected,
            pending,
            promised: read.promised_to.map(|member_id| Promised {
                member_id: member_id.into(),
                points: read.promised,
            }),
            again: read.again.map(Again::from),
            stated: read.stated_to.map(|member_id| Stated {
                member_id: member_id.into(),
                digest: read.stated as u64,
            }),
            newest: match read.newest {
                Some(newest) => Some(Arc::new(Snapshot::try_from(newest)?)),
                None => None,
            },
            forecast: read.forecast.map(SentForecast::from),
            entries: read.entries,
            last_event: read.last_event.map(Instant),
        })
    }
}

fn cancellation(read: &CancelledV1) -> Result<Cancellation, StateError> {
    let told = read.told.as_ref().ok_or(StateError::Field("cancelled"))?;
    let mut choices: Vec<Choice> = read.choices.iter().map(|choice| choice_of(*choice)).collect();
    if choices.is_empty() {
        choices.push(choice_of(ChoiceV1 {
            time: told.at.wrapping_add(told.told_after),
            no_take_back: read.no_take_back,
            no_return: read.no_return,
        }));
    }
    Ok(Cancellation {
        choices,
        after_issue: read.after_issue,
    })
}

fn choice_of(read: ChoiceV1) -> Choice {
    Choice {
        time: Instant(read.time),
        take_back: !read.no_take_back,
        return_redeemed: !read.no_return,
    }
}

impl TryFrom<WithdrawnV1> for Withdrawn {
    type Error = StateError;

    fn try_from(read: WithdrawnV1) -> Result<Self, StateError> {
        Ok(Self {
            facts: FactSet::from_bits(read.facts).ok_or(StateError::Field("withdrawn"))?,
            time: Instant(read.time),
            event_id: read.event_id.into(),
            traceparent: read.traceparent.map(Into::into),
        })
    }
}

impl From<ClaimV1> for Claim {
    fn from(read: ClaimV1) -> Self {
        Self {
            time: Instant(read.time),
            event_id: read.event_id.into(),
            traceparent: read.traceparent.map(Into::into),
            member_id: read.member_id.into(),
            tier: read.tier.map(Into::into),
        }
    }
}

impl From<NamedV1> for Named {
    fn from(read: NamedV1) -> Self {
        Self {
            id: read.id.into(),
            revision: read.revision,
            event_id: read.event_id.into(),
            tier: read.tier.map(Into::into),
        }
    }
}

impl From<AgainV1> for Again {
    fn from(read: AgainV1) -> Self {
        Self {
            at: Instant(read.at),
            event_id: read.event_id.into(),
            traceparent: read.traceparent.map(Into::into),
            times: read.times,
        }
    }
}

impl From<ToldV1> for Told {
    fn from(read: ToldV1) -> Self {
        Self {
            at: Instant(read.at),
            time: Instant(read.at.wrapping_add(read.told_after)),
            event_id: read.event_id.into(),
            traceparent: read.traceparent.map(Into::into),
        }
    }
}

impl From<AmountV1> for Decimal {
    fn from(read: AmountV1) -> Self {
        Decimal::new(read.units, read.scale.min(Decimal::MAX_SCALE))
    }
}

fn or_zero(read: Option<AmountV1>) -> Decimal {
    read.map_or(Decimal::ZERO, Decimal::from)
}

impl From<RefundV1> for Refund {
    fn from(read: RefundV1) -> Self {
        Self {
            id: read.id.into(),
            time: Instant(read.time),
            event_id: read.event_id.into(),
            lines: read
                .lines
                .into_iter()
                .map(|line| (line.id.into(), units(line.quantity, line.quantity_exact)))
                .collect(),
            amount: read.amount.map(Decimal::from),
            take_back: !read.no_take_back,
            return_redeemed: !read.no_return,
            after_issue: read.after_issue,
        }
    }
}

impl TryFrom<SnapshotV1> for Snapshot {
    type Error = StateError;

    fn try_from(read: SnapshotV1) -> Result<Self, StateError> {
        let (logged_in, tier) = (read.logged_in, read.tier);
        Ok(Self {
            revision: read.revision,
            event_id: read.event_id.into(),
            created_at: read.created_at.map(Instant),
            channel: read.channel.into(),
            currency: read.currency.map(Into::into),
            customer: read.customer_id.map(|id| Customer {
                id: id.into(),
                logged_in,
                tier: tier.map(Into::into),
            }),
            lines: (read.no_lines || !read.lines.is_empty())
                .then(|| read.lines.into_iter().map(Line::from).collect()),
            subtotal: or_zero(read.subtotal),
            discount_total: or_zero(read.discount_total),
            store_credit: or_zero(read.store_credit),
            shipping_total: or_zero(read.shipping_total),
            tax_total: or_zero(read.tax_total),
            surcharge_total: or_zero(read.surcharge_total),
            points_redeemed: read.points_redeemed,
            points_redeemed_amount: or_zero(read.points_redeemed_amount),
            delivery: match read.delivery {
                0 => Delivery::Home,
                1 => Delivery::Pickup,
                2 => Delivery::None,
                _ => return Err(StateError::Field("delivery")),
            },
            test: read.test,
            points_redeemed_by: read.points_redeemed_by.map(Into::into),
            prices_include_tax: read.prices_include_tax,
            payment_method: read.payment_method.map(Into::into),
        })
    }
}

impl From<LineV1> for Line {
    fn from(read: LineV1) -> Self {
        Self {
            id: read.id.into(),
            quantity: units(read.quantity, read.quantity_exact),
            unit_price: or_zero(read.unit_price),
            discount_total: or_zero(read.discount_total),
            tax_total: read.tax_total.map(Decimal::from),
            sku: read.sku.map(Into::into),
            product_id: read.product_id.map(Into::into),
            categories: read.categories.into_iter().map(Into::into).collect(),
            brand: read.brand.map(Into::into),
            tags: read.tags.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<IssuedV1> for Issued {
    type Error = StateError;

    fn try_from(read: IssuedV1) -> Result<Self, StateError> {
        Ok(Self {
            at: Instant(read.at),
            member_id: read.member_id.into(),
            tier: read.tier.map(Into::into),
            points: read.points,
            kept: read.kept,
            kept_before: read.kept_before,
            parts: read.parts,
            bonuses: read.bonuses.into_iter().map(Given::from).collect(),
            by_member: read
                .by_member
                .into_iter()
                .map(PossibleIssue::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<PossibleIssueV1> for PossibleIssue {
    type Error = StateError;

    fn try_from(read: PossibleIssueV1) -> Result<Self, StateError> {
        Ok(Self {
            of: PricedFor {
                tier: read.tier.map(Into::into),
                birthday: birthday_span(read.birthday).ok_or(StateError::Field("birthday"))?,
                first_order: read.first_order,
            },
            bonuses: read.bonuses.into_iter().map(Into::into).collect(),
        })
    }
}

impl From<SentForecastV1> for SentForecast {
    fn from(read: SentForecastV1) -> Self {
        Self {
            member_id: read.member_id.into(),
            due_at: Instant(read.due_at),
            digest: read.digest.cast_unsigned(),
        }
    }
}

impl From<GivenV1> for Given {
    fn from(read: GivenV1) -> Self {
        Self {
            bonus_id: read.bonus_id.into(),
            points: read.points,
            kept: read.kept,
            kept_before: read.kept_before,
        }
    }
}

fn units(whole: u32, exact: Option<AmountV1>) -> Decimal {
    exact.map_or(Decimal::from(whole), Decimal::from)
}

/// Of a customer whose lowest revision an earlier version did not keep.
fn unknown(id: String) -> Named {
    Named {
        id: id.into(),
        revision: i64::MAX,
        event_id: Default::default(),
        tier: None,
    }
}
