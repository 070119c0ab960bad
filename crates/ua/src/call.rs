//! A call that stands.

use std::sync::Arc;
use std::time::Duration;

use sip::message::{Body, Lines, Method};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::command::{Command, Successor};
use crate::ended::{CallStats, Ended, Farewell};
use crate::error::CallError;
use crate::event::Events;
use crate::info::InfoKind;
use crate::line::Line;
use crate::message::Answer;
use crate::outgoing::Dialing;
use crate::request;
use crate::sound::Audio;

/// A call both sides have agreed to. Dropping it hangs up.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use ua::{CallError, Endpoint};
/// # let (alice, bob) = (Endpoint::builder().udp("127.0.0.1:0").build().await?, Endpoint::builder().udp("127.0.0.1:0").build().await?);
/// # let uri = bob.uri("bob").ok_or("no address")?;
/// # let (placed, taken) = tokio::join!(alice.call(uri), async { bob.incoming().await.ok_or(CallError::Ended)?.answer().await });
/// # let (placed, taken) = (placed?, taken?);
/// use ua::{CallEvent, DigitBy};
/// let mut events = taken.events();
/// placed.dtmf("1").await?;
/// placed.hold().await?;
/// placed.resume().await?;
/// while let Some(event) = events.next().await {
///     match event {
///         CallEvent::Digit { digit, by, .. } => {
///             assert_eq!((digit, by), ('1', DigitBy::Rtp));
///             break;
///         }
///         other => println!("{other:?}"),
///     }
/// }
/// println!("{}", placed.hangup().await); // ended by us after 0.2 s: 200 Normal call clearing
/// # Ok(()) }
/// ```
pub struct Call {
    line: Line,
    peer: String,
}

