//! Where a request has been, while it is passed on (RFC 7044 section 7): what came of it, an entry for each copy, and what copies and responses tell.

use sip::history::{Entry, Found, History, Mechanism};
use sip::message::{Headers, Method, Request, StatusCode, Uri, UriBuf};
use sip::{Forward, Told};

use crate::arrival::Arrival;
use crate::fork::{Fork, Target, Vouched};
use crate::own::Own;
use crate::passing::Proxy;

impl Proxy {
    /// The history of a request as it came (RFC 7044 section 9.1); `None` where nobody asks for it, see [`crate::ProxyConfig::history`].
    pub fn history(&self, request: &Request, arrival: &Arrival) -> Option<Box<History>> {
        if matches!(request.method(), Method::Ack | Method::Cancel) {
            return None;
        }
        let (config, asked) = (&self.config, arrival.uri.as_uri());
        let ours = |uri: &Uri<'_>| self.own().has(uri);
        History::of(request.headers(), &asked, config.max_history, config.history, ours).map(Box::new)
    }

    /// What the only copy of a request tells, where nothing is kept of it.
    pub(crate) fn told_once(&self, request: &Request, arrival: &Arrival, target: &Target) -> Option<Box<Told>> {
        let mut history = self.history(request, arrival)?;
        let entry = history.branch(target.uri.as_str(), &found(target, &arrival.uri));
        Some(Box::new(history.to_target(request.headers(), entry.as_ref(), target.trusted)))
    }
}

impl Fork {
    /// The entry of the next copy (section 9.2).
    pub(crate) fn entry(&mut self, target: &Target) -> Option<Box<Entry>> {
        let history = self.history.as_mut()?;
        history.branch(target.uri.as_str(), &found(target, &self.arrival.uri)).map(Box::new)
    }

    /// The copy with what it tells; as it came where there is no history.
    pub(crate) fn telling(&self, mut copy: Forward, entry: Option<&Entry>, to_trusted: bool) -> Forward {
        if let Some(history) = &self.history {
            copy.history = Some(Box::new(history.to_target(self.request.headers(), entry, to_trusted)));
        }
        copy
    }

    /// This has come of the copy with this entry (section 9.3).
    pub(crate) fn heard(&mut self, entry: Option<&Entry>, code: StatusCode, response: Option<&Headers>, own: &Own) {
        if let (Some(history), Some(entry)) = (self.history.as_mut(), entry) {
            history.heard(entry, code, response, |uri| own.has(uri));
        }
    }

    /// What a response tells, one that has come or one of ours (section 9.4); `None`: as it came.
    pub(crate) fn told_back(&self, response: Option<&Headers>) -> Option<Told> {
        let to_trusted = self.vouched == Vouched::Peer;
        self.history.as_ref().map(|history| history.to_caller(response, to_trusted))
    }
}

/// How a target was found (section 10.4): what is registered for a user is his.
fn found(target: &Target, asked: &UriBuf) -> Found {
    match &target.found {
        Some(found) => (**found).clone(),
        None if target.uri.as_uri().equivalent(&asked.as_uri()) => Found::Here(Mechanism::Unchanged),
        None => Found::Here(Mechanism::SameUser),
    }
}
