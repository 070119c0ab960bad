//! The course of a publication: PUBLISHes out, and what becomes of them.

use std::time::Duration;

use super::{Publication, PublicationEvent, PublishFailure, Purpose};
use crate::event::{Event, Failure};
use crate::header::{Expires, MinExpires, RetryAfter, SipEtag};
use crate::id::{ClientTx, PublicationId};
use crate::message::{Response, StatusCode};
use crate::stack::{StackError, Timer};
use crate::turn::{Owner, Turn};
use crate::wheel::TimerId;

/// The shortest and the longest Retry-After that are believed, in seconds.
const BELIEVED: (u32, u32) = (1, 86_400);
/// Numbers that a PUBLISH may use up, which is sent again for each challenge.
const TRIES: u32 = 8;

impl Turn<'_> {
    /// What is to be done next, if nothing is under way: take it back, or tell what the compositor does not have.
    pub(super) fn publication_next(&mut self, id: PublicationId) {
        let Some(one) = self.stack.publications.get_mut(id) else { return };
        match (one.under_way, one.leaving) {
            (Some(_), _) => {}
            (None, true) if one.etag.is_some() => self.publication_send(id, Purpose::Remove),
            (None, true) => self.publication_gone(id, PublicationEvent::Ended { code: None }),
            (None, false) if one.dirty => self.publication_send(id, Purpose::Tell),
            (None, false) => {}
        }
    }

    /// Sends, when it is its turn (section 4): what waits is looked at again by [`Turn::publication_due`].
    fn publication_send(&mut self, id: PublicationId, purpose: Purpose) {
        if !self.stack.publications.takes_turn(id) {
            return;
        }
        let Some(one) = self.stack.publications.get_mut(id) else { return };
        one.attempt = one.attempt.wrapping_add(1);
        one.under_way = Some(purpose);
        if purpose == Purpose::Tell {
            one.dirty = false;
        }
        let timer = std::mem::replace(&mut one.timer, TimerId::NONE);
        let (draft, attempt) = (one.draft(purpose), one.attempt);
        self.stop(timer);
        if let Err(why) = self.request(draft, Owner::Publication(id, attempt)) {
            self.publication_unsent(id, attempt, PublishFailure::NotSent(why), None);
        }
    }

    /// Sends what there is to say by now.
    fn publication_due(&mut self, id: PublicationId) {
        let Some(one) = self.stack.publications.get_mut(id) else { return };
        match (one.leaving, one.dirty || one.etag.is_none()) {
            (true, _) => self.publication_next(id),
            (false, true) => self.publication_send(id, Purpose::Tell),
            (false, false) => self.publication_send(id, Purpose::Refresh),
        }
    }

    /// Does this, by which a PUBLISH under way may end; then those go on that have waited for it.
    pub(super) fn publication_then_others(&mut self, id: PublicationId, act: impl FnOnce(&mut Self)) {
        let resource = self.stack.publications.get_mut(id).map(|one| one.spec.resource.clone());
        act(self);
        let Some(resource) = resource else { return };
        // One that cannot be sent has had its turn.
        while let Some(next) = self.stack.publications.next(resource.as_str()) {
            self.publication_due(next);
        }
    }

    /// Sends once more what was under way or has failed.
    pub(super) fn publication_again(&mut self, id: PublicationId) {
        let Some(one) = self.stack.publications.get_mut(id) else { return };
        let before = one.under_way.take();
        if before.is_some() {
            // It may have been sent more than once, each time under the next number.
            one.cseq = one.cseq.saturating_add(TRIES);
        }
        one.dirty |= before == Some(Purpose::Tell) || one.etag.is_none();
        one.failures = 0;
        match one.leaving || one.dirty {
            true => self.publication_next(id),
            false => self.publication_send(id, Purpose::Refresh),
        }
    }

    fn publication_unsent(&mut self, id: PublicationId, attempt: u16, why: PublishFailure, used: Option<u32>) {
        let Some(one) = self.stack.publications.get_mut(id).filter(|one| one.attempt == attempt) else { return };
        one.cseq = used.map_or(one.cseq, |used| used.saturating_add(1));
        match self.stack.publications.done(id) {
            None => {}
            Some(Purpose::Remove) => self.publication_gone(id, PublicationEvent::Ended { code: None }),
            Some(purpose) => {
                self.publication_not_told(id, purpose);
                let passing =
                    matches!(why, PublishFailure::NotSent(StackError::Full { .. }) | PublishFailure::Unreachable(_));
                self.publication_failed(id, why, passing, None);
            }
        }
    }

    fn publication_answered(&mut self, id: PublicationId, tx: ClientTx, response: &Response) {
        let auth = self.take_auth(tx);
        let Some(one) = self.stack.publications.get_mut(id) else { return };
        one.auth = auth;
        one.cseq = response.headers().cseq().number.saturating_add(1);
        let code = response.code();
        let Some(purpose) = self.stack.publications.done(id) else { return };
        match purpose {
            Purpose::Remove => self.publication_gone(id, PublicationEvent::Ended { code: Some(code) }),
            _ if code.is_success() => self.publication_stands(id, response),
            _ => {
                self.publication_not_told(id, purpose);
                self.publication_refused(id, response);
            }
        }
    }

    /// The compositor does not have what was under way.
    fn publication_not_told(&mut self, id: PublicationId, purpose: Purpose) {
        if let Some(one) = self.stack.publications.get_mut(id) {
            one.dirty |= purpose == Purpose::Tell;
        }
    }

    /// RFC 3903 section 4.1: the tag is new with each 2xx.
    fn publication_stands(&mut self, id: PublicationId, response: &Response) {
        let now = self.now.mono;
        let Some(one) = self.stack.publications.get_mut(id) else { return };
        let headers = response.headers();
        one.etag = headers.get::<SipEtag<'_>>().and_then(Result::ok).map(|etag| etag.0.to_owned());
        // Without one nothing can be refreshed: the whole is told again.
        let told = headers.get::<Expires>().and_then(Result::ok).map_or(one.ask, |expires| expires.0);
        let expires = Duration::from_secs(told.min(one.ask).into());
        (one.failures, one.too_brief) = (0, false);
        let after = one.spec.refresh.after(expires);
        self.emit(Event::Publication(id, PublicationEvent::Published { expires }));
        if let Some(after) = after {
            self.publication_wake(id, now + after);
        }
        self.publication_next(id);
    }

    fn publication_refused(&mut self, id: PublicationId, response: &Response) {
        let Some(one) = self.stack.publications.get_mut(id) else { return };
        let code = response.code();
        let least = response.headers().get::<MinExpires>().and_then(Result::ok).map(|least| least.0);
        let asks_again = match code {
            // Section 4.3: the compositor has forgotten it; the whole is told anew.
            StatusCode::CONDITIONAL_REQUEST_FAILED if one.etag.take().is_some() => true,
            StatusCode::INTERVAL_TOO_BRIEF if !one.too_brief => {
                let least = least.filter(|least| *least > one.ask && *least <= one.spec.max_expires);
                one.too_brief = true;
                least.inspect(|least| one.ask = *least).is_some()
            }
            _ => false,
        };
        if asks_again {
            one.dirty |= one.etag.is_none();
            if one.leaving || one.dirty {
                return self.publication_next(id);
            }
            return self.publication_send(id, Purpose::Refresh);
        }
        let told = response.headers().get::<RetryAfter<'_>>().and_then(Result::ok);
        let told = told.map(|told| Duration::from_secs(told.seconds.clamp(BELIEVED.0, BELIEVED.1).into()));
        let passing = match code.get() {
            408 | 480 | 500..=599 => !matches!(code.get(), 501 | 505 | 513),
            404 | 413 | 486 | 600 | 603 => told.is_some(),
            _ => false,
        };
        let why = PublishFailure::Refused { code, reason: response.reason().to_owned() };
        self.publication_failed(id, why, passing, told);
    }

    fn publication_failed(&mut self, id: PublicationId, why: PublishFailure, passing: bool, told: Option<Duration>) {
        let now = self.now.mono;
        let Some(one) = self.stack.publications.get_mut(id) else { return };
        if one.leaving {
            return self.publication_next(id);
        }
        one.failures = one.failures.saturating_add(1);
        let (retry, failures) = (one.spec.retry, one.failures);
        let wait = retry.longest(failures, false).filter(|_| passing).map(|longest| {
            let own = retry.wait(longest, |low, high| self.stack.rng.between(low, high));
            told.unwrap_or(own)
        });
        let Some(wait) = wait else {
            return self.publication_gone(id, PublicationEvent::Failed { why, retry_in: None });
        };
        self.emit(Event::Publication(id, PublicationEvent::Failed { why, retry_in: Some(wait) }));
        self.publication_wake(id, now + wait);
    }

    fn publication_wake(&mut self, id: PublicationId, at: crate::time::Time) {
        let timer = self.start(at, Timer::Publication(id));
        if let Some(one) = self.stack.publications.get_mut(id) {
            let before = std::mem::replace(&mut one.timer, timer);
            self.stop(before);
        }
    }

    fn publication_gone(&mut self, id: PublicationId, last: PublicationEvent) {
        let gone: Option<Publication> = self.stack.publications.all.remove(id.0);
        if let Some(gone) = gone {
            self.stack.publications.gives_turn_back(id, gone.spec.resource.as_str());
            self.stop(gone.timer);
            self.emit(Event::Publication(id, last));
        }
    }
}

/// A response to a PUBLISH of ours.
pub(crate) fn on_response(turn: &mut Turn<'_>, id: PublicationId, attempt: u16, tx: ClientTx, response: &Response) {
    let current = turn.stack.publications.get_mut(id).is_some_and(|one| one.attempt == attempt);
    if current && response.code().is_final() {
        turn.publication_then_others(id, |turn| turn.publication_answered(id, tx, response));
    }
}

/// No response to a PUBLISH of ours.
pub(crate) fn on_failure(turn: &mut Turn<'_>, id: PublicationId, attempt: u16, used: Option<u32>, why: Failure) {
    let why = PublishFailure::Unreachable(why);
    turn.publication_then_others(id, |turn| turn.publication_unsent(id, attempt, why, used));
}

/// Time to refresh, or to try again.
pub(crate) fn on_timer(turn: &mut Turn<'_>, id: PublicationId) {
    let Some(one) = turn.stack.publications.get_mut(id) else { return };
    one.timer = TimerId::NONE;
    if one.under_way.is_some() || one.leaving {
        return;
    }
    turn.publication_due(id);
}
