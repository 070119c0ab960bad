use bytes::Bytes;
use sip::message::{Limits, Message};

use super::*;
use crate::feature::VALUES;

fn request(method: &str, lines: &str) -> Request {
    let text = format!(
        "{method} sip:user@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:user@example.com>\r\n\
         Call-ID: 1\r\nCSeq: 1 {method}\r\n{lines}\r\n"
    );
    match Message::parse(Bytes::from(text), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Name, q and parameters of a contact.
type Device = (&'static str, u16, &'static str);

fn chosen(method: &str, lines: &str, devices: &[Device]) -> Vec<&'static str> {
    let wanted = Preferences::of(&request(method, lines));
    let chosen = wanted.choose(devices.to_vec(), |device| device.1, |device| device.2);
    chosen.into_iter().map(|device| device.0).collect()
}

const EXAMPLE: [Device; 5] = [
    ("u1", 200, ";audio;video;methods=\"INVITE,BYE\""),
    ("u2", 200, ";audio=\"FALSE\";methods=\"INVITE\";actor=\"msg-taker\""),
    ("u3", 300, ";audio;actor=\"msg-taker\";methods=\"INVITE\";video"),
    ("u4", 200, ";audio;methods=\"INVITE,OPTIONS\""),
    ("u5", 500, ""),
];
const WANTED: &str = "Reject-Contact: *;actor=\"msg-taker\";video\r\nAccept-Contact: *;audio;require\r\nAccept-Contact: *;video;explicit\r\n\
    Accept-Contact: *;methods=\"BYE\";class=\"business\";q=1.0\r\n";

#[test]
fn rfc3841_7_2_5_the_example_comes_out_as_it_says() {
    assert_eq!(chosen("INVITE", WANTED, &EXAMPLE), ["u5", "u1", "u4"]);
    let wanted = Preferences::of(&request("INVITE", WANTED));
    let weight = |device: &Device| wanted.weigh(&FeatureSet::of_contact(device.2), &mut Work::of(COMPARISONS));
    // 0.83 and 0.5.
    assert_eq!((weight(&EXAMPLE[0]), weight(&EXAMPLE[3])), (Some(833), Some(500)));
    assert_eq!((weight(&EXAMPLE[1]), weight(&EXAMPLE[2])), (None, None));
}

#[test]
fn rfc3841_7_2_4_require_drops_who_does_not_match_and_explicit_who_does_not_say() {
    let devices: [Device; 4] = [
        ("says", 1_000, ";video"),
        ("denies", 1_000, ";video=\"FALSE\""),
        ("silent", 1_000, ";audio"),
        ("immune", 1_000, ";x=y"),
    ];
    for (wanted, expected) in [
        ("*;video", &["says", "immune", "denies", "silent"][..]),
        ("*;video;require", &["says", "immune", "silent"]),
        ("*;video;explicit", &["says", "immune", "denies", "silent"]),
        ("*;video;require;explicit", &["says", "immune"]),
        // Section 10 forbids two of a kind; what is meant is plain.
        ("*;video;require;require;explicit;explicit", &["says", "immune"]),
    ] {
        assert_eq!(chosen("INVITE", &format!("Accept-Contact: {wanted}\r\n"), &devices), expected, "{wanted}");
    }
}

#[test]
fn rfc3841_7_2_4_reject_discards_only_who_says_that_it_is_so() {
    let devices: [Device; 3] =
        [("robot", 1_000, ";automata"), ("person", 1_000, ";automata=\"FALSE\""), ("silent", 1_000, ";audio")];
    assert_eq!(chosen("INVITE", "Reject-Contact: *;automata\r\n", &devices), ["person", "silent"]);
    assert_eq!(chosen("INVITE", "Reject-Contact: *;automata\r\n", &devices[..1]), Vec::<&str>::new());
}

#[test]
fn rfc3841_7_2_2_what_a_request_is_wants_a_device_that_takes_it_unless_there_is_none() {
    let devices: [Device; 2] = [("calls", 500, ";methods=\"INVITE,BYE\""), ("chats", 1_000, ";methods=\"MESSAGE\"")];
    assert_eq!(chosen("INVITE", "", &devices), ["calls"]);
    assert_eq!(chosen("MESSAGE", "", &devices), ["chats"]);
    assert_eq!(chosen("OPTIONS", "", &devices), ["calls", "chats"]);
    // Those of an INVITE go where it went, who keeps no transaction having to find that out again (RFC 3261 section 16.11).
    let hears: [Device; 2] = [("calls", 500, ";methods=\"INVITE\""), ("ends", 1_000, ";methods=\"CANCEL,ACK\"")];
    for method in ["INVITE", "CANCEL", "ACK"] {
        assert_eq!(chosen(method, "", &hears), ["calls"], "{method}");
    }
    let watched: [Device; 2] =
        [("presence", 1_000, ";events=\"presence\""), ("dialog", 1_000, ";events=\"dialog,reg\"")];
    assert_eq!(chosen("SUBSCRIBE", "Event: reg\r\n", &watched), ["dialog"]);
}

#[test]
fn rfc3841_8_values_are_words_texts_numbers_and_what_they_are_not() {
    let fits = |device: &str, wanted: &str| {
        let read = |params: &str| FeatureSet::of_contact(params);
        read(wanted).matches(&read(device), &mut Work::of(COMPARISONS))
    };
    for (device, wanted, fit) in [
        (";audio", ";audio=\"TRUE\"", true),
        (";audio", ";audio=\"!FALSE\"", true),
        (";audio", ";audio=\"FALSE\"", false),
        (";mobility=\"FIXED\"", ";mobility=\"fixed\"", true),
        (";language=\"en,de\"", ";language=\"de\"", true),
        (";language=\"en\"", ";language=\"!en\"", false),
        (";language=\"en\"", ";language=\"!fr\"", true),
        (";description=\"<Fax, Room 5>\"", ";description=\"<Fax, Room 5>\"", true),
        (";description=\"<fax>\"", ";description=\"<Fax>\"", false),
        (";priority=\"#5\"", ";priority=\"#>=4\"", true),
        (";priority=\"#5\"", ";priority=\"#<=4\"", false),
        (";priority=\"#1:3\"", ";priority=\"#3:9\"", true),
        (";priority=\"#=2\"", ";priority=\"!#1:3\"", false),
        (";+sip.foo=\"<x>\"", ";+SIP.FOO=\"<x>\"", true),
        (";audio", ";video", true),
    ] {
        assert_eq!(fits(device, wanted), fit, "{device} {wanted}");
    }
}

#[test]
fn preferences_beyond_the_limits_are_none() {
    let device: [Device; 1] = [("robot", 1_000, ";automata")];
    let values = |count: usize| "Reject-Contact: *;automata\r\n".repeat(count);
    assert_eq!(chosen("INVITE", &values(PREDICATES), &device), Vec::<&str>::new());
    assert_eq!(chosen("INVITE", &values(PREDICATES + 1), &device), ["robot"]);
    let terms = |count: usize| {
        let more: String = (1..count).map(|number| format!(";+x{number}")).collect();
        format!("Accept-Contact: *;automata=\"FALSE\"{more};require\r\n")
    };
    assert_eq!(chosen("INVITE", &terms(TERMS), &device), Vec::<&str>::new());
    assert_eq!(chosen("INVITE", &terms(TERMS + 1), &device), ["robot"]);
    let values = |count: usize| {
        let more: String = (1..count).map(|number| format!("w{number},")).collect();
        format!("Accept-Contact: *;automata=\"{more}FALSE\";require\r\n")
    };
    assert_eq!(chosen("INVITE", &values(VALUES), &device), Vec::<&str>::new());
    assert_eq!(chosen("INVITE", &values(VALUES + 1), &device), ["robot"]);
}

#[test]
fn a_device_that_says_more_than_is_read_says_nothing() {
    let says = |count: usize| {
        let words: String = (1..count).map(|number| format!("w{number},")).collect();
        format!(";methods=\"{words}MESSAGE\"")
    };
    for (count, expected) in [(VALUES, 0), (VALUES + 1, 1)] {
        let wanted = Preferences::of(&request("INVITE", "Accept-Contact: *;methods=\"BYE\";require\r\n"));
        let chosen = wanted.choose(vec![says(count)], |_| 1_000, |device| device);
        assert_eq!(chosen.len(), expected, "{count}");
    }
}

/// Who calls himself writes what a device can do and what is wanted of it, eight kilobytes a line.
#[test]
fn comparisons_of_one_request_have_an_end_whoever_wrote_both_sides() {
    // The last value of each is the same.
    let words = |word: char| (1..VALUES).map(|number| format!("{word}{number},")).collect::<String>() + "same";
    let terms = |word: char| (0..TERMS).map(|number| format!(";+x{number}=\"{}\"", words(word))).collect::<String>();
    let lines = format!("Accept-Contact: *{}\r\n", terms('a')).repeat(PREDICATES);
    let wanted = Preferences::of(&request("INVITE", &lines));
    assert_eq!(wanted.accept.len(), PREDICATES);
    let devices = vec![terms('b'); 5];
    let choose = |work: &mut Work, devices: Vec<String>| wanted.choose_with(work, devices, |_| 1_000, |device| device);
    // What it would cost without an end: more than a turn may take.
    let mut endless = Work::of(u32::MAX);
    choose(&mut endless, devices.clone());
    assert!(u32::MAX - endless.left() > COMPARISONS);
    let mut work = Work::of(COMPARISONS);
    assert_eq!(choose(&mut work, devices.clone()), devices);
    assert!(work.is_overspent() && work.left() == 0);
}

#[test]
fn comparisons_at_the_limit_count_and_past_it_nothing_was_wanted() {
    let wanted = Preferences::of(&request("INVITE", WANTED));
    let choose = |work: &mut Work| {
        let chosen = wanted.choose_with(work, EXAMPLE.to_vec(), |device| device.1, |device| device.2);
        chosen.into_iter().map(|device| device.0).collect::<Vec<_>>()
    };
    let mut work = Work::of(COMPARISONS);
    choose(&mut work);
    let cost = COMPARISONS - work.left();
    assert!(cost > 10, "{cost}");
    assert_eq!(choose(&mut Work::of(cost)), ["u5", "u1", "u4"]);
    assert_eq!(choose(&mut Work::of(cost - 1)), ["u1", "u2", "u3", "u4", "u5"]);
}

#[test]
fn rfc3841_9_1_directives_order_the_devices() {
    let devices = || vec![("a", 900), ("b", 900), ("c", 100)];
    let arranged = |value: &str| {
        let request = request("INVITE", &format!("Request-Disposition: {value}\r\n"));
        Disposition::of(request.headers()).arrange(devices(), |device, q| device.1 = q)
    };
    assert_eq!(arranged("proxy, queue"), devices());
    assert_eq!(arranged("no-fork"), [("a", 900)]);
    assert_eq!(arranged("fork, no-fork"), devices());
    assert_eq!(arranged("Parallel"), [("a", 1_000), ("b", 1_000), ("c", 1_000)]);
    assert_eq!(arranged("sequential, parallel"), [("a", 1_000), ("b", 999), ("c", 998)]);
    assert!(Disposition::of(request("INVITE", "Request-Disposition: no-recurse\r\n").headers()).no_recurse);
    assert_eq!(Disposition::of(request("INVITE", "").headers()), Disposition::default());
}

/// Of two of a name the first counts, of a device as of a caller.
#[test]
fn rfc3840_9_a_feature_that_is_named_twice_is_what_the_first_says() {
    let devices: [Device; 2] = [("twice", 1_000, ";+x=\"#5\";+X=\"#7\""), ("once", 500, ";+x=\"#7\"")];
    let wants = |lines: &str| chosen("INVITE", &format!("Accept-Contact: *;{lines};require;explicit\r\n"), &devices);
    assert_eq!(wants("+x=\"#5\""), ["twice"]);
    assert_eq!(wants("+x=\"#7\""), ["once"]);
    assert_eq!(wants("+x=\"#7\";+x=\"#5\""), ["once"]);
}

/// What is larger than any double is no number, and so none of those that a caller wants.
#[test]
fn rfc3840_9_a_number_is_one_that_a_double_can_be() {
    let devices: [Device; 4] = [
        ("small", 1_000, ";+x=\"#7\""),
        ("large", 900, ";+x=\"#1e308\""),
        ("larger", 800, ";+x=\"#1e309\""),
        ("up", 700, ";+x=\"#<=1e309\""),
    ];
    let wants = |lines: &str| chosen("INVITE", &format!("Accept-Contact: *;{lines};require;explicit\r\n"), &devices);
    assert_eq!(wants("+x=\"#>=5\""), ["small", "large"]);
    assert_eq!(wants("+x=\"#<=1e308\""), ["small", "large"]);
    assert_eq!(wants("+x=\"#7:1e309\""), [""; 0]);
}
