//! Addresses: every form of a SIP URI, when two are one, and telephone numbers in them (ids c33, c34).

use super::{Device, Server, code, fields, offhook, server};
use crate::acceptance::wire::Wire;

#[test]
fn c33_sip_uri_forms() {
    let (_robot, host) = offhook::answer(&[]);
    let mut wire = Wire::to(&host);
    let forms = [
        "sip:{}",
        "SIP:robot@{}",
        "sip:%72obot@{}",
        "sip:robot:secret@{}",
        "sip:robot;x=y@{}",
        "sip:robot@{};transport=udp;lr",
        "sip:robot@[::1]:5060",
        "sip:robot@[2001:db8::9:1]",
        "sips:robot@{}",
        "sip:+49301234567@{};user=phone",
        "tel:+49301234567",
        "tel:7042;phone-context=example.com",
    ];
    for (form, due) in forms.map(|form| (form, 200)).into_iter().chain([
        ("mailto:robot@example.com", 416),
        ("sip:robot@{}?Subject=none", 400),
        ("sip:robot@[::1", 400),
        ("sip:", 400),
    ]) {
        let mut ask = wire.ask("OPTIONS");
        ask.uri = form.replace("{}", &host);
        assert_eq!(wire.code_of(&ask), due, "{}", ask.uri);
    }
}

/// How many bindings there are when a device registers two contacts, one after the other.
fn bindings(server: &Server, contacts: [&str; 2]) -> usize {
    let mut device = Device::new(server, "alice");
    let last = contacts.map(|contact| {
        let answer = device.register(&[&format!("Contact: <{contact}>")]);
        assert_eq!(code(&answer), 200, "{contact}: {answer}");
        fields(&answer, "Contact").len()
    });
    let gone = device.register(&["Contact: *", "Expires: 0"]);
    assert_eq!((code(&gone), fields(&gone, "Contact").len()), (200, 0));
    last[1]
}

#[test]
fn c33_sip_uri_equality() {
    let server = server("");
    // The pairs of RFC 3261 section 19.1.4.
    for same in [
        ["sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"],
        ["sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"],
        ["sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"],
        [
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ],
        ["sip:a:pw@[2001:db8::1]:5060", "sip:a:pw@[2001:DB8:0::0001]:5060"],
    ] {
        assert_eq!(bindings(&server, same), 1, "{same:?}");
    }
    for different in [
        ["sip:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"],
        ["sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"],
        ["sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"],
        ["sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"],
        ["sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"],
        ["sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"],
        ["sip:a:pw@chicago.com", "sip:a@chicago.com"],
        ["sip:carol@chicago.com;security=off", "sip:carol@chicago.com;security=on"],
        ["sip:chicago.com", "sip:carol@chicago.com"],
    ] {
        assert_eq!(bindings(&server, different), 2, "{different:?}");
    }
}

#[test]
fn c33_sip_uri_equality_of_who_is_called() {
    let server = server("");
    let (mut alice, bob) = (Device::new(&server, "alice"), Device::registered(&server, "bob"));
    let port = server.address.rsplit(':').next().unwrap();
    for (dialled, due) in [
        (format!("sip:bob@{}", server.address), 486),
        (format!("SIP:bob@LOCALHOST:{port}"), 486),
        (format!("sip:%62ob@{}", server.address), 486),
        (format!("sip:bob:secret@{};user=ip", server.address), 486),
        (format!("sip:Bob@{}", server.address), 404),
    ] {
        let mut invite = alice.invite("bob");
        invite.uri = dialled.clone();
        let signed = alice.wire.signed(&invite, "alice", "a");
        alice.wire.send(&signed);
        if due == 486 {
            let called = bob.asked("INVITE");
            assert!(called.starts_with(&format!("INVITE {} SIP/2.0", bob.contact())), "{called}");
            bob.reply(&called, "486 Busy Here");
            bob.asked("ACK");
        }
        assert_eq!(code(&alice.ends(&signed)), due, "{dialled}");
    }
}

#[test]
fn c34_telephone_numbers_in_uris() {
    let text = "realm = \"test\"\n[users.alice]\npassword = \"a\"\n[users.bob]\npassword = \"b\"\nnumbers = [\"+49301234567\"]\n";
    let server = offhook::serve(&["--config", offhook::configuration(text).path().to_str().unwrap()]);
    let (mut alice, bob) = (Device::new(&server, "alice"), Device::registered(&server, "bob"));
    for (number, rings) in [("+49301234567", true), ("%2B49301234567", true), ("+49301234568", false)] {
        let mut invite = alice.invite(number);
        invite.uri += ";user=phone";
        let signed = alice.wire.signed(&invite, "alice", "a");
        alice.wire.send(&signed);
        if rings {
            // The number that was dialled is heard at the other end.
            let called = bob.takes();
            assert!(called.contains("\r\nTo: <sip:+49301234567@"), "{called}");
        }
        let end = alice.ends(&signed);
        assert_eq!(code(&end), if rings { 200 } else { 404 }, "{number}");
        if rings {
            let bye = alice.wire.within(&end, "BYE", 3);
            assert_eq!(alice.wire.code_of(&bye), 200);
            let bye = bob.asked("BYE");
            bob.reply(&bye, "200 OK");
        }
    }
}
