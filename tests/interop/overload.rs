//! A server that is asked for more than it can do: calls that stand go on and can be ended, what is too much is refused or dropped and counted,
//! and its memory is bounded.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::acceptance::wire::{Ask, Wire, code, field};
use crate::program::offhook::{Server, USERS};
use crate::program::{PATIENCE, alone, free_port, offhook};

/// What transactions may keep, and the eighth more for what ends calls (`sip::Config::max_kept_octets`).
const KEPT: u64 = 128 << 20;
/// All that the process may have resident: what is kept, as much again for its tables, allocator and buffers.
const RESIDENT: u64 = 2 * (KEPT + KEPT / 8);
/// Requests of a flood between two pauses of a millisecond.
const BURST: u32 = 50;
/// Requests of a call that stands, beside a flood.
const ASKED: u32 = 60;
/// Datagrams of a flood that are dropped before anybody is asked, so that it is more than one moment's.
const DROPPED: u64 = 1_000;
/// How soon a call that stands is answered meanwhile, besides what the machine has others do.
const SOON: Duration = Duration::from_millis(100);

/// The lines of /metrics that tell of each loop whether it answers.
const UP: &str = "offhook_sip_loop_up{";

/// A server with metrics, and where these are.
pub(super) fn serve(settings: &str) -> (Server, String) {
    let http = format!("127.0.0.1:{}", free_port());
    let config = offhook::configuration(settings);
    let more = ["--http", &http, "--config", config.path().to_str().unwrap()];
    (offhook::serve(&[&USERS[..], &more].concat()), http)
}

/// What the server has counted.
pub(super) struct Counts(String);

/// What `serve --http` answers.
pub(super) fn get(http: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

impl Counts {
    /// As soon as all loops answer.
    pub(super) fn of(http: &str) -> Self {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = get(http, "/metrics");
            assert!(text.starts_with("HTTP/1.1 200") && Instant::now() < end, "{text}");
            if text.lines().filter(|line| line.starts_with(UP)).all(|line| line.ends_with(" 1")) {
                return Self::told(text);
            }
        }
    }

    /// Of what `/metrics` answered.
    pub(super) fn told(text: String) -> Self {
        assert!(text.lines().any(|line| line.starts_with(UP)), "{text}");
        Self(text)
    }

    /// The sum of all lines of a name whose labels hold `label`.
    pub(super) fn sum(&self, name: &str, label: &str) -> u64 {
        let lines =
            self.0.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        lines
            .filter(|line| line.contains(label))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }
}

/// Octets that a process has resident.
pub(super) fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// The echo, called by 1001: the 200.
pub(super) fn calls_echo(wire: &mut Wire, server: &Server) -> String {
    let mut invite = wire.ask("INVITE");
    invite.uri = format!("sip:600@{}", server.address);
    let invite = wire.signed(&invite, "1001", "secret1");
    let answer = wire.final_of(&invite);
    assert_eq!(code(&answer), 200, "{answer}");
    let ack = wire.within(&answer, "ACK", 2);
    wire.send(&ack);
    answer
}

/// A stream to the server, for requests one by one.
struct Line(TcpStream);

