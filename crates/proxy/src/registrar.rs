//! The registrar (RFC 3261 section 10.3): takes a REGISTER from a sender who is known, decides, and says what to write down and what to answer.
//!
//! [`Registrar::plan`] changes nothing. Its records are written first, then carried out by [`Registrar::commit`], then the reply leaves; when they cannot be written the answer is
//! [`Plan::failed`], and nothing has happened. All of one REGISTER happens or nothing of it.

mod answer;
mod flow;
mod reading;

use std::net::SocketAddr;

use sip::Reply;
use sip::id::FlowId;
use sip::message::{HeaderId, Request, StatusCode};
use sip::outbox::{Origin, Transport};
use sip::time::{Now, Time, WallTime};
use sip::uas::Addresses;
use smallvec::SmallVec;

use crate::gruu::Gruu;
use crate::instance;
use crate::location::{Binding, Location};
use crate::packed::{Packed, Piece, Texts};
use crate::record::{Kind, Record};
use answer::{Addressed, Clock, Refusal};
use flow::Outbound;
use reading::Wish;

/// Whether requests to a device go back to where its REGISTER came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nat {
    /// Never: to the host of its Contact.
    Never,
    /// When it came over a connection, asked for `rport` (RFC 3581), or its Via or Contact names another address than its packets come from.
    #[default]
    Auto,
    /// Always.
    Always,
}

/// A REGISTER with Path whose device does not say `Supported: path` (RFC 3327 section 5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathRule {
    /// Refuse it with 420, as the RFC recommends.
    #[default]
    AskDevice,
    /// Keep the Path: for devices behind an edge proxy that adds it for all.
    Keep,
}

/// A contact too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// 403.
    #[default]
    Refuse,
    /// The contacts refreshed longest ago go.
    ReplaceOldest,
}

/// Whose bindings a user may change (RFC 3261 section 10.3 step 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    /// Those of the address of record whose user part is his name.
    #[default]
    Own,
    /// Any: the caller has decided.
    Any,
}

/// How a registrar decides.
#[derive(Clone, Debug)]
pub struct RegistrarConfig {
    /// Host names and addresses served, in any case; empty serves all.
    pub domains: Vec<String>,
    /// Whoever names a host by an IP address, whichever it is, means us, too: requests that are for others do not come here. False.
    pub any_address: bool,
    /// All domains are one: addresses of record are kept under this host, without port, as `sip`.
    pub canonical_host: Option<String>,
    /// Seconds when a device names none.
    pub default_expires: u32,
    /// Seconds below which 423 is answered, or what is asked for is raised (`clamp`).
    pub min_expires: u32,
    /// Seconds to which more is lowered.
    pub max_expires: u32,
    /// Raise a short expiry instead of answering 423.
    pub clamp: bool,
    /// Contacts of one address of record.
    pub max_contacts: usize,
    /// What happens to one more.
    pub overflow: Overflow,
    /// Bindings altogether; one more is answered 503.
    pub max_bindings: usize,
    /// Octets of Contact, its parameters, Call-ID and Path of one binding together.
    pub max_text: usize,
    /// Whose bindings a user may change.
    pub ownership: Ownership,
    /// Whether requests go back to where the REGISTER came from.
    pub nat: Nat,
    /// A Path the device did not ask for.
    pub path: PathRule,
    /// Seconds within which a device that registers over a flow is asked to send keep-alives (Flow-Timer, RFC 5626 section 4.4); `None`: as it likes.
    pub flow_timer: Option<u32>,
    /// Gives devices that ask for them addresses of their own (RFC 5627); `None`: nobody gets any.
    pub gruu: Option<Gruu>,
    /// The route of requests of the device, in order, as header values (RFC 3608 section 6.4): told to each.
    pub service_route: Vec<String>,
}

impl Default for RegistrarConfig {
    /// 120 s by default, 60 to 3600; five contacts, a sixth refused; a million bindings.
    fn default() -> Self {
        RegistrarConfig {
            domains: Vec::new(),
            any_address: false,
            canonical_host: None,
            default_expires: 120,
            min_expires: 60,
            max_expires: 3_600,
            clamp: false,
            max_contacts: 5,
            overflow: Overflow::default(),
            max_bindings: 1_000_000,
            max_text: 2_048,
            ownership: Ownership::default(),
            nat: Nat::default(),
            path: PathRule::default(),
            flow_timer: Some(120),
            gruu: None,
            service_route: Vec::new(),
        }
    }
}

