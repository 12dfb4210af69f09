//! What an order sends its member's ledger ahead of its due time.

use super::*;
use crate::domain::ledger::Terms;
use crate::domain::ledger::member::Member;

#[test]
fn a_stored_digest_that_no_longer_fits_costs_one_entry_that_changes_nothing() {
    let waiting = rules(&[("{on: paid}", "{on: paid, delay_days: 3}")]);
    let mut shop = Shop::new(&format!("{waiting}caps: {{per_order: 5}}\n"), 0);
    let book = shop.orders.book.load_full();
    let terms = Terms {
        book: &book,
        gift_horizon: None,
        command_ids_days: 0,
        tier_facts_months: 0,
    };
    let mut member = Member::default();
    let mut outcomes_of = |entry: &Entry| member.apply(entry, &terms).outcomes;
    shop.tell(1, CREATED);
    shop.tell(2, "order.paid | 02");
    let sent = std::mem::take(&mut shop.entries);
    let outcomes: Vec<_> = sent.iter().flat_map(&mut outcomes_of).collect();
    assert_eq!(outcomes.len(), 1, "pending: {outcomes:#?} of {sent:#?}");

    shop.turn(Cause::Nudge, shop.now);
    assert_eq!(shop.entries, [], "the digest fits");

    let mut order = order_state::decode(shop.state.as_ref().unwrap()).unwrap();
    order.forecast.as_mut().expect("a forecast was sent").digest ^= 1;
    shop.state = Some(order_state::encode(&order).to_vec());
    shop.turn(Cause::Nudge, shop.now);
    shop.turn(Cause::Nudge, shop.now);
    let [again] = &shop.entries[..] else {
        panic!("one entry: {:#?}", shop.entries);
    };
    assert!(matches!(again.kind, EntryKind::Forecast(_)), "{again:#?}");
    assert_eq!(outcomes_of(again), []);
}
