//! What we ask a server of WebSockets for, and what it must answer (RFC 6455 section 4.1, RFC 7118 section 4.1).

use tungstenite::handshake::client::{Response, generate_key};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::http::StatusCode;
use tungstenite::http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
    WWW_AUTHENTICATE,
};

use super::SUB_PROTOCOL;
use crate::octets::Trouble;

/// The request, and its key; `proof` is the value of Authorization, where one is wanted (RFC 9110 section 11.6.2).
pub(super) fn request(host: &str, resource: &str, proof: Option<&str>) -> (Vec<u8>, String) {
    let key = generate_key();
    let proof = proof.map(|proof| format!("Authorization: {proof}\r\n")).unwrap_or_default();
    let head = format!(
        "GET {resource} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {SUB_PROTOCOL}\r\n{proof}\r\n"
    );
    (head.into_bytes(), key)
}

/// Whether the answer is the one that a request with this key must get.
///
/// # Errors
/// What was expected and found, for a person; or the challenges of a 401, of which there may be none.
pub(super) fn judge(head: &[u8], key: &str) -> Result<(), Trouble> {
    if let Ok(Some((_, response))) = Response::try_parse(head)
        && response.status() == StatusCode::UNAUTHORIZED
    {
        let challenges = response.headers().get_all(WWW_AUTHENTICATE);
        return Err(Trouble::Asked(challenges.iter().map(|value| value.as_bytes().to_vec()).collect()));
    }
    check(head, key).map_err(Trouble::Web)
}

fn check(head: &[u8], key: &str) -> Result<(), String> {
    let Ok(Some((_, response))) = Response::try_parse(head) else {
        return Err("it does not answer by HTTP/1.1".into());
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!("it answers {} instead of 101", response.status()));
    }
    let has = |name: HeaderName, wanted: &str| {
        let values = response.headers().get_all(name);
        values.iter().any(|value| {
            let mut tokens = value.as_bytes().split(|octet| *octet == b',');
            tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
        })
    };
    if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") {
        return Err("it answers 101, but not for a WebSocket".into());
    }
    let accept = derive_accept_key(key.as_bytes());
    if response.headers().get(SEC_WEBSOCKET_ACCEPT).is_none_or(|given| given != accept.as_str()) {
        return Err("its answer is none to what we asked: Sec-WebSocket-Accept is another".into());
    }
    if response.headers().contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err("it wants an extension that we did not offer".into());
    }
    match response.headers().get(SEC_WEBSOCKET_PROTOCOL) {
        Some(given) if given == SUB_PROTOCOL => Ok(()),
        _ => Err("it does not speak SIP there: expected Sec-WebSocket-Protocol: sip (RFC 7118)".into()),
    }
}

#[cfg(test)]
mod tests;
