//! What a REGISTER and a binding cost.
//!
//! ```text
//! cargo run --release -p offhook-store --example registrar_cost 100000       # time and memory
//! valgrind --tool=callgrind --toggle-collect='registrar_cost::answer' ...    # instructions of both requests of each device
//! ```
//!
//! Each device sends a REGISTER, is challenged (401), and sends it again with credentials (200). Counted is everything from the octets that came to the octets that go: parsing, digest,
//! registrar, printing. Not counted are sockets, transactions, journal, and the device's own work.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::hint::black_box;

use bytes::Bytes;
use proxy::{Registrar, RegistrarConfig};
use sip::digest::{Algorithm, Client, Credential, Ha1, Server, ServerConfig, Verdict};
use sip::id::FlowId;
use sip::message::{HeaderId, Limits, Lines, Message, Request, StatusCode, write_response};
use sip::outbox::{Origin, Transport};
use sip::time::{Now, Time, WallTime};

struct Home {
    server: Server,
    registrar: Registrar,
    ha1: Vec<Ha1>,
    moment: usize,
}

fn at(moment: usize) -> Now {
    Now { mono: Time(1_000_000 + moment as u64), wall: WallTime(1_700_000_000) }
}

fn origin(device: usize) -> Origin {
    let remote = ([10, (device >> 16) as u8, (device >> 8) as u8, device as u8], 5060).into();
    Origin { flow: FlowId(1), transport: Transport::Udp, local: ([192, 0, 2, 1], 5060).into(), remote }
}

fn register(device: usize, cseq: usize, authorization: &str) -> Bytes {
    let ip = origin(device).remote;
    Bytes::from(format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {ip};rport;branch=z9hG4bKPj{device:032x}{cseq}\r\nMax-Forwards: 70\r\nFrom: <sip:user{device}@example.com>;tag={device:010x}\r\n\
         To: <sip:user{device}@example.com>\r\nCall-ID: {device:032x}\r\nCSeq: {cseq} REGISTER\r\nUser-Agent: Phone/1.2.3\r\n\
         Contact: <sip:user{device}@{ip};ob>;+sip.instance=\"<urn:uuid:00000000-0000-0000-0000-{device:012x}>\"\r\nExpires: 300\r\n\
         Allow: PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, OPTIONS\r\n{authorization}Content-Length: 0\r\n\r\n"
    ))
}

/// What is counted.
#[inline(never)]
fn answer(home: &mut Home, device: usize, bytes: Bytes) -> Bytes {
    home.moment += 1;
    let (origin, now) = (origin(device), at(home.moment));
    let Ok(Message::Request(request)) = Message::parse(bytes, &Limits::default()) else { return Bytes::new() };
    let Home { server, registrar, ha1, .. } = home;
    let lookup = |user: &str, _: Algorithm| ha1.get(user.strip_prefix("user")?.parse::<usize>().ok()?).copied();
    let (code, lines) = match server.verify(now, &request, &origin, false, lookup) {
        Verdict::Ok(verified) => {
            let plan = registrar.plan(now, &request, Some(&verified.user), &origin);
            registrar.commit(now, &plan.records);
            (plan.reply.code, plan.reply.lines)
        }
        Verdict::Challenge { stale } => (StatusCode::UNAUTHORIZED, server.challenge(now, &origin, false, stale)),
        _ => (StatusCode::FORBIDDEN, Lines::new()),
    };
    write_response(
        request.headers(),
        code,
        None,
        Some("tag12345"),
        &lines,
        None,
        Some((origin.remote.ip(), Some(origin.remote.port()))),
    )
}

fn authorization(client: &mut Client, challenge: Bytes) -> String {
    let Ok(Message::Response(response)) = Message::parse(challenge, &Limits::default()) else { return String::new() };
    let values = response.headers().all(HeaderId::WwwAuthenticate).map(|header| (false, header.value));
    if client.take_challenges(values).is_err() {
        return String::new();
    }
    client
        .lines_for("REGISTER", "sip:example.com", b"", 7)
        .into_iter()
        .map(|(_, line)| format!("Authorization: {line}\r\n"))
        .collect()
}

