//! Commands: `data` of an envelope as an entry for the ledger.
//!
//! What names no shop and member cannot be answered and is an error. Everything else that is
//! wrong becomes [`Command::Invalid`], so that whoever sent it learns which field it was.
//! Unknown fields are not looked at.

use chrono::Datelike;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::envelope::{Envelope, EnvelopeError};
use super::{local_time, rule_document};
use crate::domain::entry::{
    Birthday, Command, Entry, EntryKind, Grant, ImportExpiry, Invalid, Qualify, TierSet,
};
use crate::domain::instant::Instant;
use crate::domain::money;
use crate::domain::rules::model::Expiry;

/// Longest id of a shop, order or member, in bytes.
const ID_BYTES_MAX: usize = 255;
/// Longest `reason`, in Unicode characters.
const REASON_CHARS_MAX: usize = 50;
/// Longest `actor`, in Unicode characters.
const ACTOR_CHARS_MAX: usize = 255;
/// Most points one command may move. Sums of thousands of them fit 64 bits.
const POINTS_MAX: i64 = 1_000_000_000_000_000;
/// Most orders one command may count.
const ORDERS_MAX: u64 = 1_000_000_000;
/// Longest account of what is wrong, in Unicode characters: it may quote what was sent.
const DETAIL_CHARS_MAX: usize = 300;

/// Why a record is no command. The text names the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error("type: {0} is not a command")]
    Type(String),
    #[error("data: {0}")]
    Data(String),
    #[error("{0}")]
    Field(String),
}

