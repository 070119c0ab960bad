//! Who asks for a password in a call, and to whom a proof of it is shown.

use ua::AccountConfig;

use super::*;
use crate::Wire;

const SDP_TYPE: &str = "Content-Type: application/sdp\r\n";

fn challenge(nonce: u8) -> String {
    format!("Proxy-Authenticate: Digest realm=\"home\", nonce=\"{nonce}\", qop=\"auth\"\r\n")
}

/// A call through a proxy that has asked for the password, and stays on the way or not; the callee chooses where our requests go then.
async fn proxied(stays: bool) -> (Wire, Endpoint, Peer, Peer, Call) {
    let wire = Wire::default();
    let alice = wire.tap(builder()).build().await.unwrap();
    let (mut proxy, mut callee) = (Peer::new().await, Peer::new().await);
    let way = format!("sip:{}", proxy.address);
    let config = AccountConfig::new("sip:alice@home.example").password("secret").proxy(&way);
    let account = alice.account(config).await.unwrap();
    let dialing = account.call("sip:bob@home.example").start().await.unwrap();
    let asked = proxy.expect("INVITE").await;
    proxy.reply(&asked, "407 Proxy Authentication Required", "p", &challenge(1), "").await;
    let invite = proxy.expect("INVITE").await;
    assert!(header(&invite, "Proxy-Authorization").is_some(), "{invite}");
    let contact = callee.uri().replace("peer", "0090012345");
    let record = if stays { format!("Record-Route: <{way};lr>\r\n") } else { String::new() };
    proxy.reply_for(&contact, &invite, "200 OK", "a", &(record + SDP_TYPE), SDP).await;
    let call = dialing.answer().await.unwrap();
    // RFC 3261 section 13.2.2.4 has the ACK carry what the INVITE did.
    if stays { &mut proxy } else { &mut callee }.expect("ACK").await;
    (wire, alice, proxy, callee, call)
}

#[tokio::test]
async fn cve_our_client_leaks_its_hash_requests_in_a_dialog_are_signed_for_who_has_asked_alone() {
    let (wire, alice, _proxy, mut callee, call) = proxied(false).await;
    let (held, ()) = tokio::join!(call.hold(), async {
        let invite = callee.expect("INVITE").await;
        assert!(invite.starts_with("INVITE sip:0090012345@"), "{invite}");
        callee.reply(&invite, "407 Proxy Authentication Required", "a", &challenge(2), "").await;
        callee.expect("ACK").await;
    });
    assert!(held.is_err(), "{held:?}");
    let (_, ()) = tokio::join!(call.hangup(), async {
        let bye = callee.expect("BYE").await;
        let ask = challenge(3).replace("Proxy-Authenticate", "WWW-Authenticate");
        callee.reply(&bye, "401 Unauthorized", "a", &ask, "").await;
    });
    alice.close().await;
    let signed = |method: &str| {
        let all = wire.messages(true, method);
        let signed = all.iter().filter(|text| text.contains("uthorization: Digest"));
        (all.len(), signed.count())
    };
    assert_eq!((signed("INVITE"), signed("BYE")), ((3, 1), (1, 0)));
}

/// The control: the same of a proxy that stays on the way, under its address, and takes no nonce twice.
#[tokio::test]
async fn rfc3261_22_3_a_proxy_on_the_way_of_a_dialog_is_shown_what_it_has_asked_for() {
    let (_wire, _alice, mut proxy, _callee, call) = proxied(true).await;
    let (held, ()) = tokio::join!(call.hold(), async {
        let invite = proxy.expect("INVITE").await;
        let signed = header(&invite, "Proxy-Authorization").unwrap_or_default();
        assert!(signed.contains("nonce=\"1\"") && signed.contains("nc=00000002"), "{invite}");
        proxy.reply(&invite, "407 Proxy Authentication Required", "a", &challenge(2), "").await;
        let invite = proxy.expect("INVITE").await;
        assert!(header(&invite, "Proxy-Authorization").unwrap_or_default().contains("nonce=\"2\""), "{invite}");
        proxy.accept(&invite, "a").await;
        proxy.expect("ACK").await;
    });
    held.unwrap();
}