/// What a REGISTER comes to.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The answer, once the records are written and committed.
    pub reply: Reply,
    /// What changes; empty for a query and for a refusal.
    pub records: SmallVec<[Record; 1]>,
}

impl Plan {
    /// The answer when there is no room for what the records would add, by a limit other than the registrar's own.
    pub fn full() -> Reply {
        Refusal::Busy.reply()
    }

    /// The answer when the records could not be written (RFC 3261 section 10.3 step 7).
    pub fn failed() -> Reply {
        Reply::new(StatusCode::SERVER_INTERNAL_ERROR)
    }
}

/// Location service and the rules that guard it.
#[derive(Debug)]
pub struct Registrar {
    config: RegistrarConfig,
    location: Location,
    clock: Clock,
}

impl Registrar {
    /// Without bindings; `seed` keys the table.
    pub fn new(mut config: RegistrarConfig, seed: [u8; 16]) -> Registrar {
        config.domains.iter_mut().for_each(|domain| domain.make_ascii_lowercase());
        Registrar { config, location: Location::new(seed), clock: Clock::default() }
    }

    /// The bindings.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The rules.
    pub fn config(&self) -> &RegistrarConfig {
        &self.config
    }

    /// Other rules from now on; bindings stay.
    pub fn set_config(&mut self, mut config: RegistrarConfig) {
        config.domains.iter_mut().for_each(|domain| domain.make_ascii_lowercase());
        self.config = config;
    }

    /// Decides about a REGISTER that came from `origin`. `user` is who it is from, as authentication found out; `None` when nobody is asked for a password.
    pub fn plan(&self, now: Now, request: &Request, user: Option<&str>, origin: &Origin) -> Plan {
        match Addresses::read(request) {
            Ok(addresses) => self.plan_for(now, request, &addresses, user, origin),
            Err(unreadable) => Plan { reply: *unreadable, records: SmallVec::new() },
        }
    }

    /// The same for a REGISTER whose addresses have been read.
    pub fn plan_for(
        &self,
        now: Now,
        request: &Request,
        addresses: &Addresses<'_>,
        user: Option<&str>,
        origin: &Origin,
    ) -> Plan {
        let refused = |refusal: Refusal| Plan { reply: refusal.reply(), records: SmallVec::new() };
        self.decide(now, request, addresses, user, origin).unwrap_or_else(refused)
    }

    /// Carries out what was planned and written, or what a journal held.
    pub fn commit(&mut self, now: Now, records: &[Record]) {
        records.iter().for_each(|record| self.location.apply(now, record));
    }

    /// Plan and commit at once: for who writes nothing down, or afterwards.
    pub fn handle(&mut self, now: Now, request: &Request, user: Option<&str>, origin: &Origin) -> Plan {
        let plan = self.plan(now, request, user, origin);
        self.commit(now, &plan.records);
        plan
    }

    /// Takes out what has ended: see [`Location::expire`].
    pub fn expire(&mut self, now: Now, most: usize, out: &mut Vec<Record>) {
        self.location.expire(now, most, out);
    }

    /// A connection is gone: see [`Location::lose`].
    pub fn lose(&mut self, now: Now, connection: FlowId) {
        self.location.lose(now, connection);
    }

    /// Nobody is at an address any more to which datagrams go: see [`Location::lose_at`].
    pub fn lose_at(&mut self, now: Now, remote: SocketAddr) {
        self.location.lose_at(now, remote);
    }

    /// When [`Registrar::expire`] should be called next.
    pub fn deadline(&self) -> Option<Time> {
        self.location.next_end()
    }

    /// The key of an address of record, as bindings are kept under it; `None` when it is not served.
    pub fn aor(&self, uri: &sip::message::Uri<'_>) -> Option<String> {
        reading::aor(&self.config, uri)
    }

