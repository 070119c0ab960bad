//! What is subscribed to, and when again.

use crate::digest::Credentials;
use crate::draft::{ContactSpec, Draft, Hop};
use crate::header::{Accept, Event};
use crate::message::{HeaderId, Headers, Lines, Method, UriBuf};
use crate::register::{Refresh, Retry};
use crate::stack::StackError;
use crate::transaction::print;

/// A subscription to be made. Plain data; start from [`SubscribeSpec::new`].
#[derive(Clone, Debug)]
pub struct SubscribeSpec {
    /// Whose state: Request-URI and To.
    pub resource: UriBuf,
    /// The From value, without tag.
    pub from: String,
    /// The value of Event: the package, and `;id=` where there are several of one.
    pub event: String,
    /// Types of bodies that are understood, for Accept; a NOTIFY with another is answered 415. None: whatever comes.
    pub accept: Vec<String>,
    /// Seconds to ask for; 0 asks for the state once (section 4.4.3).
    pub expires: u32,
    /// The longest a 423 may make us ask for, in seconds.
    pub max_expires: u32,
    /// Where NOTIFYs are to come.
    pub contact: ContactSpec,
    /// Route values in order.
    pub routes: Vec<String>,
    /// Where it goes.
    pub hop: Hop,
    /// Further lines: `Supported: eventlist`, for instance.
    pub lines: Lines,
    /// For 401 and 407.
    pub credentials: Credentials,
    /// When it is refreshed.
    pub refresh: Refresh,
    /// When one that failed is made again, where the notifier does not say.
    pub retry: Retry,
    /// Most further notifiers that may take the SUBSCRIBE; one more is answered 481, which ends its subscription (section 4.4.1).
    pub forks: usize,
}

impl SubscribeSpec {
    /// Asks for 3600 s and is no fork's, repeats as registrations do.
    pub fn new(resource: UriBuf, from: impl Into<String>, event: impl Into<String>) -> Self {
        Self {
            resource,
            from: from.into(),
            event: event.into(),
            accept: Vec::new(),
            expires: 3_600,
            max_expires: 86_400,
            contact: ContactSpec::Auto { user: None, params: String::new() },
            routes: Vec::new(),
            hop: Hop::Auto,
            lines: Lines::new(),
            credentials: Credentials::new(),
            refresh: Refresh::default(),
            retry: Retry::default(),
            forks: 0,
        }
    }

    /// What it must not say.
    pub(super) fn check(&self) -> Result<(), StackError> {
        let event = || Headers::read::<Event<'_>>(self.event.as_bytes());
        match () {
            () if !self.resource.as_uri().is_sip() => {
                Err(StackError::Forbidden("a resource is a sip or sips URI (RFC 6665 4.1.2.1)"))
            }
            () if !print::clean(&self.event) || event().is_err() => {
                Err(StackError::Forbidden("Event is the name of a package with parameters (RFC 6665 8.2.1)"))
            }
            () if !self
                .accept
                .iter()
                .all(|kind| print::clean(kind) && Headers::read::<Accept<'_>>(kind.as_bytes()).is_ok()) =>
            {
                Err(StackError::Forbidden("Accept is a list of media types (RFC 3261 20.1)"))
            }
            () => Ok(()),
        }
    }

    /// The name of the package.
    pub(super) fn package(&self) -> &str {
        self.event.split(';').next().unwrap_or_default().trim()
    }

    /// The lines that every SUBSCRIBE has.
    pub(super) fn fill(&self, draft: &mut Draft, expires: u32) {
        debug_assert!(draft.method == Method::Subscribe);
        draft.lines = self.lines.clone();
        draft.lines.push_id(HeaderId::Event, &self.event);
        if !self.accept.is_empty() {
            draft.lines.push_id(HeaderId::Accept, self.accept.join(", "));
        }
        draft.lines.push_id(HeaderId::Expires, expires);
    }
}

/// Whether two Event values name the same subscription: package and `id`, byte for byte (RFC 6665 section 8.2.1).
pub(super) fn same_event(one: &Event<'_>, other: &Event<'_>) -> bool {
    one.package == other.package && one.id() == other.id()
}
