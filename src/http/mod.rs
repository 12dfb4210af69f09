//! The HTTP interface: probes, metrics, status and look-ups. Knows no stage, only [`Backend`].

pub mod backend;
pub mod client;
mod places;
pub mod server;
pub mod views;
mod write_limit;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, SecondsFormat};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use subtle::ConstantTimeEq;

use self::backend::{Backend, Problem};
use self::server::Routes;
use self::views::{DeadLetters, DeadLettersRequest, Member, Order, Quote, QuoteRequest, Status};

pub const BODY_MAX_BYTES: usize = 65_536;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Paths that need no token and that are served when there are too many connections.
const PROBES: [&str; 2] = ["/livez", "/readyz"];
/// Of the reasons in one answer of `/readyz`, and the length of each.
const REASONS_MAX_COUNT: usize = 50;
const REASON_MAX_CHARS: usize = 500;
/// Longer ids are refused on the topics too.
const ID_MAX_BYTES: usize = 255;
/// Tells clients which version answers.
const VERSION_HEADER: HeaderName = HeaderName::from_static("accrual-version");
const VERSION: &str = env!("CARGO_PKG_VERSION");
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Settings of this interface.
#[derive(Clone)]
pub struct Options {
    /// Every request but a probe must have it.
    pub token: Option<String>,
    /// `POST /v1/clock` is there only with the manual clock.
    pub manual_clock: bool,
    pub request_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: None,
            manual_clock: false,
            request_timeout: REQUEST_TIMEOUT,
        }
    }
}

/// What is served. Errors are answered as `{"error","detail"}`.
pub fn routes<B: Backend>(backend: Arc<B>, options: &Options) -> Routes {
    let clock = if options.manual_clock {
        post(set_clock::<B>)
    } else {
        post(no_clock)
    };
    let member = "/v1/shops/{shop}/members/{id}";
    let token: Option<Arc<str>> = options.token.as_deref().map(Arc::from);
    let all = probes::<B>()
        .route("/metrics", get(metrics::<B>))
        .route("/v1/status", get(status::<B>))
        .route("/v1/clock", clock)
        .route("/v1/shops/{shop}/orders/{id}", get(order::<B>))
        .route(member, get(self::member::<B>))
        .route(&format!("{member}/quote"), post(quote::<B>))
        .route("/v1/dead-letters", get(dead_letters::<B>))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::map_response(with_version))
        .layer(middleware::from_fn_with_state(token, check_token))
        .layer(middleware::from_fn_with_state(options.request_timeout, in_time))
        .with_state(backend.clone());
    let probes = probes::<B>()
        .fallback(too_many_connections)
        .layer(middleware::from_fn_with_state(options.request_timeout, in_time))
        .with_state(backend);
    Routes { all, probes }
}

fn probes<B: Backend>() -> Router<Arc<B>> {
    let [live, ready] = PROBES;
    Router::new()
        .route(live, get(alive))
        .route(ready, get(self::ready::<B>))
}

async fn alive() -> Response {
    Json(json!({"alive": true})).into_response()
}

async fn ready<B: Backend>(State(backend): State<Arc<B>>) -> Response {
    let reasons = backend.not_ready();
    if reasons.is_empty() {
        return Json(json!({"ready": true})).into_response();
    }
    let json = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::SERVICE_UNAVAILABLE, json, reasons_body(&reasons)).into_response()
}

/// JSON with each reason on a line of its own, for readers with `curl` and `grep`.
fn reasons_body(reasons: &[String]) -> String {
    let shown = reasons.iter().take(REASONS_MAX_COUNT).map(|reason| {
        let shortened: String = match reason.char_indices().nth(REASON_MAX_CHARS) {
            Some((end, _)) => format!("{}…", &reason[..end]),
            None => reason.clone(),
        };
        serde_json::Value::String(shortened).to_string()
    });
    let lines = shown.collect::<Vec<_>>().join(",\n");
    let more = reasons.len().saturating_sub(REASONS_MAX_COUNT);
    let more = match more {
        0 => String::new(),
        more => format!(",\"more\":{more}"),
    };
    format!("{{\"ready\":false,\"reasons\":[\n{lines}\n]{more}}}\n")
}

async fn metrics<B: Backend>(State(backend): State<Arc<B>>) -> Response {
    ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], backend.metrics()).into_response()
}

