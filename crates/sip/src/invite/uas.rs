//! Their INVITE: from the first response to the ACK (RFC 3261 sections 13.3 and 9.2).

use std::sync::Arc;
use std::time::Duration;

use super::ending::{self, Final};
use super::event::{By, NoAck, Refusal, SessionEvent};
use super::session::{Exchange, Offer, Ringing, Session, State, Unacked};
use super::session_ids::{Ids, Told};
use super::{INVITE, Kind, making, offer_answer, packages, reliable, session_ids, session_timer};
use crate::draft::ContactSpec;
use crate::event::Failure;
use crate::id::{ServerTx, SessionId};
use crate::message::{HeaderId, Lines, Method, Request, StatusCode};
use crate::outbox::Origin;
use crate::planted::{Bug, planted};
use crate::reply::Reply;
use crate::stack::StackError;
use crate::turn::{Owner, Turn};
use crate::uas::{RELIABLE, Reliability};

/// How often a provisional response is repeated, so that no proxy gives up (RFC 3261 section 13.3.1.1).
const MINUTE: Duration = Duration::from_secs(60);

impl Turn<'_> {
    /// Makes a session of an incoming INVITE. From now on [`Turn::answer`] answers it, and a CANCEL arrives as
    /// [`SessionEvent::Cancelled`].
    ///
    /// # Errors
    /// On an error the INVITE has been answered. [`StackError::Refused`]: 420 when it requires reliable provisional responses and
    /// [`crate::Config::supported`] lacks `100rel` (RFC 3262 section 3), 422 when its session interval is smaller than the policy takes (RFC
    /// 4028 section 9), 400 when no dialog can be made of it (Contact or Record-Route missing or broken; RFC 3261 section 12.1.1).
    /// [`StackError::Full`]: 503, there are too many sessions or dialogs. [`StackError::Gone`] and [`StackError::State`] when there is no such
    /// INVITE: nothing is sent.
    pub fn session(&mut self, tx: ServerTx) -> Result<SessionId, StackError> {
        let request = self.request_of(tx).ok_or(StackError::Gone)?;
        if *request.method() != Method::Invite || request.headers().to_tag_octets().is_some() {
            return Err(StackError::State("an INVITE outside a dialog"));
        }
        if self.owner_of(tx) != Some(Owner::Application) {
            return Err(StackError::State("an INVITE that is no session yet"));
        }
        let needed =
            request.headers().has(HeaderId::Require) && Reliability::of(request.headers()) == Reliability::Required;
        if needed && !self.stack.config.supports(RELIABLE) {
            let refusal = Reply::new(StatusCode::BAD_EXTENSION);
            self.respond(tx, refusal.clone().line("Unsupported", RELIABLE).unwrap_or(refusal))?;
            let code = StatusCode::BAD_EXTENSION;
            return Err(StackError::Refused { code, expected: "an INVITE that requires what is supported" });
        }
        if let Some(refusal) = session_timer::refusal(&self.stack.config, request) {
            let code = refusal.code;
            self.respond(tx, refusal)?;
            return Err(StackError::Refused { code, expected: "a longer session interval" });
        }
        let reach = self.stack.config.session.reach;
        let (Some(origin), Some(tag)) = (self.origin_of(tx), self.token_of(tx)) else { return Err(StackError::Gone) };
        let Some(dialog) = making::of_request(request, &origin, tag.as_str(), reach) else {
            self.respond(tx, Reply::new(StatusCode::BAD_REQUEST).reason("Missing or broken Contact or Record-Route"))?;
            let code = StatusCode::BAD_REQUEST;
            return Err(StackError::Refused { code, expected: "an INVITE that a dialog can be made of" });
        };
        let headers = request.headers();
        let ringing = Ringing {
            tx,
            cseq: headers.cseq().number,
            offer: if offer_answer::in_message(headers) { Offer::Theirs } else { Offer::None },
            told: false,
            again: None,
            expires: None,
        };
        let expires = headers.text(HeaderId::Expires).and_then(|value| value.trim().parse::<u32>().ok());
        let mut session = Session::new(State::Ringing(Box::new(ringing)));
        session.learn_allow(headers);
        session.packages = packages::told(&self.stack.config, headers);
        let told = self.stack.config.session_id.then(|| Told::by(self, request));
        if let Some(told) = told {
            session.keys.get_or_insert_default().ids = Some(Ids::of_theirs(&mut self.stack.rng, told));
        }
        if let Err(error) = super::room(self) {
            self.respond(tx, busy(self))?;
            return Err(error);
        }
        let s = super::insert(self, session);
        let Ok(dialog) = self.stack.sessions.dialogs.insert(dialog, s) else {
            super::remove(self, s);
            self.respond(tx, busy(self))?;
            return Err(StackError::Full { what: "dialogs", limit: self.stack.config.max_dialogs });
        };
        let timer =
            expires.map(|seconds| super::start(self, s, Kind::Expires, Duration::from_secs(u64::from(seconds))));
        if let Some(session) = super::get_mut(self, s) {
            session.dialog = Some(dialog);
            if let State::Ringing(ringing) = &mut session.state {
                ringing.expires = timer;
            }
        }
        if let Err(error) = self.claim(tx, Owner::Session(s, INVITE)) {
            super::remove(self, s);
            return Err(error);
        }
        Ok(s)
    }

    /// Answers the INVITE of a session: provisional responses as often as wanted, then one final response (RFC 3261 section 13.3.1). A
    /// missing Contact becomes that of the path. A 2xx is repeated until its ACK comes; a final response above 299 ends the session.
    ///
    /// A provisional response is sent reliably when the INVITE requires it, or supports it and [`Reply::reliable`] asks for it (RFC 3262):
    /// it is repeated until its PRACK comes ([`SessionEvent::Pracked`]), and what is answered meanwhile waits, a 2xx only while a session
    /// description is under way. Without a PRACK for 64*T1 the INVITE is refused with 504 and the session ends.
    ///
    /// # Errors
    /// [`StackError::State`] when the INVITE has a final response, [`StackError::Gone`] when the session has ended.
    pub fn answer(&mut self, s: SessionId, reply: Reply) -> Result<(), StackError> {
        let session = super::get(self, s).ok_or(StackError::Gone)?;
        let State::Ringing(ringing) = &session.state else {
            return Err(StackError::State("an INVITE without a final response"));
        };
        if reliable::concerns(self, session, ringing.tx, &reply) {
            return reliable::answer(self, s, reply);
        }
        answer_now(self, s, reply)
    }
}

