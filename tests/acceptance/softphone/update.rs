//! UPDATEs of ours (RFC 3311), before and after the answer.

use std::time::{Duration, Instant};

use ua::{Builder, Call, CallError, Dialing};

use super::{Ear, Phone, described, line};
use crate::acceptance::wire::{Callee, body, code, contact, field, number};

/// What a peer says that takes UPDATE.
const TAKES: &str = "Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE\r\n";
/// And one that does not.
const TAKES_NOT: &str = "Allow: INVITE, ACK, CANCEL, BYE, PRACK\r\n";

/// A call in EARLY whose offer the peer has answered reliably, saying this of itself.
fn early(phone: &Phone, callee: &mut Callee, ear: &Ear, says: &str) -> (Dialing, String) {
    let (mut dialing, invite) = phone.dial(callee);
    let says = format!("Require: 100rel\r\nRSeq: 7\r\n{says}");
    callee.wire().reply(&invite, "183 Session Progress", &says, &described(ear.port(), 1, "sendrecv"));
    assert!(phone.run(dialing.progress()).unwrap().early_media);
    let prack = callee.request("PRACK");
    callee.reply(&prack, "200 OK", "");
    ear.hears();
    (dialing, invite)
}

/// The peer answers the UPDATE of ours that comes: it wants to hear elsewhere.
fn moves_to(callee: &mut Callee, ear: &Ear, version: u32) -> String {
    let update = callee.request("UPDATE");
    callee.wire().reply(&update, "200 OK", "", &described(ear.port(), version, "sendrecv"));
    update
}

/// A standing call with a peer that says this of itself.
fn standing(phone: &Phone, callee: &mut Callee, ear: &Ear, says: &str) -> Call {
    let (dialing, invite) = phone.dial(callee);
    callee.wire().reply(&invite, "200 OK", says, &described(ear.port(), 1, "sendrecv"));
    let call = phone.run(dialing.answer()).unwrap();
    callee.request("ACK");
    ear.hears();
    call
}

#[test]
fn ta23_update_in_early_and_in_confirmed() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let ears = [Ear::new(), Ear::new(), Ear::new()];
    let (dialing, invite) = early(&phone, &mut callee, &ears[0], TAKES);
    let (done, update) = phone.meanwhile(dialing.update(), || moves_to(&mut callee, &ears[1], 2));
    done.unwrap();
    assert_eq!(line(body(&update), "m="), line(body(&invite), "m="), "an offer, of what we have");
    assert_eq!(number(&update), number(&invite) + 2, "INVITE, PRACK, UPDATE");
    ears[1].hears();
    assert!(ears[0].falls_silent(), "the audio has gone with the answer");
    callee.wire().reply(&invite, "200 OK", "", "");
    let call = phone.run(dialing.answer()).unwrap();
    callee.request("ACK");
    let (done, update) = phone.meanwhile(call.update(), || moves_to(&mut callee, &ears[2], 3));
    done.unwrap();
    assert_eq!(line(body(&update), "m="), line(body(&invite), "m="));
    ears[2].hears();
    assert!(ears[1].falls_silent());
    phone.run(call.hangup());
    callee.request("BYE");
}

/// Answers the next UPDATE with 491: when that was, and what it offered.
fn crosses(callee: &mut Callee) -> (Instant, String) {
    let update = callee.request("UPDATE");
    callee.reply(&update, "491 Request Pending", "");
    (Instant::now(), body(&update).to_owned())
}

/// Two 491: one retry, after what RFC 3261 section 14.1 gives to whom the Call-ID belongs, and everything as it was.
fn is_refused_after_a_retry(refused: Result<(), CallError>, [first, second]: [(Instant, String); 2], ear: &Ear) {
    let wait = second.0.duration_since(first.0);
    assert!(wait >= Duration::from_millis(2_090) && wait <= Duration::from_millis(4_400), "{wait:?}");
    assert_eq!(line(&first.1, "m="), line(&second.1, "m="));
    assert!(matches!(refused, Err(CallError::Rejected { code: 491, .. })), "{refused:?}");
    while ear.packet(Duration::from_millis(1)).is_some() {}
    ear.hears();
}

