//! Several loops as one server: what a phone sees is the same with one and with four.

use std::time::{Duration, Instant};

use audio::codec::Codec;
use pbx::{Config, Limits, Running};
use sip::message::{HeaderId, Message, Method, StatusCode};

use crate::connected::Connected;
use crate::phone::Phone;
use crate::restarted::{THROUGH_EDGE, registers_through_edge, with_edge};
use crate::setup::{config, nothing_left, phone, start, with_config};
use crate::sound::{Sound, address, both_ways, longest};

/// Calls enough that with four loops some begin in each: each falls to one by chance.
const CALLS: usize = 16;

/// What each must hear of the other in one piece.
const LEAST: Duration = Duration::from_millis(150);

fn sharded(shards: u8) -> Config {
    Config { shards, ..config() }
}

/// One call that is answered, with audio until each has heard the other for `long`, and hung up by the caller. What each side heard.
fn talk(phones: &mut [Phone], long: Duration) -> (Vec<i16>, Vec<i16>) {
    let (mut first, mut second) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    let (caller, callee) = phones.split_at_mut(1);
    let (caller, callee) = (&mut caller[0], &mut callee[0]);
    let description = second.describe();
    let (mut dialog, answer, theirs) = std::thread::scope(|scope| {
        let answering = scope.spawn(|| address(callee.answers(&description).0.body()));
        let (dialog, answer) = caller.call_through("1002", &first.describe());
        (dialog, answer, answering.join().unwrap())
    });
    let heard = both_ways((&mut first, address(answer.body()), long), (&mut second, theirs, long));
    std::thread::scope(|scope| {
        scope.spawn(|| callee.hung_up());
        caller.hang_up(&mut dialog);
    });
    heard
}

#[test]
fn phones_of_any_shard_are_called_from_any_other_and_heard() {
    for shards in [1, 4] {
        let (running, mut phones) = with_config(sharded(shards), &["1001", "1002"]);
        for _ in 0..CALLS {
            let (caller, callee) = talk(&mut phones, LEAST);
            let heard = (longest(&caller, 1_000.0), longest(&callee, 440.0));
            assert!(heard.0 >= LEAST && heard.1 >= LEAST, "{shards}: {heard:?}");
        }
        nothing_left(&running);
        let metrics = running.metrics().unwrap();
        assert!(metrics.contains(&format!("result=\"answered\"}} {CALLS}\n")), "{metrics}");
    }
}

/// The control: what is not bound anywhere is found nowhere, and not waited for.
#[test]
fn a_phone_that_has_left_is_found_by_no_shard() {
    for shards in [1, 4] {
        let (_running, mut phones) = with_config(sharded(shards), &["1001", "1002"]);
        assert_eq!(phones[1].register(0).code().get(), 200);
        let offer = Sound::new(Codec::Pcmu).describe();
        for _ in 0..CALLS {
            assert_eq!(phones[0].call("1002", Some(&offer)).1.code().get(), 480);
        }
    }
}

