use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

use super::server::Limits;
use super::views::StageStatus;
use super::*;
use crate::engine::ports::Millis;

const TOKEN: &str = "0123456789abcdef";

/// Knows order A-1 and member m-1 of shop acme.
#[derive(Default)]
pub(super) struct Fake {
    clock: Mutex<Millis>,
    reasons: Vec<String>,
}

impl Backend for Fake {
    fn not_ready(&self) -> Vec<String> {
        self.reasons.clone()
    }

    fn metrics(&self) -> String {
        "accrual_build_info 1\n".to_owned()
    }

    async fn status(&self) -> Result<Status, Problem> {
        Ok(Status {
            now: rfc3339(0),
            quiet: true,
            stages: BTreeMap::from([("orders".to_owned(), StageStatus::default())]),
            next_due: None,
        })
    }

    async fn set_clock(&self, now: Millis) -> Result<Millis, Problem> {
        let mut clock = self.clock.lock().unwrap();
        if now < *clock {
            return Err(Problem::Conflict(format!(
                "the clock shows {} already",
                rfc3339(*clock)
            )));
        }
        *clock = now;
        Ok(now)
    }

    async fn order(&self, shop_id: &str, order_id: &str) -> Result<Order, Problem> {
        Err(Problem::NotFound(format!(
            "order {order_id} of shop {shop_id} is not known"
        )))
    }

    async fn member(&self, shop_id: &str, member_id: &str) -> Result<Member, Problem> {
        if member_id == "slow" {
            std::future::pending::<()>().await;
        }
        Ok(Member {
            shop_id: shop_id.to_owned(),
            member_id: member_id.to_owned(),
            balance: 5,
            usable: 5,
            pending: 0,
            lots: Vec::new(),
            sequence: 1,
            tier: None,
            as_of: rfc3339(0),
            last_change: rfc3339(0),
            timezone: None,
        })
    }

    async fn quote(&self, _: &str, _: &str, asked: &QuoteRequest) -> Result<Quote, Problem> {
        Ok(Quote {
            points: 5,
            amount: asked.payable.clone().or(Some(asked.subtotal.clone())),
            currency: None,
            limit: asked.tier.as_deref().unwrap_or("balance").to_owned(),
            as_of: rfc3339(0),
            last_change: rfc3339(0),
            timezone: None,
        })
    }

    /// Repeats what it was asked.
    async fn dead_letters(&self, asked: &DeadLettersRequest) -> Result<DeadLetters, Problem> {
        let limit = asked.limit.unwrap_or_default();
        Ok(DeadLetters {
            letters: Vec::new(),
            redriven: vec![views::RedrivenLetter {
                id: asked.ids.clone().unwrap_or_default(),
                at: format!("{limit} {}", asked.values),
            }],
            next: asked.from.clone(),
        })
    }
}

