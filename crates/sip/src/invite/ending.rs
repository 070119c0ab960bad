//! The end of a session (RFC 3261 section 15). Hanging up is local and at once; the network catches up.

use std::sync::Arc;

use super::event::{By, Refusal, SessionEvent};
use super::session::{Bye, Exchange, State};
use super::{BYE, making, uac, uas};
use crate::event::Failure;
use crate::id::{DialogId, ServerTx, SessionId};
use crate::message::{Lines, Method, Request, StatusCode};
use crate::planted::{Bug, planted};
use crate::reply::Reply;
use crate::stack::StackError;
use crate::turn::{Owner, Turn};

/// How a session ended.
pub(super) enum Final {
    Us,
    Error(Refusal),
}

impl Turn<'_> {
    /// Ends a session, whatever its state (RFC 3261 section 15): an unanswered INVITE of ours is cancelled (the CANCEL leaves after the
    /// first 1xx; a 2xx that crosses it is acknowledged and followed by a BYE), one of the peer is answered `code` (603 when `None`), a standing
    /// session gets a BYE, but not before the ACK to our 2xx, or 64*T1. `lines` (Reason, ..) go into the CANCEL, BYE or response.
    /// [`SessionEvent::Ended`] comes at once; what the network still needs is done unseen.
    ///
    /// # Errors
    /// [`StackError::Gone`] when it has ended already.
    pub fn hangup(&mut self, s: SessionId, code: Option<StatusCode>, lines: Lines) -> Result<(), StackError> {
        match &super::get(self, s).ok_or(StackError::Gone)?.state {
            State::Calling(_) => uac::hangup(self, s, lines),
            State::Ringing(_) => {
                let code = code.filter(|code| code.get() >= 300).unwrap_or(StatusCode::DECLINE);
                self.answer(s, Reply::new(code).lines(lines))?;
            }
            State::Standing => leave(self, s, lines, Final::Us),
            State::Cancelling(_) | State::Leaving(_) => return Err(StackError::Gone),
        }
        super::settle(self, s);
        Ok(())
    }

    /// Asks what becomes of the BYE of a session that has been hung up: [`SessionEvent::Farewell`] will tell, after 64*T1 at the latest. False
    /// when no BYE is under way: then nothing will come.
    pub fn await_farewell(&mut self, s: SessionId) -> bool {
        match super::get_mut(self, s).map(|session| &mut session.state) {
            Some(State::Leaving(Bye::Owed { tell, .. } | Bye::Sent { tell })) => {
                *tell = true;
                true
            }
            _ => false,
        }
    }
}

/// Standing -> Leaving, with a BYE now or when the ACK has come.
pub(super) fn leave(turn: &mut Turn<'_>, s: SessionId, lines: Lines, how: Final) {
    let Some(session) = super::get_mut(turn, s) else { return };
    session.state = State::Leaving(Bye::Settled);
    let (by, refusal) = match how {
        Final::Us => (By::Us, None),
        Final::Error(refusal) => (By::Error, Some(refusal)),
    };
    if matches!(session.exchange, Exchange::Unacked(_)) && !planted(Bug::EarlyBye) {
        session.state = State::Leaving(Bye::Owed { lines: Box::new(lines), tell: false });
    } else {
        send_bye(turn, s, lines, false);
    }
    give_up_changes(turn, s);
    refuse_heard(turn, s);
    super::emit(turn, s, SessionEvent::Ended { by, request: None, refusal });
}

/// Sends the BYE that waited for an ACK. False when none did.
pub(super) fn send_owed_bye(turn: &mut Turn<'_>, s: SessionId) -> bool {
    let Some(session) = super::get_mut(turn, s) else { return false };
    match std::mem::replace(&mut session.state, State::Leaving(Bye::Settled)) {
        State::Leaving(Bye::Owed { lines, tell }) => {
            send_bye(turn, s, *lines, tell);
            true
        }
        other => {
            session.state = other;
            false
        }
    }
}

/// RFC 3261 section 15.1.1. When it cannot even be sent, the dialog is over all the same.
pub(super) fn send_bye(turn: &mut Turn<'_>, s: SessionId, lines: Lines, tell: bool) {
    let Some(session) = super::get_mut(turn, s) else { return };
    let Some(dialog) = session.dialog else { return };
    session.state = State::Leaving(Bye::Sent { tell });
    let sent = making::draft(turn, s, dialog, Method::Bye, None).and_then(|mut draft| {
        draft.lines = lines;
        turn.request_within(dialog, draft, Owner::Session(s, BYE))
    });
    if let Err(error) = sent {
        bye_done(turn, s, Some(Refusal::Failure(Failure::NoRoute(error.to_string()))));
    }
}

