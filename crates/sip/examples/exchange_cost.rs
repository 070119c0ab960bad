//! What a call costs the stack as a server: INVITE, 100, 180, 200, ACK, BYE, 200, with sessions, without sockets.
//!
//! `exchange_cost <calls>` runs that many calls, one after the other, each 100 ms later than the one before, so that timers and tables
//! are as full as they are in life. Run it under an instruction counter with two counts and take the difference; `exchange_cost <calls> parse`
//! reads the same messages and does nothing else.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measuring program tells its figures")]

use bytes::Bytes;
use sip::message::{Body, Limits, Message, StatusCode};
use sip::*;

const SDP: &str = "v=0\r\no=a 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n\
                   a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n";

fn request(method: &str, n: usize, cseq: u32, to_tag: &str, branch: &str, body: &str) -> Bytes {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    Bytes::from(format!(
        "{method} sip:bob@192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{branch}{n}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.2:5060>;tag=peer{n}\r\nTo: <sip:bob@192.0.2.1:5060>{to_tag}\r\n\
         Call-ID: {n}-1234@192.0.2.2\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@192.0.2.2:5060>\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

struct Bench {
    stack: Stack,
    out: Outbox,
    now: Now,
    origin: Origin,
    tag: String,
    session: Option<SessionId>,
}

impl Bench {
    fn receive(&mut self, bytes: Bytes) {
        self.stack.at(self.now, &mut self.out).receive(&self.origin, bytes);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.out.pop() {
            match action {
                Action::Event(Event::Request { tx, .. }) => {
                    let mut turn = self.stack.at(self.now, &mut self.out);
                    let contact = ContactSpec::Auto { user: Some("bob".to_owned()), params: String::new() };
                    self.tag = turn.tag_of(tx).unwrap_or_default();
                    if let Ok(session) = turn.session(tx) {
                        let _ = turn.answer(session, Reply::new(StatusCode::RINGING).contact(contact.clone()));
                        let body = Body::sdp(Bytes::from_static(SDP.as_bytes()));
                        let _ = turn.answer(session, Reply::new(StatusCode::OK).contact(contact).body(body));
                        self.session = Some(session);
                    }
                }
                other => drop(other),
            }
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let calls: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let only_parse = arguments.next().is_some();
    let local = ([192, 0, 2, 1], 5060).into();
    let remote = ([192, 0, 2, 2], 5060).into();
    let mut bench = Bench {
        stack: Stack::new(Config::default(), [9; 32]),
        out: Outbox::new(),
        now: Now::default(),
        origin: Origin { flow: FlowId(1), transport: Transport::Udp, local, remote },
        tag: String::new(),
        session: None,
    };
    let (mut peak, mut done) = (Usage::default(), 0);
    for n in 0..calls {
        bench.now.mono = Time(n as u64 * 100_000);
        if only_parse {
            for bytes in [
                request("INVITE", n, 1, "", "a", SDP),
                request("ACK", n, 1, ";tag=aaaaaaaaaaaaa", "b", ""),
                request("BYE", n, 2, ";tag=aaaaaaaaaaaaa", "c", ""),
            ] {
                done += usize::from(Message::parse(bytes, &Limits::default()).is_ok());
            }
            continue;
        }
        bench.stack.at(bench.now, &mut bench.out).timeout();
        bench.receive(request("INVITE", n, 1, "", "a", SDP));
        let tag = format!(";tag={}", bench.tag);
        bench.receive(request("ACK", n, 1, &tag, "b", ""));
        bench.receive(request("BYE", n, 2, &tag, "c", ""));
        done += usize::from(bench.session.take().is_some());
        peak =
            if bench.stack.usage().server_transactions > peak.server_transactions { bench.stack.usage() } else { peak };
    }
    println!("{done} done, at most {peak:?}, {:?}", bench.stack.counters());
}
