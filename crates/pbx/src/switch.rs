//! What one SIP loop of the PBX has and knows. What it does with requests and events stands in `dispatch`, `admit`, `message` and `call/*`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use net::Seat;
use sip::digest;
use sip::invite::{JOIN, NO_REPORTS, REPLACES};
use sip::message::{Method, Quote, StatusCode, Uri, UriBuf};
use sip::uas::{Capabilities, RELIABLE, TIMER};
use sip::{Now, Reply, Turn};

use crate::accounts::{Accounts, Known};
use crate::bindings::{Bindings, Home};
use crate::board::Board;
use crate::call::Calls;
use crate::command::Command;
use crate::config::Config;
use crate::finding::Findings;
use crate::metrics::{Gauges, Metrics};
use crate::neighbours::Neighbours;
use crate::one_hash::OneHash;
use crate::qualifying::Qualifying;
use crate::relay::Relay;
use crate::roles::Roles;
use crate::status::{CallStatus, ContactStatus, LoopStatus, Status, UserStatus};
use crate::studio::Studio;
use crate::tally::Tally;
use crate::target::{self, Target};
use crate::watching::Watching;

/// When 100 leaves for an INVITE that nobody has looked at (RFC 3261 section 17.2.1).
const TRYING: Duration = Duration::from_millis(200);

/// The whole PBX on its loop.
pub(crate) struct Switch {
    pub(crate) config: Config,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) digest: digest::Server,
    /// Whether MD5 is among several hashes offered: then devices that know one hash only matter.
    pub(crate) offers_md5_among_others: bool,
    pub(crate) bindings: Bindings,
    pub(crate) neighbours: Neighbours,
    pub(crate) findings: Findings,
    pub(crate) tally: Arc<Tally>,
    /// Where devices of other loops are that know one hash only.
    pub(crate) one_hash: OneHash,
    pub(crate) studio: Studio,
    pub(crate) capabilities: Capabilities,
    pub(crate) calls: Calls,
    pub(crate) relay: Relay,
    pub(crate) roles: Roles,
    /// Subscriptions of users with this loop.
    pub(crate) watching: Watching,
    pub(crate) qualifying: Qualifying,
    pub(crate) board: Arc<Board>,
    pub(crate) metrics: Metrics,
    listen: Vec<String>,
    began: Now,
    pub(crate) finishing: bool,
    /// Reads the addresses of instances that were given out (RFC 5627).
    pub(crate) gruu: proxy::Gruu,
}

/// What every loop is given alike.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) config: Config,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) home: Home,
    pub(crate) tally: Arc<Tally>,
    /// Under which proxies prove to themselves what has passed them, kept over a restart where there is a state directory.
    pub(crate) secret: [u8; 16],
    /// Another with each start.
    pub(crate) run: u64,
    pub(crate) board: Arc<Board>,
    /// What is asked of others (RFC 7339), by all loops as one.
    pub(crate) load: sip::Load,
    /// What we are called over TLS.
    pub(crate) called: Option<sip::SecuredAs>,
}

/// The stack's settings.
pub(crate) fn stack_config(config: &Config) -> sip::Config {
    sip::Config {
        user_agent: Some(concat!("Offhook/", env!("CARGO_PKG_VERSION")).to_owned()),
        timers: config.timers,
        // Whoever is let in gets his 100 at once; who is challenged gets nothing but that, so nothing need be kept of him.
        trying: sip::Trying::After(TRYING),
        allow: methods(),
        supported: extensions(config),
        // None of our own: what one side of a call takes is said to the other.
        info_packages: Some(Vec::new()),
        max_sessions: config.limits.calls.saturating_mul(8).max(1_000),
        max_dialogs: config.limits.calls.saturating_mul(16).max(2_000),
        limits: sip::message::Limits { message: config.limits.message_octets, ..sip::message::Limits::default() },
        retry_after_secs: u32::try_from(config.limits.retry_after.as_secs()).unwrap_or(u32::MAX),
        session: sip::invite::Policy {
            reach: match config.register.nat {
                proxy::Nat::Always => sip::invite::Reach::Back,
                _ => sip::invite::Reach::BackToInstances,
            },
            timer: config.session_timer.unwrap_or_default(),
            ..sip::invite::Policy::default()
        },
        role: if config.is_more_than_pbx() { sip::Role::Proxy } else { sip::Role::UserAgent },
        hand_strays: config.is_stateless(),
        force_rport: config.register.nat == proxy::Nat::Always,
        overload: config
            .overload_control
            .then_some(sip::Overload { max_servers: config.limits.overloaded_servers, ..sip::Overload::default() }),
        ..sip::Config::default()
    }
}

