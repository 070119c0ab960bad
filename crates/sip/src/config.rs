//! What a stack is told once, at its start.

use std::net::IpAddr;
use std::time::Duration;

use crate::id::Shard;
use crate::invite;
use crate::message::{Limits, Method};
use crate::outbox::Path;
use crate::overload::Load;
use crate::spread::Spread;

/// The settings of a [`crate::Stack`]. Start from [`Config::default`] and change fields.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which SIP loop this is: part of every handle.
    pub shard: Shard,
    /// How calls are spread over the shards of this server: what this one begins falls to it.
    pub spread: Spread,
    /// Protocol timers.
    pub timers: Timers,
    /// Limits on a single message.
    pub limits: Limits,
    /// Most server transactions at once (those that only wait for repeats included). One more request is answered 503 with Retry-After, and
    /// nothing is kept of it. An eighth more is for requests within dialogs and for CANCELs of what is here: a flood keeps nobody from hanging
    /// up.
    pub max_server_transactions: usize,
    /// Most octets of messages that server transactions keep: requests without a final response, last responses, which repeat every Via, and the
    /// copies that a proxy has passed on, as long as they may be sent again.
    /// A request that would take them past it is answered 503 with Retry-After, and nothing is kept of it; what has been let in is
    /// answered in any case. An eighth more is for requests within dialogs and for CANCELs, and another for what is sent without a transaction and may be refused by
    /// its connection: where there is no room, or they are half of [`Self::max_client_transactions`], such a one is sent and not kept, and lost where it is
    /// refused. The default leaves 671 octets for each of the most server transactions.
    pub max_kept_octets: usize,
    /// Most requests of ours under way at once, and most client transactions; one more is [`crate::StackError::Full`].
    pub max_client_transactions: usize,
    /// Most dialogs at once.
    pub max_dialogs: usize,
    /// Most INVITE sessions at once.
    pub max_sessions: usize,
    /// Most registrations of ours at once.
    pub max_registrations: usize,
    /// Most subscriptions of ours at once, forks included.
    pub max_subscriptions: usize,
    /// Most publications of ours at once.
    pub max_publications: usize,
    /// Most watchers at once: subscriptions of peers with us.
    pub max_watchers: usize,
    /// Most calls at once that are with another shard than the one they fall to, each with its Call-ID of 256 octets at most. Those that are over and
    /// still known for what is late make room.
    pub max_away: usize,
    /// Most alarms of the application at once.
    pub max_alarms: usize,
    /// Most addresses tried for one request (RFC 3263 section 4.3).
    pub max_routes: usize,
    /// How long a server found by name that did not answer, or was not there, comes last among several (RFC 3263 section 4.3). One that says 503 with
    /// Retry-After is left out for as long as it says, ten minutes at most.
    pub avoid: Duration,
    /// When 100 (Trying) is sent for an INVITE (RFC 3261 section 17.2.1).
    pub trying: Trying,
    /// The `Server` header of responses and the `User-Agent` header of requests; `None` sends neither.
    pub user_agent: Option<String>,
    /// Methods for Allow.
    pub allow: Vec<Method>,
    /// Option tags for Supported.
    pub supported: Vec<String>,
    /// The packages whose INFOs are handed on (RFC 6086), told by Recv-Info in each call. Empty: the mechanism is known, and no package taken. `None`:
    /// nothing is said of packages, and an INFO of one is refused with 469.
    pub info_packages: Option<Vec<String>>,
    /// Largest request sent over UDP, in octets, when the path's MTU is unknown (RFC 3261 section 18.1.1). Larger ones go by TCP first.
    pub max_datagram: usize,
    /// The seconds of Retry-After when a limit is reached.
    pub retry_after_secs: u32,
    /// How long a look-up may take (see [`crate::Action::Ask`]).
    pub ask_timeout: Duration,
    /// User agent or proxy.
    pub role: Role,
    /// Answer UDP requests at the port they came from even when the client did not ask for it with `rport` (RFC 3581): reaches phones
    /// behind address translators that do not know it.
    pub force_rport: bool,
    /// Follow `maddr` in the Via of a request (RFC 3261 section 18.2.2), and its sent-by where the way back has failed (RFC 3263 section 5). Both let
    /// the sender choose where the answer goes: switched off, the answer goes to where the request came from.
    pub follow_maddr: bool,
    /// The ports that are listened on over TLS, where peers may send requests back along our connections (RFC 5923 section 8.1): requests over TLS whose Via
    /// names one of them say so by `alias`. None: nobody is asked to.
    pub alias_ports: Vec<u16>,
    /// What Record-Route and Path call us on a side that goes over TLS (RFC 5922 section 7.5). `None`: our address.
    pub secured_as: Option<SecuredAs>,
    /// Hand 100 (Trying) to the owner of a request as well; otherwise it only stops the repeats.
    pub hand_trying: bool,
    /// Hand on what belongs to no transaction of ours: CANCELs and responses, for a proxy that keeps none (RFC 3261 section 16.11).
    pub hand_strays: bool,
    /// We are an end of our sessions, and give each a UUID of ours for Session-ID (RFC 7989). Who stands between two ends passes theirs on, and has none but where he
    /// is one: see [`crate::Turn::name_session`].
    pub session_id: bool,
    /// Overload control with the next hop (RFC 7339). `None`: nothing is said of it, and what others say of it is not heard.
    pub overload: Option<Overload>,
    /// What we ask of others then. The stacks behind one address share one; a configuration that is cloned shares it, too.
    pub load: Load,
    /// Policies of INVITE sessions.
    pub session: invite::Policy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            shard: Shard(0),
            spread: Spread::ONE,
            timers: Timers::default(),
            limits: Limits::default(),
            max_server_transactions: 200_000,
            max_kept_octets: 128 << 20,
            max_client_transactions: 200_000,
            max_dialogs: 100_000,
            max_sessions: 100_000,
            max_registrations: 10_000,
            max_subscriptions: 10_000,
            max_publications: 10_000,
            max_watchers: 100_000,
            max_away: 100_000,
            max_alarms: 200_000,
            max_routes: 8,
            avoid: Duration::from_secs(60),
            trying: Trying::AtOnce,
            user_agent: None,
            allow: vec![Method::Invite, Method::Ack, Method::Cancel, Method::Bye, Method::Options],
            supported: Vec::new(),
            info_packages: None,
            max_datagram: 1_300,
            retry_after_secs: 5,
            ask_timeout: Duration::from_secs(8),
            role: Role::UserAgent,
            force_rport: false,
            follow_maddr: true,
            alias_ports: Vec::new(),
            secured_as: None,
            hand_trying: false,
            hand_strays: false,
            session_id: false,
            overload: None,
            load: Load::default(),
            session: invite::Policy::default(),
        }
    }
}

