//! Two systems that share a Redis and, by mistake, the `application_id`: both are named, and nothing
//! is decided wrongly meanwhile.

use std::time::{Duration, Instant};

use crate::redis_losses::Shop;
use crate::support::accrual::Accrual;
use crate::support::servers::wait_for;

const NOTICED: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(1);
const DUE: &str = "2024-03-05T00:00:00.001Z";
const SAID: &str = "two systems use the same application_id on one Redis";

#[test]
fn two_systems_of_one_application_id_are_named() {
    let shop = Shop::new();
    let other = shop.of_same_application();
    let systems = [(&shop, shop.start()), (&other, other.start())];
    let mut orders = Vec::<String>::new();
    let mut next = Instant::now();
    let names_it = |accrual: &Accrual| accrual.log().contains(SAID);
    // Each looks at its keys when it has something to decide, and finds the other's.
    wait_for("both to say so", NOTICED, || {
        if Instant::now() >= next {
            let order = format!("O-{}", orders.len());
            systems.iter().for_each(|(shop, _)| shop.order(&[&order]));
            orders.push(order);
            next = Instant::now() + EVERY;
        }
        systems.iter().all(|(_, accrual)| names_it(accrual))
    });
    for (shop, accrual) in &systems {
        shop.settle(accrual, DUE);
    }
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    for (shop, accrual) in &systems {
        let answer = accrual.get("/readyz");
        assert!(answer.status == 503 && answer.body.contains(SAID), "{answer:?}");
        assert_eq!(accrual.get("/livez").status, 200);
        assert_eq!(shop.check(&orders), 100 * orders.len() as i64);
    }
}
