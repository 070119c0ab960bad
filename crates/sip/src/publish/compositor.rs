//! What peers have published with us (RFC 3903 section 6): the event state compositor, without the requests.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::header::{Event, SipEtag, SipIfMatch};
use crate::message::{Body, HeaderId, Lines, Request, StatusCode};
use crate::reply::Reply;
use crate::rng::Token;
use crate::subscribe::Terms;
use crate::time::Time;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most publications in all.
    pub all: usize,
    /// Most of one resource and package: devices of one user.
    pub each: usize,
    /// Most octets of a body.
    pub octets: usize,
}

impl Default for Limits {
    /// 10,000 in all, 10 of each, 16,384 octets.
    fn default() -> Self {
        Self { all: 10_000, each: 10, octets: 16_384 }
    }
}

/// What a PUBLISH has done.
#[derive(Clone, Debug)]
pub struct Published {
    /// The answer: 200 with SIP-ETag and Expires.
    pub reply: Reply,
    /// The state is another: watchers are to be told.
    pub changed: bool,
}

#[derive(Debug)]
struct Entry {
    etag: Token,
    ends_at: Time,
    body: Body,
}

/// The publications of all resources.
#[derive(Debug, Default)]
pub struct Compositor {
    limits: Limits,
    /// By package and resource; in the order in which they were first made.
    all: BTreeMap<(String, String), Vec<Entry>>,
    count: usize,
}

impl Compositor {
    /// Without any.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Carries a PUBLISH out whose sender may publish for `resource`, and whose package is known ([`crate::subscribe::check`]); `kind` is the type
    /// that its body has to have. `fresh` is 64 random bits, for the entity-tag. `objection` is what is wrong with the document, which only counts where
    /// nothing else is: it is looked at last (section 6).
    ///
    /// # Errors
    /// The refusal, and nothing has changed: 400, 412, 413, 415, 423, the objection, 503 at a limit.
    pub fn publish(
        &mut self,
        now: Time,
        fresh: u64,
        (resource, kind): (&str, &str),
        request: &Request,
        terms: &Terms,
        objection: Option<Reply>,
    ) -> Result<Published, Box<Reply>> {
        let refuse = |code| Err(Box::new(Reply::new(code)));
        let headers = request.headers();
        let Some(Ok(event)) = headers.get::<Event<'_>>() else { return refuse(StatusCode::BAD_EVENT) };
        let tag = match headers.get::<SipIfMatch<'_>>() {
            None => None,
            Some(Ok(tag)) if headers.count(HeaderId::SipIfMatch) == 1 => Some(tag.0),
            Some(_) => return refuse(StatusCode::BAD_REQUEST),
        };
        let key = (event.package.to_owned(), resource.to_owned());
        let entries = self.all.get(&key).map_or(&[][..], Vec::as_slice);
        let found = match tag {
            None => None,
            Some(tag) => match entries.iter().position(|one| one.etag.as_str() == tag && one.ends_at > now) {
                None => return refuse(StatusCode::CONDITIONAL_REQUEST_FAILED),
                found => found,
            },
        };
        let secs = terms.granted(headers)?;
        let body = (!headers.body().is_empty()).then(|| Body::new(kind.to_owned(), headers.body_bytes()));
        match (&body, found) {
            // Section 6 step 5: what begins says something.
            (None, None) => return Err(Box::new(Reply::new(StatusCode::BAD_REQUEST).reason("Expected a body"))),
            (Some(body), _) if body.bytes.len() > self.limits.octets => {
                return refuse(StatusCode::REQUEST_ENTITY_TOO_LARGE);
            }
            (Some(_), _) if !is_of_type(request, kind) => {
                let mut lines = Lines::new();
                lines.push_id(HeaderId::Accept, kind);
                return Err(Box::new(Reply::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).lines(lines)));
            }
            _ => {}
        }
        if let Some(objection) = objection {
            return Err(Box::new(objection));
        }
        if found.is_none() && secs > 0 && (self.count >= self.limits.all || entries.len() >= self.limits.each) {
            return refuse(StatusCode::SERVICE_UNAVAILABLE);
        }
        let (etag, ends_at) = (Token::from_u64(fresh), now + Duration::from_secs(secs.into()));
        let changed = body.is_some() || secs == 0;
        self.carry_out(
            key,
            found,
            secs > 0,
            Entry { etag, ends_at, body: body.unwrap_or_else(|| Body::new(kind.to_owned(), Vec::new())) },
            changed,
        );
        let mut lines = Lines::new();
        lines.push_id(HeaderId::SipEtag, SipEtag(etag.as_str()));
        lines.push_id(HeaderId::Expires, secs);
        Ok(Published { reply: Reply::new(StatusCode::OK).lines(lines), changed })
    }

    fn carry_out(&mut self, key: (String, String), found: Option<usize>, stays: bool, mut new: Entry, other: bool) {
        let entries = self.all.entry(key.clone()).or_default();
        let place = found.and_then(|found| entries.get_mut(found));
        match (place, stays) {
            (Some(old), true) => {
                if !other {
                    new.body = old.body.clone();
                }
                *old = new;
            }
            (None, true) => {
                entries.push(new);
                self.count += 1;
            }
            (Some(_), false) => {
                if let Some(found) = found {
                    entries.remove(found);
                    self.count -= 1;
                }
            }
            (None, false) => {}
        }
        if entries.is_empty() {
            self.all.remove(&key);
        }
    }

    /// The states that are published of a resource.
    pub fn bodies<'a>(&'a self, now: Time, package: &str, resource: &str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let entries = self.all.get(&(package.to_owned(), resource.to_owned())).map_or(&[][..], Vec::as_slice);
        entries.iter().filter(move |one| one.ends_at > now).map(|one| one.body.bytes.as_ref())
    }

    /// When [`Compositor::expire`] has something to do.
    pub fn deadline(&self) -> Option<Time> {
        self.all.values().flatten().map(|one| one.ends_at).min()
    }

    /// Takes out what has expired; package and resource of each that has changed so.
    pub fn expire(&mut self, now: Time) -> Vec<(String, String)> {
        let mut changed = Vec::new();
        self.all.retain(|key, entries| {
            let before = entries.len();
            entries.retain(|one| one.ends_at > now);
            self.count -= before - entries.len();
            if entries.len() < before {
                changed.push(key.clone());
            }
            !entries.is_empty()
        });
        changed
    }
}

fn is_of_type(request: &Request, kind: &str) -> bool {
    let found = request.headers().content_type().and_then(Result::ok);
    found.is_some_and(|found| format!("{}/{}", found.kind, found.subtype).eq_ignore_ascii_case(kind))
}
