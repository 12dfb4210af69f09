//! What a look-up says of an order, and what a member's ledger is told to expect.

use super::*;

const LATER: (&str, &str) = ("issuance: {on: paid}", "issuance: {on: delivered, delay_days: 3}");

fn told(rules: &str, lines: &[&str]) -> Shop {
    let mut shop = Shop::new(rules, 0);
    for (i, line) in lines.iter().enumerate() {
        shop.tell(i + 1, line);
    }
    shop
}

#[track_caller]
pub(super) fn check_words(rules: &str, lines: &[&str], head: &str, wanted: &[&str]) {
    let mut shop = told(rules, lines);
    shop.fire(shop.now);
    let state = shop.state.as_ref().unwrap();
    let order = shop.orders.load(&shop.key, state).unwrap();
    let key = OrderKey {
        shop_id: "acme",
        order_id: "A-1",
    };
    let book = shop.table.book().load_full();
    let told = order.explain(key, &book, Instant::from_millis(shop.now)).unwrap();
    let points = told.points.map_or("-".to_owned(), |points| points.to_string());
    let shown = format!("{} {} {points}", told.outcome, told.reason.unwrap_or("-"));
    assert_eq!(shown, head, "{lines:#?} {:#?}", told.why);
    assert_eq!(told.why, wanted, "{lines:#?}");
    for fact in &told.facts {
        assert!(!fact.event_id.is_empty() && !fact.name.is_empty());
    }
}

pub(super) const BOUND: &str = "it was created at 2022-03-01T10:00:00+08:00, when rule version 1 was in force \
                     (effective from 2020-01-01T00:00:00+08:00); later versions do not change what it earns";

#[test]
fn an_order_says_where_it_stands() {
    let later = rules(&[LATER]);
    check_words(
        &later,
        &["order.paid | 02"],
        "unbound - -",
        &["no snapshot with its creation time has arrived yet: only then a rule version is bound"],
    );
    check_words(
        &later,
        &[CREATED],
        "open - 10",
        &[
            BOUND,
            "1000 TWD earns 10 points: 1 for every 100",
            "it waits until it is delivered; the points are issued 3 local days later",
        ],
    );
    check_words(
        &later,
        &[CREATED, "order.delivered | 05"],
        "pending - 10",
        &[
            BOUND,
            "1000 TWD earns 10 points: 1 for every 100",
            "due at 2022-03-08T10:00:00+08:00, set by event e2",
        ],
    );
    check_words(
        &later,
        &[
            CREATED,
            r#"order.refunded | 04 | "refund":{"id":"r1","amount":"300"}"#,
        ],
        "open - 7",
        &[
            BOUND,
            "700 TWD earns 7 points: 1 for every 100",
            "refunds took 3 points off",
            "it waits until it is delivered; the points are issued 3 local days later",
        ],
    );
    check_words(
        &rules(&[]),
        &[
            CREATED,
            "order.paid | 02",
            r#"order.refunded | 04 | "refund":{"id":"r1","amount":"300"}"#,
        ],
        "issued - 10",
        &[
            BOUND,
            "10 points were issued to member m-1 with effect at 2022-03-02T10:00:00+08:00",
            "of these it may keep 7; what could be taken back the member's ledger tells",
        ],
    );
}

#[test]
fn an_order_says_why_it_has_no_points() {
    let guest = created(r#""customer":null"#);
    let small = created(r#""subtotal":"99""#);
    check_words(
        &rules(&[]),
        &[&guest],
        "open guest 0",
        &[
            BOUND,
            "as things stand it earns nothing: it was placed by a guest",
            "it waits until it is paid; the points are issued at once",
        ],
    );
    check_words(
        &rules(&[]),
        &[&small, "order.paid | 02", "order.shipped | 03"],
        "withheld below_rate 0",
        &[
            BOUND,
            "it ended without points: the amount is below what earns a point",
        ],
    );
    check_words(
        &rules(&[("effective_from: 2020", "effective_from: 2023")]),
        &[CREATED],
        "withheld no_rule 0",
        &[
            "no rule version was in force when it was created at 2022-03-01T10:00:00+08:00",
            "it ended without points: the shop had no rule when it was created",
        ],
    );
    let defer = rules(&[(
        "issuance: {on: paid}",
        "issuance: {on: paid, while_resting: defer}",
    )]);
    check_words(
        &defer,
        &[
            CREATED,
            r#"shop.status_changed | 01 | "status":"resting""#,
            "order.paid | 02",
            "order.shipped | 03",
        ],
        "deferred - 10",
        &[
            BOUND,
            "1000 TWD earns 10 points: 1 for every 100",
            "its points were due at 2022-03-02T10:00:00+08:00 while the shop was resting; they are due again \
             when it opens",
        ],
    );
}

#[track_caller]
fn check_promises(rules: &str, lines: &[&str], wanted: &[(&str, i64)]) {
    let mut shop = told(rules, lines);
    shop.fire(Millis::MAX);
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(member, points)| ((*member).to_owned(), *points))
        .collect();
    assert_eq!(shop.promised, wanted, "{lines:#?}");
}

#[test]
fn the_ledger_is_told_what_to_expect() {
    let later = rules(&[LATER]);
    let delivered = "order.delivered | 05";
    let other = r#"order.edited | 06 | "order":{"revision":2,"customer":{"id":"m-2"},"subtotal":"500"}"#;
    let less = r#"order.edited | 06 | "order":{"revision":2,"customer":{"id":"m-1"},"subtotal":"500"}"#;
    // The issue itself ends the expectation.
    check_promises(&later, &[CREATED, delivered], &[("m-1", 10)]);
    check_promises(
        &later,
        &[CREATED, delivered, delivered, less],
        &[("m-1", 10), ("m-1", 5)],
    );
    check_promises(
        &later,
        &[CREATED, delivered, other],
        &[("m-1", 10), ("m-1", 0), ("m-2", 5)],
    );
    check_promises(
        &later,
        &[CREATED, delivered, "order.cancelled | 06"],
        &[("m-1", 10), ("m-1", 0)],
    );
    check_promises(&later, &[CREATED, "order.paid | 05"], &[]);
    check_promises(&rules(&[]), &[CREATED, "order.paid | 05"], &[]);
    let resting = r#"shop.status_changed | 06 | "status":"resting""#;
    check_promises(&later, &[CREATED, delivered, resting], &[("m-1", 10), ("m-1", 0)]);
}
