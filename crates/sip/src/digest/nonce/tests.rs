use super::*;

const PEER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)));

fn issue(serial: u32) -> Issue {
    Issue::new(Time(u64::from(serial) * 1_000), serial)
}

#[test]
fn rfc7616_5_4_a_nonce_is_genuine_only_for_its_key_and_peer_and_untouched() {
    let mut nonces = Nonces::new(&[7; 32]);
    let nonce = nonces.make(Time(123_456_789), PEER);
    assert_eq!(nonces.read(nonce.as_str(), PEER), Some(Issue::new(Time(123_456_789), 1)));
    assert_eq!(nonces.read(nonce.as_str(), Some("192.0.2.8".parse().unwrap())), None);
    assert_eq!(
        nonces.read(nonce.as_str(), Some("::ffff:192.0.2.7".parse().unwrap())).map(Issue::at),
        Some(Time(123_456_000))
    );
    assert_eq!(nonces.read(nonce.as_str(), None), None);
    assert_eq!(Nonces::new(&[8; 32]).read(nonce.as_str(), PEER), None);
    for at in 0..NONCE_LEN {
        for letter in [b'A', b'z', b'-', b'"', 0xc3] {
            let mut text = nonce.0;
            if text[at] == letter {
                continue;
            }
            text[at] = letter;
            let text = String::from_utf8_lossy(&text).into_owned();
            assert_eq!(nonces.read(&text, PEER), None, "letter {at}");
        }
    }
    assert_eq!(nonces.read(&"A".repeat(1_000_000), PEER), None);
    assert_eq!(nonces.read("", PEER), None);
}

#[test]
fn rfc7616_5_4_two_nonces_of_one_moment_differ() {
    let mut nonces = Nonces::new(&[7; 32]);
    assert_ne!(nonces.make(Time(5), PEER).as_str(), nonces.make(Time(5), PEER).as_str());
}

#[test]
fn the_later_of_two_nonces_is_the_greater() {
    let mut nonces = Nonces::new(&[7; 32]);
    let mut before = nonces.issue(Time(0));
    for at in [0, 0, 999, 1_000, 1_000_000, 10_000_000_000_000] {
        let next = nonces.issue(Time(at));
        assert!(before < next, "at {at}");
        assert!(next.at() <= Time(at) && Time(at).since(next.at()) < Duration::from_millis(1), "at {at}");
        before = next;
    }
    // Serial numbers begin anew after 2^24: by then it is later.
    assert!(Issue::new(Time(5_000), (1 << 24) - 1) < Issue::new(Time(6_000), 1 << 24));
}

#[test]
fn rfc7616_3_4_nc_each_count_is_taken_once_in_any_order_within_64() {
    let mut window = Window::new(8);
    for count in [1, 3, 2, 70, 69, 7] {
        assert_eq!(window.take(issue(1), count, false), Used::Fresh, "{count}");
    }
    for count in [1, 2, 3, 69, 70, 7, 6, 5] {
        assert_eq!(window.take(issue(1), count, false), Used::Before, "{count}");
    }
    assert_eq!(window.take(issue(1), 8, false), Used::Fresh);
    assert_eq!(window.take(issue(1), u32::MAX, false), Used::Fresh);
    assert_eq!(window.take(issue(1), u32::MAX, false), Used::Before);
    assert_eq!(window.take(issue(1), u32::MAX - 63, false), Used::Fresh);
    assert_eq!(window.take(issue(1), u32::MAX - 64, false), Used::Before);
}

#[test]
fn one_use_only_refuses_the_next_count() {
    let mut window = Window::new(8);
    assert_eq!(window.take(issue(1), 1, true), Used::Fresh);
    assert_eq!(window.take(issue(1), 2, true), Used::Before);
}

