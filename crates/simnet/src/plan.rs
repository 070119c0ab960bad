//! What phones do, and how.

use std::time::Duration;

use sip::{DialogId, PublicationId, RegistrationId, ServerTx, SessionId, SubscriptionId, Time, WatcherId};

use crate::chance::Chance;

/// Who is called or asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A phone.
    Phone(String),
    /// Two phones at once.
    Hunt,
    /// An address at which nobody is.
    Nobody,
    /// A name that does not exist, cannot be looked up, or is never answered.
    Nowhere(&'static str),
}

impl Target {
    /// The host in its URI.
    pub fn host(&self) -> String {
        match self {
            Target::Phone(name) => format!("{name}.sim"),
            Target::Hunt => "hunt.sim".to_owned(),
            Target::Nobody => "nobody.sim".to_owned(),
            Target::Nowhere(name) => format!("{name}.sim"),
        }
    }
    /// The user in its URI.
    pub fn user(&self) -> &str {
        match self {
            Target::Phone(name) => name,
            Target::Hunt => "hunt",
            _ => "nobody",
        }
    }
}

/// A thing to do when its time comes.
#[derive(Clone, Debug)]
pub enum Todo {
    /// Call.
    Call(Target),
    /// OPTIONS.
    Options(Target),
    /// MESSAGE.
    Message(Target),
    /// REGISTER, kept up.
    Register,
    /// REGISTER over two flows of one instance, kept up (RFC 5626).
    Flows,
    /// REGISTER now.
    Renew(RegistrationId),
    /// REGISTER no more.
    Unregister(RegistrationId),
    /// SUBSCRIBE, kept up.
    Subscribe(Target),
    /// SUBSCRIBE no more.
    Unsubscribe(SubscriptionId),
    /// NOTIFY.
    Tell(WatcherId),
    /// The last NOTIFY.
    Dismiss(WatcherId),
    /// PUBLISH, kept up.
    Publish(Target),
    /// PUBLISH something else.
    Republish(PublicationId),
    /// PUBLISH no more.
    Unpublish(PublicationId),
    /// 180 or 183; with a description only when nobody else rings, whose answer would keep the PRACK away.
    Ring(SessionId, bool),
    /// 200.
    Answer(SessionId),
    /// A refusal.
    Refuse(SessionId, u16),
    /// Hang up, whatever the state.
    Hangup(SessionId),
    /// Hang up unless it was answered.
    GiveUp(SessionId),
    /// REFER.
    Refer(SessionId),
    /// The re-INVITE that keeps a session from ending.
    Refresh(SessionId),
    /// re-INVITE, with an offer or without.
    Reinvite(SessionId, bool),
    /// INFO, MESSAGE or OPTIONS in the dialog; UPDATE.
    Within(SessionId, u8),
    /// The PRACK for a provisional response, with or without a body.
    Prack(SessionId, DialogId),
    /// The ACK with the answer.
    Ack(SessionId),
    /// The answer to a re-INVITE.
    AnswerReinvite(SessionId, u16),
    /// The answer to any other request.
    Respond(ServerTx, u16),
}

/// How a phone behaves.
#[derive(Clone, Debug)]
pub struct Style {
    /// The way to others takes this long: many things happen after a few of these.
    pub way: Duration,
    /// Answers requests within T1, so that nothing need be repeated.
    pub quick: bool,
    /// Asks callers for a password.
    pub guarded: bool,
    /// Permille of calls that the caller gives up early.
    pub impatient: u32,
    /// Permille of calls that are refused.
    pub refusing: u32,
    /// Permille of INVITEs without an offer.
    pub late_offer: u32,
    /// Permille of provisional responses sent reliably where the caller can take it.
    pub reliable: u32,
    /// Permille of INVITEs that require them to be.
    pub requiring: u32,
    /// Permille of INVITEs too large for UDP.
    pub oversize: u32,
    /// Permille of wrong passwords.
    pub stranger: u32,
    /// Permille of calls that outlast session timers.
    pub long: u32,
    /// Most things done in a call by one side.
    pub acts: u64,
    /// Its machine is suspended until then: what should have happened before happens late.
    pub wakes: Option<Time>,
}

impl Style {
    /// What a seed says.
    pub fn draw(chance: &mut Chance, way: Duration, quick: bool) -> Self {
        Self {
            way,
            quick,
            guarded: chance.permille(250),
            impatient: chance.pick(&[0, 300, 1_000]),
            refusing: chance.pick(&[0, 300, 800]),
            late_offer: chance.pick(&[0, 0, 300]),
            reliable: chance.pick(&[0, 500, 900]),
            requiring: chance.pick(&[0, 0, 300]),
            oversize: chance.pick(&[0, 300, 900]),
            stranger: 100,
            acts: chance.below(5),
            long: chance.pick(&[0, 0, 500, 1_000]),
            wakes: None,
        }
    }
}