/// Seconds this thread has run, by the kernel's account: what other programs take does not count.
fn busy() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn cycle(devices: usize, algorithm: Algorithm) {
    let mut config = ServerConfig::new("example.com");
    config.algorithms = vec![algorithm];
    let Ok(server) = Server::new(config, [1; 32]) else { return };
    let ha1 = (0..devices)
        .filter_map(|device| Ha1::new(algorithm, &format!("user{device}"), "example.com", "secret").ok())
        .collect();
    let mut home = Home { server, registrar: Registrar::new(RegistrarConfig::default(), [2; 16]), ha1, moment: 0 };
    let (mut spent, mut good) = ([0.0; 3], 0);
    for round in 0..2 {
        let first: Vec<Bytes> = (0..devices).map(|device| register(device, 10 * round + 1, "")).collect();
        let start = busy();
        let challenges: Vec<Bytes> =
            first.into_iter().enumerate().map(|(device, bytes)| answer(&mut home, device, bytes)).collect();
        spent[0] += busy() - start;
        let second: Vec<Bytes> = challenges
            .into_iter()
            .enumerate()
            .map(|(device, challenge)| {
                let credential = Credential::password(Some("example.com"), &format!("user{device}"), "secret");
                let mut client = Client::new(credential.into_iter().collect());
                register(device, 10 * round + 2, &authorization(&mut client, challenge))
            })
            .collect();
        let start = busy();
        let answers: Vec<Bytes> =
            second.into_iter().enumerate().map(|(device, bytes)| answer(&mut home, device, bytes)).collect();
        spent[1 + round] += busy() - start;
        good += black_box(answers).iter().filter(|bytes| bytes.starts_with(b"SIP/2.0 200")).count();
    }
    let each = |spent: f64, count: usize| spent * 1e6 / count as f64;
    println!(
        "{algorithm}: {devices} devices, {good} times 200; 401: {:.2} us, 200 new: {:.2} us, 200 refresh: {:.2} us; {} nonces remembered",
        each(spent[0], 2 * devices),
        each(spent[1], devices),
        each(spent[2], devices),
        home.server.remembered()
    );
}

/// Whether the time tells an unknown user from a wrong password.
fn enumeration(times: usize) {
    let Ok(mut server) = Server::new(ServerConfig::new("example.com"), [1; 32]) else { return };
    let ha1 = Ha1::new(Algorithm::Sha256, "user0", "example.com", "secret").ok();
    let mut spent = [0.0; 2];
    for round in 0..20 {
        for (which, name) in [(0, "user0"), (1, "user1")] {
            let lines = server.challenge(at(round), &origin(0), false, false);
            let Ok(Message::Request(ask)) = Message::parse(register(0, 1, ""), &Limits::default()) else { return };
            let challenge =
                write_response(ask.headers(), StatusCode::UNAUTHORIZED, None, Some("t"), &lines, None, None);
            let mut client = Client::new(Credential::password(None, name, "wrong").into_iter().collect());
            let bytes = register(0, 2, &authorization(&mut client, challenge));
            let Ok(Message::Request(request)) = Message::parse(bytes, &Limits::default()) else { return };
            let start = busy();
            for _ in 0..times / 20 {
                black_box(
                    server.verify(at(round), &request, &origin(0), false, |user, _| ha1.filter(|_| user == "user0")),
                );
            }
            spent[which] += busy() - start;
        }
    }
    let each = |spent: f64| spent * 1e6 / times as f64;
    println!("wrong password {:.3} us, unknown user {:.3} us", each(spent[0]), each(spent[1]));
}

fn memory(devices: usize) {
    let mut registrar = Registrar::new(RegistrarConfig::default(), [2; 16]);
    let before = resident();
    for device in 0..devices {
        let bytes = register(device, 1, "");
        let request: Request = match Message::parse(bytes, &Limits::default()) {
            Ok(Message::Request(request)) => request,
            _ => return,
        };
        registrar.handle(at(0), &request, None, &origin(device));
    }
    println!(
        "{} bindings: {} octets of resident memory each",
        registrar.location().len(),
        (resident() - before) / devices.max(1)
    );
}

fn main() {
    let devices = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000);
    memory(devices);
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        cycle(devices, algorithm);
    }
    enumeration(20 * devices);
}
