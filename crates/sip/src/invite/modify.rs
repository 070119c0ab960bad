//! Changing a session: re-INVITE of either side (RFC 3261 section 14) and our UPDATE (RFC 3311).

use std::sync::Arc;
use std::time::Duration;

use super::ending::{self, Final};
use super::event::{Glare as Crossing, Refusal, SessionEvent};
use super::session::{Change, Exchange, Glare, Sent, State, Update};
use super::session_timer::{self, Asked as Timer};
use super::{Kind, REINVITE, in_dialog, making, offer_answer, packages, session_ids, uac, uas};
use crate::dialog::Role;
use crate::event::Failure;
use crate::id::{ClientTx, DialogId, ServerTx, SessionId};
use crate::message::{Body, Lines, Method, Request, Response, StatusCode};
use crate::outbox::Origin;
use crate::planted::{Bug, planted};
use crate::reply::Reply;
use crate::stack::StackError;
use crate::turn::{Owner, Turn};
use crate::uas::Reliability;

impl Turn<'_> {
    /// Sends a re-INVITE (RFC 3261 section 14.1). Without a session description in `body` the offer is expected in the 2xx. A 491 is followed
    /// by one more try after 2.1 to 4.0 s (we chose the Call-ID) or 0 to 2.0 s.
    ///
    /// # Errors
    /// [`StackError::State`] while another INVITE transaction of either side is under way, or the session does not stand.
    pub fn reinvite(&mut self, s: SessionId, body: Option<Body>, lines: Lines) -> Result<(), StackError> {
        self.reinvite_as(s, Change { method: Method::Invite, body, lines, again: false })
    }

    /// Sends the re-INVITE that [`SessionEvent::RefreshDue`] asks for. After a 491 it is not sent again: the change of the peer that it has
    /// crossed comes first, and then the application is asked once more, for what is in force by then.
    ///
    /// # Errors
    /// As [`Turn::reinvite`].
    pub fn refresh_session(&mut self, s: SessionId, body: Option<Body>, lines: Lines) -> Result<(), StackError> {
        self.reinvite_as(s, Change { method: Method::Invite, body, lines, again: true })
    }

    fn reinvite_as(&mut self, s: SessionId, change: Change) -> Result<(), StackError> {
        let session = super::get(self, s).ok_or(StackError::Gone)?;
        let glare = session.work.as_ref().is_some_and(|work| !work.glare.is_empty());
        if !matches!(session.state, State::Standing) || !matches!(session.exchange, Exchange::Idle) || glare {
            return Err(StackError::State("a standing session without an INVITE transaction under way"));
        }
        send_invite(self, s, change)
    }

    /// Answers the re-INVITE of [`SessionEvent::Reinvite`], like [`Turn::answer`], but nothing is sent reliably.
    ///
    /// # Errors
    /// [`StackError::State`] when there is none to answer, [`StackError::Forbidden`] for a provisional response other than 100 to one that
    /// requires reliable ones (RFC 3262 section 3).
    pub fn answer_reinvite(&mut self, s: SessionId, mut reply: Reply) -> Result<(), StackError> {
        let session = super::get(self, s).ok_or(StackError::Gone)?;
        let Exchange::Received { tx, cseq, offered } = session.exchange else {
            return Err(StackError::State("a re-INVITE without a final response"));
        };
        let code = reply.code;
        if code.is_provisional() && code != StatusCode::TRYING && self.request_of(tx).is_some_and(requires_reliable) {
            return Err(StackError::Forbidden("a provisional response to this re-INVITE (RFC 3262 section 3)"));
        }
        if code.class() <= 2 {
            uas::give_contact(self, s, &mut reply);
        }
        if code.is_success() {
            super::announce(self, &mut reply.lines);
        }
        let refresh = making::contact_of(self, tx);
        self.respond(tx, reply)?;
        if code.is_success() {
            let reach = self.stack.config.session.reach;
            if let (Some((target, origin)), Some(dialog)) = (refresh, dialog_mut(self, s)) {
                making::refresh(dialog, target, &origin, reach);
            }
            uas::unacked(self, s, tx, cseq, (!offered, true));
        } else if code.is_final() {
            set_exchange(self, s, Exchange::Idle);
            exchange_over(self, s);
        }
        Ok(())
    }

    /// Sends an UPDATE (RFC 3311 section 5.1); its result is [`SessionEvent::Updated`] or [`SessionEvent::UpdateFailed`]. A 491 is
    /// treated as for [`Turn::reinvite`].
    ///
    /// # Errors
    /// [`StackError::State`] when the peer's Allow lacks UPDATE, when there is no dialog yet or more than one early one, while an UPDATE of the stack's own that refreshes the
    /// session is unanswered ([`SessionEvent::Refreshed`] tells of its end), or, with an offer, while another offer of either side is.
    pub fn update(&mut self, s: SessionId, body: Option<Body>, lines: Lines) -> Result<ClientTx, StackError> {
        let session = super::get(self, s).ok_or(StackError::Gone)?;
        if session.update == Update::Refused {
            return Err(StackError::State("a peer that allows UPDATE"));
        }
        if session.work.as_ref().is_some_and(|work| !work.glare.is_empty()) {
            return Err(StackError::State("no change that waits for its second try"));
        }
        let change = Change { method: Method::Update, body, lines, again: false };
        in_dialog::ask_change(self, s, change)
    }

    /// Whether the peer has said in an Allow that it takes UPDATE (RFC 3311 section 4). [`Turn::update`] may be tried, too, on one that has said
    /// nothing.
    pub fn takes_update(&self, s: SessionId) -> bool {
        super::get(self, s).is_some_and(|session| session.update == Update::Allowed)
    }
}

