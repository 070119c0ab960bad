//! What is answered to who asks for a WebSocket (RFC 6455 section 4.2, RFC 7118 section 4.1).

use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::HeaderValue;
use tungstenite::http::header::{
    CONTENT_LENGTH, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};

use super::SUB_PROTOCOL;
use crate::config::WebSockets;

/// The answer, and what we say ourselves once it has left.
pub(super) type Answer = (Vec<u8>, Result<(), String>);

/// A refusal: status, a header field, why.
#[derive(Clone, Copy)]
pub(super) struct Refusal(&'static str, &'static str, &'static str);

pub(super) const TOO_LONG: Refusal =
    Refusal("431 Request Header Fields Too Large", "", "the request is longer than 8192 octets");
const NOT_HTTP: Refusal = Refusal("400 Bad Request", "", "expected a GET of HTTP/1.1");
const NO_WEBSOCKET: Refusal = Refusal(
    "426 Upgrade Required",
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "expected an upgrade to a WebSocket of version 13 (RFC 6455)",
);
const BAD: Refusal =
    Refusal("400 Bad Request", "", "expected one Host and one Sec-WebSocket-Key of 16 octets in base64 (RFC 6455)");
const BEHIND: Refusal = Refusal("400 Bad Request", "", "expected nothing behind the request until it is answered");
const NO_SIP: Refusal =
    Refusal("400 Bad Request", "", "expected the sub-protocol: Sec-WebSocket-Protocol: sip (RFC 7118)");
const ORIGIN_REFUSED: Refusal = Refusal("403 Forbidden", "", "pages of this origin are not served");

/// What is answered to this head, with what came behind it.
pub(super) fn answer(head: &[u8], behind: &[u8], rules: &WebSockets) -> Answer {
    match accepted(head, behind, rules) {
        Ok(answer) => (answer, Ok(())),
        Err(refusal) => refuse(refusal),
    }
}

/// A refusal, after which the connection ends.
pub(super) fn refuse(Refusal(status, field, why): Refusal) -> Answer {
    let length = why.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status}\r\n{field}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{why}\n"
    );
    (answer.into_bytes(), Err(why.to_owned()))
}

fn accepted(head: &[u8], behind: &[u8], rules: &WebSockets) -> Result<Vec<u8>, Refusal> {
    let Ok(Some((_, request))) = Request::try_parse(head) else { return Err(NOT_HTTP) };
    let is = |name: HeaderName, wanted: &str| request.headers().get(name).is_some_and(|value| value == wanted);
    let upgrades =
        request.headers().get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !upgrades || !is(SEC_WEBSOCKET_VERSION, "13") {
        return Err(NO_WEBSOCKET);
    }
    let count = |name: HeaderName| request.headers().get_all(name).iter().count();
    if count(HOST) != 1 || count(SEC_WEBSOCKET_KEY) != 1 {
        return Err(BAD);
    }
    if !behind.is_empty() || count(TRANSFER_ENCODING) > 0 || !is_without_body(&request) {
        return Err(BEHIND);
    }
    if !is_allowed(&request, &rules.origins) {
        return Err(ORIGIN_REFUSED);
    }
    if !asks_for_sip(&request) {
        return Err(NO_SIP);
    }
    let mut response = create_response(&request).map_err(|_| BAD)?;
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUB_PROTOCOL));
    let mut answer = Vec::new();
    write_response(&mut answer, &response).map_err(|_| BAD)?;
    Ok(answer)
}

fn is_without_body(request: &Request) -> bool {
    request.headers().get_all(CONTENT_LENGTH).iter().all(|length| length == "0")
}

/// Whether a page of this origin may connect. Who sends none is no browser, and could send any (RFC 6455 sections 4.2.1 and 10.2).
fn is_allowed(request: &Request, origins: &[String]) -> bool {
    let listed =
        |origin: &HeaderValue| origins.iter().any(|one| origin.as_bytes().eq_ignore_ascii_case(one.as_bytes()));
    origins.is_empty() || request.headers().get_all(ORIGIN).iter().all(listed)
}

/// Whether `sip` is among the sub-protocols that the client speaks. Their names are what they are in every letter.
fn asks_for_sip(request: &Request) -> bool {
    let lines = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    lines.iter().any(|line| {
        line.as_bytes().split(|octet| *octet == b',').any(|name| name.trim_ascii() == SUB_PROTOCOL.as_bytes())
    })
}

#[cfg(test)]
mod tests;
