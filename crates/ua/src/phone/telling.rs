//! What users are told of responses and failures, and peers of their requests.

use sip::message::header::Contact;
use sip::message::{Response, StatusCode};
use sip::{Hop, Reply, SendError, ServerTx, Turn};
use tokio::sync::oneshot;

use crate::error::CallError;
use crate::told::Told;

/// Addresses of a redirection that are told.
const ADDRESSES: usize = 8;

/// Whoever asked may have stopped waiting.
pub(super) fn tell<T>(reply: oneshot::Sender<T>, value: T) {
    let _ = reply.send(value);
}

/// Answers a request; one that is gone needs no answer.
pub(super) fn respond(turn: &mut Turn<'_>, tx: ServerTx, reply: Reply) {
    if let Err(error) = turn.respond(tx, reply) {
        tracing::debug!(%error, "a request could not be answered");
    }
}

/// The refusal that a final response stands for. `unproved`: the CSeq number the request began with, where nothing has shown yet that our
/// credentials are good. It is counted up for each challenge that is answered (RFC 3261 section 22.2), so that a higher one tells that they went
/// along.
pub(super) fn refused(response: &Response, unproved: Option<u32>) -> CallError {
    let code = response.code();
    let signed = || unproved.is_some_and(|first| response.headers().cseq().number > first);
    let to = if code.class() == 3 { elsewhere(response) } else { Vec::new() };
    match code {
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            CallError::Authentication { code: code.get() }
        }
        StatusCode::FORBIDDEN if signed() => CallError::Authentication { code: code.get() },
        _ if !to.is_empty() => CallError::Redirected { code: code.get(), reason: reason_of(response), to },
        _ => {
            let told = Box::new(Told::why(response.headers()));
            CallError::Rejected { code: code.get(), reason: reason_of(response), told }
        }
    }
}

/// The addresses of a 3xx, what the peer prefers first (RFC 3261 sections 8.1.3.4 and 20.10).
fn elsewhere(response: &Response) -> Vec<String> {
    let contacts = response.headers().list::<Contact<'_>>().filter_map(Result::ok);
    let uris = contacts.filter_map(|contact| Some((contact.q().unwrap_or(1_000), contact.address()?.uri.to_string())));
    let mut uris: Vec<_> = uris.take(ADDRESSES).collect();
    uris.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    uris.into_iter().map(|(_, uri)| uri).collect()
}

/// The reason phrase, or the usual one.
pub(super) fn reason_of(response: &Response) -> String {
    match response.reason() {
        "" => response.code().default_reason().to_owned(),
        said => said.to_owned(),
    }
}

/// The proxy that a request by this hop or these routes goes to first, for a person.
pub(super) fn proxy(hop: &Hop, routes: &[String]) -> Option<String> {
    if let Hop::Uri(hop) = hop {
        return Some(hop.to_string());
    }
    routes.first().map(|route| route.trim_matches(['<', '>']).trim_end_matches(";lr").to_owned())
}

/// Where a request to `uri` goes first, for a person.
pub(super) fn first_hop(hop: &Hop, routes: &[String], uri: &str) -> String {
    proxy(hop, routes).map_or_else(|| uri.to_owned(), |proxy| format!("the proxy {proxy}"))
}

/// Why nothing came back.
pub(super) fn failed(why: sip::Failure, to: &str) -> CallError {
    match why {
        sip::Failure::Timeout => CallError::NoAnswer { after: None },
        sip::Failure::Cancelled => CallError::Cancelled,
        sip::Failure::TooLarge { octets, most } => CallError::TooLong { octets, most },
        sip::Failure::Transport(SendError::Tls(why)) => CallError::Untrusted { to: to.to_owned(), why: why.into() },
        sip::Failure::Transport(SendError::Unauthorized(why)) => {
            CallError::Unauthorized { to: to.to_owned(), why: why.into() }
        }
        why => CallError::Unreachable { to: to.to_owned(), why: why.to_string() },
    }
}
