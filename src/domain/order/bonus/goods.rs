//! The goods of an order: what each line is of the goods base, and what came back.

use rust_decimal::Decimal;

use crate::domain::money::Ratio;
use crate::domain::rules::model::{Attributes, Bonus, Gives};

/// The goods of an order.
#[derive(Clone, Debug)]
pub struct SoldGoods<'a> {
    /// `None`: the order names no lines. Then nothing but the whole can be looked at.
    pub lines: Option<Vec<SoldLine<'a>>>,
    /// The goods base as ordered. Of an order with lines it is the sum of the amounts of those
    /// that are not excluded.
    pub base: Ratio,
    /// Digits of the finest amount that `base` was made from.
    pub scale: u32,
    /// The part of everything that refunds by amount took, from 0 to 1.
    pub back_by_amount: Ratio,
}

/// One line of an order.
#[derive(Clone, Copy, Debug)]
pub struct SoldLine<'a> {
    pub attributes: Attributes<'a>,
    /// By `accrual.base.exclude`: no bonus looks at it.
    pub excluded: bool,
    /// Its part of the goods base as ordered, 0 or more.
    pub amount: Ratio,
    /// Digits of the finest amount that `amount` was made from.
    pub scale: u32,
    /// Its list price less its own discount, 0 or more: what returns are measured by.
    pub net: Ratio,
    /// Unit price × quantity: where all nets are 0.
    pub list: Ratio,
    pub quantity: Decimal,
    /// How much of `quantity` came back.
    pub quantity_back: Decimal,
}

/// Some of the goods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Of the goods base, before anything came back.
    pub whole: Ratio,
    /// What is left of it.
    pub left: Ratio,
    /// Digits that amounts of it are written with.
    pub scale: u32,
    /// Units that are left; an amount that came back leaves them as they are.
    pub units: Ratio,
    /// No goods at all.
    pub is_empty: bool,
    /// All of them came back.
    pub is_back: bool,
}

impl<'a> SoldGoods<'a> {
    /// All that earns.
    pub fn whole(&self) -> Part {
        self.part(|_| true)
    }

    /// The lines of these indices, without excluded ones. Of an order without lines: all of it.
    pub fn part(&self, holds: impl Fn(usize) -> bool) -> Part {
        let Some(lines) = &self.lines else {
            return self.unnamed();
        };
        let held: Vec<&SoldLine<'a>> = lines
            .iter()
            .enumerate()
            .filter(|(index, line)| line.counts() && holds(*index))
            .map(|(_, line)| line)
            .collect();
        let back = back_by_lines(&held).plus(self.back_by_amount);
        let is_back = back >= Ratio::ONE;
        let whole = sum(held.iter().map(|line| line.amount));
        let units = sum(held.iter().map(|line| Ratio::from(line.quantity_left())));
        Part {
            whole,
            left: remaining(whole, back),
            scale: held.iter().map(|line| line.scale).max().unwrap_or(0),
            units,
            is_empty: held.is_empty(),
            is_back,
        }
    }

    fn unnamed(&self) -> Part {
        Part {
            whole: self.base,
            left: remaining(self.base, self.back_by_amount),
            scale: self.scale,
            units: Ratio::ZERO,
            is_empty: false,
            is_back: self.back_by_amount >= Ratio::ONE,
        }
    }

    /// The lines that a bonus with `items` looks at.
    pub(super) fn matching(&self, bonus: &Bonus) -> Vec<usize> {
        let lines = self.lines.iter().flatten().enumerate();
        let Some(items) = &bonus.items else {
            return lines.map(|(index, _)| index).collect();
        };
        let matches = |line: &SoldLine<'_>| {
            let included = items.include.is_empty() || items.include.hold(line.attributes);
            line.counts() && included && !items.exclude.hold(line.attributes)
        };
        lines
            .filter(|(_, line)| matches(line))
            .map(|(index, _)| index)
            .collect()
    }

    pub(super) fn nothing_back(&mut self) {
        self.back_by_amount = Ratio::ZERO;
        for line in self.lines.iter_mut().flatten() {
            line.quantity_back = Decimal::ZERO;
        }
    }
}

impl SoldLine<'_> {
    fn counts(&self) -> bool {
        !self.excluded && self.quantity > Decimal::ZERO
    }

    fn quantity_left(&self) -> Decimal {
        (self.quantity - self.quantity_back).max(Decimal::ZERO)
    }

    fn share_back(&self) -> Ratio {
        let back = self.quantity_back.clamp(Decimal::ZERO, self.quantity);
        Ratio::from(back).over(Ratio::from(self.quantity))
    }
}

/// The part of these lines that came back, from 0 to 1: by their nets; where all of them are 0 by
/// their list prices, and where these are 0 too by their quantities.
pub(in crate::domain::order) fn back_by_lines(lines: &[&SoldLine<'_>]) -> Ratio {
    let weighed = |weight: &dyn Fn(&SoldLine<'_>) -> Ratio| {
        let all = sum(lines.iter().map(|line| weight(line)));
        let back = || sum(lines.iter().map(|line| weight(line).times(line.share_back())));
        all.is_positive().then(|| back().over(all))
    };
    weighed(&|line| line.net)
        .or_else(|| weighed(&|line| line.list))
        .or_else(|| weighed(&|line| Ratio::from(line.quantity)))
        .unwrap_or(Ratio::ZERO)
}

fn remaining(whole: Ratio, back: Ratio) -> Ratio {
    whole.times(Ratio::ONE.minus(back)).max(Ratio::ZERO)
}

fn sum(amounts: impl Iterator<Item = Ratio>) -> Ratio {
    amounts.fold(Ratio::ZERO, Ratio::plus)
}

/// The lines that `instead` bonuses took out of the general rate, in the order of the list.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    lines: Vec<usize>,
}

impl Claims {
    /// The matching lines that are still free.
    pub fn free(&self, goods: &SoldGoods<'_>, bonus: &Bonus) -> Vec<usize> {
        let mut free = goods.matching(bonus);
        free.retain(|line| !self.lines.contains(line));
        free
    }

    /// Takes the matching lines that are still free.
    pub fn claim(&mut self, goods: &SoldGoods<'_>, bonus: &Bonus) -> Vec<usize> {
        let free = self.free(goods, bonus);
        self.lines.extend(&free);
        free
    }

    /// What a bonus that takes no lines looks at. A multiplier of the whole order repeats the
    /// general rate, so it works on what that works on.
    pub fn part_of(&self, goods: &SoldGoods<'_>, bonus: &Bonus) -> Part {
        match (&bonus.items, bonus.gives) {
            (Some(_), _) => {
                let lines = goods.matching(bonus);
                goods.items(&lines)
            }
            (None, Gives::Multiplier(_)) => self.general(goods),
            (None, _) => goods.whole(),
        }
    }

    /// What is left to the general rate.
    pub fn general(&self, goods: &SoldGoods<'_>) -> Part {
        goods.part(|line| !self.lines.contains(&line))
    }
}

impl SoldGoods<'_> {
    /// What `items` chose: of an order without lines nothing.
    pub(super) fn items(&self, lines: &[usize]) -> Part {
        match self.lines {
            Some(_) => self.part(|line| lines.contains(&line)),
            None => Part {
                whole: Ratio::ZERO,
                left: Ratio::ZERO,
                scale: 0,
                units: Ratio::ZERO,
                is_empty: true,
                is_back: false,
            },
        }
    }
}
