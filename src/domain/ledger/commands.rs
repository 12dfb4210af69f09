//! Commands carried out, or refused.

use super::account::{Account, Credit, Head};
use super::lots::Lot;
use super::member::Celebration;
use super::redeeming::Use;
use super::redemption::Amounts;
use crate::domain::calendar;
use crate::domain::digest::from_hex;
use crate::domain::entry::{Birthday, Command, Entry, Grant, ImportExpiry};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::outcome::Body;
use crate::domain::reason::Reason;
use crate::domain::rules::model::Expiry;

impl Account<'_> {
    pub fn command(&mut self, entry: &Entry, command: &Command, at: Instant) {
        match command {
            Command::Grant(grant) => self.grant(entry, grant, Reason::Granted, at),
            Command::Deduct {
                points,
                lot_id,
                note,
                actor,
            } => {
                let head = self.head(entry, Reason::Deducted, note, actor);
                self.deduct(entry, head, *points, lot_id.as_deref(), at);
            }
            Command::Redeem {
                points,
                subtotal,
                payable,
                tier,
                note,
                actor,
            } => {
                let level = self.member.level_at(self.tier_rules(), entry.effective_at);
                let asked = Use {
                    points: *points,
                    before: 0,
                    amounts: Amounts {
                        subtotal: *subtotal,
                        payable: *payable,
                    },
                    tier: tier.as_deref().or(level.as_deref()),
                    currency_mismatch: false,
                };
                let head = self.head(entry, Reason::Redeemed, note, actor);
                self.redeem_by_command(entry, head, &asked, at);
            }
            Command::Return {
                redeem_id,
                points,
                note,
                actor,
            } => {
                let head = self.head(entry, Reason::Returned, note, actor);
                self.return_by_command(entry, (redeem_id.as_deref(), *points), head, at);
            }
            Command::Import {
                points,
                expires,
                note,
                actor,
            } => {
                let credit = Credit {
                    points: *points,
                    expires_at: self.import_expiry(*expires, entry.effective_at),
                    ..Credit::of(ids::command_lot("import", entry))
                };
                self.credit(self.head(entry, Reason::Imported, note, actor), credit, at);
            }
            Command::TierSet(set) => self.tier_set(entry, set, at),
            Command::Qualify(qualify) => self.qualify(entry, qualify, at),
            Command::Registered { birthday } => self.registered(entry, *birthday, at),
            Command::Invalid(invalid) => {
                let mut head = self.head(entry, Reason::Invalid, &invalid.note, &invalid.actor);
                head.notify = invalid.notify;
                self.reject(head, entry, invalid.points, Some(invalid.detail.clone()));
            }
        }
    }

    /// A member's share of a broadcast; for members only that were known when it was read.
    pub fn granted_to_all(&mut self, entry: &Entry, grant: &Grant, at: Instant) {
        if self.member.is_known_at(entry.at) {
            self.grant(entry, grant, Reason::GrantedToAll, at);
        }
    }

    fn grant(&mut self, entry: &Entry, grant: &Grant, reason: Reason, at: Instant) {
        let mut head = self.head(entry, reason, &grant.note, &grant.actor);
        head.notify = grant.notify;
        let credit = Credit {
            points: grant.points,
            expires_at: self.expiry(grant.expiry, entry.effective_at),
            ..Credit::of(ids::command_lot(reason.code(), entry))
        };
        self.credit(head, credit, at);
    }

    fn deduct(&mut self, entry: &Entry, head: Head, points: i64, lot_id: Option<&str>, at: Instant) {
        let lot_id = lot_id.map(from_hex);
        // A lot that is not there, or no more, has nothing left.
        let wanted = |lot: &Lot| lot_id.is_none_or(|id| id == Some(lot.id));
        let held = self.member.lots.usable_of(at, wanted);
        if self.member.known_since.is_none() {
            return self.reject(
                Head {
                    reason: Reason::UnknownMember,
                    ..head
                },
                entry,
                Some(points),
                None,
            );
        }
        if held.min(self.member.usable(at)) < points {
            return self.reject(
                Head {
                    reason: Reason::InsufficientBalance,
                    ..head
                },
                entry,
                Some(points),
                None,
            );
        }
        let taken = self.member.lots.take(points, at, wanted);
        let parts = taken.iter().map(|lot| lot.part(lot.points)).collect();
        let movement = self.movement(points, parts, 0);
        self.tell(
            Self::outcome_id("adjusted", entry),
            head,
            Body::Adjusted { movement },
        );
    }

    fn registered(&mut self, entry: &Entry, birthday: Option<Birthday>, at: Instant) {
        self.member.known_since.get_or_insert(at);
        if let Some(on) = birthday {
            let given = self
                .member
                .birthday
                .as_ref()
                .and_then(|celebration| celebration.given);
            self.member.birthday = Some(Celebration {
                on,
                cause_id: entry.cause_id.clone(),
                given,
            });
        }
        if !std::mem::replace(&mut self.member.registered, true) {
            self.registration_gift(entry, at);
        }
    }

    fn registration_gift(&mut self, entry: &Entry, at: Instant) {
        let Some(published) = self.rules(entry.effective_at) else {
            return;
        };
        let Some(gift) = published
            .rules
            .gifts
            .registration
            .filter(|_| published.rules.enabled)
        else {
            return;
        };
        let credit = Credit {
            points: gift.points,
            expires_at: self.expiry(gift.expiry, entry.effective_at),
            ..Credit::of(ids::registration_lot(self.shop_id, self.member_id))
        };
        self.credit(self.head(entry, Reason::Registration, &None, &None), credit, at);
    }

    /// Head of what a command leads to: under the version in force at its time.
    fn head(&self, entry: &Entry, reason: Reason, note: &Option<String>, actor: &Option<String>) -> Head {
        Head {
            rule_version: self
                .rules(entry.effective_at)
                .map(|published| published.rules.version),
            note: note.clone(),
            actor: actor.clone(),
            ..Head::of(entry, reason)
        }
    }

    /// A command's own expiry or that of the version in force. Without any rule: never.
    pub(super) fn expiry(&self, own: Option<Expiry>, issued_at: Instant) -> Option<Instant> {
        let rules = &self.rules(issued_at)?.rules;
        calendar::expires_at(rules.timezone, issued_at, &own.unwrap_or(rules.expiry.expiry))
    }

    fn import_expiry(&self, expires: ImportExpiry, issued_at: Instant) -> Option<Instant> {
        match expires {
            ImportExpiry::Never => None,
            ImportExpiry::At(at) => Some(at),
            ImportExpiry::On(date) => {
                let rules = &self.rules(issued_at)?.rules;
                Some(calendar::local_at(rules.timezone, date, rules.expiry.expiry.at))
            }
        }
    }
}
