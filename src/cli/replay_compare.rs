//! What other rules would have changed: two replays of the same events, member by member.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::mem;

use serde::Deserialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::app::escaped::Escaped;

/// Which member of which shop.
type Whose = (String, String);

/// What a member ended up with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    issued: i64,
    expired: i64,
    balance: i64,
    /// Which points came and went when, and when they expire, as one number: it differs where any
    /// of that does.
    times: u64,
}

/// Takes in the lines of a replay and keeps the members' tallies alone.
#[derive(Debug, Default)]
pub struct Tallies {
    members: BTreeMap<Whose, Tally>,
    /// The level that each began in, and the one that was published last.
    tiers: BTreeMap<Whose, (String, String)>,
    /// A line that has begun.
    line: Vec<u8>,
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    shop_id: String,
    member_id: Option<String>,
    #[serde(default)]
    points: i64,
    /// Only of what moves a balance.
    balance_after: Option<i64>,
    effective_at: Option<String>,
    #[serde(default)]
    lots: Vec<Lot>,
    /// Of `tier-changed`.
    from: Option<String>,
    to: Option<String>,
}

#[derive(Deserialize)]
struct Lot {
    points: i64,
    expires_at: Option<String>,
}

impl Write for Tallies {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = mem::take(&mut self.line);
                self.take(serde_json::from_slice(&line)?);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tallies {
    fn take(&mut self, line: Line) {
        if let (Some(member), Some(from), Some(to)) = (&line.data.member_id, line.data.from, line.data.to) {
            let whose = (line.data.shop_id.clone(), member.clone());
            self.members.entry(whose.clone()).or_default();
            self.tiers.entry(whose).or_insert((from, String::new())).1 = to;
        }
        let (Some(member), Some(balance)) = (line.data.member_id, line.data.balance_after) else {
            return;
        };
        let tally = self.members.entry((line.data.shop_id, member)).or_default();
        tally.balance = balance;
        match line.r#type.as_str() {
            "points-issued" => tally.issued = tally.issued.saturating_add(line.data.points),
            "points-expired" => tally.expired = tally.expired.saturating_add(line.data.points),
            _ => {}
        }
        // A sum: of one instant, neither the order counts nor how points lie in lots.
        for lot in line.data.lots {
            let when = (&line.r#type, &line.data.effective_at, &lot.expires_at);
            let when = xxh3_64(format!("{when:?}").as_bytes());
            tally.times = tally
                .times
                .wrapping_add(when.wrapping_mul(lot.points.unsigned_abs()));
        }
    }

    /// `None`: it is the level that the member began in, if the rules have any.
    fn tier(&self, whose: &Whose) -> Option<&str> {
        let (began, last) = self.tiers.get(whose)?;
        (began != last).then_some(last)
    }

    fn of(&self, whose: &Whose) -> Tally {
        self.members.get(whose).copied().unwrap_or_default()
    }
}

/// Writes a line for each member for whom something changes, by shop and member, and one in all.
pub fn write(old: &Tallies, new: &Tallies, as_json: bool, out: &mut dyn Write) -> io::Result<()> {
    let members: BTreeSet<&Whose> = old.members.keys().chain(new.members.keys()).collect();
    let (mut before, mut after, mut changed) = (Tally::default(), Tally::default(), 0);
    for whose @ (shop, member) in &members {
        let (was, is) = (old.of(whose), new.of(whose));
        before.add(was);
        after.add(is);
        let (tier_was, tier_is) = (old.tier(whose), new.tier(whose));
        if was == is && tier_was == tier_is {
            continue;
        }
        changed += 1;
        if as_json {
            let mut line = json!({"shop_id": shop, "member_id": member});
            add_fields(&mut line, was, is);
            line["other_times"] = json!(was.times != is.times);
            if tier_was.is_some() || tier_is.is_some() {
                line["tier"] = json!({"old": tier_was, "new": tier_is});
            }
            writeln!(out, "{line}")?;
        } else {
            let fields = fields(was, is).into_iter().filter(|(_, was, is)| was != is);
            let first = "the first level";
            let tier = (tier_was != tier_is).then(|| {
                format!(
                    "tier {} -> {}",
                    tier_was.unwrap_or(first),
                    tier_is.unwrap_or(first)
                )
            });
            let points = match words(fields) {
                words if words.is_empty() && was != is => "the same points, at other times".to_owned(),
                words => words,
            };
            let changes: Vec<String> = [points]
                .into_iter()
                .filter(|words| !words.is_empty())
                .chain(tier)
                .collect();
            let changes = changes.join(", ");
            writeln!(out, "{} {}: {changes}", Escaped(shop), Escaped(member))?;
        }
    }
    if as_json {
        let mut line = json!({"total": true, "members": members.len(), "changed": changed});
        add_fields(&mut line, before, after);
        return writeln!(out, "{line}");
    }
    let fields = words(fields(before, after).into_iter());
    writeln!(
        out,
        "in all, for {changed} of {} members: {fields}",
        members.len()
    )
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.issued = self.issued.saturating_add(other.issued);
        self.expired = self.expired.saturating_add(other.expired);
        self.balance = self.balance.saturating_add(other.balance);
    }
}

