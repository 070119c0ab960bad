//! What goes by the registration of an account for longer than a call, and follows it: subscriptions and publications.

use std::sync::Arc;

use sip::message::UriBuf;
use sip::{Hop, Whereby};
use tokio::sync::watch;

use crate::account::Standing;
use crate::registration::Registration;
use crate::request::Identity;

/// By which way something of an account goes.
pub(crate) struct Follows {
    who: Standing,
    target: UriBuf,
    by: Whereby,
}

impl Follows {
    /// Something to this address that goes as `identity` says.
    pub(crate) fn new(who: Standing, target: UriBuf, identity: &Identity) -> Self {
        let by = whereby(identity, &target);
        Self { who, target, by }
    }

    /// The way it goes from now on, where the registration that has this state leads another way than before.
    pub(crate) fn moved(&mut self, state: &Arc<watch::Sender<Registration>>) -> Option<Whereby> {
        if !self.who.is(state) {
            return None;
        }
        let by = whereby(&self.who.identity(), &self.target);
        let path = |hop: &Hop| if let Hop::Path(path) = hop { Some(*path) } else { None };
        let same = path(&by.hop) == path(&self.by.hop) && by.routes == self.by.routes && by.contact == self.by.contact;
        self.by = by;
        (!same).then(|| self.by.clone())
    }
}

fn whereby(identity: &Identity, target: &UriBuf) -> Whereby {
    Whereby {
        routes: identity.routes.clone(),
        hop: identity.hop.clone(),
        contact: identity.contact(target),
        credentials: identity.credentials.clone(),
    }
}
