//! Subscriptions of ours (RFC 6665).

use std::sync::Arc;

use ::event::coherent::{Step, Table};
use ::event::conference::Conference;
use ::event::dialog::DialogInfo;
use ::event::registration::RegInfo;
use ::event::watchers::WatcherInfo;
use sip::message::StatusCode;
use sip::subscribe::{Standing, SubscribeFailure, SubscribeSpec, SubscriptionEvent};
use sip::{SubscriptionId, Turn, Whereby};
use tokio::sync::{mpsc, oneshot, watch};

use super::state::Phone;
use super::telling::{failed, first_hop, tell};
use crate::error::{CallError, SubscribeError};
use crate::follows::Follows;
use crate::registration::Registration;
use crate::state::ResourceState;
use crate::subscription::SubscriptionNews;

/// Who reads the news of a subscription.
pub(super) struct Reader {
    news: mpsc::Sender<SubscriptionNews>,
    /// Where it goes first, for a person.
    first: String,
    /// The subscription that was asked for, of which this is one.
    root: SubscriptionId,
    /// Which of its notifiers this is.
    notifier: u32,
    /// So many further ones have had a number.
    numbered: u32,
    /// The state is asked for once: where the answer is empty there is none.
    once: bool,
    tables: Tables,
    /// A fork ends where the whole goes another way.
    follows: Option<Box<Follows>>,
}

impl Reader {
    fn without_tables(&self) -> Self {
        let (news, first) = (self.news.clone(), self.first.clone());
        Self { news, first, tables: Tables::default(), follows: None, ..*self }
    }
}

/// What is told in parts, put together.
#[derive(Default)]
struct Tables {
    dialogs: Table<DialogInfo>,
    registrations: Table<RegInfo>,
    watchers: Table<WatcherInfo>,
    conference: Table<Conference>,
    /// The whole state was asked for since something is missing, and has not come.
    asked: bool,
}

impl Tables {
    /// A state with what came before it; whether the whole has to be asked for. `None`: it is older than that.
    fn merge(&mut self, state: ResourceState) -> Option<(ResourceState, bool)> {
        let (step, state) = match state {
            ResourceState::Dialogs(info) => {
                (self.dialogs.take(info), self.dialogs.state().cloned().map(ResourceState::Dialogs))
            }
            ResourceState::Registrations(info) => {
                (self.registrations.take(info), self.registrations.state().cloned().map(ResourceState::Registrations))
            }
            ResourceState::Watchers(info) => {
                (self.watchers.take(info), self.watchers.state().cloned().map(ResourceState::Watchers))
            }
            ResourceState::Conference(info) => {
                (self.conference.take(info), self.conference.state().cloned().map(ResourceState::Conference))
            }
            other => return Some((other, false)),
        };
        let state = state.filter(|_| step != Step::Old)?;
        if is_full(&state) {
            self.asked = false;
        }
        // Asked for once: who never tells the whole is not asked for ever.
        let asks = step == Step::Gap && !std::mem::replace(&mut self.asked, true);
        Some((state, asks))
    }
}

fn is_full(state: &ResourceState) -> bool {
    match state {
        ResourceState::Dialogs(info) => info.full,
        ResourceState::Registrations(info) => info.full,
        ResourceState::Watchers(info) => info.full,
        ResourceState::Conference(info) => info.full,
        _ => true,
    }
}

impl Phone {
    pub(super) fn subscribe(
        &mut self,
        spec: SubscribeSpec,
        follows: Option<Follows>,
        news: mpsc::Sender<SubscriptionNews>,
        reply: oneshot::Sender<Result<SubscriptionId, CallError>>,
        turn: &mut Turn<'_>,
    ) {
        if self.closing.is_some() {
            return tell(reply, Err(CallError::Ended));
        }
        let first = first_hop(&spec.hop, &spec.routes, spec.resource.as_str());
        let once = spec.expires == 0;
        match turn.subscribe(spec) {
            Ok(id) => {
                let (tables, follows) = (Tables::default(), follows.map(Box::new));
                let reader = Reader { news, first, root: id, notifier: 0, numbered: 0, once, tables, follows };
                self.readers.insert(id, reader);
                tell(reply, Ok(id));
            }
            Err(error) => tell(reply, Err(CallError::BadText { why: error.to_string() })),
        }
    }

    pub(super) fn resubscribe(
        &mut self,
        id: SubscriptionId,
        reply: oneshot::Sender<Result<(), CallError>>,
        turn: &mut Turn<'_>,
    ) {
        tell(reply, turn.resubscribe(id).map_err(|_| CallError::Ended));
    }

