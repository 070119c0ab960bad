//! Our INVITE: from the first request to the ACK (RFC 3261 section 13.2).

use std::time::Duration;

use super::ending::{self, Final};
use super::event::{By, Forks, Refusal, SessionEvent};
use super::prack::Arrival;
use super::session::{Acked, Bye, Calling, Early, Exchange, Forked, Keys, Offer, Session, State, Update};
use super::session_timer::Asked as Timer;
use super::{ACK, INVITE, Kind, in_dialog, making, offer_answer, packages, prack, session_ids, session_timer};
use crate::dialog::Phase;
use crate::draft::{ContactSpec, Draft};
use crate::id::{DialogId, SessionId};
use crate::message::{Body, Lines, Method, Response, StatusCode};
use crate::outbox::Origin;
use crate::planted::{Bug, planted};
use crate::route;
use crate::stack::StackError;
use crate::turn::{Owner, Turn};

impl Turn<'_> {
    /// Starts a session with an INVITE (RFC 3261 section 13.2.1). A missing From tag and an empty Call-ID are filled in, a missing Contact
    /// becomes that of the path chosen. Without a session description in the draft the offer is expected in the 2xx, and the
    /// answer is given with [`Turn::ack`].
    ///
    /// With `100rel` in the draft's Require, or among [`crate::Config::supported`], reliable provisional responses are acknowledged (RFC 3262
    /// section 4), by the stack itself unless they carry an offer: see [`Turn::prack`].
    ///
    /// # Errors
    /// [`StackError::Full`] when there are too many sessions; otherwise what [`Turn::send_request`] says.
    pub fn invite(&mut self, mut draft: Draft) -> Result<SessionId, StackError> {
        super::room(self)?;
        draft.method = Method::Invite;
        if route::split_tag(&draft.from).1.is_none() {
            draft.from = format!("{};tag={}", draft.from, self.stack.rng.token());
        }
        if draft.call_id.is_empty() {
            draft.call_id = self.call_id();
        }
        if draft.contact == ContactSpec::None {
            draft.contact = ContactSpec::Auto { user: None, params: String::new() };
        }
        let mut calling = Calling {
            tx: None,
            forks: Forked {
                template: making::template(&draft),
                offered: offer_answer::in_body(draft.body.as_ref(), &draft.lines),
                reliable: false,
                early: Vec::new(),
                count: 0,
            },
            expires: None,
        };
        super::announce(self, &mut draft.lines);
        packages::tell(&self.stack.config, &mut draft.lines);
        calling.forks.reliable = prack::is_offered(&draft.lines);
        let expires = expires(&draft.lines);
        let mut session = Session::new(State::Calling(Box::new(calling)));
        let ids = session_ids::of_ours(self, &mut draft.lines);
        if ids.is_some() || !draft.credentials.is_empty() || draft.auth.is_some() {
            session.keys = Some(Box::new(Keys {
                credentials: draft.credentials.clone(),
                auth: draft.auth.clone(),
                shown: Lines::default(),
                ids,
            }));
        }
        let s = super::insert(self, session);
        let tx = match self.request(draft, Owner::Session(s, INVITE)) {
            Ok(tx) => tx,
            Err(error) => {
                super::remove(self, s);
                return Err(error);
            }
        };
        let timer = expires.map(|span| super::start(self, s, Kind::Expires, span));
        if let Some(State::Calling(calling)) = super::get_mut(self, s).map(|session| &mut session.state) {
            (calling.tx, calling.expires) = (Some(tx), timer);
        }
        Ok(s)
    }

    /// Sends the ACK to a 2xx that carried the offer, with the answer in `body` (RFC 3261 section 13.2.2.4). Only when an event said `ack_due`.
    /// An offer that is not acceptable is answered all the same, and then [`Turn::hangup`] ends the session.
    ///
    /// # Errors
    /// [`StackError::State`] when no ACK is due.
    pub fn ack(&mut self, s: SessionId, body: Option<Body>) -> Result<(), StackError> {
        let session = super::get_mut(self, s).ok_or(StackError::Gone)?;
        let Exchange::AckDue { cseq } = session.exchange else {
            return Err(StackError::State("a 2xx whose ACK is due"));
        };
        session.exchange = Exchange::Idle;
        acknowledge(self, s, cseq, body);
        super::modify::exchange_over(self, s);
        Ok(())
    }
}

