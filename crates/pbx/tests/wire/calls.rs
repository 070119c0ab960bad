//! Calls: to extensions and between devices.

use std::time::Duration;

use audio::codec::Codec;
use sip::message::{HeaderId, Method};

use crate::setup::{config, nothing_left, phone, start, with_config, with_phones};
use crate::sound::{Sound, address, both_ways, longest};

/// What must be heard in one piece.
const CLEAR: Duration = Duration::from_secs(3);

#[test]
fn extension_600_gives_back_what_it_hears() {
    let (running, mut phones) = with_phones(&["1001"]);
    let mut sound = Sound::new(Codec::Pcmu);
    let (mut dialog, answer) = phones[0].call_through("600", &sound.describe());
    let heard = sound.talk_until_heard(address(answer.body()), 440.0, 440.0, CLEAR);
    assert!(longest(&heard, 440.0) >= CLEAR, "{:?}", longest(&heard, 440.0));
    phones[0].hang_up(&mut dialog);
    nothing_left(&running);
}

#[test]
fn extension_601_says_440_hertz_and_602_says_something() {
    let (running, mut phones) = with_phones(&["1001"]);
    let mut sound = Sound::new(Codec::Pcma);
    let (mut dialog, answer) = phones[0].call_through("601", &sound.describe());
    let heard = sound.talk_until_heard(address(answer.body()), 0.0, 440.0, CLEAR);
    assert!(longest(&heard, 440.0) >= CLEAR, "{:?}", longest(&heard, 440.0));
    phones[0].hang_up(&mut dialog);
    sound.drain();
    let (mut dialog, answer) = phones[0].call_through("602", &sound.describe());
    let heard = sound.talk(address(answer.body()), 0.0, Duration::from_secs(1));
    assert!(heard.iter().any(|sample| sample.unsigned_abs() > 2_000), "the music is silent");
    assert!(longest(&heard, 440.0) < Duration::from_millis(900), "the music is one tone");
    phones[0].hang_up(&mut dialog);
    nothing_left(&running);
}

#[test]
fn extension_610_lets_everybody_hear_everybody_else() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let (mut first, mut second) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcma));
    let (mut one, answer_one) = phones[0].call_through("610", &first.describe());
    let (mut two, answer_two) = phones[1].call_through("610", &second.describe());
    let one_side = (&mut first, address(answer_one.body()), CLEAR);
    let (heard_one, heard_two) = both_ways(one_side, (&mut second, address(answer_two.body()), CLEAR));
    assert!(longest(&heard_one, 1_000.0) >= CLEAR, "{:?}", longest(&heard_one, 1_000.0));
    assert!(longest(&heard_two, 440.0) >= CLEAR, "{:?}", longest(&heard_two, 440.0));
    phones[0].hang_up(&mut one);
    phones[1].hang_up(&mut two);
    nothing_left(&running);
}

#[test]
fn rfc3264_6_1_who_only_speaks_is_heard_and_who_only_listens_hears() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let (mut first, mut second) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcma));
    let (mut one, answer_one) = phones[0].call_through("610", &first.describe_as("sendonly"));
    let (mut two, answer_two) = phones[1].call_through("610", &second.describe_as("recvonly"));
    for (answer, direction) in [(&answer_one, "a=recvonly\r\n"), (&answer_two, "a=sendonly\r\n")] {
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(text.contains(direction), "{text}");
    }
    // That it is heard is all that is asked here, not how well.
    let long = Duration::from_secs(1);
    let one_side = (&mut first, address(answer_one.body()), Duration::ZERO);
    let (heard_one, heard_two) = both_ways(one_side, (&mut second, address(answer_two.body()), long));
    assert!(heard_one.is_empty(), "{} samples to who wants none", heard_one.len());
    assert!(longest(&heard_two, 440.0) >= long, "{:?}", longest(&heard_two, 440.0));
    phones[0].hang_up(&mut one);
    phones[1].hang_up(&mut two);
    nothing_left(&running);
}

