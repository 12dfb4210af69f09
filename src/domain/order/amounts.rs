//! The amount that earns, each line's part of it, and what refunds take off.

use rust_decimal::Decimal;

use super::facts::{Line, Refund, Snapshot};
use crate::domain::money::Ratio;
use crate::domain::rules::model::{Attributes, Base};

/// An exact amount and the digits it is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseAmount {
    pub amount: Ratio,
    pub scale: u32,
}

impl BaseAmount {
    pub fn to_decimal(self) -> Decimal {
        self.amount.to_decimal(self.scale)
    }
}

/// The goods of a snapshot as a rule values them, before refunds.
#[derive(Clone, Debug)]
pub struct Amounts {
    /// Of the snapshot's lines, in their order; empty where it has none.
    pub lines: Vec<LineAmount>,
    /// Nets of all goods less the order's discount: a refund's `amount` is a part of it.
    paid_for: Ratio,
    /// What earns.
    pub goods: Ratio,
    pub scale: u32,
    /// Shipping, tax and surcharge, which are not refunded.
    extras: Sum,
}

/// One line.
#[derive(Clone, Copy, Debug)]
pub struct LineAmount {
    /// The rule does not exclude it.
    pub earns: bool,
    pub list: Ratio,
    pub net: Ratio,
    pub quantity: Decimal,
    /// Digits of the finest amount that it was made from.
    pub scale: u32,
    /// Its part of the goods base: what the order takes off as a whole is shared by net.
    pub amount: Ratio,
}

/// By what lines share: their net, where all nets are 0 their list price, else their quantity.
#[derive(Clone, Copy)]
enum Weight {
    Net,
    List,
    Quantity,
}

impl LineAmount {
    fn weight(&self, by: Weight) -> Ratio {
        match by {
            Weight::Net => self.net,
            Weight::List => self.list,
            Weight::Quantity => Ratio::from(self.quantity),
        }
    }
}

/// The part of the goods that came back, from 0 to 1, and the digits it brings in.
#[derive(Clone, Copy, Debug)]
pub struct Returned {
    pub share: Ratio,
    scale: u32,
}

impl Returned {
    pub const NOTHING: Returned = Returned {
        share: Ratio::ZERO,
        scale: 0,
    };

    pub fn any(self) -> bool {
        self.share.is_positive()
    }
}

/// What refunds gave back.
#[derive(Clone, Debug)]
pub struct Back {
    /// Of each line.
    pub units: Vec<Decimal>,
    /// The part of everything that refunds by amount took, from 0 to 1.
    pub by_amount: Ratio,
    scale: u32,
}

impl Amounts {
    pub fn of(snapshot: &Snapshot, base: &Base) -> Self {
        let mut off = Sum::default();
        off.add_if(base.subtract_discounts, snapshot.discount_total);
        off.add_if(base.subtract_store_credit, snapshot.store_credit);
        off.add_if(base.subtract_points_redeemed, snapshot.points_redeemed_amount);
        let tax_out = snapshot.prices_include_tax && !base.include_tax;
        let tax_by_line = snapshot.lines().iter().any(|line| line.tax_total.is_some());
        off.add_if(tax_out && !tax_by_line, snapshot.tax_total);
        let mut extras = Sum::default();
        extras.add_if(base.include_shipping, snapshot.shipping_total);
        extras.add_if(
            base.include_tax && !snapshot.prices_include_tax,
            snapshot.tax_total,
        );
        extras.add_if(base.include_surcharge, snapshot.surcharge_total);

        let mut goods = Sum::default();
        let mut lines = Vec::new();
        let net = match &snapshot.lines {
            None => {
                goods.add_if(true, snapshot.subtotal);
                Ratio::from(snapshot.subtotal)
            }
            Some(all) => {
                lines = values(all, base, tax_out, &mut goods);
                if lines.iter().all(|line| !line.list.is_positive()) {
                    spread(&mut lines, snapshot.subtotal, &mut goods);
                }
                lines.iter().fold(Ratio::ZERO, |sum, line| sum.plus(line.net))
            }
        };
        take_off(&mut lines, &off);
        let total = match &snapshot.lines {
            None => Ratio::from(goods.total).minus(Ratio::from(off.total)),
            Some(_) => earning(&lines).fold(Ratio::ZERO, |sum, line| sum.plus(line.amount)),
        };
        Amounts {
            lines,
            paid_for: net.minus(Ratio::from(snapshot.discount_total)),
            goods: total.max(Ratio::ZERO),
            scale: goods.scale.max(off.scale),
            extras,
        }
    }

