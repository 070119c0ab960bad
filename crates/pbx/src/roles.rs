//! What the server is for whom (RFC 3261 sections 8.3, 10 and 16): a PBX, a proxy, a redirect server or a registrar alone, by the domain that a request is
//! for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use proxy::passing::way_of;
use proxy::{Arrival, Disposition, Halt, Job, Own, Proxy, ProxyConfig, Vouched};
use sip::message::{HeaderId, Method, Request, StatusCode, Uri};
use sip::uas::{self, Capabilities};
use sip::{Now, Origin, Reply, ServerTx, TextHash, Turn};

use crate::admit::Asking;
use crate::config::{Authenticate, Config, ProxyRules, Role};
use crate::dispatch;
use crate::finding::Seeker;
use crate::switch::Switch;
use crate::target::{self, Target};

/// The alarms of the proxy have numbers from here, below those of questions.
pub(crate) const ALARMS: u64 = 1 << 62;

/// The roles of one loop.
pub(crate) struct Roles {
    usual: Role,
    by_domain: Vec<(String, Role)>,
    rules: ProxyRules,
    /// Where anything but a PBX is asked for.
    pub(crate) proxy: Option<Proxy>,
    capabilities: Capabilities,
    /// Which of several devices a call goes to, where nothing is kept of it.
    lots: TextHash,
}

impl Roles {
    /// As the configuration says; the secret, the number of this run, the addresses that are listened at and what we are called over TLS are the same in all loops.
    pub(crate) fn new(
        config: &Config,
        (secret, run): ([u8; 16], u64),
        (bound, called): (impl IntoIterator<Item = SocketAddr>, Option<&sip::SecuredAs>),
    ) -> Self {
        let by_domain: Vec<(String, Role)> =
            config.roles.iter().map(|(domain, role)| (domain.to_ascii_lowercase(), *role)).collect();
        let rules = config.proxy.clone();
        let settings = ProxyConfig {
            record_route: rules.record_route,
            forking: rules.forking,
            recurse: rules.recurse,
            timer_c: rules.timer_c,
            turn: rules.turn,
            max_forks: config.limits.forwarded,
            history: config.history,
            realm: Some(config.realm().into()),
            alarms: ALARMS,
            run,
            ..ProxyConfig::default()
        };
        let host = called.map(|called| called.host.clone());
        let own = || Own::new(config.own_domains().cloned()).listening(bound).named(host);
        let proxy = config.is_more_than_pbx().then(|| Proxy::new(settings, own(), secret));
        let allow = vec![Method::Register, Method::Options];
        let capabilities = Capabilities { allow, accept: Vec::new(), ..Capabilities::default() };
        Self { usual: config.role, by_domain, rules, proxy, capabilities, lots: TextHash::new(secret) }
    }

    /// What the server is for a request: by the domain of its Request-URI. Where anything is passed on, a Route is for the proxy; once that has taken
    /// its own values off (RFC 3261 section 16.4) and it turns out to be for one of our domains, it is that domain's.
    pub(crate) fn of(&mut self, request: &Request, origin: &Origin, now: Now) -> Role {
        let Some(proxy) = self.proxy.as_mut().filter(|_| !self.by_domain.is_empty()) else { return self.usual };
        let passes_on = |(_, role): &(String, Role)| matches!(role, Role::Proxy | Role::Stateless | Role::Edge);
        if !request.headers().has(HeaderId::Route) || !self.by_domain.iter().any(passes_on) {
            return request.uri().map_or(self.usual, |uri| self.of_domain(&uri));
        }
        match proxy.arrived(request, origin, now) {
            Ok(arrival) if arrival.ours || self.registers_through_edge(request, &arrival) => {
                self.of_domain(&arrival.uri.as_uri())
            }
            _ if self.usual == Role::Stateless => Role::Stateless,
            _ => Role::Proxy,
        }
    }

