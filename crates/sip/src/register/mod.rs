//! Registrations of ours with a registrar (RFC 3261 section 10.2), kept up until taken back.
//!
//! ```text
//!            200                       Refresh::after
//!   Sending -----> Registered ---------------------------+
//!    ^  |                                                |
//!    |  | 5xx, 408, time-out, ...   Retry::wait          |
//!    |  +--------------> Waiting ---------------------+  |
//!    |  | 401, 403, 404, ...                          |  |
//!    |  +--------------> Stopped -- Turn::refresh --+ |  |
//!    +----------------------------------------------+-+--+
//! ```
//!
//! While it stands, whether the way to the registrar still is one can be asked by OPTIONS (`keep_alive`). Where the registrar does outbound (RFC 5626), each registration is one
//! flow of its instance, and keep-alives tell whether it still is one (`ping`).
//!
//! All requests of a registration share a Call-ID and count CSeq up. Only one is under way at a time (section 10.2): what is asked for meanwhile follows when its
//! final response is there.

mod course;
pub(crate) mod keep_alive;
mod outcome;
pub(crate) mod ping;
mod spec;
mod stun;
mod table;

use std::net::SocketAddr;
use std::time::Duration;

use crate::draft::ContactSpec;
use crate::event::Failure;
use crate::id::{ClientTx, FlowId, RegistrationId};
use crate::message::{Request, Response, StatusCode, Uri};
use crate::outbox::{Origin, Path};
use crate::stack::StackError;
use crate::transaction::{print, respond};
use crate::turn::Turn;
use crate::wheel::TimerId;

pub use outcome::Bound;
pub use spec::{Instance, Refresh, RegisterSpec, Removal, Retry};
#[doc(hidden)]
pub use stun::mapped_address;
pub(crate) use table::Registrations;
use table::{Purpose, Registration};

/// News of a registration.
#[derive(Debug)]
#[non_exhaustive]
pub enum RegistrationEvent {
    /// The registrar has our binding; it is refreshed without being asked.
    Registered {
        /// How long it holds.
        expires: Duration,
        /// All bindings of the address of record, ours and others (RFC 3261 section 10.2.4).
        contacts: Vec<Bound>,
        /// Route set for requests of ours (RFC 3608), in order.
        service_route: Vec<String>,
        /// The server that was asked, and the realms that wanted credentials of us: see [`crate::digest::Credentials::bound_to`].
        asked: Option<(SocketAddr, Vec<String>)>,
        /// How requests of ours go out, and what is said in them of where we are.
        way: Box<Way>,
        /// The whole response: Path, Date, Via parameters.
        response: Box<Response>,
    },
    /// It has not.
    Failed {
        /// Why.
        why: RegisterFailure,
        /// When it will be tried again; never when `None`, unless [`Turn::refresh`] is called.
        retry_in: Option<Duration>,
    },
    /// It was taken back, and the registration is gone. Without a 2xx the registrar may keep the binding until it expires.
    Unregistered {
        /// The final response; `None` when none came or nothing had to be sent.
        code: Option<StatusCode>,
    },
}

/// The way by which we are registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Way {
    /// The path that the REGISTER took.
    pub path: Option<Path>,
    /// The registrar does outbound: the path is a flow that is kept up, and all of ours goes along it (RFC 5626 section 4.3).
    pub outbound: bool,
    /// An address that everybody may know and that leads to us alone (RFC 5627 section 3.1.1).
    pub public_gruu: Option<String>,
    /// One that does not tell who we are (section 3.1.2); there is another with each refresh.
    pub temporary_gruu: Option<String>,
    /// Where we are, where our own address on the path does not do.
    place: Option<Place>,
}

/// An address of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    user: Option<String>,
    /// Its local end is that which the registrar sees us at.
    path: Path,
    /// Dialogs stay on this flow (`ob`, RFC 5626 section 4.3).
    stays: bool,
}

impl Way {
    /// Whether what comes from there comes by the way by which we are registered.
    pub fn leads_from(&self, origin: &Origin) -> bool {
        self.path.is_some_and(|path| (path.flow, path.remote) == (origin.flow, origin.remote))
    }

