//! Phones behind a load balancer on another machine, which says by the PROXY protocol where they connected to it.

use std::net::{IpAddr, UdpSocket};

use audio::codec::Codec;
use net::Network;
use sip::message::Message;

use crate::connected::Connected;
use crate::setup::{config, phone, start};
use crate::sound::Sound;

/// Where the phones believe us to be: no address of this machine (RFC 5737).
const BALANCER: &str = "203.0.113.9";

/// Where a description has audio sent.
fn audio_at(description: &[u8]) -> IpAddr {
    let text = String::from_utf8_lossy(description);
    let at = text.lines().find_map(|line| line.strip_prefix("c=IN IP4 "));
    at.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[test]
fn who_comes_by_a_balancer_of_another_machine_has_audio_with_an_address_of_ours() {
    assert!(UdpSocket::bind((BALANCER, 0)).is_err(), "{BALANCER} is ours");
    let mut config = config();
    config.proxies = vec![Network::read("127.0.0.1").unwrap()];
    let (running, _) = start(config);
    let server = running.bound()[1].address;
    let introduction = format!("PROXY TCP4 127.0.0.1 {BALANCER} 40000 5060\r\n");
    let line = |name| Connected::introduced(&introduction, phone(server, name), server);
    let (mut caller, mut callee) = (line("1001"), line("1002"));
    let (mut device, offer) = (phone(server, "1001"), Sound::new(Codec::Pcmu).describe());
    let ours = IpAddr::from([127, 0, 0, 1]);
    // The caller's own side of a call, and that of the one who is called.
    caller.ask(&mut device, "INVITE", "sip:610@127.0.0.1", "sip:610@127.0.0.1", Some(&offer));
    let answer = caller.answer();
    assert_eq!((answer.code().get(), audio_at(answer.body())), (200, ours));
    caller.ask(&mut device, "INVITE", "sip:1002@127.0.0.1", "sip:1002@127.0.0.1", Some(&offer));
    let Message::Request(invite) = callee.read() else { panic!("a request") };
    assert_eq!(audio_at(invite.body()), ours);
}
