//! What a server may be (id c32): each component of RFC 3261 is there, and is told from the others by what it does with one call.

use super::wire::{Callee, Wire, code, contact, field, fields};
use crate::program::offhook::{self, Server};

/// A server of this role, without questions to who calls.
fn server(role: &str) -> Server {
    let file = offhook::configuration(&format!("role = \"{role}\"\nrealm = \"test\"\nproxy.authenticate = \"off\"\n"));
    let users = ["--user", "alice:a", "--user", "bob:b"];
    offhook::serve(&[&["--config", file.path().to_str().unwrap()], &users[..]].concat())
}

/// bob, who has registered with the server, and alice.
fn two(server: &Server) -> (Wire, Wire) {
    let (mut bob, alice) = (Wire::to(&server.address), Wire::to(&server.address));
    let mut register = bob.ask("REGISTER");
    register.uri = format!("sip:{}", server.address);
    register.to = format!("<sip:bob@{}>", server.address);
    let signed = bob.signed(&register, "bob", "b");
    let answer = bob.final_of(&signed);
    // The registrar tells what the location service has now.
    assert_eq!((code(&answer), contact(&answer)), (200, format!("sip:tester@{}", bob.local())), "{answer}");
    (alice, bob)
}

#[test]
fn c32_a_proxy_passes_a_request_on_and_says_that_it_did() {
    let server = server("proxy");
    let (mut alice, bob) = two(&server);
    let mut invite = alice.ask("INVITE");
    invite.uri = format!("sip:bob@{}", server.address);
    alice.send(&invite);
    let passed_on = bob.expect("INVITE ");
    assert!(passed_on.starts_with(&format!("INVITE sip:tester@{} ", bob.local())), "the binding: {passed_on}");
    assert_eq!(fields(&passed_on, "Via").len(), 2);
    assert_eq!(field(&passed_on, "Max-Forwards").as_deref(), Some("69"));
    for name in ["Call-ID", "CSeq", "From", "To", "Contact"] {
        assert_eq!(field(&passed_on, name), field(&alice.text(&invite), name), "{name} is the caller's");
    }
    bob.reply(&passed_on, "486 Busy Here", "", "");
    bob.expect("ACK ");
    let refused = alice.answer_within(&invite, crate::program::PATIENCE).unwrap();
    assert_eq!((code(&refused), fields(&refused, "Via").len()), (486, 1));
}

#[test]
fn c32_a_redirect_server_says_where_and_asks_nobody_itself() {
    let server = server("redirect");
    let (mut alice, bob) = two(&server);
    let mut invite = alice.ask("INVITE");
    invite.uri = format!("sip:bob@{}", server.address);
    let moved = alice.final_of(&invite);
    assert_eq!((code(&moved), contact(&moved)), (302, format!("sip:tester@{}", bob.local())));
    assert_eq!(bob.rest(), Vec::<String>::new());
    invite = alice.ask("INVITE");
    invite.uri = format!("sip:nobody@{}", server.address);
    assert_eq!(alice.code_of(&invite), 404);
}

#[test]
fn c32_a_registrar_takes_registrations_and_nothing_else() {
    let server = server("registrar");
    let (mut alice, bob) = two(&server);
    let mut invite = alice.ask("INVITE");
    invite.uri = format!("sip:bob@{}", server.address);
    let refused = alice.final_of(&invite);
    assert_eq!((code(&refused), field(&refused, "Allow").as_deref()), (405, Some("REGISTER, OPTIONS")));
    assert_eq!(bob.rest(), Vec::<String>::new());
}

#[test]
fn c32_a_back_to_back_user_agent_makes_a_call_of_its_own() {
    let server = server("pbx");
    let (mut alice, bob) = two(&server);
    let mut invite = alice.ask("INVITE");
    invite.uri = format!("sip:bob@{}", server.address);
    let signed = alice.signed(&invite, "alice", "a");
    alice.send(&signed);
    let own = bob.expect("INVITE ");
    assert_eq!(fields(&own, "Via").len(), 1);
    assert_ne!(field(&own, "Call-ID"), Some(signed.call_id.clone()));
    assert_eq!(contact(&own).split('@').nth(1), Some(server.address.as_str()), "{own}");
    bob.reply(&own, "603 Decline", "", "");
    bob.expect("ACK ");
    assert_eq!(code(&alice.answer_within(&signed, crate::program::PATIENCE).unwrap()), 603);
}

#[test]
fn c32_a_user_agent_is_client_and_server() {
    let (_robot, address) = offhook::answer(&[]);
    let mut wire = Wire::to(&address);
    let answer = wire.call();
    let bye = wire.within(&answer, "BYE", 2);
    assert_eq!(wire.code_of(&bye), 200, "a server");
    let mut callee = Callee::new();
    let caller = offhook::start(&["call", &callee.uri(), "--sip", "127.0.0.1:0"]);
    let invite = callee.request("INVITE");
    callee.reply(&invite, "486 Busy Here", "");
    callee.request("ACK");
    let (code, output) = caller.finish();
    assert_eq!(code, 7, "a client: {output}");
}
