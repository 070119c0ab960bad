//! Requests that are passed on and whose answers come back: MESSAGE between users (RFC 3428), and what devices say within a call.

use std::collections::HashMap;

use sip::message::{HeaderId, Method, Request, Response, StatusCode};
use sip::uas;
use sip::{ClientTx, Draft, Failure, Origin, Reply, ServerTx, SessionId, Turn};

use crate::call::{Target, whole_body};
use crate::headers;
use crate::switch::Switch;

/// Messages under way at a time; one more is answered 503.
const MOST: usize = 10_000;
/// Largest message, in octets (RFC 3428 section 8 wants at most 1300 for the whole request; devices on streams send more).
const LARGEST: usize = 16_384;

/// Where the answer to a request of ours belongs.
#[derive(Debug)]
pub(crate) enum Relayed {
    /// A request within a call.
    Within {
        /// To be answered.
        tx: ServerTx,
        /// The leg it was passed on to: with it goes the hope for an answer.
        over: SessionId,
    },
    /// One of the copies of a MESSAGE.
    Message {
        /// Which.
        id: u64,
    },
}

/// A MESSAGE on its way to the devices of a user.
#[derive(Debug)]
struct Message {
    tx: ServerTx,
    /// Copies without a final answer.
    open: usize,
    best: Option<StatusCode>,
}

/// Messages under way.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    table: HashMap<u64, Message>,
    last: u64,
}

impl Messages {
    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

impl Switch {
    /// A MESSAGE of an authenticated user: 404, 480, or what the devices answer. `found`: those, when they had to be asked for.
    pub(crate) fn message(
        &mut self,
        tx: ServerTx,
        request: &Request,
        origin: &Origin,
        user: &str,
        found: Option<Vec<Target>>,
        turn: &mut Turn<'_>,
    ) -> Option<Reply> {
        if let Some(refusal) = uas::scheme(request, &self.capabilities) {
            return Some(refusal);
        }
        let number = request.uri().ok().and_then(|uri| uri.user_unescaped().map(std::borrow::Cow::into_owned));
        let name = number.as_deref().and_then(|number| self.accounts.by_number(number)).map(|known| known.name.clone());
        let (Some(number), Some(name)) = (number, name) else { return Some(Reply::new(StatusCode::NOT_FOUND)) };
        if let Some(refusal) = uas::extensions(request, &self.capabilities) {
            return Some(refusal);
        }
        if request.body().len() > LARGEST {
            return Some(Reply::new(StatusCode::REQUEST_ENTITY_TOO_LARGE));
        }
        if self.messages.table.len() >= MOST || self.finishing {
            return Some(self.busy());
        }
        let Some(hops) = headers::hops(request.headers()) else { return Some(Reply::new(StatusCode::TOO_MANY_HOPS)) };
        let (Some(from), Some(to)) = (self.identity(request, user), self.address(request, &number)) else {
            return Some(Reply::new(StatusCode::BAD_REQUEST));
        };
        if found.is_none() && !self.neighbours.keeps(&name) {
            let asked = self.find(&name, (tx, request, origin, user), turn);
            return if asked { None } else { Some(self.busy()) };
        }
        self.messages.last += 1;
        let id = self.messages.last;
        let mut open = 0;
        for target in self.targets(&name, found, turn.now()) {
            let mut draft = Draft::new(Method::Message, target.uri);
            draft.from = format!("{from};tag={:016x}", rand::random::<u64>());
            draft.to = format!("<{}>", to.as_str());
            draft.call_id = turn.call_id();
            draft.routes = target.routes;
            draft.hop = target.hop;
            draft.lines = headers::of_request(request.headers());
            draft.lines.push_id(HeaderId::MaxForwards, hops);
            draft.body = whole_body(request.headers(), request);
            match turn.send_request(draft) {
                Ok(client) => {
                    self.relayed.insert(client, Relayed::Message { id });
                    open += 1;
                }
                Err(error) => tracing::warn!(%error, "a message is not passed on"),
            }
        }
        if open == 0 {
            return Some(Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE));
        }
        self.messages.table.insert(id, Message { tx, open, best: None });
        None
    }

    /// A response to a request that was passed on.
    pub(crate) fn relayed_response(&mut self, client: ClientTx, response: &Response, turn: &mut Turn<'_>) {
        if response.code().is_provisional() {
            return;
        }
        match self.relayed.remove(&client) {
            Some(Relayed::Within { tx, .. }) => {
                let mut reply = Reply::new(response.code());
                if !response.body().is_empty() {
                    let content = response.headers().content_type().and_then(Result::ok).map(|one| one.to_string());
                    reply.body =
                        content.map(|content| sip::message::Body::new(content, response.headers().body_bytes()));
                }
                let _ = turn.respond(tx, reply);
            }
            Some(Relayed::Message { id }) => self.message_answered(id, response.code(), turn),
            None => {}
        }
    }

    /// No response to a request that was passed on.
    pub(crate) fn relayed_failure(&mut self, client: ClientTx, why: &Failure, turn: &mut Turn<'_>) {
        tracing::debug!(?why, "no answer to a request that was passed on");
        match self.relayed.remove(&client) {
            Some(Relayed::Within { tx, .. }) => {
                let _ = turn.respond(tx, Reply::new(StatusCode::REQUEST_TIMEOUT));
            }
            Some(Relayed::Message { id }) => self.message_answered(id, StatusCode::TEMPORARILY_UNAVAILABLE, turn),
            None => {}
        }
    }

    /// The first device that takes a message makes it delivered; when none does, the last word is the lowest code.
    fn message_answered(&mut self, id: u64, code: StatusCode, turn: &mut Turn<'_>) {
        let Some(message) = self.messages.table.get_mut(&id) else { return };
        message.open = message.open.saturating_sub(1);
        let code = match code.get() {
            // Between us and the device: nothing the sender could answer or change.
            300..=399 | 401 | 407 | 408 | 500..=599 => StatusCode::TEMPORARILY_UNAVAILABLE,
            _ => code,
        };
        let best = message.best.map_or(code, |best| best.min(code));
        message.best = Some(best);
        if !code.is_success() && message.open > 0 {
            return;
        }
        let tx = message.tx;
        self.messages.table.remove(&id);
        let _ = turn.respond(tx, Reply::new(best));
    }
}
