//! Where a call has been (RFC 7044), while devices are called: an entry for each, and what comes of it for the next ones and for the caller.
//!
//! The server behaves as an intermediary (section 6.3): what came with the INVITE goes on to the devices, and what they tell goes back. Its Privacy does not go
//! on, since the identity is made anew for each device; so entries that it covers ask for privacy themselves.

use sip::Origin;
use sip::history::{self, Entry, Found, History, Mechanism, Most};
use sip::invite::{Refusal, SessionEvent};
use sip::message::{Headers, Lines, Request, StatusCode, Uri, UriBuf};

use super::hunt::Hunt;
use super::{CALLER, Call, Stage};
use crate::switch::Switch;

/// See the module.
#[derive(Debug)]
pub(super) struct Past {
    history: History,
    /// The caller is in our trust domain.
    trusted: bool,
    /// Of the legs that are called, by their numbers.
    entries: Vec<(u32, Entry)>,
}

impl Past {
    fn new(history: History, trusted: bool) -> Box<Self> {
        Box::new(Self { history, trusted, entries: Vec::new() })
    }

    /// A device of the user is going to be called.
    pub(super) fn calls(&mut self, leg: u32, uri: &str) {
        let entry = self.history.branch(uri, &Found::Here(Mechanism::SameUser));
        self.entries.extend(entry.map(|entry| (leg, entry)));
    }

    /// What its INVITE tells.
    pub(super) fn invite(&self, leg: u32, to_trusted: bool) -> Lines {
        let entry = self.entries.iter().find(|(of, _)| *of == leg).map(|(_, entry)| entry);
        self.history.lines(entry, to_trusted)
    }

    /// This has come of it.
    pub(super) fn heard(&mut self, leg: u32, code: StatusCode, response: Option<&Headers>) {
        if let Some((_, entry)) = self.entries.iter().find(|(of, _)| *of == leg) {
            self.history.heard(entry, code, response, |_| true);
        }
        if code.is_final() {
            self.entries.retain(|(of, _)| *of != leg);
        }
    }

    /// What the caller is told.
    pub(super) fn told(&self) -> Lines {
        self.history.to_caller(None, self.trusted).lines
    }
}

impl Call {
    /// News of a device that is called.
    pub(super) fn hears(&mut self, leg: u32, event: &SessionEvent) {
        let calls = |hunt: &&mut Hunt| hunt.legs.iter().any(|one| one.number == leg);
        let hunt = match &mut self.stage {
            Stage::Ringing(ringing) => Some(&mut ringing.hunt),
            Stage::Joined(joined) => joined.transfers.iter_mut().map(|transfer| &mut transfer.hunt).find(calls),
            _ => None,
        };
        let Some(past) = hunt.and_then(|hunt| hunt.past.as_mut()) else { return };
        let (code, response) = match event {
            SessionEvent::Progress { response, .. }
            | SessionEvent::Answered { response, .. }
            | SessionEvent::Redirected { response }
            | SessionEvent::Failed { refusal: Refusal::Response(response) } => {
                (response.code(), Some(response.headers()))
            }
            SessionEvent::Failed { refusal } => (refusal.code(), None),
            _ => return,
        };
        past.heard(leg, code, response);
    }

    /// Where it has been, for a response to the caller.
    pub(super) fn past(&self) -> Lines {
        match &self.stage {
            Stage::Ringing(ringing) => ringing.hunt.past.as_ref().map(|past| past.told()).unwrap_or_default(),
            _ => Lines::new(),
        }
    }
}

impl Switch {
    /// Where an INVITE of this user has been; `None` where nobody asks for that.
    pub(super) fn past(&self, request: &Request, origin: &Origin, user: &str) -> Option<Box<Past>> {
        if !self.config.history && !history::is_wanted(request.headers()) {
            return None;
        }
        let uri = request.uri().ok()?;
        let ours = |uri: &Uri<'_>| self.is_own_host(uri, origin);
        let mut history = History::of(request.headers(), &uri, Most::default(), self.config.history, ours)?;
        if history::hides(request.headers()) {
            history.protect();
        }
        Some(Past::new(history, self.believes(origin, user)))
    }

    /// The same for what a REFER has gone on to this number: from whom was called, or at the wish of who has called him.
    pub(super) fn past_of_transfer(
        &self,
        call: &Call,
        referrer: u32,
        number: &str,
        request: &Request,
    ) -> Option<Box<Past>> {
        if !self.config.history && !history::is_wanted(request.headers()) {
            return None;
        }
        let uri = |number: &str| UriBuf::sip(false, Some(number), &call.host, None).ok();
        let target = uri(number)?;
        let history = match referrer {
            CALLER => History::begin(target.as_str(), Most::default()),
            _ => {
                let mut history = History::begin(uri(&call.number)?.as_str(), Most::default());
                history.retarget(target.as_str(), &Found::Here(Mechanism::OtherUser));
                history
            }
        };
        let mut past = Past::new(history, false);
        if call.is_private(referrer) || call.has_private_side() {
            past.history.protect();
        }
        Some(past)
    }
}
