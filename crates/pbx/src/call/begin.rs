//! A new INVITE: checks, then an extension or a user.

use audio::codec::Codec;
use sip::alert::{self, AnsweredBy};
use sip::message::{Body, Lines, Request, StatusCode};
use sip::privacy::Wish;
use sip::uas;
use sip::{Reply, SessionId, Turn};

use super::line::{CODECS, Line};
use super::{CALLER, Call, Fate, Leg, Stage};
use crate::body;
use crate::extension::{Feature, Room};
use crate::finding::Seeker;
use crate::outcome::Outcome;
use crate::request::Admitted;
use crate::switch::Switch;
use crate::tally::Seat;
use crate::target::{self, Target};

/// Where a number leads.
enum Destination {
    Feature(Feature),
    /// A user, by name.
    User(String),
}

/// What a new call is given before it is entered.
struct Equipment {
    /// Its room within the limits.
    seat: Seat,
    /// The media of the caller's leg, on this media thread.
    line: Line,
    thread: usize,
    offer: Option<Vec<u8>>,
    /// Our host, as the caller knows it.
    host: String,
}

/// An answer that refuses, and how it counts.
pub(super) type Refusal = (Box<Reply>, Outcome);

pub(super) fn refused(reply: Reply) -> Refusal {
    (Box::new(reply), Outcome::Rejected)
}

impl Switch {
    /// An INVITE of an authenticated user; `found`: the devices of who is called, when another loop was asked for them. The answer, unless it
    /// comes by the session or later.
    pub(crate) fn invite(
        &mut self,
        invite: Admitted,
        found: Option<Vec<Target>>,
        turn: &mut Turn<'_>,
    ) -> Option<Reply> {
        let past = self.past(&invite.request, &invite.origin, &invite.user);
        match self.begin(invite, found, turn) {
            Ok(()) => None,
            Err((mut reply, outcome)) => {
                self.metrics.call_refused(outcome);
                if let Some(past) = past {
                    reply.lines.extend(&past.told());
                }
                Some(*reply)
            }
        }
    }

