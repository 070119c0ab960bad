//! Our provisional responses to their INVITE, sent reliably (RFC 3262 sections 3 and 5).
//!
//! One is under way at a time; what the application answers meanwhile waits for its PRACK, in order. Once one response of an INVITE was
//! sent reliably, all later ones are.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::event::{By, Refusal, SessionEvent};
use super::session::{Bye, Offer, Session, State};
use super::{Kind, ending, in_dialog, offer_answer, packages, uas};
use crate::event::Failure;
use crate::header::RAck;
use crate::id::{DialogId, ServerTx, SessionId};
use crate::message::{HeaderId, Headers, Method, Request, StatusCode};
use crate::outbox::Origin;
use crate::planted::{Bug, planted};
use crate::reply::Reply;
use crate::stack::StackError;
use crate::time::Time;
use crate::turn::Turn;
use crate::uas::{RELIABLE, Reliability};
use crate::wheel::TimerId;

/// Most provisional responses that wait for a PRACK.
const WAITING: usize = 16;

/// How often a new response is sent, so that no proxy gives up (RFC 3262 section 3).
const EXTENSION: Duration = Duration::from_secs(150);

/// The reliable provisional responses to one INVITE.
#[derive(Debug)]
pub(super) struct Reliable {
    tx: ServerTx,
    /// The CSeq number of the INVITE.
    cseq: u32,
    /// The RSeq of the last one.
    rseq: u32,
    /// Its code.
    code: StatusCode,
    /// It has no PRACK yet.
    open: Option<Open>,
    /// Answers that come after it; a 2xx is the last.
    waiting: VecDeque<Reply>,
}

/// A response without its PRACK.
#[derive(Debug)]
struct Open {
    /// It carries a session description.
    described: bool,
    /// The interval that runs.
    interval: Duration,
    give_up: Time,
    timer: TimerId,
}

impl Reliable {
    /// Its timer.
    pub(super) fn timer(&self) -> Option<TimerId> {
        self.open.as_ref().map(|open| open.timer)
    }

    /// A session description of ours whose arrival nobody has confirmed.
    pub(super) fn is_description_open(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.described)
    }
}

/// Whether an answer concerns this file: it is to be sent reliably, or something was.
pub(super) fn concerns(turn: &Turn<'_>, session: &Session, tx: ServerTx, reply: &Reply) -> bool {
    if of(session).is_some() {
        return true;
    }
    let Some(request) = turn.request_of(tx) else { return false };
    let needed = if reply.reliable { Reliability::Supported } else { Reliability::Required };
    reply.code.is_provisional() && reply.code != StatusCode::TRYING && Reliability::of(request.headers()) >= needed
}

/// Sends an answer, or lets it wait for the PRACK of the one before.
pub(super) fn answer(turn: &mut Turn<'_>, s: SessionId, reply: Reply) -> Result<(), StackError> {
    let code = reply.code;
    let Some(session) = super::get_mut(turn, s) else { return Err(StackError::Gone) };
    if code.class() >= 3 {
        return uas::answer_now(turn, s, reply);
    }
    let waits = is_blocked(session, code);
    if let Some(reliable) = of_mut(session) {
        if reliable.waiting.back().is_some_and(|last| last.code.is_final()) {
            return Err(StackError::State("an INVITE without a final response"));
        }
        if code == StatusCode::TRYING {
            // More than that has been said already.
            return Ok(());
        }
        // A 2xx overtakes what only says that it rings.
        let behind = reliable.waiting.iter().any(|before| code.is_provisional() || describes(before));
        if waits || behind {
            if code.is_final() {
                reliable.waiting.retain(describes);
            } else if reliable.waiting.len() >= WAITING {
                return Err(StackError::Full { what: "responses that wait for a PRACK", limit: WAITING });
            }
            reliable.waiting.push_back(reply);
            return Ok(());
        }
    }
    send(turn, s, reply)
}

/// A 2xx waits for the PRACK of what carries a session description, and for the answer to an offer in a PRACK; a provisional response
/// for any PRACK.
fn is_blocked(session: &Session, code: StatusCode) -> bool {
    let open = of(session).and_then(|reliable| reliable.open.as_ref());
    if code.is_provisional() {
        return open.is_some();
    }
    let asked = session
        .work
        .as_ref()
        .is_some_and(|work| work.heard.iter().any(|heard| heard.method == Method::Prack && heard.offered));
    asked || open.is_some_and(|open| open.described) && !planted(Bug::Early2xx)
}

fn describes(reply: &Reply) -> bool {
    offer_answer::in_body(reply.body.as_ref(), &reply.lines)
}

fn send(turn: &mut Turn<'_>, s: SessionId, reply: Reply) -> Result<(), StackError> {
    if reply.code.is_provisional() { provisional(turn, s, reply) } else { uas::answer_now(turn, s, reply) }
}

