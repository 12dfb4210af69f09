//! Two systems that share a Redis and, by mistake, the `application_id`: both are named, and nothing
//! is decided wrongly meanwhile.

use std::time::Duration;

use crate::redis_losses::Shop;
use crate::support::accrual::Accrual;
use crate::support::servers::wait_for;

const NOTICED: Duration = Duration::from_secs(60);
const DUE: &str = "2024-03-05T00:00:00.001Z";
const SAID: &str = "two systems use the same application_id on one Redis";

#[test]
fn two_systems_of_one_application_id_are_named() {
    let shop = Shop::new();
    let other = shop.of_same_application();
    let systems = [(&shop, shop.start()), (&other, other.start())];
    let (mut rounds, mut orders) = (0, Vec::<String>::new());
    let names_it = |accrual: &Accrual| accrual.log().contains(SAID);
    wait_for("both to say so", NOTICED, || {
        let order = format!("O-{rounds}");
        for (shop, accrual) in &systems {
            shop.order(&[&order]);
            shop.settle(accrual, DUE);
        }
        orders.push(order);
        rounds += 1;
        systems.iter().all(|(_, accrual)| names_it(accrual))
    });
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    for (shop, accrual) in &systems {
        let answer = accrual.get("/readyz");
        assert!(answer.status == 503 && answer.body.contains(SAID), "{answer:?}");
        assert_eq!(accrual.get("/livez").status, 200);
        assert_eq!(shop.check(&orders), 100 * orders.len() as i64);
    }
}