/// Three talk into rooms of these numbers; how long each of the two last hears the tone of the first.
fn in_conference(shards: u8, rooms: [&str; 3]) -> [Duration; 2] {
    let mut config = sharded(shards);
    config.extensions.conference = vec!["610".to_owned(), "611".to_owned()];
    let (running, mut phones) = with_config(config, &["1001", "1002", "1003"]);
    let mut sounds: Vec<Sound> = (0..3).map(|_| Sound::new(Codec::Pcmu)).collect();
    let calls: Vec<_> = phones
        .iter_mut()
        .zip(rooms)
        .zip(&sounds)
        .map(|((phone, room), sound)| phone.call_through(room, &sound.describe()))
        .collect();
    let span = Duration::from_secs(3);
    let heard: Vec<Vec<i16>> = std::thread::scope(|scope| {
        let talking = sounds.iter_mut().zip(&calls).zip([1_000.0, 0.0, 0.0]);
        let talking: Vec<_> = talking
            .map(|((sound, (_, answer)), hz)| scope.spawn(move || sound.talk(address(answer.body()), hz, span)))
            .collect();
        talking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for (phone, (mut dialog, _)) in phones.iter_mut().zip(calls) {
        phone.hang_up(&mut dialog);
    }
    nothing_left(&running);
    [longest(&heard[1], 1_000.0), longest(&heard[2], 1_000.0)]
}

#[test]
fn a_conference_is_one_room_whichever_shard_its_members_come_from() {
    let least = Duration::from_secs(1);
    for shards in [1, 4, 4] {
        let heard = in_conference(shards, ["610"; 3]);
        assert!(heard.iter().all(|heard| *heard >= least), "{shards}: {heard:?}");
    }
    // The control: another room hears nothing of it.
    let heard = in_conference(4, ["610", "611", "610"]);
    assert!(heard[0].is_zero() && heard[1] >= least, "{heard:?}");
}

#[test]
fn limits_are_those_of_the_server() {
    for shards in [1, 4] {
        let limits = Limits { calls: 3, calls_per_user: 2, ..config().limits };
        let (running, mut phones) = with_config(Config { limits, ..sharded(shards) }, &["1001", "1002"]);
        let offer = Sound::new(Codec::Pcmu).describe();
        let mut up: Vec<_> = (0..2).map(|_| phones[0].call_through("600", &offer).0).collect();
        for _ in 0..CALLS {
            let (_, refused) = phones[0].call("600", Some(&offer));
            assert_eq!(refused.code().get(), 503, "{shards}");
            assert_eq!(refused.headers().text(HeaderId::RetryAfter).unwrap(), "7");
        }
        let (mut third, _) = phones[1].call_through("600", &offer);
        assert_eq!(phones[1].call("600", Some(&offer)).1.code().get(), 503, "{shards}");
        up.iter_mut().for_each(|dialog| phones[0].hang_up(dialog));
        phones[1].hang_up(&mut third);
        nothing_left(&running);
        let (mut again, _) = phones[1].call_through("600", &offer);
        phones[1].hang_up(&mut again);
    }
}

#[test]
fn rfc7616_3_3_no_shard_takes_credentials_twice_and_none_locks_a_phone_out() {
    for shards in [1, 4] {
        let (_running, server) = start(sharded(shards));
        let mut phone = phone(server, "1001");
        // Nobody has this number: 404 to who is let in.
        let (uri, to) = ("sip:999@127.0.0.1", "sip:999@127.0.0.1");
        let asked = phone.ask_plain("MESSAGE", uri, to, None, &[]).1;
        let lines = phone.credentials(asked.headers(), "MESSAGE", uri, "");
        let mut let_in = 0;
        for _ in 0..CALLS {
            let answer = phone.ask_plain("MESSAGE", uri, to, None, &lines).1;
            match answer.code().get() {
                404 => let_in += 1,
                401 => {
                    let challenge = answer.headers().text(HeaderId::WwwAuthenticate).unwrap().into_owned();
                    assert!(challenge.contains("stale=true"), "{challenge}");
                }
                other => panic!("{other}"),
            }
        }
        assert!(let_in <= 1, "{shards}: let in {let_in} times by the same words");
        if shards == 1 {
            assert_eq!(let_in, 1);
        }
        // Who asks again is let in each time.
        (0..CALLS).for_each(|_| assert_eq!(phone.ask("MESSAGE", uri, to, None).1.code().get(), 404));
    }
}

/// Waits until something is so.
fn until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !so() {
        assert!(Instant::now() < end, "never: {what}");
    }
}

/// The metrics at a moment at which nothing crosses the loops and no transaction has ended since the status was told.
fn at_rest(running: &Running) -> String {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let loops = running.status().unwrap().loops;
        let metrics = running.metrics().unwrap();
        let held: usize = loops.iter().map(|one| one.transactions).sum();
        let lines = [format!("offhook_sip_transactions_active {held}\n"), "offhook_sip_queue_length 0\n".to_owned()];
        if loops.iter().all(|one| one.queue == 0) && lines.iter().all(|line| metrics.contains(line)) {
            return metrics;
        }
        assert!(Instant::now() < until, "{lines:?} {loops:?}\n{metrics}");
    }
}

