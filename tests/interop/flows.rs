//! Registrations over flows (RFC 5626) and addresses of instances (RFC 5627): phones of ours, baresip and Kamailio; and coturn, which their pings are for.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::baresip::Baresip;
use super::kamailio::Kamailio;
use super::sipp;
use crate::program::offhook::{self, Server, USERS};
use crate::program::{PATIENCE, Program, free_port};

pub(super) const URN: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

/// The edge of the domain of the phones; where it is.
pub(super) fn edge() -> Server {
    let file = edge_of_the_domain();
    offhook::serve(&["--config", file.path().to_str().unwrap(), "--user", "1:unused"])
}

fn edge_of_the_domain() -> tempfile::NamedTempFile {
    offhook::configuration("[roles]\n\"127.0.0.1\" = \"edge\"\n")
}

/// A robot of ours at a home, reached by these proxies.
fn robot(home: &Server, transport: &str, proxies: &[&Server]) -> Program {
    let account = format!("sip:1002@{}", home.address);
    let proxies: Vec<String> =
        proxies.iter().map(|edge| format!("--proxy=sip:{};transport={transport};lr", edge.address)).collect();
    let outbound = format!("--outbound={URN}");
    let mut arguments =
        vec!["answer", "--echo", "--sip", "127.0.0.1:0", "--account", &account, "--password", "secret2"];
    arguments.push(&outbound);
    arguments.extend(proxies.iter().map(String::as_str));
    let mut robot = offhook::start(&arguments);
    robot.wait_until(|seen| seen.matches("registered").count() >= proxies.len());
    robot
}

/// A port of SIP and STUN, each served by another program behind it.
struct Front {
    address: SocketAddr,
    /// Binding requests that came.
    pings: Arc<AtomicUsize>,
}

/// Datagrams of a phone go to the server of what they are, and what comes back goes to the phone. Where there is no server of STUN it is silent.
fn front(sip: &str, stun: Option<SocketAddr>) -> Front {
    let sockets = [UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap()].map(Arc::new);
    let (address, sip): (_, SocketAddr) = (sockets[0].local_addr().unwrap(), sip.parse().unwrap());
    let (pings, phone) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(address)));
    let [outside, inside] = sockets.clone();
    let (counted, known) = (Arc::clone(&pings), Arc::clone(&phone));
    // Both end with the process: nobody waits for them.
    std::thread::spawn(move || {
        let mut datagram = [0; 4_096];
        while let Ok((length, from)) = outside.recv_from(&mut datagram) {
            *known.lock().unwrap() = from;
            // RFC 8489 section 5: two zero bits, and the cookie.
            let is_stun = datagram[0] < 0x40 && datagram[4..8] == [0x21, 0x12, 0xa4, 0x42];
            counted.fetch_add(usize::from(is_stun), Ordering::SeqCst);
            let server = if is_stun { stun } else { Some(sip) };
            if let Some(to) = server {
                inside.send_to(&datagram[..length], to).unwrap();
            }
        }
    });
    let [outside, inside] = sockets;
    std::thread::spawn(move || {
        let mut datagram = [0; 4_096];
        while let Ok((length, _)) = inside.recv_from(&mut datagram) {
            outside.send_to(&datagram[..length], *phone.lock().unwrap()).unwrap();
        }
    });
    Front { address, pings }
}

