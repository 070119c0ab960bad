//! Who takes the place of the other side of a call (Replaces, RFC 3891).
//!
//! The call stays what it is for its user: its handle, its audio and what is played in it go on; with whom, is told by an event. So a new
//! session takes the place of the old one, which is hung up.

use media::{CallMedia, Key};
use sip::header::{From, NameAddr, PAssertedIdentity, ReferredBy};
use sip::message::{Body, Headers, Lines, Request, StatusCode, Uri};
use sip::{Origin, Path, Reply, ServerTx, SessionId, Transport, Turn};

use super::call::{Change, Stage, Step};
use super::sound::description;
use super::state::Phone;
use super::telling::{respond, tell};
use crate::error::CallError;
use crate::event::CallEvent;

impl Phone {
    /// An INVITE that names a session of ours. Where it cannot be taken, everything stays as it was (RFC 3891 section 3).
    pub(super) fn replaced(
        &mut self,
        session: SessionId,
        tx: ServerTx,
        (request, origin): (&Request, &Origin),
        turn: &mut Turn<'_>,
    ) {
        if !self.may_take_part(session, (request, origin), turn) {
            return respond(turn, tx, Reply::new(StatusCode::FORBIDDEN));
        }
        let Some((key, call)) = self.call_of(session) else {
            return respond(turn, tx, Reply::new(StatusCode::DECLINE));
        };
        let mut media = CallMedia::sharing(call.sound.media.shared(), rand::random());
        media.capabilities().set_hold(self.parts.place.hold(false));
        let described = match description(request.headers()) {
            Some(offer) => media.answer(offer).map(|(answer, agreed)| (answer, Some(agreed))),
            None => media.offer().map(|offer| (offer, None)),
        };
        let (body, agreed) = match described {
            Ok((_, Some(agreed))) if agreed.settings.is_none() => {
                return respond(turn, tx, Reply::new(StatusCode::NOT_ACCEPTABLE_HERE));
            }
            Ok(described) => described,
            Err(error) => {
                tracing::debug!(parent: &net::call_span!(request.headers().call_id()), %error, "who would stand in is refused");
                let code = StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE);
                return respond(turn, tx, Reply::new(code));
            }
        };
        // On an error the stack has answered.
        let Ok(new) = turn.session(tx) else { return };
        if turn.answer(new, Reply::new(StatusCode::OK).body(Body::sdp(body))).is_err() {
            return;
        }
        self.stand_in(key, (session, new), media, request, turn);
        let carried = match agreed {
            Some(agreed) => self.carry(key, &agreed),
            // The ACK says where its audio is.
            None => self.fall_silent(key),
        };
        if let Err(error) = carried {
            tracing::warn!(parent: &net::call_span!(request.headers().call_id()), %error, "the audio of who stands in is not carried");
        }
    }

    /// Whether an INVITE that takes over a session of ours, or wants to be in it, comes from who may do that.
    pub(super) fn may_take_part(
        &self,
        session: SessionId,
        (request, origin): (&Request, &Origin),
        turn: &Turn<'_>,
    ) -> bool {
        turn.dialog_of(session).is_some_and(|dialog| {
            may_stand_in(request.headers(), dialog.remote(), self.vouched(origin))
                && is_as_safe(origin.transport, dialog.path())
        })
    }

    /// Whether what comes from there comes from who is believed; `None` where nobody is.
    pub(super) fn vouched(&self, origin: &Origin) -> Option<bool> {
        let believed = &self.parts.believed;
        let from = origin.remote.ip().to_canonical();
        (!believed.is_empty()).then(|| believed.iter().any(|network| network.contains(from)))
    }

    /// The new session takes the place of the old one, which is hung up.
    fn stand_in(
        &mut self,
        key: Key,
        (old, new): (SessionId, SessionId),
        media: CallMedia,
        request: &Request,
        turn: &mut Turn<'_>,
    ) {
        self.sessions.remove(&old);
        self.sessions.insert(new, key);
        let Some(call) = self.calls.get_mut(&key) else { return };
        let from = request.headers().get::<From<'_>>().and_then(Result::ok);
        call.peer = from.map(|from| from.0.uri.to_string()).unwrap_or_default();
        (call.session, call.caller, call.sound.media) = (new, false, media);
        call.call_id = request.headers().call_id().into();
        call.ends.attached.belongs_to(&call.call_id);
        (call.sound.held_by_us, call.refreshing) = (false, false);
        call.transfers.clear();
        call.referrals.clear();
        call.since.get_or_insert(turn.now().mono);
        let change = call.change.take();
        let before = std::mem::replace(&mut call.stage, Stage::Standing);
        call.tell(CallEvent::Replaced { peer: call.peer.clone() });
        if let Some(Change { reply, step, .. }) = change {
            if let Step::Crossed(alarm) = step {
                turn.silence(alarm);
            }
            tell(reply, Err(CallError::Ended));
        }
        self.now_stands(before, turn);
        // An error means that it has ended in this very turn.
        let _ = turn.hangup(old, None, Lines::new());
    }

    /// Who waits for a call that is replaced before it stands has it now.
    fn now_stands(&mut self, before: Stage, turn: &mut Turn<'_>) {
        match before {
            Stage::Dialing(dialing) => {
                if let Some(alarm) = dialing.alarm {
                    turn.silence(alarm);
                }
                tell(dialing.answer, Ok(()));
                if let Some(debt) = dialing.owed {
                    self.report(debt.whose, StatusCode::OK, StatusCode::OK.default_reason(), turn);
                }
            }
            // We have answered, and the ACK is still to come.
            Stage::Ringing(ringing) => {
                if let Some(accepting) = ringing.accepting {
                    tell(accepting, Ok(()));
                }
            }
            Stage::Standing => {}
        }
    }
}

