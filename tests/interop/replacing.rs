//! Places in calls (Replaces, RFC 3891) that programs which are not ours take, read of, and have ours take: SIPp at our phone, at the robot and at `serve`.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::TempPath;
use ua::{Call, CallEvent, Endpoint, Seen};

use super::baresip::Baresip;
use super::joined::header;
use super::through::{self, went_well};
use super::{sipp, transfers};
use crate::program::offhook::{self, Server};
use crate::program::sound::seconds_of;
use crate::program::{PATIENCE, Program, free_port};

/// Audio that counts as heard, and as not heard.
const HEARD: f64 = 3.0;
const UNHEARD: f64 = 0.2;

/// Where SIPp writes down what it sees, and the arguments that say so.
struct Log(TempPath);

impl Log {
    fn new() -> Self {
        Self(tempfile::NamedTempFile::new().unwrap().into_temp_path())
    }

    fn arguments(&self) -> [&str; 5] {
        ["-m", "1", "-trace_logs", "-log_file", self.0.to_str().unwrap()]
    }

    fn noted(&self, word: &str) -> Vec<String> {
        sipp::noted(&self.0, word)
    }

    /// The dialog of SIPp as Replaces names it to the other side, whose tag comes first; or with one that this side does not have.
    fn named(&self, is_there: bool) -> String {
        let noted = self.noted("Replaces ");
        let theirs = if is_there { &noted[1] } else { "another" };
        format!("{};to-tag={theirs};from-tag={}", noted[0], noted[2])
    }
}

/// As it stands in a URI.
fn escaped(named: &str) -> String {
    named.replace('@', "%40").replace(';', "%3B").replace('=', "%3D")
}

fn unescaped(text: &str) -> String {
    text.replace("%40", "@").replace("%3B", ";").replace("%3D", "=")
}

/// A scenario in which SIPp takes a place and says 1000 Hz there; where it is to be refused, one that wants that code.
fn taking(folder: &Path, code: u16) -> TempPath {
    match code {
        200 => sipp::with("uac_replaces.xml", "SPEECH", &sipp::speech(folder, 1_000.0)),
        _ => sipp::with_final("uac_replaces_refused.xml", code),
    }
}

/// A phone of ours (440 Hz) calls 1002, which is SIPp and writes down by what names that goes: it, where it listens, and SIPp.
fn phone_and_sipp(log: &Log, more: &[&str]) -> (Program, String, Program) {
    let (sipp, address) = sipp::waits("uas_consulted.xml", &log.arguments());
    let own = format!("127.0.0.1:{}", free_port());
    let call = ["call", &format!("sip:1002@{address}"), "--sip", &own, "--tone", "440"];
    (offhook::start(&[&call[..], more].concat()), own, sipp)
}

/// Our phone talks to SIPp, and another SIPp wants that place as somebody of this name, which must come to this code. What our phone has said, and how it ended.
fn taken_over(who: &str, is_there: bool, more: &[&str], code: u16) -> (i32, String) {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new());
    let (ours, own, first) = phone_and_sipp(&log, &[&["--expect-tone", "1000"], more].concat());
    let named = log.named(is_there);
    let wants = ["-m", "1", "-key", "named", &named, "-key", "who", who];
    went_well(sipp::run(taking(folder.path(), code).to_str().unwrap(), &own, &wants));
    let ended = if code == 200 { ours.finish() } else { ours.stop("INT") };
    // It has been hung up: by us for the other one, or at the end.
    went_well(first.finish());
    ended
}

#[test]
fn rfc3891_3_sipp_takes_the_place_of_another_with_our_phone_which_hears_it() {
    let (code, output) = taken_over("1002", true, &["--allow-transfer"], 200);
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("another has taken the place of the other side: sip:1002@"), "{output}");
}

/// The controls: a tag of ours that we do not have, somebody who has nothing to do with it, and a phone that was not told to allow it.
#[test]
fn rfc3891_3_sipp_takes_no_place_with_our_phone_that_it_does_not_know_or_may_not_have() {
    let allows = ["--allow-transfer"];
    for (who, is_there, more, refused) in
        [("1002", false, &allows[..], 481), ("mallory", true, &allows[..], 403), ("1002", true, &allows[..0], 420)]
    {
        let (code, output) = taken_over(who, is_there, more, refused);
        assert!(code != 0 && !output.contains("has taken the place"), "{refused}: {code} {output}");
    }
}

