//! `offhook serve` as registrar and as the PBX between two phones of baresip.

use std::process::Command;

use super::baresip::Baresip;
use crate::program::offhook::{self, Server, USERS};
use crate::program::sound::seconds_of;

/// Audio that counts as heard, and as not heard.
const HEARD: f64 = 3.0;
const UNHEARD: f64 = 0.2;
/// Where the phone whose packets are dropped takes RTP: nothing else here uses these ports, and the system gives them to nobody.
const DEAF_PORTS: (&str, &str) = ("30000-30098", "30000:30099");

/// An account of the server in baresip's words.
fn account(server: &Server, user: &str, password: &str, transport: &str) -> String {
    format!(
        "<sip:{user}@{};transport={transport}>;auth_user={user};auth_pass={password};regint=300;answermode=auto",
        server.address
    )
}

fn registered(account: &str, hertz: u32, ports: &str) -> Baresip {
    let mut phone = Baresip::with_ports(account, hertz, ports);
    phone.wait_for_line("200 OK (Offhook");
    phone
}

/// Registers, calls an extension, speaks at `hertz`, hangs up: how long that was heard, and 440 Hz.
fn heard_at(number: &str, transport: &str, hertz: u32) -> (f64, f64) {
    let server = offhook::serve(&USERS);
    let mut phone = registered(&account(&server, "1001", "secret1", transport), hertz, "21000-29999");
    phone.command("dial", &format!("sip:{number}@{};transport={transport}", server.address));
    phone.wait_for("CALL_ESTABLISHED");
    phone.talk();
    phone.command("hangup", "");
    phone.wait_for("CALL_CLOSED");
    let recording = phone.recording();
    let seconds = (seconds_of(&recording, f64::from(hertz)), seconds_of(&recording, 440.0));
    phone.stop();
    let (code, output) = server.program.stop("TERM");
    assert_eq!(code, 0, "{output}");
    seconds
}

#[test]
fn baresip_registers_over_udp_and_hears_itself_at_600() {
    let (seconds, _) = heard_at("600", "udp", 440);
    assert!(seconds >= HEARD, "440 Hz for {seconds} s only");
}

#[test]
fn baresip_registers_over_tcp_and_hears_itself_at_600() {
    let (seconds, _) = heard_at("600", "tcp", 440);
    assert!(seconds >= HEARD, "440 Hz for {seconds} s only");
}

#[test]
fn baresip_hears_the_tone_and_not_itself_at_601() {
    let (own, tone) = heard_at("601", "udp", 1000);
    assert!(own < UNHEARD && tone >= HEARD, "1000 Hz of its own for {own} s, the tone for {tone} s");
}

#[test]
fn baresip_with_a_wrong_password_is_not_registered() {
    let mut server = offhook::serve(&USERS);
    let mut phone = Baresip::start(&account(&server, "1001", "secret2", "udp"), 440);
    phone.wait_for_line("403 Forbidden (Offhook");
    let refused = server.program.wait_for("auth_failed");
    assert!(refused.contains("ip=127.0.0.1") && refused.contains("1001"), "{refused}");
    // 1002 is there, 1001 is not: nobody reaches it.
    let mut caller = registered(&account(&server, "1002", "secret2", "udp"), 1000, "21000-29999");
    caller.command("dial", &format!("sip:1001@{}", server.address));
    let closed = caller.wait_for("CALL_CLOSED");
    assert!(closed.contains("480"), "{closed}");
    assert!(!phone.has_recording() && !caller.has_recording());
    phone.stop();
    caller.stop();
}

/// How long each phone heard the other's tone and its own, in seconds.
#[derive(Debug)]
struct Heard {
    callee_by_caller: f64,
    caller_by_callee: f64,
    caller_itself: f64,
    callee_itself: f64,
}

/// 1001 (440 Hz) calls 1002 (1000 Hz), they talk and hang up.
fn call_between(deaf: bool) -> Heard {
    let server = offhook::serve(&USERS);
    let ports = if deaf { DEAF_PORTS.0 } else { "21000-29999" };
    let mut caller = registered(&account(&server, "1001", "secret1", "udp"), 440, "21000-29999");
    let mut callee = registered(&account(&server, "1002", "secret2", "tcp"), 1000, ports);
    caller.command("dial", &format!("sip:1002@{}", server.address));
    caller.wait_for("CALL_ESTABLISHED");
    callee.wait_for("CALL_ESTABLISHED");
    caller.talk();
    caller.command("hangup", "");
    callee.wait_for("CALL_CLOSED");
    let seconds = |phone: &Baresip, hertz| match phone.has_recording() {
        true => seconds_of(&phone.recording(), hertz),
        false => 0.0,
    };
    let heard = Heard {
        callee_by_caller: seconds(&caller, 1000.0),
        caller_by_callee: seconds(&callee, 440.0),
        caller_itself: seconds(&caller, 440.0),
        callee_itself: seconds(&callee, 1000.0),
    };
    caller.stop();
    callee.stop();
    heard
}

#[test]
fn two_phones_hear_each_other_and_not_themselves() {
    let heard = call_between(false);
    assert!(heard.callee_by_caller >= HEARD && heard.caller_by_callee >= HEARD, "{heard:?}");
    assert!(heard.caller_itself < UNHEARD && heard.callee_itself < UNHEARD, "{heard:?}");
}

/// A rule of the packet filter that goes when this goes.
struct Dropping(Vec<&'static str>);

impl Dropping {
    fn udp_to(ports: &'static str) -> Self {
        let rule = vec!["INPUT", "-i", "lo", "-p", "udp", "--dport", ports, "-j", "DROP"];
        let done = Command::new("iptables").args(["-w", "-I"]).args(&rule).status();
        assert!(done.is_ok_and(|status| status.success()), "iptables refused a rule: this test needs root");
        Self(rule)
    }
}

impl Drop for Dropping {
    fn drop(&mut self) {
        let _ = Command::new("iptables").args(["-w", "-D"]).args(&self.0).status();
    }
}

#[test]
fn with_one_direction_dropped_only_the_other_is_heard() {
    let _rule = Dropping::udp_to(DEAF_PORTS.1);
    let heard = call_between(true);
    assert!(heard.callee_by_caller >= HEARD, "{heard:?}");
    assert!(heard.caller_by_callee < UNHEARD, "{heard:?}");
    assert!(heard.caller_itself < UNHEARD && heard.callee_itself < UNHEARD, "{heard:?}");
}
