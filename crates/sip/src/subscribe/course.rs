//! The course of a subscription of ours: SUBSCRIBEs out, what becomes of them, and what comes next.

use std::time::Duration;

use super::ending::{self, Next};
use super::table::{Due, Purpose};
use super::{SubscribeFailure, SubscriptionEvent};
use crate::draft::Draft;
use crate::event::{Event, Failure};
use crate::header::{Expires, MinExpires};
use crate::id::{ClientTx, SubscriptionId};
use crate::invite::making;
use crate::message::{Method, Response, StatusCode};
use crate::stack::{StackError, Timer};
use crate::turn::{Owner, Turn};
use crate::wheel::TimerId;

/// RFC 5839: nothing has changed, and no NOTIFY follows.
const NO_NOTIFICATION: StatusCode = StatusCode::NO_NOTIFICATION;

impl Turn<'_> {
    /// A new subscription: Call-ID and tag are fresh (RFC 6665 section 4.1.2.2).
    pub(super) fn subscription_begin(&mut self, id: SubscriptionId) {
        self.stack.subscriptions.unbind(id);
        let call_id = self.call_id();
        let tag = self.stack.rng.token().as_str().to_owned();
        let cseq = 1 + self.stack.rng.below(1 << 16) as u32;
        let until = self.now.mono + self.stack.config.timers.t1_64();
        self.stack.subscriptions.begun(id, &tag);
        let Some(one) = self.stack.subscriptions.get_mut(id) else { return };
        (one.call_id, one.tag, one.cseq) = (call_id, tag, cseq);
        (one.due, one.forks, one.forks_until) = (Due::default(), 0, until);
        self.subscription_send(id, Purpose::Begin);
    }

    /// Sends, or waits until it may: one SUBSCRIBE is under way at a time, and none within a dialog before the NOTIFY that makes it.
    pub(super) fn subscription_next(&mut self, id: SubscriptionId, purpose: Purpose) {
        let Some(one) = self.stack.subscriptions.get_mut(id) else { return };
        one.leaving |= purpose == Purpose::End;
        if one.under_way.is_some() || one.dialog.is_none() {
            if one.next != Some(Purpose::End) {
                one.next = Some(purpose);
            }
        } else if !(one.leaving && purpose != Purpose::End) {
            self.subscription_send(id, purpose);
        }
    }

    fn subscription_send(&mut self, id: SubscriptionId, purpose: Purpose) {
        let now = self.now.mono;
        let timer_n = now + self.stack.config.timers.t1_64();
        let Some(one) = self.stack.subscriptions.get_mut(id) else { return };
        one.attempt = one.attempt.wrapping_add(1);
        one.under_way = Some(purpose);
        (one.due.notify, one.due.refresh, one.due.again) = (Some(timer_n), None, None);
        let attempt = one.attempt;
        self.subscription_arm(id);
        let sent = self.subscription_draft(id, purpose);
        let sent = sent.and_then(|draft| self.request(draft, Owner::Subscription(id, attempt)));
        if let Err(why) = sent {
            self.subscription_unsent(id, attempt, SubscribeFailure::NotSent(why), None);
        }
    }

    fn subscription_draft(&mut self, id: SubscriptionId, purpose: Purpose) -> Result<Draft, StackError> {
        let one = self.stack.subscriptions.get_mut(id).ok_or(StackError::Gone)?;
        let spec = &one.spec;
        let mut draft = match &one.dialog {
            Some(dialog) => making::within(dialog, Method::Subscribe, Some(one.cseq))?,
            None => {
                let mut draft = Draft::new(Method::Subscribe, spec.resource.clone());
                draft.from = format!("{};tag={}", spec.from, one.tag);
                draft.to = format!("<{}>", spec.resource);
                draft.call_id = one.call_id.clone();
                draft.cseq = one.cseq;
                draft.routes = spec.routes.clone();
                draft.hop = spec.hop.clone();
                draft
            }
        };
        draft.contact = spec.contact.clone();
        draft.credentials = spec.credentials.clone();
        draft.auth = one.auth.take();
        spec.fill(&mut draft, if purpose == Purpose::End { 0 } else { one.ask });
        Ok(draft)
    }

    /// The SUBSCRIBE under way has come to nothing; `used` is its last CSeq number, if one was sent.
    fn subscription_unsent(&mut self, id: SubscriptionId, attempt: u16, why: SubscribeFailure, used: Option<u32>) {
        let Some(one) = self.stack.subscriptions.get_mut(id).filter(|one| one.attempt == attempt) else { return };
        one.cseq = used.map_or(one.cseq, |used| used.saturating_add(1));
        let Some(purpose) = one.under_way.take() else { return };
        one.due.notify = None;
        let passing =
            matches!(why, SubscribeFailure::NotSent(StackError::Full { .. }) | SubscribeFailure::Unreachable(_));
        let next = if passing { Next::ByPolicy } else { Next::Never };
        match purpose {
            Purpose::End => self.subscription_over(id, None),
            Purpose::Begin => self.subscription_failed(id, why, next),
            // Timer N has fired as well (RFC 6665 section 4.1.2.2).
            Purpose::Refresh if why == SubscribeFailure::Unreachable(Failure::Timeout) => {
                self.subscription_failed(id, why, Next::Now);
            }
            Purpose::Refresh => self.subscription_not_refreshed(id, why),
        }
    }

    fn subscription_answered(&mut self, id: SubscriptionId, tx: ClientTx, response: &Response) {
        let (now, auth) = (self.now.mono, self.take_auth(tx));
        let Some(one) = self.stack.subscriptions.get_mut(id) else { return };
        let used = response.headers().cseq().number;
        let signed = used > one.cseq;
        (one.auth, one.cseq) = (auth, used.saturating_add(1));
        let Some(purpose) = one.under_way.take() else { return };
        let code = response.code();
        if !code.is_success() {
            one.due.notify = None;
            return self.subscription_refused(id, purpose, response, signed);
        }
        let asked = if purpose == Purpose::End { 0 } else { one.ask };
        let told = response.headers().get::<Expires>().and_then(Result::ok).map_or(asked, |expires| expires.0);
        // It may be shortened, never lengthened (section 4.2.1.1).
        let expires = Duration::from_secs(told.min(asked).into());
        let mut over = false;
        if code == NO_NOTIFICATION {
            one.due.notify = None;
            over = one.is_fetch() || purpose == Purpose::End;
        }
        if purpose == Purpose::Refresh {
            (one.failures, one.too_brief) = (0, false);
        }
        // A NOTIFY that came before has said the same, and a later one knows better.
        if !expires.is_zero() {
            one.due.end = Some(now + expires);
            one.due.refresh = one.spec.refresh.after(expires).map(|after| now + after);
        }
        if purpose != Purpose::End {
            self.subscription_tell(id, SubscriptionEvent::Accepted { code, expires });
        }
        if over {
            return self.subscription_over(id, None);
        }
        self.subscription_go_on(id);
    }

    /// Does what waits, once the dialog is there; otherwise the timer runs.
    pub(super) fn subscription_go_on(&mut self, id: SubscriptionId) {
        let Some(one) = self.stack.subscriptions.get_mut(id) else { return };
        if one.under_way.is_none()
            && one.dialog.is_some()
            && let Some(next) = one.next.take()
        {
            return self.subscription_send(id, next);
        }
        self.subscription_arm(id);
    }

    fn subscription_refused(&mut self, id: SubscriptionId, purpose: Purpose, response: &Response, signed: bool) {
        let Some(one) = self.stack.subscriptions.get_mut(id) else { return };
        let code = response.code();
        let least = response.headers().get::<MinExpires>().and_then(Result::ok).map(|least| least.0);
        if code == StatusCode::INTERVAL_TOO_BRIEF
            && !one.too_brief
            && purpose != Purpose::End
            && let Some(least) = least.filter(|least| *least > one.ask && *least <= one.spec.max_expires)
        {
            (one.ask, one.too_brief) = (least, true);
            return self.subscription_send(id, purpose);
        }
        let why = SubscribeFailure::Refused { code, reason: response.reason().to_owned(), signed };
        match purpose {
            Purpose::End => self.subscription_over(id, None),
            Purpose::Begin => self.subscription_failed(id, why, ending::of_refusal(response)),
            Purpose::Refresh if ending::ends(code.get()) => {
                self.subscription_failed(id, why, ending::of_refresh(response));
            }
            Purpose::Refresh => self.subscription_not_refreshed(id, why),
        }
    }

    /// A refresh has failed for a passing reason: the subscription stands until it expires (RFC 6665 section 4.1.2.2), and is tried again before.
    fn subscription_not_refreshed(&mut self, id: SubscriptionId, why: SubscribeFailure) {
        let now = self.now.mono;
        let Some(one) = self.stack.subscriptions.get_mut(id) else { return };
        if one.next.take_if(|next| *next == Purpose::End).is_some() {
            return self.subscription_send(id, Purpose::End);
        }
        one.next = None;
        one.failures = one.failures.saturating_add(1);
        let left = one.due.end.map_or(Duration::ZERO, |end| end.since(now));
        let (retry, failures) = (one.spec.retry, one.failures);
        let wait = retry.longest(failures, false).map(|longest| {
            retry.wait(longest, |low, high| self.stack.rng.between(low, high)).min(left / 2).max(Duration::from_secs(1))
        });
        let wait = wait.filter(|wait| *wait < left);
        if let Some(one) = self.stack.subscriptions.get_mut(id) {
            one.due.refresh = wait.map(|wait| now + wait);
        }
        // What expires is made again then.
        self.subscription_tell(id, SubscriptionEvent::Failed { why, retry_in: Some(wait.unwrap_or(left)) });
        self.subscription_arm(id);
    }

    /// The subscription is over, or never was: made again, or told for the last time.
    pub(super) fn subscription_failed(&mut self, id: SubscriptionId, why: SubscribeFailure, next: Next) {
        self.stack.subscriptions.unbind(id);
        let now = self.now.mono;
        let Some(one) = self.stack.subscriptions.get_mut(id) else { return };
        if one.leaving {
            return self.subscription_over(id, None);
        }
        (one.under_way, one.next, one.too_brief) = (None, None, false);
        // Answers to what is under way concern nobody any more.
        one.attempt = one.attempt.wrapping_add(1);
        one.failures = one.failures.saturating_add(1);
        one.ask = one.spec.expires;
        let (retry, failures) = (one.spec.retry, one.failures);
        let last = one.is_fork || one.is_fetch();
        let mut by_policy = || {
            let longest = retry.longest(failures, false)?;
            Some(retry.wait(longest, |low, high| self.stack.rng.between(low, high)))
        };
        let wait = match next {
            _ if last => None,
            Next::Never => None,
            // Once: a notifier that ends each subscription at once is not asked again and again.
            Next::Now if failures == 1 => Some(Duration::ZERO),
            Next::Now | Next::ByPolicy => by_policy(),
            // Who may not try again does not, whatever the notifier says.
            Next::After(told) => by_policy().map(|_| told),
        };
        let Some(wait) = wait else { return self.subscription_over(id, Some(why)) };
        if let Some(one) = self.stack.subscriptions.get_mut(id) {
            one.due = Due { again: Some(now + wait), ..Due::default() };
        }
        self.subscription_tell(id, SubscriptionEvent::Failed { why, retry_in: Some(wait) });
        self.subscription_arm(id);
    }

    /// It is gone; `why` where that was not wanted.
    pub(super) fn subscription_over(&mut self, id: SubscriptionId, why: Option<SubscribeFailure>) {
        let Some(gone) = self.stack.subscriptions.remove(id) else { return };
        self.stop(gone.timer);
        let last = match why {
            None => SubscriptionEvent::Ended,
            Some(why) => SubscriptionEvent::Failed { why, retry_in: None },
        };
        self.subscription_tell(id, last);
    }

    pub(super) fn subscription_tell(&mut self, id: SubscriptionId, event: SubscriptionEvent) {
        self.emit(Event::Subscription(id, event));
    }

    pub(super) fn subscription_arm(&mut self, id: SubscriptionId) {
        let Some(one) = self.stack.subscriptions.get_mut(id) else { return };
        let (before, first) = (std::mem::replace(&mut one.timer, TimerId::NONE), one.due.first());
        self.stop(before);
        let Some(at) = first else { return };
        let timer = self.start(at, Timer::Subscription(id));
        if let Some(one) = self.stack.subscriptions.get_mut(id) {
            one.timer = timer;
        }
    }

    fn subscription_time(&mut self, id: SubscriptionId) {
        let now = self.now.mono;
        let Some(one) = self.stack.subscriptions.get_mut(id) else { return };
        one.timer = TimerId::NONE;
        let passed = |at: Option<_>| at.is_some_and(|at| at <= now);
        let due = one.due;
        // Who asked once and was told has what he wanted.
        let over = one.leaving || (one.is_fetch() && one.dialog.is_some());
        if passed(due.again) {
            self.subscription_begin(id);
        } else if passed(due.notify) && over {
            self.subscription_over(id, None);
        } else if passed(due.notify) {
            self.subscription_failed(id, SubscribeFailure::NotNotified, Next::ByPolicy);
        } else if passed(due.end) {
            self.subscription_failed(id, SubscribeFailure::Expired, Next::Now);
        } else if passed(due.refresh) {
            one.due.refresh = None;
            self.subscription_next(id, Purpose::Refresh);
            self.subscription_arm(id);
        } else {
            self.subscription_arm(id);
        }
    }
}

/// A response to a SUBSCRIBE of ours.
pub(crate) fn on_response(turn: &mut Turn<'_>, id: SubscriptionId, attempt: u16, tx: ClientTx, response: &Response) {
    let current = turn.stack.subscriptions.get(id).is_some_and(|one| one.attempt == attempt);
    if current && response.code().is_final() {
        turn.subscription_answered(id, tx, response);
    }
}

/// No response to a SUBSCRIBE of ours.
pub(crate) fn on_failure(turn: &mut Turn<'_>, id: SubscriptionId, attempt: u16, used: Option<u32>, why: Failure) {
    turn.subscription_unsent(id, attempt, SubscribeFailure::Unreachable(why), used);
}

/// Something is due.
pub(crate) fn on_timer(turn: &mut Turn<'_>, id: SubscriptionId) {
    turn.subscription_time(id);
}
