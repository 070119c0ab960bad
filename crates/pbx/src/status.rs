//! What a server tells about itself.

use serde::Serialize;

/// The state of a server, as `offhook status --json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The version of this description: 1. Fields are only ever added.
    pub v: u32,
    /// Seconds since the start.
    pub uptime_secs: u64,
    /// The state directory, as an absolute path; `None`: nothing is kept.
    pub state: Option<String>,
    /// Addresses listened on, as `udp:127.0.0.1:5060`.
    pub listen: Vec<String>,
    /// Bindings at present.
    pub registrations: usize,
    /// Subscriptions of users to each other's state at present.
    pub watchers: usize,
    /// Calls since the start, refused ones included.
    pub calls_total: u64,
    /// The calls at present, oldest first; as many as [`crate::Limits::calls_listed`] says.
    pub calls: Vec<CallStatus>,
    /// The users.
    pub users: Vec<UserStatus>,
    /// The SIP loops, in the order of their shards.
    pub loops: Vec<LoopStatus>,
}

impl Status {
    /// Together with what another loop knows.
    pub(crate) fn and(mut self, part: Self) -> Self {
        self.uptime_secs = self.uptime_secs.max(part.uptime_secs);
        self.registrations += part.registrations;
        self.watchers += part.watchers;
        self.calls_total += part.calls_total;
        self.calls.extend(part.calls);
        self.loops.extend(part.loops);
        // The same users everywhere, each with the contacts that the loop keeps.
        for (at, more) in part.users.into_iter().enumerate() {
            // But for the moment in which they change.
            let same = self.users.get(at).is_some_and(|user| user.name == more.name);
            let at = if same { Some(at) } else { self.users.iter().position(|user| user.name == more.name) };
            match at.and_then(|at| self.users.get_mut(at)) {
                Some(user) => user.contacts.extend(more.contacts),
                None => self.users.push(more),
            }
        }
        self
    }
}

/// One SIP loop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoopStatus {
    /// Its number, from 0.
    pub shard: u8,
    /// Whether it did not answer in time: then what it alone knows is missing, here and among calls, contacts and sums.
    pub silent: bool,
    /// Calls at present.
    pub calls: usize,
    /// SIP dialogs of calls at present: one with the caller and one with each device that was reached.
    pub dialogs: usize,
    /// SIP transactions at present, those that only wait for repeats included.
    pub transactions: usize,
    /// Octets of the messages that they keep.
    pub kept_octets: usize,
    /// Calls whose messages come to this loop and are sent on to another, which has them.
    pub moved: usize,
    /// Messages and commands from other threads that it has not taken yet.
    pub queue: usize,
    /// Messages since the start for which there was no room.
    pub shed: u64,
    /// Datagrams since the start that the system dropped since they came faster than they were read.
    pub dropped: u64,
    /// Messages since the start that came to it and belong to another, which was handed them.
    pub handed_over: u64,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallStatus {
    /// A number unique in this server.
    pub id: u64,
    /// Who calls.
    pub from: String,
    /// The number that was called.
    pub to: String,
    /// `ringing`, `up` or `held`.
    pub state: &'static str,
    /// Seconds since the INVITE.
    pub secs: u64,
}

/// One user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserStatus {
    /// The name.
    pub name: String,
    /// Whether the server made the password, and keeps it in the file `passwords` of its state directory.
    pub password_made: bool,
    /// Its contacts.
    pub contacts: Vec<ContactStatus>,
}

/// One contact of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContactStatus {
    /// The URI.
    pub uri: String,
    /// Seconds until it ends.
    pub expires_secs: u64,
    /// User-Agent of its REGISTER.
    pub agent: String,
    /// Whether it has answered when it was asked last; `None`: it was not.
    pub reachable: Option<bool>,
    /// How long its answer took; `None` without one.
    pub answer_millis: Option<u64>,
}
