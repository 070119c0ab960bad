//! NOTIFYs of ours (RFC 6665 section 4.2.2): one under way to each watcher, the newest state next.

use std::time::Duration;

use super::ending;
use super::watcher::{Watcher, WatcherEnd, WatcherEvent};
use crate::draft::Draft;
use crate::event::Failure;
use crate::header::RetryAfter;
use crate::id::WatcherId;
use crate::invite::making;
use crate::message::{Body, HeaderId, Method, Response};
use crate::planted::{Bug, planted};
use crate::stack::{StackError, Timer};
use crate::turn::{Owner, Turn};
use crate::wheel::TimerId;

/// The longest Retry-After that is believed, in seconds.
const LONGEST: u32 = 3_600;
/// When a NOTIFY is tried again that its next hop wanted left out.
const LEFT_OUT: Duration = Duration::from_secs(1);

impl Turn<'_> {
    /// Sends what waits, if it may leave now.
    pub(super) fn watcher_pump(&mut self, id: WatcherId) {
        let now = self.now.mono;
        let Some(one) = self.stack.watchers.get_mut(id) else { return };
        let early = now < one.not_before && !one.urgent;
        if one.under_way.is_none()
            && !early
            && let Some(body) = one.waiting.take()
        {
            one.urgent = false;
            one.not_before = now + one.terms.interval;
            one.attempt = one.attempt.wrapping_add(1);
            one.under_way = Some(body.clone());
            let (attempt, draft) = (one.attempt, draft(one, body, now));
            let sent = draft.and_then(|draft| self.request(draft, Owner::Watcher(id, attempt)));
            if let Err(why) = sent {
                return self.watcher_lost(id, WatcherEnd::Unreachable(Failure::NoRoute(why.to_string())));
            }
        }
        self.watcher_arm(id);
    }

    /// It is gone without a further word.
    fn watcher_lost(&mut self, id: WatcherId, why: WatcherEnd) {
        let Some(gone) = self.stack.watchers.remove(id) else { return };
        self.stop(gone.timer);
        if gone.ending.is_none() {
            self.watcher_tell(id, WatcherEvent::Ended { why });
        }
        self.watcher_tell(id, WatcherEvent::Gone);
    }

    pub(super) fn watcher_arm(&mut self, id: WatcherId) {
        let Some(one) = self.stack.watchers.get_mut(id) else { return };
        let held = one.waiting.is_some() && one.under_way.is_none();
        // One that ends has no other end to wait for.
        let end = one.ending.is_none().then_some(one.ends_at).filter(|_| !planted(Bug::WatcherStays));
        let at = end.into_iter().chain(held.then_some(one.not_before)).min();
        let before = std::mem::replace(&mut one.timer, TimerId::NONE);
        self.stop(before);
        let Some(at) = at else { return };
        let timer = self.start(at, Timer::Watcher(id));
        if let Some(one) = self.stack.watchers.get_mut(id) {
            one.timer = timer;
        }
    }

    fn watcher_answered(&mut self, id: WatcherId, response: &Response) {
        let now = self.now.mono;
        let Some(one) = self.stack.watchers.get_mut(id) else { return };
        one.dialog.follow_cseq(response.headers().cseq().number);
        let code = response.code();
        let sent = one.under_way.take();
        let last = one.ending.is_some() && one.waiting.is_none();
        let told = response.headers().get::<RetryAfter<'_>>().and_then(Result::ok).map(|told| told.seconds);
        let later = told.filter(|_| !code.is_success());
        // Who is to hear nothing but the end, and not now, is not waited for.
        if last || ending::ends(code.get()) || (one.ending.is_some() && later.is_some()) {
            return self.watcher_lost(id, WatcherEnd::Refused(code));
        }
        if let Some(secs) = later {
            one.not_before = now + Duration::from_secs(secs.clamp(1, LONGEST).into());
            one.urgent = false;
            if one.waiting.is_none() {
                one.waiting = sent;
            }
        }
        self.watcher_pump(id);
    }

    /// What was not sent since its next hop has asked for less (RFC 7339 section 5.10) is tried again, or what is newer.
    fn watcher_left_out(&mut self, id: WatcherId) {
        let now = self.now.mono;
        let Some(one) = self.stack.watchers.get_mut(id) else { return };
        let left_out = one.under_way.take();
        (one.not_before, one.urgent) = (now + LEFT_OUT, false);
        if one.waiting.is_none() {
            one.waiting = left_out;
        }
        self.watcher_pump(id);
    }
}

/// A NOTIFY within the dialog.
fn draft(one: &mut Watcher, body: Option<Body>, now: crate::time::Time) -> Result<Draft, StackError> {
    let cseq = one.dialog.next_cseq().map_err(|_| StackError::State("CSeq numbers that are not used up"))?;
    let mut draft = making::within(&one.dialog, Method::Notify, Some(cseq))?;
    draft.lines.push_id(HeaderId::Event, &one.event);
    let left = one.ends_at.since(now).as_secs();
    match one.ending {
        Some((reason, None)) => {
            draft.lines.push_id(HeaderId::SubscriptionState, format_args!("terminated;reason={}", reason.as_str()));
        }
        Some((reason, Some(secs))) => {
            let reason = reason.as_str();
            draft
                .lines
                .push_id(HeaderId::SubscriptionState, format_args!("terminated;reason={reason};retry-after={secs}"));
        }
        None => {
            let state = if one.pending { "pending" } else { "active" };
            draft.lines.push_id(HeaderId::SubscriptionState, format_args!("{state};expires={left}"));
        }
    }
    draft.body = body;
    Ok(draft)
}

/// The final response to a NOTIFY of ours.
pub(crate) fn on_notify_response(turn: &mut Turn<'_>, id: WatcherId, attempt: u16, response: &Response) {
    let current = turn.stack.watchers.get(id).is_some_and(|one| one.attempt == attempt);
    if current && response.code().is_final() {
        turn.watcher_answered(id, response);
    }
}

/// No response to a NOTIFY of ours (section 4.2.2). One that was left out ends nothing, unless it was the last.
pub(crate) fn on_notify_failure(turn: &mut Turn<'_>, id: WatcherId, attempt: u16, why: Failure) {
    match turn.stack.watchers.get(id) {
        Some(one) if one.attempt != attempt => {}
        Some(one) if why == Failure::Overloaded && one.ending.is_none() => turn.watcher_left_out(id),
        _ => turn.watcher_lost(id, WatcherEnd::Unreachable(why)),
    }
}

/// It expires, or what was held back leaves.
pub(crate) fn on_watcher_timer(turn: &mut Turn<'_>, id: WatcherId) {
    let now = turn.now.mono;
    let Some(one) = turn.stack.watchers.get_mut(id) else { return };
    one.timer = TimerId::NONE;
    if one.ending.is_none() && one.ends_at <= now {
        turn.watcher_ends(id, WatcherEnd::Expired);
    } else {
        turn.watcher_pump(id);
    }
}
