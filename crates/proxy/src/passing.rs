//! The stateful proxy (RFC 3261 section 16.2): requests are passed on to their targets, and the best of what comes back goes back.
//!
//! It uses the transactions of the stack by turns of its driver, and keeps one fork for each request without a final response. What arrives is
//! read by [`crate::arrival`], where it goes is the driver's to say (a location service, section 16.5), and so is who may (section 22.3).

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::Duration;

use sip::header::{Contact, NIL, SessionId, Supported, Via};
use sip::history::{Found, Most};
use sip::id::IdHasher;
use sip::message::{HeaderId, Headers, Lines, Method, Request, Response, StatusCode, UriBuf};
use sip::outbox::Origin;
use sip::privacy::Wish;
use sip::stack::StackError;
use sip::{ClientTx, Failure, Forward, Hop, IdMap, Identity, Now, PathTo, Record, Reply, ServerTx, Turn};
use smallvec::SmallVec;

use crate::arrival::{self, Arrival, Halt, is_hidden};
use crate::choice::{Choice, Outcome};
use crate::fork::{Branch, Fork, Forking, Target, Vouched};
use crate::own::Own;
use crate::tokens::Tokens;

/// Of the requests under way, this part is added for those within dialogs.
const RESERVE: usize = 8;

/// The settings of a [`Proxy`].
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Stay in the way of dialogs that are made through us (RFC 3261 section 16.6 step 4).
    pub record_route: bool,
    /// In which order the targets of a request are tried.
    pub forking: Forking,
    /// Follow redirections instead of passing them back (section 16.7 step 4): for those who may go anywhere.
    pub recurse: bool,
    /// Timer C: how long an INVITE may go without a final response after its last provisional one. More than 3 minutes.
    pub timer_c: Duration,
    /// How long targets of one preference may ring before the next have their turn.
    pub turn: Duration,
    /// The most targets of one request.
    pub max_targets: usize,
    /// The most requests under way; one more is answered 503. For those within dialogs that were made through us there is an eighth more.
    pub max_forks: usize,
    /// The most Max-Breadth that is let in (RFC 5393 section 5.3.3).
    pub max_breadth: u32,
    /// Tell each target where a request has been (RFC 7044), and not only those of requests that tell it already, or whose sender wants to be told.
    pub history: bool,
    /// The most that is kept of where one request has been.
    pub max_history: Most,
    /// Our realm: credentials for it go no further (RFC 3261 section 22.3), whether they were asked for or not.
    pub realm: Option<Arc<str>>,
    /// Alarms have numbers from here.
    pub alarms: u64,
    /// Another with each start, where the secret of a [`Proxy`] outlives the process.
    pub run: u64,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            record_route: true,
            forking: Forking::default(),
            recurse: false,
            timer_c: Duration::from_secs(190),
            turn: Duration::from_secs(20),
            max_targets: 16,
            max_forks: 100_000,
            max_breadth: arrival::BREADTH,
            history: false,
            max_history: Most::default(),
            realm: None,
            alarms: 0,
            run: 0,
        }
    }
}

/// A request to be passed on, and what its driver knows of it.
#[derive(Debug)]
pub struct Job {
    /// Its transaction.
    pub tx: ServerTx,
    /// The request as it came.
    pub request: Arc<Request>,
    /// Where it came from.
    pub origin: Origin,
    /// As [`Proxy::arrived`] read it.
    pub arrival: Arrival,
    /// Its sender may go anywhere: redirections are followed for him.
    pub trusted: bool,
    /// We are the edge of the domain it is for: devices that register there are reached through us (RFC 3327, RFC 5626 section 5).
    pub edge: bool,
    /// Who vouches for its caller. With nobody it tells nothing of who that is asserted to be.
    pub vouched: Vouched,
}

/// See the module.
#[derive(Debug)]
pub struct Proxy {
    pub(crate) config: ProxyConfig,
    own: Own,
    pub(crate) tokens: Tokens,
    forks: HashMap<u64, Box<Fork>, BuildHasherDefault<IdHasher>>,
    by_server: IdMap<ServerTx, u64>,
    by_client: IdMap<ClientTx, u64>,
    last: u64,
}

