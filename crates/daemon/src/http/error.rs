//! Errors of the HTTP API: a status, a stable code to branch on and a sentence to read.

use std::time::Duration;

use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use node::io::CommandError;
use serde_json::{Map, Value, json};

use crate::host::CommandFailed;

/// Becomes `{"error": {"code", "message", ..}}`.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    more: Map<String, Value>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), more: Map::new() }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(crate) fn method() -> Self {
        let message = "this path does not take this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }
}

impl From<CommandFailed> for ApiError {
    fn from(failed: CommandFailed) -> Self {
        let error = match failed {
            CommandFailed::Refused(error) => error,
            CommandFailed::Stopped => {
                let message = "the node is stopping: try again when it is back";
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopped", message);
            }
        };
        let (status, code) = match &error {
            CommandError::UnknownPeer { .. } => (StatusCode::NOT_FOUND, "unknown_peer"),
            CommandError::Offline { .. } => (StatusCode::SERVICE_UNAVAILABLE, "offline"),
            CommandError::NoChannel { .. } => (StatusCode::CONFLICT, "no_channel"),
            CommandError::InsufficientBalance { .. } => {
                (StatusCode::CONFLICT, "insufficient_balance")
            }
            CommandError::CapacityTooSmall { .. } => (StatusCode::CONFLICT, "capacity_too_small"),
            CommandError::BadRequest { .. } => (StatusCode::BAD_REQUEST, "bad_request"),
            CommandError::Duplicate => (StatusCode::CONFLICT, "duplicate"),
            CommandError::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        };
        let message = error.to_string();
        // The numbers of the error, for programs.
        let more = match serde_json::to_value(error) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        Self { status, code, message, more }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, code, message, more: mut error } = self;
        error.insert("code".into(), code.into());
        error.insert("message".into(), message.into());
        (status, Json(json!({ "error": error }))).into_response()
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), "bad_request", rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), "bad_request", rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), "bad_request", rejection.body_text())
    }
}

/// A JSON body whose errors have the shape of all others.
#[derive(FromRequest)]
#[from_request(via(Json), rejection(ApiError))]
pub(crate) struct Body<T>(pub(crate) T);

/// A path parameter, likewise.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(crate) struct PathOf<T>(pub(crate) T);

/// A query string, likewise.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(crate) struct QueryOf<T>(pub(crate) T);

/// Gives up on requests that never end; a body that trickles in is no reason to hold a task for ever.
pub(crate) async fn with_deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = format!("no answer within {} s", REQUEST_MAX.as_secs());
            ApiError::new(StatusCode::REQUEST_TIMEOUT, "timed_out", message).into_response()
        }
    }
}

/// Longer than the longest `?wait=`.
const REQUEST_MAX: Duration = Duration::from_secs(75);
