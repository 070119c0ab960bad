//! A call between two telephones through the server, and somebody who asks: what they notice. Packets are stamped when they have been sent, and by the system when
//! they come, so that only the server's lateness counts.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};

use crate::phone::{Dialog, Line, NO_BODY};
use crate::relay::calls::Pbx;

const PACE: Duration = Duration::from_millis(20);
/// How far a packet may be from its time, and how long sending it may take for that to be known, in nanoseconds.
const NEAR: i128 = 5_000_000;
const CLEAR: i128 = 1_000_000;
/// Packets before anything else happens.
const CALM: usize = 100;
/// Packets between two questions.
const QUESTION: usize = 3;
const PACKET: usize = 172;
/// What is still under way at the end has so long.
const LAST: Duration = Duration::from_millis(300);

pub(super) struct Call {
    speaks: UdpSocket,
    hears: UdpSocket,
    to: SocketAddr,
    line: Line,
    usual: i128,
    sent: u32,
    asked: u32,
    /// Of the question that waits.
    open: Option<Instant>,
}

pub(super) struct Heard {
    pub(super) off: f64,
    pub(super) packets: usize,
    pub(super) slowest: f64,
    pub(super) answers: usize,
    pub(super) unanswered: usize,
}

impl Call {
    pub(super) fn begin(port: u16) -> Result<Self, String> {
        let failed = |error: std::io::Error| error.to_string();
        let bind = || UdpSocket::bind("127.0.0.1:0").map_err(failed);
        let (speaks, hears) = (bind()?, bind()?);
        let port_of = |socket: &UdpSocket| socket.local_addr().map(|at| at.port()).map_err(failed);
        let mut pbx = Pbx::new(port, &[port_of(&speaks)?, port_of(&hears)?])?;
        pbx.register(0)?;
        pbx.register(1)?;
        let [to, back] = pbx.call(0, 1)?;
        hears.send_to(&packet(0), back).map_err(failed)?;
        setsockopt(&hears, sockopt::ReceiveTimestampns, &true).map_err(|error| error.to_string())?;
        hears.set_nonblocking(true).map_err(failed)?;
        let line = Line::open(([127, 0, 0, 1], port).into())?;
        line.hurries()?;
        let thread = nix::unistd::gettid().to_string();
        crate::server::load(&["renice", "-n", "-11", "-p", &thread])?;
        Ok(Self { speaks, hears, to, line, usual: 0, sent: 0, asked: 0, open: None })
    }

    /// How long packets take as long as nothing else happens.
    pub(super) fn calm(&mut self) -> Result<(), String> {
        let (delays, _) = self.speak(|sent| sent >= CALM)?;
        let mut delays: Vec<i128> = delays.into_iter().flatten().flatten().collect();
        delays.sort_unstable();
        self.usual = *delays.get(delays.len() / 2).ok_or("no packet came")?;
        Ok(())
    }

    /// Goes on until that thread has ended.
    pub(super) fn until<T>(&mut self, ended: &JoinHandle<T>) -> Result<Heard, String> {
        let (delays, took) = self.speak(|_| ended.is_finished())?;
        // Those whose sending is known in time; who has not come is off.
        let judged: Vec<Option<i128>> = delays.into_iter().flatten().collect();
        let off = judged.iter().filter(|delay| delay.is_none_or(|delay| (delay - self.usual).abs() > NEAR)).count();
        let slowest = took.iter().flatten().max().copied().unwrap_or_default();
        Ok(Heard {
            off: 100.0 * off as f64 / judged.len().max(1) as f64,
            packets: judged.len(),
            slowest: slowest.as_secs_f64() * 1_000.0,
            answers: took.iter().flatten().count(),
            unanswered: took.iter().filter(|took| took.is_none()).count(),
        })
    }

