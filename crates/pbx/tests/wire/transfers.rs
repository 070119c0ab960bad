//! Transfers to a number (RFC 3515, RFC 5589 section 6); into the place of another call in `attended`.

pub(crate) mod attended;
mod watched;

use std::net::SocketAddr;
use std::time::Duration;

use audio::codec::Codec;
use sdp::Direction;
use sip::header::NameAddr;
use sip::message::{HeaderId, Method, Request};

use crate::history::history;
use crate::pair::{Pair, direction, pair, pair_of, pair_with};
use crate::phone::{Dialog, Phone};
use crate::setup::{config, nothing_left, phone};
use crate::sound::{Sound, address, both_ways, longest};

/// What must be heard in one piece.
const CLEAR: Duration = Duration::from_secs(1);
const TRYING: &str = "SIP/2.0 100 Trying\r\n";
/// From nobody.
const ANONYMOUS: &str = "anonymous@anonymous.invalid";

/// A registered telephone more.
fn another(pair: &Pair, name: &str) -> Phone {
    let mut phone = phone(pair.running.bound()[0].address, name);
    assert_eq!(phone.register(120).code().get(), 200);
    phone
}

/// Asks for a transfer; the code that comes back.
pub(crate) fn refer(phone: &mut Phone, dialog: &mut Dialog, lines: &str) -> u16 {
    phone.extra = lines.to_owned();
    phone.within(dialog, "REFER", None);
    phone.extra.clear();
    phone.final_response(&dialog.branch).code().get()
}

/// What the one that has asked is told next: its event, the state of its subscription, and the line.
fn told(phone: &mut Phone) -> (String, String, String) {
    let notify = phone.request(Method::Notify);
    phone.respond(&notify, 200, None);
    let text = |id| notify.headers().text(id).unwrap().into_owned();
    assert_eq!(text(HeaderId::ContentType), "message/sipfrag;version=2.0");
    let line = String::from_utf8(notify.body().to_vec()).unwrap();
    (text(HeaderId::Event), text(HeaderId::SubscriptionState), line)
}

pub(crate) fn told_of(phone: &mut Phone, line: &str) {
    let (_, state, told) = told(phone);
    assert_eq!(told, line);
    let expected = if line.starts_with("SIP/2.0 1") { "active;expires=" } else { "terminated;reason=noresource" };
    assert!(state.starts_with(expected), "{state}");
}

/// The one that is wanted answers: where it is to send its audio, and its dialog.
fn takes(phone: &mut Phone, invite: &Request, sound: &Sound) -> (SocketAddr, Dialog) {
    let dialog = phone.respond(invite, 200, Some(&sound.describe()));
    phone.request(Method::Ack);
    (address(invite.body()), dialog)
}

fn hear_each_other(a: (&mut Sound, SocketAddr), b: (&mut Sound, SocketAddr)) {
    let (one, other) = both_ways((a.0, a.1, CLEAR), (b.0, b.1, CLEAR));
    assert!(longest(&one, 1_000.0) >= CLEAR, "{:?}", longest(&one, 1_000.0));
    assert!(longest(&other, 440.0) >= CLEAR, "{:?}", longest(&other, 440.0));
}

/// The caller and the one that has taken the place of the callee hear each other, and the caller hangs up.
fn caller_talks_to(mut pair: Pair, mut third: Phone, (mut sound, port): (Sound, SocketAddr)) {
    hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut sound, port));
    pair.caller.hang_up(&mut pair.dialogs.0);
    third.hung_up();
    nothing_left(&pair.running);
}

/// The identity in a header that holds one.
fn name(request: &Request, id: HeaderId) -> String {
    let text = request.headers().text(id).unwrap().into_owned();
    NameAddr::parse(text.split(";tag").next().unwrap()).unwrap().uri.user().unwrap().to_owned()
}