impl Call {
    pub(crate) fn new(line: Line, peer: String) -> Self {
        Self { line, peer }
    }

    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// The other side's address.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// What is heard and said.
    pub fn audio(&self) -> Audio<'_> {
        Audio::new(&self.line)
    }

    /// News of the call.
    pub fn events(&self) -> Events {
        self.line.events.clone()
    }

    /// Holds: the other side is told, neither side sends audio. Holding a held call is no error.
    ///
    /// A 491 (both sides change the call at once) is tried again once, after up to 4 s (RFC 3261 section 14.1).
    ///
    /// # Errors
    /// [`CallError::Rejected`] when the other side refuses; the call goes on as before. [`CallError::Busy`], [`CallError::Ended`].
    pub async fn hold(&self) -> Result<(), CallError> {
        self.line.link.ask(|reply| Command::Hold { call: self.line.key, on: true, reply }).await?
    }

    /// Goes on after [`Call::hold`].
    ///
    /// # Errors
    /// As [`Call::hold`].
    pub async fn resume(&self) -> Result<(), CallError> {
        self.line.link.ask(|reply| Command::Hold { call: self.line.key, on: false, reply }).await?
    }

    /// Offers our description once more by UPDATE (RFC 3311): the other side may answer with another address or codec, and audio follows. A held call
    /// stays held. A 491 is tried again once, as in [`Call::hold`].
    ///
    /// # Errors
    /// [`CallError::NotNow`] without a packet when the other side's Allow lacks UPDATE; otherwise as [`Call::hold`].
    pub async fn update(&self) -> Result<(), CallError> {
        self.line.link.ask(|reply| Command::Update { call: self.line.key, reply }).await?
    }

    /// Queues digits to be sent as telephone events (RFC 4733), all or none: 0-9 A-D * # and R for a hook flash. Returns once they are
    /// queued; each takes a fraction of a second to be sent.
    ///
    /// # Errors
    /// [`CallError::BadText`] for another character, too many digits, or when the other side takes no telephone events or not these.
    pub async fn dtmf(&self, digits: &str) -> Result<(), CallError> {
        let (key, digits) = (self.line.key, digits.to_owned());
        let queued = self.line.link.at_desk(move |desk| desk.engine.dial(key, &digits)).await?;
        queued.map_err(|error| CallError::BadText { why: error.to_string() })
    }

    /// Sends digits as INFO requests (`application/dtmf-relay`), one after the other.
    ///
    /// # Errors
    /// [`CallError::BadText`] before anything is sent; [`CallError::Rejected`] and [`CallError::NoAnswer`] at the first that is refused or not
    /// answered; the call goes on.
    pub async fn dtmf_info(&self, digits: &str) -> Result<(), CallError> {
        self.dtmf_info_as(InfoKind::Relay, digits).await
    }

    /// The same, written in this way.
    ///
    /// # Errors
    /// As [`Call::dtmf_info`].
    pub async fn dtmf_info_as(&self, kind: InfoKind, digits: &str) -> Result<(), CallError> {
        if let Some(other) = digits.chars().find(|digit| !matches!(digit, '0'..='9' | 'A'..='D' | '*' | '#')) {
            return Err(CallError::BadText { why: format!("{other:?} is no digit: expected 0-9 A-D * #") });
        }
        for digit in digits.chars() {
            self.request(Method::Info, Some(kind.body(digit))).await?;
        }
        Ok(())
    }

    /// Sends an INFO of a package within the call (RFC 6086), with a body of this type.
    ///
    /// # Errors
    /// [`CallError::NotNow`] without a packet when the other side has not said that it takes this package, or [`crate::Builder::info_packages`] was not
    /// called; [`CallError::BadText`] for a name or type that cannot stand in a message; [`CallError::Rejected`] when it is refused (469: it takes the package
    /// no longer); the call goes on.
    pub async fn info(&self, package: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Result<Answer, CallError> {
        let (call, package, body) =
            (self.line.key, package.to_owned(), Body::new(content_type.to_owned(), body.into()));
        self.line.link.ask(|reply| Command::Info { call, package, body, reply }).await?
    }

    /// Sends a text message within the call (RFC 3428 section 4). Those of one call go one after the other (section 8); at most 64 wait.
    ///
    /// # Errors
    /// [`CallError`]; the call goes on, except after a 481 (RFC 5057).
    pub async fn message(&self, text: &str) -> Result<Answer, CallError> {
        self.request(Method::Message, Some(Body::new("text/plain;charset=UTF-8", text.as_bytes().to_vec()))).await
    }

    /// Sends a message within the call whose body is of another type than plain text (RFC 3428 section 4), as [`Call::message`]: that we are writing one for
    /// instance ([`composing`](crate::composing), RFC 3994).
    ///
    /// # Errors
    /// [`CallError::BadText`] when `content_type` is none, before anything is sent; otherwise as [`Call::message`].
    pub async fn message_as(&self, content_type: &str, body: &[u8]) -> Result<Answer, CallError> {
        request::check_type(content_type)?;
        self.request(Method::Message, Some(Body::new(content_type.to_owned(), body.to_vec()))).await
    }

    /// Asks the other side to call `target` instead of us (RFC 3515). It has agreed to try when this returns; how that goes is told by
    /// [`CallEvent::Transfer`](crate::CallEvent::Transfer). This call stands until somebody hangs up.
    ///
    /// # Errors
    /// [`CallError::BadUri`] before anything is sent, for an address of more than 1,024 octets too; [`CallError::Busy`] with four under way,
    /// [`CallError::Rejected`] when it refuses; the call goes on.
    pub async fn transfer(&self, target: &str) -> Result<(), CallError> {
        let target = request::target(target, &Method::Invite)?;
        self.hand_over(Successor::Address(target), true).await
    }

    /// As [`Call::transfer`], of which nothing is to be told (RFC 4488): where the other side knows what that means, its consent is the last word, a
    /// [`CallEvent::Transfer`](crate::CallEvent::Transfer) with 200. Elsewhere all is told as usual.
    ///
    /// # Errors
    /// As [`Call::transfer`].
    pub async fn transfer_untold(&self, target: &str) -> Result<(), CallError> {
        let target = request::target(target, &Method::Invite)?;
        self.hand_over(Successor::Address(target), false).await
    }

    /// Asks the other side to take our place in `other` (Replaces, RFC 3891): the two others talk to each other then, and `other` is hung up by
    /// its other side. As [`Call::transfer`] otherwise.
    ///
    /// # Errors
    /// As [`Call::transfer`]; [`CallError::Media`] for calls of two endpoints, [`CallError::NotNow`] for this call itself, [`CallError::Ended`] when one is over.
    pub async fn transfer_to(&self, other: &Call) -> Result<(), CallError> {
        self.take_our_place(other, true).await
    }

    /// As [`Call::transfer_to`], but who is called there need not know of Replaces: it is not required of him (RFC 3261 section 20.32). One that knows it takes
    /// our place; to another it is a call like any, and our call with him stands until somebody hangs up.
    ///
    /// # Errors
    /// As [`Call::transfer_to`].
    pub async fn transfer_to_unrequired(&self, other: &Call) -> Result<(), CallError> {
        self.take_our_place(other, false).await
    }

    /// The same with a call that has no answer yet (semi-attended transfer, RFC 5589 section 7.6): waits for the answer, and then asks. What is played
    /// in `other` keeps the one who answers from hanging up; the call is given back for that. Dropping the future gives it up.
    ///
    /// # Errors
    /// As [`Dialing::answer`] when there is none, and this call goes on; [`CallError::Ended`] when this call has ended before, and `other` is given up;
    /// otherwise as [`Call::transfer_to`], and `other` is hung up.
    pub async fn transfer_to_ringing(&self, other: Dialing) -> Result<Call, CallError> {
        let other = tokio::select! {
            answered = other.answer() => answered?,
            _ = self.ended() => return Err(CallError::Ended),
        };
        self.transfer_to(&other).await?;
        Ok(other)
    }

    async fn take_our_place(&self, other: &Call, required: bool) -> Result<(), CallError> {
        self.same_place(other)?;
        if self.line.key == other.line.key {
            return Err(CallError::NotNow { why: "a call has no place in itself: expected another call".into() });
        }
        self.hand_over(Successor::Call { call: other.line.key, required }, true).await
    }

    async fn hand_over(&self, to: Successor, told: bool) -> Result<(), CallError> {
        let call = self.line.key;
        self.line.link.ask(|reply| Command::Transfer { call, to, told, reply }).await?.map(drop)
    }

    async fn request(&self, method: Method, body: Option<Body>) -> Result<Answer, CallError> {
        let call = self.line.key;
        self.line.link.ask(|reply| Command::InDialog { call, method, lines: Lines::new(), body, reply }).await?
    }

    /// Figures of the audio so far; `None` when there is none (any more).
    pub async fn stats(&self) -> Option<CallStats> {
        let key = self.line.key;
        let report = self.line.link.at_desk(move |desk| desk.engine.report(key)).await.ok()??;
        Some(CallStats::from(report))
    }

    /// Waits for the end of the call, whoever ends it. Dropping the future changes nothing.
    pub async fn ended(&self) -> Arc<Ended> {
        self.line.ended().await
    }

    /// Whether the call has ended.
    pub fn is_over(&self) -> bool {
        self.line.is_over()
    }

    /// Ends the call: at once here, then the network is told (RFC 3261 section 15).
    pub async fn hangup(self) -> Arc<Ended> {
        self.line.hang_up(None, None).await
    }

    /// As [`Call::hangup`], and waits for `most` at most for the other side to confirm. Dropping the future changes nothing.
    pub async fn hangup_within(self, most: Duration) -> (Arc<Ended>, Farewell) {
        let (tell, farewell) = oneshot::channel();
        let call = self.line.key;
        let make = |reply| Command::HangUp { call, code: None, reason: None, farewell: Some(tell), reply: Some(reply) };
        // Without a loop the call has ended.
        let _ = self.line.link.ask(make).await;
        let farewell = match timeout(most, farewell).await {
            Ok(Ok(farewell)) => farewell,
            // The call had ended before.
            Ok(Err(_)) => Farewell::Confirmed,
            Err(_) => Farewell::Silent,
        };
        (self.line.ended().await, farewell)
    }

    /// Lets two calls of one endpoint hear each other. Undone by [`Call::disconnect`], or the end of either.
    ///
    /// # Errors
    /// [`CallError::Media`] for calls of two endpoints, or when one has no audio.
    pub async fn connect(&self, other: &Call) -> Result<(), CallError> {
        self.same_place(other)?;
        let (a, b) = (self.line.key, other.line.key);
        let joined = self.line.link.at_desk(move |desk| desk.engine.connect(a, b) && desk.engine.connect(b, a)).await?;
        if joined { Ok(()) } else { Err(CallError::Media("one of the two calls has no audio".into())) }
    }

    /// Undoes [`Call::connect`].
    ///
    /// # Errors
    /// As [`Call::connect`].
    pub async fn disconnect(&self, other: &Call) -> Result<(), CallError> {
        self.same_place(other)?;
        let (a, b) = (self.line.key, other.line.key);
        let apart = move |desk: &mut net::media::Desk<'_>| {
            desk.engine.disconnect(a, b);
            desk.engine.disconnect(b, a);
        };
        self.line.link.at_desk(apart).await
    }

    fn same_place(&self, other: &Call) -> Result<(), CallError> {
        if Arc::ptr_eq(&self.line.link.place, &other.line.link.place) {
            return Ok(());
        }
        Err(CallError::Media("only calls of one endpoint can be connected".into()))
    }
}
