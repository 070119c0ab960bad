//! All that a phone keeps.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use media::Key;
use net::Handle;
use net::media::MediaHandle;
use sip::message::{Body, StatusCode};
use sip::uas::Capabilities;
use sip::{PublicationId, RegistrationId, SessionId, SubscriptionId, WatcherId};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::account::Account;
use super::asked::Asked;
use super::call::Call;
use super::outside;
use super::publishing::Publishing;
use super::subscribing::Reader;
use super::watched::Watching;
use crate::command::{AccountKey, Command};
use crate::ended::Farewell;
use crate::incoming::IncomingCall;
use crate::link::Link;
use crate::message::Said;
use crate::place::Place;
use crate::referral::Referral;
use crate::watcher::IncomingSubscription;

/// What a phone is made of.
pub(crate) struct Parts {
    pub(crate) media: MediaHandle,
    pub(crate) place: Arc<Place>,
    pub(crate) commands: Arc<OnceLock<Handle<Command>>>,
    pub(crate) incoming: mpsc::Sender<IncomingCall>,
    pub(crate) messages: mpsc::Sender<Said>,
    pub(crate) silence: Option<Duration>,
    pub(crate) capabilities: Capabilities,
    pub(crate) texts: Vec<String>,
    /// Provisional responses are sent reliably to who can take them.
    pub(crate) reliable: bool,
    /// Calls are held with UPDATE where the peer takes it.
    pub(crate) by_update: bool,
    /// The other side may have us call somebody else, or somebody else take its place.
    pub(crate) transfers: bool,
    /// Calls of ours ask where they have been (RFC 7044).
    pub(crate) history: bool,
    /// Who may say who a caller is (RFC 3325).
    pub(crate) believed: Vec<net::Network>,
    /// Who may have us call somebody outside of any call.
    pub(crate) referrers: Vec<net::Network>,
    pub(crate) referrals: mpsc::Sender<Referral>,
    /// What others may subscribe to, with the types of their bodies; how many may; who decides.
    pub(crate) packages: Vec<(String, String)>,
    pub(crate) max_watchers: usize,
    pub(crate) subscriptions: mpsc::Sender<IncomingSubscription>,
}

/// All calls and accounts of an endpoint.
pub(crate) struct Phone {
    pub(super) parts: Parts,
    pub(super) calls: HashMap<Key, Call>,
    pub(super) sessions: HashMap<SessionId, Key>,
    pub(super) asked: Asked,
    pub(super) accounts: HashMap<AccountKey, Account>,
    pub(super) registrations: HashMap<RegistrationId, AccountKey>,
    /// Who reads the news of which subscription.
    pub(super) readers: HashMap<SubscriptionId, Reader>,
    pub(super) watchers: HashMap<WatcherId, Watching>,
    /// Who has asked for a call outside of any, and what he was told last.
    pub(super) outside: HashMap<WatcherId, (StatusCode, Body)>,
    /// For those that have been asked for outside of any call and have not come to an end, told of or not.
    pub(super) outside_room: Arc<Semaphore>,
    pub(super) publications: HashMap<PublicationId, Publishing>,
    /// Who waits for an answer to a BYE.
    pub(super) farewells: HashMap<SessionId, oneshot::Sender<Farewell>>,
    pub(super) closing: Option<oneshot::Sender<()>>,
}

impl Phone {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            calls: HashMap::new(),
            sessions: HashMap::new(),
            asked: Asked::default(),
            accounts: HashMap::new(),
            registrations: HashMap::new(),
            readers: HashMap::new(),
            watchers: HashMap::new(),
            outside: HashMap::new(),
            outside_room: Arc::new(Semaphore::new(outside::MOST)),
            publications: HashMap::new(),
            farewells: HashMap::new(),
            closing: None,
        }
    }

    /// A link for handles made on the loop; `None` while the endpoint is not yet complete.
    pub(super) fn link(&self) -> Option<Link> {
        let commands = self.parts.commands.get()?.clone();
        Some(Link { commands, media: self.parts.media.clone(), place: Arc::clone(&self.parts.place) })
    }

    /// The call of a session.
    pub(super) fn call_of(&mut self, session: SessionId) -> Option<(Key, &mut Call)> {
        let key = *self.sessions.get(&session)?;
        Some((key, self.calls.get_mut(&key)?))
    }

    /// Whether one more call is too many.
    pub(super) fn is_full(&self) -> bool {
        self.calls.len() >= self.parts.place.max_calls
    }
}
