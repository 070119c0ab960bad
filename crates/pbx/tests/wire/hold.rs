//! Changes of a standing call: hold, resume, refusals, glare; and digits.

use sip::message::{Message, Method};

use crate::across::hear_each_other;
use crate::pair::{direction, pair};
use crate::setup::nothing_left;
use crate::sound::address;

#[test]
fn hold_and_resume_go_through_to_the_other_side() {
    let mut pair = pair(false, false);
    for (asked, expected_state) in [("sendonly", "held"), ("sendrecv", "up"), ("inactive", "held"), ("sendrecv", "up")]
    {
        let description = pair.sounds.0.describe_as(asked);
        pair.caller.within(&mut pair.dialogs.0, "INVITE", Some(("application/sdp", &description)));
        let invite = pair.callee.request(Method::Invite);
        assert_eq!(direction(invite.body()).as_str(), asked);
        let answer = match asked {
            "sendonly" => "recvonly",
            other => other,
        };
        pair.callee.respond(&invite, 200, Some(&pair.sounds.1.describe_as(answer)));
        pair.callee.request(Method::Ack);
        let branch = pair.dialogs.0.branch.clone();
        let answered = pair.caller.final_response(&branch);
        assert_eq!(answered.code().get(), 200);
        assert_eq!(direction(answered.body()).as_str(), answer, "{asked}");
        pair.caller.ack(&pair.dialogs.0.clone(), answered.headers(), false, None);
        assert_eq!(pair.running.status().unwrap().calls[0].state, expected_state, "{asked}");
    }
    pair.end();
}

#[test]
fn rfc3261_14_1_a_refused_change_leaves_the_call_as_it_was() {
    let mut pair = pair(false, false);
    let description = pair.sounds.1.describe_as("sendonly");
    pair.callee.within(&mut pair.dialogs.1, "INVITE", Some(("application/sdp", &description)));
    let invite = pair.caller.request(Method::Invite);
    pair.caller.respond(&invite, 488, None);
    let branch = pair.dialogs.1.branch.clone();
    let refused = pair.callee.final_response(&branch);
    assert_eq!(refused.code().get(), 488);
    pair.callee.ack(&pair.dialogs.1.clone(), refused.headers(), true, None);
    assert_eq!(pair.running.status().unwrap().calls[0].state, "up");
    pair.callee.hang_up(&mut pair.dialogs.1);
    pair.caller.hung_up();
    nothing_left(&pair.running);
}

#[test]
fn rfc3261_14_2_both_sides_at_once_is_491() {
    let mut pair = pair(false, false);
    let (first, second) = (pair.sounds.0.describe_as("sendonly"), pair.sounds.1.describe_as("sendonly"));
    pair.caller.within(&mut pair.dialogs.0, "INVITE", Some(("application/sdp", &first)));
    let invite = pair.callee.request(Method::Invite);
    pair.callee.within(&mut pair.dialogs.1, "INVITE", Some(("application/sdp", &second)));
    let branch = pair.dialogs.1.branch.clone();
    let refused = pair.callee.final_response(&branch);
    assert_eq!(refused.code().get(), 491);
    pair.callee.ack(&pair.dialogs.1.clone(), refused.headers(), true, None);
    pair.callee.respond(&invite, 200, Some(&pair.sounds.1.describe_as("recvonly")));
    let branch = pair.dialogs.0.branch.clone();
    let answered = pair.caller.final_response(&branch);
    assert_eq!(answered.code().get(), 200);
    pair.caller.ack(&pair.dialogs.0.clone(), answered.headers(), false, None);
    pair.end();
}

#[test]
fn cve_codec_list_fifty_changes_with_one_codec_many_times_leave_the_call_as_it_was() {
    let mut pair = pair(false, false);
    let numbers: Vec<String> = (96..128).filter(|number| *number != 101).map(|number| number.to_string()).collect();
    let maps: String = numbers.iter().map(|number| format!("a=rtpmap:{number} PCMU/8000\r\n")).collect();
    // 125 formats, of which a description may have 128.
    let formats = format!(" 101 {}{}\r\n", numbers.join(" "), " 0".repeat(92));
    for round in 0..50 {
        // What changes nothing is not passed on: he holds, and resumes.
        let (direction, back) = if round % 2 == 0 { ("sendonly", "recvonly") } else { ("sendrecv", "sendrecv") };
        let crowded = pair.sounds.0.describe_as(direction).replacen(" 101\r\n", &formats, 1) + &maps;
        assert_eq!(crowded.matches("PCMU").count(), 32);
        pair.caller.within(&mut pair.dialogs.0, "INVITE", Some(("application/sdp", &crowded)));
        let invite = pair.callee.request(Method::Invite);
        let offered = String::from_utf8_lossy(invite.body()).into_owned();
        assert!(offered.matches("PCMU").count() <= 1, "{round}: {offered}");
        pair.callee.respond(&invite, 200, Some(&pair.sounds.1.describe_as(back)));
        pair.callee.request(Method::Ack);
        let branch = pair.dialogs.0.branch.clone();
        let answered = pair.caller.final_response(&branch);
        assert_eq!(answered.code().get(), 200);
        let said = String::from_utf8_lossy(answered.body()).into_owned();
        assert!(said.matches("PCMU").count() <= 1, "{round}: {said}");
        pair.caller.ack(&pair.dialogs.0.clone(), answered.headers(), false, None);
        assert_eq!((address(answered.body()), address(invite.body())), pair.ports, "{round}: no new ports");
    }
    hear_each_other((&mut pair.sounds.0, pair.ports.0), (&mut pair.sounds.1, pair.ports.1));
    pair.end();
}

