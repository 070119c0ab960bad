//! Others who want us to call somebody.

use sip::digest::Credentials;
use sip::header::NIL;
use sip::invite;
use sip::message::{HeaderId, Lines, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use crate::account::Account;
use crate::call::Call;
use crate::command::{Command, Referred};
use crate::link::Link;
use crate::outgoing::OutgoingBuilder;
use crate::request::Identity;

/// The other side of a call wants us to call somebody else (REFER, RFC 3515; [`crate::Builder::allow_transfer`]), or outside of any call somebody for whom a
/// server of our own vouches ([`crate::Builder::refer_outside`]). Dropping it declines.
///
/// How that call goes is told to the one that asked, and nothing else happens to the call in which it was asked for: it stands until somebody
/// hangs up.
///
/// Whom we call is the choice of the other side. A call that costs money costs ours.
pub struct Referral {
    owed: Owed,
    what: invite::Referral,
    /// By which we are known in the call in which it was asked for.
    uuid: Option<String>,
    /// Who asks outside of any call.
    asked_by: Vec<String>,
}

impl Referral {
    /// Asked for within a call.
    pub(crate) fn within(link: Link, whose: Referred, what: invite::Referral, uuid: Option<String>) -> Self {
        let owed = Owed { link, debt: Some(Debt { whose, _room: None }) };
        Self { owed, what, uuid, asked_by: Vec::new() }
    }

    /// Asked for outside of any call, and counted by `room` until it has come to an end.
    pub(crate) fn outside(
        link: Link,
        whose: Referred,
        what: invite::Referral,
        asked_by: Vec<String>,
        room: OwnedSemaphorePermit,
    ) -> Self {
        let owed = Owed { link, debt: Some(Debt { whose, _room: Some(room) }) };
        Self { owed, what, uuid: None, asked_by }
    }

    /// The address that is to be called.
    pub fn target(&self) -> &str {
        self.what.uri.as_str()
    }

    /// Who wants it, as he claims: the Referred-By of the request (RFC 3892).
    pub fn referred_by(&self) -> Option<&str> {
        self.what.referred_by.as_deref()
    }

    /// Whether a call is to be replaced that the address has with somebody else, most often with the one that asks (RFC 3891): an attended transfer.
    pub fn is_attended(&self) -> bool {
        self.what.replaces.is_some()
    }

    /// Whether it was asked for in this call.
    pub fn is_of(&self, call: &Call) -> bool {
        let whose = self.owed.debt.as_ref().map(|debt| debt.whose);
        matches!(whose, Some(Referred::InCall { call: key, .. }) if key == call.line().key)
    }

    /// Who asks outside of any call, as URIs for which the server has vouched (P-Asserted-Identity, RFC 3325): one at least. Empty within a call, whose other
    /// side it is that asks.
    pub fn asked_by(&self) -> &[String] {
        &self.asked_by
    }

    /// Agrees: the call, to be placed without an account. If it is not placed, it is declined after all.
    pub fn accept(self) -> OutgoingBuilder {
        self.accept_as(Identity::nobody())
    }

    /// Agrees: the call, to be placed from this account. Its password proves nothing to others: it is used where the call goes by the account's own proxy or
    /// WebSocket, or to the domain of its address.
    pub fn accept_by(self, account: &Account) -> OutgoingBuilder {
        let mut identity = account.identity();
        if !identity.has_own_way() && !self.what.is_at_domain_of(&account.aor()) {
            (identity.credentials, identity.proved) = (Credentials::new(), false);
        }
        self.accept_as(identity)
    }

    fn accept_as(self, identity: Identity) -> OutgoingBuilder {
        let Self { owed, what, uuid, asked_by: _ } = self;
        let mut lines = Lines::new();
        // RFC 7989 section 6: we are the same, and who we call is somebody else.
        if let Some(uuid) = uuid {
            lines.push_id(HeaderId::SessionId, format_args!("{uuid};remote={NIL}"));
        }
        // RFC 3892 section 2.2: as it came.
        if let Some(referred_by) = &what.referred_by {
            lines.push_text(HeaderId::ReferredBy, referred_by);
        }
        if let Some(replaces) = &what.replaces {
            lines.push_text(HeaderId::Replaces, &replaces.to_string());
            lines.push_id(HeaderId::Require, invite::REPLACES);
        }
        let uri = what.uri.to_string();
        OutgoingBuilder::referred(owed.link.clone(), uri, identity, lines, owed)
    }

    /// Declines with a code of 300 to 699; others count as 603.
    pub fn refuse(mut self, code: u16) {
        let code = StatusCode::new(code).filter(|code| code.get() >= 300).unwrap_or(StatusCode::DECLINE);
        self.owed.decline(code);
    }
}

/// Who asked is owed an answer. Dropping it declines.
pub(crate) struct Owed {
    link: Link,
    debt: Option<Debt>,
}

/// What is owed, and to whom: how the call goes that is placed.
pub(crate) struct Debt {
    pub(crate) whose: Referred,
    /// Asked for outside of any call it is among those that have not come to an end, for as long as this is held: whoever decides, whatever is told of it.
    _room: Option<OwnedSemaphorePermit>,
}

impl Owed {
    /// The call is placed: its course is the answer.
    pub(crate) fn paid(mut self) -> Option<Debt> {
        self.debt.take()
    }

    fn decline(&mut self, code: StatusCode) {
        if let Some(debt) = self.debt.take() {
            self.link.tell(|| Command::Decline { referred: debt.whose, code });
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.decline(StatusCode::DECLINE);
    }
}
