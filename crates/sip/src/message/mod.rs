//! SIP messages: parsing, typed header fields, URIs, printing, framing.
//!
//! A message is kept as the bytes it came in. [`Message::parse`] makes one pass that finds the start line, an index of the header
//! fields and the keys by which transactions and dialogs are found. Typed values are read on demand with [`Headers::get`] and
//! [`Headers::list`]; they borrow from the message and allocate nothing.
//!
//! ```
//! use bytes::Bytes;
//! use sip::message::{Limits, Message, Method, header::Via};
//!
//! let bytes = Bytes::from_static(
//!     b"OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP pc.example.com;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
//!       To: <sip:bob@example.com>\r\nFrom: Alice <sip:alice@example.com>;tag=88\r\nCall-ID: a1@pc\r\nCSeq: 1 OPTIONS\r\n\r\n",
//! );
//! let Ok(Message::Request(request)) = Message::parse(bytes, &Limits::default()) else { panic!() };
//! assert_eq!(*request.method(), Method::Options);
//! assert_eq!(request.headers().from_tag(), Some("88"));
//! let via: Via<'_> = request.headers().get().unwrap().unwrap();
//! assert_eq!(via.transport, "UDP");
//! ```
//!
//! # What is refused
//!
//! [`Broken`] tells what was wrong, which status is due and, where the top Via can be read, carries what is needed to answer.
//! Refused by the pass itself: a broken start line (505 for another version); a header line without colon or with a name that is no
//! token; a control character (also a lone CR or LF) anywhere but behind a backslash; Via, From, To, Call-ID or CSeq missing or
//! unreadable; a second From, To, Call-ID, CSeq, Max-Forwards, Content-Length or Content-Type; a CSeq method other than the request's;
//! fewer octets of body than announced; and whatever exceeds [`Limits`]. Everything else is checked when it is read, all of it by
//! [`Message::check`].
//!
//! # What is taken although the grammar does not have it
//!
//! Names before a bracket without a blank (RFC 4475 section 3.1.1.6); unquoted parameter values with `/ = @ & $ ? { } ( ) | \ ^ #`,
//! which base64 tags and branches need; any printable ASCII as a Call-ID; underscores in host names; a status line without the blank
//! before an empty reason; text that is not UTF-8 wherever the grammar has opaque text; three colons for two in an IPv6 address
//! (RFC 5118 section 4.10).
//!
//! # What it costs
//!
//! The INVITE of 1,080 octets in `tests/data/parse` takes 4,400 instructions with index and keys and 14,400 with everything typed, and
//! no allocation; more than 32 header fields take one, an unknown method one more. `examples/parse_cost.rs` measures it. Header fields
//! written as nearly all are (a known name, one blank, no fold) go a short way through `usual`; all others go through `field`. `tests/oracle`
//! compares both with a reader that splits plainly, and the fuzz target `lines` compares them with each other.

mod body;
pub(crate) mod class;
mod error;
mod field;
mod framing;
pub mod fuzz;
pub mod header;
mod headers;
pub(crate) mod host;
mod index;
mod keys;
mod lexer;
mod limits;
mod lines;
mod list;
mod lookup;
mod masks;
mod method;
pub mod multipart;
mod name;
mod params;
mod parse;
mod print;
mod quoted;
mod reply;
mod request;
mod response;
mod scan;
pub(crate) mod splice;
mod start;
mod status;
mod typed;
pub mod uri;
mod usual;
mod writer;

use bytes::Bytes;

pub use body::Body;
pub use error::{Broken, Fault, ParseError, Rule};
pub use framing::{Frame, Framer, FramingError};
pub use header::Header;
pub use headers::{Headers, RawHeader};
pub use host::Host;
pub use lexer::Lexer;
pub(crate) use lexer::decimal;
pub use limits::Limits;
pub use lines::{LineError, Lines};
pub use list::List;
pub use method::Method;
pub use name::HeaderId;
pub use params::{Param, ParamIter, ParamValue, Params};
pub(crate) use quoted::unfold_bytes;
pub use quoted::{Quote, Quoted, Text};
pub(crate) use reply::begin as begin_response;
pub use reply::write_response;
pub use request::Request;
pub use response::Response;
pub use status::StatusCode;
pub use uri::{Aor, Scheme, Uri, UriBuf};
pub use writer::Writer;

/// A message. Holds its bytes by reference count; moving it is cheap.
#[derive(Clone, Debug)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Reads a datagram, or one message that [`Framer`] cut from a stream. CRLFs before the start line are skipped.
    ///
    /// # Errors
    /// See the [module](self) for what is refused.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Message, Broken> {
        parse::parse(bytes, limits)
    }

    /// The header fields.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => request.headers(),
            Message::Response(response) => response.headers(),
        }
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.headers().body()
    }

    /// Reads all that has a type: the Request-URI and every header field of RFC 3261 section 20.
    ///
    /// # Errors
    /// The first fault, with the status due.
    pub fn check(&self) -> Result<(), ParseError> {
        if let Message::Request(request) = self {
            request.uri()?;
        }
        self.headers().check()
    }

    /// Prints the message in canonical form: long header names, one blank behind each colon, no folds, typed values as their types
    /// print them. What has no type, or does not follow its grammar, keeps its octets (each fold as one blank).
    pub fn print(&self) -> Bytes {
        print::print(self)
    }

    /// The message as received.
    pub fn bytes(&self) -> &Bytes {
        self.headers().bytes()
    }
}