fn requires_reliable(request: &Request) -> bool {
    Reliability::of(request.headers()) == Reliability::Required
}

fn dialog_mut<'t>(turn: &'t mut Turn<'_>, s: SessionId) -> Option<&'t mut crate::dialog::Dialog> {
    let id = super::get(turn, s)?.dialog?;
    turn.stack.sessions.dialogs.get_mut(id)
}

fn set_exchange(turn: &mut Turn<'_>, s: SessionId, exchange: Exchange) {
    if let Some(session) = super::get_mut(turn, s) {
        session.exchange = exchange;
    }
}

/// Idle -> Sent.
fn send_invite(turn: &mut Turn<'_>, s: SessionId, change: Change) -> Result<(), StackError> {
    let dialog = super::get(turn, s).and_then(|session| session.dialog).ok_or(StackError::Gone)?;
    let mut draft = making::draft(turn, s, dialog, Method::Invite, None)?;
    (draft.body, draft.lines) = (change.body.clone(), change.lines.clone());
    super::announce_again(turn, &mut draft.lines);
    let offered = offer_answer::in_body(change.body.as_ref(), &change.lines);
    set_exchange(turn, s, Exchange::Sent(Box::new(Sent { tx: None, offered, change })));
    match turn.request_within(dialog, draft, Owner::Session(s, REINVITE)) {
        Ok(tx) => {
            if let Some(Exchange::Sent(sent)) = super::get_mut(turn, s).map(|session| &mut session.exchange) {
                sent.tx = Some(tx);
            }
            Ok(())
        }
        Err(error) => {
            set_exchange(turn, s, Exchange::Idle);
            Err(error)
        }
    }
}

/// A response to our re-INVITE.
pub(super) fn on_response(
    turn: &mut Turn<'_>,
    s: SessionId,
    (tx, timer): (ClientTx, Option<Timer>),
    response: Box<Response>,
    origin: &Origin,
) {
    let code = response.code();
    if code.is_provisional() {
        return;
    }
    let cseq = response.headers().cseq().number;
    match take_sent(turn, s, tx) {
        Some(sent) if code.is_success() => accepted(turn, s, &sent, response, origin, timer),
        Some(sent) => refused(turn, s, sent, Refusal::Response(response)),
        None if code.is_success() => uac::repeat_ack(turn, s, cseq),
        None => {}
    }
}

/// No response to our re-INVITE.
pub(super) fn on_failure(turn: &mut Turn<'_>, s: SessionId, tx: ClientTx, why: Failure) {
    if let Some(sent) = take_sent(turn, s, tx) {
        refused(turn, s, sent, Refusal::Failure(why));
    }
}