async fn status<B: Backend>(State(backend): State<Arc<B>>) -> Result<Json<Status>, Problem> {
    backend.status().await.map(Json)
}

async fn set_clock<B: Backend>(State(backend): State<Arc<B>>, body: Body) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        now: String,
    }
    let wanted: Wanted = read_json(body).await?;
    let now = DateTime::parse_from_rfc3339(&wanted.now).map_err(|_| {
        Problem::Invalid("now: not an RFC 3339 instant such as 2022-03-01T00:00:00Z".to_owned())
    })?;
    let now = backend.set_clock(now.timestamp_millis()).await?;
    Ok(Json(json!({"now": rfc3339(now)})).into_response())
}

async fn no_clock() -> Problem {
    Problem::NotFound("the clock is the system's; it can be set only with `clock = \"manual\"`".to_owned())
}

async fn order<B: Backend>(
    State(backend): State<Arc<B>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Order>, Problem> {
    let (shop, id) = ids(path)?;
    backend.order(&shop, &id).await.map(Json)
}

async fn member<B: Backend>(
    State(backend): State<Arc<B>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Member>, Problem> {
    let (shop, id) = ids(path)?;
    backend.member(&shop, &id).await.map(Json)
}

async fn quote<B: Backend>(
    State(backend): State<Arc<B>>,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Body,
) -> Result<Json<Quote>, Problem> {
    let (shop, id) = ids(path)?;
    let request: QuoteRequest = read_json(body).await?;
    backend.quote(&shop, &id, &request).await.map(Json)
}

async fn dead_letters<B: Backend>(
    State(backend): State<Arc<B>>,
    asked: Result<Query<DeadLettersRequest>, QueryRejection>,
) -> Result<Json<DeadLetters>, Problem> {
    let Query(asked) = asked.map_err(|error| Problem::Invalid(format!("query: {}", error.body_text())))?;
    backend.dead_letters(&asked).await.map(Json)
}

async fn no_route() -> Problem {
    Problem::NoSuchPath
}

async fn with_version(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(VERSION_HEADER, HeaderValue::from_static(VERSION));
    response
}

async fn too_many_connections() -> Problem {
    Problem::Unavailable(
        "too many connections, in all or from this address (http.connections_per_peer): only probes are answered"
            .to_owned(),
    )
}

async fn no_method() -> Problem {
    Problem::MethodNotAllowed("this path does not take this method".to_owned())
}

/// Refuses requests without the token, where one is configured: before their path is looked at, so
/// that strangers cannot find out which paths there are.
async fn check_token(State(token): State<Option<Arc<str>>>, request: Request, next: Next) -> Response {
    let Some(token) = token.filter(|_| !PROBES.contains(&request.uri().path())) else {
        return next.run(request).await;
    };
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().split_first_chunk::<7>())
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
        .map_or(&b""[..], |(_, given)| given);
    // In constant time, so that the time to answer reveals nothing about the token.
    if bool::from(given.ct_eq(token.as_bytes())) {
        next.run(request).await
    } else {
        Problem::Unauthorized.into_response()
    }
}

async fn in_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::TimedOut(limit).into_response(),
    }
}

/// Reads a bounded JSON body and ignores its content type.
async fn read_json<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let bytes = to_bytes(body, BODY_MAX_BYTES)
        .await
        .map_err(|_| Problem::TooLarge(BODY_MAX_BYTES))?;
    // A derived reader would take an array for an object as well.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Problem::Invalid("body: not a JSON object".to_owned()));
    }
    serde_json::from_slice(&bytes).map_err(|error| Problem::Invalid(format!("body: {error}")))
}

fn ids(path: Result<Path<(String, String)>, PathRejection>) -> Result<(String, String), Problem> {
    let Path((shop, id)) = path.map_err(|error| Problem::Invalid(format!("path: {}", error.body_text())))?;
    for (name, text) in [("shop", &shop), ("id", &id)] {
        if text.is_empty() || text.len() > ID_MAX_BYTES || text.contains('\0') {
            return Err(Problem::Invalid(format!(
                "{name}: not 1 to {ID_MAX_BYTES} bytes without NUL"
            )));
        }
    }
    Ok((shop, id))
}

fn rfc3339(millis: i64) -> String {
    let time = DateTime::from_timestamp_millis(millis).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