    /// For each packet, where it is known when it was sent, how long it took; and how long each answer took.
    #[expect(clippy::type_complexity, reason = "of two lists")]
    fn speak(
        &mut self,
        over: impl Fn(usize) -> bool,
    ) -> Result<(Vec<Option<Option<i128>>>, Vec<Option<Duration>>), String> {
        let (begun, first) = (Instant::now(), self.sent);
        let (mut sent, mut came, mut took) = (Vec::new(), Vec::new(), Vec::new());
        while !over(sent.len()) {
            let due = begun + PACE * u32::try_from(sent.len()).unwrap_or(u32::MAX);
            while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                std::thread::sleep(left.min(Duration::from_millis(1)));
                self.answered(&mut took);
            }
            let before = now();
            self.speaks.send_to(&packet(self.sent), self.to).map_err(|error| error.to_string())?;
            let after = now();
            sent.push(Some(after).filter(|after| after - before < CLEAR));
            self.sent += 1;
            self.hear(first, &mut came);
            if sent.len() % QUESTION == 0 && self.open.is_none() {
                self.ask()?;
            }
        }
        let end = Instant::now() + LAST;
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
            self.answered(&mut took);
        }
        self.hear(first, &mut came);
        if self.open.take().is_some() {
            took.push(None);
        }
        let delay = |(number, at): (usize, Option<i128>)| {
            at.map(|at| came.get(number).copied().flatten().map(|came: i128| came - at))
        };
        Ok((sent.into_iter().enumerate().map(delay).collect(), took))
    }

    fn hear(&self, first: u32, came: &mut Vec<Option<i128>>) {
        let mut octets = [0; 2_048];
        loop {
            let mut room = nix::cmsg_space!(nix::sys::time::TimeSpec);
            let mut parts = [IoSliceMut::new(&mut octets)];
            let Ok(read) = recvmsg::<()>(self.hears.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::empty()) else {
                return;
            };
            let stamp = read.cmsgs().ok().and_then(|mut all| {
                all.find_map(|one| match one {
                    ControlMessageOwned::ScmTimestampns(at) => Some(at),
                    _ => None,
                })
            });
            let (length, Some(stamp)) = (read.bytes, stamp) else { continue };
            let Some([_, _, high, low, ..]) = octets.get(..length).filter(|_| length == PACKET) else { continue };
            let number = u32::from(u16::from_be_bytes([*high, *low]));
            let Some(at) = number.checked_sub(first & 0xffff).and_then(|at| usize::try_from(at).ok()) else { continue };
            if came.len() <= at {
                came.resize(at + 1, None);
            }
            if let Some(place) = came.get_mut(at) {
                *place = Some(i128::from(stamp.tv_sec()) * 1_000_000_000 + i128::from(stamp.tv_nsec()));
            }
        }
    }

    fn ask(&mut self) -> Result<(), String> {
        self.asked += 1;
        let id = format!("asked{}", self.asked);
        let dialog = Dialog { from: "<sip:asks@here>;tag=1", to: "<sip:bench.invalid>", call_id: &id, cseq: 1 };
        self.line.send(&self.line.request("OPTIONS", "sip:bench.invalid", &dialog, NO_BODY))?;
        self.open = Some(Instant::now());
        Ok(())
    }

    fn answered(&mut self, took: &mut Vec<Option<Duration>>) {
        let id = format!("asked{}", self.asked);
        let Some(begun) = self.open else { return };
        while let Ok(seen) = self.line.receive() {
            if seen.status().is_some_and(|code| code >= 200) && seen.header("Call-ID") == Some(&id) {
                took.push(Some(begun.elapsed()));
                self.open = None;
                return;
            }
        }
    }
}

fn packet(number: u32) -> [u8; PACKET] {
    let mut packet = [0xff; PACKET];
    let octets = number.to_be_bytes();
    packet[..12].copy_from_slice(&[0x80, 0, octets[2], octets[3], 0, 0, 0, 0, b'c', b'a', b'l', b'l']);
    packet[4..8].copy_from_slice(&(number * 160).to_be_bytes());
    packet
}

fn now() -> i128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i128::try_from(since.as_nanos()).ok())
        .unwrap_or_default()
}