#[test]
fn ta23_update_answered_491_in_early() {
    let (phone, mut callee, ear) = (Phone::new(), Callee::new(), Ear::new());
    let (dialing, invite) = early(&phone, &mut callee, &ear, TAKES);
    let (refused, tries) = phone.meanwhile(dialing.update(), || [crosses(&mut callee), crosses(&mut callee)]);
    is_refused_after_a_retry(refused, tries, &ear);
    // The call comes about as if nothing had been.
    callee.wire().reply(&invite, "200 OK", "", "");
    let call = phone.run(dialing.answer()).unwrap();
    callee.request("ACK");
    assert!(!call.is_over());
}

#[test]
fn ta23_update_answered_491_in_confirmed() {
    let (phone, mut callee, ear) = (Phone::new(), Callee::new(), Ear::new());
    let call = standing(&phone, &mut callee, &ear, TAKES);
    let (refused, tries) = phone.meanwhile(call.update(), || [crosses(&mut callee), crosses(&mut callee)]);
    is_refused_after_a_retry(refused, tries, &ear);
    assert!(!call.is_over());
    // The next one is taken.
    let other = Ear::new();
    let (done, _) = phone.meanwhile(call.update(), || moves_to(&mut callee, &other, 2));
    done.unwrap();
    other.hears();
}

/// The peer changes the call while we wait for our second try, and takes no UPDATE from then on.
fn takes_no_more(callee: &mut Callee, ear: &Ear) {
    let update = callee.request("UPDATE");
    callee.reply(&update, "491 Request Pending", "");
    let mut change = callee.wire().ask("INVITE");
    (change.from, change.to) = (field(&update, "To").unwrap(), field(&update, "From").unwrap());
    (change.call_id, change.uri) = (field(&update, "Call-ID").unwrap(), contact(&update));
    change.more = vec![TAKES_NOT.trim_end().to_owned()];
    change.body = described(ear.port(), 2, "sendrecv");
    let answer = callee.wire().final_of(&change);
    assert_eq!(code(&answer), 200, "{answer}");
    let ack = callee.wire().within(&answer, "ACK", 1);
    callee.wire().send(&ack);
}

#[test]
fn ta23_update_answered_491_is_not_sent_again_to_whom_it_means_nothing_any_more() {
    let (phone, mut callee, ear) = (Phone::new(), Callee::new(), Ear::new());
    let call = standing(&phone, &mut callee, &ear, TAKES);
    let (refused, ()) = phone.meanwhile(call.update(), || takes_no_more(&mut callee, &ear));
    assert!(matches!(refused, Err(CallError::NotNow { .. })), "{refused:?}");
    let (held, ()) = phone.meanwhile(call.hold(), || {
        let reinvite = callee.request("INVITE");
        callee.describe(&reinvite, "200 OK", &described(ear.port(), 3, "recvonly"));
        callee.request("ACK");
    });
    held.unwrap();
}

#[test]
fn ta23_update_is_not_sent_to_whom_it_means_nothing() {
    let (phone, mut callee, ear) = (Phone::with(Builder::hold_by_update), Callee::new(), Ear::new());
    // Before the first offer has its answer for sure.
    let (mut dialing, invite) = phone.dial(&mut callee);
    callee.wire().reply(&invite, "183 Session Progress", TAKES, &described(ear.port(), 1, "sendrecv"));
    phone.run(dialing.progress()).unwrap();
    let sent = phone.sent();
    assert!(matches!(phone.run(dialing.update()), Err(CallError::NotNow { .. })));
    assert_eq!(phone.sent(), sent, "no packet");
    drop(dialing);
    // To a peer whose Allow lacks it, in either state.
    let mut callee = Callee::new();
    let (dialing, _) = early(&phone, &mut callee, &ear, TAKES_NOT);
    let sent = phone.sent();
    assert!(matches!(phone.run(dialing.update()), Err(CallError::NotNow { .. })));
    assert_eq!(phone.sent(), sent, "no packet");
    drop(dialing);
    let mut callee = Callee::new();
    let call = standing(&phone, &mut callee, &ear, TAKES_NOT);
    let sent = phone.sent();
    assert!(matches!(phone.run(call.update()), Err(CallError::NotNow { .. })));
    assert_eq!(phone.sent(), sent, "no packet");
    // A hold that would be an UPDATE is a re-INVITE.
    let (held, reinvite) = phone.meanwhile(call.hold(), || {
        let reinvite = callee.request("INVITE");
        callee.describe(&reinvite, "200 OK", &described(ear.port(), 2, "recvonly"));
        callee.request("ACK");
        reinvite
    });
    held.unwrap();
    assert!(field(&reinvite, "CSeq").unwrap().ends_with(" INVITE") && body(&reinvite).contains("a=sendonly"));
}

