//! One call's media: session descriptions on one side, packets and samples on the other.
//!
//! [`CallMedia`] turns offers and answers into [`StreamSettings`]; the [`Engine`] carries streams with them: it relays packets between
//! two streams, or decodes, mixes and encodes in ticks of 20 ms. Neither does I/O nor reads a clock: packets and times are handed in,
//! and what comes out goes through [`Output`]. Sockets and threads are the business of the crate `net`.
//!
//! Begin with [`Engine::new`], [`Engine::add_stream`], [`Engine::receive`] and [`Engine::tick`].

mod beat;
mod engine;
mod event;
mod latch;
mod negotiate;
mod report;
mod settings;
mod stream;

pub use beat::Beat;
pub use engine::{AddError, Config, Engine, Sink, Source};
pub use event::{MediaEvent, Output};
pub use negotiate::{Agreed, CallMedia, NegotiateError};
pub use report::StreamReport;
pub use settings::{Component, EventTypes, Key, Slot, StreamSettings, UnusablePlan};
pub use stream::{DialError, Voice};
