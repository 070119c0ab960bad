//! Calls we place.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sip::invite::{JOIN, NamedDialog, REPLACES};
use sip::message::{HeaderId, Lines, Method};
use sip::uas::RELIABLE;
use tokio::sync::{mpsc, oneshot};

use crate::call::Call;
use crate::command::{Command, Dial};
use crate::ended::Ended;
use crate::error::CallError;
use crate::event::Events;
use crate::line::Line;
use crate::link::Link;
use crate::progress::Progress;
use crate::referral::Owed;
use crate::request::{self, Identity};
use crate::sound::Audio;

/// Provisional responses that may wait to be read.
const PROGRESS: usize = 16;

/// RFC 3325 section 6.
const UNTRUSTED: &str = "by which address we prefer to be known is told to a server of the account alone: expected an account, and a call by its proxy or to its domain";

/// A call to be placed. Await it for the answer, or [`start`](Self::start) it to watch it ring.
#[must_use = "a call is placed when it is awaited or started"]
pub struct OutgoingBuilder {
    link: Link,
    uri: String,
    identity: Identity,
    lines: Lines,
    bad: Option<String>,
    ring_for: Duration,
    late_offer: bool,
    /// What it says is for a server of the account's alone.
    confides: bool,
    owed: Option<Owed>,
}

impl OutgoingBuilder {
    pub(crate) fn new(link: Link, uri: String, identity: Identity) -> Self {
        let ring_for = Duration::from_secs(180);
        let (lines, late_offer, confides) = (Lines::new(), false, false);
        Self { link, uri, identity, lines, bad: None, ring_for, late_offer, confides, owed: None }
    }

    /// A call that somebody wants who is told how it goes.
    pub(crate) fn referred(link: Link, uri: String, identity: Identity, lines: Lines, owed: Owed) -> Self {
        Self { lines, owed: Some(owed), ..Self::new(link, uri, identity) }
    }

    /// Gives up after so long without an answer; 180 s unless set.
    pub fn ring_for(mut self, span: Duration) -> Self {
        self.ring_for = span;
        self
    }

    /// One more header line in the INVITE.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Err(error) = self.lines.push(name, value) {
            self.bad.get_or_insert_with(|| error.to_string());
        }
        self
    }

    /// Calls without an offer: the other side names its codecs first (RFC 3261 section 13.2.1).
    pub fn late_offer(mut self) -> Self {
        self.late_offer = true;
        self
    }

    /// Insists that the callee says reliably that it rings (RFC 3262): one that cannot refuses the call with 420. Without this it may do so,
    /// and is acknowledged.
    pub fn reliable(mut self) -> Self {
        self.lines.push_id(HeaderId::Require, RELIABLE);
        self
    }

    /// Calls without telling who we are (RFC 3323 section 4.1): From names nobody, and those on the way are asked to hide the rest (`id`, `user`,
    /// `header`, `session`, `history`), and Contact names neither user nor telephone (RFC 5627 section 4.4). Credentials still prove to our own server who calls, and our
    /// addresses are seen by whoever is called directly, or wherever the registrar gives no temporary ones.
    pub fn anonymous(mut self) -> Self {
        self.identity.from = sip::privacy::ANONYMOUS.to_owned();
        self.identity.anonymous = true;
        self.privacy("id;user;header;session;history")
    }

    /// What those on the way are asked to hide (RFC 3323 section 4.2, RFC 3325 section 9.3): `none` alone, or `id`, `user`, `header`, `session` and `history`,
    /// each once at most and with semicolons between them, and `critical` behind them. Anything else is [`CallError::BadText`].
    pub fn privacy(mut self, words: &str) -> Self {
        if let Err(expected) = sip::privacy::check(words) {
            self.bad.get_or_insert_with(|| expected.to_owned());
        }
        self.header(HeaderId::Privacy.name(), words)
    }

    /// By which of our addresses we want to be known (P-Preferred-Identity, RFC 3325 section 6). That is for a server that we trust: a call that goes by no
    /// proxy, WebSocket or route of its account, nor to the domain of its address, is [`CallError::BadText`].
    pub fn preferred_identity(mut self, address: &str) -> Self {
        self.confides = true;
        let address = if address.contains('<') { address.to_owned() } else { format!("<{address}>") };
        self.header(HeaderId::PPreferredIdentity.name(), &address)
    }

    /// What we tell the user at the other end (RFC 7433): data, hexadecimal unless there is `;encoding=` behind it, and further parameters.
    pub fn user_to_user(self, data: &str) -> Self {
        self.header(HeaderId::UserToUser.name(), data)
    }

    /// Wants the call to be answered after so long without anybody's doing (`answer-after` of Call-Info). Telephones obey it that are told to.
    pub fn answer_after(self, wait: Duration) -> Self {
        self.header(HeaderId::CallInfo.name(), &format!("<sip:auto-answer.invalid>;answer-after={}", wait.as_secs()))
    }

    /// Wants to be in a call besides that the other side has, by this name (Join, RFC 3911): one that cannot do that refuses with 420 or 488.
    pub fn join(self, named: &NamedDialog) -> Self {
        self.header(HeaderId::Require.name(), JOIN).header(HeaderId::Join.name(), &named.to_string())
    }

    /// Wants to take a place in a call that the other side has, by this name (Replaces, RFC 3891): one that cannot do that refuses with 420 or 481.
    pub fn replace(self, named: &NamedDialog) -> Self {
        self.header(HeaderId::Require.name(), REPLACES).header(HeaderId::Replaces.name(), &named.to_string())
    }

    /// Sends the INVITE and returns at once.
    ///
    /// # Errors
    /// [`CallError::BadUri`], [`CallError::BadText`], [`CallError::Media`] without a free port, [`CallError::Ended`]. What the network says
    /// comes with [`Dialing::answer`].
    pub async fn start(self) -> Result<Dialing, CallError> {
        if let Some(why) = self.bad {
            return Err(CallError::BadText { why });
        }
        let (link, identity) = (self.link, self.identity);
        let uri = request::target(&self.uri, &Method::Invite)?;
        if self.confides && !identity.goes_to_own_server(&uri) {
            return Err(CallError::BadText { why: UNTRUSTED.to_owned() });
        }
        let here = request::here(&link.place, &request::next_hop(&uri, &identity)).await;
        let (media, ports) = link.place.open(here)?;
        let key = link.media.key();
        let (line, ends) = Line::new(link.clone(), key);
        let (progress, news) = mpsc::channel(PROGRESS);
        let (answer, answered) = oneshot::channel();
        let dial = Dial {
            key,
            from: identity.from(&link.place, here),
            contact: identity.contact(&uri),
            routes: identity.routes,
            hop: identity.hop,
            credentials: identity.credentials,
            proved: identity.proved,
            lines: self.lines,
            media,
            ports,
            late_offer: self.late_offer,
            ring_for: self.ring_for,
            ends,
            progress,
            answer,
            owed: self.owed,
            uri: uri.clone(),
        };
        link.commands.send(Command::Dial(Box::new(dial))).await.map_err(|_| CallError::Ended)?;
        Ok(Dialing { line, peer: uri.to_string(), news, answered })
    }
}

