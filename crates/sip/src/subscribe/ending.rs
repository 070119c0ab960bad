//! Which end of a subscription means never again, and which later.

use std::time::Duration;

use crate::header::{RetryAfter, SubscriptionState};
use crate::message::Response;

/// What comes after an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Never,
    /// A new subscription, at once the first time.
    Now,
    /// A new subscription, not before so long.
    After(Duration),
    /// A new subscription when the policy says so.
    ByPolicy,
}

/// The longest that is believed, in seconds.
const LONGEST: u32 = 86_400;

fn after(seconds: u32) -> Next {
    Next::After(Duration::from_secs(seconds.clamp(1, LONGEST).into()))
}

/// By the Subscription-State of the last NOTIFY (RFC 6665 section 4.1.3).
pub(super) fn of_state(state: &SubscriptionState<'_>) -> Next {
    let told = state.retry_after().map(after);
    let reason = state.reason().unwrap_or_default().to_ascii_lowercase();
    match reason.as_str() {
        // Retry-after has no semantics for these.
        "deactivated" | "timeout" => Next::Now,
        "rejected" | "noresource" | "invariant" => Next::Never,
        "probation" => told.unwrap_or(Next::ByPolicy),
        "giveup" => told.unwrap_or(Next::Now),
        _ => told.unwrap_or(Next::ByPolicy),
    }
}

/// By the refusal of the first SUBSCRIBE.
pub(super) fn of_refusal(response: &Response) -> Next {
    let told = response.headers().get::<RetryAfter<'_>>().and_then(Result::ok).map(|told| after(told.seconds));
    match response.code().get() {
        408 | 430 | 480 | 500..=599 if !matches!(response.code().get(), 501 | 505 | 513) => {
            told.unwrap_or(Next::ByPolicy)
        }
        404 | 413 | 486 | 600 | 603 => told.unwrap_or(Next::Never),
        // It was none of a subscription that this notifier knows: a new one may be.
        481 => Next::ByPolicy,
        _ => Next::Never,
    }
}

/// Whether a refusal of a refresh ends the subscription (RFC 6665 section 4.1.2.2); also, whether one of a NOTIFY does (section 4.2.2).
pub(super) fn ends(code: u16) -> bool {
    matches!(code, 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604)
}

/// By the refusal of a refresh that ends the subscription: what is not there any more is made again; what is forbidden, or not understood, is not.
pub(super) fn of_refresh(response: &Response) -> Next {
    match response.code().get() {
        481 => Next::Now,
        480 => of_refusal(response),
        _ => Next::Never,
    }
}
