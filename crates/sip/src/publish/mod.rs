//! Publications (RFC 3903): ours with a compositor, kept up until taken back; and, for those who are one, the [`Compositor`].
//!
//! ```text
//!               200, SIP-ETag             Refresh::after: no body, SIP-If-Match
//!   Sending ---------------> Published -------------------------------------------+
//!    ^  | 412: the whole       | Turn::modify_publication: body, SIP-If-Match      |
//!    |  |      again, no tag   +---------------------------------------------------+
//!    |  | 5xx, time-out   Retry::wait                                             |
//!    |  +--------------> Waiting ------------------------------------------------+
//!    |  | 4xx, 6xx                                                                |
//!    |  +--------------> (gone)                                                   |
//!    +----------------------------------------------------------------------------+
//! ```
//!
//! One PUBLISH for a resource is under way at a time, whatever the package (section 4); of what is to be published meanwhile the newest follows.

mod compositor;
mod course;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::digest::{self, Credentials};
use crate::draft::{ContactSpec, Draft, Hop, Whereby};
use crate::event::Failure;
use crate::header::Event;
use crate::id::{Id, PublicationId, Shard};
use crate::message::{Body, HeaderId, Headers, Lines, Method, StatusCode, UriBuf};
use crate::register::{Refresh, Retry};
use crate::slab::Slab;
use crate::stack::{StackError, Usage};
use crate::transaction::print;
use crate::turn::Turn;
use crate::wheel::TimerId;

pub use compositor::{Compositor, Limits, Published};
pub(crate) use course::{on_failure, on_response, on_timer};

/// What is published, and where. Plain data; start from [`PublishSpec::new`].
#[derive(Clone, Debug)]
pub struct PublishSpec {
    /// Whose state: Request-URI and To.
    pub resource: UriBuf,
    /// The From value, without tag.
    pub from: String,
    /// The value of Event.
    pub event: String,
    /// Seconds to ask for.
    pub expires: u32,
    /// The longest a 423 may make us ask for, in seconds.
    pub max_expires: u32,
    /// Route values in order.
    pub routes: Vec<String>,
    /// Where it goes.
    pub hop: Hop,
    /// Further lines.
    pub lines: Lines,
    /// For 401 and 407.
    pub credentials: Credentials,
    /// When it is refreshed.
    pub refresh: Refresh,
    /// When one that failed is made again, where the compositor does not say.
    pub retry: Retry,
}

impl PublishSpec {
    /// Asks for 3600 s, repeats as registrations do.
    pub fn new(resource: UriBuf, from: impl Into<String>, event: impl Into<String>) -> Self {
        Self {
            resource,
            from: from.into(),
            event: event.into(),
            expires: 3_600,
            max_expires: 86_400,
            routes: Vec::new(),
            hop: Hop::Auto,
            lines: Lines::new(),
            credentials: Credentials::new(),
            refresh: Refresh::default(),
            retry: Retry::default(),
        }
    }

    fn check(&self) -> Result<(), StackError> {
        let event = || Headers::read::<Event<'_>>(self.event.as_bytes());
        match () {
            () if !self.resource.as_uri().is_sip() => {
                Err(StackError::Forbidden("a resource is a sip or sips URI (RFC 3903 4)"))
            }
            () if !print::clean(&self.event) || event().is_err() => {
                Err(StackError::Forbidden("Event is the name of a package with parameters (RFC 6665 8.2.1)"))
            }
            () => Ok(()),
        }
    }
}

/// News of a publication of ours.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublicationEvent {
    /// The compositor has the newest state, or holds it for longer; it is refreshed without being asked.
    Published {
        /// How long it holds.
        expires: Duration,
    },
    /// It has not.
    Failed {
        /// Why.
        why: PublishFailure,
        /// When it is tried again; `None`: never, and this was its last news.
        retry_in: Option<Duration>,
    },
    /// It was taken back. Its last news. Without a 2xx the compositor may keep the state until it expires.
    Ended {
        /// The final response; `None` when none came or nothing had to be sent.
        code: Option<StatusCode>,
    },
}

/// Why a publication does not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishFailure {
    /// A final response other than 2xx.
    Refused {
        /// Its code.
        code: StatusCode,
        /// Its reason phrase.
        reason: String,
    },
    /// No response.
    Unreachable(Failure),
    /// The PUBLISH could not be made.
    NotSent(StackError),
}

