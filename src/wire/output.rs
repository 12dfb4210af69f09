//! Published events: CloudEvents, binary mode on Kafka, one line of structured mode in `replay`.
//!
//! The JSON of `data` has a fixed order of fields, so the same outcome is the same bytes.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use compact_str::format_compact;

use crate::domain::instant::Instant;
use crate::domain::ledger::tiers::Unmet;
use crate::domain::outcome::{Body, LotPart, Movement, Outcome};

/// Which topic an event belongs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicKind {
    Issued,
    Expired,
    Events,
}

/// An event as it is published.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    pub topic: TopicKind,
    pub key: Bytes,
    pub headers: Vec<Header>,
    pub value: Bytes,
}

/// One record header, shaped as the engine's.
pub type Header = (Arc<str>, Option<Bytes>);

/// Binary mode: attributes are headers, the value is `data`.
pub fn encode(outcome: &Outcome) -> Published {
    let subject = Bytes::copy_from_slice(subject(outcome).as_bytes());
    let mut value = Vec::with_capacity(VALUE_BYTES);
    data(outcome, &mut Object(&mut value));
    let names = &*NAMES;
    let mut headers = vec![
        (names.specversion.clone(), Some(Bytes::from_static(b"1.0"))),
        (names.id.clone(), Some(Bytes::from(outcome.id.clone()))),
        (names.source.clone(), Some(Bytes::from(source(&outcome.shop_id)))),
        (
            names.kind.clone(),
            Some(Bytes::from_static(type_of(&outcome.body).as_bytes())),
        ),
        (
            names.time.clone(),
            Some(Bytes::from(outcome.effective_at.rfc3339())),
        ),
        (names.subject.clone(), Some(subject.clone())),
        (
            names.content_type.clone(),
            Some(Bytes::from_static(JSON.as_bytes())),
        ),
    ];
    if let Some(trace) = &outcome.traceparent {
        headers.push((
            names.traceparent.clone(),
            Some(Bytes::copy_from_slice(trace.as_bytes())),
        ));
    }
    Published {
        topic: match outcome.body {
            Body::Issued { .. } => TopicKind::Issued,
            Body::Expired { .. } => TopicKind::Expired,
            _ => TopicKind::Events,
        },
        key: subject,
        headers,
        value: Bytes::from(value),
    }
}

/// Structured mode: one line of JSON, its line break included, behind what is in `line`.
pub fn write_line(outcome: &Outcome, line: &mut Vec<u8>) {
    let mut event = Object(line);
    event.open();
    event.own("specversion", "1.0");
    event.own("id", &outcome.id);
    event.own("source", &source(&outcome.shop_id));
    event.own("type", type_of(&outcome.body));
    event.text("subject", subject(outcome));
    event.own("time", &outcome.effective_at.rfc3339());
    event.own("datacontenttype", JSON);
    if let Some(trace) = &outcome.traceparent {
        event.text("traceparent", trace);
    }
    event.name("data");
    data(outcome, &mut event);
    event.close();
    line.push(b'\n');
}

/// Whom an event is about: the member, or the order of a guest, or the shop.
fn subject(outcome: &Outcome) -> &str {
    let subject = outcome.member_id.as_ref().or(outcome.order_id.as_ref());
    subject.unwrap_or(&outcome.shop_id)
}

/// The `type` attribute.
pub fn type_of(body: &Body) -> &'static str {
    match body {
        Body::Issued { .. } => "points-issued",
        Body::Expired { .. } => "points-expired",
        Body::Pending { .. } => "points-pending",
        Body::Withheld { .. } => "points-withheld",
        Body::Revoked { .. } => "points-revoked",
        Body::Redeemed { .. } => "points-redeemed",
        Body::Returned { .. } => "points-returned",
        Body::Adjusted { .. } => "points-adjusted",
        Body::Expiring { .. } => "points-expiring",
        Body::TierChanged { .. } => "tier-changed",
        Body::TierRenewed { .. } => "tier-renewed",
        Body::TierExpiring { .. } => "tier-expiring",
        Body::Rejected { .. } => "points-rejected",
    }
}

