//! Registrations of ours with a registrar (RFC 3261 section 10.2), kept up until taken back.
//!
//! ```text
//!            200                       Refresh::after
//!   Sending -----> Registered ---------------------------+
//!    ^  |                                                |
//!    |  | 5xx, 408, time-out, ...   Retry::wait          |
//!    |  +--------------> Waiting ---------------------+  |
//!    |  | 401, 403, 404, ...                          |  |
//!    |  +--------------> Stopped -- Turn::refresh --+ |  |
//!    +----------------------------------------------+-+--+
//! ```
//!
//! All requests of a registration share a Call-ID and count CSeq up. Only one is under way at a time (section 10.2): what is asked for meanwhile follows when its
//! final response is there.

mod outcome;
mod spec;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::digest;
use crate::draft::{ContactSpec, Draft};
use crate::event::{Event, Failure};
use crate::id::{ClientTx, FlowId, Id, RegistrationId, Shard};
use crate::message::{HeaderId, Method, Response, StatusCode, UriBuf};
use crate::outbox::Origin;
use crate::rng::Token;
use crate::slab::Slab;
use crate::stack::{StackError, Timer, Usage};
use crate::time::Time;
use crate::transaction::print;
use crate::turn::{Owner, Turn};
use crate::wheel::TimerId;

pub use outcome::Bound;
use outcome::Redirect;
pub use spec::{Refresh, RegisterSpec, Removal, Retry};

/// News of a registration.
#[derive(Debug)]
#[non_exhaustive]
pub enum RegistrationEvent {
    /// The registrar has our binding; it is refreshed without being asked.
    Registered {
        /// How long it holds.
        expires: Duration,
        /// All bindings of the address of record, ours and others (RFC 3261 section 10.2.4).
        contacts: Vec<Bound>,
        /// Route set for requests of ours (RFC 3608), in order.
        service_route: Vec<String>,
        /// The whole response: Path, Date, Via parameters.
        response: Box<Response>,
    },
    /// It has not.
    Failed {
        /// Why.
        why: RegisterFailure,
        /// When it will be tried again; never when `None`, unless [`Turn::refresh`] is called.
        retry_in: Option<Duration>,
    },
    /// It was taken back, and the registration is gone. Without a 2xx the registrar may keep the binding until it expires.
    Unregistered {
        /// The final response; `None` when none came or nothing had to be sent.
        code: Option<StatusCode>,
    },
}

/// Why a registration failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterFailure {
    /// A final response other than 2xx. 401 and 407 mean that the credentials were refused, or that there are none for the realm.
    Refused {
        /// Its code.
        code: StatusCode,
        /// Its reason phrase.
        reason: String,
    },
    /// No response.
    Unreachable(Failure),
    /// A 200 whose contacts say that ours has no time left.
    NotBound,
    /// The REGISTER could not be made.
    NotSent(StackError),
}

/// What a REGISTER is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Bind,
    Remove(Removal),
}

#[derive(Debug)]
struct Registration {
    spec: RegisterSpec,
    call_id: String,
    tag: Token,
    cseq: u32,
    auth: Option<Box<digest::Client>>,
    /// Counts requests: an answer to an earlier one has no effect.
    attempt: u16,
    under_way: Option<Purpose>,
    /// What comes after the request under way.
    next: Option<Purpose>,
    timer: TimerId,
    failures: u32,
    /// Seconds to ask for: those of the spec, or more after a 423.
    ask: u32,
    /// Whither a 3xx sent us, until a failure.
    redirect: Option<Redirect>,
    /// A 423, a 3xx was followed within this attempt.
    followed: Followed,
    /// Our binding holds until then.
    until: Option<Time>,
    /// The Contact value that was bound.
    bound: Option<String>,
    /// A Contact value to take back with the next REGISTER.
    leaving: Option<String>,
    /// The connection our binding was made on.
    flow: Option<FlowId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Followed {
    too_brief: bool,
    redirect: bool,
}

/// All registrations of a stack.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    all: Slab<Registration>,
    /// Those bound over a connection.
    flows: BTreeSet<(FlowId, Id)>,
}

impl Registrations {
    pub(crate) fn usage(&self, usage: &mut Usage) {
        usage.registrations = self.all.len();
    }

