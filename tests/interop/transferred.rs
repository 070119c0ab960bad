//! Transfers that others ask of our phones, and others' places that are taken: REFER and Replaces (RFC 3515, RFC 3891).

use ua::{AccountConfig, CallError, Endpoint};

use super::baresip::Baresip;
use super::sipp;
use crate::program::sound::seconds_of;
use crate::program::{PATIENCE, offhook};

/// Audio that counts as heard, and as not heard.
const HEARD: f64 = 3.0;
const UNHEARD: f64 = 0.2;

/// A phone of baresip without a registrar.
fn phone(hertz: u32) -> Baresip {
    Baresip::start("<sip:phone@127.0.0.1:PORT>;regint=0;answermode=auto", hertz)
}

/// We (440 Hz) call one phone of baresip, which sends us on to another (1500 Hz), that we want to hear. How our program ended, and how long the other
/// one heard us.
fn sent_on(more: &[&str]) -> (i32, String, f64) {
    let (mut asks, mut third) = (phone(1000), phone(1500));
    let (to, on) = (format!("sip:phone@{}", asks.address()), format!("sip:phone@{}", third.address()));
    let call = ["call", &to, "--sip", "127.0.0.1:0", "--tone", "440", "--expect-tone", "1500"];
    let ours = offhook::start(&[&call[..], more].concat());
    asks.wait_for("CALL_ESTABLISHED");
    asks.talk();
    asks.command("transfer", &on);
    if more.contains(&"--allow-transfer") {
        third.wait_for("CALL_ESTABLISHED");
        asks.wait_for("CALL_CLOSED");
        third.talk();
        third.command("hangup", "");
    } else {
        asks.wait_for("TRANSFER_FAILED");
        asks.command("hangup", "");
    }
    let (code, output) = ours.finish();
    let heard = if third.has_recording() { seconds_of(&third.recording(), 440.0) } else { 0.0 };
    asks.stop();
    third.stop();
    (code, output, heard)
}

#[test]
fn rfc3515_2_4_baresip_sends_our_phone_on_and_the_two_hear_each_other() {
    let (code, output, heard) = sent_on(&["--allow-transfer"]);
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("transferred to sip:phone@") && heard >= HEARD, "{heard} {output}");
}

/// The control: what is not allowed is refused, and the call stands until somebody hangs up.
#[test]
fn rfc3515_2_4_2_baresip_sends_our_phone_nowhere_unless_that_is_allowed() {
    let (code, output, heard) = sent_on(&[]);
    assert_eq!(code, 10, "{output}");
    assert!(output.contains("--expect-tone 1500") && heard < UNHEARD, "{heard} {output}");
}

/// A phone of baresip (1000 Hz) calls our robot (440 Hz) and sends it on to another (1500 Hz). What the robot has said, and how long the other one heard it.
fn robot_sent_on(more: &[&str]) -> (String, f64) {
    let (mut asks, mut third) = (phone(1000), phone(1500));
    let (mut robot, address) = offhook::answer(&[&["--tone", "440"], more].concat());
    asks.command("dial", &format!("sip:robot@{address}"));
    asks.wait_for("CALL_ESTABLISHED");
    asks.talk();
    asks.command("transfer", &format!("sip:phone@{}", third.address()));
    if more.is_empty() {
        asks.wait_for("TRANSFER_FAILED");
        asks.command("hangup", "");
        robot.wait_for("call 1 ended by caller");
    } else {
        third.wait_for("CALL_ESTABLISHED");
        asks.wait_for("CALL_CLOSED");
        third.talk();
        third.command("hangup", "");
        robot.wait_for("call 2 ended by caller");
    }
    let (_, output) = robot.stop("TERM");
    let heard = if third.has_recording() { seconds_of(&third.recording(), 440.0) } else { 0.0 };
    asks.stop();
    third.stop();
    (output, heard)
}

#[test]
fn rfc3515_2_4_baresip_sends_our_robot_on_and_is_hung_up() {
    let (output, heard) = robot_sent_on(&["--allow-transfer"]);
    assert!(heard >= HEARD && output.contains("the other side has us call sip:phone@"), "{heard} {output}");
    // The control.
    let (output, heard) = robot_sent_on(&[]);
    assert!(heard < UNHEARD && !output.contains("has us call"), "{heard} {output}");
}