/// The Expires header of a draft (RFC 3261 section 13.2.1).
fn expires(lines: &Lines) -> Option<Duration> {
    let (_, value) = lines.iter().find(|(name, _)| name.eq_ignore_ascii_case("expires"))?;
    let value = std::str::from_utf8(value).ok()?;
    value.trim().parse::<u32>().ok().map(|seconds| Duration::from_secs(u64::from(seconds)))
}

/// A response to our first INVITE.
pub(super) fn on_response(
    turn: &mut Turn<'_>,
    s: SessionId,
    response: Box<Response>,
    origin: &Origin,
    timer: Option<Timer>,
) {
    let code = response.code();
    if code.is_provisional() {
        progress(turn, s, response, origin);
    } else if code.is_success() {
        accepted(turn, s, response, origin, timer);
    } else {
        over(turn, s, Refusal::Response(response));
    }
}

/// RFC 3261 section 13.2.2.1: a To tag makes an early dialog.
fn progress(turn: &mut Turn<'_>, s: SessionId, response: Box<Response>, origin: &Origin) {
    let Some(session) = super::get(turn, s) else { return };
    let calling = match session.state {
        State::Calling(_) => true,
        // What was sent reliably is acknowledged even now.
        State::Cancelling(_) if prack::number(response.headers()).is_some() => false,
        _ => return,
    };
    let fork = match response.headers().to_tag() {
        Some(_) if response.code() != StatusCode::TRYING => match early(turn, s, &response, origin) {
            Some(dialog) => Some(dialog),
            None => return,
        },
        _ => None,
    };
    let arrival = match fork {
        Some(dialog) => prack::receive(turn, s, dialog, &response),
        None => Arrival::Plain,
    };
    if arrival == Arrival::Discarded || !calling {
        return;
    }
    if let Some(session) = super::get_mut(turn, s) {
        session.learn_allow(response.headers());
    }
    packages::learn(turn, s, fork, response.headers());
    let prack_due = arrival == Arrival::New { due: true };
    super::emit(turn, s, SessionEvent::Progress { response, fork, prack_due });
}

/// The early dialog of a provisional response: the one that is there, or a new one. `None` when there are too many.
fn early(turn: &mut Turn<'_>, s: SessionId, response: &Response, origin: &Origin) -> Option<DialogId> {
    if let Some(dialog) = making::find(turn, response) {
        // Another session of the same Call-ID and tags has it.
        return (turn.stack.sessions.dialogs.owner(dialog) == Some(s)).then_some(dialog);
    }
    let dialog = new_dialog(turn, s, response, origin, Phase::Early)?;
    let session = super::get_mut(turn, s)?;
    session.dialog.get_or_insert(dialog);
    if let Some(forks) = session.forked() {
        let offer = if forks.offered { Offer::Ours } else { Offer::None };
        let (bye, again, packages) = (false, false, None);
        forks.early.push(Early { dialog, bye, rseq: None, due: None, answer: None, again, offer, packages });
    }
    Some(dialog)
}

/// Makes a dialog of a response to our INVITE (RFC 3261 section 12.1.2).
fn new_dialog(
    turn: &mut Turn<'_>,
    s: SessionId,
    response: &Response,
    origin: &Origin,
    phase: Phase,
) -> Option<DialogId> {
    let (max, reach) = (turn.stack.config.session.max_forks, turn.stack.config.session.reach);
    let forks = super::get_mut(turn, s)?.forked()?;
    if forks.count >= max {
        return None;
    }
    forks.count += 1;
    let dialog = making::of_response(&forks.template, response, origin, phase, reach)?;
    turn.stack.sessions.dialogs.insert(dialog, s).ok()
}