/// Sends an answer that waits for nothing.
pub(super) fn answer_now(turn: &mut Turn<'_>, s: SessionId, mut reply: Reply) -> Result<(), StackError> {
    let session = super::get_mut(turn, s).ok_or(StackError::Gone)?;
    let State::Ringing(ringing) = &mut session.state else { return Err(StackError::Gone) };
    let (tx, cseq, late) = (ringing.tx, ringing.cseq, ringing.offer == Offer::None);
    let code = reply.code;
    if code.is_provisional() {
        ringing.told |= code != StatusCode::TRYING;
        give_contact(turn, s, &mut reply);
        turn.respond(tx, reply)?;
        repeat_after(turn, s, MINUTE);
    } else if code.is_success() {
        give_contact(turn, s, &mut reply);
        super::announce(turn, &mut reply.lines);
        turn.respond(tx, reply)?;
        stop_ringing(turn, s);
        stand(turn, s);
        unacked(turn, s, tx, cseq, (late, false));
        reliable::retire(turn, s);
    } else {
        turn.respond(tx, reply)?;
        reliable::leave(turn, s);
        super::emit(turn, s, SessionEvent::Ended { by: By::Us, request: None, refusal: None });
    }
    Ok(())
}

/// 503 with Retry-After: a table is full.
pub(super) fn busy(turn: &Turn<'_>) -> Reply {
    let reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE);
    let seconds = turn.stack.config.retry_after_secs.to_string();
    reply.clone().line("Retry-After", &seconds).unwrap_or(reply)
}

