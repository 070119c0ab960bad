//! UPDATE (RFC 3311), before and after the answer.

use std::time::Duration;

use audio::codec::Codec;
use sip::message::{HeaderId, Method};

use crate::pair::{direction, pair};
use crate::reliable::prack;
use crate::setup::{nothing_left, with_phones};
use crate::sound::{Sound, address, longest};

#[test]
fn rfc3311_5_2_an_update_goes_to_the_other_side_as_what_it_takes() {
    for (takes, method) in [(true, Method::Update), (false, Method::Invite)] {
        let mut pair = pair(false, takes);
        for (asked, answer) in [("sendonly", "recvonly"), ("sendrecv", "sendrecv")] {
            let description = pair.sounds.0.describe_as(asked);
            pair.caller.within(&mut pair.dialogs.0, "UPDATE", Some(("application/sdp", &description)));
            let passed = pair.callee.request(method.clone());
            assert_eq!(direction(passed.body()).as_str(), asked);
            pair.callee.respond(&passed, 200, Some(&pair.sounds.1.describe_as(answer)));
            if method == Method::Invite {
                pair.callee.request(Method::Ack);
            }
            let branch = pair.dialogs.0.branch.clone();
            let answered = pair.caller.final_response(&branch);
            assert_eq!((answered.code().get(), direction(answered.body()).as_str()), (200, answer));
            let state = pair.running.status().unwrap().calls[0].state;
            assert_eq!(state, if asked == "sendonly" { "held" } else { "up" });
        }
        pair.end();
    }
}

#[test]
fn rfc3311_5_3_an_update_that_is_refused_leaves_the_call_as_it_was() {
    for (takes, refusal) in [(true, 488), (true, 480), (false, 488)] {
        let mut pair = pair(takes, false);
        let description = pair.sounds.1.describe_as("sendonly");
        pair.callee.within(&mut pair.dialogs.1, "UPDATE", Some(("application/sdp", &description)));
        let passed = pair.caller.request(if takes { Method::Update } else { Method::Invite });
        pair.caller.respond(&passed, refusal, None);
        let branch = pair.dialogs.1.branch.clone();
        assert_eq!(pair.callee.final_response(&branch).code().get(), refusal);
        assert_eq!(pair.running.status().unwrap().calls[0].state, "up");
        pair.end();
    }
}

#[test]
fn rfc3311_5_2_what_cannot_be_taken_is_488_and_a_sign_of_life_200_without_the_other_side() {
    let mut pair = pair(true, true);
    let unknown = pair.sounds.0.describe().replace("RTP/AVP 0 101", "RTP/AVP 18");
    for (body, code) in [(Some(unknown.as_str()), 488), (None, 200)] {
        pair.caller.within(&mut pair.dialogs.0, "UPDATE", body.map(|body| ("application/sdp", body)));
        let branch = pair.dialogs.0.branch.clone();
        assert_eq!(pair.caller.final_response(&branch).code().get(), code);
    }
    assert!(pair.callee.hears_no(&Method::Update));
    pair.end();
}

#[test]
fn rfc3311_5_2_updates_that_cross_are_491_and_a_second_one_500_with_retry_after() {
    let mut pair = pair(true, true);
    let (ours, theirs) = (pair.sounds.0.describe_as("sendonly"), pair.sounds.1.describe_as("sendonly"));
    pair.caller.within(&mut pair.dialogs.0, "UPDATE", Some(("application/sdp", &ours)));
    let first = pair.dialogs.0.branch.clone();
    let passed = pair.callee.request(Method::Update);
    pair.callee.within(&mut pair.dialogs.1, "UPDATE", Some(("application/sdp", &theirs)));
    let crossing = pair.dialogs.1.branch.clone();
    assert_eq!(pair.callee.final_response(&crossing).code().get(), 491);
    pair.caller.within(&mut pair.dialogs.0, "UPDATE", Some(("application/sdp", &ours)));
    let second = pair.dialogs.0.branch.clone();
    let refused = pair.caller.final_response(&second);
    assert_eq!(refused.code().get(), 500);
    assert!(refused.headers().text(HeaderId::RetryAfter).unwrap().parse::<u32>().unwrap() <= 10);
    pair.callee.respond(&passed, 200, Some(&pair.sounds.1.describe_as("recvonly")));
    assert_eq!(pair.caller.final_response(&first).code().get(), 200);
    pair.end();
}