#[test]
fn status_and_metrics_are_sums() {
    for shards in [1, 4] {
        let (running, mut phones) = with_config(sharded(shards), &["1001", "1002", "1003"]);
        let offer = Sound::new(Codec::Pcmu).describe();
        let mut calls: Vec<_> = (0..CALLS / 2).map(|at| phones[at % 2].call_through("600", &offer).0).collect();
        let status = running.status().unwrap();
        assert_eq!((status.registrations, status.calls.len()), (3, calls.len()), "{shards}");
        assert!(status.users.iter().all(|user| user.contacts.len() == 1), "{:?}", status.users);
        let ids: std::collections::BTreeSet<u64> = status.calls.iter().map(|call| call.id).collect();
        assert_eq!(ids.len(), calls.len(), "{ids:?}");
        let loops = &status.loops;
        assert_eq!(loops.iter().map(|one| one.shard).collect::<Vec<_>>(), (0..shards).collect::<Vec<_>>());
        assert_eq!(loops.iter().map(|one| one.calls).sum::<usize>(), calls.len(), "{loops:?}");
        // What was answered waits for repeats: a REGISTER of each phone, with its answer, and an INVITE of each call, whose answer the call
        // has. What was challenged before has left nothing.
        assert_eq!(loops.iter().map(|one| one.transactions).sum::<usize>(), 3 + calls.len(), "{loops:?}");
        // The ACK of the last call may still be on its way.
        until("answers to INVITEs are let go of", || {
            let loops = running.status().unwrap().loops;
            loops.iter().all(|one| (one.kept_octets > 0) == (one.transactions > one.calls))
        });
        assert!(loops.iter().all(|one| (one.shed, one.dropped) == (0, 0)), "{loops:?}");
        let metrics = at_rest(&running);
        for line in ["offhook_sip_shed_total 0\n", "offhook_sip_datagrams_dropped_total 0\n"] {
            assert!(metrics.contains(line), "{line}{metrics}");
        }
        assert!(metrics.contains("offhook_registrations_active 3\n"), "{metrics}");
        assert!(metrics.contains(&format!("offhook_calls_active {}\n", calls.len())), "{metrics}");
        // To the echo: one dialog each.
        assert!(metrics.contains(&format!("offhook_sip_dialogs_active {}\n", calls.len())), "{metrics}");
        assert_eq!(loops.iter().map(|one| one.dialogs).sum::<usize>(), calls.len(), "{loops:?}");
        assert!(metrics.contains("offhook_sip_requests_total{method=\"REGISTER\",direction=\"in\"} 6\n"), "{metrics}");
        for (at, dialog) in calls.iter_mut().enumerate() {
            phones[at % 2].hang_up(dialog);
        }
        nothing_left(&running);
    }
}

/// Each time with another Call-ID, by which the loop that has sent it on is not to be found.
#[test]
fn rfc3327_5_1_a_device_registers_through_an_edge_of_several_loops() {
    let folder = tempfile::tempdir().unwrap();
    let ((home, at_home), first, config) = with_edge(folder.path(), 1);
    drop(first);
    let (edge, address) = start(Config { shards: 4, ..config });
    let mut device = phone(address, "1002");
    for _ in 0..CALLS {
        registers_through_edge(&mut device, at_home);
    }
    nothing_left(&edge);
    nothing_left(&home);
}

/// From another port each time, by which the system chooses the loop that hears it: the answer comes to the loop of the address of its home.
#[test]
fn rfc3261_10_3_who_registers_a_whole_domain_is_answered_through_an_edge_of_several_loops() {
    let folder = tempfile::tempdir().unwrap();
    let ((home, at_home), first, config) = with_edge(folder.path(), 1);
    drop(first);
    let (edge, address) = start(Config { shards: 4, ..config });
    let registrar = format!("sip:127.0.0.1:{}", at_home.port());
    for _ in 0..CALLS {
        let mut device = phone(address, "1002");
        device.extra = THROUGH_EDGE.to_owned();
        let (_, answer) = device.ask("REGISTER", &registrar, "sip:127.0.0.1", None);
        assert_eq!(answer.code().get(), 403, "its home has it for no user's own");
    }
    nothing_left(&edge);
    nothing_left(&home);
}

/// The connection is one loop's, its REGISTER another's, and each call a third's.
#[test]
fn rfc5626_5_3_a_device_on_a_connection_is_called_through_an_edge_of_several_loops() {
    let folder = tempfile::tempdir().unwrap();
    let ((home, at_home), first, config) = with_edge(folder.path(), 1);
    drop(first);
    let (edge, address) = start(Config { shards: 4, ..config });
    let at_edge = edge.bound()[1].address;
    let registrar = format!("sip:127.0.0.1:{}", at_home.port());
    let (mut device, mut caller) = (phone(address, "1002"), phone(at_home, "1001"));
    device.extra = THROUGH_EDGE.to_owned();
    for _ in 0..CALLS / 4 {
        let mut line = Connected::to(at_edge);
        line.ask(&mut device, "REGISTER", &registrar, "sip:1002@127.0.0.1", None);
        let registered = line.answer();
        assert_eq!((registered.code().get(), registered.headers().has(HeaderId::Path)), (200, true));
        for _ in 0..4 {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let Message::Request(invite) = line.read() else { panic!("a call") };
                    assert_eq!(*invite.method(), Method::Invite);
                    line.respond(&invite, StatusCode::BUSY_HERE);
                    let Message::Request(ack) = line.read() else { panic!("its end") };
                    assert_eq!(*ack.method(), Method::Ack);
                });
                assert_eq!(caller.call("1002", None).1.code().get(), 486);
            });
        }
    }
    nothing_left(&edge);
    nothing_left(&home);
}