    fn decide(
        &self,
        now: Now,
        request: &Request,
        addresses: &Addresses<'_>,
        user: Option<&str>,
        origin: &Origin,
    ) -> Result<Plan, Refusal> {
        let headers = request.headers();
        reading::check_request(&self.config, &addresses.uri, headers)?;
        let to = addresses.to.ok_or(Refusal::Status(StatusCode::BAD_REQUEST))?;
        // RFC 3261 section 10.2: an address of record is a SIP or SIPS URI (RFC 4475 section 3.3.4).
        if !to.uri.is_sip() {
            return Err(Refusal::Status(StatusCode::BAD_REQUEST));
        }
        if self.config.ownership == Ownership::Own
            && let Some(user) = user
            && to.uri.user_unescaped().as_deref() != Some(user)
        {
            return Err(Refusal::Status(StatusCode::FORBIDDEN));
        }
        let aor = reading::aor(&self.config, &to.uri).ok_or(Refusal::Status(StatusCode::NOT_FOUND))?;
        let current = self.location.bindings(now, &aor).map(|binding| (binding, Fate::Stays)).collect();
        let mut draft = Draft { current, fresh: SmallVec::new() };
        let order = Order { call_id: headers.call_id(), cseq: headers.cseq().number };
        let mut asked = reading::contacts(&self.config, headers, addresses)?;
        let (mut outbound, mut direct) = (Outbound::default(), true);
        if asked.all {
            draft.remove_all(order)?;
        }
        if asked.wishes.iter().any(|wish| reading::is_no_place(&self.config, wish, &to.uri)) {
            return Err(Refusal::Status(StatusCode::FORBIDDEN));
        }
        if !asked.wishes.is_empty() {
            let (agent, path) = (reading::agent(headers), reading::path(headers)?);
            outbound = Outbound::of(headers, &path, &mut asked)?;
            direct = path.is_empty();
            for wish in &asked.wishes {
                let kept = direct && outbound.applies || self.keeps_origin(request, wish, &path, origin);
                let origin = kept.then_some(*origin);
                let (uri, params) = (wish.uri.as_str(), wish.params.as_str());
                let texts =
                    Texts { aor: &aor, uri, params, call_id: order.call_id, path: &path, agent: &agent, origin };
                draft.take(wish, &texts, order, self.config.max_text)?;
            }
            draft.fit(self.config.max_contacts, self.config.overflow)?;
        }
        if draft.growth() > self.config.max_bindings.saturating_sub(self.location.len()) {
            return Err(Refusal::Busy);
        }
        let named = asked.wishes.iter().any(|wish| instance::of(&wish.params).is_some());
        let gruu = self.config.gruu.as_ref().filter(|_| named && reading::supports(headers, "gruu"));
        let given = gruu.and_then(|gruu| Addressed::of(gruu, &to.uri, order));
        let mut lines = draft.lines(now, given.as_ref());
        if headers.has(HeaderId::Path) && reading::supports(headers, "path") {
            lines.copy(headers, HeaderId::Path);
        }
        outbound.show(self.config.flow_timer, direct, &mut lines);
        if !asked.wishes.is_empty() {
            self.config.service_route.iter().for_each(|route| lines.push_id(HeaderId::ServiceRoute, route));
        }
        self.clock.show(now.wall, &mut lines);
        Ok(Plan { reply: Reply::new(StatusCode::OK).lines(lines), records: draft.records(now.wall, order.cseq) })
    }

    fn keeps_origin(&self, request: &Request, wish: &Wish<'_>, path: &str, origin: &Origin) -> bool {
        // Behind a Path stands a proxy, not the device.
        path.is_empty()
            && match self.config.nat {
                // Nothing but its connection reaches who is behind a WebSocket (RFC 7118 section 5).
                Nat::Never => origin.transport.is_web(),
                Nat::Always => true,
                Nat::Auto => {
                    origin.transport != Transport::Udp || reading::hidden(request.headers(), &wish.uri, origin)
                }
            }
    }
}

/// Call-ID and CSeq of the request.
#[derive(Clone, Copy)]
struct Order<'a> {
    call_id: &'a str,
    cseq: u32,
}

