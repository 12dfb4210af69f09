//! What is due when, how many points, and why none.

use super::*;

#[test]
fn due_at_the_trigger() {
    check(
        RULES,
        &[CREATED, "order.paid | 02"],
        &["issue 10 of 1000 m-1 by e2 at 02"],
    );
    // Told late: it takes effect when it happened.
    check(
        RULES,
        &["order.paid | 02", CREATED],
        &["issue 10 of 1000 m-1 by e1 at 02"],
    );
    check(
        RULES,
        &[CREATED, "order.delivered | 02", "order.completed | 03"],
        &[],
    );
    // Lines of the very instant are known.
    let refund = r#"order.refunded | 02 | "refund":{"id":"r","amount":"400"},"return_redeemed":false"#;
    check(
        RULES,
        &[CREATED, "order.paid | 02", refund],
        &[
            "issue 6 of 600 m-1 by e2 at 02",
            "withheld refunded 4 by e2 at 02",
        ],
    );
    // Twice is once, at the earlier time.
    check(
        &rules(&[("{on: paid}", "{on: paid, delay_days: 2}")]),
        &[CREATED, "order.paid | 04", "order.paid | 03", "order.paid | 03"],
        &[
            "pending 10 due 06 by e2 at 04",
            "pending 10 due 05 by e3 at 03",
            "issue 10 of 1000 m-1 by e3 at 05",
        ],
    );
}