/// Another telephone behind the same INVITE answers reliably, and wants to hear there.
fn another_answers(callee: &mut Callee, invite: &str, ear: &Ear) {
    callee.wire().tag = "another".to_owned();
    let says = format!("Require: 100rel\r\nRSeq: 7\r\n{TAKES}");
    callee.wire().reply(invite, "183 Session Progress", &says, &described(ear.port(), 1, "sendrecv"));
    let prack = callee.request("PRACK");
    callee.reply(&prack, "200 OK", "");
    ear.hears();
}

/// The call is with who hears there, and with nobody else: a hold goes through.
fn is_with(phone: &Phone, callee: &mut Callee, call: &Call, [ear, other]: [&Ear; 2]) {
    ear.hears();
    assert!(other.falls_silent(), "nobody else is talked to");
    let (held, reinvite) = phone.meanwhile(call.hold(), || {
        let reinvite = callee.request("INVITE");
        callee.describe(&reinvite, "200 OK", &described(ear.port(), 3, "recvonly"));
        callee.request("ACK");
        reinvite
    });
    held.unwrap();
    assert!(field(&reinvite, "To").unwrap().ends_with(";tag=another"), "{reinvite}");
}

/// Nobody knows whose call it becomes.
#[test]
fn ta23_update_is_not_sent_where_several_answer_early() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let ears = [Ear::new(), Ear::new()];
    let (dialing, invite) = early(&phone, &mut callee, &ears[0], TAKES);
    another_answers(&mut callee, &invite, &ears[1]);
    let sent = phone.sent();
    assert!(matches!(phone.run(dialing.update()), Err(CallError::NotNow { .. })));
    assert_eq!(phone.sent(), sent, "no packet");
    callee.wire().reply(&invite, "200 OK", "", "");
    let call = phone.run(dialing.answer()).unwrap();
    callee.request("ACK");
    is_with(&phone, &mut callee, &call, [&ears[1], &ears[0]]);
}

/// Whoever got the UPDATE knows nothing of the call by then.
#[test]
fn ta23_update_to_one_who_loses_the_call_leaves_it_with_another() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let ears = [Ear::new(), Ear::new()];
    let (dialing, invite) = early(&phone, &mut callee, &ears[0], TAKES);
    let (refused, update) = phone.meanwhile(dialing.update(), || {
        let update = callee.request("UPDATE");
        callee.wire().tag = "another".to_owned();
        callee.wire().reply(&invite, "200 OK", "", &described(ears[1].port(), 1, "sendrecv"));
        callee.request("ACK");
        update
    });
    assert!(refused.is_err(), "{refused:?}");
    let call = phone.run(dialing.answer()).unwrap();
    callee.reply(&update, "481 Call/Transaction Does Not Exist", "");
    is_with(&phone, &mut callee, &call, [&ears[1], &ears[0]]);
}

/// What he answers is an answer to an offer that is in force no more.
#[test]
fn ta23_update_to_one_who_answers_it_after_another_has_come_changes_nothing() {
    let (phone, mut callee) = (Phone::new(), Callee::new());
    let ears = [Ear::new(), Ear::new(), Ear::new()];
    let (dialing, invite) = early(&phone, &mut callee, &ears[0], TAKES);
    let (refused, ()) = phone.meanwhile(dialing.update(), || {
        let update = callee.request("UPDATE");
        another_answers(&mut callee, &invite, &ears[1]);
        callee.wire().reply(&update, "200 OK", "", &described(ears[2].port(), 2, "sendrecv"));
    });
    assert!(matches!(refused, Err(CallError::NotNow { .. })), "{refused:?}");
    callee.wire().reply(&invite, "200 OK", "", "");
    let call = phone.run(dialing.answer()).unwrap();
    callee.request("ACK");
    assert!(ears[2].packet(Duration::from_millis(1)).is_none(), "nothing by the answer that was too late");
    is_with(&phone, &mut callee, &call, [&ears[1], &ears[0]]);
}
