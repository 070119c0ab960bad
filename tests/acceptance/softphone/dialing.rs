//! Calls that are placed.

use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ua::{AccountConfig, CallError, EndedBy};

use super::{Phone, is_whole, line};
use crate::acceptance::wire::{Callee, Wire, body, contact, field, number};
use crate::program::PATIENCE;

#[test]
fn ta01_make_a_call() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let account = phone.run(phone.endpoint.account(AccountConfig::new("sip:alice@example.org"))).unwrap();
    let mut dialing = phone.run(account.call(callee.uri()).start()).unwrap();
    let invite = callee.request("INVITE");
    assert!(invite.starts_with(&format!("INVITE {} SIP/2.0\r\n", callee.uri())), "{invite}");
    assert_eq!(field(&invite, "To").unwrap(), format!("<{}>", callee.uri()));
    assert!(field(&invite, "From").unwrap().starts_with("<sip:alice@example.org>;tag="), "{invite}");
    is_whole(&invite);
    let offer = body(&invite);
    assert!(line(offer, "m=audio ").ends_with(" RTP/AVP 0 8 101"), "{offer}");
    line(offer, "a=rtpmap:101 telephone-event/8000");
    // Its Contact is reachable.
    let mut wire = Wire::to(&phone.address());
    let mut options = wire.ask("OPTIONS");
    options.uri = contact(&invite);
    assert!(options.uri.ends_with(&phone.address()), "{}", options.uri);
    assert_eq!(wire.code_of(&options), 200);
    // CALLING, EARLY, CONFIRMED.
    callee.reply(&invite, "100 Trying", "");
    callee.reply(&invite, "180 Ringing", "");
    let early = phone.run(dialing.progress()).unwrap();
    assert_eq!((early.code, early.reason.as_str(), early.early_media), (180, "Ringing", false));
    callee.reply(&invite, "200 OK", "");
    let call = phone.run(dialing.answer()).unwrap();
    let ack = callee.request("ACK");
    assert_eq!((number(&ack), phone.calls()), (number(&invite), 1));
    let ended = phone.run(call.hangup());
    callee.request("BYE");
    assert!(!ended.duration.is_zero(), "{ended}");
    // Without an answer there is no duration.
    let (dialing, _) = phone.dial(&mut callee);
    assert!(phone.run(dialing.cancel()).duration.is_zero());
}

#[test]
fn ta02_bad_uri_refused_before_any_packet() {
    let phone = Phone::new();
    for bad in ["not a uri", "sip:", "", "sip:x@", "sip:x@h\r\nX: 1", "mailto:x@h"] {
        let refused = phone.run(phone.endpoint.call(bad).start()).err();
        assert!(matches!(refused, Some(CallError::BadUri { .. })), "{bad:?}: {refused:?}");
    }
    assert_eq!((phone.calls(), phone.sent()), (0, 0));
}

#[test]
fn ta05_bad_account_refused_before_any_packet() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    for bad in ["", "not a uri", "sip:", "sip:alice@", "tel:+4930123", "mailto:alice@h", "sip:alice@h\r\nX: 1"] {
        let refused = phone.run(phone.endpoint.account(AccountConfig::new(bad))).err();
        assert!(matches!(refused, Some(CallError::BadUri { .. })), "{bad:?}: {refused:?}");
    }
    assert_eq!((phone.calls(), phone.sent()), (0, 0));
    // An account is a value, so there is none with a wrong number; that of an endpoint which is closed calls nobody any more.
    let account = phone.run(phone.endpoint.account(AccountConfig::new("sip:alice@example.org"))).unwrap();
    let Phone { runtime, endpoint, sent } = phone;
    runtime.block_on(endpoint.close());
    assert!(runtime.block_on(account.call(callee.uri()).start()).is_err());
    assert_eq!((callee.next(Duration::from_millis(400)), sent.load(Ordering::Relaxed)), (None, 0));
}

