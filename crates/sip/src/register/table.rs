//! What is kept of a registration, and all registrations of a stack.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::keep_alive::KeepAlive;
use super::outcome::{self, Redirect};
use super::ping::Flow;
use super::spec::{RegisterSpec, Removal};
use crate::digest;
use crate::draft::{ContactSpec, Draft};
use crate::id::{FlowId, Id, RegistrationId, Shard};
use crate::message::{HeaderId, Method, Response, UriBuf};
use crate::rng::Token;
use crate::slab::Slab;
use crate::stack::Usage;
use crate::time::Time;
use crate::wheel::TimerId;

/// What a REGISTER is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Bind,
    Remove(Removal),
}

#[derive(Debug)]
pub(super) struct Registration {
    pub(super) spec: RegisterSpec,
    pub(super) call_id: String,
    pub(super) tag: Token,
    pub(super) cseq: u32,
    pub(super) auth: Option<Box<digest::Client>>,
    /// Counts requests: an answer to an earlier one has no effect.
    pub(super) attempt: u16,
    pub(super) under_way: Option<Purpose>,
    /// What comes after the request under way.
    pub(super) next: Option<Purpose>,
    pub(super) timer: TimerId,
    pub(super) failures: u32,
    /// Seconds to ask for: those of the spec, or more after a 423.
    pub(super) ask: u32,
    /// Whither a 3xx sent us, until a failure.
    pub(super) redirect: Option<Redirect>,
    /// A 423, a 3xx was followed within this attempt.
    pub(super) followed: Followed,
    /// Our binding holds until then.
    pub(super) until: Option<Time>,
    /// The Contact value that was bound.
    pub(super) bound: Option<String>,
    /// A Contact value to take back with the next REGISTER.
    pub(super) leaving: Option<String>,
    /// The connection our binding was made on.
    pub(super) flow: Option<FlowId>,
    pub(super) keep_alive: KeepAlive,
    pub(super) ping: Flow,
    /// Outbound was refused, and is not asked for any more (439).
    pub(super) plain: bool,
    /// The address that the registrar sees us at, and the Contact with it, where it is not ours.
    pub(super) mapped: Option<(SocketAddr, String)>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Followed {
    pub(super) too_brief: bool,
    pub(super) redirect: bool,
    /// Another address is ours.
    pub(super) address: bool,
}

/// All registrations of a stack.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    pub(super) all: Slab<Registration>,
    /// Those bound over a connection.
    pub(super) flows: BTreeSet<(FlowId, Id)>,
}

impl Registrations {
    pub(crate) fn usage(&self, usage: &mut Usage) {
        usage.registrations = self.all.len();
    }