/// SIPp is 1002 and talks to 1003, a phone of baresip (1500 Hz). Another device of 1002, ours, wants that call (`Replaces`) or to be in it (`Join`), or in one that
/// there is not. What comes of it, and how long 1003 heard our 440 Hz.
fn wanted(header: &str, is_there: bool) -> (Result<(), CallError>, f64) {
    let users = ["--user", "1002:secret2", "--user", "1003:secret3"];
    let file = offhook::configuration("digest = [\"md5\"]\n");
    let server = offhook::serve(&[&["--config", file.path().to_str().unwrap()], &users[..]].concat());
    let account = format!("<sip:1003@{}>;auth_user=1003;auth_pass=secret3;regint=300;answermode=auto", server.address);
    let mut third = Baresip::start(&account, 1500);
    third.wait_for_line("200 OK (Offhook");
    let log = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let me =
        ["-m", "1", "-au", "1002", "-ap", "secret2", "-s", "1003", "-trace_logs", "-log_file", log.to_str().unwrap()];
    let talks = sipp::start("pbx_caller_consults.xml", &server.address, &me);
    third.wait_for("CALL_ESTABLISHED");
    // Call-ID, the server's tag, its own.
    let names = sipp::noted(&log, "Replaces ");
    let theirs = if is_there { &names[1] } else { "another" };
    let named = format!("{};to-tag={theirs};from-tag={}", names[0], names[2]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        let phone = Endpoint::builder().udp("127.0.0.1:0").build().await.unwrap();
        let config = AccountConfig::new(format!("sip:1002@{}", server.address)).password("secret2");
        let account = phone.account(config).await.unwrap();
        let call = account.call("1003").header("Require", &header.to_lowercase()).header(header, &named).await;
        let outcome = match call {
            Ok(call) => {
                let _tone = call.audio().tone(440.0, None).unwrap();
                third.talk();
                call.hangup().await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        phone.close().await;
        outcome
    });
    if outcome.is_err() || header == "Join" {
        third.command("hangup", "");
    }
    let (code, output) = talks.finish();
    assert_eq!(code, 0, "SIPp was hung up on:\n{output}");
    third.wait_for("CALL_CLOSED");
    let seconds = if third.has_recording() { seconds_of(&third.recording(), 440.0) } else { 0.0 };
    third.stop();
    (outcome, seconds)
}

#[test]
fn rfc3891_3_our_phone_goes_on_with_the_call_of_sipp_and_baresip_hears_it() {
    let (outcome, seconds) = wanted("Replaces", true);
    assert!(outcome.is_ok() && seconds >= HEARD, "{outcome:?} {seconds}");
}

/// The control: there is no such call, and SIPp keeps the one that it has.
#[test]
fn rfc3891_3_a_call_that_there_is_not_is_not_taken_over() {
    let (outcome, seconds) = wanted("Replaces", false);
    assert!(
        matches!(outcome, Err(CallError::Rejected { code: 481, .. })) && seconds < UNHEARD,
        "{outcome:?} {seconds}"
    );
}

/// The two that talked before go on when our phone leaves: that is what SIPp is hung up by.
#[test]
fn rfc3911_4_our_phone_joins_the_call_of_sipp_and_baresip_hears_it() {
    let (outcome, seconds) = wanted("Join", true);
    assert!(outcome.is_ok() && seconds >= HEARD, "{outcome:?} {seconds}");
    let (outcome, seconds) = wanted("Join", false);
    assert!(
        matches!(outcome, Err(CallError::Rejected { code: 481, .. })) && seconds < UNHEARD,
        "{outcome:?} {seconds}"
    );
}

/// SIPp has a phone of ours, that allows transfers, and `whom` to ask for calls, call another SIPp, which is busy. How the first one has ended.
fn asked_outside(whom: &str) -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let builder =
        Endpoint::builder().udp("127.0.0.1:0").allow_transfer().refer_outside([ua::Network::read(whom).unwrap()]);
    let phone = runtime.block_on(builder.build()).unwrap();
    let (busy, target) = sipp::waits("uas_busy.xml", &["-m", "1"]);
    let target = format!("sip:1002@{target}");
    let address = phone.bound()[0].address.to_string();
    let asks = ["-m", "1", "-recv_timeout", "20000", "-key", "refer_to", &target];
    let asks = sipp::start("uac_refers.xml", &address, &asks);
    if whom == "127.0.0.1" {
        let called = async { phone.referral().await.unwrap().accept().await };
        let called = runtime.block_on(async { tokio::time::timeout(PATIENCE, called).await }).expect("it is asked for");
        assert!(matches!(called, Err(CallError::Rejected { code: 486, .. })), "{:?}", called.err());
        let (code, output) = busy.finish();
        assert_eq!(code, 0, "{output}");
    }
    let (code, _) = asks.finish();
    runtime.block_on(phone.close());
    code
}

#[test]
fn rfc3515_2_4_4_sipp_has_our_phone_call_somebody_outside_of_any_call() {
    assert_eq!(asked_outside("127.0.0.1"), 0);
    // The control: anybody else is refused.
    assert_ne!(asked_outside("192.0.2.1"), 0);
}