#[test]
fn ta03_capacity_of_calls() {
    let phone = Phone::with(|builder| builder.max_calls(2));
    let mut callee = Callee::new();
    let (up, _, _) = phone.call(&mut callee);
    let (_calling, _) = phone.dial(&mut callee);
    let refused = phone.run(async { phone.endpoint.call(callee.uri()).await.err() });
    assert_eq!(refused, Some(CallError::TooMany { limit: 2 }));
    let mut wire = Wire::to(&phone.address());
    let invite = wire.ask("INVITE");
    assert_eq!(wire.code_of(&invite), 486);
    assert_eq!(phone.calls(), 2);
    // There is room again.
    phone.run(up.hangup());
    let invite = wire.ask("INVITE");
    phone.rung(&wire, &invite);
}

#[test]
fn ta10_cancel_after_a_provisional() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let (mut dialing, invite) = phone.dial(&mut callee);
    callee.reply(&invite, "180 Ringing", "");
    phone.run(dialing.progress()).unwrap();
    // DISCONNECTED at once: the peer has not answered the CANCEL yet.
    let ended = phone.run(dialing.cancel());
    assert_eq!((ended.by, ended.code, phone.calls()), (EndedBy::Us, 487, 0));
    let cancel = callee.request("CANCEL");
    assert_eq!(field(&cancel, "Via"), field(&invite, "Via"), "the same branch");
    assert_eq!(field(&cancel, "CSeq").unwrap(), format!("{} CANCEL", number(&invite)));
    callee.reply(&cancel, "200 OK", "");
    callee.reply(&invite, "487 Request Terminated", "");
    let ack = callee.request("ACK");
    assert_eq!(field(&ack, "CSeq").unwrap(), format!("{} ACK", number(&invite)));
    assert_eq!(field(&ack, "Via"), field(&invite, "Via"));
}

/// Whether a time is what is due, within a tenth and what a busy machine takes.
fn about(took: Duration, due: Duration) -> bool {
    took >= due * 9 / 10 && took <= due * 11 / 10 + Duration::from_millis(400)
}

#[test]
fn ta11_cancel_waits_for_a_provisional() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let (dialing, invite) = phone.dial(&mut callee);
    let began = Instant::now();
    let mut dialing = Some(dialing);
    // 0.5, 1 and 2 s apart.
    for due in [500, 1_500, 3_500] {
        let copy = callee.next(PATIENCE).unwrap();
        assert_eq!(copy, invite, "nothing but copies: no CANCEL before a provisional response");
        let took = began.elapsed();
        assert!(about(took, Duration::from_millis(due)), "after {took:?} instead of {due} ms");
        if let Some(dialing) = dialing.take() {
            assert_eq!(phone.run(dialing.cancel()).by, EndedBy::Us);
        }
    }
    callee.reply(&invite, "100 Trying", "");
    let due = Instant::now();
    let cancel = callee.next(PATIENCE).unwrap();
    assert!(cancel.starts_with("CANCEL ") && due.elapsed() < Duration::from_millis(200), "{cancel}");
    callee.reply(&cancel, "200 OK", "");
    callee.reply(&invite, "487 Request Terminated", "");
    callee.request("ACK");
}

#[test]
fn ta12_200_crossing_the_cancel() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let (mut dialing, invite) = phone.dial(&mut callee);
    callee.reply(&invite, "180 Ringing", "");
    phone.run(dialing.progress()).unwrap();
    phone.run(dialing.cancel());
    let cancel = callee.request("CANCEL");
    callee.reply(&cancel, "200 OK", "");
    callee.reply(&invite, "200 OK", "");
    let due = Instant::now();
    let ack = callee.next(PATIENCE).unwrap();
    assert!(ack.starts_with("ACK ") && number(&ack) == number(&invite), "{ack}");
    let bye = callee.next(PATIENCE).unwrap();
    assert!(bye.starts_with("BYE ") && number(&bye) == number(&invite) + 1, "{bye}");
    assert!(due.elapsed() < Duration::from_millis(200), "{:?}", due.elapsed());
    callee.reply(&bye, "200 OK", "");
}