async fn ask(router: &Router, method: Method, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", token);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn every_route_answers() {
    let options = Options {
        manual_clock: true,
        ..Options::default()
    };
    let router = routes(Arc::new(Fake::default()), &options).all;
    let long = format!("/v1/shops/acme/members/{}", "m".repeat(256));
    let large = format!("{{\"now\":\"{}\"}}", "1".repeat(BODY_MAX_BYTES));
    let member = r#"{"shop_id":"a b","member_id":"m/1","balance":5,"usable":5,"pending":0,"lots":[],"sequence":1,"as_of":"1970-01-01T00:00:00Z","last_change":"1970-01-01T00:00:00Z","timezone":null}"#;
    let stage = r#"{"partitions":0,"behind":0,"due":0,"pending":0,"next_due":null,"rebuilding":0}"#;
    let status = format!(
        r#"{{"now":"1970-01-01T00:00:00Z","quiet":true,"stages":{{"orders":{stage}}},"next_due":null}}"#
    );
    let quote = r#"{"points":5,"amount":"100.00","currency":null,"limit":"gold","as_of":"1970-01-01T00:00:00Z","last_change":"1970-01-01T00:00:00Z","timezone":null}"#;
    let get = Method::GET;
    let post = Method::POST;
    // In order: the clock goes on from row to row.
    let rows: &[(&Method, &str, &str, u16, &str)] = &[
        (&get, "/livez", "", 200, r#"{"alive":true}"#),
        (&get, "/readyz", "", 200, r#"{"ready":true}"#),
        (&get, "/metrics", "", 200, "accrual_build_info 1\n"),
        (&get, "/v1/status", "", 200, &status),
        (&get, "/v1/shops/a%20b/members/m%2F1", "", 200, member),
        (
            &get,
            "/v1/shops/acme/orders/A-2",
            "",
            404,
            r#"{"error":"not_found","detail":"order A-2 of shop acme is not known"}"#,
        ),
        (
            &get,
            &long,
            "",
            400,
            r#"{"error":"invalid","detail":"id: not 1 to 255 bytes without NUL"}"#,
        ),
        (
            &post,
            "/v1/shops/acme/members/m-1/quote",
            r#"{"subtotal":"100.00","tier":"gold"}"#,
            200,
            quote,
        ),
        (
            &post,
            "/v1/shops/acme/members/m-1/quote",
            r#" ["100.00","gold"]"#,
            400,
            r#"{"error":"invalid","detail":"body: not a JSON object"}"#,
        ),
        (
            &get,
            "/v1/shops/acme/members/%ff",
            "",
            400,
            r#"{"error":"invalid","detail":"path: Invalid URL: Invalid UTF-8 in `id`"}"#,
        ),
        (
            &post,
            "/v1/clock",
            r#"["2022-03-01T08:00:00+08:00"]"#,
            400,
            r#"{"error":"invalid","detail":"body: not a JSON object"}"#,
        ),
        (
            &post,
            "/v1/clock",
            r#"{"now":"2022-03-01T08:00:00+08:00"}"#,
            200,
            r#"{"now":"2022-03-01T00:00:00Z"}"#,
        ),
        (
            &post,
            "/v1/clock",
            r#"{"now":"2022-02-28T00:00:00Z"}"#,
            409,
            r#"{"error":"conflict","detail":"the clock shows 2022-03-01T00:00:00Z already"}"#,
        ),
        (
            &post,
            "/v1/clock",
            r#"{"now":"today"}"#,
            400,
            r#"{"error":"invalid","detail":"now: not an RFC 3339 instant such as 2022-03-01T00:00:00Z"}"#,
        ),
        (
            &post,
            "/v1/clock",
            &large,
            413,
            r#"{"error":"too_large","detail":"the request is larger than 65536 bytes"}"#,
        ),
        (
            &get,
            "/v1/clock",
            "",
            405,
            r#"{"error":"method_not_allowed","detail":"this path does not take this method"}"#,
        ),
        (
            &get,
            "/v1/dead-letters?from=3:118&ids=3:118,4:0&limit=2&values=true",
            "",
            200,
            r#"{"letters":[],"redriven":[{"id":"3:118,4:0","at":"2 true"}],"next":"3:118"}"#,
        ),
        (
            &get,
            "/v1/dead-letters?limit=-1",
            "",
            400,
            r#"{"error":"invalid","detail":"query: Failed to deserialize query string: limit: invalid digit found in string"}"#,
        ),
        (
            &get,
            "/v1/dead-letters?page=2",
            "",
            400,
            r#"{"error":"invalid","detail":"query: Failed to deserialize query string: page: unknown field `page`, expected one of `from`, `code`, `ids`, `limit`, `values`"}"#,
        ),
        (
            &get,
            "/v2",
            "",
            404,
            r#"{"error":"no_such_path","detail":"no such path"}"#,
        ),
    ];
    for (method, path, body, status, wanted) in rows {
        let answer = ask(&router, (*method).clone(), path, None, body).await;
        assert_eq!(
            answer,
            (*status, (*wanted).to_owned()),
            "{method} {path} {body:.80}"
        );
    }
}

#[tokio::test]
async fn the_clock_is_not_there_with_the_systems() {
    let router = routes(Arc::new(Fake::default()), &Options::default()).all;
    let body = r#"{"now":"2022-03-01T00:00:00Z"}"#;
    let (status, text) = ask(&router, Method::POST, "/v1/clock", None, body).await;
    assert_eq!(status, 404);
    assert!(text.contains("manual"), "{text}");
}

#[tokio::test]
async fn the_token_is_asked_for_but_at_the_probes() {
    let options = Options {
        token: Some(TOKEN.to_owned()),
        ..Options::default()
    };
    let router = routes(Arc::new(Fake::default()), &options).all;
    let right = format!("Bearer {TOKEN}");
    let longer = format!("Bearer {TOKEN}x");
    for (path, token, wanted) in [
        ("/livez", None, 200),
        ("/readyz", None, 200),
        ("/metrics", None, 401),
        ("/metrics", Some("Bearer 0123456789abcdeX"), 401),
        ("/metrics", Some(longer.as_str()), 401),
        ("/metrics", Some("Bearer "), 401),
        ("/metrics", Some(TOKEN), 401),
        ("/metrics", Some(right.as_str()), 200),
        ("/v1/status", None, 401),
        ("/v1/status", Some(right.as_str()), 200),
        ("/v1/shops/acme/members/m-1", None, 401),
        ("/v2", None, 401),
        ("/v2", Some(right.as_str()), 404),
        ("/livez/", None, 401),
        ("//livez", None, 401),
        ("/%6civez", None, 401),
        ("/v1/clock", None, 401),
        ("/v1/clock", Some(right.as_str()), 405),
        ("/v1/shops/acme/members/%ff", None, 401),
    ] {
        let (status, body) = ask(&router, Method::GET, path, token, "").await;
        assert_eq!(status, wanted, "{path} {token:?}: {body}");
    }
    let (status, _) = ask(&router, Method::DELETE, "/metrics", None, "").await;
    assert_eq!(status, 401, "a wrong method reveals no more");
}

#[tokio::test]
async fn not_ready_says_why() {
    let fake = Fake {
        reasons: vec!["orders: partition 3 is being restored".to_owned()],
        ..Fake::default()
    };
    let router = routes(Arc::new(fake), &Options::default()).all;
    let (status, text) = ask(&router, Method::GET, "/readyz", None, "").await;
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &body["ready"]), (503, &Value::Bool(false)));
    assert_eq!(body["reasons"][0], "orders: partition 3 is being restored");
}

