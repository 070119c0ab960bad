use sip::message::Message;

use super::*;

fn of(kind: &str, body: &str) -> ResourceState {
    let text = format!(
        "NOTIFY sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1\r\nFrom: <sip:b@x>;tag=1\r\nTo: <sip:a@x>;tag=2\r\nCall-ID: c\r\n\
         CSeq: 1 NOTIFY\r\nMax-Forwards: 70\r\nEvent: presence\r\nSubscription-State: active\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    match Message::parse(text.into_bytes().into(), &Limits::default()) {
        Ok(Message::Request(request)) => ResourceState::of(request.headers()),
        other => panic!("{other:?}"),
    }
}

const OPEN: &str = "<presence entity='sip:b@x'><tuple id='a'><status><basic>open</basic></status></tuple></presence>";

#[test]
fn bodies_are_read_by_their_type() {
    assert!(
        matches!(of("application/pidf+xml", OPEN), ResourceState::Presence(bob) if bob.basic() == Some(event::presence::Basic::Open))
    );
    assert!(matches!(of("application/pidf+xml", "<presence>"), ResourceState::Broken { .. }));
    assert!(matches!(of("text/plain", "hi"), ResourceState::Other { .. }));
    assert_eq!(of("application/pidf+xml", ""), ResourceState::Nothing);
    assert!(
        matches!(of("application/simple-message-summary", "Messages-Waiting: yes\r\n"), ResourceState::Summary(one) if one.waiting)
    );
}

#[test]
fn rfc4662_4_5_a_list_and_the_states_it_names() {
    let list = "<list uri='sip:l@x' version='0' fullState='true'><resource uri='sip:b@x'><instance id='1' state='active' cid='one@x'/></resource></list>";
    let body = format!(
        "--b\r\nContent-Type: application/rlmi+xml\r\nContent-ID: <root@x>\r\n\r\n{list}\r\n--b\r\nContent-Type: application/pidf+xml\r\n\
         Content-ID: <one@x>\r\n\r\n{OPEN}\r\n--b--\r\n"
    );
    let kind = "multipart/related;type=\"application/rlmi+xml\";start=\"<root@x>\";boundary=b";
    let ResourceState::List { list, states } = of(kind, &body) else { panic!("{:?}", of(kind, &body)) };
    assert_eq!(list.resources[0].instances[0].cid.as_deref(), Some("one@x"));
    assert!(matches!(&states[..], [(id, ResourceState::Presence(_))] if id == "one@x"), "{states:?}");
    // Without the part that says what the others are, and without an end.
    let bare = format!("--b\r\nContent-Type: application/pidf+xml\r\n\r\n{OPEN}\r\n--b--\r\n");
    assert!(matches!(of(kind, &bare), ResourceState::Broken { .. }));
    assert!(matches!(of(kind, body.trim_end_matches("--b--\r\n")), ResourceState::Broken { .. }));
}