/// An MD5 sum, by a program that is not ours.
fn md5(text: &str) -> String {
    let mut sum = Command::new("md5sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut sum.stdin.take().unwrap(), text.as_bytes()).unwrap();
    String::from_utf8(sum.wait_with_output().unwrap().stdout).unwrap()[..32].to_owned()
}

/// A parameter of credentials.
fn parameter<'a>(credentials: &'a str, name: &str) -> &'a str {
    let found =
        credentials.trim_start_matches("Digest ").split(", ").find_map(|one| one.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {credentials}")).trim_matches('"')
}

#[test]
fn ta35_digest_authentication_of_invite() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let own = format!("sip:alice@{}", callee.wire().local());
    let account = phone.run(phone.endpoint.account(AccountConfig::new(own).password("secret").realm("R"))).unwrap();
    let asks =
        |realm| format!("Proxy-Authenticate: Digest realm=\"{realm}\", nonce=\"n1\", qop=\"auth\", algorithm=MD5\r\n");
    for granted in [true, false] {
        let dialing = phone.run(account.call(callee.uri()).start()).unwrap();
        let first = callee.request("INVITE");
        callee.reply(&first, "407 Proxy Authentication Required", &asks("R"));
        assert_eq!(number(&callee.request("ACK")), number(&first));
        let second = callee.request("INVITE");
        assert_eq!(number(&second), number(&first) + 1);
        assert_eq!(
            (field(&second, "Call-ID"), field(&second, "From")),
            (field(&first, "Call-ID"), field(&first, "From"))
        );
        let credentials = field(&second, "Proxy-Authorization").unwrap();
        let given = |name| parameter(&credentials, name);
        let a1 = md5("alice:R:secret");
        let a2 = md5(&format!("INVITE:{}", given("uri")));
        let due = md5(&format!("{a1}:n1:{}:{}:auth:{a2}", given("nc"), given("cnonce")));
        assert_eq!((given("username"), given("realm"), given("nonce"), given("nc")), ("alice", "R", "n1", "00000001"));
        assert_eq!((given("uri"), given("response")), (callee.uri().as_str(), due.as_str()));
        if granted {
            callee.reply(&second, "200 OK", "");
            callee.request("ACK");
            phone.run(phone.run(dialing.answer()).unwrap().hangup());
            callee.request("BYE");
            continue;
        }
        callee.reply(&second, "407 Proxy Authentication Required", &asks("R"));
        callee.request("ACK");
        assert_eq!(phone.run(dialing.answer()).err(), Some(CallError::Authentication { code: 407 }));
    }
    for (mut callee, realm) in [(callee, "of another"), (Callee::new(), "R")] {
        let dialing = phone.run(account.call(callee.uri()).start()).unwrap();
        let invite = callee.request("INVITE");
        callee.reply(&invite, "407 Proxy Authentication Required", &asks(realm));
        callee.request("ACK");
        assert_eq!(phone.run(dialing.answer()).err(), Some(CallError::Authentication { code: 407 }));
        let mut rest = callee.wire().rest().into_iter();
        assert!(rest.all(|text| text == invite), "nothing is proved to a stranger, nor in another's realm");
    }
}

#[test]
fn ta36_forked_2xx() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let (dialing, invite) = phone.dial(&mut callee);
    callee.reply(&invite, "200 OK", "");
    let call = phone.run(dialing.answer()).unwrap();
    let ack = callee.request("ACK");
    assert!(field(&ack, "To").unwrap().ends_with(";tag=callee"));
    callee.wire().tag = "other".into();
    callee.reply(&invite, "200 OK", "");
    for method in ["ACK", "BYE"] {
        let request = callee.request(method);
        assert!(field(&request, "To").unwrap().ends_with(";tag=other"), "{request}");
        if method == "BYE" {
            callee.reply(&request, "200 OK", "");
        }
    }
    // The call stays with the first.
    assert!(!call.is_over());
    phone.run(call.hangup());
    let bye = callee.request("BYE");
    assert!(field(&bye, "To").unwrap().ends_with(";tag=callee"), "{bye}");
}
