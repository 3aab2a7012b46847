//! A small HTTP client: JSON to a daemon, to the local chain's faucet, to a paid web service. Plain HTTP,
//! because all of them are on this machine or behind something that adds TLS.

use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

/// An answer and its JSON.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// `null` when the body is empty, a string when it is no JSON.
    pub body: Value,
}

/// GET.
pub async fn get(url: &str, token: Option<&str>) -> anyhow::Result<Answer> {
    send(Method::GET, url, token, &HeaderMap::new(), None).await
}

/// POST of a JSON body.
pub async fn post(url: &str, token: Option<&str>, body: &Value) -> anyhow::Result<Answer> {
    send(Method::POST, url, token, &HeaderMap::new(), Some(body)).await
}

/// Any request; `token` becomes a bearer token.
pub async fn send(
    method: Method,
    url: &str,
    token: Option<&str>,
    headers: &HeaderMap,
    body: Option<&Value>,
) -> anyhow::Result<Answer> {
    if url.starts_with("https://") {
        bail!("{url}: only http:// is spoken here; use the address behind the TLS proxy");
    }
    let mut request = Request::builder().method(method).uri(url);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let bytes = match body {
        Some(body) => {
            request = request.header(CONTENT_TYPE, "application/json");
            Bytes::from(serde_json::to_vec(body)?)
        }
        None => Bytes::new(),
    };
    let request =
        request.body(Full::new(bytes)).with_context(|| format!("{url} is no address for HTTP"))?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let exchange = async {
        let response =
            client.request(request).await.with_context(|| format!("{url} cannot be reached"))?;
        let (parts, body) = response.into_parts();
        let bytes = Limited::new(body, BODY_MAX)
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!("{url}: the answer broke off: {error}"))?
            .to_bytes();
        let body = match serde_json::from_slice(&bytes) {
            Ok(value) => value,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
        };
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    };
    match tokio::time::timeout(ANSWER_MAX, exchange).await {
        Ok(answer) => answer,
        Err(_) => bail!("{url} gave no answer within {} s", ANSWER_MAX.as_secs()),
    }
}

impl Answer {
    /// The JSON of a success, or the server's own words.
    pub fn ok(self) -> anyhow::Result<Value> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let said = self.body.pointer("/error/message").and_then(Value::as_str);
        match said {
            Some(said) => bail!("{said}"),
            None => bail!("the server answered {}: {}", self.status, self.body),
        }
    }
}

/// Longer than the longest `?wait=` of a daemon.
const ANSWER_MAX: Duration = Duration::from_secs(90);

const BODY_MAX: usize = 4 << 20;
