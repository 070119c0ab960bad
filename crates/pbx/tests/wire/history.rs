//! Where a call has been (RFC 7044): as a PBX, as a proxy and as a redirect server.

use std::time::Duration;

use audio::codec::Codec;
use pbx::{Config, Role};
use sip::message::{HeaderId, Headers, Method};

use crate::setup::{nothing_left, phone, start};
use crate::sound::Sound;
use crate::trusted::{call, trusting};

const ASKS: &str = "Supported: histinfo\r\n";
/// Has a telephone ring, and says nothing.
const RINGS: &str = "Server: telephone\r\n";

/// The entries, without the ports of this run.
pub(crate) fn history(headers: &Headers) -> Vec<String> {
    let entries = headers.all(HeaderId::HistoryInfo).map(|one| one.text().into_owned());
    entries.map(|entry| without_ports(&entry)).collect()
}

fn without_ports(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| {
        format!("{text}127.0.0.1{}", part.trim_start_matches(|one: char| one.is_ascii_digit()))
    })
}

/// What a caller outside the trust domain is told of these: not where a device is.
fn outside<'a>(entries: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let hidden = |entry: &str| match entry.contains(";rc=") {
        true => entry.replace("sip:1002@127.0.0.1", "sip:anonymous@anonymous.invalid"),
        false => entry.to_owned(),
    };
    entries.into_iter().map(hidden).collect()
}

/// What 1001 has 1002 told with these lines, and is told himself when it rings.
fn told(config: Config, lines: &str) -> (Vec<String>, Vec<String>) {
    let (invite, response) = call(config, ("1001", "1001"), "1002", lines, RINGS);
    let invite = invite.unwrap_or_else(|| panic!("no INVITE came: {response:?}"));
    assert_eq!(response.code().get(), 180);
    (history(invite.headers()), history(response.headers()))
}

#[test]
fn rfc7044_7_devices_are_told_where_a_call_has_been_and_so_is_who_asks() {
    let all = ["<sip:1002@127.0.0.1>;index=1", "<sip:1002@127.0.0.1>;index=1.1;rc=1"];
    for role in [Role::Pbx, Role::Proxy] {
        let (forth, back) = told(trusting(role, &[]), ASKS);
        assert_eq!((forth, back), (all.map(str::to_owned).to_vec(), outside(all)), "{role:?}");
        let (_, back) = told(trusting(role, &["1001"]), ASKS);
        assert_eq!(back, [all[0], "<sip:1002@127.0.0.1?Privacy=history>;index=1.1;rc=1"], "{role:?}: who is trusted");
        let (forth, back) = told(trusting(role, &[]), "");
        assert_eq!((forth.len(), back.len()), (0, 0), "{role:?}: nobody has asked");
        let (forth, back) = told(Config { history: true, ..trusting(role, &[]) }, "");
        assert_eq!((forth.len(), back.len()), (2, 0), "{role:?}: but for the configuration");
    }
}

#[test]
fn rfc7044_9_2_what_came_goes_on_and_its_gap_is_seen() {
    let lines = "History-Info: <sip:9@far.example?Reason=SIP%3Bcause%3D302>;index=1.1\r\n";
    for role in [Role::Pbx, Role::Proxy] {
        let (forth, back) = told(trusting(role, &[]), lines);
        let all = [
            "<sip:9@far.example?Reason=SIP%3Bcause%3D302>;index=1.1",
            "<sip:1002@127.0.0.1>;index=1.1.0",
            "<sip:1002@127.0.0.1>;index=1.1.0.1;rc=1.1.0",
        ];
        assert_eq!(forth, all, "{role:?}");
        assert_eq!(back, outside(all), "{role:?}");
    }
}

#[test]
fn rfc7044_10_1_2_what_is_to_be_hidden_is_told_within_the_trust_domain_alone() {
    let lines = "Privacy: history\r\nHistory-Info: <sip:9@far.example>;index=1\r\n";
    for role in [Role::Pbx, Role::Proxy] {
        let (forth, _) = told(trusting(role, &[]), lines);
        let hidden = [
            "<sip:9@far.example>;index=1",
            "<sip:anonymous@anonymous.invalid>;index=1.0",
            "<sip:anonymous@anonymous.invalid>;index=1.0.1;rc=1.0",
        ];
        assert_eq!(forth, hidden, "{role:?}");
        let (forth, _) = told(trusting(role, &["1002"]), lines);
        // Who passes it on from there knows what is to be hidden: by Privacy, or where that does not go on by each entry.
        let private = if role == Role::Pbx { "?Privacy=history" } else { "" };
        let shown = [
            "<sip:9@far.example>;index=1".to_owned(),
            format!("<sip:1002@127.0.0.1{private}>;index=1.0"),
            format!("<sip:1002@127.0.0.1{private}>;index=1.0.1;rc=1.0"),
        ];
        assert_eq!(forth, shown, "{role:?}");
    }
}