    /// Whether a device that has us in a Route registers in a domain of which we are the edge: it gets the same Path as without a Route.
    fn registers_through_edge(&self, request: &Request, arrival: &Arrival) -> bool {
        let by_uri = arrival.routes.is_empty() && arrival.flow.is_none();
        *request.method() == Method::Register && by_uri && self.of_domain(&arrival.uri.as_uri()) == Role::Edge
    }

    /// A `maddr` leads out of any domain (section 16.5): nobody is the edge of that.
    fn of_domain(&self, uri: &Uri<'_>) -> Role {
        let host = uri.host_text();
        let host = host.strip_suffix('.').unwrap_or(host);
        let named = self.by_domain.iter().find(|(domain, _)| domain.eq_ignore_ascii_case(host));
        match named.map_or(self.usual, |(_, role)| *role) {
            Role::Edge if uri.params().has("maddr") => Role::Proxy,
            role => role,
        }
    }

    /// Requests that are under way to others.
    pub(crate) fn held(&self) -> usize {
        self.proxy.as_ref().map_or(0, Proxy::len)
    }
}

/// Whether nobody asks who is behind a request within a dialog: one of ours, or nobody (`may_be_ours`), shows that in a call, and whoever brings credentials.
/// Who subscribes and who notifies is not asked for them: few telephones answer a challenge to a NOTIFY, and no subscription ends by one (RFC 6665 section 4.2.2).
fn shows_nothing(request: &Request, may_be_ours: bool) -> bool {
    let in_call = !matches!(request.method(), Method::Subscribe | Method::Notify);
    !(may_be_ours && in_call || request.headers().has(HeaderId::ProxyAuthorization))
}

impl Switch {
    /// The answer to a request that is not for the PBX, unless it comes later.
    pub(crate) fn by_role(
        &mut self,
        role: Role,
        tx: ServerTx,
        request: Arc<Request>,
        origin: Origin,
        turn: &mut Turn<'_>,
    ) -> Option<Reply> {
        let arrival = match self.roles.proxy.as_mut()?.arrived(&request, &origin, turn.now()) {
            Ok(arrival) => arrival,
            Err(Halt::Asked) => return Some(self.role_options()),
            Err(Halt::Refused(reply)) => return Some(reply.stateless()),
        };
        let method = request.method();
        if arrival.ours && *method == Method::Register {
            return self.register(tx, &request, &origin, turn);
        }
        if arrival.ours && *method == Method::Options && arrival.uri.as_uri().user_unescaped().is_none() {
            return Some(self.role_options());
        }
        // Whose bindings are elsewhere nobody is registered for here (RFC 3261 section 10.3, steps 1 and 5).
        if role == Role::Registrar && *method == Method::Register {
            return Some(Reply::new(StatusCode::NOT_FOUND).stateless());
        }
        if role == Role::Registrar {
            let mut reply = Reply::new(StatusCode::METHOD_NOT_ALLOWED).stateless();
            reply.lines.push_id(HeaderId::Allow, "REGISTER, OPTIONS");
            return Some(reply);
        }
        // A proxy passes each copy on; who answers for the user answers one.
        if role == Role::Redirect && turn.is_merged(tx, &request) {
            return Some(dispatch::merged());
        }
        let known = match self.let_in(role, &request, &origin, &arrival, turn) {
            Ok(known) => known,
            Err(reply) => return Some(*reply),
        };
        if self.finishing && !arrival.within {
            return Some(self.busy());
        }
        if role == Role::Redirect && !arrival.ours {
            return Some(Reply::new(StatusCode::NOT_FOUND));
        }
        if !arrival.ours {
            let mut target = way_of(&arrival);
            target.trusted = self.trusts_way(&target, &arrival.routes);
            let job = Job { edge: role == Role::Edge, ..self.job(tx, request, origin, arrival, known) };
            return self.forward(role, job, vec![target], turn);
        }
        let number = self.number_of(&arrival.uri.as_uri()).unwrap_or_default();
        let Some(name) = self.accounts.by_number(&number).map(|known| known.name.clone()) else {
            return Some(Reply::new(StatusCode::NOT_FOUND));
        };
        let job = self.job(tx, request, origin, arrival, known);
        if self.neighbours.keeps(&name) {
            let devices = self.devices(&name, turn.now());
            return self.pass_to_devices(role, job, devices, turn);
        }
        if job.request.method() == &Method::Invite {
            let _ = turn.trying(tx);
        }
        let asked = self.findings.ask(&name, Seeker::Passed(role, Box::new(job)), &self.neighbours, turn);
        (!asked).then(Reply::no_room)
    }

