//! Packages of INFO (RFC 6086) across a call.

use audio::codec::Codec;
use sip::header::To;
use sip::message::{HeaderId, Headers, Method, Response};

use crate::pair::{Pair, pair_with};
use crate::reliable::prack;
use crate::replacing::{invites, named};
use crate::setup::{config, nothing_left, phone, with_phones};
use crate::sound::Sound;
use crate::transfers::{refer, told_of};

const ALLOW: &str = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, INFO\r\n";

/// Every Recv-Info.
fn said(headers: &Headers) -> Vec<String> {
    headers.all(HeaderId::RecvInfo).map(|header| header.text().trim().to_owned()).collect()
}

/// A call whose sides say this of packages, and take UPDATE.
fn talking(caller: &str, callee: &str) -> Pair {
    pair_with(config(), &format!("{ALLOW}{caller}"), &format!("{ALLOW}{callee}"))
}

/// The caller sends an INFO with these lines; the branch.
fn info(pair: &mut Pair, lines: &str, body: &str) -> String {
    pair.caller.extra = lines.to_owned();
    pair.caller.within(&mut pair.dialogs.0, "INFO", Some(("text/plain", body)));
    pair.caller.extra.clear();
    pair.dialogs.0.branch.clone()
}

/// The same of the callee.
fn info_back(pair: &mut Pair, lines: &str, body: &str) -> String {
    pair.callee.extra = lines.to_owned();
    pair.callee.within(&mut pair.dialogs.1, "INFO", Some(("text/plain", body)));
    pair.callee.extra.clear();
    pair.dialogs.1.branch.clone()
}

/// The caller says this of packages by an UPDATE: the answer.
fn says(pair: &mut Pair, line: &str) -> Response {
    pair.caller.extra = line.to_owned();
    pair.caller.within(&mut pair.dialogs.0, "UPDATE", None);
    pair.caller.extra.clear();
    pair.caller.final_response(&pair.dialogs.0.branch)
}

fn code_and_said(response: &Response) -> (u16, Vec<String>) {
    (response.code().get(), said(response.headers()))
}