/// Publications.
impl Turn<'_> {
    /// Publishes, and keeps the publication up. News comes as [`crate::Event::Publication`].
    ///
    /// # Errors
    /// [`StackError::Full`] at [`crate::Config::max_publications`]; [`StackError::Forbidden`] for a resource that is no SIP address and an Event that
    /// cannot be read.
    pub fn publish(&mut self, spec: PublishSpec, body: Body) -> Result<PublicationId, StackError> {
        let limit = self.stack.config.max_publications;
        if self.stack.publications.all.len() >= limit {
            return Err(StackError::Full { what: "publications", limit });
        }
        spec.check()?;
        let (call_id, tag) = (self.call_id(), self.stack.rng.token().as_str().to_owned());
        let cseq = 1 + self.stack.rng.below(1 << 16) as u32;
        let one = Publication {
            ask: spec.expires,
            spec,
            body,
            call_id,
            tag,
            cseq,
            etag: None,
            auth: None,
            attempt: 0,
            under_way: None,
            dirty: true,
            leaving: false,
            failures: 0,
            too_brief: false,
            timer: TimerId::NONE,
        };
        let id = PublicationId(self.stack.publications.all.insert(self.stack.config.shard, one));
        self.publication_next(id);
        Ok(id)
    }

    /// Publishes another state instead (RFC 3903 section 4.4): now, or when the answer to the PUBLISH under way has come.
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn modify_publication(&mut self, id: PublicationId, body: Body) -> Result<(), StackError> {
        let one = self.stack.publications.get_mut(id).ok_or(StackError::Gone)?;
        (one.body, one.dirty) = (body, true);
        self.publication_next(id);
        Ok(())
    }

    /// Goes another way from now on. One that has failed, or is under way by a flow that is no more, is told or refreshed at once (RFC 5626 section 4.3).
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn move_publication(&mut self, id: PublicationId, by: Whereby) -> Result<(), StackError> {
        let one = self.stack.publications.get_mut(id).ok_or(StackError::Gone)?;
        let is_gone = one.spec.hop.flow() != by.hop.flow();
        (one.spec.routes, one.spec.hop, one.spec.credentials) = (by.routes, by.hop, by.credentials);
        if one.under_way.is_some() && is_gone || one.under_way.is_none() && one.failures > 0 {
            self.publication_then_others(id, |turn| turn.publication_again(id));
        }
        Ok(())
    }

    /// Takes a publication back (section 4.5): [`PublicationEvent::Ended`] is its last news.
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn unpublish(&mut self, id: PublicationId) -> Result<(), StackError> {
        let one = self.stack.publications.get_mut(id).ok_or(StackError::Gone)?;
        one.leaving = true;
        self.publication_next(id);
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct Publication {
    spec: PublishSpec,
    /// The newest state.
    body: Body,
    call_id: String,
    tag: String,
    cseq: u32,
    /// What the compositor names it by.
    etag: Option<String>,
    auth: Option<Box<digest::Client>>,
    /// Counts requests: an answer to an earlier one has no effect.
    attempt: u16,
    under_way: Option<Purpose>,
    /// The compositor does not have the newest state.
    dirty: bool,
    /// It is to be taken back.
    leaving: bool,
    failures: u32,
    ask: u32,
    too_brief: bool,
    timer: TimerId,
}

/// What a PUBLISH is for (RFC 3903 table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Tell,
    Refresh,
    Remove,
}

impl Publication {
    fn draft(&mut self, purpose: Purpose) -> Draft {
        let spec = &self.spec;
        let mut draft = Draft::new(Method::Publish, spec.resource.clone());
        draft.from = format!("{};tag={}", spec.from, self.tag);
        draft.to = format!("<{}>", spec.resource);
        draft.call_id = self.call_id.clone();
        draft.cseq = self.cseq;
        draft.routes = spec.routes.clone();
        draft.hop = spec.hop.clone();
        draft.contact = ContactSpec::None;
        draft.lines = spec.lines.clone();
        draft.credentials = spec.credentials.clone();
        draft.auth = self.auth.take();
        draft.lines.push_id(HeaderId::Event, &spec.event);
        draft.lines.push_id(HeaderId::Expires, if purpose == Purpose::Remove { 0 } else { self.ask });
        if let Some(etag) = &self.etag {
            draft.lines.push_id(HeaderId::SipIfMatch, etag);
        }
        if purpose == Purpose::Tell {
            draft.body = Some(self.body.clone());
        }
        draft
    }
}

/// All publications of a stack.
#[derive(Debug, Default)]
pub(crate) struct Publications {
    all: Slab<Publication>,
    /// By Request-URI: the first has a PUBLISH under way, the others wait for its final response (section 4).
    turns: BTreeMap<Box<str>, VecDeque<PublicationId>>,
}

impl Publications {
    pub(crate) fn usage(&self, usage: &mut Usage) {
        usage.publications = self.all.len();
        usage.matches += self.turns.len();
    }

    /// Whether it is the turn of this one; otherwise it waits for that from now on.
    fn takes_turn(&mut self, id: PublicationId) -> bool {
        let Some(one) = self.all.get(id.0) else { return false };
        let turns = self.turns.entry(one.spec.resource.as_str().into()).or_default();
        if !turns.contains(&id) {
            turns.push_back(id);
        }
        turns.front() == Some(&id)
    }

    /// It has had its turn, or wants none.
    fn gives_turn_back(&mut self, id: PublicationId, resource: &str) {
        let Some(turns) = self.turns.get_mut(resource) else { return };
        turns.retain(|one| *one != id);
        if turns.is_empty() {
            self.turns.remove(resource);
        }
    }

    /// Whose turn it is for this resource, where that one has not begun.
    fn next(&self, resource: &str) -> Option<PublicationId> {
        let id = *self.turns.get(resource)?.front()?;
        self.all.get(id.0).filter(|one| one.under_way.is_none()).map(|_| id)
    }

    /// What was under way has come to its end, and with it the turn.
    fn done(&mut self, id: PublicationId) -> Option<Purpose> {
        let one = self.all.get_mut(id.0)?;
        let purpose = one.under_way.take()?;
        let resource = one.spec.resource.clone();
        self.gives_turn_back(id, resource.as_str());
        Some(purpose)
    }

    /// For [`crate::Stack::states`].
    pub(crate) fn state_names(&self, shard: Shard, mut tell: impl FnMut(Id, &'static str)) {
        for (id, one) in self.all.iter(shard) {
            let state = match (one.under_way, &one.etag) {
                (Some(_), _) => "publication: sending",
                (None, Some(_)) => "publication: published",
                (None, None) => "publication: waiting",
            };
            tell(id, state);
        }
    }

    fn get_mut(&mut self, id: PublicationId) -> Option<&mut Publication> {
        self.all.get_mut(id.0)
    }
}

#[cfg(test)]
mod tests;
