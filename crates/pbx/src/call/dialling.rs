//! Calling the devices of a user: where they are, and the INVITEs that go out.

use std::net::IpAddr;

use audio::codec::Codec;
use sip::message::{Body, Lines, Method, StatusCode, UriBuf};
use sip::uas;
use sip::{ContactSpec, Draft, Reply, StackError, Turn};

use super::hunt::Hunt;
use super::line::{CODECS, Line};
use super::past::Past;
use super::{Call, Fate, Leg, Ringing, Stage};
use crate::bindings::HOME;
use crate::headers;
use crate::outcome::Outcome;
use crate::request::Admitted;
use crate::switch::Switch;
use crate::target::Target;
use crate::trust::Caller;

/// The user part of the Contact of who does not want to be known.
pub(crate) const NOBODY: &str = "anonymous";

/// What the INVITEs of a call have in common.
#[derive(Debug)]
pub(super) struct Letter {
    /// Of the call: for the log.
    pub(super) call_id: Box<str>,
    pub(super) caller: Caller,
    /// Whoever is called is in our trust domain (RFC 3325).
    pub(super) trusted: bool,
    pub(super) to: String,
    /// The user part of our Contact, escaped.
    pub(super) contact: String,
    pub(super) lines: Lines,
    pub(super) codecs: Vec<Codec>,
    /// The media thread of the call.
    pub(super) thread: usize,
    /// Our address, for devices whose route is not known yet.
    pub(super) ours: IpAddr,
    /// Where the call has been, until its devices are called.
    pub(super) past: Option<Box<Past>>,
    /// The packages of INFO that the caller takes, parted by commas (RFC 6086); `None` where he has said nothing of packages.
    pub(super) packages: Option<Box<str>>,
}

/// A refusal of one device.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) code: StatusCode,
    pub(super) lines: Lines,
}

/// Why a device was not called.
pub(super) enum NotCalled {
    /// No ports, or a table is full.
    NoRoom,
    /// What its binding says makes no INVITE.
    Impossible,
}

impl Switch {
    /// What the INVITEs of a call have in common; `host`: ours, as the caller knows it. Otherwise the code to refuse with.
    pub(super) fn letter(
        &mut self,
        Admitted { request, origin, user, .. }: &Admitted,
        (number, host): (&str, &str),
        codecs: Vec<Codec>,
        thread: usize,
    ) -> Result<Letter, StatusCode> {
        let intercom = self.config.intercom.iter().any(|one| one == user);
        let caller = self.caller(request, origin, user, host).ok_or(StatusCode::BAD_REQUEST)?;
        let lines = headers::of_invite(request.headers(), caller.wish, intercom).ok_or(StatusCode::TOO_MANY_HOPS)?;
        let contact = as_contact(if caller.is_anonymous() { NOBODY } else { user });
        let to = UriBuf::sip(false, Some(number), host, None).map_err(|_| StatusCode::BAD_REQUEST)?;
        Ok(Letter {
            call_id: request.headers().call_id().into(),
            contact: contact.ok_or(StatusCode::BAD_REQUEST)?,
            caller,
            trusted: self.config.trust.has_user(&self.user_of(number)),
            to: format!("<{}>", to.as_str()),
            lines,
            codecs: and_others(codecs),
            thread,
            ours: self.studio.reached_by(origin),
            past: self.past(request, origin, user),
            packages: None,
        })
    }

    /// Starts to call devices.
    pub(super) fn ring(
        &mut self,
        call: &mut Call,
        targets: Vec<Target>,
        mut letter: Letter,
        turn: &mut Turn<'_>,
    ) -> Fate {
        letter.packages = turn.info_packages(call.caller.session).map(Into::into);
        let hunt = Hunt::new(targets, letter);
        call.stage = Stage::Ringing(Box::new(Ringing { hunt, early: None, early_fork: None, told: None }));
        self.ring_next(call, turn)
    }

    /// Calls the next group; the call is over when there is none left.
    pub(super) fn ring_next(&mut self, call: &mut Call, turn: &mut Turn<'_>) -> Fate {
        let Some((numbers, hunt)) = call.hunt() else { return Fate::Goes };
        match self.call_next(numbers, hunt, turn) {
            true => Fate::Goes,
            false => self.nobody_left(call, turn),
        }
    }

    /// Nobody is called any more.
    pub(super) fn nobody_left(&mut self, call: &mut Call, turn: &mut Turn<'_>) -> Fate {
        let Some((_, hunt)) = call.hunt() else { return Fate::Goes };
        match hunt.take_best() {
            None if hunt.no_room => self.refuse_caller_for_now(call, turn),
            refused => self.refuse_caller(call, refused, turn),
        }
    }

