//! Calling the devices of a user: where they are, and the INVITEs that go out.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use audio::codec::Codec;
use proxy::FLOW_GONE;
use sip::header::From;
use sip::message::{Body, Method, Request, StatusCode, UriBuf};
use sip::{ContactSpec, Draft, Hop, Now, Origin, Transport, Turn};

use super::line::CODECS;
use super::{Call, Fate, Leg, Letter, Line, Outcome, Refused, Ringing, Stage};
use crate::headers;
use crate::switch::Switch;

/// A device to be called, with its preference.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) uri: UriBuf,
    pub(crate) routes: Vec<String>,
    pub(crate) hop: Hop,
    /// Our address as it reaches us, when that is known.
    ours: Option<IpAddr>,
    q: u16,
}

impl Switch {
    /// The devices of a user whose bindings this loop keeps, the most wanted first.
    pub(crate) fn devices(&self, user: &str, now: Now) -> Vec<Target> {
        let mut targets: Vec<Target> = self.bindings.of(now, user).filter_map(|binding| target(&binding)).collect();
        targets.sort_by_key(|target| std::cmp::Reverse(target.q));
        let most = self.accounts.by_name(user).and_then(|known| known.max_contacts);
        targets.truncate(most.unwrap_or(self.config.limits.contacts_per_user));
        targets
    }

    /// The devices of a user, ready to be called: those found elsewhere, or those that this loop keeps.
    pub(crate) fn targets(&mut self, user: &str, found: Option<Vec<Target>>, now: Now) -> Vec<Target> {
        let mut targets = found.unwrap_or_else(|| self.devices(user, now));
        for target in &mut targets {
            if target.ours.is_none() {
                target.ours = host_of(target).and_then(|host| self.studio.source(SocketAddr::new(host, 5060)));
            }
        }
        targets
    }

    /// What the INVITEs of a call have in common; `None` when the caller's has come too far.
    pub(super) fn letter(
        &self,
        request: &Request,
        user: &str,
        number: &str,
        origin: &Origin,
        (codecs, thread): (Vec<Codec>, usize),
    ) -> Option<Letter> {
        let lines = headers::of_invite(request.headers())?;
        let contact = UriBuf::sip(false, Some(user), crate::switch::HOME, None).ok()?;
        let contact = contact.as_uri().user().unwrap_or_default().to_owned();
        let mut codecs = codecs;
        // What the caller does not speak is transcoded.
        codecs.extend(CODECS.into_iter().filter(|codec| !codecs.contains(codec)).collect::<Vec<_>>());
        Some(Letter {
            from: self.identity(request, user)?,
            to: format!("<{}>", self.address(request, number)?.as_str()),
            contact,
            lines,
            codecs,
            thread,
            ours: origin.local.ip(),
        })
    }

    /// The From value of what goes out for a user: his own name, whatever the device wrote (RFC 3261 section 8.1.1.3).
    pub(crate) fn identity(&self, request: &Request, user: &str) -> Option<String> {
        let uri = self.address(request, user)?;
        let written = request.headers().get::<From<'_>>().and_then(Result::ok).and_then(|from| from.display);
        let known = self.accounts.by_name(user).and_then(|known| known.display.clone());
        let display = known.or_else(|| written.map(|written| written.text().into_owned()));
        Some(match display.map(|display| display.chars().take(64).collect::<String>()) {
            Some(display) if !display.trim().is_empty() => {
                format!("{} <{}>", sip::message::Quote(&display), uri.as_str())
            }
            _ => format!("<{}>", uri.as_str()),
        })
    }

    /// A number of ours as an address, under the host by which the caller knows us.
    pub(crate) fn address(&self, request: &Request, number: &str) -> Option<UriBuf> {
        let from = request.headers().get::<From<'_>>()?.ok()?;
        UriBuf::sip(false, Some(number), from.uri.host_text(), None).ok()
    }

    /// Starts to call devices.
    pub(super) fn ring(&mut self, call: &mut Call, targets: Vec<Target>, letter: Letter, turn: &mut Turn<'_>) -> Fate {
        let mut groups: VecDeque<Vec<Target>> = VecDeque::new();
        for target in targets {
            match groups.back_mut() {
                Some(group) if group.first().is_some_and(|first| first.q == target.q) => group.push(target),
                _ => groups.push_back(vec![target]),
            }
        }
        call.stage = Stage::Ringing(Box::new(Ringing {
            legs: Vec::new(),
            groups,
            next: super::CALLER + 1,
            alarm: None,
            best: None,
            early: None,
            told: None,
            letter,
        }));
        self.ring_next(call, turn)
    }