impl Config {
    /// Whether an option tag is among [`Config::supported`].
    pub(crate) fn supports(&self, tag: &str) -> bool {
        self.supported.iter().any(|known| known.eq_ignore_ascii_case(tag))
    }
}

/// By what name we are reached over TLS: one that our certificate is for, so that who connects to it finds whom he expects (RFC 5922 section 7.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecuredAs {
    /// A host name that leads to us.
    pub host: String,
    /// Addresses of ours that are written as they are, since the certificate is for them as well.
    pub addresses: Vec<IpAddr>,
}

impl SecuredAs {
    /// Whether it stands for our address on this side of us.
    pub(crate) fn is_written_on(&self, side: &Path) -> bool {
        side.transport.is_secured() && !self.addresses.contains(&side.local.ip())
    }
}

/// Overload control of one hop (RFC 7339), by the algorithm `loss` (section 7). Each request tells the next hop that we hear it; a share of those that would go
/// to a server that asks for less is left out, those in dialogs and calls for help last; ACK, CANCEL, BYE, PRACK and what refreshes a session never are. Who tells us
/// so himself is asked for less as long as limits are reached here, and a 503 for want of room has no Retry-After (section 5.10.2). Where somebody is seen to do what he
/// is asked for, as much is refused of what others begin, what answers a challenge counting as one with what was challenged; who says that he hears and goes on is
/// refused as much in any case, and has half of the room. To a server that has answered nothing three times one after the other a request goes now and then, after 1 s, 2 s and so on to a
/// minute, until something comes from it (section 5.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    /// Most servers at a time whose word is remembered, a minute at most. Beyond that, of the host with the most ports the one whose word is over first goes for
    /// another. As many are remembered that answer nothing; beyond that requests go to others as ever. 256.
    pub max_servers: usize,
    /// Most networks (addresses of IPv4, halves of IPv6) at a time from which somebody says that he hears, and of which it is known whether he does what he is asked
    /// for: as many by connections, and as many by datagrams, which take no place of these. Beyond that who is new counts as one who does not
    /// hear, until nothing has come from another for two seconds. 256.
    pub max_clients: usize,
    /// Most requests at a time whose answer to a challenge is not refused by chance once more, each for five seconds: as many that we have challenged, and as many that
    /// somebody further on has. Beyond that the oldest goes, and its answer counts as a request like any other. 4096.
    pub max_challenged: usize,
}

