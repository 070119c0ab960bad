use std::net::SocketAddr;

use super::*;
use crate::id::FlowId;
use crate::outbox::Transport;

/// Most that are remembered.
const MOST: usize = 16;

fn at(ms: u64) -> Time {
    Time(ms * 1_000)
}

fn from(address: &str, transport: Transport) -> Origin {
    let remote: SocketAddr = address.parse().unwrap();
    Origin { flow: FlowId(1), transport, local: "192.0.2.9:5060".parse().unwrap(), remote }
}

fn peer() -> Origin {
    from("192.0.2.1:5060", Transport::Udp)
}

/// So many requests in the look that begins then, evenly, each told that so much less is wanted: what he has been found to do at the last of them.
fn look(hearers: &mut Hearers, who: &Origin, begun: u64, count: u64, loss: u8) -> Heed {
    let mut heed = Heed::Unknown;
    for number in 0..count {
        let now = at(begun + number * 500 / count);
        heed = hearers.came(who, now, MOST);
        assert_eq!(hearers.told(who, now, loss), heed);
    }
    heed
}

/// Looks one after the other, from the first on.
fn looks(hearers: &mut Hearers, who: &Origin, looks: &[(u64, u8)]) -> Vec<Heed> {
    let each = looks.iter().enumerate();
    each.map(|(number, (count, loss))| look(hearers, who, 1_000 + number as u64 * 500, *count, *loss)).collect()
}

#[test]
fn rfc7339_5_10_2_whether_he_obeys_who_says_that_he_hears_is_seen_by_what_comes() {
    use Heed::{Ignores, Obeys, Unknown};
    let begins = |last: [Heed; 2]| [Unknown, Unknown, Unknown, Unknown, last[0], last[1]];
    for (name, seen, expected) in [
        ("does it", [(50, 0), (50, 80), (10, 80), (10, 80), (10, 80), (10, 80)], begins([Unknown, Obeys])),
        ("goes on", [(50, 0), (50, 80), (50, 80), (50, 80), (50, 80), (50, 80)], begins([Ignores, Ignores])),
        ("does half of it", [(50, 0), (50, 80), (20, 80), (20, 80), (20, 80), (20, 80)], begins([Unknown; 2])),
        ("rests now and then", [(50, 0), (50, 80), (1, 80), (50, 80), (1, 80), (50, 80)], begins([Ignores; 2])),
        ("was told nothing", [(50, 0), (500, 0), (50, 0), (500, 0), (50, 0), (500, 0)], begins([Unknown; 2])),
        ("comes when we are busy", [(50, 80); 6], [Unknown, Unknown, Unknown, Ignores, Ignores, Ignores]),
        ("sends little", [(4, 0), (4, 50), (4, 50), (4, 50), (4, 50), (4, 50)], begins([Unknown; 2])),
        ("is asked for little", [(50, 0), (50, 10), (50, 10), (50, 10), (50, 10), (50, 10)], begins([Unknown; 2])),
        ("hears late", [(50, 0), (50, 90), (50, 90), (5, 90), (5, 90), (5, 90)], begins([Unknown, Obeys])),
        ("is let off", [(50, 0), (50, 90), (5, 90), (20, 60), (25, 50), (25, 50)], begins([Unknown, Obeys])),
        ("has more to do", [(50, 0), (500, 80), (100, 80), (100, 80), (100, 80), (100, 80)], begins([Unknown, Obeys])),
        // Half as much again to send as before he was asked, of which he leaves out what he should, and three and a half times as much.
        ("has more and more", [(50, 0), (50, 80), (10, 80), (10, 80), (15, 80), (15, 80)], begins([Unknown, Obeys])),
        ("has far more", [(50, 0), (50, 80), (10, 80), (10, 80), (35, 80), (35, 80)], begins([Unknown, Ignores])),
    ] {
        assert_eq!(looks(&mut Hearers::default(), &peer(), &seen), expected, "{name}");
    }
}

/// A word counts for a second, in which nothing comes; then one or two, which hear the next.
#[test]
fn rfc7339_5_10_2_looks_in_which_nothing_comes_say_nothing_and_those_between_do() {
    let none = (0, 0);
    for (some, expected) in [(2, Heed::Obeys), (30, Heed::Unknown)] {
        let (mut hearers, some) = (Hearers::default(), (some, 90));
        let course = [(50, 0), (50, 90), none, some, none, some, none, some, none, some];
        let seen = looks(&mut hearers, &peer(), &course);
        assert_eq!(seen.last(), Some(&expected), "{some:?}");
        assert!(!seen.contains(&Heed::Ignores), "{some:?}: {seen:?}");
    }
    // Nor does it make a name for who has gone on.
    let mut hearers = Hearers::default();
    looks(&mut hearers, &peer(), &[(50, 0), (50, 90), (50, 90), (50, 90), none, none, none, none]);
    assert_eq!(hearers.came(&peer(), at(5_000), MOST), Heed::Ignores);
}

