//! Changes of a standing call: hold, resume, other addresses. What one side asks for is asked of the other, with our addresses; what only keeps
//! its session up (RFC 4028) is answered here.

use sdp::{Direction, Session};
use sip::message::{Body, Lines, Request, Response, StatusCode};
use sip::uas;
use sip::{Reply, SessionId, Turn};

use super::{Asked, Call, Change, Leg, Stage};
use crate::body;
use crate::switch::Switch;

/// What the offerer wants to do, as it sees it. Holding by the null address (RFC 3264 section 8.4) is a hold like any other.
fn wanted(offer: &[u8]) -> Option<Direction> {
    let session = Session::parse(offer).ok()?;
    let audio = session.audio()?;
    let direction = audio.direction();
    Some(if audio.is_held_by_address() { direction.and(Direction::SendOnly) } else { direction })
}

impl Switch {
    /// A re-INVITE, or an UPDATE (RFC 3311 section 5.2). Everything but the offer of a caller whose call ends here goes to the other side first
    /// (RFC 3261 section 14.2).
    pub(super) fn their_change(
        &mut self,
        call: &mut Call,
        number: u32,
        asked: Asked,
        request: &Request,
        turn: &mut Turn<'_>,
    ) {
        let session = self.session_of(call, number);
        let offer = body::description(request.headers());
        let reply = match (&offer, asked) {
            // A sign of life, or another Contact.
            (None, Asked::Update(_)) => Some(Reply::new(StatusCode::OK)),
            _ => self.change(call, number, asked, offer, turn),
        };
        if let Some(reply) = reply {
            asked.answer(session, reply, turn);
        }
    }

    /// The answer to a change, unless the other side is asked first.
    fn change(
        &mut self,
        call: &mut Call,
        number: u32,
        asked: Asked,
        offer: Option<Vec<u8>>,
        turn: &mut Turn<'_>,
    ) -> Option<Reply> {
        let failed = |status: u16| Reply::new(StatusCode::new(status).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE));
        let Some(offer) = offer else {
            // Without an offer it asks for ours, which is what we would have anyway: the other side is not bothered. Where that one holds,
            // it goes on doing so.
            let held = call.across(number).map_or(Direction::SendRecv, |other| other.line.direction().reversed());
            let leg = call.leg_mut(number)?;
            leg.line.want(if held == Direction::RecvOnly { Direction::SendRecv } else { held });
            return Some(match leg.line.offer() {
                Ok(offer) => Reply::new(StatusCode::OK).body(Body::sdp(offer)),
                Err(error) => failed(error.status()),
            });
        };
        let looked_at = call.leg(number)?.line.look_at(&offer);
        if let Err(error) = looked_at {
            return Some(failed(error.status()));
        }
        let line = &call.leg(number)?.line;
        if line.is_in_force(&offer) {
            // Not by what was wanted last: that may have been refused.
            let now = line.direction();
            return Some(self.answer_change(call, number, &offer, now));
        }
        if let Stage::Joined(joined) = &call.stage
            && joined.change.is_some()
        {
            return Some(Reply::new(StatusCode::REQUEST_PENDING));
        }
        let Some(other) = call.across(number) else {
            return Some(self.answer_change(call, number, &offer, Direction::SendRecv));
        };
        other.line.want(wanted(&offer).unwrap_or(Direction::SendRecv));
        let ours = match other.line.offer() {
            Ok(ours) => ours,
            Err(_) => return Some(Reply::new(StatusCode::REQUEST_PENDING)),
        };
        // An UPDATE is to be answered promptly, and what it becomes is so too, where the other side takes one.
        let body = Some(Body::sdp(ours));
        let sent = match asked {
            Asked::Update(_) if turn.takes_update(other.session) => {
                turn.update(other.session, body, Lines::new()).map(|_| ())
            }
            _ => turn.reinvite(other.session, body, Lines::new()),
        };
        if sent.is_err() {
            other.line.take_back();
            return Some(Reply::new(StatusCode::REQUEST_PENDING));
        }
        if let Stage::Joined(joined) = &mut call.stage {
            joined.change = Some(Change { asker: number, asked, offer });
        }
        None
    }

    /// Our session with a device has to be refreshed (RFC 4028 section 7.4). Nothing changes, and the other side hears nothing of it. If it cannot be
    /// done now, we are told again.
    pub(super) fn refresh(&mut self, call: &mut Call, number: u32, turn: &mut Turn<'_>) {
        let Some(leg) = call.leg_mut(number) else { return };
        let Ok(offer) = leg.line.offer_again() else { return };
        let mut lines = Lines::new();
        if turn.info_packages(leg.session).is_some() {
            uas::recv_info(&mut lines, turn.info_taken(leg.session).unwrap_or_default().split(','));
        }
        if turn.refresh_session(leg.session, Some(Body::sdp(offer)), lines).is_err() {
            leg.line.take_back();
        }
    }

    /// Answers a change as far as `direction`, seen from us, allows.
    pub(super) fn answer_change(&mut self, call: &mut Call, number: u32, offer: &[u8], direction: Direction) -> Reply {
        let Some(leg) = call.leg_mut(number) else { return Reply::new(StatusCode::SERVER_INTERNAL_ERROR) };
        leg.line.want(direction);
        match leg.line.answer(offer, &mut self.studio) {
            Ok(answer) => {
                self.connect(call);
                Reply::new(StatusCode::OK).body(Body::sdp(answer))
            }
            Err(error) => Reply::new(StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE)),
        }
    }

    /// The other side has agreed: now the one that asked is answered.
    pub(super) fn change_accepted(&mut self, call: &mut Call, number: u32, response: &Response, turn: &mut Turn<'_>) {
        let Some(leg) = call.leg_mut(number) else { return };
        let accepted = match body::description(response.headers()) {
            Some(answer) => leg.line.accept(&answer, &mut self.studio).is_ok(),
            None => false,
        };
        if !accepted {
            leg.line.take_back();
        }
        let direction = leg.line.direction().reversed();
        let Some(change) = take_change(call, number) else {
            // Whoever asked has given up meanwhile, or is gone.
            self.connect(call);
            return;
        };
        let session = self.session_of(call, change.asker);
        let reply = match accepted {
            true => self.answer_change(call, change.asker, &change.offer, direction),
            false => Reply::new(StatusCode::NOT_ACCEPTABLE_HERE),
        };
        change.asked.answer(session, reply, turn);
    }

    /// The other side has refused: everything stays as it was (RFC 3261 section 14.1).
    pub(super) fn change_refused(&mut self, call: &mut Call, number: u32, code: StatusCode, turn: &mut Turn<'_>) {
        if let Some(leg) = call.leg_mut(number) {
            leg.line.take_back();
        }
        let Some(change) = take_change(call, number) else { return };
        let session = self.session_of(call, change.asker);
        let code = match code.get() {
            // Not about this request, but about credentials, the time our session with the device lasts, or servers between us and it.
            401 | 407 | 422 | 500..=599 => StatusCode::NOT_ACCEPTABLE_HERE,
            _ => code,
        };
        change.asked.answer(session, Reply::new(code), turn);
    }

    /// Whoever asked has given up: 487 has been sent, or nothing for so long that nothing is said any more (RFC 4320 section 4.2). The other side's answer still
    /// comes, and is not wanted.
    pub(super) fn change_given_up(&mut self, call: &mut Call, number: u32, asked: Asked) {
        let Stage::Joined(joined) = &mut call.stage else { return };
        let given_up = joined.change.take_if(|change| change.asker == number && change.asked == asked);
        if given_up.is_some()
            && let Some(other) = call.across(number)
        {
            other.goes_back = true;
        }
    }

    /// Asks a side that has agreed to what nobody wants any more to be as the other side is; while something else is asked of it, later.
    pub(super) fn go_back(&mut self, call: &mut Call, number: u32, turn: &mut Turn<'_>) {
        let wanted = call.across(number).map(|other| other.line.direction().reversed());
        let Some(leg) = call.leg_mut(number) else { return };
        leg.goes_back = leg.line.is_asked();
        if let Some(wanted) = wanted.filter(|wanted| !leg.goes_back && *wanted != leg.line.direction()) {
            leg.goes_back = !leg.ask_for(wanted, turn);
        }
    }
}