#[test]
fn rfc7044_8_a_redirect_server_says_how_it_has_found_its_contacts() {
    for (lines, count) in [(ASKS, 1), ("", 0)] {
        let (_, response) = call(trusting(Role::Redirect, &[]), ("1001", "1001"), "1002", lines, "");
        assert_eq!(response.code().get(), 302);
        let contact = response.headers().text(HeaderId::Contact).unwrap().into_owned();
        assert_eq!(contact.ends_with(">;rc=1"), count == 1, "{contact}");
        assert_eq!(history(response.headers()), ["<sip:1002@127.0.0.1>;index=1"][..count]);
    }
}

#[test]
fn rfc7044_9_3_the_next_device_is_told_why_the_one_before_was_not_it() {
    for role in [Role::Pbx, Role::Proxy] {
        let (running, address) = start(trusting(role, &[]));
        let device = |q: &str| {
            let mut device = phone(address, "1002");
            device.preference = format!(";q={q}");
            assert_eq!(device.register(120).code().get(), 200);
            device
        };
        let (mut first, mut second) = (device("0.9"), device("0.3"));
        let mut caller = phone(address, "1001");
        caller.extra = ASKS.to_owned();
        let uri = format!("sip:1002@127.0.0.1:{}", address.port());
        let came = "<sip:1002@127.0.0.1>;index=1";
        let busy = "<sip:1002@127.0.0.1?Reason=SIP%3Bcause%3D486&Reason=Q.850%3Bcause%3D17>;index=1.1;rc=1";
        let refused = std::thread::scope(|scope| {
            let calling = scope.spawn(|| caller.ask("INVITE", &uri, &uri, None).1);
            let invite = first.request(Method::Invite);
            first.respond_with(&invite, 486, "Reason: Q.850;cause=17\r\n", None);
            first.request(Method::Ack);
            let invite = second.request(Method::Invite);
            assert_eq!(history(invite.headers()), [came, busy, "<sip:1002@127.0.0.1>;index=1.2;rc=1"], "{role:?}");
            second.respond(&invite, 603, None);
            second.request(Method::Ack);
            calling.join().unwrap()
        });
        assert_eq!(refused.code().get(), 603);
        let declined = "<sip:1002@127.0.0.1?Reason=SIP%3Bcause%3D603>;index=1.2;rc=1";
        assert_eq!(history(refused.headers()), outside([came, busy, declined]), "{role:?}");
        nothing_left(&running);
    }
}

#[test]
fn rfc7044_9_4_a_call_that_leads_nowhere_is_told_where_it_has_been() {
    let (running, address) = start(trusting(Role::Pbx, &[]));
    for (lines, count) in [(ASKS, 1), ("", 0)] {
        let mut caller = phone(address, "1001");
        caller.extra = lines.to_owned();
        let uri = format!("sip:nowhere@127.0.0.1:{}", address.port());
        let (_, refused) = caller.ask("INVITE", &uri, &uri, None);
        assert_eq!(refused.code().get(), 404);
        assert_eq!(history(refused.headers()), ["<sip:nowhere@127.0.0.1>;index=1"][..count]);
    }
    nothing_left(&running);
}

#[test]
fn rfc7044_6_2_an_extension_tells_where_a_call_has_been() {
    let (running, address) = start(trusting(Role::Pbx, &[]));
    let mut caller = phone(address, "1001");
    caller.extra = ASKS.to_owned();
    let (mut dialog, answer) = caller.call_through("600", &Sound::new(Codec::Pcmu).describe());
    assert_eq!(history(answer.headers()), ["<sip:600@127.0.0.1>;index=1"]);
    caller.hang_up(&mut dialog);
    nothing_left(&running);
}

#[test]
fn rfc7044_10_2_who_has_not_answered_in_time_is_a_408_to_the_next_and_to_the_caller() {
    let (running, address) = start(Config { ring: Duration::from_millis(300), ..trusting(Role::Pbx, &[]) });
    let mut caller = phone(address, "1001");
    let (mut desk, mut mobile) = (phone(address, "1002"), phone(address, "1002"));
    desk.preference = ";q=0.9".to_owned();
    mobile.preference = ";q=0.5".to_owned();
    for phone in [&mut desk, &mut mobile] {
        assert_eq!(phone.register(120).code().get(), 200);
    }
    caller.extra = ASKS.to_owned();
    let came = "<sip:1002@127.0.0.1>;index=1";
    let late = "<sip:1002@127.0.0.1?Reason=SIP%3Bcause%3D408>;index=1.1;rc=1";
    std::thread::scope(|scope| {
        scope.spawn(|| desk.rings_in_vain());
        scope.spawn(|| {
            let invite = mobile.request(Method::Invite);
            assert_eq!(history(invite.headers()), [came, late, "<sip:1002@127.0.0.1>;index=1.2;rc=1"]);
            mobile.respond(&invite, 486, None);
            mobile.request(Method::Ack);
        });
        let (dialog, rings) = caller.call("1002", Some(&Sound::new(Codec::Pcmu).describe()));
        assert_eq!(history(rings.headers()), outside([came, "<sip:1002@127.0.0.1>;index=1.1;rc=1"]));
        let refused = caller.final_response(&dialog.branch);
        caller.ack(&dialog, refused.headers(), true, None);
        let busy = "<sip:1002@127.0.0.1?Reason=SIP%3Bcause%3D486>;index=1.2;rc=1";
        assert_eq!(history(refused.headers()), outside([came, late, busy]));
    });
    nothing_left(&running);
}
