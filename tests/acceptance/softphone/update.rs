//! UPDATEs of ours (RFC 3311), before and after the answer.

use std::time::{Duration, Instant};

use ua::{Builder, Call, CallError, Dialing, IncomingCall};

use super::{Ear, Phone, described, line};
use crate::acceptance::wire::{Ask, Callee, Wire, body, code, contact, field, number};

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

/// Whoever picks up has the audio, also when another has answered early after him; and who has described nothing has no call.
#[test]
fn ta36_who_has_answered_early_and_picks_up_is_heard_and_not_who_came_after_him() {
    for is_silent in [false, true] {
        let (phone, mut callee) = (Phone::new(), Callee::new());
        let ears = [Ear::new(), Ear::new()];
        let (dialing, invite) = early(&phone, &mut callee, &ears[0], TAKES);
        let first = callee.wire().tag.clone();
        another_answers(&mut callee, &invite, &ears[1]);
        assert!(ears[0].falls_silent(), "whom the audio has to come back to");
        callee.wire().tag = if is_silent { "silent".to_owned() } else { first };
        callee.wire().reply(&invite, "200 OK", "", "");
        let answered = phone.run(dialing.answer());
        callee.request("ACK");
        if is_silent {
            assert!(matches!(answered, Err(CallError::Media(_))), "{:?}", answered.err());
            callee.request("BYE");
            continue;
        }
        let _call = answered.unwrap();
        ears[0].hears();
        assert!(ears[1].falls_silent(), "nobody else is talked to");
    }
}

