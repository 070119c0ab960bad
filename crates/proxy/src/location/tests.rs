use std::collections::BTreeMap;

use proptest::prelude::*;
use sip::outbox::Transport;

use super::*;

fn at(seconds: u64) -> Now {
    Now { mono: Time(seconds * 1_000_000), wall: WallTime(1_000_000 + seconds) }
}

fn put(location: &mut Location, now: u64, aor: &str, uri: &str, lasts: u64) {
    location.apply(at(now), &added(aor, uri, 1_000_000 + now + lasts));
}

fn uris(location: &Location, now: u64, aor: &str) -> Vec<String> {
    location.lookup(at(now), aor).iter().map(|binding| binding.uri().to_owned()).collect()
}

#[test]
fn rfc3261_10_1_bindings_end_at_their_time_and_are_collected_after() {
    let mut location = Location::new([1; 16]);
    put(&mut location, 0, "sip:a@x", "sip:a@1", 60);
    put(&mut location, 0, "sip:a@x", "sip:a@2", 90);
    assert_eq!(uris(&location, 59, "sip:a@x"), ["sip:a@2", "sip:a@1"]);
    assert_eq!(uris(&location, 60, "sip:a@x"), ["sip:a@2"]);
    assert_eq!(location.next_end(), Some(at(60).mono));
    let mut gone = Vec::new();
    location.expire(at(59), 10, &mut gone);
    assert_eq!(gone.len(), 0);
    location.expire(at(90), 1, &mut gone);
    assert_eq!((gone.len(), location.len(), gone[0].uri(), gone[0].kind()), (1, 1, "sip:a@1", Kind::Removed));
    location.expire(at(90), 10, &mut gone);
    assert_eq!((location.len(), location.users(), location.next_end()), (0, 0, None));
}

#[test]
fn a_refresh_moves_the_end_later_or_earlier() {
    let mut location = Location::new([1; 16]);
    let mut gone = Vec::new();
    put(&mut location, 0, "sip:a@x", "sip:a@1", 60);
    put(&mut location, 30, "sip:a@x", "sip:a@1", 60);
    location.expire(at(60), 10, &mut gone);
    assert_eq!((gone.len(), location.next_end()), (0, Some(at(90).mono)));
    put(&mut location, 60, "sip:a@x", "sip:a@1", 10);
    location.expire(at(70), 10, &mut gone);
    assert_eq!((gone.len(), location.len()), (1, 0));
}

#[test]
fn jumps_of_the_wall_clock_end_nothing_early() {
    let mut location = Location::new([1; 16]);
    put(&mut location, 0, "sip:a@x", "sip:a@1", 60);
    let jumped = Now { wall: WallTime(4_000_000_000), ..at(10) };
    assert_eq!(location.bindings(jumped, "sip:a@x").count(), 1);
    let record = location.snapshot(jumped).next().unwrap();
    assert_eq!(record.expires(), WallTime(4_000_000_050));
    let mut other = Location::new([2; 16]);
    other.apply(Now { mono: Time(7), wall: WallTime(4_000_000_020) }, &record);
    assert_eq!(other.next_end(), Some(Time(7 + 30_000_000)));
}

#[test]
fn rfc3261_10_2_1_2_lookup_prefers_q_then_the_latest() {
    let mut location = Location::new([1; 16]);
    for (n, q) in [500, 1000, 500, 0].into_iter().enumerate() {
        let mut record = added("sip:a@x", &format!("sip:{n}@h"), 2_000_000);
        record.q = q;
        location.apply(at(0), &record);
    }
    assert_eq!(uris(&location, 0, "sip:a@x"), ["sip:1@h", "sip:2@h", "sip:0@h", "sip:3@h"]);
    assert_eq!(uris(&location, 0, "sip:A@x"), [""; 0]);
}

/// A flow of an instance (RFC 5626 section 6) along this connection, or a socket of UDP.
fn along(transport: Transport, connection: u64, number: Option<u32>) -> Record {
    leading_to("192.0.2.1:5060", (transport, connection), number)
}