impl Proxy {
    /// Responsible for `own`; `secret` keys what is written into Record-Route, Path and branches, and is the same in all shards of a server; where it is that
    /// of before a restart, too, dialogs and flows of before go on.
    pub fn new(config: ProxyConfig, own: Own, secret: [u8; 16]) -> Self {
        let (forks, by_server, by_client) = (HashMap::default(), IdMap::default(), IdMap::default());
        let tokens = Tokens::new(secret).in_run(config.run);
        Self { config, own, tokens, forks, by_server, by_client, last: 0 }
    }

    /// Requests without a final response.
    pub fn len(&self) -> usize {
        self.forks.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.forks.is_empty()
    }

    /// Which URIs are ours.
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// Validates a request that has arrived and reads its way.
    ///
    /// # Errors
    /// See [`arrival::read`].
    pub fn arrived(&mut self, request: &Request, origin: &Origin, now: Now) -> Result<Arrival, Halt> {
        self.tokens.set_date(now.wall);
        self.own.reached_at(origin.local);
        arrival::read(request, origin, &self.own, &self.tokens)
    }

    /// Passes a request on to its targets. The answer when there are none (480), or no more room (503).
    pub fn pass(&mut self, job: Job, mut targets: Vec<Target>, turn: &mut Turn<'_>) -> Option<Reply> {
        // Who is in a call can hang up, however many call.
        let reserve = if job.arrival.within { (self.config.max_forks / RESERVE).max(1) } else { 0 };
        if targets.is_empty() {
            let history = self.history(&job.request, &job.arrival);
            let told = history.map(|history| history.to_caller(None, job.vouched == Vouched::Peer)).unwrap_or_default();
            return Some(Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE).lines(told.lines));
        }
        if self.forks.len() >= self.config.max_forks.saturating_add(reserve) {
            return Some(Reply::no_room());
        }
        targets.sort_by_key(|target| std::cmp::Reverse(target.q));
        targets.truncate(self.config.max_targets);
        let Job { tx, request, origin, arrival, trusted, edge, vouched } = job;
        let invite = *request.method() == Method::Invite;
        if invite {
            // Section 16.2: at once. One that has ended meanwhile needs none.
            let _ = turn.trying(tx);
        }
        // Where no redirection is followed, nobody asks.
        let follows = self.config.recurse && trusted;
        let tried = if follows { targets.iter().map(|target| target.uri.clone()).collect() } else { Vec::new() };
        self.last += 1;
        let number = self.last;
        let wish = wish(&vouched, &request);
        let history = self.history(&request, &arrival);
        let fork = Fork {
            tx,
            invite,
            request,
            origin,
            arrival,
            edge,
            trusted,
            wish,
            vouched,
            waiting: targets.into(),
            branches: SmallVec::new(),
            tried,
            choice: Choice::default(),
            answered: false,
            cancelled: false,
            alarm: None,
            history,
        };
        self.forks.insert(number, Box::new(fork));
        if invite {
            self.by_server.insert(tx, number);
        }
        self.go_on(number, turn);
        None
    }

    /// Passes the ACK of a 2xx on, without state; dropped unless our Record-Route in it shows that its dialog was made through us.
    pub fn ack(&mut self, request: &Arc<Request>, origin: &Origin, turn: &mut Turn<'_>) {
        let Ok(arrival) = self.arrived(request, origin, turn.now()) else { return };
        if !arrival.within {
            return;
        }
        let target = way_of(&arrival);
        let forward = Forward {
            request: Arc::clone(request),
            origin: *origin,
            server: None,
            uri: target.uri,
            routes: target.routes,
            hop: target.hop,
            max_forwards: arrival.hops,
            max_breadth: None,
            mark: Some(arrival.mark),
            via: None,
            record: None,
            path: None,
            identity: Identity::Withheld,
            prioritized: false,
            history: None,
            authorized: self.config.realm.clone(),
        };
        // Without room or a way it is lost, like any datagram: the 2xx comes again, and so does the ACK.
        let _ = turn.forward_ack(forward);
    }

    /// Whether a request is one of our branches.
    pub fn owns(&self, client: ClientTx) -> bool {
        self.by_client.contains_key(&client)
    }

    /// A response to one of our branches.
    pub fn response(&mut self, client: ClientTx, response: Box<Response>, turn: &mut Turn<'_>) {
        let Some(&number) = self.by_client.get(&client) else { return };
        let Some(fork) = self.forks.get_mut(&number) else { return };
        let code = response.code();
        if code.is_provisional() {
            let until = turn.now().mono + fork.patience(self.config.timer_c, self.config.turn);
            if let Some(branch) = fork.branches.iter_mut().find(|branch| branch.client == client)
                && fork.waiting.is_empty()
            {
                branch.until = until;
            }
            if !fork.answered && code != StatusCode::TRYING {
                // To a non-INVITE none is passed back (RFC 4320 section 4.1).
                let identity = fork.tells_of_callee(client, &response);
                let branch = fork.branches.iter().find(|branch| branch.client == client);
                let entry = branch.and_then(|branch| branch.entry.clone());
                fork.heard(entry.as_deref(), code, Some(response.headers()), &self.own);
                let told = fork.told_back(Some(response.headers()));
                let _ = turn.pass_back(fork.tx, &response, &Lines::new(), &identity, told.as_ref());
            }
            return;
        }
        self.by_client.remove(&client);
        let identity = fork.tells_of_callee(client, &response);
        let ended = fork.take(client);
        let entry = ended.as_ref().and_then(|branch| branch.entry.as_deref());
        fork.heard(entry, code, Some(response.headers()), &self.own);
        if let Some(next) = fork.next_flow(ended, code) {
            return self.start_instead(number, next, turn);
        }
        match code.class() {
            2 => {
                let told = fork.told_back(Some(response.headers()));
                let passed = match !fork.answered || fork.invite {
                    true => turn.pass_back(fork.tx, &response, &Lines::new(), &identity, told.as_ref()),
                    false => Ok(()),
                };
                match passed {
                    // What names nobody whom it could go back to is no answer.
                    Err(StackError::Forbidden(_)) => fork.choice.add(Outcome::Made(StatusCode::BAD_GATEWAY)),
                    _ => fork.answered = true,
                }
            }
            3 if self.config.recurse && fork.trusted && fork.follow(&response, self.config.max_targets, &self.own) => {}
            _ => fork.choice.add(Outcome::Received(response)),
        }
        self.go_on(number, turn);
    }

    /// Nothing (more) comes from one of our branches.
    pub fn failed(&mut self, client: ClientTx, why: &Failure, turn: &mut Turn<'_>) {
        let Some(number) = self.by_client.remove(&client) else { return };
        let Some(fork) = self.forks.get_mut(&number) else { return };
        let ended = fork.take(client);
        let by_flow = ended.as_ref().is_some_and(|branch| branch.by_flow);
        let code = match why {
            Failure::Cancelled => StatusCode::REQUEST_TERMINATED,
            Failure::Timeout | Failure::NotRefreshed => StatusCode::REQUEST_TIMEOUT,
            // RFC 5626 section 5.3.1.
            Failure::Transport(_) if by_flow => StatusCode::FLOW_FAILED,
            // Section 16.9, RFC 3263 section 4.3.
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let entry = ended.as_ref().and_then(|branch| branch.entry.as_deref());
        fork.heard(entry, code, None, &self.own);
        // What cannot be sent by a flow, or is left out there, has not reached whom it leads to.
        let unreached = if why.is_unreached() { StatusCode::FLOW_FAILED } else { code };
        if let Some(next) = fork.next_flow(ended, unreached) {
            return self.start_instead(number, next, turn);
        }
        fork.choice.add(match why {
            Failure::Overloaded => Outcome::LeftOut,
            _ => Outcome::Made(code),
        });
        self.go_on(number, turn);
    }

    /// The caller has cancelled an INVITE (section 16.10); false when it is none of ours.
    pub fn cancelled(&mut self, tx: ServerTx, turn: &mut Turn<'_>) -> bool {
        let Some(&number) = self.by_server.get(&tx) else { return false };
        let Some(fork) = self.forks.get_mut(&number) else { return true };
        fork.cancelled = true;
        cancel_all(fork, turn);
        self.go_on(number, turn);
        true
    }

    /// An alarm with a number of ours has come: timer C (section 16.8), or the turn of the next targets.
    pub fn alarm(&mut self, token: u64, turn: &mut Turn<'_>) {
        let number = token.wrapping_sub(self.config.alarms);
        let Some(fork) = self.forks.get_mut(&number) else { return };
        fork.alarm = None;
        let now = turn.now().mono;
        for branch in fork.branches.iter_mut().filter(|branch| !branch.cancelled && branch.until <= now) {
            branch.cancelled = true;
            // One without a provisional response goes on until its own timer B: its CANCEL waits for one.
            let _ = turn.cancel(branch.client);
        }
        self.go_on(number, turn);
    }

    /// Starts what can be started, and answers when nothing is under way any more.
    fn go_on(&mut self, number: u64, turn: &mut Turn<'_>) {
        loop {
            let Some(fork) = self.forks.get_mut(&number) else { return };
            let stop = fork.answered || fork.cancelled || fork.choice.is_final();
            if stop {
                fork.waiting.clear();
                cancel_all(fork, turn);
            }
            if fork.is_free(self.config.max_breadth) {
                self.start_group(number, turn);
            } else if fork.branches.is_empty() {
                return self.end(number, turn);
            } else {
                return self.arm(number, turn);
            }
        }
    }

    fn start_group(&mut self, number: u64, turn: &mut Turn<'_>) {
        let Some(fork) = self.forks.get_mut(&number) else { return };
        let group = fork.next_group(self.config.forking);
        let share = fork.share(group.len(), self.config.max_breadth);
        if share == 0 {
            // RFC 5393 section 5.3.3.
            fork.waiting.clear();
            fork.choice.add(Outcome::Made(StatusCode::MAX_BREADTH_EXCEEDED));
            return;
        }
        for target in group {
            self.start(number, target, share, turn);
        }
    }

    /// Another flow to an instance, in the place of one that led nowhere.
    fn start_instead(&mut self, number: u64, target: Target, turn: &mut Turn<'_>) {
        if let Some(fork) = self.forks.get(&number) {
            let share = fork.breadth_left(self.config.max_breadth).max(1);
            self.start(number, target, share, turn);
        }
        self.go_on(number, turn);
    }

    /// Along the first of the target's flows by which it can be sent.
    fn start(&mut self, number: u64, mut target: Target, share: u32, turn: &mut Turn<'_>) {
        let Some(fork) = self.forks.get_mut(&number) else { return };
        let until = turn.now().mono + fork.patience(self.config.timer_c, self.config.turn);
        let by_flow = fork.arrival.flow.is_some();
        let mut flows = std::mem::take(&mut target.flows);
        let mut along = Some(target);
        while let Some(target) = along {
            let trusted = target.trusted;
            let entry = fork.entry(&target);
            let copy = forward(&fork.original(trusted), target, share, &self.config, &self.tokens);
            if let Ok(client) = turn.forward(fork.telling(copy, entry.as_deref(), trusted)) {
                let (cancelled, breadth) = (false, share);
                fork.branches.push(Branch { client, until, cancelled, breadth, by_flow, trusted, flows, entry });
                self.by_client.insert(client, number);
                return;
            }
            fork.heard(entry.as_deref(), StatusCode::SERVICE_UNAVAILABLE, None, &self.own);
            along = (!flows.is_empty()).then(|| flows.remove(0));
        }
        // No room for it, or nowhere to go: as if it could not be sent (section 16.9).
        fork.choice.add(Outcome::Made(StatusCode::SERVICE_UNAVAILABLE));
    }

    /// Sees to it that timer C of the next branch is noticed. It may come too early after a provisional response, and is then started anew.
    fn arm(&mut self, number: u64, turn: &mut Turn<'_>) {
        let Some(fork) = self.forks.get_mut(&number).filter(|fork| fork.invite) else { return };
        let Some(due) = fork.due() else { return };
        if let Some((alarm, at)) = fork.alarm {
            if at <= due {
                return;
            }
            turn.silence(alarm);
        }
        fork.alarm = turn.alarm(due, self.config.alarms.wrapping_add(number)).ok().map(|alarm| (alarm, due));
    }

    /// All branches have ended: the best response goes back (section 16.7 step 6), unless one has.
    fn end(&mut self, number: u64, turn: &mut Turn<'_>) {
        let Some(mut fork) = self.forks.remove(&number) else { return };
        if fork.invite {
            self.by_server.remove(&fork.tx);
        }
        if let Some((alarm, _)) = fork.alarm {
            turn.silence(alarm);
        }
        if fork.answered {
            return;
        }
        if fork.cancelled && fork.choice.is_empty() {
            fork.choice.add(Outcome::Made(StatusCode::REQUEST_TERMINATED));
        }
        let is_of_several = fork.choice.is_of_several();
        let (best, mut lines) = fork.choice.take();
        if let Outcome::Received(response) = &best
            && is_of_several
        {
            nobody(fork.request.headers(), response.headers(), &mut lines);
        }
        let told = fork.told_back(match &best {
            Outcome::Received(response) => Some(response.headers()),
            Outcome::Made(_) | Outcome::LeftOut => None,
        });
        let told_anew = || told.as_ref().map(|told| told.lines.clone()).unwrap_or_default();
        let sent = match best {
            // 408 to a non-INVITE comes too late for whoever waits for it, and is not sent (RFC 4320 section 4.2).
            Outcome::Received(response) if response.code() == StatusCode::REQUEST_TIMEOUT && !fork.invite => Ok(()),
            Outcome::Made(StatusCode::REQUEST_TIMEOUT) if !fork.invite => Ok(()),
            // One that names nobody but us cannot go back as it is: its code does.
            Outcome::Received(response) => turn
                .pass_back(fork.tx, &response, &lines, &Identity::Withheld, told.as_ref())
                .or_else(|_| turn.respond(fork.tx, Reply::new(response.code()).lines(told_anew()))),
            Outcome::Made(code) => turn.respond(fork.tx, Reply::new(code).lines(told_anew())),
            // Without Retry-After: the next one may go.
            Outcome::LeftOut => turn.respond(fork.tx, Reply::new(StatusCode::SERVICE_UNAVAILABLE).lines(told_anew())),
        };
        // The only way to fail: nobody waits any more.
        let _ = sent;
    }
}

