//! Session timers (RFC 4028) with a peer that is played by hand: it takes no UPDATE, crosses, refuses, or falls silent.

use std::time::Duration;

use ua::{Call, CallEvent, EndedBy, Endpoint, SessionTimer};

use super::{Peer, SDP};
use crate::{builder, header};

const BY_US: &str = "Session-Expires: 2;refresher=uac\r\nRequire: timer\r\nContent-Type: application/sdp\r\n";

/// A call that lasts 2 s without a refresh, answered with these lines; and the INVITE.
async fn answered(lines: &str) -> (Endpoint, Peer, Call, String) {
    let timer = SessionTimer { interval: Some(Duration::from_secs(2)), least: Duration::from_secs(1), alone: false };
    let alice = builder().session_timer(Some(timer)).build().await.unwrap();
    let mut peer = Peer::new().await;
    let dialing = alice.call(peer.uri()).start().await.unwrap();
    let invite = peer.expect("INVITE").await;
    assert_eq!(header(&invite, "Session-Expires"), Some("2"));
    peer.reply(&invite, "200 OK", "a", lines, SDP).await;
    let call = dialing.answer().await.unwrap();
    peer.expect("ACK").await;
    (alice, peer, call, invite)
}

fn body(text: &str) -> &str {
    text.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn rfc4028_7_4_without_update_the_same_description_is_offered_again() {
    let (_alice, mut peer, call, invite) = answered(BY_US).await;
    for _ in 0..2 {
        let refresh = peer.expect("INVITE").await;
        assert_eq!((body(&refresh), header(&refresh, "Session-Expires")), (body(&invite), Some("2;refresher=uac")));
        peer.reply(&refresh, "200 OK", "a", BY_US, SDP).await;
        peer.expect("ACK").await;
    }
    let mut events = call.events();
    loop {
        if let CallEvent::Refreshed { interval, by_us } = events.next().await.unwrap() {
            assert_eq!((interval, by_us), (Duration::from_secs(2), true));
            break;
        }
    }
    // A hold changes the description; what keeps it up does not.
    let holding = tokio::spawn(async move {
        call.hold().await.unwrap();
        call
    });
    let hold = peer.expect("INVITE").await;
    assert!(body(&hold).contains("a=sendonly"), "{hold}");
    peer.reply(&hold, "200 OK", "a", BY_US, &SDP.replace("AVP 0\r\n", "AVP 0\r\na=recvonly\r\n")).await;
    let _call = holding.await.unwrap();
    let refresh = peer.expect("INVITE").await;
    assert_eq!(body(&refresh), body(&hold));
}

#[tokio::test]
async fn rfc4028_7_4_a_hold_waits_for_a_refresh_that_is_under_way() {
    let (_alice, mut peer, call, invite) = answered(BY_US).await;
    let refresh = peer.expect("INVITE").await;
    let holding = tokio::spawn(async move { call.hold().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    peer.reply(&refresh, "200 OK", "a", BY_US, SDP).await;
    let hold = peer.expect("INVITE").await;
    assert_eq!(body(&refresh), body(&invite));
    assert!(body(&hold).contains("a=sendonly"), "{hold}");
    peer.reply(&hold, "200 OK", "a", BY_US, &SDP.replace("AVP 0\r\n", "AVP 0\r\na=recvonly\r\n")).await;
    holding.await.unwrap().unwrap();
}

#[tokio::test]
async fn rfc4028_10_a_refresh_that_is_refused_is_tried_again_and_then_the_call_ends() {
    let (_alice, mut peer, call, invite) = answered(BY_US).await;
    // Half of what is left is waited each time, and of one code there are two.
    for _ in 0..2 {
        let refresh = peer.expect("INVITE").await;
        assert_eq!(body(&refresh), body(&invite));
        peer.reply(&refresh, "500 Not Now", "a", "", "").await;
        peer.expect("ACK").await;
    }
    let bye = peer.expect("BYE").await;
    assert!(header(&bye, "Reason").is_some_and(|reason| reason.contains("cause=408")), "{bye}");
    peer.reply(&bye, "200 OK", "a", "", "").await;
    let ended = call.ended().await;
    assert_eq!((ended.by, ended.code), (EndedBy::Error, 408));
    assert_eq!(ended.reason, "the session was not refreshed in time");
}

#[tokio::test]
async fn rfc4028_10_a_peer_that_does_not_refresh_is_hung_up_on() {
    let (_alice, mut peer, call, _) = answered(&BY_US.replace("uac", "uas")).await;
    let bye = peer.expect("BYE").await;
    peer.reply(&bye, "200 OK", "a", "", "").await;
    let ended = call.ended().await;
    assert_eq!((ended.by, ended.code), (EndedBy::Error, 408));
    // A third before the end.
    assert!((Duration::from_millis(1_200)..Duration::from_secs(2)).contains(&ended.duration), "{:?}", ended.duration);
}

#[tokio::test]
async fn rfc4028_7_3_a_peer_that_wants_more_is_called_again() {
    let (alice, mut peer) = (builder().build().await.unwrap(), Peer::new().await);
    let dialing = alice.call(peer.uri()).start().await.unwrap();
    let first = peer.expect("INVITE").await;
    assert_eq!(header(&first, "Session-Expires"), Some("1800"));
    peer.reply(&first, "422 Session Interval Too Small", "a", "Min-SE: 3000\r\n", "").await;
    peer.expect("ACK").await;
    let second = peer.expect("INVITE").await;
    assert_eq!((header(&second, "Session-Expires"), header(&second, "Min-SE")), (Some("3000"), Some("3000")));
    assert_eq!(header(&second, "Call-ID"), header(&first, "Call-ID"));
    peer.accept(&second, "a").await;
    dialing.answer().await.unwrap();
}