/// The same to this address.
fn leading_to(remote: &str, (transport, connection): (Transport, u64), number: Option<u32>) -> Record {
    let remote = remote.parse().unwrap();
    let origin = Some(Origin { flow: FlowId(connection), transport, local: remote, remote });
    let params = crate::instance::written("urn:uuid:1", number);
    let texts = Texts { aor: "sip:a@x", uri: "sip:a@1", params: &params, origin, ..Texts::default() };
    Record::new(Kind::Changed, WallTime(1_000_600), 1, 1_000, &texts).unwrap()
}

#[test]
fn rfc5626_7_the_flows_of_a_connection_that_is_gone_end_at_once() {
    let mut location = Location::new([1; 16]);
    let (tcp, udp) = (Transport::Tcp, Transport::Udp);
    let bindings = [
        along(tcp, 7, Some(1)),
        along(tcp, 7, None),
        along(tcp, 8, Some(2)),
        along(udp, 7, Some(3)),
        along(tcp, 7, Some(4)),
    ];
    bindings.iter().for_each(|record| location.apply(at(0), record));
    // The last has come again by another connection before the first was seen to be gone.
    location.apply(at(1), &along(tcp, 9, Some(4)));
    let left = |location: &Location, now: u64| {
        let mut left: Vec<_> = location.bindings(at(now), "sip:a@x").map(|one| one.params().to_owned()).collect();
        left.sort();
        left
    };
    assert_eq!(left(&location, 2).len(), 5);
    location.lose(at(2), FlowId(7));
    let all = [None, Some(2), Some(3), Some(4)].map(|number| crate::instance::written("urn:uuid:1", number));
    assert_eq!(left(&location, 2), all);
    assert_eq!(location.next_end(), Some(at(2).mono));
    let mut gone = Vec::new();
    location.expire(at(2), 10, &mut gone);
    assert_eq!(gone.iter().map(Record::name).collect::<Vec<_>>(), [crate::instance::written("urn:uuid:1", Some(1))]);
    assert_eq!(location.len(), 4);
    // Nothing is kept of connections that nobody is behind: of the rest one flow goes along datagrams.
    location.lose(at(2), FlowId(8));
    location.apply(at(2), &Record { kind: Kind::Removed, ..along(tcp, 9, Some(4)) });
    assert_eq!((left(&location, 2).len(), location.flows.len()), (2, 1));
}

#[test]
fn rfc5626_7_the_flows_over_udp_to_where_nobody_is_end_at_once_and_may_come_again() {
    for remote in ["192.0.2.1:5060", "[2001:db8::1]:5060"] {
        let mut location = Location::new([1; 16]);
        let (tcp, udp) = (Transport::Tcp, Transport::Udp);
        // Whatever the number of the socket is, after a restart as well; what is no flow, or by a connection, stays, and so does who is elsewhere.
        let bindings = [
            leading_to(remote, (udp, 1), Some(1)),
            leading_to(remote, (udp, FLOW_GONE.0), Some(2)),
            leading_to(remote, (udp, 1), None),
            leading_to(remote, (tcp, 7), Some(3)),
            leading_to("192.0.2.1:5061", (udp, 1), Some(4)),
            leading_to("192.0.2.2:5060", (udp, 1), Some(5)),
        ];
        bindings.iter().for_each(|record| location.apply(at(0), record));
        let left = |location: &Location, now: u64| location.bindings(at(now), "sip:a@x").count();
        assert_eq!(left(&location, 1), 6);
        location.lose_at(at(1), remote.parse().unwrap());
        assert_eq!(left(&location, 1), 4);
        // One of them comes again before they have been taken out, and is lost again.
        location.apply(at(1), &leading_to(remote, (udp, 1), Some(1)));
        let mut gone = Vec::new();
        location.expire(at(1), 10, &mut gone);
        assert_eq!((left(&location, 1), gone.len()), (5, 1));
        location.lose_at(at(2), remote.parse().unwrap());
        location.expire(at(2), 10, &mut gone);
        assert_eq!((left(&location, 2), gone.len(), location.len()), (4, 2, 4));
        // Nothing is kept of where no flow leads any more.
        assert_eq!(location.flows.len(), 3);
    }
}

