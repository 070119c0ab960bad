//! A watcher: a subscription of a peer with us (RFC 6665 section 4.2).
//!
//! ```text
//!            Turn::accept_subscription              Turn::end_watcher, expiry,
//!   SUBSCRIBE ----------------------> Watching ------------------------------> Ending ---> (gone)
//!                                      |    ^       SUBSCRIBE with Expires 0        NOTIFY terminated
//!                                      |    |                                       has its answer
//!                                      +----+ SUBSCRIBE: Wanted, then Turn::notify
//! ```
//!
//! A REFER outside of any dialog makes one, too (RFC 3515 section 2.4.4).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::spec::same_event;
use super::terms::Terms;
use crate::dialog::Dialog;
use crate::draft::ContactSpec;
use crate::event::{Event, Failure};
use crate::header;
use crate::id::{Id, ServerTx, Shard, WatcherId};
use crate::invite::making;
use crate::message::{Body, HeaderId, Headers, Lines, Method, Request, StatusCode};
use crate::outbox::Origin;
use crate::reply::Reply;
use crate::slab::Slab;
use crate::stack::{StackError, Usage};
use crate::time::Time;
use crate::turn::Turn;
use crate::wheel::TimerId;

/// The package of what becomes of a REFER (RFC 3515 section 3.1).
const REFER: &str = "refer";

/// News of a watcher.
#[derive(Debug)]
#[non_exhaustive]
pub enum WatcherEvent {
    /// It has asked for more time, and is owed the whole state: [`Turn::notify`].
    Wanted {
        /// How long it holds now.
        expires: Duration,
    },
    /// It is no more: nothing is to be told to it.
    Ended {
        /// Why.
        why: WatcherEnd,
    },
    /// Nothing of it is left: its last NOTIFY has its answer, or will have none. Its last news, however it has ended.
    Gone,
}

/// Why a watcher is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatcherEnd {
    /// It has said so.
    Unsubscribed,
    /// It has not asked for more time.
    Expired,
    /// It has refused a NOTIFY so that the subscription ends (section 4.2.2).
    Refused(StatusCode),
    /// It has not answered a NOTIFY, or is not there.
    Unreachable(Failure),
}

/// What a terminated Subscription-State says (RFC 6665 section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// Subscribe again at once.
    Deactivated,
    /// Subscribe again later.
    Probation,
    /// Never again: it is not allowed.
    Rejected,
    /// It was not refreshed.
    Timeout,
    /// Nobody has decided in time.
    GiveUp,
    /// There is no such resource any more.
    NoResource,
    /// The state will not change.
    Invariant,
}

impl EndReason {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deactivated => "deactivated",
            Self::Probation => "probation",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::GiveUp => "giveup",
            Self::NoResource => "noresource",
            Self::Invariant => "invariant",
        }
    }
}

#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) dialog: Dialog,
    /// The Event value, with its `id`.
    pub(super) event: Box<str>,
    pub(super) terms: Terms,
    pub(super) ends_at: Time,
    pub(super) pending: bool,
    /// Counts NOTIFYs: an answer to an earlier one has no effect.
    pub(super) attempt: u16,
    /// The body of the NOTIFY under way.
    pub(super) under_way: Option<Option<Body>>,
    /// What is to be told next: the newest, whatever was to be told before it.
    pub(super) waiting: Option<Option<Body>>,
    /// It does not wait for the interval.
    pub(super) urgent: bool,
    /// No NOTIFY before.
    pub(super) not_before: Time,
    pub(super) ending: Option<(EndReason, Option<u32>)>,
    /// What was told last of a REFER: each of its NOTIFYs has a body, the last one too (RFC 3515 section 2.4.4).
    last: Option<Body>,
    pub(super) timer: TimerId,
}

/// All watchers of a stack.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    all: Slab<Watcher>,
    /// By both tags.
    dialogs: BTreeMap<(Box<str>, Box<str>), Id>,
}

impl Watchers {
    pub(crate) fn usage(&self, usage: &mut Usage) {
        usage.watchers = self.all.len();
        usage.matches += self.dialogs.len();
    }

