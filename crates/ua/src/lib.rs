//! The softphone as a library: endpoints, accounts and calls for asynchronous programs.
//!
//! Begin with [`Endpoint::builder`]. An endpoint has its own SIP loop and media thread, so it works on any tokio runtime; what it hands
//! out are light handles. A call that is dialled ([`Dialing`]), one that rings here ([`IncomingCall`]), one that stands ([`Call`]) and
//! what is left of one ([`Ended`]) are different types: answering twice, or playing into a call that has not been answered, does not
//! compile.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use ua::Endpoint;
//!
//! // Two phones in one program.
//! let alice = Endpoint::builder().udp("127.0.0.1:0").build().await?;
//! let bob = Endpoint::builder().udp("127.0.0.1:0").build().await?;
//! let address = bob.uri("bob").ok_or("no address")?;
//!
//! let (placed, taken) = tokio::join!(alice.call(&address), async {
//!     let ringing = bob.incoming().await.ok_or(ua::CallError::Ended)?;
//!     ringing.answer().await
//! });
//! let (placed, taken) = (placed?, taken?);
//!
//! placed.audio().tone(440.0, Some(Duration::from_millis(100)))?.finished().await;
//! placed.dtmf("1").await?;
//! let end = placed.hangup().await;
//! assert_eq!(end.by, ua::EndedBy::Us);
//! assert_eq!(taken.ended().await.by, ua::EndedBy::Peer);
//! # Ok(()) }
//! ```
//!
//! # What dropping does
//!
//! Dropping a [`Call`], a [`Dialing`] or an [`IncomingCall`] hangs up, cancels or declines; dropping the [`Endpoint`] ends everything within a
//! second at most ([`Endpoint::close`] waits without blocking). A future of this crate that is dropped loses nothing, except where
//! its documentation says so.
//!
//! # Queues
//!
//! Everything that waits for you is bounded. Incoming calls: one more than there is room for is answered 486. Text messages: 503.
//! Events of a call: the newest are dropped, the end is never lost.

mod account;
mod attached;
mod buddy;
mod builder;
mod call;
mod command;
mod ended;
mod endpoint;
mod error;
mod event;
mod follows;
mod incoming;
mod info;
mod line;
mod link;
mod message;
mod outgoing;
mod phone;
mod place;
mod player;
mod progress;
mod publication;
mod recorder;
mod referral;
mod registration;
mod request;
mod sound;
mod state;
mod subscription;
mod told;
mod watcher;
mod websocket;

/// The bodies of event packages.
pub use ::event as package;
pub use ::event::composing;
pub use account::{Account, AccountConfig};
pub use audio::codec::Codec;
pub use audio::level::{Dbfs, Level};
pub use buddy::Buddy;
pub use builder::{BuildError, Builder};
pub use call::Call;
pub use command::Usage;
pub use ended::{CallStats, Ended, EndedBy, Farewell};
pub use endpoint::Endpoint;
pub use error::{AudioError, CallError, RegisterError, SubscribeError};
pub use event::{CallEvent, DigitBy, Events};
pub use incoming::IncomingCall;
pub use info::{InfoDigit, InfoKind, info_digit, no_digit};
pub use message::{Answer, Said, TextMessage};
pub use net::tls;
pub use net::trace;
pub use net::{Bound, Direction, Network, Seen};
pub use outgoing::{Dialing, OutgoingBuilder};
pub use player::{PlayEnd, Playing};
pub use progress::Progress;
pub use publication::{Publication, Published};
pub use recorder::{Recorded, Recording};
pub use referral::Referral;
pub use registration::{Flow, Registration};
pub use request::{shown as shown_address, uri as read_address};
pub use sip::alert::{AnswerMode, AnsweredBy};
pub use sip::invite::{NamedDialog, SessionTimer};
pub use sip::{Timers, Transport};
pub use sound::Audio;
pub use state::ResourceState;
pub use subscription::{SubscribeBuilder, Subscription, SubscriptionNews};
pub use told::{Cause, Diverted, Found, Station, Told, UserData, Warned};
pub use watcher::{EndReason, IncomingSubscription, Watcher, WatcherEnd, WatcherNews, asked_dialogs};
pub use websocket::WebSocketUrl;