impl Default for Overload {
    fn default() -> Self {
        Self { max_servers: 256, max_clients: 256, max_challenged: 4_096 }
    }
}

/// The base values of the timers (RFC 3261 section 17 and its table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Round-trip estimate, 500 ms.
    pub t1: Duration,
    /// Longest interval between repeats of non-INVITE requests and INVITE responses, 4 s.
    pub t2: Duration,
    /// How long a message stays in the network, 5 s.
    pub t4: Duration,
    /// Timer D on UDP: at least 32 s whatever T1 is.
    pub d: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            d: Duration::from_secs(32),
        }
    }
}

impl Timers {
    /// The default values with another T1, and what must not be below it.
    pub fn with_t1(t1: Duration) -> Self {
        let Self { t2, t4, d, .. } = Self::default();
        Self { t1, t2: t2.max(t1), t4, d }.whole()
    }

    /// With a timer D that fits: 32 s at least, and no less than the server may repeat its response (RFC 3261 section 17.1.1.2).
    pub fn whole(self) -> Self {
        Self { d: Self::default().d.max(self.t1_64()), ..self }
    }

    /// 64*T1: timers B, F, H, J, L and M.
    pub fn t1_64(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
    /// The interval after `last`: doubled, T2 at most (timers E and G).
    pub fn next(&self, last: Duration) -> Duration {
        last.saturating_mul(2).min(self.t2)
    }
    /// How long after a request a client's timer E has grown to T2: 3.5 s by default. No 100 leaves for a non-INVITE before
    /// (RFC 4320 section 4.1).
    pub fn quiet(&self) -> Duration {
        let (mut interval, mut sum) = (self.t1, Duration::ZERO);
        // T1 of zero would never reach T2.
        for _ in 0..32 {
            if interval >= self.t2 {
                break;
            }
            sum = sum.saturating_add(interval);
            interval = self.next(interval);
        }
        sum
    }
}

/// When 100 (Trying) leaves for an INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trying {
    /// Before the application hears of the call.
    AtOnce,
    /// When the application has sent nothing for this long (200 ms in RFC 3261 section 17.2.1), or when it says so before
    /// ([`crate::Turn::trying`]).
    After(Duration),
}

/// What the application is, for requests that belong to no dialog of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A user agent: the stack answers merged requests 482 (RFC 3261 section 8.2.2.2) and requests of unknown dialogs 481.
    UserAgent,
    /// A proxy: all of these, and ACKs that match nothing ([`crate::Event::Ack`]), are handed on.
    Proxy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4320_4_1_quiet_time_is_three_and_a_half_seconds() {
        assert_eq!(Timers::default().quiet(), Duration::from_millis(3_500));
        let zero = Timers { t1: Duration::ZERO, ..Timers::default() };
        assert_eq!(zero.quiet(), Duration::ZERO);
    }

    #[test]
    fn rfc3261_17_1_2_2_interval_doubles_up_to_t2() {
        let timers = Timers::default();
        let mut interval = timers.t1;
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(interval.as_millis());
            interval = timers.next(interval);
        }
        assert_eq!(seen, [500, 1000, 2000, 4000, 4000]);
    }
}
