//! A request of ours on its way: one [`ClientTx`] for its owner, and behind it one client transaction after the other, to further
//! addresses (RFC 3263 section 4.3) and with credentials (RFC 3261 section 22).

use std::collections::VecDeque;
use std::net::IpAddr;

use bytes::Bytes;

use crate::config::Role;
use crate::digest;
use crate::draft::{Draft, Hop};
use crate::event::Failure;
use crate::forward::{Forward, Identity, Told};
use crate::id::{AskId, ClientTx, DialogId, Id, ServerTx};
use crate::invite;
use crate::message::{HeaderId, Lines, Method, Response, StatusCode};
use crate::outbox::{Answer, Cause, Origin, Path, Question, SendError, Transport};
use crate::overload;
use crate::planted::{Bug, planted};
use crate::route;
use crate::stack::{Asker, StackError, Timer};
use crate::transaction::key::{Branch, Keys};
use crate::transaction::next_hop::Met;
use crate::transaction::server::RESERVE;
use crate::transaction::{failover, next_hop, pass, print};
use crate::turn::{Owner, Sender, Turn};
use crate::wheel::TimerId;

/// 401 and 407 answered within one request.
const CHALLENGES: u8 = 4;
/// 422 answered within one request: as many elements on the way may each have a larger Min-SE than the one before (RFC 4028 section 7.3).
const INTERVALS: u8 = 5;
/// Most octets of a MESSAGE whose whole way is not known (RFC 3428 section 8).
const MESSAGE: usize = 1_300;

/// An address that refuses connections does so under every name.
const ANY: &str = "";

/// A request that is passed on.
#[derive(Debug)]
pub(super) struct Passing {
    pub(super) forward: Forward,
    pub(super) kept: Kept,
}

/// What is kept of a request that is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Its transaction.
    Transaction,
    /// Nothing of it, an ACK, but its INVITE had a transaction.
    OfOthers,
    /// Nothing of it, nor of what it repeats, cancels or acknowledges.
    Nothing,
}

impl Passing {
    /// It has no transaction.
    fn is_stateless(&self) -> bool {
        self.kept != Kept::Transaction
    }

    /// It has to go where others of its transaction go, of which nothing is known.
    fn is_steady(&self) -> bool {
        self.kept == Kept::Nothing
    }
}

/// A request of ours without its final response (for an INVITE: until the last 2xx can have come).
#[derive(Debug)]
pub(crate) struct Outgoing {
    draft: Box<Draft>,
    /// Set when it is somebody else's and passed on: then this is what it is printed from. Let go of when a 2xx has come.
    passing: Option<Box<Passing>>,
    /// A further 2xx goes back by this one.
    back: Option<ServerTx>,
    /// Request-URI and Route values after RFC 3261 section 12.2.1.1.
    target: route::Target,
    owner: Owner,
    /// What it says of the session's length (RFC 4028).
    timer: Option<invite::Asked>,
    auth: Option<Box<digest::Client>>,
    /// The credentials in the present try; true for those of Proxy-Authorization.
    signed: Vec<(bool, String)>,
    stage: Stage,
    /// Where it may go next.
    paths: VecDeque<Path>,
    /// The path of the present or last try.
    path: Option<Path>,
    by_tcp: ByTcp,
    challenges: u8,
    /// How often its session interval was too small.
    intervals: u8,
    /// A provisional response came in this try.
    provisional: bool,
    /// The owner wants it no more; the lines are for the CANCEL.
    cancelled: Option<Box<Lines>>,
    numbers: Numbers,
}

/// Where the CSeq number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbers {
    /// The draft has it.
    Draft,
    /// The dialog gives it when the request leaves: what never leaves uses up none, and the numbers on the wire are contiguous (RFC 3261
    /// section 12.2.1.1).
    Next(DialogId),
    /// The dialog has given it.
    Given(DialogId),
}

/// ```text
///               routes           2xx to an INVITE
///   Asking ----------> Trying ----------------------> Accepted
///     |  ^   too big     | |  ^                           |
///     |  +---------------+ |  | 503, time-out, unsent:    | timer M
///     |                    |  |   next path               |
///     |                    +--+ 401, 407: credentials     |
///     | no route           | any other final response     |
///     v                    v                              v
///   (gone)               (gone)                         (gone)
/// ```
/// Where all its servers have asked for less and it is among what is left out, LeftOut follows for a moment, then it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The driver looks for the next hop.
    Asking(AskId),
    /// A client transaction runs.
    Trying(Id),
    /// An INVITE was accepted; further 2xx may come.
    Accepted(Id),
    /// Without a transaction, and handed to a connection that may be refused: so many octets, kept until the timer fires.
    Handed { timer: TimerId, octets: usize },
    /// It goes nowhere; its owner hears of it when the timer fires, at once, since he may not know its name yet.
    LeftOut(TimerId),
}

