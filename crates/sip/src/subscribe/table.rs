//! What is kept of a subscription of ours, and how a NOTIFY finds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::spec::SubscribeSpec;
use crate::dialog::Dialog;
use crate::digest;
use crate::id::{Id, Shard, SubscriptionId};
use crate::slab::Slab;
use crate::stack::Usage;
use crate::time::Time;
use crate::wheel::TimerId;

/// What a SUBSCRIBE is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A new subscription.
    Begin,
    /// The same for longer.
    Refresh,
    /// No more.
    End,
}

/// What is due, and when. One timer runs, to the earliest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Due {
    /// A NOTIFY must have come: Timer N.
    pub(super) notify: Option<Time>,
    /// It is refreshed.
    pub(super) refresh: Option<Time>,
    /// It expires.
    pub(super) end: Option<Time>,
    /// It is made again.
    pub(super) again: Option<Time>,
}

impl Due {
    pub(super) fn first(&self) -> Option<Time> {
        [self.notify, self.refresh, self.end, self.again].into_iter().flatten().min()
    }
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) spec: Arc<SubscribeSpec>,
    /// The first SUBSCRIBE was another's.
    pub(super) is_fork: bool,
    pub(super) call_id: String,
    /// Our tag.
    pub(super) tag: String,
    /// The number for the next SUBSCRIBE.
    pub(super) cseq: u32,
    /// Made by the first NOTIFY.
    pub(super) dialog: Option<Dialog>,
    pub(super) auth: Option<Box<digest::Client>>,
    /// Counts requests: an answer to an earlier one has no effect.
    pub(super) attempt: u16,
    pub(super) under_way: Option<Purpose>,
    /// What comes after the request under way, or after the first NOTIFY.
    pub(super) next: Option<Purpose>,
    /// We want no more of it.
    pub(super) leaving: bool,
    pub(super) timer: TimerId,
    pub(super) due: Due,
    /// Until then a NOTIFY of another notifier is a fork.
    pub(super) forks_until: Time,
    pub(super) forks: usize,
    /// Ends in a row without a refresh between them.
    pub(super) failures: u32,
    /// Seconds to ask for: those of the spec, or more after a 423.
    pub(super) ask: u32,
    pub(super) too_brief: bool,
}

impl Subscription {
    pub(super) fn new(spec: Arc<SubscribeSpec>) -> Self {
        Self {
            ask: spec.expires,
            spec,
            is_fork: false,
            call_id: String::new(),
            tag: String::new(),
            cseq: 1,
            dialog: None,
            auth: None,
            attempt: 0,
            under_way: None,
            next: None,
            leaving: false,
            timer: TimerId::NONE,
            due: Due::default(),
            forks_until: Time(0),
            forks: 0,
            failures: 0,
            too_brief: false,
        }
    }

    /// Nothing of it is known to any notifier: it waits to be made again.
    pub(super) fn rests(&self) -> bool {
        self.under_way.is_none() && self.due.again.is_some()
    }

    /// A single question.
    pub(super) fn is_fetch(&self) -> bool {
        self.spec.expires == 0
    }
}

/// All subscriptions of a stack.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    all: Slab<Subscription>,
    /// By our tag: the one that was asked for.
    roots: BTreeMap<Box<str>, Id>,
    /// By both tags.
    dialogs: BTreeMap<(Box<str>, Box<str>), Id>,
}

impl Subscriptions {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn usage(&self, usage: &mut Usage) {
        usage.subscriptions = self.all.len();
        usage.matches += self.roots.len() + self.dialogs.len();
    }

    /// For [`crate::Stack::states`].
    pub(crate) fn state_names(&self, shard: Shard, mut tell: impl FnMut(Id, &'static str)) {
        for (id, one) in self.all.iter(shard) {
            let state = match (one.under_way, &one.dialog) {
                (Some(_), _) => "subscription: asking",
                (None, Some(_)) => "subscription: standing",
                (None, None) if one.due.again.is_some() => "subscription: resting",
                (None, None) => "subscription: waiting",
            };
            tell(id, state);
        }
    }

    pub(super) fn insert(&mut self, shard: Shard, one: Subscription) -> SubscriptionId {
        SubscriptionId(self.all.insert(shard, one))
    }

    pub(super) fn get(&self, id: SubscriptionId) -> Option<&Subscription> {
        self.all.get(id.0)
    }

    pub(super) fn get_mut(&mut self, id: SubscriptionId) -> Option<&mut Subscription> {
        self.all.get_mut(id.0)
    }

    /// By both tags.
    pub(crate) fn find(&self, local: &str, remote: &str) -> Option<SubscriptionId> {
        self.dialogs.get(&(Box::from(local), Box::from(remote))).map(|id| SubscriptionId(*id))
    }

    /// By our tag: the one whose SUBSCRIBE had it.
    pub(super) fn root(&self, local: &str) -> Option<SubscriptionId> {
        self.roots.get(local).map(|id| SubscriptionId(*id))
    }

    /// A SUBSCRIBE with this tag leaves.
    pub(super) fn begun(&mut self, id: SubscriptionId, tag: &str) {
        self.roots.insert(tag.into(), id.0);
    }

    /// A NOTIFY has made the dialog.
    pub(super) fn bind(&mut self, id: SubscriptionId, dialog: Dialog) {
        let Some(one) = self.all.get_mut(id.0) else { return };
        self.dialogs.insert((dialog.local_tag().into(), dialog.remote_tag().into()), id.0);
        one.dialog = Some(dialog);
    }

    /// Nothing finds it any more.
    pub(super) fn unbind(&mut self, id: SubscriptionId) {
        let Some(one) = self.all.get_mut(id.0) else { return };
        if let Some(dialog) = one.dialog.take() {
            self.dialogs.remove(&(dialog.local_tag().into(), dialog.remote_tag().into()));
        }
        if !one.is_fork {
            self.roots.remove(one.tag.as_str());
        }
    }

    pub(super) fn remove(&mut self, id: SubscriptionId) -> Option<Subscription> {
        self.unbind(id);
        self.all.remove(id.0)
    }
}