/// Room for an outcome's data.
const VALUE_BYTES: usize = 1024;
const JSON: &str = "application/json";

struct Names {
    specversion: Arc<str>,
    id: Arc<str>,
    source: Arc<str>,
    kind: Arc<str>,
    time: Arc<str>,
    subject: Arc<str>,
    content_type: Arc<str>,
    traceparent: Arc<str>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    specversion: "ce_specversion".into(),
    id: "ce_id".into(),
    source: "ce_source".into(),
    kind: "ce_type".into(),
    time: "ce_time".into(),
    subject: "ce_subject".into(),
    content_type: "content-type".into(),
    traceparent: "traceparent".into(),
});

/// `source` is a URI reference, so what a path segment may not hold is percent-encoded.
fn source(shop_id: &str) -> String {
    let mut source = String::from("/accrual/shops/");
    for byte in shop_id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            source.push(char::from(byte));
        } else {
            source.push_str(&format!("%{byte:02X}"));
        }
    }
    source
}

fn data(outcome: &Outcome, data: &mut Object) {
    data.open();
    data.text("shop_id", &outcome.shop_id);
    data.optional("member_id", outcome.member_id.as_deref());
    data.optional("order_id", outcome.order_id.as_deref());
    data.optional_number("rule_version", outcome.rule_version);
    data.own("reason", outcome.reason.code());
    data.own("effective_at", &outcome.effective_at.rfc3339());
    data.text("cause_id", &outcome.cause_id);
    data.optional("note", outcome.note.as_deref());
    data.boolean("notify", outcome.notify);
    if let Some(actor) = &outcome.actor {
        data.text("actor", actor);
    }
    body(data, &outcome.body);
    data.close();
}

fn body(data: &mut Object, body: &Body) {
    match body {
        Body::Issued {
            movement: moved,
            lot_id,
            issued_at,
            expires_at,
            base,
            bonus_id,
            tier,
        } => {
            movement(data, moved);
            data.own("lot_id", lot_id);
            data.own("issued_at", &issued_at.rfc3339());
            data.optional_time("expires_at", *expires_at);
            if let Some((amount, currency)) = base {
                data.text("base_amount", &format_compact!("{amount}"));
                data.text("currency", currency);
            }
            if let Some(bonus) = bonus_id {
                data.text("bonus_id", bonus);
            }
            if let Some(tier) = tier {
                data.text("tier", tier);
            }
        }
        Body::Expired {
            movement: moved,
            lot_id,
            issued_at,
            expired_at,
        } => {
            movement(data, moved);
            data.own("lot_id", lot_id);
            data.own("issued_at", &issued_at.rfc3339());
            data.own("expired_at", &expired_at.rfc3339());
        }
        Body::Pending { points, due_at } => {
            data.number("points", *points);
            data.optional_time("due_at", *due_at);
        }
        Body::Withheld { points } => {
            if let Some(points) = points {
                data.number("points", *points);
            }
        }
        Body::Revoked {
            movement: moved,
            requested,
        } => {
            movement(data, moved);
            data.number("requested", *requested);
        }
        Body::Redeemed {
            movement: moved,
            worth,
        } => {
            movement(data, moved);
            if let Some(worth) = worth {
                data.text("amount", &format_compact!("{}", worth.amount));
                data.text("currency", &worth.currency);
            }
        }
        Body::Returned { movement: moved } | Body::Adjusted { movement: moved } => movement(data, moved),
        Body::Expiring {
            points,
            expires_at,
            days_left,
            lots: parts,
        } => {
            data.number("points", *points);
            data.own("expires_at", &expires_at.rfc3339());
            data.number("days_left", *days_left);
            lots(data, parts);
        }
        Body::TierChanged {
            from,
            to,
            is_up,
            since,
            until,
            benefits,
        } => {
            data.text("from", from);
            data.text("to", to);
            data.own("direction", if *is_up { "up" } else { "down" });
            data.optional_time("since", *since);
            data.optional_time("until", *until);
            data.raw("benefits", benefits.as_deref().unwrap_or("null").as_bytes());
        }
        Body::TierRenewed { tier, since, until } => {
            data.text("tier", tier);
            data.own("since", &since.rfc3339());
            data.optional_time("until", *until);
        }
        Body::TierExpiring {
            tier,
            until,
            days_left,
            falls_to,
            missing: conditions,
        } => {
            data.text("tier", tier);
            data.own("until", &until.rfc3339());
            data.number("days_left", *days_left);
            data.text("falls_to", falls_to);
            missing(data, conditions);
        }
        Body::Rejected { points, detail } => {
            if let Some(points) = points {
                data.number("points", *points);
            }
            if let Some(detail) = detail {
                data.text("detail", detail);
            }
        }
    }
}

