//! SIPp joins a call of the library's with a phone of baresip (RFC 3911).

use std::sync::{Arc, Mutex};

use ua::{Call, CallEvent, Endpoint};

use super::baresip::Baresip;
use super::sipp;
use crate::program::PATIENCE;
use crate::program::sound::seconds_of;

/// Audio that counts as heard, and as not heard.
const HEARD: f64 = 3.0;
const UNHEARD: f64 = 0.2;

/// The value of a header line of a message.
pub(super) fn header(message: &str, name: &str) -> String {
    let mut lines = message.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// We are in a call with baresip (1500 Hz), and SIPp wants to be in it besides (1000 Hz), as somebody of this name, or in one that there is not.
/// How SIPp has ended, and for how many seconds baresip heard it.
fn joined(who: &str, is_there: bool) -> (i32, f64) {
    let folder = tempfile::tempdir().unwrap();
    let scenario = sipp::with("uac_joins.xml", "SPEECH", &sipp::speech(folder.path(), 1_000.0));
    let mut third = Baresip::start("<sip:phone@127.0.0.1:PORT>;regint=0;answermode=auto", 1500);
    let answers: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&answers);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let builder = Endpoint::builder().udp("127.0.0.1:0").media_ports(20_000..=29_999).allow_transfer();
    let builder = builder.tap(move |message| {
        let text = String::from_utf8_lossy(message.bytes).into_owned();
        if text.starts_with("SIP/2.0 200 ") && text.contains(" INVITE\r\n") {
            seen.lock().unwrap().push(text);
        }
    });
    let endpoint = runtime.block_on(builder.build()).unwrap();
    let call = runtime.block_on(async { endpoint.call(format!("sip:phone@{}", third.address())).await }).unwrap();
    third.wait_for("CALL_ESTABLISHED");
    let answer = answers.lock().unwrap().remove(0);
    let tag = |name: &str| header(&answer, name).split(";tag=").nth(1).unwrap().to_owned();
    // We have called: our tag is that of From.
    let ours = if is_there { tag("From") } else { "another".to_owned() };
    let named = format!("{};to-tag={ours};from-tag={}", header(&answer, "Call-ID"), tag("To"));
    let keys = ["-key", "named", &named, "-key", "who", who];
    let address = endpoint.bound()[0].address.to_string();
    let sipp = sipp::start(scenario.to_str().unwrap(), &address, &[&["-m", "1"][..], &keys].concat());
    if is_there && who == "phone" {
        let taken = taken(&endpoint, &call);
        runtime.block_on(async { tokio::time::timeout(PATIENCE, taken).await }).expect("it ends");
    }
    let (code, _) = sipp.finish();
    runtime.block_on(call.hangup());
    third.wait_for("CALL_CLOSED");
    let seconds = if third.has_recording() { seconds_of(&third.recording(), 1_000.0) } else { 0.0 };
    third.stop();
    (code, seconds)
}

/// Takes who wants to be in this call, and waits until he has left it.
async fn taken(endpoint: &Endpoint, call: &Call) {
    let incoming = endpoint.incoming().await.unwrap();
    assert!(incoming.joins(call));
    let taken = incoming.answer().await.unwrap();
    let mut events = taken.events();
    while !matches!(events.next().await, Some(CallEvent::Ended(_)) | None) {}
    assert!(!call.is_over());
}

#[test]
fn rfc3911_4_sipp_joins_our_call_and_baresip_hears_it() {
    let (code, seconds) = joined("phone", true);
    assert!(code == 0 && seconds >= HEARD, "{code} {seconds}");
}

/// The controls: there is no such call, and somebody who has nothing to do with it.
#[test]
fn rfc3911_4_sipp_joins_no_call_that_there_is_not_nor_one_of_others() {
    for (who, is_there) in [("phone", false), ("mallory", true)] {
        let (code, seconds) = joined(who, is_there);
        assert!(code != 0 && seconds < UNHEARD, "{who}: {code} {seconds}");
    }
}
