//! `offhook call` against SIPp as the called party.

use audio::codec::Codec;
use audio::frame::SampleRate;
use audio::level::Dbfs;
use audio::tone::ToneGenerator;

use super::sipp;
use crate::program::sound::seconds_of;
use crate::program::{Program, free_port, offhook};

/// Starts a call to `address`.
fn dial(address: &str, arguments: &[&str]) -> Program {
    offhook::start(&[&["call", &format!("sip:1002@{address}"), "--sip", "127.0.0.1:0"], arguments].concat())
}

/// One call to SIPp with this scenario; returns how our program ended. SIPp must have seen what its scenario says.
fn call(scenario: &str, of_sipp: &[&str], arguments: &[&str]) -> (i32, String) {
    let (phone, address) = sipp::waits(scenario, &[&["-m", "1"], of_sipp].concat());
    let outcome = dial(&address, arguments).finish();
    let (code, output) = phone.finish();
    assert_eq!(code, 0, "{output}\nand our side:\n{}", outcome.1);
    outcome
}

#[test]
fn sipp_answers_and_we_hang_up() {
    let (code, output) = call("uas", &[], &["--for", "1"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn sipp_is_busy() {
    let (code, output) = call("uas_busy.xml", &[], &[]);
    assert_eq!(code, 7, "{output}");
    assert!(output.contains("486"), "{output}");
}

#[test]
fn sipp_rings_until_we_give_up() {
    let (code, output) = call("uas_rings.xml", &[], &["--ring-for", "1"]);
    assert_eq!(code, 8, "{output}");
}

#[test]
fn sipp_rings_until_we_are_interrupted() {
    let (phone, address) = sipp::waits("uas_rings.xml", &["-m", "1"]);
    let mut ours = dial(&address, &[]);
    ours.wait_for("180 Ringing");
    let (code, output) = ours.stop("INT");
    assert_eq!(code, 130, "{output}");
    let (code, output) = phone.finish();
    assert_eq!(code, 0, "the CANCEL and the ACK for its 487 came:\n{output}");
}

#[test]
fn rfc3261_13_2_2_4_each_copy_of_the_200_is_acknowledged() {
    let (code, output) = call("uas_ack_lost.xml", &["-nr"], &["--for", "1"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn sipp_on_a_bad_line_is_asked_and_acknowledged_again() {
    let (code, output) = call("uas_repeats.xml", &["-nr"], &["--for", "1"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn answers_that_overtake_each_other_make_one_call() {
    let (code, output) = call("uas_out_of_order.xml", &[], &["--for", "1"]);
    assert_eq!(code, 0, "{output}");
}

#[test]
fn bye_that_overtakes_the_200_ends_the_call_with_an_ack() {
    let (code, output) = call("uas_bye_overtakes.xml", &[], &["--for", "5"]);
    assert_eq!(code, 7, "{output}");
    assert!(output.contains("the other side hung up before it had answered"), "{output}");
}

/// SIPp's mirror sends each packet back as it is: that is a line to nobody. What an echo service says is heard, see `through`.
#[test]
fn rfc3550_8_2_our_own_packets_from_a_mirror_are_no_audio() {
    // It takes the port after next, too, for pictures.
    let mut pairs = std::iter::repeat_with(|| (free_port(), free_port()));
    let (port, _) = pairs.find(|(port, next)| *next == port + 2).expect("they never end");
    let port = port.to_string();
    let (code, output) =
        call("uas", &["-rtp_echo", "-mp", &port], &["--for", "5", "--tone", "440", "--expect-tone", "440"]);
    assert_eq!(code, 9, "{output}");
    assert!(output.contains("what we sent came back"), "{output}");
}

/// Six seconds of 1000 Hz before the answer or nothing, and what was recorded of it: seconds of the tone, and what our side said.
fn heard_before_the_answer(speaks: bool) -> (f64, String) {
    let folder = tempfile::tempdir().unwrap();
    let (speech, recording) = (folder.path().join("speech.ulaw"), folder.path().join("heard.wav"));
    let mut tone = ToneGenerator::single(SampleRate::NARROW, 1_000.0, Dbfs(-10.0)).unwrap();
    let (mut samples, mut encoded) = (vec![0; 48_000], vec![0; 48_000]);
    tone.fill(&mut samples);
    Codec::Pcmu.encoder().encode(&samples, &mut encoded).unwrap();
    std::fs::write(&speech, encoded).unwrap();
    let early = format!("<nop><action><exec rtp_stream=\"{},1,0\"/></action></nop>", speech.display());
    let scenario = sipp::with("uas_early_audio.xml", "EARLY", if speaks { &early } else { "" });
    let recorded = recording.to_str().unwrap();
    let (code, output) = call(scenario.to_str().unwrap(), &[], &["--for", "1", "--record", recorded]);
    assert_eq!(code, 0, "{output}");
    (seconds_of(&recording, 1_000.0), output)
}

#[test]
fn rfc3264_5_1_what_sipp_says_before_its_answer_is_recorded() {
    let (seconds, output) = heard_before_the_answer(true);
    assert!(seconds >= 2.0, "1000 Hz for {seconds} s only:\n{output}");
    // However busy the machine is, what has been sent has come.
    assert!(output.contains(", lost 0,"), "{output}");
    let at = |what| output.find(what).unwrap_or_else(|| panic!("{what}:\n{output}"));
    assert!(at("180 Ringing") < at("the first packet has come"), "{output}");
    assert!(at("the first packet has come") < at("answered after"), "{output}");
}

#[test]
fn rfc3264_5_1_nothing_is_recorded_of_a_sipp_that_says_nothing() {
    let (seconds, output) = heard_before_the_answer(false);
    assert!(seconds < 0.1 && !output.contains("the first packet"), "1000 Hz for {seconds} s:\n{output}");
}

/// A scenario that waits for what must not come fails.
#[test]
fn callee_that_waits_for_a_bye_in_vain_fails() {
    let (phone, address) = sipp::waits("uas_rings.xml", &["-m", "1", "-recv_timeout", "3000"]);
    let ours = dial(&address, &["--ring-for", "20"]);
    let (code, output) = phone.finish();
    assert_ne!(code, 0, "{output}");
    drop(ours);
}

/// SIPp has no telephone events, and takes two digits of three in INFO requests.
#[test]
fn rfc6086_2_sipp_gets_digits_in_info_and_one_that_it_refuses_is_told() {
    for (mode, kind, body) in [("info", "application/dtmf-relay", "Signal="), ("info-dtmf", "application/dtmf", "")] {
        let typed = sipp::with("uas_info.xml", "TYPE", kind);
        let scenario = sipp::with(typed.to_str().unwrap(), "BODY", body);
        let options = ["--dtmf", "567", "--dtmf-mode", mode, "--for", "2"];
        let (code, output) = call(scenario.to_str().unwrap(), &[], &options);
        assert_eq!(code, 0, "{output}");
        let told: Vec<_> = output.lines().filter(|line| line.starts_with("digit ")).collect();
        assert!(
            matches!(told[..], [one] if one.starts_with("digit 6 was not taken") && one.contains("415")),
            "{output}"
        );
    }
}

/// The control: in the audio there is no way, and nothing is dialled.
#[test]
fn rfc4733_2_sipp_without_telephone_events_gets_no_digit() {
    let (sipp, address) = sipp::waits("uas", &["-m", "1"]);
    let (code, output) = dial(&address, &["--dtmf", "5", "--for", "2"]).finish();
    assert!(code != 0 && output.contains("telephone"), "{code} {output}");
    sipp.finish();
}
