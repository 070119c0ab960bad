//! A new INVITE: checks, then an extension or a user.

use sip::invite::SessionEvent;
use sip::message::{Body, Lines, Request, StatusCode};
use sip::uas;
use sip::{Origin, Reply, ServerTx, Turn};

use super::line::CODECS;
use super::{CALLER, Call, Leg, Line, Outcome, Stage, Target};
use crate::extension::Feature;
use crate::switch::Switch;
use crate::tally::Seat;

/// Where a number leads.
enum Destination {
    Feature(Feature),
    /// A user, by name.
    User(String),
}

/// Who calls, checked.
struct Caller<'a> {
    tx: ServerTx,
    request: &'a Request,
    origin: &'a Origin,
    user: String,
    /// The devices of who is called, when another loop was asked for them.
    found: Option<Vec<Target>>,
}

/// An answer that refuses, and how it counts.
type Refusal = (Box<Reply>, Outcome);

impl Switch {
    /// An INVITE of an authenticated user; `found`: the devices of who is called, when they had to be asked for. The answer, unless it comes
    /// by the session or later.
    pub(crate) fn invite(
        &mut self,
        tx: ServerTx,
        request: &Request,
        origin: &Origin,
        user: String,
        found: Option<Vec<Target>>,
        turn: &mut Turn<'_>,
    ) -> Option<Reply> {
        match self.begin(Caller { tx, request, origin, user, found }, turn) {
            Ok(()) => None,
            Err((reply, outcome)) => {
                self.metrics.call_refused(outcome);
                Some(*reply)
            }
        }
    }

