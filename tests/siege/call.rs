//! The reference call: one user to another through the server's relay, a packet every 20 ms, each stamped.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};
use nix::unistd::Pid;

use crate::acceptance::wire::{Callee, Wire, body, code};

const PACE: Duration = Duration::from_millis(20);
/// How far a packet may be from its time.
const NEAR: i128 = 5_000_000;
/// The relay sends each 5 ms what has come: a packet's time is the middle of what it may wait for that.
const HALF_A_BEAT: i128 = 2_500_000;
/// A send that took longer was interrupted: nobody knows when it happened.
const CLEAR: i128 = 1_000_000;
/// Which packets came, and when.
type Stamps = Vec<(usize, i128)>;
/// The octets of a packet: head and 20 ms of PCMU.
const PACKET: usize = 172;

pub(super) struct Reference {
    over: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    mark: AtomicU64,
    sender: JoinHandle<Vec<Option<i128>>>,
    receiver: JoinHandle<Stamps>,
    /// One for each core.
    witnesses: Vec<JoinHandle<Stamps>>,
}

/// How the packets fared since the mark.
pub(super) struct Packets {
    pub(super) kept: f64,
    pub(super) judged: usize,
    /// Late ones at whose time a core had no place for a thread that runs before others, or that nobody knows when they left.
    pub(super) excused: usize,
    pub(super) lost: usize,
}

impl Packets {
    /// Where there is no call.
    pub(super) const NONE: Packets = Packets { kept: 100.0, judged: 0, excused: 0, lost: 0 };
}

impl Reference {
    /// Registers 1002, calls it as 1001, and begins to speak.
    pub(super) fn begin(server: &str) -> Self {
        let (speaks, hears) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let (relay, back) = agree(server, &speaks, &hears);
        // Both have spoken: the server knows where they are.
        hears.send_to(&packet(0), &back).unwrap();
        let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (to, end, count) = (relay, Arc::clone(&over), Arc::clone(&sent));
        let (witnesses, copies) = witnesses(&over);
        let sender = std::thread::spawn(move || speak(&speaks, &to, &copies, &end, &count));
        let end = Arc::clone(&over);
        let receiver = std::thread::spawn(move || hear(&hears, &end));
        Self { over, sent, mark: AtomicU64::new(0), sender, receiver, witnesses }
    }

    /// What is sent from now on is judged.
    pub(super) fn mark(&self) {
        self.mark.store(self.sent.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    pub(super) fn end(self) -> Packets {
        self.over.store(true, Ordering::Relaxed);
        let (sent, heard) = (self.sender.join().unwrap(), self.receiver.join().unwrap());
        let mark = usize::try_from(self.mark.into_inner()).unwrap();
        let witnesses: Vec<_> = self.witnesses.into_iter().map(|witness| witness.join().unwrap()).collect();
        let course = off_time(&sent, heard, HALF_A_BEAT);
        let witnessed: Vec<_> = witnesses.into_iter().map(|seen| off_time(&sent, seen, 0)).collect();
        let near = |off: Option<i128>| off.is_some_and(|off| off.abs() <= NEAR);
        assert!(course[..mark].iter().filter(|off| near(**off)).count() > 20, "no call before the attack");
        // The last ones may still be on their way.
        let all = mark..sent.len().saturating_sub(5);
        let excused = |number: &usize| {
            let late = !near(course[*number]);
            late && (sent[*number].is_none() || witnessed.iter().any(|off| !near(off[*number])))
        };
        let judged: Vec<usize> = all.clone().filter(|number| !excused(number)).collect();
        let kept = judged.iter().filter(|number| near(course[**number])).count();
        let lost = judged.iter().filter(|number| course[**number].is_none()).count();
        let share = 100.0 * kept as f64 / judged.len().max(1) as f64;
        Packets { kept: share, judged: judged.len(), excused: all.len() - judged.len(), lost }
    }
}

/// How far each packet was from so long after it left. `None` where it never came, or nobody knows when it left.
fn off_time(sent: &[Option<i128>], heard: Stamps, after: i128) -> Vec<Option<i128>> {
    let mut came = vec![None; sent.len()];
    for (number, at) in heard {
        came[number] = came[number].or(Some(at));
    }
    sent.iter().zip(came).map(|(sent, came)| Some(came? - (*sent)? - after)).collect()
}

/// Threads that get a copy of each packet, one bound to each core, and where they get them. They run before others as the server's media threads do, and have
/// nothing else to do: when such a one is late, the machine was.
fn witnesses(over: &Arc<AtomicBool>) -> (Vec<JoinHandle<Stamps>>, Vec<SocketAddr>) {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap());
    let witness = |core| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (address, over) = (socket.local_addr().unwrap(), Arc::clone(over));
        (std::thread::spawn(move || watch(&socket, core, &over)), address)
    };
    cores.map(witness).unzip()
}