    /// For [`crate::Stack::states`].
    pub(crate) fn state_names(&self, shard: Shard, mut tell: impl FnMut(Id, &'static str)) {
        for (id, one) in self.all.iter(shard) {
            let state = match (one.under_way, one.until) {
                (Some(_), _) => "registration: sending",
                (None, Some(_)) => "registration: registered",
                (None, None) => "registration: waiting",
            };
            tell(id, state);
        }
    }

    fn get(&mut self, id: RegistrationId) -> Option<&mut Registration> {
        self.all.get_mut(id.0)
    }

    fn remove(&mut self, id: RegistrationId) -> Option<Registration> {
        self.bind_to(id, None);
        self.all.remove(id.0)
    }

    /// Notes the connection a binding was made on.
    fn bind_to(&mut self, id: RegistrationId, flow: Option<FlowId>) {
        let Some(registration) = self.all.get_mut(id.0) else { return };
        if let Some(before) = std::mem::replace(&mut registration.flow, flow) {
            self.flows.remove(&(before, id.0));
        }
        if let Some(flow) = flow {
            self.flows.insert((flow, id.0));
        }
    }
}

/// Registrations.
impl Turn<'_> {
    /// Registers, and keeps the registration up. News comes as [`Event::Registration`].
    ///
    /// # Errors
    /// [`StackError::Full`] at [`crate::Config::max_registrations`]; [`StackError::Text`] for a display name that cannot stand in a header;
    /// [`StackError::Forbidden`] for a registrar that is no domain. What else is wrong is told by [`RegistrationEvent::Failed`].
    pub fn register(&mut self, spec: RegisterSpec) -> Result<RegistrationId, StackError> {
        let limit = self.stack.config.max_registrations;
        if self.stack.registrations.all.len() >= limit {
            return Err(StackError::Full { what: "registrations", limit });
        }
        if !spec.display.as_deref().is_none_or(print::clean) {
            return Err(StackError::Text { what: "display name" });
        }
        if !spec.registrar.as_uri().is_sip() || spec.registrar.as_uri().user().is_some() {
            return Err(StackError::Forbidden("a registrar is a domain, without a user (RFC 3261 10.2)"));
        }
        let call_id = match &spec.call_id {
            Some(given) => given.clone(),
            None => self.call_id(),
        };
        let registration = Registration {
            ask: spec.expires,
            call_id,
            tag: self.stack.rng.token(),
            // RFC 3261 section 8.1.1.5 wants less than 2^31; low numbers leave room to count.
            cseq: 1 + self.stack.rng.below(1 << 16) as u32,
            auth: None,
            attempt: 0,
            under_way: None,
            next: None,
            timer: TimerId::NONE,
            failures: 0,
            redirect: None,
            followed: Followed::default(),
            until: None,
            bound: None,
            leaving: None,
            flow: None,
            spec,
        };
        let id = RegistrationId(self.stack.registrations.all.insert(self.stack.config.shard, registration));
        self.registration_send(id, Purpose::Bind);
        Ok(id)
    }

    /// Registers again now, whatever the timers say; also one that had given up.
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn refresh(&mut self, id: RegistrationId) -> Result<(), StackError> {
        let registration = self.stack.registrations.get(id).ok_or(StackError::Gone)?;
        registration.failures = 0;
        self.registration_next(id, Purpose::Bind);
        Ok(())
    }

    /// Changes what is registered and registers again: another Contact after a change of address, other credentials, another expiry. A Contact that was given as
    /// a whole takes the place of the one bound before, in the same request.
    ///
    /// # Errors
    /// [`StackError::Gone`]; [`StackError::Text`] for a display name that cannot stand in a header: nothing has changed then.
    pub fn change_registration(
        &mut self,
        id: RegistrationId,
        change: impl FnOnce(&mut RegisterSpec),
    ) -> Result<(), StackError> {
        let registration = self.stack.registrations.get(id).ok_or(StackError::Gone)?;
        let mut spec = registration.spec.clone();
        change(&mut spec);
        if !spec.display.as_deref().is_none_or(print::clean) {
            return Err(StackError::Text { what: "display name" });
        }
        if spec.credentials != registration.spec.credentials {
            registration.auth = None;
        }
        if matches!(&spec.contact, ContactSpec::Given(new) if registration.bound.as_ref().is_some_and(|old| !outcome::same_contact(old, new)))
        {
            registration.leaving = registration.bound.take();
        }
        registration.ask = spec.expires;
        registration.spec = spec;
        self.refresh(id)
    }

    /// Takes the binding back (`Expires: 0`, RFC 3261 section 10.2.2) and ends the registration: [`RegistrationEvent::Unregistered`] is its last news.
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn unregister(&mut self, id: RegistrationId, removal: Removal) -> Result<(), StackError> {
        let registration = self.stack.registrations.get(id).ok_or(StackError::Gone)?;
        if registration.under_way.is_none() && registration.until.is_none() && removal == Removal::Ours {
            self.registration_gone(id, None);
        } else {
            self.registration_next(id, Purpose::Remove(removal));
        }
        Ok(())
    }

    /// Ends the registration without telling anybody. The binding stays until it expires.
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn forget_registration(&mut self, id: RegistrationId) -> Result<(), StackError> {
        let gone = self.stack.registrations.remove(id).ok_or(StackError::Gone)?;
        self.stop(gone.timer);
        Ok(())
    }