/// RFC 3261 section 13.2.2.4: every 2xx is acknowledged, each time it comes.
fn accepted(turn: &mut Turn<'_>, s: SessionId, response: Box<Response>, origin: &Origin, timer: Option<Timer>) {
    let cseq = response.headers().cseq().number;
    let known = making::find(turn, &response);
    let dialogs = &turn.stack.sessions.dialogs;
    if let Some(dialog) = known
        && dialogs.get(dialog).is_some_and(|dialog| dialog.phase() == Phase::Confirmed)
    {
        let owner = dialogs.owner(dialog);
        if let Some(owner) = owner {
            repeat_ack(turn, owner, cseq);
        }
        // Another INVITE of the same Call-ID and tags has it: nothing can become of this one.
        if owner != Some(s) {
            unusable(turn, s);
        }
        return;
    }
    let dialog = match known {
        Some(dialog) if dialogs.owner(dialog) != Some(s) => return unusable(turn, s),
        Some(dialog) => {
            making::confirm(turn, dialog, &response, origin);
            dialog
        }
        None => match new_dialog(turn, s, &response, origin, Phase::Confirmed) {
            Some(dialog) => dialog,
            None => return unusable(turn, s),
        },
    };
    let Some(session) = super::get_mut(turn, s) else { return };
    let mut early = session.forked().and_then(|forks| take_early(forks, dialog));
    let packages = early.as_mut().and_then(|early| early.packages.take());
    // The peer has already said BYE in it; its offer was in a provisional response, and is answered.
    let bye = early.as_ref().is_some_and(|early| early.bye);
    let settled = early.is_some_and(|early| early.offer == Offer::Settled);
    match session.state {
        State::Calling(_) => {
            session.packages = packages;
            first(turn, s, dialog, response, (bye, settled), timer);
        }
        State::Cancelling(_) => first_after_hangup(turn, s, dialog, cseq, bye),
        _ => fork(turn, s, (dialog, packages), response, (bye, settled), timer),
    }
}

/// Takes the dialog out of the early ones.
fn take_early(forks: &mut Forked, dialog: DialogId) -> Option<Early> {
    let at = forks.early.iter().position(|early| early.dialog == dialog)?;
    Some(forks.early.swap_remove(at))
}

/// No dialog can be made of a 2xx (too large, table full): without one there can be no ACK.
fn unusable(turn: &mut Turn<'_>, s: SessionId) {
    if super::get(turn, s).is_some_and(|session| matches!(session.state, State::Calling(_) | State::Cancelling(_))) {
        over(turn, s, Refusal::Failure(crate::event::Failure::Unusable));
    }
}

/// Calling -> Standing (or Leaving when the BYE overtook the 2xx).
fn first(
    turn: &mut Turn<'_>,
    s: SessionId,
    dialog: DialogId,
    response: Box<Response>,
    (bye, settled): (bool, bool),
    timer: Option<Timer>,
) {
    let Some(offered) = confirm(turn, s, dialog, State::Standing) else { return };
    if let Some(session) = super::get_mut(turn, s) {
        if session.has_forked() {
            // It may have been another's.
            session.update = Update::Unknown;
        }
        session.learn_allow(response.headers());
    }
    packages::learn(turn, s, Some(dialog), response.headers());
    in_dialog::confirmed(turn, s, dialog);
    if bye {
        acknowledge(turn, s, response.headers().cseq().number, None);
        set_state(turn, s, State::Leaving(Bye::Settled));
        super::emit(turn, s, SessionEvent::Ended { by: By::Peer, request: None, refusal: None });
        return;
    }
    session_timer::answered(turn, s, timer, response.headers());
    let ack_due = stand(turn, s, offered || settled, &response);
    super::emit(turn, s, SessionEvent::Answered { response, ack_due });
}

/// Cancelling -> Leaving: the 2xx crossed the CANCEL (RFC 3261 section 15): ACK, then BYE.
fn first_after_hangup(turn: &mut Turn<'_>, s: SessionId, dialog: DialogId, cseq: u32, bye: bool) {
    if confirm(turn, s, dialog, State::Leaving(Bye::Settled)).is_none() {
        return;
    }
    acknowledge(turn, s, cseq, None);
    if !bye {
        ending::send_bye(turn, s, Lines::default(), false);
    }
}

/// Moves what outlives the call attempt, and says whether our INVITE carried the offer.
fn confirm(turn: &mut Turn<'_>, s: SessionId, dialog: DialogId, next: State) -> Option<bool> {
    let until = turn.now.mono + turn.stack.config.timers.t1_64();
    let session = super::get_mut(turn, s)?;
    let calling = match std::mem::replace(&mut session.state, next) {
        State::Calling(calling) | State::Cancelling(calling) => *calling,
        other => {
            session.state = other;
            return None;
        }
    };
    let offered = calling.forks.offered;
    session.dialog = Some(dialog);
    session.work().forks = Some((Box::new(calling.forks), until));
    if let Some(timer) = calling.expires {
        turn.stop(timer);
    }
    super::run_acks_timer(turn, s);
    Some(offered)
}

