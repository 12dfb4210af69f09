//! How many points an order's facts earn under a rule, and why none.

use rust_decimal::Decimal;

use super::amounts::{Amounts, Back, BaseAmount, LineAmount, Returned};
use super::bonus::{self, Assessed, Assessment, General, Sale, SoldGoods, SoldLine};
use super::eligibility::{not_for_this_sale, paid_as_not_wanted};
use super::facts::{Facts, Line, Refund, Snapshot};
use super::{Issued, Reason};
use crate::domain::member_traits::MemberTraits;
use crate::domain::money::{self, Ratio};
use crate::domain::rules::model::{Earning, Expiry, Extent, Redemption, RuleVersion};
use crate::domain::short_text::ShortText;

/// What an order earns, and what it would earn without refunds.
#[derive(Clone, Debug)]
pub struct Earned {
    /// By the order's own rule.
    pub own: i64,
    /// What that works on.
    pub base: BaseAmount,
    /// In the rule's order.
    pub bonuses: Vec<EarnedBonus>,
    /// All of it, without any refund.
    pub whole: i64,
    /// Why it earns nothing for want of an amount, where it does not.
    pub lacking: Reason,
}

#[derive(Clone, Debug)]
pub struct EarnedBonus {
    pub id: ShortText,
    pub points: i64,
    /// What matches.
    pub amount: BaseAmount,
    /// `None`: the order's.
    pub expiry: Option<Expiry>,
}

impl Earned {
    /// Bonuses included.
    pub fn points(&self) -> i64 {
        let bonuses = self.bonuses.iter().map(|bonus| bonus.points);
        bonuses.fold(self.own, i64::saturating_add)
    }

    /// What refunds took.
    pub fn lost(&self) -> i64 {
        (self.whole - self.points()).max(0)
    }

    pub fn bonus(&self, id: &str) -> Option<&EarnedBonus> {
        self.bonuses.iter().find(|bonus| bonus.id == id)
    }

    fn take_all(&mut self) {
        self.own = 0;
        self.bonuses.iter_mut().for_each(|bonus| bonus.points = 0);
    }
}

impl RuleVersion {
    /// The earning that counts for a tier; `None`: the tier earns nothing.
    pub fn earning(&self, tier: Option<&str>) -> Option<&Earning> {
        let of_tier = tier
            .and_then(|tier| self.accrual.tiers.get(tier))
            .and_then(|tier| tier.earning.as_ref());
        of_tier.or(self.accrual.enabled.then_some(&self.accrual.earning))
    }
}

/// What points are worth and how many may be used, by tier.
pub fn redemption<'r>(rules: &'r RuleVersion, tier: Option<&str>) -> Option<&'r Redemption> {
    let own = tier
        .and_then(|tier| rules.accrual.tiers.get(tier))
        .and_then(|tier| tier.redemption.as_ref());
    own.or(rules.redemption.as_ref())
}

/// What the newest snapshot earns a member like this after refunds, before the points are credited.
pub fn before_issue(
    facts: &Facts,
    snapshot: &Snapshot,
    rules: &RuleVersion,
    buyer: MemberTraits<'_>,
) -> Earned {
    Valued::of(facts, snapshot, rules).earned_by(buyer)
}

/// An order whose points have not been credited yet: its goods are valued once, whatever members
/// it is priced for.
pub struct Valued<'v> {
    facts: &'v Facts,
    snapshot: &'v Snapshot,
    rules: &'v RuleVersion,
    amounts: Amounts,
    /// The amount without refunds, and what is left of it.
    whole_base: BaseAmount,
    base: BaseAmount,
    /// What came back; `None`: nothing did that counts.
    back: Option<Back>,
    /// What came back takes all points.
    takes_all: bool,
}

impl<'v> Valued<'v> {
    pub fn of(facts: &'v Facts, snapshot: &'v Snapshot, rules: &'v RuleVersion) -> Self {
        let amounts = Amounts::of(snapshot, &rules.accrual.base);
        let counts = |refund: &&Refund| extent(refund, rules) != Extent::None && facts.takes_back(refund);
        let mut counting = facts.refunds.iter().filter(counts).peekable();
        let is_any = counting.peek().is_some();
        let back = is_any.then(|| amounts.back(snapshot, counting));
        let is_full = rules.reversal.before_refund == Extent::Full;
        let returned = back
            .as_ref()
            .map_or(Returned::NOTHING, |back| amounts.returned(back));
        let takes_all = is_full && returned.any();
        Valued {
            whole_base: amounts.base(Returned::NOTHING),
            base: amounts.base(returned),
            facts,
            snapshot,
            rules,
            amounts,
            back,
            takes_all,
        }
    }

