//! What a look-up says of orders whose points the member's ledger decides.

use super::explain::{BOUND, check_words};
use super::*;

#[test]
fn an_order_says_what_depends_on_its_member() {
    let rules = format!(
        "{RULES}bonuses:\n- {{id: bday, when: {{birthday: month}}, gives: {{points: 50}}}}\n- {{id: all, gives: {{points: 3}}}}\n"
    );
    check_words(
        &rules,
        &[CREATED],
        "open - -",
        &[
            BOUND,
            "as things stand it earns 13 points on other days",
            "as things stand it earns 63 points in the month of the member's birthday",
            "bonus bday depends on the member",
            "bonus all adds 3 points",
            "it waits until it is paid; the points are issued at once",
        ],
    );
    check_words(
        &rules,
        &[CREATED, "order.paid | 02", "order.shipped | 03"],
        "issued - -",
        &[
            BOUND,
            "its points were due at 2022-03-02T10:00:00+08:00; how many of them were credited, member m-1's ledger decided",
        ],
    );
}

#[test]
fn an_order_says_that_caps_may_leave_less() {
    let rules = format!("{RULES}caps: {{per_order: 5}}\n");
    check_words(
        &rules,
        &[CREATED],
        "open - 10",
        &[
            BOUND,
            "as things stand it earns 10 points",
            "limits and caps may leave less when it is credited",
            "it waits until it is paid; the points are issued at once",
        ],
    );
}