impl Leg {
    /// Asks for audio in this direction by a re-INVITE; false when that cannot be done now.
    pub(super) fn ask_for(&mut self, direction: Direction, turn: &mut Turn<'_>) -> bool {
        self.line.want(direction);
        let Ok(offer) = self.line.offer() else { return false };
        let sent = turn.reinvite(self.session, Some(Body::sdp(offer)), Lines::new()).is_ok();
        if !sent {
            self.line.take_back();
        }
        sent
    }
}

impl Asked {
    pub(super) fn answer(self, session: SessionId, reply: Reply, turn: &mut Turn<'_>) {
        // Whoever asked may have given up.
        let _ = match self {
            Asked::Invite => turn.answer_reinvite(session, reply),
            Asked::Update(tx) => turn.respond(tx, reply),
        };
    }
}

/// The change that `number` was asked to agree to.
fn take_change(call: &mut Call, number: u32) -> Option<Change> {
    let Stage::Joined(joined) = &mut call.stage else { return None };
    joined.change.take_if(|change| change.asker != number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(address: &str, attribute: &str) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na={attribute}\r\n"
        )
    }

    #[test]
    fn rfc3264_8_4_hold_by_direction_or_by_the_null_address() {
        let ask = |address, attribute| wanted(offer(address, attribute).as_bytes());
        assert_eq!(ask("192.0.2.1", "sendrecv"), Some(Direction::SendRecv));
        assert_eq!(ask("192.0.2.1", "sendonly"), Some(Direction::SendOnly));
        assert_eq!(ask("0.0.0.0", "sendrecv"), Some(Direction::SendOnly));
        assert_eq!(ask("0.0.0.0", "recvonly"), Some(Direction::Inactive));
        assert_eq!(wanted(b"nonsense"), None);
    }
}
