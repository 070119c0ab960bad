use super::*;
use crate::header::Header as _;
use crate::message::Lexer;

/// Most servers that are remembered.
const MOST: usize = 16;

fn feedback(params: &str) -> Option<Feedback> {
    let text = format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx{params}");
    Feedback::of(&Via::parse_value(&mut Lexer::new(text.as_bytes())).unwrap())
}

fn server(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

fn at(ms: u64) -> Time {
    Time(ms * 1_000)
}

#[test]
fn rfc7339_4_what_a_server_says_is_read_and_what_is_no_word_of_it_is_none() {
    let word = |loss, ms, sequence| Some(Feedback { loss, validity: Duration::from_millis(ms), sequence });
    let table = [
        (";oc=20;oc-algo=\"loss\";oc-validity=1000;oc-seq=1282321615.782", word(20, 1_000, 128_232_161_578_200)),
        (";oc=20;oc-algo=\"loss\";oc-seq=1.1", word(20, 500, 110_000)),
        (";oc=0;oc-algo=\"loss\";oc-validity=0;oc-seq=1.1", word(0, 0, 110_000)),
        (";oc=20;oc-validity=99999999;oc-seq=1.1", word(20, 60_000, 110_000)),
        (";oc;oc-algo=\"loss\"", None),
        (";oc-algo=\"loss\";oc-validity=1000;oc-seq=1.1", None),
        (";oc;oc-algo=\"loss\";oc-validity=1000;oc-seq=1.1", None),
        ("", None),
        (";oc=150;oc-algo=\"rate\";oc-validity=1000;oc-seq=1.1", None),
        (";oc=101;oc-algo=\"loss\";oc-seq=1.1", None),
        (";oc=20;oc-algo=\"loss\"", None),
        (";oc=20;oc-algo=\"loss\";oc-seq=1", None),
        (";oc=20;oc-algo=\"loss\";oc-seq=1234567890123.1", None),
        (";oc=20;oc-algo=\"loss\";oc-seq=1.123456", None),
        (";oc=20;oc-algo=\"loss\";oc-validity=-1;oc-seq=1.1", None),
    ];
    for (params, expected) in table {
        assert_eq!(feedback(params), expected, "{params}");
    }
}

/// How many of 10,000 requests go there, of which every `each`th is kept.
fn gone(throttles: &mut Throttles, server: SocketAddr, now: Time, each: u32) -> (u32, u32) {
    let (mut candidates, mut kept) = (0, 0);
    for number in 0..10_000_u32 {
        let is_kept = number % each == 0;
        // Steps through all numbers below 10,000.
        let goes = throttles.lets(server, now, is_kept, u64::from(number) * 7_919 % DRAWN);
        *(if is_kept { &mut kept } else { &mut candidates }) += u32::from(goes);
    }
    (candidates, kept)
}

#[test]
fn rfc7339_7_2_as_many_are_left_out_as_is_asked_and_of_those_in_dialogs_the_last() {
    for (loss, each, expected) in
        [(20, 2, (3_000, 5_000)), (60, 2, (0, 4_000)), (100, 2, (0, 0)), (30, 4, (4_500, 2_500))]
    {
        let (mut throttles, path) = (Throttles::default(), server(5_060));
        throttles.heard(path, at(0), feedback(&format!(";oc={loss};oc-validity=1000;oc-seq=1.1")).unwrap(), MOST);
        let (candidates, kept) = gone(&mut throttles, path, at(999), each);
        let near = |one: u32, other: u32| one.abs_diff(other) <= 300;
        assert!(near(candidates, expected.0) && near(kept, expected.1), "{loss} %: {candidates} and {kept}");
        // Not one of those, from the first on, where leaving out others is enough.
        if loss < 50 {
            assert_eq!(kept, expected.1, "{loss} %");
        }
        // Nobody else is meant, and it does not last.
        assert_eq!(gone(&mut throttles, server(5_062), at(999), each), (10_000 - 10_000 / each, 10_000 / each));
        assert_eq!(gone(&mut throttles, path, at(1_000), each), (10_000 - 10_000 / each, 10_000 / each));
        assert!(throttles.is_empty());
    }
}

#[test]
fn rfc7339_5_10_1_the_first_that_go_after_a_word_are_not_left_out_because_nothing_else_has_come_yet() {
    for loss in [10, 50, 75] {
        let (mut throttles, path) = (Throttles::default(), server(5_060));
        // Each word is over before the next: nothing is known of the mix but what is usual.
        for word in 0..50 {
            let (now, said) = (at(word * 1_000), format!(";oc={loss};oc-validity=500;oc-seq={}.1", word + 1));
            throttles.heard(path, now, feedback(&said).unwrap(), MOST);
            assert!(throttles.lets(path, now, true, 0), "{loss} %: word {word}");
            assert!(!throttles.lets(path, now, false, 0), "the control: {loss} %, word {word}");
        }
    }
    // Where nothing else goes there, they are in time what is left out.
    let (mut throttles, path) = (Throttles::default(), server(5_060));
    throttles.heard(path, at(0), feedback(";oc=50;oc-validity=1000;oc-seq=1.1").unwrap(), MOST);
    let goes = (0..1_000).filter(|_| throttles.lets(path, at(1), true, DRAWN / 2 - 1_000)).count();
    assert!((1..500).contains(&goes), "{goes}");
}

#[test]
fn rfc7339_5_4_a_word_that_comes_late_changes_nothing_and_the_last_ends_it() {
    let (mut throttles, path) = (Throttles::default(), server(5_060));
    let mut heard = |ms, params: &str| {
        throttles.heard(path, at(ms), feedback(params).unwrap(), MOST);
        !throttles.lets(path, at(ms), false, 0)
    };
    assert!(heard(0, ";oc=100;oc-validity=1000;oc-seq=5.1"));
    assert!(heard(10, ";oc=0;oc-validity=0;oc-seq=5.0"), "from before");
    assert!(heard(20, ";oc=0;oc-validity=0;oc-seq=5.1"), "the same again");
    assert!(!heard(30, ";oc=50;oc-validity=0;oc-seq=5.2"), "no more");
    assert!(!heard(35, ";oc=100;oc-validity=1000;oc-seq=5.1"), "from before the end");
    assert!(heard(40, ";oc=100;oc-validity=1000;oc-seq=999999999999.1"));
    assert!(!heard(50, ";oc=0;oc-validity=0;oc-seq=1.1"), "it counts anew");
}

#[test]
fn rfc7339_5_4_a_part_of_a_server_that_was_never_busy_does_not_end_what_another_asks_for() {
    let hour = 3_600_000;
    for begun in [1_000, 13 * hour] {
        let (busy, calm, mut throttles) = (Load::default(), Load::default(), Throttles::default());
        for look in 0..10 {
            let now = begun + look * 500;
            busy.came(at(now), true);
            for words in [busy.words(at(now + 400)), calm.words(at(now + 400))] {
                throttles.heard(server(5_060), at(now + 400), feedback(&words).unwrap(), MOST);
            }
            let is_throttled = !throttles.lets(server(5_060), at(now + 400), false, 0);
            assert_eq!(is_throttled, look > 0, "{begun}, {look}");
        }
    }
}

#[test]
fn no_more_servers_are_remembered_than_there_may_be() {
    let mut throttles = Throttles::default();
    for number in 0..=MOST as u16 {
        let word = feedback(&format!(";oc=100;oc-validity={};oc-seq=1.1", 1_000 + number)).unwrap();
        throttles.heard(server(1_000 + number), at(0), word, MOST);
    }
    assert_eq!(throttles.of.len(), MOST);
    assert!(throttles.lets(server(1_000), at(1), false, 0), "the first to be over");
    assert!(!throttles.lets(server(1_001), at(1), false, 0));
}

#[test]
fn who_answers_from_many_ports_takes_the_places_of_nobody_else() {
    let many = |number: u16| [server(1_000 + number), SocketAddr::new("2001:db8::1".parse().unwrap(), 1_000 + number)];
    let within = |number: u16| SocketAddr::new(format!("2001:db8::{number:x}").parse().unwrap(), 5_060);
    let honest: [SocketAddr; 2] = ["198.51.100.1:5060".parse().unwrap(), "[2001:db8:1::1]:5060".parse().unwrap()];
    for host in 0..3 {
        let mut throttles = Throttles::default();
        for server in honest {
            let word = feedback(";oc=100;oc-validity=1000;oc-seq=1.1").unwrap();
            throttles.heard(server, at(0), word, MOST);
        }
        for number in 1..=100 {
            let server = if host == 2 { within(number) } else { many(number)[host] };
            throttles.heard(server, at(0), feedback(";oc=1;oc-validity=60000;oc-seq=1.1").unwrap(), MOST);
        }
        assert_eq!(throttles.of.len(), MOST, "{host}");
        for server in honest {
            assert!(!throttles.lets(server, at(1), false, 0), "{host}: {server}");
        }
    }
}

#[test]
fn rfc7339_5_3_more_is_asked_for_as_long_as_there_is_no_room_and_less_again() {
    let load = Load::default();
    assert_eq!(load.words(at(1_000)), ";oc=0;oc-algo=\"loss\";oc-validity=0;oc-seq=0.00000");
    // Every other one finds no room.
    for number in 0..10 {
        load.came(at(1_000), number % 2 == 0);
    }
    let asked = load.words(at(1_500));
    assert!(asked.starts_with(";oc=50;oc-algo=\"loss\";oc-validity=1000;oc-seq="), "{asked}");
    // Half of what is left still does not.
    for number in 0..10 {
        load.came(at(1_500), number % 2 == 0);
    }
    let more = load.words(at(2_000));
    assert!(more.starts_with(";oc=75;"), "{more}");
    let sequence = |words: &str| super::sequence(words.rsplit("oc-seq=").next().unwrap()).unwrap();
    assert!(sequence(&more) > sequence(&asked));
    // All: no more than nine of ten.
    load.came(at(2_000), true);
    assert!(load.words(at(2_500)).starts_with(";oc=90;"));
    load.came(at(2_500), false);
    assert!(load.words(at(3_000)).starts_with(";oc=80;"));
    // And nothing after some time without a word.
    assert!(load.words(at(60_000)).starts_with(";oc=0;"));
}

#[test]
fn rfc7339_5_4_those_behind_one_address_say_the_same() {
    let all = Load::default();
    let (roomy, full) = (all.clone(), all.clone());
    for _ in 0..5 {
        roomy.came(at(1_000), false);
        full.came(at(1_000), true);
    }
    let words = roomy.words(at(1_500));
    assert!(words.starts_with(";oc=50;"), "{words}");
    assert_eq!(full.words(at(1_501)), words);
    // The control: somebody else.
    assert!(Load::default().words(at(1_500)).starts_with(";oc=0;"));
}

#[test]
fn rfc7339_5_4_what_is_asked_for_on_and_on_is_a_new_word_each_time() {
    let load = Load::default();
    let mut throttles = Throttles::default();
    // Longer than a word counts: everything is refused, and the client is told so all the time.
    for look in 0..10 {
        let begun = 1_000 + look * 700;
        load.came(at(begun), true);
        let words = load.words(at(begun + 400));
        throttles.heard(server(5_060), at(begun + 400), feedback(&words).unwrap(), MOST);
        if look > 0 {
            assert!(!throttles.lets(server(5_060), at(begun + 1_050), false, 0), "{look}: {words}");
        }
    }
    // What was refused long ago says nothing of now.
    load.came(at(8_500), true);
    assert!(load.words(at(60_000)).starts_with(";oc=0;oc-algo=\"loss\";oc-validity=0;"));
}

#[test]
fn rfc7339_5_1_who_has_written_oc_and_speaks_loss_is_told() {
    let offered = |params: &str| {
        let text = format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx{params}");
        is_offered(&Via::parse_value(&mut Lexer::new(text.as_bytes())).unwrap())
    };
    for (params, expected) in [
        (";oc;oc-algo=\"loss\"", true),
        (";OC;oc-algo=\"rate, Loss\"", true),
        (";oc;oc-algo=loss", true),
        (";oc", true),
        (";oc;oc-algo=\"rate\"", false),
        (";oc;oc-algo=\"lossless\"", false),
        (";oc-algo=\"loss\"", false),
        ("", false),
    ] {
        assert_eq!(offered(params), expected, "{params}");
    }
}

#[test]
fn rfc7339_5_10_1_calls_for_help_are_known() {
    for (uri, expected) in [
        ("urn:service:sos", true),
        ("URN:service:SOS.fire", true),
        ("urn:service:sosfire", false),
        ("urn:service:counseling", false),
        ("sip:112@example.com", false),
        ("urn:service:so\u{e9}s", false),
    ] {
        assert_eq!(is_for_help(uri), expected, "{uri}");
    }
    for (value, expected) in [
        ("esnet.0", true),
        ("wps.1, ESNET.2", true),
        ("wps.0", false),
        ("esnet", false),
        ("xesnet.1", false),
        ("", false),
    ] {
        assert_eq!(is_urgent(value.as_bytes()), expected, "{value}");
    }
}