    /// There are goods, and none of them earns.
    pub fn all_excluded(&self) -> bool {
        !self.lines.is_empty() && earning(&self.lines).next().is_none()
    }

    /// What these refunds gave back.
    pub fn back<'a>(&self, snapshot: &Snapshot, refunds: impl Iterator<Item = &'a Refund>) -> Back {
        let lines = snapshot.lines();
        let mut back = Back {
            units: vec![Decimal::ZERO; lines.len()],
            by_amount: Ratio::ZERO,
            scale: 0,
        };
        let mut amounts = Decimal::ZERO;
        for refund in refunds {
            if refund.lines.is_empty() {
                let amount = refund.amount.unwrap_or_default();
                amounts = sum(amounts, amount);
                back.scale = back.scale.max(amount.scale());
                continue;
            }
            for (id, quantity) in &refund.lines {
                // Lines that the snapshot does not know count nothing.
                if let Some(at) = lines.iter().position(|line| line.id == *id) {
                    back.units[at] = sum(back.units[at], *quantity).min(lines[at].quantity);
                }
            }
        }
        if amounts > Decimal::ZERO {
            // Nothing was paid for the goods: whatever is paid back is all of it.
            back.by_amount = match self.paid_for.is_positive() {
                true => Ratio::from(amounts).over(self.paid_for).min(Ratio::ONE),
                false => Ratio::ONE,
            };
        }
        back
    }

    /// The part of the goods that earn which came back.
    pub fn returned(&self, back: &Back) -> Returned {
        self.share(back, |line| line.earns)
    }

    /// The part of all goods that came back.
    pub fn returned_of_all(&self, back: &Back) -> Returned {
        self.share(back, |_| true)
    }

    /// What earns of the goods, once this came back.
    pub fn goods(&self, back: Returned) -> BaseAmount {
        let mut scale = self.scale;
        let mut left = self.goods;
        if back.any() && left.is_positive() {
            left = left.times(Ratio::ONE.minus(back.share)).max(Ratio::ZERO);
            scale = scale.max(back.scale);
        }
        BaseAmount { amount: left, scale }
    }

    /// What earns, once this came back.
    pub fn base(&self, back: Returned) -> BaseAmount {
        self.with_extras(self.goods(back))
    }

    /// Goods with what of the base is not goods.
    pub fn with_extras(&self, goods: BaseAmount) -> BaseAmount {
        BaseAmount {
            amount: goods.amount.plus(self.extras()),
            scale: goods.scale.max(self.extras.scale),
        }
    }

    pub fn extras(&self) -> Ratio {
        Ratio::from(self.extras.total)
    }

    fn share(&self, back: &Back, counts: impl Fn(&LineAmount) -> bool) -> Returned {
        let counting = || self.lines.iter().enumerate().filter(|(_, line)| counts(line));
        let total = |by| counting().fold(Ratio::ZERO, |sum, (_, line)| sum.plus(line.weight(by)));
        let mut share = Ratio::ZERO;
        if back.units.iter().any(|units| !units.is_zero()) {
            let by = weight(|by| total(by).is_positive());
            let of_lines = counting().fold(Ratio::ZERO, |sum, (at, line)| {
                let part = Ratio::from(back.units[at]).over(Ratio::from(line.quantity));
                sum.plus(line.weight(by).times(part))
            });
            share = of_lines.over(total(by));
        }
        let share = share.plus(back.by_amount);
        Returned {
            share: share.min(Ratio::ONE),
            scale: back.scale,
        }
    }
}

