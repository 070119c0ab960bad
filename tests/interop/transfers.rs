//! Transfers through `offhook serve`: phones of baresip that are sent on, by one of themselves and by SIPp.

use std::path::Path;

use ua::{AccountConfig, CallEvent, Endpoint, Events};

use super::baresip::Baresip;
use super::sipp;
use crate::program::PATIENCE;
use crate::program::offhook::{self, Server};
use crate::program::sound::seconds_of;

const USERS: [&str; 6] = ["--user", "1001:secret1", "--user", "1002:secret2", "--user", "1003:secret3"];
/// Audio that counts as heard, and as not heard.
const HEARD: f64 = 3.0;
const UNHEARD: f64 = 0.2;

/// A phone of baresip that is registered and answers by itself.
fn registered(server: &Server, user: &str, password: &str, hertz: u32) -> Baresip {
    let account =
        format!("<sip:{user}@{}>;auth_user={user};auth_pass={password};regint=300;answermode=auto", server.address);
    let mut phone = Baresip::start(&account, hertz);
    phone.wait_for_line("200 OK (Offhook");
    phone
}

/// 1001 (440 Hz) calls 1002 (1000 Hz), which sends it on to 1003 (1500 Hz): how long 1001 heard each of the two, and 1003 heard 1001.
fn sent_on(to: &str) -> (f64, f64, f64) {
    let server = offhook::serve(&USERS);
    let mut caller = registered(&server, "1001", "secret1", 440);
    let mut asks = registered(&server, "1002", "secret2", 1000);
    let mut third = registered(&server, "1003", "secret3", 1500);
    caller.command("dial", &format!("sip:1002@{}", server.address));
    caller.wait_for("CALL_ESTABLISHED");
    asks.wait_for("CALL_ESTABLISHED");
    caller.talk();
    asks.command("transfer", &format!("sip:{to}@{}", server.address));
    if to == "1003" {
        third.wait_for("CALL_ESTABLISHED");
        asks.wait_for("CALL_CLOSED");
        third.talk();
    } else {
        // That is where baresip hangs up.
        asks.wait_for("TRANSFER_FAILED");
    }
    caller.command("hangup", "");
    let heard = |phone: &Baresip, hertz| match phone.has_recording() {
        true => seconds_of(&phone.recording(), hertz),
        false => 0.0,
    };
    caller.wait_for("CALL_CLOSED");
    let seconds = (heard(&caller, 1000.0), heard(&caller, 1500.0), heard(&third, 440.0));
    for phone in [caller, asks, third] {
        phone.stop();
    }
    let (code, output) = server.program.stop("TERM");
    assert_eq!(code, 0, "{output}");
    seconds
}

#[test]
fn rfc3515_a_phone_of_baresip_sends_its_caller_on_and_they_hear_each_other() {
    let (first, second, by_third) = sent_on("1003");
    assert!(first >= HEARD && second >= HEARD && by_third >= HEARD, "{first} {second} {by_third}");
}

/// The control: nobody has that number.
#[test]
fn rfc3515_baresip_is_told_that_nobody_has_the_number_it_sends_its_caller_to() {
    let (first, second, by_third) = sent_on("1009");
    assert!(first >= HEARD && second < UNHEARD && by_third < UNHEARD, "{first} {second} {by_third}");
}