/// ACK at once, or when the application has the answer to the offer in the 2xx.
fn stand(turn: &mut Turn<'_>, s: SessionId, offered: bool, response: &Response) -> bool {
    let cseq = response.headers().cseq().number;
    let ack_due = !offered && offer_answer::in_message(response.headers());
    if ack_due {
        if let Some(session) = super::get_mut(turn, s) {
            session.exchange = Exchange::AckDue { cseq };
        }
    } else {
        acknowledge_with(turn, s, (cseq, None), &session_ids::turned(turn, s, response.headers()));
    }
    ack_due
}

/// A 2xx from another user agent (RFC 3261 section 13.2.2.4): a session of its own, kept or ended by policy.
fn fork(
    turn: &mut Turn<'_>,
    s: SessionId,
    (dialog, packages): (DialogId, Option<Box<str>>),
    response: Box<Response>,
    (bye, settled): (bool, bool),
    timer: Option<Timer>,
) {
    let Some(parent) = super::get(turn, s) else { return };
    let keep = !bye && turn.stack.config.session.forks == Forks::HandAll && matches!(parent.state, State::Standing);
    let offered = parent.forks().is_some_and(|forks| forks.offered);
    let keys = parent.keys.clone();
    let mut child = Session::new(if keep { State::Standing } else { State::Leaving(Bye::Settled) });
    child.dialog = Some(dialog);
    child.keys = keys;
    child.learn_allow(response.headers());
    child.packages = packages::told(&turn.stack.config, response.headers()).or(packages);
    let child = super::insert(turn, child);
    turn.stack.sessions.dialogs.set_owner(dialog, child);
    if keep {
        session_timer::answered(turn, child, timer, response.headers());
        let ack_due = stand(turn, child, offered || settled, &response);
        super::emit(turn, s, SessionEvent::Forked { session: child, response, ack_due });
    } else {
        if !planted(Bug::ForkAck) {
            acknowledge(turn, child, response.headers().cseq().number, None);
        }
        if !bye {
            ending::send_bye(turn, child, Lines::default(), false);
        }
    }
}

/// Calling, Cancelling -> gone: a final response above 299, or none.
pub(super) fn over(turn: &mut Turn<'_>, s: SessionId, refusal: Refusal) {
    let Some(session) = super::get(turn, s) else { return };
    match session.state {
        State::Calling(_) => {
            super::remove(turn, s);
            let event = match refusal {
                Refusal::Response(response) if response.code().class() == 3 => SessionEvent::Redirected { response },
                refusal => SessionEvent::Failed { refusal },
            };
            super::emit(turn, s, event);
        }
        State::Cancelling(_) => super::remove(turn, s),
        // After a 2xx nothing else counts.
        _ => {}
    }
}

/// Our Expires has passed: the INVITE is cancelled (RFC 3261 section 13.2.1); what comes of it ends the session.
pub(super) fn on_expires(turn: &mut Turn<'_>, s: SessionId) {
    if let Some(State::Calling(calling)) = super::get_mut(turn, s).map(|session| &mut session.state) {
        calling.expires = None;
        if let Some(tx) = calling.tx {
            // An error means that the final response is being handled.
            let _ = turn.cancel(tx);
        }
    }
}

/// Calling -> Cancelling. The transaction holds the CANCEL back until a 1xx has come (RFC 3261 section 9.1).
pub(super) fn hangup(turn: &mut Turn<'_>, s: SessionId, lines: Lines) {
    let Some(session) = super::get_mut(turn, s) else { return };
    let state = std::mem::replace(&mut session.state, State::Standing);
    let State::Calling(mut calling) = state else {
        session.state = state;
        return;
    };
    let (tx, timer) = (calling.tx, calling.expires.take());
    session.state = State::Cancelling(calling);
    if let Some(timer) = timer {
        turn.stop(timer);
    }
    super::emit(turn, s, SessionEvent::Ended { by: By::Us, request: None, refusal: None });
    if let Some(tx) = tx
        && turn.cancel_with(tx, lines).is_err()
    {
        over(turn, s, Refusal::Failure(crate::event::Failure::Cancelled));
    }
}

/// Sends the ACK for a 2xx and remembers it for 64*T1 (RFC 3261 section 13.2.2.4).
pub(super) fn acknowledge(turn: &mut Turn<'_>, s: SessionId, cseq: u32, body: Option<Body>) {
    acknowledge_with(turn, s, (cseq, body), &Lines::default());
}

