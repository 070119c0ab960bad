//! The ways that registrations tell: that to a phone (Path, RFC 3327) and that of its requests (Service-Route, RFC 3608), with Kamailio and SIPp.

use super::flows::{URN, edge};
use super::kamailio::Kamailio;
use super::sipp;
use crate::program::offhook::{self, USERS};
use crate::program::{Program, free_port};

/// 1002 at this home: a robot of ours that echoes.
fn robot(home: &str, password: &str, more: &[&str]) -> Program {
    let account = format!("sip:1002@{home}");
    let identity = ["--account", &account, "--password", password, "--sip", "127.0.0.1:0"];
    let mut robot = offhook::start(&[&["answer", "--echo"], &identity[..], more].concat());
    robot.wait_for("registered");
    robot
}

/// The same behind an edge, over one connection to it.
fn behind(edge: &str, home: &str, password: &str) -> Program {
    let (proxy, outbound) = (format!("--proxy=sip:{edge};transport=tcp;lr"), format!("--outbound={URN}"));
    robot(home, password, &[&proxy, &outbound])
}

/// 1001 calls 1002 at this home and expects to hear itself: the exit code, and what is said.
fn call(home: &str, password: &str, more: &[&str]) -> (i32, String) {
    let account = format!("sip:1001@{home}");
    let identity = ["--account", &account, "--password", password, "--sip", "127.0.0.1:0"];
    let sound = ["--tone", "440", "--for", "6", "--expect-tone", "440"];
    offhook::start(&[&["call", "1002"], &identity[..], &sound[..], more].concat()).finish()
}

/// Such a call that is heard.
#[track_caller]
fn reached(home: &str, password: &str, more: &[&str]) {
    let (code, said) = call(home, password, more);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn rfc3327_5_4_kamailio_reaches_a_phone_by_the_path_of_our_edge() {
    let (mut home, mut edge) = (Kamailio::start_with_paths(), edge());
    let at = home.address.clone();
    let _robot = behind(&edge.address, &at, "secret1002");
    reached(&at, "secret1001", &[]);
    let by = home.wait_for("calls 1002 by ");
    assert!(by.contains(&format!("@{};lr", edge.address)), "{by}");
    // The control: by nothing else.
    edge.program.kill();
    assert_ne!(call(&at, "secret1001", &[]).0, 0);
}

/// Each registration has a Call-ID of its own; the loop that has sent it on must get what Kamailio answers.
#[test]
fn rfc3327_5_3_sipp_registers_at_kamailio_through_an_edge_of_any_number_of_loops() {
    for shards in [1, 4] {
        let file = offhook::configuration(&format!("shards = {shards}\n[roles]\n\"127.0.0.1\" = \"edge\"\n"));
        let settings = ["--config", file.path().to_str().unwrap(), "--user", "1:unused", "--log-level", "wire=debug"];
        let (home, mut edge) = (Kamailio::start_with_paths(), offhook::serve(&settings));
        let arguments = ["-m", "16", "-s", "1002", "-au", "1002", "-ap", "secret1002", "-rsa", &edge.address];
        let (code, output) = sipp::run("uas_registers.xml", &home.address, &arguments);
        assert_eq!(code, 0, "{shards}: {output}");
        // That way, and by no other.
        edge.program.wait_until(|seen| seen.matches("SIP/2.0 200 ").count() >= 2 * 16);
    }
}

#[test]
fn rfc3327_5_4_our_home_reaches_a_phone_by_the_path_of_kamailio() {
    let (home, mut edge) = (offhook::serve(&USERS), Kamailio::start_edge());
    let _robot = behind(&edge.address, &home.address, "secret2");
    reached(&home.address, "secret1", &[]);
    let by = edge.wait_for("passes INVITE on by ");
    assert!(by.contains(";transport=tcp"), "the connection that it registered by: {by}");
    // The control: by nothing else.
    drop(edge);
    assert_ne!(call(&home.address, "secret1", &[]).0, 0);
}

#[test]
fn rfc3608_6_1_our_phone_calls_by_the_way_that_kamailio_tells() {
    let mut home = Kamailio::start_with_service_route();
    let at = home.address.clone();
    let _robot = robot(&at, "secret1002", &[]);
    // The control: who has not registered was told nothing.
    reached(&at, "secret1001", &["--no-register"]);
    home.wait_for("INVITE by <null>");
    let told = format!("INVITE by <sip:service@{at};lr>");
    assert!(!home.output().contains(&told));
    reached(&at, "secret1001", &[]);
    home.wait_for(&told);
}

/// Whether SIPp registers here and is told a way over two servers, in this order.
fn is_told(settings: &str) -> bool {
    let file = offhook::configuration(&format!("digest = [\"md5\"]\n{settings}"));
    let server = offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat());
    let way = "Service-Route: .sip:first.example.com;lr.*Service-Route: .sip:second.example.com;lr";
    let looks = format!(
        "<recv response=\"200\"><action><ereg regexp=\"{way}\" search_in=\"msg\" check_it=\"true\" assign_to=\"way\"/>\
         <log message=\"by [$way]\"/></action></recv>"
    );
    let scenario = sipp::with("uas_registers.xml", "<recv response=\"200\"/>", &looks);
    let credentials = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", "secret2"];
    let registers = sipp::start_at(free_port(), scenario.to_str().unwrap(), &server.address, &credentials);
    registers.finish().0 == 0
}

#[test]
fn rfc3608_6_3_sipp_is_told_the_way_of_its_calls_where_it_registers() {
    let (first, second) = ("\"sip:first.example.com;lr\"", "\"sip:second.example.com;lr\"");
    assert!(is_told(&format!("register.service_route = [{first}, {second}]\n")));
    // The controls: in another order, and not at all.
    assert!(!is_told(&format!("register.service_route = [{second}, {first}]\n")));
    assert!(!is_told(""));
}