/// SIPp is 1002: it calls 1003 (1500 Hz) and 1001 (440 Hz), and wants 1001 in the place that it has with 1003, or in one that there is not. It must
/// be told `outcome`. How long each of the two phones heard the other.
fn joined(is_there: bool, outcome: &str) -> (f64, f64) {
    let file = offhook::configuration("digest = [\"md5\"]\n");
    let server = offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat());
    let mut first = registered(&server, "1001", "secret1", 440);
    let mut third = registered(&server, "1003", "secret3", 1500);
    let logs = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap().into_temp_path());
    let sipp = |scenario: &str, number: &str, log: &Path, more: &[&str]| {
        let me = ["-m", "1", "-au", "1002", "-ap", "secret2", "-s", number];
        let noting = ["-trace_logs", "-log_file", log.to_str().unwrap()];
        sipp::start(scenario, &server.address, &[&me[..], &noting[..], more].concat())
    };
    let consulting = sipp("pbx_caller_consults.xml", "1003", &logs[0], &[]);
    third.wait_for("CALL_ESTABLISHED");
    // Call-ID, the server's tag, its own.
    let names = sipp::noted(&logs[0], "Replaces ");
    let theirs = if is_there { &names[1] } else { "another" };
    let replaces = format!("{}%3Bto-tag%3D{theirs}%3Bfrom-tag%3D{}", names[0].replace('@', "%40"), names[2]);
    let target = format!("sip:1003@{}?Replaces={replaces}", server.address);
    let scenario = sipp::with("pbx_caller_refers.xml", "OUTCOME", outcome);
    let asks = sipp(scenario.to_str().unwrap(), "1001", &logs[1], &["-key", "refer_to", &target]);
    first.wait_for("CALL_ESTABLISHED");
    sipp::noted(&logs[1], "Told ");
    if is_there {
        first.talk();
    }
    first.command("hangup", "");
    if !is_there {
        third.command("hangup", "");
    }
    for sipp in [asks, consulting] {
        let (code, output) = sipp.finish();
        assert_eq!(code, 0, "{output}");
    }
    third.wait_for("CALL_CLOSED");
    let seconds = (seconds_of(&first.recording(), 1500.0), seconds_of(&third.recording(), 440.0));
    first.stop();
    third.stop();
    seconds
}

#[test]
fn rfc5589_7_sipp_has_two_phones_of_baresip_joined_and_they_hear_each_other() {
    let (first, third) = joined(true, "200");
    assert!(first >= HEARD && third >= HEARD, "{first} {third}");
}

