//! Limits on what a peer can make grow: what is at the limit is taken, one more is not, and room comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use audio::codec::Codec;
use pbx::{Config, Limits};
use sip::message::{HeaderId, Method, Response};

use crate::phone::Phone;
use crate::setup::{config, nothing_left, phone, start, with_config, with_phones};
use crate::sound::Sound;

fn limited(shards: u8, change: impl Fn(&mut Limits)) -> Config {
    let mut config = Config { shards, ..config() };
    change(&mut config.limits);
    config
}

fn refused_for_now(answer: &Response) {
    assert_eq!(answer.code().get(), 503);
    assert!(answer.headers().text(HeaderId::RetryAfter).is_some(), "{answer:?}");
}

/// Whether a connection that says nothing of its own has been ended by the server.
fn is_ended(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(length) => length == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// How long it takes until the server ends a connection on which this was said; another that pings meanwhile stands.
fn ended_after(said: &[u8], change: impl Fn(&mut Limits)) -> Duration {
    let (running, _) = start(limited(1, change));
    let connect = || TcpStream::connect(running.bound()[1].address).unwrap();
    let ping = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(b"\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 2]).unwrap();
    };
    let (mut silent, mut other) = (connect(), connect());
    // Before, not after: what the server counts begins later, however long it takes to get there.
    let begun = Instant::now();
    ping(&mut silent);
    silent.write_all(said).unwrap();
    while !is_ended(&mut silent) {
        ping(&mut other);
        assert!(begun.elapsed() < Duration::from_secs(20), "it stands");
    }
    let took = begun.elapsed();
    ping(&mut other);
    took
}

#[test]
fn silent_connections_and_messages_without_end_are_ended_in_the_time_that_is_set() {
    let (set, late) = (Duration::from_secs(3), Duration::from_secs(9));
    let took = ended_after(b"", |limits| limits.idle = set);
    assert!((set..late).contains(&took), "{took:?}");
    let took = ended_after(b"OPTIONS sip:", |limits| limits.message_time = set);
    assert!((set..late).contains(&took), "{took:?}");
}

#[test]
fn so_many_messages_are_under_way_and_no_more() {
    let (running, mut phones) = with_config(limited(1, |limits| limits.messages = 2), &["1001", "1002"]);
    let [sender, device] = &mut phones[..] else { panic!("two phones") };
    let (uri, body) = ("sip:1002@127.0.0.1", Some(("text/plain", "hello")));
    // Each is sent with what its own challenge asks for; nobody waits for an answer.
    let send = |sender: &mut Phone| {
        let challenged = sender.ask_plain("MESSAGE", uri, uri, body, &[]).1;
        let lines = sender.credentials(challenged.headers(), "MESSAGE", uri, "hello");
        let text = sender.draft("MESSAGE", uri, uri, body, &lines);
        sender.send(&text);
    };
    send(sender);
    let first = device.request(Method::Message);
    send(sender);
    refused_for_now(&sender.ask("MESSAGE", uri, uri, body).1);
    assert!(device.hears_no(&Method::Message));
    device.respond(&first, 200, None);
    sender.wait_for_code(200);
    let second = device.request(Method::Message);
    send(sender);
    refused_for_now(&sender.ask("MESSAGE", uri, uri, body).1);
    device.respond(&second, 200, None);
    sender.wait_for_code(200);
    let third = device.request(Method::Message);
    device.respond(&third, 200, None);
    sender.wait_for_code(200);
    nothing_left(&running);
}

#[test]
fn a_status_lists_so_many_calls_the_oldest_and_counts_all() {
    for shards in [1, 4] {
        let (running, mut phones) = with_config(limited(shards, |limits| limits.calls_listed = 2), &["1001"]);
        let offer = Sound::new(Codec::Pcmu).describe();
        let mut calls = Vec::new();
        for number in ["600", "601"] {
            calls.push(phones[0].call_through(number, &offer).0);
        }
        let listed = |running: &pbx::Running| {
            let status = running.status().unwrap();
            let mut numbers: Vec<String> = status.calls.into_iter().map(|call| call.to).collect();
            numbers.sort_unstable();
            (numbers, status.loops.iter().map(|one| one.calls).sum::<usize>())
        };
        assert_eq!(listed(&running), (vec!["600".to_owned(), "601".to_owned()], 2), "{shards}");
        // Older by a second, so that the order is seen in what is told.
        while running.status().unwrap().calls.iter().any(|call| call.secs == 0) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        calls.push(phones[0].call_through("602", &offer).0);
        assert_eq!(listed(&running), (vec!["600".to_owned(), "601".to_owned()], 3), "{shards}");
        calls.iter_mut().for_each(|dialog| phones[0].hang_up(dialog));
        nothing_left(&running);
    }
}

#[test]
fn devices_that_register_at_one_moment_do_not_pass_the_limit() {
    const DEVICES: usize = 12;
    for limit in [5, DEVICES] {
        let (running, address) = start(limited(4, |limits| limits.registrations = limit));
        let together = Barrier::new(DEVICES);
        let taken = std::thread::scope(|scope| {
            let devices = (0..DEVICES).map(|number| {
                let mut phone = phone(address, ["1001", "1002", "1003"][number % 3]);
                let together = &together;
                scope.spawn(move || {
                    together.wait();
                    phone.register(120).code().get()
                })
            });
            let devices: Vec<_> = devices.collect();
            devices.into_iter().map(|device| device.join().unwrap()).filter(|code| *code == 200).count()
        });
        assert_eq!((taken, running.status().unwrap().registrations), (limit, limit));
    }
}

#[test]
fn eight_header_fields_of_a_name_cross_a_call_of_1024_octets_each() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let [caller, callee] = &mut phones[..] else { panic!("two phones") };
    let diversions = |count: usize| (1..=count).map(|number| format!("Diversion: <sip:{number}@127.0.0.1>\r\n"));
    for (given, crossed) in [(8, 8), (9, 8)] {
        for (octets, crosses) in [(1_024, true), (1_025, false)] {
            let told = "x".repeat(octets);
            caller.extra = diversions(given).collect::<String>() + &format!("User-to-User: {told}\r\n");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let invite = callee.request(Method::Invite);
                    let heard = invite.headers().text(HeaderId::UserToUser).map(std::borrow::Cow::into_owned);
                    assert_eq!(heard, crosses.then_some(told), "{octets}");
                    let heard: String = invite
                        .headers()
                        .all(HeaderId::Diversion)
                        .map(|line| format!("Diversion: {}\r\n", line.text()))
                        .collect();
                    assert_eq!(heard, diversions(crossed).collect::<String>(), "{given}");
                    callee.respond(&invite, 486, None);
                    callee.request(Method::Ack);
                });
                let (_, answer) = caller.call("1002", Some(&Sound::new(Codec::Pcmu).describe()));
                assert_eq!(answer.code().get(), 486);
            });
        }
    }
    nothing_left(&running);
}