/// A refusal that speaks for several has the UUID of none of them (RFC 7989 section 7).
fn nobody(request: &Headers, refusal: &Headers, lines: &mut Lines) {
    if refusal.get::<SessionId<'_>>().is_some_and(|id| id.is_ok()) {
        let caller = request.get::<SessionId<'_>>().and_then(Result::ok).map_or(NIL, |id| id.local);
        lines.push_id(HeaderId::SessionId, format_args!("{NIL};remote={caller}"));
    }
}

impl Fork {
    fn original(&self, trusted: bool) -> Original<'_> {
        let Self { request, origin, arrival, tx, edge, .. } = self;
        let identity = identity(&self.vouched, self.wish, request, trusted);
        let prioritized = self.vouched == Vouched::Peer;
        Original { request, origin, arrival, tx: Some(*tx), edge: *edge, identity, prioritized }
    }

    /// What a response that goes back tells of what it asserts of who answers: from whom we trust, to whom we trust all, to others what they may know.
    fn tells_of_callee(&self, client: ClientTx, response: &Response) -> Identity {
        let from_trusted = self.branches.iter().any(|branch| branch.client == client && branch.trusted);
        if !from_trusted {
            return Identity::Withheld;
        }
        match self.vouched {
            Vouched::Peer => Identity::Passed,
            _ if Wish::of_callee(response.headers()).is_anonymous() => Identity::Withheld,
            _ => Identity::Shown,
        }
    }

    /// Takes the targets of a redirection over that are new, when all can be followed; false when it is to be passed back. Nothing is added to a
    /// Request-URI that is not ours to resolve, and no URI is a target twice (section 16.5). What is ours again is for the sender to follow: his
    /// credentials for us have come off.
    fn follow(&mut self, response: &Response, most: usize, own: &Own) -> bool {
        if !self.arrival.ours {
            return false;
        }
        let mut found = Vec::new();
        for contact in response.headers().list::<Contact<'_>>() {
            let Ok(contact) = contact else { return false };
            let Some(address) = contact.address() else { return false };
            let Ok(uri) = sip::route::request_uri(address.uri.as_str()).parse::<UriBuf>() else { return false };
            // From `sips` to `sip`, and the other way round, its sender goes himself, or does not (RFC 5630 section 5.3).
            if !uri.as_uri().is_sip() || self.arrival.uri.as_uri().is_secure() != uri.as_uri().is_secure() {
                return false;
            }
            if own.is(&uri.as_uri()) {
                return false;
            }
            let mut known = self.tried.iter().chain(found.iter().map(|target: &Target| &target.uri));
            if known.any(|tried| tried.as_uri().equivalent(&uri.as_uri())) {
                continue;
            }
            if found.len() + self.tried.len() >= most {
                return false;
            }
            let by = Some(Box::new(Found::redirected(&address.params)));
            found.push(Target { q: contact.q().unwrap_or(1_000), found: by, ..Target::new(uri) });
        }
        self.tried.extend(found.iter().map(|target| target.uri.clone()));
        self.waiting.extend(found.iter().cloned());
        self.waiting.make_contiguous().sort_by_key(|target| std::cmp::Reverse(target.q));
        !found.is_empty()
    }
}

