use super::*;
use crate::domain::ledger::receipt_words::LedgerWords;
use crate::domain::rules::model::BirthdaySpan;

fn part(bonus: Option<&str>, numbers: [i64; 4], cut_by: Cuts) -> GivenPart {
    let [offered, given, worth, left] = numbers;
    GivenPart {
        offered,
        given,
        worth,
        left,
        cut_by,
        ..GivenPart::of(bonus.map(Into::into))
    }
}

fn receipt(parts: Vec<GivenPart>) -> Receipt {
    Receipt {
        parts,
        ..Receipt::default()
    }
}

#[test]
fn what_is_taken_back_comes_off_the_base_first() {
    let receipt = receipt(vec![
        part(None, [100, 100, 40, 100], Cuts::default()),
        part(Some("b"), [50, 30, 10, 30], Cuts::LIMIT),
    ]);
    assert_eq!((receipt.left(), receipt.kept()), (130, 50));
    for (taken, shares) in [
        (0, [0, 0]),
        (10, [10, 0]),
        (60, [60, 0]),
        (70, [60, 10]),
        (80, [60, 20]),
    ] {
        assert_eq!(receipt.share_out(taken), shares, "{taken}");
    }
}

#[test]
fn a_cut_part_keeps_at_most_what_was_given() {
    let part = part(None, [300, 200, 250, 200], Cuts::PER_MEMBER);
    assert_eq!(part.kept(), 200);
    assert_eq!(part.entitled(400, Keeps::Worth), 400);
    assert_eq!(part.entitled(400, Keeps::AtMostKept), 250);
    assert_eq!(part.entitled(400, Keeps::AtMostIssued), 300);
}

#[test]
fn a_receipt_says_what_decided() {
    let mut cut_twice = Cuts::LIMIT;
    cut_twice.add(Cuts::PER_ORDER);
    let mut receipt = receipt(vec![
        part(None, [100, 100, 60, 80], Cuts::default()),
        part(Some("b"), [50, 10, 50, 10], cut_twice),
    ]);
    receipt.of = PricedFor {
        tier: Some("gold".into()),
        birthday: Some(BirthdaySpan::Month),
        first_order: true,
    };
    let wanted = [
        "it was priced for tier gold",
        "it was created in the month of the member's birthday",
        "the member had no live order that was created before it",
        "the order itself: 100 points were credited, 80 of them are left",
        "bonus b: 10 points were credited of 50, cut by the limits of the bonus and the cap of an order",
        "the member may keep 70 points of it, and still has 90",
    ];
    let LedgerWords { points, why } = receipt.words();
    assert_eq!(points, Some(110));
    assert_eq!(why, wanted);
}
