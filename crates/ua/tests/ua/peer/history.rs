//! Where a call has been (RFC 7044).

use std::net::SocketAddr;

use ua::Found;

use super::{Peer, SDP};
use crate::{builder, header};

fn entries(message: &str) -> Vec<&str> {
    message.lines().filter_map(|line| line.strip_prefix("History-Info: ")).collect()
}

#[tokio::test]
async fn rfc7044_11_an_incoming_call_tells_where_it_has_been_and_so_do_its_responses() {
    let bob = builder().build().await.unwrap();
    for (number, (lines, told_back)) in [
        ("History-Info: <sip:9@b?Reason=SIP%3Bcause%3D302>;index=1, <sip:bob@home>;index=1.1.1;mp=1\r\n", 3),
        ("Supported: histinfo\r\n", 1),
        ("", 0),
    ]
    .into_iter()
    .enumerate()
    {
        let mut peer = Peer::new().await;
        let to: SocketAddr = bob.bound()[0].address;
        peer.far = Some(to);
        let (here, length) = (peer.address, SDP.len());
        peer.send(&format!(
            "INVITE sip:bob@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKh{number}\r\nMax-Forwards: 70\r\nFrom: <sip:x@{here}>;tag=1\r\n\
             To: <sip:bob@{to}>\r\nCall-ID: h{number}\r\nCSeq: 1 INVITE\r\nContact: <sip:x@{here}>\r\n{lines}\
             Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{SDP}"
        ))
        .await;
        let incoming = bob.incoming().await.unwrap();
        let told = incoming.told();
        if number == 0 {
            let [first, second] = &told.history[..] else { panic!("{told:?}") };
            assert_eq!((first.uri.as_str(), first.index.as_str()), ("sip:9@b", "1"));
            assert_eq!((&first.found, &first.causes[..]), (&None, &["SIP;cause=302".to_owned()][..]));
            assert_eq!((second.uri.as_str(), second.index.as_str()), ("sip:bob@home", "1.1.1"));
            assert_eq!(second.found, Some((Found::OtherUser, "1".to_owned())));
            assert!(told.history_has_gaps, "1.1 is missing");
        } else {
            assert!(told.history.is_empty() && !told.history_has_gaps, "{told:?}");
        }
        incoming.ring().await.unwrap();
        let ringing = peer.expect("SIP/2.0 180").await;
        assert_eq!(entries(&ringing).len(), told_back, "{ringing}");
        incoming.reject(486, (number == 1).then_some("In a meeting")).await;
        let refused = peer.expect("SIP/2.0 486").await;
        assert_eq!(entries(&refused), entries(&ringing));
        if number == 0 {
            assert_eq!(entries(&refused)[2], format!("<sip:bob@{to}>;index=1.1.1.0"), "for who has written none");
        }
    }
}

#[tokio::test]
async fn rfc7044_6_1_who_wants_to_be_told_says_so_and_begins_the_history() {
    for wants in [true, false] {
        let plain = builder();
        let alice = if wants { plain.history() } else { plain };
        let alice = alice.build().await.unwrap();
        let mut peer = Peer::new().await;
        let dialing = alice.call(peer.uri()).start().await.unwrap();
        let invite = peer.expect("INVITE").await;
        let supported = header(&invite, "Supported").unwrap_or_default();
        assert_eq!(supported.split(", ").any(|tag| tag == "histinfo"), wants, "{invite}");
        let first = format!("<{}>;index=1", peer.uri());
        assert_eq!(entries(&invite), if wants { vec![first.as_str()] } else { Vec::new() });
        let busy = format!(
            "History-Info: {first}\r\nHistory-Info: <sip:desk@far?Reason=SIP%3Bcause%3D486>;index=1.1;rc=1\r\n"
        );
        peer.reply(&invite, "486 Busy Here", "a", &busy, "").await;
        let Some(ua::CallError::Rejected { told, .. }) = dialing.answer().await.err() else { panic!("not refused") };
        assert_eq!(told.history.len(), 2);
        assert_eq!(told.history[1].causes, ["SIP;cause=486"]);
    }
}
