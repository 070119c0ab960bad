//! Calls we place, from the INVITE to its answer (RFC 3261 section 13.2).

use media::{Agreed, Key};
use sip::history::{History, Most};
use sip::invite::Refusal;
use sip::message::{Body, HeaderId, Lines, Method, Response, StatusCode};
use sip::{DialogId, Draft, SessionId, Turn};

use super::call::{Call, Dialing, Sound, Stage, lose};
use super::sound::description;
use super::state::Phone;
use super::telling::{failed, first_hop, reason_of, refused, tell};
use crate::command::Dial;
use crate::ended::EndedBy;
use crate::error::CallError;
use crate::progress::Progress;
use crate::referral::Owed;

impl Phone {
    /// Sends the INVITE.
    pub(super) fn dial(&mut self, dial: Dial, turn: &mut Turn<'_>) {
        let key = dial.key;
        if self.closing.is_some() {
            return tell(dial.answer, Err(CallError::Ended));
        }
        if self.is_full() {
            return tell(dial.answer, Err(CallError::TooMany { limit: self.parts.place.max_calls }));
        }
        let Dial { uri, from, lines, mut media, ports, ends, progress, answer, ring_for, .. } = dial;
        let peer = uri.to_string();
        let mut draft = Draft::new(Method::Invite, uri);
        draft.to = format!("<{peer}>");
        draft.from = from;
        draft.routes = dial.routes;
        draft.hop = dial.hop;
        draft.credentials = dial.credentials;
        draft.contact = dial.contact;
        draft.lines = lines;
        if self.parts.history {
            draft.lines.extend(&History::begin(&peer, Most::default()).lines(None, true));
        }
        if !dial.late_offer {
            draft.body = match media.offer() {
                Ok(offer) => Some(Body::sdp(offer)),
                Err(error) => return tell(answer, Err(CallError::Media(error.to_string()))),
            };
        }
        draft.call_id = turn.call_id();
        let call_id = draft.call_id.as_str().into();
        let hop = first_hop(&draft.hop, &draft.routes, &peer);
        let unproved = (!dial.proved).then_some(draft.cseq);
        let session = match turn.invite(draft) {
            Ok(session) => session,
            Err(error) => {
                return tell(answer, Err(CallError::Unreachable { to: hop, why: error.to_string() }));
            }
        };
        let alarm = turn.alarm(turn.now().mono + ring_for, key.0).ok();
        let offered = media.clone();
        let (answered_by, given_up, described) = (None, None, Vec::new());
        let owed = dial.owed.and_then(Owed::paid);
        let dialing = Dialing {
            progress,
            answer,
            alarm,
            ring_for,
            offered,
            answered_by,
            described,
            given_up,
            unproved,
            hop,
            owed,
        };
        let sound = Sound::new(media, ports, self.parts.media.key());
        let stage = Stage::Dialing(Box::new(dialing));
        self.sessions.insert(session, key);
        self.calls.insert(key, Call::new((session, call_id, stage, true), sound, ends, peer));
        if let Err(error) = self.listen(key) {
            self.give_up(key, error, turn);
        }
    }

    /// The time a call of ours may ring is over.
    pub(super) fn rang_long_enough(&mut self, key: Key, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Stage::Dialing(dialing) = &mut call.stage else { return };
        dialing.alarm = None;
        let error = CallError::NoAnswer { after: Some(dialing.ring_for) };
        self.give_up(key, error, turn);
    }

    /// Ends a call of ours before its answer; `error` is what its user hears.
    fn give_up(&mut self, key: Key, error: CallError, turn: &mut Turn<'_>) {
        if let Some(Call { stage: Stage::Dialing(dialing), .. }) = self.calls.get_mut(&key) {
            dialing.given_up = Some(error);
        }
        self.hang_up(key, None, None, turn);
    }

