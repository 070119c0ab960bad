//! Calls and messages through `serve --role proxy` whose two sides go by different transports: baresip over TLS, JsSIP and a phone of ours over WebSockets,
//! each with baresip by UDP. The proxy stands in the way of a call on both sides (RFC 3261 section 16.6 step 4, RFC 5658), so what ends it comes the same ways.

use std::collections::BTreeSet;

use super::baresip::Baresip;
use super::message::write;
use super::trace::trace;
use super::websocket::jssip;
use crate::program::offhook::{self, Server, USERS};
use crate::program::sound::seconds_of;
use crate::program::{Program, free_port};

/// Audio that counts as heard, and as not heard.
const HEARD: f64 = 3.0;
const UNHEARD: f64 = 0.2;

/// A proxy that listens by UDP and TCP, and by this as well: it and where that is.
fn proxy(option: &str) -> (Server, String) {
    let address = format!("127.0.0.1:{}", free_port());
    (offhook::serve(&[&["--role", "proxy", option, &address], &USERS[..]].concat()), address)
}

/// The account of baresip with a user at a proxy, by this transport.
fn account(user: &str, address: &str, transport: &str) -> String {
    let password = user.replace("100", "secret");
    format!(
        "<sip:{user}@{address};transport={transport}>;auth_user={user};auth_pass={password};regint=300;answermode=auto"
    )
}

fn phone(user: &str, address: &str, transport: &str, hertz: u32) -> Baresip {
    let mut phone = Baresip::start(&account(user, address, transport), hertz);
    phone.wait_for_line("200 OK (Offhook");
    phone
}

/// A message that has passed the proxy.
struct Passed {
    /// `in tls`, `out udp`.
    way: String,
    text: String,
}

/// The requests with this method in what `trace --json` has told.
fn passed(told: &str, method: &str) -> Vec<Passed> {
    let lines = told.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let messages = lines.filter_map(|line| {
        let text = line["text"].as_str()?.to_owned();
        let way = format!("{} {}", line["direction"].as_str()?, line["transport"].as_str()?);
        text.starts_with(&format!("{method} ")).then_some(Passed { way, text })
    });
    messages.collect()
}

/// The ways that requests with this method have taken, each once.
fn ways(told: &str, method: &str) -> BTreeSet<String> {
    passed(told, method).into_iter().map(|one| one.way).collect()
}

/// The transports that the proxy has written into the Record-Route of the INVITE that it has passed on, from the called side to the calling one.
fn recorded(told: &str) -> Vec<String> {
    let invites = passed(told, "INVITE");
    let sent = invites.iter().find(|one| one.way.starts_with("out ")).unwrap_or_else(|| panic!("none in {told}"));
    let values = sent.text.lines().filter_map(|line| line.strip_prefix("Record-Route: "));
    let transport = |value: &str| {
        value.split_once(";transport=").map_or("udp", |(_, rest)| rest.split(';').next().unwrap()).to_owned()
    };
    values.map(transport).collect()
}

/// Calls and has one side hang up, the calling one, which is the first, after both have talked: what `trace --json` tells of it.
fn call(server: &Server, target: &str, phones: &mut [Baresip; 2], hangs_up: usize) -> String {
    let mut told = trace(server, &["--json"]);
    let [caller, callee] = phones;
    caller.command("dial", target);
    caller.wait_for("CALL_ESTABLISHED");
    callee.wait_for("CALL_ESTABLISHED");
    if hangs_up == 0 {
        caller.talk();
    }
    phones[hangs_up].command("hangup", "");
    phones.iter_mut().for_each(|phone| {
        phone.wait_for("CALL_CLOSED");
    });
    told.wait_until(|told| ways(told, "BYE").len() >= 2);
    told.stop("INT").1
}

#[test]
fn rfc3261_16_6_baresip_over_tls_and_baresip_by_udp_call_each_other_and_either_hangs_up() {
    // The last is the control: where nothing goes over TLS, nothing says so.
    for (calling, called) in [("tls", "udp"), ("udp", "tls"), ("udp", "udp")] {
        let (server, tls) = proxy("--tls");
        let at = |transport: &str| if transport == "tls" { &tls } else { &server.address };
        let mut phones = [phone("1001", at(calling), calling, 440), phone("1002", at(called), called, 1_000)];
        let target = format!("sip:1002@{};transport={calling}", at(calling));
        for hangs_up in [0, 1] {
            let told = call(&server, &target, &mut phones, hangs_up);
            let way = format!("{calling} to {called}, {hangs_up}");
            if hangs_up == 0 {
                let heard = |which: usize, hertz| seconds_of(&phones[which].recording(), hertz);
                assert!(heard(0, 1_000.0) >= HEARD && heard(1, 440.0) >= HEARD, "{way}");
                assert!(heard(0, 440.0) < UNHEARD && heard(1, 1_000.0) < UNHEARD, "{way}");
            }
            assert_eq!(recorded(&told), [called, calling], "{way}: {told}");
            let (from, to) = if hangs_up == 0 { (calling, called) } else { (called, calling) };
            assert_eq!(ways(&told, "BYE"), [format!("in {from}"), format!("out {to}")].into(), "{way}: {told}");
            assert_eq!(ways(&told, "ACK"), [format!("in {calling}"), format!("out {called}")].into(), "{way}: {told}");
        }
        phones.into_iter().for_each(Baresip::stop);
        let (code, output) = server.program.stop("TERM");
        assert_eq!(code, 0, "{output}");
    }
}