#[test]
fn rfc3311_5_1_a_caller_that_was_told_reliably_may_move_before_the_answer() {
    for reliably in [true, false] {
        let (running, mut phones) = with_phones(&["1001", "1002"]);
        let (first, mut again, mut second) =
            (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
        let (caller, callee) = phones.split_at_mut(1);
        let (caller, callee) = (&mut caller[0], &mut callee[0]);
        std::thread::scope(|scope| {
            let playing = scope.spawn(|| {
                let invite = callee.request(Method::Invite);
                callee.respond(&invite, 183, Some(&second.describe()));
                second.talk(address(invite.body()), 1_000.0, Duration::from_millis(2_500));
                callee.respond(&invite, 486, None);
                callee.request(Method::Ack);
            });
            caller.extra = if reliably { "Supported: 100rel\r\n".to_owned() } else { String::new() };
            let (mut dialog, progress) = caller.call("1002", Some(&first.describe()));
            caller.extra.clear();
            let invited = dialog.clone();
            if reliably {
                let branch = prack(caller, &mut dialog, &progress, None);
                assert_eq!(caller.final_response(&branch).code().get(), 200);
            }
            caller.within(&mut dialog, "UPDATE", Some(("application/sdp", &again.describe())));
            let branch = dialog.branch.clone();
            let answered = caller.final_response(&branch);
            // Without a reliable answer its first offer is open.
            assert_eq!(answered.code().get(), if reliably { 200 } else { 500 });
            if reliably {
                let heard = again.talk(address(answered.body()), 0.0, Duration::from_millis(1_500));
                assert!(longest(&heard, 1_000.0) >= Duration::from_millis(700), "{:?}", longest(&heard, 1_000.0));
            }
            let refused = caller.final_response(&invited.branch);
            assert_eq!(refused.code().get(), 486);
            caller.ack(&invited, refused.headers(), true, None);
            playing.join().unwrap();
        });
        nothing_left(&running);
    }
}

#[test]
fn rfc3311_5_1_a_device_whose_answer_was_acknowledged_may_move_before_it_answers() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let (mut first, second) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    let mut again = Sound::new(Codec::Pcmu);
    let (caller, callee) = phones.split_at_mut(1);
    let (caller, callee) = (&mut caller[0], &mut callee[0]);
    std::thread::scope(|scope| {
        let playing = scope.spawn(|| {
            let invite = callee.request(Method::Invite);
            let lines = "Require: 100rel\r\nRSeq: 9\r\n";
            let mut dialog = callee.respond_with(&invite, 183, lines, Some(&second.describe()));
            let prack = callee.request(Method::Prack);
            callee.respond(&prack, 200, None);
            callee.within(&mut dialog, "UPDATE", Some(("application/sdp", &again.describe())));
            let branch = dialog.branch.clone();
            let answered = callee.final_response(&branch);
            assert_eq!(answered.code().get(), 200);
            again.talk(address(answered.body()), 1_000.0, Duration::from_secs(2));
            callee.respond(&invite, 200, None);
            callee.request(Method::Ack);
            callee.hung_up();
        });
        let (mut dialog, progress) = caller.call("1002", Some(&first.describe()));
        let invited = dialog.clone();
        assert_eq!(progress.code().get(), 183);
        let heard = first.talk(address(progress.body()), 0.0, Duration::from_millis(1_800));
        assert!(longest(&heard, 1_000.0) >= Duration::from_millis(1_000), "{:?}", longest(&heard, 1_000.0));
        let answer = caller.final_response(&invited.branch);
        assert_eq!(answer.code().get(), 200);
        caller.ack(&invited, answer.headers(), false, None);
        caller.hang_up(&mut dialog);
        playing.join().unwrap();
    });
    nothing_left(&running);
}