#[test]
fn reasons_stand_on_lines_of_their_own_and_are_bounded() {
    let one = reasons_body(&["orders 3: stopped: \u{1b}[31m\nforged".to_owned()]);
    let wanted = "{\"ready\":false,\"reasons\":[\n\"orders 3: stopped: \\u001b[31m\\nforged\"\n]}\n";
    assert_eq!(one, wanted);
    let many: Vec<String> = (0..REASONS_MAX_COUNT + 7).map(|_| "é".repeat(9_000)).collect();
    let body = reasons_body(&many);
    let value: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(value["more"], 7);
    assert_eq!(value["reasons"].as_array().unwrap().len(), REASONS_MAX_COUNT);
    assert_eq!(
        value["reasons"][0].as_str().unwrap().chars().count(),
        REASON_MAX_CHARS + 1
    );
    assert_eq!(body.lines().count(), REASONS_MAX_COUNT + 2);
}

#[tokio::test]
async fn beyond_the_limits_only_probes_are_served() {
    let options = Options {
        token: Some(TOKEN.to_owned()),
        ..Options::default()
    };
    let router = routes(Arc::new(Fake::default()), &options).probes;
    for (path, wanted) in [("/livez", 200), ("/readyz", 200), ("/metrics", 503), ("/v2", 503)] {
        let (status, body) = ask(&router, Method::GET, path, None, "").await;
        assert_eq!(status, wanted, "{path}: {body}");
    }
}

#[tokio::test]
async fn who_is_refused_for_now_learns_when_to_ask_again() {
    let response = Problem::Unavailable("soon".to_owned()).into_response();
    assert_eq!(response.headers()["retry-after"], "1");
}

#[tokio::test]
async fn a_slow_answer_is_cut_off() {
    let options = Options {
        request_timeout: Duration::from_millis(10),
        ..Options::default()
    };
    let router = routes(Arc::new(Fake::default()), &options).all;
    let (status, text) = ask(&router, Method::GET, "/v1/shops/acme/members/slow", None, "").await;
    assert_eq!((status, text.contains("timed_out")), (504, true));
}

#[tokio::test]
async fn a_real_socket_is_served_until_stopped() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let routes = routes(Arc::new(Fake::default()), &Options::default());
    let serving = tokio::spawn(server::serve(listener, routes, Limits::default(), async move {
        let _ = stopped.await;
    }));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    stop.send(()).unwrap();
    serving.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
