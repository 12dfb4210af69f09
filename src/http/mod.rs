//! The HTTP interface: probes, metrics, status and look-ups. Knows no stage, only [`Backend`].

pub mod backend;
pub mod server;
pub mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
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
use self::views::{Member, Order, Quote, QuoteRequest, Status};

pub const BODY_MAX_BYTES: usize = 65_536;
const REQUEST_TIMEOUT_SECONDS: u64 = 10;
/// Longer ids are refused on the topics too.
const ID_MAX_BYTES: usize = 255;
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the configuration says about this interface.
#[derive(Clone)]
pub struct Options {
    /// Asked for everywhere but at the probes.
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
            request_timeout: Duration::from_secs(REQUEST_TIMEOUT_SECONDS),
        }
    }
}

/// All routes. What is wrong is answered as `{"error","detail"}`.
pub fn router<B: Backend>(backend: Arc<B>, options: &Options) -> Router {
    let clock = if options.manual_clock {
        post(set_clock::<B>)
    } else {
        post(no_clock)
    };
    let member = "/v1/shops/{shop}/members/{id}";
    let token: Option<Arc<str>> = options.token.as_deref().map(Arc::from);
    let guarded = Router::new()
        .route("/metrics", get(metrics::<B>))
        .route("/v1/status", get(status::<B>))
        .route("/v1/clock", clock)
        .route("/v1/shops/{shop}/orders/{id}", get(order::<B>))
        .route(member, get(self::member::<B>))
        .route(&format!("{member}/quote"), post(quote::<B>))
        .fallback(no_route)
        .route_layer(middleware::from_fn_with_state(token, guard));
    Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(ready::<B>))
        .merge(guarded)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(options.request_timeout, in_time))
        .with_state(backend)
}

async fn alive() -> Response {
    Json(json!({"alive": true})).into_response()
}

async fn ready<B: Backend>(State(backend): State<Arc<B>>) -> Response {
    let reasons = backend.not_ready();
    if reasons.is_empty() {
        return Json(json!({"ready": true})).into_response();
    }
    let body = Json(json!({"ready": false, "reasons": reasons}));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
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
    let wanted: Wanted = read(body).await?;
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
    let request: QuoteRequest = read(body).await?;
    backend
        .quote(&shop, &id, &request.subtotal, request.tier.as_deref())
        .await
        .map(Json)
}

async fn no_route() -> Problem {
    Problem::NotFound("no such path".to_owned())
}

async fn no_method() -> Problem {
    Problem::MethodNotAllowed("this path does not take this method".to_owned())
}

/// Asks for the token, where one is configured.
async fn guard(State(token): State<Option<Arc<str>>>, request: Request, next: Next) -> Response {
    let Some(token) = token else {
        return next.run(request).await;
    };
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().split_first_chunk::<7>())
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
        .map_or(&b""[..], |(_, given)| given);
    // In constant time, so that the time to answer tells nothing about the token.
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

/// Reads a bounded JSON body, whatever its content type says.
async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
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
