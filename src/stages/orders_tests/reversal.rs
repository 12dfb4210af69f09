//! Redeemed points given back, issued ones taken back, edits after the issue.

use super::*;

#[test]
fn redeemed_by_the_snapshot() {
    let created = created(r#""points_redeemed":30"#);
    let redeemed = "redeem 30 m-1 by e1 at 01";
    // The newest snapshot's number counts until the issue: the ledger works out the difference.
    check(
        RULES,
        &[&created, &created.replace("30", "50")],
        &[redeemed, "redeem 50 m-1 by e2 at 01"],
    );
    check(
        &rules(&[("2020-01", "2023-01")]),
        &[&created],
        &[redeemed, "withheld no_rule by e1 at 01"],
    );
    check(
        RULES,
        &["order.cancelled | 01", &created],
        &[
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
    // Nor does what is kept by one event return what was redeemed after an earlier one.
    check(
        RULES,
        &[
            &created,
            &refund("a", ""),
            &refund("b", r#","return_redeemed":false"#),
            r#"order.cancelled | 03 | "return_redeemed":false"#,
        ],
        &[
            redeemed,
            "return 3/10 m-1 by e2 at 02",
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

/// A paid order of 1090 that earned 10, and what is told after the issue.
#[track_caller]
fn check_issued(changes: &[(&str, &str)], lines: &[&str], wanted: &[&str]) {
    let created = created(r#""subtotal":"1090""#);
    let lines: Vec<&str> = [created.as_str(), "order.paid | 02"]
        .into_iter()
        .chain(lines.iter().copied())
        .collect();
    let mut told = run(&rules(changes), &lines);
    told.retain(|line| !line.starts_with("return") && !line.starts_with("cancelled"));
    assert_eq!(told[0], "issue 10 of 1090 m-1 by e2 at 02");
    assert_eq!(told[1..], *wanted, "{lines:#?}");
}

fn refund(id: &str, at: &str, amount: &str, more: &str) -> String {
    format!(r#"order.refunded | {at} | "refund":{{"id":"{id}","amount":"{amount}"}}{more}"#)
}

const FORGIVEN: &str = r#","take_back":false"#;

#[test]
fn a_cancellation_that_was_forgiven_forgives_the_refunds_after_it() {
    let cancelled = r#"order.cancelled | 05 | "take_back":false"#;
    let (before, same, after) = (
        refund("a", "04", "100", ""),
        refund("b", "05", "100", ""),
        refund("c", "06", "100", ""),
    );
    // Told late, a refund before it still counts.
    check_issued(
        &[],
        &[cancelled, &same, &after, &before],
        &["reverse refunded 10-9 m-1 by e6 at 04"],
    );
    check_issued(&[("cancel: full", "cancel: none")], &[cancelled, &after], &[]);
}

#[test]
fn after_a_cancellation_only_what_is_forgiven_leaves_more() {
    // 10 points less 10 for the first, then 10 less 9: the parts below a full 100 move.
    check_issued(
        &[],
        &[
            "order.cancelled | 03",
            &refund("a", "04", "50", FORGIVEN),
            &refund("b", "05", "60", ""),
            &refund("c", "06", "10", FORGIVEN),
            &refund("d", "07", "1", ""),
        ],
        &[
            "reverse cancelled 10-0 m-1 by e3 at 03",
            "reverse refunded 10-0 m-1 by e5 at 05",
            "reverse refunded 10-1 m-1 by e7 at 07",
        ],
    );
    // No edit issues points to a cancelled order.
    check_issued(
        &[("refund: proportional", "refund: proportional, edit: adjust")],
        &[
            "order.cancelled | 03",
            &refund("a", "04", "500", FORGIVEN),
            r#"order.edited | 05 | "order":{"revision":2,"customer":{"id":"m-1"},"subtotal":"9000"}"#,
        ],
        &[
            "reverse cancelled 10-0 m-1 by e3 at 03",
            "reverse edited 10-5 m-1 by e5 at 05",
        ],
    );
}

#[test]
fn where_any_refund_takes_everything_a_forgiven_one_leaves_it() {
    let full = [("refund: proportional", "refund: full")];
    let forgiven = refund("a", "03", "1", FORGIVEN);
    check_issued(&full, &[&forgiven, "order.cancelled | 04"], &[]);
    check_issued(
        &full,
        &[&forgiven, &refund("b", "04", "1", ""), "order.cancelled | 05"],
        &[
            "reverse refunded 10-0 m-1 by e4 at 04",
            "reverse cancelled 10-0 m-1 by e5 at 05",
        ],
    );
}

#[test]
fn a_cancellation_is_carried_out_as_it_was_told_first() {
    let adjust = [("refund: proportional", "refund: proportional, edit: adjust")];
    let edited = r#"order.edited | 06 | "order":{"revision":2,"customer":{"id":"m-1"},"subtotal":"1090"}"#;
    check_issued(
        &adjust,
        &[
            "order.cancelled | 04",
            r#"order.cancelled | 05 | "take_back":false"#,
            edited,
        ],
        &[
            "reverse cancelled 10-0 m-1 by e3 at 04",
            "reverse edited 10-0 m-1 by e5 at 06",
        ],
    );
    check_issued(
        &adjust,
        &[
            r#"order.cancelled | 05 | "take_back":false"#,
            "order.cancelled | 04",
            &refund("a", "06", "500", ""),
            edited,
        ],
        &[],
    );
}

#[test]
fn what_returns_goes_by_the_newest_snapshot_and_refund() {
    let created = created(r#""points_redeemed":30"#);
    let redeemed = "redeem 30 m-1 by e1 at 01";
    let edit = |subtotal: &str| {
        format!(
            r#"order.edited | 04 | "order":{{"revision":2,"customer":{{"id":"m-1"}},"points_redeemed":30,"subtotal":"{subtotal}"}}"#
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

#[test]
fn nothing_returns_after_a_cancellation_that_returned_nothing() {
    let created = created(r#""points_redeemed":30"#);
    let cancelled = r#"order.cancelled | 05 | "take_back":false,"return_redeemed":false"#;
    check(
        RULES,
        &[
            &created,
            cancelled,
            &refund("a", "05", "900", ""),
            &refund("b", "04", "100", ""),
        ],
        &[
            "redeem 30 m-1 by e1 at 01",
            "cancelled m-1 by e2 at 05",
            "return 1/10 m-1 by e4 at 04",
        ],
    );
}
