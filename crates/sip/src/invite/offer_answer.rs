//! Which bodies count in offer and answer (RFC 3261 section 13.2.1).
//!
//! The stack never looks into a body. It only has to know whether one is there whose disposition is *session*: that decides whether the
//! ACK waits for an answer, and when UPDATE must be refused.

use crate::message::{Body, HeaderId, Headers, Lines};

/// True when a message carries a session description.
pub(super) fn in_message(headers: &Headers) -> bool {
    if headers.body().is_empty() {
        return false;
    }
    // Nearly every body.
    if headers.raw(HeaderId::ContentType) == Some(b"application/sdp") && !headers.has(HeaderId::ContentDisposition) {
        return true;
    }
    let disposition = headers.text(HeaderId::ContentDisposition);
    let kind = headers.text(HeaderId::ContentType);
    is_session(disposition.as_deref(), kind.as_deref().unwrap_or(""))
}

/// True when the body that we are about to send is a session description.
pub(super) fn in_body(body: Option<&Body>, lines: &Lines) -> bool {
    let Some(body) = body.filter(|body| !body.bytes.is_empty()) else { return false };
    let disposition = lines.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-disposition"));
    let disposition = disposition.map(|(_, value)| String::from_utf8_lossy(value));
    is_session(disposition.as_deref(), &body.content_type)
}

/// RFC 3261 section 20.11 and 13.2.1: without a disposition `application/sdp` is *session*, other types are *render*. A multipart
/// body without one may hold a session description and counts as such.
fn is_session(disposition: Option<&str>, content_type: &str) -> bool {
    match disposition {
        Some(disposition) => first(disposition).eq_ignore_ascii_case("session"),
        None => {
            let kind = first(content_type);
            let multipart = || kind.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
            kind.eq_ignore_ascii_case("application/sdp") || multipart()
        }
    }
}

/// A value without its parameters.
fn first(value: &str) -> &str {
    let end = value.bytes().position(|byte| byte == b';').unwrap_or(value.len());
    value.get(..end).unwrap_or("").trim()
}

#[cfg(test)]
mod tests {
    use super::is_session;

    #[test]
    fn rfc3261_13_2_1_disposition_decides_what_is_a_session_description() {
        for (disposition, kind, expected) in [
            (None, "application/sdp", true),
            (None, "Application/SDP;charset=x", true),
            (None, "text/plain", false),
            (None, "", false),
            (None, "multipart/mixed;boundary=x", true),
            (Some("session"), "text/plain", true),
            (Some("SESSION ; handling=optional"), "application/sdp", true),
            (Some("render"), "application/sdp", false),
            (Some("early-session"), "application/sdp", false),
        ] {
            assert_eq!(is_session(disposition, kind), expected, "{disposition:?} {kind}");
        }
    }
}
