//! Requests of ours that wait: for an answer, or for their turn.

use std::collections::{HashMap, VecDeque};

use media::Key;
use sip::message::{Body, Lines, Method};
use sip::{ClientTx, Draft};
use tokio::sync::oneshot;

use crate::error::CallError;
use crate::message::Answer;

/// Who asked.
pub(super) type Reply = oneshot::Sender<Result<Answer, CallError>>;

/// Requests of ours that wait for an answer, or for their turn.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) under_way: HashMap<ClientTx, UnderWay>,
    /// There is a queue, most often empty, where a message is under way.
    pub(super) queues: HashMap<Whither, VecDeque<Waiting>>,
}

/// A request that has left.
pub(super) struct UnderWay {
    pub(super) reply: Reply,
    /// For a person.
    pub(super) to: String,
    /// As [`super::telling::refused`] wants it.
    pub(super) unproved: Option<u32>,
    /// Set for a REFER.
    pub(super) transfer: Option<Key>,
    /// Set for a message.
    pub(super) queue: Option<Whither>,
}

/// Where messages go one by one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Whither {
    /// The Request-URI.
    Address(String),
    Call(Key),
}

/// A message that waits for its turn.
pub(super) struct Waiting {
    pub(super) what: Request,
    pub(super) reply: Reply,
}

/// What is asked.
pub(super) enum Request {
    Outside { draft: Box<Draft>, proved: bool },
    Within { call: Key, method: Method, lines: Lines, body: Option<Body> },
}

impl Request {
    /// Where it waits for others of its kind.
    pub(super) fn queue(&self) -> Option<Whither> {
        match self {
            Request::Outside { draft, .. } if draft.method == Method::Message => {
                Some(Whither::Address(draft.uri.to_string()))
            }
            Request::Within { call, method: Method::Message, .. } => Some(Whither::Call(*call)),
            _ => None,
        }
    }
}