/// What a device is offered that wants an offer is what the other side wants just now.
#[test]
fn rfc3261_14_2_who_asks_for_an_offer_is_held_as_long_as_the_other_side_holds() {
    let mut pair = pair(false, false);
    let held = pair.sounds.0.describe_as("sendonly");
    pair.caller.within(&mut pair.dialogs.0, "INVITE", Some(("application/sdp", &held)));
    let invite = pair.callee.request(Method::Invite);
    pair.callee.respond(&invite, 200, Some(&pair.sounds.1.describe_as("recvonly")));
    pair.callee.request(Method::Ack);
    let branch = pair.dialogs.0.branch.clone();
    let answered = pair.caller.final_response(&branch);
    pair.caller.ack(&pair.dialogs.0.clone(), answered.headers(), false, None);
    for (who, expected, answer) in [("callee", "sendonly", "recvonly"), ("caller", "sendrecv", "sendonly")] {
        let (phone, dialog, sound) = match who {
            "callee" => (&mut pair.callee, &mut pair.dialogs.1, &pair.sounds.1),
            _ => (&mut pair.caller, &mut pair.dialogs.0, &pair.sounds.0),
        };
        phone.within(dialog, "INVITE", None);
        let offer = phone.final_response(&dialog.branch.clone());
        assert_eq!(direction(offer.body()).as_str(), expected, "{who}");
        phone.ack(&dialog.clone(), offer.headers(), false, Some(&sound.describe_as(answer)));
        assert_eq!(pair.running.status().unwrap().calls[0].state, "held", "{who}");
    }
    pair.end();
}

#[test]
fn rfc4028_5_what_a_device_says_of_its_own_session_timer_is_no_answer_to_the_other_side() {
    let mut pair = pair(false, false);
    let held = pair.sounds.0.describe_as("sendonly");
    pair.caller.within(&mut pair.dialogs.0, "INVITE", Some(("application/sdp", &held)));
    // A 422 that says no Min-SE cannot be done anything about.
    let invite = pair.callee.request(Method::Invite);
    pair.callee.respond(&invite, 422, None);
    let branch = pair.dialogs.0.branch.clone();
    let refused = pair.caller.final_response(&branch);
    assert_eq!(refused.code().get(), 488);
    pair.caller.ack(&pair.dialogs.0.clone(), refused.headers(), true, None);
    pair.end();
}

#[test]
fn rfc3428_7_the_answer_to_a_message_in_a_call_has_neither_body_nor_contact() {
    let mut pair = pair(false, false);
    for (method, kept) in [("MESSAGE", false), ("INFO", true)] {
        pair.caller.within(&mut pair.dialogs.0, method, Some(("text/plain", "lunch?")));
        let request = pair.callee.request(method.parse().unwrap());
        assert_eq!((request.body(), request.headers().has(sip::message::HeaderId::Contact)), (&b"lunch?"[..], false));
        pair.callee.respond(&request, 200, Some(&pair.sounds.1.describe()));
        let branch = pair.dialogs.0.branch.clone();
        let answer = pair.caller.final_response(&branch);
        assert_eq!((answer.code().get(), answer.body().is_empty()), (200, !kept), "{method}");
        assert!(!answer.headers().has(sip::message::HeaderId::Contact), "{method}");
    }
    pair.end();
}

#[test]
fn info_goes_through_with_its_answer() {
    let mut pair = pair(false, false);
    let digit = "Signal=5\r\nDuration=160\r\n";
    pair.caller.within(&mut pair.dialogs.0, "INFO", Some(("application/dtmf-relay", digit)));
    let info = pair.callee.request(Method::Info);
    assert_eq!(info.body(), digit.as_bytes());
    pair.callee.respond(&info, 415, None);
    let branch = pair.dialogs.0.branch.clone();
    assert_eq!(pair.caller.final_response(&branch).code().get(), 415);
    // One that is never answered does not outlive the call.
    pair.caller.within(&mut pair.dialogs.0, "INFO", Some(("application/dtmf-relay", digit)));
    pair.callee.request(Method::Info);
    pair.end();
}

#[test]
fn a_device_that_vanished_ends_the_call_of_the_other() {
    let mut pair = pair(false, false);
    pair.caller.within(&mut pair.dialogs.0, "INFO", Some(("text/plain", "x")));
    let info = pair.callee.request(Method::Info);
    pair.callee.respond(&info, 481, None);
    let bye = pair.caller.hung_up();
    assert!(!bye.bytes().is_empty());
    assert!(pair.callee.hears_no(&Method::Invite));
    let _ = |message: Message| message;
    // The leg that said 481 gets a last BYE (RFC 5057).
    pair.callee.hung_up();
    nothing_left(&pair.running);
}
