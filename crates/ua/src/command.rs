//! What handles ask of the loop.

use std::sync::Arc;
use std::time::Duration;

use media::{CallMedia, Key, MediaEvent};
use net::media::PortPair;
use sip::digest::Credentials;
use sip::message::{Body, Lines, Method, StatusCode, UriBuf};
use sip::publish::PublishSpec;
use sip::register::RegisterSpec;
use sip::subscribe::{EndReason, SubscribeSpec};
use sip::{ContactSpec, Draft, Hop, PublicationId, ServerTx, SubscriptionId, WatcherId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::attached::Attached;
use crate::ended::{Ended, Farewell};
use crate::error::{CallError, RegisterError};
use crate::event::CallEvent;
use crate::follows::Follows;
use crate::message::Answer;
use crate::progress::Progress;
use crate::publication::Published;
use crate::referral::Owed;
use crate::registration::Registration;
use crate::subscription::SubscriptionNews;
use crate::watcher::Watcher;

/// Names an account on its loop.
pub(crate) type AccountKey = u64;

/// One thing to be done on the loop.
pub(crate) enum Command {
    /// Place a call.
    Dial(Box<Dial>),
    /// 180, or 183 with early media.
    Ring { call: Key, early: bool, reply: oneshot::Sender<Result<(), CallError>> },
    /// 200.
    Accept { call: Key, lines: Lines, reply: oneshot::Sender<Result<(), CallError>> },
    /// End a call, whatever its state. Who waits for a farewell of a call that has none finds the channel closed.
    HangUp {
        call: Key,
        code: Option<StatusCode>,
        reason: Option<String>,
        farewell: Option<oneshot::Sender<Farewell>>,
        reply: Option<oneshot::Sender<()>>,
    },
    /// Hold or resume.
    Hold { call: Key, on: bool, reply: oneshot::Sender<Result<(), CallError>> },
    /// Our description once more, by UPDATE.
    Update { call: Key, reply: oneshot::Sender<Result<(), CallError>> },
    /// A request within a call.
    InDialog {
        call: Key,
        method: Method,
        lines: Lines,
        body: Option<Body>,
        reply: oneshot::Sender<Result<Answer, CallError>>,
    },
    /// An INFO of a package.
    Info { call: Key, package: String, body: Body, reply: oneshot::Sender<Result<Answer, CallError>> },
    /// Ask the other side to call somebody else, and perhaps to tell how that goes.
    Transfer { call: Key, to: Successor, told: bool, reply: oneshot::Sender<Result<Answer, CallError>> },
    /// The other side wanted somebody to be called, and we do not.
    Decline { referred: Referred, code: StatusCode },
    /// A request outside any call. `proved`: the registrar has taken our credentials.
    Ask { draft: Box<Draft>, proved: bool, reply: oneshot::Sender<Result<Answer, CallError>> },
    /// Register an account, or again.
    Register {
        account: AccountKey,
        /// One for each flow.
        specs: Vec<RegisterSpec>,
        state: Arc<watch::Sender<Registration>>,
        reply: oneshot::Sender<Result<Duration, RegisterError>>,
    },
    /// Take the binding back.
    Unregister { account: AccountKey, reply: Option<oneshot::Sender<()>> },
    /// Publish a state of ours.
    Publish {
        spec: Box<PublishSpec>,
        follows: Follows,
        body: Body,
        told: watch::Sender<Published>,
        reply: oneshot::Sender<Result<PublicationId, CallError>>,
    },
    /// Another one instead.
    Republish { id: PublicationId, body: Body, reply: oneshot::Sender<Result<(), CallError>> },
    /// Take it back.
    Unpublish { id: PublicationId },
    /// Subscribe to somebody's state.
    Subscribe {
        spec: Box<SubscribeSpec>,
        follows: Option<Follows>,
        news: mpsc::Sender<SubscriptionNews>,
        reply: oneshot::Sender<Result<SubscriptionId, CallError>>,
    },
    /// Ask for it again.
    Resubscribe { id: SubscriptionId, reply: oneshot::Sender<Result<(), CallError>> },
    /// No more.
    Unsubscribe { id: SubscriptionId },
    /// Somebody may watch, or perhaps may.
    TakeWatcher { tx: ServerTx, body: Option<Body>, pending: bool, reply: oneshot::Sender<Result<Watcher, CallError>> },
    /// Nobody may.
    RefuseWatcher { tx: ServerTx, code: StatusCode },
    /// What a watcher is told; `allowed`: it pends no more.
    Notify { id: WatcherId, body: Body, allowed: bool, reply: oneshot::Sender<Result<(), CallError>> },
    /// A watcher is told nothing any more.
    EndWatcher { id: WatcherId, reason: EndReason, retry_after: Option<u32> },
    /// News of the media thread.
    Media(MediaEvent),
    /// A stream could not be set up.
    MediaFailed { call: Key, why: String },
    /// A recording could not be written on.
    RecordingFailed { call: Key, why: String },
    /// Counts, for tests of leaks.
    Usage { reply: oneshot::Sender<Usage> },
    /// End everything.
    Close { done: oneshot::Sender<()> },
}

/// Whom the other side of a call is to talk to.
pub(crate) enum Successor {
    Address(UriBuf),
    /// The other side of this call, in our place; whether that it can be so is `required` of whom it names.
    Call {
        call: Key,
        required: bool,
    },
}

/// Who has asked us to call somebody, and is told how that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Referred {
    /// The other side of a call; the number of its REFER.
    InCall { call: Key, number: u32 },
    /// Somebody outside of any call, by the subscription that his REFER has made.
    Outside(WatcherId),
    /// The same, and wants to be told nothing.
    Untold,
}

/// A call to be placed.
pub(crate) struct Dial {
    pub(crate) key: Key,
    pub(crate) uri: UriBuf,
    pub(crate) from: String,
    pub(crate) contact: ContactSpec,
    pub(crate) routes: Vec<String>,
    pub(crate) hop: Hop,
    pub(crate) credentials: Credentials,
    /// The registrar has taken them.
    pub(crate) proved: bool,
    pub(crate) lines: Lines,
    pub(crate) media: CallMedia,
    pub(crate) ports: PortPair,
    pub(crate) late_offer: bool,
    pub(crate) ring_for: Duration,
    pub(crate) ends: Ends,
    pub(crate) progress: mpsc::Sender<Progress>,
    pub(crate) answer: oneshot::Sender<Result<(), CallError>>,
    /// Who wants it is told how it goes.
    pub(crate) owed: Option<Owed>,
}

/// The loop's ends of a call's channels.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) news: mpsc::Sender<CallEvent>,
    pub(crate) ended: watch::Sender<Option<Arc<Ended>>>,
    pub(crate) attached: Arc<Attached>,
}

/// What lives on the loop of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Calls that have not ended.
    pub calls: usize,
    /// Accounts that are registered, or on their way.
    pub accounts: usize,
    /// Audio streams on the media thread.
    pub streams: usize,
    /// Players and recorders on the media thread; each call has one player of silence.
    pub ports: usize,
    /// What the stack holds; transactions stay for a while after their end (RFC 3261 section 17, RFC 6026).
    pub stack: sip::Usage,
}
