//! One period of a level.

use crate::domain::instant::Instant;
use crate::domain::reason::Reason;
use crate::domain::short_text::ShortText;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    pub level: ShortText,
    pub since: Instant,
    /// `None`: it has no end.
    pub until: Option<Instant>,
    /// Where the first of the periods of this level that follow one another began.
    pub level_since: Instant,
    pub began: Began,
    pub checked: Checked,
}

/// Why a period began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Began {
    Reached,
    Renewed,
    NotRenewed,
    Refunded,
    Set,
    RuleChanged,
    TierRemoved,
}

impl Began {
    pub const ALL: [Began; 7] = [
        Began::Reached,
        Began::Renewed,
        Began::NotRenewed,
        Began::Refunded,
        Began::Set,
        Began::RuleChanged,
        Began::TierRemoved,
    ];

    pub fn reason(self) -> Reason {
        match self {
            Began::Reached => Reason::Reached,
            Began::Renewed => Reason::Renewed,
            Began::NotRenewed => Reason::NotRenewed,
            Began::Refunded => Reason::Refunded,
            Began::Set => Reason::Set,
            Began::RuleChanged => Reason::RuleChanged,
            Began::TierRemoved => Reason::TierRemoved,
        }
    }
}

/// What a refund looks at again: the conditions that began the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// None: it began by hand, or by falling to a level without being looked at.
    Not,
    /// Those of `enter`, at its beginning.
    Enter,
    /// Those of `renew` over the period before it, which began here, or those of `enter`.
    Over(Instant),
}
