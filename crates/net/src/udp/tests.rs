use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd;

use bytes::Bytes;
use sip::{Application, Cause, Event, SendId, Turn};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

use super::*;
use crate::binding::{Bind, Sockets};
use crate::clock::Clock;
use crate::config::LoopConfig;
use crate::pace::Count;

struct Nothing;

impl Application for Nothing {
    fn event(&mut self, _: Event, _: &mut Turn<'_>) {}
}

impl App for Nothing {
    type Command = ();
    fn command(&mut self, (): (), _: &mut Turn<'_>) {}
}

/// A loop that is served by nobody but the test, with one socket.
fn assembled() -> Rc<RefCell<Driver<Nothing>>> {
    let bind = Bind { transport: Transport::Udp, address: "127.0.0.1:0".parse().unwrap() };
    let sockets = Sockets::bind(&[bind]).unwrap();
    let config = LoopConfig::new(vec![bind], sip::Config::default());
    Driver::assemble(config, Clock::start(), Nothing, sockets, None, Count::default()).unwrap()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a descriptor is watched for by the epolls of this process (proc(5), fdinfo), each way of watching once: an epoll may have several
/// descriptors itself.
fn watched_for(fd: i32) -> BTreeSet<u32> {
    let tables = fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
    let lines = tables.filter_map(|table| fs::read_to_string(table.path()).ok()).flat_map(|text| {
        let lines: Vec<String> = text.lines().filter(|line| line.starts_with("tfd:")).map(str::to_owned).collect();
        lines
    });
    lines
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, of, _, events, ..] = words.as_slice() else { return None };
            (of.parse() == Ok(fd)).then(|| u32::from_str_radix(events, 16).unwrap())
        })
        .collect()
}

fn only(ways: &BTreeSet<u32>) -> u32 {
    assert_eq!(ways.len(), 1, "{ways:x?}");
    *ways.first().unwrap()
}

#[test]
fn a_socket_that_nothing_waits_for_wakes_the_loop_only_when_something_comes_in() {
    let (receive, send) = (nix::sys::epoll::EpollFlags::EPOLLIN, nix::sys::epoll::EpollFlags::EPOLLOUT);
    runtime().block_on(async {
        let driver = assembled();
        let fd = driver.borrow().datagrams.endpoints[0].socket.as_raw_fd();
        let events = only(&watched_for(fd));
        assert_ne!(events & receive.bits() as u32, 0, "{events:x}");
        assert_eq!(events & send.bits() as u32, 0, "{events:x}");
        // The control: a socket of the runtime's own is watched for both.
        let both = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let events = only(&watched_for(both.as_raw_fd()));
        assert_ne!(events & send.bits() as u32, 0, "{events:x}");
    });
}

/// A send on loopback is never refused for want of room, so what waits is put there by hand.
#[test]
fn what_had_to_wait_leaves_in_order_as_soon_as_there_is_room() {
    LocalSet::new().block_on(&runtime(), async {
        let driver = assembled();
        start(&driver);
        let peer = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let remote = peer.local_addr().unwrap();
        // Twice: the second time the socket is not watched for room any more.
        for round in 0..2_u8 {
            for number in 0..3 {
                let bytes = Bytes::from(vec![round, number]);
                let endpoint = &mut driver.borrow_mut().datagrams.endpoints[0];
                assert!(endpoint.queue(SendId(sip::Id::new(sip::Shard(0), 0, 0)), remote, bytes).is_ok());
            }
            for number in 0..3 {
                let mut bytes = [0; 3];
                let came = tokio::time::timeout(Duration::from_secs(5), peer.recv(&mut bytes)).await;
                assert_eq!((came.unwrap().unwrap(), bytes[0], bytes[1]), (2, round, number));
            }
        }
        assert!(!driver.borrow().datagrams.is_waiting(0));
    });
}

/// BYEs that belong to no call, each of a transaction of its own: all answers are of one length, but for the one with another number of digits.
fn stray_byes(count: usize, from: SocketAddr) -> Vec<String> {
    let bye = |n: usize| {
        format!(
            "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{n}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>;tag=2\r\n\
             Call-ID: {n}\r\nCSeq: 1 BYE\r\n\r\n"
        )
    };
    (10..10 + count).map(bye).collect()
}