    pub fn earned_by(&self, buyer: MemberTraits<'_>) -> Earned {
        let works = Works {
            facts: self.facts,
            snapshot: self.snapshot,
            rules: self.rules,
            amounts: &self.amounts,
            buyer,
        };
        let mut earned = match self.rules.bonuses.is_empty() {
            true => works.own_before_issue(self.whole_base, self.base),
            false => works.before_issue(self.back.as_ref()),
        };
        if self.takes_all {
            earned.take_all();
        }
        earned
    }
}

/// What became of each bonus of the rule, for a member like this.
pub fn assess<'a>(
    facts: &Facts,
    snapshot: &Snapshot,
    rules: &'a RuleVersion,
    buyer: MemberTraits<'_>,
) -> Vec<Assessed<'a>> {
    let amounts = Amounts::of(snapshot, &rules.accrual.base);
    let counts = |refund: &&Refund| extent(refund, rules) != Extent::None && facts.takes_back(refund);
    let back = amounts.back(snapshot, facts.refunds.iter().filter(counts));
    let works = Works {
        facts,
        snapshot,
        rules,
        amounts: &amounts,
        buyer,
    };
    let sale = works.sale(Some(&back));
    sale.map_or(Vec::new(), |sale| bonus::assess(&sale, &rules.bonuses).bonuses)
}

/// The terms on which points were issued: those for what is left of the order, too.
#[derive(Clone, Debug)]
pub struct IssuedAs<'a> {
    pub tier: Option<&'a str>,
    /// The bonuses that the order was given.
    pub bonuses: Vec<ShortText>,
}

impl<'a> IssuedAs<'a> {
    pub fn of(facts: &'a Facts, issued: &'a Issued) -> Self {
        let bonuses = issued.bonuses.iter().map(|given| given.bonus_id.clone());
        IssuedAs {
            tier: tier_of(facts, issued),
            bonuses: bonuses.collect(),
        }
    }
}

/// What the newest snapshot would earn once issued, for the member who got the points. The
/// shop's status and switches are not looked at. `also_forgiven`: with refunds that the
/// merchant chose not to count.
pub fn after_issue(
    facts: &Facts,
    issued: &IssuedAs<'_>,
    rules: &RuleVersion,
    also_forgiven: bool,
) -> Option<Earned> {
    let snapshot = facts.snapshot.as_ref()?;
    let amounts = Amounts::of(snapshot, &rules.accrual.base);
    let counts = |refund: &&Refund| {
        extent(refund, rules) != Extent::None && (also_forgiven || facts.takes_back(refund))
    };
    let counting = facts.refunds.iter().filter(counts);
    let full = counting
        .clone()
        .filter(|refund| extent(refund, rules) == Extent::Full);
    let takes_all = amounts.returned(&amounts.back(snapshot, full)).any();
    let back = amounts.back(snapshot, counting);
    let works = Works {
        facts,
        snapshot,
        rules,
        amounts: &amounts,
        buyer: MemberTraits::of_tier(issued.tier),
    };
    let mut earned = works.after_issue(&back, &issued.bonuses);
    let none = takes_all
        || snapshot.test
        || not_for_this_sale(snapshot, rules).is_some()
        || paid_as_not_wanted(snapshot, rules);
    if none {
        earned.take_all();
    }
    Some(earned)
}

/// What an amount of points is worked out from.
struct Works<'w> {
    facts: &'w Facts,
    snapshot: &'w Snapshot,
    rules: &'w RuleVersion,
    amounts: &'w Amounts,
    buyer: MemberTraits<'w>,
}

