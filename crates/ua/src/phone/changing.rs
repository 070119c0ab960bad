//! Changes of a call: hold and resume, ours and the peer's (RFC 3261 section 14, RFC 3264 section 8), UPDATEs of ours (RFC 3311), and what keeps it
//! up (RFC 4028).
//!
//! ```text
//!   Waiting --offer sent---> Sent --2xx--> done
//!      ^                      |
//!      |  ACK or end of the   | 491, the first time: an alarm of RFC 3261 section 14.1
//!      |  peer's exchange     v
//!      +------------------ Crossed
//! ```

use std::time::Duration;

use media::Key;
use sdp::{Hold, NegotiationState};
use sip::invite::Refusal;
use sip::message::{Body, Lines, Request, Response, StatusCode};
use sip::{AlarmId, Reply, SessionId, StackError, Turn};
use tokio::sync::oneshot;

use super::call::{Change, Stage, Step};
use super::sound::description;
use super::state::Phone;
use super::telling::{failed, refused, tell};
use crate::error::CallError;
use crate::place::Place;

/// Why there is no UPDATE to who has said nothing of it, or that it is not taken.
const NOT_TAKEN: &str = "the other side has not said that it takes UPDATE";
/// Why there is none before the answer.
const NOT_YET: &str =
    "there is an offer without an answer, none that was answered reliably, or more than one who answers";

impl Phone {
    /// Holds or resumes: a re-INVITE whose offer says so (RFC 3264 section 8.4), as soon as nothing of the peer is in the way.
    pub(super) fn hold(
        &mut self,
        key: Key,
        on: bool,
        reply: oneshot::Sender<Result<(), CallError>>,
        turn: &mut Turn<'_>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return tell(reply, Err(CallError::Ended)) };
        if call.change.is_some() || !matches!(call.stage, Stage::Standing) {
            return tell(reply, Err(CallError::Busy));
        }
        if call.sound.held_by_us == on {
            return tell(reply, Ok(()));
        }
        call.change =
            Some(Change { hold: on, held: !on, by_update: false, reply, step: Step::Waiting, crossed: false });
        self.change(key, turn);
    }

    /// Offers our description once more by UPDATE (RFC 3311 section 5.1), also before the answer, when the first offer has been answered reliably.
    pub(super) fn update(&mut self, key: Key, reply: oneshot::Sender<Result<(), CallError>>, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get_mut(&key) else { return tell(reply, Err(CallError::Ended)) };
        if call.change.is_some() {
            return tell(reply, Err(CallError::Busy));
        }
        if !turn.takes_update(call.session) {
            return tell(reply, Err(not_now(NOT_TAKEN)));
        }
        let held = call.sound.held_by_us;
        call.change = Some(Change { hold: held, held, by_update: true, reply, step: Step::Waiting, crossed: false });
        self.change_now(key, turn);
    }

    /// Sends it if it can be sent now, or gives it up where nobody would come back to it: before the answer.
    fn change_now(&mut self, key: Key, turn: &mut Turn<'_>) {
        self.change(key, turn);
        if let Some(call) = self.calls.get_mut(&key).filter(|call| !matches!(call.stage, Stage::Standing))
            && let Some(change) = call.change.take_if(|change| matches!(change.step, Step::Waiting))
        {
            tell(change.reply, Err(not_now(NOT_YET)));
        }
    }

