//! `data` of an order event. Each object is declared once, for serde and for the quick reader.

use serde::de::IgnoredAny;

use crate::wire::object::Object;
use crate::wire::plain::json_object;
use crate::wire::scalar::{Amount, At, FactAt, Points, Quantity};
use crate::wire::text::Text;

json_object! {
    pub struct Data is Data {
        "shop_id" => shop_id: Option<Text<'a>>,
        "order_id" => order_id: Option<Text<'a>>,
        "order" => order: Option<Box<Object<OrderData<'a>>>>,
        "refund" => refund: Option<Object<RefundData<'a>>>,
        "customer" => customer: Option<Object<CustomerData<'a>>>,
        "withdraws" => withdraws: Option<Vec<Text<'a>>>,
        "take_back" => take_back: Option<bool>,
        "return_redeemed" => return_redeemed: Option<bool>,
    }
}

json_object! {
    pub struct OrderData is Order {
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
        "points_redeemed_by" => points_redeemed_by: Option<Text<'a>>,
        "prices_include_tax" => prices_include_tax: Option<bool>,
        "payment_method" => payment_method: Option<Text<'a>>,
        "delivery" => delivery: Option<Object<DeliveryData<'a>>>,
        "test" => test: Option<bool>,
        "paid_at" => paid_at: FactAt,
        "shipped_at" => shipped_at: FactAt,
        "delivered_at" => delivered_at: FactAt,
        "picked_up_at" => picked_up_at: FactAt,
        "completed_at" => completed_at: FactAt,
        "cancelled_at" => cancelled_at: FactAt,
    }
}

json_object! {
    pub struct CustomerData is Customer {
        "id" => id: Option<Text<'a>>,
        "logged_in" => logged_in: Option<bool>,
        "tier" => tier: Option<Text<'a>>,
    }
}

json_object! {
    pub struct LineData is Line {
        "id" => id: Option<Text<'a>>,
        "sku" => sku: Option<Text<'a>>,
        "product_id" => product_id: Option<Text<'a>>,
        "categories" => categories: Option<Vec<Text<'a>>>,
        "brand" => brand: Option<Text<'a>>,
        "tags" => tags: Option<Vec<Text<'a>>>,
        "quantity" => quantity: Option<Quantity>,
        "unit_price" => unit_price: Option<Amount>,
        "discount_total" => discount_total: Option<Amount>,
        "tax_total" => tax_total: Option<Amount>,
    }
}

json_object! {
    pub struct DeliveryData is Delivery {
        // Part of the format, and nothing depends on it.
        "carrier" => carrier: Option<IgnoredAny>,
        "type" => kind: Option<Text<'a>>,
    }
}

json_object! {
    pub struct RefundData is Refund {
        "id" => id: Option<Text<'a>>,
        "line_items" => line_items: Option<Vec<Object<RefundLineData<'a>>>>,
        "amount" => amount: Option<Amount>,
    }
}

json_object! {
    pub struct RefundLineData is RefundLine {
        "id" => id: Option<Text<'a>>,
        "quantity" => quantity: Option<Quantity>,
    }
}