/// The same with further lines.
pub(super) fn acknowledge_with(turn: &mut Turn<'_>, s: SessionId, (cseq, body): (u32, Option<Body>), lines: &Lines) {
    let until = turn.now.mono + turn.stack.config.timers.t1_64();
    let Some(session) = super::get_mut(turn, s) else { return };
    let Some(dialog) = session.dialog else { return };
    session.work().acks.push(Acked { cseq, sent: None, until });
    super::run_acks_timer(turn, s);
    let sent = making::draft(turn, s, dialog, Method::Ack, Some(cseq)).and_then(|mut draft| {
        draft.body = body;
        if let Some(keys) = super::get(turn, s).and_then(|session| session.keys.as_ref()) {
            draft.lines = keys.shown.clone();
        }
        draft.lines.extend(lines);
        session_ids::sign(turn, s, dialog, &mut draft.lines);
        turn.send_ack(draft, Owner::Session(s, ack_purpose(cseq)))
    });
    if sent.is_err() {
        ack_failed(turn, s, cseq & 0x7fff, Refusal::Failure(crate::event::Failure::NoRoute("ACK".to_owned())));
    }
}

/// Which ACK of a session this is about.
fn ack_purpose(cseq: u32) -> u16 {
    ACK | (cseq & 0x7fff) as u16
}

/// The ACK has left: the same bytes answer each repeat of the 2xx.
pub(super) fn on_ack_sent(
    turn: &mut Turn<'_>,
    s: SessionId,
    purpose: u16,
    path: crate::outbox::Path,
    bytes: bytes::Bytes,
) {
    let Some(work) = super::get_mut(turn, s).and_then(|session| session.work.as_mut()) else { return };
    if let Some(acked) = work.acks.iter_mut().find(|acked| acked.sent.is_none() && ack_purpose(acked.cseq) == purpose) {
        acked.sent = Some((path, bytes));
    }
}

/// The way of an ACK could not be found: neither can that of anything else.
pub(super) fn ack_failed(turn: &mut Turn<'_>, s: SessionId, low: u32, refusal: Refusal) {
    let Some(session) = super::get_mut(turn, s) else { return };
    if let Some(work) = &mut session.work {
        work.acks.retain(|acked| acked.sent.is_some() || acked.cseq & 0x7fff != low);
    }
    if matches!(session.state, State::Standing) {
        ending::leave(turn, s, Lines::default(), Final::Error(refusal));
    }
}

/// A response that matches no transaction: to an INVITE that another shard has sent, for a session that was taken in. The 2xx again, or that of another fork.
/// One that is for no session is given back.
pub(crate) fn on_stray(turn: &mut Turn<'_>, response: Box<Response>, origin: &Origin) -> Option<Box<Response>> {
    let headers = response.headers();
    if !response.code().is_success() || *headers.method() != Method::Invite {
        return Some(response);
    }
    let dialogs = &turn.stack.sessions.dialogs;
    if let Some(s) = making::find(turn, &response).and_then(|dialog| dialogs.owner(dialog)) {
        repeat_ack(turn, s, headers.cseq().number);
        return None;
    }
    let is_parent = |s: &SessionId| super::get(turn, *s).is_some_and(|session| session.forks().is_some());
    let local_tag = headers.from_tag().unwrap_or("");
    let Some(s) = dialogs.siblings(headers.call_id(), local_tag).find(is_parent) else { return Some(response) };
    accepted(turn, s, response, origin, None);
    super::settle(turn, s);
    None
}

/// A repeated 2xx (RFC 3261 section 13.2.2.4).
pub(super) fn repeat_ack(turn: &mut Turn<'_>, s: SessionId, cseq: u32) {
    let Some(work) = super::get(turn, s).and_then(|session| session.work.as_ref()) else { return };
    let sent = work.acks.iter().find(|acked| acked.cseq == cseq).and_then(|acked| acked.sent.clone());
    if let Some((path, bytes)) = sent.filter(|_| !planted(Bug::NoAckRepeat)) {
        turn.send_raw(path, bytes, crate::outbox::Cause::Ack);
    }
}

fn set_state(turn: &mut Turn<'_>, s: SessionId, state: State) {
    if let Some(session) = super::get_mut(turn, s) {
        session.state = state;
    }
}
