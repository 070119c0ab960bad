//! Bodies of messages: session descriptions, and what is passed on unread.

use sip::message::{Body, HeaderId, Headers};

/// The body when it is a session description.
pub(crate) fn description(headers: &Headers) -> Option<Vec<u8>> {
    let (content, body) = (content_type(headers)?, headers.body_bytes());
    let name = content.split(';').next().unwrap_or_default().trim();
    (name.eq_ignore_ascii_case("application/sdp") && !body.is_empty()).then(|| body.to_vec())
}

/// The body with its type, whatever it is; what has no type that can be read is octets.
pub(crate) fn whole(headers: &Headers) -> Option<Body> {
    let body = headers.body_bytes();
    let content = || content_type(headers).unwrap_or_else(|| "application/octet-stream".to_owned());
    (!body.is_empty()).then(|| Body::new(content(), body))
}

/// Whether the body is one of a package of INFO (RFC 6086 section 4.3.1).
pub(crate) fn is_of_package(headers: &Headers) -> bool {
    let disposition = headers.text(HeaderId::ContentDisposition);
    let kind = disposition.as_deref().and_then(|text| text.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("info-package")
}

fn content_type(headers: &Headers) -> Option<String> {
    Some(headers.content_type()?.ok()?.to_string())
}
