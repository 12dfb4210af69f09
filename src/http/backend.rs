//! What the HTTP interface asks of the process behind it.

use std::future::Future;
use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::views::{DeadLetters, DeadLettersRequest, Member, Order, Quote, QuoteRequest, Status};
use crate::engine::ports::Millis;

/// When to ask again after [`Problem::Unavailable`].
const RETRY_AFTER_SECONDS: &str = "1";

/// Codes of errors that say what is not there.
pub const NOT_FOUND: &str = "not_found";
pub const NO_SUCH_PATH: &str = "no_such_path";

/// Answers from the running stages. `app` implements it.
pub trait Backend: Send + Sync + 'static {
    /// Why this instance is not ready: `stage partition: reason`, one entry a reason. Empty: ready.
    fn not_ready(&self) -> Vec<String>;

    /// Prometheus text.
    fn metrics(&self) -> String;

    fn status(&self) -> impl Future<Output = Result<Status, Problem>> + Send;

    /// Sets the manual clock. An earlier time than the clock's is a [`Problem::Conflict`].
    /// Answers what it shows now.
    fn set_clock(&self, now: Millis) -> impl Future<Output = Result<Millis, Problem>> + Send;

    fn order(&self, shop_id: &str, order_id: &str) -> impl Future<Output = Result<Order, Problem>> + Send;

    fn member(&self, shop_id: &str, member_id: &str) -> impl Future<Output = Result<Member, Problem>> + Send;

    /// What is no amount is [`Problem::Invalid`].
    fn quote(
        &self,
        shop_id: &str,
        member_id: &str,
        asked: &QuoteRequest,
    ) -> impl Future<Output = Result<Quote, Problem>> + Send;

    /// A page that is bounded in letters, bytes and time.
    fn dead_letters(
        &self,
        asked: &DeadLettersRequest,
    ) -> impl Future<Output = Result<DeadLetters, Problem>> + Send;
}

/// Why there is no answer. The text is shown to the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("{0}")]
    Invalid(String),
    #[error("a bearer token is needed: `Authorization: Bearer …`")]
    Unauthorized,
    #[error("no such path")]
    NoSuchPath,
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    MethodNotAllowed(String),
    #[error("{0}")]
    Conflict(String),
    #[error("the request is larger than {0} bytes")]
    TooLarge(usize),
    /// The same request may succeed later, or at another instance.
    #[error("{0}")]
    Unavailable(String),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

impl Problem {
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NoSuchPath => (StatusCode::NOT_FOUND, NO_SUCH_PATH),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, NOT_FOUND),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::TimedOut(_) => (StatusCode::GATEWAY_TIMEOUT, "timed_out"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, error) = self.status_and_code();
        let body = Json(json!({"error": error, "detail": self.to_string()}));
        match self {
            Self::Unauthorized => (status, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response(),
            Self::Unavailable(_) => {
                (status, [(header::RETRY_AFTER, RETRY_AFTER_SECONDS)], body).into_response()
            }
            _ => (status, body).into_response(),
        }
    }
}
