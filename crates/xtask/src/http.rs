//! A small client for the JSON interfaces of the demo's own processes on this machine.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::time::timeout;

/// Longer is a hang, on this machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// One server, as `http://host:port`, with the bearer token it wants for changes.
pub(crate) struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) url: String,
    token: Option<String>,
}

impl Api {
    pub(crate) fn new(url: &str, token: Option<&str>) -> Self {
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, url, token: token.map(str::to_owned) }
    }

    /// The answer as text; an error that says what the server said unless it is a 2xx.
    pub(crate) async fn text(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<String> {
        let call = format!("{method} {}{path}", self.url);
        let exchange = async {
            let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
            if let Some(token) = &self.token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let body = match body {
                Some(json) => {
                    request = request.header("content-type", "application/json");
                    Bytes::from(json.to_string())
                }
                None => Bytes::new(),
            };
            let answer = self.client.request(request.body(Full::new(body))?).await?;
            let status = answer.status();
            let bytes = answer.into_body().collect().await?.to_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if !status.is_success() {
                bail!("{status}: {text}");
            }
            Ok(text)
        };
        timeout(PATIENCE, exchange).await.context("no answer in time").flatten().context(call)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let text = self.text("GET", path, None).await?;
        serde_json::from_str(&text).with_context(|| format!("GET {}{path} gave no JSON", self.url))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let text = self.text("POST", path, Some(&body)).await?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("POST {}{path} gave no JSON", self.url))
    }
}