#[test]
fn a_lone_member_of_extension_610_hears_silence_rather_than_nothing() {
    let (running, mut phones) = with_phones(&["1001"]);
    let mut sound = Sound::new(Codec::Pcmu);
    let (mut dialog, answer) = phones[0].call_through("610", &sound.describe());
    let heard = sound.talk(address(answer.body()), 0.0, Duration::from_secs(2));
    assert!(heard.len() >= 8_000, "{} samples", heard.len());
    assert!(heard.iter().all(|sample| sample.unsigned_abs() < 16), "that is no silence");
    // Its own voice is not what it hears.
    let heard = sound.talk(address(answer.body()), 440.0, Duration::from_secs(2));
    assert!(heard.len() >= 8_000, "{} samples", heard.len());
    assert!(heard.iter().all(|sample| sample.unsigned_abs() < 16), "it hears itself");
    phones[0].hang_up(&mut dialog);
    nothing_left(&running);
}

fn device_to_device(caller_codec: Codec, callee_codec: Codec, callee_hangs_up: bool) {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let (mut first, mut second) = (Sound::new(caller_codec), Sound::new(callee_codec));
    let (dialog, ringing) = {
        let offer = first.describe();
        let (caller, callee) = phones.split_at_mut(1);
        let (caller, callee) = (&mut caller[0], &mut callee[0]);
        std::thread::scope(|scope| {
            let answering = scope.spawn(|| {
                let invite = callee.request(Method::Invite);
                let from = invite.headers().text(HeaderId::From).unwrap().into_owned();
                assert!(from.contains("<sip:1001@"), "{from}");
                callee.respond(&invite, 180, None);
                let theirs = address(invite.body());
                let dialog = callee.respond(&invite, 200, Some(&second.describe()));
                callee.request(Method::Ack);
                (dialog, theirs)
            });
            let (dialog, response) = caller.call("1002", Some(&offer));
            assert_eq!(response.code().get(), 180);
            let answer = caller.final_response(&dialog.branch);
            assert_eq!(answer.code().get(), 200);
            let mut dialog = dialog;
            dialog.to = answer.headers().text(HeaderId::To).unwrap().into_owned();
            caller.ack(&dialog, answer.headers(), false, None);
            ((dialog, address(answer.body())), answering.join().unwrap())
        })
    };
    let (mut caller_dialog, ours) = dialog;
    let (mut callee_dialog, theirs) = ringing;
    let (heard_first, heard_second) = both_ways((&mut first, ours, CLEAR), (&mut second, theirs, CLEAR));
    assert!(longest(&heard_first, 1_000.0) >= CLEAR, "caller heard {:?}", longest(&heard_first, 1_000.0));
    assert!(longest(&heard_second, 440.0) >= CLEAR, "callee heard {:?}", longest(&heard_second, 440.0));
    assert_eq!(running.status().unwrap().calls[0].state, "up");
    let (leaver, other) = if callee_hangs_up { (1, 0) } else { (0, 1) };
    let bye = if callee_hangs_up { &mut callee_dialog } else { &mut caller_dialog };
    phones[leaver].extra = "Reason: Q.850;cause=16;text=\"Normal\"\r\n".to_owned();
    phones[leaver].hang_up(bye);
    let bye = phones[other].hung_up();
    assert_eq!(bye.headers().text(HeaderId::Reason).unwrap(), "Q.850;cause=16;text=\"Normal\"");
    nothing_left(&running);
}

#[test]
fn two_devices_talk_with_packets_relayed() {
    device_to_device(Codec::Pcmu, Codec::Pcmu, false);
}

#[test]
fn two_devices_talk_with_audio_transcoded() {
    device_to_device(Codec::Pcma, Codec::Pcmu, true);
}

#[test]
fn a_cancel_of_the_caller_cancels_the_callee() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let sound = Sound::new(Codec::Pcmu);
    let (caller, callee) = phones.split_at_mut(1);
    let (caller, callee) = (&mut caller[0], &mut callee[0]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let cancel = callee.rings_in_vain();
            assert_eq!(cancel.headers().text(HeaderId::Reason).unwrap(), "SIP;cause=487");
        });
        let (dialog, response) = caller.call("1002", Some(&sound.describe()));
        assert_eq!(response.code().get(), 180);
        caller.extra = "Reason: SIP;cause=487\r\n".to_owned();
        caller.takes_back(&dialog);
    });
    nothing_left(&running);
}

