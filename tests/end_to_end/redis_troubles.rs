//! Redis is there but cannot be used for a while: readiness says why within seconds, liveness
//! stays, and all goes on by itself once it is over. Nothing is lost, nothing comes twice.

use std::time::{Duration, Instant};

use crate::redis_losses::Shop;
use crate::support::accrual::Accrual;
use crate::support::servers::{Redis, wait_for};

/// Readiness turns within this time, also where a server is frozen.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(6);
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(30);
const BEFORE_DUE: &str = "2024-03-04T12:00:00Z";
const DUE: &str = "2024-03-05T00:00:00.001Z";

fn readiness(accrual: &Accrual) -> (u16, String) {
    let answer = accrual.get("/readyz");
    (answer.status, answer.body)
}

/// While `trouble` lasts an order comes in; it must be issued in the end.
fn endure(
    shop: &Shop,
    accrual: &Accrual,
    reason: &str,
    order: &str,
    begin: impl FnOnce(),
    end: impl FnOnce(),
) {
    begin();
    let begun = Instant::now();
    let mut last = String::new();
    wait_for(&format!("readiness to say {reason}"), RECOVERY_TIMEOUT, || {
        assert_eq!(accrual.get("/livez").status, 200);
        let (status, text) = readiness(accrual);
        last = text;
        status == 503 && last.contains(reason)
    });
    assert!(
        begun.elapsed() < NOTICE_TIMEOUT,
        "{reason}: after {:?}",
        begun.elapsed()
    );
    shop.order(&[order]);
    end();
    wait_for("accrual to be ready again", RECOVERY_TIMEOUT, || {
        readiness(accrual).0 == 200
    });
    shop.settle(accrual, BEFORE_DUE);
}

fn configure(redis: &Redis, name: &str, value: &str) {
    redis.command::<()>(&["CONFIG", "SET", name, value]);
}

#[test]
fn a_server_that_cannot_be_used_is_named_and_waited_for() {
    let shop = Shop::new();
    let (redis, accrual) = (&shop.redis, shop.start());
    shop.order(&["T-0"]);
    shop.settle(&accrual, BEFORE_DUE);
    endure(
        &shop,
        &accrual,
        "Redis does not answer within",
        "T-1",
        || redis.pause(),
        || redis.resume(),
    );
    endure(
        &shop,
        &accrual,
        "Redis is full",
        "T-2",
        || configure(redis, "maxmemory", "1mb"),
        || configure(redis, "maxmemory", "0"),
    );
    endure(
        &shop,
        &accrual,
        "maxmemory-policy allkeys-random",
        "T-3",
        || configure(redis, "maxmemory-policy", "allkeys-random"),
        || configure(redis, "maxmemory-policy", "noeviction"),
    );
    endure(
        &shop,
        &accrual,
        "NOAUTH",
        "T-4",
        || {
            // By the time of the second command the first has come into force.
            let mut connection = redis.connect().expect("a connection");
            let both = [
                vec!["CONFIG", "SET", "requirepass", "other"],
                vec!["CLIENT", "KILL", "TYPE", "normal"],
            ];
            for words in both {
                let mut command = redis::cmd(words[0]);
                command.arg(&words[1..]);
                command.exec(&mut connection).expect("done");
            }
        },
        || forget_password(redis, "other"),
    );
    shop.settle(&accrual, DUE);
    assert_eq!(shop.check(&["T-0", "T-1", "T-2", "T-3", "T-4"]), 500);
}

/// With the password that is asked for now.
fn forget_password(redis: &Redis, password: &str) {
    set_password(redis, password, "");
}

fn set_password(redis: &Redis, now: &str, next: &str) {
    let url = redis.url.replace("redis://", &format!("redis://:{now}@"));
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_connection().expect("the password is right");
    let mut command = redis::cmd("CONFIG");
    command.arg(&["SET", "requirepass", next]);
    command.exec(&mut connection).expect("set");
    let mut command = redis::cmd("CLIENT");
    command.arg(&["KILL", "TYPE", "normal"]);
    let _: i64 = command.query(&mut connection).expect("killed");
}

#[test]
fn a_password_that_is_refused_is_tried_again() {
    let mut shop = Shop::new();
    configure(&shop.redis, "requirepass", "right");
    let url = shop.redis.url.replace("redis://", "redis://:right@");
    shop.deployment
        .settings
        .push(("ACCRUAL_REDIS__URL".to_owned(), url));
    let accrual = shop.start();
    shop.order(&["P-0"]);
    shop.settle(&accrual, BEFORE_DUE);
    endure(
        &shop,
        &accrual,
        "Redis refuses the user or the password",
        "P-1",
        || set_password(&shop.redis, "right", "other"),
        || set_password(&shop.redis, "other", "right"),
    );
    shop.settle(&accrual, DUE);
    assert_eq!(shop.check(&["P-0", "P-1"]), 200);
}

#[test]
fn a_foreign_key_stops_its_partition_until_it_is_gone() {
    let shop = Shop::new();
    let accrual = shop.start();
    shop.settle(&accrual, BEFORE_DUE);
    let key = format!("{{{}:orders:1}}:timers", shop.deployment.topics.prefix);
    endure(
        &shop,
        &accrual,
        "WRONGTYPE",
        "F-1",
        || shop.redis.command::<()>(&["SET", &key, "somebody else's"]),
        || {
            let value: String = shop.redis.command(&["GET", &key]);
            assert_eq!(value, "somebody else's", "it is left alone");
            let _: i64 = shop.redis.command(&["DEL", &key]);
        },
    );
    shop.settle(&accrual, DUE);
    assert_eq!(shop.check(&["F-1"]), 100);
}
