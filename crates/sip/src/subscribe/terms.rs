//! Whether a SUBSCRIBE of a peer is taken, and for how long (RFC 6665 section 4.2.1).

use std::time::Duration;

use crate::header::{Accept, Event, Expires};
use crate::message::{HeaderId, Headers, Lines, Method, Request, StatusCode};
use crate::reply::Reply;

/// On what terms subscriptions are granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Seconds, at least; less is 423, unless it is an hour or more (section 4.2.1.1).
    pub least: u32,
    /// Seconds granted where nothing is asked for: what the package says.
    pub usual: u32,
    /// Seconds, at most; more is shortened to it.
    pub most: u32,
    /// Between two NOTIFYs to a watcher, at least; what happens meanwhile is told together.
    pub interval: Duration,
}

impl Default for Terms {
    /// 60 s to a day, an hour where nothing is asked for; a NOTIFY for each change.
    fn default() -> Self {
        Self { least: 60, usual: 3_600, most: 86_400, interval: Duration::ZERO }
    }
}

impl Terms {
    /// The seconds that a SUBSCRIBE is granted: never more than it asks for.
    ///
    /// # Errors
    /// The refusal: 423 with Min-Expires, 400 for an Expires that cannot be read.
    pub fn granted(&self, headers: &Headers) -> Result<u32, Box<Reply>> {
        let asked = match headers.get::<Expires>() {
            None => self.usual,
            Some(Ok(expires)) => expires.0,
            Some(Err(_)) => return Err(Box::new(Reply::new(StatusCode::BAD_REQUEST).reason("Expires cannot be read"))),
        };
        if asked > 0 && asked < self.least && asked < 3_600 {
            let mut lines = Lines::new();
            lines.push_id(HeaderId::MinExpires, self.least);
            return Err(Box::new(Reply::new(StatusCode::INTERVAL_TOO_BRIEF).lines(lines)));
        }
        Ok(asked.min(self.most))
    }
}

/// The refusal of a SUBSCRIBE or PUBLISH whose package is none of these, with Allow-Events (section 4.2.1.1): 489, or 400 for an Event that cannot be read.
///
/// `packages` are names with the type of their bodies; a SUBSCRIBE whose Accept leaves no room for that is answered 406 (section 4.1.2.1).
pub fn check(request: &Request, packages: &[(&str, &str)]) -> Option<Reply> {
    let headers = request.headers();
    let bad_event = || {
        let mut lines = Lines::new();
        let names: Vec<&str> = packages.iter().map(|(name, _)| *name).collect();
        lines.push_id(HeaderId::AllowEvents, names.join(", "));
        Some(Reply::new(StatusCode::BAD_EVENT).lines(lines))
    };
    let event = match headers.get::<Event<'_>>() {
        None => return bad_event(),
        Some(Err(_)) => return Some(Reply::new(StatusCode::BAD_REQUEST).reason("Event cannot be read")),
        Some(Ok(event)) => event,
    };
    let Some((_, kind)) = packages.iter().find(|(name, _)| *name == event.package) else { return bad_event() };
    // What a publisher accepts is no document of the package.
    if *request.method() != Method::Subscribe || !headers.has(HeaderId::Accept) {
        return None;
    }
    let (ours, sub) = kind.split_once('/').unwrap_or((kind, ""));
    let fits = |range: &str, name: &str| range == "*" || range.eq_ignore_ascii_case(name);
    let mut all = headers.list::<Accept<'_>>().filter_map(Result::ok);
    (!all.any(|range| fits(range.kind, ours) && fits(range.subtype, sub)))
        .then(|| Reply::new(StatusCode::NOT_ACCEPTABLE))
}