/// A response that makes or refreshes a dialog carries Contact (RFC 3261 section 12.1.1); the dialog remembers it.
pub(super) fn give_contact(turn: &mut Turn<'_>, s: SessionId, reply: &mut Reply) {
    let Some(id) = super::get(turn, s).and_then(|session| session.dialog) else { return };
    let Some(dialog) = turn.stack.sessions.dialogs.get_mut(id) else { return };
    reply.secure = dialog.is_secure();
    if reply.contact == ContactSpec::None {
        reply.contact = dialog.contact();
    } else {
        // Too long a Contact of our own: later requests carry the old one.
        let _ = dialog.set_contact(&reply.contact);
    }
}

/// Ringing -> Standing.
fn stand(turn: &mut Turn<'_>, s: SessionId) {
    let Some(session) = super::get_mut(turn, s) else { return };
    session.state = State::Standing;
    let Some(id) = session.dialog else { return };
    if let Some(dialog) = turn.stack.sessions.dialogs.get_mut(id) {
        dialog.confirmed();
    }
}

pub(super) fn stop_ringing(turn: &mut Turn<'_>, s: SessionId) {
    let Some(State::Ringing(ringing)) = super::get_mut(turn, s).map(|session| &mut session.state) else { return };
    let timers = [ringing.again.take(), ringing.expires.take()];
    for timer in timers.into_iter().flatten() {
        turn.stop(timer);
    }
}

/// Starts the wait for the next provisional response anew.
pub(super) fn repeat_after(turn: &mut Turn<'_>, s: SessionId, span: Duration) {
    let timer = super::start(turn, s, Kind::Ring, span);
    let Some(State::Ringing(ringing)) = super::get_mut(turn, s).map(|session| &mut session.state) else {
        turn.stop(timer);
        return;
    };
    if let Some(old) = ringing.again.replace(timer) {
        turn.stop(old);
    }
}

/// A minute without news: the last provisional response again.
pub(super) fn on_ring(turn: &mut Turn<'_>, s: SessionId) {
    let Some(State::Ringing(ringing)) = super::get_mut(turn, s).map(|session| &mut session.state) else { return };
    ringing.again = None;
    let tx = ringing.tx;
    if !reliable::on_ring(turn, s) && turn.repeat(tx).is_ok() {
        repeat_after(turn, s, MINUTE);
    }
}

/// Our 2xx has left: it is repeated from T1 on, doubling up to T2, for 64*T1 (RFC 3261 section 13.3.1.4), whatever the transport.
pub(super) fn unacked(turn: &mut Turn<'_>, s: SessionId, tx: ServerTx, cseq: u32, (late, again): (bool, bool)) {
    let timers = turn.stack.config.timers;
    let timer = super::start(turn, s, Kind::Repeat, timers.t1);
    let give_up = turn.now.mono + timers.t1_64();
    if let Some(session) = super::get_mut(turn, s) {
        let interval = timers.t1;
        session.exchange = Exchange::Unacked(Box::new(Unacked { tx, cseq, late, again, interval, give_up, timer }));
    }
}

/// The 2xx again, or the end of waiting.
pub(super) fn on_repeat(turn: &mut Turn<'_>, s: SessionId) {
    let (now, timers) = (turn.now.mono, turn.stack.config.timers);
    let Some(session) = super::get_mut(turn, s) else { return };
    let Exchange::Unacked(unacked) = &mut session.exchange else { return };
    if now >= unacked.give_up {
        session.exchange = Exchange::Idle;
        return no_ack(turn, s);
    }
    unacked.interval = timers.next(unacked.interval);
    let (tx, next) = (unacked.tx, (now + unacked.interval).min(unacked.give_up));
    let _ = if planted(Bug::No2xxRepeat) { Ok(()) } else { turn.repeat(tx) };
    let timer = super::start_at(turn, s, Kind::Repeat, next);
    if let Some(Exchange::Unacked(unacked)) = super::get_mut(turn, s).map(|session| &mut session.exchange) {
        unacked.timer = timer;
    }
}

