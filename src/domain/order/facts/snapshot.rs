//! A snapshot of an order, and which of two counts.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use crate::domain::instant::Instant;
use crate::domain::short_text::ShortText;

/// The amounts of an order, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The event's time in microseconds where none was given.
    pub revision: i64,
    pub event_id: ShortText,
    pub created_at: Option<Instant>,
    pub channel: ShortText,
    /// `None`: the rule's.
    pub currency: Option<ShortText>,
    /// `None`: a guest.
    pub customer: Option<Customer>,
    /// `None`: left out, `subtotal` stands for the goods.
    pub lines: Option<Vec<Line>>,
    pub subtotal: Decimal,
    pub discount_total: Decimal,
    pub store_credit: Decimal,
    pub shipping_total: Decimal,
    pub tax_total: Decimal,
    pub surcharge_total: Decimal,
    pub points_redeemed: i64,
    pub points_redeemed_amount: Decimal,
    /// Whose points they are; `None`: the customer's.
    pub points_redeemed_by: Option<ShortText>,
    /// Prices of the goods contain their tax.
    pub prices_include_tax: bool,
    pub payment_method: Option<ShortText>,
    pub delivery: Delivery,
    pub test: bool,
}

impl Snapshot {
    pub fn lines(&self) -> &[Line] {
        self.lines.as_deref().unwrap_or_default()
    }

    /// Whether this one counts rather than `known`: the higher revision, of one revision the
    /// event id that sorts last. Two systems may give one id to two events; then the content
    /// decides, so that the order of arrival does not.
    pub fn replaces(&self, known: &Snapshot) -> bool {
        let version = |snapshot: &Self| (snapshot.revision, snapshot.event_id.clone());
        match self.revision.cmp(&known.revision) {
            Ordering::Equal => match self.event_id.cmp(&known.event_id) {
                Ordering::Equal => self.content().partial_cmp(&known.content()) == Some(Ordering::Greater),
                by_id => {
                    debug_assert!(version(self) != version(known));
                    by_id == Ordering::Greater
                }
            },
            by_revision => by_revision == Ordering::Greater,
        }
    }

    /// What decides between two snapshots of one revision and one event id.
    fn content(&self) -> impl PartialOrd + '_ {
        let customer = self
            .customer
            .as_ref()
            .map(|customer| (&customer.id, customer.logged_in, &customer.tier));
        let lines = self.lines.as_ref().map(|lines| {
            let of_line = |line: &Line| {
                (
                    line.id.clone(),
                    line.quantity,
                    line.unit_price,
                    line.discount_total,
                    (line.sku.clone(), line.product_id.clone(), line.categories.clone()),
                    (line.brand.clone(), line.tags.clone(), line.tax_total),
                )
            };
            lines.iter().map(of_line).collect::<Vec<_>>()
        });
        (
            (self.created_at, &self.channel, &self.currency, customer, lines),
            (self.subtotal, self.discount_total, self.store_credit),
            (self.shipping_total, self.tax_total, self.surcharge_total),
            (
                self.points_redeemed,
                self.points_redeemed_amount,
                &self.points_redeemed_by,
            ),
            (
                self.prices_include_tax,
                &self.payment_method,
                self.delivery as u8,
                self.test,
            ),
        )
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    pub id: ShortText,
    pub logged_in: bool,
    pub tier: Option<ShortText>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub id: ShortText,
    pub quantity: Decimal,
    pub unit_price: Decimal,
    pub discount_total: Decimal,
    pub tax_total: Option<Decimal>,
    pub sku: Option<ShortText>,
    pub product_id: Option<ShortText>,
    pub categories: Vec<ShortText>,
    pub brand: Option<ShortText>,
    pub tags: Vec<ShortText>,
}

/// What the final delivery state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Delivered.
    Home,
    /// Picked up; delivered means that it reached the store.
    Pickup,
    /// Shipped and delivered when paid.
    None,
}
