//! Somebody whose presence is watched.

use std::time::Duration;

use event::presence::{Basic, Presence};

use crate::error::{CallError, SubscribeError};
use crate::state::ResourceState;
use crate::subscription::{SubscribeBuilder, Subscription, SubscriptionNews};

/// How long a subscription is asked to hold at a time: who has gone is known to be gone by then.
const HOLDS: Duration = Duration::from_secs(600);

/// Somebody whose presence is watched (RFC 3856), for ten minutes at a time: see [`crate::Account::buddy`]. Dropping it ends that.
pub struct Buddy {
    subscription: Subscription,
    presence: Option<Presence>,
    failed: Option<SubscribeError>,
}

impl Buddy {
    pub(crate) async fn watch(builder: SubscribeBuilder) -> Result<Self, CallError> {
        Ok(Self { subscription: builder.expires(HOLDS).start().await?, presence: None, failed: None })
    }

    /// What is known of him; nothing before [`Buddy::changed`] has told it.
    pub fn presence(&self) -> Option<&Presence> {
        self.presence.as_ref()
    }

    /// Whether he can be reached, as far as is known.
    pub fn is_reachable(&self) -> bool {
        self.presence.as_ref().and_then(Presence::basic) == Some(Basic::Open)
    }

    /// Why he is not watched at present.
    pub fn failure(&self) -> Option<&SubscribeError> {
        self.failed.as_ref()
    }

    /// Waits for the next change of what is known, of him or of why nothing is; false when no more comes. Dropping the future loses nothing.
    pub async fn changed(&mut self) -> bool {
        while let Some(news) = self.subscription.next().await {
            match news {
                SubscriptionNews::State { state: ResourceState::Presence(presence), active: true, .. } => {
                    (self.presence, self.failed) = (Some(presence), None);
                    return true;
                }
                SubscriptionNews::Failed { error, .. } => {
                    (self.presence, self.failed) = (None, Some(error));
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    /// Watches him no more, and waits until the other side has said so.
    pub async fn forget(self) {
        self.subscription.end().await;
    }
}
