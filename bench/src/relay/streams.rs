//! The senders and receivers of RTP: a stream for each telephone, 50 packets a second each, paced every millisecond.
//!
//! Each packet's payload is made of its stream and number alone, and its receiver makes it again and compares. Telephones 2n and 2n + 1 hear
//! each other.

use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

const HEADER: usize = 12;
const PAYLOAD: usize = 160;
const PACKET: usize = HEADER + PAYLOAD;
/// Milliseconds from one packet of a stream to the next.
const PTIME: usize = 20;
/// How long packets on their way are waited for at the end.
const PATIENCE: Duration = Duration::from_secs(1);
/// The first port; RTP goes to even ones, and nobody listens on the odd ones of RTCP.
const PORTS: std::ops::RangeInclusive<u16> = 24_000..=29_998;

/// What became of the packets.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) sent: u64,
    pub(super) lost: u64,
    /// Not what the other telephone sent, or with a header that does not go on.
    pub(super) wrong: u64,
    pub(super) twice: u64,
}

struct Stream {
    socket: UdpSocket,
    to: Option<SocketAddr>,
    /// Packets of this round that came, by their number from its beginning.
    came: Vec<bool>,
    /// What the header of every packet has in common: how far its sequence number and timestamp are from the packet's own number, and the SSRC.
    line: Option<(u16, u32, u32)>,
}

/// All of them.
pub(super) struct Streams {
    streams: Vec<Stream>,
    ready: Epoll,
    outcome: Outcome,
    round: Range<u32>,
    came: u64,
}

impl Streams {
    /// Sockets for so many telephones.
    pub(super) fn open(count: usize) -> Result<Self, String> {
        let ready = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|error| error.to_string())?;
        let mut free = PORTS.step_by(2).filter_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok());
        let mut streams = Vec::with_capacity(count);
        for n in 0..count {
            let socket = free.next().ok_or("no ports for the telephones")?;
            socket.set_nonblocking(true).map_err(|error| error.to_string())?;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, n as u64);
            ready.add(&socket, event).map_err(|error| error.to_string())?;
            streams.push(Stream { socket, to: None, came: Vec::new(), line: None });
        }
        Ok(Self { streams, ready, outcome: Outcome::default(), round: 0..0, came: 0 })
    }

    /// Where each telephone hears.
    pub(super) fn ports(&self) -> Result<Vec<u16>, String> {
        let port = |stream: &Stream| Ok(stream.socket.local_addr().map_err(|error| error.to_string())?.port());
        self.streams.iter().map(port).collect()
    }

    /// Where two telephones from `first` on send.
    pub(super) fn aim(&mut self, first: usize, targets: [SocketAddr; 2]) {
        for (stream, target) in self.streams.iter_mut().skip(first).zip(targets) {
            stream.to = Some(target);
        }
    }

    /// Sends packets of these numbers in every stream and waits for the last.
    pub(super) fn run(&mut self, numbers: Range<u32>) -> Result<Outcome, String> {
        self.outcome = Outcome::default();
        self.came = 0;
        self.round = numbers.clone();
        for stream in &mut self.streams {
            stream.came = vec![false; numbers.len()];
        }
        let begun = Instant::now();
        for (beat, ms) in numbers.clone().flat_map(|n| (0..PTIME).map(move |phase| (n, phase))).zip(0_u64..) {
            let due = begun + Duration::from_millis(ms);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (n, phase) = beat;
            for which in (phase..self.streams.len()).step_by(PTIME) {
                self.send(which, n)?;
            }
            self.receive()?;
        }
        let end = Instant::now() + PATIENCE;
        while self.came < self.outcome.sent && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
            self.receive()?;
        }
        self.outcome.lost = self.outcome.sent - self.came;
        Ok(std::mem::take(&mut self.outcome))
    }

    fn send(&mut self, which: usize, n: u32) -> Result<(), String> {
        let Some(Stream { socket, to: Some(to), .. }) = self.streams.get(which) else { return Ok(()) };
        socket.send_to(&packet(which, n), to).map_err(|error| format!("a packet to {to}: {error}"))?;
        self.outcome.sent += 1;
        Ok(())
    }

    fn receive(&mut self) -> Result<(), String> {
        let mut events = [EpollEvent::empty(); 256];
        loop {
            let count = self.ready.wait(&mut events, EpollTimeout::ZERO).map_err(|error| error.to_string())?;
            for event in events.iter().take(count) {
                self.take(usize::try_from(event.data()).unwrap_or_default());
            }
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn take(&mut self, which: usize) {
        let Some(stream) = self.streams.get_mut(which) else { return };
        let mut buffer = [0_u8; 2_048];
        // An error is an ICMP error of an earlier packet: reading it clears it.
        let Ok((length, _)) = stream.socket.recv_from(&mut buffer) else { return };
        let datagram = buffer.get(..length).unwrap_or_default();
        let Some((n, line)) = read(datagram, which ^ 1) else {
            self.outcome.wrong += 1;
            return;
        };
        // Some of an earlier round may come late; they do not belong here.
        let Some(place) = n.checked_sub(self.round.start).and_then(|n| stream.came.get_mut(n as usize)) else { return };
        if std::mem::replace(place, true) {
            self.outcome.twice += 1;
        } else if *stream.line.get_or_insert(line) == line {
            self.came += 1;
        } else {
            self.outcome.wrong += 1;
        }
    }
}

/// A packet of a stream.
fn packet(stream: usize, n: u32) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    let (header, payload) = packet.split_at_mut(HEADER);
    header[0] = 0x80;
    header[2..4].copy_from_slice(&(n as u16).to_be_bytes());
    header[4..8].copy_from_slice(&n.wrapping_mul(160).to_be_bytes());
    header[8..12].copy_from_slice(&(0x5000_0000 + stream as u32).to_be_bytes());
    payload.copy_from_slice(&pattern(stream, n));
    packet
}

