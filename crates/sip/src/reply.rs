//! A response before it is sent.

use crate::draft::ContactSpec;
use crate::message::{Body, LineError, Lines, StatusCode};

/// What the application wants to answer. The stack adds everything that the request decides: Via, From, To, Call-ID, CSeq, Record-Route.
///
/// ```
/// use sip::{Reply, message::StatusCode};
/// let reply = Reply::new(StatusCode::OK).line("Subject", "lunch").expect("a clean line").reason("Fine");
/// assert_eq!(reply.code, StatusCode::OK);
/// ```
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub code: StatusCode,
    /// The reason phrase; that of the code when `None`.
    pub reason: Option<String>,
    /// Further header lines.
    pub lines: Lines,
    /// The body.
    pub body: Option<Body>,
    /// What stands in Contact.
    pub contact: ContactSpec,
    /// A [`ContactSpec::Auto`] is a `sips` URI whatever the request says: in a dialog that began by `sips` (RFC 5630 section 5.1.2). False at first.
    pub secure: bool,
    /// The To tag instead of the one the stack chose for the transaction. Must be the same in all responses to a request but 100
    /// (RFC 3261 section 8.2.6.2).
    pub to_tag: Option<String>,
    /// Nothing is kept of the request once this final answer has left: see [`Reply::stateless`].
    pub stateless: bool,
    /// See [`Reply::reliable`].
    pub reliable: bool,
    /// See [`Reply::no_room`].
    pub(crate) no_room: bool,
}

impl Reply {
    /// An answer without anything but the code.
    pub fn new(code: StatusCode) -> Self {
        let (lines, contact) = (Lines::default(), ContactSpec::None);
        let (secure, stateless, reliable, no_room) = (false, false, false, false);
        Self { code, reason: None, lines, body: None, contact, secure, to_tag: None, stateless, reliable, no_room }
    }
    /// 503: a limit of the application is reached, as if it were one of the stack. It has the Retry-After of [`crate::Config::retry_after_secs`]; with overload
    /// control it has none, and those who hear are asked for less (RFC 7339 sections 5.2 and 5.10.2).
    pub fn no_room() -> Self {
        Self { no_room: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE) }
    }
    /// Another reason phrase. With control characters in it the reply is refused ([`crate::StackError::Text`]).
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
    /// One more header line.
    ///
    /// # Errors
    /// When the line could not stand in a message: see [`Lines::push`].
    pub fn line(mut self, name: &str, value: &str) -> Result<Self, LineError> {
        self.lines.push(name, value)?;
        Ok(self)
    }
    /// These header lines instead of those given before.
    pub fn lines(mut self, lines: Lines) -> Self {
        self.lines = lines;
        self
    }
    /// A body.
    pub fn body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }
    /// A Contact.
    pub fn contact(mut self, contact: ContactSpec) -> Self {
        self.contact = contact;
        self
    }
    /// A To tag of the application's choice.
    pub fn to_tag(mut self, tag: impl Into<String>) -> Self {
        self.to_tag = Some(tag.into());
        self
    }
    /// A provisional answer to the INVITE of a session that is sent reliably where the peer can take it (RFC 3262); elsewhere, and for other
    /// answers, without effect.
    pub fn reliable(mut self) -> Self {
        self.reliable = true;
        self
    }
    /// A final answer that leaves nothing behind, so that a flood of requests without credentials fills no memory (RFC 3261 section 8.2.7):
    /// the request is forgotten, a repeat of it comes up as a new one, and must be answered in the same way. The To tag is the same in
    /// each of these answers.
    ///
    /// So is the refusal of an INVITE: it leaves once instead of eleven times, whoever the INVITE says it is from, and is made anew when
    /// the INVITE comes again; the ACK is swallowed like any that fits nothing. Without effect on an INVITE to which anything was sent before
    /// (who has got a 100 does not ask again: see [`crate::Trying::After`]) and on other requests over a stream, where nothing repeats.
    pub fn stateless(mut self) -> Self {
        self.stateless = true;
        self
    }
}
