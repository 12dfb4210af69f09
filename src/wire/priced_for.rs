//! The span around a member's birthday as a stored number.

use crate::domain::rules::model::BirthdaySpan;

pub fn birthday_tag(span: Option<BirthdaySpan>) -> u32 {
    match span {
        None => 0,
        Some(BirthdaySpan::Day) => 1,
        Some(BirthdaySpan::Month) => 2,
    }
}

/// `None`: never written.
pub fn birthday_span(tag: u32) -> Option<Option<BirthdaySpan>> {
    match tag {
        0 => Some(None),
        1 => Some(Some(BirthdaySpan::Day)),
        2 => Some(Some(BirthdaySpan::Month)),
        _ => None,
    }
}