#[test]
fn rfc6086_5_2_3_what_one_side_takes_is_said_to_the_other() {
    for (caller, callee, invite, answer) in [
        ("Recv-Info: news, weather\r\n", "Recv-Info: traffic\r\n", "news, weather", Some("traffic")),
        ("Recv-Info:\r\n", "Recv-Info: traffic\r\n", "", Some("traffic")),
        ("Recv-Info: news\r\n", "", "news", Some("")),
        // Who says nothing of packages is told nothing, and takes none.
        ("", "Recv-Info: traffic\r\n", "", None),
        ("", "", "", None),
    ] {
        let pair = talking(caller, callee);
        assert_eq!(said(pair.said.0.headers()), [invite], "{caller}");
        assert_eq!(said(pair.said.1.headers()), answer.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{caller}");
        pair.end();
    }
}

#[test]
fn rfc6086_4_2_1_an_info_of_a_package_goes_to_who_takes_it_and_its_answer_comes_back() {
    let mut pair = talking("Recv-Info: news\r\n", "Recv-Info: traffic\r\n");
    let lines = "Info-Package: traffic;road=A1\r\nContent-Disposition: Info-Package\r\n";
    for code in [200, 415, 469] {
        let branch = info(&mut pair, lines, "jam");
        let info = pair.callee.request(Method::Info);
        let headers = info.headers();
        let said_of = |id| headers.all(id).map(|header| header.text().trim().to_owned()).collect::<Vec<_>>();
        assert_eq!(said_of(HeaderId::InfoPackage), ["traffic;road=A1"]);
        assert_eq!(said_of(HeaderId::ContentDisposition), ["Info-Package"]);
        assert_eq!((said_of(HeaderId::ContentType), info.body()), (vec!["text/plain".to_owned()], &b"jam"[..]));
        assert!(said(headers).is_empty(), "section 4.2.1");
        pair.callee.respond_with(&info, code, if code == 469 { "Recv-Info: rail\r\n" } else { "" }, None);
        let expected = if code == 469 { vec!["rail".to_owned()] } else { vec![] };
        assert_eq!(code_and_said(&pair.caller.final_response(&branch)), (code, expected));
    }
    let branch = info_back(&mut pair, "Info-Package: NEWS\r\n", "rain");
    let info = pair.caller.request(Method::Info);
    assert_eq!((info.headers().text(HeaderId::InfoPackage).unwrap().trim(), info.body()), ("NEWS", &b"rain"[..]));
    // No body of a package comes with an answer.
    pair.caller.respond_with(&info, 200, "Content-Disposition: Info-Package\r\n", Some("v=0\r\n"));
    let answer = pair.callee.final_response(&branch);
    assert_eq!((answer.code().get(), answer.body()), (200, &b""[..]));
    pair.end();
}

#[test]
fn rfc6086_4_2_2_what_the_other_side_has_not_said_is_469_with_what_it_takes() {
    let refused = |caller, callee, package: &str, expected: &str| {
        let mut pair = talking(caller, callee);
        let branch = info(&mut pair, &format!("Info-Package: {package}\r\n"), "x");
        let answer = pair.caller.final_response(&branch);
        assert_eq!(code_and_said(&answer), (469, vec![expected.to_owned()]), "{package}");
        assert!(pair.callee.hears_no(&Method::Info), "{package}");
        // Without a package it is one of the old kind, and the call stands.
        let branch = info(&mut pair, "", "x");
        let info = pair.callee.request(Method::Info);
        assert!(!info.headers().has(HeaderId::InfoPackage));
        pair.callee.respond(&info, 200, None);
        assert_eq!(pair.caller.final_response(&branch).code().get(), 200);
        pair.end();
    };
    refused("Recv-Info: news\r\n", "Recv-Info: traffic, rail\r\n", "news", "traffic, rail");
    refused("Recv-Info:\r\n", "", "traffic", "");
    refused("", "Recv-Info: traffic\r\n", "traffic", "");
}

#[test]
fn rfc6086_4_2_2_an_extension_takes_no_package() {
    let (running, mut phones) = with_phones(&["1001"]);
    let sound = Sound::new(Codec::Pcmu);
    phones[0].extra = "Recv-Info: news\r\n".to_owned();
    let (mut dialog, answered) = phones[0].call_through("600", &sound.describe());
    assert_eq!(said(answered.headers()), [""]);
    phones[0].extra = "Info-Package: news\r\n".to_owned();
    phones[0].within(&mut dialog, "INFO", Some(("text/plain", "x")));
    phones[0].extra.clear();
    assert_eq!(code_and_said(&phones[0].final_response(&dialog.branch.clone())), (469, vec![String::new()]));
    phones[0].hang_up(&mut dialog);
    nothing_left(&running);
}

#[test]
fn rfc6086_5_2_2_what_a_side_takes_from_now_on_is_told_to_the_other() {
    let mut pair = talking("Recv-Info: news\r\n", "Recv-Info: traffic\r\n");
    assert_eq!(code_and_said(&says(&mut pair, "Recv-Info: sport\r\n")), (200, vec!["traffic".to_owned()]));
    let update = pair.callee.request(Method::Update);
    assert_eq!((said(update.headers()), update.body()), (vec!["sport".to_owned()], &b""[..]));
    pair.callee.respond_with(&update, 200, "Recv-Info: rail\r\n", None);
    // What it says in its answer is told back.
    let update = pair.caller.request(Method::Update);
    assert_eq!(said(update.headers()), ["rail"]);
    pair.caller.respond_with(&update, 200, "Recv-Info: sport\r\n", None);
    let branch = info_back(&mut pair, "Info-Package: news\r\n", "x");
    assert_eq!(code_and_said(&pair.callee.final_response(&branch)), (469, vec!["sport".to_owned()]));
    let branch = info_back(&mut pair, "Info-Package: sport\r\n", "2:1");
    let info = pair.caller.request(Method::Info);
    pair.caller.respond(&info, 200, None);
    assert_eq!(pair.callee.final_response(&branch).code().get(), 200);
    pair.end();
}

#[test]
fn rfc6086_4_2_1_a_device_that_is_gone_ends_the_call_and_one_that_says_nothing_does_not() {
    let mut pair = talking("Recv-Info: news\r\n", "Recv-Info: traffic\r\n");
    info(&mut pair, "Info-Package: traffic\r\n", "x");
    let request = pair.callee.request(Method::Info);
    // Nothing is said of that to the caller (RFC 4320 section 4.2), and the call stands.
    pair.callee.respond(&request, 408, None);
    let branch = info(&mut pair, "Info-Package: traffic\r\n", "x");
    let request = pair.callee.request(Method::Info);
    pair.callee.respond(&request, 481, None);
    assert_eq!(pair.caller.final_response(&branch).code().get(), 481);
    pair.caller.hung_up();
    pair.callee.hung_up();
    nothing_left(&pair.running);
}

#[test]
fn rfc6086_4_3_1_an_info_of_a_package_may_have_so_many_octets_and_no_more() {
    let mut pair = talking("Recv-Info: news\r\n", "Recv-Info: traffic\r\n");
    for (octets, code) in [(16_384, 200), (16_385, 413)] {
        let branch = info(&mut pair, "Info-Package: traffic\r\n", &"x".repeat(octets));
        if code == 200 {
            let request = pair.callee.request(Method::Info);
            assert_eq!(request.body().len(), octets);
            pair.callee.respond(&request, 200, None);
        }
        assert_eq!(pair.caller.final_response(&branch).code().get(), code, "{octets}");
    }
    assert!(pair.callee.hears_no(&Method::Info));
    pair.end();
}

#[test]
fn rfc6086_5_2_2_who_takes_no_update_is_told_by_a_reinvite() {
    let mut pair = pair_with(config(), "Recv-Info: news\r\n", "Recv-Info: traffic\r\n");
    assert_eq!(code_and_said(&says(&mut pair, "Recv-Info:\r\n")), (200, vec!["traffic".to_owned()]));
    let invite = pair.callee.request(Method::Invite);
    assert_eq!(said(invite.headers()), [""]);
    pair.callee.respond_with(&invite, 200, "Recv-Info: traffic\r\n", Some(&pair.sounds.1.describe()));
    pair.callee.request(Method::Ack);
    let branch = info_back(&mut pair, "Info-Package: news\r\n", "x");
    assert_eq!(code_and_said(&pair.callee.final_response(&branch)), (469, vec![String::new()]));
    assert!(pair.caller.hears_no(&Method::Update));
    pair.end();
}

/// A refusal changes nothing, and nothing is asked again.
#[test]
fn rfc6086_5_2_4_a_side_that_refuses_to_hear_it_is_not_told_again() {
    let mut pair = talking("Recv-Info: news\r\n", "Recv-Info: traffic\r\n");
    assert_eq!(says(&mut pair, "Recv-Info: sport\r\n").code().get(), 200);
    let update = pair.callee.request(Method::Update);
    pair.callee.respond_with(&update, 500, "Recv-Info: rail\r\n", None);
    for package in ["traffic", "rail"] {
        let branch = info(&mut pair, &format!("Info-Package: {package}\r\n"), "x");
        if package == "rail" {
            assert_eq!(code_and_said(&pair.caller.final_response(&branch)), (469, vec!["traffic".to_owned()]));
            continue;
        }
        let request = pair.callee.request(Method::Info);
        pair.callee.respond(&request, 200, None);
        assert_eq!(pair.caller.final_response(&branch).code().get(), 200);
    }
    assert!(pair.callee.hears_no(&Method::Update) && pair.caller.hears_no(&Method::Update));
    pair.end();
}

#[test]
fn rfc6086_5_2_3_a_reliable_response_says_what_the_device_takes_and_what_is_another_then_is_told_by_update() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let (mut callee, mut caller) = (phones.remove(1), phones.remove(0));
    let (first, second) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    let (mut dialog, progress, invite) = std::thread::scope(|scope| {
        let ringing = scope.spawn(|| {
            let invite = callee.request(Method::Invite);
            callee.respond_with(&invite, 183, "Recv-Info: traffic\r\n", Some(&second.describe()));
            invite
        });
        caller.extra = "Supported: 100rel\r\nRecv-Info: news\r\nAllow: INVITE, ACK, BYE, UPDATE, PRACK\r\n".to_owned();
        let (dialog, progress) = caller.call("1002", Some(&first.describe()));
        caller.extra.clear();
        (dialog, progress, ringing.join().unwrap())
    });
    let invited = dialog.clone();
    assert_eq!(code_and_said(&progress), (183, vec!["traffic".to_owned()]));
    let acknowledged = prack(&mut caller, &mut dialog, &progress, None);
    assert_eq!(caller.final_response(&acknowledged).code().get(), 200);
    callee.respond_with(&invite, 200, "Recv-Info: rail\r\n", Some(&second.describe()));
    callee.request(Method::Ack);
    let answer = caller.final_response(&invited.branch);
    assert_eq!(code_and_said(&answer), (200, vec!["traffic".to_owned()]), "all answers say the same");
    caller.ack(&invited, answer.headers(), false, None);
    let update = caller.request(Method::Update);
    assert_eq!(said(update.headers()), ["rail"]);
    caller.respond_with(&update, 200, "Recv-Info: news\r\n", None);
    caller.hang_up(&mut dialog);
    callee.hung_up();
    nothing_left(&running);
}

