//! Any order of arrival; orders forgotten and records refused.

use proptest::prelude::*;

use super::*;

#[test]
fn forgotten_orders() {
    let mut shop = Shop::new(&rules(&[("{on: paid}", "{on: paid, delay_days: 9}")]), 5);
    shop.tell(1, CREATED);
    shop.tell(2, "order.paid | 03");
    assert!(shop.saved().unwrap().indexed);
    shop.fire(Millis::MAX);
    assert_eq!(
        shop.told.len(),
        2,
        "points that are due are not forgotten: {:?}",
        shop.told
    );
    assert_eq!(shop.state, None);
    shop.told.clear();
    shop.now = Instant::parse(&at("20")).unwrap().ceil_millis();
    shop.tell(3, CREATED);
    assert!(shop.told[0].starts_with("order_forgotten: "), "{:?}", shop.told);
    assert_eq!(shop.state, None);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let told = run(RULES, &[r#"order.created | 01 | "order":{"subtotal":"x"}"#]);
    assert_eq!(
        told,
        [r#"malformed: data.order.subtotal: "x" is not a decimal number"#]
    );
}

/// Two systems may number their events alike.
#[test]
fn events_of_one_id_decide_the_same_in_any_order() {
    let snapshot = |subtotal: u32| {
        format!(
            r#"order.updated | 02 | "order":{{"revision":2,"created_at":"@01","customer":{{"id":"m-1"}},"subtotal":"{subtotal}"}}"#
        )
    };
    let refund = |amount: u32| format!(r#"order.refunded | 03 | "refund":{{"id":"a","amount":"{amount}"}}"#);
    let rules = rules(&[("{on: paid}", "{on: paid, delay_days: 9}")]);
    for [a, b] in [[1000, 2000], [2000, 1000]] {
        let mut shop = Shop::new(&rules, 0);
        for (number, line) in [
            (1, CREATED.to_owned()),
            (2, "order.paid | 02".to_owned()),
            (3, snapshot(a)),
            (3, snapshot(b)),
            (4, refund(a / 2)),
            (4, refund(b / 2)),
        ] {
            shop.tell(number, &line);
        }
        shop.fire(Millis::MAX);
        shop.told.retain(|line| line.starts_with("issue"));
        assert_eq!(shop.told, ["issue 15 of 1500 m-1 by e2 at 11"], "{a} before {b}");
    }
}

proptest! {
    /// Facts are a set: any order and any repeats before the points are due decide the same.
    #[test]
    fn any_order_of_arrival_decides_the_same(
        order in Just((0..9usize).collect::<Vec<_>>()).prop_shuffle(),
        repeats in proptest::collection::vec(0..9usize, 0..6),
    ) {
        let lines = [
            CREATED,
            r#"order.edited | 02 | "order":{"revision":2,"created_at":"@01","customer":{"id":"m-2"},"subtotal":"2000"}"#,
            r#"order.edited | 02 | "order":{"revision":2,"created_at":"@01","customer":{"id":"m-3"},"subtotal":"3000"}"#,
            r#"order.updated | 03 | "order":{"revision":1,"created_at":"@01","paid_at":"@02"}"#,
            "order.paid | 03",
            "order.paid | 02",
            r#"order.refunded | 03 | "refund":{"id":"a","amount":"500"}"#,
            r#"order.refunded | 02 | "refund":{"id":"b","amount":"300"}"#,
            "order.completed | 04",
        ];
        let rules = rules(&[("{on: paid}", "{on: paid, delay_days: 9}")]);
        let decided = |order: &[usize]| {
            let mut shop = Shop::new(&rules, 0);
            for i in order {
                shop.tell(i + 1, lines[*i]);
            }
            shop.fire(Millis::MAX);
            shop.told.retain(|line| !line.starts_with("pending") && !line.starts_with("return"));
            shop.told
        };
        let arrived: Vec<usize> = order.iter().chain(&repeats).copied().collect();
        let wanted = ["issue 22 of 2200 m-3 by e6 at 11", "withheld refunded 8 by e6 at 11"];
        prop_assert_eq!(decided(&arrived), wanted);
    }

    /// So does what a cancellation forgives: refunds that are not before it.
    #[test]
    fn what_is_forgiven_is_the_same_in_any_order(
        order in Just((0..7usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let lines = [
            CREATED,
            "order.paid | 02",
            r#"order.refunded | 03 | "refund":{"id":"a","amount":"100"}"#,
            r#"order.refunded | 04 | "refund":{"id":"b","amount":"200"}"#,
            r#"order.refunded | 05 | "refund":{"id":"c","amount":"300"}"#,
            r#"order.cancelled | 06 | "take_back":false"#,
            r#"order.cancelled | 04 | "take_back":false"#,
        ];
        let mut shop = Shop::new(&rules(&[("{on: paid}", "{on: paid, delay_days: 9}")]), 0);
        for i in &order {
            shop.tell(i + 1, lines[*i]);
        }
        shop.fire(Millis::MAX);
        shop.told.retain(|line| line.starts_with("issue") || line.starts_with("withheld"));
        let wanted = ["issue 9 of 900 m-1 by e2 at 11", "withheld refunded 1 by e2 at 11"];
        prop_assert_eq!(shop.told, wanted);
    }
}
