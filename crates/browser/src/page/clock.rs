//! The browser's clock and its timers.

use gloo_timers::future::TimeoutFuture;

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    // Exact: the clock stays far below 2^53.
    js_sys::Date::now() as u64
}

/// Waits until `at_ms`, but no longer than a minute: a machine that slept has stopped its timers, not its clock.
pub(crate) async fn sleep_until(at_ms: u64) {
    let left = at_ms.saturating_sub(now_ms()).min(NAP_MAX_MS);
    TimeoutFuture::new(u32::try_from(left).unwrap_or(u32::MAX)).await;
}

const NAP_MAX_MS: u64 = 60_000;
