//! Media ports that run out: what finds none is refused for now, and calls that stand go on.

use std::net::UdpSocket;
use std::ops::RangeInclusive;
use std::time::Duration;

use audio::codec::Codec;
use pbx::{Config, MediaConfig};
use sip::message::{HeaderId, Method, Response};

use crate::setup::{config, nothing_left, with_config};
use crate::sound::{Sound, address, longest};

/// What each must hear of itself in one piece.
const CLEAR: Duration = Duration::from_millis(600);

/// Ports of loopback for so many streams that nobody has now: below those of other servers and those that the system gives to anybody.
fn free(pairs: u16) -> RangeInclusive<u16> {
    let range = |first: u16| first..=first + 2 * pairs - 1;
    let is_free = |range: &RangeInclusive<u16>| {
        let held: Result<Vec<_>, _> = range.clone().map(|port| UdpSocket::bind(("127.0.0.1", port))).collect();
        held.is_ok()
    };
    (8_000..9_900).step_by(100).map(range).find(is_free).unwrap()
}

fn with_ports(pairs: u16) -> Config {
    Config { media: MediaConfig { ports: free(pairs), ..MediaConfig::default() }, ..config() }
}

fn refused_for_now(answer: &Response) {
    assert_eq!(answer.code().get(), 503);
    assert_eq!(answer.headers().text(HeaderId::RetryAfter).unwrap(), "7");
}

#[test]
fn rfc3261_21_5_4_a_call_without_ports_for_it_is_503_and_the_others_are_heard_on() {
    let (running, mut phones) = with_config(with_ports(2), &["1001", "1002", "1003"]);
    let mut sounds: Vec<Sound> = (0..3).map(|_| Sound::new(Codec::Pcmu)).collect();
    let mut standing: Vec<_> = phones[..2]
        .iter_mut()
        .zip(&sounds)
        .map(|(phone, sound)| phone.call_through("600", &sound.describe()))
        .collect();
    let (_, answer) = phones[2].call("600", Some(&sounds[2].describe()));
    refused_for_now(&answer);
    for (sound, (_, answer)) in sounds.iter_mut().zip(&standing) {
        let heard = sound.talk_until_heard(address(answer.body()), 440.0, 440.0, CLEAR);
        assert!(longest(&heard, 440.0) >= CLEAR, "{:?}", longest(&heard, 440.0));
    }
    assert!(running.metrics().unwrap().contains("result=\"shed\"} 1\n"));
    // What is given back is there for the next.
    phones[0].hang_up(&mut standing[0].0);
    until_a_call_goes_through(&mut phones[2], &mut sounds[2]);
    phones[1].hang_up(&mut standing[1].0);
    nothing_left(&running);
}

/// Calls the echo until there are ports for it, and hears itself: a media thread closes sockets in its own time.
fn until_a_call_goes_through(phone: &mut crate::phone::Phone, sound: &mut Sound) {
    let end = std::time::Instant::now() + Duration::from_secs(5);
    loop {
        let (dialog, answer) = phone.call("600", Some(&sound.describe()));
        if answer.code().get() == 200 {
            let mut dialog = dialog;
            phone.ack(&dialog, answer.headers(), false, None);
            let heard = sound.talk_until_heard(address(answer.body()), 440.0, 440.0, CLEAR);
            assert!(longest(&heard, 440.0) >= CLEAR, "{:?}", longest(&heard, 440.0));
            return phone.hang_up(&mut dialog);
        }
        refused_for_now(&answer);
        assert!(std::time::Instant::now() < end, "the ports never came back");
    }
}

#[test]
fn a_device_for_whose_leg_there_are_no_ports_is_not_rung_and_the_caller_is_told() {
    let (running, mut phones) = with_config(with_ports(1), &["1001", "1002"]);
    let mut sound = Sound::new(Codec::Pcmu);
    let (_, answer) = phones[0].call("1002", Some(&sound.describe()));
    refused_for_now(&answer);
    assert!(running.metrics().unwrap().contains("result=\"shed\"} 1\n"));
    assert!(phones[1].hears_no(&Method::Invite));
    nothing_left(&running);
    // The control: the caller's own leg has given its ports back.
    until_a_call_goes_through(&mut phones[0], &mut sound);
    nothing_left(&running);
}
