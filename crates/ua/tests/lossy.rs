//! Two endpoints whose datagrams go through a relay that loses, doubles and delays them by a seed, on real sockets. A process of its own: the
//! files it has open are counted.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use ua::{Endpoint, Timers};

/// Calls at a time through one relay.
const CALLS: usize = 6;
/// How long a call may take to come about or fail, and the peer's side to hear of its end: 64 times T1, twice.
const PATIENCE: Duration = Duration::from_secs(7);

/// What the relay does, in cases of a hundred.
#[derive(Clone, Copy, Debug)]
struct Weather {
    loss: u64,
    double: u64,
    late: u64,
}

/// What it did.
#[derive(Debug, Default)]
struct Tally {
    passed: AtomicU32,
    lost: AtomicU32,
    doubled: AtomicU32,
    overtaken: AtomicU32,
}

/// Numbers that follow from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % limit
    }
}

/// One direction: what comes to `from` leaves by `to` for `peer`, with addresses written anew, as an address translator does that knows SIP.
struct Way {
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    peer: SocketAddr,
    rewritten: [(String, String); 2],
}

impl Way {
    async fn carry(self, weather: Weather, mut chance: Chance, tally: Arc<Tally>) {
        let mut buffer = vec![0; 65_536];
        let newest = Arc::new(AtomicU32::new(0));
        for number in 1.. {
            let Ok((length, _)) = self.from.recv_from(&mut buffer).await else { return };
            if chance.below(100) < weather.loss {
                tally.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let mut text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            for (ours, theirs) in &self.rewritten {
                text = text.replace(ours, theirs);
            }
            let copies = 1 + u32::from(chance.below(100) < weather.double);
            tally.doubled.fetch_add(copies - 1, Ordering::Relaxed);
            for _ in 0..copies {
                let late = if chance.below(100) < weather.late { chance.below(120) } else { 0 };
                let (to, peer, text) = (Arc::clone(&self.to), self.peer, text.clone());
                let (newest, tally) = (Arc::clone(&newest), Arc::clone(&tally));
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(late)).await;
                    tally
                        .overtaken
                        .fetch_add(u32::from(newest.fetch_max(number, Ordering::Relaxed) > number), Ordering::Relaxed);
                    tally.passed.fetch_add(1, Ordering::Relaxed);
                    let _ = to.send_to(text.as_bytes(), peer).await;
                });
            }
        }
    }
}

/// A relay between two endpoints: where the first one finds the second, and what ends it.
async fn relay(
    first: SocketAddr,
    second: SocketAddr,
    weather: Weather,
    seed: u64,
) -> (SocketAddr, Arc<Tally>, [tokio::task::JoinHandle<()>; 2]) {
    let side = async || Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let (to_first, to_second) = (side().await, side().await);
    let (as_second, as_first) = (to_first.local_addr().unwrap(), to_second.local_addr().unwrap());
    let tally = Arc::new(Tally::default());
    let anew = |from: SocketAddr, to: SocketAddr| (from.to_string(), to.to_string());
    let there = Way {
        from: Arc::clone(&to_first),
        to: Arc::clone(&to_second),
        peer: second,
        rewritten: [anew(first, as_first), anew(as_second, second)],
    };
    let back =
        Way { from: to_second, to: to_first, peer: first, rewritten: [anew(second, as_second), anew(as_first, first)] };
    let run = |way: Way, seed| tokio::spawn(way.carry(weather, Chance(seed), Arc::clone(&tally)));
    let tasks = [run(there, seed), run(back, !seed)];
    (as_second, tally, tasks)
}

async fn endpoint() -> Endpoint {
    let t1 = Duration::from_millis(50);
    let timers = Timers { t1, t2: t1 * 8, t4: t1 * 10, d: t1 * 64 };
    Endpoint::builder().udp("127.0.0.1:0").timers(timers).media_ports(20_000..=29_999).build().await.unwrap()
}

/// Files this process has open, sockets included.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Waits until something is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let give_up = tokio::time::Instant::now() + Duration::from_secs(30);
    while !so().await {
        assert!(tokio::time::Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn nothing_left(endpoint: &Endpoint) -> bool {
    let usage = endpoint.usage().await.unwrap();
    let stack = usage.stack;
    let held = [stack.sessions, stack.dialogs, stack.requests, stack.client_transactions, stack.server_transactions];
    let waiting = [stack.asks, stack.alarms, stack.timers, stack.matches, stack.kept_octets];
    usage.calls == 0 && held == [0; 5] && waiting == [0; 5] && usage.streams == 0 && usage.ports == 0
}

/// Calls through a relay, ended by either side; how many came about.
async fn calls(weather: Weather, seed: u64) -> (usize, Arc<Tally>) {
    let (alice, bob) = (Arc::new(endpoint().await), Arc::new(endpoint().await));
    let ends = [&alice, &bob].map(|end| end.bound()[0].address);
    let (far, tally, tasks) = relay(ends[0], ends[1], weather, seed).await;
    let idle = open_files();
    let taking = Arc::clone(&bob);
    let answering = tokio::spawn(async move {
        let mut number = 0;
        while let Some(incoming) = taking.incoming().await {
            number += 1;
            let hangs_up = number % 2 == 0;
            tokio::spawn(async move {
                let Ok(call) = incoming.answer().await else { return };
                if hangs_up {
                    call.hangup().await;
                } else if tokio::time::timeout(PATIENCE, call.ended()).await.is_err() {
                    // The peer's BYE was lost each time.
                    drop(call);
                }
            });
        }
    });
    let placing = (0..CALLS).map(|number| {
        let (alice, uri) = (Arc::clone(&alice), format!("sip:bob{number}@{far}"));
        tokio::spawn(async move {
            let Ok(Ok(call)) = tokio::time::timeout(PATIENCE, alice.call(uri).into_future()).await else {
                return false;
            };
            // The control of what is counted below: a call has ports and sockets.
            assert!(alice.usage().await.unwrap().ports > 0 && open_files() > idle);
            call.hangup().await;
            true
        })
    });
    let mut came = 0;
    for placed in placing.collect::<Vec<_>>() {
        came += usize::from(placed.await.unwrap());
    }
    for end in [&alice, &bob] {
        until("nothing is left", async || nothing_left(end).await).await;
    }
    answering.abort();
    let _ = answering.await;
    for task in tasks {
        task.abort();
        let _ = task.await;
    }
    (came, tally)
}

#[tokio::test]
async fn calls_through_loss_disorder_and_doubles_leave_nothing_open() {
    // What the runtime and the first endpoint leave open for good is there before.
    drop(endpoint().await);
    let before = open_files();
    let (mut came, mut all) = (0, [0; 4]);
    for seed in 0..8 {
        let weather = Weather { loss: [0, 5, 10, 30][seed as usize % 4], double: 10, late: 30 };
        let (calls, tally) = calls(weather, seed).await;
        println!("{seed}: {weather:?}: {calls} of {CALLS} calls, {tally:?}");
        came += calls;
        let counts = [&tally.passed, &tally.lost, &tally.doubled, &tally.overtaken];
        all.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count.load(Ordering::Relaxed));
        assert!(weather.loss > 0 || calls == CALLS, "without loss every call comes about");
        until("every socket is closed", async || open_files() == before).await;
    }
    assert!(came > 8 * CALLS * 3 / 4, "{came} calls");
    assert!(all.iter().all(|count| *count >= 20), "the relay did too little: {all:?}");
}
