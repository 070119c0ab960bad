//! How long a session lasts without a refresh: RFC 4028, as user agent on either side.
//!
//! Every INVITE and UPDATE of either side that is answered 2xx counts as a refresh, whatever it is for. Of what is agreed remains a box that
//! only sessions with an end have, and one timer. Where it is on us, the stack refreshes by itself with an UPDATE that carries nothing, or asks
//! the application for a re-INVITE, whose description it does not know ([`SessionEvent::RefreshDue`]).
//!
//! # Decisions
//!
//! * Who may choose lets the caller refresh: it is mostly the device, whose address translator wants to see it anyway.
//! * A request whose sender does not know session timers, and whose Session-Expires is less than we take, is answered as if it had none: 422
//!   would tell its sender nothing, and RFC 4028 section 9 lets nobody raise it.
//! * A 2xx with less than we take counts as that least: nobody makes us refresh faster (section 11.1). Where we refresh, one with more than we asked
//!   for counts as what we asked for, or as two days.
//! * An UPDATE in an early dialog neither asks for an interval nor agrees to one: the 2xx to the INVITE does.

mod interval;

use std::time::Duration;

use super::ending::{self, Final};
use super::event::{Refusal, SessionEvent};
use super::session::{Exchange, Session, State, Update};
use super::{Kind, in_dialog, modify};
use crate::config::Config;
use crate::event::Failure;
use crate::header::{Refresher, RetryAfter};
use crate::id::{ServerTx, SessionId};
use crate::message::{HeaderId, Headers, Lines, Method, Request, StatusCode};
use crate::planted::{Bug, planted};
use crate::reply::Reply;
use crate::time::Time;
use crate::turn::Turn;
use crate::uas::TIMER;
use crate::wheel::TimerId;
pub(crate) use interval::Asked;
pub use interval::SessionTimer;
pub(super) use interval::refusal;
use interval::{Who, Wish, agree, expires, min_se, of_first};

/// The largest interval that is on us to refresh where we have asked for none: two days.
const LONGEST: u32 = 2 * 86_400;

/// How long a session lasts without a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// The session interval.
    pub interval: Duration,
    /// We refresh.
    pub by_us: bool,
    /// When it ends if nobody does.
    pub expires: Time,
}

/// What is agreed in a dialog (RFC 4028 section 7.2).
#[derive(Debug)]
pub(super) struct Lifetime {
    /// The session interval; 0: the session has no end.
    seconds: u32,
    who: Who,
    /// The largest Min-SE that came in the dialog; 0: none did.
    least: u32,
    expires: Time,
    timer: Option<TimerId>,
    refresh: Refresh,
}

/// How far our refresh has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refresh {
    /// Its time has not come.
    Resting,
    /// It is under way, or will be tried again; with the code of the last refusal.
    Trying(Option<StatusCode>),
    /// Refused twice in the same way: the session will end (RFC 4028 section 10).
    GivenUp,
}

impl Lifetime {
    pub(super) fn timer(&self) -> Option<TimerId> {
        self.timer
    }

    fn lasting(&self) -> Lasting {
        let interval = Duration::from_secs(self.seconds.into());
        Lasting { interval, by_us: self.who != Who::Peer, expires: self.expires }
    }

    /// When the session ends for us: as the side that does not refresh before the others think so (RFC 4028 section 10).
    fn end(&self) -> Time {
        let early = match self.who {
            Who::Peer => 32_000.min(u64::from(self.seconds) * 1_000 / 3),
            Who::Us | Who::UsAlone => 0,
        };
        Time(self.expires.0.saturating_sub(early * 1_000))
    }
}

/// What is agreed, on its way to another shard: times are spans.
#[derive(Debug)]
pub(super) struct Packed {
    seconds: u32,
    who: Who,
    least: u32,
    left: Duration,
    next: Option<Duration>,
}

impl Lifetime {
    /// No refresh of ours is under way.
    pub(super) fn is_at_rest(&self) -> bool {
        self.refresh == Refresh::Resting
    }

    pub(super) fn pack(&self, now: Time) -> Packed {
        // A refresh of ours is due after half the interval.
        let due = match self.who {
            Who::Peer => self.end(),
            Who::Us | Who::UsAlone => self.expires - Duration::from_millis(u64::from(self.seconds) * 500),
        };
        let next = (self.seconds > 0).then(|| due.since(now));
        Packed { seconds: self.seconds, who: self.who, least: self.least, left: self.expires.since(now), next }
    }
}

