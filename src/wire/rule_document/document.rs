//! The whole document: what is required, and its sections in the contract's order.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde_json::{Value, json};

use super::findings::Findings;
use super::node::Node;
use super::section::Section;
use super::{RuleError, accrual, bonus, expiry, gifts, issuance, redemption, reversal, tiers};
use crate::domain::rules::model::*;
use crate::wire::order_event::ID_BYTES_MAX;

pub fn read(node: &Node) -> Result<RuleVersion, Vec<RuleError>> {
    let mut found = Findings::default();
    let read = Section::root(node, &mut found).and_then(|mut root| {
        let read = version(&mut root, &mut found);
        root.end(&mut found);
        read
    });
    match read {
        Some(mut rules) if found.errors.is_empty() => {
            rules.annotations = found.annotations.into_iter().collect();
            Ok(rules)
        }
        _ => {
            found.errors.sort_by_key(|error| error.line);
            Err(found.errors)
        }
    }
}

fn version(root: &mut Section<'_>, found: &mut Findings) -> Option<RuleVersion> {
    let shop_id = shop_id(root, found);
    let version = root.whole("version", 1, i64::from(u32::MAX), found);
    let version = root.required("version", version, found);
    let effective_from = root.instant("effective_from", found);
    let effective_from = root.required("effective_from", effective_from, found);
    let timezone = timezone(root, found);
    let currency = currency(root, found);
    let enabled = root.bool("enabled", true, found);
    let on_disable = root.word("on_disable", found).unwrap_or_default();
    let channels = channels(root, found);
    let require_login = root.bool("require_login", true, found);
    let accrual = root.section("accrual", found);
    if root.get("accrual").is_none() {
        let remedy = "add accrual with a rate or a threshold";
        found.add(root.line, "accrual", "is missing", remedy);
    }
    let accrual = accrual.and_then(|section| accrual::read(section, found));
    let bonuses = bonus::read_all(root, found);
    let caps = bonus::read_caps(root, found);
    let tiers = root.section("tiers", found);
    let base = accrual.as_ref().map(|accrual| accrual.base.clone());
    let tiers = tiers.map(|section| tiers::read(section, &base.unwrap_or_default(), found));
    let issuance = issuance::read(root.section("issuance", found), found);
    let expiry = expiry::read_rule(root.section("expiry", found), found);
    let reversal = reversal::read(root.section("reversal", found), found);
    let redemption = root
        .section("redemption", found)
        .map(|section| redemption::read(section, found));
    let gifts = gifts::read(root.section("gifts", found), found);
    let notices = gifts::read_notices(root.section("notices", found), found);
    Some(RuleVersion {
        shop_id: shop_id?,
        version: u32::try_from(version?).ok()?,
        effective_from: effective_from?,
        timezone: timezone?,
        currency: currency?,
        enabled,
        on_disable,
        channels,
        require_login,
        accrual: accrual?,
        bonuses,
        caps,
        tiers: match tiers {
            Some(read) => Some(read?),
            None => None,
        },
        issuance,
        expiry: expiry?,
        reversal,
        redemption,
        gifts,
        notices,
        annotations: BTreeMap::new(),
    })
}

fn shop_id(root: &mut Section<'_>, found: &mut Findings) -> Option<String> {
    let text = root.text("shop_id", found);
    let (id, line) = root.required("shop_id", text, found)?;
    is_id(id, line, "shop_id", found).then(|| id.to_owned())
}

/// Finds an id wrong that no event could name.
pub fn is_id(id: &str, line: usize, path: &str, found: &mut Findings) -> bool {
    let good = id.len() <= ID_BYTES_MAX && !id.contains('\0');
    if !good {
        let remedy = "write at most 255 bytes, none of them zero";
        found.add(line, path, "is no id", remedy);
    }
    good
}

fn timezone(root: &mut Section<'_>, found: &mut Findings) -> Option<Tz> {
    let text = root.text("timezone", found);
    let (text, line) = root.required("timezone", text, found)?;
    let read = text.parse().ok();
    if read.is_none() {
        let remedy = "write an IANA name such as Asia/Taipei";
        found.add(line, "timezone", format!("{text} is not a time zone"), remedy);
    }
    read
}

fn currency(root: &mut Section<'_>, found: &mut Findings) -> Option<Currency> {
    let text = root.text("currency", found);
    let (code, line) = root.required("currency", text, found)?;
    match iso_currency::Currency::from_code(code) {
        Some(currency) => Some(Currency {
            code: code.into(),
            digits: currency.exponent().map_or(0, u32::from),
        }),
        None => {
            let remedy = "write an ISO 4217 code such as TWD";
            found.add(line, "currency", format!("{code} is not a currency"), remedy);
            None
        }
    }
}

fn channels(root: &mut Section<'_>, found: &mut Findings) -> Channels {
    match root.get("channels") {
        Some(_) => Channels::Only(root.names("channels", found)),
        None => Channels::All,
    }
}

/// Canonical JSON in one line: every field written out, in the contract's order, fit to be
/// published and to be read back as the same version.
pub fn write(rules: &RuleVersion) -> String {
    let RuleVersion {
        shop_id,
        version,
        effective_from,
        timezone,
        currency,
        enabled,
        on_disable,
        channels,
        require_login,
        accrual,
        bonuses,
        caps,
        tiers,
        issuance,
        expiry,
        reversal,
        redemption,
        gifts,
        notices,
        annotations,
    } = rules;
    let channels = match channels {
        Channels::All => Value::Null,
        Channels::Only(channels) => json!(channels),
    };
    let mut document = json!({
        "shop_id": shop_id,
        "version": version,
        "effective_from": effective_from.rfc3339(),
        "timezone": timezone.name(),
        "currency": currency.code,
        "enabled": enabled,
        "on_disable": on_disable.word(),
        "channels": channels,
        "require_login": require_login,
        "accrual": accrual::write(accrual),
        "bonuses": bonus::write_all(bonuses),
        "caps": bonus::write_caps(caps),
        "tiers": tiers.as_ref().map(tiers::write),
        "issuance": issuance::write(issuance),
        "expiry": expiry::write_rule(expiry),
        "reversal": reversal::write(reversal),
        "redemption": redemption.as_ref().map(redemption::write),
        "gifts": gifts::write(gifts),
        "notices": gifts::write_notices(notices),
    });
    for (place, annotation) in annotations {
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
