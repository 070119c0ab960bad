//! Intervals and refreshers: what is asked for, what a request says, what is agreed to (RFC 4028 sections 4 to 9).

use std::time::Duration;

use crate::config::Config;
use crate::header::{MinSe, Refresher, Require, SessionExpires, Supported};
use crate::message::{HeaderId, Headers, Lines, Request, StatusCode, Writer};
use crate::reply::Reply;
use crate::uas::TIMER;

/// The least that Session-Expires and Min-SE may say, in seconds (RFC 4028 sections 4 and 5).
const LOWEST: u32 = 90;

/// What is wanted of session timers. It counts where [`crate::Config::supported`] has `timer` ([`crate::uas::TIMER`]); elsewhere they are neither
/// said to be understood nor followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    /// The session interval that is asked for, and the most that is agreed to; 1800 s as RFC 4028 section 4 recommends. `None`: none is asked
    /// for, and what the other side asks for is agreed to.
    pub interval: Option<Duration>,
    /// The least that is agreed to: 90 s, and by RFC 4028 section 5 no less. Where it is less, for a test, the Min-SE of a 422 still says 90.
    pub least: Duration,
    /// A session whose other side knows nothing of session timers has one as well; then we refresh (RFC 4028 sections 7.2 and 9).
    pub alone: bool,
}

impl Default for SessionTimer {
    fn default() -> Self {
        let (interval, least) = (Some(Duration::from_secs(1_800)), Duration::from_secs(LOWEST.into()));
        Self { interval, least, alone: false }
    }
}

impl SessionTimer {
    pub(super) fn least(&self) -> u32 {
        seconds(self.least).max(1)
    }
    fn wanted(&self) -> Option<u32> {
        self.interval.map(|interval| seconds(interval).max(self.least()))
    }
    /// What a Min-SE of ours says of it: nothing of what holds without one (RFC 4028 section 5).
    fn told(&self) -> u32 {
        if self.least() > LOWEST { self.least() } else { 0 }
    }
}

fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

/// What an INVITE or UPDATE of ours says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Session-Expires; 0: none.
    pub(super) seconds: u32,
    pub(super) refresher: Option<Refresher>,
    /// Min-SE; 0: none.
    pub(super) least: u32,
}

impl Asked {
    /// It is about a session that stands and ends unless it is refreshed.
    pub(crate) fn renews(&self) -> bool {
        self.refresher.is_some()
    }

    /// Its header lines.
    pub(crate) fn write(&self, writer: &mut Writer) {
        if self.seconds > 0 {
            let who = match self.refresher {
                Some(Refresher::Uac) => ";refresher=uac",
                Some(Refresher::Uas) => ";refresher=uas",
                None => "",
            };
            writer.line(HeaderId::SessionExpires, format_args!("{}{who}", self.seconds));
        }
        if self.least > 0 {
            writer.line(HeaderId::MinSe, self.least);
        }
    }

    /// After a 422: the same with the Min-SE of the response (RFC 4028 section 7.4). False when that changes nothing, or is missing.
    pub(crate) fn raise(&mut self, response: &Headers) -> bool {
        let Some(least) = min_se(response).filter(|least| *least > self.least) else { return false };
        if self.seconds >= least {
            return false;
        }
        self.least = least;
        if self.seconds > 0 {
            self.seconds = least;
        }
        true
    }
}

/// Who refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Us,
    /// We do, for ourselves: nobody else knows of an end.
    UsAlone,
    Peer,
}

/// What a request says.
pub(super) struct Wish {
    /// Its sender knows session timers.
    pub(super) supported: bool,
    pub(super) seconds: Option<u32>,
    pub(super) refresher: Option<Refresher>,
    pub(super) least: u32,
}

impl Wish {
    pub(super) fn of(headers: &Headers) -> Self {
        let is = |tag: &str| tag.eq_ignore_ascii_case(TIMER);
        let has = |id| headers.has(id);
        let supported = has(HeaderId::Supported) && headers.list::<Supported<'_>>().flatten().any(|tag| is(tag.0))
            || has(HeaderId::Require) && headers.list::<Require<'_>>().flatten().any(|tag| is(tag.0));
        let expires = expires(headers);
        Self {
            supported,
            seconds: expires.map(|expires| expires.seconds),
            refresher: expires.and_then(|expires| expires.refresher()),
            least: min_se(headers).unwrap_or(0),
        }
    }
}

/// One that cannot be read counts as none.
pub(super) fn expires(headers: &Headers) -> Option<SessionExpires<'_>> {
    if !headers.has(HeaderId::SessionExpires) {
        return None;
    }
    headers.get::<SessionExpires<'_>>()?.ok()
}

pub(super) fn min_se(headers: &Headers) -> Option<u32> {
    if !headers.has(HeaderId::MinSe) {
        return None;
    }
    Some(headers.get::<MinSe<'_>>()?.ok()?.seconds)
}

/// What an INVITE outside a dialog says (RFC 4028 section 7.1).
pub(super) fn of_first(config: &Config) -> Option<Asked> {
    let timer = &config.session.timer;
    config.supports(TIMER).then(|| Asked { seconds: timer.wanted().unwrap_or(0), refresher: None, least: timer.told() })
}

/// An INVITE or UPDATE of the peer: 422 when its interval is too small (RFC 4028 section 9). Who does not know session timers gets none.
pub(in crate::invite) fn refusal(config: &Config, request: &Request) -> Option<Reply> {
    let headers = request.headers();
    if !headers.has(HeaderId::SessionExpires) || !config.supports(TIMER) {
        return None;
    }
    let wish = Wish::of(headers);
    let least = config.session.timer.least().max(wish.least);
    if !wish.supported || wish.seconds.is_none_or(|seconds| seconds >= least) {
        return None;
    }
    let mut lines = Lines::new();
    lines.push_id(HeaderId::MinSe, least.max(LOWEST));
    Some(Reply::new(StatusCode::SESSION_INTERVAL_TOO_SMALL).lines(lines))
}

/// Interval and refresher that we answer with (RFC 4028 section 9 and its table 2).
pub(super) fn agree(timer: &SessionTimer, wish: &Wish, now: Option<(u32, Who)>) -> Option<(u32, Who)> {
    let least = timer.least().max(wish.least);
    let Some(asked) = wish.seconds else {
        let wanted = timer.wanted().filter(|_| wish.supported || timer.alone)?.max(least);
        return Some(match (wish.supported, now) {
            (false, _) => (wanted, Who::UsAlone),
            (true, None) => (wanted, Who::Peer),
            (true, Some((seconds, Who::Peer))) => (seconds.max(least), Who::Peer),
            (true, Some((seconds, _))) => (seconds.max(least), Who::Us),
        });
    };
    if asked < least {
        return None;
    }
    let seconds = asked.min(timer.wanted().unwrap_or(asked)).max(least);
    let who = match (wish.supported, wish.refresher) {
        (false, _) | (true, Some(Refresher::Uas)) => Who::Us,
        (true, Some(Refresher::Uac) | None) => Who::Peer,
    };
    Some((seconds, who))
}