/// 64*T1 without an ACK (RFC 3261 section 13.3.1.4): now a BYE may go.
fn no_ack(turn: &mut Turn<'_>, s: SessionId) {
    if ending::send_owed_bye(turn, s) || is_over(turn, s) {
        return;
    }
    super::emit(turn, s, SessionEvent::NoAck);
    match turn.stack.config.session.no_ack {
        NoAck::Bye => {
            ending::leave(turn, s, Lines::default(), Final::Error(Refusal::Failure(Failure::Timeout)));
        }
        NoAck::Tell => super::modify::exchange_over(turn, s),
    }
}

/// The application has had its last event: a BYE of the peer came before the ACK for our 2xx.
fn is_over(turn: &mut Turn<'_>, s: SessionId) -> bool {
    super::get(turn, s).is_none_or(|session| matches!(session.state, State::Leaving(_)))
}

/// An ACK that matches no transaction: for a 2xx of ours. Anything of a known dialog is taken, so that nothing answers a repeat.
pub(crate) fn on_ack(turn: &mut Turn<'_>, request: &Arc<Request>, _origin: &Origin) -> bool {
    let Some(dialog) = making::find_for_request(turn, request) else { return false };
    let Some(s) = turn.stack.sessions.dialogs.owner(dialog) else { return false };
    let Some(session) = super::get_mut(turn, s) else { return false };
    match &session.exchange {
        Exchange::Unacked(unacked) if unacked.cseq == request.headers().cseq().number => {
            let (timer, tx) = (unacked.timer, unacked.tx);
            session.exchange = Exchange::Idle;
            turn.stop(timer);
            turn.acknowledged(tx);
        }
        _ => return true,
    }
    session_ids::heard(turn, s, request.headers(), (request.headers().from_tag(), false));
    if !ending::send_owed_bye(turn, s) && !is_over(turn, s) {
        super::emit(turn, s, SessionEvent::Acked { request: Arc::clone(request) });
        super::modify::exchange_over(turn, s);
    }
    super::settle(turn, s);
    true
}

/// CANCEL of an INVITE without final response (RFC 3261 section 9.2): 487.
pub(crate) fn on_cancel(turn: &mut Turn<'_>, s: SessionId, tx: ServerTx, request: &Arc<Request>) {
    let Some(session) = super::get_mut(turn, s) else { return };
    match (&session.state, &session.exchange) {
        (State::Ringing(ringing), _) if ringing.tx == tx => {
            terminate(turn, s, tx);
            super::emit(turn, s, SessionEvent::Cancelled { request: Some(Arc::clone(request)) });
        }
        (_, Exchange::Received { tx: received, .. }) if *received == tx => {
            session.exchange = Exchange::Idle;
            let _ = turn.respond(tx, Reply::new(StatusCode::REQUEST_TERMINATED));
            super::emit(turn, s, SessionEvent::ReinviteCancelled { tx });
            super::modify::exchange_over(turn, s);
        }
        _ => {}
    }
}

/// The Expires of their INVITE has passed (RFC 3261 section 13.3.1): 487.
pub(super) fn on_expires(turn: &mut Turn<'_>, s: SessionId) {
    let Some(State::Ringing(ringing)) = super::get_mut(turn, s).map(|session| &mut session.state) else { return };
    ringing.expires = None;
    let tx = ringing.tx;
    terminate(turn, s, tx);
    super::emit(turn, s, SessionEvent::Cancelled { request: None });
}

/// Ringing -> gone.
pub(super) fn terminate(turn: &mut Turn<'_>, s: SessionId, tx: ServerTx) {
    let mut answer = Reply::new(StatusCode::REQUEST_TERMINATED);
    // Nothing may be left of the session when that is sent.
    session_ids::sign_answer(turn, s, tx, &mut answer);
    reliable::leave(turn, s);
    let _ = if planted(Bug::No487) { Ok(()) } else { turn.respond(tx, answer) };
}
