//! Finds the fields of an event that are not declared. The quick reader notes them in passing; what is
//! left to serde is looked through once more.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::data::{CustomerData, Data, DeliveryData, LineData, OrderData, RefundData, RefundLineData};
use crate::domain::order::facts::{Section, UnknownField};
use crate::wire::plain::{FromPlain, Plain, UNKNOWN_MAX_COUNT};
use crate::wire::text::Text;

/// A value, and the unknown fields met in reading it.
#[derive(Default)]
pub struct Watched<T> {
    pub value: T,
    /// `None`: serde has read it, which notes none.
    pub unknown: Option<Vec<UnknownField>>,
}

impl<'a, T: FromPlain<'a>> FromPlain<'a> for Watched<T> {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        self.value.fill(json)?;
        let found = self.unknown.insert(Vec::new());
        for (section, name) in json.noted() {
            note(*section, name, found);
        }
        Some(())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Watched<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        T::deserialize(reader).map(|value| Self { value, unknown: None })
    }
}

fn note(section: Section, name: &str, found: &mut Vec<UnknownField>) {
    let field = UnknownField::new(section, name);
    if found.len() < UNKNOWN_MAX_COUNT && !found.contains(&field) {
        found.push(field);
    }
}

/// Of a record's value, which has been read without a fault.
pub fn of_record(value: &[u8], is_binary: bool) -> Vec<UnknownField> {
    look_through(value, is_binary.then_some(Section::Data))
}

/// Of `data` as text, which has been read without a fault.
pub fn of_data(data: &str) -> Vec<UnknownField> {
    look_through(data.as_bytes(), Some(Section::Data))
}

fn look_through(json: &[u8], section: Option<Section>) -> Vec<UnknownField> {
    let mut found = Vec::new();
    let look = Look {
        section,
        found: &mut found,
    };
    let looked = look.deserialize(&mut serde_json::Deserializer::from_slice(json));
    debug_assert!(looked.is_ok(), "{looked:?}");
    found
}

/// The declared fields of an object, and those that are objects themselves, or lists of them.
fn known(section: Section) -> (&'static [&'static str], &'static [(&'static str, Section)]) {
    match section {
        Section::Data => (
            Data::FIELDS,
            &[
                ("order", Section::Order),
                ("refund", Section::Refund),
                ("customer", Section::Customer),
            ],
        ),
        Section::Order => (
            OrderData::FIELDS,
            &[
                ("customer", Section::Customer),
                ("line_items", Section::Line),
                ("delivery", Section::Delivery),
            ],
        ),
        Section::Customer => (CustomerData::FIELDS, &[]),
        Section::Line => (LineData::FIELDS, &[]),
        Section::Delivery => (DeliveryData::FIELDS, &[]),
        Section::Refund => (RefundData::FIELDS, &[("line_items", Section::RefundLine)]),
        Section::RefundLine => (RefundLineData::FIELDS, &[]),
    }
}

struct Look<'l> {
    /// `None`: the event around its data, where anybody may have attributes of their own.
    section: Option<Section>,
    found: &'l mut Vec<UnknownField>,
}

impl Look<'_> {
    fn within(&mut self, section: Option<Section>) -> Look<'_> {
        Look {
            section,
            found: self.found,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object, a list of them, or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let section = self.section;
        while items.next_element_seed(self.within(section))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<(), A::Error> {
        let (declared, nested) = match self.section {
            Some(section) => known(section),
            None => (&[][..], &[("data", Section::Data)][..]),
        };
        while let Some(name) = fields.next_key::<Text>()? {
            if let Some((_, section)) = nested.iter().find(|(known, _)| *known == &*name) {
                fields.next_value_seed(self.within(Some(*section)))?;
                continue;
            }
            match self.section {
                Some(section) if !declared.contains(&&*name) => note(section, &name, self.found),
                _ => {}
            }
            fields.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::order::facts::OrderEvent;

    fn read(event: &str) -> OrderEvent {
        super::super::read(Some(event.as_bytes()), [].into_iter()).unwrap()
    }

    fn unknown(event: &str) -> Vec<String> {
        let unknown = read(event).unknown;
        let shown = unknown
            .iter()
            .map(|field| format!("{}.{}", field.section.path(), field.name));
        shown.collect()
    }

    #[test]
    fn unknown_fields_are_found_by_either_reader() {
        let event = concat!(
            r#"{"specversion":"1.0","id":"e1","source":"/s","type":"order.refunded","time":"2022-03-02T10:00:00Z","#,
            r#""partitionkey":"x","data":{"shop_id":"acme","order_id":"A-1","note":{"subtotal":1},"note":2,"order":{"#,
            r#""subtotall":"10","line_items":[{"id":"l","unit_prise":"1"},{"vendor":[{"a":1}],"unit_prise":"2"}],"#,
            r#""customer":{"email":"x"},"delivery":{"carrier":"c","shop":1}},"customer":{"email":"x"},"#,
            r#""refund":{"id":"r","amuont":"1","line_items":[{"id":"l","quantity":1,"qty":1}]}}}"#,
        );
        let wanted = [
            "data.note",
            "data.order.subtotall",
            "data.order.line_items.unit_prise",
            "data.order.line_items.vendor",
            "customer.email",
            "data.order.delivery.shop",
            "data.refund.amuont",
            "data.refund.line_items.qty",
        ];
        assert_eq!(unknown(event), wanted);
        // What the quick reader does not take: an escape, a line break, a field that comes twice.
        for (from, to) in [
            ("acme", "\\u0061cme"),
            ("/s", "\\/s"),
            (r#""order":{"#, "\n\"order\":{"),
            (
                r#""subtotall":"10""#,
                r#""subtotall":"10","tax_total":"0","tax_total":"0""#,
            ),
        ] {
            let odd = event.replacen(from, to, 1);
            assert_ne!(odd, event);
            assert_eq!(unknown(&odd), wanted, "{odd}");
        }
        let long = event.replacen("subtotall", &"x".repeat(70), 1);
        assert!(unknown(&long).contains(&format!("data.order.{}", "x".repeat(64))));
        let many: String = (0..20).map(|number| format!("\"f{number}\":0,")).collect();
        let many = event.replacen(r#""note":2,"#, &many, 1);
        assert_eq!(unknown(&many).len(), UNKNOWN_MAX_COUNT);
    }

    /// A field that the format has is never said to be unknown.
    #[test]
    fn every_field_of_the_schema_is_known() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/inputs/order.json");
        let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for (section, place) in [
            (Section::Order, ""),
            (Section::Customer, "/properties/customer/anyOf/0"),
            (Section::Line, "/properties/line_items/items"),
            (Section::Delivery, "/properties/delivery/anyOf/0"),
        ] {
            let properties = schema.pointer(&format!("{place}/properties")).unwrap();
            let mut wanted: Vec<&str> = properties
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            let mut declared = known(section).0.to_vec();
            wanted.sort_unstable();
            declared.sort_unstable();
            assert_eq!(declared, wanted, "{}", section.path());
        }
    }
}
