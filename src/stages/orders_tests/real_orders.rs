//! Orders as shops have them: reopened, bounced, claimed, pending down to nothing.

use proptest::prelude::*;

use super::*;

const DELAYED: (&str, &str) = ("{on: paid}", "{on: paid, delay_days: 9}");

fn withdraws(day: &str, facts: &str) -> String {
    format!(r#"order.updated | {day} | "withdraws":[{facts}]"#)
}

#[test]
fn reopened_before_the_issue() {
    let rules = rules(&[DELAYED]);
    let reopened = |day| withdraws(day, r#""cancelled""#);
    let start = [CREATED, "order.paid | 02", "order.cancelled | 03"];
    let ended = [
        "pending 10 due 11 by e2 at 02",
        "return 1/1 m-1 by e3 at 03",
        "cancelled m-1 by e3 at 03",
        "withheld cancelled by e3 at 03",
    ];
    let check_after = |more: &[&str], wanted: &[&str]| {
        check(
            &rules,
            &[&start[..], more].concat(),
            &[&ended[..], wanted].concat(),
        );
    };
    check_after(
        &[&reopened("04")],
        &[
            "reopen m-1 by e4 at 04",
            "pending 10 due 11 by e4 at 04",
            "issue 10 of 1000 m-1 by e2 at 11",
        ],
    );
    // The due time has passed: at the withdrawal.
    check_after(
        &[&reopened("15")],
        &["reopen m-1 by e4 at 15", "issue 10 of 1000 m-1 by e4 at 15"],
    );
    // Cancelled and reopened again: it ends again and says so again.
    check_after(
        &[&reopened("04"), "order.cancelled | 05", &reopened("06")],
        &[
            "reopen m-1 by e4 at 04",
            "pending 10 due 11 by e4 at 04",
            "return 1/1 m-1 by e5 at 05",
            "cancelled m-1 by e5 at 05",
            "withheld cancelled by e5 at 05",
            "reopen m-1 by e6 at 06",
            "pending 10 due 11 by e6 at 06",
            "issue 10 of 1000 m-1 by e2 at 11",
        ],
    );
    // A withdrawal of what was told later takes nothing back, nor does one of another fact.
    check_after(&[&reopened("02")], &[]);
    check_after(&[&withdraws("04", r#""shipped""#)], &[]);
}

#[test]
fn an_ending_of_its_own_has_an_id_of_its_own() {
    let mut shop = Shop::new(&rules(&[DELAYED]), 0);
    let lines = [
        CREATED,
        "order.cancelled | 03",
        &withdraws("04", r#""cancelled""#),
        "order.cancelled | 05",
    ];
    for (i, line) in lines.iter().enumerate() {
        shop.tell(i + 1, line);
    }
    let ids: std::collections::BTreeSet<_> = shop.ids.iter().collect();
    assert_eq!((ids.len(), shop.ids.len()), (2, 2));
}

#[test]
fn reopened_after_the_issue() {
    let refund = |id: &str, day: &str| {
        format!(r#"order.refunded | {day} | "refund":{{"id":"{id}","amount":"300"}},"return_redeemed":false"#)
    };
    let reopened = withdraws("06", r#""cancelled""#);
    let issued = "issue 10 of 1000 m-1 by e2 at 02";
    check(
        RULES,
        &[CREATED, "order.paid | 02", "order.cancelled | 03", &reopened],
        &[
            issued,
            "return 1/1 m-1 by e3 at 03",
            "reverse cancelled 10-0 m-1 by e3 at 03",
            "cancelled m-1 by e3 at 03",
            "reopen m-1 by e4 at 06",
        ],
    );
    // What refunds took before and after stays taken.
    check(
        RULES,
        &[
            CREATED,
            "order.paid | 02",
            &refund("a", "03"),
            "order.cancelled | 04",
            &refund("b", "05"),
            &reopened,
        ],
        &[
            issued,
            "reverse refunded 10-7 m-1 by e3 at 03",
            "return 7/10 m-1 by e4 at 04",
            "reverse cancelled 10-0 m-1 by e4 at 04",
            "cancelled m-1 by e4 at 04",
            "reverse refunded 10-0 m-1 by e5 at 05",
            "reopen m-1 by e6 at 06",
            "reverse refunded 10-4 m-1 by e6 at 06",
        ],
    );
}

#[test]
fn claimed_after_the_end() {
    let guest = created(r#""customer":null"#);
    let claim =
        |day: &str, member: &str| format!(r#"order.claimed | {day} | "customer":{{"id":"{member}"}}"#);
    let withheld = "withheld guest by e2 at 02";
    check(
        RULES,
        &[
            &guest,
            "order.paid | 02",
            &claim("05", "m-9"),
            &claim("06", "m-8"),
        ],
        &[withheld, "issue 10 of 1000 m-9 by e3 at 05"],
    );
    // Ended at its cancellation it is a cancelled one.
    check(
        &rules(&[DELAYED]),
        &[&guest, "order.cancelled | 02", &claim("05", "m-9")],
        &[withheld, "withheld cancelled by e2 at 05"],
    );
    // An order of a member who is logged in stays theirs.
    check(
        &rules(&[DELAYED]),
        &[CREATED, "order.paid | 02", &claim("05", "m-9")],
        &[
            "pending 10 due 11 by e2 at 02",
            "issue 10 of 1000 m-1 by e2 at 11",
        ],
    );
    // One who is not logged in loses it, and the claim's tier counts.
    let gold = rules(&[
        DELAYED,
        ("{rate", "{tiers: {gold: {rate: {every: 100, points: 5}}}, rate"),
    ]);
    let not_logged_in = created(r#""customer":{"id":"m-1","logged_in":false}"#);
    let claim = r#"order.claimed | 05 | "customer":{"id":"m-9","tier":"gold"}"#;
    check(
        &gold,
        &[&not_logged_in, "order.paid | 02", claim],
        &[
            "pending 50 due 11 by e3 at 05",
            "issue 50 of 1000 m-9 by e2 at 11",
        ],
    );
}

/// What was said of an order, but for what is said on the way.
fn ends(rules: &str, lines: &[&str], order: &[usize]) -> Vec<String> {
    let mut shop = Shop::new(rules, 0);
    for i in order {
        shop.tell(i + 1, lines[*i]);
    }
    shop.fire(Millis::MAX);
    shop.told.retain(|line| line.starts_with("issue"));
    shop.told
}

proptest! {
    #[test]
    fn withdrawals_are_a_set(order in Just((0..10usize).collect::<Vec<_>>()).prop_shuffle()) {
        let lines = [
            CREATED,
            "order.paid | 02",
            r#"order.updated | 03 | "withdraws":["paid"]"#,
            "order.paid | 04",
            r#"order.updated | 05 | "order":{"revision":2,"customer":{"id":"m-1"},"subtotal":"2000","paid_at":null,"cancelled_at":null}"#,
            r#"order.updated | 06 | "order":{"revision":3,"customer":{"id":"m-1"},"subtotal":"3000","paid_at":"@05T12:00"}"#,
            "order.paid | 07",
            "order.cancelled | 04",
            r#"order.cancelled | 05 | "take_back":false"#,
            r#"order.refunded | 06 | "refund":{"id":"a","amount":"500"}"#,
        ];
        let rules = rules(&[DELAYED]);
        let arrived: Vec<usize> = order.iter().chain(&order[..5]).copied().collect();
        let told = ends(&rules, &lines, &arrived);
        prop_assert_eq!(told, ["issue 25 of 2500 m-1 by e6 at 14T12:00"]);
    }

    #[test]
    fn claims_are_a_set(order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle()) {
        let lines = [
            r#"order.created | 01 | "order":{"revision":1,"created_at":"@01","subtotal":"1000"}"#,
            "order.paid | 02",
            r#"order.claimed | 03 | "customer":{"id":"m-8"}"#,
            r#"order.claimed | 04 | "customer":{"id":"m-9"}"#,
            r#"order.edited | 05 | "order":{"revision":2,"customer":{"id":"m-1","logged_in":false},"subtotal":"1000"}"#,
            r#"order.edited | 05 | "order":{"revision":3,"subtotal":"1200"}"#,
        ];
        let told = ends(&rules(&[DELAYED]), &lines, &order);
        prop_assert_eq!(told, ["issue 12 of 1200 m-8 by e2 at 11"]);
    }

    /// Of the tellings of one cancellation the earliest chooses, in any order of arrival.
    #[test]
    fn choices_are_a_set(order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle()) {
        let lines = [
            CREATED,
            "order.paid | 02",
            "order.cancelled | 03",
            r#"order.updated | 04 | "withdraws":["cancelled"]"#,
            r#"order.cancelled | 05 | "take_back":false"#,
            "order.cancelled | 06",
        ];
        let mut shop = Shop::new(&rules(&[DELAYED]), 0);
        for i in &order {
            shop.tell(i + 1, lines[*i]);
        }
        let state = shop.orders.load(&shop.key, &shop.state.unwrap()).unwrap();
        let cancelled = state.facts.cancelled().unwrap();
        prop_assert_eq!((cancelled.take_back, cancelled.at), (false, Instant::parse(&at("05")).unwrap()));
    }

    /// Which telling of a cancellation arrives first does not decide whether the order goes on.
    #[test]
    fn a_forgiven_cancellation_ends_nothing(order in Just((0..5usize).collect::<Vec<_>>()).prop_shuffle()) {
        let lines = [
            CREATED,
            "order.paid | 02",
            r#"order.cancelled | 03 | "take_back":false"#,
            "order.cancelled | 04",
            "order.cancelled | 05",
        ];
        let told = ends(&rules(&[DELAYED]), &lines, &order);
        prop_assert_eq!(told, ["issue 10 of 1000 m-1 by e2 at 11"]);
    }

    /// After the issue no more is taken back than was given, whatever happens in which order.
    #[test]
    fn no_more_is_taken_than_was_given(
        days in proptest::collection::vec((0..6usize, 3..28usize, 1..15u32), 1..12),
        adjusts in any::<bool>(),
    ) {
        let edit = if adjusts { ", edit: adjust" } else { "" };
        let with_bonus = rules(&[("cancel: full, refund: proportional", &format!("cancel: full, refund: proportional{edit}"))])
            + "bonuses: [{id: two, gives: {multiplier: '2'}}, {id: big, gives: {points: 7}, when: {min_order: 600}}]\n";
        let mut shop = Shop::new(&with_bonus, 0);
        shop.tell(1, CREATED);
        shop.tell(2, "order.paid | 02");
        for (i, (what, day, amount)) in days.into_iter().enumerate() {
            let (day, amount) = (format!("{day:02}"), amount * 100);
            let line = match what {
                0 => format!(r#"order.refunded | {day} | "refund":{{"id":"r{amount}","amount":"{amount}"}}"#),
                1 => format!(r#"order.refunded | {day} | "refund":{{"id":"k{amount}","amount":"{amount}"}},"take_back":false"#),
                2 => format!("order.cancelled | {day}"),
                3 => format!(r#"order.cancelled | {day} | "take_back":false"#),
                4 => withdraws(&day, r#""cancelled""#),
                _ => format!(r#"order.edited | {day} | "order":{{"revision":{i},"customer":{{"id":"m-1"}},"subtotal":"{amount}"}}"#),
            };
            shop.tell(i + 3, &line);
            let state = shop.orders.load(&shop.key, shop.state.as_ref().unwrap()).unwrap();
            if let crate::domain::order::Progress::Issued(issued) = &state.progress {
                let bonuses: i64 = issued.bonuses.iter().map(|given| given.kept).sum();
                prop_assert!(issued.bonuses.iter().all(|given| (0..=given.points).contains(&given.kept)));
                prop_assert!((bonuses..=issued.points).contains(&issued.kept), "{:?}", issued);
            }
        }
        for line in shop.told.iter().filter(|line| line.starts_with("reverse")) {
            let (given, kept) = line.split(' ').nth(2).unwrap().split_once('-').unwrap();
            let (given, kept): (i64, i64) = (given.parse().unwrap(), kept.parse().unwrap());
            prop_assert!(0 <= kept && kept < given, "{}", line);
        }
    }
}

#[test]
fn what_is_pending_is_true() {
    let pending = "pending 10 due 11 by e2 at 02";
    let delayed = rules(&[DELAYED]);
    // The same again says nothing; less, later and nothing do.
    let refund = |id: &str, amount: &str| {
        format!(
            r#"order.refunded | 03 | "refund":{{"id":"{id}","amount":"{amount}"}},"return_redeemed":false"#
        )
    };
    check(
        &delayed,
        &[
            CREATED,
            "order.paid | 02",
            "order.shipped | 03",
            &refund("a", "500"),
            &refund("b", "500"),
            "order.shipped | 04",
        ],
        &[
            pending,
            "pending 5 due 11 by e4 at 03",
            "pending 0 by e5 at 03",
            "withheld refunded 10 by e2 at 11",
        ],
    );
    // A version that stops the shop's orders, and one that takes it back.
    let stop = |version: u32, day: &str, enabled: bool| {
        format!(
            r#"rules.published | {day} | "version":{version},"effective_from":"@{day}","timezone":"Asia/Taipei","currency":"TWD","enabled":{enabled},"on_disable":"stop","accrual":{{"rate":{{"every":"100","points":1}}}},"issuance":{{"on":"paid"}}"#
        )
    };
    check(
        &delayed,
        &[
            CREATED,
            "order.paid | 02",
            &stop(2, "04", false),
            &stop(3, "06", true),
        ],
        &[
            pending,
            "pending 0 by e2 at 04",
            "pending 10 due 11 by e2 at 06",
            "issue 10 of 1000 m-1 by e2 at 11",
        ],
    );
    // A shop that rests withholds; what waits for it to open says nothing until then.
    let rests = r#"shop.status_changed | 04 | "status":"resting""#;
    let opens = r#"shop.status_changed | 06 | "status":"open""#;
    check(
        &delayed,
        &[CREATED, "order.paid | 02", rests, opens],
        &[
            pending,
            "pending 0 by e2 at 04",
            "pending 10 due 11 by e2 at 06",
            "issue 10 of 1000 m-1 by e2 at 11",
        ],
    );
}

#[test]
fn facts_far_ahead_are_counted() {
    let counted = |line: &str| {
        let mut shop = Shop::new(RULES, 0);
        shop.tell(1, line);
        shop.counted
    };
    let told = |paid: &str| {
        format!(r#"order.updated | 03 | "order":{{"revision":1,"created_at":"@01","paid_at":"@{paid}"}}"#)
    };
    let metric = crate::metrics::FACTS_AHEAD_TOTAL;
    assert_eq!(counted(&told("04")), []);
    assert_eq!(counted(&told("04T10:01")), [(metric, "paid".into(), 1)]);
}

/// An order that was open when the version before stored it goes on.
#[test]
fn a_stored_order_of_the_version_before_goes_on() {
    let (_, open) = crate::wire::order_state::golden_tests::STORED
        .iter()
        .find(|(name, _)| *name == "open")
        .unwrap();
    let mut shop = Shop::new(&rules(&[DELAYED]), 0);
    shop.state = Some(crate::wire::order_state::golden_tests::bytes(open));
    shop.now = Instant::parse(&at("05")).unwrap().ceil_millis();
    shop.tell(9, r#"order.refunded | 06 | "refund":{"id":"r","line_items":[{"id":"l2","quantity":1}]},"return_redeemed":false"#);
    shop.tell(10, &withdraws("06", r#""shipped""#));
    shop.fire(Millis::MAX);
    // 107 less 3.45 of the order, shared by 97.00 + 7: the second line takes 6.73 of 99.95.
    assert_eq!(
        shop.told,
        ["pending 0 by e9 at 06", "withheld refunded 1 by e2 at 11"],
    );
}