    /// Calls the next group; the call is over when there is none left.
    pub(super) fn ring_next(&mut self, call: &mut Call, turn: &mut Turn<'_>) -> Fate {
        let id = call.id;
        let Stage::Ringing(ringing) = &mut call.stage else { return Fate::Goes };
        while let Some(group) = ringing.groups.pop_front() {
            for target in group {
                match self.dial(id, ringing.next, &ringing.letter, target, turn) {
                    Some(leg) => ringing.legs.push(leg),
                    None => ringing.note(StatusCode::SERVICE_UNAVAILABLE, sip::message::Lines::new()),
                }
                ringing.next += 1;
            }
            if ringing.legs.is_empty() {
                continue;
            }
            if let Some(alarm) = ringing.alarm.take() {
                turn.silence(alarm);
            }
            ringing.alarm = turn.alarm(turn.now().mono + self.config.ring, id).ok();
            return Fate::Goes;
        }
        let refused = ringing.best.take();
        self.refuse_caller(call, refused, turn)
    }

    /// One INVITE.
    fn dial(&mut self, id: u64, number: u32, letter: &Letter, target: Target, turn: &mut Turn<'_>) -> Option<Leg> {
        let mut line = match Line::open(&self.studio, letter.thread, target.ours.unwrap_or(letter.ours), &letter.codecs)
        {
            Ok(line) => line,
            Err(error) => {
                tracing::error!(%error, "a device is not called");
                return None;
            }
        };
        let offer = line.offer().ok()?;
        let mut draft = Draft::new(Method::Invite, target.uri);
        draft.from.clone_from(&letter.from);
        draft.to.clone_from(&letter.to);
        draft.routes = target.routes;
        draft.hop = target.hop;
        draft.lines = letter.lines.clone();
        draft.contact = ContactSpec::Auto { user: Some(letter.contact.clone()), params: String::new() };
        draft.body = Some(Body::sdp(offer));
        match turn.invite(draft) {
            Ok(session) => {
                let leg = Leg { number, session, line };
                self.calls.enter_leg(id, &leg);
                self.metrics.leg_began();
                Some(leg)
            }
            Err(error) => {
                tracing::warn!(%error, "a device is not called");
                None
            }
        }
    }

    /// Nobody can be had: the caller is told the most telling refusal.
    pub(super) fn refuse_caller(&mut self, call: &mut Call, refused: Option<Refused>, turn: &mut Turn<'_>) -> Fate {
        let refused =
            refused.unwrap_or(Refused { code: StatusCode::TEMPORARILY_UNAVAILABLE, lines: sip::message::Lines::new() });
        let code = told_to_caller(refused.code);
        let _ = turn.answer(call.caller.session, sip::Reply::new(code).lines(refused.lines));
        self.calls.forget_session(call.caller.session);
        Fate::Over(Outcome::of(code), sip::message::Lines::new())
    }
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
        | 481
        | 482
        | 483
        | 484
        | 487
        | 500..=599 => StatusCode::TEMPORARILY_UNAVAILABLE,
        _ => code,
    }
}

fn target(binding: &proxy::Binding<'_>) -> Option<Target> {
    let uri: UriBuf = binding.uri().parse().ok()?;
    let hop = match binding.origin() {
        None => Hop::Auto,
        // After a restart the flow is gone: the same address once more.
        Some(origin) if origin.flow == FLOW_GONE => {
            let text = format!("sip:{};transport={}", origin.remote, origin.transport.as_str().to_lowercase());
            match origin.transport {
                Transport::Udp | Transport::Tcp => Hop::Uri(text.parse().ok()?),
                _ => Hop::Auto,
            }
        }
        Some(origin) => Hop::Path(origin),
    };
    Some(Target {
        uri,
        routes: binding.path().map(str::to_owned).collect(),
        hop,
        ours: binding.origin().map(|origin| origin.local.ip()).filter(|ours| !ours.is_unspecified()),
        q: binding.q(),
    })
}

/// The next hop when it is an address literal.
fn host_of(target: &Target) -> Option<IpAddr> {
    let literal = |host: &str| host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    match target.routes.first() {
        None => literal(target.uri.as_uri().host_text()),
        Some(route) => {
            let first = sip::header::NameAddr::parse(route).ok()?;
            literal(first.uri.host_text())
        }
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
