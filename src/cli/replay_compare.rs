//! What other rules would have changed: two replays of the same events, member by member.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::mem;

use serde::Deserialize;
use serde_json::{Value, json};

/// Which member of which shop.
type Whose = (String, String);

/// What a member ended up with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    issued: i64,
    expired: i64,
    balance: i64,
}

/// Takes in the lines of a replay and keeps the members' tallies alone.
#[derive(Debug, Default)]
pub struct Tallies {
    members: BTreeMap<Whose, Tally>,
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
        let (Some(member), Some(balance)) = (line.data.member_id, line.data.balance_after) else {
            return;
        };
        let tally = self.members.entry((line.data.shop_id, member)).or_default();
        tally.balance = balance;
        match line.r#type.as_str() {
            "points-issued" => tally.issued += line.data.points,
            "points-expired" => tally.expired += line.data.points,
            _ => {}
        }
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
        if was == is {
            continue;
        }
        changed += 1;
        if as_json {
            let mut line = json!({"shop_id": shop, "member_id": member});
            add_fields(&mut line, was, is);
            writeln!(out, "{line}")?;
        } else {
            let fields = fields(was, is).into_iter().filter(|(_, was, is)| was != is);
            writeln!(out, "{shop} {member}: {}", words(fields))?;
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
        self.issued += other.issued;
        self.expired += other.expired;
        self.balance += other.balance;
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
    let told: Vec<String> = fields
        .map(|(name, was, is)| format!("{name} {was} -> {is} ({:+})", is - was))
        .collect();
    told.join(", ")
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
    fn what_changes_is_told_by_member_and_in_all() {
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
        let told = |as_json| {
            let mut out = Vec::new();
            write(&old, &new, as_json, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            told(false),
            "acme m-1: issued 10 -> 20 (+10), expired 0 -> 20 (+20), balance 10 -> 0 (-10)\n\
             acme m-3: issued 1 -> 0 (-1), balance 1 -> 0 (-1)\n\
             in all, for 2 of 3 members: issued 16 -> 25 (+9), expired 0 -> 20 (+20), balance 16 -> 5 (-11)\n"
        );
        let lines = told(true);
        let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        assert_eq!(
            last,
            json!({"total": true, "members": 3, "changed": 2, "issued": {"old": 16, "new": 25},
                   "expired": {"old": 0, "new": 20}, "balance": {"old": 16, "new": 5}})
        );
        assert_eq!(lines.lines().count(), 3);
    }
}
