//! What a cancellation, a refund or an edit takes back.

use super::words::words;

words! {
    /// How much is taken back. For a refund `Full` takes everything; for a cancellation
    /// `Proportional` does too.
    pub enum Extent in [
        "reversal.before_issue.cancel", "reversal.before_issue.refund",
        "reversal.after_issue.cancel", "reversal.after_issue.refund",
    ] {
        Full = "full",
        Proportional = "proportional",
        None = "none",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reversal {
    pub before_cancel: Extent,
    pub before_refund: Extent,
    pub after_cancel: Extent,
    pub after_refund: Extent,
    /// `edit: adjust`.
    pub after_edit_adjusts: bool,
    pub when_short: WhenShort,
    /// Redeemed points go back in proportion; false: not at all.
    pub returns_redeemed: bool,
}

impl Reversal {
    /// The words of `after_issue.edit`.
    pub const EDIT_WORDS: &'static [(&'static str, bool)] = &[("none", false), ("adjust", true)];
    /// The words of `redeemed`.
    pub const REDEEMED_WORDS: &'static [(&'static str, bool)] = &[("proportional", true), ("none", false)];
}

impl Default for Reversal {
    fn default() -> Self {
        Reversal {
            before_cancel: Extent::Full,
            before_refund: Extent::Proportional,
            after_cancel: Extent::None,
            after_refund: Extent::None,
            after_edit_adjusts: false,
            when_short: WhenShort::Refuse,
            returns_redeemed: true,
        }
    }
}

words! {
    /// What a reversal does that asks for more than the balance holds.
    #[derive(Default)]
    pub enum WhenShort in ["reversal.when_short"] {
        #[default]
        Refuse = "refuse",
        Clamp = "clamp",
        Negative = "negative",
    }
}