impl Order<'_> {
    /// A request of the same device must be younger than the one that made the binding (RFC 3261 section 10.3 steps 6 and 7).
    fn check(self, binding: &Binding<'_>) -> Result<(), Refusal> {
        match binding.packed().piece(Piece::CallId) == self.call_id.as_bytes() && self.cseq <= binding.cseq() {
            true => Err(Refusal::Status(StatusCode::SERVER_INTERNAL_ERROR)),
            false => Ok(()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
    /// Its successor is in `fresh`.
    GoesOn,
}

struct Fresh {
    packed: Packed,
    kind: Kind,
    seconds: u32,
    q: u16,
    /// Which of `current` it goes on from, or takes the place of.
    before: Option<usize>,
}

/// The bindings as they will be.
struct Draft<'a> {
    current: SmallVec<[(Binding<'a>, Fate); 8]>,
    fresh: SmallVec<[Fresh; 2]>,
}

impl<'a> Draft<'a> {
    fn remove_all(&mut self, order: Order<'_>) -> Result<(), Refusal> {
        for (binding, fate) in &mut self.current {
            order.check(binding)?;
            *fate = Fate::Goes;
        }
        Ok(())
    }

    /// One Contact of the request. The last of several equal ones counts.
    fn take(&mut self, wish: &Wish<'_>, texts: &Texts<'_>, order: Order<'_>, most: usize) -> Result<(), Refusal> {
        let length = texts.uri.len() + texts.params.len() + texts.call_id.len() + texts.path.len();
        if length > most {
            return Err(Refusal::Reason("Contact Too Long"));
        }
        let at = self.current.iter().position(|(binding, _)| reading::same(binding.packed(), wish));
        let known = at.and_then(|at| self.current.get_mut(at));
        let before = known.as_ref().map(|(binding, _)| *binding);
        // Another text of an equivalent URI: the old binding goes, a new one comes. A flow goes on wherever it leads now (RFC 5626 section 6).
        let same_text =
            before.filter(|binding| binding.is_flow() || binding.packed().piece(Piece::Uri) == texts.uri.as_bytes());
        if let Some((binding, fate)) = known {
            order.check(binding)?;
            *fate = if wish.seconds == 0 || same_text.is_none() { Fate::Goes } else { Fate::GoesOn };
        }
        self.fresh.retain(|fresh| !reading::same(&fresh.packed, wish));
        if wish.seconds == 0 {
            return Ok(());
        }
        let packed = Packed::new(texts, same_text.map(|binding| binding.packed()))
            .map_err(|_| Refusal::Reason("Contact Too Long"))?;
        let kind = match same_text {
            None => Kind::Added,
            Some(binding) if packed == *binding.packed() => Kind::Refreshed,
            Some(_) => Kind::Changed,
        };
        self.fresh.push(Fresh { packed, kind, seconds: wish.seconds, q: wish.q, before: at });
        Ok(())
    }

    /// Bindings more than there are now.
    fn growth(&self) -> usize {
        self.fresh.len().saturating_sub(self.current.iter().filter(|(_, fate)| *fate != Fate::Stays).count())
    }

    fn staying(&self) -> impl Iterator<Item = &Binding<'a>> {
        self.current.iter().filter(|(_, fate)| *fate == Fate::Stays).map(|(binding, _)| binding)
    }

    /// Keeps within the limit. Who adds nothing is never refused, even when the limit was lowered meanwhile.
    fn fit(&mut self, most: usize, overflow: Overflow) -> Result<(), Refusal> {
        while self.fresh.len() + self.staying().count() > most {
            if self.fresh.iter().all(|fresh| fresh.before.is_some()) {
                return Ok(());
            }
            let oldest = self
                .current
                .iter_mut()
                .filter(|(_, fate)| *fate == Fate::Stays)
                .min_by_key(|(binding, _)| binding.order());
            match oldest {
                Some((_, fate)) if overflow == Overflow::ReplaceOldest => *fate = Fate::Goes,
                _ => return Err(Refusal::Status(StatusCode::FORBIDDEN)),
            }
        }
        Ok(())
    }

    fn records(self, wall: WallTime, cseq: u32) -> SmallVec<[Record; 1]> {
        let mut records = SmallVec::new();
        for (binding, fate) in &self.current {
            if *fate == Fate::Goes {
                records.push(binding.removal());
            }
        }
        for Fresh { packed, kind, seconds, q, .. } in self.fresh {
            let expires = WallTime(wall.0.saturating_add(seconds.into()));
            records.push(Record { kind, expires, cseq, q, packed });
        }
        records
    }
}

#[cfg(test)]
mod tests;