    /// For [`crate::Stack::states`].
    pub(crate) fn state_names(&self, shard: Shard, mut tell: impl FnMut(Id, &'static str)) {
        for (id, one) in self.all.iter(shard) {
            let state = match (&one.ending, &one.under_way) {
                (Some(_), _) => "watcher: ending",
                (None, Some(_)) => "watcher: notifying",
                (None, None) => "watcher: watching",
            };
            tell(id, state);
        }
    }

    pub(super) fn get(&self, id: WatcherId) -> Option<&Watcher> {
        self.all.get(id.0)
    }

    pub(super) fn get_mut(&mut self, id: WatcherId) -> Option<&mut Watcher> {
        self.all.get_mut(id.0)
    }

    pub(crate) fn find(&self, local: &str, remote: &str) -> Option<WatcherId> {
        self.dialogs.get(&(Box::from(local), Box::from(remote))).map(|id| WatcherId(*id))
    }

    fn insert(&mut self, shard: Shard, one: Watcher) -> WatcherId {
        let tags = (Box::from(one.dialog.local_tag()), Box::from(one.dialog.remote_tag()));
        let id = self.all.insert(shard, one);
        self.dialogs.insert(tags, id);
        WatcherId(id)
    }

    pub(super) fn remove(&mut self, id: WatcherId) -> Option<Watcher> {
        let gone = self.all.remove(id.0)?;
        self.dialogs.remove(&(Box::from(gone.dialog.local_tag()), Box::from(gone.dialog.remote_tag())));
        Some(gone)
    }
}

/// Watchers.
impl Turn<'_> {
    /// Takes a SUBSCRIBE that was told by [`crate::Event::Request`]: answers it 200, and makes its sender a watcher, who is owed the state at once:
    /// [`Turn::notify`] has to follow in this turn. Whether it may watch, and whether the package is known ([`super::check`]), is looked at before.
    ///
    /// A REFER outside of any dialog is taken so, too: it is answered 202, and its sender watches what becomes of it (package refer, RFC 3515 section 2.4.4),
    /// for as long as is usual by these terms.
    ///
    /// # Errors
    /// Nothing is kept then. [`StackError::Refused`]: it has been answered so, for its Expires or Contact; [`StackError::Full`] at
    /// [`crate::Config::max_watchers`], and nothing is answered; [`StackError::Gone`].
    pub fn accept_subscription(&mut self, tx: ServerTx, terms: Terms, pending: bool) -> Result<WatcherId, StackError> {
        self.accept_subscription_at(tx, terms, pending, None)
    }

    /// The same with a Contact: where there is an address of our instance, notifiers are reached by that (section 4.5.1). One that is too long for a dialog
    /// is left out.
    ///
    /// # Errors
    /// Those of [`Turn::accept_subscription`].
    pub fn accept_subscription_at(
        &mut self,
        tx: ServerTx,
        terms: Terms,
        pending: bool,
        contact: Option<ContactSpec>,
    ) -> Result<WatcherId, StackError> {
        let limit = self.stack.config.max_watchers;
        if self.stack.watchers.all.len() >= limit {
            return Err(StackError::Full { what: "watchers", limit });
        }
        let (origin, tag) = (self.origin_of(tx).ok_or(StackError::Gone)?, self.tag_of(tx).ok_or(StackError::Gone)?);
        let request = self.request_of(tx).ok_or(StackError::Gone)?;
        let (reach, refers) = (self.stack.config.session.reach, *request.method() == Method::Refer);
        let (dialog, event) = (
            making::of_request(request, &origin, &tag, reach),
            match refers {
                true => Some(Box::<str>::from(REFER)),
                false => request.headers().text(HeaderId::Event).map(|event| Box::from(event.as_ref())),
            },
        );
        // The duration is the choice of who takes a REFER (RFC 3515 section 2.4.4).
        let granted = if refers { Ok(terms.usual) } else { terms.granted(request.headers()) };
        let refuse = |turn: &mut Self, reply: Reply, expected| {
            let code = reply.code;
            turn.respond(tx, reply)?;
            Err(StackError::Refused { code, expected })
        };
        let secs = match granted {
            Ok(secs) => secs,
            Err(reply) => return refuse(self, *reply, "a longer Expires"),
        };
        let (Some(mut dialog), Some(event)) = (dialog, event) else {
            let reply = Reply::new(StatusCode::BAD_REQUEST).reason("No Contact or Event that can be used");
            return refuse(self, reply, "a Contact and an Event");
        };
        dialog.confirmed();
        if let Some(contact) = contact {
            let _ = dialog.set_contact(&contact);
        }
        let contact = dialog.contact();
        let reply = match refers {
            true => Reply::new(StatusCode::ACCEPTED).contact(contact),
            false => success(secs, contact),
        };
        self.respond(tx, reply)?;
        let now = self.now.mono;
        let watcher = Watcher {
            dialog,
            event,
            terms,
            ends_at: now + Duration::from_secs(secs.into()),
            pending,
            attempt: 0,
            under_way: None,
            waiting: None,
            urgent: true,
            not_before: now,
            ending: (secs == 0).then_some((EndReason::Timeout, None)),
            last: None,
            timer: TimerId::NONE,
        };
        let id = self.stack.watchers.insert(self.stack.config.shard, watcher);
        self.watcher_arm(id);
        Ok(id)
    }

    /// Tells a watcher the state: at once, or when the answer to the NOTIFY before has come and the interval of its terms has passed. Of several
    /// that wait the newest is told. `None`: a NOTIFY without a body.
    ///
    /// # Errors
    /// [`StackError::Gone`], also while its last NOTIFY is unanswered.
    pub fn notify(&mut self, id: WatcherId, body: Option<Body>) -> Result<(), StackError> {
        let one = self.watching(id)?;
        if &*one.event == REFER {
            one.last.clone_from(&body);
        }
        one.waiting = Some(body);
        self.watcher_pump(id);
        Ok(())
    }

    /// Whether a state given to [`Turn::notify`] waits still: the next one takes its place, and nobody is told it.
    pub fn notify_waits(&self, id: WatcherId) -> bool {
        self.stack.watchers.get(id).is_some_and(|one| one.waiting.is_some())
    }