#[test]
fn rfc7616_5_4_no_count_of_any_nonce_is_taken_twice_in_whatever_order_they_come() {
    let mut window = Window::new(64);
    let mut taken = std::collections::BTreeSet::new();
    let mut refused = 0;
    for n in 0..10_000u32 {
        let number = if n % 3 == 0 { n / 2 } else { n };
        match window.take(issue(number), 1 + n % 2, false) {
            Used::Fresh => assert!(taken.insert((number, 1 + n % 2)), "{number} twice"),
            Used::Before => refused += 1,
        }
        assert!(window.len() <= 64, "{}", window.len());
    }
    assert!(refused > 1_000);
    assert_eq!(window.len(), 64);
}

#[test]
fn a_nonce_is_taken_until_a_later_one_of_its_place_was_used() {
    let mut window = Window::new(1_000);
    assert_eq!(window.take(issue(7), 1, false), Used::Fresh);
    // Of the next 1,000 all are used but the one that would put it out.
    for serial in (8..1_007).chain(1_008..1_500) {
        assert_eq!(window.take(issue(serial), 1, false), Used::Fresh, "{serial}");
    }
    assert_eq!(window.take(issue(7), 2, false), Used::Fresh);
    assert_eq!(window.take(issue(1_007), 1, false), Used::Fresh);
    assert_eq!(window.take(issue(7), 3, false), Used::Before);
    assert_eq!(window.len(), 1_000);
}

#[test]
fn rfc3261_8_2_7_a_repeat_is_given_its_nonce_again_while_it_is_remembered() {
    let mut nonces = Nonces::new(&[7; 32]);
    let mut recent = Recent::default();
    let here: IpAddr = "192.0.2.7".parse().unwrap();
    let name = |nonces: &Nonces, branch: &str, number| nonces.name([branch.as_bytes(), b"call"], number, here);
    let mut given = |nonces: &mut Nonces, name, at| recent.of(name, Time(at), || nonces.issue(Time(at)));
    let one = name(&nonces, "one", 1);
    let first = given(&mut nonces, one, 5_000);
    assert_eq!(given(&mut nonces, one, 32_005_000), first);
    assert_ne!(given(&mut nonces, one, 32_005_001), first, "nobody repeats so late");
    let again = given(&mut nonces, one, 40_000_000);
    for other in [
        name(&nonces, "two", 1),
        name(&nonces, "one", 2),
        nonces.name([b"on", b"ecall"], 1, here),
        nonces.name([b"one", b"call"], 1, "192.0.2.8".parse().unwrap()),
        Nonces::new(&[8; 32]).name([b"one", b"call"], 1, here),
    ] {
        assert_ne!(other, one);
    }
    // Of the requests that share a row of the table four are remembered, and the oldest goes.
    let other = |number| one.wrapping_add(number * RECENT as u64);
    for number in 1..4 {
        given(&mut nonces, other(number), 40_000_000 + number * 1_000);
    }
    assert_eq!(given(&mut nonces, one, 40_004_000), again);
    let second = given(&mut nonces, other(1), 40_004_000);
    given(&mut nonces, other(4), 40_005_000);
    assert_eq!(given(&mut nonces, other(1), 40_006_000), second);
    assert_ne!(given(&mut nonces, one, 40_006_000), again);
}

#[test]
fn rfc3261_16_11_a_repeat_is_known_for_32_s_and_by_as_many_as_there_is_room_for() {
    let mut repeats = Repeats::new(4);
    let at = |second: u64| Time(second * 1_000_000);
    assert!(!repeats.has(1, at(1)));
    (1..=4).for_each(|name| repeats.put(name, at(name)));
    assert!((1..=4).all(|name| repeats.has(name, at(4))) && !repeats.has(5, at(4)));
    repeats.put(5, at(5));
    assert!(!repeats.has(1, at(5)), "one more than there is room for");
    assert!((2..=5).all(|name| repeats.has(name, at(34))));
    assert!(!repeats.has(2, at(35)) && repeats.has(3, at(35)), "64*T1");
    // However little is asked for.
    let mut least = Repeats::new(0);
    least.put(9, at(1));
    assert!(least.has(9, at(1)));
}
