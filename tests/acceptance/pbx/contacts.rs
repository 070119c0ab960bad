//! A user with several devices.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{Ask, Device, PATIENCE, Server, challenged, code, field, fields, offhook, response, with_credentials};
use crate::acceptance::wire::body;

/// alice may have three contacts; bindings of a second are allowed.
fn server(more: &str) -> Server {
    let text = format!(
        "realm = \"test\"\nregister = {{ min_expires_secs = 1 }}\n[users.alice]\npassword = \"a\"\nmax_contacts = 3\n{more}\n\
         [users.bob]\npassword = \"b\"\n"
    );
    offhook::serve(&["--config", offhook::configuration(&text).path().to_str().unwrap()])
}

/// Three devices of alice, registered one after the other: each 200 lists those so far.
fn three(server: &Server) -> Vec<Device> {
    let mut devices: Vec<Device> = (0..3).map(|_| Device::new(server, "alice")).collect();
    for at in 0..3 {
        let answer = devices[at].register(&[]);
        let listed = fields(&answer, "Contact");
        assert_eq!((code(&answer), listed.len()), (200, at + 1), "{answer}");
        assert!(
            devices[..=at].iter().all(|device| listed.iter().any(|one| one.contains(&device.contact()))),
            "{answer}"
        );
    }
    devices
}

#[test]
fn tb48_several_contacts_ring_at_once_and_the_first_answer_wins() {
    let server = server("");
    let (mut bob, devices) = (Device::new(&server, "bob"), three(&server));
    let dialled = bob.dial("alice");
    let invites: Vec<String> = devices.iter().map(|device| device.asked("INVITE")).collect();
    for (device, invite) in devices.iter().zip(&invites) {
        device.reply(invite, "180 Ringing");
    }
    devices[1].reply(&invites[1], "200 OK");
    for at in [0, 2] {
        let cancel = devices[at].asked("CANCEL");
        let reason = field(&cancel, "Reason").unwrap().replace(' ', "");
        assert!(reason.starts_with("SIP;cause=200"), "{cancel}");
        devices[at].reply(&cancel, "200 OK");
        devices[at].reply(&invites[at], "487 Request Terminated");
        devices[at].asked("ACK");
    }
    devices[1].asked("ACK");
    let answer = bob.ends(&dialled);
    assert_eq!(code(&answer), 200);
    let bye = bob.wire.within(&answer, "BYE", 3);
    assert_eq!(bob.wire.code_of(&bye), 200);
    devices[1].asked("BYE");
}

#[test]
fn tb48_several_contacts_all_busy() {
    let server = server("");
    let (mut bob, devices) = (Device::new(&server, "bob"), three(&server));
    let dialled = bob.dial("alice");
    for device in &devices {
        let invite = device.asked("INVITE");
        device.reply(&invite, "486 Busy Here");
        device.asked("ACK");
    }
    assert_eq!(code(&bob.ends(&dialled)), 486);
}

#[test]
fn tb48_several_contacts_by_preference() {
    let server = server("");
    let mut bob = Device::new(&server, "bob");
    let (mut first, mut second) = (Device::new(&server, "alice"), Device::new(&server, "alice"));
    for (device, q) in [(&mut second, "0.5"), (&mut first, "1.0")] {
        let contact = format!("Contact: <{}>;q={q}", device.contact());
        assert_eq!(code(&device.register(&[&contact])), 200);
    }
    let dialled = bob.dial("alice");
    let invite = first.asked("INVITE");
    assert_eq!(second.wire.rest(), Vec::<String>::new(), "not before the first has failed");
    first.reply(&invite, "486 Busy Here");
    first.asked("ACK");
    second.takes();
    assert_eq!(code(&bob.ends(&dialled)), 200);
}

#[test]
fn tb48_several_contacts_and_one_too_many() {
    for (more, replaces) in [("", false), ("remove_existing = true", true)] {
        let server = server(more);
        let mut devices = three(&server);
        // Refreshed: now the second is the oldest.
        assert_eq!(code(&devices[0].register(&[])), 200);
        let mut fourth = Device::new(&server, "alice");
        let answer = fourth.register(&[]);
        let listed = fields(&devices[0].register(&["X-Asks: only"]), "Contact");
        let is_there = |device: &Device| listed.iter().any(|one| one.contains(&device.contact()));
        assert_eq!((code(&answer), listed.len()), (if replaces { 200 } else { 403 }, 3));
        assert_eq!((is_there(&devices[1]), is_there(&fourth)), (!replaces, replaces), "{listed:?}");
        assert!(is_there(&devices[0]) && is_there(&devices[2]), "{listed:?}");
    }
}

