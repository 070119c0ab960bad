//! Packages of INFO (RFC 6086): calls of the library with SIPp on the other side, and SIPp at both ends of `serve`, which sends digits in INFO as well.

use std::time::Duration;

use tokio::runtime::Runtime;
use ua::{Call, CallError, CallEvent, Endpoint};

use super::{sipp, through};
use crate::program::{PATIENCE, Program};

/// An endpoint that takes two packages.
struct Bench {
    runtime: Runtime,
    endpoint: Endpoint,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let builder = Endpoint::builder().udp("127.0.0.1:0").media_ports(20_000..=29_999);
        let endpoint = runtime.block_on(builder.info_packages(["weather", "g.traffic"]).build()).unwrap();
        Self { runtime, endpoint }
    }

    /// Runs a future to its end.
    fn run<T>(&self, ours: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, ours).await }).expect("it ends")
    }

    /// Sends what SIPp takes, and not what it does not; hears what it sends, until it hangs up.
    fn talk(&self, call: &Call) {
        let mut events = call.events();
        let refused = self.run(call.info("lottery", "text/plain", "7"));
        assert!(matches!(refused, Err(CallError::NotNow { .. })), "{refused:?}");
        assert_eq!(self.run(call.info("news", "text/plain", "rain at noon")).unwrap().code, 200);
        let mut heard = Vec::new();
        while let Some(event) = self.run(events.next()) {
            if let CallEvent::Info { package, content_type, body } = event {
                heard.push((package, content_type, String::from_utf8(body).unwrap()));
            }
        }
        let [(package, content_type, body)] = &heard[..] else { panic!("one was taken: {heard:?}") };
        assert_eq!((package.as_str(), content_type.as_str(), body.trim()), ("weather;when=now", "text/plain", "snow"));
    }
}

#[test]
fn rfc6086_5_2_2_sipp_that_is_called_gets_what_it_takes_and_sends_what_we_do() {
    let bench = Bench::new();
    let (sipp, address) = sipp::waits("uas_packages.xml", &["-m", "1"]);
    let call = bench.run(async { bench.endpoint.call(format!("sip:sipp@{address}")).await }).unwrap();
    bench.talk(&call);
    let (code, output) = sipp.finish();
    assert_eq!(code, 0, "{output}");
}

#[test]
fn rfc6086_5_2_2_sipp_that_calls_gets_what_it_takes_and_sends_what_we_do() {
    let bench = Bench::new();
    let address = bench.endpoint.bound()[0].address.to_string();
    let sipp = sipp::start("uac_packages.xml", &address, &["-m", "1"]);
    let incoming = bench.run(bench.endpoint.incoming()).unwrap();
    let call = bench.run(incoming.answer()).unwrap();
    bench.talk(&call);
    let (code, output) = sipp.finish();
    assert_eq!(code, 0, "{output}");
}

/// The control: a SIPp that takes another package is sent nothing, and waits in vain.
#[test]
fn rfc6086_5_2_2_sipp_that_takes_another_package_waits_for_an_info_in_vain() {
    let bench = Bench::new();
    let scenario = sipp::with("uas_packages.xml", "Recv-Info: news", "Recv-Info: sport");
    let (sipp, address) = sipp::waits(scenario.to_str().unwrap(), &["-m", "1", "-recv_timeout", "3000"]);
    let call = bench.run(async { bench.endpoint.call(format!("sip:sipp@{address}")).await }).unwrap();
    let refused = bench.run(call.info("news", "text/plain", "rain at noon"));
    assert!(matches!(refused, Err(CallError::NotNow { .. })), "{refused:?}");
    let (code, output) = sipp.finish();
    assert_ne!(code, 0, "{output}");
    drop(bench.run(async { tokio::time::timeout(Duration::from_secs(1), call.hangup()).await }));
}

/// 1001 calls 1002 through `serve`, both SIPp: how it went for the caller, and the phone.
fn through_serve(caller: &str, phone: &str) -> ((i32, String), Program) {
    let server = through::serve();
    let phone = through::sipp_callee(&server, phone, &["-m", "1", "-recv_timeout", "5000"]);
    let arguments = ["-m", "1", "-s", "1002", "-au", "1001", "-ap", "secret1", "-recv_timeout", "5000"];
    (sipp::run(caller, &server.address, &arguments), phone)
}