#[test]
fn rfc7339_5_10_2_who_begins_to_obey_is_believed_and_who_stops_is_not() {
    let mut hearers = Hearers::default();
    let (full, less) = ((50, 80), (10, 80));
    let mut seen = looks(&mut hearers, &peer(), &[(50, 0), full, full, full, less, less, less, full, full]);
    // He has gone on in the last but one when it ends.
    assert_eq!(seen.split_off(4), [Heed::Ignores, Heed::Ignores, Heed::Obeys, Heed::Unknown, Heed::Ignores]);
}

#[test]
fn rfc7339_5_10_2_what_was_seen_counts_for_a_minute() {
    for last in [59_000, 61_000] {
        let mut hearers = Hearers::default();
        looks(&mut hearers, &peer(), &[(50, 0), (50, 80), (50, 80), (50, 80)]);
        // He goes on, and is asked for nothing.
        for begun in (3_000..3_000 + last).step_by(500) {
            look(&mut hearers, &peer(), begun, 50, 0);
        }
        let expected = if last < 60_000 { Heed::Ignores } else { Heed::Unknown };
        assert_eq!(hearers.came(&peer(), at(3_000 + last), MOST), expected, "{last}");
    }
    // Nor is it forgotten sooner of who sends nothing meanwhile.
    for (silent, expected) in [(17_000, Heed::Ignores), (59_000, Heed::Ignores), (61_000, Heed::Unknown)] {
        let mut hearers = Hearers::default();
        looks(&mut hearers, &peer(), &[(50, 0), (50, 80), (50, 80), (50, 80)]);
        assert_eq!(hearers.came(&peer(), at(3_000 + silent), MOST), expected, "{silent}");
    }
}

#[test]
fn rfc7339_5_10_2_who_writes_datagrams_in_the_name_of_another_does_not_harm_his_connection() {
    let course = [(50, 0), (50, 80), (50, 80), (50, 80), (50, 80)];
    let mut hearers = Hearers::default();
    assert_eq!(looks(&mut hearers, &peer(), &course).last(), Some(&Heed::Ignores));
    let obeys = [(50, 0), (50, 80), (10, 80), (10, 80), (10, 80), (10, 80)];
    let connected = from("192.0.2.1:40001", Transport::Tcp);
    assert_eq!(looks(&mut hearers, &connected, &obeys).last(), Some(&Heed::Obeys));
    // All ports of a host are one, and half of an address of IPv6.
    assert_eq!(hearers.came(&from("192.0.2.1:7000", Transport::Udp), at(3_500), MOST), Heed::Ignores);
    assert_eq!(hearers.came(&from("192.0.2.2:5060", Transport::Udp), at(3_500), MOST), Heed::Unknown);
    let v6 = |last: u16| from(&format!("[2001:db8::{last:x}]:5060"), Transport::Tls);
    looks(&mut hearers, &v6(1), &course);
    assert_eq!(hearers.came(&v6(2), at(3_500), MOST), Heed::Ignores);
}

#[test]
fn limit_of_those_who_say_that_they_hear_holds_and_newcomers_take_no_place_of_who_sends() {
    let one = |number: u16| from(&format!("198.51.{}.{}:5060", number / 256, number % 256), Transport::Udp);
    let mut hearers = Hearers::default();
    looks(&mut hearers, &peer(), &[(50, 0), (50, 80), (50, 80), (50, 80)]);
    for number in 0..1_000 {
        hearers.came(&one(number), at(3_000), MOST);
        assert!(hearers.others.of.len() <= MOST);
    }
    assert_eq!(hearers.others.of.len(), MOST);
    assert_eq!(hearers.came(&peer(), at(3_010), MOST), Heed::Ignores);
    // When nothing comes from them any more there is room again, and not sooner.
    for (ms, known) in [(4_900, false), (5_600, true)] {
        look(&mut hearers, &peer(), ms - 400, 10, 0);
        hearers.came(&one(5_000), at(ms), MOST);
        assert_eq!(hearers.others.of.contains_key(&network(one(5_000).remote.ip())), known, "{ms}");
    }
    assert_eq!(hearers.came(&peer(), at(5_600), MOST), Heed::Ignores);
}

#[test]
fn limit_of_those_who_say_that_they_hear_holds_and_datagrams_take_no_place_of_connections() {
    let many = |number: u64, transport| from(&format!("198.51.{}.{}:5060", number / 256, number % 256), transport);
    let mut hearers = Hearers::default();
    for number in 0..1_000 {
        hearers.came(&many(number, Transport::Udp), at(1_000), MOST);
    }
    let connected = from("192.0.2.1:40001", Transport::Tcp);
    let obeys = [(50, 0), (50, 80), (10, 80), (10, 80), (10, 80), (10, 80)];
    assert_eq!(looks(&mut hearers, &connected, &obeys).last(), Some(&Heed::Obeys));
    // Who connects from many networks has no more room than others.
    for number in 0..1_000 {
        hearers.came(&many(number, Transport::Tls), at(4_000), MOST);
    }
    assert_eq!((hearers.others.of.len(), hearers.connected.of.len()), (MOST, MOST));
    assert_eq!(hearers.came(&connected, at(4_010), MOST), Heed::Obeys);
}
