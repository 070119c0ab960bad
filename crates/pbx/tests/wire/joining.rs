//! Join (RFC 3911): who joins a call talks to both of its sides.

use std::time::Duration;

use audio::codec::Codec;
use sip::header::To;
use sip::message::{HeaderId, Method, Response};

use crate::pair::{Pair, pair};
use crate::phone::{Dialog, Phone};
use crate::setup::{nothing_left, phone, with_phones};
use crate::sound::{Sound, address, both_ways, longest};

/// What must be heard in one piece.
const CLEAR: Duration = Duration::from_secs(1);

/// A dialog as Join names it to the server: its tag first.
fn named(dialog: &Dialog) -> String {
    let tag = |value: &str| value.split(";tag=").nth(1).unwrap().to_owned();
    format!("{};to-tag={};from-tag={}", dialog.call_id, tag(&dialog.to), tag(&dialog.from))
}

/// An INVITE with these lines: the dialog and the final answer, acknowledged.
pub(crate) fn invites(phone: &mut Phone, number: &str, lines: &str, description: &str) -> (Dialog, Response) {
    phone.extra = lines.to_owned();
    let (mut dialog, first) = phone.call(number, Some(description));
    phone.extra.clear();
    let answer = if first.code().is_final() { first } else { phone.final_response(&dialog.branch) };
    if answer.code().is_success() {
        dialog.to = answer.headers().get::<To<'_>>().unwrap().unwrap().to_string();
        dialog.target = format!("sip:x@127.0.0.1:{}", phone.server.port());
        phone.ack(&dialog, answer.headers(), false, None);
    }
    (dialog, answer)
}

fn hear_each_other(a: (&mut Sound, std::net::SocketAddr), b: (&mut Sound, std::net::SocketAddr)) {
    let (one, other) = both_ways((a.0, a.1, CLEAR), (b.0, b.1, CLEAR));
    assert!(longest(&one, 1_000.0) >= CLEAR, "{:?}", longest(&one, 1_000.0));
    assert!(longest(&other, 440.0) >= CLEAR, "{:?}", longest(&other, 440.0));
}

/// Whoever leaves first, the two others go on.
#[test]
fn rfc3911_4_who_joins_talks_to_both_and_whoever_leaves_the_two_others_go_on() {
    for leaver in ["caller", "callee", "third"] {
        let pair = pair(false, false);
        let mut third = phone(pair.running.bound()[0].address, "1002");
        let mut sound = Sound::new(Codec::Pcmu);
        let lines = format!("Require: join\r\nJoin: {}\r\n", named(&pair.dialogs.1));
        let (mut dialog, answer) = invites(&mut third, "1002", &lines, &sound.describe());
        assert_eq!(answer.code().get(), 200);
        let port = address(answer.body());
        let Pair { running, mut caller, mut callee, sounds: (mut near, mut far), mut dialogs, ports, .. } = pair;
        hear_each_other((&mut near, ports.0), (&mut sound, port));
        hear_each_other((&mut far, ports.1), (&mut sound, port));
        hear_each_other((&mut near, ports.0), (&mut far, ports.1));
        let call = &running.status().unwrap().calls[0];
        assert_eq!((call.from.as_str(), call.state), ("1001", "up"));
        // What was said to the others meanwhile is not to be heard after.
        for sound in [&mut near, &mut far, &mut sound] {
            sound.drain();
        }
        match leaver {
            "caller" => {
                caller.hang_up(&mut dialogs.0);
                hear_each_other((&mut far, ports.1), (&mut sound, port));
                callee.hang_up(&mut dialogs.1);
                third.hung_up();
            }
            "callee" => {
                callee.hang_up(&mut dialogs.1);
                hear_each_other((&mut near, ports.0), (&mut sound, port));
                third.hang_up(&mut dialog);
                caller.hung_up();
            }
            _ => {
                third.hang_up(&mut dialog);
                hear_each_other((&mut near, ports.0), (&mut far, ports.1));
                caller.hang_up(&mut dialogs.0);
                callee.hung_up();
            }
        }
        nothing_left(&running);
    }
}

