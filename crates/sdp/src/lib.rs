//! Session descriptions: what two telephones tell each other about the media they are going to exchange.
//!
//! * [`Session`] is a description as of RFC 8866: [`Session::parse`] reads it, [`std::fmt::Display`] prints it, and
//!   every field may be edited in between. **Start here to read or rewrite descriptions.**
//! * [`Negotiation`] is the offer/answer model of RFC 3264 for one dialog: it makes offers and answers from
//!   [`LocalCapabilities`], takes the peer's, and says in an [`Agreement`] what each stream has to do
//!   ([`StreamPlan`]). **Start here to place and take calls.**
//! * [`LocalCapabilities::answer`] is for the callee that will remember nothing: one answer to one offer.
//!
//! ```
//! use std::net::Ipv4Addr;
//! use sdp::{Codec, Direction, Hold, HoldState, LocalCapabilities, LocalMedia, Negotiation, Origin, Session};
//!
//! let codecs = || [Codec::new(9, "G722", 8000), Codec::new(0, "PCMU", 8000)].into_iter().flatten().collect();
//!
//! // The caller offers; the text is the body of the INVITE.
//! let here = Ipv4Addr::new(192, 0, 2, 1);
//! let mut capabilities = LocalCapabilities::new(here, vec![LocalMedia::audio(4000, codecs())]);
//! let mut caller = Negotiation::new(Origin::new(1234, 1, here));
//! let invite = caller.offer(&capabilities)?.to_string();
//!
//! // The callee reads it and answers; the text is the body of the 200.
//! let there = Ipv4Addr::new(192, 0, 2, 2);
//! let callee_capabilities = LocalCapabilities::new(there, vec![LocalMedia::audio(5000, codecs())]);
//! let mut callee = Negotiation::new(Origin::new(5678, 1, there));
//! let answer = callee.answer(Session::parse(invite.as_bytes())?, &callee_capabilities)?;
//! let ok = answer.session.to_string();
//!
//! // The caller learns where to send what.
//! let agreement = caller.accept_answer(&Session::parse(ok.as_bytes())?)?;
//! let audio = agreement.audio().ok_or("no audio")?;
//! assert_eq!(audio.remote, Some((there.into(), 5000)));
//! assert_eq!(audio.codecs[0].local.name, "G722");
//! assert_eq!(audio.telephone_event.map(|events| events.send_payload_type.get()), Some(101));
//! assert_eq!(audio.direction, Direction::SendRecv);
//!
//! // Later the caller puts the callee on hold.
//! capabilities.set_hold(Hold::ByDirection);
//! let reinvite = caller.offer(&capabilities)?.clone();
//! assert_eq!(reinvite.audio().map(|audio| audio.direction()), Some(Direction::SendOnly));
//! assert_eq!(reinvite.origin.version.value(), Some(2));
//! let held = callee.answer(&reinvite, &callee_capabilities)?;
//! assert_eq!(held.agreement.audio().map(|audio| audio.hold), Some(HoldState::Remote));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this is not
//!
//! No sockets, no clock, no random numbers: session ids, ports and the names of hosts are the caller's. Nothing is
//! encoded or encrypted here: keys ([`Crypto`], or the attributes of DTLS and ICE) are carried, not understood, and
//! [`LocalMedia::attributes`] is how they get into a description. Grouping and bundling (RFC 9143) are not negotiated;
//! a `mid` is repeated in the answer. The time of a session and multicast groups are read and mirrored, nothing more.
//!
//! # Liberties taken when reading
//!
//! Strictly RFC 8866, except for what devices are known to send:
//!
//! * LF for CRLF, no line end behind the last line, empty lines at the end;
//! * runs of spaces between fields, and spaces at the end of a line of fields;
//! * no `s=`, an empty one (both read as `-`), no `t=` (read as `t=0 0`); empty `i=`, `u=`, `e=`, `p=` are dropped;
//! * from `c=` on, the lines of the session section in any order, and all lines of a media section behind `m=`; but
//!   `r=` must follow `t=` and `z=` must follow `r=`;
//! * a user name with spaces in `o=` (they become `_`), or none (`-`); a negative session id or version;
//! * `IP4` before an IPv6 address and the other way round; an IPv4 group without a time to live (read as 127); short host
//!   names, and underscores in them;
//! * known words (`IN`, `IP4`, `audio`, `RTP/AVP`) in other case;
//! * `m=` with port 0 and no format (read as format `0`); `c=` may miss where the port is 0;
//! * `a=x:` without a value (read as `a=x`);
//! * lines which are not UTF-8: they are read as ISO 8859-1 and printed as UTF-8, and `a=charset` is corrected;
//! * `k=` is accepted and discarded, as RFC 8866 section 5.12 wants.
//!
//! Values of attributes are read when asked for, and one that cannot be read is as good as none: a broken `a=rtpmap` makes
//! a payload type unknown, not a call impossible. RTP formats which are not numbers from 0 to 127 are passed over. Unknown
//! attributes are kept, in their order. Everything else is an error that names line, byte, expectation and rule
//! ([`ParseError`]).
//!
//! # Hostile input
//!
//! [`Limits`] bounds what may grow, in what is read and in what that would be when printed; reading, printing and
//! answering are linear in the size of a description, and none of them panics. [`Text`] and [`Token`] let no line end in
//! through the model. [`round_trip`] is the entry for fuzzers.
//!
//! # Decisions
//!
//! * An answer takes the order of the offer and all common codecs, unless [`LocalCapabilities::order`] and
//!   [`LocalCapabilities::single_codec`] say otherwise.
//! * Directions and formats of an agreement are those both descriptions allow. A peer which answers `sendrecv` to
//!   `sendonly` gets nothing more by it.
//! * Events (RFC 4733) go at the clock rate of the first codec; where the peer has them at another rate only, they are
//!   used at that rate.
//! * A stream the peer refused or ended stays at port 0 until [`LocalMedia::add`] asks for it again.
//! * The null address is a hold (RFC 3264 section 8.4), but not together with ICE (RFC 8839 section 4.3.1).
//! * An answer may not change between secure and plain transports.

mod attribute;
mod bandwidth;
mod codec;
mod connection;
mod crypto;
mod direction;
mod limits;
mod media;
mod negotiation;
mod origin;
mod parse;
mod parse_error;
mod print;
mod round_trip;
mod session;
mod telephone_event;
mod text;
mod time;
mod view;

pub use attribute::{Attribute, Attributes};
pub use bandwidth::Bandwidth;
pub use codec::{Codec, PayloadType};
pub use connection::{Address, Connection, Family};
pub use crypto::{Crypto, InlineKey};
pub use direction::Direction;
pub use limits::Limits;
pub use media::{Media, MediaKind, Protocol, ProtocolName};
pub use negotiation::{
    AcceptError, Agreement, Answer, AnswerError, CodecOrder, Hold, HoldState, LocalCapabilities, LocalMedia,
    NegotiatedCodec, NegotiatedEvents, Negotiation, NegotiationState, NullAddressAnswer, OfferError, Role, StreamPlan,
};
pub use origin::{Number, Origin};
pub use parse_error::{ParseError, ParseErrorKind};
pub use round_trip::{RoundTripError, round_trip};
pub use session::Session;
pub use telephone_event::EventSet;
pub use text::{InvalidText, Text, Token};
pub use time::{Repeat, TimeDescription, TimeUnit, TypedTime, ZoneAdjustment};
pub use view::{MediaView, RtcpAttribute};
