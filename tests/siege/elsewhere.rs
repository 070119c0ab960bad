//! Attacks on who is no PBX: a proxy, one without transactions, the edge of a domain, a robot. No sound goes through them: others are to be answered in time, the attacker gets what is due to
//! him, memory stays within its bound.

use super::attacks::{self, datagrams, flood, request, stream_of};
use super::places::{EDGE, Place};
use super::sieges::{BEGIN, ENDED, is_harmless};
use super::{Asking, Course, Ground, Right, Siege, siege};
use crate::acceptance::wire::Wire;
use crate::rfc::peer::with_credentials;

fn stands(place: Place, asking: Asking, what: &str, right: Right, attack: impl Fn(&Ground, &Course, usize) + Sync) {
    let what = format!("{place}: {what}");
    let outcome = siege(&Siege { place, asking, what: &what, limits: "", threads: 1 }, attack);
    is_harmless(&what, right, &outcome);
}

/// What somebody sends who has been challenged and has guessed.
fn guesses(ground: &Ground, course: &Course) {
    let mut wire = Wire::to(&ground.sip);
    let mut ask = wire.ask("MESSAGE");
    (ask.uri, ask.from) = ("sip:600@x".to_owned(), "<sip:1001@x>;tag=guess".to_owned());
    let challenge = wire.final_of(&ask);
    let signed = with_credentials(wire.text(&ask).as_bytes(), challenge.as_bytes()).unwrap();
    let signed = String::from_utf8(signed).unwrap();
    let line = signed.lines().find(|line| line.contains("uthorization: ")).unwrap().to_owned() + "\r\n";
    datagrams(ground, course, |number, local| request("MESSAGE", "600@x", number, local, &line, ""));
}

/// Commas, which are read one by one.
fn commas(ground: &Ground, course: &Course) {
    let commas = format!("Contact: {}\r\n", ",".repeat(8_000)).repeat(7);
    datagrams(ground, course, |number, local| request("OPTIONS", "127.0.0.1", number, local, &commas, ""));
}

#[test]
fn siege_proxy_a_flood_of_calls_without_a_password() {
    for role in ["proxy", "stateless"] {
        let right = Right::Mostly(407, 503);
        stands(Place::Role(role), Asking::ByTcp, "50,000 calls a second", right, flood(50_000, "600@x"));
    }
}

#[test]
fn siege_proxy_wrong_passwords() {
    for role in ["proxy", "stateless"] {
        let right = Right::Mostly(403, 503);
        stands(Place::Role(role), Asking::Every, "wrong passwords", right, |ground, course, _| {
            guesses(ground, course);
        });
    }
}

#[test]
fn siege_proxy_streams() {
    let proxy = Place::Role("proxy");
    let headers = stream_of(BEGIN, "a:b\r\n", 5_000_000);
    stands(proxy, Asking::Every, "a million short headers", ENDED, headers);
    stands(proxy, Asking::Every, "an octet a second on 2,000 connections", Right::Silence, attacks::slow_senders);
}

/// It asks nobody, but passes on what is for the domain, and what its home answers.
#[test]
fn siege_edge() {
    let to = format!("600@{EDGE}");
    stands(Place::Edge, Asking::Every, "messages for its home", Right::Mostly(407, 503), |ground, course, _| {
        datagrams(ground, course, |number, local| request("MESSAGE", &to, number, local, "", ""));
    });
    let headers = stream_of(BEGIN, "a:b\r\n", 5_000_000);
    stands(Place::Edge, Asking::Every, "a million short headers", ENDED, headers);
}

#[test]
fn siege_robot() {
    // It takes whoever calls.
    let right = Right::Codes(&[100, 180, 200, 503]);
    stands(Place::Robot, Asking::ByTcp, "50,000 calls a second", right, flood(50_000, "robot@x"));
    let headers = stream_of(BEGIN, "a:b\r\n", 5_000_000);
    stands(Place::Robot, Asking::Questions, "a million short headers", ENDED, headers);
    stands(Place::Robot, Asking::Questions, "56,000 commas", Right::Codes(&[400]), |ground, course, _| {
        commas(ground, course);
    });
    let slow = attacks::slow_senders;
    stands(Place::Robot, Asking::Questions, "an octet a second on 2,000 connections", Right::Silence, slow);
}

/// The control: a server that does not come to it is seen without a call, too.
#[test]
fn siege_control_a_proxy_that_stands_still_is_seen() {
    let place = Place::Role("proxy");
    let what = "a proxy that is stopped now and then";
    let outcome = siege(&Siege { place, asking: Asking::Every, what, limits: "", threads: 1 }, attacks::stops);
    let seen = outcome.faults().iter().any(|fault| fault.contains("an answer took"));
    assert!(seen, "{outcome:?}");
}
