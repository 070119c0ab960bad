//! Registrars that ask for a password (RFC 3261 section 22.2).

use super::*;
use crate::digest::{Algorithm, Credential, Ha1, Server, ServerConfig, Verdict};

/// A registrar that asks for a password.
fn home() -> Server {
    Server::new(ServerConfig::new("example.com"), [9; 32]).unwrap()
}

fn challenge(rig: &mut Rig, server: &mut Server, stale: bool) {
    let now = Now { mono: Time(rig.now), wall: WallTime(0) };
    let lines = server.challenge(now, &path(), false, stale);
    let lines: Vec<_> =
        lines.iter().map(|(name, value)| (name.to_owned(), String::from_utf8(value.to_vec()).unwrap())).collect();
    let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    rig.answer(401, &lines);
}

fn verdict(rig: &Rig, server: &mut Server) -> String {
    let origin = Path { remote: path().remote, ..path() };
    let now = Now { mono: Time(rig.now), wall: WallTime(0) };
    let lookup = |user: &str, algorithm: Algorithm| {
        Ha1::new(algorithm, user, "example.com", "secret").ok().filter(|_| user == "alice")
    };
    match server.verify(now, rig.last(), &origin, false, lookup) {
        Verdict::Ok(verified) => verified.user.into_owned(),
        Verdict::Challenge { stale } => format!("challenge, stale {stale}"),
        other => format!("{other:?}"),
    }
}

fn with_password(password: &str) -> RegisterSpec {
    let credentials = Credential::password(Some("example.com"), "alice", password).unwrap().into();
    RegisterSpec { credentials, ..spec() }
}

#[test]
fn rfc3261_22_2_a_challenge_is_answered_and_the_nonce_used_again_for_refreshes() {
    let (mut rig, mut server) = (Rig::new(), home());
    rig.register(with_password("secret"));
    let first = rig.last().headers().cseq().number;
    assert_eq!(verdict(&rig, &mut server), "challenge, stale false");
    challenge(&mut rig, &mut server, false);
    assert_eq!((rig.sent.len(), rig.last().headers().cseq().number), (2, first + 1));
    assert_eq!(verdict(&rig, &mut server), "alice");
    rig.accept(60);
    rig.wait_until(54.0);
    assert_eq!((rig.sent.len(), rig.last().headers().cseq().number), (3, first + 2));
    assert!(rig.last().headers().text(HeaderId::Authorization).unwrap().contains("nc=00000002"));
    assert_eq!(verdict(&rig, &mut server), "alice");
    rig.accept(3_600);
    rig.wait_until(54.0 + 3_240.0);
    assert_eq!(verdict(&rig, &mut server), "challenge, stale true", "the nonce has outlived itself");
    challenge(&mut rig, &mut server, true);
    assert_eq!(verdict(&rig, &mut server), "alice");
    assert_eq!((rig.sent.len(), rig.last().headers().cseq().number), (5, first + 4));
}

#[test]
fn rfc3261_10_2_numbers_count_up_by_one_whatever_becomes_of_a_request() {
    let (mut rig, mut server) = (Rig::new(), home());
    rig.register(RegisterSpec {
        retry: Retry::Every { wait: Duration::from_secs(20), attempts: None },
        ..with_password("secret")
    });
    challenge(&mut rig, &mut server, false);
    // What answers the challenge is never heard of again.
    rig.wait_until(60.0);
    rig.answer(500, &[]);
    rig.wait_until(200.0);
    let mut numbers: Vec<u32> = rig.sent.iter().map(|(_, request)| request.headers().cseq().number).collect();
    numbers.dedup();
    assert!(numbers.len() > 4 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn cve_endless_challenge_a_refused_password_is_an_event_and_not_sent_again() {
    let (mut rig, mut server) = (Rig::new(), home());
    let id = rig.register(with_password("wrong"));
    for _ in 0..2 {
        challenge(&mut rig, &mut server, false);
        assert!(verdict(&rig, &mut server).contains("WrongResponse"));
    }
    challenge(&mut rig, &mut server, false);
    assert_eq!((rig.sent.len(), rig.failed()), (3, (Some(401), None)));
    rig.wait_until(10_000.0);
    assert_eq!(rig.sent.len(), 3);
    rig.turn(|turn| turn.change_registration(id, |spec| spec.credentials = with_password("secret").credentials))
        .unwrap();
    challenge(&mut rig, &mut server, false);
    assert_eq!(verdict(&rig, &mut server), "alice");
}

#[test]
fn cve_our_client_leaks_its_hash_another_realm_gets_none() {
    let mut rig = Rig::new();
    rig.register(with_password("secret"));
    rig.answer(401, &[("WWW-Authenticate", "Digest realm=\"evil\", nonce=\"1\", qop=\"auth\"")]);
    assert_eq!((rig.sent.len(), rig.failed()), (1, (Some(401), None)));
}
