//! `gifts` and `notices`

use chrono::NaiveTime;
use serde_json::{Value, json};

use super::findings::Findings;
use super::section::{POINTS_MAX, SPAN_MAX, Section};
use super::{expiry, time};
use crate::domain::rules::model::*;

pub fn read(section: Option<Section<'_>>, found: &mut Findings) -> Gifts {
    let Some(mut section) = section else {
        return Gifts::default();
    };
    let registration = section.section("registration", found).and_then(|mut gift| {
        let (points, expiry) = read_gift(&mut gift, found);
        gift.end(found);
        Some(RegistrationGift {
            points: points?,
            expiry,
        })
    });
    let birthday = section.section("birthday", found).and_then(|mut gift| {
        let (points, expiry) = read_gift(&mut gift, found);
        let on = gift.word("on", found).unwrap_or_default();
        let at = gift.time("at", found).unwrap_or(NaiveTime::MIN);
        gift.end(found);
        Some(BirthdayGift {
            points: points?,
            on,
            at,
            expiry,
        })
    });
    section.end(found);
    Gifts {
        registration,
        birthday,
    }
}

fn read_gift(gift: &mut Section<'_>, found: &mut Findings) -> (Option<i64>, Option<Expiry>) {
    let points = gift.whole("points", 1, POINTS_MAX, found);
    let points = gift.required("points", points, found);
    (points, expiry::read_own(gift, found))
}

pub fn read_notices(section: Option<Section<'_>>, found: &mut Findings) -> Notices {
    let left_out = Notices::default();
    let Some(mut section) = section else {
        return left_out;
    };
    let notices = Notices {
        expiring_days_before: section.numbers("expiring_days_before", 0, SPAN_MAX, found),
        tier_expiring_days_before: section.numbers("tier_expiring_days_before", 0, SPAN_MAX, found),
        at: section.time("at", found).unwrap_or(left_out.at),
    };
    section.end(found);
    notices
}

pub fn write(gifts: &Gifts) -> Value {
    let Gifts {
        registration,
        birthday,
    } = gifts;
    let registration = registration.as_ref().map(|gift| {
        let RegistrationGift { points, expiry } = gift;
        json!({"points": points, "expiry": expiry.as_ref().map(expiry::write)})
    });
    let birthday = birthday.as_ref().map(|gift| {
        let BirthdayGift {
            points,
            on,
            at,
            expiry,
        } = gift;
        json!({
            "points": points,
            "on": on.word(),
            "at": time(*at),
            "expiry": expiry.as_ref().map(expiry::write),
        })
    });
    json!({"registration": registration, "birthday": birthday})
}

pub fn write_notices(notices: &Notices) -> Value {
    let Notices {
        expiring_days_before,
        tier_expiring_days_before,
        at,
    } = notices;
    json!({
        "expiring_days_before": expiring_days_before,
        "tier_expiring_days_before": tier_expiring_days_before,
        "at": time(*at),
    })
}
