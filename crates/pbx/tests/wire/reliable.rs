//! Reliable provisional responses (RFC 3262) on one leg, both, or none.

use std::time::Duration;

use audio::codec::Codec;
use sip::header::{RAck, RSeq};
use sip::message::{HeaderId, Method, Request, Response};

use crate::phone::{Dialog, Phone};
use crate::setup::{nothing_left, with_phones};
use crate::sound::{Sound, address, longest};

fn rseq(response: &Response) -> Option<u32> {
    response.headers().get::<RSeq>().map(|number| number.unwrap().0)
}

/// Sends the PRACK for a response; the branch.
pub(crate) fn prack(phone: &mut Phone, dialog: &mut Dialog, response: &Response, offer: Option<&str>) -> String {
    phone.extra = format!("RAck: {} {}\r\n", rseq(response).unwrap(), response.headers().text(HeaderId::CSeq).unwrap());
    phone.within(dialog, "PRACK", offer.map(|offer| ("application/sdp", offer)));
    phone.extra.clear();
    dialog.branch.clone()
}

/// The phone that is called gives early media, with these lines, and when they were heard the answer.
fn plays_early(phone: &mut Phone, sound: &mut Sound, lines: &str) -> (Request, Option<Request>) {
    let invite = phone.request(Method::Invite);
    let describe = sound.describe();
    phone.respond_with(&invite, 183, lines, Some(&describe));
    let acknowledged = lines.contains("100rel").then(|| {
        let prack = phone.request(Method::Prack);
        phone.respond(&prack, 200, None);
        prack
    });
    sound.talk(address(invite.body()), 1_000.0, Duration::from_secs(2));
    phone.respond(&invite, 200, acknowledged.is_none().then_some(describe.as_str()));
    phone.request(Method::Ack);
    (invite, acknowledged)
}

const RELIABLY: &str = "Require: 100rel\r\nRSeq: 4711\r\n";

#[test]
fn rfc3262_5_early_media_cross_whichever_leg_is_reliable() {
    for (first_can, second_can) in [(true, false), (false, true), (true, true), (false, false)] {
        let (running, mut phones) = with_phones(&["1001", "1002"]);
        let (mut first, mut second) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
        let (caller, callee) = phones.split_at_mut(1);
        let (caller, callee) = (&mut caller[0], &mut callee[0]);
        let lines = if second_can { RELIABLY } else { "" };
        std::thread::scope(|scope| {
            let playing = scope.spawn(|| {
                let (invite, prack) = plays_early(callee, &mut second, lines);
                let supported = invite.headers().text(HeaderId::Supported).unwrap_or_default().into_owned();
                callee.hung_up();
                (supported, prack)
            });
            caller.extra = if first_can { "Supported: 100rel\r\n".to_owned() } else { String::new() };
            let (mut dialog, progress) = caller.call("1002", Some(&first.describe()));
            caller.extra.clear();
            let (branch, invited) = (dialog.branch.clone(), dialog.clone());
            assert_eq!((progress.code().get(), rseq(&progress).is_some()), (183, first_can));
            if first_can {
                let branch = prack(caller, &mut dialog, &progress, None);
                assert_eq!(caller.final_response(&branch).code().get(), 200);
            }
            let heard = first.talk(address(progress.body()), 0.0, Duration::from_millis(1_800));
            assert!(longest(&heard, 1_000.0) >= Duration::from_millis(1_000), "{:?}", longest(&heard, 1_000.0));
            let answer = caller.final_response(&branch);
            assert_eq!(answer.code().get(), 200);
            caller.ack(&invited, answer.headers(), false, None);
            caller.hang_up(&mut dialog);
            let (supported, acknowledged) = playing.join().unwrap();
            assert!(supported.contains("100rel"), "{supported}");
            let rack = acknowledged.map(|prack| prack.headers().get::<RAck>().unwrap().unwrap().rseq);
            assert_eq!(rack, second_can.then_some(4_711));
        });
        nothing_left(&running);
    }
}

#[test]
fn rfc3262_3_a_caller_that_requires_it_hears_reliably_that_it_rings_and_what_comes_next_waits() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let (first, second) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    let (caller, callee) = phones.split_at_mut(1);
    let (caller, callee) = (&mut caller[0], &mut callee[0]);
    let describe = second.describe();
    std::thread::scope(|scope| {
        let playing = scope.spawn(|| {
            let invite = callee.request(Method::Invite);
            callee.respond(&invite, 180, None);
            callee.respond(&invite, 183, Some(&describe));
            callee.respond(&invite, 486, None);
            callee.request(Method::Ack);
        });
        caller.extra = "Require: 100rel\r\n".to_owned();
        let (mut dialog, ringing) = caller.call("1002", Some(&first.describe()));
        caller.extra.clear();
        let branch = dialog.branch.clone();
        assert_eq!(ringing.code().get(), 180);
        assert!(rseq(&ringing).is_some());
        playing.join().unwrap();
        // The refusal waits for nothing, and ends what waited.
        let refused = caller.final_response(&branch);
        assert_eq!(refused.code().get(), 486);
        let invited = Dialog { branch, ..dialog.clone() };
        caller.ack(&invited, refused.headers(), true, None);
        let late = prack(caller, &mut dialog, &ringing, None);
        assert_eq!(caller.final_response(&late).code().get(), 200, "still answered");
    });
    nothing_left(&running);
}

#[test]
fn rfc3262_5_a_callers_offer_in_the_prack_is_answered_here() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let (first, again) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    let mut second = Sound::new(Codec::Pcmu);
    let (caller, callee) = phones.split_at_mut(1);
    let (caller, callee) = (&mut caller[0], &mut callee[0]);
    std::thread::scope(|scope| {
        let playing = scope.spawn(|| {
            plays_early(callee, &mut second, "");
            callee.hung_up();
        });
        caller.extra = "Supported: 100rel\r\n".to_owned();
        let (mut dialog, progress) = caller.call("1002", Some(&first.describe()));
        caller.extra.clear();
        let (branch, invited) = (dialog.branch.clone(), dialog.clone());
        // From another port: what is heard from now on comes there.
        let mut again = again;
        let offered = prack(caller, &mut dialog, &progress, Some(&again.describe()));
        let answered = caller.final_response(&offered);
        assert_eq!(answered.code().get(), 200);
        let heard = again.talk(address(answered.body()), 0.0, Duration::from_millis(1_500));
        assert!(longest(&heard, 1_000.0) >= Duration::from_millis(700), "{:?}", longest(&heard, 1_000.0));
        let answer = caller.final_response(&branch);
        caller.ack(&invited, answer.headers(), false, None);
        caller.hang_up(&mut dialog);
        playing.join().unwrap();
    });
    nothing_left(&running);
}
