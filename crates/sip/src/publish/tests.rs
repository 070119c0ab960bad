mod compositing;

use super::*;
use crate::message::{Limits as MessageLimits, Message, Request, write_response};
use crate::outbox::{Action, Answer, Outbox, Path, Transport};
use crate::stack::Usage;
use crate::time::{Now, Time, WallTime};
use crate::{Config, FlowId, Stack};

const SECOND: u64 = 1_000_000;

/// A stack, the time, and what it sent and told.
struct Rig {
    stack: Stack,
    now: u64,
    sent: Vec<Request>,
    events: Vec<PublicationEvent>,
}

fn path() -> Path {
    Path {
        flow: FlowId(1),
        transport: Transport::Udp,
        local: "192.0.2.7:5060".parse().unwrap(),
        remote: "192.0.2.1:5060".parse().unwrap(),
    }
}

fn body(text: &str) -> Body {
    Body::new("text/plain", text.as_bytes().to_vec())
}

impl Rig {
    fn new() -> Rig {
        Rig { stack: Stack::new(Config::default(), [9; 32]), now: 0, sent: Vec::new(), events: Vec::new() }
    }

    fn turn<T>(&mut self, act: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        let now = Now { mono: Time(self.now), wall: WallTime(1_700_000_000) };
        let mut out = Outbox::new();
        let done = act(&mut self.stack.at(now, &mut out));
        while let Some(action) = out.pop() {
            match action {
                Action::Ask { id, .. } => self.stack.at(now, &mut out).answered(id, Answer::Routes(vec![path()])),
                Action::Send { bytes, .. } => match Message::parse(bytes, &MessageLimits::default()) {
                    Ok(Message::Request(request)) => self.sent.push(request),
                    other => panic!("sent {other:?}"),
                },
                Action::Event(crate::Event::Publication(_, event)) => self.events.push(event),
                Action::Event(crate::Event::TargetFailed { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        done
    }

    fn publish(&mut self) -> PublicationId {
        let spec = PublishSpec::new("sip:alice@example.com".parse().unwrap(), "<sip:alice@example.com>", "presence");
        self.turn(|turn| turn.publish(spec, body("first"))).unwrap()
    }

    fn wait_until(&mut self, seconds: f64) {
        let until = (seconds * SECOND as f64) as u64;
        while let Some(at) = self.stack.deadline().filter(|at| at.0 <= until) {
            self.now = self.now.max(at.0);
            self.turn(|turn| turn.timeout());
        }
        self.now = until;
    }

    fn answer(&mut self, code: u16, lines: &[(&str, &str)]) {
        self.answer_to(&self.last().clone(), code, lines);
    }

    fn answer_to(&mut self, request: &Request, code: u16, lines: &[(&str, &str)]) {
        let mut list = Lines::new();
        lines.iter().for_each(|(name, value)| list.push(name, value).unwrap());
        let code = StatusCode::new(code).unwrap();
        let bytes = write_response(request.headers(), code, None, Some("c"), &list, None, None);
        self.turn(|turn| turn.receive(&path(), bytes));
    }

    fn last(&self) -> &Request {
        self.sent.last().unwrap()
    }

    /// SIP-If-Match, Expires and body of the last PUBLISH.
    fn said(&self) -> (Option<String>, String, String) {
        let headers = self.last().headers();
        let text = |id| headers.text(id).map(std::borrow::Cow::into_owned);
        (
            text(HeaderId::SipIfMatch),
            text(HeaderId::Expires).unwrap_or_default(),
            String::from_utf8_lossy(self.last().body()).into_owned(),
        )
    }

    /// A publication that stands for so long under the tag `t1`.
    fn published(secs: u32) -> (Rig, PublicationId) {
        let mut rig = Rig::new();
        let id = rig.publish();
        rig.answer(200, &[("SIP-ETag", "t1"), ("Expires", &secs.to_string())]);
        (rig, id)
    }

    fn nothing_left(&mut self) {
        self.wait_until(self.now as f64 / SECOND as f64 + 100.0);
        assert_eq!(self.stack.usage(), Usage::default());
    }
}

fn said(tag: Option<&str>, expires: &str, body: &str) -> (Option<String>, String, String) {
    (tag.map(str::to_owned), expires.to_owned(), body.to_owned())
}

#[test]
fn rfc3903_4_2_the_first_has_a_body_and_no_tag() {
    let mut rig = Rig::new();
    rig.publish();
    assert_eq!(rig.said(), said(None, "3600", "first"));
    assert_eq!(rig.last().headers().text(HeaderId::Event).as_deref(), Some("presence"));
    assert_eq!((rig.last().uri_text(), rig.last().headers().has(HeaderId::Contact)), ("sip:alice@example.com", false));
}

#[test]
fn rfc3903_4_3_a_refresh_has_the_tag_and_no_body() {
    let (mut rig, _) = Rig::published(300);
    rig.wait_until(269.9);
    assert_eq!(rig.sent.len(), 1);
    rig.wait_until(270.1);
    assert_eq!(rig.said(), said(Some("t1"), "3600", ""));
    // The tag is another with each 2xx (section 4.1).
    rig.answer(200, &[("SIP-ETag", "t2"), ("Expires", "300")]);
    rig.wait_until(540.3);
    assert_eq!(rig.said(), said(Some("t2"), "3600", ""));
}

#[test]
fn rfc3903_4_4_another_state_has_both() {
    let (mut rig, id) = Rig::published(300);
    rig.turn(|turn| turn.modify_publication(id, body("second"))).unwrap();
    assert_eq!(rig.said(), said(Some("t1"), "3600", "second"));
    // One is under way: of those that come meanwhile the newest follows.
    rig.turn(|turn| turn.modify_publication(id, body("third"))).unwrap();
    rig.turn(|turn| turn.modify_publication(id, body("fourth"))).unwrap();
    assert_eq!(rig.sent.len(), 2);
    rig.answer(200, &[("SIP-ETag", "t2"), ("Expires", "300")]);
    assert_eq!(rig.said(), said(Some("t2"), "3600", "fourth"));
}

/// How often the last PUBLISH has Event, SIP-If-Match and Expires, and Content-Type.
fn counts(rig: &Rig) -> [usize; 4] {
    [HeaderId::Event, HeaderId::SipIfMatch, HeaderId::Expires, HeaderId::ContentType]
        .map(|id| rig.last().headers().count(id))
}

/// Table 1: which header fields each operation has, and each of them once.
#[test]
fn rfc3903_4_1_each_operation_names_its_package_and_what_it_is_about_once() {
    let mut rig = Rig::new();
    let id = rig.publish();
    assert_eq!(counts(&rig), [1, 0, 1, 1], "initial");
    rig.answer(200, &[("SIP-ETag", "t1"), ("Expires", "300")]);
    rig.wait_until(270.1);
    assert_eq!((counts(&rig), rig.said().0.as_deref()), ([1, 1, 1, 0], Some("t1")), "refresh");
    rig.answer(200, &[("SIP-ETag", "t2"), ("Expires", "300")]);
    rig.turn(|turn| turn.modify_publication(id, body("second"))).unwrap();
    assert_eq!((counts(&rig), rig.said().0.as_deref()), ([1, 1, 1, 1], Some("t2")), "modify");
    rig.answer(200, &[("SIP-ETag", "t3"), ("Expires", "300")]);
    rig.turn(|turn| turn.unpublish(id)).unwrap();
    assert_eq!((counts(&rig), rig.said().0.as_deref()), ([1, 1, 1, 0], Some("t3")), "remove");
    assert!(rig.sent.iter().all(|one| one.headers().text(HeaderId::Event).as_deref() == Some("presence")));
}

/// A PUBLISH makes no dialog: neither a route set nor another target follows from an answer.
#[test]
fn rfc3903_4_a_record_route_in_an_answer_changes_nothing() {
    let mut rig = Rig::new();
    rig.publish();
    let route = ("Record-Route", "<sip:192.0.2.66;lr>");
    rig.answer(200, &[("SIP-ETag", "t1"), ("Expires", "300"), route, ("Contact", "<sip:elsewhere@192.0.2.67>")]);
    rig.wait_until(270.1);
    let refresh = rig.last();
    assert_eq!((rig.sent.len(), refresh.uri_text()), (2, "sip:alice@example.com"));
    assert!(!refresh.headers().has(HeaderId::Route) && refresh.headers().to_tag().is_none(), "{refresh:?}");
}

#[test]
fn rfc3903_4_one_publish_for_a_resource_is_under_way_at_a_time() {
    let mut rig = Rig::new();
    let publish = |rig: &mut Rig, who: &str, event: &str| {
        let resource = format!("sip:{who}@example.com").parse().unwrap();
        let spec = PublishSpec::new(resource, "<sip:alice@example.com>", event);
        rig.turn(|turn| turn.publish(spec, body(event))).unwrap()
    };
    let event = |rig: &Rig| rig.last().headers().text(HeaderId::Event).unwrap().into_owned();
    let first = publish(&mut rig, "alice", "presence");
    let second = publish(&mut rig, "alice", "message-summary");
    let third = publish(&mut rig, "alice", "dialog");
    assert_eq!((rig.sent.len(), event(&rig).as_str()), (1, "presence"));
    // Whoever gives up while it waits has said nothing.
    rig.turn(|turn| turn.unpublish(third)).unwrap();
    assert!(matches!(rig.events.last(), Some(PublicationEvent::Ended { code: None })));
    // What is about somebody else waits for nobody.
    let other = publish(&mut rig, "bob", "presence");
    assert_eq!((rig.sent.len(), rig.last().uri_text()), (2, "sip:bob@example.com"));
    rig.answer(200, &[("SIP-ETag", "b1"), ("Expires", "3600")]);
    let asked = rig.sent[0].clone();
    rig.answer_to(&asked, 200, &[("SIP-ETag", "t1"), ("Expires", "3600")]);
    assert_eq!((rig.sent.len(), event(&rig).as_str()), (3, "message-summary"));
    // Of what is said while it waits the newest follows, also where the other has failed.
    for text in ["newer", "newest"] {
        rig.turn(|turn| turn.modify_publication(first, body(text))).unwrap();
    }
    assert_eq!(rig.sent.len(), 3);
    rig.answer(503, &[("Retry-After", "20")]);
    assert_eq!((rig.sent.len(), event(&rig).as_str()), (4, "presence"));
    assert_eq!(rig.said(), said(Some("t1"), "3600", "newest"));
    rig.answer(200, &[("SIP-ETag", "t2"), ("Expires", "3600")]);
    assert_eq!(rig.sent.len(), 4);
    rig.wait_until(20.1);
    assert_eq!((rig.sent.len(), event(&rig).as_str()), (5, "message-summary"));
    // Taken back after one another.
    for id in [first, second] {
        rig.turn(|turn| turn.unpublish(id)).unwrap();
    }
    assert_eq!(rig.sent.len(), 5);
    rig.answer(200, &[("SIP-ETag", "m1"), ("Expires", "3600")]);
    assert_eq!((event(&rig).as_str(), rig.said()), ("presence", said(Some("t2"), "0", "")));
    rig.answer(200, &[("SIP-ETag", "t3"), ("Expires", "0")]);
    assert_eq!((event(&rig).as_str(), rig.said()), ("message-summary", said(Some("m1"), "0", "")));
    rig.answer(200, &[("SIP-ETag", "m2"), ("Expires", "0")]);
    rig.turn(|turn| turn.unpublish(other)).unwrap();
    rig.answer(200, &[]);
    rig.nothing_left();
}

/// The one before it has timed out.
#[test]
fn rfc3903_4_who_waits_for_a_publish_that_nobody_answers_goes_on_when_that_has_timed_out() {
    let mut rig = Rig::new();
    rig.publish();
    let spec = PublishSpec::new("sip:alice@example.com".parse().unwrap(), "<sip:alice@example.com>", "dialog");
    rig.turn(|turn| turn.publish(spec, body("waits"))).unwrap();
    let waits =
        |rig: &Rig| rig.sent.iter().all(|one| one.headers().text(HeaderId::Event).as_deref() == Some("presence"));
    rig.wait_until(31.9);
    assert!(waits(&rig));
    rig.wait_until(32.1);
    assert!(!waits(&rig));
}

#[test]
fn rfc3903_4_5_taking_it_back() {
    let (mut rig, id) = Rig::published(300);
    rig.turn(|turn| turn.unpublish(id)).unwrap();
    assert_eq!(rig.said(), said(Some("t1"), "0", ""));
    rig.answer(200, &[("SIP-ETag", "t2"), ("Expires", "0")]);
    assert!(matches!(rig.events.last(), Some(PublicationEvent::Ended { code: Some(StatusCode::OK) })));
    rig.nothing_left();
}

#[test]
fn rfc3903_4_3_412_tells_the_whole_again_without_a_tag() {
    let (mut rig, _) = Rig::published(300);
    rig.wait_until(270.1);
    rig.answer(412, &[]);
    assert_eq!(rig.said(), said(None, "3600", "first"));
    // Another to what has no tag is no reason to go on.
    rig.answer(412, &[]);
    assert!(matches!(rig.events.last(), Some(PublicationEvent::Failed { retry_in: None, .. })));
    rig.nothing_left();
}

#[test]
fn rfc3903_4_1_423_is_asked_again_with_its_minimum_once() {
    let mut rig = Rig::new();
    rig.publish();
    rig.answer(423, &[("Min-Expires", "7200")]);
    assert_eq!(rig.said(), said(None, "7200", "first"));
    rig.answer(423, &[("Min-Expires", "9000")]);
    assert!(matches!(rig.events.last(), Some(PublicationEvent::Failed { retry_in: None, .. })));
    rig.nothing_left();
}

#[test]
fn rfc3903_4_1_without_a_tag_in_the_2xx_the_whole_is_told_again() {
    let mut rig = Rig::new();
    rig.publish();
    rig.answer(200, &[("Expires", "300")]);
    rig.wait_until(270.1);
    assert_eq!(rig.said(), said(None, "3600", "first"));
}

#[test]
fn what_failed_for_now_is_told_again_with_the_newest_state() {
    let mut rig = Rig::new();
    let id = rig.publish();
    rig.answer(503, &[("Retry-After", "20")]);
    assert!(
        matches!(rig.events.last(), Some(PublicationEvent::Failed { retry_in: Some(wait), .. }) if wait.as_secs() == 20)
    );
    rig.wait_until(20.1);
    assert_eq!(rig.sent.len(), 2);
    rig.answer(500, &[]);
    rig.turn(|turn| turn.modify_publication(id, body("second"))).unwrap();
    assert_eq!(rig.said(), said(None, "3600", "second"));
    rig.answer(489, &[]);
    assert!(matches!(rig.events.last(), Some(PublicationEvent::Failed { retry_in: None, .. })));
    rig.nothing_left();
}

#[test]
fn an_end_at_any_moment_leaves_nothing() {
    for nth in 0..40 {
        let (mut rig, id) = Rig::published(300);
        if nth % 2 == 0 {
            rig.wait_until(270.1);
        }
        if nth % 3 == 0 {
            rig.turn(|turn| turn.modify_publication(id, body("second"))).unwrap();
        }
        rig.turn(|turn| turn.unpublish(id)).unwrap();
        match nth % 5 {
            0 => rig.answer(200, &[("SIP-ETag", "t2"), ("Expires", "300")]),
            1 => rig.answer(412, &[]),
            2 => rig.answer(500, &[]),
            _ => {}
        }
        rig.nothing_left();
        assert!(matches!(rig.events.last(), Some(PublicationEvent::Ended { .. })), "{nth}");
    }
}

#[test]
fn rfc5626_4_3_a_publication_goes_by_the_flow_that_is_there_and_keeps_its_tag() {
    let other = Path { flow: FlowId(2), local: "192.0.2.7:6000".parse().unwrap(), ..path() };
    let by = |path| {
        let (routes, contact) = (Vec::new(), ContactSpec::None);
        Whereby { routes, hop: Hop::Path(path), contact, credentials: Credentials::new() }
    };
    let by_other = |rig: &Rig| rig.last().headers().text(HeaderId::Via).unwrap().contains("192.0.2.7:6000;");
    let (mut rig, id) = Rig::published(300);
    rig.turn(|turn| turn.move_publication(id, by(other))).unwrap();
    assert_eq!(rig.sent.len(), 1, "it stands");
    rig.wait_until(270.1);
    assert!(by_other(&rig));
    assert_eq!(rig.said(), said(Some("t1"), "3600", ""));
    // Nobody answers, and it waits to be tried again: on another flow that is done at once.
    rig.wait_until(303.0);
    assert!(matches!(rig.events.last(), Some(PublicationEvent::Failed { retry_in: Some(_), .. })), "{:?}", rig.events);
    let count = rig.sent.len();
    rig.turn(|turn| turn.move_publication(id, by(path()))).unwrap();
    assert!(rig.sent.len() == count + 1 && !by_other(&rig));
    assert_eq!(rig.said(), said(Some("t1"), "3600", ""));
    rig.answer(200, &[("SIP-ETag", "t2"), ("Expires", "300")]);
    // What is under way on a flow that is gone is told again, and its answer concerns nobody.
    rig.turn(|turn| turn.modify_publication(id, body("second"))).unwrap();
    let before = rig.last().clone();
    rig.turn(|turn| turn.move_publication(id, by(other))).unwrap();
    assert!(by_other(&rig) && before.headers().cseq().number < rig.last().headers().cseq().number, "{:?}", rig.last());
    assert_eq!(rig.said(), said(Some("t2"), "3600", "second"));
    rig.answer(200, &[("SIP-ETag", "t3"), ("Expires", "300")]);
    rig.turn(|turn| turn.unpublish(id)).unwrap();
    assert_eq!(rig.said(), said(Some("t3"), "0", ""));
    rig.answer(200, &[]);
    rig.nothing_left();
}

/// Over UDP all peers are reached by one flow: our socket.
#[test]
fn rfc5626_4_3_a_publication_under_way_is_told_again_by_another_proxy_over_udp() {
    let other = Path { remote: "192.0.2.99:5060".parse().unwrap(), ..path() };
    let by = |path| {
        let (routes, contact) = (Vec::new(), ContactSpec::None);
        Whereby { routes, hop: Hop::Path(path), contact, credentials: Credentials::new() }
    };
    let (mut rig, id) = Rig::published(300);
    rig.turn(|turn| turn.move_publication(id, by(path()))).unwrap();
    rig.turn(|turn| turn.modify_publication(id, body("second"))).unwrap();
    let count = rig.sent.len();
    rig.turn(|turn| turn.move_publication(id, by(path()))).unwrap();
    assert_eq!(rig.sent.len(), count, "the same way");
    rig.turn(|turn| turn.move_publication(id, by(other))).unwrap();
    assert_eq!(rig.sent.len(), count + 1, "nobody answers what went the way before");
    assert_eq!(rig.said(), said(Some("t1"), "3600", "second"));
}