/// Takes them in one batch; the answers, each a datagram.
fn answers(count: usize, together: bool) -> Vec<String> {
    LocalSet::new().block_on(&runtime(), async {
        let driver = assembled();
        let (socket, bound) = {
            let endpoint = &mut driver.borrow_mut().datagrams.endpoints[0];
            endpoint.refuse_bundles(!together);
            (Rc::clone(&endpoint.socket), endpoint.address)
        };
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        for bye in stray_byes(count, peer.local_addr().unwrap()) {
            peer.send_to(bye.as_bytes(), bound).unwrap();
        }
        socket.readable().await.unwrap().retain_ready();
        batch(&mut driver.borrow_mut(), &socket, bound, 0);
        driver.borrow_mut().end_turn();
        assert_eq!(driver.borrow().datagrams.endpoints[0].bundled(), if together { count } else { 0 });
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut buffer = [0; 2_048];
        let answer = |_| {
            let length = peer.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        (0..count).map(answer).collect()
    })
}

#[test]
fn responses_of_one_turn_leave_together_and_come_as_one_datagram_each() {
    let ended = |answer: &String| answer.starts_with("SIP/2.0 481 ") && answer.ends_with("\r\n\r\n");
    for together in [true, false] {
        let all = answers(40, together);
        assert!(all.iter().all(ended), "{all:?}");
        let calls: BTreeSet<&str> =
            all.iter().filter_map(|answer| answer.split("Call-ID: ").nth(1)?.get(..2)).collect();
        assert_eq!(calls.len(), 40, "each is answered once: {all:?}");
    }
}

/// A loop that has always something to do besides.
#[test]
fn what_waits_leaves_in_time_though_the_turn_does_not_end() {
    LocalSet::new().block_on(&runtime(), async {
        let driver = assembled();
        let (socket, bound) = {
            let endpoint = &driver.borrow().datagrams.endpoints[0];
            (Rc::clone(&endpoint.socket), endpoint.address)
        };
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_nonblocking(true).unwrap();
        for bye in stray_byes(2, peer.local_addr().unwrap()) {
            peer.send_to(bye.as_bytes(), bound).unwrap();
        }
        socket.readable().await.unwrap().retain_ready();
        let begun = driver.borrow().clock.now().mono;
        batch(&mut driver.borrow_mut(), &socket, bound, 0);
        let mut buffer = [0; 2_048];
        let mut came = 0;
        while came < 2 {
            driver.borrow_mut().command(());
            came += usize::from(peer.recv(&mut buffer).is_ok());
            assert!(driver.borrow().clock.now().mono.since(begun) < Duration::from_secs(5), "they have not left");
        }
        assert_eq!(driver.borrow().datagrams.endpoints[0].bundled(), 2);
    });
}

/// A loop, a socket of somebody, and the way there.
fn facing_a_peer() -> (Rc<RefCell<Driver<Nothing>>>, UdpSocket, Path) {
    let driver = assembled();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (local, remote) = (driver.borrow().datagrams.endpoints[0].address, peer.local_addr().unwrap());
    (driver, peer, Path { flow: flows::of_datagrams(0), transport: Transport::Udp, local, remote })
}

fn untold() -> SendId {
    SendId(sip::Id::new(sip::Shard(0), 0, 0))
}

#[test]
fn nothing_overtakes_a_message_of_its_call_that_waits_for_the_end_of_the_turn() {
    LocalSet::new().block_on(&runtime(), async {
        let (driver, peer, path) = facing_a_peer();
        let datagrams = &mut driver.borrow_mut().datagrams;
        let long = format!("SIP/2.0 200 OK\r\nCall-ID: 1\r\nX: {}\r\n\r\n", "x".repeat(1_300));
        let of_no_call = "\r\n\r\n";
        let mut buffer = [0; 2_048];
        for behind in ["BYE sip:a@b SIP/2.0\r\nCall-ID: 1\r\n\r\n", of_no_call, long.as_str()] {
            let all =
                ["SIP/2.0 180 Ringing\r\nCall-ID: 1\r\n\r\n", "ACK sip:a@b SIP/2.0\r\nCall-ID: 1\r\n\r\n", behind];
            for text in all {
                let bytes = Bytes::copy_from_slice(text.as_bytes());
                let why = if text.starts_with("ACK") { Cause::Ack } else { Cause::Passed };
                assert!(datagrams.send(untold(), path, bytes, why).is_ok());
            }
            datagrams.release();
            assert!(!datagrams.has_failed());
            for expected in all {
                let length = peer.recv(&mut buffer).unwrap();
                assert_eq!(String::from_utf8_lossy(&buffer[..length]), expected);
            }
        }
    });
}

/// What a proxy passes on to one server in a turn.
#[test]
fn requests_of_one_turn_leave_together_and_those_of_a_call_in_their_order() {
    LocalSet::new().block_on(&runtime(), async {
        let (driver, peer, path) = facing_a_peer();
        let datagrams = &mut driver.borrow_mut().datagrams;
        let calls = 10..25;
        for call in calls.clone() {
            for method in ["ACK", "BYE"] {
                let text = format!("{method} sip:a@b SIP/2.0\r\nCall-ID: {call}\r\nX: {}\r\n\r\n", "x".repeat(1_000));
                assert!(datagrams.send(untold(), path, text.into(), Cause::Passed).is_ok());
            }
        }
        datagrams.release();
        assert!(!datagrams.has_failed());
        assert_eq!(datagrams.endpoints[0].bundled(), 30);
        let mut came = Vec::new();
        let mut buffer = [0; 2_048];
        for _ in 0..30 {
            let length = peer.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            assert!(text.ends_with("\r\n\r\n"), "{text}");
            came.push((text.split("Call-ID: ").nth(1).unwrap()[..2].parse::<u32>().unwrap(), text[..3].to_owned()));
        }
        for call in calls {
            let of_it: Vec<_> = came.iter().filter(|(id, _)| *id == call).map(|(_, method)| method.as_str()).collect();
            assert_eq!(of_it, ["ACK", "BYE"]);
        }
    });
}
