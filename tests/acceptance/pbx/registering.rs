//! Who may register, and for how long.

use std::net::UdpSocket;
use std::time::Duration;

use super::{Device, code, field, fields, server};
use crate::acceptance::wire::{Wire, challenged, contact, with_credentials};
use crate::program::PATIENCE;

#[test]
fn tb01_register_challenged_and_accepted() {
    let server = server("");
    let mut alice = Device::new(&server, "alice");
    let ask = alice.registration(&[]);
    let challenge = alice.wire.final_of(&ask);
    assert_eq!(code(&challenge), 401);
    let asked = fields(&challenge, "WWW-Authenticate");
    assert!(!asked.is_empty() && asked.iter().all(|value| value.contains("realm=\"test\"")), "{challenge}");
    let answer = alice.register(&[]);
    assert_eq!(code(&answer), 200);
    let bound = field(&answer, "Contact").unwrap();
    assert!(bound.starts_with(&format!("<{}>;expires=", alice.contact())), "{answer}");
    let date = field(&answer, "Date").unwrap();
    assert!(date.ends_with(" GMT") && date.len() == "Sat, 21 Nov 2026 12:00:00 GMT".len(), "{answer}");
    // A wrong password binds nothing.
    let mut other = Device { password: "b", ..Device::new(&server, "alice") };
    assert_eq!(code(&other.register(&[])), 403);
    assert_eq!(fields(&alice.register(&["Expires: 60"]), "Contact").len(), 1);
}

#[test]
fn tb03_expiry_below_the_minimum_423_or_clamp() {
    for (configuration, clamps) in [("", false), ("register = { clamp = true }", true)] {
        let server = server(configuration);
        let mut alice = Device::new(&server, "alice");
        let contact = format!("Contact: <{}>", alice.contact());
        let brief = alice.register(&[&contact, "Expires: 10"]);
        let query = ["X-Asks: only"];
        if clamps {
            assert!(code(&brief) == 200 && field(&brief, "Contact").unwrap().ends_with(";expires=60"), "{brief}");
        } else {
            assert_eq!((code(&brief), field(&brief, "Min-Expires").as_deref()), (423, Some("60")));
            assert_eq!(field(&alice.register(&query), "Contact"), None, "nothing is bound");
        }
        let long = alice.register(&[&contact, "Expires: 99999"]);
        assert!(code(&long) == 200 && field(&long, "Contact").unwrap().ends_with(";expires=3600"), "{long}");
    }
}

#[test]
fn tb06_nat_source_address_or_contact() {
    // The Contact names another address of this machine than the one the REGISTER comes from.
    for (nat, by_source) in [("always", true), ("auto", true), ("never", false)] {
        let server = server(&format!("register = {{ nat = \"{nat}\" }}"));
        let named = UdpSocket::bind("127.0.0.9:0").unwrap();
        named.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut bob = Device::new(&server, "bob");
        let named_contact = format!("sip:bob@{}", named.local_addr().unwrap());
        assert_eq!(code(&bob.register(&[&format!("Contact: <{named_contact}>")])), 200);
        let mut alice = Device::new(&server, "alice");
        alice.dial("bob");
        let invite = if by_source {
            bob.asked("INVITE")
        } else {
            let mut buffer = [0; 8_192];
            let length = named.recv(&mut buffer).expect("an INVITE at the address of the Contact");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        assert!(invite.starts_with(&format!("INVITE {named_contact} SIP/2.0\r\n")), "{nat}: {invite}");
        named.set_read_timeout(Some(QUIET)).unwrap();
        let elsewhere = if by_source { named.recv(&mut [0; 10]).is_ok() } else { bob.wire.next(QUIET).is_some() };
        assert!(!elsewhere, "{nat}: and nowhere else");
    }
}

/// Longer than a second copy of what must not come would take.
const QUIET: Duration = Duration::from_millis(700);

#[test]
fn tb10_stale_nonce() {
    let server = server("");
    let mut alice = Device::new(&server, "alice");
    let ask = alice.registration(&[]);
    let challenge = alice.wire.final_of(&ask);
    let signed = with_credentials(ask.clone(), &mut challenged(&challenge, "alice", "a"));
    let used = |wire: &mut Wire, cseq: u32| {
        let mut again = signed.clone();
        (again.branch, again.cseq) = (wire.ask("REGISTER").branch, format!("{cseq} REGISTER"));
        wire.final_of(&again)
    };
    assert_eq!(code(&used(&mut alice.wire, 2)), 200);
    // The same nonce and count once more: right, and too old.
    let stale = used(&mut alice.wire, 3);
    assert_eq!(code(&stale), 401);
    let asked = fields(&stale, "WWW-Authenticate");
    assert!(asked.iter().all(|value| value.contains("stale=true")), "{stale}");
    assert!(!challenge.contains("stale=true"));
    let mut fresh = with_credentials(ask, &mut challenged(&stale, "alice", "a"));
    (fresh.branch, fresh.cseq) = (alice.wire.ask("REGISTER").branch, "4 REGISTER".into());
    let answer = alice.wire.final_of(&fresh);
    assert_eq!((code(&answer), contact(&answer)), (200, alice.contact()));
}
