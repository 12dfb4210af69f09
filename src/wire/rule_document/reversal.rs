//! `reversal`

use serde_json::{Value, json};

use super::findings::Findings;
use super::section::Section;
use crate::domain::rules::model::*;

pub fn read(section: Option<Section<'_>>, found: &mut Findings) -> Reversal {
    let mut reversal = Reversal::default();
    let Some(mut section) = section else {
        return reversal;
    };
    let word = |section: &mut Section<'_>, key, field: &mut Extent, found: &mut Findings| {
        *field = section.word(key, found).unwrap_or(*field);
    };
    if let Some(mut before) = section.section("before_issue", found) {
        word(&mut before, "cancel", &mut reversal.before_cancel, found);
        word(&mut before, "refund", &mut reversal.before_refund, found);
        before.end(found);
    }
    if let Some(mut after) = section.section("after_issue", found) {
        word(&mut after, "cancel", &mut reversal.after_cancel, found);
        word(&mut after, "refund", &mut reversal.after_refund, found);
        let edit = after.one_of("edit", Reversal::EDIT_WORDS, found);
        reversal.after_edit_adjusts = edit.unwrap_or(reversal.after_edit_adjusts);
        after.end(found);
    }
    reversal.when_short = section.word("when_short", found).unwrap_or_default();
    let redeemed = section.one_of("redeemed", Reversal::REDEEMED_WORDS, found);
    reversal.returns_redeemed = redeemed.unwrap_or(reversal.returns_redeemed);
    section.end(found);
    reversal
}

pub fn write(reversal: &Reversal) -> Value {
    let Reversal {
        before_cancel,
        before_refund,
        after_cancel,
        after_refund,
        after_edit_adjusts,
        when_short,
        returns_redeemed,
    } = *reversal;
    json!({
        "before_issue": {"cancel": before_cancel.word(), "refund": before_refund.word()},
        "after_issue": {
            "cancel": after_cancel.word(),
            "refund": after_refund.word(),
            "edit": word(Reversal::EDIT_WORDS, after_edit_adjusts),
        },
        "when_short": when_short.word(),
        "redeemed": word(Reversal::REDEEMED_WORDS, returns_redeemed),
    })
}

fn word(words: &[(&'static str, bool)], value: bool) -> Option<&'static str> {
    words.iter().find(|(_, of)| *of == value).map(|(word, _)| *word)
}
