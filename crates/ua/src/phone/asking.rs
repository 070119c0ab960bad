//! MESSAGE, OPTIONS, INFO and REFER of ours, in and outside of calls.
//!
//! Messages to one address, and those within one call, go one after the other: the next leaves when the one before has its answer (RFC 3428
//! section 8). That keeps a congested network from being congested by us.

use std::collections::VecDeque;

use media::Key;
use sip::header::Allow;
use sip::message::{Body, HeaderId, Lines, Method, Response};
use sip::{ClientTx, Draft, Failure, Turn};

use super::asked::{Reply, Request, UnderWay, Waiting, Whither};
use super::state::Phone;
use super::telling::{failed, first_hop, reason_of, refused, tell};
use crate::error::CallError;
use crate::message::Answer;

/// Messages that wait for the one before, to one address or in one call.
const QUEUE: usize = 64;

impl Phone {
    /// A request of ours outside any call. `proved`: the registrar has taken our credentials.
    pub(super) fn ask(&mut self, draft: Box<Draft>, proved: bool, reply: Reply, turn: &mut Turn<'_>) {
        self.ask_in_turn(Request::Outside { draft, proved }, reply, turn);
    }

    /// A request of ours within a call.
    pub(super) fn ask_in_dialog(
        &mut self,
        call: Key,
        method: Method,
        lines: Lines,
        body: Option<Body>,
        reply: Reply,
        turn: &mut Turn<'_>,
    ) {
        self.ask_in_turn(Request::Within { call, method, lines, body }, reply, turn);
    }

    /// An INFO of a package, which leaves only when the other side has said that it takes it (RFC 6086 section 5.2.2).
    pub(super) fn inform(&mut self, key: Key, package: &str, body: Body, reply: Reply, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get(&key) else { return tell(reply, Err(CallError::Ended)) };
        if !turn.takes_info(call.session, package) {
            let why = format!("the other side does not say that it takes INFOs of the package {package:?}");
            return tell(reply, Err(CallError::NotNow { why }));
        }
        let mut lines = Lines::new();
        if let Err(error) = lines.push(HeaderId::InfoPackage.name(), package) {
            return tell(reply, Err(CallError::BadText { why: error.to_string() }));
        }
        self.ask_in_dialog(key, Method::Info, lines, Some(body), reply, turn);
    }

    fn ask_in_turn(&mut self, what: Request, reply: Reply, turn: &mut Turn<'_>) {
        let whither = what.queue();
        if let Some(whither) = &whither {
            match self.asked.queues.get_mut(whither) {
                Some(queue) if queue.len() >= QUEUE => {
                    return tell(reply, Err(CallError::TooManyMessages { limit: QUEUE }));
                }
                Some(queue) => return queue.push_back(Waiting { what, reply }),
                None => self.asked.queues.insert(whither.clone(), VecDeque::new()),
            };
        }
        if !self.send(what, whither.clone(), reply, turn) {
            self.next(whither, turn);
        }
    }

    /// False when it did not leave; whoever asked has been told.
    fn send(&mut self, what: Request, queue: Option<Whither>, reply: Reply, turn: &mut Turn<'_>) -> bool {
        let transfer = match &what {
            Request::Within { call, method: Method::Refer, .. } => Some(*call),
            _ => None,
        };
        let sent = match what {
            Request::Outside { draft, proved } => {
                let to = first_hop(&draft.hop, &draft.routes, draft.uri.as_str());
                let unproved = (!proved).then_some(draft.cseq);
                let sent = turn.send_request(*draft);
                sent.map(|tx| (tx, to.clone(), unproved))
                    .map_err(|error| CallError::Unreachable { to, why: error.to_string() })
            }
            Request::Within { call, method, lines, body } => match self.calls.get(&call) {
                None => Err(CallError::Ended),
                Some(call) => {
                    let sent = turn.in_dialog(call.session, method, lines, body);
                    let to = call.peer.clone();
                    sent.map(|tx| (tx, to, None)).map_err(|error| CallError::BadText { why: error.to_string() })
                }
            },
        };
        match sent {
            Ok((tx, to, unproved)) => {
                if let Some(call) = transfer {
                    self.asked_for_transfer(call, tx);
                }
                self.asked.under_way.insert(tx, UnderWay { reply, to, unproved, transfer, queue });
                true
            }
            Err(error) => {
                tell(reply, Err(error));
                false
            }
        }
    }

    /// The message that was under way there is not any more.
    fn next(&mut self, queue: Option<Whither>, turn: &mut Turn<'_>) {
        let Some(whither) = queue else { return };
        while let Some(queue) = self.asked.queues.get_mut(&whither) {
            match queue.pop_front() {
                None => {
                    self.asked.queues.remove(&whither);
                }
                // Who does not wait any more wants nothing sent.
                Some(waiting) if waiting.reply.is_closed() => {}
                Some(Waiting { what, reply }) => {
                    if self.send(what, Some(whither.clone()), reply, turn) {
                        return;
                    }
                }
            }
        }
    }

    /// A response to one of these.
    pub(super) fn answered(&mut self, tx: ClientTx, response: &Response, turn: &mut Turn<'_>) {
        if response.code().is_provisional() {
            return;
        }
        let Some(asked) = self.asked.under_way.remove(&tx) else {
            if !response.code().is_success() {
                self.not_notified(tx);
            }
            return;
        };
        let headers = response.headers();
        if let Some(call) = asked.transfer {
            self.transfer_answered(call, tx, response.code().is_success().then_some(headers));
        }
        let answer = if response.code().is_success() {
            let server = headers.text(HeaderId::Server).or_else(|| headers.text(HeaderId::UserAgent));
            Ok(Answer {
                code: response.code().get(),
                reason: reason_of(response),
                allow: headers.list::<Allow<'_>>().filter_map(Result::ok).map(|method| method.to_string()).collect(),
                server: server.map(|text| text.into_owned()),
            })
        } else {
            Err(refused(response, asked.unproved))
        };
        tell(asked.reply, answer);
        self.next(asked.queue, turn);
    }

    /// No response to one of these.
    pub(super) fn unanswered(&mut self, tx: ClientTx, why: Failure, turn: &mut Turn<'_>) {
        if let Some(asked) = self.asked.under_way.remove(&tx) {
            if let Some(call) = asked.transfer {
                self.transfer_answered(call, tx, None);
            }
            tell(asked.reply, Err(failed(why, &asked.to)));
            self.next(asked.queue, turn);
        } else {
            self.not_notified(tx);
        }
    }

    /// A call is over: what waits for its turn in it will not come to it.
    pub(super) fn forget_waiting(&mut self, call: Key) {
        for waiting in self.asked.queues.remove(&Whither::Call(call)).into_iter().flatten() {
            tell(waiting.reply, Err(CallError::Ended));
        }
    }
}
