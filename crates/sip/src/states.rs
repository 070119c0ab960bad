//! Which state each machine of a stack is in: for tests that watch them all, and for people who look into a running program.

use crate::id::Id;
use crate::stack::Stack;

impl Stack {
    /// Every name that [`Stack::states`] may give.
    pub const STATES: &'static [&'static str] = &[
        "request: asking",
        "request: trying",
        "request: accepted",
        "client INVITE: calling",
        "client INVITE: proceeding",
        "client INVITE: completed",
        "client INVITE: accepted",
        "client other: trying",
        "client other: proceeding",
        "client other: completed",
        "server INVITE: proceeding",
        "server INVITE: completed",
        "server INVITE: confirmed",
        "server INVITE: accepted",
        "server other: trying",
        "server other: proceeding",
        "server other: completed",
        "session: calling",
        "session: cancelling",
        "session: ringing",
        "session: standing",
        "session: BYE owed",
        "session: BYE sent",
        "session: settled",
        "exchange: sent",
        "exchange: ACK due",
        "exchange: received",
        "exchange: unacknowledged",
        "registration: sending",
        "registration: registered",
        "registration: waiting",
        "flow: pong awaited",
        "flow: address awaited",
        "flow: resting",
        "flow: failed",
        "subscription: asking",
        "subscription: waiting",
        "subscription: standing",
        "subscription: resting",
        "watcher: watching",
        "watcher: notifying",
        "watcher: ending",
        "publication: sending",
        "publication: published",
        "publication: waiting",
    ];

    /// The state of each machine now, with a number that stays the machine's own as long as it lives. Takes time in proportion to all
    /// that lives.
    pub fn states(&self) -> Vec<(u64, &'static str)> {
        let shard = self.config.shard;
        let mut states: Vec<(u64, &'static str)> = Vec::new();
        // The shard is the same everywhere: its place in the number tells the tables apart.
        let mut add = |table: u8, id: Id, state: &'static str| {
            states.push((Id::new(crate::id::Shard(table), id.generation(), id.slot()).to_u64(), state));
        };
        self.outgoing.iter(shard).for_each(|(id, one)| add(0, id, one.state_name()));
        self.clients.iter(shard).for_each(|(id, one)| add(1, id, one.state_name()));
        self.servers.iter(shard).for_each(|(id, one)| add(2, id, one.state_name()));
        self.sessions.state_names(shard, |id, session, exchange| {
            add(3, id, session);
            if let Some(exchange) = exchange {
                add(4, id, exchange);
            }
        });
        self.registrations.state_names(shard, |id, state| add(5, id, state));
        self.subscriptions.state_names(shard, |id, state| add(6, id, state));
        self.watchers.state_names(shard, |id, state| add(7, id, state));
        self.publications.state_names(shard, |id, state| add(8, id, state));
        self.registrations.flow_names(shard, |id, state| add(9, id, state));
        states
    }
}
