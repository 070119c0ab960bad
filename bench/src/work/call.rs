//! A call answered: INVITE, 180, 200, ACK, BYE, 200, with the transactions, the session and the descriptions; one every 100 ms, so that timers
//! and tables are as full as they are in life.

use audio::codec::Codec;
use bytes::Bytes;
use media::CallMedia;
use sip::message::{Body, StatusCode};
use sip::{Action, Config, ContactSpec, Event, FlowId, Now, Origin, Outbox, Reply, SessionId, Stack, Time, Transport};

use crate::count::mark;

/// Calls that are counted.
pub(super) const COUNT: usize = 500;
/// Calls before them: 32 s and more, so that as many transactions end as begin.
const BEFORE: usize = 400;

const OFFER: &str = "v=0\r\no=a 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n\
                     a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n";

struct Callee {
    stack: Stack,
    out: Outbox,
    now: Now,
    origin: Origin,
    session: Option<SessionId>,
    tag: String,
    answered: usize,
    ended: usize,
}

pub(super) fn run() {
    let (local, remote) = (([192, 0, 2, 1], 5060).into(), ([192, 0, 2, 2], 5060).into());
    let mut callee = Callee {
        stack: Stack::new(Config::default(), [9; 32]),
        out: Outbox::new(),
        now: Now::default(),
        origin: Origin { flow: FlowId(1), transport: Transport::Udp, local, remote },
        session: None,
        tag: String::new(),
        answered: 0,
        ended: 0,
    };
    (0..BEFORE).for_each(|n| callee.call(n));
    mark();
    (BEFORE..BEFORE + COUNT).for_each(|n| callee.call(n));
    mark();
    assert_eq!((callee.answered, callee.ended), (BEFORE + COUNT, BEFORE + COUNT), "every call is answered and ends");
}

impl Callee {
    fn call(&mut self, n: usize) {
        self.now.mono = Time(n as u64 * 100_000);
        self.stack.at(self.now, &mut self.out).timeout();
        self.receive(request("INVITE", n, 1, "", OFFER));
        let tag = format!(";tag={}", self.tag);
        self.receive(request("ACK", n, 1, &tag, ""));
        self.receive(request("BYE", n, 2, &tag, ""));
    }

    fn receive(&mut self, bytes: Bytes) {
        self.stack.at(self.now, &mut self.out).receive(&self.origin, bytes);
        while let Some(action) = self.out.pop() {
            let Action::Event(event) = action else { continue };
            match event {
                Event::Request { tx, request, .. } => {
                    let mut turn = self.stack.at(self.now, &mut self.out);
                    let contact = ContactSpec::Auto { user: None, params: String::new() };
                    self.tag = turn.tag_of(tx).unwrap_or_default();
                    let Ok(session) = turn.session(tx) else { continue };
                    let _ = turn.answer(session, Reply::new(StatusCode::RINGING).contact(contact.clone()));
                    let mut media = CallMedia::new(([192, 0, 2, 1], 4_000).into(), &Codec::ALL, 7);
                    let Ok((body, _)) = media.answer(request.body()) else { continue };
                    let _ = turn.answer(session, Reply::new(StatusCode::OK).contact(contact).body(Body::sdp(body)));
                    self.session = Some(session);
                    self.answered += 1;
                }
                Event::Session(session, sip::invite::SessionEvent::Ended { .. }) => {
                    self.ended += usize::from(self.session == Some(session));
                }
                _ => {}
            }
        }
    }
}

fn request(method: &str, n: usize, cseq: u32, to_tag: &str, body: &str) -> Bytes {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    Bytes::from(format!(
        "{method} sip:bob@192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{method}{n}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.2:5060>;tag=peer{n}\r\nTo: <sip:bob@192.0.2.1:5060>{to_tag}\r\n\
         Call-ID: {n}-1234@192.0.2.2\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@192.0.2.2:5060>\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}
