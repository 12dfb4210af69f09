//! Amounts, points and times as events hold them.

use std::fmt;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::text::Text;
use crate::domain::instant::Instant;
use crate::domain::money;

const NEGATIVE: &str = "must not be negative";

/// Money: a decimal string or a whole number, not negative, never through a float.
#[derive(Clone, Copy, Default)]
pub struct Amount(pub Decimal);

impl Amount {
    pub fn of_text(text: &str) -> Result<Self, &'static str> {
        match money::parse_amount(text)? {
            amount if amount.is_sign_negative() && !amount.is_zero() => Err(NEGATIVE),
            amount => Ok(Amount(amount)),
        }
    }

    pub fn of_number(number: u64) -> Result<Self, &'static str> {
        match number < 10u64.pow(money::DIGITS_MAX) {
            true => Ok(Amount(Decimal::from(number))),
            false => Err("has more than 18 digits"),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a decimal string such as \"30.98\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        Amount::of_text(text).map_err(|wrong| match wrong {
            NEGATIVE => E::custom(wrong),
            _ => E::custom(format_args!("{text:?} {wrong}")),
        })
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount, E> {
        Amount::of_number(number).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Amount, E> {
        Err(E::custom(NEGATIVE))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Amount, E> {
        Err(E::custom(
            "must be in quotes, as \"30.98\": a JSON number may lose digits",
        ))
    }
}

/// Whole, not negative.
#[derive(Clone, Copy, Default)]
pub struct Points(pub i64);

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        match i64::deserialize(reader)? {
            points if points < 0 => Err(de::Error::custom(NEGATIVE)),
            points => Ok(Points(points)),
        }
    }
}

/// RFC 3339.
#[derive(Clone, Copy)]
pub struct At(pub Instant);

impl Default for At {
    fn default() -> Self {
        At(Instant::MIN)
    }
}

impl At {
    pub fn of_text(text: &str) -> Option<Self> {
        Instant::parse(text).map(At)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(reader)?;
        Self::of_text(&text).ok_or_else(|| de::Error::custom("is not an RFC 3339 time"))
    }
}

/// Units of goods: a decimal string or a JSON number, not negative. Scales and floats of till
/// systems write numbers with fractions; digits beyond what an amount can hold are rounded off.
#[derive(Clone, Copy, Default)]
pub struct Quantity(pub Decimal);

impl Quantity {
    pub fn of_text(text: &str) -> Result<Self, &'static str> {
        Amount::of_text(text).map(|amount| Quantity(amount.0))
    }

    pub fn of_number(number: u64) -> Result<Self, &'static str> {
        Amount::of_number(number).map(|amount| Quantity(amount.0))
    }

    fn of_float(number: f64) -> Result<Self, &'static str> {
        if number.is_sign_negative() && number != 0.0 {
            return Err(NEGATIVE);
        }
        let written = format!("{:.*}", money::SCALE_MAX as usize, number.abs());
        let digits = written.trim_end_matches('0').trim_end_matches('.');
        Self::of_text(digits)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(QuantityVisitor)
    }
}

struct QuantityVisitor;

impl Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number or a decimal string such as \"0.75\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
        Quantity::of_text(text).map_err(|wrong| match wrong {
            NEGATIVE => E::custom(wrong),
            _ => E::custom(format_args!("{text:?} {wrong}")),
        })
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
        Quantity::of_number(number).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Quantity, E> {
        Err(E::custom(NEGATIVE))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
        Quantity::of_float(number).map_err(E::custom)
    }
}

/// When something happened, as a snapshot says it: `null` is not the same as left out.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum FactAt {
    #[default]
    Absent,
    Null,
    At(Instant),
}

impl<'de> Deserialize<'de> for FactAt {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let at = Option::<At>::deserialize(reader)?;
        Ok(at.map_or(FactAt::Null, |at| FactAt::At(at.0)))
    }
}