    /// The registration that has this state leads another way, maybe: what goes by it follows.
    pub(super) fn subscriptions_follow(&mut self, state: &Arc<watch::Sender<Registration>>, turn: &mut Turn<'_>) {
        let moved = |(id, reader): (&SubscriptionId, &mut Reader)| Some((*id, reader.follows.as_mut()?.moved(state)?));
        let moved: Vec<(SubscriptionId, Whereby)> = self.readers.iter_mut().filter_map(moved).collect();
        for (root, by) in moved {
            let forks = self.readers.iter().filter(|(id, reader)| reader.root == root && **id != root);
            for fork in forks.map(|(id, _)| *id).chain([root]) {
                // One that is over is over.
                let _ = turn.move_subscription(fork, by.clone());
            }
        }
    }

    /// Ends a subscription with all its forks.
    pub(super) fn unsubscribe(&mut self, root: SubscriptionId, turn: &mut Turn<'_>) {
        let all: Vec<SubscriptionId> =
            self.readers.iter().filter(|(_, reader)| reader.root == root).map(|(id, _)| *id).collect();
        for id in all {
            // One that is over is over.
            let _ = turn.unsubscribe(id);
        }
    }

    /// The endpoint ends.
    pub(super) fn unsubscribe_all(&mut self, turn: &mut Turn<'_>) {
        let all: Vec<SubscriptionId> = self.readers.keys().copied().collect();
        for id in all {
            let _ = turn.unsubscribe(id);
        }
    }

    pub(super) fn subscription_event(&mut self, id: SubscriptionId, event: SubscriptionEvent, turn: &mut Turn<'_>) {
        let Some(known) = self.readers.get_mut(&id) else { return };
        let reader = known.without_tables();
        let news = match event {
            SubscriptionEvent::Accepted { expires, .. } => SubscriptionNews::Accepted { expires },
            SubscriptionEvent::Notified { request, standing } => {
                let merged = known.tables.merge(ResourceState::of(request.headers()));
                if standing == Standing::Terminated {
                    // Versions count within a subscription: the next one begins anew.
                    known.tables = Tables::default();
                }
                let Some((state, asks)) = merged else { return };
                if standing == Standing::Terminated && state == ResourceState::Nothing && !reader.once {
                    return;
                }
                if standing != Standing::Terminated {
                    // One that is over is over.
                    let _ = match &state {
                        // RFC 4575 section 4.6: nothing is left to be told of.
                        ResourceState::Conference(conference) if conference.deleted => turn.unsubscribe(id),
                        _ if asks => turn.resubscribe(id),
                        _ => Ok(()),
                    };
                }
                SubscriptionNews::State { state, active: standing != Standing::Pending, notifier: reader.notifier }
            }
            SubscriptionEvent::Forked { subscription } => {
                known.numbered = known.numbered.saturating_add(1);
                let notifier = known.numbered;
                self.readers.insert(subscription, Reader { notifier, ..reader });
                return;
            }
            SubscriptionEvent::Failed { why, retry_in } => {
                known.tables = Tables::default();
                if retry_in.is_none() {
                    self.readers.remove(&id);
                }
                SubscriptionNews::Failed { error: error_of(why, &reader.first), retry_in }
            }
            SubscriptionEvent::Ended => {
                self.readers.remove(&id);
                SubscriptionNews::Ended
            }
            _ => return,
        };
        // The end of a fork is not that of the whole.
        let is_whole = reader.root == id;
        let news = match news {
            SubscriptionNews::Ended if !is_whole => return,
            SubscriptionNews::Failed { error, retry_in: None } if !is_whole => {
                SubscriptionNews::NotifierEnded { notifier: reader.notifier, error }
            }
            news => news,
        };
        if reader.news.try_send(news).is_err() {
            tracing::debug!("news of a subscription is lost: nobody reads it");
            if reader.news.is_closed() {
                let _ = turn.unsubscribe(id);
            }
        }
    }
}

fn error_of(why: SubscribeFailure, first: &str) -> SubscribeError {
    match why {
        SubscribeFailure::Refused { code, signed, .. }
            if matches!(code, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
                || signed && code == StatusCode::FORBIDDEN =>
        {
            SubscribeError::Refused(CallError::Authentication { code: code.get() })
        }
        SubscribeFailure::Refused { code, reason, .. } => {
            let reason = if reason.is_empty() { code.default_reason().to_owned() } else { reason };
            SubscribeError::Refused(CallError::Rejected { code: code.get(), reason, told: Box::default() })
        }
        SubscribeFailure::Unreachable(why) => SubscribeError::Refused(failed(why, first)),
        SubscribeFailure::NotNotified => SubscribeError::NotNotified,
        SubscribeFailure::Terminated { reason } => SubscribeError::Terminated { reason },
        SubscribeFailure::Expired => SubscribeError::Expired,
        SubscribeFailure::NotSent(error) => {
            SubscribeError::Refused(CallError::Unreachable { to: first.to_owned(), why: error.to_string() })
        }
        _ => SubscribeError::NotNotified,
    }
}
