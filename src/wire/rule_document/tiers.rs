//! `tiers`: what an order counts for them, and the levels.

use chrono::NaiveTime;
use serde_json::{Map, Value, json};

use super::findings::Findings;
use super::section::{SPAN_MAX, Section};
use super::{accrual, document, issuance, level, node};
use crate::domain::rules::model::*;

/// Levels of one shop. Far beyond what any shop has; it bounds what one member costs.
const LEVELS_MAX: usize = 32;

/// `base` is that of `accrual`, which `counts.base` begins from.
pub fn read(mut section: Section<'_>, base: &Base, found: &mut Findings) -> Option<Tiers> {
    let told = section.word("told", found).unwrap_or_default();
    let mut counts = read_counts(section.section("counts", found), base, found);
    if section.word("effective", found) == Some(Effective::NextDay) {
        counts.delay_days = counts.delay_days.saturating_add(1);
        counts.at = DueAt::Local(NaiveTime::MIN);
    }
    let on_refund = section.word("on_refund", found).unwrap_or_default();
    let on_expiry = section.word("on_expiry", found).unwrap_or_default();
    let retroactive = section.bool("retroactive", false, found);
    let levels = read_levels(&mut section, found);
    section.end(found);
    Some(Tiers {
        told,
        counts,
        on_refund,
        on_expiry,
        retroactive,
        levels: levels?,
    })
}

fn read_counts(section: Option<Section<'_>>, base: &Base, found: &mut Findings) -> Counts {
    let left_out = Counts::of(base);
    let Some(mut section) = section else {
        return left_out;
    };
    let delay_days = section.whole("delay_days", 0, SPAN_MAX, found);
    let counts = Counts {
        on: section.word("on", found).unwrap_or(left_out.on),
        delay_days: delay_days.and_then(|days| u32::try_from(days).ok()).unwrap_or(0),
        at: issuance::read_due_at(&mut section, found).unwrap_or_default(),
        base: accrual::read_base(section.section("base", found), left_out.base, found),
    };
    section.end(found);
    counts
}

fn read_levels(section: &mut Section<'_>, found: &mut Findings) -> Option<Vec<Level>> {
    let sections = section.list("levels", found);
    let (line, path) = (section.line_of("levels"), section.path("levels"));
    if sections.is_empty() {
        match section.get("levels").map(|node| &node.value) {
            None => found.add(line, &path, "is missing", "add a list of levels, lowest first"),
            Some(node::Value::List(items)) if items.is_empty() => {
                found.add(line, &path, "is empty", "add at least one level");
            }
            Some(_) => {}
        }
        return None;
    }
    if sections.len() > LEVELS_MAX {
        let wrong = format!("has {} levels", sections.len());
        found.add(line, &path, wrong, format!("write at most {LEVELS_MAX}"));
        return None;
    }
    let mut levels: Vec<Level> = Vec::new();
    let mut whole = true;
    for (rank, section) in sections.into_iter().enumerate() {
        let name_line = section.line_of("name");
        let name_path = section.path("name");
        match level::read(section, rank == 0, found) {
            Some(level) if levels.iter().any(|known| known.name == level.name) => {
                let remedy = "give every level a name of its own";
                let wrong = format!("{} stands here twice", level.name);
                found.add(name_line, &name_path, wrong, remedy);
            }
            Some(level) => levels.push(level),
            None => whole = false,
        }
    }
    whole.then_some(levels)
}

/// The `name` of a level.
pub fn read_name(section: &mut Section<'_>, found: &mut Findings) -> Option<String> {
    let text = section.text("name", found);
    let (name, line) = section.required("name", text, found)?;
    document::is_id(name, line, &section.path("name"), found).then(|| name.to_owned())
}

pub fn write(tiers: &Tiers) -> Value {
    let Tiers {
        told,
        counts,
        on_refund,
        on_expiry,
        retroactive,
        levels,
    } = tiers;
    let levels = levels.iter().enumerate();
    let levels: Vec<Value> = levels.map(|(rank, one)| level::write(one, rank == 0)).collect();
    json!({
        "told": told.word(),
        "counts": write_counts(counts),
        "on_refund": on_refund.word(),
        "on_expiry": on_expiry.word(),
        "retroactive": retroactive,
        "levels": levels,
    })
}

fn write_counts(counts: &Counts) -> Value {
    let Counts {
        on,
        delay_days,
        at,
        base,
    } = counts;
    let mut fields = Map::new();
    fields.insert("on".to_owned(), json!(on.word()));
    fields.insert("delay_days".to_owned(), json!(delay_days));
    fields.insert("at".to_owned(), issuance::write_due_at(*at));
    fields.insert("base".to_owned(), accrual::write_base(base));
    Value::Object(fields)
}