/// Whether what comes by this transport could be read and made up on its way by nobody who could not do so with a call by that path.
fn is_as_safe(transport: Transport, before: Option<Path>) -> bool {
    transport.is_secured() || before.is_none_or(|before| !before.transport.is_secured())
}

/// Whether an INVITE comes from the `other` side of a session, or from whom it has sent (RFC 3891 section 3).
///
/// Where somebody is believed to say who a caller is, it has to come from there (`vouched`) and be from somebody who is known: who that is counts, and not
/// what he says himself (section 8).
fn may_stand_in(headers: &Headers, other: &str, vouched: Option<bool>) -> bool {
    let Ok(other) = NameAddr::parse(other) else { return false };
    let same = |uri: &Uri<'_>| {
        // Two who do not say who they are need not be one (RFC 3323 section 4.1.1.3).
        !uri.host_text().eq_ignore_ascii_case("anonymous.invalid")
            && uri.user_unescaped() == other.uri.user_unescaped()
            && uri.host_text().eq_ignore_ascii_case(other.uri.host_text())
    };
    let from = headers.get::<From<'_>>().and_then(Result::ok);
    let sent_by = headers.get::<ReferredBy<'_>>().and_then(Result::ok);
    let is_sent = sent_by.is_some_and(|by| same(&by.0.uri));
    match vouched {
        None => is_sent || from.is_some_and(|from| same(&from.0.uri)),
        Some(false) => false,
        Some(true) => {
            let mut asserted = headers.list::<PAssertedIdentity<'_>>().flatten().peekable();
            asserted.peek().is_some() && (is_sent || asserted.any(|one| same(&one.uri)))
        }
    }
}

#[cfg(test)]
mod tests {
    use sip::FlowId;
    use sip::message::{Limits, Message};

    use super::*;

    #[test]
    fn rfc3323_4_1_1_3_two_without_a_name_are_not_the_same() {
        let may = |from: &str, other: &str| {
            let text = format!(
                "INVITE sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <{from}>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: 1\r\n\
                 CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
            );
            let Ok(Message::Request(request)) = Message::parse(text.into(), &Limits::default()) else {
                panic!("{from}")
            };
            may_stand_in(request.headers(), other, None)
        };
        assert!(may("sip:carol@EXAMPLE.com", "<sip:carol@example.com>;tag=2"));
        assert!(!may("sip:dave@example.com", "<sip:carol@example.com>;tag=2"));
        assert!(!may("sip:anonymous@anonymous.invalid", "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=2"));
    }

    #[test]
    fn rfc3891_8_nobody_takes_a_call_over_tls_over_in_the_clear() {
        let address = "192.0.2.1:5060".parse().unwrap();
        let by = |transport| Some(Path { flow: FlowId(1), transport, local: address, remote: address });
        for (transport, before, may) in [
            (Transport::Udp, by(Transport::Tls), false),
            (Transport::Tcp, by(Transport::Wss), false),
            (Transport::Ws, by(Transport::Tls), false),
            (Transport::Tls, by(Transport::Tls), true),
            (Transport::Tls, by(Transport::Wss), true),
            (Transport::Udp, by(Transport::Tcp), true),
            (Transport::Tls, by(Transport::Udp), true),
            (Transport::Udp, None, true),
        ] {
            assert_eq!(is_as_safe(transport, before), may, "{transport:?} {before:?}");
        }
    }
}