    /// 101 to 199. `due`: it carries an offer, and its PRACK in this early dialog the answer (RFC 3262 section 5).
    pub(super) fn progress(
        &mut self,
        session: SessionId,
        response: &Response,
        due: Option<DialogId>,
        turn: &mut Turn<'_>,
    ) {
        let Some((key, call)) = self.call_of(session) else { return };
        if !matches!(call.stage, Stage::Dialing(_)) {
            return;
        }
        let early = match (description(response.headers()), due) {
            (Some(offer), Some(fork)) => {
                let tag = response.headers().to_tag().unwrap_or_default();
                let (answer, agreed) = self.fork_offered(key, tag, offer);
                if let Err(error) = turn.prack(session, fork, answer.map(Body::sdp), Lines::new()) {
                    tracing::debug!(parent: &net::call_span!(response.headers().call_id()), %error, "an offer in a provisional response is not answered");
                }
                agreed.is_ok_and(|agreed| self.carry(key, &agreed).is_ok())
            }
            (Some(answer), None) => self.fork_answered(key, response.headers().to_tag(), answer).is_ok(),
            (None, _) => false,
        };
        let Some(Call { stage: Stage::Dialing(dialing), .. }) = self.calls.get_mut(&key) else { return };
        // Who rings has let us pass.
        dialing.unproved = None;
        let reliable = response.headers().has(HeaderId::RSeq);
        let progress =
            Progress { code: response.code().get(), reason: reason_of(response), early_media: early, reliable };
        let (referred, reason) = (dialing.owed.as_ref().map(|debt| debt.whose), progress.reason.clone());
        // Who does not read loses the newest.
        let _ = dialing.progress.try_send(progress);
        if let Some(referred) = referred {
            self.report(referred, response.code(), &reason, turn);
        }
    }

    /// An answer in a response of the dialog with this To tag. The same dialog answers once: what it repeats is passed over (RFC 3261
    /// section 13.2.1), unless nothing could be agreed on by it.
    fn fork_answered(&mut self, key: Key, tag: Option<&str>, answer: &[u8]) -> Result<(), CallError> {
        let call = self.calls.get_mut(&key).ok_or(CallError::Ended)?;
        let has_agreed = call.has_agreed();
        let Stage::Dialing(dialing) = &mut call.stage else { return Ok(()) };
        let tag = tag.unwrap_or_default();
        dialing.remember(tag, answer, false);
        if has_agreed && dialing.answered_by.as_deref() == Some(tag) {
            return Ok(());
        }
        self.describes(key, tag)?;
        self.take_answer(key, answer)
    }

    /// The description of the dialog with this To tag is in force from now on, whatever comes of it: of what another one has described nothing is left, and he is
    /// told nothing more.
    fn describes(&mut self, key: Key, tag: &str) -> Result<(), CallError> {
        let Some(Call { stage: Stage::Dialing(dialing), sound, change, .. }) = self.calls.get_mut(&key) else {
            return Err(CallError::Ended);
        };
        if dialing.answered_by.replace(tag.to_owned()).is_none() {
            return Ok(());
        }
        sound.media = dialing.offered.clone();
        lose(change);
        self.fall_silent(key)
    }

    /// An offer in a reliable response of the dialog with this To tag: the answer, or the refusal, and what is agreed.
    fn fork_offered(&mut self, key: Key, tag: &str, offer: &[u8]) -> (Option<Vec<u8>>, Result<Agreed, CallError>) {
        if let Some(Call { stage: Stage::Dialing(dialing), .. }) = self.calls.get_mut(&key) {
            dialing.remember(tag, offer, true);
        }
        if let Err(error) = self.describes(key, tag) {
            return (None, Err(error));
        }
        let Some(Call { sound, .. }) = self.calls.get_mut(&key) else { return (None, Err(CallError::Ended)) };
        match sound.media.answer(offer) {
            Ok((answer, agreed)) => (Some(answer), Ok(agreed)),
            Err(error) => (sound.media.refusal(offer), Err(CallError::Media(error.to_string()))),
        }
    }

    /// 2xx: the call stands, when there is audio.
    pub(super) fn picked_up(&mut self, session: SessionId, response: &Response, ack_due: bool, turn: &mut Turn<'_>) {
        let Some((key, _)) = self.call_of(session) else { return };
        let body = description(response.headers()).map(<[u8]>::to_vec);
        let agreed = match (&body, ack_due) {
            (Some(offer), true) => self.answer_late(key, session, offer, turn),
            (Some(answer), false) => self.fork_answered(key, response.headers().to_tag(), answer),
            (None, _) => {
                if ack_due {
                    acknowledge(session, None, turn);
                }
                self.picks_up_as_described(key, response.headers().to_tag().unwrap_or_default())
            }
        };
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.since = Some(turn.now().mono);
        let Stage::Dialing(dialing) = std::mem::replace(&mut call.stage, Stage::Standing) else { return };
        if let Some(alarm) = dialing.alarm {
            turn.silence(alarm);
        }
        let failed = agreed.is_err();
        tell(dialing.answer, agreed);
        if let Some(debt) = dialing.owed {
            let code = if failed { StatusCode::NOT_ACCEPTABLE_HERE } else { response.code() };
            self.report(debt.whose, code, code.default_reason(), turn);
        }
        if failed {
            self.hang_up(key, None, Some("no common audio".to_owned()), turn);
        }
        // A change from before the answer may have waited for it.
        self.change(key, turn);
    }

