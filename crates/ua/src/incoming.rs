//! Calls we receive.

use std::net::SocketAddr;
use std::sync::Arc;

use media::Key;
use net::Network;
use net::media::Desk;
use sip::Origin;
use sip::header::{From, To};
use sip::message::{HeaderId, LineError, Lines, Request, StatusCode};

use crate::call::Call;
use crate::command::Command;
use crate::ended::Ended;
use crate::error::CallError;
use crate::event::Events;
use crate::line::Line;
use crate::sound::Audio;
use crate::told::Told;

/// What an INVITE says of its caller.
pub(crate) struct Caller {
    pub(crate) from: String,
    to: String,
    uri: String,
    display: Option<String>,
    call_id: String,
    address: SocketAddr,
    told: Told,
    request: Request,
}

impl Caller {
    pub(crate) fn of(request: &Request, origin: &Origin, believed: &[Network]) -> Self {
        let headers = request.headers();
        let from = headers.get::<From<'_>>().and_then(Result::ok);
        let address = from.as_ref().map(|from| from.0.uri.to_string());
        let display = from.as_ref().and_then(|from| from.0.display).map(|name| name.text().into_owned());
        let to = headers.get::<To<'_>>().and_then(Result::ok).map(|to| to.0.uri.to_string());
        Self {
            from: address.unwrap_or_default(),
            to: to.unwrap_or_default(),
            uri: request.uri_text().to_owned(),
            display: display.filter(|name| !name.is_empty()),
            call_id: headers.call_id().to_owned(),
            address: origin.remote,
            told: Told::of(headers, believed.iter().any(|network| network.contains(origin.remote.ip().to_canonical()))),
            request: request.clone(),
        }
    }
}

/// A call that rings here, or could. Dropping it declines it (603).
///
/// Answering takes it, so it cannot be answered twice:
///
/// ```compile_fail,E0382
/// async fn twice(incoming: ua::IncomingCall) {
///     let _first = incoming.answer().await;
///     let _second = incoming.answer().await;
/// }
/// ```
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ua::{CallError, Endpoint};
/// let (alice, bob) = (Endpoint::builder().udp("127.0.0.1:0").build().await?, Endpoint::builder().udp("127.0.0.1:0").build().await?);
/// let uri = bob.uri("bob").ok_or("no address")?;
/// let (placed, ()) = tokio::join!(alice.call(uri), async {
///     let Some(incoming) = bob.incoming().await else { return };
///     println!("{} calls {}", incoming.from(), incoming.to());
///     // Its caller may be gone.
///     let _ = incoming.ring().await;
///     incoming.reject(486, Some("in a meeting")).await;
/// });
/// assert!(matches!(placed, Err(CallError::Rejected { code: 486, .. })));
/// # Ok(()) }
/// ```
pub struct IncomingCall {
    line: Line,
    caller: Caller,
    /// The call that it wants to be in.
    joins: Option<Key>,
    lines: Lines,
    bad: Option<LineError>,
}

impl IncomingCall {
    pub(crate) fn new(line: Line, caller: Caller, joins: Option<Key>) -> Self {
        Self { line, caller, joins, lines: Lines::new(), bad: None }
    }

    /// The caller's address, as it claims: `sip:alice@example.com`.
    pub fn from(&self) -> &str {
        &self.caller.from
    }

    /// The caller's display name, as it claims.
    pub fn display_name(&self) -> Option<&str> {
        self.caller.display.as_deref()
    }

    /// What the INVITE tells besides: who is asserted to call, what user tells user, who has diverted the call and where it has been, and whether it wants
    /// to be answered by itself.
    pub fn told(&self) -> &Told {
        &self.caller.told
    }

    /// The address that was called, as the caller wrote it.
    pub fn to(&self) -> &str {
        &self.caller.to
    }

    /// The Request-URI: the address that is called now, after any forwarding.
    pub fn uri(&self) -> &str {
        &self.caller.uri
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        &self.caller.call_id
    }

    /// Where the INVITE came from.
    pub fn remote(&self) -> SocketAddr {
        self.caller.address
    }