/// A server of STUN and nothing else, by coturn.
fn coturn(folder: &std::path::Path) -> (Program, SocketAddr) {
    let port = free_port();
    let mut command = Command::new("turnserver");
    command.args(["-n", "--stun-only", "--no-tls", "--no-dtls", "--no-cli", "--log-file=stdout"]);
    command.args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", &format!("--listening-port={port}")]);
    for (option, file) in [("pidfile", "pid"), ("userdb", "users")] {
        command.arg(format!("--{option}={}", folder.join(file).display()));
    }
    let server = Program::start(&mut command);
    sipp::await_port(port);
    (server, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[test]
fn rfc5626_4_4_2_what_coturn_says_to_the_ping_of_a_phone_is_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (_coturn, stun) = coturn(folder.path());
    let homes = [offhook::serve(&USERS), offhook::serve(&USERS)];
    let fronts = [front(&homes[0].address, Some(stun)), front(&homes[1].address, None)];
    let _robots = [0, 1].map(|which| {
        let (account, outbound) = (format!("sip:1002@{}", homes[which].address), format!("--outbound={URN}"));
        let proxy = format!("--proxy=sip:{};transport=udp;lr", fronts[which].address);
        let identity = ["--sip", "127.0.0.1:0", "--account", &account, "--password", "secret2"];
        let mut robot = offhook::start(&[&["answer", "--echo", &proxy, &outbound], &identity[..]].concat());
        robot.wait_for("registered");
        robot
    });
    // The control: who hears nothing asks again after half a second, one, and two.
    let end = Instant::now() + PATIENCE;
    while fronts[1].pings.load(Ordering::SeqCst) < 4 {
        assert!(Instant::now() < end, "no pings");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // The other one began before, and is content, though the machine may have been busy for a second or three.
    let asked = fronts[0].pings.load(Ordering::SeqCst);
    assert!((1..4).contains(&asked), "{asked}");
    assert_eq!(homes[0].status()["registrations"], 1);
}

/// What becomes of a call of 1001 to 1002 at a home that hears itself: its exit code and what it says.
fn call(home: &Server) -> (i32, String) {
    let account = format!("sip:1001@{}", home.address);
    let identity = ["--account", &account, "--password", "secret1", "--sip", "127.0.0.1:0"];
    let sound = ["--tone", "440", "--for", "6", "--expect-tone", "440"];
    offhook::start(&[&["call", "1002"], &identity[..], &sound[..]].concat()).finish()
}

/// Such a call that reaches the robot.
#[track_caller]
fn reached(home: &Server) {
    let (code, said) = call(home);
    assert_eq!(code, 0, "{said}");
}

/// Such a call that reaches nobody.
#[track_caller]
fn lost(home: &Server) {
    let (code, said) = call(home);
    assert_ne!(code, 0, "{said}");
}

#[test]
fn rfc5626_7_a_phone_of_two_flows_is_reached_whichever_of_its_edges_is_gone() {
    for transport in ["udp", "tcp"] {
        for gone in [0, 1] {
            let (home, mut edges) = (offhook::serve(&USERS), [edge(), edge()]);
            let _robot = robot(&home, transport, &[&edges[0], &edges[1]]);
            let status = home.status();
            assert_eq!(status["registrations"], 2, "{status}");
            reached(&home);
            edges[gone].program.kill();
            reached(&home);
        }
    }
    // The control: a phone of one flow is gone with its edge.
    let (home, mut only) = (offhook::serve(&USERS), edge());
    let _robot = robot(&home, "tcp", &[&only]);
    reached(&home);
    only.program.kill();
    lost(&home);
}

/// How many times a robot has registered by now.
fn registrations(robot: &mut Program) -> usize {
    robot.output().matches("registered for ").count()
}

#[test]
fn rfc5626_4_5_a_flow_by_an_edge_that_comes_back_is_formed_anew_and_leads_to_the_phone() {
    // The second is the control: where it does not come back, nothing leads there once the other one is gone too.
    for comes_back in [true, false] {
        let (home, mut edges) = (offhook::serve(&USERS), [edge(), edge()]);
        let mut robot = robot(&home, "tcp", &[&edges[0], &edges[1]]);
        assert_eq!(registrations(&mut robot), 2);
        edges[0].program.kill();
        if comes_back {
            // It knows nothing of the connections that it had.
            let address = edges[0].address.clone();
            let file = edge_of_the_domain();
            let arguments = ["--config", file.path().to_str().unwrap(), "--user", "1:unused"];
            edges[0].program = offhook::serve_at(&address, edges[0].state.path(), &arguments);
            // Within a second; where that was too early for the edge, after 45 to 90 s.
            let end = Instant::now() + PATIENCE * 4;
            while registrations(&mut robot) < 3 {
                assert!(Instant::now() < end, "{}", robot.output());
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        } else {
            robot.wait_for("not registered");
        }
        edges[1].program.kill();
        if comes_back { reached(&home) } else { lost(&home) }
    }
}

#[test]
fn rfc5626_6_flows_are_there_again_after_a_restart_from_journal_and_database() {
    for in_database in [false, true] {
        let state = tempfile::tempdir().unwrap();
        let bindings = state.path().join("bindings.sqlite");
        let file = match in_database {
            true => offhook::configuration(&format!("[sqlite]\nbindings = \"{}\"\n", bindings.display())),
            false => offhook::configuration(""),
        };
        let address = format!("127.0.0.1:{}", free_port());
        let arguments = [&["--config", file.path().to_str().unwrap()], &USERS[..]].concat();
        let program = offhook::serve_at(&address, state.path(), &arguments);
        let (mut home, mut edges) = (Server { program, address, state }, [edge(), edge()]);
        let _robot = robot(&home, "udp", &[&edges[0], &edges[1]]);
        for gone in [0, 1] {
            let (code, output) = home.program.stop("TERM");
            assert_eq!(code, 0, "{output}");
            home.program = offhook::serve_at(&home.address, home.state.path(), &arguments);
            let status = home.status();
            assert_eq!(status["registrations"], 2, "{in_database}: {status}");
            reached(&home);
            edges[gone].program.kill();
            // The control: nothing else than the flow by the other edge reaches it.
            if gone == 0 { reached(&home) } else { lost(&home) }
        }
    }
}

#[test]
fn rfc5626_6_baresip_registers_over_a_flow_and_is_called_along_it() {
    for (transport, nat) in [("udp", ";sipnat=outbound"), ("tcp", ";sipnat=outbound"), ("tcp", "")] {
        let server = offhook::serve(&USERS);
        let account = format!(
            "<sip:1002@{0};transport={transport}>;auth_user=1002;auth_pass=secret2;regint=300;answermode=auto{nat}{1}",
            server.address,
            if nat.is_empty() {
                String::new()
            } else {
                format!(";outbound=\"sip:{};transport={transport}\"", server.address)
            }
        );
        let mut phone = Baresip::with_settings(&account, 1_000, "module uuid.so\n");
        phone.wait_for_line("200 OK (Offhook");
        let journal = std::fs::read(server.state.path().join("state/bindings.journal")).unwrap();
        let journal = String::from_utf8_lossy(&journal).into_owned();
        assert_eq!(journal.contains("reg-id=1"), !nat.is_empty(), "{transport}{nat}: {journal}");
        assert_eq!(call_heard(&server), 0, "{transport}{nat}");
        phone.kill();
        // A connection that is gone takes its flow with it, and nothing else.
        let left = usize::from(transport == "udp" || nat.is_empty());
        let end = Instant::now() + PATIENCE;
        while server.status()["registrations"] != left {
            assert!(Instant::now() < end, "{transport}{nat}: {}", server.status());
        }
    }
}

/// A call of 1001 to 1002 that hears the tone of baresip.
fn call_heard(home: &Server) -> i32 {
    let account = format!("sip:1001@{}", home.address);
    let identity = ["--account", &account, "--password", "secret1", "--sip", "127.0.0.1:0"];
    offhook::start(&[&["call", "1002", "--for", "6", "--expect-tone", "1000"], &identity[..]].concat()).finish().0
}

#[test]
fn rfc5627_4_3_kamailio_gives_our_phone_an_address_and_takes_calls_from_it() {
    let kamailio = Kamailio::start();
    let outbound = format!("--outbound={URN}");
    let account = |number: &str| format!("sip:{number}@{}", kamailio.address);
    let (called, password) = (account("1002"), "secret1002");
    let mut robot =
        offhook::start(&["answer", "--echo", "--sip", "127.0.0.1:0", "--account", &called, "--password", password]);
    robot.wait_for("registered");
    let identity = ["--account", &account("1001"), "--password", "secret1001", "--sip", "127.0.0.1:0"];
    let sound = ["--tone", "440", "--for", "5", "--expect-tone", "440", "-vv"];
    for outbound in [Some(outbound.as_str()), None] {
        let arguments = [&["call", "1002"], &identity[..], &sound[..], outbound.as_slice()].concat();
        let (code, output) = offhook::start(&arguments).finish();
        assert_eq!(code, 0, "{output}");
        let invite = output.split("INVITE sip:1002").nth(1).unwrap_or_default();
        assert_eq!(invite.contains(&format!(";gr={URN}")), outbound.is_some(), "{output}");
    }
}

/// A notifier is reached by the address of its instance (RFC 6665 section 4.5.1), where its registrar gives one.
#[test]
fn rfc6665_4_5_1_who_watches_our_robot_through_kamailio_is_told_the_address_of_its_instance() {
    let kamailio = Kamailio::start();
    let (called, outbound) = (format!("sip:1002@{}", kamailio.address), format!("--outbound={URN}"));
    let answer =
        ["answer", "--allow-watchers", "--sip", "127.0.0.1:0", "--account", &called, "--password", "secret1002"];
    for outbound in [Some(outbound.as_str()), None] {
        let mut robot = offhook::start(&[&answer[..], outbound.as_slice()].concat());
        robot.wait_for("registered");
        let watch = ["subscribe", &called, "--event", "dialog", "--once", "--sip", "127.0.0.1:0", "-vv"];
        let (code, output) = offhook::start(&watch).finish();
        assert_eq!(code, 0, "{output}");
        let notify = output.split("NOTIFY sip:").nth(1).unwrap_or_default();
        assert_eq!(notify.contains(&format!(";gr={URN}")), outbound.is_some(), "{output}");
        robot.stop("INT");
    }
}