/// The control: there is no such call.
#[test]
fn rfc3891_3_sipp_is_told_that_there_is_no_such_call_and_nobody_is_joined() {
    let (first, third) = joined(false, "481");
    assert!(first < UNHEARD && third < UNHEARD, "{first} {third}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The next news of a transfer: code, words, and whether it is the last.
pub(super) async fn transfer_of(events: &mut Events) -> (u16, String, bool) {
    loop {
        match events.next().await {
            Some(CallEvent::Transfer { code, reason, last }) => return (code, reason, last),
            Some(_) => {}
            None => panic!("the call has ended"),
        }
    }
}

/// Has SIPp call somebody else: what it tells of that.
fn sipp_is_sent_on(outcome: &str) -> Vec<(u16, String, bool)> {
    let scenario = sipp::with("uas_refer.xml", "OUTCOME", outcome);
    let (sipp, address) = sipp::waits(scenario.to_str().unwrap(), &["-m", "1"]);
    let told = runtime().block_on(async {
        let phone = Endpoint::builder().udp("127.0.0.1:0").build().await.unwrap();
        let call = phone.call(format!("sip:1002@{address}")).await.unwrap();
        let mut events = call.events();
        call.transfer("sip:1003@example.com").await.unwrap();
        let mut told = vec![transfer_of(&mut events).await];
        while told.last().is_some_and(|(_, _, last)| !last) {
            told.push(transfer_of(&mut events).await);
        }
        assert!(!call.is_over());
        call.hangup_within(PATIENCE).await;
        phone.close().await;
        told
    });
    let (code, output) = sipp.finish();
    assert_eq!(code, 0, "{output}");
    told
}

#[test]
fn rfc3515_sipp_tells_our_phone_how_the_transfer_goes_that_it_asked_for() {
    let news = |code, reason: &str, last| (code, reason.to_owned(), last);
    let begun = [news(100, "Trying", false), news(180, "Ringing", false)];
    assert_eq!(sipp_is_sent_on("200 OK"), [&begun[..], &[news(200, "OK", true)]].concat());
    assert_eq!(sipp_is_sent_on("486 Busy Here"), [&begun[..], &[news(486, "Busy Here", true)]].concat());
}

/// Has SIPp, which tells nothing of that, call somebody else: the news of it, where there are any, and how SIPp has ended.
fn sipp_is_sent_on_untold(untold: bool) -> (Option<(u16, String, bool)>, i32) {
    let (sipp, address) = sipp::waits("uas_refer_untold.xml", &["-m", "1", "-recv_timeout", "5000"]);
    let news = runtime().block_on(async {
        let phone = Endpoint::builder().udp("127.0.0.1:0").build().await.unwrap();
        let call = phone.call(format!("sip:1002@{address}")).await.unwrap();
        let mut events = call.events();
        let asked = match untold {
            true => call.transfer_untold("sip:1003@example.com").await,
            false => call.transfer("sip:1003@example.com").await,
        };
        let news = match asked {
            Ok(()) => Some(transfer_of(&mut events).await),
            Err(_) => None,
        };
        call.hangup_within(PATIENCE).await;
        phone.close().await;
        news
    });
    (news, sipp.finish().0)
}

#[test]
fn rfc4488_4_sipp_that_is_sent_on_tells_nothing_where_nothing_is_wanted() {
    assert_eq!(sipp_is_sent_on_untold(true), (Some((200, "OK".to_owned(), true)), 0));
    // The control: a phone that wants to be told does not say so, and SIPp gives up.
    assert_ne!(sipp_is_sent_on_untold(false).1, 0);
}

/// Our phone is 1002: it calls 1001 (440 Hz) and 1003 (1500 Hz) of baresip and has them take its place. How long each heard the other.
fn handed_over(does_it: bool) -> (f64, f64) {
    let server = offhook::serve(&USERS);
    let mut first = registered(&server, "1001", "secret1", 440);
    let mut third = registered(&server, "1003", "secret3", 1500);
    runtime().block_on(async {
        let phone = Endpoint::builder().udp("127.0.0.1:0").build().await.unwrap();
        let config = AccountConfig::new(format!("sip:1002@{}", server.address)).password("secret2");
        let account = phone.account(config).await.unwrap();
        let one = account.call(format!("sip:1001@{}", server.address)).await.unwrap();
        let other = account.call(format!("sip:1003@{}", server.address)).await.unwrap();
        if does_it {
            let mut events = one.events();
            one.transfer_to(&other).await.unwrap();
            assert_eq!(transfer_of(&mut events).await.0, 100);
            assert_eq!(transfer_of(&mut events).await, (200, "OK".to_owned(), true));
            one.ended().await;
            other.ended().await;
        }
        for phone in [&mut first, &mut third] {
            phone.wait_for("CALL_ESTABLISHED");
            phone.talk();
        }
        phone.close().await;
    });
    first.command("hangup", "");
    third.command("hangup", "");
    for phone in [&mut first, &mut third] {
        phone.wait_for("CALL_CLOSED");
    }
    let seconds = (seconds_of(&first.recording(), 1500.0), seconds_of(&third.recording(), 440.0));
    first.stop();
    third.stop();
    seconds
}

#[test]
fn rfc5589_7_our_phone_has_two_of_baresip_take_its_place_and_they_hear_each_other() {
    let (first, third) = handed_over(true);
    assert!(first >= HEARD && third >= HEARD, "{first} {third}");
    let (first, third) = handed_over(false);
    assert!(first < UNHEARD && third < UNHEARD, "{first} {third}");
}

/// The same with a 1003 that still rings when we ask for that; the one transferred is asked when it has answered.
#[test]
fn rfc5589_7_6_our_phone_has_one_of_baresip_that_rings_take_its_place() {
    let server = offhook::serve(&USERS);
    let mut first = registered(&server, "1001", "secret1", 440);
    let by_hand = "auth_user=1003;auth_pass=secret3;regint=300;answermode=manual";
    let mut third = Baresip::start(&format!("<sip:1003@{}>;{by_hand}", server.address), 1500);
    third.wait_for_line("200 OK (Offhook");
    runtime().block_on(async {
        let phone = Endpoint::builder().udp("127.0.0.1:0").build().await.unwrap();
        let config = AccountConfig::new(format!("sip:1002@{}", server.address)).password("secret2");
        let account = phone.account(config).await.unwrap();
        let one = account.call(format!("sip:1001@{}", server.address)).await.unwrap();
        let mut ringing = account.call(format!("sip:1003@{}", server.address)).start().await.unwrap();
        while ringing.progress().await.expect("it rings").code != 180 {}
        third.wait_for("CALL_INCOMING");
        let mut events = one.events();
        third.command("accept", "");
        let other = one.transfer_to_ringing(ringing).await.unwrap();
        assert_eq!(transfer_of(&mut events).await.0, 100);
        assert_eq!(transfer_of(&mut events).await, (200, "OK".to_owned(), true));
        one.ended().await;
        other.ended().await;
        for phone in [&mut first, &mut third] {
            phone.wait_for("CALL_ESTABLISHED");
            phone.talk();
        }
        phone.close().await;
    });
    first.command("hangup", "");
    for phone in [&mut first, &mut third] {
        phone.wait_for("CALL_CLOSED");
    }
    let seconds = (seconds_of(&first.recording(), 1500.0), seconds_of(&third.recording(), 440.0));
    first.stop();
    third.stop();
    assert!(seconds.0 >= HEARD && seconds.1 >= HEARD, "{seconds:?}");
}

/// SIPp is 1002: it calls 1003 of baresip (1500 Hz), which rings, and 1001 (440 Hz), and wants 1001 in the place that it has with 1003, or in one that there is not.
/// How its call to 1003 has to end, and what it must be told of the other. How long each of the two phones heard the other.
fn joined_while_it_rings(is_there: bool, (ended, told): (u16, &str)) -> (f64, f64) {
    let file = offhook::configuration("digest = [\"md5\"]\n");
    let server = offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat());
    let mut first = registered(&server, "1001", "secret1", 440);
    let by_hand = "auth_user=1003;auth_pass=secret3;regint=300;answermode=manual";
    let mut third = Baresip::start(&format!("<sip:1003@{}>;{by_hand}", server.address), 1500);
    third.wait_for_line("200 OK (Offhook");
    let logs = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap().into_temp_path());
    let me = |scenario: &Path, number: &str, log: &Path, more: &[&str]| {
        let me = ["-m", "1", "-au", "1002", "-ap", "secret2", "-s", number];
        let noting = ["-trace_logs", "-log_file", log.to_str().unwrap()];
        sipp::start(scenario.to_str().unwrap(), &server.address, &[&me[..], &noting[..], more].concat())
    };
    let consulting = sipp::with_final("pbx_caller_consults_early.xml", ended);
    let consulting = me(&consulting, "1003", &logs[0], &[]);
    third.wait_for("CALL_INCOMING");
    let names = sipp::noted(&logs[0], "Replaces ");
    let theirs = if is_there { &names[1] } else { "another" };
    let replaces =
        format!("{}%3Bto-tag%3D{theirs}%3Bfrom-tag%3D{}%3Bearly-only", names[0].replace('@', "%40"), names[2]);
    let target = format!("sip:1003@{}?Replaces={replaces}", server.address);
    let scenario = sipp::with("pbx_caller_refers.xml", "OUTCOME", told);
    let asks = me(&scenario, "1001", &logs[1], &["-key", "refer_to", &target]);
    first.wait_for("CALL_ESTABLISHED");
    if is_there {
        // Its own call is over before anybody has answered.
        let (code, output) = consulting.finish();
        assert_eq!(code, 0, "{output}");
        third.command("accept", "");
        sipp::noted(&logs[1], "Told ");
        for phone in [&mut first, &mut third] {
            phone.talk();
        }
    } else {
        sipp::noted(&logs[1], "Told ");
        third.command("hangup", "");
        let (code, output) = consulting.finish();
        assert_eq!(code, 0, "{output}");
    }
    first.command("hangup", "");
    let (code, output) = asks.finish();
    assert_eq!(code, 0, "{output}");
    for phone in [&mut first, &mut third] {
        phone.wait_for("CALL_CLOSED");
    }
    let heard = |phone: &Baresip, hertz| match phone.has_recording() {
        true => seconds_of(&phone.recording(), hertz),
        false => 0.0,
    };
    let seconds = (heard(&first, 1500.0), heard(&third, 440.0));
    first.stop();
    third.stop();
    seconds
}

#[test]
fn rfc5589_7_6_sipp_has_a_phone_of_baresip_joined_with_one_that_still_rings() {
    let (first, third) = joined_while_it_rings(true, (480, "200"));
    assert!(first >= HEARD && third >= HEARD, "{first} {third}");
}

/// The control: nothing rings under that name, and 1003 goes on ringing for SIPp until it refuses.
#[test]
fn rfc5589_7_6_sipp_is_told_that_nothing_rings_under_a_wrong_name_and_nobody_is_joined() {
    let (first, third) = joined_while_it_rings(false, (486, "481"));
    assert!(first < UNHEARD && third < UNHEARD, "{first} {third}");
}
