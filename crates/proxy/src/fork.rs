//! One request that is passed on: its targets, its branches, and what has come of them (RFC 3261 section 16.7, "response context").

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use sip::history::{Entry, Found, History};
use sip::message::{Request, StatusCode, UriBuf};
use sip::outbox::Origin;
use sip::privacy::Wish;
use sip::{AlarmId, ClientTx, Hop, ServerTx, Time};
use smallvec::SmallVec;

use crate::arrival::Arrival;
use crate::choice::Choice;

/// Where a request may go (RFC 3261 section 16.5).
#[derive(Clone, Debug)]
pub struct Target {
    /// Its Request-URI there.
    pub uri: UriBuf,
    /// Route values before those that the request brought: the Path of a binding (RFC 3327 section 5.4).
    pub routes: Vec<String>,
    /// The way there.
    pub hop: Hop,
    /// Its preference in thousandths.
    pub q: u16,
    /// It is in our trust domain (RFC 3325): it may know who calls, and its word for who answers counts.
    pub trusted: bool,
    /// Other flows to the same instance, the next to be tried first: one at a time, and only after a flow that leads nowhere (RFC 5626 section 7).
    pub flows: Vec<Target>,
    /// How it was found, where that does not follow from its URI (RFC 7044 section 10.4).
    pub found: Option<Box<Found>>,
}

impl Target {
    /// A URI as it is.
    pub fn new(uri: UriBuf) -> Self {
        Self { uri, routes: Vec::new(), hop: Hop::Auto, q: 1_000, trusted: false, flows: Vec::new(), found: None }
    }
}

/// In which order targets are tried (RFC 3261 section 16.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forking {
    /// All at once.
    Parallel,
    /// Those of the highest preference at once, then those of the next.
    #[default]
    ByPreference,
    /// One after the other, by preference.
    Serial,
}

/// One of its client transactions.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) client: ClientTx,
    /// Timer C, or when the next targets have their turn.
    pub(crate) until: Time,
    /// Its turn is over, or nobody wants it any more: its CANCEL is on its way, or waits for a provisional response.
    pub(crate) cancelled: bool,
    /// What it has of Max-Breadth.
    pub(crate) breadth: u32,
    /// It goes by a flow that a token names.
    pub(crate) by_flow: bool,
    /// See [`Target::trusted`].
    pub(crate) trusted: bool,
    /// Other flows to the same instance.
    pub(crate) flows: Vec<Target>,
    /// What History-Info says of it, where it says anything.
    pub(crate) entry: Option<Box<Entry>>,
}

impl Branch {
    /// Where the request goes when this branch has come to nothing: not once it is wanted no more.
    fn next_flow(mut self) -> Option<Target> {
        if self.cancelled || self.flows.is_empty() {
            return None;
        }
        let mut next = self.flows.remove(0);
        next.flows = self.flows;
        Some(next)
    }
}

/// Who vouches for what a request says of its caller (RFC 3325 section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Vouched {
    /// Nobody.
    #[default]
    Nobody,
    /// It comes from somebody whom we trust.
    Peer,
    /// We: this value of P-Asserted-Identity is true.
    Us(Arc<str>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Fork {
    pub(crate) tx: ServerTx,
    pub(crate) invite: bool,
    pub(crate) request: Arc<Request>,
    pub(crate) origin: Origin,
    pub(crate) arrival: Arrival,
    /// See [`crate::Job::edge`].
    pub(crate) edge: bool,
    /// Whether its sender may go where targets send it (3xx recursion).
    pub(crate) trusted: bool,
    /// See [`crate::Job::vouched`].
    pub(crate) vouched: Vouched,
    /// What its sender wants to be kept from others (RFC 3323).
    pub(crate) wish: Wish,
    /// Targets that have not had their turn, the best first.
    pub(crate) waiting: VecDeque<Target>,
    pub(crate) branches: SmallVec<[Branch; 1]>,
    /// URIs that have been tried, where a redirection could name one again.
    pub(crate) tried: Vec<UriBuf>,
    pub(crate) choice: Choice,
    /// A final response has gone back.
    pub(crate) answered: bool,
    /// The caller wants it no more.
    pub(crate) cancelled: bool,
    pub(crate) alarm: Option<(AlarmId, Time)>,
    /// Where it has been, where somebody asks for that (RFC 7044).
    pub(crate) history: Option<Box<History>>,
}

impl Fork {
    /// Takes a branch out that has ended.
    pub(crate) fn take(&mut self, client: ClientTx) -> Option<Branch> {
        let at = self.branches.iter().position(|branch| branch.client == client)?;
        Some(self.branches.swap_remove(at))
    }

    /// The next flow of an instance whose branch has ended with this code: only where that says that it was not reached (RFC 5626 section 7).
    pub(crate) fn next_flow(&self, branch: Option<Branch>, code: StatusCode) -> Option<Target> {
        let unreached = matches!(code, StatusCode::FLOW_FAILED | StatusCode::REQUEST_TIMEOUT);
        branch.filter(|_| unreached && !self.answered && !self.cancelled)?.next_flow()
    }

    /// The targets whose turn it is now.
    pub(crate) fn next_group(&mut self, forking: Forking) -> SmallVec<[Target; 2]> {
        let Some(first) = self.waiting.pop_front() else { return SmallVec::new() };
        let q = first.q;
        let mut group = SmallVec::from_elem(first, 1);
        let belongs = |target: &Target| match forking {
            // The next would have their turn when the sender of a request that is no INVITE has given up (RFC 4320 section 4.2).
            _ if !self.invite => true,
            Forking::Parallel => true,
            Forking::ByPreference => target.q == q,
            Forking::Serial => false,
        };
        while self.waiting.front().is_some_and(belongs) {
            group.extend(self.waiting.pop_front());
        }
        group
    }

    /// Whether the next targets have their turn. Those whose turn is over are not waited for, as long as there is breadth for all.
    pub(crate) fn is_free(&self, most: u32) -> bool {
        let over = self.branches.iter().all(|branch| branch.cancelled);
        let room = || usize::try_from(self.breadth_left(most)).is_ok_and(|left| left >= self.waiting.len());
        !self.waiting.is_empty() && over && (self.branches.is_empty() || room())
    }

    /// What each of so many branches gets of Max-Breadth: of what is left, something is kept for those that wait for their turn.
    pub(crate) fn share(&self, group: usize, most: u32) -> u32 {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let (left, group) = (self.breadth_left(most), number(group).max(1));
        let kept = left.saturating_sub(number(self.waiting.len())) / group;
        if kept > 0 { kept } else { left / group }
    }

    /// What of Max-Breadth is left for new branches (RFC 5393 section 5.3.3.1).
    pub(crate) fn breadth_left(&self, most: u32) -> u32 {
        let used = self.branches.iter().map(|branch| branch.breadth).fold(0, u32::saturating_add);
        self.arrival.breadth.min(most).saturating_sub(used)
    }

    /// The earliest time at which something is due.
    pub(crate) fn due(&self) -> Option<Time> {
        self.branches.iter().filter(|branch| !branch.cancelled).map(|branch| branch.until).min()
    }

    /// How long a branch may take: timer C, unless others wait for their turn.
    pub(crate) fn patience(&self, timer_c: Duration, turn: Duration) -> Duration {
        if self.waiting.is_empty() { timer_c } else { turn.min(timer_c) }
    }
}