/// Whether TCP has been looked for because the request is too large for UDP (RFC 3261 section 18.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByTcp {
    NotAsked,
    Asking,
    Asked,
}

impl Outgoing {
    /// The next hop, where that is a name, so that there may be several servers. Asked only where something has failed.
    pub(super) fn name(&self) -> Option<String> {
        if matches!(self.draft.hop, Hop::Path(_)) {
            return None;
        }
        match next_hop::question(&self.draft, &self.target) {
            Ok(Question::Route { host, .. }) => Some(host).filter(|host| host.parse::<IpAddr>().is_err()),
            Err(_) => None,
        }
    }
    /// The path of the present or last try.
    pub(super) fn path(&self) -> Option<Path> {
        self.path
    }
    /// The path of the next try.
    pub(super) fn next_path(&self) -> Option<Path> {
        self.paths.front().copied()
    }
    /// For [`crate::Stack::states`].
    pub(crate) fn state_name(&self) -> &'static str {
        match self.stage {
            Stage::Asking(_) => "request: asking",
            Stage::Trying(_) => "request: trying",
            Stage::Accepted(_) => "request: accepted",
            Stage::Handed { .. } => "request: handed to a connection",
            Stage::LeftOut(_) => "request: left out",
        }
    }
    /// Whether it goes whatever its server asks for, which RFC 7339 section 5.10.1 leaves to us: what ends a call, which the other side would keep; a PRACK and
    /// what renews a session, for want of which a call would end that stands. They are few, and counted among what goes there.
    fn always_goes(&self) -> bool {
        matches!(self.draft.method, Method::Bye | Method::Prack) || self.timer.is_some_and(|timer| timer.renews())
    }
    /// Whether it is among what is left out last where a server asks for less: what belongs to a dialog, and calls for help, also where they are not addressed as such
    /// any more (RFC 7339 section 5.10.1).
    fn is_kept(&self) -> bool {
        let (is_within, is_urgent) = match &self.passing {
            Some(passing) => {
                let (request, is_believed) = (&passing.forward.request, passing.forward.prioritized);
                let headers = request.headers();
                let is_urgent = is_believed && headers.values(HeaderId::ResourcePriority).any(overload::is_urgent);
                (headers.to_tag_octets().is_some(), is_urgent || overload::is_for_help(request.uri_text()))
            }
            None => {
                let named = |name: &str| HeaderId::from_name(name.as_bytes()) == HeaderId::ResourcePriority;
                let mut lines = self.draft.lines.iter();
                let is_urgent = lines.any(|(name, value)| named(name) && overload::is_urgent(value));
                (route::split_tag(&self.draft.to).1.is_some(), is_urgent)
            }
        };
        // A strict router stands in the Request-URI, and what was there is the last of the routes.
        is_within || is_urgent || overload::is_for_help(self.draft.uri.as_str())
    }
}

/// Where a request goes; what is passed on and not kept always to the same of several servers of one priority (RFC 3263 section 4.4).
fn question(
    keys: &Keys,
    draft: &Draft,
    target: &route::Target,
    passing: Option<&Passing>,
) -> Result<Question, StackError> {
    let mut question = next_hop::question(draft, target)?;
    if let (Question::Route { lot, .. }, Some(passing)) = (&mut question, passing.filter(|passing| passing.is_steady()))
    {
        *lot = Some(keys.stateless_branch(&passing.forward.request).lot());
    }
    Ok(question)
}

