//! Who may speak to the control interface: programs, and pages that were named when it started.
//!
//! Every page a browser has open can send requests to this machine. What tells them apart is what a
//! page cannot choose: its origin, and the name by which the browser was told to find us. A page
//! that brings its own name to an address of ours (DNS rebinding) shows it in `Host`.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{self, HeaderName},
        uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::control::Refusal;

/// What is allowed besides programs on this machine.
#[derive(Clone, Default)]
pub(crate) struct Guard {
    /// Host names under which the interface may be addressed, besides `localhost` and addresses.
    pub(crate) hosts: Vec<String>,
    /// Origins whose pages may do everything.
    pub(crate) origins: Vec<String>,
}

/// Lets a request pass that no foreign page can have made.
pub(crate) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let host = match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None => text(request.headers(), header::HOST).and_then(|host| host.parse().ok()),
    };
    let Some(host) = host.filter(|host| guard.knows(host)) else {
        let text = "this interface is addressed as localhost or by its IP address; \
                    `--allow-host` adds names";
        return Refusal(StatusCode::FORBIDDEN, text.into()).into_response();
    };
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return next.run(request).await;
    };
    let own = format!("http://{host}");
    if !guard.origins.iter().chain([&own]).any(|allowed| origin == allowed.as_str()) {
        let text = "pages of other origins are not served; `--allow-origin` adds origins";
        return Refusal(StatusCode::FORBIDDEN, text.into()).into_response();
    }
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    response
}

impl Guard {
    fn knows(&self, host: &Authority) -> bool {
        let name = host.host();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || address.parse::<IpAddr>().is_ok()
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
