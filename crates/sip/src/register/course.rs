//! The course of a registration: requests out, what becomes of them, and what comes next.

use std::time::Duration;

use super::outcome;
use super::table::{Followed, Purpose, Registration};
use super::{Bound, Place, RegisterFailure, RegistrationEvent, Way};
use crate::draft::ContactSpec;
use crate::event::Event;
use crate::id::{ClientTx, RegistrationId};
use crate::message::{HeaderId, Response, StatusCode};
use crate::outbox::{Path, Transport};
use crate::stack::{StackError, Timer};
use crate::transaction::print;
use crate::turn::{Owner, Turn};
use crate::wheel::TimerId;

impl Turn<'_> {
    pub(super) fn registration_next(&mut self, id: RegistrationId, purpose: Purpose) {
        let Some(registration) = self.stack.registrations.get(id) else { return };
        match (registration.under_way, registration.next) {
            // Nothing comes after taking it back.
            (Some(Purpose::Remove(_)), _) | (Some(_), Some(Purpose::Remove(_))) => {}
            (Some(_), _) => registration.next = Some(purpose),
            (None, _) => self.registration_send(id, purpose),
        }
    }

    pub(super) fn registration_send(&mut self, id: RegistrationId, purpose: Purpose) {
        let now = self.now.mono;
        let Some(registration) = self.stack.registrations.get(id) else { return };
        registration.forget_redirect(now);
        let timer = std::mem::replace(&mut registration.timer, TimerId::NONE);
        registration.attempt = registration.attempt.wrapping_add(1);
        registration.under_way = Some(purpose);
        let (draft, attempt) = (registration.draft(purpose), registration.attempt);
        self.stop(timer);
        if let Err(why) = self.request(draft, Owner::Registration(id, attempt)) {
            self.registration_unsent(id, attempt, RegisterFailure::NotSent(why), None);
        }
    }

    /// The request under way has come to nothing; `used` is its last CSeq number, if one was sent.
    pub(super) fn registration_unsent(
        &mut self,
        id: RegistrationId,
        attempt: u16,
        why: RegisterFailure,
        used: Option<u32>,
    ) {
        let Some(registration) = self.stack.registrations.get(id).filter(|one| one.attempt == attempt) else { return };
        registration.cseq = used.map_or(registration.cseq, |used| used.saturating_add(1));
        match registration.under_way.take() {
            None => {}
            Some(Purpose::Remove(_)) => self.registration_gone(id, None),
            // A limit or a path may be better later, a text or URI will not.
            Some(Purpose::Bind) => match why {
                RegisterFailure::NotSent(StackError::Full { .. }) | RegisterFailure::Unreachable(_) => {
                    self.registration_retry(id, why, None)
                }
                _ => self.registration_stop(id, why),
            },
        }
    }

    /// The final response to the request under way.
    pub(super) fn registration_answered(&mut self, id: RegistrationId, tx: ClientTx, response: Box<Response>) {
        let (now, auth, path) = (self.now.mono, self.take_auth(tx), self.path_of(tx));
        let Some(registration) = self.stack.registrations.get(id) else { return };
        registration.auth = auth;
        // The stack counted up for each challenge.
        registration.cseq = response.headers().cseq().number.saturating_add(1);
        let code = response.code();
        let under_way = registration.under_way.take();
        if let Some(purpose) = under_way.filter(|_| registration.follow(&response, now)) {
            return self.registration_again(id, purpose);
        }
        match under_way {
            None => {}
            Some(Purpose::Remove(_)) => self.registration_gone(id, Some(code)),
            Some(Purpose::Bind) if code.is_success() => {
                let secure = print::is_secure(registration.target().as_str(), &registration.spec.routes);
                let sent = path.and_then(|path| print::contact_value(&registration.contact(), &path, secure));
                if path.is_some_and(|path| registration.is_seen_elsewhere(&response, path, secure)) {
                    registration.leaving = sent;
                    return self.registration_again(id, Purpose::Bind);
                }
                let stream = path.filter(|path| path.transport.is_reliable()).map(|path| path.flow);
                if registration.keep_alive.path != path {
                    registration.ping.begin_anew();
                }
                registration.keep_alive.path = path;
                registration.keep_alive.seen = outcome::seen(&response).filter(|_| stream.is_none());
                self.stack.registrations.bind_to(id, stream);
                self.registration_bound(id, sent, response);
            }
            Some(Purpose::Bind) => self.registration_refused(id, &response),
        }
    }

    pub(super) fn registration_bound(&mut self, id: RegistrationId, sent: Option<String>, response: Box<Response>) {
        let now = self.now.mono;
        let Some(registration) = self.stack.registrations.get(id) else { return };
        let contacts = outcome::contacts(&response);
        let mine = outcome::ours(&contacts, sent.as_deref(), registration.spec.instance.as_ref());
        let seconds = outcome::lifetime(&response, &contacts, mine, registration.ask);
        if seconds == 0 {
            return self.registration_retry(id, RegisterFailure::NotBound, None);
        }
        let expires = Duration::from_secs(seconds.into());
        registration.until = Some(now + expires);
        (registration.bound, registration.leaving) = (sent, None);
        let realms = registration.auth.as_ref().map(|auth| auth.realms()).unwrap_or_default();
        let asked = registration.keep_alive.path.map(|path| (path.remote, realms));
        let flow = &mut registration.ping;
        flow.outbound = !registration.plain && outcome::is_outbound(&response);
        (flow.timer, flow.failed) = (outcome::flow_timer(&response), false);
        // A flow that was never heard of has not shown that it works (RFC 5626 section 4.5).
        let unproved = flow.outbound && !flow.proved;
        if !unproved {
            registration.failures = 0;
        }
        registration.followed = Followed::default();
        let way = Box::new(registration.way(mine));
        let longest = self.stack.config.timers.t1_64();
        let after = registration.spec.refresh.after(expires);
        let after = after.map(|after| registration.spec.in_time(after, expires, longest));
        let service_route = outcome::texts(&response, HeaderId::ServiceRoute);
        self.emit(Event::Registration(
            id,
            RegistrationEvent::Registered { expires, contacts, service_route, asked, way, response },
        ));
        self.registration_rest(id, after);
        match unproved {
            true => self.ping(id),
            false => self.keep_alive_later(id),
        }
    }

    /// RFC 3261 sections 10.2.8 and 21.
    pub(super) fn registration_refused(&mut self, id: RegistrationId, response: &Response) {
        let Some(registration) = self.stack.registrations.get(id) else { return };
        let code = response.code();
        if code == StatusCode::INTERVAL_TOO_BRIEF
            && !registration.followed.too_brief
            && let Some(least) = outcome::least(response)
                .filter(|least| *least > registration.ask && *least <= registration.spec.max_expires)
        {
            (registration.ask, registration.followed.too_brief) = (least, true);
            return self.registration_again(id, Purpose::Bind);
        }
        let first = registration.spec.instance.as_ref().is_some_and(|instance| instance.reg_id == Some(1));
        if code == StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT && registration.wants_outbound() && first {
            // RFC 5626 section 4.2.1: better reached by one way than not at all. Other flows would bind the same address once more.
            registration.plain = true;
            return self.registration_again(id, Purpose::Bind);
        }
        let why = RegisterFailure::Refused { code, reason: response.reason().to_owned() };
        let wait = outcome::retry_after(response);
        match outcome::worth_retrying(code, wait.is_some(), registration.spec.retry_forbidden) {
            true => self.registration_retry(id, why, wait),
            false => self.registration_stop(id, why),
        }
    }

    /// The same at once under changed conditions, unless something else was asked for meanwhile.
    pub(super) fn registration_again(&mut self, id: RegistrationId, purpose: Purpose) {
        let next = self.stack.registrations.get(id).and_then(|registration| registration.next.take());
        self.registration_send(id, next.unwrap_or(purpose));
    }

    /// Tries again when the registrar says (Retry-After, RFC 3261 sections 20.33 and 21.5.4), else as the policy says.
    pub(super) fn registration_retry(&mut self, id: RegistrationId, why: RegisterFailure, told: Option<Duration>) {
        let others = self.registration_others_stand(id);
        let Some(registration) = self.stack.registrations.get(id) else { return };
        registration.failures = registration.failures.saturating_add(1);
        // What a redirect led to has failed: the next attempt begins anew.
        (registration.redirect, registration.followed, registration.ask) =
            (None, Followed::default(), registration.spec.expires);
        let (retry, failures, flow) = (registration.spec.retry, registration.failures, registration.spec.flow_of);
        let Some(longest) = retry.longest(failures, others) else { return self.registration_stop(id, why) };
        let delay = retry.wait(longest, |low, high| self.stack.rng.between(low, high));
        let wait = match told {
            // RFC 5626 section 4.5: the delay at least.
            Some(told) if flow.is_some() => told.max(delay),
            Some(told) => told,
            None => delay,
        };
        self.emit(Event::Registration(id, RegistrationEvent::Failed { why, retry_in: Some(wait) }));
        self.registration_rest(id, Some(wait));
    }

    pub(super) fn registration_stop(&mut self, id: RegistrationId, why: RegisterFailure) {
        if let Some(registration) = self.stack.registrations.get(id) {
            (registration.redirect, registration.followed, registration.ask) =
                (None, Followed::default(), registration.spec.expires);
            // Refused credentials are not sent again.
            registration.auth = None;
        }
        self.emit(Event::Registration(id, RegistrationEvent::Failed { why, retry_in: None }));
        self.registration_rest(id, None);
    }

    /// Nothing is under way: what waits is done now, or the timer runs.
    pub(super) fn registration_rest(&mut self, id: RegistrationId, wait: Option<Duration>) {
        let Some(registration) = self.stack.registrations.get(id) else { return };
        if let Some(next) = registration.next.take() {
            return self.registration_send(id, next);
        }
        let Some(wait) = wait else { return };
        let timer = self.start(self.now.mono + wait, Timer::Registration(id, 0));
        if let Some(registration) = self.stack.registrations.get(id) {
            let before = std::mem::replace(&mut registration.timer, timer);
            self.stop(before);
        }
    }

    pub(super) fn registration_gone(&mut self, id: RegistrationId, code: Option<StatusCode>) {
        if let Some(gone) = self.stack.registrations.remove(id) {
            self.stop_all(&gone);
            self.emit(Event::Registration(id, RegistrationEvent::Unregistered { code }));
        }
    }

    pub(super) fn stop_all(&mut self, gone: &Registration) {
        [gone.timer, gone.keep_alive.timer, gone.ping.wait].into_iter().for_each(|timer| self.stop(timer));
    }

    /// True when another flow of the same user agent instance stands (RFC 5626 section 4.5): only looked for where flows are numbered.
    pub(super) fn registration_others_stand(&self, id: RegistrationId) -> bool {
        let all = &self.stack.registrations.all;
        let Some(this) = all.get(id.0).filter(|one| one.spec.flow_of.is_some()) else { return false };
        let stands = |one: &Registration| {
            one.failures == 0 && !one.ping.failed && one.until.is_some_and(|until| until > self.now.mono)
        };
        let mut others = all
            .iter(self.stack.config.shard)
            .filter(|(other, one)| *other != id.0 && one.spec.flow_of == this.spec.flow_of);
        others.any(|(_, other)| stands(other))
    }
}

