//! What several messages of an entry hold, written and read.

use super::messages::{ByLevelV3, GrantV1, IssuePartV2, IssueV1, LevelAmountsV3, ReverseV1};
use super::{EntryError, amount};
use crate::domain::entry::{
    ByLevel, Grant, Issue, IssueOrigin, IssuePart, LevelAmounts, Reverse, ReverseReason,
};
use crate::domain::instant::Instant;
use crate::domain::rules::model::WhenShort;
use crate::wire::expiry::ExpiryV1;

/// The only part of an issue without bonuses.
pub(super) fn own_part(issue: &Issue) -> Option<&IssuePart> {
    match &issue.parts[..] {
        [own] if own.bonus_id.is_none() => Some(own),
        _ => None,
    }
}

impl From<&Issue> for IssueV1 {
    fn from(issue: &Issue) -> Self {
        let own = own_part(issue);
        let parts = if own.is_some() { &[] } else { &issue.parts[..] };
        IssueV1 {
            edited: issue.origin == IssueOrigin::Edited,
            number: issue.number,
            points: own.map_or(0, |own| own.points),
            base_amount: own.map_or(String::new(), |own| own.base_amount.to_string()),
            currency: issue.currency.to_string(),
            expires_at: own.and_then(|own| own.expires_at).map(|at| at.0),
            adjust: issue.adjust.as_ref().map(ReverseV1::from),
            parts: parts.iter().map(IssuePartV2::from).collect(),
        }
    }
}

impl IssueV1 {
    pub(super) fn read(self) -> Result<Issue, EntryError> {
        let parts = match &*self.base_amount {
            "" => self
                .parts
                .into_iter()
                .map(IssuePartV2::read)
                .collect::<Result<_, _>>()?,
            own => vec![IssuePart {
                bonus_id: None,
                points: self.points,
                base_amount: amount("base_amount", own)?,
                expires_at: self.expires_at.map(Instant),
            }],
        };
        Ok(Issue {
            origin: if self.edited {
                IssueOrigin::Edited
            } else {
                IssueOrigin::Due
            },
            number: self.number,
            parts,
            currency: self.currency.into(),
            adjust: self.adjust.map(ReverseV1::read).transpose()?,
        })
    }
}

impl From<&IssuePart> for IssuePartV2 {
    fn from(part: &IssuePart) -> Self {
        IssuePartV2 {
            bonus_id: part.bonus_id.as_ref().map(ToString::to_string),
            points: part.points,
            base_amount: part.base_amount.to_string(),
            expires_at: part.expires_at.map(|at| at.0),
        }
    }
}

impl IssuePartV2 {
    pub(super) fn read(self) -> Result<IssuePart, EntryError> {
        Ok(IssuePart {
            bonus_id: self.bonus_id.map(Into::into),
            points: self.points,
            base_amount: amount("base_amount", &self.base_amount)?,
            expires_at: self.expires_at.map(Instant),
        })
    }
}

impl From<&Reverse> for ReverseV1 {
    fn from(reverse: &Reverse) -> Self {
        ReverseV1 {
            reason: reason_tag(reverse.reason),
            issued: reverse.issued,
            kept: reverse.kept,
            when_short: when_short_tag(reverse.when_short),
            by_cancellation: reverse.by_cancellation,
        }
    }
}

impl ReverseV1 {
    pub(super) fn read(self) -> Result<Reverse, EntryError> {
        Ok(Reverse {
            reason: reason(self.reason)?,
            issued: self.issued,
            kept: self.kept,
            when_short: when_short(self.when_short)?,
            // The first version marked only the cancellation's own.
            by_cancellation: self.by_cancellation || self.reason == CANCELLED,
        })
    }
}

impl From<&ByLevel> for ByLevelV3 {
    fn from(by_level: &ByLevel) -> Self {
        let ByLevel { created_at, amounts } = by_level;
        let amounts = amounts.iter().map(|amounts| {
            let LevelAmounts {
                level,
                subtotal,
                payable,
            } = amounts;
            LevelAmountsV3 {
                level: level.to_string(),
                subtotal: subtotal.to_string(),
                payable: payable.to_string(),
            }
        });
        ByLevelV3 {
            created_at: created_at.0,
            amounts: amounts.collect(),
        }
    }
}

impl ByLevelV3 {
    pub(super) fn read(self) -> Result<ByLevel, EntryError> {
        let amounts = self.amounts.into_iter().map(|amounts| {
            Ok(LevelAmounts {
                level: amounts.level.into(),
                subtotal: amount("subtotal", &amounts.subtotal)?,
                payable: amount("payable", &amounts.payable)?,
            })
        });
        Ok(ByLevel {
            created_at: Instant(self.created_at),
            amounts: amounts.collect::<Result<_, EntryError>>()?,
        })
    }
}

impl From<&Grant> for GrantV1 {
    fn from(grant: &Grant) -> Self {
        GrantV1 {
            points: grant.points,
            note: grant.note.clone(),
            expiry: grant.expiry.as_ref().map(ExpiryV1::from),
            silent: !grant.notify,
            actor: grant.actor.clone(),
        }
    }
}

impl GrantV1 {
    pub(super) fn read(self) -> Result<Grant, EntryError> {
        Ok(Grant {
            points: self.points,
            note: self.note,
            expiry: match self.expiry {
                Some(expiry) => Some(expiry.read().ok_or(EntryError::Field("expiry"))?),
                None => None,
            },
            notify: !self.silent,
            actor: self.actor,
        })
    }
}

pub(super) fn when_short_tag(when_short: WhenShort) -> u32 {
    match when_short {
        WhenShort::Refuse => 1,
        WhenShort::Clamp => 2,
        WhenShort::Negative => 3,
    }
}

pub(super) fn when_short(tag: u32) -> Result<WhenShort, EntryError> {
    match tag {
        1 => Ok(WhenShort::Refuse),
        2 => Ok(WhenShort::Clamp),
        3 => Ok(WhenShort::Negative),
        _ => Err(EntryError::Field("when_short")),
    }
}

const CANCELLED: u32 = 1;

pub(super) fn reason_tag(reason: ReverseReason) -> u32 {
    match reason {
        ReverseReason::Cancelled => CANCELLED,
        ReverseReason::Refunded => 2,
        ReverseReason::Edited => 3,
    }
}

pub(super) fn reason(tag: u32) -> Result<ReverseReason, EntryError> {
    match tag {
        CANCELLED => Ok(ReverseReason::Cancelled),
        2 => Ok(ReverseReason::Refunded),
        3 => Ok(ReverseReason::Edited),
        _ => Err(EntryError::Field("reason")),
    }
}