/// What is taken, for Allow.
fn methods() -> Vec<Method> {
    use Method::{
        Ack, Bye, Cancel, Info, Invite, Message, Options, Prack, Publish, Refer, Register, Subscribe, Update,
    };
    vec![Invite, Ack, Cancel, Bye, Options, Register, Message, Info, Prack, Update, Refer, Subscribe, Publish]
}

/// What is understood, for Supported.
fn extensions(config: &Config) -> Vec<String> {
    let timer = config.session_timer.map(|_| TIMER);
    [RELIABLE, NO_REPORTS, REPLACES, JOIN].into_iter().chain(timer).map(str::to_owned).collect()
}

impl Switch {
    /// On the loop's thread, before anything is received.
    pub(crate) fn new(
        Given { config, accounts, home, tally, board, secret, run, load: _, called }: Given,
        (digest, offers_md5_among_others): (digest::Server, bool),
        studio: Studio,
        metrics: Metrics,
        seat: &Seat<'_, Command>,
    ) -> Self {
        let (now, gruu) = (seat.clock.now(), proxy::Gruu::new(secret));
        let neighbours = Neighbours { me: seat.shard, spread: seat.spread, loops: seat.loops.to_vec() };
        let listen = seat.bound.iter().map(|one| format!("{}:{}", one.transport.as_str().to_lowercase(), one.address));
        Self {
            bindings: Bindings::new(&config, home, now, Arc::clone(&tally), &gruu, |user| neighbours.keeps(user)),
            gruu,
            neighbours,
            findings: Findings::new(config.limits.questions),
            tally,
            one_hash: OneHash::default(),
            accounts,
            digest,
            offers_md5_among_others,
            studio,
            capabilities: Capabilities { allow: methods(), supported: extensions(&config), ..Capabilities::default() },
            calls: Calls::default(),
            relay: Relay::new(config.limits.messages),
            roles: Roles::new(&config, (secret, run), (seat.bound.iter().map(|one| one.address), called.as_ref())),
            watching: Watching::default(),
            qualifying: Qualifying::default(),
            board,
            metrics,
            listen: listen.collect(),
            began: now,
            finishing: false,
            config,
        }
    }

