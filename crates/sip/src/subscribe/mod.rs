//! Subscriptions (RFC 6665): ours with a notifier, and those of watchers with us.
//!
//! What it is: the dialogs, timers and rules of SUBSCRIBE and NOTIFY in either role, for any event package. What it is not: it looks into no body;
//! what a package means is the application's.
//!
//! | file | what stands there |
//! |---|---|
//! | `spec` | what we subscribe to |
//! | `table` | what is kept of a subscription of ours, and how a NOTIFY finds it |
//! | `course` | our SUBSCRIBEs: answers, refreshes, the end |
//! | `hearing` | NOTIFYs that come, forks |
//! | `ending` | which end means never again, and which later (sections 4.1.2.2 and 4.1.3) |
//! | `terms` | whether a SUBSCRIBE of a peer is taken, and for how long |
//! | `watcher` | a watcher: a subscription of a peer with us |
//! | `notifying` | NOTIFYs of ours |
//!
//! ```text
//! ours      SUBSCRIBE           NOTIFY               Refresh::after
//!   Asking -----------> Waiting -------> Standing ------------------> Asking
//!     ^                   | Timer N         | NOTIFY terminated, 481, time-out
//!     |   Retry, or what  v                 v
//!     +------------------ Resting <---------+      or it is over: the last news
//!          the peer says
//! ```
//!
//! A subscription stands once a NOTIFY has come: that makes its dialog (section 4.4.1), whether the 2xx came before or after. A NOTIFY from another
//! notifier within 64*T1 is a fork, and a subscription of its own. The REFER's implicit subscription lives in the dialog of its call
//! (`invite/in_dialog`); it shares the header types with this, and nothing else.

mod course;
mod ending;
mod hearing;
mod notifying;
mod spec;
mod table;
mod terms;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use crate::draft::Whereby;
use crate::event::Failure;
use crate::id::{ServerTx, SubscriptionId};
use crate::message::{HeaderId, Lines, Method, Request, StatusCode};
use crate::outbox::Origin;
use crate::reply::Reply;
use crate::stack::StackError;
use crate::turn::Turn;
use crate::uas::{self, Capabilities};

pub(crate) use course::{on_failure, on_response, on_timer};
pub(crate) use notifying::{on_notify_failure, on_notify_response, on_watcher_timer};
pub use spec::SubscribeSpec;
pub(crate) use table::Subscriptions;
use table::{Purpose, Subscription};
pub use terms::{Terms, check};
pub(crate) use watcher::Watchers;
pub use watcher::{EndReason, WatcherEnd, WatcherEvent};

/// News of a subscription of ours.
#[derive(Debug)]
#[non_exhaustive]
pub enum SubscriptionEvent {
    /// The notifier has taken it, or its refresh. It is refreshed without being asked.
    Accepted {
        /// 200, or 202 of an older notifier.
        code: StatusCode,
        /// How long it holds.
        expires: Duration,
    },
    /// A NOTIFY came; it has been answered 200.
    Notified {
        /// With its body: nothing, or one of [`SubscribeSpec::accept`].
        request: Arc<Request>,
        /// What it says of the subscription. After [`Standing::Terminated`] a [`SubscriptionEvent::Failed`] or [`SubscriptionEvent::Ended`] follows.
        standing: Standing,
    },
    /// Another notifier has taken the same SUBSCRIBE (section 4.1.4): a subscription of its own, which is not made again when it ends. What the
    /// NOTIFY says follows.
    Forked {
        /// The new one.
        subscription: SubscriptionId,
    },
    /// It does not stand, or was not refreshed.
    Failed {
        /// Why.
        why: SubscribeFailure,
        /// When it is tried again; `None`: never, and this was its last news.
        retry_in: Option<Duration>,
    },
    /// It was ended by us, or it was a single question ([`SubscribeSpec::expires`] of 0). Its last news.
    Ended,
}

/// What a NOTIFY says of its subscription (RFC 6665 section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The state is told.
    Active,
    /// Nobody has decided yet whether we may know.
    Pending,
    /// It is over.
    Terminated,
}

/// Why a subscription does not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeFailure {
    /// A final response other than 2xx.
    Refused {
        /// Its code.
        code: StatusCode,
        /// Its reason phrase.
        reason: String,
        /// It answers a SUBSCRIBE that was sent again with credentials, which nothing has proved before.
        signed: bool,
    },
    /// No response.
    Unreachable(Failure),
    /// A 2xx and no NOTIFY: Timer N (section 4.1.2.4).
    NotNotified,
    /// The notifier has ended it (section 4.1.3).
    Terminated {
        /// The reason it gives.
        reason: Option<String>,
    },
    /// It was not refreshed in time.
    Expired,
    /// The SUBSCRIBE could not be made.
    NotSent(StackError),
}