/// Phones of the library, of which the second has called the first: its call, that of the first, and by what names it goes there.
async fn library(first: &Endpoint, second: &Endpoint, seen: &Mutex<Vec<String>>) -> (Call, Call, String) {
    let called = second.call(format!("sip:bob@{}", first.bound()[0].address));
    let (called, taken) = tokio::join!(async { called.await.unwrap() }, async {
        first.incoming().await.unwrap().answer().await.unwrap()
    });
    let answer = seen.lock().unwrap().remove(0);
    let tag = |name: &str| header(&answer, name).split(";tag=").nth(1).unwrap().to_owned();
    let named = format!("{};to-tag={};from-tag={}", header(&answer, "Call-ID"), tag("To"), tag("From"));
    (called, taken, named)
}

/// Two phones of ours talk, and the one that has called asks SIPp to take its place. SIPp reads which that is, and another SIPp takes it, after it was refused one
/// that is not there. Whether SIPp read what it has to, which may be something else than it is, and for how long the other phone heard SIPp.
fn asked_and_taken(expected: impl Fn(&str) -> String) -> (i32, f64) {
    let (folder, log) = (tempfile::tempdir().unwrap(), Log::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let tap = move |message: &Seen<'_>| {
        let text = String::from_utf8_lossy(message.bytes).into_owned();
        if text.starts_with("SIP/2.0 200 ") && text.contains(" INVITE\r\n") {
            kept.lock().unwrap().push(text);
        }
    };
    let builder = || Endpoint::builder().udp("127.0.0.1:0").media_ports(20_000..=29_999);
    let first = runtime.block_on(builder().allow_transfer().build()).unwrap();
    let second = runtime.block_on(builder().tap(tap).build()).unwrap();
    let at = first.bound()[0].address.to_string();
    let recorded = folder.path().join("heard.wav");
    let outcome = runtime.block_on(async {
        let (other, stays, named) = library(&first, &second, &seen).await;
        let scenario = sipp::with("uas_refer_replaces.xml", "REPLACES", &escaped(&expected(&named)));
        let (sipp, address) = sipp::waits(scenario.to_str().unwrap(), &log.arguments());
        let one = second.call(format!("sip:1002@{address}")).await.unwrap();
        let mut news = one.events();
        one.transfer_to(&other).await.unwrap();
        let told = tokio::time::timeout(PATIENCE, transfers::transfer_of(&mut news)).await.expect("it is told");
        assert_eq!(told.0, 100);
        let read = log.noted("Read ");
        let by = format!("Require: replaces\nReferred-By: {}", read[1]);
        let take = |named: &str, code| {
            let scenario = sipp::with(taking(folder.path(), code).to_str().unwrap(), "Require: replaces", &by);
            let wants = ["-m", "1", "-key", "named", named, "-key", "who", "carol"];
            went_well(sipp::run(scenario.to_str().unwrap(), &at, &wants));
        };
        let named = unescaped(&read[0]);
        take(&named.replace("to-tag=", "to-tag=x"), 481);
        assert!(!other.is_over() && !stays.is_over());
        let (recording, mut events) = (stays.audio().record(&recorded).unwrap(), stays.events());
        take(&named, 200);
        while !matches!(events.next().await.expect("it is taken over"), CallEvent::Replaced { .. }) {}
        for call in [&other, &stays] {
            tokio::time::timeout(PATIENCE, call.ended()).await.expect("it ends");
        }
        recording.finished().await.unwrap();
        one.hangup_within(PATIENCE).await;
        (sipp.finish().0, seconds_of(&recorded, 1_000.0))
    });
    runtime.block_on(async { tokio::join!(first.close(), second.close()) });
    outcome
}

