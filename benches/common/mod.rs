//! What the benchmarks share: an everyday shop, its orders, and what they run on. Each of them
//! uses a part.
#![allow(dead_code)]

pub mod system;

use std::fmt::Write as _;

use super::support;

pub const RULES: &str = "
shop_id: acme
version: 1
effective_from: 2024-01-01T00:00:00+08:00
timezone: Asia/Taipei
currency: TWD
accrual:
  rate: {every: \"100\", points: 1, rounding: per_unit}
issuance: {on: completed}
expiry: {after_days: 3650}
";

/// Created, paid, shipped, delivered, completed.
pub const EVENTS_PER_ORDER: usize = 5;

pub fn order_id(order: usize) -> String {
    format!("A-{order:09}")
}

/// An order's event of that step. `attributes` are more of the envelope's, each with its comma.
pub fn event(order: usize, step: usize, time: &str, attributes: &str) -> String {
    let id = order_id(order);
    let kind = ["created", "paid", "shipped", "delivered", "completed"][step];
    let mut value = String::with_capacity(1024);
    write!(
        value,
        r#"{{"specversion":"1.0","id":"{id}-{step}","source":"/shops/acme","type":"order.{kind}","subject":"{id}","time":"{time}",{attributes}"data":{{"shop_id":"acme","order_id":"{id}""#
    )
    .expect("into a string");
    if step == 0 {
        let (member, price) = (order % 50_000, 50 + order % 400);
        write!(
            value,
            r#","order":{{"revision":1,"created_at":"{time}","channel":"online","currency":"TWD","customer":{{"id":"m-{member}","logged_in":true,"tier":"gold"}},"line_items":[{{"id":"l1","sku":"TEE-BLACK-L","categories":["apparel"],"quantity":2,"unit_price":"{price}.00","discount_total":"0"}},{{"id":"l2","sku":"MUG-WHITE","categories":["kitchen"],"quantity":1,"unit_price":"180.00","discount_total":"10.00"}}],"subtotal":"{}.00","discount_total":"20.00","store_credit":"0","shipping_total":"60.00","tax_total":"0","surcharge_total":"0","points_redeemed":0,"points_redeemed_amount":"0","payment_method":"credit_card","delivery":{{"carrier":"black-cat","type":"home"}},"test":false}}"#,
            2 * price + 180
        )
        .expect("into a string");
    }
    value.push_str("}}");
    value
}

/// The release build, wherever cargo puts it.
pub fn binary() -> std::path::PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), std::path::PathBuf::from);
    let binary = target.join("release/accrual");
    assert!(
        binary.exists(),
        "{} is missing: cargo build --release",
        binary.display()
    );
    binary
}

pub fn argument(name: &str, default: usize) -> usize {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == name);
    at.and_then(|at| arguments.get(at + 1))
        .map_or(default, |value| value.parse().expect("a number"))
}