    /// How long the binding still holds; `None` when there is none.
    pub fn registered_for(&self, id: RegistrationId) -> Option<Duration> {
        let until = self.stack.registrations.all.get(id.0)?.until?;
        Some(until.since(self.now.mono)).filter(|left| !left.is_zero())
    }

    fn registration_next(&mut self, id: RegistrationId, purpose: Purpose) {
        let Some(registration) = self.stack.registrations.get(id) else { return };
        match (registration.under_way, registration.next) {
            // Nothing comes after taking it back.
            (Some(Purpose::Remove(_)), _) | (Some(_), Some(Purpose::Remove(_))) => {}
            (Some(_), _) => registration.next = Some(purpose),
            (None, _) => self.registration_send(id, purpose),
        }
    }

    fn registration_send(&mut self, id: RegistrationId, purpose: Purpose) {
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
    fn registration_unsent(&mut self, id: RegistrationId, attempt: u16, why: RegisterFailure, used: Option<u32>) {
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
    fn registration_answered(&mut self, id: RegistrationId, tx: ClientTx, response: Box<Response>) {
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
                let secure = registration.target().as_uri().is_secure();
                let sent = path.and_then(|path| print::contact_value(&registration.spec.contact, &path, secure));
                let stream = path.filter(|path| path.transport.is_reliable()).map(|path| path.flow);
                self.stack.registrations.bind_to(id, stream);
                self.registration_bound(id, sent, response);
            }
            Some(Purpose::Bind) => self.registration_refused(id, &response),
        }
    }

    fn registration_bound(&mut self, id: RegistrationId, sent: Option<String>, response: Box<Response>) {
        let now = self.now.mono;
        let Some(registration) = self.stack.registrations.get(id) else { return };
        let contacts = outcome::contacts(&response);
        let seconds = outcome::lifetime(&response, &contacts, sent.as_deref(), registration.ask);
        if seconds == 0 {
            return self.registration_retry(id, RegisterFailure::NotBound, None);
        }
        let expires = Duration::from_secs(seconds.into());
        registration.until = Some(now + expires);
        (registration.bound, registration.leaving) = (sent, None);
        (registration.failures, registration.followed) = (0, Followed::default());
        let after = registration.spec.refresh.after(expires);
        let service_route = outcome::texts(&response, HeaderId::ServiceRoute);
        self.emit(Event::Registration(
            id,
            RegistrationEvent::Registered { expires, contacts, service_route, response },
        ));
        self.registration_rest(id, after);
    }

    /// RFC 3261 sections 10.2.8 and 21.
    fn registration_refused(&mut self, id: RegistrationId, response: &Response) {
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
        let why = RegisterFailure::Refused { code, reason: response.reason().to_owned() };
        let wait = outcome::retry_after(response);
        match outcome::worth_retrying(code, wait.is_some(), registration.spec.retry_forbidden) {
            true => self.registration_retry(id, why, wait),
            false => self.registration_stop(id, why),
        }
    }

    /// The same at once under changed conditions, unless something else was asked for meanwhile.
    fn registration_again(&mut self, id: RegistrationId, purpose: Purpose) {
        let next = self.stack.registrations.get(id).and_then(|registration| registration.next.take());
        self.registration_send(id, next.unwrap_or(purpose));
    }

    fn registration_retry(&mut self, id: RegistrationId, why: RegisterFailure, at_least: Option<Duration>) {
        let others = self.registration_others_stand(id);
        let Some(registration) = self.stack.registrations.get(id) else { return };
        registration.failures = registration.failures.saturating_add(1);
        // What a redirect led to has failed: the next attempt begins anew.
        (registration.redirect, registration.followed, registration.ask) =
            (None, Followed::default(), registration.spec.expires);
        let (retry, failures) = (registration.spec.retry, registration.failures);
        let Some(longest) = retry.longest(failures, others) else { return self.registration_stop(id, why) };
        let wait = retry.wait(longest, |low, high| self.stack.rng.between(low, high));
        let wait = at_least.map_or(wait, |least| wait.max(least));
        self.emit(Event::Registration(id, RegistrationEvent::Failed { why, retry_in: Some(wait) }));
        self.registration_rest(id, Some(wait));
    }

