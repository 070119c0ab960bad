//! What a relay changes and what it leaves.

use std::net::Ipv4Addr;

use crate::*;

#[test]
fn readdress_leaves_no_address_of_the_other_leg() {
    let text = "v=0\no=a 1 1 IN IP4 10.0.0.1\ns=-\nc=IN IP4 10.0.0.2\nt=0 0\na=ice-lite\n\
        m=audio 4000 RTP/AVP 0 101\nc=IN IP4 10.0.0.3\na=rtpmap:101 telephone-event/8000\na=rtcp:4001 IN IP4 10.0.0.4\n\
        a=candidate:1 1 udp 1 10.0.0.5 4000 typ host\na=ice-ufrag:x\na=ice-pwd:y\na=sendonly\n\
        m=video 0 RTP/AVP 31\nc=IN IP4 10.0.0.6\nm=audio 4002 RTP/AVP 8\nc=IN IP4 0.0.0.0\n";
    let mut session = Session::parse(text.as_bytes()).unwrap();
    session.readdress(Ipv4Addr::new(192, 0, 2, 9), |index, _| 7000 + 2 * u16::try_from(index).unwrap());
    let printed = session.to_string();
    assert!(!printed.contains("10.0.0."), "{printed}");
    assert!(!printed.contains("ice-"), "{printed}");
    let ports: Vec<u16> = session.media.iter().map(|media| media.port).collect();
    assert_eq!(ports, [7000, 0, 7004]);
    assert_eq!(session.stream(0).unwrap().direction(), Direction::SendOnly);
    assert!(session.stream(2).unwrap().is_held_by_address() && !session.stream(0).unwrap().is_held_by_address());
    assert_eq!(session.media[0].codecs().len(), 2);
}