/// Cancels what is under way; where another has answered, whoever rings is told so, and counts no missed call (RFC 3326 section 2).
fn cancel_all(fork: &mut Fork, turn: &mut Turn<'_>) {
    if fork.invite {
        let mut why = Lines::new();
        if fork.answered && fork.branches.iter().any(|branch| !branch.cancelled) {
            why.push_id(HeaderId::Reason, "SIP;cause=200;text=\"Call completed elsewhere\"");
        }
        for branch in fork.branches.iter_mut().filter(|branch| !branch.cancelled) {
            branch.cancelled = true;
            let _ = turn.cancel_with(branch.client, why.clone());
        }
    }
}

/// Where a request goes that is not ours to resolve: by its own way.
pub fn way_of(arrival: &Arrival) -> Target {
    let hop = arrival.flow.map_or(Hop::Auto, Hop::Path);
    Target { hop, ..Target::new(arrival.uri.clone()) }
}

/// What comes, and is copied.
pub(crate) struct Original<'a> {
    pub(crate) request: &'a Arc<Request>,
    pub(crate) origin: &'a Origin,
    pub(crate) arrival: &'a Arrival,
    pub(crate) tx: Option<ServerTx>,
    pub(crate) edge: bool,
    /// What a copy tells of who calls.
    pub(crate) identity: Identity,
    /// What it says of its urgency is believed.
    pub(crate) prioritized: bool,
}

