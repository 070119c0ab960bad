//! What a call tells while it stands.

use std::sync::Arc;
use std::time::Duration;

use ::event::composing::IsComposing;
use tokio::sync::{Mutex, mpsc, watch};

use crate::ended::Ended;
use crate::message::TextMessage;

/// How many events of a call wait to be read; the next ones are dropped. The end of a call is never lost.
pub(crate) const EVENTS: usize = 64;

/// News of a call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CallEvent {
    /// Audio has been agreed on, for the first time or anew.
    MediaReady {
        /// The codec, as descriptions name it.
        codec: &'static str,
    },
    /// The peer's first packet has come: before its answer perhaps, or from a new address.
    Heard,
    /// The peer sent a digit.
    Digit {
        /// 0-9 A-D * # (R for a hook flash).
        digit: char,
        /// How long it was held; zero when the peer does not say.
        duration: Duration,
        /// By which way it came.
        by: DigitBy,
    },
    /// The peer holds the call.
    HeldByPeer,
    /// The peer does not hold it any longer.
    Resumed,
    /// Nothing was heard for the time set by [`crate::Builder::silence_after`], although the peer should be talking.
    Silence {
        /// Since when.
        lasting: Duration,
    },
    /// The call was refreshed, by whatever either side has asked for: it goes on for so long at least (RFC 4028).
    Refreshed {
        /// How long it lasts without another refresh.
        interval: Duration,
        /// The next is on us.
        by_us: bool,
    },
    /// Another one has taken the place of the other side ([`crate::Builder::allow_transfer`]). The call goes on with it.
    Replaced {
        /// Its address, as it claims.
        peer: String,
    },
    /// How a transfer goes that was asked for by [`Call::transfer`](crate::Call::transfer) or
    /// [`Call::transfer_to`](crate::Call::transfer_to).
    Transfer {
        /// What the other side has heard from the one it calls: 100, 180, 200, 486; 0 when it ends without saying.
        code: u16,
        /// In words.
        reason: String,
        /// Nothing more comes of it. From 200 to 299 the two talk, and this call can be hung up.
        last: bool,
    },
    /// An INFO of a package that is taken ([`crate::Builder::info_packages`], RFC 6086).
    Info {
        /// The package, with parameters if it has any, as the peer writes them.
        package: String,
        /// The type of the body; empty without one.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// A text message within the call.
    Message(TextMessage),
    /// The other side is writing one, or has stopped (RFC 3994): nothing to be shown as a text. Whoever shows it keeps a
    /// [`Reader`](crate::composing::Reader), which also hears of the texts.
    Composing(IsComposing),
    /// Audio failed; the call goes on without.
    MediaFailed(String),
    /// A recording of the call could not be written on; the call goes on.
    RecordingFailed(String),
    /// The call has ended: always the last.
    Ended(Arc<Ended>),
}

/// How a digit came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigitBy {
    /// As a telephone event (RFC 4733).
    Rtp,
    /// As an INFO request (`application/dtmf-relay`).
    Info,
}

/// The events of one call, in order. Several may be held: each event goes to one of them.
///
/// When nobody reads, 64 events are kept and the next ones are dropped; the last, [`CallEvent::Ended`], is never lost.
#[derive(Clone, Debug)]
pub struct Events {
    news: Arc<Mutex<mpsc::Receiver<CallEvent>>>,
    ended: watch::Receiver<Option<Arc<Ended>>>,
    over: bool,
}

impl Events {
    pub(crate) fn new(news: mpsc::Receiver<CallEvent>, ended: watch::Receiver<Option<Arc<Ended>>>) -> Self {
        Self { news: Arc::new(Mutex::new(news)), ended, over: false }
    }

    /// The next event; `None` after [`CallEvent::Ended`]. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<CallEvent> {
        if self.over {
            return None;
        }
        let next = self.news.lock().await.recv().await;
        if next.is_some() {
            return next;
        }
        let ended = wait(&mut self.ended).await;
        self.over = true;
        ended.map(CallEvent::Ended)
    }
}

/// The end of a call; `None` when its endpoint went without saying.
pub(crate) async fn wait(ended: &mut watch::Receiver<Option<Arc<Ended>>>) -> Option<Arc<Ended>> {
    ended.wait_for(Option::is_some).await.ok().and_then(|value| value.clone())
}