    /// The state now.
    pub(crate) fn status(&self, turn: &Turn<'_>) -> Status {
        let now = turn.now();
        let contact = |binding: proxy::Binding<'_>| {
            let reach = self.qualifying.of(binding.uri());
            let took = reach.filter(|reach| reach.answers).map(|reach| reach.took.as_millis());
            ContactStatus {
                uri: binding.uri().to_owned(),
                expires_secs: binding.remaining(now).as_secs(),
                agent: binding.agent().to_owned(),
                reachable: reach.map(|reach| reach.answers),
                answer_millis: took.and_then(|millis| u64::try_from(millis).ok()),
            }
        };
        let user = |known: &Known| UserStatus {
            name: known.name.clone(),
            password_made: known.made,
            contacts: self.bindings.of(now, &known.name).map(contact).collect(),
        };
        Status {
            v: 1,
            uptime_secs: now.mono.since(self.began.mono).as_secs(),
            state: self.config.state.as_deref().map(whole_path),
            listen: self.listen.clone(),
            registrations: self.bindings.len(),
            watchers: turn.usage().watchers,
            calls_total: self.metrics.total(),
            calls: self.call_list(now),
            users: self.accounts.iter().map(user).collect(),
            loops: vec![self.loop_status(turn)],
        }
    }

    /// What this loop knows of itself; what stands before it is seen from outside.
    fn loop_status(&self, turn: &Turn<'_>) -> LoopStatus {
        let usage = turn.usage();
        LoopStatus {
            shard: self.neighbours.me.0,
            calls: self.calls.len(),
            dialogs: usage.dialogs,
            transactions: usage.client_transactions + usage.server_transactions,
            kept_octets: usage.kept_octets,
            moved: usage.away,
            shed: turn.counters().shed,
            ..LoopStatus::default()
        }
    }

    fn call_list(&self, now: Now) -> Vec<CallStatus> {
        let mut calls: Vec<CallStatus> = self
            .calls
            .iter()
            .map(|call| CallStatus {
                id: call.id,
                from: call.user.clone(),
                to: call.number.clone(),
                state: call.state(),
                secs: now.mono.since(call.since).as_secs(),
            })
            .collect();
        calls.sort_unstable_by_key(|call| call.id);
        calls.truncate(self.config.limits.calls_listed);
        calls
    }

    pub(crate) fn gauges(&self, turn: &Turn<'_>) -> Gauges {
        let LoopStatus { calls, dialogs, transactions, kept_octets, shed, .. } = self.loop_status(turn);
        let left_out = turn.counters().left_out;
        Gauges { calls, registrations: self.bindings.len(), dialogs, transactions, kept_octets, shed, left_out }
    }

    /// The devices of a user whose bindings this loop keeps, the most wanted first.
    pub(crate) fn devices(&self, user: &str, now: Now) -> Vec<Target> {
        let mut bindings: Vec<_> = self.bindings.of(now, user).collect();
        // Of those of one instance, the one that was refreshed last, whatever its preference was before (RFC 5627 section 6.1).
        bindings.sort_by_cached_key(|binding| binding.instance().map(|_| std::cmp::Reverse(binding.order())));
        let mut targets = target::by_instance(bindings.iter().filter_map(Target::of));
        targets.sort_by_key(|target| std::cmp::Reverse(target.q));
        let most = self.accounts.by_name(user).and_then(|known| known.contacts.most);
        targets.truncate(most.unwrap_or(self.config.limits.contacts_per_user));
        targets
    }

    /// The devices of a user, ready to be called, by `sips` or `sip`: those found elsewhere, or those that this loop keeps.
    ///
    /// # Errors
    /// The refusal where there is none: 480.
    pub(crate) fn targets(
        &mut self,
        user: &str,
        secure: bool,
        uri: Option<&Uri<'_>>,
        found: Option<Vec<Target>>,
        now: Now,
    ) -> Result<Vec<Target>, Box<Reply>> {
        let targets = found.unwrap_or_else(|| self.devices(user, now));
        let targets = match uri {
            Some(uri) => self.only(uri, targets),
            None => targets,
        };
        let mut targets = target::of_request(targets, secure)?;
        for target in &mut targets {
            if !target.ours.is_some_and(|at| self.studio.is_ours(at)) {
                target.ours = target.next_hop().and_then(|host| self.studio.source(SocketAddr::new(host, 5060)));
            }
        }
        Ok(targets)
    }

    /// A user as From value under this host (RFC 3261 section 8.1.1.3), with the name that he is known by or else has `written`.
    pub(crate) fn named(&self, user: &str, written: Option<String>, host: &str) -> Option<String> {
        let uri = UriBuf::sip(false, Some(user), host, None).ok()?;
        let known = self.accounts.by_name(user).and_then(|known| known.display.clone());
        let display = known.or(written);
        Some(match display.map(|display| display.chars().take(64).collect::<String>()) {
            Some(display) if !display.trim().is_empty() => {
                format!("{} <{}>", Quote(&display), uri.as_str())
            }
            _ => format!("<{}>", uri.as_str()),
        })
    }

    /// 503 with Retry-After.
    pub(crate) fn busy(&self) -> Reply {
        let reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE);
        let seconds = self.config.limits.retry_after.as_secs().to_string();
        reply.clone().line("Retry-After", &seconds).unwrap_or(reply)
    }
}

/// From the root, whatever directory this process was started in.
fn whole_path(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
