//! A choice of goods: `accrual.base.exclude`, `redemption.exclude`, a bonus' `items`.

use serde_json::{Value, json};

use super::findings::Findings;
use super::section::Section;
use crate::domain::rules::model::Goods;

pub fn read(section: Option<Section<'_>>, found: &mut Findings) -> Goods {
    let Some(mut section) = section else {
        return Goods::default();
    };
    let goods = Goods {
        skus: section.names("skus", found),
        products: section.names("products", found),
        categories: section.names("categories", found),
        brands: section.names("brands", found),
        tags: section.names("tags", found),
    };
    section.end(found);
    goods
}

pub fn write(goods: &Goods) -> Value {
    let Goods {
        skus,
        products,
        categories,
        brands,
        tags,
    } = goods;
    json!({
        "skus": skus,
        "products": products,
        "categories": categories,
        "brands": brands,
        "tags": tags,
    })
}