    fn registration_stop(&mut self, id: RegistrationId, why: RegisterFailure) {
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
    fn registration_rest(&mut self, id: RegistrationId, wait: Option<Duration>) {
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

    fn registration_gone(&mut self, id: RegistrationId, code: Option<StatusCode>) {
        if let Some(gone) = self.stack.registrations.remove(id) {
            self.stop(gone.timer);
            self.emit(Event::Registration(id, RegistrationEvent::Unregistered { code }));
        }
    }

    /// True when another flow of the same user agent instance stands (RFC 5626 section 4.5): only looked for where flows are numbered.
    fn registration_others_stand(&self, id: RegistrationId) -> bool {
        let all = &self.stack.registrations.all;
        let Some(this) = all.get(id.0).filter(|one| one.spec.flow_of.is_some()) else { return false };
        let stands = |one: &Registration| one.failures == 0 && one.until.is_some_and(|until| until > self.now.mono);
        let mut others = all
            .iter(self.stack.config.shard)
            .filter(|(other, one)| *other != id.0 && one.spec.flow_of == this.spec.flow_of);
        others.any(|(_, other)| stands(other))
    }
}

impl Registration {
    fn target(&self) -> &UriBuf {
        self.redirect.as_ref().map_or(&self.spec.registrar, |redirect| &redirect.to)
    }

    /// Whether the request goes where a 3xx says (RFC 3261 section 8.1.3.4): once in an attempt.
    fn follow(&mut self, response: &Response, now: Time) -> bool {
        if self.followed.redirect || !self.spec.follow_redirect {
            return false;
        }
        let Some(redirect) = outcome::redirect(response, now, self.target(), &self.spec.registrar) else {
            return false;
        };
        (self.redirect, self.followed.redirect) = (Some(redirect), true);
        true
    }

    /// Lets go of an address that is good no longer, unless it has just been given (RFC 3261 section 21.3.3).
    fn forget_redirect(&mut self, now: Time) {
        let over = |redirect: &mut Redirect| redirect.until.is_some_and(|until| until <= now);
        if !self.followed.redirect {
            self.redirect.take_if(over);
        }
    }

    fn draft(&mut self, purpose: Purpose) -> Draft {
        let mut draft = Draft::new(Method::Register, self.target().clone());
        let spec = &self.spec;
        let (display, aor) = (spec.display_text(), spec.aor.as_str());
        draft.from = format!("{display}<{aor}>;tag={}", self.tag);
        draft.to = format!("{display}<{aor}>");
        draft.call_id = self.call_id.clone();
        draft.cseq = self.cseq;
        draft.routes = spec.routes.clone();
        draft.hop = spec.hop.clone();
        draft.credentials = spec.credentials.clone();
        draft.auth = self.auth.take();
        draft.lines = spec.lines.clone();
        draft.contact = match purpose {
            Purpose::Remove(Removal::All) => ContactSpec::Given("*".to_owned()),
            _ => spec.contact.clone(),
        };
        if let (Purpose::Bind, Some(leaving)) = (purpose, &self.leaving) {
            draft.lines.push_id(HeaderId::Contact, format_args!("{};expires=0", outcome::without_expires(leaving)));
        }
        let seconds = if purpose == Purpose::Bind { self.ask } else { 0 };
        draft.lines.push_id(HeaderId::Expires, seconds);
        draft
    }
}

/// A response to a REGISTER of ours.
pub(crate) fn on_response(
    turn: &mut Turn<'_>,
    id: RegistrationId,
    purpose: u16,
    tx: ClientTx,
    response: Box<Response>,
    _origin: &Origin,
) {
    let current = turn.stack.registrations.get(id).is_some_and(|registration| registration.attempt == purpose);
    if current && response.code().is_final() {
        turn.registration_answered(id, tx, response);
    }
}

/// No response to a REGISTER of ours.
pub(crate) fn on_failure(turn: &mut Turn<'_>, id: RegistrationId, purpose: u16, used: Option<u32>, why: Failure) {
    turn.registration_unsent(id, purpose, RegisterFailure::Unreachable(why), used);
}

/// Time to refresh, or to try again.
pub(crate) fn on_timer(turn: &mut Turn<'_>, id: RegistrationId, _kind: u8) {
    if let Some(registration) = turn.stack.registrations.get(id) {
        registration.timer = TimerId::NONE;
        turn.registration_next(id, Purpose::Bind);
    }
}

/// A connection is gone: what was registered over it cannot be reached any more (RFC 5626 section 4.5). Within a second, so that a registrar that was started anew does not hear of
/// all its devices at once.
pub(crate) fn on_flow_lost(turn: &mut Turn<'_>, flow: FlowId) {
    let all = (flow, Id::from_u64(0))..=(flow, Id::from_u64(u64::MAX));
    let hit: Vec<_> = turn.stack.registrations.flows.range(all).map(|(_, id)| RegistrationId(*id)).collect();
    for id in hit {
        turn.stack.registrations.bind_to(id, None);
        if turn.stack.registrations.get(id).is_some_and(|registration| registration.under_way.is_none()) {
            let wait = turn.stack.rng.between(Duration::ZERO, Duration::from_secs(1));
            turn.registration_rest(id, Some(wait));
        }
    }
}

#[cfg(test)]
mod tests;