    /// Somebody has decided: a watcher that was pending may watch. The state has to follow.
    ///
    /// # Errors
    /// As [`Turn::notify`].
    pub fn allow_watcher(&mut self, id: WatcherId) -> Result<(), StackError> {
        let one = self.watching(id)?;
        (one.pending, one.urgent) = (false, true);
        Ok(())
    }

    /// Ends a subscription of a peer. The handle finds nothing any more.
    ///
    /// # Errors
    /// As [`Turn::notify`].
    pub fn end_watcher(
        &mut self,
        id: WatcherId,
        reason: EndReason,
        retry_after: Option<u32>,
        body: Option<Body>,
    ) -> Result<(), StackError> {
        let one = self.watching(id)?;
        let body = body.or_else(|| one.last.take());
        (one.ending, one.waiting, one.urgent) = (Some((reason, retry_after)), Some(body), true);
        self.watcher_pump(id);
        Ok(())
    }

    /// A watcher that has not been told the last that it is told: that is under way, or waits behind what is. One that only asks once is over with its first
    /// NOTIFY.
    fn watching(&mut self, id: WatcherId) -> Result<&mut Watcher, StackError> {
        let one = self.stack.watchers.get_mut(id).ok_or(StackError::Gone)?;
        let over = one.ending.is_some() && one.under_way.is_some();
        if over { Err(StackError::Gone) } else { Ok(one) }
    }

    /// How long a watcher's subscription still holds.
    pub fn watcher_left(&self, id: WatcherId) -> Option<Duration> {
        let one = self.stack.watchers.get(id).filter(|one| one.ending.is_none())?;
        Some(one.ends_at.since(self.now.mono))
    }

    /// It is over, and its last NOTIFY leaves.
    pub(super) fn watcher_ends(&mut self, id: WatcherId, why: WatcherEnd) {
        let ended = self.end_watcher(id, EndReason::Timeout, None, None);
        if ended.is_ok() {
            self.watcher_tell(id, WatcherEvent::Ended { why });
        }
    }

    pub(super) fn watcher_tell(&mut self, id: WatcherId, event: WatcherEvent) {
        self.emit(Event::Watcher(id, event));
    }
}

/// 200 with Expires (section 4.2.1.1).
fn success(secs: u32, contact: ContactSpec) -> Reply {
    let mut lines = Lines::new();
    lines.push_id(HeaderId::Expires, secs);
    Reply::new(StatusCode::OK).lines(lines).contact(contact)
}

/// A SUBSCRIBE within the dialog of a watcher: it wants more time, or no more (sections 4.2.1.4 and 4.1.2.3).
pub(super) fn on_subscribe(turn: &mut Turn<'_>, tx: ServerTx, request: &Arc<Request>, origin: &Origin) -> bool {
    let headers = request.headers();
    let (Some(local), Some(remote)) = (headers.to_tag(), headers.from_tag()) else { return false };
    let Some(id) = turn.stack.watchers.find(local, remote) else { return false };
    if turn.stack.watchers.get(id).is_none_or(|one| one.dialog.call_id() != headers.call_id()) {
        return false;
    }
    if let Some(reply) = super::demands(turn, request, &Lines::new()) {
        let _ = turn.respond(tx, reply);
        return true;
    }
    let reach = turn.stack.config.session.reach;
    let now = turn.now.mono;
    let Some(one) = turn.stack.watchers.get_mut(id) else { return false };
    let reply = match refresh(one, headers) {
        Err(reply) => *reply,
        Ok(secs) => {
            making::refresh(&mut one.dialog, making::contact_uri(headers), origin, reach);
            one.ends_at = now + Duration::from_secs(secs.into());
            success(secs, one.dialog.contact())
        }
    };
    let granted = reply.code.is_success();
    let ends_at = one.ends_at;
    let _ = turn.respond(tx, reply);
    if !granted {
        return true;
    }
    if ends_at <= now {
        turn.watcher_ends(id, WatcherEnd::Unsubscribed);
        return true;
    }
    if let Some(one) = turn.stack.watchers.get_mut(id) {
        one.urgent = true;
    }
    turn.watcher_arm(id);
    turn.watcher_tell(id, WatcherEvent::Wanted { expires: ends_at.since(now) });
    true
}

/// The seconds that a refresh is granted.
fn refresh(one: &mut Watcher, headers: &Headers) -> Result<u32, Box<Reply>> {
    let refuse = |code| Err(Box::new(Reply::new(code)));
    if one.dialog.heard_cseq(headers.cseq().number).is_err() {
        return refuse(StatusCode::SERVER_INTERNAL_ERROR);
    }
    let ours = Headers::read::<header::Event<'_>>(one.event.as_bytes()).ok();
    let same = match headers.get::<header::Event<'_>>() {
        Some(Ok(event)) => ours.is_some_and(|ours| same_event(&event, &ours)),
        _ => false,
    };
    if !same || one.ending.is_some() {
        return refuse(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
    }
    one.terms.granted(headers)
}
