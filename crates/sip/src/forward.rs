//! A request to be passed on by a proxy (RFC 3261 section 16.6), before it is sent.

use std::sync::Arc;

use crate::draft::Hop;
use crate::id::ServerTx;
use crate::message::{Lines, Request, UriBuf};
use crate::outbox::Origin;
use crate::rng::Token;

/// A copy of a request on its way to one target. What is not named here is passed on as it came; the stack adds our Via, and tells the one below it
/// where the request came from.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The request as it came.
    pub request: Arc<Request>,
    /// Where it came from.
    pub origin: Origin,
    /// Its transaction: once a 2xx to an INVITE has been handed up, later ones from the same target go back by it without a question (RFC 6026
    /// section 7.2).
    pub server: Option<ServerTx>,
    /// The Request-URI (16.6 step 2). With a strict router first in `routes` the stack swaps them (step 6).
    pub uri: UriBuf,
    /// The Route values, in place of those that came (steps 1 and 6).
    pub routes: Vec<String>,
    /// Where it goes.
    pub hop: Hop,
    /// Max-Forwards (step 3).
    pub max_forwards: u8,
    /// Max-Breadth (RFC 5393 section 5.3).
    pub max_breadth: Option<u32>,
    /// What becomes part of our branch: by it we know the request when it comes back (step 8). None without a transaction, where ACK and CANCEL have to
    /// have the branch of their INVITE (section 16.11).
    pub mark: Option<u64>,
    /// Parameters of our Via, each with its semicolon: what a proxy without transactions wants to be told by the response.
    pub via: Option<String>,
    /// Whether later requests of the dialog come by us (step 4).
    pub record: Option<Record>,
    /// The way back to a device that registers elsewhere through us.
    pub path: Option<PathTo>,
    /// Whether it tells who the caller is asserted to be (RFC 3325).
    pub identity: Identity,
    /// Its Resource-Priority counts where it may be left out (RFC 7339 section 5.10.1): it comes from somebody who may say so (RFC 4412 section 11).
    pub prioritized: bool,
    /// Where it has been (RFC 7044): instead of what came. `None`: as it came.
    pub history: Option<Box<Told>>,
    /// The realm whose credentials were for us: they go no further, those for others do (RFC 3261 section 22.3).
    pub authorized: Option<Arc<str>>,
}

/// What a copy says of who its sender is asserted to be (RFC 3325 section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// Nothing: it came from nobody we trust, or goes to nobody who may know.
    #[default]
    Withheld,
    /// What came says.
    Passed,
    /// The same for whom we do not trust: no Remote-Party-ID that hides an address or a name, whoever's (RFC 3325 section 7).
    Shown,
    /// This value of P-Asserted-Identity, and nothing that came. Where it is to stay within the trust domain and the request does not say so, Privacy
    /// does: this value, in place of what came (RFC 3325 section 9.3). In requests alone.
    Asserted {
        /// P-Asserted-Identity.
        value: Arc<str>,
        /// Privacy; `None`: as it came.
        privacy: Option<Box<str>>,
    },
}

/// What a message says of where its request has been (RFC 7044 section 10), instead of what came: see [`crate::history::History`]. Without lines nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Its History-Info lines, and what is left of Privacy.
    pub lines: Lines,
    /// The Privacy that came stays behind.
    pub privacy: bool,
}

/// What our Path says (RFC 3327 section 5.2), with our address on the side that the request goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTo {
    /// Its user part, by which we know the flow to the device again (RFC 5626 section 5.1).
    pub user: String,
    /// The device speaks outbound: `ob` says that we keep its flow.
    pub outbound: bool,
}

/// What our Record-Route says (RFC 3261 section 16.6 step 4). The addresses are those of both sides of us; where they differ, or one has a user
/// part, each side gets a value of its own (RFC 5658).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// A `sips` URI.
    pub secure: bool,
    /// The value of its parameter `d`: by it we know the dialog again.
    pub token: Token,
    /// The user part of the value for the side the request came from.
    pub inward: Option<String>,
    /// The same for the side it goes to.
    pub outward: Option<String>,
}