#[test]
fn triggers_and_deliveries() {
    let check = |on: &str, delivery: &str, wanted: &[&str]| {
        let facts = [
            "order.paid | 02",
            "order.delivered | 03",
            "order.shipped | 04",
            "order.picked_up | 05",
            "order.completed | 06",
        ];
        let created = created(&format!(r#""delivery":{{"type":"{delivery}"}}"#));
        let lines: Vec<&str> = [created.as_str()].into_iter().chain(facts).collect();
        let rules = rules(&[("{on: paid}", &format!("{{on: {on}}}"))]);
        assert_eq!(run(&rules, &lines), wanted, "{on} {delivery}");
    };
    check("created", "home", &["issue 10 of 1000 m-1 by e1 at 01"]);
    check("paid_and_shipped", "home", &["issue 10 of 1000 m-1 by e4 at 04"]);
    check("paid_and_shipped", "none", &["issue 10 of 1000 m-1 by e2 at 02"]);
    check("delivered", "home", &["issue 10 of 1000 m-1 by e3 at 03"]);
    check("delivered", "pickup", &["issue 10 of 1000 m-1 by e5 at 05"]);
    check("delivered", "none", &["issue 10 of 1000 m-1 by e2 at 02"]);
    check("completed", "home", &["issue 10 of 1000 m-1 by e6 at 06"]);
    check(
        "completed, delay_days: 3, at: 09:00",
        "home",
        &[
            "pending 10 due 09T09:00 by e6 at 06",
            "issue 10 of 1000 m-1 by e6 at 09T09:00",
        ],
    );
    check(
        "paid, delay_days: 9, or_on_completed: true",
        "home",
        &[
            "pending 10 due 11 by e2 at 02",
            "issue 10 of 1000 m-1 by e6 at 06",
        ],
    );
    check(
        "completed, by_channel: {online: {on: paid}}",
        "home",
        &["issue 10 of 1000 m-1 by e2 at 02"],
    );
}

#[test]
fn reasons_in_their_order() {
    let check = |changes: &[(&str, &str)], fields: &str, wanted: &[&str]| {
        let lines = [created(fields), "order.paid | 02".to_owned()];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(run(&rules(changes), &lines), wanted, "{fields}");
    };
    let guest = r#""customer":null"#;
    check(
        &[],
        r#""test":true,"customer":null"#,
        &["withheld test_order by e2 at 02"],
    );
    check(
        &[("version: 1", "version: 1\nenabled: false")],
        guest,
        &["withheld disabled by e2 at 02"],
    );
    check(
        &[],
        r#""currency":"EUR","customer":null"#,
        &["withheld currency_mismatch by e2 at 02"],
    );
    check(
        &[],
        r#""channel":"fax","customer":null"#,
        &["withheld channel_excluded by e2 at 02"],
    );
    check(&[], guest, &["withheld guest by e2 at 02"]);
    check(
        &[],
        r#""customer":{"id":"m-1","logged_in":false}"#,
        &["withheld not_logged_in by e2 at 02"],
    );
    let off = [("{rate", "{enabled: false, rate")];
    check(&off, r#""subtotal":"1""#, &["withheld tier_excluded by e2 at 02"]);
    check(&[], r#""subtotal":"99.99""#, &["withheld below_rate by e2 at 02"]);
    check(
        &[("2020-01", "2023-01")],
        guest,
        &["withheld no_rule by e1 at 01"],
    );
    check(
        &[("2020-01", "2023-01")],
        r#""test":true"#,
        &["withheld test_order by e1 at 01"],
    );
    let open = [("version: 1", "version: 1\nrequire_login: false")];
    check(
        &open,
        r#""customer":{"id":"m-1","logged_in":false}"#,
        &["issue 10 of 1000 m-1 by e2 at 02"],
    );
}

#[test]
fn cancelled_and_refunded_before_the_issue() {
    let delayed = |before: &str| {
        rules(&[
            ("{on: paid}", "{on: paid, delay_days: 5}"),
            (
                "reversal: {",
                &format!("reversal: {{before_issue: {{{before}}}, "),
            ),
        ])
    };
    let lines = |line: &'static str| [CREATED, "order.paid | 02", line];
    let pending = "pending 10 due 07 by e2 at 02";
    let issued = "issue 10 of 1000 m-1 by e2 at 07";
    let given_back = "return 1/1 m-1 by e3 at 04";
    let gone = "cancelled m-1 by e3 at 04";
    check(
        &delayed("cancel: full"),
        &lines("order.cancelled | 04"),
        &[pending, given_back, gone, "withheld cancelled by e3 at 04"].map(|s| s),
    );
    check(
        &delayed("cancel: proportional"),
        &lines("order.cancelled | 04"),
        &[pending, given_back, gone, "withheld cancelled by e3 at 04"],
    );
    check(
        &delayed("cancel: none"),
        &lines("order.cancelled | 04"),
        &[pending, given_back, gone, issued],
    );
    check(
        &delayed("cancel: full"),
        &lines(r#"order.cancelled | 04 | "take_back":false,"return_redeemed":false"#),
        &[pending, gone, issued],
    );
    let refund = r#"order.refunded | 04 | "refund":{"id":"r","amount":"250"}"#;
    check(
        &delayed("refund: proportional"),
        &lines(refund),
        &[
            pending,
            "return 1/4 m-1 by e3 at 04",
            "pending 7 due 07 by e3 at 04",
            "issue 7 of 750 m-1 by e2 at 07",
            "withheld refunded 3 by e2 at 07",
        ],
    );
    check(
        &delayed("refund: full"),
        &lines(refund),
        &[
            pending,
            "return 1/4 m-1 by e3 at 04",
            "pending 0 by e3 at 04",
            "withheld refunded 10 by e2 at 07",
        ],
    );
    check(
        &delayed("refund: none"),
        &lines(refund),
        &[pending, "return 1/4 m-1 by e3 at 04", issued],
    );
    let kept = r#"order.refunded | 04 | "take_back":false,"refund":{"id":"r","amount":"250"}"#;
    check(
        &delayed("refund: full"),
        &lines(kept),
        &[pending, "return 1/4 m-1 by e3 at 04", issued],
    );
    // A guest's order is told as a guest's.
    check(
        &delayed("cancel: full"),
        &[&created(r#""customer":null"#), "order.cancelled | 04"],
        &["withheld guest by e2 at 04"],
    );
}

#[test]
fn amounts_and_shares() {
    let check = |changes: &[(&str, &str)], fields: &str, refunds: &[&str], wanted: &str| {
        let mut lines = vec![created(fields)];
        lines.extend(
            refunds
                .iter()
                .enumerate()
                .map(|(i, refund)| format!(r#"order.refunded | 01 | "refund":{{"id":"r{i}",{refund}}}"#)),
        );
        lines.push("order.paid | 01".to_owned());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let told = run(&rules(changes), &lines);
        let issue = told
            .iter()
            .find(|line| line.starts_with("issue"))
            .cloned()
            .unwrap_or_default();
        assert!(issue.starts_with(wanted), "{fields} {refunds:?}: {told:#?}");
    };
    let one = [("every: 100", "every: 1")];
    let lines = r#""line_items":[{"id":"a","quantity":2,"unit_price":"300"},{"id":"b","quantity":1,"unit_price":"400"}]"#;
    check(&one, r#""subtotal":"30.98""#, &[], "issue 30 of 30.98 ");
    check(
        &one,
        r#""discount_total":"100","store_credit":"50.0","shipping_total":"60.00","tax_total":"5","surcharge_total":"20""#,
        &[],
        "issue 850 of 850.0 ",
    );
    let all = [
        ("every: 100", "every: 1"),
        (
            "{rate",
            "{base: {include_shipping: true, include_tax: true}, rate",
        ),
    ];
    check(
        &all,
        r#""shipping_total":"60","tax_total":"5.5","discount_total":"100""#,
        &[],
        "issue 965 of 965.5 ",
    );
    let discounted = r#""line_items":[{"id":"a","quantity":1,"unit_price":"1000","discount_total":"10"}],"discount_total":"5""#;
    check(&one, discounted, &[], "issue 985 of 985 ");
    // What the order takes off is shared by the lines' nets.
    let half = lines.to_owned() + r#","discount_total":"500""#;
    check(
        &one,
        &half,
        &[r#""line_items":[{"id":"b","quantity":1}]"#],
        "issue 300 of 300 ",
    );
    // Both: the lines count. Unknown lines count nothing. No more comes back than was bought.
    check(
        &one,
        lines,
        &[r#""line_items":[{"id":"b","quantity":1}],"amount":"999""#],
        "issue 600 of 600 ",
    );
    check(
        &one,
        lines,
        &[r#""line_items":[{"id":"z","quantity":1}],"amount":"999""#],
        "issue 1000 of 1000 ",
    );
    check(
        &one,
        lines,
        &[r#""line_items":[{"id":"b","quantity":9}]"#],
        "issue 600 of 600 ",
    );
    check(
        &one,
        lines,
        &[r#""line_items":[{"id":"a","quantity":1}]"#, r#""amount":"99.90""#],
        "issue 600 of 600.10 ",
    );
    // Thirds are exact where it counts: half to even only in what is shown.
    let thirds = r#""line_items":[{"id":"a","quantity":3,"unit_price":"40","discount_total":"20"}]"#;
    check(
        &one,
        thirds,
        &[r#""line_items":[{"id":"a","quantity":1}]"#],
        "issue 66 of 67 ",
    );
    let shipped = [
        ("every: 100", "every: 1"),
        ("{rate", "{base: {include_shipping: true}, rate"),
    ];
    check(
        &shipped,
        r#""shipping_total":"60""#,
        &[r#""amount":"5000""#],
        "issue 60 of 60 ",
    );
}

#[test]
fn tiers_and_expiry() {
    let tiers = "{tiers: {gold: {rate: {every: 50, points: 3}, expiry: {after_days: 1}}}, rate";
    let gold = created(r#""customer":{"id":"m-1","tier":"gold"}"#);
    check(
        &rules(&[("{rate", tiers)]),
        &[&gold, "order.paid | 02"],
        &["issue 60 of 1000 till 03 m-1 by e2 at 02"],
    );
    check(
        &rules(&[("{rate", tiers)]),
        &[CREATED, "order.paid | 02"],
        &["issue 10 of 1000 m-1 by e2 at 02"],
    );
    // The version in force at the issue, or the bound one.
    for (bind, wanted) in [("issuance", " till 2022-04-02T23:59"), ("order", "")] {
        let both = rules(&[(
            "version: 1",
            &format!("version: 1\nexpiry: {{never: true, bind: {bind}}}"),
        )]) + "---\n"
            + &rules(&[
                ("version: 1", "version: 2\nexpiry: {after_months: 1}"),
                ("2020-01-01", "2022-03-02"),
            ]);
        let wanted = format!("issue 10 of 1000{wanted} m-1 by e2 at 02");
        check(&both, &[CREATED, "order.paid | 02"], &[&wanted]);
    }
}