impl IntoFuture for OutgoingBuilder {
    type Output = Result<Call, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Places the call and waits for its answer. Dropping the future gives the call up.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.start().await?.answer().await })
    }
}

/// A call of ours that has not been answered yet. Dropping it gives it up.
pub struct Dialing {
    line: Line,
    peer: String,
    news: mpsc::Receiver<Progress>,
    answered: oneshot::Receiver<Result<(), CallError>>,
}

impl Dialing {
    /// The next provisional response; `None` once there is a final one. Dropping the future loses nothing.
    pub async fn progress(&mut self) -> Option<Progress> {
        self.news.recv().await
    }

    /// The address that is called.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// The events of the call, before and after its answer.
    pub fn events(&self) -> Events {
        self.line.events.clone()
    }

    /// What is heard before the answer, with or without a 183 that tells of it (RFC 3264 section 5.1): record it, listen to it. There is something to
    /// hear from [`CallEvent::Heard`](crate::CallEvent::Heard) or [`CallEvent::MediaReady`](crate::CallEvent::MediaReady) on, and with
    /// [`OutgoingBuilder::late_offer`] not before the answer. What runs goes on in the call. Until a response has named an address, nothing is sent,
    /// and of several who speak one is heard: the first, and after a second of silence the next. Once one has, his word counts, and the last
    /// one's who says something new.
    pub fn audio(&self) -> Audio<'_> {
        Audio::new(&self.line)
    }

    /// Offers our description once more by UPDATE (RFC 3311 section 5.1), as [`Call::update`] does later. That is possible once a reliable provisional
    /// response has answered the first offer (RFC 3262 section 5).
    ///
    /// # Errors
    /// [`CallError::NotNow`] before that and where more than one of those who were called has rung, without a packet; an error, too, where another one answers while
    /// it is under way; otherwise as [`Call::update`].
    pub async fn update(&self) -> Result<(), CallError> {
        self.line.link.ask(|reply| Command::Update { call: self.line.key, reply }).await?
    }

    /// Waits for the answer. Dropping the future gives the call up.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn answer(self) -> Result<Call, CallError> {
        self.answered.await.map_err(|_| CallError::Ended)??;
        Ok(Call::new(self.line, self.peer))
    }

    /// Gives the call up: CANCEL, or ACK and BYE when the answer is faster (RFC 3261 section 9.1).
    pub async fn cancel(self) -> Arc<Ended> {
        self.line.hang_up(None, None).await
    }
}
