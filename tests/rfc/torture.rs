//! The torture messages of RFC 4475 and RFC 5118, over UDP and TCP: the due answer or the due silence, and alive after each.
//!
//! `tests/data/torture.json` says for each role which codes are right; `tests/data/torture-gaps.txt` lists what is known to be wrong.
//! Sample addresses in the messages are no reason to send anything out of this machine: the answer is looked for at the socket the message
//! came from.

mod judge;
mod peer;

use std::collections::BTreeSet;

use sip::message::{Limits, Message};

use self::judge::{Case, Transport, known_gaps, weigh};
use self::peer::{SECRET, ask, code_of, is_alive, sender, with_credentials};
use crate::program::{Program, offhook};

/// Who is asked, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// A phone, which challenges nobody.
    Phone,
    /// A PBX by somebody without a password: what can be read and is no OPTIONS is challenged before anything else is looked at.
    Stranger,
    /// A PBX by its users, each of whom answers the challenge.
    User,
}

/// Sends every message to `to` and says what was wrong.
fn torture(program: &mut Program, to: &str, role: &str, asked: Asked, transport: Transport) -> String {
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for (number, case) in Case::all(role).iter().enumerate() {
        let mut answer = ask(&case.bytes, to, transport);
        let again = seen.contains(&case.identity());
        if asked == Asked::User
            && let Some(challenge) = answer.as_ref().filter(|answer| code_of(answer) == Some(401))
            && let Some(bytes) = with_credentials(&case.bytes, challenge)
        {
            answer = ask(&bytes, to, transport);
        }
        let got = answer.as_deref().and_then(code_of);
        let challenged =
            got == Some(401) && asked == Asked::Stranger && !case.is_unreadable && case.method() != "OPTIONS";
        if let Some(what) = case.fault(got, transport, again).filter(|_| !challenged) {
            let answer = String::from_utf8_lossy(answer.as_deref().unwrap_or_default()).into_owned();
            faults.push((case.name.clone(), format!("{what}\n{answer}")));
        }
        seen.push(case.identity());
        assert!(is_alive(number, to) && program.is_alive(), "dead after {}:\n{}", case.name, program.output());
    }
    let transport = if transport == Transport::Udp { "udp" } else { "tcp" };
    let who = match asked {
        Asked::Phone => "phone",
        Asked::Stranger => "stranger",
        Asked::User => "user",
    };
    weigh(&format!("{role}/{who}/{transport}"), &faults, &known_gaps())
}

fn phone(transport: Transport) {
    let (mut robot, address) = offhook::answer(&[]);
    let told = torture(&mut robot, &address, "uas", Asked::Phone, transport);
    assert!(told.is_empty(), "{told}");
}

/// Everybody who sends one of the messages has an account, and so has `user`, whom many of them ask for.
fn pbx(role: &str, asked: Asked, transport: Transport) {
    let mut names = BTreeSet::from(["user".to_owned()]);
    for case in Case::all(role) {
        if let Ok(Message::Request(request)) = Message::parse(case.bytes.into(), &Limits::default()) {
            names.insert(sender(&request));
        }
    }
    let users: Vec<String> = names.iter().map(|name| format!("{name}:{SECRET}")).collect();
    let arguments: Vec<&str> = users.iter().flat_map(|user| ["--user", user.as_str()]).collect();
    let mut server = offhook::serve(&arguments);
    let told = torture(&mut server.program, &server.address, role, asked, transport);
    assert!(told.is_empty(), "{told}");
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_user_agent() {
    phone(Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_user_agent() {
    phone(Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_registrar() {
    pbx("registrar", Asked::Stranger, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_registrar() {
    pbx("registrar", Asked::Stranger, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_back_to_back_user_agent() {
    pbx("b2bua", Asked::Stranger, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_back_to_back_user_agent() {
    pbx("b2bua", Asked::Stranger, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_registrar_that_knows_the_senders() {
    pbx("registrar", Asked::User, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_registrar_that_knows_the_senders() {
    pbx("registrar", Asked::User, Transport::Tcp);
}

#[test]
fn rfc4475_and_rfc5118_over_udp_to_a_back_to_back_user_agent_that_knows_the_senders() {
    pbx("b2bua", Asked::User, Transport::Udp);
}

#[test]
fn rfc4475_and_rfc5118_over_tcp_to_a_back_to_back_user_agent_that_knows_the_senders() {
    pbx("b2bua", Asked::User, Transport::Tcp);
}