    /// [`Way::contact`] for what is said in a dialog that this request makes, which came from `origin` (RFC 3261 section 12.1.1).
    pub fn contact_for(&self, request: &Request, origin: &Origin) -> Option<String> {
        self.contact(respond::is_secure(request, origin), false)
    }

    /// [`Way::contact`] for a request of ours by these routes (RFC 3261 section 8.1.1.8).
    pub fn contact_of(&self, uri: &Uri<'_>, routes: &[String], anonymous: bool) -> Option<String> {
        self.contact(print::is_secure(uri.as_str(), routes), anonymous)
    }

    /// What stands in Contact of requests and responses of ours that make dialogs, where our own address on the path does not do: an address of our instance
    /// (RFC 5627 section 4.4), one whose dialogs stay on this flow (`ob`, RFC 5626 section 4.3), or that which the registrar sees us at.
    ///
    /// `secure`: a `sips` URI is asked for (RFC 3261 section 8.1.1.8), and an address of the instance does only when it is one. `anonymous`: it tells neither user
    /// nor instance (RFC 5627 section 4.4, RFC 3323 section 4.1).
    pub fn contact(&self, secure: bool, anonymous: bool) -> Option<String> {
        let gruu = if anonymous { &self.temporary_gruu } else { &self.public_gruu };
        let is_sips = |uri: &&String| print::is_secure(uri, &[]);
        if let Some(gruu) = gruu.as_ref().filter(|gruu| !secure || is_sips(gruu)) {
            return Some(format!("<{gruu}>"));
        }
        let Place { user, path, stays } = self.place.as_ref()?;
        let user = user.clone().filter(|_| !anonymous);
        let here = print::contact_value(&ContactSpec::Auto { user, params: String::new() }, path, secure)?;
        Some(if *stays { here.replacen('>', ";ob>", 1) } else { here })
    }
}

/// Why a registration failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterFailure {
    /// A final response other than 2xx. 401 and 407 mean that the credentials were refused, or that there are none for the realm.
    Refused {
        /// Its code.
        code: StatusCode,
        /// Its reason phrase.
        reason: String,
    },
    /// No response.
    Unreachable(Failure),
    /// A 200 whose contacts say that ours has no time left.
    NotBound,
    /// It stood, and the flow that we were reached by leads nowhere any more (RFC 5626 section 4.5).
    FlowFailed,
    /// The REGISTER could not be made.
    NotSent(StackError),
}

