use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::domain::order::facts::{Customer, Delivery};

fn parse(kind: &str, data: &str) -> Result<OrderEvent, String> {
    let event = format!(
        r#"{{"specversion":"1.0","id":"e1","source":"/s","type":"{kind}","time":"2022-03-02T10:00:00+08:00","data":{data}}}"#
    );
    read(Some(event.as_bytes()), [].into_iter()).map_err(|e| e.to_string())
}

fn order(kind: &str, fields: &str) -> Result<OrderEvent, String> {
    parse(
        kind,
        &format!(r#"{{"shop_id":"acme","order_id":"A-1","order":{{{fields}}}}}"#),
    )
}

#[test]
fn a_whole_order() {
    let event = order(
        "order.created",
        r#""revision":1,"created_at":"2022-03-02T10:00:00+08:00","channel":"pos","currency":"TWD",
        "customer":{"id":"m-7","logged_in":false,"tier":"gold"},
        "line_items":[{"id":"l1","sku":"TEE","categories":["apparel"],"quantity":2,"unit_price":"50.00","discount_total":"1"}],
        "subtotal":"100.00","discount_total":"0","shipping_total":60,"points_redeemed":3,
        "payment_method":"credit_card","delivery":{"carrier":"black-cat","type":"pickup"},"test":true,
        "paid_at":"2022-03-02T11:00:00Z""#,
    )
    .unwrap();
    let snapshot = event.snapshot.unwrap();
    let at = |text: &str| Instant::parse(text).unwrap();
    assert_eq!(snapshot.revision, 1);
    assert_eq!(snapshot.created_at, Some(at("2022-03-02T02:00:00Z")));
    assert_eq!(snapshot.subtotal.to_string(), "100.00");
    assert_eq!(snapshot.shipping_total.to_string(), "60");
    assert_eq!(snapshot.lines()[0].quantity.to_string(), "2");
    assert_eq!(snapshot.delivery, Delivery::Pickup);
    let customer = Customer {
        id: "m-7".into(),
        logged_in: false,
        tier: Some("gold".into()),
    };
    assert_eq!(snapshot.customer, Some(customer));
    assert_eq!(event.tells.get(Fact::Paid), Some(at("2022-03-02T11:00:00Z")));
    assert!(snapshot.test);
}

#[test]
fn what_is_left_out_has_a_default() {
    let event = order("order.updated", r#""subtotal":null,"customer":{"tier":"gold"}"#).unwrap();
    let snapshot = event.snapshot.unwrap();
    assert_eq!(
        snapshot.revision,
        Instant::parse("2022-03-02T02:00:00Z").unwrap().0
    );
    assert_eq!((snapshot.channel.as_str(), &snapshot.customer), ("online", &None));
    assert_eq!(snapshot.delivery, Delivery::Home);
    assert_eq!((event.take_back, event.return_redeemed), (true, true));
    let lines = r#""line_items":[{"id":"a","quantity":2,"unit_price":"1.5"},{"id":"b","unit_price":"2"}]"#;
    let snapshot = order("order.edited", lines).unwrap().snapshot.unwrap();
    assert_eq!(snapshot.subtotal.to_string(), "5.0");
}

#[test]
fn a_creation_is_at_its_time() {
    let event = order("order.created", "").unwrap();
    assert_eq!(
        event.snapshot.unwrap().created_at,
        Instant::parse("2022-03-02T02:00:00Z")
    );
    assert_eq!(
        order("order.edited", "").unwrap().snapshot.unwrap().created_at,
        None
    );
}

#[test]
fn a_field_told_twice_counts_as_told_last() {
    let event = order("order.edited", r#""subtotal":"1","subtotal":"2""#).unwrap();
    assert_eq!(event.snapshot.unwrap().subtotal.to_string(), "2");
}

#[test]
fn a_fact_keeps_the_earlier_of_two_times() {
    let event = order("order.paid", r#""paid_at":"2022-03-01T00:00:00Z""#).unwrap();
    assert_eq!(
        event.tells.get(Fact::Paid),
        Instant::parse("2022-03-01T00:00:00Z")
    );
    let event = order("order.paid", r#""paid_at":"2023-03-01T00:00:00Z""#).unwrap();
    assert_eq!(
        event.tells.get(Fact::Paid),
        Instant::parse("2022-03-02T02:00:00Z")
    );
}

#[test]
fn what_is_wrong_is_named() {
    let check = |got: Result<OrderEvent, String>, wanted: &str| {
        let got = got.unwrap_err();
        assert!(got.starts_with(wanted), "{got}\n{wanted}");
    };
    let ids = r#""shop_id":"acme","order_id":"A-1""#;
    check(
        parse("order.lost", "{}"),
        "type: order.lost is not an order event",
    );
    check(parse("order.paid", "{}"), "data.shop_id: missing");
    check(
        parse("order.paid", r#"{"shop_id":"acme"}"#),
        "data.order_id: missing",
    );
    check(
        parse("order.paid", r#"{"shop_id":"acme","order_id":""}"#),
        "data.order_id: must not be empty",
    );
    check(
        parse("order.paid", r#"{"shop_id":"a\u0000b","order_id":"1"}"#),
        "data.shop_id: must not hold a zero byte",
    );
    check(parse("order.paid", "[]"), "data: ");
    check(
        parse("order.paid", r#"["acme","A-1"]"#),
        "data: invalid type: sequence, expected an object",
    );
    check(
        order("order.paid", r#""customer":["m-1"]"#),
        "data.order.customer: invalid type: sequence, expected an object",
    );
    check(
        parse("order.paid", &format!("{{{ids},\"order\":7}}")),
        "data.order: invalid type: integer `7`",
    );
    check(
        parse("order.created", &format!("{{{ids}}}")),
        "data.order: missing",
    );
    check(
        order("order.paid", r#""subtotal":"-1""#),
        "data.order.subtotal: must not be negative",
    );
    check(
        order("order.paid", r#""subtotal":-1"#),
        "data.order.subtotal: must not be negative",
    );
    check(
        order("order.paid", r#""subtotal":"1,5""#),
        r#"data.order.subtotal: "1,5" is not a decimal number"#,
    );
    check(
        order("order.paid", r#""subtotal":1.5"#),
        "data.order.subtotal: must be in quotes",
    );
    check(
        order("order.paid", r#""revision":"7""#),
        "data.order.revision: invalid type: string \"7\", expected a whole number",
    );
    check(
        order("order.paid", r#""line_items":[{"id":"a","quantity":-1}]"#),
        "data.order.line_items[0].quantity: must not be negative",
    );
    check(
        order("order.paid", r#""points_redeemed":-1"#),
        "data.order.points_redeemed: must not be negative",
    );
    check(
        order("order.paid", r#""line_items":[{"quantity":1},{"quantity":-1}]"#),
        "data.order.line_items[1].quantity: must not be negative",
    );
    check(
        order("order.paid", r#""created_at":"yesterday""#),
        "data.order.created_at: is not an RFC 3339 time",
    );
    check(
        order("order.paid", r#""delivery":{"type":"drone"}"#),
        "data.order.delivery.type: must be",
    );
    check(
        parse("order.refunded", &format!("{{{ids}}}")),
        "data.refund: missing",
    );
    check(
        parse("order.refunded", &format!("{{{ids},\"refund\":{{}}}}")),
        "data.refund: has neither",
    );
    check(
        parse(
            "order.refunded",
            &format!("{{{ids},\"refund\":{{\"amount\":\"1\"}}}}"),
        ),
        "data.refund.id: missing",
    );
    for (kind, field, wanted) in [
        (
            "order.updated",
            r#""withdraws":["refunded"]"#,
            "data.withdraws: must name paid, shipped, delivered, picked_up, completed or cancelled",
        ),
        ("order.updated", r#""withdraws":"paid""#, "data.withdraws: "),
        ("order.updated", r#""withdraws":[7]"#, "data.withdraws[0]: "),
        ("order.updated", r#""withdraws":[]"#, "data.order: missing"),
        ("order.claimed", r#""take_back":true"#, "data.customer: missing"),
        (
            "order.claimed",
            r#""customer":{"tier":"gold"}"#,
            "data.customer.id: missing",
        ),
        (
            "order.claimed",
            r#""customer":{"id":""}"#,
            "data.customer.id: must not be empty",
        ),
        (
            "order.cancelled",
            r#""return_redeemed":0"#,
            "data.return_redeemed: ",
        ),
        (
            "order.refunded",
            r#""refund":{"id":"r","line_items":[{"id":"l","quantity":"-1"}]}"#,
            "data.refund.line_items[0].quantity: must not be negative",
        ),
    ] {
        check(parse(kind, &format!("{{{ids},{field}}}")), wanted);
    }
    for (field, wanted) in [
        (r#""points_redeemed_by":5"#, "data.order.points_redeemed_by: "),
        (r#""prices_include_tax":"yes""#, "data.order.prices_include_tax: "),
        (
            r#""line_items":[{"id":"a","quantity":true}]"#,
            r#"data.order.line_items[0].quantity: invalid type: boolean `true`, expected a number or a decimal string such as "0.75""#,
        ),
        (
            r#""line_items":[{"id":"a","quantity":"0.1234567890123456789"}]"#,
            "data.order.line_items[0].quantity: ",
        ),
        (
            r#""line_items":[{"id":"a","tax_total":"-1"}]"#,
            "data.order.line_items[0].tax_total: must not be negative",
        ),
        (
            r#""line_items":[{"id":"a","tags":"new"}]"#,
            "data.order.line_items[0].tags: ",
        ),
    ] {
        check(order("order.created", field), wanted);
    }
}

/// What the reader says that is slow and names what is wrong.
fn slowly(event: &str) -> Result<OrderEvent, OrderEventError> {
    odd_event(envelope::read(Some(event.as_bytes()), [].into_iter())?)
}

const WHOLE: &str = concat!(
    r#"{"specversion":"1.0","id":"e1","source":"/s","type":"order.refunded","subject":"A-1","#,
    r#""time":"2022-03-02T10:00:00+08:00","traceparent":"00-a","data":{"shop_id":"acme","order_id":"謝","#,
    r#""order":{"revision":1,"created_at":"2022-03-02T10:00:00+08:00","channel":"pos","currency":"TWD","#,
    r#""customer":{"id":"m-7","logged_in":false,"tier":"gold"},"#,
    r#""line_items":[{"id":"l1","sku":"TEE","product_id":"p","categories":["a","b"],"brand":"x","tags":[],"#,
    r#""quantity":"2.5","unit_price":"50.00","vendor":{"b":[1.5e3,-0,null]},"#,
    r#""discount_total":"1","tax_total":"2"},{}],"subtotal":"100.00","discount_total":"0","store_credit":"0.5","shipping_total":60,"#,
    r#""tax_total":"1","surcharge_total":"2","points_redeemed":3,"points_redeemed_amount":"3","points_redeemed_by":"m-8","#,
    r#""prices_include_tax":true,"payment_method":"card","#,
    r#""delivery":{"carrier":"black-cat","type":"pickup"},"test":true,"paid_at":"2022-03-02T11:00:00Z","#,
    r#""shipped_at":"2022-03-02T11:00:00Z","delivered_at":"2022-03-02T11:00:00Z","picked_up_at":"2022-03-02T11:00:00Z","#,
    r#""completed_at":"2022-03-02T11:00:00Z","cancelled_at":null},"refund":{"id":"r1","line_items":[{"id":"l1","#,
    r#""quantity":1}],"amount":"50"},"customer":{"id":"m-9"},"withdraws":["paid"],"take_back":false,"return_redeemed":true}}"#,
);

#[test]
fn both_readers_agree_on_a_whole_event() {
    let read_quickly = crate::wire::plain::read::<Object<Data>>(
        &WHOLE[WHOLE.find(r#"{"shop_id"#).unwrap()..WHOLE.len() - 1],
    );
    assert!(read_quickly.is_some(), "it is plain");
    let event = read(Some(WHOLE.as_bytes()), [].into_iter()).unwrap();
    assert_eq!(Ok(event), slowly(WHOLE));
}

#[test]
fn an_attribute_that_stands_twice_is_refused_also_behind_null() {
    let twice = WHOLE.replacen(r#""data":"#, r#""data":null,"data":"#, 1);
    let refused = read(Some(twice.as_bytes()), [].into_iter()).unwrap_err();
    assert!(
        refused.to_string().contains("duplicate field `data`"),
        "{refused}"
    );
    let null = WHOLE.replacen(r#""subject":"A-1""#, r#""subject":null"#, 1);
    let whole = read(Some(WHOLE.as_bytes()), [].into_iter());
    assert_eq!(read(Some(null.as_bytes()), [].into_iter()), whole);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    /// Whatever becomes of an event on its way.
    #[test]
    fn both_readers_agree_on_every_event(
        changes in vec((any::<Index>(), 0..4usize, any::<Index>(), any::<Index>()), 1..4),
    ) {
        let mut event = WHOLE.to_owned();
        for (place, change, from, length) in changes {
            let boundary = |at: usize| (0..=at).rev().find(|at| event.is_char_boundary(*at)).unwrap();
            let place = boundary(place.index(event.len()));
            let piece = boundary(from.index(event.len()));
            let end = boundary((piece + length.index(40)).min(event.len()));
            let piece = event[piece..end].to_owned();
            match change {
                // A word out of JSON's own, a piece of the event itself, or something goes.
                0 => event.insert_str(place, ODD[from.index(ODD.len())]),
                1 => event.insert_str(place, &piece),
                2 => event.replace_range(place..boundary((place + length.index(8)).min(event.len())), ""),
                _ => {
                    // Another value for one of the fields.
                    if let Some(value) = event[place..].find("\":").map(|at| place + at + 2) {
                        let end = event[value..].find([',', '}']).map_or(event.len(), |at| value + at);
                        event.replace_range(value..end, ODD[from.index(ODD.len())]);
                    }
                }
            }
        }
        let read = read(Some(event.as_bytes()), [].into_iter());
        prop_assert_eq!(read, slowly(&event), "{}", event);
    }
}

const ODD: &[&str] = &[
    "null",
    "true",
    "0",
    "-0",
    "01",
    "1.",
    "1e400",
    "-1",
    "9223372036854775808",
    "99999999999999999999999",
    "1.5",
    "\"\"",
    "\"1.50\"",
    "\"-1\"",
    "\"\\u0041\"",
    "\"\\ud800\"",
    "\"\\x\"",
    "\"\t\"",
    "[]",
    "{}",
    "[1,]",
    "{\"a\":1,}",
    "{\"a\":1,\"a\":2}",
    "NaN",
    "Infinity",
    "\"id\":\"x\",",
    "\"data\":1,",
    ",",
    ":",
    "\"",
    "\\",
    "\u{feff}",
    "\u{a0}",
    "/**/",
    "\"2022-03-02T10:00:00Z\"",
    "[{}]",
    "\u{7f}",
    "\u{0}",
];