/// When this core had time for each packet.
fn watch(socket: &UdpSocket, core: usize, over: &AtomicBool) -> Stamps {
    super::hurry();
    let mut cores = CpuSet::new();
    cores.set(core).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cores).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (mut seen, mut octets) = (Vec::new(), [0; PACKET]);
    while !over.load(Ordering::Relaxed) {
        if socket.recv(&mut octets).is_ok() {
            let timestamp = u32::from_be_bytes(octets[4..8].try_into().unwrap());
            seen.push((usize::try_from(timestamp / 160).unwrap(), now()));
        }
    }
    seen
}

/// The signalling: where the caller sends to, and the callee.
fn agree(server: &str, speaks: &UdpSocket, hears: &UdpSocket) -> (String, String) {
    let offer = |socket: &UdpSocket| {
        let port = socket.local_addr().unwrap().port();
        format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n")
    };
    let port = |message: &str| {
        let line = body(message).lines().find_map(|line| line.strip_prefix("m=audio ")).unwrap().to_owned();
        format!("127.0.0.1:{}", line.split(' ').next().unwrap())
    };
    let mut callee = Callee::new();
    let home = callee.uri();
    let mut device = Wire::to(server);
    let mut register = device.ask("REGISTER");
    register.uri = format!("sip:{server}");
    register.to = format!("<sip:1002@{server}>");
    register.without.push("Contact");
    register.more.push(format!("Contact: <{home}>;expires=3600"));
    let register = device.signed(&register, "1002", "secret2");
    assert_eq!(device.code_of(&register), 200);
    let mut caller = Wire::to(server);
    let mut invite = caller.ask("INVITE");
    invite.uri = format!("sip:1002@{server}");
    invite.to = format!("<sip:1002@{server}>");
    invite.body = offer(speaks);
    let invite = caller.signed(&invite, "1001", "secret1");
    caller.send(&invite);
    let called = callee.request("INVITE");
    callee.describe(&called, "200 OK", &offer(hears));
    let answer = caller.expect("200 OK");
    assert_eq!(code(&answer), 200, "{answer}");
    let ack = caller.within(&answer, "ACK", 2);
    caller.send(&ack);
    callee.request("ACK");
    (port(&answer), port(&called))
}

fn packet(number: usize) -> [u8; PACKET] {
    let mut packet = [0xff; PACKET];
    let number = u32::try_from(number).unwrap();
    packet[..2].copy_from_slice(&[0x80, 0]);
    packet[2..4].copy_from_slice(&number.to_be_bytes()[2..]);
    packet[4..8].copy_from_slice(&(number * 160).to_be_bytes());
    packet[8..12].copy_from_slice(b"call");
    packet
}

fn now() -> i128 {
    i128::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// When each packet left; `None` where that is not known.
fn speak(
    socket: &UdpSocket,
    to: &str,
    copies: &[SocketAddr],
    over: &AtomicBool,
    count: &AtomicU64,
) -> Vec<Option<i128>> {
    super::hurry();
    let (begun, mut sent) = (Instant::now(), Vec::new());
    while !over.load(Ordering::Relaxed) {
        let due = begun + PACE * u32::try_from(sent.len()).unwrap();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let before = now();
        socket.send_to(&packet(sent.len()), to).unwrap();
        let after = now();
        for copy in copies {
            socket.send_to(&packet(sent.len()), copy).unwrap();
        }
        sent.push(Some(after).filter(|after| after - before < CLEAR));
        count.store(sent.len() as u64, Ordering::Relaxed);
    }
    sent
}

/// Which packets came, and when, by the system's own stamp.
fn hear(socket: &UdpSocket, over: &AtomicBool) -> Stamps {
    super::hurry();
    setsockopt(socket, sockopt::ReceiveTimestampns, &true).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (mut heard, mut wraps, mut last) = (Vec::new(), 0, 0);
    while !over.load(Ordering::Relaxed) {
        let mut octets = [0; 2_048];
        let mut room = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let mut parts = [IoSliceMut::new(&mut octets)];
        let read = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::empty());
        let Ok(read) = read else { continue };
        let stamp = read.cmsgs().unwrap().find_map(|one| match one {
            ControlMessageOwned::ScmTimestampns(at) => Some(at),
            _ => None,
        });
        let (length, stamp) = (read.bytes, stamp.unwrap());
        // The reference's own, with its payload: others may write to this port, too.
        if length != PACKET || octets[12] != 0xff {
            continue;
        }
        let low = usize::from(u16::from_be_bytes([octets[2], octets[3]]));
        if low + 0x8000 < last {
            wraps += 1;
        }
        last = low;
        heard.push((wraps * 0x1_0000 + low, i128::from(stamp.tv_sec()) * 1_000_000_000 + i128::from(stamp.tv_nsec())));
    }
    heard
}
