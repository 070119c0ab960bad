//! Several loops as one server: a shard each, with its own thread, stack, application and sockets on the same addresses.
//!
//! The system spreads datagrams and connections over the loops by the sender's address, which says nothing about calls. So each loop
//! reckons the home of what it receives ([`sip::Spread`]) and hands over what is not its own, unparsed, through a bounded queue. A
//! datagram leaves by any loop, since all have the same addresses; a stream connection belongs to the loop that accepted or opened it, and what others
//! have to say on it goes through that loop. Nothing is shared and nothing waits: what finds a queue full is shed.

use sip::{Shard, Spread};
use tokio::sync::mpsc;

use crate::app::App;
use crate::binding::{Bound, Sockets};
use crate::clock::Clock;
use crate::config::{LoopConfig, StreamLimits};
use crate::error::StartError;
use crate::files::file_limit;
use crate::handle::{Handle, Running};
use crate::intake::Intake;
use crate::others::Others;
use crate::sip_loop::SipLoop;

/// What an application is told when it is made.
pub struct Seat<'a, C> {
    /// Which of the loops it lives on.
    pub shard: Shard,
    /// How calls and users fall to them.
    pub spread: Spread,
    /// What is listened on, in the order of the configuration.
    pub bound: &'a [Bound],
    /// The clock of all loops.
    pub clock: Clock,
    /// To speak to the applications of all loops, in the order of their shards.
    pub loops: &'a [Handle<C>],
}

/// Loops that run as one server. Dropping them ends them at once, without good-byes.
pub struct Shards<C> {
    loops: Vec<Running<C>>,
    intakes: Vec<Intake>,
}

impl<C: Send + 'static> Shards<C> {
    /// To speak to each of them, in the order of their shards.
    pub fn handles(&self) -> Vec<Handle<C>> {
        self.loops.iter().map(Running::handle).collect()
    }
    /// What stands before each of them, in the order of their shards.
    pub fn intakes(&self) -> &[Intake] {
        &self.intakes
    }
    /// What is listened on, in the order of the configuration: the same for all.
    pub fn bound(&self) -> &[Bound] {
        self.loops.first().map(Running::bound).unwrap_or_default()
    }
    /// Whether one of the threads is gone though nobody ended it.
    pub fn has_ended(&self) -> bool {
        self.loops.iter().any(Running::has_ended)
    }
    /// Ends all of them and waits for their threads.
    pub fn stop(self) {
        self.loops.into_iter().for_each(Running::stop);
    }
}

impl SipLoop {
    /// Starts a loop for each of `members`, on sockets of [`Sockets::bind_shared`] for as many. The shard and spread of their stacks are set
    /// here. With one member nothing crosses, and nothing is done that [`SipLoop::spawn_on`] would not do.
    ///
    /// # Errors
    /// [`StartError::System`] when the system refuses a thread or an event queue: nothing runs then.
    pub fn spawn_shards<A, F>(
        sockets: Vec<Sockets>,
        members: Vec<(LoopConfig, F)>,
    ) -> Result<Shards<A::Command>, StartError>
    where
        A: App + 'static,
        F: FnOnce(Seat<'_, A::Command>) -> A + Send + 'static,
    {
        let count = u8::try_from(members.len().min(sockets.len())).unwrap_or(u8::MAX).min(Spread::MOST);
        let spread = Spread::new(count, rand::random());
        let clock = Clock::start();
        let (handles, inboxes): (Vec<_>, Vec<_>) =
            members.iter().take(usize::from(count)).map(|(config, _)| Handle::channel(config.commands)).unzip();
        let (queues, arrivals): (Vec<_>, Vec<_>) =
            members.iter().take(usize::from(count)).map(|(config, _)| mpsc::channel(config.crossings.max(1))).unzip();
        let intakes: Vec<Intake> =
            sockets.iter().zip(&queues).map(|(sockets, queue)| Intake::new(sockets, queue.clone())).collect();
        let mut loops = Vec::new();
        let ends = inboxes.into_iter().zip(arrivals);
        for (((sockets, (mut config, make)), (inbox, arrivals)), me) in
            sockets.into_iter().zip(members).zip(ends).zip(0..)
        {
            let shard = Shard(me);
            (config.stack.shard, config.stack.spread) = (shard, spread);
            if count > 1 {
                config.streams = part(config.streams, count, file_limit());
            }
            let counted = intakes.get(usize::from(me)).map(Intake::count).unwrap_or_default();
            let others = (count > 1).then(|| (Others::new(shard, spread, queues.clone(), counted), arrivals));
            let all: Vec<Handle<A::Command>> = handles.clone();
            let Some(handle) = handles.get(usize::from(me)).cloned() else { break };
            let make = move |bound: &[Bound], clock| make(Seat { shard, spread, bound, clock, loops: &all });
            loops.push(Self::launch(sockets, config, clock, (handle, inbox), others, make)?);
        }
        Ok(Shards { loops, intakes })
    }
}

/// Of the server's limits on connections what one of its loops may have: the system spreads connections evenly. All together never have more
/// than their part of the files that the process may have open.
fn part(limits: StreamLimits, count: u8, files: usize) -> StreamLimits {
    let part = |limit: usize| (limit.min(files / limits.files.max(1)) / usize::from(count)).max(1);
    let (connections, per_address) = (part(limits.connections), part(limits.per_address));
    StreamLimits { connections, per_address, handshakes: part(limits.handshakes), ..limits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_together_have_no_more_connections_than_the_server_may() {
        let limits = StreamLimits { connections: 1_000, per_address: 100, handshakes: 80, ..StreamLimits::default() };
        for count in [2, 3, 7, 64] {
            for (files, most) in [(1 << 20, 1_000), (1_024, 256), (400, 100)] {
                let part = part(limits, count, files);
                let all = part.connections * usize::from(count);
                assert!(all <= most && all > most - usize::from(count), "{count} loops, {files} files: {all}");
                assert!(part.per_address * usize::from(count) <= 100, "{count}");
                assert!(part.handshakes * usize::from(count) <= 80, "{count}");
            }
        }
        // Each has one, however few files there are.
        assert_eq!(part(limits, 64, 64).connections, 1);
    }
}