#[test]
fn rfc3261_16_6_our_phone_by_a_websocket_and_baresip_by_udp_call_each_other_and_either_hangs_up() {
    let (server, address) = proxy("--ws");
    let (account, url) = (format!("sip:1001@{}", server.address), format!("ws://{address}"));
    let identity = ["--account", &account, "--password", "secret1", "--ws", &url];
    let mut baresip = phone("1002", &server.address, "udp", 1_000);
    let mut told = trace(&server, &["--json"]);
    let caller = offhook::start(&[&["call", "1002", "--tone", "440", "--expect-tone", "1000"], &identity[..]].concat());
    baresip.wait_for("CALL_ESTABLISHED");
    baresip.talk();
    baresip.command("hangup", "");
    let (code, output) = caller.finish();
    assert!(code == 0 && output.contains("ended by peer"), "{code} {output}");
    let heard = seconds_of(&baresip.recording(), 440.0);
    assert!(heard >= HEARD, "440 Hz of ours for {heard} s");
    told.wait_until(|told| ways(told, "BYE").len() >= 2);
    let (_, told) = told.stop("INT");
    assert_eq!(recorded(&told), ["udp", "ws"], "{told}");
    assert_eq!(ways(&told, "BYE"), ["in udp", "out ws"].map(str::to_owned).into(), "{told}");
    // The other way round, and ours hangs up.
    let mut robot = offhook::start(&[&["answer", "--echo", "--for", "6"], &identity[..]].concat());
    robot.wait_for("registered");
    let mut told = trace(&server, &["--json"]);
    baresip.command("dial", &format!("sip:1001@{}", server.address));
    baresip.wait_for("CALL_ESTABLISHED");
    baresip.wait_for("CALL_CLOSED");
    let heard = seconds_of(&baresip.recording(), 1_000.0);
    assert!(heard >= HEARD, "its own 1000 Hz came back for {heard} s");
    told.wait_until(|told| ways(told, "BYE").len() >= 2);
    let (_, told) = told.stop("INT");
    assert_eq!(recorded(&told), ["ws", "udp"], "{told}");
    assert_eq!(ways(&told, "BYE"), ["in ws", "out udp"].map(str::to_owned).into(), "{told}");
    baresip.stop();
}

/// 1002 by baresip, with 1001 among its contacts.
fn writer(server: &Server) -> Baresip {
    let contact = format!("\"Other\" <sip:1001@{}>", server.address);
    let mut phone = Baresip::with_contact(&account("1002", &server.address, "udp"), 440, "21000-29999", &contact);
    phone.wait_for_line("200 OK (Offhook");
    phone
}

#[test]
fn rfc7118_5_jssip_by_a_websocket_and_baresip_by_udp_write_to_each_other_through_the_proxy() {
    let (server, address) = proxy("--ws");
    let url = format!("ws://{address}");
    let mut alice = jssip(&server, &url, "1001", "secret1");
    alice.wait_for("registered as");
    let mut baresip = writer(&server);
    let mut told = trace(&server, &["--json"]);
    alice.say(&format!("message sip:1002@{} good morning", server.address));
    baresip.wait_for_line(&format!("sip:1001@{}: \"good morning\"", server.address));
    alice.wait_for("message answered 200");
    told.wait_until(|told| ways(told, "MESSAGE").len() >= 2);
    assert_eq!(ways(&told.output(), "MESSAGE"), ["in ws", "out udp"].map(str::to_owned).into());
    write(&mut baresip, "and back");
    alice.wait_for("message from 1002: and back");
    told.wait_until(|told| ways(told, "MESSAGE").len() >= 4);
    // The controls: with another password nothing goes through, and nothing comes to whose connection is gone.
    let mut mallory: Program = jssip(&server, &url, "1001", "wrong");
    mallory.wait_for("not registered: 403");
    mallory.say(&format!("message sip:1002@{} who am I", server.address));
    mallory.wait_for("message refused 403");
    alice.stop("KILL");
    write(&mut baresip, "too late");
    told.wait_until(|told| told.contains("\"SIP/2.0 480 "));
    assert!(!baresip.has_printed("who am I") && !mallory.output().contains("message from"), "{}", mallory.output());
    baresip.stop();
}
