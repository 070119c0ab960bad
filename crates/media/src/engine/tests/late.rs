//! Threads that wake late, as on a busy machine: what has come in good time is heard whole.

use std::time::Duration;

use super::*;
use crate::beat::Beat;

/// How late threads wake up.
#[derive(Clone, Copy)]
struct Late {
    /// Of a thousand.
    often: u64,
    /// From and to, in milliseconds.
    by: (u64, u64),
}

const NEVER: Late = Late { often: 0, by: (0, 0) };

/// A host whose thread wakes at the beats of its timer, or later.
struct Sleeper {
    host: Host,
    beat: Beat,
    pace: u64,
    late: Late,
    wakes: u64,
    inbox: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    chance: u64,
}

impl Sleeper {
    fn new(host: Host, pace: u64, late: Late, seed: u64) -> Self {
        let chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { host, beat: Beat::default(), pace, late, wakes: pace, inbox: VecDeque::new(), chance }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % below.max(1)
    }

    /// Takes what has come, ticks, and says when it wakes again.
    fn wake(&mut self, now: u64) {
        let time = Micros::from_millis(now);
        for (from, to, mut packet) in std::mem::take(&mut self.inbox) {
            self.host.receive(time, from, to, &mut packet);
        }
        while let Some(at) = self.beat.due(time) {
            self.host.engine.tick(at, &mut self.host.wire);
        }
        self.wakes = (now / self.pace + 1) * self.pace;
        if self.random(1_000) < self.late.often {
            let (from, to) = self.late.by;
            self.wakes += from + self.random(to - from + 1);
        }
    }
}

/// Runs them for so many milliseconds on a network without delay.
fn live(hosts: &mut [Sleeper], millis: u64) {
    for now in 1..=millis {
        for sleeper in hosts.iter_mut().filter(|sleeper| sleeper.wakes == now) {
            sleeper.wake(now);
        }
        let mut moved = Vec::new();
        for sleeper in hosts.iter_mut() {
            while let Some((slot, component, to, packet)) = sleeper.host.wire.packets.pop_front() {
                moved.push((at(sleeper.host.port_of(slot, component)), to, packet));
            }
        }
        for (from, to, packet) in moved {
            let is_of = |sleeper: &&mut Sleeper| sleeper.host.ports.iter().any(|(port, _)| port / 2 == to.port() / 2);
            if let Some(sleeper) = hosts.iter_mut().find(is_of) {
                sleeper.inbox.push_back((from, to, packet));
            }
        }
    }
}

/// Alice says 440 Hz through a relay: how long Bob hears it without a break within `millis`, and what his stream reports.
fn heard_through(late: [Late; 3], seed: u64, millis: u64) -> (Duration, StreamReport) {
    let (mut alice, mut bob, relay) = through_relay(PayloadType::PCMU);
    alice.tone(10, 440.0, 1);
    let recording = bob.recorder(11, 1);
    let [a, r, b] = late;
    let mut hosts = [
        Sleeper::new(alice, 20, a, seed),
        Sleeper::new(relay, 5, r, seed + 1_000),
        Sleeper::new(bob, 20, b, seed + 2_000),
    ];
    live(&mut hosts, millis);
    let samples: Vec<i16> = recording.try_iter().flatten().collect();
    let mut meter = ToneMeter::new(SampleRate::NARROW, &[440.0]).unwrap();
    meter.push(&samples, |_| {});
    (meter.longest(0), hosts[2].host.engine.report(Key(1)).unwrap())
}

/// Of threads that wake 10 to 50 ms late, so many times of a thousand.
const fn late(often: u64) -> Late {
    Late { often, by: (10, 50) }
}

#[test]
fn thread_that_wakes_late_leaves_out_nothing_that_came_in_time() {
    for seed in 1..=40 {
        let (longest, report) = heard_through([NEVER, NEVER, late(50)], seed, 5_200);
        assert!(longest >= Duration::from_millis(4_500), "seed {seed}: {longest:?}");
        assert_eq!((report.packets_late, report.concealed_ms), (0, 0), "seed {seed}");
    }
}

#[test]
fn tone_stands_for_three_seconds_though_every_thread_on_its_way_is_late_now_and_then() {
    for seed in 1..=40 {
        let (longest, _) = heard_through([late(10); 3], seed, 5_200);
        assert!(longest >= Duration::from_secs(3), "seed {seed}: {longest:?}");
    }
}
