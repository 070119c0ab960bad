//! Text messages (RFC 3428) from and to programs that are not ours.

use std::process::Command;

use super::baresip::Baresip;
use super::kamailio::Kamailio;
use super::sipp;
use super::through;
use crate::program::Program;
use crate::program::offhook::{self, Server, USERS};

/// What no single byte and no single line is enough for.
const TEXT: &str = "Grüße von drüben 😀";

/// baresip as a device of the server, with the other user among its contacts.
fn device(server: &Server, user: &str, other: &str) -> Baresip {
    let address = &server.address;
    let account = format!("<sip:{user}@{address}>;auth_user={user};auth_pass=secret{};regint=300", &user[3..]);
    let contact = format!("\"Other\" <sip:{other}@{address}>");
    let mut phone = Baresip::with_contact(&account, 440, "21000-29999", &contact);
    phone.wait_for_line("200 OK (Offhook");
    phone
}

/// Sends a text from a device to its contact.
pub(super) fn write(phone: &mut Baresip, text: &str) {
    phone.command("contact_next", "");
    phone.wait_for("Current contact");
    phone.command("message", text);
}

#[test]
fn two_phones_of_baresip_write_to_each_other_through_the_pbx() {
    let server = offhook::serve(&USERS);
    let (mut one, mut other) = (device(&server, "1001", "1002"), device(&server, "1002", "1001"));
    write(&mut one, TEXT);
    other.wait_for_line(&format!("sip:1001@127.0.0.1: \"{TEXT}\""));
    write(&mut other, "and back");
    one.wait_for_line("sip:1002@127.0.0.1: \"and back\"");
    assert!(!one.has_printed(TEXT) && !other.has_printed("and back"), "to whom it is for, and to nobody else");
    one.stop();
    other.stop();
}

#[test]
fn our_phone_and_baresip_write_to_each_other_through_the_pbx() {
    let server = offhook::serve(&USERS);
    let account = format!("sip:1001@{}", server.address);
    let identity = ["--account", &account, "--password", "secret1", "--sip", "127.0.0.1:0"];
    let mut ours = offhook::start(&[&["register"], &identity[..]].concat());
    ours.wait_for("registered");
    let mut phone = device(&server, "1002", "1001");
    write(&mut phone, TEXT);
    let line = ours.wait_for(TEXT);
    assert!(line.contains("sip:1002@"), "{line}");
    let (code, output) = offhook::start(&[&["message", "1002", "and back"], &identity[..]].concat()).finish();
    assert_eq!(code, 0, "{output}");
    phone.wait_for_line("sip:1001@127.0.0.1: \"and back\"");
    phone.stop();
}

/// sipsak sends a text to 1002 as 1001, with this password: its exit code is 0 when a 200 has come.
fn sipsak(server: &Server, password: &str, text: &str) -> (i32, String) {
    let address = &server.address;
    let file = tempfile::NamedTempFile::new().unwrap();
    // It puts a Via on top, and answers the challenge.
    let message = format!(
        "MESSAGE sip:1002@{address} SIP/2.0\r\nFrom: <sip:1001@{address}>;tag=sipsak\r\nTo: <sip:1002@{address}>\r\nCall-ID: {password}@sipsak\r\n\
         CSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    std::fs::write(file.path(), message).unwrap();
    let (file, uri) = (file.path().to_str().unwrap(), format!("sip:1002@{address}"));
    let arguments = ["-L", "-f", file, "-s", &uri, "-u", "1001", "-a", password, "-H", "127.0.0.1", "-vv"];
    Program::start(Command::new("sipsak").args(arguments)).finish()
}

#[test]
fn sipsak_writes_to_baresip_through_the_pbx_and_not_with_a_wrong_password() {
    // It gives up when the first challenge is not MD5.
    let file = offhook::configuration("digest = [\"md5\"]\n");
    let server = offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat());
    let mut phone = device(&server, "1002", "1001");
    let (code, output) = sipsak(&server, "secret2", "with a wrong password");
    assert!(code != 0 && output.contains("403 Forbidden"), "{output}");
    let (code, output) = sipsak(&server, "secret1", TEXT);
    assert_eq!(code, 0, "{output}");
    phone.wait_for_line(&format!("sip:1001@127.0.0.1: \"{TEXT}\""));
    assert!(!phone.has_printed("with a wrong password"));
    phone.stop();
}

