//! `data` of an order event, field by field: as serde reads it, and as it is read when plain.

use serde::Deserialize;

use crate::wire::object::Object;
use crate::wire::plain::{FromPlain, Plain, plain_fields};
use crate::wire::scalar::{Amount, At, Points};
use crate::wire::text::Text;

#[derive(Default, Deserialize)]
pub struct Data<'a> {
    #[serde(borrow)]
    pub shop_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub order_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub order: Option<Box<Object<OrderData<'a>>>>,
    #[serde(borrow)]
    pub refund: Option<Object<RefundData<'a>>>,
    pub take_back: Option<bool>,
    pub return_redeemed: Option<bool>,
}

#[derive(Default, Deserialize)]
pub struct OrderData<'a> {
    pub revision: Option<i64>,
    pub created_at: Option<At>,
    #[serde(borrow)]
    pub channel: Option<Text<'a>>,
    #[serde(borrow)]
    pub currency: Option<Text<'a>>,
    #[serde(borrow)]
    pub customer: Option<Object<CustomerData<'a>>>,
    #[serde(borrow)]
    pub line_items: Option<Vec<Object<LineData<'a>>>>,
    pub subtotal: Option<Amount>,
    pub discount_total: Option<Amount>,
    pub store_credit: Option<Amount>,
    pub shipping_total: Option<Amount>,
    pub tax_total: Option<Amount>,
    pub surcharge_total: Option<Amount>,
    pub points_redeemed: Option<Points>,
    pub points_redeemed_amount: Option<Amount>,
    #[serde(borrow)]
    pub delivery: Option<Object<DeliveryData<'a>>>,
    pub test: Option<bool>,
    pub paid_at: Option<At>,
    pub shipped_at: Option<At>,
    pub delivered_at: Option<At>,
    pub picked_up_at: Option<At>,
    pub completed_at: Option<At>,
    pub cancelled_at: Option<At>,
}

#[derive(Default, Deserialize)]
pub struct CustomerData<'a> {
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    pub logged_in: Option<bool>,
    #[serde(borrow)]
    pub tier: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
pub struct LineData<'a> {
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    pub quantity: Option<u32>,
    pub unit_price: Option<Amount>,
    pub discount_total: Option<Amount>,
}

#[derive(Default, Deserialize)]
pub struct DeliveryData<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
pub struct RefundData<'a> {
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    #[serde(borrow)]
    pub line_items: Option<Vec<Object<RefundLineData<'a>>>>,
    pub amount: Option<Amount>,
}

#[derive(Default, Deserialize)]
pub struct RefundLineData<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    pub quantity: u32,
}

plain_fields!(Data<'a> {
    "shop_id": shop_id,
    "order_id": order_id,
    "order": order,
    "refund": refund,
    "take_back": take_back,
    "return_redeemed": return_redeemed,
});

plain_fields!(OrderData<'a> {
    "revision": revision,
    "created_at": created_at,
    "channel": channel,
    "currency": currency,
    "customer": customer,
    "line_items": line_items,
    "subtotal": subtotal,
    "discount_total": discount_total,
    "store_credit": store_credit,
    "shipping_total": shipping_total,
    "tax_total": tax_total,
    "surcharge_total": surcharge_total,
    "points_redeemed": points_redeemed,
    "points_redeemed_amount": points_redeemed_amount,
    "delivery": delivery,
    "test": test,
    "paid_at": paid_at,
    "shipped_at": shipped_at,
    "delivered_at": delivered_at,
    "picked_up_at": picked_up_at,
    "completed_at": completed_at,
    "cancelled_at": cancelled_at,
});

plain_fields!(CustomerData<'a> { "id": id, "logged_in": logged_in, "tier": tier });

plain_fields!(LineData<'a> {
    "id": id,
    "quantity": quantity,
    "unit_price": unit_price,
    "discount_total": discount_total,
});

plain_fields!(DeliveryData<'a> { "type": kind });

plain_fields!(RefundData<'a> { "id": id, "line_items": line_items, "amount": amount });

impl<'a> FromPlain<'a> for RefundLineData<'a> {
    fn fill(&mut self, json: &mut Plain<'a>) -> Option<()> {
        let (mut id, mut quantity) = (None, None);
        json.object(|json, name| match name {
            "id" => json.value(&mut id),
            "quantity" => json.value(&mut quantity),
            _ => json.skip(),
        })?;
        *self = RefundLineData {
            id: id?,
            quantity: quantity?,
        };
        Some(())
    }
}