/// A session that was taken in lasts as it was agreed.
pub(super) fn unpack(turn: &mut Turn<'_>, s: SessionId, packed: Packed) {
    let now = turn.now.mono;
    let Some(session) = super::get_mut(turn, s) else { return };
    let Packed { seconds, who, least, left, next } = packed;
    let lifetime = Lifetime { seconds, who, least, expires: now + left, timer: None, refresh: Refresh::Resting };
    session.lifetime = Some(Box::new(lifetime));
    if let Some(next) = next {
        wait(turn, s, next);
    }
}

impl Turn<'_> {
    /// How long the session lasts without a refresh (RFC 4028); `None` when it has no end.
    pub fn session_timer(&self, s: SessionId) -> Option<Lasting> {
        let session = super::get(self, s).filter(|session| !matches!(session.state, State::Leaving(_)))?;
        let lifetime = session.lifetime.as_ref().filter(|lifetime| lifetime.seconds > 0)?;
        Some(lifetime.lasting())
    }
}

/// What an INVITE or UPDATE of ours is to say.
pub(crate) fn asked(turn: &Turn<'_>, s: SessionId, method: &Method) -> Option<Asked> {
    let config = &turn.stack.config;
    match (&super::get(turn, s)?.state, method) {
        (State::Calling(_), Method::Invite) => of_first(config),
        (State::Standing, Method::Invite | Method::Update) => of_next(config, super::get(turn, s)?),
        _ => None,
    }
}

/// What one in a dialog says (RFC 4028 section 7.4).
fn of_next(config: &Config, session: &Session) -> Option<Asked> {
    let first = of_first(config)?;
    let Some(lifetime) = session.lifetime.as_ref() else { return Some(first) };
    let least = first.least.max(lifetime.least);
    if lifetime.seconds == 0 {
        let seconds = if first.seconds == 0 { 0 } else { first.seconds.max(least) };
        return Some(Asked { seconds, refresher: None, least });
    }
    let refresher = if lifetime.who == Who::Peer { Refresher::Uas } else { Refresher::Uac };
    Some(Asked { seconds: lifetime.seconds.max(least), refresher: Some(refresher), least })
}

/// An INVITE or UPDATE of the peer in the dialog: its Min-SE counts, whatever becomes of it (RFC 4028 section 7.4).
pub(super) fn heard(turn: &mut Turn<'_>, s: SessionId, request: &Request) {
    if let Some(least) = min_se(request.headers()).filter(|_| turn.stack.config.supports(TIMER)) {
        learn(turn, s, least);
    }
}

/// The final response to one of ours in the dialog: so does what a 422 has made of it. What was learned before there was a dialog is
/// forgotten with it.
pub(super) fn tried(turn: &mut Turn<'_>, s: SessionId, asked: Option<Asked>) {
    if let Some(asked) = asked.filter(|asked| asked.least > 0) {
        learn(turn, s, asked.least);
    }
}

fn learn(turn: &mut Turn<'_>, s: SessionId, least: u32) {
    let Some(session) = super::get_mut(turn, s) else { return };
    let lifetime = session.lifetime.get_or_insert_with(|| Box::new(Lifetime::endless(0)));
    lifetime.least = lifetime.least.max(least);
}

impl Lifetime {
    fn endless(least: u32) -> Self {
        let (who, refresh) = (Who::Peer, Refresh::Resting);
        Self { seconds: 0, who, least, expires: Time(0), timer: None, refresh }
    }
}

/// Our 2xx to an INVITE or UPDATE is about to leave.
pub(crate) fn answer(turn: &mut Turn<'_>, s: SessionId, tx: ServerTx, reply: &mut Reply) {
    let Some(request) = turn.request_of(tx) else { return };
    let update = *request.method() == Method::Update;
    if !(update || *request.method() == Method::Invite) || !turn.stack.config.supports(TIMER) {
        return;
    }
    let wish = Wish::of(request.headers());
    let Some(session) = super::get(turn, s) else { return };
    let due = matches!(session.state, State::Standing) || matches!(session.state, State::Ringing(_)) && !update;
    if !due || reply.lines.has(HeaderId::SessionExpires) {
        return;
    }
    let least = session.lifetime.as_ref().map_or(0, |lifetime| lifetime.least).max(wish.least);
    let now = session.lifetime.as_ref().filter(|now| now.seconds > 0).map(|now| (now.seconds, now.who));
    let agreed = agree(&turn.stack.config.session.timer, &wish, now);
    if let Some((seconds, who)) = agreed {
        let refresher = if who == Who::Peer { "uac" } else { "uas" };
        reply.lines.push_id(HeaderId::SessionExpires, format_args!("{seconds};refresher={refresher}"));
        if wish.supported {
            reply.lines.push_id(HeaderId::Require, TIMER);
        }
    }
    begin(turn, s, agreed, least, News::Told);
}