    /// Whether it wants to be in this call besides (Join, RFC 3911): when it is answered, the two others and we hear each other. Only where
    /// [`crate::Builder::allow_transfer`] was called, and from who is the other side of that call or sent by it.
    pub fn joins(&self, call: &Call) -> bool {
        self.joins == Some(call.line().key)
    }

    /// The value of a header of the INVITE, folds undone.
    pub fn header(&self, name: &str) -> Option<String> {
        match HeaderId::from_name(name.as_bytes()) {
            HeaderId::Other => {
                self.caller.request.headers().by_name(name).next().map(|header| header.text().into_owned())
            }
            id => self.caller.request.headers().text(id).map(|text| text.into_owned()),
        }
    }

    /// One more header line in the 200.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Err(error) = self.lines.push(name, value) {
            self.bad.get_or_insert(error);
        }
        self
    }

    /// Tells the caller that it rings here (180).
    ///
    /// # Errors
    /// [`CallError::CallerGone`].
    pub async fn ring(&self) -> Result<(), CallError> {
        self.line.link.ask(|reply| Command::Ring { call: self.line.key, early: false, reply }).await?
    }

    /// Answers provisionally with audio (183): what [`IncomingCall::audio`] plays is heard before the answer.
    ///
    /// # Errors
    /// [`CallError::CallerGone`]; [`CallError::Media`] when the INVITE had no offer.
    pub async fn progress_with_media(&self) -> Result<(), CallError> {
        self.line.link.ask(|reply| Command::Ring { call: self.line.key, early: true, reply }).await?
    }

    /// Offers our description once more by UPDATE (RFC 3311 section 5.1), as [`Call::update`] does later. That is possible once the first offer has been
    /// answered in a reliable provisional response and its PRACK (RFC 3262 section 5): after [`IncomingCall::progress_with_media`], where the caller can
    /// take that reliably and [`crate::Builder::reliable`] says so, or the caller insists.
    ///
    /// # Errors
    /// [`CallError::NotNow`] before that, without a packet; otherwise as [`Call::update`].
    pub async fn update(&self) -> Result<(), CallError> {
        self.line.link.ask(|reply| Command::Update { call: self.line.key, reply }).await?
    }

    /// The audio, for early media. Silent before [`IncomingCall::progress_with_media`].
    pub fn audio(&self) -> Audio<'_> {
        Audio::new(&self.line)
    }

    /// The events of the call, before and after its answer.
    pub fn events(&self) -> Events {
        self.line.events.clone()
    }

    /// Waits until the caller gives up. While it waits it may be dropped without loss.
    pub async fn gone(&self) -> Arc<Ended> {
        self.line.ended().await
    }

    /// Answers (200) and waits for the caller's ACK. Who wants to be in another call is connected with it then ([`Call::connect`]). Dropping the future hangs
    /// up.
    ///
    /// # Errors
    /// [`CallError::CallerGone`] when the caller has given up; [`CallError::Media`] when no audio could be agreed on.
    pub async fn answer(self) -> Result<Call, CallError> {
        let Self { line, caller, joins, lines, bad } = self;
        if let Some(error) = bad {
            return Err(CallError::BadText { why: error.to_string() });
        }
        let key = line.key;
        line.link.ask(move |reply| Command::Accept { call: key, lines, reply }).await??;
        if let Some(other) = joins {
            // It may have ended meanwhile: then there is nobody to be heard.
            let both = move |desk: &mut Desk<'_>| desk.engine.connect(key, other) && desk.engine.connect(other, key);
            let _ = line.link.at_desk(both).await;
        }
        Ok(Call::new(line, caller.from))
    }

    /// Refuses with a code of 300 to 699 (others count as 603) and, where given, a reason phrase of one's own: `486 In a meeting`.
    pub async fn reject(self, code: u16, reason: Option<&str>) -> Arc<Ended> {
        let code = StatusCode::new(code).filter(|code| code.get() >= 300).unwrap_or(StatusCode::DECLINE);
        self.line.hang_up(Some(code), reason.map(str::to_owned)).await
    }
}