fn take_sent(turn: &mut Turn<'_>, s: SessionId, tx: ClientTx) -> Option<Sent> {
    let session = super::get_mut(turn, s)?;
    match std::mem::replace(&mut session.exchange, Exchange::Idle) {
        Exchange::Sent(sent) if sent.tx.is_none_or(|sent| sent == tx) => Some(*sent),
        other => {
            session.exchange = other;
            None
        }
    }
}

/// Sent -> Idle or AckDue: 2xx (RFC 3261 sections 12.2.1.2 and 14.1).
fn accepted(
    turn: &mut Turn<'_>,
    s: SessionId,
    sent: &Sent,
    response: Box<Response>,
    origin: &Origin,
    timer: Option<Timer>,
) {
    let cseq = response.headers().cseq().number;
    let reach = turn.stack.config.session.reach;
    if let Some(dialog) = dialog_mut(turn, s) {
        dialog.follow_cseq(cseq);
        making::refresh(dialog, making::contact_uri(response.headers()), origin, reach);
    }
    let Some(session) = super::get_mut(turn, s) else { return };
    session.learn_allow(response.headers());
    packages::learn(turn, s, None, response.headers());
    let Some(session) = super::get_mut(turn, s) else { return };
    let standing = matches!(session.state, State::Standing);
    let ack_due = standing && !sent.offered && offer_answer::in_message(response.headers());
    if ack_due {
        session.exchange = Exchange::AckDue { cseq };
    } else {
        uac::acknowledge_with(turn, s, (cseq, None), &session_ids::turned(turn, s, response.headers()));
    }
    if standing {
        session_timer::answered(turn, s, timer, response.headers());
        super::emit(turn, s, SessionEvent::Reinvited { response, ack_due });
        exchange_over(turn, s);
    }
}

/// Sent -> Idle: everything stays as it was (RFC 3261 section 14.1), unless the answer ends the dialog.
fn refused(turn: &mut Turn<'_>, s: SessionId, sent: Sent, refusal: Refusal) {
    if !super::get(turn, s).is_some_and(|session| matches!(session.state, State::Standing)) {
        return;
    }
    if in_dialog::ends_dialog(&Method::Invite, &refusal) {
        ending::leave(turn, s, Lines::default(), Final::Error(refusal));
    } else if comes_again(turn, s, &refusal, &sent.change) {
        let dialog = super::get(turn, s).and_then(|session| session.dialog);
        glare(turn, s, sent.change, dialog);
    } else {
        session_timer::refused(turn, s, &refusal);
        super::emit(turn, s, SessionEvent::ReinviteFailed { refusal });
        exchange_over(turn, s);
    }
}

/// A 491 that the stack itself deals with: the first to this change, while no other by the same method waits for its second try. A re-INVITE and an UPDATE that
/// were under way together both come again, whichever was refused first.
pub(super) fn comes_again(turn: &Turn<'_>, s: SessionId, refusal: &Refusal, change: &Change) -> bool {
    let same = |glare: &Glare| glare.change.method == change.method;
    let waits = || {
        let work = super::get(turn, s).and_then(|session| session.work.as_ref());
        work.is_some_and(|work| work.glare.iter().any(same))
    };
    let glare = refusal.code() == StatusCode::REQUEST_PENDING && turn.stack.config.session.glare == Crossing::Again;
    glare && !change.again && !waits()
}

/// RFC 3261 section 14.1: after a 491 we wait 2.1 to 4.0 s when the Call-ID is ours, otherwise 0 to 2.0 s, in steps of 10 ms.
pub(super) fn pause(turn: &mut Turn<'_>, s: SessionId) -> Duration {
    let steps = match dialog_mut(turn, s).map(|dialog| dialog.role()) {
        Some(Role::Callee) => turn.stack.rng.below(201),
        _ => 210 + turn.stack.rng.below(191),
    };
    Duration::from_millis(steps * 10)
}