    /// For [`crate::Stack::states`].
    pub(crate) fn state_names(&self, shard: Shard, mut tell: impl FnMut(Id, &'static str)) {
        for (id, one) in self.all.iter(shard) {
            let state = match (one.under_way, one.until) {
                (Some(_), _) => "registration: sending",
                (None, Some(_)) => "registration: registered",
                (None, None) => "registration: waiting",
            };
            tell(id, state);
        }
    }

    /// The same for their flows.
    pub(crate) fn flow_names(&self, shard: Shard, mut tell: impl FnMut(Id, &'static str)) {
        for (id, one) in self.all.iter(shard) {
            if let Some(state) = one.ping.state_name() {
                tell(id, state);
            }
        }
    }

    pub(super) fn get(&mut self, id: RegistrationId) -> Option<&mut Registration> {
        self.all.get_mut(id.0)
    }

    pub(super) fn remove(&mut self, id: RegistrationId) -> Option<Registration> {
        self.bind_to(id, None);
        self.all.remove(id.0)
    }

    /// The registrations that were bound over a connection.
    pub(super) fn on_flow(&self, flow: FlowId) -> Vec<RegistrationId> {
        let all = (flow, Id::from_u64(0))..=(flow, Id::from_u64(u64::MAX));
        self.flows.range(all).map(|(_, id)| RegistrationId(*id)).collect()
    }

    /// Notes the connection a binding was made on.
    pub(super) fn bind_to(&mut self, id: RegistrationId, flow: Option<FlowId>) {
        let Some(registration) = self.all.get_mut(id.0) else { return };
        if let Some(before) = std::mem::replace(&mut registration.flow, flow) {
            self.flows.remove(&(before, id.0));
        }
        if let Some(flow) = flow {
            self.flows.insert((flow, id.0));
        }
    }
}

impl Registration {
    pub(super) fn new(spec: RegisterSpec, call_id: String, tag: Token, cseq: u32) -> Self {
        Registration {
            ask: spec.expires,
            call_id,
            tag,
            cseq,
            auth: None,
            attempt: 0,
            under_way: None,
            next: None,
            timer: TimerId::NONE,
            failures: 0,
            redirect: None,
            followed: Followed::default(),
            until: None,
            bound: None,
            leaving: None,
            flow: None,
            keep_alive: KeepAlive::default(),
            ping: Flow::default(),
            plain: false,
            mapped: None,
            spec,
        }
    }

    /// Whether outbound is asked for.
    pub(super) fn wants_outbound(&self) -> bool {
        !self.plain && self.spec.instance.as_ref().is_some_and(|instance| instance.reg_id.is_some())
    }

    /// What stands in Contact.
    pub(super) fn contact(&self) -> ContactSpec {
        let instance = self.spec.instance.as_ref().map(|instance| instance.params(self.wants_outbound()));
        let more = instance.unwrap_or_default();
        match (&self.spec.contact, &self.mapped) {
            (ContactSpec::Auto { .. }, Some((_, mapped))) => ContactSpec::Given(format!("{mapped}{more}")),
            (ContactSpec::Auto { user, params }, None) => {
                ContactSpec::Auto { user: user.clone(), params: format!("{params}{more}") }
            }
            (ContactSpec::Given(value), _) => ContactSpec::Given(format!("{value}{more}")),
            (ContactSpec::None, _) => ContactSpec::None,
        }
    }

    pub(super) fn target(&self) -> &UriBuf {
        self.redirect.as_ref().map_or(&self.spec.registrar, |redirect| &redirect.to)
    }

    /// Whether the request goes where a 3xx says (RFC 3261 section 8.1.3.4): once in an attempt.
    pub(super) fn follow(&mut self, response: &Response, now: Time) -> bool {
        if self.followed.redirect || !self.spec.follow_redirect {
            return false;
        }
        let Some(redirect) = outcome::redirect(response, now, self.target(), &self.spec.registrar) else {
            return false;
        };
        (self.redirect, self.followed.redirect) = (Some(redirect), true);
        true
    }

    /// Lets go of an address that is good no longer, unless it has just been given (RFC 3261 section 21.3.3).
    pub(super) fn forget_redirect(&mut self, now: Time) {
        let over = |redirect: &mut Redirect| redirect.until.is_some_and(|until| until <= now);
        if !self.followed.redirect {
            self.redirect.take_if(over);
        }
    }

    pub(super) fn draft(&mut self, purpose: Purpose) -> Draft {
        let mut draft = Draft::new(Method::Register, self.target().clone());
        let spec = &self.spec;
        let (display, aor) = (spec.display_text(), spec.aor.as_str());
        draft.from = format!("{display}<{aor}>;tag={}", self.tag);
        draft.to = format!("{display}<{aor}>");
        draft.call_id = self.call_id.clone();
        draft.cseq = self.cseq;
        draft.routes = spec.routes.clone();
        draft.hop = spec.hop.clone();
        draft.credentials = spec.credentials.clone();
        draft.auth = self.auth.take();
        draft.lines = spec.lines.clone();
        draft.contact = match purpose {
            Purpose::Remove(Removal::All) => ContactSpec::Given("*".to_owned()),
            _ => self.contact(),
        };
        if !draft.lines.has(HeaderId::Supported) {
            draft.lines.push_id(HeaderId::Supported, spec.supported(self.wants_outbound()));
        }
        if let (Purpose::Bind, Some(leaving)) = (purpose, &self.leaving) {
            draft.lines.push_id(HeaderId::Contact, format_args!("{};expires=0", outcome::without_expires(leaving)));
        }
        let seconds = if purpose == Purpose::Bind { self.ask } else { 0 };
        draft.lines.push_id(HeaderId::Expires, seconds);
        draft
    }
}