/// What the sender of a request wants to be kept from others: nothing that matters where nobody vouches for anything.
pub(crate) fn wish(vouched: &Vouched, request: &Request) -> Wish {
    if *vouched == Vouched::Nobody { Wish::default() } else { Wish::of_caller(request.headers()) }
}

/// What a copy for a target, trusted or not, tells of who calls (RFC 3325 sections 5 and 7).
pub(crate) fn identity(vouched: &Vouched, wish: Wish, request: &Request, trusted: bool) -> Identity {
    match vouched {
        _ if !wish.lets_identity_go(trusted) => Identity::Withheld,
        Vouched::Nobody => Identity::Withheld,
        Vouched::Peer if trusted => Identity::Passed,
        Vouched::Peer => Identity::Shown,
        Vouched::Us(value) => Identity::Asserted { value: Arc::clone(value), privacy: privacy(wish, request) },
    }
}

/// What goes with an identity that we assert, where it is to stay within the trust domain and its caller has not said `id` (RFC 3325 section 9.3): whoever
/// passes it on from there could not know.
fn privacy(wish: Wish, request: &Request) -> Option<Box<str>> {
    if wish.id || !wish.is_anonymous() {
        return None;
    }
    let lines = request.headers().all(HeaderId::Privacy);
    let words = lines.fold("id".to_owned(), |words, line| format!("{words};{}", line.text().trim()));
    Some(words.into())
}