    fn job(&self, tx: ServerTx, request: Arc<Request>, origin: Origin, arrival: Arrival, known: Option<usize>) -> Job {
        let vouched = self.vouched(&request, &origin, known);
        let follows = !Disposition::of(request.headers()).no_recurse;
        let trusted = follows && (known.is_some() || self.roles.rules.relay);
        Job { tx, request, origin, arrival, trusted, edge: false, vouched }
    }

    /// A request for a user whose devices these are.
    pub(crate) fn pass_to_devices(
        &mut self,
        role: Role,
        job: Job,
        devices: Vec<Target>,
        turn: &mut Turn<'_>,
    ) -> Option<Reply> {
        let targets = match self.to_pass(role, &job.request, &job.arrival, devices) {
            Ok(targets) => targets,
            Err(reply) => return Some(*reply),
        };
        match role {
            Role::Redirect => {
                let history = self.roles.proxy.as_ref().and_then(|proxy| proxy.history(&job.request, &job.arrival));
                let history = history.as_deref().map(|history| (history, job.vouched == Vouched::Peer));
                Some(proxy::redirect::reply(&job.arrival.uri.as_uri(), &targets, history))
            }
            _ => self.forward(role, job, targets, turn),
        }
    }

    /// The targets of a request among the devices of the user whom it is for.
    fn to_pass(
        &self,
        role: Role,
        request: &Request,
        arrival: &Arrival,
        devices: Vec<Target>,
    ) -> Result<Vec<proxy::Target>, Box<Reply>> {
        let uri = arrival.uri.as_uri();
        let devices = target::of_request(self.only(&uri, devices), uri.is_secure())?;
        // A temporary address of an instance does not say whose it is.
        let user = self.config.trust.has_user(&self.user_of(&self.number_of(&uri).unwrap_or_default()));
        let trusts = |device: &Target| self.config.trust.reaches(user, device);
        let devices = target::wanted(request, devices);
        let devices = match role {
            Role::Stateless => {
                let call_id = request.headers().call_id();
                let lot =
                    |texts: &[&str]| self.roles.lots.of_all([call_id].iter().chain(texts).map(|text| text.as_bytes()));
                target::standing(devices, lot)
            }
            _ => devices,
        };
        Ok(devices.into_iter().map(|device| device.into_pass(&trusts)).collect())
    }

    /// With or without a transaction, as the role says.
    fn forward(&mut self, role: Role, job: Job, targets: Vec<proxy::Target>, turn: &mut Turn<'_>) -> Option<Reply> {
        let proxy = self.roles.proxy.as_mut()?;
        if role != Role::Stateless {
            return proxy.pass(job, targets, turn);
        }
        let Job { tx, request, origin, arrival, vouched, .. } = job;
        match proxy.pass_stateless((&request, &origin), &arrival, &vouched, targets, turn) {
            Ok(()) => turn.forget(tx),
            Err(reply) => return Some(*reply),
        }
        None
    }