#[test]
fn rfc3891_4_sipp_reads_whose_place_our_phone_wants_it_to_take_and_takes_it() {
    let (code, seconds) = asked_and_taken(str::to_owned);
    assert!(code == 0 && seconds >= HEARD, "{code} {seconds}");
}

/// The control: SIPp expects the tags the other way round, as the one that asks knows them.
#[test]
fn rfc3891_4_sipp_that_expects_the_tags_the_other_way_round_fails() {
    let (code, _) = asked_and_taken(|named| {
        named.replace("to-tag", "TAG").replace("from-tag", "to-tag").replace("TAG", "from-tag")
    });
    assert_eq!(code, 1);
}

/// The robot (1500 Hz) is called by SIPp and asked to take the place that SIPp has with our phone (440 Hz), or another; what SIPp must be told. What our phone has
/// said, how it ended, and for how long the robot heard it.
fn robot_sent(is_there: bool, told: &str) -> (i32, String, f64) {
    let (folder, logs) = (tempfile::tempdir().unwrap(), [Log::new(), Log::new()]);
    let (ours, own, first) = phone_and_sipp(&logs[0], &["--allow-transfer", "--expect-tone", "1500"]);
    let recorded = folder.path().join("heard.wav");
    let recording = ["--record", recorded.to_str().unwrap()];
    let (mut robot, address) =
        offhook::answer(&[&["--allow-transfer", "--tone", "1500", "--for", "6"], &recording[..]].concat());
    let target = format!("sip:phone@{own}?Require=replaces&Replaces={}", escaped(&logs[0].named(is_there)));
    let scenario = sipp::with("uac_refers_within.xml", "OUTCOME", told);
    let asks = [&logs[1].arguments()[..], &["-key", "refer_to", &target]].concat();
    went_well(sipp::run(scenario.to_str().unwrap(), &address, &asks));
    let (code, output) = match is_there {
        true => {
            robot.wait_for("call 2 recorded");
            ours.finish()
        }
        false => ours.stop("INT"),
    };
    went_well(first.finish());
    robot.stop("TERM");
    let second = folder.path().join("heard-2.wav");
    let seconds = if second.exists() { seconds_of(&second, 440.0) } else { 0.0 };
    (code, output, seconds)
}

#[test]
fn rfc5589_7_sipp_has_our_robot_take_its_place_with_our_phone_and_they_hear_each_other() {
    let (code, output, seconds) = robot_sent(true, "200");
    assert!(code == 0 && seconds >= HEARD, "{seconds} {output}");
    assert!(output.contains("another has taken the place of the other side: sip:robot@"), "{output}");
}

/// The control: our phone has no such tag, and says so to the robot, which tells SIPp.
#[test]
fn rfc5589_7_sipp_is_told_that_there_is_no_such_place_for_our_robot() {
    let (code, output, seconds) = robot_sent(false, "481");
    assert!(code != 0 && seconds < UNHEARD && !output.contains("has taken the place"), "{seconds} {output}");
}

/// SIPp has the robot take a place with another SIPp, which expects the tags in this order. How the two have ended.
fn robot_read(tags: [&str; 2]) -> (i32, i32) {
    let named = |[to, from]: [&str; 2]| format!("77@sipp;to-tag={to};from-tag={from}");
    let scenario = sipp::with("uas_replaced.xml", "REPLACES", &named(tags));
    let (reads, target) = sipp::waits(scenario.to_str().unwrap(), &["-m", "1"]);
    let (_robot, address) = offhook::answer(&["--allow-transfer", "--for", "1"]);
    let target = format!("sip:1003@{target}?Require=replaces&Replaces={}", escaped(&named(["a", "b"])));
    let scenario = sipp::with("uac_refers_within.xml", "OUTCOME", "200");
    let (asks, _) = sipp::run(scenario.to_str().unwrap(), &address, &["-m", "1", "-key", "refer_to", &target]);
    (asks, reads.finish().0)
}

#[test]
fn rfc3891_4_sipp_reads_whose_place_our_robot_takes() {
    assert_eq!(robot_read(["a", "b"]), (0, 0));
    // The control: it expects the tags the other way round.
    assert_eq!(robot_read(["b", "a"]).1, 1);
}