    /// Who picks up has said before how he is heard. Where another one has said so after him, the audio is with that one yet (RFC 3261 section 13.2.2.4).
    fn picks_up_as_described(&mut self, key: Key, tag: &str) -> Result<(), CallError> {
        let none = || CallError::Media("the answer has no session description".into());
        let call = self.calls.get_mut(&key).ok_or_else(none)?;
        let has_agreed = call.has_agreed();
        let is_in_force = |by: &String| by == tag;
        let Stage::Dialing(dialing) = &mut call.stage else { return if has_agreed { Ok(()) } else { Err(none()) } };
        if dialing.answered_by.as_ref().is_none_or(is_in_force) {
            return if has_agreed { Ok(()) } else { Err(none()) };
        }
        let at = dialing.described.iter().position(|one| one.tag == tag).ok_or_else(none)?;
        let one = dialing.described.swap_remove(at);
        if one.is_offer {
            let agreed = self.fork_offered(key, &one.tag, &one.body).1?;
            return self.carry(key, &agreed);
        }
        self.fork_answered(key, Some(&one.tag), &one.body)
    }

    /// Our INVITE had no offer, the 2xx has: the ACK carries the answer (RFC 3261 section 13.2.2.4).
    fn answer_late(
        &mut self,
        key: Key,
        session: SessionId,
        offer: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<(), CallError> {
        let call = self.calls.get_mut(&key).ok_or(CallError::Ended)?;
        if let Stage::Dialing(dialing) = &call.stage
            && dialing.answered_by.is_some()
        {
            // Another fork's offer was answered before.
            call.sound.media = dialing.offered.clone();
            lose(&mut call.change);
            self.fall_silent(key)?;
        }
        let call = self.calls.get_mut(&key).ok_or(CallError::Ended)?;
        match call.sound.media.answer(offer) {
            Ok((answer, agreed)) => {
                acknowledge(session, Some(Body::sdp(answer)), turn);
                self.carry(key, &agreed)
            }
            Err(error) => {
                acknowledge(session, call.sound.media.refusal(offer).map(Body::sdp), turn);
                Err(CallError::Media(error.to_string()))
            }
        }
    }

    /// No call came of our INVITE.
    pub(super) fn not_picked_up(&mut self, session: SessionId, refusal: Refusal, turn: &mut Turn<'_>) {
        let Some((key, call)) = self.call_of(session) else { return };
        let code = refusal.code();
        let (error, reason) = match refusal {
            Refusal::Response(response) => {
                let unproved = match &call.stage {
                    Stage::Dialing(dialing) => dialing.unproved,
                    _ => None,
                };
                (refused(&response, unproved), reason_of(&response))
            }
            Refusal::Failure(why) => {
                let to = match &call.stage {
                    Stage::Dialing(dialing) => &dialing.hop,
                    _ => &call.peer,
                };
                (failed(why, to), code.default_reason().to_owned())
            }
        };
        if let Stage::Dialing(dialing) = &mut call.stage {
            dialing.given_up.get_or_insert(error);
        }
        self.over(key, EndedBy::Peer, code, reason, turn);
    }

    /// 3xx. The addresses are for the user to decide on: following them unasked costs money.
    pub(super) fn redirected(&mut self, session: SessionId, response: &Response, turn: &mut Turn<'_>) {
        self.not_picked_up(session, Refusal::Response(Box::new(response.clone())), turn);
    }
}

fn acknowledge(session: SessionId, body: Option<Body>, turn: &mut Turn<'_>) {
    if let Err(error) = turn.ack(session, body) {
        let call_id = turn.dialog_of(session).map(sip::dialog::Dialog::call_id).unwrap_or_default();
        tracing::debug!(parent: &net::call_span!(call_id), %error, "no ACK is due");
    }
}
