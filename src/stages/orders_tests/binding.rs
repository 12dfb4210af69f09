//! Which version counts: bound, looked beyond, taken over; and resting shops.

use super::*;

#[test]
fn bound_for_good() {
    // Published on the 2nd, though effective since January: counts from the 2nd.
    let published = rules(&[
        ("version: 1", "version: 2"),
        ("2020", "2022"),
        ("points: 1", "points: 50"),
    ]);
    let json = rule_document::to_json(&rule_document::read_yaml(&published)[0].read.clone().unwrap());
    let published = format!(
        "rules.published | 02 | {}",
        json.replace(r#"{"shop_id":"acme","#, "")
            .strip_suffix('}')
            .unwrap()
    );
    let later = CREATED.replace("01", "02T10:01");
    check(
        RULES,
        &[&published, CREATED, "order.paid | 03"],
        &["issue 10 of 1000 m-1 by e3 at 03"],
    );
    check(
        RULES,
        &[&published, &later, "order.paid | 03"],
        &["issue 10 of 1000 m-1 by e3 at 03"],
    );
    let after = later.replace("BASE", &BASE.replace("@01", "@02T10:01"));
    check(
        RULES,
        &[&published, &after, "order.paid | 03"],
        &["issue 500 of 1000 v2 m-1 by e3 at 03"],
    );
    // The newest amount under the bound rule; of one revision the id that sorts last.
    let edit = |subtotal: &str, revision: i64| {
        format!(
            r#"order.edited | 02 | "order":{{"revision":{revision},"customer":{{"id":"m-1"}},"subtotal":"{subtotal}"}}"#
        )
    };
    check(
        RULES,
        &[CREATED, &edit("800", 2), &edit("700", 1), "order.paid | 03"],
        &["issue 8 of 800 m-1 by e4 at 03"],
    );
    check(
        RULES,
        &[&edit("800", 1), CREATED, "order.paid | 03"],
        &["issue 10 of 1000 m-1 by e3 at 03"],
    );
    check(RULES, &["order.paid | 02", &edit("800", 1)], &[]);
}

#[test]
fn disabled_later() {
    for (on_disable, enabled_again, wanted) in [
        ("stop", false, "withheld disabled by e2 at 04"),
        ("keep_bound", false, "issue 10 of 1000 m-1 by e2 at 04"),
        ("stop", true, "issue 10 of 1000 m-1 by e2 at 04"),
    ] {
        let off = format!("version: 2\nenabled: false\non_disable: {on_disable}");
        let mut all = rules(&[]) + "---\n" + &rules(&[("version: 1", &off), ("2020-01-01", "2022-03-02")]);
        if enabled_again {
            all += "---\n";
            all += &rules(&[("version: 1", "version: 3"), ("2020-01-01", "2022-03-03")]);
        }
        check(&all, &[CREATED, "order.paid | 04"], &[wanted]);
    }
}

#[test]
fn a_resting_shop() {
    let status = |day: &str, status: &str| format!(r#"shop.status_changed | {day} | "status":"{status}""#);
    let rests = status("02", "resting");
    let withheld = "withheld shop_resting by e3 at 03";
    check(RULES, &[CREATED, &rests, "order.paid | 03"], &[withheld]);
    check(
        RULES,
        &[CREATED, &rests, "order.paid | 03", &status("05", "open")],
        &[withheld],
    );
    check(
        RULES,
        &[CREATED, &rests, &status("03", "open"), "order.paid | 03"],
        &["issue 10 of 1000 m-1 by e4 at 03"],
    );
    let exempt = rules(&[("{on: paid}", "{on: paid, resting_exempt_channels: [online]}")]);
    check(
        &exempt,
        &[CREATED, &rests, "order.paid | 03"],
        &["issue 10 of 1000 m-1 by e3 at 03"],
    );
    let defer = rules(&[("{on: paid}", "{on: paid, while_resting: defer}")]);
    check(&defer, &[CREATED, &rests, "order.paid | 03"], &[]);
    let opens = status("05", "open");
    check(
        &defer,
        &[CREATED, &rests, "order.paid | 03", &opens],
        &["issue 10 of 1000 m-1 by e4 at 05"],
    );
    let once = ["issue 10 of 1000 m-1 by e4 at 05"];
    check(
        &defer,
        &[
            CREATED,
            &rests,
            "order.paid | 03",
            &opens,
            &status("06", "open"),
            "order.paid | 02",
        ],
        &once,
    );
    // Refunds and cancellations while it waits count as before the issue.
    check(
        &defer,
        &[CREATED, &rests, "order.paid | 03", "order.cancelled | 04", &opens],
        &[
            "return 1/1 m-1 by e4 at 04",
            "cancelled m-1 by e4 at 04",
            "withheld cancelled by e4 at 04",
        ],
    );
    // Whoever earns nothing anyway does not wait.
    let guest = created(r#""customer":null"#);
    check(
        &defer,
        &[&guest, &rests, "order.paid | 03"],
        &["withheld guest by e3 at 03"],
    );
}

#[test]
fn takeovers_by_later_versions() {
    let both = |later: &str| {
        rules(&[("{on: paid}", "{on: delivered, delay_days: 10}")])
            + "---\n"
            + &rules(&[
                ("version: 1", "version: 2"),
                ("2020-01-01T00", "2022-03-05T00"),
                ("{on: paid}", later),
            ])
    };
    let completed = both("{on: completed, apply_to_open_orders: true}");
    let (early, late, done) = (
        "order.delivered | 04",
        "order.delivered | 06",
        "order.completed | 07",
    );
    let pending = "pending 10 due 14 by e2 at 04";
    check(
        &completed,
        &[CREATED, early],
        &[pending, "issue 10 of 1000 m-1 by e2 at 14"],
    );
    check(
        &completed,
        &[CREATED, early, done],
        &[pending, "issue 10 of 1000 m-1 by e3 at 07"],
    );
    check(&completed, &[CREATED, late], &[]);
    check(
        &completed,
        &[CREATED, late, done],
        &["issue 10 of 1000 m-1 by e3 at 07"],
    );
    // Met before the version counted: from the moment it counts.
    check(
        &completed,
        &[CREATED, "order.completed | 02"],
        &[
            "pending 10 due 05T00:00 by e2 at 02",
            "issue 10 of 1000 m-1 by e2 at 05T00:00",
        ],
    );
    let unasked = both("{on: completed}");
    check(&unasked, &[CREATED, done], &[]);
}