#[test]
fn rfc6086_5_2_2_who_is_transferred_is_told_what_the_new_one_takes() {
    let mut pair = talking("Recv-Info: news\r\n", "Recv-Info: traffic\r\n");
    let mut third = phone(pair.running.bound()[0].address, "1003");
    assert_eq!(third.register(120).code().get(), 200);
    assert_eq!(refer(&mut pair.caller, &mut pair.dialogs.0, "Refer-To: <sip:1003@127.0.0.1>\r\n"), 202);
    told_of(&mut pair.caller, "SIP/2.0 100 Trying\r\n");
    let invite = third.request(Method::Invite);
    assert_eq!(said(invite.headers()), ["traffic"]);
    let sound = Sound::new(Codec::Pcmu);
    let mut dialog = third.respond_with(&invite, 200, "Recv-Info: rail\r\n", Some(&sound.describe()));
    third.request(Method::Ack);
    told_of(&mut pair.caller, "SIP/2.0 200 OK\r\n");
    pair.caller.hung_up();
    let update = pair.callee.request(Method::Update);
    assert_eq!(said(update.headers()), ["rail"]);
    pair.callee.respond_with(&update, 200, "Recv-Info: traffic\r\n", None);
    let branch = info_back(&mut pair, "Info-Package: rail\r\n", "late");
    let request = third.request(Method::Info);
    third.respond(&request, 200, None);
    assert_eq!(pair.callee.final_response(&branch).code().get(), 200);
    third.hang_up(&mut dialog);
    pair.callee.hung_up();
    nothing_left(&pair.running);
}