/// Registrations.
impl Turn<'_> {
    /// Registers, and keeps the registration up. News comes as [`crate::Event::Registration`].
    ///
    /// # Errors
    /// [`StackError::Full`] at [`crate::Config::max_registrations`]; [`StackError::Text`] for a display name that cannot stand in a header;
    /// [`StackError::Forbidden`] for a registrar that is no domain, an address of record that is no SIP address, and a Contact of `*`. What
    /// else is wrong is told by [`RegistrationEvent::Failed`].
    pub fn register(&mut self, spec: RegisterSpec) -> Result<RegistrationId, StackError> {
        let limit = self.stack.config.max_registrations;
        if self.stack.registrations.all.len() >= limit {
            return Err(StackError::Full { what: "registrations", limit });
        }
        spec.check()?;
        let call_id = match &spec.call_id {
            Some(given) => given.clone(),
            None => self.call_id(),
        };
        // RFC 3261 section 8.1.1.5 wants less than 2^31; low numbers leave room to count.
        let (tag, cseq) = (self.stack.rng.token(), 1 + self.stack.rng.below(1 << 16) as u32);
        let registration = Registration::new(spec, call_id, tag, cseq);
        let id = RegistrationId(self.stack.registrations.all.insert(self.stack.config.shard, registration));
        self.registration_send(id, Purpose::Bind);
        Ok(id)
    }

    /// Registers again now, whatever the timers say; also one that had given up.
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn refresh(&mut self, id: RegistrationId) -> Result<(), StackError> {
        let registration = self.stack.registrations.get(id).ok_or(StackError::Gone)?;
        registration.failures = 0;
        self.registration_next(id, Purpose::Bind);
        Ok(())
    }

    /// Changes what is registered and registers again: another Contact after a change of address, other credentials, another expiry. A Contact that was given as
    /// a whole takes the place of the one bound before, in the same request.
    ///
    /// # Errors
    /// [`StackError::Gone`], and those of [`Turn::register`]: nothing has changed then.
    pub fn change_registration(
        &mut self,
        id: RegistrationId,
        change: impl FnOnce(&mut RegisterSpec),
    ) -> Result<(), StackError> {
        let registration = self.stack.registrations.get(id).ok_or(StackError::Gone)?;
        let mut spec = registration.spec.clone();
        change(&mut spec);
        spec.check()?;
        if spec.credentials != registration.spec.credentials {
            registration.auth = None;
        }
        if matches!(&spec.contact, ContactSpec::Given(new) if registration.bound.as_ref().is_some_and(|old| !outcome::same_contact(old, new)))
        {
            registration.leaving = registration.bound.take();
        }
        registration.ask = spec.expires;
        registration.spec = spec;
        self.refresh(id)
    }

    /// Takes the binding back (`Expires: 0`, RFC 3261 section 10.2.2) and ends the registration: [`RegistrationEvent::Unregistered`] is its last news.
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn unregister(&mut self, id: RegistrationId, removal: Removal) -> Result<(), StackError> {
        let registration = self.stack.registrations.get(id).ok_or(StackError::Gone)?;
        if registration.under_way.is_none() && registration.until.is_none() && removal == Removal::Ours {
            self.registration_gone(id, None);
        } else {
            self.registration_next(id, Purpose::Remove(removal));
        }
        Ok(())
    }

    /// Ends the registration without telling anybody. The binding stays until it expires.
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn forget_registration(&mut self, id: RegistrationId) -> Result<(), StackError> {
        let gone = self.stack.registrations.remove(id).ok_or(StackError::Gone)?;
        self.stop_all(&gone);
        Ok(())
    }

    /// How long the binding still holds; `None` when there is none.
    pub fn registered_for(&self, id: RegistrationId) -> Option<Duration> {
        let until = self.stack.registrations.all.get(id.0)?.until?;
        Some(until.since(self.now.mono)).filter(|left| !left.is_zero())
    }
}

/// A response to a REGISTER of ours.
pub(crate) fn on_response(
    turn: &mut Turn<'_>,
    id: RegistrationId,
    purpose: u16,
    tx: ClientTx,
    response: Box<Response>,
    _origin: &Origin,
) {
    let current = turn.stack.registrations.get(id).is_some_and(|registration| registration.attempt == purpose);
    if current && response.code().is_final() {
        turn.registration_answered(id, tx, response);
    }
}

/// No response to a REGISTER of ours.
pub(crate) fn on_failure(turn: &mut Turn<'_>, id: RegistrationId, purpose: u16, used: Option<u32>, why: Failure) {
    turn.registration_unsent(id, purpose, RegisterFailure::Unreachable(why), used);
}

/// Time to refresh, or to try again.
pub(crate) fn on_timer(turn: &mut Turn<'_>, id: RegistrationId, kind: u8) {
    match kind {
        keep_alive::TIMER => return turn.keep_alive(id),
        ping::TIMER => return turn.ping_late(id),
        _ => {}
    }
    if let Some(registration) = turn.stack.registrations.get(id) {
        registration.timer = TimerId::NONE;
        turn.registration_next(id, Purpose::Bind);
    }
}

/// A connection is gone: what was registered over it cannot be reached any more (RFC 5626 section 4.5).
pub(crate) fn on_flow_lost(turn: &mut Turn<'_>, flow: FlowId) {
    for id in turn.stack.registrations.on_flow(flow) {
        turn.stack.registrations.bind_to(id, None);
        turn.flow_gone(id);
    }
}

#[cfg(test)]
mod tests;