#[test]
fn nobody_answers_in_time() {
    let config = pbx::Config { ring: Duration::from_millis(300), ..config() };
    let (running, mut phones) = with_config(config, &["1001", "1002"]);
    let sound = Sound::new(Codec::Pcmu);
    let (caller, callee) = phones.split_at_mut(1);
    let (caller, callee) = (&mut caller[0], &mut callee[0]);
    std::thread::scope(|scope| {
        scope.spawn(|| callee.rings_in_vain());
        let (dialog, response) = caller.call("1002", Some(&sound.describe()));
        assert_eq!(response.code().get(), 180);
        let refused = caller.final_response(&dialog.branch);
        assert_eq!((refused.code().get(), refused.reason()), (480, "No Answer"));
        caller.ack(&dialog, refused.headers(), true, None);
    });
    nothing_left(&running);
    assert!(running.metrics().unwrap().contains("offhook_calls_total{direction=\"inbound\",result=\"no_answer\"} 1"));
}

#[test]
fn a_call_rings_all_devices_and_the_first_answer_wins() {
    let (running, address) = start(config());
    let mut caller = phone(address, "1001");
    let mut devices = [phone(address, "1002"), phone(address, "1002")];
    for phone in devices.iter_mut().chain([&mut caller]) {
        assert_eq!(phone.register(120).code().get(), 200);
    }
    let sound = Sound::new(Codec::Pcmu);
    let [first, second] = &mut devices;
    std::thread::scope(|scope| {
        let (description, answerer) = (sound.describe(), first);
        scope.spawn(move || {
            answerer.answers(&description);
            answerer.hung_up();
        });
        scope.spawn(move || {
            let cancel = second.rings_in_vain();
            let reason = cancel.headers().text(HeaderId::Reason).unwrap().into_owned();
            assert!(reason.starts_with("SIP;cause=200"), "{reason}");
        });
        let (mut dialog, _) = caller.call_through("2002", &sound.describe());
        caller.hang_up(&mut dialog);
    });
    nothing_left(&running);
}

#[test]
fn early_media_reach_the_caller_before_the_answer() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let (mut first, mut second) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    let (caller, callee) = phones.split_at_mut(1);
    let (caller, callee) = (&mut caller[0], &mut callee[0]);
    let describe = second.describe();
    std::thread::scope(|scope| {
        let playing = scope.spawn(|| {
            let invite = callee.request(Method::Invite);
            callee.respond(&invite, 183, Some(&describe));
            second.talk(address(invite.body()), 1_000.0, Duration::from_secs(2));
            callee.respond(&invite, 486, None);
        });
        let (dialog, progress) = caller.call("1002", Some(&first.describe()));
        assert_eq!(progress.code().get(), 183);
        let heard = first.talk(address(progress.body()), 0.0, Duration::from_millis(1_800));
        assert!(longest(&heard, 1_000.0) >= Duration::from_millis(1_000), "{:?}", longest(&heard, 1_000.0));
        playing.join().unwrap();
        let refused = caller.final_response(&dialog.branch);
        assert_eq!(refused.code().get(), 486);
        caller.ack(&dialog, refused.headers(), true, None);
    });
    nothing_left(&running);
}

#[test]
fn rfc3261_13_2_1_the_first_description_of_a_dialog_is_its_answer() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let (mut first, mut second) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    let (caller, callee) = phones.split_at_mut(1);
    let (caller, callee) = (&mut caller[0], &mut callee[0]);
    let (answer, later) = (second.describe(), Sound::new(Codec::Pcma).describe());
    std::thread::scope(|scope| {
        let listening = scope.spawn(|| {
            let invite = callee.request(Method::Invite);
            callee.respond(&invite, 183, Some(&answer));
            callee.respond(&invite, 183, Some(&later));
            callee.respond(&invite, 200, Some(&later));
            callee.request(Method::Ack);
            let heard = second.talk(address(invite.body()), 0.0, Duration::from_millis(1_500));
            callee.hung_up();
            longest(&heard, 440.0)
        });
        let (mut dialog, answer) = caller.call_through("1002", &first.describe());
        first.talk(address(answer.body()), 440.0, Duration::from_millis(1_500));
        caller.hang_up(&mut dialog);
        let heard = listening.join().unwrap();
        assert!(heard >= Duration::from_millis(600), "{heard:?}");
    });
    nothing_left(&running);
}