    /// Sends the re-INVITE or UPDATE of a change that waits, if it can be sent now.
    pub(super) fn change(&mut self, key: Key, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(change) = call.change.as_mut().filter(|change| matches!(change.step, Step::Waiting)) else { return };
        // Its Allow is another by now, and nothing that comes would let the change through.
        if change.by_update && !turn.takes_update(call.session) {
            if let Some(change) = call.change.take() {
                tell(change.reply, Err(not_now(NOT_TAKEN)));
            }
            return;
        }
        let (media, hold, held, place) = (&mut call.sound.media, change.hold, change.held, &self.parts.place);
        if media.state() != NegotiationState::Stable {
            return;
        }
        media.capabilities().set_hold(place.hold(hold));
        let error = match media.offer() {
            Ok(offer) => {
                match offer_change((self.parts.by_update, change.by_update), call.session, Body::sdp(offer), turn) {
                    Ok(()) => {
                        change.step = Step::Sent;
                        return self.listen_now(key);
                    }
                    // The peer's exchange is not over: its ACK brings us back here.
                    Err(StackError::State(_)) => None,
                    Err(error) => Some(CallError::Unreachable { to: call.peer.clone(), why: error.to_string() }),
                }
            }
            Err(error) => Some(CallError::Media(error.to_string())),
        };
        media.rollback();
        media.capabilities().set_hold(place.hold(held));
        if let Some(error) = error
            && let Some(change) = call.change.take()
        {
            tell(change.reply, Err(error));
        }
    }

    /// The wait after a 491 is over, if the alarm was for that.
    pub(super) fn change_again(&mut self, key: Key, alarm: AlarmId, turn: &mut Turn<'_>) -> bool {
        let Some(change) = self.calls.get_mut(&key).and_then(|call| call.change.as_mut()) else { return false };
        if !matches!(change.step, Step::Crossed(due) if due == alarm) {
            return false;
        }
        change.step = Step::Waiting;
        self.change_now(key, turn);
        true
    }

    /// Our re-INVITE or UPDATE has its final answer.
    pub(super) fn changed(&mut self, session: SessionId, outcome: Result<&Response, Refusal>, turn: &mut Turn<'_>) {
        let Some((key, call)) = self.call_of(session) else { return };
        if std::mem::take(&mut call.refreshing) {
            return self.refreshed(key, outcome.ok(), turn);
        }
        let Some(mut change) = call.change.take() else { return };
        if matches!(change.step, Step::Lost) {
            return tell(change.reply, Err(not_now("somebody else has answered the call meanwhile")));
        }
        let (hold, held) = (change.hold, change.held);
        let outcome = match outcome {
            Ok(response) => match description(response.headers()) {
                Some(answer) => {
                    call.sound.held_by_us = hold;
                    self.take_answer(key, answer)
                }
                None => Err(CallError::Media("the answer to our change of the call has no session description".into())),
            },
            Err(refusal) if refusal.code() == StatusCode::REQUEST_PENDING && !change.crossed => {
                change.crossed = true;
                return self.crossed(key, change, turn);
            }
            Err(Refusal::Response(response)) => Err(refused(&response, None)),
            Err(Refusal::Failure(why)) => Err(failed(why, &call.peer)),
        };
        if outcome.is_err() {
            self.put_back(key, held);
        }
        if let Err(CallError::Media(why)) = &outcome {
            self.hang_up(key, None, Some(why.clone()), turn);
        }
        tell(change.reply, outcome);
    }

    /// The call has to be refreshed (RFC 4028 section 7.4): our description once more. If it cannot be done now, we are told again.
    pub(super) fn refresh(&mut self, session: SessionId, turn: &mut Turn<'_>) {
        let Some((_, call)) = self.call_of(session) else { return };
        let Ok(offer) = call.sound.media.offer_again() else { return };
        match turn.refresh_session(session, Some(Body::sdp(offer)), Lines::new()) {
            Ok(()) => call.refreshing = true,
            Err(error) => {
                tracing::debug!(parent: &net::call_span!(call.call_id), %error, "a call is not refreshed now");
                call.sound.media.rollback();
            }
        }
    }

    /// The answer to that, which may be new; what was refused, the stack tries again or ends the call for.
    fn refreshed(&mut self, key: Key, response: Option<&Response>, turn: &mut Turn<'_>) {
        let taken = match response.and_then(|response| description(response.headers())) {
            Some(answer) => self.take_answer(key, answer),
            None => Err(CallError::Busy),
        };
        if taken.is_err()
            && let Some(call) = self.calls.get_mut(&key)
        {
            // Everything stays as it was (RFC 3261 section 14.1).
            call.sound.media.rollback();
        }
        self.change(key, turn);
    }

