//! Inheritance from the session section, packet times, RTCP.

use std::time::Duration;

use crate::*;

fn session(lines: &str) -> Session {
    Session::parse(format!("v=0\no=- 1 1 IN IP4 h\ns=-\n{lines}").as_bytes()).unwrap()
}

fn audio(lines: &str) -> Session {
    session(&format!("c=IN IP4 192.0.2.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n{lines}"))
}

#[test]
fn rfc8866_6_7_direction_of_the_section_over_the_session_over_sendrecv() {
    let s = session("c=IN IP6 2001:db8::1\nt=0 0\na=inactive\nm=audio 9 RTP/AVP 0\na=sendrecv\nm=audio 9 RTP/AVP 0\n");
    let directions: Vec<Direction> = s.streams().map(|stream| stream.direction()).collect();
    assert_eq!(directions, [Direction::SendRecv, Direction::Inactive]);
    assert_eq!(audio("").stream(0).unwrap().direction(), Direction::SendRecv);
    assert_eq!(audio("a=sendonly\na=x\na=recvonly\n").stream(0).unwrap().direction(), Direction::RecvOnly);
}

#[test]
fn rfc8866_5_7_connection_of_the_section_over_the_session() {
    let s = session("c=IN IP4 192.0.2.1\nt=0 0\nm=audio 9 RTP/AVP 0\nm=video 9 RTP/AVP 31\nc=IN IP6 2001:db8::2\n");
    let addresses: Vec<String> = s.streams().map(|stream| stream.connection().unwrap().to_string()).collect();
    assert_eq!(addresses, ["IN IP4 192.0.2.1", "IN IP6 2001:db8::2"]);
}

#[test]
fn rfc3264_8_4_null_address_is_a_hold_unless_ice_is_used() {
    for (lines, held) in [
        ("c=IN IP4 0.0.0.0\nt=0 0\nm=audio 9 RTP/AVP 0\n", true),
        ("c=IN IP4 192.0.2.1\nt=0 0\nm=audio 9 RTP/AVP 0\nc=IN IP4 0.0.0.0\n", true),
        ("c=IN IP6 ::\nt=0 0\nm=audio 9 RTP/AVP 0\n", true),
        ("c=IN IP4 192.0.2.1\nt=0 0\nm=audio 9 RTP/AVP 0\n", false),
        ("c=IN IP4 0.0.0.0\nt=0 0\nm=audio 9 RTP/AVP 0\na=ice-ufrag:abcd\n", false),
        ("c=IN IP4 0.0.0.0\nt=0 0\na=ice-ufrag:abcd\nm=audio 9 RTP/AVP 0\n", false),
    ] {
        let s = session(lines);
        assert_eq!(s.stream(0).unwrap().is_held_by_address(), held, "{lines}");
    }
    assert_eq!(session("c=IN IP4 0.0.0.0\nt=0 0\nm=audio 9 RTP/AVP 0\n").stream(0).unwrap().rtp_endpoint(), None);
}

#[test]
fn cve_sdp_ptime_is_bounded_and_never_zero() {
    for (value, expected) in [
        ("20", Some(Duration::from_millis(20))),
        ("1", Some(Duration::from_millis(1))),
        ("2.5", Some(Duration::from_micros(2500))),
        ("0.0001", None),
        ("65535", Some(Duration::from_millis(65_535))),
        (" 30 ", Some(Duration::from_millis(30))),
        ("0", None),
        ("0.0", None),
        ("65536", None),
        ("-20", None),
        ("+20", None),
        ("2e1", None),
        ("20.x", None),
        ("", None),
        ("99999999999999999999", None),
    ] {
        let s = audio(&format!("a=ptime:{value}\na=maxptime:{value}\n"));
        let stream = s.stream(0).unwrap();
        assert_eq!((stream.ptime(), stream.maxptime()), (expected, expected), "{value:?}");
    }
}

#[test]
fn rfc3605_2_1_rtcp_port_and_address() {
    let endpoint = |lines: &str| audio(lines).stream(0).unwrap().rtcp_endpoint().map(|(a, p)| format!("{a} {p}"));
    assert_eq!(endpoint("").as_deref(), Some("IN IP4 192.0.2.1 5005"));
    assert_eq!(endpoint("a=rtcp:53020\n").as_deref(), Some("IN IP4 192.0.2.1 53020"));
    assert_eq!(endpoint("a=rtcp:53020 IN IP6 2001:db8::7\n").as_deref(), Some("IN IP6 2001:db8::7 53020"));
    for broken in ["a=rtcp:0\n", "a=rtcp:65536\n", "a=rtcp:\n", "a=rtcp:1 IN\n", "a=rtcp:1 IN IP4 999.1.1.1\n"] {
        assert_eq!(audio(broken).media[0].rtcp(), None, "{broken}");
    }
    let top = session("c=IN IP4 192.0.2.1\nt=0 0\nm=audio 65535 RTP/AVP 0\n");
    assert_eq!(top.stream(0).unwrap().rtcp_endpoint(), None);
    assert!(audio("a=rtcp-mux\n").media[0].rtcp_mux());
}

#[test]
fn rfc8866_5_14_an_odd_port_is_taken_as_it_is() {
    let s = session("c=IN IP4 192.0.2.1\nt=0 0\nm=audio 5005 RTP/AVP 0\na=rtcp:5004\nm=audio 5007 RTP/AVP 0\n");
    let ports = |index: usize| {
        let stream = s.stream(index).unwrap();
        (stream.rtp_endpoint().unwrap().1, stream.rtcp_endpoint().unwrap().1)
    };
    assert_eq!((ports(0), ports(1)), ((5005, 5004), (5007, 5008)));
}

#[test]
fn rfc8866_5_8_bandwidth_of_the_section_over_the_session() {
    let s = session("c=IN IP4 h.example\nb=AS:100\nb=RR:5\nt=0 0\nm=audio 9 RTP/AVP 0\nb=AS:64\n");
    let stream = s.stream(0).unwrap();
    assert_eq!((stream.bandwidth("AS"), stream.bandwidth("RR"), stream.bandwidth("RS")), (Some(64), Some(5), None));
}

#[test]
fn attributes_are_edited_in_place() {
    let mut s = audio("a=sendonly\na=x:1\na=inactive\na=x:2\n");
    let attributes = &mut s.media[0].attributes;
    attributes.set_direction(Direction::RecvOnly);
    attributes.set(Attribute::new("x", "3").unwrap());
    attributes.set(Attribute::flag("y").unwrap());
    let printed: Vec<String> = attributes.iter().map(Attribute::to_string).collect();
    assert_eq!(printed, ["recvonly", "x:3", "y"]);
    attributes.remove("x");
    assert!(!attributes.has("x") && attributes.get("y") == Some(""));
}