#[test]
fn an_invite_without_offer_is_offered_something() {
    let (running, mut phones) = with_phones(&["1001"]);
    let mut sound = Sound::new(Codec::Pcmu);
    let (mut dialog, answer) = phones[0].call("600", None);
    assert_eq!(answer.code().get(), 200);
    let ours = address(answer.body());
    phones[0].ack(&dialog, answer.headers(), false, Some(&sound.describe()));
    let heard = sound.talk_until_heard(ours, 440.0, 440.0, Duration::from_millis(600));
    assert!(longest(&heard, 440.0) >= Duration::from_millis(600), "{:?}", longest(&heard, 440.0));
    phones[0].hang_up(&mut dialog);
    nothing_left(&running);
}

#[test]
fn preferred_devices_ring_first_and_the_others_when_nobody_answers() {
    let config = pbx::Config { ring: Duration::from_millis(400), ..config() };
    let (running, address) = start(config);
    let mut caller = phone(address, "1001");
    let (mut desk, mut mobile) = (phone(address, "1002"), phone(address, "1002"));
    desk.preference = ";q=0.9".to_owned();
    mobile.preference = ";q=0.5".to_owned();
    for phone in [&mut caller, &mut desk, &mut mobile] {
        assert_eq!(phone.register(120).code().get(), 200);
    }
    let sound = Sound::new(Codec::Pcmu);
    std::thread::scope(|scope| {
        let (began, description) = (std::time::Instant::now(), sound.describe());
        scope.spawn(|| desk.rings_in_vain());
        scope.spawn(move || {
            let invite = mobile.request(Method::Invite);
            assert!(began.elapsed() >= Duration::from_millis(350), "{:?}", began.elapsed());
            mobile.respond(&invite, 200, Some(&description));
            mobile.request(Method::Ack);
            mobile.hung_up();
        });
        let (mut dialog, _) = caller.call_through("1002", &sound.describe());
        caller.hang_up(&mut dialog);
    });
    nothing_left(&running);
}

#[test]
fn a_call_of_which_nothing_is_heard_ends_when_that_is_wanted() {
    let config = pbx::Config { silence: Some(Duration::from_millis(500)), ..config() };
    let (running, mut phones) = with_config(config, &["1001"]);
    let sound = Sound::new(Codec::Pcmu);
    phones[0].call_through("600", &sound.describe());
    let bye = phones[0].hung_up();
    let reasons: Vec<String> = bye.headers().all(HeaderId::Reason).map(|one| one.text().into_owned()).collect();
    assert_eq!(reasons, ["SIP;cause=408;text=\"No media\"", "Q.850;cause=102"]);
    nothing_left(&running);
}

#[test]
fn rfc4733_digits_reach_the_other_side_relayed_or_sent_anew() {
    for callee_codec in [Codec::Pcmu, Codec::Pcma] {
        let (running, mut phones) = with_phones(&["1001", "1002"]);
        let (mut first, mut second) = (Sound::new(Codec::Pcmu), Sound::new(callee_codec));
        let (caller, callee) = phones.split_at_mut(1);
        let (caller, callee) = (&mut caller[0], &mut callee[0]);
        let description = second.describe();
        let mut dialog = std::thread::scope(|scope| {
            scope.spawn(|| callee.answers(&description));
            caller.call_through("1002", &first.describe())
        });
        let ours = address(dialog.1.body());
        first.talk(ours, 440.0, Duration::from_millis(200));
        first.press(ours, 5);
        let deadline = std::time::Instant::now() + Duration::from_secs(3);
        while second.digits().last() != Some(&5) {
            assert!(std::time::Instant::now() < deadline, "{callee_codec}: heard {:?}", second.digits());
            second.talk(ours, 0.0, Duration::from_millis(50));
        }
        caller.hang_up(&mut dialog.0);
        callee.hung_up();
        nothing_left(&running);
    }
}