/// The BYE has its final response, or none will come: in either case the dialog is over (RFC 3261 section 15.1.1).
pub(super) fn bye_done(turn: &mut Turn<'_>, s: SessionId, refusal: Option<Refusal>) {
    let Some(session) = super::get_mut(turn, s) else { return };
    if let State::Leaving(bye) = &mut session.state {
        let tell = matches!(bye, Bye::Owed { tell: true, .. } | Bye::Sent { tell: true });
        *bye = Bye::Settled;
        if tell {
            super::emit(turn, s, SessionEvent::Farewell { refusal });
        }
    }
}

/// INVITE transactions that are under way in a dialog that ends.
fn give_up_changes(turn: &mut Turn<'_>, s: SessionId) {
    let Some(session) = super::get_mut(turn, s) else { return };
    let waits = session.work.as_mut().map(|work| std::mem::take(&mut work.glare)).unwrap_or_default();
    for timer in waits.into_iter().filter_map(|glare| glare.timer) {
        turn.stop(timer);
    }
    let Some(session) = super::get_mut(turn, s) else { return };
    match &session.exchange {
        Exchange::Idle | Exchange::Unacked(_) => {}
        // The peer owes a final response (487); the CANCEL bounds the wait by 64*T1 (section 9.1).
        Exchange::Sent(sent) => {
            if let Some(tx) = sent.tx {
                let _ = turn.cancel(tx);
            }
        }
        Exchange::AckDue { cseq } => {
            let cseq = *cseq;
            session.exchange = Exchange::Idle;
            uac::acknowledge(turn, s, cseq, None);
        }
        Exchange::Received { tx, .. } => {
            let tx = *tx;
            session.exchange = Exchange::Idle;
            let _ = turn.respond(tx, Reply::new(StatusCode::REQUEST_TERMINATED));
        }
    }
}

/// Requests that nobody will answer any more get 487 (RFC 3261 section 15.1.2).
pub(super) fn refuse_heard(turn: &mut Turn<'_>, s: SessionId) {
    let Some(work) = super::get_mut(turn, s).and_then(|session| session.work.as_mut()) else { return };
    for heard in std::mem::take(&mut work.heard) {
        let _ = turn.respond(heard.tx, Reply::new(StatusCode::REQUEST_TERMINATED));
    }
}

/// A BYE of the peer (RFC 3261 section 15.1.2): 200, and 487 to what is pending.
pub(super) fn their_bye(turn: &mut Turn<'_>, s: SessionId, dialog: DialogId, tx: ServerTx, request: &Arc<Request>) {
    let _ = turn.respond(tx, Reply::new(StatusCode::OK));
    let Some(session) = super::get_mut(turn, s) else { return };
    let ended = SessionEvent::Ended { by: By::Peer, request: Some(Arc::clone(request)), refusal: None };
    match &session.state {
        // Either a 2xx was overtaken, or the peer may not do this: what counts is the final response to our INVITE.
        State::Calling(_) | State::Cancelling(_) => {
            let early = session.forked().and_then(|forks| forks.early.iter_mut().find(|early| early.dialog == dialog));
            if let Some(early) = early {
                early.bye = true;
            }
        }
        State::Ringing(ringing) => {
            let invite = ringing.tx;
            uas::terminate(turn, s, invite);
            super::emit(turn, s, ended);
        }
        State::Standing if session.dialog == Some(dialog) => {
            session.state = State::Leaving(Bye::Settled);
            stop_repeats(turn, s);
            give_up_changes(turn, s);
            refuse_heard(turn, s);
            super::emit(turn, s, ended);
        }
        // In an early dialog that lost against another fork.
        State::Standing => {}
        State::Leaving(bye) => {
            // Ours is not needed any more, or has crossed theirs.
            match bye {
                Bye::Owed { .. } => bye_done(turn, s, None),
                Bye::Sent { tell: true } => {
                    session.state = State::Leaving(Bye::Sent { tell: false });
                    super::emit(turn, s, SessionEvent::Farewell { refusal: None });
                }
                Bye::Sent { tell: false } | Bye::Settled => {}
            }
            stop_repeats(turn, s);
        }
    }
}

/// The peer that says BYE needs no repeats of our first 2xx, which has made the dialog. That to a re-INVITE may have been lost, and the transaction waits for it
/// (RFC 3261 section 13.3.1.4).
fn stop_repeats(turn: &mut Turn<'_>, s: SessionId) {
    let Some(session) = super::get_mut(turn, s) else { return };
    if let Exchange::Unacked(unacked) = &session.exchange
        && !unacked.again
    {
        let timer = unacked.timer;
        session.exchange = Exchange::Idle;
        turn.stop(timer);
    }
}
