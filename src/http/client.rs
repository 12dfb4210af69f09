//! Asks a running instance by its HTTP interface. Blocking; every wait has a bound.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use ureq::http::header::{AUTHORIZATION, LOCATION};
use ureq::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, RequestBuilder};

use super::backend::{NO_SUCH_PATH, NOT_FOUND};
use super::views::{DeadLetters, DeadLettersRequest, Member, Order, Quote, QuoteRequest};
use super::{VERSION, VERSION_HEADER};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// An instance that is well answers within its own limit of 10 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// A page of dead letters with their values is the largest answer.
const ANSWER_MAX_BYTES: u64 = 64 << 20;
/// Shown of what is no answer of accrual's.
const SHOWN_MAX_CHARS: usize = 200;
const ID: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Why there is no answer. Each text names the address.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}: {1}")]
    Address(String, &'static str),
    /// It may be a password, so it is not shown.
    #[error("the instance's address must have neither a user nor a query")]
    UserOrQuery,
    #[error("the certificates in the CA file cannot be read: {0}")]
    Certificates(String),
    #[error("the token is empty or has characters that no token has")]
    Token,
    #[error("cannot reach {url}: {why}")]
    Unreached { url: String, why: String },
    #[error("{0} asks for a token, and none was given")]
    TokenWanted(String),
    #[error("{0} refuses the token that was given")]
    TokenRefused(String),
    #[error("{url}: {detail}")]
    NotFound { url: String, detail: String },
    #[error("{url} cannot answer now: {detail}")]
    Unavailable { url: String, detail: String },
    #[error("{url} refuses: {detail}")]
    Refused { url: String, detail: String },
    #[error("{url} sends to another address: {to}; name that one")]
    Elsewhere { url: String, to: String },
    #[error("{url} is not accrual's HTTP interface: it answers {status} {text}")]
    Stranger { url: String, status: u16, text: String },
    #[error(
        "{url} is accrual {theirs} and has no path {path}; this is accrual {VERSION}: use one version, \
         and an address without a path that leads elsewhere"
    )]
    NoSuchPath {
        url: String,
        theirs: String,
        path: String,
    },
    #[error("{url} is accrual {theirs}, and accrual {VERSION} cannot read its answer: {why}")]
    Unreadable {
        url: String,
        theirs: String,
        why: String,
    },
}

/// One instance.
pub struct Client {
    agent: Agent,
    /// Without a slash at its end.
    url: String,
    token: Option<HeaderValue>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    detail: String,
}

impl Client {
    /// `url` is `http://HOST:PORT`, or with `https`, perhaps with a path that a proxy takes off.
    /// `certificates`: PEM of the authorities to trust in place of the public ones.
    pub fn new(url: &str, token: Option<&str>, certificates: Option<&[u8]>) -> Result<Self, Error> {
        let url = url.trim_end_matches('/');
        let wrong = |what| Error::Address(url.to_owned(), what);
        let uri: Uri = url
            .parse()
            .map_err(|_| wrong("not an address such as http://HOST:PORT"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(wrong("not an address such as http://HOST:PORT"));
        }
        if uri.query().is_some() || uri.authority().is_some_and(|at| at.as_str().contains('@')) {
            return Err(Error::UserOrQuery);
        }
        let token = token.map(bearer).transpose()?;
        let roots = match certificates {
            Some(pem) => authorities(pem)?,
            None => RootCerts::WebPki,
        };
        Ok(Self {
            agent: agent(roots, ANSWER_TIMEOUT),
            url: url.to_owned(),
            token,
        })
    }

    /// [`Error::NotFound`] where it is not known.
    pub fn order(&self, shop_id: &str, order_id: &str) -> Result<Order, Error> {
        self.get(&format!(
            "/v1/shops/{}/orders/{}",
            encoded(shop_id),
            encoded(order_id)
        ))
    }

    /// [`Error::NotFound`] where it is not known.
    pub fn member(&self, shop_id: &str, member_id: &str) -> Result<Member, Error> {
        self.get(&member_path(shop_id, member_id))
    }

    pub fn quote(&self, shop_id: &str, member_id: &str, asked: &QuoteRequest) -> Result<Quote, Error> {
        let path = format!("{}/quote", member_path(shop_id, member_id));
        let request = self.with_token(self.agent.post(self.at(&path)));
        self.read(&path, request.send(json!(asked).to_string()))
    }

    pub fn dead_letters(&self, asked: &DeadLettersRequest) -> Result<DeadLetters, Error> {
        let limit = asked.limit.map(|limit| limit.to_string());
        let given = [
            ("from", asked.from.as_deref()),
            ("code", asked.code.as_deref()),
            ("ids", asked.ids.as_deref()),
            ("limit", limit.as_deref()),
            ("values", asked.values.then_some("true")),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let query: Vec<String> = given
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        self.get(&format!("/v1/dead-letters?{}", query.join("&")))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let request = self.with_token(self.agent.get(self.at(path)));
        self.read(path, request.call())
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn with_token<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token),
            None => request,
        }
    }

    fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, Error> {
        let (head, mut body) = answer.map_err(|error| self.unreached(&error))?.into_parts();
        let body = body.with_config().limit(ANSWER_MAX_BYTES).read_to_vec();
        let body = body.map_err(|error| self.unreached(&error))?;
        let theirs = text(&head.headers, VERSION_HEADER.as_str());
        match (head.status, theirs) {
            (StatusCode::OK, Some(theirs)) => {
                serde_json::from_slice(&body).map_err(|error| Error::Unreadable {
                    url: self.url.clone(),
                    theirs,
                    why: error.to_string(),
                })
            }
            (status, theirs) => Err(self.refusal(path, status, theirs, (&head.headers, &body))),
        }
    }

    fn refusal(
        &self,
        path: &str,
        status: StatusCode,
        theirs: Option<String>,
        (headers, body): (&HeaderMap, &[u8]),
    ) -> Error {
        let url = self.url.clone();
        if let (true, Some(to)) = (status.is_redirection(), text(headers, LOCATION.as_str())) {
            return Error::Elsewhere { url, to };
        }
        let refusal: Option<Refusal> = serde_json::from_slice(body).ok();
        // It is not said to strangers which version there is.
        if let (StatusCode::UNAUTHORIZED, Some(_)) = (status, &refusal) {
            return match self.token {
                Some(_) => Error::TokenRefused(url),
                None => Error::TokenWanted(url),
            };
        }
        match (refusal, theirs) {
            (Some(Refusal { error, .. }), Some(theirs)) if error == NO_SUCH_PATH => Error::NoSuchPath {
                url,
                theirs,
                path: path.split('?').next().unwrap_or_default().to_owned(),
            },
            (Some(Refusal { error, detail }), Some(_)) if error == NOT_FOUND => {
                Error::NotFound { url, detail }
            }
            // Beyond its limits of connections and time accrual answers so, too.
            (Some(Refusal { detail, .. }), _) if status.is_server_error() => {
                Error::Unavailable { url, detail }
            }
            (Some(Refusal { detail, .. }), Some(_)) => Error::Refused { url, detail },
            _ => Error::Stranger {
                url,
                status: status.as_u16(),
                text: String::from_utf8_lossy(body)
                    .trim()
                    .chars()
                    .take(SHOWN_MAX_CHARS)
                    .collect(),
            },
        }
    }

    fn unreached(&self, error: &ureq::Error) -> Error {
        Error::Unreached {
            url: self.url.clone(),
            why: match error {
                ureq::Error::Io(error) => error.to_string(),
                ureq::Error::HostNotFound => "its name has no address".to_owned(),
                ureq::Error::Timeout(_) => "no answer in time".to_owned(),
                error => error.to_string(),
            },
        }
    }
}

fn agent(roots: RootCerts, answer_timeout: Duration) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        // A token goes to the address that was named and nowhere else.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(answer_timeout))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .user_agent(concat!("accrual/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

fn member_path(shop_id: &str, member_id: &str) -> String {
    format!("/v1/shops/{}/members/{}", encoded(shop_id), encoded(member_id))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ID).to_string()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn bearer(token: &str) -> Result<HeaderValue, Error> {
    if token.is_empty() {
        return Err(Error::Token);
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| Error::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

fn authorities(pem: &[u8]) -> Result<RootCerts, Error> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        let item = item.map_err(|error| Error::Certificates(error.to_string()))?;
        if let PemItem::Certificate(certificate) = item {
            found.push(certificate);
        }
    }
    match found.is_empty() {
        true => Err(Error::Certificates("it holds none".to_owned())),
        false => Ok(RootCerts::new_with_certs(&found)),
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
