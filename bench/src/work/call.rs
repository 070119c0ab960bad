//! A call answered: INVITE, 180, 200, ACK, BYE, 200, with the transactions, the session and the descriptions; one every 100 ms, so that timers
//! and tables are as full as they are in life. What the caller writes is made beforehand: only its tag of ours is filled in.

use std::sync::Arc;

use audio::codec::Codec;
use bytes::Bytes;
use media::CallMedia;
use sdp::LocalCapabilities;
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
    /// All calls have them in common, as in the robot.
    capabilities: Arc<LocalCapabilities>,
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
        capabilities: CallMedia::new(([192, 0, 2, 1], 4_000).into(), &Codec::ALL, 0).shared(),
        session: None,
        tag: String::new(),
        answered: 0,
        ended: 0,
    };
    let mut calls: Vec<[Written; 3]> = (0..BEFORE + COUNT).map(written).collect();
    let counted = calls.split_off(BEFORE);
    (0..).zip(calls).for_each(|(n, call)| callee.call(n, call));
    mark();
    (BEFORE..).zip(counted).for_each(|(n, call)| callee.call(n, call));
    mark();
    assert_eq!((callee.answered, callee.ended), (BEFORE + COUNT, BEFORE + COUNT), "every call is answered and ends");
}

impl Callee {
    fn call(&mut self, n: usize, [invite, ack, bye]: [Written; 3]) {
        self.now.mono = Time(n as u64 * 100_000);
        self.stack.at(self.now, &mut self.out).timeout();
        for message in [invite, ack, bye] {
            let bytes = message.with(&self.tag);
            self.receive(bytes);
        }
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
                    let answer = CallMedia::answer_once(&self.capabilities, 7, request.body());
                    let Ok((body, _)) = answer else { continue };
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

/// As long as a tag of ours.
const TAG: &str = "?????????????";

/// A message of the caller's, and where our tag goes.
struct Written {
    text: Vec<u8>,
    tag: Option<usize>,
}

impl Written {
    fn with(mut self, tag: &str) -> Bytes {
        let place = self.tag.and_then(|at| self.text.get_mut(at..at + TAG.len()));
        if let Some(place) = place.filter(|place| place.len() == tag.len()) {
            place.copy_from_slice(tag.as_bytes());
        }
        Bytes::from(self.text)
    }
}

/// What the caller sends in its n-th call.
fn written(n: usize) -> [Written; 3] {
    let tagged = format!(";tag={TAG}");
    [("INVITE", 1, "", OFFER), ("ACK", 1, &tagged, ""), ("BYE", 2, &tagged, "")].map(|(method, cseq, to_tag, body)| {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} sip:bob@192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{method}{n}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.2:5060>;tag=peer{n}\r\nTo: <sip:bob@192.0.2.1:5060>{to_tag}\r\n\
             Call-ID: {n}-1234@192.0.2.2\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@192.0.2.2:5060>\r\n{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Written { tag: text.find(TAG), text: text.into_bytes() }
    })
}