/// List price and net of each line; what they make of the goods base is summed up in `goods`.
fn values(all: &[Line], base: &Base, tax_out: bool, goods: &mut Sum) -> Vec<LineAmount> {
    let mut lines = Vec::with_capacity(all.len());
    for line in all {
        let list = Ratio::from(line.unit_price).times(Ratio::from(line.quantity));
        let net = list.minus(Ratio::from(line.discount_total)).max(Ratio::ZERO);
        let tax = line.tax_total.filter(|_| tax_out).unwrap_or_default();
        let value = if base.subtract_discounts { net } else { list };
        let earns = base.exclude.is_empty() || !base.exclude.hold(line.attributes());
        let mut made_of = Sum::default();
        made_of.note(line.unit_price);
        made_of.note(tax);
        if base.subtract_discounts {
            made_of.note(line.discount_total);
        }
        if earns {
            goods.scale = goods.scale.max(made_of.scale);
        }
        lines.push(LineAmount {
            earns,
            list,
            net,
            quantity: line.quantity,
            scale: made_of.scale,
            amount: value.minus(Ratio::from(tax)),
        });
    }
    lines
}

/// Lines without prices share the subtotal by their quantities.
fn spread(lines: &mut [LineAmount], subtotal: Decimal, goods: &mut Sum) {
    if subtotal.is_zero() {
        return;
    }
    goods.note(subtotal);
    let units = lines
        .iter()
        .fold(Ratio::ZERO, |sum, line| sum.plus(Ratio::from(line.quantity)));
    for line in lines {
        let part = Ratio::from(subtotal)
            .times(Ratio::from(line.quantity))
            .over(units);
        (line.list, line.net) = (part, part);
        line.amount = line.amount.plus(part);
        line.scale = line.scale.max(subtotal.scale());
    }
}

/// What the order takes off as a whole is shared over all lines.
fn take_off(lines: &mut [LineAmount], off: &Sum) {
    let (scale, off) = (off.scale, Ratio::from(off.total));
    if !off.is_positive() {
        return;
    }
    let total = |lines: &[LineAmount], by| {
        lines
            .iter()
            .fold(Ratio::ZERO, |sum, line| sum.plus(line.weight(by)))
    };
    let by = weight(|by| total(lines, by).is_positive());
    let all = total(lines, by);
    for line in lines {
        let part = line.weight(by).over(all);
        line.amount = line.amount.minus(off.times(part));
        line.scale = line.scale.max(scale);
    }
}

fn weight(has: impl Fn(Weight) -> bool) -> Weight {
    if has(Weight::Net) {
        Weight::Net
    } else if has(Weight::List) {
        Weight::List
    } else {
        Weight::Quantity
    }
}

fn earning(lines: &[LineAmount]) -> impl Iterator<Item = &LineAmount> {
    lines.iter().filter(|line| line.earns)
}

impl Line {
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes {
            sku: self.sku.as_deref(),
            product_id: self.product_id.as_deref(),
            categories: &self.categories,
            brand: self.brand.as_deref(),
            tags: &self.tags,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    total: Decimal,
    scale: u32,
}

impl Sum {
    fn add_if(&mut self, counts: bool, amount: Decimal) {
        if counts {
            self.total = sum(self.total, amount);
            self.note(amount);
        }
    }

    /// Counts for the scale.
    fn note(&mut self, amount: Decimal) {
        self.scale = self.scale.max(amount.scale());
    }
}

fn sum(a: Decimal, b: Decimal) -> Decimal {
    a.checked_add(b).unwrap_or(Decimal::MAX)
}
