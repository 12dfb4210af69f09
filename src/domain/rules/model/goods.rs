//! A choice of goods by what they are.

use crate::domain::short_text::ShortText;

/// A line is among them when any of these lists holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goods {
    pub skus: Vec<ShortText>,
    pub products: Vec<ShortText>,
    pub categories: Vec<ShortText>,
    pub brands: Vec<ShortText>,
    pub tags: Vec<ShortText>,
}

/// What a line says of its goods.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    pub sku: Option<&'a str>,
    pub product_id: Option<&'a str>,
    pub categories: &'a [ShortText],
    pub brand: Option<&'a str>,
    pub tags: &'a [ShortText],
}

impl Goods {
    /// No goods are named.
    pub fn is_empty(&self) -> bool {
        let Goods {
            skus,
            products,
            categories,
            brands,
            tags,
        } = self;
        [skus, products, categories, brands, tags]
            .iter()
            .all(|list| list.is_empty())
    }

    pub fn hold(&self, line: Attributes<'_>) -> bool {
        let one =
            |list: &[ShortText], own: Option<&str>| own.is_some_and(|own| list.iter().any(|l| l == own));
        let any = |list: &[ShortText], own: &[ShortText]| own.iter().any(|own| list.contains(own));
        one(&self.skus, line.sku)
            || one(&self.products, line.product_id)
            || any(&self.categories, line.categories)
            || one(&self.brands, line.brand)
            || any(&self.tags, line.tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Vec<ShortText> {
        words.iter().map(|word| (*word).into()).collect()
    }

    #[test]
    fn a_line_is_among_goods_when_any_list_holds_it() {
        let (categories, tags) = (list(&["apparel", "summer"]), list(&["new"]));
        let line = Attributes {
            sku: Some("TEE"),
            product_id: Some("p-9"),
            categories: &categories,
            brand: Some("acme"),
            tags: &tags,
        };
        let none = Goods::default();
        assert!(none.is_empty() && !none.hold(line));
        let with = |set: fn(&mut Goods) -> &mut Vec<ShortText>, word: &str| {
            let mut goods = Goods::default();
            *set(&mut goods) = list(&["other", word]);
            assert!(!goods.is_empty());
            assert!(!goods.hold(Attributes::default()), "a line without attributes");
            goods.hold(line)
        };
        for (set, word, holds) in [
            (
                (|g| &mut g.skus) as fn(&mut Goods) -> &mut Vec<ShortText>,
                "TEE",
                true,
            ),
            (|g| &mut g.skus, "tee", false),
            (|g| &mut g.skus, "p-9", false),
            (|g| &mut g.products, "p-9", true),
            (|g| &mut g.categories, "summer", true),
            (|g| &mut g.categories, "new", false),
            (|g| &mut g.brands, "acme", true),
            (|g| &mut g.tags, "new", true),
            (|g| &mut g.tags, "apparel", false),
        ] {
            assert_eq!(with(set, word), holds, "{word}");
        }
    }
}
