//! Fields of an order event that nothing is known of: a shop's own, or misspelt ones.

use crate::domain::short_text::ShortText;

/// Which object of an event's data a field stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    Data,
    Order,
    Customer,
    Line,
    Delivery,
    Refund,
    RefundLine,
}

impl Section {
    pub const ALL: [Section; 7] = [
        Section::Data,
        Section::Order,
        Section::Customer,
        Section::Line,
        Section::Delivery,
        Section::Refund,
        Section::RefundLine,
    ];

    pub fn path(self) -> &'static str {
        match self {
            Section::Data => "data",
            Section::Order => "data.order",
            Section::Customer => "customer",
            Section::Line => "data.order.line_items",
            Section::Delivery => "data.order.delivery",
            Section::Refund => "data.refund",
            Section::RefundLine => "data.refund.line_items",
        }
    }

    /// A misspelt field of it may be an amount, which then counts as 0.
    pub fn holds_amounts(self) -> bool {
        match self {
            Section::Order | Section::Line | Section::Refund | Section::RefundLine => true,
            Section::Data | Section::Customer | Section::Delivery => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownField {
    pub section: Section,
    /// Its beginning, if it is long.
    pub name: ShortText,
}

/// Characters of a name that are kept.
const NAME_MAX_CHARS: usize = 64;

impl UnknownField {
    pub fn new(section: Section, name: &str) -> Self {
        let name = match name.char_indices().nth(NAME_MAX_CHARS) {
            Some((end, _)) => &name[..end],
            None => name,
        };
        Self {
            section,
            name: name.into(),
        }
    }
}