    /// The checks in the order of E-07: scheme, user, extensions, body, then what there is room for.
    fn begin(&mut self, mut caller: Caller<'_>, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        let request = caller.request;
        let rejected = |reply| (Box::new(reply), Outcome::Rejected);
        let refuse = |code| Err((Box::new(Reply::new(code)), Outcome::Rejected));
        if let Some(reply) = uas::scheme(request, &self.capabilities) {
            return Err(rejected(reply));
        }
        let number = request.uri().ok().and_then(|uri| uri.user_unescaped().map(std::borrow::Cow::into_owned));
        let Some(number) = number else { return refuse(StatusCode::NOT_FOUND) };
        let Some(destination) = self.destination(&number) else { return refuse(StatusCode::NOT_FOUND) };
        let refusal = uas::extensions(request, &self.capabilities)
            .or_else(|| uas::body(request, &self.capabilities))
            .or_else(|| uas::accept(request));
        if let Some(reply) = refusal {
            return Err(rejected(reply));
        }
        let shed = |switch: &Self| Err((Box::new(switch.busy()), Outcome::Shed));
        if let Destination::User(name) = &destination
            && caller.found.is_none()
            && !self.neighbours.keeps(name)
        {
            let asked = self.find(name, (caller.tx, request, caller.origin, &caller.user), turn);
            return if asked { Ok(()) } else { shed(self) };
        }
        let seat = self.accounts.place(&caller.user).and_then(|user| self.tally.seat(user, &self.config.limits));
        let Some(seat) = seat.filter(|_| !self.finishing) else { return shed(self) };
        let conference = matches!(destination, Destination::Feature(Feature::Conference)).then_some(number.as_str());
        let thread = self.studio.thread(conference);
        let line = Line::open(&self.studio, thread, caller.origin.local.ip(), &CODECS).map_err(|error| {
            tracing::error!(%error, "a call is refused");
            (Box::new(self.busy()), Outcome::Shed)
        })?;
        let offer = description(request);
        let codecs = match &offer {
            None => CODECS.to_vec(),
            Some(offer) => match line.look_at(offer) {
                Ok(codecs) if codecs.is_empty() => return refuse(StatusCode::NOT_ACCEPTABLE_HERE),
                Ok(codecs) => codecs,
                Err(error) => {
                    let code = StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE);
                    let reply = Reply::new(code);
                    // 399: a text for a person (RFC 3261 section 20.43).
                    let warned =
                        reply.clone().line("Warning", &format!("399 offhook \"{}\"", plain(&error.to_string())));
                    return Err(rejected(warned.unwrap_or(reply)));
                }
            },
        };
        match destination {
            Destination::Feature(feature) => {
                self.visit(caller, number, feature, (line, seat), offer, turn);
                Ok(())
            }
            Destination::User(name) => {
                let targets = self.targets(&name, caller.found.take(), turn.now());
                if targets.is_empty() {
                    let offline = Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE);
                    return Err((Box::new(offline), Outcome::Unavailable));
                }
                let Some(letter) = self.letter(request, &caller.user, &number, caller.origin, (codecs, thread)) else {
                    return refuse(StatusCode::TOO_MANY_HOPS);
                };
                let Some(mut call) = self.enter(&caller, number, (line, seat), offer, turn) else { return Ok(()) };
                let fate = self.ring(&mut call, targets, letter, turn);
                self.settle(call, fate, turn);
                Ok(())
            }
        }
    }

    fn destination(&self, number: &str) -> Option<Destination> {
        if let Some(feature) = Feature::of(&self.config.extensions, number) {
            return Some(Destination::Feature(feature));
        }
        self.accounts.by_number(number).map(|known| Destination::User(known.name.clone()))
    }

    /// Makes a session and a call of the INVITE; `None` when the stack has answered it instead.
    fn enter(
        &mut self,
        caller: &Caller<'_>,
        number: String,
        (line, seat): (Line, Seat),
        offer: Option<Vec<u8>>,
        turn: &mut Turn<'_>,
    ) -> Option<Box<Call>> {
        let session = match turn.session(caller.tx) {
            Ok(session) => session,
            Err(error) => {
                tracing::debug!(%error, "an INVITE made no session");
                self.metrics.call_refused(Outcome::Failed);
                line.close(&mut self.studio);
                return None;
            }
        };
        let call = Box::new(Call {
            id: self.calls.number(self.neighbours.me, self.neighbours.spread.count()),
            caller: Leg { number: CALLER, session, line },
            user: caller.user.clone(),
            number,
            since: turn.now().mono,
            offer,
            stage: Stage::Alone(super::Room::Echo),
            _seat: seat,
        });
        self.calls.enter_leg(call.id, &call.caller);
        self.metrics.call_began();
        Some(call)
    }

    /// Connects a caller to an extension: the answer leaves at once.
    fn visit(
        &mut self,
        caller: Caller<'_>,
        number: String,
        feature: Feature,
        room: (Line, Seat),
        offer: Option<Vec<u8>>,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut call) = self.enter(&caller, number, room, offer, turn) else { return };
        let body = match self.describe(&mut call) {
            Ok(body) => body,
            Err(code) => {
                // The session ends by this answer.
                let _ = turn.answer(call.caller.session, Reply::new(code));
                self.calls.forget_session(call.caller.session);
                self.bury(call, Outcome::Rejected, &Lines::new(), turn);
                return;
            }
        };
        let room = self.open_room(feature, &call.number, &call.caller.line);
        call.stage = Stage::Alone(room);
        let reply = Reply::new(StatusCode::OK).body(Body::sdp(body));
        let fate = match turn.answer(call.caller.session, reply) {
            Ok(()) => {
                self.metrics.call_answered(turn.now().mono.since(call.since));
                if call.caller.line.codec().is_some() {
                    self.seat(&call);
                }
                super::Fate::Goes
            }
            Err(error) => {
                tracing::debug!(%error, "a caller has gone before it was answered");
                super::Fate::Over(Outcome::Cancelled, Lines::new())
            }
        };
        self.settle(call, fate, turn);
    }

    /// Our description for the caller: the answer to its offer, or an offer when it made none.
    pub(super) fn describe(&mut self, call: &mut Call) -> Result<Vec<u8>, StatusCode> {
        let line = &mut call.caller.line;
        let described = match call.offer.take() {
            Some(offer) => line.answer(&offer, &mut self.studio),
            None => match line.local() {
                // Answered already, in a provisional response.
                Some(local) => Ok(local),
                None => line.offer(),
            },
        };
        described.map_err(|error| StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE))
    }

    /// 503 with Retry-After.
    pub(crate) fn busy(&self) -> Reply {
        let reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE);
        let seconds = self.config.limits.retry_after.as_secs().to_string();
        reply.clone().line("Retry-After", &seconds).unwrap_or(reply)
    }
}

/// The session description of a message.
pub(super) fn description(request: &Request) -> Option<Vec<u8>> {
    body_of(request.headers(), request.body())
}

/// The body when it is a session description.
pub(super) fn body_of(headers: &sip::message::Headers, body: &[u8]) -> Option<Vec<u8>> {
    let content = headers.content_type()?.ok()?.to_string();
    let name = content.split(';').next().unwrap_or_default().trim();
    (name.eq_ignore_ascii_case("application/sdp") && !body.is_empty()).then(|| body.to_vec())
}

/// Text that can stand between quotes.
fn plain(text: &str) -> String {
    text.chars().map(|ch| if ch == '"' || ch == '\\' || ch.is_control() { '\'' } else { ch }).take(200).collect()
}

/// True for the last event of a session.
pub(super) fn is_last(event: &SessionEvent) -> bool {
    matches!(
        event,
        SessionEvent::Redirected { .. }
            | SessionEvent::Failed { .. }
            | SessionEvent::Cancelled { .. }
            | SessionEvent::Ended { .. }
    )
}
