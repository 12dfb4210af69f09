//! A snapshot as its message. Everything is destructured: a forgotten field does not compile.

use rust_decimal::Decimal;

use super::messages::*;
use crate::domain::order::facts::{Customer, Delivery, Line, Snapshot};

pub fn snapshot(snapshot: &Snapshot) -> SnapshotRef<'_> {
    let Snapshot {
        revision,
        event_id,
        created_at,
        channel,
        currency,
        customer,
        lines,
        subtotal,
        discount_total,
        store_credit,
        shipping_total,
        tax_total,
        surcharge_total,
        points_redeemed,
        points_redeemed_amount,
        points_redeemed_by,
        prices_include_tax,
        payment_method,
        delivery,
        test,
    } = snapshot;
    let (customer_id, logged_in, tier) = match customer {
        Some(Customer { id, logged_in, tier }) => (Some(id.as_str()), *logged_in, tier.as_deref()),
        None => (None, false, None),
    };
    SnapshotRef {
        revision: *revision,
        event_id,
        created_at: created_at.map(|at| at.0),
        channel,
        currency: currency.as_deref(),
        customer_id,
        logged_in,
        tier,
        lines: lines.iter().flatten().map(line).collect(),
        subtotal: not_zero(*subtotal),
        discount_total: not_zero(*discount_total),
        store_credit: not_zero(*store_credit),
        shipping_total: not_zero(*shipping_total),
        tax_total: not_zero(*tax_total),
        surcharge_total: not_zero(*surcharge_total),
        points_redeemed: *points_redeemed,
        points_redeemed_amount: not_zero(*points_redeemed_amount),
        delivery: match delivery {
            Delivery::Home => 0,
            Delivery::Pickup => 1,
            Delivery::None => 2,
        },
        test: *test,
        no_lines: lines.as_ref().is_some_and(Vec::is_empty),
        points_redeemed_by: points_redeemed_by.as_deref(),
        prices_include_tax: *prices_include_tax,
        payment_method: payment_method.as_deref(),
    }
}

fn line(line: &Line) -> LineRef<'_> {
    let Line {
        id,
        quantity,
        unit_price,
        discount_total,
        tax_total,
        sku,
        product_id,
        categories,
        brand,
        tags,
    } = line;
    LineRef {
        id,
        quantity: whole_units(*quantity).unwrap_or(0),
        unit_price: not_zero(*unit_price),
        discount_total: not_zero(*discount_total),
        quantity_exact: exact_units(*quantity),
        tax_total: tax_total.map(AmountV1::from),
        sku: sku.as_deref(),
        product_id: product_id.as_deref(),
        categories: categories.iter().map(|word| word.as_str()).collect(),
        brand: brand.as_deref(),
        tags: tags.iter().map(|word| word.as_str()).collect(),
    }
}

/// The units, where they are whole and written so.
pub fn whole_units(quantity: Decimal) -> Option<u32> {
    let whole = u32::try_from(quantity.mantissa()).ok();
    whole.filter(|_| quantity.scale() == 0)
}

pub fn exact_units(quantity: Decimal) -> Option<AmountV1> {
    match whole_units(quantity) {
        Some(_) => None,
        None => Some(quantity.into()),
    }
}

/// A plain zero is not written; one with decimals counts for the scale of sums.
fn not_zero(amount: Decimal) -> Option<AmountV1> {
    (!amount.is_zero() || amount.scale() > 0).then(|| amount.into())
}

impl From<Decimal> for AmountV1 {
    fn from(amount: Decimal) -> Self {
        AmountV1 {
            // The reader of events lets no more than 18 digits in.
            units: i64::try_from(amount.mantissa()).unwrap_or(i64::MAX),
            scale: amount.scale(),
        }
    }
}