/// The copy for one target (section 16.6).
pub(crate) fn forward(
    fork: &Original<'_>,
    target: Target,
    breadth: u32,
    config: &ProxyConfig,
    tokens: &Tokens,
) -> Forward {
    let Target { uri, routes, hop, .. } = target;
    let arrival = fork.arrival;
    let first = routes.iter().chain(&arrival.routes).next();
    let secure = uri.as_uri().is_secure() || first.is_some_and(|first| sip::route::uri_of(first).starts_with("sips:"));
    let headers = fork.request.headers();
    // Whatever the settings say, where a secured hop meets one that is not (section 16.6 step 4).
    let makes = config.record_route || secure != fork.origin.transport.is_secured();
    let token = match () {
        () if makes && makes_dialog(fork.request) => Some(tokens.dialog(headers)),
        // The route set of who watches is that of the NOTIFY (RFC 6665 section 4.4.1): where we are in the way of a subscription all have ours, and
        // else none has (section 4.3).
        () if arrival.within && *fork.request.method() == Method::Notify => {
            arrival.step.map(|step| tokens.dialog_of_receiver(headers, step))
        }
        () => None,
    };
    let record = token.map(|token| {
        let inward = is_hidden(fork.request, fork.origin).then(|| tokens.side(fork.origin));
        let outward = match &hop {
            Hop::Path(path) if routes.is_empty() => Some(tokens.side(path)),
            _ => None,
        };
        Record { secure, token, inward, outward }
    });
    Forward {
        request: Arc::clone(fork.request),
        origin: *fork.origin,
        server: fork.tx,
        uri,
        routes: routes.into_iter().chain(arrival.routes.iter().cloned()).collect(),
        hop,
        max_forwards: arrival.hops,
        max_breadth: Some(breadth),
        mark: Some(arrival.mark),
        via: None,
        record,
        identity: fork.identity.clone(),
        prioritized: fork.prioritized,
        path: fork.edge.then(|| path_to(fork, tokens)).flatten(),
        history: None,
        // At the edge they are for the home of the domain, whose realm may have the same name.
        authorized: config.realm.clone().filter(|_| !fork.edge),
    }
}

/// The Path of a REGISTER (RFC 3327 section 5.2, RFC 5626 section 5.1); none where the device knows of none, or another proxy stands before us.
fn path_to(fork: &Original<'_>, tokens: &Tokens) -> Option<PathTo> {
    let headers = fork.request.headers();
    let knows = |tag: &str| headers.list::<Supported<'_>>().flatten().any(|one| one.0.eq_ignore_ascii_case(tag));
    let first = headers.list::<Via<'_>>().nth(1).is_none();
    if *fork.request.method() != Method::Register || !knows("path") || !first {
        return None;
    }
    let contact = headers.get::<Contact<'_>>().and_then(Result::ok);
    let registers = contact.and_then(|contact| contact.address().map(|address| address.params.has("reg-id")));
    Some(PathTo { user: tokens.flow(fork.origin), outbound: knows("outbound") && registers.unwrap_or_default() })
}

/// Requests that make a dialog, or may be needed by one (section 16.6 step 4): those without a To tag, of the methods that make one.
fn makes_dialog(request: &Request) -> bool {
    let methods = matches!(request.method(), Method::Invite | Method::Subscribe | Method::Refer | Method::Notify);
    methods && request.headers().to_tag().is_none()
}

#[cfg(test)]
mod tests;