impl Turn<'_> {
    /// Sends a request outside any session. Its responses come as [`crate::Event::Response`], its failure as
    /// [`crate::Event::RequestFailed`]. When the draft has credentials, 401 and 407 are answered with them, under a higher CSeq.
    ///
    /// # Errors
    /// [`StackError::Full`] at the limit; [`StackError::NoHop`], [`StackError::Text`] when the draft cannot be sent;
    /// [`StackError::Forbidden`] for ACK and CANCEL, which the stack makes itself.
    pub fn send_request(&mut self, draft: Draft) -> Result<ClientTx, StackError> {
        self.request(draft, Owner::Application)
    }

    /// The same for an owner within the stack.
    pub(crate) fn request(&mut self, draft: Draft, owner: Owner) -> Result<ClientTx, StackError> {
        match draft.method {
            Method::Ack => return Err(StackError::Forbidden("ACK has no transaction of its own (RFC 3261 17)")),
            Method::Cancel => return Err(StackError::Forbidden("CANCEL is made from its INVITE (RFC 3261 9.1)")),
            _ => {}
        }
        self.outgoing_new(draft, owner, Numbers::Draft)
    }

    /// The same within a dialog, which gives the CSeq number when the request leaves.
    pub(crate) fn request_within(
        &mut self,
        dialog: DialogId,
        mut draft: Draft,
        owner: Owner,
    ) -> Result<ClientTx, StackError> {
        if let Owner::Session(session, _) = owner {
            invite::sign(self, session, dialog, &mut draft.lines);
        }
        self.outgoing_new(draft, owner, Numbers::Next(dialog))
    }

    /// Sends the ACK for a 2xx: no transaction, no repeats, a branch of its own (RFC 3261 section 13.2.2.4). Once it has gone out the
    /// owner hears of it and keeps the octets, to repeat them for each repeat of the 2xx.
    pub(crate) fn send_ack(&mut self, draft: Draft, owner: Owner) -> Result<ClientTx, StackError> {
        if draft.method != Method::Ack {
            return Err(StackError::State("a draft of an ACK"));
        }
        self.outgoing_new(draft, owner, Numbers::Draft)
    }

    fn outgoing_new(&mut self, mut draft: Draft, owner: Owner, numbers: Numbers) -> Result<ClientTx, StackError> {
        print::check(&draft)?;
        if draft.uri.as_uri().is_secure() {
            draft.routes.iter_mut().for_each(|route| *route = route::secured(route));
        }
        let target = route::target(draft.uri.as_str(), draft.routes.iter().map(String::as_str));
        self.outgoing_add(draft, target, owner, numbers, None)
    }

    /// The same for a request that is passed on.
    pub(super) fn outgoing_pass(&mut self, draft: Draft, passing: Passing) -> Result<ClientTx, StackError> {
        let routes = &passing.forward.routes;
        if !routes.iter().all(|route| print::clean(route)) {
            return Err(StackError::Text { what: "Route" });
        }
        let target = route::target(draft.uri.as_str(), routes.iter().map(String::as_str));
        self.outgoing_add(draft, target, Owner::Application, Numbers::Draft, Some(Box::new(passing)))
    }

    fn outgoing_add(
        &mut self,
        mut draft: Draft,
        target: route::Target,
        owner: Owner,
        numbers: Numbers,
        passing: Option<Box<Passing>>,
    ) -> Result<ClientTx, StackError> {
        let limit = self.stack.config.max_client_transactions;
        if self.stack.outgoing.len() >= limit || self.stack.clients.len() >= limit {
            return Err(StackError::Full { what: "requests under way", limit });
        }
        if !print::clean(&target.uri) {
            return Err(StackError::Text { what: "Request-URI" });
        }
        let (fixed, question) = match draft.hop {
            Hop::Path(path) => (Some(path), None),
            _ => (None, Some(question(&self.stack.keys, &draft, &target, passing.as_deref())?)),
        };
        let auth = draft.auth.take();
        let timer = match owner {
            Owner::Session(session, _) => invite::asked(self, session, &draft.method),
            _ => None,
        };
        let outgoing = Outgoing {
            draft: Box::new(draft),
            back: passing.as_ref().and_then(|passing| passing.forward.server),
            passing,
            target,
            owner,
            timer,
            auth,
            signed: Vec::new(),
            stage: Stage::Trying(Id::from_u64(0)),
            paths: fixed.into_iter().collect(),
            path: None,
            by_tcp: ByTcp::NotAsked,
            challenges: 0,
            intervals: 0,
            provisional: false,
            cancelled: None,
            numbers,
        };
        let id = self.stack.outgoing.insert(self.stack.config.shard, outgoing);
        match question {
            Some(question) => self.outgoing_ask(id, question),
            None => self.outgoing_try(id, Cause::Request),
        }
        Ok(ClientTx(id))
    }

    /// Cancels an INVITE (RFC 3261 section 9.1). Before a provisional response the CANCEL is held back and leaves right after the first
    /// one. The owner still hears the outcome: most often a 487, but a 2xx may have been quicker. Cancelling twice changes nothing.
    ///
    /// # Errors
    /// [`StackError::Gone`] when there is no such request; [`StackError::State`] after a 2xx; [`StackError::Forbidden`] for other methods.
    pub fn cancel(&mut self, tx: ClientTx) -> Result<(), StackError> {
        self.cancel_with(tx, Lines::default())
    }

    /// The same, with header lines for the CANCEL: `Reason` of RFC 3326.
    ///
    /// # Errors
    /// As [`Turn::cancel`].
    pub fn cancel_with(&mut self, tx: ClientTx, lines: Lines) -> Result<(), StackError> {
        let outgoing = self.stack.outgoing.get_mut(tx.0).ok_or(StackError::Gone)?;
        if outgoing.draft.method != Method::Invite {
            return Err(StackError::Forbidden("only an INVITE is cancelled (RFC 3261 9.1)"));
        }
        match outgoing.stage {
            Stage::Accepted(_) | Stage::Handed { .. } => Err(StackError::State("an INVITE without a final response")),
            Stage::LeftOut(timer) => {
                self.stop(timer);
                self.outgoing_fail(tx.0, Failure::Cancelled);
                Ok(())
            }
            Stage::Trying(_) if outgoing.cancelled.is_some() => Ok(()),
            Stage::Trying(client) => {
                let provisional = outgoing.provisional || planted(Bug::EarlyCancel);
                if provisional {
                    self.client_cancel(client, &lines);
                }
                if let Some(outgoing) = self.stack.outgoing.get_mut(tx.0) {
                    outgoing.cancelled = Some(Box::new(lines));
                }
                Ok(())
            }
            Stage::Asking(ask) => {
                if let Some(ask) = self.stack.asks.remove(ask.0) {
                    self.stop(ask.timer);
                }
                self.outgoing_fail(tx.0, Failure::Cancelled);
                Ok(())
            }
        }
    }

    /// The path of the present try.
    pub fn path_of(&self, tx: ClientTx) -> Option<Path> {
        self.stack.outgoing.get(tx.0)?.path
    }

    /// What has been learned from challenges: for the next request of the same owner, while the final response is being delivered.
    pub(crate) fn take_auth(&mut self, tx: ClientTx) -> Option<Box<digest::Client>> {
        self.stack.outgoing.get_mut(tx.0)?.auth.take()
    }

    /// What the last try said of the session's length (RFC 4028): while the final response is being delivered.
    pub(crate) fn asked_timer(&self, tx: ClientTx) -> Option<invite::Asked> {
        self.stack.outgoing.get(tx.0)?.timer
    }

    /// The credentials that the last try carried, as lines: the ACK for its 2xx repeats them (RFC 3261 sections 13.2.2.4 and 22.1).
    pub(crate) fn signed_lines(&self, tx: ClientTx) -> Lines {
        let mut lines = Lines::default();
        for (proxy, value) in self.stack.outgoing.get(tx.0).iter().flat_map(|outgoing| &outgoing.signed) {
            lines.push_text(if *proxy { HeaderId::ProxyAuthorization } else { HeaderId::Authorization }, value);
        }
        lines
    }

    fn outgoing_ask(&mut self, id: Id, question: Question) {
        let ask = self.ask(Asker::Request(id), question);
        if let Some(outgoing) = self.stack.outgoing.get_mut(id) {
            outgoing.stage = Stage::Asking(ask);
        }
    }

    /// The driver's answer.
    pub(crate) fn outgoing_answered(&mut self, id: Id, answer: Answer) {
        let limit = self.stack.config.max_routes;
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return };
        let found = match answer {
            Answer::Routes(mut paths) if !paths.is_empty() => {
                // Where nothing is kept of a request, its repeat and its CANCEL go to the same server, whatever has become of that meanwhile (RFC 3263 section 4.4).
                if !self.stack.avoided.is_empty()
                    && !outgoing.passing.as_ref().is_some_and(|passing| passing.is_steady())
                    && let Some(name) = outgoing.name()
                {
                    self.stack.avoided.arrange(&name, &mut paths, self.now.mono);
                }
                if outgoing.by_tcp == ByTcp::Asking
                    && outgoing.passing.as_ref().is_some_and(|passing| passing.is_stateless())
                {
                    paths.retain(|path| !self.stack.without_tcp.has(ANY, path, self.now.mono));
                }
                Ok(paths)
            }
            Answer::Routes(_) => Err(Failure::NoRoute("no address of the host is reached from here".to_owned())),
            Answer::None => Err(Failure::NoSuchHost),
            Answer::Failed(why) => Err(Failure::NoRoute(why)),
            Answer::TimedOut => Err(Failure::NoRoute("the look-up of the host took too long".to_owned())),
        };
        let asked_tcp = outgoing.by_tcp == ByTcp::Asking;
        match found {
            // UDP stays as the way out when TCP is refused (RFC 3261 section 18.1.1).
            Ok(paths) => paths.into_iter().take(limit).rev().for_each(|path| outgoing.paths.push_front(path)),
            Err(_) if asked_tcp => {}
            Err(why) => return self.outgoing_fail(id, why),
        }
        if asked_tcp {
            outgoing.by_tcp = ByTcp::Asked;
        }
        self.outgoing_try(id, Cause::Request);
    }

    /// The next try, along the next path.
    fn outgoing_try(&mut self, id: Id, why: Cause) {
        // For a further try it has been looked at before.
        let refuses = why == Cause::Request && self.outgoing_leaves_out(id);
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return };
        let Some(path) = outgoing.paths.pop_front() else {
            if refuses {
                let timer = self.start(self.now.mono, Timer::LeftOut(id));
                if let Some(outgoing) = self.stack.outgoing.get_mut(id) {
                    outgoing.stage = Stage::LeftOut(timer);
                }
                return;
            }
            return self.outgoing_fail(id, Failure::NoRoute("no address is left".to_owned()));
        };
        (outgoing.path, outgoing.provisional) = (Some(path), false);
        let method = outgoing.draft.method.clone();
        let passed = outgoing.passing.is_some();
        if method == Method::Ack || outgoing.passing.as_ref().is_some_and(|passing| passing.is_stateless()) {
            return self.outgoing_ack(id, path);
        }
        if why == Cause::Request
            && let Err(failure) = self.outgoing_number(id)
        {
            return self.outgoing_fail(id, failure);
        }
        let (cnonce, role) = (self.stack.rng.u64(), self.stack.config.role);
        let (client, branch) = self.client_new(&method, path, Some(id), passed);
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return };
        let draft = &outgoing.draft;
        let body = draft.body.as_ref().map_or(&b""[..], |body| &body.bytes);
        let uri = outgoing.target.uri.as_str();
        outgoing.signed = match &mut outgoing.auth {
            // In a dialog it may go to somebody else than who has asked.
            Some(auth) => {
                let met = Met::by(draft, &outgoing.target, Some(path));
                auth.lines_to(met.challenger(), method.as_str(), uri, body, cnonce)
            }
            None => Vec::new(),
        };
        let authorization = outgoing.signed.as_slice();
        let routes = &outgoing.target.routes;
        let this = print::Try {
            uri,
            routes,
            cseq: draft.cseq,
            branch,
            path: &path,
            authorization,
            timer: outgoing.timer,
            hears: true,
        };
        let bytes = match &outgoing.passing {
            Some(passing) => pass::request(&passing.forward, &this, &self.stack.config),
            None => print::request(draft, &this, &self.stack.config),
        };
        let octets = bytes.len();
        if method == Method::Message && !passed && octets > MESSAGE && !draft.by_streams && role == Role::UserAgent {
            self.client_end(client);
            return self.outgoing_fail(id, Failure::TooLarge { octets, most: MESSAGE });
        }
        if path.transport == Transport::Udp && octets > self.stack.config.max_datagram && self.outgoing_wants_tcp(id) {
            self.client_end(client);
            return self.outgoing_ask_tcp(id, Some(path));
        }
        if let Some(outgoing) = self.stack.outgoing.get_mut(id) {
            outgoing.stage = Stage::Trying(client);
        }
        let why = if passed && why == Cause::Request { Cause::Passed } else { why };
        self.client_send(client, bytes, why);
    }

    /// Takes away the next paths as long as they lead to servers that have asked for less and are not to get this request, or that answer nothing (RFC 7339 sections
    /// 5.5, 5.9 and 5.10); true when there were any. What has gone to a server already is not asked about again: with credentials, or by TCP, it is the
    /// same. An ACK always goes, and a BYE, a PRACK and a refresh of a session; so does what is passed on without a transaction, which hears no answer.
    fn outgoing_leaves_out(&mut self, id: Id) -> bool {
        if self.stack.throttles.is_quiet(self.now.mono) && self.stack.silent.is_empty() {
            return false;
        }
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return false };
        if outgoing.draft.method == Method::Ack
            || outgoing.passing.as_ref().is_some_and(|passing| passing.is_stateless())
        {
            return false;
        }
        let (always, last) = (outgoing.always_goes(), outgoing.path.map(|path| path.remote));
        let (mut any, mut is_kept) = (false, None);
        while let Some(path) = outgoing.paths.front() {
            let server = path.remote;
            if last == Some(server) {
                break;
            }
            // What is to show whether it is there goes whenever it is due.
            let probes = always || matches!(outgoing.owner, Owner::KeepAlive(..));
            if !probes && !self.stack.silent.lets(path, self.now.mono) {
                outgoing.paths.pop_front();
                self.stack.counters.left_out += 1;
                any = true;
                continue;
            }
            if !self.stack.throttles.has(server) {
                break;
            }
            // What answers a challenge has gone there before, and was drawn then.
            let is_kept = *is_kept.get_or_insert_with(|| {
                let answers = |passing: &Passing| {
                    let Forward { request, server, .. } = &passing.forward;
                    self.stack.challenged_beyond.is_answered(&self.stack.keys, request, *server, self.now.mono)
                };
                always || outgoing.is_kept() || outgoing.passing.as_deref().is_some_and(answers)
            });
            let drawn = self.stack.rng.below(overload::DRAWN);
            // What goes in any case is counted all the same.
            if self.stack.throttles.lets(server, self.now.mono, is_kept, drawn) || always {
                break;
            }
            outgoing.paths.pop_front();
            self.stack.counters.left_out += 1;
            any = true;
        }
        any
    }

    /// Tells the owner that it was left out.
    pub(crate) fn outgoing_left_out(&mut self, id: Id) {
        if self.stack.outgoing.get(id).is_some_and(|outgoing| matches!(outgoing.stage, Stage::LeftOut(_))) {
            self.outgoing_fail(id, Failure::Overloaded);
        }
    }

    /// Takes the number from the dialog. Where one was taken and a later request of the same dialog has gone out since, the request takes another,
    /// since the peer takes none that is not above the last (RFC 3261 section 12.2.2).
    fn outgoing_number(&mut self, id: Id) -> Result<(), Failure> {
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return Ok(()) };
        let (dialog, given) = match outgoing.numbers {
            Numbers::Draft => return Ok(()),
            Numbers::Next(dialog) => (dialog, None),
            Numbers::Given(dialog) => (dialog, Some(outgoing.draft.cseq)),
        };
        if let Some(cseq) = self.stack.sessions.number(dialog, given)? {
            (outgoing.draft.cseq, outgoing.numbers) = (cseq, Numbers::Given(dialog));
        }
        Ok(())
    }

    /// UDP, which was the way out where TCP is refused, is none any more (RFC 3261 section 18.1.1). A connection was there: the peer may have read the request,
    /// and would get it a second time under another branch (section 8.2.2.2). Or too much waits to be sent by it: what is large goes by what controls congestion.
    /// No matter once UDP has been taken.
    pub(super) fn outgoing_takes_tcp(&mut self, id: Id) {
        if let Some(outgoing) = self.stack.outgoing.get_mut(id)
            && outgoing.by_tcp == ByTcp::Asked
            && outgoing.path.is_some_and(|path| path.transport.is_reliable())
        {
            outgoing.paths.retain(|path| path.transport != Transport::Udp);
        }
    }

    fn outgoing_wants_tcp(&self, id: Id) -> bool {
        self.stack
            .outgoing
            .get(id)
            .is_some_and(|outgoing| outgoing.by_tcp == ByTcp::NotAsked && !matches!(outgoing.draft.hop, Hop::Path(_)))
    }

    /// Asks for TCP to the same next hop; `first` is the first of the UDP paths to fall back to.
    fn outgoing_ask_tcp(&mut self, id: Id, first: Option<Path>) {
        let keys = self.stack.keys;
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return };
        if let Some(path) = first {
            outgoing.paths.push_front(path);
        }
        outgoing.by_tcp = ByTcp::Asking;
        match question(&keys, &outgoing.draft, &outgoing.target, outgoing.passing.as_deref()) {
            Ok(Question::Route { host, port, secure, lot, .. }) => {
                let transport = Some(if secure { Transport::Tls } else { Transport::Tcp });
                self.outgoing_ask(id, Question::Route { host, port, transport, secure, lot });
            }
            Err(_) => self.outgoing_answered(id, Answer::None),
        }
    }

    /// An ACK, or what is passed on and not kept. That is too large for a datagram now and then; which way the INVITE of an ACK or a CANCEL has taken is not
    /// known, so each goes by its own size.
    fn outgoing_ack(&mut self, id: Id, path: Path) {
        let Some(outgoing) = self.stack.outgoing.get(id) else { return };
        let branch = match &outgoing.passing {
            Some(passing) => self.stack.keys.stateless_branch(&passing.forward.request),
            None => Branch::new(&self.stack.keys, self.stack.rng.u64(), Id::from_u64(0)),
        };
        let (uri, routes) = (outgoing.target.uri.as_str(), outgoing.target.routes.as_slice());
        let hears = !outgoing.passing.as_ref().is_some_and(|passing| passing.is_steady());
        let this = print::Try {
            uri,
            routes,
            cseq: outgoing.draft.cseq,
            branch,
            path: &path,
            authorization: &[],
            timer: None,
            hears,
        };
        let bytes = match &outgoing.passing {
            Some(passing) => pass::request(&passing.forward, &this, &self.stack.config),
            None => print::request(&outgoing.draft, &this, &self.stack.config),
        };
        let is_large = path.transport == Transport::Udp && bytes.len() > self.stack.config.max_datagram;
        if is_large && outgoing.passing.is_some() && self.outgoing_wants_tcp(id) {
            return self.outgoing_ask_tcp(id, Some(path));
        }
        let why = match (&outgoing.passing, &outgoing.draft.method) {
            (Some(_), _) => Cause::Passed,
            (None, Method::Ack) => Cause::Ack,
            (None, _) => Cause::Request,
        };
        let may_go_by_udp =
            outgoing.by_tcp == ByTcp::Asked && path.transport.is_reliable() && !outgoing.paths.is_empty();
        if may_go_by_udp && self.outgoing_has_room(bytes.len()) {
            return self.outgoing_hand(id, path, bytes, why);
        }
        let Some(outgoing) = self.stack.outgoing.remove(id) else { return };
        self.stack.counters.requests_out += 1;
        self.send_raw(path, bytes.clone(), why);
        self.deliver_ack_sent(outgoing.owner, path, bytes);
    }

    /// Hands it to a connection. That may be refused, and nobody sends it again: until it can be taken to have left it is kept, for the next way, which is UDP in
    /// the end (RFC 3261 section 18.1.1).
    fn outgoing_hand(&mut self, id: Id, path: Path, bytes: Bytes, why: Cause) {
        let octets = bytes.len();
        let until = self.now.mono + self.stack.config.timers.t1_64();
        let timer = self.start(until, Timer::Handed(id));
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return };
        outgoing.stage = Stage::Handed { timer, octets };
        self.stack.handed += octets;
        self.stack.counters.requests_out += 1;
        self.send(Sender::Handed(id), path, bytes, why);
    }

    /// Whether what is handed to a connection is kept: an eighth of what may be at most, beside the rest. Half of the requests under way are left to those with
    /// a transaction.
    fn outgoing_has_room(&self, octets: usize) -> bool {
        let config = &self.stack.config;
        self.stack.handed.saturating_add(octets) <= config.max_kept_octets / RESERVE
            && self.stack.outgoing.len() <= config.max_client_transactions / 2
    }

    /// The connection has refused it, or was lost before it had left. Its branch is the same on every way: who has got it nevertheless takes it for a repeat.
    /// Who reads more slowly than is written to him gets it no faster by UDP (RFC 3261 section 18.1.1: that is for who refuses connections).
    pub(crate) fn outgoing_unsent(&mut self, id: Id, why: &SendError) {
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return };
        let Stage::Handed { timer, octets } = outgoing.stage else { return };
        outgoing.stage = Stage::Trying(Id::from_u64(0));
        let path = outgoing.path;
        if *why == SendError::NoBuffer {
            outgoing.paths.retain(|path| path.transport != Transport::Udp);
        }
        self.stack.handed -= octets;
        self.stop(timer);
        // Who had a connection and lost it speaks TCP.
        if let (Some(path), SendError::Unreachable) = (path, why) {
            self.stack.without_tcp.failed(ANY, &path, self.now.mono, self.stack.config.avoid);
        }
        self.outgoing_try(id, Cause::Retry);
    }

    /// It has left by its connection.
    pub(crate) fn outgoing_handed(&mut self, id: Id) {
        if let Some(outgoing) = self.stack.outgoing.remove(id)
            && let Stage::Handed { octets, .. } = outgoing.stage
        {
            self.stack.handed -= octets;
        }
    }

    /// A response came up from the present try.
    pub(super) fn outgoing_response(&mut self, id: Id, client: Id, response: Box<Response>, origin: &Origin) {
        let code = response.code();
        if code != StatusCode::SERVICE_UNAVAILABLE {
            self.target_answered(id);
        }
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return };
        let (owner, tx) = (outgoing.owner, ClientTx(id));
        if code.is_provisional() {
            let first = !std::mem::replace(&mut outgoing.provisional, true);
            if let (true, Some(lines)) = (first, outgoing.cancelled.as_deref().cloned()) {
                self.client_cancel(client, &lines);
            }
            if code != StatusCode::TRYING || self.stack.config.hand_trying {
                self.deliver(owner, tx, response, origin);
            }
            return;
        }
        let accepted = code.is_success() && outgoing.draft.method == Method::Invite;
        if accepted {
            outgoing.passing = None;
            if let (Stage::Accepted(_), Some(back)) = (outgoing.stage, outgoing.back) {
                // Its own transaction may have ended a moment before this one: then nobody waits for it any more.
                // Who may know what is not asked again: of the callee and of where the request has been the first 2xx has told.
                if !planted(Bug::PassedOnce) {
                    let _ =
                        self.pass_back(back, &response, &Lines::default(), &Identity::Withheld, Some(&Told::default()));
                }
                return;
            }
            outgoing.stage = Stage::Accepted(client);
        }
        if let (true, Some(auth)) = (code.is_success(), &mut outgoing.auth) {
            for header in response.headers().all(HeaderId::AuthenticationInfo) {
                // What does not fit teaches nothing; the response itself came along the path of the request.
                let _ = auth.take_info(false, header.value, &outgoing.target.uri, response.body());
            }
        }
        if accepted {
            return self.deliver(owner, tx, response, origin);
        }
        if outgoing.cancelled.is_none() {
            let challenged = matches!(code, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
            if challenged && self.outgoing_authorize(id, &response) {
                return;
            }
            if code == StatusCode::SESSION_INTERVAL_TOO_SMALL && self.outgoing_lengthen(id, &response) {
                return;
            }
            if code == StatusCode::SERVICE_UNAVAILABLE {
                self.outgoing_takes_tcp(id);
                self.target_failed(id, failover::unavailable(&response));
                if self.outgoing_has_another(id) {
                    self.stack.counters.failovers += 1;
                    return self.outgoing_try(id, Cause::Retry);
                }
            }
        }
        self.deliver(owner, tx, response, origin);
        self.outgoing_done(id);
    }

    /// Answers a challenge: the same request again with credentials and the next CSeq number (RFC 3261 section 22.2).
    fn outgoing_authorize(&mut self, id: Id, response: &Response) -> bool {
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return false };
        if outgoing.auth.is_none() && outgoing.draft.credentials.is_empty() {
            return false;
        }
        if outgoing.challenges >= CHALLENGES {
            return false;
        }
        let credentials = &outgoing.draft.credentials;
        let auth = outgoing.auth.get_or_insert_with(|| Box::new(digest::Client::new(credentials.clone())));
        let headers = response.headers();
        let www = headers.all(HeaderId::WwwAuthenticate).map(|header| (false, header.value));
        let proxy = headers.all(HeaderId::ProxyAuthenticate).map(|header| (true, header.value));
        let challenges = www.chain(proxy);
        let met = Met::by(&outgoing.draft, &outgoing.target, outgoing.path);
        if auth.take_challenges_of(met.challenger(), challenges).is_err() {
            return false;
        }
        outgoing.challenges += 1;
        self.stack.counters.authorized += u64::from(self.outgoing_anew(id));
        true
    }

    /// Answers a 422: the same request again with the Min-SE of the response and an interval that is no less, and with the next CSeq number (RFC 4028
    /// sections 7.3 and 7.4).
    fn outgoing_lengthen(&mut self, id: Id, response: &Response) -> bool {
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return false };
        let Some(timer) = outgoing.timer.as_mut().filter(|_| outgoing.intervals < INTERVALS) else {
            return false;
        };
        outgoing.intervals += 1;
        timer.raise(response.headers()) && self.outgoing_anew(id)
    }

    /// The same request again, as a new transaction with the next CSeq number.
    fn outgoing_anew(&mut self, id: Id) -> bool {
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return false };
        let used = outgoing.draft.cseq;
        // In a dialog another request may have taken the next number meanwhile.
        let cseq = match outgoing.numbers {
            Numbers::Draft => used.checked_add(1),
            Numbers::Next(dialog) | Numbers::Given(dialog) => self.stack.sessions.number(dialog, None).ok().flatten(),
        };
        let Some(cseq) = (if planted(Bug::RetryCseq) { Some(used) } else { cseq }) else { return false };
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return false };
        outgoing.draft.cseq = cseq;
        if let Some(path) = outgoing.path {
            outgoing.paths.push_front(path);
        }
        self.outgoing_try(id, Cause::Retry);
        true
    }

    /// The present try has failed: the next path, or the end. One that brought a provisional response has reached its server, which goes on with
    /// it (RFC 3263 section 4.3).
    pub(super) fn outgoing_failed(&mut self, id: Id, why: Failure) {
        let Some(outgoing) = self.stack.outgoing.get_mut(id) else { return };
        let provisional = outgoing.provisional;
        if outgoing.cancelled.is_some() {
            return self.outgoing_fail(id, why);
        }
        if why == Failure::Transport(SendError::TooBig) && self.outgoing_wants_tcp(id) {
            return self.outgoing_ask_tcp(id, None);
        }
        if why == Failure::Timeout && provisional {
            return self.outgoing_fail(id, why);
        }
        if let Some(why) = failover::of_failure(&why) {
            self.target_silent(id, &why);
            self.target_failed(id, why);
        }
        if self.outgoing_has_another(id) {
            self.stack.counters.failovers += 1;
            return self.outgoing_try(id, Cause::Retry);
        }
        self.outgoing_fail(id, why);
    }

    /// Whether there is a further way, where it is not left out as well: then what the last try has brought is what the owner hears.
    fn outgoing_has_another(&mut self, id: Id) -> bool {
        self.outgoing_leaves_out(id);
        self.stack.outgoing.get(id).is_some_and(|outgoing| !outgoing.paths.is_empty())
    }

    /// The end: its owner is told.
    pub(super) fn outgoing_fail(&mut self, id: Id, why: Failure) {
        if let Some(outgoing) = self.stack.outgoing.remove(id) {
            let used = outgoing.path.map(|_| outgoing.draft.cseq);
            self.deliver_failure(outgoing.owner, ClientTx(id), used, why);
        }
    }

    /// Nothing more comes.
    pub(super) fn outgoing_done(&mut self, id: Id) {
        self.stack.outgoing.remove(id);
    }
}
