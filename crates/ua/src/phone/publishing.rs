//! Publications of ours (RFC 3903).

use std::sync::Arc;

use sip::message::{Body, StatusCode};
use sip::publish::{PublicationEvent, PublishFailure, PublishSpec};
use sip::{PublicationId, Turn};
use tokio::sync::{oneshot, watch};

use super::state::Phone;
use super::telling::{failed, first_hop, tell};
use crate::error::CallError;
use crate::follows::Follows;
use crate::publication::Published;
use crate::registration::Registration;

/// Who is told how a publication stands.
pub(super) struct Publishing {
    told: watch::Sender<Published>,
    /// Where it goes first, for a person.
    first: String,
    follows: Follows,
}

impl Phone {
    pub(super) fn publish(
        &mut self,
        spec: PublishSpec,
        follows: Follows,
        body: Body,
        told: watch::Sender<Published>,
        reply: oneshot::Sender<Result<PublicationId, CallError>>,
        turn: &mut Turn<'_>,
    ) {
        if self.closing.is_some() {
            return tell(reply, Err(CallError::Ended));
        }
        let first = first_hop(&spec.hop, &spec.routes, spec.resource.as_str());
        match turn.publish(spec, body) {
            Ok(id) => {
                self.publications.insert(id, Publishing { told, first, follows });
                tell(reply, Ok(id));
            }
            Err(error) => tell(reply, Err(CallError::BadText { why: error.to_string() })),
        }
    }

    pub(super) fn republish(
        &mut self,
        id: PublicationId,
        body: Body,
        reply: oneshot::Sender<Result<(), CallError>>,
        turn: &mut Turn<'_>,
    ) {
        if let Some(one) = self.publications.get(&id) {
            one.told.send_replace(Published::Publishing);
        }
        tell(reply, turn.modify_publication(id, body).map_err(|_| CallError::Ended));
    }

    /// The registration that has this state leads another way, maybe: what goes by it follows.
    pub(super) fn publications_follow(&mut self, state: &Arc<watch::Sender<Registration>>, turn: &mut Turn<'_>) {
        for (id, one) in &mut self.publications {
            if let Some(by) = one.follows.moved(state) {
                // One that is over is over.
                let _ = turn.move_publication(*id, by);
            }
        }
    }

    /// The endpoint ends.
    pub(super) fn unpublish_all(&mut self, turn: &mut Turn<'_>) {
        let all: Vec<PublicationId> = self.publications.keys().copied().collect();
        for id in all {
            // One that is over is over.
            let _ = turn.unpublish(id);
        }
    }

    pub(super) fn publication_event(&mut self, id: PublicationId, event: PublicationEvent) {
        let Some(one) = self.publications.get(&id) else { return };
        let (now, over) = match event {
            PublicationEvent::Published { expires } => (Published::Stands { expires }, false),
            PublicationEvent::Failed { why, retry_in } => {
                (Published::Failed { error: error_of(why, &one.first), retry_in }, retry_in.is_none())
            }
            PublicationEvent::Ended { .. } => (Published::Ended, true),
            _ => return,
        };
        one.told.send_replace(now);
        if over {
            self.publications.remove(&id);
        }
    }
}

fn error_of(why: PublishFailure, first: &str) -> CallError {
    match why {
        PublishFailure::Refused { code, .. }
            if matches!(code, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) =>
        {
            CallError::Authentication { code: code.get() }
        }
        PublishFailure::Refused { code, reason } => {
            CallError::Rejected { code: code.get(), reason, told: Box::default() }
        }
        PublishFailure::Unreachable(why) => failed(why, first),
        PublishFailure::NotSent(error) => CallError::Unreachable { to: first.to_owned(), why: error.to_string() },
        _ => CallError::Ended,
    }
}
