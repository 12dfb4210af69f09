//! Redeemed points given back, issued ones taken back, edits after the issue.

use super::*;

#[test]
fn redeemed_by_the_snapshot() {
    let created = created(r#""points_redeemed":30"#);
    let redeemed = "redeem 30 m-1 by e1 at 01";
    check(RULES, &[&created, &created.replace("30", "50")], &[redeemed]);
    check(
        &rules(&[("2020-01", "2023-01")]),
        &[&created],
        &[redeemed, "withheld no_rule by e1 at 01"],
    );
    check(
        RULES,
        &["order.cancelled | 01", &created],
        &[
            "redeem 30 cancelled m-1 by e2 at 01",
            "return 1/1 m-1 by e2 at 01",
            "cancelled m-1 by e2 at 01",
            "withheld cancelled by e1 at 01",
        ],
    );
    let refund = |id: &str, more: &str| {
        format!(r#"order.refunded | 02 | "refund":{{"id":"{id}","amount":"300"}}{more}"#)
    };
    check(
        RULES,
        &[&created, &refund("a", ""), &refund("a", ""), &refund("b", "")],
        &[
            redeemed,
            "return 3/10 m-1 by e2 at 02",
            "return 3/5 m-1 by e4 at 02",
        ],
    );
    // What the merchant keeps stays kept.
    check(
        RULES,
        &[
            &created,
            &refund("a", r#","return_redeemed":false"#),
            &refund("b", ""),
            "order.cancelled | 03",
        ],
        &[
            redeemed,
            "return 3/10 m-1 by e3 at 02",
            "return 7/10 m-1 by e4 at 03",
            "cancelled m-1 by e4 at 03",
            "withheld cancelled by e4 at 03",
        ],
    );
    let none = rules(&[("reversal: {", "reversal: {redeemed: none, ")]);
    check(&none, &[&created, &refund("a", "")], &[redeemed]);
}

#[test]
fn reversed_after_the_issue() {
    let refund = |id: &str, day: &str, amount: &str, more: &str| {
        format!(
            r#"order.refunded | {day} | "refund":{{"id":"{id}","amount":"{amount}"}},"return_redeemed":false{more}"#
        )
    };
    let cancel = r#"order.cancelled | 05 | "return_redeemed":false"#;
    let issued = "issue 10 of 1000 m-1 by e2 at 02";
    let check = |rules: &str, lines: &[String], wanted: &[&str]| {
        let lines: Vec<&str> = [CREATED, "order.paid | 02"]
            .into_iter()
            .chain(lines.iter().map(String::as_str))
            .collect();
        let wanted: Vec<&str> = [issued].into_iter().chain(wanted.iter().copied()).collect();
        assert_eq!(run(rules, &lines), wanted, "{lines:#?}");
    };
    let a = refund("a", "03", "250", "");
    check(
        RULES,
        &[a.clone(), a.clone(), refund("b", "04", "250", "")],
        &[
            "reverse refunded 10-7 m-1 by e3 at 03",
            "reverse refunded 10-5 m-1 by e5 at 04",
        ],
    );
    check(
        RULES,
        &[a.clone(), cancel.into()],
        &[
            "reverse refunded 10-7 m-1 by e3 at 03",
            "reverse cancelled 10-0 m-1 by e4 at 05",
            "cancelled m-1 by e4 at 05",
        ],
    );
    // What was left with the member stays out of every later sum.
    let forgiven = refund("a", "03", "250", r#","take_back":false"#);
    check(
        RULES,
        &[forgiven.clone(), refund("b", "04", "250", "")],
        &["reverse refunded 10-7 m-1 by e4 at 04"],
    );
    check(
        RULES,
        &[forgiven, cancel.into()],
        &[
            "reverse cancelled 10-3 m-1 by e4 at 05",
            "cancelled m-1 by e4 at 05",
        ],
    );
    check(
        RULES,
        &[cancel.replace("\"return", "\"take_back\":false,\"return")],
        &["cancelled m-1 by e3 at 05"],
    );
    let full = rules(&[("refund: proportional", "refund: full")]);
    check(
        &full,
        &[refund("a", "03", "1", "")],
        &["reverse refunded 10-0 m-1 by e3 at 03"],
    );
    let none = rules(&[
        ("refund: proportional", "refund: none"),
        ("cancel: full", "cancel: none"),
    ]);
    check(&none, &[a, cancel.into()], &["cancelled m-1 by e4 at 05"]);
}

#[test]
fn adjusted_to_edits() {
    let adjust = rules(&[("refund: proportional", "refund: proportional, edit: adjust")]);
    let edit = |revision: i64, fields: &str| {
        format!(r#"order.edited | 04 | "order":{{"revision":{revision},"customer":{{"id":"m-2"}},{fields}}}"#)
    };
    let refund = r#"order.refunded | 05 | "refund":{"id":"a","amount":"200"},"return_redeemed":false"#;
    let issued = "issue 10 of 1000 m-1 by e2 at 02";
    let check = |rules: &str, lines: &[&str], wanted: &[&str]| {
        let lines: Vec<&str> = [CREATED, "order.paid | 02"]
            .into_iter()
            .chain(lines.iter().copied())
            .collect();
        let wanted: Vec<&str> = [issued].into_iter().chain(wanted.iter().copied()).collect();
        assert_eq!(run(rules, &lines), wanted, "{lines:#?}");
    };
    check(RULES, &[&edit(2, r#""subtotal":"500""#)], &[]);
    check(&adjust, &[&edit(0, r#""subtotal":"500""#)], &[]);
    check(&adjust, &[&edit(2, r#""subtotal":"1000""#)], &[]);
    check(
        &adjust,
        &[&edit(2, r#""subtotal":"500""#)],
        &["reverse edited 10-5 m-1 by e3 at 04"],
    );
    check(
        &adjust,
        &[&edit(2, r#""subtotal":"1500""#), &edit(3, r#""subtotal":"1600""#)],
        &[
            "issue 5 of 1500 part 1 to 15-15 m-1 by e3 at 04",
            "issue 1 of 1600 part 2 to 16-16 m-1 by e4 at 04",
        ],
    );
    check(
        &adjust,
        &[&edit(2, r#""subtotal":"500""#), &edit(3, r#""subtotal":"800""#)],
        &[
            "reverse edited 10-5 m-1 by e3 at 04",
            "issue 3 of 800 part 1 to 13-8 m-1 by e4 at 04",
        ],
    );
    check(
        &adjust,
        &[&edit(2, r#""subtotal":"1500""#), refund],
        &[
            "issue 5 of 1500 part 1 to 15-15 m-1 by e3 at 04",
            "reverse refunded 15-13 m-1 by e4 at 05",
        ],
    );
    // What the ledger may have refused is asked for again; it knows whether it did.
    check(
        &adjust,
        &[&edit(2, r#""subtotal":"500""#), &edit(3, r#""subtotal":"500""#)],
        &[
            "reverse edited 10-5 m-1 by e3 at 04",
            "reverse edited 10-5 m-1 by e4 at 04",
        ],
    );
    check(
        &adjust,
        &[&edit(2, r#""subtotal":"500","currency":"EUR""#)],
        &["reverse edited 10-0 m-1 by e3 at 04"],
    );
}

fn refund(id: &str, at: &str, amount: &str, more: &str) -> String {
    format!(r#"order.refunded | {at} | "refund":{{"id":"{id}","amount":"{amount}"}}{more}"#)
}

#[test]
fn what_returns_goes_by_the_newest_snapshot_and_refund() {
    let created = created(r#""points_redeemed":30"#);
    let redeemed = "redeem 30 m-1 by e1 at 01";
    let edit = |subtotal: &str| {
        format!(
            r#"order.edited | 04 | "order":{{"revision":2,"customer":{{"id":"m-1"}},"subtotal":"{subtotal}"}}"#
        )
    };
    let (first, last) = (refund("a", "02", "100", ""), refund("b", "03", "200", ""));
    check(
        RULES,
        &[&created, &first, &last, &edit("500")],
        &[
            redeemed,
            "return 1/10 m-1 by e2 at 02",
            "return 3/10 m-1 by e3 at 03",
            "return 3/5 m-1 by e4 at 03",
        ],
    );
    // Told again from an earlier time it is another refund; the same again is none.
    check(
        RULES,
        &[
            &created,
            &last,
            &last.replace("03", "02").replace("200", "500"),
            &last,
        ],
        &[
            redeemed,
            "return 1/5 m-1 by e2 at 03",
            "return 1/2 m-1 by e3 at 02",
        ],
    );
    check(RULES, &[&created, &edit("500")], &[redeemed]);
}
