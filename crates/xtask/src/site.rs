//! The page's web server: files of one folder, and `/demo.json`, which tells the page where everything is.
//!
//! For tests it can also pass on orders to stop and start parts of the demo (`POST /stage/<part>/<stop|start>`).

use std::{
    net::SocketAddr,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

struct Site {
    folder: PathBuf,
    demo: String,
    orders: Option<mpsc::Sender<Order>>,
}

/// What a test wants done to a part of the demo.
pub(crate) struct Order {
    pub(crate) part: String,
    pub(crate) action: String,
    /// Told when it is done, or why it cannot be.
    pub(crate) done: oneshot::Sender<Result<()>>,
}

/// Serves until the program ends and gives the address. `port` 0 takes any free one.
pub(crate) async fn serve(
    folder: PathBuf,
    demo: &Value,
    port: u16,
    orders: Option<mpsc::Sender<Order>>,
) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("port {port} of 127.0.0.1 is taken: choose another by --port"))?;
    let address = listener.local_addr()?;
    let site = Arc::new(Site { folder, demo: format!("{demo:#}"), orders });
    let router = Router::new()
        .route("/stage/{part}/{action}", post(order))
        .fallback(answer)
        .with_state(site);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = request.uri().path();
    if path == "/demo.json" {
        return with_type("application/json", site.demo.clone().into_bytes());
    }
    let path = if path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() };
    let Some(file) = inside(&site.folder, &path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match tokio::fs::read(&file).await {
        Ok(bytes) => with_type(media_type(&file), bytes),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn order(
    State(site): State<Arc<Site>>,
    axum::extract::Path((part, action)): axum::extract::Path<(String, String)>,
) -> Response {
    let Some(orders) = &site.orders else { return StatusCode::NOT_FOUND.into_response() };
    let (done, result) = oneshot::channel();
    let sent = orders.send(Order { part, action, done }).await;
    match (sent, result.await) {
        (Ok(()), Ok(Ok(()))) => StatusCode::NO_CONTENT.into_response(),
        (Ok(()), Ok(Err(error))) => (StatusCode::BAD_REQUEST, format!("{error:#}")).into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the demo is ending").into_response(),
    }
}

fn with_type(media: &'static str, bytes: Vec<u8>) -> Response {
    // A rebuilt page must be seen at the next reload.
    ([(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-cache")], bytes).into_response()
}

/// The file that a path names, if it cannot lead out of the folder.
fn inside(folder: &Path, path: &str) -> Option<PathBuf> {
    let relative = Path::new(path.trim_start_matches('/'));
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| folder.join(relative))
}

/// Browsers refuse modules and streamed wasm under any other type.
fn media_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let folder = Path::new("/site");
        assert_eq!(inside(folder, "/demo/app.js"), Some(PathBuf::from("/site/demo/app.js")));
        for path in ["/../secret", "/demo/../../secret", "/.."] {
            assert_eq!(inside(folder, path), None, "{path}");
        }
    }

    #[test]
    fn wasm_has_the_type_that_streaming_needs() {
        assert_eq!(media_type(Path::new("core_bg.wasm")), "application/wasm");
    }
}
