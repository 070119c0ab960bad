//! A registration: REGISTER, 401, REGISTER, 200, with the transactions, digest and the registrar; the journal and the sockets are not in it, nor
//! what the device does.

use bytes::Bytes;
use proxy::{Registrar, RegistrarConfig};
use sip::digest::{Algorithm, Client, Credential, Ha1, Server, ServerConfig, Verdict};
use sip::message::{HeaderId, Limits, Message, Request, StatusCode};
use sip::{Action, Config, Event, FlowId, Now, Origin, Outbox, Reply, Stack, Time, Transport, WallTime};

use crate::count::mark;

/// Registrations that are counted.
pub(super) const COUNT: usize = 300;
const BEFORE: usize = 100;

struct Home {
    stack: Stack,
    out: Outbox,
    now: Now,
    digest: Server,
    registrar: Registrar,
    /// Of each device.
    ha1: Vec<Ha1>,
}

pub(super) fn run() {
    let Ok(digest) = Server::new(only_md5(), [1; 32]) else { return };
    let devices = BEFORE + COUNT;
    let ha1 = |device: usize| Ha1::new(Algorithm::Md5, &format!("user{device}"), "example.com", "secret").ok();
    let mut home = Home {
        stack: Stack::new(Config::default(), [9; 32]),
        out: Outbox::new(),
        now: Now { mono: Time(0), wall: WallTime(1_700_000_000) },
        digest,
        registrar: Registrar::new(RegistrarConfig::default(), [2; 16]),
        ha1: (0..devices).filter_map(ha1).collect(),
    };
    let first = |from: usize, to: usize| -> Vec<Bytes> { (from..to).map(|device| register(device, 1, "")).collect() };
    let second = |from: usize, challenges: Vec<Bytes>| -> Vec<Bytes> {
        let answers = (from..).zip(challenges);
        answers.map(|(device, challenge)| register(device, 2, &authorization(device, challenge))).collect()
    };
    let challenges = home.ask_all(0, first(0, BEFORE));
    home.ask_all(0, second(0, challenges));
    // All are challenged before any answers: what the devices do lies between the pieces.
    let requests = first(BEFORE, devices);
    mark();
    let challenges = home.ask_all(BEFORE, requests);
    mark();
    let requests = second(BEFORE, challenges);
    mark();
    home.ask_all(BEFORE, requests);
    mark();
    assert_eq!(home.registrar.location().len(), devices, "every device is registered");
}

fn only_md5() -> ServerConfig {
    let mut config = ServerConfig::new("example.com");
    config.algorithms = vec![Algorithm::Md5];
    config
}

impl Home {
    /// Sends a REGISTER of each device from this one on; the responses.
    fn ask_all(&mut self, from: usize, requests: Vec<Bytes>) -> Vec<Bytes> {
        (from..).zip(requests).map(|(device, request)| self.ask(device, request)).collect()
    }

    /// Sends a REGISTER; the response.
    fn ask(&mut self, device: usize, request: Bytes) -> Bytes {
        self.now.mono = Time(self.now.mono.0 + 1_000);
        let origin = origin(device);
        self.stack.at(self.now, &mut self.out).timeout();
        self.stack.at(self.now, &mut self.out).receive(&origin, request);
        let mut sent = Bytes::new();
        while let Some(action) = self.out.pop() {
            match action {
                Action::Event(Event::Request { tx, request, origin }) => {
                    let reply = self.decide(&request, &origin);
                    let _ = self.stack.at(self.now, &mut self.out).respond(tx, reply);
                }
                Action::Send { bytes, .. } => sent = bytes,
                _ => {}
            }
        }
        sent
    }

    fn decide(&mut self, request: &Request, origin: &Origin) -> Reply {
        let Self { digest, ha1, .. } = self;
        let lookup = |user: &str, _: Algorithm| ha1.get(user.strip_prefix("user")?.parse::<usize>().ok()?).copied();
        match digest.verify(self.now, request, origin, false, lookup) {
            Verdict::Ok(verified) => {
                let plan = self.registrar.plan(self.now, request, Some(&verified.user), origin);
                self.registrar.commit(self.now, &plan.records);
                plan.reply
            }
            Verdict::Challenge { stale } => {
                let lines = self.digest.challenge_to(self.now, request, origin, false, stale, |_| true);
                Reply::new(StatusCode::UNAUTHORIZED).lines(lines).stateless()
            }
            _ => Reply::new(StatusCode::FORBIDDEN),
        }
    }
}

fn origin(device: usize) -> Origin {
    let [.., high, low] = device.to_be_bytes();
    let remote = ([10, 0, high, low], 5060).into();
    Origin { flow: FlowId(1), transport: Transport::Udp, local: ([192, 0, 2, 1], 5060).into(), remote }
}

fn register(device: usize, cseq: usize, authorization: &str) -> Bytes {
    let ip = origin(device).remote;
    Bytes::from(format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {ip};rport;branch=z9hG4bK{device:032x}{cseq}\r\nMax-Forwards: 70\r\n\
         From: <sip:user{device}@example.com>;tag={device:010x}\r\nTo: <sip:user{device}@example.com>\r\n\
         Call-ID: {device:032x}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:user{device}@{ip}>\r\nExpires: 300\r\n\
         {authorization}Content-Length: 0\r\n\r\n"
    ))
}

fn authorization(device: usize, challenge: Bytes) -> String {
    let Ok(Message::Response(response)) = Message::parse(challenge, &Limits::default()) else { return String::new() };
    let credential = Credential::password(Some("example.com"), &format!("user{device}"), "secret");
    let mut client = Client::new(credential.into_iter().collect());
    let values = response.headers().all(HeaderId::WwwAuthenticate).map(|header| (false, header.value));
    if client.take_challenges(values).is_err() {
        return String::new();
    }
    let lines = client.lines_for("REGISTER", "sip:example.com", b"", device as u64);
    lines.into_iter().map(|(_, line)| format!("Authorization: {line}\r\n")).collect()
}
