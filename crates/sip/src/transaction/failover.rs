//! What is done about a server of several that fails (RFC 3263 section 4.3): it is told and remembered, and the request goes on to the next.

use crate::event::{Event, Failure, TargetFailure};
use crate::id::{ClientTx, Id};
use crate::message::Response;
use crate::message::header::RetryAfter;
use crate::outbox::SendError;
use crate::turn::Turn;

impl Turn<'_> {
    /// The present try of a request has failed so. Where its next hop was found by name that is told, and its server passed over for a time.
    pub(super) fn target_failed(&mut self, id: Id, why: TargetFailure) {
        let Some(outgoing) = self.stack.outgoing.get(id) else { return };
        let Some(name) = outgoing.name() else { return };
        let (Some(path), next) = (outgoing.path(), outgoing.next_path()) else { return };
        let now = self.now.mono;
        match &why {
            // Nothing is wrong with the server.
            TargetFailure::Unsent(SendError::TooBig | SendError::NoBuffer) => return,
            TargetFailure::NoAnswer | TargetFailure::Unsent(_) => {
                self.stack.avoided.failed(&name, &path, now, self.stack.config.avoid);
            }
            TargetFailure::Unavailable { retry_after: Some(secs) } => {
                self.stack.avoided.asked(&name, &path, now, *secs)
            }
            // Without Retry-After it is what a 500 is (RFC 3261 section 21.5.4).
            TargetFailure::Unavailable { retry_after: None } => {}
        }
        self.emit(Event::TargetFailed { tx: ClientTx(id), path, why, next });
    }

    /// The server of the present try has answered nothing: with overload control that is counted (RFC 7339 section 5.9). What was not sent for want of room here says nothing of
    /// it, nor does what was too large.
    pub(super) fn target_silent(&mut self, id: Id, why: &TargetFailure) {
        let (Some(limits), Some(outgoing)) = (self.stack.config.overload, self.stack.outgoing.get(id)) else { return };
        if let (Some(path), TargetFailure::NoAnswer | TargetFailure::Unsent(_)) = (outgoing.path(), why)
            && !matches!(why, TargetFailure::Unsent(SendError::TooBig | SendError::NoBuffer))
        {
            self.stack.silent.failed(&path, self.now.mono, limits.max_servers);
        }
    }

    /// A response came from it.
    pub(super) fn target_answered(&mut self, id: Id) {
        if !self.stack.avoided.is_empty()
            && let Some((name, path)) =
                self.stack.outgoing.get(id).and_then(|outgoing| Some((outgoing.name()?, outgoing.path()?)))
        {
            self.stack.avoided.answered(&name, &path);
        }
    }
}

/// What a 503 says of its server.
pub(super) fn unavailable(response: &Response) -> TargetFailure {
    let retry_after = response.headers().get::<RetryAfter<'_>>().and_then(Result::ok).map(|after| after.seconds);
    TargetFailure::Unavailable { retry_after }
}

/// How a failed try looks from outside, where it says something of the server.
pub(super) fn of_failure(why: &Failure) -> Option<TargetFailure> {
    match why {
        Failure::Timeout => Some(TargetFailure::NoAnswer),
        Failure::Transport(why) => Some(TargetFailure::Unsent(why.clone())),
        _ => None,
    }
}