/// Who has described nothing that can be used has no call, whoever has been heard before him, and however often he says it.
#[test]
fn ta36_who_has_answered_early_with_what_cannot_be_used_and_picks_up_has_no_call() {
    let refuses =
        |ear: &Ear| described(ear.port(), 1, "sendrecv").replace(&format!("m=audio {}", ear.port()), "m=audio 0");
    for (is_alone, repeats, is_read) in [
        (false, false, true),
        (false, true, true),
        (false, false, false),
        (false, true, false),
        (true, true, true),
        (true, true, false),
    ] {
        let (phone, mut callee) = (Phone::new(), Callee::new());
        let ears = [Ear::new(), Ear::new()];
        let (dialing, invite) = match is_alone {
            true => phone.dial(&mut callee),
            false => early(&phone, &mut callee, &ears[0], TAKES),
        };
        callee.wire().tag = "another".to_owned();
        let unusable = if is_read { refuses(&ears[1]) } else { "v=x\r\n".to_owned() };
        let says = format!("Require: 100rel\r\nRSeq: 7\r\n{TAKES}");
        callee.wire().reply(&invite, "183 Session Progress", &says, &unusable);
        let prack = callee.request("PRACK");
        callee.reply(&prack, "200 OK", "");
        callee.wire().reply(&invite, "200 OK", "", if repeats { &unusable } else { "" });
        let answered = phone.run(dialing.answer());
        callee.request("ACK");
        let case = format!("alone {is_alone}, repeats {repeats}, read {is_read}");
        assert!(matches!(answered, Err(CallError::Media(_))), "{case}: {:?}", answered.err());
        callee.request("BYE");
        assert!(ears.iter().all(Ear::falls_silent), "{case}: nobody is talked to");
    }
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

/// A call of a peer that says this of itself, answered in a 183: the call, its INVITE and the 183.
fn answered_early(phone: &Phone, wire: &mut Wire, ear: &Ear, says: &str) -> (IncomingCall, Ask, String) {
    let mut invite = wire.ask("INVITE");
    invite.body = described(ear.port(), 1, "sendrecv");
    invite.more = says.lines().map(str::to_owned).collect();
    let incoming = phone.rung(wire, &invite);
    phone.run(incoming.progress_with_media()).unwrap();
    let early = wire.expect("183 Session Progress");
    (incoming, invite, early)
}

/// The peer acknowledges a reliable response to its INVITE, with this description.
fn acknowledges(wire: &mut Wire, (response, cseq): (&str, u32), answer: &str) {
    let mut prack = wire.within(response, "PRACK", cseq);
    prack.more = vec![format!("RAck: {} 1 INVITE", field(response, "RSeq").unwrap())];
    prack.body = answer.to_owned();
    assert_eq!(wire.code_of(&prack), 200);
}

#[test]
fn ta23_update_by_who_is_called_in_early() {
    let (phone, ears) = (Phone::new(), [Ear::new(), Ear::new()]);
    let mut wire = Wire::to(&phone.address());
    let says = format!("Require: 100rel\r\n{TAKES}");
    let (incoming, invite, early) = answered_early(&phone, &mut wire, &ears[0], &says);
    assert!(field(&early, "RSeq").is_some() && !body(&early).is_empty(), "{early}");
    // Not before the caller has said that it has our answer.
    assert!(matches!(phone.run(incoming.update()), Err(CallError::NotNow { .. })));
    assert!(wire.rest().iter().all(|message| !message.starts_with("UPDATE ")));
    acknowledges(&mut wire, (&early, 2), "");
    ears[0].hears();
    let (done, update) = phone.meanwhile(incoming.update(), || {
        let update = wire.expect("UPDATE ");
        wire.reply(&update, "200 OK", "", &described(ears[1].port(), 2, "sendrecv"));
        update
    });
    done.unwrap();
    let port = |message: &str| line(body(message), "m=audio ").split(' ').nth(1).unwrap().to_owned();
    assert_eq!(port(&update), port(&early), "an offer, of what we have");
    ears[1].hears();
    assert!(ears[0].falls_silent(), "the audio has gone with the answer");
    let (call, answer) = phone.meanwhile(incoming.answer(), || wire.acknowledged(&invite));
    assert_eq!(body(&answer), "", "the answer has been given");
    let call = call.unwrap();
    while ears[1].packet(Duration::from_millis(1)).is_some() {}
    ears[1].hears();
    assert!(ears[0].falls_silent(), "the 200 puts nothing back");
    phone.run(call.hangup());
    wire.expect("BYE ");
}

#[test]
fn ta23_update_by_who_is_called_answered_491_in_early() {
    let (phone, ear) = (Phone::new(), Ear::new());
    let mut wire = Wire::to(&phone.address());
    let says = format!("Require: 100rel\r\n{TAKES}");
    let (incoming, invite, early) = answered_early(&phone, &mut wire, &ear, &says);
    acknowledges(&mut wire, (&early, 2), "");
    let crosses = || {
        let update = wire.expect("UPDATE ");
        wire.reply(&update, "491 Request Pending", "", "");
        (Instant::now(), body(&update).to_owned())
    };
    let (refused, [first, second]) = phone.meanwhile(incoming.update(), || [crosses(), crosses()]);
    // The Call-ID is the caller's (RFC 3261 section 14.1).
    let wait = second.0.duration_since(first.0);
    assert!(wait <= Duration::from_millis(2_400), "{wait:?}");
    assert_eq!(line(&first.1, "m="), line(&second.1, "m="));
    assert!(matches!(refused, Err(CallError::Rejected { code: 491, .. })), "{refused:?}");
    // The call comes about as if nothing had been.
    let (call, _) = phone.meanwhile(incoming.answer(), || wire.acknowledged(&invite));
    let call = call.unwrap();
    while ear.packet(Duration::from_millis(1)).is_some() {}
    ear.hears();
    assert!(!call.is_over());
}

#[test]
fn ta23_update_is_not_sent_by_who_is_called_to_whom_it_means_nothing() {
    // What is said in a plain response may be lost; and a peer whose Allow lacks UPDATE.
    for (says, reliably) in [(TAKES.to_owned(), false), (format!("Require: 100rel\r\n{TAKES_NOT}"), true)] {
        let (phone, ear) = (Phone::new(), Ear::new());
        let mut wire = Wire::to(&phone.address());
        let (incoming, invite, early) = answered_early(&phone, &mut wire, &ear, &says);
        assert_eq!(field(&early, "RSeq").is_some(), reliably);
        if reliably {
            acknowledges(&mut wire, (&early, 2), "");
        }
        let sent = phone.sent();
        assert!(matches!(phone.run(incoming.update()), Err(CallError::NotNow { .. })));
        assert_eq!(phone.sent(), sent, "no packet");
        let (call, answer) = phone.meanwhile(incoming.answer(), || wire.acknowledged(&invite));
        assert!(!call.unwrap().is_over());
        assert_eq!(body(&answer), if reliably { "" } else { body(&early) });
    }
}

#[test]
fn ta23_update_by_who_is_called_and_has_offered_in_early() {
    let (phone, ears) = (Phone::new(), [Ear::new(), Ear::new()]);
    let mut wire = Wire::to(&phone.address());
    let mut invite = wire.ask("INVITE");
    invite.body.clear();
    invite.more = vec!["Require: 100rel".to_owned(), TAKES.trim_end().to_owned()];
    let incoming = phone.rung(&wire, &invite);
    phone.run(incoming.ring()).unwrap();
    let offer = wire.expect("180 Ringing");
    acknowledges(&mut wire, (&offer, 2), &described(ears[0].port(), 1, "sendrecv"));
    ears[0].hears();
    // The PRACK of another 180 is no answer to the UPDATE.
    let both = async { tokio::join!(incoming.update(), incoming.ring()) };
    let ((updated, rung), ()) = phone.meanwhile(both, || {
        let update = wire.expect("UPDATE ");
        let mut again = wire.expect("180 Ringing");
        while field(&again, "RSeq") == field(&offer, "RSeq") {
            again = wire.expect("180 Ringing");
        }
        acknowledges(&mut wire, (&again, 3), "");
        wire.reply(&update, "200 OK", "", &described(ears[1].port(), 2, "sendrecv"));
    });
    assert_eq!((updated, rung), (Ok(()), Ok(())));
    ears[1].hears();
    assert!(ears[0].falls_silent(), "the audio has gone with the answer");
    let (call, answer) = phone.meanwhile(incoming.answer(), || wire.acknowledged(&invite));
    assert!(!call.unwrap().is_over());
    assert_eq!(body(&answer), "");
}
