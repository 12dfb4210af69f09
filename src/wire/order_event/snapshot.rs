//! Snapshots, refunds and claims of order events.

use rust_decimal::Decimal;

use super::data::{CustomerData, LineData, OrderData, RefundData};
use super::{OrderEventError, id, wrong};
use crate::domain::money;
use crate::domain::order::facts::{Customer, Delivery, Line, Refund, Snapshot};
use crate::domain::short_text::ShortText;
use crate::wire::envelope::Envelope;
use crate::wire::object::Object;
use crate::wire::scalar::{Amount, Quantity};
use crate::wire::text::Text;

/// The channel of an order that names none.
const ONLINE: ShortText = ShortText::const_new("online");
/// Lines of an order or of a refund.
const LINES_MAX: usize = 2_000;
/// Categories or tags of a line.
const WORDS_MAX: usize = 100;

pub fn read(order: OrderData<'_>, envelope: &Envelope<'_, ()>) -> Result<Snapshot, OrderEventError> {
    let lines = order.line_items.map(read_lines).transpose()?;
    let subtotal = match order.subtotal {
        Some(subtotal) => subtotal.0,
        None => list_price(lines.as_deref().unwrap_or_default())?,
    };
    Ok(Snapshot {
        revision: order.revision.unwrap_or(envelope.time.0),
        event_id: envelope.id.as_ref().into(),
        created_at: order.created_at.map(|at| at.0),
        channel: order.channel.map_or(ONLINE, |channel| channel.short()),
        currency: order.currency.map(|currency| currency.short()),
        customer: order.customer.map(read_customer).transpose()?.flatten(),
        lines,
        subtotal,
        discount_total: amount(order.discount_total),
        store_credit: amount(order.store_credit),
        shipping_total: amount(order.shipping_total),
        tax_total: amount(order.tax_total),
        surcharge_total: amount(order.surcharge_total),
        points_redeemed: order.points_redeemed.map_or(0, |points| points.0),
        points_redeemed_amount: amount(order.points_redeemed_amount),
        points_redeemed_by: match given(order.points_redeemed_by) {
            Some(member) => Some(id("data.order.points_redeemed_by", Some(&member))?.into()),
            None => None,
        },
        prices_include_tax: order.prices_include_tax.unwrap_or(false),
        payment_method: given(order.payment_method).map(|method| method.short()),
        delivery: match order.delivery.and_then(|delivery| delivery.0.kind).as_deref() {
            None | Some("home") => Delivery::Home,
            Some("pickup") => Delivery::Pickup,
            Some("none") => Delivery::None,
            Some(_) => return Err(wrong("data.order.delivery.type", "must be home, pickup or none")),
        },
        test: order.test.unwrap_or(false),
    })
}

fn read_lines(lines: Vec<Object<LineData<'_>>>) -> Result<Vec<Line>, OrderEventError> {
    if lines.len() > LINES_MAX {
        return Err(wrong("data.order.line_items", "has more than 2000 lines"));
    }
    let lines = lines.into_iter().map(|Object(line)| read_line(line));
    lines.collect()
}

fn read_line(line: LineData<'_>) -> Result<Line, OrderEventError> {
    Ok(Line {
        id: line.id.unwrap_or_default().short(),
        quantity: line.quantity.map_or(Decimal::ONE, |Quantity(quantity)| quantity),
        unit_price: amount(line.unit_price),
        discount_total: amount(line.discount_total),
        tax_total: line.tax_total.map(|Amount(tax)| tax),
        sku: given(line.sku).map(|sku| sku.short()),
        product_id: given(line.product_id).map(|product| product.short()),
        categories: words("data.order.line_items.categories", line.categories)?,
        brand: given(line.brand).map(|brand| brand.short()),
        tags: words("data.order.line_items.tags", line.tags)?,
    })
}

/// Lines alone are the goods at list price.
fn list_price(lines: &[Line]) -> Result<Decimal, OrderEventError> {
    let mut sum = Decimal::ZERO;
    for line in lines {
        let price = line.unit_price.checked_mul(line.quantity);
        sum = price
            .and_then(|price| sum.checked_add(price))
            .unwrap_or(Decimal::MAX);
    }
    let digits = |sum: Decimal| sum.mantissa().unsigned_abs() < 10u128.pow(money::DIGITS_MAX);
    if !digits(sum) || sum.scale() > money::SCALE_MAX {
        // Weighed goods have more digits than are paid for.
        sum = sum.round_dp(money::SCALE_MAX).normalize();
    }
    match digits(sum) {
        true => Ok(sum),
        false => Err(wrong(
            "data.order.line_items",
            "cost more than 18 digits can hold",
        )),
    }
}

fn words(field: &'static str, words: Option<Vec<Text<'_>>>) -> Result<Vec<ShortText>, OrderEventError> {
    let words = words.unwrap_or_default();
    match words.len() {
        0..=WORDS_MAX => Ok(words.iter().map(Text::short).collect()),
        _ => Err(wrong(field, "has more than 100 entries")),
    }
}

/// Without an id it is a guest.
fn read_customer(Object(customer): Object<CustomerData<'_>>) -> Result<Option<Customer>, OrderEventError> {
    let Some(member_id) = customer.id.as_deref().filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    Ok(Some(Customer {
        id: id("data.order.customer.id", Some(member_id))?.into(),
        logged_in: customer.logged_in.unwrap_or(true),
        tier: given(customer.tier).map(|tier| tier.short()),
    }))
}

/// Who claims an order counts as logged in.
pub fn read_claim(customer: CustomerData<'_>) -> Result<Customer, OrderEventError> {
    Ok(Customer {
        id: id("data.customer.id", customer.id.as_deref())?.into(),
        logged_in: true,
        tier: given(customer.tier).map(|tier| tier.short()),
    })
}

/// `choice`: whether points are taken back, and whether redeemed ones are returned.
pub fn read_refund(
    refund: RefundData<'_>,
    envelope: &Envelope<'_, ()>,
    choice: (bool, bool),
) -> Result<Refund, OrderEventError> {
    if refund.line_items.is_none() && refund.amount.is_none() {
        return Err(wrong("data.refund", "has neither line_items nor amount"));
    }
    let lines = refund.line_items.unwrap_or_default();
    if lines.len() > LINES_MAX {
        return Err(wrong("data.refund.line_items", "has more than 2000 lines"));
    }
    let mut read_lines = Vec::with_capacity(lines.len());
    for Object(line) in lines {
        let (Some(id), Some(Quantity(quantity))) = (line.id, line.quantity) else {
            return Err(wrong("data.refund.line_items", "each line needs id and quantity"));
        };
        read_lines.push((id.short(), quantity));
    }
    Ok(Refund {
        id: id("data.refund.id", refund.id.as_deref())?.into(),
        time: envelope.time,
        event_id: envelope.id.as_ref().into(),
        lines: read_lines,
        amount: refund.amount.map(|amount| amount.0),
        take_back: choice.0,
        return_redeemed: choice.1,
        after_issue: false,
    })
}

/// An empty text is none.
fn given(text: Option<Text<'_>>) -> Option<Text<'_>> {
    text.filter(|text| !text.is_empty())
}

fn amount(found: Option<Amount>) -> Decimal {
    found.map_or(Decimal::ZERO, |amount| amount.0)
}
