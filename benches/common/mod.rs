//! What the benchmarks share: an everyday shop, its orders, and what they run on. Each of them
//! uses a part.
#![allow(dead_code)]

pub mod replaying;
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

/// The same shop with five levels, each with a rate of its own.
pub fn rules_with_levels() -> String {
    RULES.replace("issuance:", &format!("{LEVELS}issuance:"))
}

const LEVELS: &str = "  tiers:
    bronze: {rate: {every: \"100\", points: 2, rounding: per_unit}}
    silver: {rate: {every: \"100\", points: 3, rounding: per_unit}}
    gold: {rate: {every: \"100\", points: 4, rounding: per_unit}}
    black: {rate: {every: \"100\", points: 5, rounding: per_unit}}
tiers:
  levels:
    - name: member
    - {name: bronze, enter: [{amount: \"1500\"}], within: {months: 12}, valid: {after_months: 12}}
    - {name: silver, enter: [{amount: \"3000\"}], within: {months: 12}, valid: {after_months: 12}}
    - {name: gold, enter: [{amount: \"6000\"}], within: {months: 12}, valid: {after_months: 12}}
    - {name: black, enter: [{amount: \"10000\"}], within: {months: 12}, valid: {after_months: 12}}
";

/// Who buys.
#[derive(Clone, Copy)]
pub struct Buyers {
    pub members: usize,
    /// What the orders' events say of the member's tier.
    pub told_tier: Option<&'static str>,
}

impl Buyers {
    /// Few orders each, and the shop system tells a tier that the rules do not look at.
    pub const MANY: Buyers = Buyers {
        members: 50_000,
        told_tier: Some("gold"),
    };

    /// Twenty orders each.
    pub fn regular(orders: usize) -> Self {
        Buyers {
            members: orders.div_ceil(20),
            told_tier: None,
        }
    }
}

/// Created, paid, shipped, delivered, completed.
pub const EVENTS_PER_ORDER: usize = 5;

pub fn order_id(order: usize) -> String {
    format!("A-{order:09}")
}

/// An order's event of that step. `attributes` are more of the envelope's, each with its comma.
pub fn event(order: usize, step: usize, time: &str, attributes: &str) -> String {
    event_of(Buyers::MANY, order, step, time, attributes)
}

pub fn event_of(buyers: Buyers, order: usize, step: usize, time: &str, attributes: &str) -> String {
    let id = order_id(order);
    let kind = ["created", "paid", "shipped", "delivered", "completed"][step];
    let mut value = String::with_capacity(1024);
    write!(
        value,
        r#"{{"specversion":"1.0","id":"{id}-{step}","source":"/shops/acme","type":"order.{kind}","subject":"{id}","time":"{time}",{attributes}"data":{{"shop_id":"acme","order_id":"{id}""#
    )
    .expect("into a string");
    if step == 0 {
        let (member, price) = (order % buyers.members, 50 + order % 400);
        let tier = buyers
            .told_tier
            .map_or("null".to_owned(), |tier| format!(r#""{tier}""#));
        write!(
            value,
            r#","order":{{"revision":1,"created_at":"{time}","channel":"online","currency":"TWD","customer":{{"id":"m-{member}","logged_in":true,"tier":{tier}}},"line_items":[{{"id":"l1","sku":"TEE-BLACK-L","categories":["apparel"],"quantity":2,"unit_price":"{price}.00","discount_total":"0"}},{{"id":"l2","sku":"MUG-WHITE","categories":["kitchen"],"quantity":1,"unit_price":"180.00","discount_total":"10.00"}}],"subtotal":"{}.00","discount_total":"20.00","store_credit":"0","shipping_total":"60.00","tax_total":"0","surcharge_total":"0","points_redeemed":0,"points_redeemed_amount":"0","payment_method":"credit_card","delivery":{{"carrier":"black-cat","type":"home"}},"test":false}}"#,
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