#[test]
fn rfc6086_5_2_2_sipp_at_both_ends_of_serve_gets_what_it_takes_and_469_for_what_the_other_does_not() {
    let ((code, output), phone) = through_serve("pbx_caller_packages.xml", "uas_packages.xml");
    assert_eq!(code, 0, "{output}");
    let (code, output) = phone.finish();
    assert_eq!(code, 0, "{output}");
}

/// The control: a phone that has not said it takes the package is sent nothing of it, and the caller gets 469.
#[test]
fn rfc6086_4_2_2_sipp_that_calls_through_serve_gets_469_for_what_the_phone_has_not_said() {
    let caller = sipp::with("pbx_caller_packages.xml", "^ *news", "^ *sport");
    let phone = sipp::with("uas_packages.xml", "Recv-Info: news", "Recv-Info: sport");
    let ((code, output), phone) = through_serve(caller.to_str().unwrap(), phone.to_str().unwrap());
    assert_ne!(code, 0, "{output}");
    assert!(output.contains("SIP/2.0 469") && output.contains("Recv-Info: sport"), "{output}");
    let (code, output) = phone.finish();
    assert_ne!(code, 0, "{output}");
}

#[test]
fn sipp_at_both_ends_of_serve_presses_keys_by_info_before_there_is_an_answer() {
    let ((code, output), phone) = through_serve("pbx_caller_info_early.xml", "uas_info_early.xml");
    assert_eq!(code, 0, "{output}");
    let (code, output) = phone.finish();
    assert_eq!(code, 0, "{output}");
}

/// The control: from a phone whose announcement cannot be understood nothing is heard, and it is told of no keys: the caller gets 480.
#[test]
fn sipp_that_calls_through_serve_gets_480_for_a_key_that_nobody_waits_for() {
    let caller = sipp::with("pbx_caller_info_early.xml", "search_in=\"body\" check_it=\"true\"", "search_in=\"body\"");
    let phone = sipp::with("uas_info_early.xml", "o=- 7 1", "o=nobody");
    let ((code, output), phone) = through_serve(caller.to_str().unwrap(), phone.to_str().unwrap());
    assert!(code != 0 && output.contains("SIP/2.0 480"), "{code} {output}");
    let (code, output) = phone.finish();
    assert_ne!(code, 0, "{output}");
}

/// A scenario of digits in INFO of this type, with this before each digit.
fn digits(scenario: &str, kind: &str, body: &str) -> tempfile::TempPath {
    let typed = sipp::with(scenario, "TYPE", kind);
    sipp::with(typed.to_str().unwrap(), "BODY", body)
}

#[test]
fn rfc6086_2_sipp_at_both_ends_of_serve_sends_digits_in_info_and_hears_which_is_not_taken() {
    for (kind, body) in [("application/dtmf-relay", "Signal="), ("application/dtmf", "")] {
        let caller = digits("pbx_caller_digits.xml", kind, body);
        let phone = digits("uas_info.xml", &format!("^ *{kind} *$"), &format!("^{body}"));
        let ((code, output), phone) = through_serve(caller.to_str().unwrap(), phone.to_str().unwrap());
        assert_eq!(code, 0, "{kind}: {output}");
        let (code, output) = phone.finish();
        assert_eq!(code, 0, "{kind}: {output}");
    }
}

/// The controls: a phone that waits for other digits, and for those of the other type.
#[test]
fn rfc6086_2_sipp_that_waits_for_other_digits_than_those_sent_through_serve_fails() {
    let caller = digits("pbx_caller_digits.xml", "application/dtmf-relay", "Signal=");
    for (kind, body) in [("application/dtmf-relay", "Signal=1"), ("application/dtmf", "Signal=")] {
        let phone = digits("uas_info.xml", &format!("^ *{kind} *$"), &format!("^{body}"));
        let (_, phone) = through_serve(caller.to_str().unwrap(), phone.to_str().unwrap());
        let (code, output) = phone.finish();
        assert_ne!(code, 0, "{kind} {body}: {output}");
    }
}