    /// Both sides changed the call at once (RFC 3261 section 14.1): ours again after 2.1 to 4.0 s when the Call-ID is ours, after 0 to 2.0 s when
    /// it is theirs. The peer's change may come before that.
    fn crossed(&mut self, key: Key, change: Change, turn: &mut Turn<'_>) {
        self.put_back(key, change.held);
        let Some(call) = self.calls.get_mut(&key) else { return };
        let steps = if call.caller { 210 + rand::random::<u64>() % 191 } else { rand::random::<u64>() % 201 };
        match turn.alarm(turn.now().mono + Duration::from_millis(steps * 10), key.0) {
            Ok(alarm) => call.change = Some(Change { step: Step::Crossed(alarm), ..change }),
            Err(_) => tell(change.reply, Err(CallError::Busy)),
        }
    }

    /// Everything stays as it was (RFC 3261 section 14.1).
    fn put_back(&mut self, key: Key, held: bool) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.sound.held_by_us = held;
            call.sound.media.rollback();
            call.sound.media.capabilities().set_hold(self.parts.place.hold(held));
        }
        self.listen_no_more(key);
    }

    /// What the other side says to an offer of ours is heard already; without, it is heard once it has answered.
    fn listen_now(&mut self, key: Key) {
        if let Err(error) = self.listen(key) {
            let call_id = self.calls.get(&key).map(|call| &*call.call_id).unwrap_or_default();
            tracing::warn!(parent: &net::call_span!(call_id), %error, "what comes before the answer is not heard");
        }
    }

    /// The peer's re-INVITE (RFC 3261 section 14.2): its offer is answered, or without one ours is given.
    pub(super) fn reinvited(&mut self, session: SessionId, request: &Request, turn: &mut Turn<'_>) {
        let Some((key, call)) = self.call_of(session) else { return };
        let answered = match description(request.headers()) {
            Some(offer) => call.sound.media.answer(offer).map(|(answer, agreed)| (answer, Some(agreed))),
            None => call.sound.media.offer().map(|offer| (offer, None)),
        };
        let reply = match answered {
            Ok((body, agreed)) => {
                if let Some(agreed) = agreed
                    && let Err(error) = self.carry(key, &agreed)
                {
                    tracing::warn!(parent: &net::call_span!(request.headers().call_id()), %error, "a re-INVITE is not carried out");
                }
                Reply::new(StatusCode::OK).body(Body::sdp(body))
            }
            Err(error) => {
                tracing::debug!(parent: &net::call_span!(request.headers().call_id()), %error, "a re-INVITE is refused");
                Reply::new(StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE))
            }
        };
        match turn.answer_reinvite(session, reply) {
            Ok(_) => self.listen_now(key),
            Err(error) => {
                tracing::debug!(parent: &net::call_span!(request.headers().call_id()), %error, "a re-INVITE could not be answered")
            }
        }
    }

    /// The peer gave its re-INVITE up: an offer of ours in a 200 that never left is dropped.
    pub(super) fn reinvite_cancelled(&mut self, session: SessionId, turn: &mut Turn<'_>) {
        let Some((key, call)) = self.call_of(session) else { return };
        if call.change.as_ref().is_none_or(|change| !matches!(change.step, Step::Sent)) {
            call.sound.media.rollback();
            self.listen_no_more(key);
        }
        self.change(key, turn);
    }
}

fn not_now(why: &str) -> CallError {
    CallError::NotNow { why: why.to_owned() }
}

/// By UPDATE where that is `preferred` and the other side takes it, or where nothing else will do.
fn offer_change(
    (preferred, only): (bool, bool),
    session: SessionId,
    offer: Body,
    turn: &mut Turn<'_>,
) -> Result<(), StackError> {
    if only || preferred && turn.takes_update(session) {
        turn.update(session, Some(offer), Lines::new()).map(|_| ())
    } else {
        turn.reinvite(session, Some(offer), Lines::new())
    }
}

impl Place {
    pub(super) fn hold(&self, on: bool) -> Hold {
        if on { self.hold } else { Hold::Off }
    }
}