impl Line {
    fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Sends a request of a wire's over this line instead: the code, and how long that took, less the time in which the loop of `server` and we could
    /// have gone on, had the machine not run something else.
    fn ask(&mut self, wire: &Wire, ask: &Ask, server: u32) -> (u16, Duration) {
        let (held_up, begun) = (held_up(server), Instant::now());
        self.0.write_all(wire.text(ask).replacen("SIP/2.0/UDP", "SIP/2.0/TCP", 1).as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            self.0.read_exact(&mut octet).unwrap();
            head.push(octet[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut body = vec![0; field(&head, "Content-Length").unwrap().parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        let took = begun.elapsed();
        (code(&head), took.saturating_sub(self::held_up(server) - held_up))
    }
}

/// How long the SIP loops of this process and the calling thread were ready to run and did not, until now: the second field of `schedstat`
/// (Linux, Documentation/scheduler/sched-stats), in nanoseconds.
fn held_up(server: u32) -> Duration {
    let waited = |task: &Path| {
        let text = std::fs::read_to_string(task.join("schedstat")).unwrap();
        Duration::from_nanos(text.split_whitespace().nth(1).unwrap().parse().unwrap())
    };
    let tasks = std::fs::read_dir(format!("/proc/{server}/task")).unwrap().map(|task| task.unwrap().path());
    let is_loop = |task: &PathBuf| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "sip");
    let loops: Vec<Duration> = tasks.filter(is_loop).map(|task| waited(&task)).collect();
    assert!(!loops.is_empty(), "no thread of the server is a SIP loop");
    loops.into_iter().sum::<Duration>() + waited(Path::new("/proc/thread-self"))
}

#[test]
fn rfc3261_21_5_4_requests_that_would_keep_too_much_are_503_and_calls_can_still_be_ended() {
    let _alone = alone();
    let (server, http) = serve("");
    let account = format!("sip:1002@{}", server.address);
    let mut device = offhook::start(&["answer", "--ring", "--account", &account, "--password", "secret2"]);
    device.wait_for("registered");
    let mut wire = Wire::to(&server.address);
    let standing = calls_echo(&mut wire, &server);
    let mut invite = wire.ask("INVITE");
    invite.uri = format!("sip:1002@{}", server.address);
    let ringing = wire.signed(&invite, "1001", "secret1");
    wire.send(&ringing);
    wire.expect("180");

    // Answers repeat every Via, and stay for timer J.
    let via = format!("Via: SIP/2.0/UDP far.example;branch=z9hG4bK{}", ";x=y".repeat(1_900));
    let stranger = Wire::to(&server.address);
    let flood = |number: u32| {
        let mut ask = wire.ask_numbered("OPTIONS", number);
        ask.more = vec![via.clone(); 7];
        stranger.send(&ask);
        stranger.answer_within(&ask, PATIENCE).unwrap()
    };
    let refused = (0..4_000).map(flood).find(|answer| code(answer) != 404).unwrap();
    assert_eq!(code(&refused), 503);
    assert_eq!(field(&refused, "Retry-After").as_deref(), Some("5"));
    (4_000..4_500).for_each(|number| assert_eq!(code(&flood(number)), 503));
    let counts = Counts::of(&http);
    let kept = counts.sum("offhook_sip_transactions_kept_bytes", "");
    assert!((KEPT / 10 * 9..=KEPT).contains(&kept), "{kept}");
    assert_eq!(counts.sum("offhook_sip_shed_total", ""), 501);
    assert_eq!(counts.sum("offhook_sip_responses_total", "code=\"503\""), 501);
    assert_eq!(counts.sum("offhook_sip_datagrams_dropped_total", ""), 0);

    // The control: a BYE of no call is one more request.
    let mut unknown = wire.within(&standing, "BYE", 3);
    unknown.call_id += "-unknown";
    unknown.more = vec![via.clone(); 7];
    assert_eq!(wire.code_of(&unknown), 503);
    let mut cancel = Ask { method: "CANCEL", cseq: "2 CANCEL".to_owned(), body: String::new(), ..ringing.clone() };
    cancel.more.clear();
    wire.send(&cancel);
    let mut ends =
        [wire.expect("SIP/2.0"), wire.expect("SIP/2.0")].map(|answer| (code(&answer), field(&answer, "CSeq")));
    ends.sort();
    assert_eq!(ends, [(200, Some("2 CANCEL".to_owned())), (487, Some("2 INVITE".to_owned()))]);
    let mut bye = wire.within(&standing, "BYE", 3);
    bye.more = vec![via.clone(); 7];
    assert_eq!(wire.code_of(&bye), 200);
    let resident = resident(server.program.id());
    println!("{} MiB kept, {} MiB resident", kept >> 20, resident >> 20);
    assert!(resident < RESIDENT, "{resident} octets resident");
}

/// New requests from one socket, tens of thousands a second, until told to stop; counts them. It pauses to leave the server a processor.
fn flood(server: &str, stop: &AtomicBool, sent: &AtomicU64) {
    let wire = Wire::to(server);
    let (server, begun): (SocketAddr, _) = (server.parse().unwrap(), Instant::now());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) || begun.elapsed() > PATIENCE {
            return;
        }
        let method = if number % 2 == 0 { "OPTIONS" } else { "INVITE" };
        let text = wire.text(&wire.ask_numbered(method, number));
        sent.fetch_add(socket.send_to(text.as_bytes(), server).is_ok().into(), Ordering::Relaxed);
        if number % BURST == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_flood_of_new_requests_is_dropped_by_the_system_and_counted_and_calls_go_on() {
    let _alone = alone();
    let (server, http) = serve("");
    let mut wire = Wire::to(&server.address);
    let (standing, other) = (calls_echo(&mut wire, &server), calls_echo(&mut wire, &server));
    let before = Counts::of(&http);
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        // Two, for on some machines one is not too much.
        (0..2).for_each(|_| drop(scope.spawn(|| flood(&server.address, &stop, &sent))));
        // Wait until it is more than can be done.
        let end = Instant::now() + PATIENCE;
        while Counts::of(&http).sum("offhook_sip_datagrams_dropped_total", "") < DROPPED {
            assert!(Instant::now() < end, "{sent:?} were not too much");
        }
        // The call is asked over a connection: its answers wait behind no flood. (Over UDP it takes its chance with all others.)
        let mut line = Line::to(&server.address);
        for cseq in 3..3 + ASKED {
            let ask = wire.within(&standing, "OPTIONS", cseq);
            let (code, took) = line.ask(&wire, &ask, server.program.id());
            assert_eq!(code, 200);
            times.push(took);
        }
        let bye = wire.within(&other, "BYE", 3);
        let (code, took) = line.ask(&wire, &bye, server.program.id());
        assert_eq!(code, 200);
        times.push(took);
        stop.store(true, Ordering::Relaxed);
    });
    // Nineteen of twenty: a page that has to be read, for example, is not ours.
    times.sort_unstable();
    assert!(times[times.len() * 19 / 20] < SOON, "{times:?}");
    // Every datagram was read, or dropped and counted: once the last has been taken, it adds up.
    let sum = |counts: &Counts| {
        let read = |method: &str| {
            let label = format!("method=\"{method}\",direction=\"in\"");
            counts.sum("offhook_sip_requests_total", &label) - before.sum("offhook_sip_requests_total", &label)
        };
        (read("OPTIONS") + read("INVITE"), counts.sum("offhook_sip_datagrams_dropped_total", ""))
    };
    let sent = sent.into_inner() + u64::from(ASKED);
    let end = Instant::now() + PATIENCE;
    let (read, dropped) = loop {
        let counts = Counts::of(&http);
        let (read, dropped) = sum(&counts);
        if read + dropped == sent {
            break (read, dropped);
        }
        assert!(Instant::now() < end, "{sent} sent, {read} read, {dropped} dropped");
    };
    let resident = resident(server.program.id());
    println!(
        "{sent} sent, {read} read, {dropped} dropped, {} MiB resident; answered within {:?}",
        resident >> 20,
        times.last()
    );
    assert!(dropped >= DROPPED && read > 1_000, "{sent} sent, {read} read, {dropped} dropped");
    assert!(resident < RESIDENT, "{resident} octets resident");
    let bye = wire.within(&standing, "BYE", 100);
    assert_eq!(wire.code_of(&bye), 200);
}
