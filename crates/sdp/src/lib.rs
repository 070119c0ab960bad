//! Session descriptions.
mod attribute;
mod codec;
mod connection;
mod direction;
mod limits;
mod media;
mod negotiation;
mod parse;
mod parse_error;
mod relay;
mod session;
mod telephone_event;
mod text;
mod time;
mod view;

pub use attribute::{Attribute, Attributes};
pub use codec::{Codec, PayloadType};
pub use connection::{Address, Connection, Family};
pub use direction::Direction;
pub use limits::Limits;
pub use media::{Media, MediaKind, Protocol, ProtocolName};
pub use negotiation::{
    AcceptError, Agreement, Answer, AnswerError, CodecOrder, Hold, HoldState, LocalCapabilities, LocalMedia,
    NegotiatedCodec, NegotiatedEvents, Negotiation, NegotiationState, NullAddressAnswer, OfferError, Role, StreamPlan,
};
pub use parse_error::{ParseError, ParseErrorKind};
pub use session::{Bandwidth, Number, Origin, Session};
pub use telephone_event::EventSet;
pub use text::{InvalidText, Text, Token};
pub use time::{Repeat, TimeDescription, TimeUnit, TypedTime, ZoneAdjustment};
pub use view::{MediaView, RtcpAttribute};
