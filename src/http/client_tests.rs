use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::super::server::{Limits, serve};
use super::super::tests::Fake;
use super::super::{Options, routes};
use super::*;

const TOKEN: &str = "0123456789abcdef";

/// The real interface, for as long as the test runs.
fn instance() -> String {
    let (told, address) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            let options = Options {
                token: Some(TOKEN.to_owned()),
                ..Options::default()
            };
            let routes = routes(Arc::new(Fake::default()), &options);
            serve(listener, routes, Limits::default(), std::future::pending()).await;
        });
    });
    let address: SocketAddr = address.recv().unwrap();
    format!("http://{address}")
}

/// A server that answers every request with the same bytes.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4_096];
            let _read = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    format!("http://{address}")
}

fn client(url: &str, token: Option<&str>) -> Client {
    Client::new(url, token, None).unwrap()
}

#[test]
fn what_the_interface_answers_is_read() {
    let url = instance();
    let client = client(&format!("{url}/"), Some(TOKEN));
    let member = client.member("a b", "m/1?ä").unwrap();
    assert_eq!(
        (member.shop_id.as_str(), member.member_id.as_str(), member.balance),
        ("a b", "m/1?ä", 5)
    );
    let unknown = client.order("acme", "A-2").unwrap_err();
    assert!(matches!(unknown, Error::NotFound { .. }), "{unknown}");
    let asked = QuoteRequest {
        subtotal: "100.00".to_owned(),
        payable: Some("90".to_owned()),
        tier: Some("gold".to_owned()),
    };
    let quote = client.quote("acme", "m-1", &asked).unwrap();
    assert_eq!(
        (quote.amount.as_deref(), quote.limit.as_str()),
        (Some("90"), "gold")
    );
    let asked = DeadLettersRequest {
        from: Some("3:118".to_owned()),
        code: Some("a&b=c".to_owned()),
        ids: Some("3:118,4:0".to_owned()),
        limit: Some(2),
        values: true,
    };
    let page = client.dead_letters(&asked).unwrap();
    assert_eq!(page.next, asked.from);
    assert_eq!(
        (page.redriven[0].id.as_str(), page.redriven[0].at.as_str()),
        ("3:118,4:0", "2 true")
    );
}

#[test]
fn why_there_is_no_answer_is_said() {
    let url = instance();
    let longer = format!("{TOKEN}x");
    let with_path = format!("{url}/elsewhere");
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let redirects =
        answering("HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n");
    let stranger = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nnginx");
    let newer = answering("HTTP/1.1 200 OK\r\naccrual-version: 9.0.0\r\ncontent-length: 2\r\n\r\n{}");
    let away = answering(
        "HTTP/1.1 503 Service Unavailable\r\naccrual-version: 0.1.0\r\ncontent-length: 49\r\n\r\n\
         {\"error\":\"unavailable\",\"detail\":\"orders 3: lost\"}",
    );
    let rows: &[(&str, Option<&str>, String)] = &[
        (&url, None, format!("{url} asks for a token, and none was given")),
        (
            &url,
            Some(&longer),
            format!("{url} refuses the token that was given"),
        ),
        (
            &with_path,
            Some(TOKEN),
            format!(
                "{with_path} is accrual {VERSION} and has no path /v1/shops/acme/members/m-1; this is accrual \
                 {VERSION}: use one version, and an address without a path that leads elsewhere"
            ),
        ),
        (
            &closed,
            None,
            format!("cannot reach {closed}: Connection refused (os error 111)"),
        ),
        (
            &redirects,
            Some(TOKEN),
            format!("{redirects} sends to another address: http://10.0.0.1/; name that one"),
        ),
        (
            &stranger,
            None,
            format!("{stranger} is not accrual's HTTP interface: it answers 404 nginx"),
        ),
        (
            &newer,
            None,
            format!(
                "{newer} is accrual 9.0.0, and accrual {VERSION} cannot read its answer: missing field `shop_id` at line 1 column 2"
            ),
        ),
        (&away, None, format!("{away} cannot answer now: orders 3: lost")),
    ];
    for (url, token, wanted) in rows {
        let error = client(url, *token).member("acme", "m-1").unwrap_err();
        assert_eq!(error.to_string(), *wanted);
    }
    let too_long = client(&url, Some(TOKEN))
        .member("acme", &"m".repeat(256))
        .unwrap_err();
    let wanted = format!("{url} refuses: id: not 1 to 255 bytes without NUL");
    assert_eq!(too_long.to_string(), wanted);
}

#[test]
fn an_address_that_answers_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client {
        agent: agent(RootCerts::WebPki, Duration::from_millis(200)),
        url: url.clone(),
        token: None,
    };
    let begun = Instant::now();
    let error = client.member("acme", "m-1").unwrap_err();
    assert!(begun.elapsed() < ANSWER_TIMEOUT, "{:?}", begun.elapsed());
    assert_eq!(
        error.to_string(),
        format!("cannot reach {url}: no answer in time")
    );
}

#[test]
fn what_is_no_address_or_no_token_is_refused_at_once() {
    let wrong = "not an address such as http://HOST:PORT";
    for (url, token, wanted) in [
        ("127.0.0.1:8080", None, format!("127.0.0.1:8080: {wrong}")),
        ("ftp://a", None, format!("ftp://a: {wrong}")),
        ("http://", None, format!("http:: {wrong}")),
        ("", None, format!(": {wrong}")),
        (
            "http://user:secret@a",
            None,
            "the instance's address must have neither a user nor a query".to_owned(),
        ),
        (
            "http://a",
            Some(""),
            "the token is empty or has characters that no token has".to_owned(),
        ),
        (
            "http://a",
            Some("a\nb"),
            "the token is empty or has characters that no token has".to_owned(),
        ),
    ] {
        let error = Client::new(url, token, None).err().unwrap();
        assert_eq!(error.to_string(), wanted);
    }
    let error = Client::new("https://a", None, Some(b"no PEM")).err().unwrap();
    assert_eq!(
        error.to_string(),
        "the certificates in the CA file cannot be read: it holds none"
    );
}
