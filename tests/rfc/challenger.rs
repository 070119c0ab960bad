//! Who gets a proof of a password: the servers of the account, in the realms they have named, and nobody else who asks for one.

use crate::acceptance::wire::{Callee, Wire, field};
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
