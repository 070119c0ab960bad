//! RTP for telephony: packets, RTCP, telephone events, reception statistics and a jitter buffer.
//!
//! Nothing here performs I/O, reads a clock or draws a random number: datagrams are borrowed, the time is passed in as
//! [`Micros`] of any monotonic clock, and identifiers follow from seeds. Nothing allocates per packet.
//!
//! One call's audio, as a media engine sees it:
//!
//! ```text
//! datagram -> classify -> Packet::parse -> Reception::received -> JitterBuffer::insert     (or EventReceiver::receive)
//! tick     -> JitterBuffer::pull -> decode or conceal
//! encoded  -> Sender::audio      (or EventSender::poll -> Sender::packet) -> datagram
//! deadline -> RtcpSession::poll -> datagram;   RTCP datagram -> RtcpSession::receive
//! ```
//!
//! ```
//! use rtp::{ClockRate, JitterBuffer, JitterConfig, Micros, Packet, PayloadType, Pulled, Reception, Sender};
//! let mut sender = Sender::new(7, ClockRate::HZ_8000);
//! let mut reception = Reception::new(ClockRate::HZ_8000);
//! let mut jitter = JitterBuffer::new(JitterConfig::default());
//! let mut frames = 0;
//! for tick in 0..50 {
//!     let now = Micros::from_millis(20 * tick);
//!     let mut datagram = [0xd5; 172];
//!     sender.audio(now, PayloadType::PCMA, &mut datagram, 160, 160)?;
//!     let packet = Packet::parse(&datagram).unwrap();
//!     reception.received(now, &packet);
//!     jitter.insert(now, &packet);
//!     if let Pulled::Frame(frame) = jitter.pull(now, 160) {
//!         assert_eq!(frame.payload, [0xd5; 160]);
//!         frames += 1;
//!     }
//! }
//! assert!(frames >= 45);
//! assert_eq!(reception.total_lost(), 0);
//! # Ok::<(), rtp::packet::BufferTooSmall>(())
//! ```
//!
//! What it is not: codecs, concealment and mixing work on samples and live elsewhere; so do sockets and session
//! descriptions. Protection (SRTP) will wrap whole datagrams before [`Packet::parse`] and after [`Sender::audio`].

pub mod demux;
mod fields;
pub mod jitter;
pub mod packet;
mod random;
pub mod reception;
pub mod rtcp;
pub mod rtcp_interval;
pub mod rtcp_session;
pub mod sender;
pub mod telephone_event;
mod time;

pub use demux::{Protocol, classify};
pub use fields::{PayloadType, SequenceNumber, Ssrc, Timestamp};
pub use jitter::{JitterBuffer, JitterConfig, Pulled};
pub use packet::{Header, Packet};
pub use reception::{Arrival, Reception};
pub use rtcp_session::RtcpSession;
pub use sender::Sender;
pub use telephone_event::{Event, EventReceiver, EventReport, EventSender};
pub use time::{ClockRate, Micros, NtpTime, ShortNtp};
