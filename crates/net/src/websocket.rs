//! SIP over WebSocket (RFC 7118, RFC 6455), both sides: the handshake and the messages. The octets are below, in `octets`; frames, masks and what
//! HTTP looks like are tungstenite's, which does no I/O of its own here.

mod accept;
mod connect;
mod frames;
mod handshake;
mod web;

pub(crate) use handshake::Handshake;
pub(crate) use web::Web;

/// The sub-protocol that both sides must name (RFC 7118 section 4.1).
const SUB_PROTOCOL: &str = "sip";
