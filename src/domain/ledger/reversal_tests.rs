//! Take-backs that were refused or clamped, and edits after them.

use super::super::fixtures::*;
use crate::domain::rules::model::WhenShort;

#[test]
fn a_raise_credits_what_is_not_still_held() {
    use WhenShort::*;
    // 40 of 100 are asked back where 20 are left.
    let check = |short, after: &[Step], rows: &[&str]| {
        let mut steps = vec![
            of("A", "2024-05-01 10:00", issue(0, 100, None)),
            on("2024-05-01 11:00", deduct(80, None)),
            of("A", "2024-05-02 10:00", reverse(100, 60, short)),
        ];
        steps.extend_from_slice(after);
        let mut wanted = vec![
            "2024-05-01 10:00 issued order 100 =100 #1 [100] until never",
            "2024-05-01 11:00 adjusted deducted 80 =20 #2 [80]",
        ];
        wanted.extend_from_slice(rows);
        check(&book(&[rules()]), &steps, &wanted);
    };
    check(
        Refuse,
        &[
            of("A", "2024-05-03 10:00", adjust(1, 30, 130, 90, Refuse)),
            of("A", "2024-05-04 10:00", adjust(2, 40, 170, 130, Refuse)),
            of("A", "2024-05-05 10:00", reverse(170, 100, Refuse)),
        ],
        &[
            "2024-05-02 10:00 rejected insufficient_balance 40",
            "2024-05-03 10:00 revoked edited 10 =10 #3 [10] of 10",
            "2024-05-04 10:00 issued edited 40 =50 #4 [40] until never",
            "2024-05-05 10:00 revoked refunded 30 =20 #5 [10 20] of 30",
        ],
    );
    check(
        Clamp,
        &[
            of("A", "2024-05-03 10:00", adjust(1, 20, 120, 80, Clamp)),
            of("A", "2024-05-04 10:00", adjust(2, 10, 130, 90, Clamp)),
        ],
        &[
            "2024-05-02 10:00 revoked refunded 20 =0 #3 [20] of 40",
            "2024-05-04 10:00 issued edited 10 =10 #4 [10] until never",
        ],
    );
    check(
        Negative,
        &[of("A", "2024-05-03 10:00", adjust(1, 30, 130, 90, Negative))],
        &[
            "2024-05-02 10:00 revoked refunded 40 =-20 #3 [20] of 40",
            "2024-05-03 10:00 issued edited 30 =10 #4 [10] until never",
        ],
    );
}