/// Subscriptions of ours.
impl Turn<'_> {
    /// Subscribes, and keeps the subscription up. News comes as [`crate::Event::Subscription`].
    ///
    /// # Errors
    /// [`StackError::Full`] at [`crate::Config::max_subscriptions`]; [`StackError::Forbidden`] for a resource that is no SIP address, and an Event or
    /// Accept that cannot be read. What else is wrong is told by [`SubscriptionEvent::Failed`].
    pub fn subscribe(&mut self, spec: SubscribeSpec) -> Result<SubscriptionId, StackError> {
        let limit = self.stack.config.max_subscriptions;
        if self.stack.subscriptions.len() >= limit {
            return Err(StackError::Full { what: "subscriptions", limit });
        }
        spec.check()?;
        let subscription = Subscription::new(Arc::new(spec));
        let id = self.stack.subscriptions.insert(self.stack.config.shard, subscription);
        self.subscription_begin(id);
        Ok(id)
    }

    /// Asks for the state again now, whatever the timers say.
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn resubscribe(&mut self, id: SubscriptionId) -> Result<(), StackError> {
        let one = self.stack.subscriptions.get_mut(id).ok_or(StackError::Gone)?;
        one.failures = 0;
        let rests = one.rests();
        if rests {
            self.subscription_begin(id)
        } else {
            self.subscription_next(id, Purpose::Refresh)
        }
        Ok(())
    }

    /// Goes another way from now on. Where the flow it went along is another, which nothing reaches us by any more, it is made anew at once, and its forks end (RFC
    /// 5626 section 4.3, RFC 6665 section 4.1.2.2); so is one that has failed. Otherwise it is refreshed, which tells the notifier where we are.
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn move_subscription(&mut self, id: SubscriptionId, by: Whereby) -> Result<(), StackError> {
        let one = self.stack.subscriptions.get_mut(id).ok_or(StackError::Gone)?;
        let is_gone = one.spec.hop.flow() != by.hop.flow();
        let spec = Arc::make_mut(&mut one.spec);
        let Whereby { routes, hop, contact, credentials } = by;
        (spec.routes, spec.hop, spec.contact, spec.credentials) = (routes, hop, contact, credentials);
        let (rests, leaving, is_fork) = (one.rests(), one.leaving, one.is_fork);
        if !is_gone && !rests {
            self.subscription_next(id, Purpose::Refresh);
        } else if leaving || is_fork {
            self.subscription_over(id, None);
        } else {
            (one.next, one.failures, one.too_brief, one.ask) = (None, 0, false, one.spec.expires);
            self.subscription_begin(id);
        }
        Ok(())
    }

    /// Ends a subscription (section 4.1.2.3): [`SubscriptionEvent::Ended`] is its last news, when the last NOTIFY has come or should have.
    ///
    /// # Errors
    /// [`StackError::Gone`].
    pub fn unsubscribe(&mut self, id: SubscriptionId) -> Result<(), StackError> {
        let one = self.stack.subscriptions.get_mut(id).ok_or(StackError::Gone)?;
        if one.rests() {
            self.subscription_over(id, None);
        } else {
            self.subscription_next(id, Purpose::End);
        }
        Ok(())
    }
}

/// A NOTIFY or SUBSCRIBE with our tag: true when it belongs to a subscription, and has been dealt with.
pub(crate) fn on_request(turn: &mut Turn<'_>, tx: ServerTx, request: &Arc<Request>, origin: &Origin) -> bool {
    match request.method() {
        Method::Notify => hearing::on_notify(turn, tx, request, origin),
        Method::Subscribe => watcher::on_subscribe(turn, tx, request, origin),
        _ => false,
    }
}

/// 420 for what a request of a subscription demands and is not understood (RFC 3261 section 8.2.2.3). `offered`: the lines of our SUBSCRIBE, whose Supported
/// the notifier may count on (RFC 4662 section 4.1).
fn demands(turn: &Turn<'_>, request: &Request, offered: &Lines) -> Option<Reply> {
    if !request.headers().has(HeaderId::Require) {
        return None;
    }
    let mut supported = turn.stack.config.supported.clone();
    let said = offered.iter().filter(|(name, _)| HeaderId::from_name(name.as_bytes()) == HeaderId::Supported);
    for (_, value) in said {
        supported.extend(String::from_utf8_lossy(value).split(',').map(|tag| tag.trim().to_owned()));
    }
    uas::extensions(request, &Capabilities { supported, ..Capabilities::default() })
}

/// Whether a request of a peer belongs to a subscription that stands.
pub(crate) fn has_dialog(turn: &Turn<'_>, request: &Request) -> bool {
    let headers = request.headers();
    let (Some(local), Some(remote)) = (headers.to_tag(), headers.from_tag()) else { return false };
    match request.method() {
        Method::Notify => turn.stack.subscriptions.find(local, remote).is_some(),
        Method::Subscribe => turn.stack.watchers.find(local, remote).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