#[test]
fn rfc5626_7_a_flow_that_comes_again_after_its_connection_goes_on() {
    let mut location = Location::new([1; 16]);
    location.apply(at(0), &along(Transport::Tcp, 7, Some(1)));
    location.lose(at(1), FlowId(7));
    location.apply(at(1), &along(Transport::Tcp, 8, Some(1)));
    let mut gone = Vec::new();
    location.expire(at(1), 10, &mut gone);
    assert_eq!((gone.len(), location.bindings(at(1), "sip:a@x").count()), (0, 1));
    // What was of another process is of no connection of ours.
    location.apply(at(1), &along(Transport::Tcp, FLOW_GONE.0, Some(2)));
    location.lose(at(1), FLOW_GONE);
    assert_eq!(location.bindings(at(1), "sip:a@x").count(), 2);
}

#[test]
fn the_heap_of_ends_stays_small_whatever_a_peer_does() {
    let mut location = Location::new([1; 16]);
    for n in 0..10_000u64 {
        put(&mut location, n, "sip:a@x", "sip:a@1", if n % 2 == 0 { 3_600 } else { 60 });
        let gone = location.bindings(at(n), "sip:a@x").next().unwrap().removal();
        if n % 3 == 0 {
            location.apply(at(n), &gone);
        }
        assert!(location.ends.len() <= 2 * location.len() + 64, "{}", location.ends.len());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put { user: u8, contact: u8, lasts: u64 },
    Remove { user: u8, contact: u8 },
    Wait(u64),
    Expire(usize),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..4u8, 0..4u8, 1..200u64).prop_map(|(user, contact, lasts)| Step::Put { user, contact, lasts }),
        2 => (0..4u8, 0..4u8).prop_map(|(user, contact)| Step::Remove { user, contact }),
        3 => (0..100u64).prop_map(Step::Wait),
        2 => (0..5usize).prop_map(Step::Expire),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn location_agrees_with_a_plain_map(steps in steps()) {
        let mut location = Location::new([3; 16]);
        let mut model: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Put { user, contact, lasts } => {
                    let (aor, uri) = (format!("sip:{user}@x"), format!("sip:{contact}@h"));
                    put(&mut location, now, &aor, &uri, lasts);
                    model.insert((aor, uri), now + lasts);
                }
                Step::Remove { user, contact } => {
                    let (aor, uri) = (format!("sip:{user}@x"), format!("sip:{contact}@h"));
                    location.apply(at(now), &Record { kind: Kind::Removed, ..added(&aor, &uri, 0) });
                    model.remove(&(aor, uri));
                }
                Step::Wait(seconds) => now += seconds,
                Step::Expire(most) => {
                    let mut gone = Vec::new();
                    location.expire(at(now), most, &mut gone);
                    for record in gone {
                        let end = model.remove(&(record.aor().to_owned(), record.uri().to_owned()));
                        prop_assert!(end.is_some_and(|end| end <= now), "{record:?}");
                    }
                }
                Step::Restart => {
                    let records: Vec<_> = location.snapshot(at(now)).collect();
                    location = Location::new([4; 16]);
                    records.iter().for_each(|record| location.apply(at(now), record));
                }
            }
            let mut live: Vec<_> = location.iter(at(now)).map(|one| (one.aor().to_owned(), one.uri().to_owned())).collect();
            live.sort();
            let expected: Vec<_> = model.iter().filter(|(_, end)| **end > now).map(|(key, _)| key.clone()).collect();
            prop_assert_eq!(live, expected);
        }
        let mut gone = Vec::new();
        location.expire(at(now + 1_000), usize::MAX, &mut gone);
        prop_assert!(location.is_empty() && location.users() == 0 && location.next_end().is_none());
    }
}