/// A provisional response with the next number.
fn provisional(turn: &mut Turn<'_>, s: SessionId, mut reply: Reply) -> Result<(), StackError> {
    let session = super::get(turn, s).ok_or(StackError::Gone)?;
    let State::Ringing(ringing) = &session.state else { return Err(StackError::Gone) };
    let (tx, cseq) = (ringing.tx, ringing.cseq);
    let described = describes(&reply);
    let offer = match (ringing.offer, described) {
        (Offer::Theirs, true) => Offer::Settled,
        (Offer::None, true) => Offer::Ours,
        // The first reliable message carries the offer when the INVITE does not (section 5).
        (Offer::None, false) => {
            if turn.request_of(tx).is_some_and(|request| Reliability::of(request.headers()) == Reliability::Required) {
                return Err(StackError::State("an offer in the first reliable response to an INVITE without one"));
            }
            return uas::answer_now(turn, s, reply);
        }
        (offer, _) => offer,
    };
    let rseq = match of(session) {
        Some(reliable) => following(reliable.rseq)?,
        None => turn.stack.rng.below((1 << 31) - 1) as u32 + 1,
    };
    reply.lines.push_id(HeaderId::Require, RELIABLE);
    reply.lines.push_id(HeaderId::RSeq, rseq);
    let code = reply.code;
    uas::give_contact(turn, s, &mut reply);
    packages::tell_back(turn, s, tx, &mut reply.lines);
    turn.respond(tx, reply)?;
    let timers = turn.stack.config.timers;
    let timer = super::start(turn, s, Kind::Reliable, timers.t1);
    let give_up = turn.now.mono + timers.t1_64();
    let open = Some(Open { described, interval: timers.t1, give_up, timer });
    let Some(session) = super::get_mut(turn, s) else { return Ok(()) };
    if let State::Ringing(ringing) = &mut session.state {
        (ringing.offer, ringing.told) = (offer, true);
    }
    match of_mut(session) {
        Some(reliable) => (reliable.rseq, reliable.code, reliable.open) = (rseq, code, open),
        None => {
            let waiting = VecDeque::new();
            session.work().reliable = Some(Box::new(Reliable { tx, cseq, rseq, code, open, waiting }));
        }
    }
    uas::repeat_after(turn, s, EXTENSION);
    Ok(())
}

fn following(rseq: u32) -> Result<u32, StackError> {
    rseq.checked_add(1).ok_or(StackError::State("RSeq numbers that are not used up"))
}

/// The response again, or the end of waiting.
pub(super) fn on_timer(turn: &mut Turn<'_>, s: SessionId) {
    let now = turn.now.mono;
    let Some(session) = super::get_mut(turn, s) else { return };
    let ringing = matches!(session.state, State::Ringing(_));
    let Some(work) = &mut session.work else { return };
    let Some(reliable) = &mut work.reliable else { return };
    let Some(open) = &mut reliable.open else { return };
    let tx = reliable.tx;
    if !ringing {
        work.reliable = None;
    } else if now >= open.give_up {
        // Its timer has fired: nothing is left of it.
        reliable.open = None;
        fail(turn, s, Reply::new(StatusCode::SERVER_TIME_OUT).reason("No PRACK"), Failure::Timeout);
    } else {
        open.interval = open.interval.saturating_mul(2);
        let next = (now + open.interval).min(open.give_up);
        let _ = if planted(Bug::No1xxRepeat) { Ok(()) } else { turn.repeat(tx) };
        let timer = super::start_at(turn, s, Kind::Reliable, next);
        if let Some(open) = super::get_mut(turn, s).and_then(of_mut).and_then(|reliable| reliable.open.as_mut()) {
            open.timer = timer;
        }
    }
}

/// The INVITE is refused for what went wrong here.
fn fail(turn: &mut Turn<'_>, s: SessionId, reply: Reply, why: Failure) {
    let Some(State::Ringing(ringing)) = super::get(turn, s).map(|session| &session.state) else { return };
    let tx = ringing.tx;
    leave(turn, s);
    let _ = turn.respond(tx, reply);
    let refusal = Some(Refusal::Failure(why));
    super::emit(turn, s, SessionEvent::Ended { by: By::Error, request: None, refusal });
}

/// Two and a half minutes without news: a new response of the same kind. False when none was sent reliably.
pub(super) fn on_ring(turn: &mut Turn<'_>, s: SessionId) -> bool {
    let Some(reliable) = super::get(turn, s).and_then(of) else { return false };
    if reliable.open.is_none() {
        let _ = send(turn, s, Reply::new(reliable.code));
    }
    true
}

