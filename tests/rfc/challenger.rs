//! Who gets a proof of a password: the servers of the account, in the realms they have named, and nobody else who asks for one.

use crate::acceptance::wire::{Callee, Wire, field};
use crate::program::Program;
use crate::program::offhook::{self, USERS};

/// 401 to an INVITE, for this realm.
fn challenge(callee: &Callee, invite: &str, realm: &str) {
    let line = format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"n\", algorithm=MD5, qop=\"auth\"\r\n");
    callee.reply(invite, "401 Unauthorized", &line);
}

#[test]
fn cve_our_client_leaks_its_hash_a_callee_elsewhere_gets_none_whatever_realm_it_names() {
    let server = offhook::serve(&USERS);
    let mut wire = Wire::to(&server.address);
    let asked = wire.ask("REGISTER");
    let known = field(&wire.final_of(&asked), "WWW-Authenticate").unwrap();
    let known = known.split("realm=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    let account = format!("sip:1001@{}", server.address);
    for realm in ["evil", &known] {
        let mut stranger = Callee::new();
        let own = ["--account", &account, "--password", "secret1", "--sip", "127.0.0.1:0"];
        let program = offhook::start(&[&["call", &stranger.uri()], &own[..]].concat());
        let invite = stranger.request("INVITE");
        challenge(&stranger, &invite, realm);
        let ack = stranger.request("ACK");
        let (code, told) = program.finish();
        assert_eq!(code, 6, "{told}");
        let rest = stranger.wire().rest();
        for message in [&invite, &ack].into_iter().chain(&rest) {
            assert!(!message.contains("Authorization:"), "{realm}: {message}");
        }
        assert!(rest.iter().all(|message| !message.starts_with("INVITE ")), "{rest:?}");
    }
}

/// The control: the same challenge, from the account's own server.
#[test]
fn a_callee_that_is_the_accounts_own_server_gets_a_proof_of_one_realm() {
    let mut own = Callee::new();
    let account = own.uri();
    let words = ["--account", &account, "--password", "x", "--no-register", "--sip", "127.0.0.1:0"];
    let program = offhook::start(&[&["call", &account], &words[..]].concat());
    let first = own.request("INVITE");
    challenge(&own, &first, "home");
    let second = own.request("INVITE");
    assert!(field(&second, "Authorization").is_some_and(|value| value.contains("realm=\"home\"")), "{second}");
    // Who stands behind it may name another.
    challenge(&own, &second, "evil");
    let (code, told) = program.finish();
    assert_eq!(code, 6, "{told}");
    assert!(own.wire().rest().iter().all(|message| !message.starts_with("INVITE ")));
}

/// A phone that registers with `own` and calls `to`: the registrar asks for the password in the realm `home`, and answers with these lines.
fn registered_call(own: &mut Callee, to: &str, words: &[&str], lines: &str) -> Program {
    let account = own.uri();
    let given = ["call", to, "--account", &account, "--password", "x", "--sip", "127.0.0.1:0"];
    let program = offhook::start(&[&given[..], words].concat());
    let first = own.request("REGISTER");
    challenge(own, &first, "home");
    let second = own.request("REGISTER");
    let bound = field(&second, "Contact").unwrap().split(";expires").next().unwrap().to_owned();
    own.reply(&second, "200 OK", &format!("Contact: {bound};expires=600\r\n{lines}"));
    program
}

/// Challenges an INVITE that comes here in this realm: it must come again with credentials where `proved`, else not at all.
fn asks(asker: &mut Callee, realm: &str, program: Program, proved: bool) {
    let invite = asker.request("INVITE");
    challenge(asker, &invite, realm);
    asker.request("ACK");
    if proved {
        let again = asker.request("INVITE");
        let proof = field(&again, "Authorization").unwrap_or_default();
        assert!(proof.contains(&format!("realm=\"{realm}\"")), "{again}");
        asker.reply(&again, "486 Busy Here", "");
    }
    let (code, told) = program.finish();
    assert_eq!(code, if proved { 7 } else { 6 }, "{told}");
    assert!(asker.wire().rest().iter().all(|text| proved || !text.starts_with("INVITE ")));
}

#[test]
fn rfc3608_6_1_a_proxy_that_the_registrar_names_gets_a_proof_of_its_realm() {
    for (realm, proved) in [("home", true), ("evil", false)] {
        let (mut own, mut edge) = (Callee::new(), Callee::new());
        let route = format!("Service-Route: <{};lr>\r\n", edge.uri().replace("callee@", ""));
        let program = registered_call(&mut own, "sip:bob@other.invalid", &[], &route);
        asks(&mut edge, realm, program, proved);
    }
    // The control: one that it does not name, where the call goes by itself.
    let (mut own, mut stranger) = (Callee::new(), Callee::new());
    let program = registered_call(&mut own, &stranger.uri(), &[], "");
    asks(&mut stranger, "home", program, false);
}

#[test]
fn rfc5626_4_3_the_registrar_at_the_end_of_a_flow_gets_a_proof_whoever_is_called() {
    for (realm, proved) in [("home", true), ("evil", false)] {
        let mut own = Callee::new();
        let program = registered_call(&mut own, "sip:bob@other.invalid", &["--outbound"], "Require: outbound\r\n");
        asks(&mut own, realm, program, proved);
    }
}