#[test]
fn rfc3911_4_what_cannot_be_joined_is_refused_and_the_call_stands() {
    let pair = pair(false, false);
    let server = pair.running.bound()[0].address;
    let (mut second, mut third) = (phone(server, "1002"), phone(server, "1003"));
    let (sound, name) = (Sound::new(Codec::Pcmu), named(&pair.dialogs.1));
    let plain = sound.describe();
    let unusable = plain.replace("RTP/AVP 0", "RTP/AVP 18").replace("rtpmap:0 PCMU", "rtpmap:18 G729");
    for (lines, description, code) in [
        (format!("Join: {name}\r\nJoin: {name}\r\n"), &plain, 400),
        (format!("Join: {name}\r\nReplaces: {name}\r\n"), &plain, 400),
        ("Join: x;from-tag=1\r\n".to_owned(), &plain, 400),
        ("Join: x;to-tag=1;from-tag=2;to-tag=3\r\n".to_owned(), &plain, 400),
        ("Join: x;to-tag=1;from-tag=1\r\n".to_owned(), &plain, 481),
        (format!("Join: {name}\r\n"), &unusable, 488),
    ] {
        let (_, answer) = invites(&mut second, "1001", &lines, description);
        assert_eq!(answer.code().get(), code, "{lines}");
    }
    // Nobody else, and saying that one was sent proves nothing.
    for sent_by in ["", "Referred-By: <sip:1002@127.0.0.1>\r\n", "Referred-By: <sip:1002@evil>\r\n"] {
        let (_, answer) = invites(&mut third, "1001", &format!("Join: {name}\r\n{sent_by}"), &plain);
        assert_eq!(answer.code().get(), 403, "{sent_by}");
    }
    second.extra = format!("Join: {name}\r\n");
    let (_, answer) = second.ask("MESSAGE", "sip:1001@127.0.0.1", "sip:1001@127.0.0.1", Some(("text/plain", "x")));
    assert_eq!(answer.code().get(), 400);
    second.extra.clear();
    // An echo is no company.
    let (mut alone, ok) = third.call_through("600", &plain);
    assert!(ok.headers().text(HeaderId::Supported).unwrap().contains("join"));
    let mut device = phone(server, "1003");
    let (_, answer) = invites(&mut device, "600", &format!("Join: {}\r\n", named(&alone)), &plain);
    assert_eq!(answer.code().get(), 488);
    third.hang_up(&mut alone);
    let Pair { running, mut caller, mut callee, sounds: (mut near, mut far), mut dialogs, ports, .. } = pair;
    hear_each_other((&mut near, ports.0), (&mut far, ports.1));
    caller.hang_up(&mut dialogs.0);
    callee.hung_up();
    nothing_left(&running);
    // Now it is over.
    let (_, answer) = invites(&mut second, "1001", &format!("Join: {name}\r\n"), &plain);
    assert_eq!(answer.code().get(), 603);
}

/// The call that is joined must be left as it is.
#[test]
fn rfc3911_4_who_joins_and_names_no_audio_of_use_leaves_alone() {
    let unusable = Sound::new(Codec::Pcmu).describe().replace("RTP/AVP 0", "RTP/AVP 96");
    for answer in [None, Some(unusable.as_str())] {
        let pair = pair(false, false);
        let mut third = phone(pair.running.bound()[0].address, "1002");
        third.extra = format!("Require: join\r\nJoin: {}\r\n", named(&pair.dialogs.1));
        let (mut dialog, offer) = third.call("1002", None);
        third.extra.clear();
        let offer = if offer.code().is_final() { offer } else { third.final_response(&dialog.branch) };
        assert_eq!(offer.code().get(), 200);
        dialog.to = offer.headers().get::<To<'_>>().unwrap().unwrap().to_string();
        dialog.target = format!("sip:x@127.0.0.1:{}", third.server.port());
        third.ack(&dialog, offer.headers(), false, answer);
        third.hung_up();
        let Pair { running, mut caller, mut callee, sounds: (mut near, mut far), mut dialogs, ports, .. } = pair;
        hear_each_other((&mut near, ports.0), (&mut far, ports.1));
        caller.hang_up(&mut dialogs.0);
        callee.hung_up();
        nothing_left(&running);
    }
}

#[test]
fn rfc3911_4_who_joins_one_in_a_conference_or_dials_one_is_in_it() {
    let (running, mut phones) = with_phones(&["1001"]);
    let (mut first, mut second) = (phones.remove(0), phone(running.bound()[0].address, "1001"));
    let (mut near, mut far) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    let (mut dialog, ok) = first.call_through("610", &near.describe());
    let name = named(&dialog);
    for (number, lines) in
        [("1001", format!("Join: {name}\r\n")), ("610", "Join: x;to-tag=1;from-tag=2\r\n".to_owned())]
    {
        let (mut joined, answer) = invites(&mut second, number, &lines, &far.describe());
        assert_eq!(answer.code().get(), 200, "{lines}");
        hear_each_other((&mut near, address(ok.body())), (&mut far, address(answer.body())));
        second.hang_up(&mut joined);
    }
    assert!(second.hears_no(&Method::Bye));
    first.hang_up(&mut dialog);
    nothing_left(&running);
}