/// That a call to alice rings these devices and no other.
fn rings(bob: &mut Device, there: &[&Device], gone: &[&Device]) {
    let dialled = bob.dial("alice");
    if there.is_empty() {
        assert_eq!(code(&bob.ends(&dialled)), 480);
    }
    for device in there {
        let invite = device.asked("INVITE");
        device.reply(&invite, "486 Busy Here");
        device.asked("ACK");
    }
    if !there.is_empty() {
        assert_eq!(code(&bob.ends(&dialled)), 486);
    }
    assert!(gone.iter().all(|device| device.wire.rest().is_empty()));
}

#[test]
fn tb48_several_contacts_of_which_some_leave() {
    let server = server("");
    let (mut bob, mut devices) = (Device::new(&server, "bob"), three(&server));
    let own = format!("Contact: <{}>", devices[2].contact());
    assert_eq!(code(&devices[2].register(&[&own, "Expires: 0"])), 200);
    rings(&mut bob, &[&devices[0], &devices[1]], &[&devices[2]]);
    // Back again, for a second.
    assert_eq!(code(&devices[2].register(&[&own, "Expires: 1"])), 200);
    let end = std::time::Instant::now() + PATIENCE;
    while fields(&devices[0].register(&["X-Asks: only"]), "Contact").len() == 3 {
        assert!(std::time::Instant::now() < end, "a binding of a second does not end");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    rings(&mut bob, &[&devices[0], &devices[1]], &[&devices[2]]);
    assert_eq!(code(&devices[2].register(&["Contact: *", "Expires: 60"])), 400);
    let answer = devices[2].register(&["Contact: *", "Expires: 0"]);
    assert_eq!((code(&answer), field(&answer, "Contact")), (200, None));
    let (one, other, third) = (&devices[0], &devices[1], &devices[2]);
    rings(&mut bob, &[], &[one, other, third]);
}

/// A connection on which whole messages are read.
struct Line {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Line {
    fn to(server: &Server) -> Self {
        let stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, read: Vec::new() }
    }

    fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// The next message whose start line holds `start`; others are passed over.
    fn expect(&mut self, start: &str) -> String {
        loop {
            while let Some(message) = self.take() {
                if message.lines().next().unwrap().contains(start) {
                    return message;
                }
            }
            let mut buffer = [0; 8_192];
            let length = self.stream.read(&mut buffer).unwrap_or_else(|why| panic!("no {start}: {why}"));
            assert!(length > 0, "closed before {start}");
            self.read.extend_from_slice(&buffer[..length]);
        }
    }

    /// A whole message, when one has been read.
    fn take(&mut self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.read).into_owned();
        let head = text.split_once("\r\n\r\n")?.0.len() + 4;
        let length: usize = field(&text, "Content-Length")?.parse().unwrap();
        (text.len() >= head + length).then(|| {
            self.read.drain(..head + length);
            text[..head + length].to_owned()
        })
    }
}

#[test]
fn tb48_several_contacts_behind_one_address_by_tcp() {
    let server = server("");
    let mut bob = Device::new(&server, "bob");
    // Two phones behind one router: what they call their own address is the same, their connections are two.
    let mut lines: Vec<Line> = ["one", "other"]
        .map(|name| {
            let (mut line, mut device) = (Line::to(&server), Device::new(&server, "alice"));
            let contact = format!("Contact: <sip:{name}@192.168.1.2:5060;transport=tcp>");
            let ask = device.registration(&[&contact]);
            let text = |ask: &Ask| device.wire.text(ask).replacen("SIP/2.0/UDP", "SIP/2.0/TCP", 1);
            line.send(&text(&ask));
            let challenge = line.expect("401 ");
            let mut signed = with_credentials(ask, &mut challenged(&challenge, "alice", "a"));
            (signed.branch, signed.cseq) = (signed.branch + "signed", "2 REGISTER".into());
            line.send(&text(&signed));
            line.expect("200 OK");
            line
        })
        .into();
    let dialled = bob.dial("alice");
    for (line, name) in lines.iter_mut().zip(["one", "other"]) {
        let invite = line.expect("INVITE ");
        assert!(invite.starts_with(&format!("INVITE sip:{name}@192.168.1.2:5060;transport=tcp SIP/2.0")), "{invite}");
        assert!(body(&invite).contains("m=audio "));
        line.send(&response(&invite, "486 Busy Here", "", "", name));
        line.expect("ACK ");
    }
    assert_eq!(code(&bob.ends(&dialled)), 486);
}