/// A user of the server, SIPp, takes a place that has these names there, and says 1000 Hz; or must be told that there is none.
fn takes(server: &Server, user: &str, named: &str, is_there: bool) {
    let folder = tempfile::tempdir().unwrap();
    let password = format!("secret{}", &user[3..]);
    let who = ["-m", "1", "-s", "1002", "-au", user, "-ap", &password, "-key", "who", user, "-key", "named", named];
    let scenario = match is_there {
        true => sipp::with("pbx_caller_replaces.xml", "SPEECH", &sipp::speech(folder.path(), 1_000.0)),
        false => {
            let refused = sipp::with_final("pbx_caller_refused.xml", 481);
            let refused = sipp::with(refused.to_str().unwrap(), "sip:1001@", &format!("sip:{user}@"));
            let wants = "Require: replaces\nReplaces: [named]\nContent-Type:";
            sipp::with(refused.to_str().unwrap(), "Content-Type:", wants)
        }
    };
    went_well(sipp::run(scenario.to_str().unwrap(), &server.address, &who));
}

/// A phone of baresip, 1001 (440 Hz).
fn first(server: &Server) -> Baresip {
    let account = format!("<sip:1001@{}>;auth_user=1001;auth_pass=secret1;regint=300;answermode=auto", server.address);
    let mut phone = Baresip::start(&account, 440);
    phone.wait_for_line("200 OK (Offhook");
    phone
}

/// For how long a phone that has been in a call heard SIPp.
fn heard(mut phone: Baresip) -> f64 {
    phone.wait_for("CALL_CLOSED");
    let seconds = if phone.has_recording() { seconds_of(&phone.recording(), 1_000.0) } else { 0.0 };
    phone.stop();
    seconds
}

/// 1001 calls 1002, SIPp, which rings, and 1003, SIPp as well, picks that up, or something that does not ring. For how long 1001 heard it.
fn picked_up(is_there: bool) -> f64 {
    let (server, log) = (through::serve(), Log::new());
    let mut caller = first(&server);
    let rings = through::sipp_callee(&server, "uas_rings.xml", &log.arguments());
    caller.command("dial", &format!("sip:1002@{}", server.address));
    takes(&server, "1003", &format!("{};early-only", log.named(is_there)), is_there);
    if !is_there {
        caller.command("hangup", "");
    }
    // It is told in either case that it need not ring any longer.
    went_well(rings.finish());
    heard(caller)
}

#[test]
fn rfc3891_7_1_sipp_picks_up_what_rings_at_sipp_through_serve_and_baresip_hears_it() {
    let seconds = picked_up(true);
    assert!(seconds >= HEARD, "{seconds}");
}

/// The control: nothing rings under that name.
#[test]
fn rfc3891_3_sipp_picks_nothing_up_through_serve_that_does_not_ring() {
    let seconds = picked_up(false);
    assert!(seconds < UNHEARD, "{seconds}");
}

/// 1002, SIPp, talks to 1001, and another device of 1002, SIPp as well, goes on with that, or with something that there is not. For how long 1001 heard it.
fn gone_on_with(is_there: bool) -> f64 {
    let (server, log) = (through::serve(), Log::new());
    let mut stays = first(&server);
    let who = ["-s", "1001", "-au", "1002", "-ap", "secret2"];
    let talks = sipp::start("pbx_caller_consults.xml", &server.address, &[&log.arguments()[..], &who].concat());
    stays.wait_for("CALL_ESTABLISHED");
    takes(&server, "1002", &log.named(is_there), is_there);
    if !is_there {
        stays.command("hangup", "");
    }
    went_well(talks.finish());
    heard(stays)
}

#[test]
fn rfc3891_3_sipp_goes_on_with_a_call_of_sipp_through_serve_and_baresip_hears_it() {
    let seconds = gone_on_with(true);
    assert!(seconds >= HEARD, "{seconds}");
}

/// The control: there is no such call.
#[test]
fn rfc3891_3_sipp_goes_on_with_no_call_through_serve_that_there_is_not() {
    let seconds = gone_on_with(false);
    assert!(seconds < UNHEARD, "{seconds}");
}