#[test]
fn our_phone_writes_to_baresip_through_kamailio_and_not_with_a_wrong_password() {
    let kamailio = Kamailio::start();
    let address = &kamailio.address;
    let account = format!("<sip:1002@{address}>;auth_user=1002;auth_pass=secret1002;regint=300");
    let mut phone = Baresip::start(&account, 440);
    phone.wait_for_line("[1 binding]");
    let own = format!("sip:1001@{address}");
    let send = |target: &str, password: &str, text: &str| {
        let identity = ["--account", &own, "--password", password, "--sip", "127.0.0.1:0"];
        offhook::start(&[&["message", target, text], &identity[..]].concat()).finish()
    };
    let (code, output) = send("1002", "secret1002", "with a wrong password");
    assert_eq!(code, 6, "{output}");
    let (code, output) = send("1003", "secret1001", "to nobody");
    assert!(code == 7 && output.contains("404"), "{output}");
    let (code, output) = send("1002", "secret1001", TEXT);
    assert_eq!(code, 0, "{output}");
    phone.wait_for_line(&format!("\"{TEXT}\""));
    assert!(!phone.has_printed("with a wrong password") && !phone.has_printed("to nobody"));
    phone.stop();
}

#[test]
fn sipp_gets_the_text_of_our_phone_and_one_that_waits_for_another_fails() {
    for (text, is_expected) in [("the text that is expected", true), ("another text", false)] {
        let (phone, address) = sipp::waits("uas_message.xml", &["-m", "1"]);
        let (code, output) =
            offhook::start(&["message", &format!("sip:1002@{address}"), text, "--sip", "127.0.0.1:0"]).finish();
        assert!(code == 0 || !is_expected, "{output}");
        let (code, seen) = phone.finish();
        assert_eq!(code == 0, is_expected, "{seen}");
    }
}

#[test]
fn rfc3994_3_3_sipp_writes_and_stops_and_our_robot_tells() {
    let (mut robot, address) = offhook::answer(&[]);
    let (code, output) = sipp::run("uac_composing.xml", &address, &["-m", "1"]);
    assert_eq!(code, 0, "{output}");
    robot.wait_for("has stopped writing");
    let (_, output) = robot.stop("TERM");
    let told: Vec<_> = output.lines().filter(|line| line.contains("writing")).collect();
    assert!(
        matches!(told[..], [first, _] if first.starts_with("sip:sipp@") && first.ends_with("is writing")),
        "{output}"
    );
}

/// 1001 says by SIPp through the server whether it is writing, and 1002, SIPp as well, expects that state and gives this answer; so must 1001 be answered. How the
/// two have ended.
fn composing([said, expected, answer]: [&str; 3], told: u16) -> (i32, i32) {
    let server = through::serve();
    let phone = sipp::with("uas_composing.xml", "STATE", expected);
    let phone = sipp::with(phone.to_str().unwrap(), "OUTCOME", answer);
    let phone = through::sipp_callee(&server, phone.to_str().unwrap(), &["-m", "1"]);
    let writes = sipp::with_final("pbx_caller_composing.xml", told);
    let who = ["-m", "1", "-s", "1002", "-au", "1001", "-ap", "secret1", "-key", "state", said];
    let (writes, _) = sipp::run(writes.to_str().unwrap(), &server.address, &who);
    (writes, phone.finish().0)
}

#[test]
fn rfc3994_4_sipp_learns_through_serve_that_sipp_is_writing() {
    for state in ["active", "idle"] {
        assert_eq!(composing([state, state, "200 OK"], 200), (0, 0), "{state}");
    }
    // Who cannot read it says so, and whoever writes hears of that.
    let refused = ["active", "active", "415 Unsupported Media Type"];
    assert_eq!(composing(refused, 415), (0, 0));
    // The controls: another state is expected, and another answer.
    assert_eq!(composing(["active", "idle", "200 OK"], 200).1, 1);
    assert_eq!(composing(refused, 200).0, 1);
}
