//! What is remembered of orders, within a member's state: of most of them a byte or two, and a
//! receipt.

use super::compact::{flag, read_details, write_details};
use super::linked::{Link, Named};
use super::packed::{Malformed, Reader, Writer};
use super::receipts::Receipts;
use super::rows::Rows;
use crate::domain::instant::Instant;
use crate::domain::ledger::orders::{Details, Orders, Remembered};
use crate::domain::ledger::receipt::Receipt;

// What an order says in its first number, beside its step.
const DETAILS: u64 = 1;
const RECEIPT_ALONE: u64 = 1 << 1;
const DAY_OF_LOT: u64 = 1 << 2;
const STEP_SHIFT: u32 = 3;

const DAY_MICROS: i64 = 86_400_000_000;

pub fn write(orders: &Orders, named: &mut Named, rows: &mut Rows, out: &mut Writer) {
    let values = orders.iter().map(|(hash, order)| (*hash, order));
    let mut receipts = Receipts::default();
    let mut day_before = 0;
    for (link, Remembered { step, day, details }) in named.write(values, out) {
        let near = link.issued_at.map_or(day_before, day_of);
        let day = i64::from(*day);
        let receipt = details.as_deref().and_then(receipt_alone);
        let is_of_lot = link.issued_at.is_some() && day == near;
        let says = flag(details.is_some(), DETAILS)
            | flag(receipt.is_some(), RECEIPT_ALONE)
            | flag(is_of_lot, DAY_OF_LOT);
        out.uint(u64::from(*step) << STEP_SHIFT | says);
        if !is_of_lot {
            out.int(day.wrapping_sub(near));
        }
        day_before = day;
        receipts.day = day;
        match (receipt, details) {
            (Some(receipt), _) => receipts.write(receipt, out),
            (None, Some(details)) => write_details(details, (rows, &mut receipts), out),
            (None, None) => {}
        }
    }
}

/// The receipt of details that say nothing else.
fn receipt_alone(details: &Details) -> Option<&Receipt> {
    let receipt = details.receipt.as_ref()?;
    let Details {
        cancelled: false,
        expected: 0,
        taken_back: 0,
        redeemed: None,
        cancellation: None,
        pending: None,
        receipt: _,
    } = details
    else {
        return None;
    };
    Some(receipt)
}

pub fn read(
    shop_id: &str,
    named: &mut Named,
    rows: &mut Rows,
    from: &mut Reader<'_>,
) -> Result<Orders, Malformed> {
    let links = named.read(from)?;
    let mut orders = Vec::with_capacity(links.len());
    let mut receipts = Receipts::default();
    let mut day_before = 0;
    for Link { hash, issued_at } in links {
        let says = from.uint()?;
        let near = issued_at.map_or(day_before, day_of);
        let day = match (says & DAY_OF_LOT, issued_at) {
            (0, _) => near.checked_add(from.int()?).ok_or(Malformed)?,
            (_, Some(_)) => near,
            (_, None) => return Err(Malformed),
        };
        day_before = day;
        receipts.day = day;
        let details = match (says & DETAILS, says & RECEIPT_ALONE) {
            (0, _) => None,
            (_, 0) => Some(read_details(shop_id, (rows, &mut receipts), from)?),
            _ => Some(Details {
                receipt: Some(receipts.read(from)?),
                ..Details::default()
            }),
        };
        let remembered = Remembered {
            step: u32::try_from(says >> STEP_SHIFT).map_err(|_| Malformed)?,
            day: i32::try_from(day).map_err(|_| Malformed)?,
            details: details.map(Box::new),
        };
        orders.push((hash, remembered));
    }
    orders.sort_unstable_by_key(|(hash, _)| *hash);
    Ok(Orders::of_sorted(orders))
}

fn day_of(at: Instant) -> i64 {
    at.0.div_euclid(DAY_MICROS)
}