#[test]
fn rfc3515_2_4_either_side_transfers_the_other_and_is_told_how_it_goes() {
    for caller_asks in [false, true] {
        let mut pair = pair(false, false);
        let (mut third, mut sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
        let (asks, dialog, asking, stays) = match caller_asks {
            true => (&mut pair.caller, &mut pair.dialogs.0, "1001", "1002"),
            false => (&mut pair.callee, &mut pair.dialogs.1, "1002", "1001"),
        };
        assert_eq!(refer(asks, dialog, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
        let (event, state, line) = told(asks);
        assert_eq!(event, format!("refer;id={}", dialog.cseq));
        assert!(state.starts_with("active;expires="), "{state}");
        assert_eq!(line, TRYING);
        let invite = third.request(Method::Invite);
        assert_eq!((name(&invite, HeaderId::From), name(&invite, HeaderId::ReferredBy)), (stays.into(), asking.into()));
        third.respond(&invite, 180, None);
        told_of(asks, "SIP/2.0 180 Ringing\r\n");
        let (port, mut there) = takes(&mut third, &invite, &sound);
        told_of(asks, "SIP/2.0 200 OK\r\n");
        asks.hung_up();
        let (staying, port_there) = match caller_asks {
            true => (&mut pair.sounds.1, pair.ports.1),
            false => (&mut pair.sounds.0, pair.ports.0),
        };
        hear_each_other((staying, port_there), (&mut sound, port));
        let call = &pair.running.status().unwrap().calls[0];
        assert_eq!((call.from.as_str(), call.to.as_str(), call.state), (stays, "1003", "up"));
        // Both ways to the end: the one that was called, and the one that stays.
        if caller_asks {
            third.hang_up(&mut there);
            pair.callee.hung_up();
        } else {
            pair.caller.hang_up(&mut pair.dialogs.0);
            third.hung_up();
        }
        nothing_left(&pair.running);
    }
}

/// Who calls from nobody calls by a server that has a name all the same.
#[test]
fn rfc3323_4_1_1_3_who_talks_to_nobody_is_transferred_under_our_own_name() {
    for caller_asks in [false, true] {
        let mut pair = pair_of(config(), (ANONYMOUS, ""), "");
        let mut third = another(&pair, "1003");
        let (asks, dialog) = match caller_asks {
            true => (&mut pair.caller, &mut pair.dialogs.0),
            false => (&mut pair.callee, &mut pair.dialogs.1),
        };
        assert_eq!(refer(asks, dialog, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
        told_of(asks, TRYING);
        let invite = third.request(Method::Invite);
        let uri = |id| {
            let text = invite.headers().text(id).map(|text| text.split([';', '>']).next().unwrap().to_owned());
            text.map(|text| text.split('<').next_back().unwrap().to_owned())
        };
        let (from, by) = match caller_asks {
            true => ("sip:1002@127.0.0.1", None),
            false => ("sip:anonymous@anonymous.invalid", Some("sip:1002@127.0.0.1")),
        };
        assert_eq!(uri(HeaderId::To).unwrap(), "sip:1003@127.0.0.1");
        assert_eq!((uri(HeaderId::From).unwrap().as_str(), uri(HeaderId::ReferredBy).as_deref()), (from, by));
        third.respond(&invite, 486, None);
        third.request(Method::Ack);
        told_of(asks, "SIP/2.0 486 Busy Here\r\n");
        pair.end();
    }
}

#[test]
fn rfc3515_2_4_5_what_comes_to_nothing_is_told_and_the_call_stands() {
    let mut pair = pair(false, false);
    let mut third = another(&pair, "1003");
    let asks = &mut pair.callee;
    for (lines, code) in
        [("Refer-To: <sip:1009@127.0.0.1>\r\n", "404 Not Found"), ("Refer-To: <sip:1003@h>\r\n", "486 Busy Here")]
    {
        assert_eq!(refer(asks, &mut pair.dialogs.1, lines), 202);
        told_of(asks, TRYING);
        if code.starts_with("486") {
            third.refuses(486, "");
        }
        told_of(asks, &format!("SIP/2.0 {code}\r\n"));
    }
    assert_eq!(third.register(0).code().get(), 200);
    assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 480 Temporarily Unavailable\r\n");
    hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut pair.sounds.1, pair.ports.1));
    pair.end();
}

#[test]
fn rfc3515_2_4_2_what_cannot_be_asked_for_is_refused_at_once() {
    let mut pair = pair(false, false);
    for (lines, code) in [
        ("", 400),
        ("Refer-To: <sip:1003@h>\r\nRefer-To: <sip:1003@h>\r\n", 400),
        ("Refer-To: <tel:1003>\r\n", 416),
        ("Refer-To: <sip:1003@h;method=MESSAGE>\r\n", 603),
        ("Refer-To: <sip:1003@h>\r\nRequire: explicitsub\r\n", 420),
    ] {
        assert_eq!(refer(&mut pair.callee, &mut pair.dialogs.1, lines), code, "{lines}");
    }
    // Outside a call, and in one with nobody to be transferred.
    let mut third = another(&pair, "1003");
    third.extra = "Refer-To: <sip:1001@127.0.0.1>\r\n".to_owned();
    let (_, answer) = third.ask("REFER", "sip:1002@127.0.0.1", "sip:1002@127.0.0.1", None);
    assert_eq!(answer.code().get(), 603);
    third.extra.clear();
    let (mut alone, _) = third.call_through("600", &Sound::new(Codec::Pcmu).describe());
    assert_eq!(refer(&mut third, &mut alone, "Refer-To: <sip:1001@127.0.0.1>\r\n"), 603);
    third.hang_up(&mut alone);
    pair.end();
}

#[test]
fn rfc4488_4_who_wants_no_reports_gets_none() {
    let mut pair = pair(false, false);
    let mut third = another(&pair, "1003");
    let asks = &mut pair.callee;
    let lines = "Refer-To: <sip:1003@127.0.0.1>\r\nRefer-Sub: false\r\nSupported: norefersub\r\n";
    asks.extra = lines.to_owned();
    asks.within(&mut pair.dialogs.1, "REFER", None);
    asks.extra.clear();
    let accepted = asks.final_response(&pair.dialogs.1.branch.clone());
    assert_eq!(accepted.headers().text(HeaderId::ReferSub).unwrap(), "false");
    third.refuses(486, "");
    assert!(asks.hears_no(&Method::Notify));
    pair.end();
}

#[test]
fn rfc3515_2_4_4_a_subscribe_refreshes_what_a_refer_has_made_or_ends_it() {
    let mut pair = pair(false, false);
    let mut third = another(&pair, "1003");
    let asks = &mut pair.callee;
    asks.extra = "Refer-To: <sip:1003@127.0.0.1>\r\n".to_owned();
    asks.within(&mut pair.dialogs.1, "REFER", None);
    let accepted = asks.final_response(&pair.dialogs.1.branch.clone());
    assert_eq!(accepted.code().get(), 202);
    assert!(accepted.headers().has(HeaderId::Contact), "RFC 3515 section 2.2");
    told_of(asks, TRYING);
    let number = pair.dialogs.1.cseq;
    let invite = third.request(Method::Invite);
    third.respond(&invite, 180, None);
    told_of(asks, "SIP/2.0 180 Ringing\r\n");
    let mut subscribe = |asks: &mut Phone, lines: String| {
        asks.extra = lines;
        asks.within(&mut pair.dialogs.1, "SUBSCRIBE", None);
        asks.extra.clear();
        asks.final_response(&pair.dialogs.1.branch.clone())
    };
    for (event, code) in [("presence", 489), ("refer;id=x", 403), ("refer;id=1", 403)] {
        assert_eq!(subscribe(asks, format!("Event: {event}\r\nExpires: 60\r\n")).code().get(), code, "{event}");
    }
    let taken = subscribe(asks, format!("Event: refer;id={number}\r\nExpires: 60\r\n"));
    assert_eq!((taken.code().get(), taken.headers().has(HeaderId::Contact)), (200, true));
    assert!(taken.headers().has(HeaderId::Expires));
    told_of(asks, "SIP/2.0 180 Ringing\r\n");
    let ended = subscribe(asks, "Event: refer\r\nExpires: 0\r\n".to_owned());
    assert_eq!(ended.headers().text(HeaderId::Expires).unwrap(), "0");
    let (_, state, line) = told(asks);
    assert_eq!((state.as_str(), line.as_str()), ("terminated;reason=timeout", "SIP/2.0 180 Ringing\r\n"));
    // The transfer goes on without a word.
    third.respond(&invite, 486, None);
    third.request(Method::Ack);
    assert!(asks.hears_no(&Method::Notify));
    pair.end();
}

/// A telephone hangs up as soon as its request has been accepted.
#[test]
fn rfc5589_6_1_who_has_asked_may_hang_up_at_once() {
    let mut pair = pair(false, false);
    let (mut third, mut sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let asks = &mut pair.caller;
    assert_eq!(refer(asks, &mut pair.dialogs.0, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
    told_of(asks, TRYING);
    asks.hang_up(&mut pair.dialogs.0);
    let invite = third.request(Method::Invite);
    let (port, _) = takes(&mut third, &invite, &sound);
    hear_each_other((&mut pair.sounds.1, pair.ports.1), (&mut sound, port));
    pair.callee.hang_up(&mut pair.dialogs.1);
    third.hung_up();
    assert!(pair.caller.hears_no(&Method::Notify));
    nothing_left(&pair.running);
}

#[test]
fn nobody_to_talk_to_is_the_end_for_who_was_left_alone() {
    let mut pair = pair(false, false);
    let mut third = another(&pair, "1003");
    let asks = &mut pair.callee;
    assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
    asks.hang_up(&mut pair.dialogs.1);
    third.refuses(486, "");
    let bye = pair.caller.hung_up();
    assert_eq!(bye.headers().text(HeaderId::Reason).unwrap(), "SIP;cause=486;text=\"Busy Here\"");
    nothing_left(&pair.running);
}

#[test]
fn who_is_to_be_transferred_may_hang_up() {
    let mut pair = pair(false, false);
    let mut third = another(&pair, "1003");
    assert_eq!(refer(&mut pair.callee, &mut pair.dialogs.1, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
    told_of(&mut pair.callee, TRYING);
    let invite = third.request(Method::Invite);
    third.respond(&invite, 180, None);
    told_of(&mut pair.callee, "SIP/2.0 180 Ringing\r\n");
    pair.caller.hang_up(&mut pair.dialogs.0);
    told_of(&mut pair.callee, "SIP/2.0 487 Request Terminated\r\n");
    pair.callee.hung_up();
    let cancel = third.request(Method::Cancel);
    third.respond(&cancel, 200, None);
    third.respond(&invite, 487, None);
    third.request(Method::Ack);
    nothing_left(&pair.running);
}

/// Who was put on hold before is asked to go on.
#[test]
fn an_extension_takes_who_is_sent_there_off_hold() {
    // Calls take turns with the media threads and so do conferences: the first call is on that of the first, and moves to the second.
    let mut config = config();
    config.extensions.conference = vec!["610".to_owned(), "611".to_owned()];
    for (number, pitch) in [("601", 440.0), ("610", 0.0), ("611", 0.0)] {
        let mut pair = pair_with(config.clone(), "", "");
        let hold = pair.sounds.1.describe_as("sendonly");
        pair.callee.within(&mut pair.dialogs.1, "INVITE", Some(("application/sdp", &hold)));
        let invite = pair.caller.request(Method::Invite);
        pair.caller.respond(&invite, 200, Some(&pair.sounds.0.describe_as("recvonly")));
        pair.caller.request(Method::Ack);
        let held = pair.callee.final_response(&pair.dialogs.1.branch.clone());
        pair.callee.ack(&pair.dialogs.1.clone(), held.headers(), false, None);
        let asks = &mut pair.callee;
        assert_eq!(refer(asks, &mut pair.dialogs.1, &format!("Refer-To: <sip:{number}@127.0.0.1>\r\n")), 202);
        told_of(asks, TRYING);
        told_of(asks, "SIP/2.0 200 OK\r\n");
        asks.hung_up();
        let invite = pair.caller.request(Method::Invite);
        assert_eq!(direction(invite.body()), Direction::SendRecv);
        pair.caller.respond(&invite, 200, Some(&pair.sounds.0.describe()));
        pair.caller.request(Method::Ack);
        if pitch > 0.0 {
            let heard = pair.sounds.0.talk_until_heard(pair.ports.0, 0.0, pitch, CLEAR);
            assert!(longest(&heard, pitch) >= CLEAR, "{:?}", longest(&heard, pitch));
        } else {
            let (mut third, mut sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
            let (mut there, answer) = third.call_through(number, &sound.describe());
            hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut sound, address(answer.body())));
            third.hang_up(&mut there);
        }
        pair.caller.hang_up(&mut pair.dialogs.0);
        nothing_left(&pair.running);
    }
}

#[test]
fn rfc3515_2_4_6_two_at_a_time_are_told_apart_and_the_first_answer_counts() {
    let mut pair = pair(false, false);
    let (mut third, sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let asks = &mut pair.callee;
    let mut events = Vec::new();
    let mut invites = Vec::new();
    for _ in 0..2 {
        assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
        let (event, _, line) = told(asks);
        assert_eq!(line, TRYING);
        events.push(event);
        let invite = third.request(Method::Invite);
        third.respond(&invite, 180, None);
        told_of(asks, "SIP/2.0 180 Ringing\r\n");
        invites.push(invite);
    }
    for _ in 0..2 {
        assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
        told_of(asks, TRYING);
        third.refuses(486, "");
        told_of(asks, "SIP/2.0 486 Busy Here\r\n");
    }
    assert_ne!(events[0], events[1]);
    let (port, _) = takes(&mut third, &invites[1], &sound);
    let ends = [told(asks), told(asks)].map(|(event, _, line)| (event, line));
    assert!(ends.contains(&(events[1].clone(), "SIP/2.0 200 OK\r\n".to_owned())), "{ends:?}");
    assert!(ends.contains(&(events[0].clone(), "SIP/2.0 487 Request Terminated\r\n".to_owned())), "{ends:?}");
    asks.hung_up();
    let cancel = third.request(Method::Cancel);
    third.respond(&cancel, 200, None);
    third.respond(&invites[0], 487, None);
    third.request(Method::Ack);
    caller_talks_to(pair, third, (sound, port));
}

#[test]
fn a_hold_that_is_answered_after_the_transfer_is_taken_back() {
    let mut pair = pair(false, false);
    let hold = pair.sounds.1.describe_as("sendonly");
    pair.callee.within(&mut pair.dialogs.1, "INVITE", Some(("application/sdp", &hold)));
    let invite = pair.caller.request(Method::Invite);
    let asks = &mut pair.callee;
    assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:601@127.0.0.1>\r\n"), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    pair.caller.respond(&invite, 200, Some(&pair.sounds.0.describe_as("recvonly")));
    pair.caller.request(Method::Ack);
    let again = pair.caller.request(Method::Invite);
    assert_eq!(direction(again.body()), Direction::SendRecv);
}

#[test]
fn what_was_passed_on_to_the_one_that_leaves_is_answered() {
    let mut pair = pair(false, false);
    pair.caller.within(&mut pair.dialogs.0, "INFO", Some(("application/dtmf-relay", "Signal=1\r\n")));
    let _info = pair.callee.request(Method::Info);
    let asks = &mut pair.callee;
    assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:601@127.0.0.1>\r\n"), 202);
    told_of(asks, TRYING);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    let answer = pair.caller.final_response(&pair.dialogs.0.branch.clone());
    assert!(answer.code().is_final());
}

#[test]
fn a_call_counts_for_the_one_that_stays() {
    let mut config = config();
    config.limits.calls_per_user = 1;
    let mut pair = pair_with(config, "", "");
    let (mut third, sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
    let asks = &mut pair.caller;
    assert_eq!(refer(asks, &mut pair.dialogs.0, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
    told_of(asks, TRYING);
    let invite = third.request(Method::Invite);
    takes(&mut third, &invite, &sound);
    told_of(asks, "SIP/2.0 200 OK\r\n");
    asks.hung_up();
    // 1001 has no call now; 1002 has one.
    let (_, answer) = asks.call("600", Some(&pair.sounds.0.describe()));
    assert_eq!(answer.code().get(), 200);
}

#[test]
fn rfc3515_who_is_wanted_may_be_kept_by_another_loop() {
    for _ in 0..4 {
        let mut pair = pair_with(pbx::Config { shards: 4, ..config() }, "", "");
        let (mut third, sound) = (another(&pair, "1003"), Sound::new(Codec::Pcmu));
        let asks = &mut pair.callee;
        assert_eq!(refer(asks, &mut pair.dialogs.1, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
        told_of(asks, TRYING);
        let invite = third.request(Method::Invite);
        let (port, _) = takes(&mut third, &invite, &sound);
        told_of(asks, "SIP/2.0 200 OK\r\n");
        asks.hung_up();
        caller_talks_to(pair, third, (sound, port));
    }
}

/// Sixteen transactions are a few kilobytes; without an end they would fill the tables.
#[test]
fn who_confirms_nothing_is_told_nothing_more() {
    let mut pair = pair(false, false);
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(refer(&mut pair.callee, &mut pair.dialogs.1, "Refer-To: <sip:1009@127.0.0.1>\r\n"));
    }
    // Each that is accepted is followed by two NOTIFYs.
    assert_eq!(codes, [[202; 4].to_vec(), [503; 16].to_vec()].concat());
    for _ in 0..8 {
        told(&mut pair.callee);
    }
    assert_eq!(refer(&mut pair.callee, &mut pair.dialogs.1, "Refer-To: <sip:1009@127.0.0.1>\r\n"), 202);
    pair.end();
}

#[test]
fn rfc7044_7_who_is_called_for_a_transfer_is_told_whose_call_it_was() {
    for (caller_asks, wants) in [(false, "Supported: histinfo\r\n"), (true, "Supported: histinfo\r\n"), (false, "")] {
        let mut pair = pair(false, false);
        let mut third = another(&pair, "1003");
        let (asks, dialog) = match caller_asks {
            true => (&mut pair.caller, &mut pair.dialogs.0),
            false => (&mut pair.callee, &mut pair.dialogs.1),
        };
        assert_eq!(refer(asks, dialog, &format!("Refer-To: <sip:1003@127.0.0.1>\r\n{wants}")), 202);
        told_of(asks, TRYING);
        let invite = third.request(Method::Invite);
        let expected: &[&str] = match (caller_asks, wants) {
            (_, "") => &[],
            // He has called two, one after the other.
            (true, _) => &["<sip:1003@127.0.0.1>;index=1", "<sip:1003@127.0.0.1>;index=1.1;rc=1"],
            (false, _) => &[
                "<sip:1002@127.0.0.1>;index=1",
                "<sip:1003@127.0.0.1>;index=1.1;mp=1",
                "<sip:1003@127.0.0.1>;index=1.1.1;rc=1.1",
            ],
        };
        assert_eq!(history(invite.headers()), expected, "{caller_asks} {wants}");
        third.respond(&invite, 486, None);
        third.request(Method::Ack);
        told_of(asks, "SIP/2.0 486 Busy Here\r\n");
        pair.end();
    }
}
