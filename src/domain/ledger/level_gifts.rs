//! Gifts that come with levels.

use super::account::{Account, Credit, Head};
use super::standing::{DueGift, GiftKind};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::reason::Reason;
use crate::domain::short_text::ShortText;

impl Account<'_> {
    /// Issues the gifts that are due at `now` or before, each at its due time.
    pub(super) fn level_gifts(&mut self, now: Instant) {
        loop {
            let gifts = &mut self.standing().gifts;
            let due = gifts.iter().enumerate().filter(|(_, gift)| gift.at <= now);
            let Some((place, _)) = due.min_by_key(|(_, gift)| gift.at) else {
                return;
            };
            let gift = gifts.remove(place);
            self.give_level_gift(&gift, now);
        }
    }

    /// Only if the member is at that level or above when it is due, and the shop is enabled.
    fn give_level_gift(&mut self, due: &DueGift, now: Instant) {
        let rules = self.tier_rules();
        let is_enabled = self
            .rules(due.at)
            .is_some_and(|published| published.rules.enabled);
        let Some((_, gift)) = self.level_gift(due.kind, &due.level, due.since) else {
            return;
        };
        let held = self.member.level_at(rules, due.at);
        let rank = |name: &str| rules.at(due.at).and_then(|(_, tiers)| Some(tiers.level(name)?.0));
        let is_held = held.is_some_and(|held| match (rank(&held), rank(&due.level)) {
            (Some(held), Some(wanted)) => held >= wanted,
            _ => held == due.level,
        });
        let was_given = due.kind == GiftKind::Entry && self.standing().entered.contains(&due.level);
        if !is_enabled || !is_held || was_given {
            return;
        }
        let (reason, lot) = match due.kind {
            GiftKind::Entry => {
                self.standing().entered.push(due.level.clone());
                let lot = ids::tier_entry_lot(self.shop_id, self.member_id, &due.level);
                (Reason::TierEntry, lot)
            }
            GiftKind::Renewal => {
                let lot = ids::tier_renewal_lot(self.shop_id, self.member_id, &due.level, due.since);
                (Reason::TierRenewal, lot)
            }
        };
        let credit = Credit {
            points: gift.points,
            expires_at: self.expiry(gift.expiry, due.at),
            tier: Some(due.level.clone()),
            ..Credit::of(lot)
        };
        self.credit(self.gift_head(reason, due.at, &due.cause_id), credit, now);
    }

    pub(super) fn gift_head(&self, reason: Reason, at: Instant, cause_id: &ShortText) -> Head {
        Head {
            reason,
            order_id: None,
            rule_version: self.rules(at).map(|published| published.rules.version),
            effective_at: at,
            cause_id: cause_id.clone(),
            note: None,
            notify: true,
            actor: None,
            traceparent: None,
        }
    }
}
