//! A rule version as canonical JSON: every field written out, in the contract's order.

use chrono::NaiveTime;
use serde_json::{Map, Value, json};

use crate::domain::rules::model::*;

/// The whole document in one line, fit to be published and to be read back as the same version.
pub fn to_json(rules: &RuleVersion) -> String {
    let channels = match &rules.channels {
        Channels::All => Value::Null,
        Channels::Only(channels) => json!(channels),
    };
    let mut document = json!({
        "shop_id": rules.shop_id,
        "version": rules.version,
        "effective_from": rules.effective_from.rfc3339(),
        "timezone": rules.timezone.name(),
        "currency": rules.currency.code,
        "enabled": rules.enabled,
        "on_disable": match rules.on_disable {
            OnDisable::KeepBound => "keep_bound",
            OnDisable::Stop => "stop",
        },
        "channels": channels,
        "require_login": rules.require_login,
        "accrual": accrual(&rules.accrual),
        "issuance": issuance(&rules.issuance),
        "expiry": expiry_rule(&rules.expiry),
        "reversal": reversal(&rules.reversal),
        "redemption": rules.redemption.as_ref().map(redemption),
        "gifts": gifts(&rules.gifts),
        "notices": {
            "expiring_days_before": rules.notices.expiring_days_before,
            "at": time(rules.notices.at),
        },
    });
    for (place, annotation) in &rules.annotations {
        annotate(&mut document, place, annotation);
    }
    document.to_string()
}

fn annotate(document: &mut Value, place: &str, annotation: &str) {
    let Some((section, key)) = place.rsplit_once('/') else {
        return;
    };
    if let Some(Value::Object(fields)) = document.pointer_mut(section)
        && let Ok(value) = serde_json::from_str(annotation)
    {
        fields.insert(key.replace("~1", "/").replace("~0", "~"), value);
    }
}

fn accrual(accrual: &Accrual) -> Value {
    let base = &accrual.base;
    let mut fields = Map::new();
    fields.insert("enabled".to_owned(), json!(accrual.enabled));
    let base = json!({
        "include_shipping": base.include_shipping,
        "include_tax": base.include_tax,
        "include_surcharge": base.include_surcharge,
        "subtract_discounts": base.subtract_discounts,
        "subtract_store_credit": base.subtract_store_credit,
        "subtract_points_redeemed": base.subtract_points_redeemed,
    });
    fields.insert("base".to_owned(), base);
    insert_earning(&mut fields, &accrual.earning);
    let tiers = accrual
        .tiers
        .iter()
        .map(|(name, tier)| (name.clone(), tier_section(tier)));
    fields.insert("tiers".to_owned(), Value::Object(tiers.collect()));
    Value::Object(fields)
}

fn tier_section(tier: &Tier) -> Value {
    let mut fields = Map::new();
    if let Some(earning) = &tier.earning {
        insert_earning(&mut fields, earning);
    }
    if let Some(own) = &tier.expiry {
        fields.insert("expiry".to_owned(), expiry(own));
    }
    if let Some(own) = &tier.redemption {
        fields.insert("redemption".to_owned(), redemption(own));
    }
    Value::Object(fields)
}

fn insert_earning(fields: &mut Map<String, Value>, earning: &Earning) {
    let (key, section) = match earning {
        Earning::Rate {
            every,
            points,
            rounding,
        } => (
            "rate",
            json!({"every": every.to_string(), "points": points, "rounding": rounding_name(*rounding)}),
        ),
        Earning::ThresholdPoints {
            at_least,
            points,
            cumulative,
        } => (
            "threshold",
            json!({"at_least": at_least.to_string(), "points": points, "cumulative": cumulative}),
        ),
        Earning::ThresholdPercent {
            at_least,
            percent,
            rounding,
        } => (
            "threshold",
            json!({
                "at_least": at_least.to_string(),
                "percent": percent.to_string(),
                "rounding": rounding_name(*rounding),
            }),
        ),
    };
    fields.insert(key.to_owned(), section);
}

fn rounding_name(rounding: Rounding) -> &'static str {
    match rounding {
        Rounding::PerUnit => "per_unit",
        Rounding::Down => "down",
        Rounding::HalfUp => "half_up",
        Rounding::Up => "up",
    }
}