/// The payload: stream, number, and what follows from them.
fn pattern(stream: usize, n: u32) -> [u8; PAYLOAD] {
    let mut payload = [0; PAYLOAD];
    let (words, _) = payload.as_chunks_mut::<8>();
    let mut state = ((stream as u64) << 32) | u64::from(n);
    for word in words {
        *word = state.to_be_bytes();
        state = (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(0x9e37_79b9_7f4a_7c15);
    }
    payload
}

/// The number of a packet of `stream`, and what its header has in common with the others; `None` when it is not one.
fn read(datagram: &[u8], stream: usize) -> Option<(u32, (u16, u32, u32))> {
    let (header, payload) = datagram.split_at_checked(HEADER)?;
    let n = u32::from_be_bytes(payload.get(4..8)?.try_into().ok()?);
    if payload != pattern(stream, n) || header.first() != Some(&0x80) || header.get(1)? & 0x7f != 0 {
        return None;
    }
    let sequence = u16::from_be_bytes(header.get(2..4)?.try_into().ok()?).wrapping_sub(n as u16);
    let stamp = u32::from_be_bytes(header.get(4..8)?.try_into().ok()?).wrapping_sub(n.wrapping_mul(160));
    Some((n, (sequence, stamp, u32::from_be_bytes(header.get(8..12)?.try_into().ok()?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_known_by_its_stream_and_number_and_a_spoiled_one_is_not() {
        let mut sent = packet(6, 70_000);
        assert_eq!(read(&sent, 6).map(|(n, _)| n), Some(70_000));
        assert_eq!(read(&sent, 7), None, "of another stream");
        sent[100] ^= 1;
        assert_eq!(read(&sent, 6), None, "one bit changed");
        assert_eq!(read(&sent[..40], 6), None, "cut off");
    }

    #[test]
    fn what_is_lost_is_counted_and_what_comes_twice_does_not_make_up_for_it() {
        let mut streams = Streams::open(2).expect("two ports");
        let ports = streams.ports().expect("bound");
        // Each telephone sends straight to the other: nothing is lost.
        let to = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        streams.aim(0, [to(ports[1]), to(ports[0])]);
        let outcome = streams.run(0..3).expect("sent");
        assert_eq!((outcome.sent, outcome.lost, outcome.wrong, outcome.twice), (6, 0, 0, 0));
        // One sends to itself: the other misses all of its packets.
        streams.aim(0, [to(ports[1]), to(ports[1])]);
        let outcome = streams.run(3..6).expect("sent");
        assert_eq!((outcome.sent, outcome.lost, outcome.wrong), (6, 3, 3));
    }
}