/// Who picks a ringing call up is told with his answer what its caller takes, and the caller with his what he does: not what the device took that has rung.
#[test]
fn rfc6086_5_2_3_who_picks_a_call_up_and_its_caller_are_told_what_each_takes() {
    let (running, mut phones) = with_phones(&["1001", "1002", "1003"]);
    let (mut third, mut callee, mut caller) = (phones.remove(2), phones.remove(1), phones.remove(0));
    let (near, far) = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    caller.extra = format!("{ALLOW}Recv-Info: news\r\n");
    let (mut placed, rings, invite) = std::thread::scope(|scope| {
        let rings = scope.spawn(|| {
            let invite = callee.request(Method::Invite);
            (callee.respond_with(&invite, 180, "Recv-Info: traffic\r\n", None), invite)
        });
        let (placed, _) = caller.call("1002", Some(&near.describe()));
        let (rings, invite) = rings.join().unwrap();
        (placed, rings, invite)
    });
    caller.extra.clear();
    let lines = format!("Replaces: {};early-only\r\n{ALLOW}Recv-Info: rail\r\n", named(&rings));
    let (mut dialog, answer) = invites(&mut third, &lines, &far.describe());
    assert_eq!(code_and_said(&answer), (200, vec!["news".to_owned()]));
    let cancel = callee.request(Method::Cancel);
    callee.respond(&cancel, 200, None);
    callee.respond(&invite, 487, None);
    let answered = caller.final_response(&placed.branch);
    assert_eq!(code_and_said(&answered), (200, vec!["rail".to_owned()]));
    placed.to = answered.headers().get::<To<'_>>().unwrap().unwrap().to_string();
    caller.ack(&placed, answered.headers(), false, None);
    // INFOs go where they are taken, both ways, and what the device took that has rung is nobody's.
    for (package, code) in [("rail", 200), ("traffic", 469)] {
        caller.extra = format!("Info-Package: {package}\r\n");
        caller.within(&mut placed, "INFO", Some(("text/plain", "late")));
        caller.extra.clear();
        if code == 200 {
            let request = third.request(Method::Info);
            assert_eq!(request.headers().text(HeaderId::InfoPackage).as_deref(), Some(package));
            third.respond(&request, 200, None);
        }
        assert_eq!(caller.final_response(&placed.branch).code().get(), code, "{package}");
    }
    dialog.target = format!("sip:x@127.0.0.1:{}", third.server.port());
    third.extra = "Info-Package: news\r\n".to_owned();
    third.within(&mut dialog, "INFO", Some(("text/plain", "good")));
    third.extra.clear();
    let request = caller.request(Method::Info);
    caller.respond(&request, 200, None);
    assert_eq!(third.final_response(&dialog.branch).code().get(), 200);
    third.hang_up(&mut dialog);
    caller.hung_up();
    nothing_left(&running);
}

