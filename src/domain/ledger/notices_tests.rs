use crate::domain::ledger::fixtures::*;
use crate::domain::rules::model::Notices;

#[test]
fn notices_are_summed_for_a_day_and_a_lead_time() {
    let mut noticing = rules();
    noticing.notices.expiring_days_before = vec![30, 7, 0];
    check(
        &book(&[noticing]),
        &[
            on("2024-05-01 10:00", grant(10, days(30))),
            on("2024-05-01 12:00", grant(20, days(30))),
            on("2024-05-02 08:00", grant(30, days(30))),
            until("2024-05-24 08:59"),
            until("2024-05-24 09:00"),
            on("2024-05-25 08:00", redeem(60, None)),
            until("2025-01-01 00:00"),
        ],
        &[
            "2024-05-01 10:00 issued granted 10 =10 #1 [10] until 2024-05-31 10:00",
            "2024-05-01 12:00 issued granted 20 =30 #2 [20] until 2024-05-31 12:00",
            "2024-05-02 08:00 issued granted 30 =60 #3 [30] until 2024-06-01 08:00",
            "2024-05-02 09:00 expiring expiring 30 in 30 days at 2024-06-01 08:00 of 1 lots",
            "2024-05-24 09:00 expiring expiring 30 in 7 days at 2024-05-31 10:00 of 2 lots",
            "2024-05-25 08:00 redeemed redeemed 60 =0 #4 [10 20 30]",
        ],
    );
}

#[test]
fn notices_come_before_the_expiries_of_their_instant() {
    let mut noticing = rules();
    noticing.notices.expiring_days_before = vec![0];
    check(
        &book(&[noticing]),
        &[
            on("2024-05-01 09:00", grant(10, days(2))),
            until("2025-01-01 00:00"),
        ],
        &[
            "2024-05-01 09:00 issued granted 10 =10 #1 [10] until 2024-05-03 09:00",
            "2024-05-03 09:00 expiring expiring 10 in 0 days at 2024-05-03 09:00 of 1 lots",
            "2024-05-03 09:00 expired expired 10 =0 #2 [10] at 2024-05-03 09:00",
        ],
    );
}

#[test]
fn a_lot_keeps_the_notices_of_the_version_that_issued_it() {
    let mut first = rules();
    first.notices.expiring_days_before = vec![3];
    let mut second = rules();
    second.version = 2;
    second.effective_from = at("2024-05-02 00:00");
    second.notices = Notices {
        expiring_days_before: vec![3, 1],
        at: time("10:00"),
        ..Notices::default()
    };
    check(
        &book(&[first, second]),
        &[
            on("2024-05-01 12:00", grant(10, days(10))),
            on("2024-05-02 12:00", grant(20, days(9))),
            until("2025-01-01 00:00"),
        ],
        &[
            "2024-05-01 12:00 issued granted 10 =10 #1 [10] until 2024-05-11 12:00",
            "2024-05-02 12:00 issued granted 20 =30 #2 [20] until 2024-05-11 12:00",
            "2024-05-08 09:00 expiring expiring 30 in 3 days at 2024-05-11 12:00 of 2 lots",
            "2024-05-10 10:00 expiring expiring 20 in 1 days at 2024-05-11 12:00 of 1 lots",
            "2024-05-11 12:00 expired expired 10 =20 #3 [10] at 2024-05-11 12:00",
            "2024-05-11 12:00 expired expired 20 =0 #4 [20] at 2024-05-11 12:00",
        ],
    );
}