impl Registration {
    /// Whether the first hop sees us at another address than our Contact says: then that is the next one's (RFC 3581 section 4), once in an attempt.
    fn is_seen_elsewhere(&mut self, response: &Response, path: Path, secure: bool) -> bool {
        let follows = self.spec.follow_address && !self.followed.address && path.transport == Transport::Udp;
        if !follows || !matches!(self.spec.contact, ContactSpec::Auto { .. }) || outcome::is_outbound(response) {
            return false;
        }
        let Some(seen) = outcome::seen(response) else { return false };
        let known = self.mapped.as_ref().map_or(path.local, |(mapped, _)| *mapped);
        if seen == known || outcome::is_of_no_use(seen.ip(), known.ip(), path.remote.ip()) {
            return false;
        }
        let contact = || print::contact_value(&self.spec.contact, &Path { local: seen, ..path }, secure);
        self.mapped = if seen == path.local { None } else { contact().map(|contact| (seen, contact)) };
        self.followed.address = true;
        true
    }

    /// How requests of ours go out; `mine`: our binding as the registrar lists it.
    fn way(&self, mine: Option<&Bound>) -> Way {
        let place = || {
            let path = self.keep_alive.path?;
            let ContactSpec::Auto { user, .. } = &self.spec.contact else { return None };
            let local = match &self.mapped {
                _ if self.ping.outbound => path.local,
                Some((mapped, _)) => *mapped,
                None => return None,
            };
            Some(Place { user: user.clone(), path: Path { local, ..path }, stays: self.ping.outbound })
        };
        Way {
            path: self.keep_alive.path,
            outbound: self.ping.outbound,
            public_gruu: mine.and_then(|mine| mine.public_gruu.clone()),
            temporary_gruu: mine.and_then(|mine| mine.temporary_gruu.clone()),
            place: place(),
        }
    }
}