/// A 2xx to an INVITE or UPDATE of ours has come (RFC 4028 section 7.2).
pub(super) fn answered(turn: &mut Turn<'_>, s: SessionId, asked: Option<Asked>, headers: &Headers) {
    let Some(asked) = asked else { return };
    let timer = turn.stack.config.session.timer;
    let agreed = match expires(headers) {
        // Whoever refreshes is always said; who is not, had better be us.
        Some(expires) if expires.refresher() == Some(Refresher::Uas) => {
            Some((expires.seconds.max(timer.least()), Who::Peer))
        }
        Some(expires) => {
            let most = if asked.seconds > 0 { asked.seconds } else { LONGEST };
            Some((expires.seconds.min(most).max(timer.least()), Who::Us))
        }
        None if timer.alone && asked.seconds > 0 => Some((asked.seconds, Who::UsAlone)),
        None => None,
    };
    let least = super::get(turn, s).and_then(|session| session.lifetime.as_ref()).map_or(0, |lifetime| lifetime.least);
    begin(turn, s, agreed, least, News::Told);
}

/// Whether the application hears that a session was refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Told,
    /// The peer has refused, which shows that it lives, and no more.
    Kept,
}

/// The session lasts from now on as agreed.
fn begin(turn: &mut Turn<'_>, s: SessionId, agreed: Option<(u32, Who)>, least: u32, news: News) {
    let now = turn.now.mono;
    let Some(session) = super::get_mut(turn, s) else { return };
    let old = session.lifetime.take();
    let again = old.as_ref().is_some_and(|old| old.seconds > 0);
    let mut lifetime = Lifetime::endless(least);
    if let Some((seconds, who)) = agreed {
        let expires = now + Duration::from_secs(seconds.into());
        (lifetime.seconds, lifetime.who, lifetime.expires) = (seconds, who, expires);
    }
    if lifetime.seconds > 0 || least > 0 {
        session.lifetime = Some(Box::new(lifetime));
    }
    if let Some(timer) = old.and_then(|old| old.timer) {
        turn.stop(timer);
    }
    let Some((seconds, who)) = agreed else { return };
    match who {
        Who::Us | Who::UsAlone if planted(Bug::NoRefresh) => wait_until_end(turn, s),
        Who::Us | Who::UsAlone => wait(turn, s, Duration::from_millis(u64::from(seconds) * 500)),
        Who::Peer => wait_until_end(turn, s),
    }
    if again
        && news == News::Told
        && let Some(lasting) = turn.session_timer(s)
    {
        super::emit(turn, s, SessionEvent::Refreshed { lasting });
    }
}

/// Sets the timer, never behind the end.
fn wait(turn: &mut Turn<'_>, s: SessionId, span: Duration) {
    let at = turn.now.mono + span;
    wait_until(turn, s, |lifetime| lifetime.end().min(at));
}

fn wait_until_end(turn: &mut Turn<'_>, s: SessionId) {
    wait_until(turn, s, Lifetime::end);
}

fn wait_until(turn: &mut Turn<'_>, s: SessionId, at: impl FnOnce(&Lifetime) -> Time) {
    let Some(lifetime) = super::get_mut(turn, s).and_then(|session| session.lifetime.as_mut()) else { return };
    let (old, at) = (lifetime.timer.take(), at(lifetime));
    if let Some(old) = old {
        turn.stop(old);
    }
    let timer = super::start_at(turn, s, Kind::Lifetime, at);
    if let Some(lifetime) = super::get_mut(turn, s).and_then(|session| session.lifetime.as_mut()) {
        lifetime.timer = Some(timer);
    }
}

