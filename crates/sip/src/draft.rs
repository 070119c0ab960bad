//! A request before it is sent.

use crate::digest;
use crate::message::{Body, Lines, Method, StatusCode, UriBuf};
use crate::outbox::Path;

/// A request of ours without Via: the stack adds Via (with branch and, on UDP, `rport`), Max-Forwards, Contact where asked for,
/// User-Agent and Content-Length.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The method.
    pub method: Method,
    /// The Request-URI, or in a dialog the remote target. With a strict router first in `routes` the stack swaps them as RFC 3261
    /// section 12.2.1.1 says.
    pub uri: UriBuf,
    /// The whole From value, tag included.
    pub from: String,
    /// The whole To value; with its tag in a dialog.
    pub to: String,
    /// The Call-ID.
    pub call_id: String,
    /// The CSeq number. A retry with credentials adds one.
    pub cseq: u32,
    /// Route values (`<sip:p1.example.com;lr>`) in order: the route set as it is.
    pub routes: Vec<String>,
    /// What stands in Contact.
    pub contact: ContactSpec,
    /// A [`ContactSpec::Auto`] is a `sips` URI whatever the Request-URI says: in a dialog that began by `sips` (RFC 3261 section 12.2.1.1, RFC 5630
    /// section 5.1.1.2). False at first.
    pub secure: bool,
    /// Further header lines.
    pub lines: Lines,
    /// The body.
    pub body: Option<Body>,
    /// Where it goes.
    pub hop: Hop,
    /// It is known to go over streams on its whole way, and not over this hop alone: only then may a MESSAGE have more than 1300 octets (RFC 3428
    /// section 8). False at first.
    pub by_streams: bool,
    /// For 401 and 407; when empty, challenges go to the owner as any response does.
    pub credentials: digest::Credentials,
    /// What an earlier request learned (nonce, count): its credentials are sent at once, without waiting for a challenge.
    pub auth: Option<Box<digest::Client>>,
}

impl Draft {
    /// A draft with the given method and Request-URI; the rest is empty, CSeq is 1. From, To and Call-ID must be filled in.
    pub fn new(method: Method, uri: UriBuf) -> Self {
        Self {
            method,
            uri,
            from: String::new(),
            to: String::new(),
            call_id: String::new(),
            cseq: 1,
            routes: Vec::new(),
            contact: ContactSpec::None,
            secure: false,
            lines: Lines::default(),
            body: None,
            hop: Hop::Auto,
            by_streams: false,
            credentials: digest::Credentials::default(),
            auth: None,
        }
    }
}

/// What stands in the Contact header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ContactSpec {
    /// No Contact.
    #[default]
    None,
    /// `<sip:user@local;transport=..>` with our address on the path chosen, then `params`.
    Auto {
        /// The user part, already escaped.
        user: Option<String>,
        /// Parameters of the header, each with its semicolon: `;expires=60`.
        params: String,
    },
    /// A whole header value.
    Given(String),
}

/// Where a request goes.
#[derive(Clone, Debug, Default)]
pub enum Hop {
    /// By the first Route or the Request-URI (RFC 3261 section 8.1.2).
    #[default]
    Auto,
    /// To this URI, whatever the request says: an outbound proxy.
    Uri(UriBuf),
    /// Along this path only; no look-up, no second try, no change of transport for size.
    Path(Path),
}

/// By which way something goes that is kept up, and what it says of where we are: see [`crate::Turn::move_subscription`].
#[derive(Clone, Debug)]
pub struct Whereby {
    /// Route values in order.
    pub routes: Vec<String>,
    /// Where it goes.
    pub hop: Hop,
    /// What stands in Contact, where anything does.
    pub contact: ContactSpec,
    /// For 401 and 407.
    pub credentials: digest::Credentials,
}

impl Hop {
    /// The flow it goes along and who is at its other end, where that is given: over UDP all go along one.
    pub(crate) fn flow(&self) -> Option<(crate::id::FlowId, std::net::SocketAddr)> {
        match self {
            Hop::Path(path) => Some((path.flow, path.remote)),
            _ => None,
        }
    }
}

/// Codes whose responses make dialogs, and therefore copy Record-Route (RFC 3261 section 12.1.1).
pub(crate) fn makes_dialog(method: &Method, code: StatusCode) -> bool {
    let code = code.get();
    matches!(method, Method::Invite | Method::Subscribe | Method::Refer) && (101..300).contains(&code)
}
