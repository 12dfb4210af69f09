//! `data` of an order event. Each object is declared once, for serde and for the quick reader.

use crate::wire::object::Object;
use crate::wire::plain::json_object;
use crate::wire::scalar::{Amount, At, Points};
use crate::wire::text::Text;

json_object! {
    pub struct Data {
        "shop_id" => shop_id: Option<Text<'a>>,
        "order_id" => order_id: Option<Text<'a>>,
        "order" => order: Option<Box<Object<OrderData<'a>>>>,
        "refund" => refund: Option<Object<RefundData<'a>>>,
        "take_back" => take_back: Option<bool>,
        "return_redeemed" => return_redeemed: Option<bool>,
    }
}

json_object! {
    pub struct OrderData {
        "revision" => revision: Option<i64>,
        "created_at" => created_at: Option<At>,
        "channel" => channel: Option<Text<'a>>,
        "currency" => currency: Option<Text<'a>>,
        "customer" => customer: Option<Object<CustomerData<'a>>>,
        "line_items" => line_items: Option<Vec<Object<LineData<'a>>>>,
        "subtotal" => subtotal: Option<Amount>,
        "discount_total" => discount_total: Option<Amount>,
        "store_credit" => store_credit: Option<Amount>,
        "shipping_total" => shipping_total: Option<Amount>,
        "tax_total" => tax_total: Option<Amount>,
        "surcharge_total" => surcharge_total: Option<Amount>,
        "points_redeemed" => points_redeemed: Option<Points>,
        "points_redeemed_amount" => points_redeemed_amount: Option<Amount>,
        "delivery" => delivery: Option<Object<DeliveryData<'a>>>,
        "test" => test: Option<bool>,
        "paid_at" => paid_at: Option<At>,
        "shipped_at" => shipped_at: Option<At>,
        "delivered_at" => delivered_at: Option<At>,
        "picked_up_at" => picked_up_at: Option<At>,
        "completed_at" => completed_at: Option<At>,
        "cancelled_at" => cancelled_at: Option<At>,
    }
}

json_object! {
    pub struct CustomerData {
        "id" => id: Option<Text<'a>>,
        "logged_in" => logged_in: Option<bool>,
        "tier" => tier: Option<Text<'a>>,
    }
}

json_object! {
    pub struct LineData {
        "id" => id: Option<Text<'a>>,
        "quantity" => quantity: Option<u32>,
        "unit_price" => unit_price: Option<Amount>,
        "discount_total" => discount_total: Option<Amount>,
    }
}

json_object! {
    pub struct DeliveryData {
        "type" => kind: Option<Text<'a>>,
    }
}

json_object! {
    pub struct RefundData {
        "id" => id: Option<Text<'a>>,
        "line_items" => line_items: Option<Vec<Object<RefundLineData<'a>>>>,
        "amount" => amount: Option<Amount>,
    }
}

json_object! {
    pub struct RefundLineData {
        "id" => id: Option<Text<'a>>,
        "quantity" => quantity: Option<u32>,
    }
}