/// Reads a command that arrived at `arrival`. An entry of [`Command::Invalid`] without a member
/// is a `points.grant_all` that cannot be carried out.
pub fn read(envelope: &Envelope<'_>, arrival: Instant) -> Result<Entry, CommandError> {
    let command = Kind::of(&envelope.kind)?;
    let data: Map<String, Value> =
        serde_json::from_str(envelope.data).map_err(|error| CommandError::Data(error.to_string()))?;
    let data = Fields(&data);
    let shop_id = data.id("shop_id").map_err(CommandError::Field)?;
    let member_id = match command {
        Kind::GrantAll => String::new(),
        _ => data.id("member_id").map_err(CommandError::Field)?,
    };
    let (order_id, kind) = match (data.order_id(command), data.entry_kind(command)) {
        (Ok(order_id), Ok(kind)) => (order_id, kind),
        (order_id, kind) => {
            let wrong = order_id.as_ref().err().or(kind.as_ref().err());
            let invalid = data.invalid(command, wrong.cloned().unwrap_or_default());
            (
                order_id.ok().flatten(),
                EntryKind::Command(Command::Invalid(invalid)),
            )
        }
    };
    Ok(Entry {
        shop_id: shop_id.into(),
        member_id: member_id.into(),
        at: arrival,
        effective_at: envelope.time,
        cause_id: envelope.id.as_ref().into(),
        cause_source: envelope.source.as_ref().into(),
        order_id: order_id.map(Into::into),
        step: 0,
        rule_version: None,
        traceparent: envelope.traceparent.as_deref().map(Into::into),
        kind,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Grant,
    Deduct,
    Redeem,
    Return,
    Import,
    GrantAll,
    Registered,
    TierSet,
    Qualify,
}

impl Kind {
    fn of(text: &str) -> Result<Self, CommandError> {
        Ok(match text {
            "points.grant" => Kind::Grant,
            "points.deduct" => Kind::Deduct,
            "points.redeem" => Kind::Redeem,
            "points.return" => Kind::Return,
            "points.import" => Kind::Import,
            "points.grant_all" => Kind::GrantAll,
            "member.registered" => Kind::Registered,
            "member.tier_set" => Kind::TierSet,
            "member.qualify" => Kind::Qualify,
            other => return Err(CommandError::Type(other.chars().take(100).collect())),
        })
    }
}

/// The fields of `data`. `null` is as good as absent.
struct Fields<'a>(&'a Map<String, Value>);

/// What is wrong, beginning with the field.
type Wrong = String;

impl Fields<'_> {
    fn entry_kind(&self, kind: Kind) -> Result<EntryKind, Wrong> {
        let command = match kind {
            Kind::GrantAll => return Ok(EntryKind::GrantAll(self.grant()?)),
            Kind::Grant => Command::Grant(self.grant()?),
            Kind::Deduct => Command::Deduct {
                points: self.points()?,
                lot_id: self.text("lot_id")?.map(str::to_owned),
                note: Some(self.required_reason()?),
                actor: self.actor()?,
            },
            Kind::Redeem => Command::Redeem {
                points: self.points()?,
                subtotal: self.amount("subtotal")?,
                payable: self.amount("payable")?,
                tier: self.text("tier")?.map(str::to_owned),
                note: self.reason()?,
                actor: self.actor()?,
            },
            Kind::Return => Command::Return {
                redeem_id: self.redeem_id()?,
                points: self.value("points").map(|_| self.points()).transpose()?,
                note: Some(self.required_reason()?),
                actor: self.actor()?,
            },
            Kind::Import => Command::Import {
                points: self.points()?,
                expires: self.import_expiry()?,
                note: self.reason()?,
                actor: self.actor()?,
            },
            Kind::TierSet => Command::TierSet(TierSet {
                tier: self.tier()?,
                since: self.instant("since")?,
                until: self.instant("until")?,
                note: Some(self.required_reason()?),
                actor: self.actor()?,
            }),
            Kind::Qualify => Command::Qualify(self.qualify()?),
            Kind::Registered => Command::Registered {
                birthday: self.birthday()?,
            },
        };
        Ok(EntryKind::Command(command))
    }

    fn grant(&self) -> Result<Grant, Wrong> {
        Ok(Grant {
            points: self.points()?,
            note: Some(self.required_reason()?),
            expiry: self.value("expiry").map(expiry).transpose()?,
            notify: self.notify()?,
            actor: self.actor()?,
        })
    }

    /// Null hands the member back to the facts, so it must be written.
    fn tier(&self) -> Result<Option<String>, Wrong> {
        if !self.0.contains_key("tier") {
            return Err(wrong("tier", "missing; null lets the facts decide again"));
        }
        match self.text("tier")? {
            Some("") => Err(wrong("tier", "must not be empty")),
            tier => Ok(tier.map(str::to_owned)),
        }
    }

    fn qualify(&self) -> Result<Qualify, Wrong> {
        let qualify = Qualify {
            amount: self.signed_amount("amount")?,
            orders: self.orders()?,
            at: self.instant("at")?,
            note: Some(self.required_reason()?),
            actor: self.actor()?,
        };
        if qualify.amount.is_none() && qualify.orders.is_none() {
            return Err(wrong("amount", "missing, as is orders"));
        }
        Ok(qualify)
    }

    fn orders(&self) -> Result<Option<i64>, Wrong> {
        let Some(found) = self.value("orders") else {
            return Ok(None);
        };
        match found.as_i64() {
            Some(orders) if orders.unsigned_abs() <= ORDERS_MAX => Ok(Some(orders)),
            Some(_) => Err(wrong("orders", "is beyond 1000000000")),
            None => Err(wrong("orders", "must be a whole number")),
        }
    }

    fn instant(&self, field: &str) -> Result<Option<Instant>, Wrong> {
        let read = |text| Instant::parse(text).ok_or_else(|| wrong(field, "must be an RFC 3339 time"));
        self.text(field)?.map(read).transpose()
    }

    fn notify(&self) -> Result<bool, Wrong> {
        match self.value("notify") {
            None => Ok(true),
            Some(Value::Bool(notify)) => Ok(*notify),
            Some(_) => Err(wrong("notify", "must be true or false")),
        }
    }

    /// What could be read of a command that cannot be carried out.
    fn invalid(&self, kind: Kind, wrong: Wrong) -> Invalid {
        let moves_points = !matches!(kind, Kind::Registered | Kind::TierSet | Kind::Qualify);
        Invalid {
            detail: wrong.chars().take(DETAIL_CHARS_MAX).collect(),
            points: self.points().ok().filter(|_| moves_points),
            note: self.reason().ok().flatten().filter(|_| kind != Kind::Registered),
            notify: match kind {
                Kind::Grant | Kind::GrantAll => self.notify().unwrap_or(true),
                _ => true,
            },
            actor: self.actor().ok().flatten(),
        }
    }

    fn order_id(&self, kind: Kind) -> Result<Option<String>, Wrong> {
        match kind {
            Kind::Redeem | Kind::Return if self.value("order_id").is_some() => self.id("order_id").map(Some),
            _ => Ok(None),
        }
    }

    /// A `points.return` names one redemption: by its order, or by the id of its command.
    fn redeem_id(&self) -> Result<Option<String>, Wrong> {
        match (self.text("redeem_id")?, self.value("order_id")) {
            (Some(_), Some(_)) => Err(wrong("redeem_id", "stands beside order_id")),
            (None, None) => Err(wrong("redeem_id", "missing, as is order_id")),
            (Some(""), None) => Err(wrong("redeem_id", "must not be empty")),
            (id, _) => Ok(id.map(str::to_owned)),
        }
    }

    fn points(&self) -> Result<i64, Wrong> {
        let found = self.value("points").ok_or_else(|| wrong("points", "missing"))?;
        match found.as_i64() {
            Some(points) if (1..=POINTS_MAX).contains(&points) => Ok(points),
            Some(points) if points <= 0 => Err(wrong("points", "must be more than 0")),
            Some(_) => Err(wrong("points", "is more than 1000000000000000")),
            None => Err(wrong("points", "must be a whole number")),
        }
    }

    fn required_reason(&self) -> Result<String, Wrong> {
        self.reason()?.ok_or_else(|| wrong("reason", "missing"))
    }

    fn reason(&self) -> Result<Option<String>, Wrong> {
        self.bounded("reason", REASON_CHARS_MAX)
    }

    fn actor(&self) -> Result<Option<String>, Wrong> {
        self.bounded("actor", ACTOR_CHARS_MAX)
    }

    fn bounded(&self, field: &str, chars_max: usize) -> Result<Option<String>, Wrong> {
        match self.text(field)? {
            Some(text) if text.chars().count() > chars_max => {
                Err(wrong(field, &format!("is longer than {chars_max} characters")))
            }
            text => Ok(text.map(str::to_owned)),
        }
    }

    fn amount(&self, field: &str) -> Result<Option<Decimal>, Wrong> {
        match self.signed_amount(field)? {
            Some(amount) if amount.is_sign_negative() && !amount.is_zero() => {
                Err(wrong(field, "must not be negative"))
            }
            amount => Ok(amount),
        }
    }

    fn signed_amount(&self, field: &str) -> Result<Option<Decimal>, Wrong> {
        let amount = match self.value(field) {
            None => return Ok(None),
            Some(Value::String(text)) => money::parse_amount(text).map_err(|what| wrong(field, what))?,
            Some(Value::Number(number)) if number.is_i64() => {
                money::parse_amount(&number.to_string()).map_err(|what| wrong(field, what))?
            }
            Some(_) => return Err(wrong(field, "must be a decimal string such as \"30.98\"")),
        };
        Ok(Some(amount))
    }

    fn import_expiry(&self) -> Result<ImportExpiry, Wrong> {
        match (self.text("expires_at")?, self.text("expires_on")?) {
            (None, None) => Ok(ImportExpiry::Never),
            (Some(_), Some(_)) => Err(wrong("expires_on", "stands beside expires_at")),
            (Some(at), None) => {
                let at = Instant::parse(at).ok_or_else(|| wrong("expires_at", "must be an RFC 3339 time"))?;
                Ok(ImportExpiry::At(at))
            }
            (None, Some(date)) => {
                Ok(ImportExpiry::On(local_time::day(date).ok_or_else(|| {
                    wrong("expires_on", "must be a day that exists, as YYYY-MM-DD")
                })?))
            }
        }
    }

    /// `YYYY-MM-DD` or `MM-DD`.
    fn birthday(&self) -> Result<Option<Birthday>, Wrong> {
        let Some(text) = self.text("birthday")? else {
            return Ok(None);
        };
        let of_a_year = || local_time::day(text).map(|day| (day.month(), day.day()));
        let found = local_time::month_and_day(text).or_else(of_a_year);
        let (month, day) =
            found.ok_or_else(|| wrong("birthday", "must be a day that exists, as YYYY-MM-DD or MM-DD"))?;
        Ok(Some(Birthday { month, day }))
    }

    /// An id that becomes part of a key.
    fn id(&self, field: &str) -> Result<String, Wrong> {
        let id = self.text(field)?.ok_or_else(|| wrong(field, "missing"))?;
        if id.is_empty() {
            return Err(wrong(field, "must not be empty"));
        }
        if id.len() > ID_BYTES_MAX {
            return Err(wrong(field, "is longer than 255 bytes"));
        }
        if id.contains('\0') {
            return Err(wrong(field, "must not hold a zero byte"));
        }
        Ok(id.to_owned())
    }

    fn text(&self, field: &str) -> Result<Option<&str>, Wrong> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(field, "must be text")),
        }
    }

    fn value(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }
}

/// In the form, and by the reader, of a rule's own.
fn expiry(value: &Value) -> Result<Expiry, Wrong> {
    if !value.is_object() {
        return Err(wrong("expiry", "must be an object such as {\"after_days\": 30}"));
    }
    rule_document::read_expiry(value).map_err(|errors| match errors.first() {
        Some(error) => wrong(&error.field, &format!("{}; {}", error.wrong, error.remedy)),
        None => wrong("expiry", "cannot be read"),
    })
}

fn wrong(field: &str, what: &str) -> Wrong {
    format!("data.{field}: {what}")
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