/// Keeps a change for its second try in this dialog.
pub(super) fn glare(turn: &mut Turn<'_>, s: SessionId, change: Change, dialog: Option<DialogId>) {
    let span = pause(turn, s);
    let kind = if change.method == Method::Update { Kind::UpdateGlare } else { Kind::Glare };
    let timer = super::start(turn, s, kind, span);
    if let Some(session) = super::get_mut(turn, s) {
        let change = Change { again: true, ..change };
        session.work().glare.push(Glare { timer: Some(timer), change, dialog });
    }
}

/// The wait after a 491 to this method is over.
pub(super) fn on_glare(turn: &mut Turn<'_>, s: SessionId, method: &Method) {
    let Some(work) = super::get_mut(turn, s).and_then(|session| session.work.as_mut()) else { return };
    if let Some(glare) = work.glare.iter_mut().find(|glare| glare.change.method == *method) {
        glare.timer = None;
        exchange_over(turn, s);
    }
}

/// Nothing is in the way any more: a change whose wait is over gets its second try, of two the re-INVITE first.
pub(super) fn exchange_over(turn: &mut Turn<'_>, s: SessionId) {
    let Some(session) = super::get_mut(turn, s) else { return };
    let offers = session.our_offer_pending(session.dialog) || session.their_offer_pending(session.dialog);
    if offers || !matches!(session.exchange, Exchange::Idle) {
        return;
    }
    let standing = matches!(session.state, State::Standing);
    let early = matches!(session.state, State::Calling(_) | State::Ringing(_));
    let Some(work) = &mut session.work else { return };
    let ready = |glare: &Glare| glare.timer.is_none() && (standing || early && glare.change.method == Method::Update);
    let of = |method: Method| work.glare.iter().position(|glare| glare.change.method == method && ready(glare));
    let Some(at) = of(Method::Invite).or_else(|| of(Method::Update)) else { return };
    let glare = work.glare.remove(at);
    let update = glare.change.method == Method::Update;
    let sent = if update {
        in_dialog::ask_change(turn, s, glare.change).map(|_| ())
    } else {
        send_invite(turn, s, glare.change)
    };
    if sent.is_err() {
        let refusal = Refusal::Failure(Failure::NoRoute("the second try could not be sent".to_owned()));
        let event =
            if update { SessionEvent::UpdateFailed { refusal } } else { SessionEvent::ReinviteFailed { refusal } };
        super::emit(turn, s, event);
        // The other of two.
        exchange_over(turn, s);
    }
}

/// An INVITE of the peer in the dialog (RFC 3261 section 14.2).
pub(super) fn their_invite(turn: &mut Turn<'_>, s: SessionId, tx: ServerTx, request: &Arc<Request>) {
    let offered = offer_answer::in_message(request.headers());
    let too_small = session_timer::refusal(&turn.stack.config, request);
    let Some(session) = super::get_mut(turn, s) else { return };
    if planted(Bug::Glare) && matches!(session.exchange, Exchange::Sent(_)) {
        session.exchange = Exchange::Idle;
    }
    let (ours, theirs) = (session.our_offer_pending(session.dialog), session.their_offer_pending(session.dialog));
    let reply = match (&session.state, &session.exchange) {
        (State::Ringing(_), _) | (_, Exchange::Received { .. }) => in_dialog::later(turn),
        (State::Calling(_) | State::Cancelling(_), _) => Reply::new(StatusCode::REQUEST_PENDING),
        (_, Exchange::Sent(_) | Exchange::AckDue { .. } | Exchange::Unacked(_)) => {
            Reply::new(StatusCode::REQUEST_PENDING)
        }
        (_, Exchange::Idle) if offered && ours => Reply::new(StatusCode::REQUEST_PENDING),
        (_, Exchange::Idle) if offered && theirs => in_dialog::later(turn),
        (_, Exchange::Idle) if too_small.is_some() => too_small.unwrap_or_else(|| in_dialog::later(turn)),
        (_, Exchange::Idle) => {
            session.exchange = Exchange::Received { tx, cseq: request.headers().cseq().number, offered };
            session.learn_allow(request.headers());
            super::emit(turn, s, SessionEvent::Reinvite { tx, request: Arc::clone(request) });
            return;
        }
    };
    let _ = turn.respond(tx, reply);
}