#[test]
fn rfc6086_5_2_2_whose_place_is_taken_in_a_call_that_stands_is_forgotten_and_the_other_side_told() {
    for callers in [true, false] {
        let mut pair = talking("Recv-Info: news\r\n", "Recv-Info: traffic\r\n");
        let user = if callers { "1001" } else { "1002" };
        let mut second = phone(pair.running.bound()[0].address, user);
        let sound = Sound::new(Codec::Pcmu);
        let name = named(if callers { &pair.dialogs.0 } else { &pair.dialogs.1 });
        let lines = format!("Replaces: {name}\r\n{ALLOW}Recv-Info: rail\r\n");
        let (mut dialog, answer) = invites(&mut second, &lines, &sound.describe());
        let taken = if callers { "traffic" } else { "news" };
        assert_eq!(code_and_said(&answer), (200, vec![taken.to_owned()]), "{user}");
        let (old, stays, line) = match callers {
            true => (&mut pair.caller, &mut pair.callee, &mut pair.dialogs.1),
            false => (&mut pair.callee, &mut pair.caller, &mut pair.dialogs.0),
        };
        old.hung_up();
        let update = stays.request(Method::Update);
        assert_eq!(said(update.headers()), ["rail"], "{user}");
        stays.respond_with(&update, 200, &format!("Recv-Info: {taken}\r\n"), None);
        stays.extra = "Info-Package: rail\r\n".to_owned();
        stays.within(line, "INFO", Some(("text/plain", "late")));
        stays.extra.clear();
        let request = second.request(Method::Info);
        second.respond(&request, 200, None);
        assert_eq!(stays.final_response(&line.branch).code().get(), 200, "{user}");
        dialog.target = format!("sip:x@127.0.0.1:{}", second.server.port());
        second.hang_up(&mut dialog);
        stays.hung_up();
        nothing_left(&pair.running);
    }
}