    /// The checks of RFC 3261 section 8.2 in their order, credentials before them: scheme, user, extensions, body, then what there is room for.
    fn begin(&mut self, invite: Admitted, found: Option<Vec<Target>>, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        match turn.replaced(&invite.request) {
            Ok(Some(session)) => {
                self.acceptable(&invite.request)?;
                return self.take_leg_over(&invite, session, turn);
            }
            Ok(None) => {}
            Err(refusal) => return self.hand_on(&invite, refusal, turn),
        }
        let joined = match turn.joined(&invite.request) {
            Ok(Some(session)) => {
                self.acceptable(&invite.request)?;
                match self.join_call(&invite, session, turn)? {
                    Some(conference) => Some(conference),
                    None => return Ok(()),
                }
            }
            Ok(None) => None,
            // RFC 3911 section 4: who dials a conference is in it, whatever he wanted to join.
            Err(refusal) => match self.hand_on(&invite, refusal, turn) {
                Err((refusal, _)) if refusal.code.get() == 481 && self.is_conference(&invite.request) => None,
                done => return done,
            },
        };
        let (number, destination) = match joined {
            Some(number) => (number, Destination::Feature(Feature::Conference)),
            None => self.destination(&invite.request)?,
        };
        if let Destination::User(name) = &destination
            && found.is_none()
            && !self.neighbours.keeps(name)
        {
            let asked = self.findings.ask(name, Seeker::Request(invite), &self.neighbours, turn);
            return if asked { Ok(()) } else { Err(self.shed()) };
        }
        self.privacy(&invite.request).map_err(|refusal| refused(*refusal))?;
        self.answered_as_required(&invite, &destination)?;
        let equipment = self.equip(&invite, &number, &destination)?;
        let codecs = match &equipment.offer {
            None => CODECS.to_vec(),
            Some(offer) => usable(offer, &equipment.line)?,
        };
        match destination {
            Destination::Feature(feature) => self.visit(&invite, number, feature, equipment, turn),
            Destination::User(name) => {
                let targets = self.targets(
                    &name,
                    invite.request.is_secure(),
                    invite.request.uri().ok().as_ref(),
                    found,
                    turn.now(),
                );
                let targets = targets.map_err(|offline| (offline, Outcome::Unavailable))?;
                let targets = target::wanted(&invite.request, targets);
                if targets.is_empty() {
                    return Err((Box::new(Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE)), Outcome::Unavailable));
                }
                let letter = self.letter(&invite, (&number, &equipment.host), codecs, equipment.thread);
                let letter = letter.map_err(|code| refused(Reply::new(code)))?;
                if let Some(mut call) = self.enter(&invite, number, equipment, turn) {
                    let fate = self.ring(&mut call, targets, letter, turn);
                    self.settle(call, fate, turn);
                }
            }
        }
        Ok(())
    }

    /// The number dialled and where it leads, if everything the INVITE asks for can be had.
    fn destination(&self, request: &Request) -> Result<(String, Destination), Refusal> {
        let refuse = |reply| Err(refused(reply));
        if let Some(reply) = uas::scheme(request, &self.capabilities) {
            return refuse(reply);
        }
        let Some(number) = self.dialled(request) else { return refuse(Reply::new(StatusCode::NOT_FOUND)) };
        let user = || self.accounts.by_number(&number).map(|known| Destination::User(known.name.clone()));
        let feature = Feature::of(&self.config.extensions, &number).map(Destination::Feature);
        let Some(destination) = feature.or_else(user) else { return refuse(Reply::new(StatusCode::NOT_FOUND)) };
        self.acceptable(request)?;
        Ok((number, destination))
    }

    /// 403 for a call that must be answered as it cannot be (RFC 5373 section 4.5.1): an extension answers by itself; a device is asked to for who may ask for that
    /// alone, and for anybody else it would only ring.
    fn answered_as_required(&self, invite: &Admitted, destination: &Destination) -> Result<(), Refusal> {
        let mode = alert::answer_mode(invite.request.headers()).filter(|mode| mode.required);
        let why = match (mode.map(|mode| mode.by), destination) {
            (Some(AnsweredBy::Person), Destination::Feature(_)) => "manual answer forbidden",
            (Some(AnsweredBy::Itself), Destination::User(_)) if !self.config.intercom.contains(&invite.user) => {
                "automatic answer forbidden"
            }
            _ => return Ok(()),
        };
        Err(refused(Reply::new(StatusCode::FORBIDDEN).reason(why)))
    }

    fn is_conference(&self, request: &Request) -> bool {
        let feature = self.dialled(request).and_then(|number| Feature::of(&self.config.extensions, &number));
        feature == Some(Feature::Conference)
    }

    /// Whether everything an INVITE asks for can be had, whomever it is for.
    fn acceptable(&self, request: &Request) -> Result<(), Refusal> {
        let refusal = uas::extensions(request, &self.capabilities)
            .or_else(|| uas::body(request, &self.capabilities))
            .or_else(|| uas::accept(request));
        refusal.map_or(Ok(()), |reply| Err(refused(reply)))
    }

    /// What a new call needs; 503 when a limit is reached or the media have no room.
    fn equip(&mut self, invite: &Admitted, number: &str, destination: &Destination) -> Result<Equipment, Refusal> {
        let seat = self.accounts.place(&invite.user).and_then(|user| self.tally.seat(user, &self.config.limits));
        let seat = seat.filter(|_| !self.finishing).ok_or_else(|| self.shed())?;
        let conference = matches!(destination, Destination::Feature(Feature::Conference)).then_some(number);
        let thread = self.studio.thread(conference);
        let ours = self.studio.reached_by(&invite.origin);
        let call_id = invite.request.headers().call_id();
        let line = Line::open(&self.studio, (call_id, thread), ours, &CODECS).map_err(|error| {
            tracing::error!(parent: &net::call_span!(call_id), %error, "a call is refused");
            self.shed()
        })?;
        let host = self.host_of(&invite.request, &invite.origin);
        Ok(Equipment { seat, line, thread, offer: body::description(invite.request.headers()), host })
    }

    pub(super) fn shed(&self) -> Refusal {
        (Box::new(self.busy()), Outcome::Shed)
    }

    /// Makes a session and a call of the INVITE; `None` when the stack has answered it instead.
    fn enter(
        &mut self,
        invite: &Admitted,
        number: String,
        Equipment { seat, line, offer, host, .. }: Equipment,
        turn: &mut Turn<'_>,
    ) -> Option<Box<Call>> {
        let session = match turn.session(invite.tx) {
            Ok(session) => session,
            Err(error) => {
                tracing::debug!(parent: &net::call_span!(invite.request.headers().call_id()), %error, "an INVITE made no session");
                self.metrics.call_refused(Outcome::Failed);
                line.close(&mut self.studio);
                return None;
            }
        };
        self.seat_guest(session, &invite.request);
        let private = Wish::of_caller(invite.request.headers()).is_anonymous();
        let caller = Leg { private, ..Leg::new(CALLER, session, line) };
        let id = self.calls.number(self.neighbours.me, self.neighbours.spread.count());
        let call_id = invite.request.headers().call_id();
        // All that is said of the call later has its number and its Call-ID.
        tracing::info!(parent: &net::call_span!(call_id), call = id, from = %invite.user, to = %number, "call begun");
        let call = Box::new(Call {
            id,
            call_id: call_id.into(),
            caller,
            user: invite.user.clone(),
            number,
            host,
            since: turn.now().mono,
            offer,
            numbers: CALLER,
            stage: Stage::Alone(Room::Echo),
            seat,
        });
        self.calls.enter_leg(call.id, &call.caller);
        self.metrics.call_began();
        Some(call)
    }

    /// Connects a caller to an extension: the answer leaves at once.
    fn visit(
        &mut self,
        invite: &Admitted,
        number: String,
        feature: Feature,
        equipment: Equipment,
        turn: &mut Turn<'_>,
    ) {
        let past = self.past(&invite.request, &invite.origin, &invite.user);
        let past = past.map(|past| past.told()).unwrap_or_default();
        let Some(mut call) = self.enter(invite, number, equipment, turn) else { return };
        self.is_end_of(call.caller.session, &call.number, turn);
        let body = match self.describe(&mut call) {
            Ok(body) => body,
            Err(code) => {
                // The session ends by this answer.
                let _ = turn.answer(call.caller.session, Reply::new(code).lines(past));
                self.calls.forget_session(call.caller.session);
                self.bury(call, Outcome::Rejected, &Lines::new(), turn);
                return;
            }
        };
        call.stage =
            Stage::Alone(Room::open(feature, (&call.number, &call.call_id), call.caller.line.key(), &mut self.studio));
        let reply = Reply::new(StatusCode::OK).lines(past).body(Body::sdp(body));
        let fate = match turn.answer(call.caller.session, reply) {
            Ok(()) => {
                self.metrics.call_answered(turn.now().mono.since(call.since));
                self.connect(&call);
                Fate::Goes
            }
            Err(error) => {
                tracing::debug!(parent: &net::call_span!(call.call_id), %error, "a caller has gone before it was answered");
                Fate::Over(Outcome::Cancelled, Lines::new())
            }
        };
        self.settle(call, fate, turn);
    }

    /// What is connected to an extension ends here, under a UUID of ours: in a conference the same for all who are in it (RFC 7989 section 9).
    pub(super) fn is_end_of(&self, session: SessionId, number: &str, turn: &mut Turn<'_>) {
        let is_shared = Feature::of(&self.config.extensions, number) == Some(Feature::Conference);
        turn.name_session(session, is_shared.then(|| self.board.uuid_of(number)));
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
}

/// The codecs of an offer that can be used, in the caller's order.
pub(super) fn usable(offer: &[u8], line: &Line) -> Result<Vec<Codec>, Refusal> {
    let error = match line.look_at(offer) {
        Ok(codecs) if codecs.is_empty() => {
            let refusal = Reply::new(StatusCode::NOT_ACCEPTABLE_HERE);
            return Err(refused(uas::warned(refusal, uas::MEDIA_FORMAT, "None of the offered codecs is known here")));
        }
        Ok(codecs) => return Ok(codecs),
        Err(error) => error,
    };
    let reply = Reply::new(StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE));
    Err(refused(uas::warned(reply, uas::MISCELLANEOUS, &error.to_string())))
}