impl Works<'_> {
    fn before_issue(&self, back: Option<&Back>) -> Earned {
        let whole_base = self.amounts.base(Returned::NOTHING);
        let left = back.map_or(Returned::NOTHING, |back| self.amounts.returned(back));
        let assessed = self
            .sale(back)
            .map(|sale| bonus::assess(&sale, &self.rules.bonuses));
        let mut earned = self.with_bonuses(assessed, left);
        earned.lacking = self.lacking(whole_base);
        if back.is_some() {
            // Bonuses that went with what came back are counted as well.
            earned.whole = self.before_issue(None).points();
        }
        earned
    }

    /// By a rule without bonuses.
    fn own_before_issue(&self, whole_base: BaseAmount, base: BaseAmount) -> Earned {
        let whole = self.own_points(whole_base, whole_base);
        let own = match base == whole_base {
            true => whole,
            // Fewer goods never earn more.
            false => self.own_points(base, base).min(whole),
        };
        Earned {
            own,
            base,
            bonuses: Vec::new(),
            whole,
            lacking: self.lacking(whole_base),
        }
    }

    fn after_issue(&self, back: &Back, given: &[ShortText]) -> Earned {
        let left = self.amounts.returned(back);
        if given.is_empty() {
            let base = self.amounts.base(left);
            let own = self.own_points(base, base);
            return Earned {
                own,
                base,
                bonuses: Vec::new(),
                whole: own,
                lacking: Reason::BelowRate,
            };
        }
        let sale = self.sale(Some(back));
        let assessed = sale.map(|sale| bonus::reckon(&sale, &self.rules.bonuses, given));
        self.with_bonuses(assessed, left)
    }

    fn with_bonuses(&self, assessed: Option<Assessment<'_>>, left: Returned) -> Earned {
        let whole_base = self.amounts.base(Returned::NOTHING);
        let base = self.amounts.base(left);
        let Some(assessed) = assessed else {
            return Earned {
                own: 0,
                base,
                bonuses: Vec::new(),
                whole: 0,
                lacking: Reason::BelowRate,
            };
        };
        let mut bonuses = Vec::new();
        let mut whole_bonuses = 0i64;
        for (bonus, given) in assessed.given() {
            whole_bonuses = whole_bonuses.saturating_add(given.whole);
            bonuses.push(EarnedBonus {
                id: bonus.id.clone(),
                points: given.points,
                amount: BaseAmount {
                    amount: given.amount,
                    scale: given.scale,
                },
                expiry: bonus.expiry,
            });
        }
        // Goods of an `instead` are not among these.
        let goods = |amount| BaseAmount {
            amount,
            scale: self.amounts.goods(left).scale,
        };
        let general = self.amounts.with_extras(goods(assessed.general.left));
        let general_whole = self.amounts.with_extras(goods(assessed.general.whole));
        let whole = self.own_points(general_whole, whole_base);
        Earned {
            own: self.own_points(general, base).min(whole),
            base: general,
            bonuses,
            whole: whole.saturating_add(whole_bonuses),
            lacking: Reason::BelowRate,
        }
    }

    /// What the general rate gives for `works_on`, of an order whose base is `base`.
    fn own_points(&self, works_on: BaseAmount, base: BaseAmount) -> i64 {
        let accrual = &self.rules.accrual;
        if accrual.min_order.is_some_and(|least| base.amount < least.into()) {
            return 0;
        }
        let earning = self.rules.earning(self.buyer.tier);
        earning.map_or(0, |earning| money::earn(earning, works_on.amount))
    }

    fn lacking(&self, base: BaseAmount) -> Reason {
        let least = self.rules.accrual.min_order;
        if self.amounts.all_excluded() {
            Reason::ItemsExcluded
        } else if least.is_some_and(|least| base.amount < least.into()) {
            Reason::BelowMinimum
        } else {
            Reason::BelowRate
        }
    }

    /// The order as its bonuses see it. `None`: the tier earns nothing, or all goods are excluded.
    fn sale(&self, back: Option<&Back>) -> Option<Sale<'_>> {
        let earning = self.rules.earning(self.buyer.tier)?;
        if self.amounts.all_excluded() {
            return None;
        }
        let lines = self.snapshot.lines.as_ref().map(|lines| {
            let lines = lines.iter().zip(&self.amounts.lines).enumerate();
            lines
                .map(|(at, (line, amount))| sold(line, amount, back.map(|back| back.units[at])))
                .collect()
        });
        Some(Sale {
            created_at: self.facts.created.as_ref()?.at,
            zone: self.rules.timezone,
            channel: &self.snapshot.channel,
            payment_method: self.snapshot.payment_method.as_deref(),
            buyer: self.buyer,
            goods: SoldGoods {
                lines,
                base: self.amounts.goods,
                scale: self.amounts.scale,
                back_by_amount: back.map_or(Ratio::ZERO, |back| back.by_amount),
            },
            general: General {
                earning,
                min_order: self.rules.accrual.min_order.map(Ratio::from),
                extras: self.amounts.extras(),
            },
        })
    }
}

fn sold<'a>(line: &'a Line, amount: &LineAmount, back: Option<Decimal>) -> SoldLine<'a> {
    SoldLine {
        attributes: line.attributes(),
        excluded: !amount.earns,
        amount: amount.amount.max(Ratio::ZERO),
        scale: amount.scale,
        net: amount.net,
        list: amount.list,
        quantity: amount.quantity,
        quantity_back: back.unwrap_or_default(),
    }
}

/// The tier at placement, of the member who got the points.
pub fn tier_of<'a>(facts: &'a Facts, issued: &'a Issued) -> Option<&'a str> {
    match facts.buyer() {
        Some(buyer) if *buyer.id == issued.member_id => buyer.tier,
        _ => issued.tier.as_deref(),
    }
}

/// What a refund takes by the rule for the time at which it became known.
fn extent(refund: &Refund, rules: &RuleVersion) -> Extent {
    match refund.after_issue {
        true => rules.reversal.after_refund,
        false => rules.reversal.before_refund,
    }
}