/// A refresh is due, or the session is at its end.
pub(super) fn on_timer(turn: &mut Turn<'_>, s: SessionId) {
    let (now, patience) = (turn.now.mono, turn.stack.config.timers.t1_64());
    let Some(session) = super::get_mut(turn, s) else { return };
    let unanswered = is_asked(session) || asks(session);
    let Some(lifetime) = session.lifetime.as_mut() else { return };
    lifetime.timer = None;
    if !matches!(session.state, State::Standing) || lifetime.seconds == 0 {
        return;
    }
    let last = lifetime.expires + patience;
    if now < lifetime.end() {
        return refresh(turn, s);
    }
    // Their refresh has come in time, or a change of ours has left in time; the answer may still come.
    if lifetime.who == Who::Peer && unanswered && now < last {
        return wait_until(turn, s, |_| last);
    }
    if planted(Bug::NoExpiry) {
        return;
    }
    let mut lines = Lines::new();
    lines.push_id(HeaderId::Reason, "SIP;cause=408;text=\"Session not refreshed\"");
    ending::leave(turn, s, lines, Final::Error(Refusal::Failure(Failure::NotRefreshed)));
}

/// A change of ours waits for their answer: a 2xx refreshes the session like any.
fn asks(session: &Session) -> bool {
    let update = |work: &super::session::Work| work.asked.iter().any(|asked| asked.method == Method::Update);
    matches!(session.exchange, Exchange::Sent(_)) || session.work.as_deref().is_some_and(update)
}

/// An INVITE or UPDATE of theirs waits for our answer.
fn is_asked(session: &Session) -> bool {
    let update = |work: &super::session::Work| work.heard.iter().any(|heard| heard.method == Method::Update);
    matches!(session.exchange, Exchange::Received { .. }) || session.work.as_deref().is_some_and(update)
}

/// Our refresh (RFC 4028 sections 7.4 and 10): with UPDATE where the peer is known to take it. When something is in the way, or the
/// application does not get round to it, a little later.
fn refresh(turn: &mut Turn<'_>, s: SessionId) {
    let Some(session) = super::get_mut(turn, s) else { return };
    let under_way = session.work.as_deref().is_some_and(|work| !work.glare.is_empty());
    let busy = under_way || asks(session) || is_asked(session) || !matches!(session.exchange, Exchange::Idle);
    let by_update = session.update == Update::Allowed;
    let Some(lifetime) = session.lifetime.as_mut() else { return };
    if lifetime.refresh == Refresh::GivenUp {
        return wait_until_end(turn, s);
    }
    if !busy {
        if lifetime.refresh == Refresh::Resting {
            lifetime.refresh = Refresh::Trying(None);
        }
        match by_update {
            true if in_dialog::refresh(turn, s).is_ok() => return wait_until_end(turn, s),
            true => {}
            false => super::emit(turn, s, SessionEvent::RefreshDue),
        }
    }
    let span = turn.stack.config.timers.t2;
    wait(turn, s, span);
}

/// A re-INVITE of ours or the stack's own UPDATE was refused and the session goes on (RFC 4028 section 10). Twice the same code, and
/// no more is tried; a peer that knows nothing of all this lives, whatever it answers.
pub(super) fn refused(turn: &mut Turn<'_>, s: SessionId, refusal: &Refusal) {
    let (now, soonest) = (turn.now.mono, turn.stack.config.timers.t2);
    let Some(session) = super::get_mut(turn, s) else { return };
    let standing = matches!(session.state, State::Standing);
    let Some(lifetime) = session.lifetime.as_mut().filter(|_| standing) else { return };
    let Refresh::Trying(last) = lifetime.refresh else { return };
    let (seconds, who, least) = (lifetime.seconds, lifetime.who, lifetime.least);
    if let (Who::UsAlone, Refusal::Response(_)) = (who, refusal) {
        return begin(turn, s, Some((seconds, who)), least, News::Kept);
    }
    let code = refusal.code();
    let half = lifetime.expires.since(now) / 2;
    let crossed = code == StatusCode::REQUEST_PENDING;
    lifetime.refresh = if last == Some(code) && !crossed { Refresh::GivenUp } else { Refresh::Trying(Some(code)) };
    let refused = matches!(code, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED);
    if refused && session.update == Update::Allowed {
        session.update = Update::Refused;
        return wait(turn, s, Duration::ZERO);
    }
    let span = match refusal {
        _ if crossed && last != Some(code) => modify::pause(turn, s),
        // Who says "at once" each time is not asked without a pause.
        Refusal::Response(response) => {
            retry_after(response.headers()).map_or(half, |after| after.min(half)).max(soonest)
        }
        Refusal::Failure(_) => half,
    };
    wait(turn, s, span);
}

fn retry_after(headers: &Headers) -> Option<Duration> {
    let after = headers.get::<RetryAfter<'_>>()?.ok()?;
    Some(Duration::from_secs(after.seconds.into()))
}
