//! What the players and recorders of a call share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use audio::frame::SampleRate;
use media::Key;
use net::media::Desk;

/// The rate of the bridge; files of other rates are converted.
pub(crate) const RATE: SampleRate = SampleRate::NARROW;

/// Players and recorders of a call, to be taken away with it.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    keys: Mutex<Vec<Key>>,
    over: AtomicBool,
    call_id: Mutex<Box<str>>,
}

impl Attached {
    /// The Call-ID of the call: another, once somebody has taken the place of the other side.
    pub(crate) fn belongs_to(&self, call_id: &str) {
        *self.call_id.lock().unwrap_or_else(PoisonError::into_inner) = call_id.into();
    }

    /// What the log calls the call.
    pub(crate) fn call_id(&self) -> Box<str> {
        self.call_id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// On the media thread: notes a player or recorder. False when the call has ended.
    pub(crate) fn add(&self, desk: &mut Desk<'_>, key: Key) -> bool {
        if self.over.load(Ordering::Acquire) {
            return false;
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= 64 {
            keys.retain(|key| desk.engine.level(*key).is_some());
        }
        keys.push(key);
        true
    }

    /// On the media thread: the call has ended.
    pub(crate) fn end(&self, desk: &mut Desk<'_>) {
        self.over.store(true, Ordering::Release);
        for key in self.keys.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            desk.engine.remove(key);
        }
    }
}