/// The INVITE has its final response: nothing is sent any more, but the PRACK for what is open is still answered (section 3). True when one
/// is waited for.
pub(super) fn retire(turn: &mut Turn<'_>, s: SessionId) -> bool {
    let Some(work) = super::get_mut(turn, s).and_then(|session| session.work.as_mut()) else { return false };
    let Some(reliable) = &mut work.reliable else { return false };
    reliable.waiting = VecDeque::new();
    let Some(open) = &reliable.open else {
        work.reliable = None;
        return false;
    };
    let (old, give_up) = (open.timer, open.give_up);
    turn.stop(old);
    let timer = super::start_at(turn, s, Kind::Reliable, give_up);
    if let Some(open) = super::get_mut(turn, s).and_then(of_mut).and_then(|reliable| reliable.open.as_mut()) {
        open.timer = timer;
    }
    true
}

/// Ringing -> gone, or Leaving while a PRACK may come.
pub(super) fn leave(turn: &mut Turn<'_>, s: SessionId) {
    ending::refuse_heard(turn, s);
    if !retire(turn, s) {
        return super::remove(turn, s);
    }
    uas::stop_ringing(turn, s);
    if let Some(session) = super::get_mut(turn, s) {
        session.state = State::Leaving(Bye::Settled);
    }
}

/// A PRACK (section 3): the answer that it gets at once. `None` when it carries an offer, which the application answers.
pub(super) fn their_prack(
    turn: &mut Turn<'_>,
    s: SessionId,
    dialog: DialogId,
    tx: ServerTx,
    request: &Arc<Request>,
    origin: &Origin,
) -> Option<Reply> {
    let described = offer_answer::in_message(request.headers());
    let session = super::get_mut(turn, s)?;
    let (ours, theirs) = (session.our_offer_pending(Some(dialog)), session.their_offer_pending(Some(dialog)));
    let reliable = of_mut(session).filter(|reliable| reliable.is_meant(request.headers()));
    let Some(open) = reliable.and_then(|reliable| reliable.open.take()) else {
        return Some(Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST));
    };
    let answers = match &mut session.state {
        State::Ringing(ringing) if ringing.offer == Offer::Ours => {
            ringing.offer = Offer::Settled;
            true
        }
        State::Ringing(_) | State::Standing => false,
        _ => {
            turn.stop(open.timer);
            retire(turn, s);
            return Some(Reply::new(StatusCode::OK));
        }
    };
    if !matches!(session.state, State::Ringing(_)) {
        session.work().reliable = None;
    }
    turn.stop(open.timer);
    if !described || answers {
        let _ = turn.respond(tx, Reply::new(StatusCode::OK));
        super::emit(turn, s, SessionEvent::Pracked { request: Arc::clone(request) });
    } else if ours {
        let _ = turn.respond(tx, Reply::new(StatusCode::REQUEST_PENDING));
    } else if theirs {
        let later = in_dialog::later(turn);
        let _ = turn.respond(tx, later);
    } else {
        in_dialog::hand_on(turn, s, dialog, tx, request, origin);
    }
    go_on(turn, s);
    None
}

impl Reliable {
    /// Whether a RAck names the last response.
    fn is_meant(&self, headers: &Headers) -> bool {
        let Some(Ok(rack)) = headers.get::<RAck>() else { return false };
        rack.rseq == self.rseq && rack.cseq.number == self.cseq && rack.cseq.method == Method::Invite
    }
}

/// Sends what waited for a PRACK, or for the answer to the offer in one.
pub(super) fn go_on(turn: &mut Turn<'_>, s: SessionId) {
    while let Some(session) = super::get_mut(turn, s) {
        let next = of(session).and_then(|reliable| reliable.waiting.front()).map(|reply| reply.code);
        if next.is_none_or(|code| is_blocked(session, code)) {
            return;
        }
        let Some(reply) = of_mut(session).and_then(|reliable| reliable.waiting.pop_front()) else { return };
        let code = reply.code;
        if let Err(error) = send(turn, s, reply)
            && code.is_final()
        {
            let why = Failure::NoRoute(error.to_string());
            fail(turn, s, Reply::new(StatusCode::SERVER_INTERNAL_ERROR), why);
        }
    }
}

pub(super) fn of(session: &Session) -> Option<&Reliable> {
    session.work.as_ref()?.reliable.as_deref()
}

fn of_mut(session: &mut Session) -> Option<&mut Reliable> {
    session.work.as_mut()?.reliable.as_deref_mut()
}

#[cfg(test)]
mod tests {
    #[test]
    fn rfc3262_3_rseq_numbers_are_used_up_and_do_not_wrap() {
        assert_eq!(super::following(u32::MAX - 1).ok(), Some(u32::MAX));
        assert!(super::following(u32::MAX).is_err());
    }
}