fn issuance(issuance: &Issuance) -> Value {
    let by_channel = issuance.by_channel.iter();
    let by_channel = by_channel.map(|(channel, own)| (channel.clone(), Value::Object(terms(own))));
    let mut fields = terms(&issuance.terms);
    fields.insert("or_on_completed".to_owned(), json!(issuance.or_on_completed));
    fields.insert("by_channel".to_owned(), Value::Object(by_channel.collect()));
    fields.insert(
        "apply_to_open_orders".to_owned(),
        json!(issuance.apply_to_open_orders),
    );
    let resting = match issuance.while_resting {
        WhileResting::Withhold => "withhold",
        WhileResting::Defer => "defer",
    };
    fields.insert("while_resting".to_owned(), json!(resting));
    fields.insert(
        "resting_exempt_channels".to_owned(),
        json!(issuance.resting_exempt_channels),
    );
    Value::Object(fields)
}

fn terms(terms: &IssuanceTerms) -> Map<String, Value> {
    let on = match terms.on {
        Trigger::Created => "created",
        Trigger::Paid => "paid",
        Trigger::PaidAndShipped => "paid_and_shipped",
        Trigger::Delivered => "delivered",
        Trigger::Completed => "completed",
    };
    let at = match terms.at {
        DueAt::SameTime => "same_time".to_owned(),
        DueAt::Local(at) => time(at),
    };
    let fields = [
        ("on", json!(on)),
        ("delay_days", json!(terms.delay_days)),
        ("at", json!(at)),
    ];
    fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn expiry_rule(rule: &ExpiryRule) -> Value {
    let mut section = expiry(&rule.expiry);
    section["bind"] = json!(match rule.bind {
        ExpiryBind::Issuance => "issuance",
        ExpiryBind::Order => "order",
    });
    section
}

fn expiry(expiry: &Expiry) -> Value {
    let at = time(expiry.at);
    match expiry.span {
        ExpirySpan::Never => json!({"never": true, "at": at}),
        ExpirySpan::AfterDays(days) => json!({"after_days": days, "at": at}),
        ExpirySpan::AfterMonths(months) => json!({"after_months": months, "at": at}),
        ExpirySpan::Yearly { month, day } => json!({"yearly": format!("{month:02}-{day:02}"), "at": at}),
    }
}

fn reversal(reversal: &Reversal) -> Value {
    let extent = |extent| match extent {
        Extent::Full => "full",
        Extent::Proportional => "proportional",
        Extent::None => "none",
    };
    json!({
        "before_issue": {
            "cancel": extent(reversal.before_cancel),
            "refund": extent(reversal.before_refund),
        },
        "after_issue": {
            "cancel": extent(reversal.after_cancel),
            "refund": extent(reversal.after_refund),
            "edit": if reversal.after_edit_adjusts { "adjust" } else { "none" },
        },
        "when_short": match reversal.when_short {
            WhenShort::Refuse => "refuse",
            WhenShort::Clamp => "clamp",
            WhenShort::Negative => "negative",
        },
        "redeemed": if reversal.returns_redeemed { "proportional" } else { "none" },
    })
}

fn redemption(redemption: &Redemption) -> Value {
    let amount = |amount: Option<rust_decimal::Decimal>| amount.map(|amount| amount.to_string());
    let per = redemption.per.as_ref();
    json!({
        "points": redemption.points,
        "amount": redemption.amount.to_string(),
        "max_percent": amount(redemption.max_percent),
        "min_order": amount(redemption.min_order),
        "per": per.map(|per| json!({"amount": per.amount.to_string(), "points": per.points})),
        "min_payable": amount(redemption.min_payable),
    })
}

fn gifts(gifts: &Gifts) -> Value {
    let registration = gifts.registration.as_ref();
    let birthday = gifts.birthday.as_ref();
    json!({
        "registration": registration.map(|gift| {
            json!({"points": gift.points, "expiry": gift.expiry.as_ref().map(expiry)})
        }),
        "birthday": birthday.map(|gift| {
            json!({
                "points": gift.points,
                "on": match gift.on {
                    BirthdayOn::Day => "day",
                    BirthdayOn::MonthStart => "month_start",
                },
                "at": time(gift.at),
                "expiry": gift.expiry.as_ref().map(expiry),
            })
        }),
    })
}

fn time(time: NaiveTime) -> String {
    time.format("%H:%M").to_string()
}