    /// One INVITE.
    pub(super) fn dial(
        &mut self,
        id: u64,
        number: u32,
        (letter, past): (&Letter, Option<&Past>),
        target: Target,
        turn: &mut Turn<'_>,
    ) -> Result<Leg, NotCalled> {
        let (of_call, ours) = ((&*letter.call_id, letter.thread), target.ours.unwrap_or(letter.ours));
        let mut line = match Line::open(&self.studio, of_call, ours, &letter.codecs) {
            Ok(line) => line,
            Err(error) => {
                tracing::error!(parent: &net::call_span!(letter.call_id), %error, "a device is not called");
                return Err(NotCalled::NoRoom);
            }
        };
        let offer = line.offer().map_err(|_| NotCalled::Impossible)?;
        let trusted = self.config.trust.reaches(letter.trusted, &target);
        let mut draft = Draft::new(Method::Invite, target.uri);
        draft.from.clone_from(&letter.caller.from);
        draft.to.clone_from(&letter.to);
        draft.routes = target.routes;
        draft.hop = target.hop;
        draft.lines = letter.lines.clone();
        letter.caller.introduce(trusted, &mut draft.lines);
        if let Some(past) = past {
            draft.lines.extend(&past.invite(number, trusted));
        }
        if let Some(packages) = &letter.packages {
            uas::recv_info(&mut draft.lines, packages.split(','));
        }
        draft.contact = ContactSpec::Auto { user: Some(letter.contact.clone()), params: String::new() };
        draft.body = Some(Body::sdp(offer));
        match turn.invite(draft) {
            Ok(session) => {
                if let Some(packages) = &letter.packages {
                    let _ = turn.take_info(session, packages);
                }
                let leg = Leg::new(number, session, line);
                self.calls.enter_leg(id, &leg);
                self.metrics.leg_began();
                Ok(leg)
            }
            Err(error) => {
                tracing::warn!(parent: &net::call_span!(letter.call_id), %error, "a device is not called");
                let full = matches!(error, StackError::Full { .. });
                Err(if full { NotCalled::NoRoom } else { NotCalled::Impossible })
            }
        }
    }

    /// There was no room to call anybody: the caller may try again.
    fn refuse_caller_for_now(&mut self, call: &mut Call, turn: &mut Turn<'_>) -> Fate {
        let mut reply = Reply::no_room();
        reply.lines.extend(&call.past());
        let _ = turn.answer(call.caller.session, reply);
        self.calls.forget_session(call.caller.session);
        Fate::Over(Outcome::Shed, Lines::new())
    }

    /// Nobody can be had: the caller is told the most telling refusal.
    pub(super) fn refuse_caller(&mut self, call: &mut Call, refused: Option<Refused>, turn: &mut Turn<'_>) -> Fate {
        let none = Refused { code: StatusCode::TEMPORARILY_UNAVAILABLE, lines: Lines::new() };
        let mut refused = refused.unwrap_or(none);
        refused.lines.extend(&call.past());
        let code = told_to_caller(refused.code);
        let _ = turn.answer(call.caller.session, Reply::new(code).lines(refused.lines));
        self.calls.forget_session(call.caller.session);
        Fate::Over(Outcome::of(code), Lines::new())
    }
}

/// A user as the user part of our Contact.
pub(super) fn as_contact(user: &str) -> Option<String> {
    let contact = UriBuf::sip(false, Some(user), HOME, None).ok()?;
    Some(contact.as_uri().user().unwrap_or_default().to_owned())
}

/// These codecs and then all others: what one side does not speak is transcoded.
pub(super) fn and_others(mut codecs: Vec<Codec>) -> Vec<Codec> {
    codecs.extend(CODECS.into_iter().filter(|codec| !codecs.contains(codec)).collect::<Vec<_>>());
    codecs
}

/// What a device's refusal means to the caller. A challenge, a redirection, a device that cannot be reached or knows nothing of its own
/// number: none of it is the caller's business, nor can it do anything about it.
fn told_to_caller(code: StatusCode) -> StatusCode {
    match code.get() {
        300..=399
        | 401
        | 402
        | 403
        | 404
        | 405
        | 407
        | 408
        | 410
        | 416
        | 420
        | 421
        | 430
        | 481
        | 482
        | 483
        | 484
        | 487
        | 500..=599 => StatusCode::TEMPORARILY_UNAVAILABLE,
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_learns_of_busy_and_decline_but_not_of_a_devices_troubles() {
        for (device, caller) in
            [(486, 486), (600, 600), (603, 603), (488, 488), (302, 480), (401, 480), (503, 480), (408, 480)]
        {
            let code = StatusCode::new(device).unwrap();
            assert_eq!(told_to_caller(code).get(), caller, "{device}");
        }
    }
}
