//! MESSAGE between users: one at a time to each device (RFC 3428 section 8).

use std::time::{Duration, Instant};

use sip::message::{Message, Method};

use crate::connected::Connected;
use crate::counting::count;
use crate::phone::Phone;
use crate::setup::{config, nothing_left, phone, with_config, with_phones};

/// Sends a message with what its own challenge asks for, and waits for no answer.
fn write(sender: &mut Phone, to: &str, text: &str) {
    let (uri, body) = (format!("sip:{to}@127.0.0.1"), Some(("text/plain", text)));
    let challenged = sender.ask_plain("MESSAGE", &uri, &uri, body, &[]).1;
    let lines = sender.credentials(challenged.headers(), "MESSAGE", &uri, text);
    let message = sender.draft("MESSAGE", &uri, &uri, body, &lines);
    sender.send(&message);
}

#[test]
fn rfc3428_8_one_message_at_a_time_goes_to_a_device() {
    let (running, mut phones) = with_phones(&["1001", "1002", "1003"]);
    let [one, device, other] = &mut phones[..] else { panic!("three phones") };
    write(one, "1002", "first");
    let first = device.request(Method::Message);
    assert_eq!(first.body(), b"first");
    write(other, "1002", "second");
    write(one, "1002", "third");
    // The control: who has nothing to answer gets his at once.
    write(one, "1003", "elsewhere");
    let elsewhere = other.request(Method::Message);
    other.respond(&elsewhere, 200, None);
    one.wait_for_code(200);
    assert!(device.hears_no(&Method::Message));
    // A refusal is an answer, too.
    device.respond(&first, 486, None);
    one.wait_for_code(486);
    for (sender, text) in [(&mut *other, "second"), (&mut *one, "third")] {
        let next = device.request(Method::Message);
        assert_eq!(next.body(), text.as_bytes());
        assert!(device.hears_no(&Method::Message));
        device.respond(&next, 202, None);
        sender.wait_for_code(202);
    }
    write(other, "1002", "later");
    let later = device.request(Method::Message);
    device.respond(&later, 200, None);
    other.wait_for_code(200);
    nothing_left(&running);
}

#[test]
fn rfc3428_8_each_of_several_devices_has_its_own_turn() {
    let (running, mut phones) = with_phones(&["1001", "1002", "1002"]);
    let [sender, quick, slow] = &mut phones[..] else { panic!("three phones") };
    write(sender, "1002", "first");
    let (here, there) = (quick.request(Method::Message), slow.request(Method::Message));
    quick.respond(&here, 200, None);
    sender.wait_for_code(200);
    // The quick one has it, and the slow one gets it when he has answered.
    write(sender, "1002", "second");
    let here = quick.request(Method::Message);
    quick.respond(&here, 200, None);
    sender.wait_for_code(200);
    assert!(slow.hears_no(&Method::Message));
    slow.respond(&there, 200, None);
    let there = slow.request(Method::Message);
    assert_eq!(there.body(), b"second");
    slow.respond(&there, 200, None);
    nothing_left(&running);
}

#[test]
fn rfc3428_8_who_waits_for_a_device_that_is_silent_hears_of_it_with_the_first() {
    // The first is given up 64 times that long after it was sent: well after the second is written, and well before the second is given up.
    let timers = sip::Timers { t1: Duration::from_millis(60), ..sip::Timers::default() };
    let (running, mut phones) = with_config(pbx::Config { timers, ..config() }, &["1001", "1002"]);
    let [sender, device] = &mut phones[..] else { panic!("two phones") };
    write(sender, "1002", "first");
    let first = device.request(Method::Message);
    (0..4).for_each(|_| assert_eq!(device.request(Method::Message).body(), first.body(), "a repeat"));
    write(sender, "1002", "second");
    // Of the first its sender has given up at the same moment (timer F).
    sender.wait_for_code(480);
    nothing_left(&running);
    let heard: Vec<_> = std::iter::from_fn(|| device.next_heard(&Method::Message)).collect();
    assert!(heard.iter().all(|repeat| repeat.body() == first.body()), "the second has been sent after all");
}

/// As on a slow machine, where the repeats are there before the answer: the telephone of these tests is to hear what comes next.
#[test]
fn a_message_that_was_repeated_before_it_was_answered_is_not_the_next() {
    let timers = sip::Timers { t1: Duration::from_millis(60), ..sip::Timers::default() };
    let (running, mut phones) = with_config(pbx::Config { timers, ..config() }, &["1001", "1002"]);
    let [sender, device] = &mut phones[..] else { panic!("two phones") };
    write(sender, "1002", "first");
    let first = device.request(Method::Message);
    let end = Instant::now() + Duration::from_secs(3);
    while count(&running, "offhook_sip_retransmissions_total") < 2.0 {
        assert!(Instant::now() < end, "nothing is repeated");
    }
    device.respond(&first, 200, None);
    sender.wait_for_code(200);
    write(sender, "1002", "second");
    let second = device.request(Method::Message);
    assert_eq!(second.body(), b"second");
    device.respond(&second, 200, None);
    sender.wait_for_code(200);
    assert!(device.hears_no(&Method::Message) && device.repeats >= 2);
    nothing_left(&running);
}

#[test]
fn so_many_messages_wait_for_a_device_and_no_more() {
    let (_running, mut phones) = with_phones(&["1001", "1002"]);
    let [sender, device] = &mut phones[..] else { panic!("two phones") };
    write(sender, "1002", "0");
    let mut request = device.request(Method::Message);
    (1..=65).for_each(|number| write(sender, "1002", &number.to_string()));
    sender.wait_for_code(480);
    for number in 1..=64 {
        device.respond(&request, 200, None);
        sender.wait_for_code(200);
        request = device.request(Method::Message);
        assert_eq!(request.body(), number.to_string().as_bytes());
    }
    device.respond(&request, 200, None);
    sender.wait_for_code(200);
    assert!(device.hears_no(&Method::Message));
}

#[test]
fn rfc3428_8_a_long_message_goes_to_a_device_on_a_connection_and_to_no_other() {
    let (running, mut phones) = with_phones(&["1001", "1003"]);
    let by_tcp = running.bound()[1].address;
    let mut connected = Connected::register(phone(phones[0].server, "1002"), by_tcp);
    let [sender, device] = &mut phones[..] else { panic!("two phones") };
    let long = "x".repeat(2_000);
    // By UDP, whatever is on the way: a short one goes, a long one does not.
    for (text, code) in [("short", 200), (long.as_str(), 413)] {
        write(sender, "1003", text);
        if code == 200 {
            let message = device.request(Method::Message);
            device.respond(&message, 200, None);
        }
        sender.wait_for_code(code);
    }
    assert!(device.hears_no(&Method::Message));
    write(sender, "1002", &long);
    let Message::Request(message) = connected.read() else { panic!("a request") };
    assert_eq!((message.method(), message.body().len()), (&Method::Message, 2_000));
    let head = String::from_utf8_lossy(message.bytes()).into_owned();
    let lines = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| {
        let line = head.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap();
        format!("{line}\r\n")
    });
    connected.send(&format!("SIP/2.0 200 OK\r\n{}Content-Length: 0\r\n\r\n", lines.concat()));
    sender.wait_for_code(200);
    nothing_left(&running);
}