fn fields(was: Tally, is: Tally) -> [(&'static str, i64, i64); 3] {
    [
        ("issued", was.issued, is.issued),
        ("expired", was.expired, is.expired),
        ("balance", was.balance, is.balance),
    ]
}

fn words(fields: impl Iterator<Item = (&'static str, i64, i64)>) -> String {
    let words: Vec<String> = fields
        .map(|(name, was, is)| format!("{name} {was} -> {is} ({:+})", is.saturating_sub(was)))
        .collect();
    words.join(", ")
}

fn add_fields(line: &mut Value, was: Tally, is: Tally) {
    for (name, was, is) in fields(was, is) {
        line[name] = json!({"old": was, "new": is});
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tallies(events: &[(&str, &str, i64, i64)]) -> Tallies {
        let mut tallies = Tallies::default();
        for (kind, member, points, balance) in events {
            let data = json!({
                "shop_id": "acme", "member_id": member, "points": points, "balance_after": balance,
            });
            let line = format!("{}\n", json!({"type": kind, "data": data}));
            let (start, end) = line.as_bytes().split_at(7);
            tallies.write_all(start).unwrap();
            tallies.write_all(end).unwrap();
        }
        let pending =
            json!({"type": "points-pending", "data": {"shop_id": "acme", "member_id": "m-9", "points": 7}});
        tallies.write_all(format!("{pending}\n").as_bytes()).unwrap();
        tallies
    }

    #[test]
    fn changes_are_listed_by_member_and_in_all() {
        let old = tallies(&[
            ("points-issued", "m-1", 10, 10),
            ("points-issued", "m-2", 5, 5),
            ("points-issued", "m-3", 1, 1),
        ]);
        let new = tallies(&[
            ("points-issued", "m-1", 20, 20),
            ("points-expired", "m-1", 20, 0),
            ("points-issued", "m-2", 5, 5),
        ]);
        let written = |as_json| {
            let mut out = Vec::new();
            write(&old, &new, as_json, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(false),
            "acme m-1: issued 10 -> 20 (+10), expired 0 -> 20 (+20), balance 10 -> 0 (-10)\n\
             acme m-3: issued 1 -> 0 (-1), balance 1 -> 0 (-1)\n\
             in all, for 2 of 3 members: issued 16 -> 25 (+9), expired 0 -> 20 (+20), balance 16 -> 5 (-11)\n"
        );
        let lines = written(true);
        let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        assert_eq!(
            last,
            json!({"total": true, "members": 3, "changed": 2, "issued": {"old": 16, "new": 25},
                   "expired": {"old": 0, "new": 20}, "balance": {"old": 16, "new": 5}})
        );
        assert_eq!(lines.lines().count(), 3);
    }

    #[test]
    fn who_ends_in_another_tier_is_listed() {
        let replay = |levels: &[(&str, &str, &str)]| {
            let mut tallies = Tallies::default();
            for (member, from, to) in levels {
                let data = json!({"shop_id": "acme", "member_id": member, "from": from, "to": to});
                writeln!(tallies, "{}", json!({"type": "tier-changed", "data": data})).unwrap();
            }
            tallies
        };
        let old = replay(&[
            ("m-1", "member", "gold"),
            ("m-2", "member", "gold"),
            ("m-2", "gold", "member"),
        ]);
        let new = replay(&[("m-1", "member", "silver"), ("m-3", "member", "gold")]);
        let written = |as_json| {
            let mut out = Vec::new();
            write(&old, &new, as_json, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(false).lines().take(3).collect::<Vec<_>>(),
            [
                "acme m-1: tier gold -> silver",
                "acme m-3: tier the first level -> gold",
                "in all, for 2 of 3 members: issued 0 -> 0 (+0), expired 0 -> 0 (+0), balance 0 -> 0 (+0)",
            ]
        );
        let first: Value = serde_json::from_str(written(true).lines().next().unwrap()).unwrap();
        assert_eq!(first["tier"], json!({"old": "gold", "new": "silver"}));
    }

    #[test]
    fn other_times_are_a_change() {
        let replay = |lots: &[(i64, &str)], at: &str| {
            let mut tallies = Tallies::default();
            let lots = lots
                .iter()
                .map(|(points, expires_at)| json!({"points": points, "expires_at": expires_at}));
            let data = json!({
                "shop_id": "acme", "member_id": "m-1", "points": 10, "balance_after": 10,
                "effective_at": at, "lots": lots.collect::<Vec<_>>(),
            });
            writeln!(tallies, "{}", json!({"type": "points-issued", "data": data})).unwrap();
            tallies
        };
        let first_line = |new: &Tallies| {
            let mut out = Vec::new();
            write(&replay(&[(10, "2023")], "2022"), new, false, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            text.lines().next().unwrap().to_owned()
        };
        for new in [replay(&[(10, "2024")], "2022"), replay(&[(10, "2023")], "2021")] {
            assert_eq!(first_line(&new), "acme m-1: the same points, at other times");
        }
        let split = replay(&[(4, "2023"), (6, "2023")], "2022");
        assert!(first_line(&split).starts_with("in all, for 0 of 1 members: "));
    }
}