    /// An ACK or CANCEL of what was passed on without a transaction goes the same way (RFC 3261 section 16.11), nobody being asked for credentials (section
    /// 22.1): to others than ours only from where a user has registered, from networks that we trust, and in dialogs that were made
    /// through us. It has no effect there unless its INVITE has come the same way. False when nothing is done with it.
    pub(crate) fn follows(&mut self, request: &Arc<Request>, origin: &Origin, turn: &mut Turn<'_>) -> bool {
        if self.roles.of(request, origin, turn.now()) != Role::Stateless {
            return false;
        }
        if *request.method() == Method::Ack && turn.is_acked_here(request) {
            return true;
        }
        let Some(Ok(arrival)) = self.roles.proxy.as_mut().map(|proxy| proxy.arrived(request, origin, turn.now()))
        else {
            return false;
        };
        let proven = arrival.within || arrival.registered || self.roles.rules.relay;
        let targets = match arrival.ours {
            true => {
                let number = self.number_of(&arrival.uri.as_uri()).unwrap_or_default();
                let Some(known) = self.accounts.by_number(&number) else { return false };
                let devices = self.devices(&known.name, turn.now());
                self.to_pass(Role::Stateless, request, &arrival, devices).unwrap_or_default()
            }
            false if proven || self.is_home(origin.remote.ip()) => vec![way_of(&arrival)],
            false => return false,
        };
        let Some(proxy) = &self.roles.proxy else { return false };
        proxy.pass_stateless((request, origin), &arrival, &Vouched::Nobody, targets, turn).is_ok()
    }

    /// Whether a request is let in (RFC 3261 section 16.3 step 6): what belongs to a dialog that was made through us always; for the rest see
    /// [`Authenticate`]. What only says so, as after forty days or under another secret, and would be refused, learns that it is over (section 12.2.1.2):
    /// so the notifier gives a subscription up, its next refresh does too, and another is made with a proof of its own. At the edge of a domain its home asks. The place of its sender, who has shown who he is. Nobody uses us to reach others without that, unless the configuration says so.
    fn let_in(
        &mut self,
        role: Role,
        request: &Request,
        origin: &Origin,
        arrival: &Arrival,
        turn: &Turn<'_>,
    ) -> Result<Option<usize>, Box<Reply>> {
        // What brings the token of our Path comes from where the device of that flow has registered through us.
        if arrival.within || arrival.registered || role == Role::Edge {
            return Ok(None);
        }
        let (ours, relay) = (arrival.ours, self.roles.rules.relay);
        let asked = match self.roles.rules.authenticate {
            Authenticate::All => true,
            Authenticate::Own => self.is_from_us(request) || !ours && !relay,
            Authenticate::Off => false,
        };
        let shut = asked || !ours && !relay;
        if shut
            && arrival.claimed
            && matches!(role, Role::Proxy | Role::Stateless)
            && (!asked || shows_nothing(request, self.may_be_from_us(request)))
        {
            return Err(Box::new(Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST).stateless()));
        }
        if asked {
            let asking = match role {
                Role::Proxy => Asking::Proxy,
                Role::Stateless => Asking::Stateless,
                _ => Asking::End,
            };
            let admitted = self.admit_by(request, origin, turn.now(), asking);
            return admitted.map(|place| Some(place).filter(|_| asking != Asking::End));
        }
        if ours || relay {
            return Ok(None);
        }
        Err(Box::new(Reply::new(StatusCode::FORBIDDEN).stateless()))
    }

    /// Whether a request says that it is from one of our users.
    fn is_from_us(&self, request: &Request) -> bool {
        let Some(Ok(from)) = request.headers().get::<sip::header::From<'_>>() else { return true };
        self.roles.proxy.as_ref().is_some_and(|proxy| proxy.own().has(&from.uri))
    }

    /// The same, or from nobody (RFC 3323 section 4.1.1.3).
    fn may_be_from_us(&self, request: &Request) -> bool {
        let from = request.headers().get::<sip::header::From<'_>>().and_then(Result::ok);
        let host = from.as_ref().map(|from| from.uri.host_text());
        self.is_from_us(request) || host.is_some_and(|host| host.eq_ignore_ascii_case("anonymous.invalid"))
    }

    /// Whether this is where we know people: a user has registered there. Not by whom a request names, for that may be nobody, or somebody behind a gateway.
    fn is_home(&self, from: IpAddr) -> bool {
        self.config.trust.has(from) || self.bindings.is_home(from)
    }

    fn role_options(&self) -> Reply {
        uas::options(StatusCode::OK, &self.roles.capabilities)
    }
}