/// For each condition the parts that do not hold.
fn missing(data: &mut Object, conditions: &[Vec<Unmet>]) {
    data.name("missing");
    data.0.push(b'[');
    for (index, parts) in conditions.iter().enumerate() {
        if index > 0 {
            data.0.push(b',');
        }
        data.0.push(b'[');
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                data.0.push(b',');
            }
            data.open();
            data.own("measure", part.measure.word());
            data.own("have", &part.have.normalize().to_string());
            data.own("need", &part.need.normalize().to_string());
            data.own("missing", &part.missing().normalize().to_string());
            data.close();
        }
        data.0.push(b']');
    }
    data.0.push(b']');
}

fn movement(data: &mut Object, movement: &Movement) {
    data.number("points", movement.points);
    data.number("balance_after", movement.balance_after);
    data.number("sequence", movement.sequence);
    lots(data, &movement.lots);
}

fn lots(data: &mut Object, parts: &[LotPart]) {
    data.name("lots");
    data.0.push(b'[');
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            data.0.push(b',');
        }
        data.open();
        data.own("lot_id", &part.lot_id);
        data.number("points", part.points);
        data.optional_time("expires_at", part.expires_at);
        data.close();
    }
    data.0.push(b']');
}

/// JSON objects, written field by field.
struct Object<'a>(&'a mut Vec<u8>);

impl Object<'_> {
    fn open(&mut self) {
        self.0.push(b'{');
    }

    fn close(&mut self) {
        self.0.push(b'}');
    }

    /// Names are ours and need no escapes.
    fn name(&mut self, name: &str) {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn raw(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(json);
    }

    /// A text of ours, which needs no escapes either: an id, a code, a time.
    fn own(&mut self, name: &str, text: &str) {
        self.name(name);
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.0.push(b'"');
        // Looks at all of it: that is many bytes at a time.
        if text.bytes().fold(false, |odd, byte| odd | is_escaped(byte)) {
            self.escaped(text);
        } else {
            self.0.extend_from_slice(text.as_bytes());
        }
        self.0.push(b'"');
    }

    fn escaped(&mut self, text: &str) {
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| is_escaped(*byte)) {
            self.0.extend_from_slice(&text.as_bytes()[plain..at]);
            plain = at + 1;
            match byte {
                b'"' => self.0.extend_from_slice(b"\\\""),
                b'\\' => self.0.extend_from_slice(b"\\\\"),
                b'\n' => self.0.extend_from_slice(b"\\n"),
                b'\r' => self.0.extend_from_slice(b"\\r"),
                b'\t' => self.0.extend_from_slice(b"\\t"),
                _ => self.0.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            }
        }
        self.0.extend_from_slice(&text.as_bytes()[plain..]);
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.raw(name, b"null"),
        }
    }

    fn optional_time(&mut self, name: &str, at: Option<Instant>) {
        match at {
            Some(at) => self.own(name, &at.rfc3339()),
            None => self.raw(name, b"null"),
        }
    }

    fn number(&mut self, name: &str, number: impl itoa::Integer) {
        self.raw(name, itoa::Buffer::new().format(number).as_bytes());
    }

    fn optional_number(&mut self, name: &str, number: Option<impl itoa::Integer>) {
        match number {
            Some(number) => self.number(name, number),
            None => self.raw(name, b"null"),
        }
    }

    fn boolean(&mut self, name: &str, value: bool) {
        self.raw(name, if value { b"true" } else { b"false" });
    }
}

fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
