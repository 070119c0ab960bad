//! What `offhook trace` shows of calls of phones that are not ours: on the screen, in files that tcpdump and tshark read, and at a Kamailio that captures.

use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::baresip::Baresip;
use super::sipp;
use crate::program::offhook::{self, Server, USERS};
use crate::program::{PATIENCE, Program, free_port};

/// What opens nothing, and the beginning of all that does.
const OPEN: &str = "known-to-all";
const OPENS: &str = "d0n0tsh0w";

/// Begins to trace a server, and waits until it does.
pub(super) fn trace(server: &Server, arguments: &[&str]) -> Program {
    let state = server.state.path().join("state");
    let mut trace = offhook::start(&[&["trace", "--state", state.to_str().unwrap()], arguments].concat());
    trace.wait_for("tracing");
    trace
}

/// The rungs of a ladder in which this stands.
fn rungs<'a>(ladder: &'a str, what: &str) -> Vec<&'a str> {
    ladder.lines().filter(|line| line.contains('|') && line.contains(what)).collect()
}

/// What tshark finds in a file.
fn tshark(file: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(arguments);
    let output = command.output().unwrap_or_else(|error| panic!("tshark: {error}; `cargo xtask peers install`"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An account of baresip with user 1002.
fn account(address: &str, parameters: &str) -> String {
    format!("<sip:1002@{address}{parameters}>;auth_user=1002;auth_pass=secret2;regint=300;answermode=auto")
}

#[test]
fn both_legs_of_a_call_to_baresip_stand_in_the_ladder_and_in_the_file() {
    let server = offhook::serve(&USERS);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("call.pcapng");
    let mut ladder = trace(&server, &["--write", file.to_str().unwrap()]);
    let address = &server.address;
    let mut phone = Baresip::start(&account(address, ""), 440);
    phone.wait_for_line("200 OK (Offhook");
    let account = format!("sip:1001@{address}");
    let caller = ["call", "1002", "--account", &account, "--password", "secret1", "--no-register", "--for", "1"];
    let (code, said) = offhook::start(&caller).finish();
    assert_eq!(code, 0, "{said}");
    phone.wait_for("CALL_CLOSED");
    ladder.wait_until(|told| rungs(told, "200 BYE").len() >= 2);
    let (code, told) = ladder.stop("INT");
    assert_eq!(code, 0, "{told}");
    // Each method on the caller's side, which stands on the left, and on that of who was called.
    for method in [" INVITE ", " 200 INVITE ", " ACK ", " BYE ", " 200 BYE "] {
        let sides: Vec<bool> =
            rungs(&told, method).iter().map(|rung| rung.trim_end().ends_with('|') || rung.contains("| (")).collect();
        assert!(sides.contains(&true) && sides.contains(&false), "{method}: {told}");
    }
    assert!(told.contains(" 1001 -> 1002, udp, "), "{told}");
    assert!(rungs(&told, " 100 INVITE ").iter().any(|rung| rung.ends_with("(automatic)")), "{told}");
    // tshark takes every packet for SIP, and finds no checksum wrong.
    let packets = tshark(
        &file,
        &[
            "-o",
            "udp.check_checksum:TRUE",
            "-o",
            "ip.check_checksum:TRUE",
            "-T",
            "fields",
            "-e",
            "sip.Method",
            "-e",
            "sip.Status-Code",
            "-e",
            "udp.checksum.status",
            "-e",
            "ip.checksum.status",
            "-e",
            "frame.comment",
        ],
    );
    assert!(packets.lines().count() >= 14, "{packets}");
    let is_sip = |line: &str| line.split('\t').take(2).any(|field| !field.is_empty());
    assert!(packets.lines().all(|line| is_sip(line) && line.contains("\t1\t1\tUDP, ")), "{packets}");
    assert!(
        packets.contains("BYE\t\t1\t1\tUDP, received") && packets.contains("BYE\t\t1\t1\tUDP, sent: request"),
        "{packets}"
    );
    // So does tcpdump.
    let read = Command::new("tcpdump").args(["-n", "-A", "-r"]).arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&read.stdout);
    assert!(read.status.success() && text.contains("INVITE sip:1002@") && text.contains("BYE sip:"), "{text}");
    phone.stop();
}

#[test]
fn what_opens_an_account_stands_nowhere_in_a_trace_and_all_else_does() {
    let server = offhook::serve(&[&USERS[..], &["--tls", "127.0.0.1:0"]].concat());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("register.pcapng");
    let mut json = trace(&server, &["--json", "--write", file.to_str().unwrap()]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (local, address) = (socket.local_addr().unwrap(), &server.address);
    let request = format!(
        "REGISTER sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKm;rport\r\nFrom: <sip:1001@{address}>;tag=m\r\n\
         To: <sip:1001@{address}>\r\nCall-ID: masked\r\nCSeq: 1 REGISTER\r\nMax-Forwards: 70\r\nContact: <sip:1001:{OPENS}1@{local}>\r\n\
         Subject: {OPEN}\r\nAuthorization: Digest username=\"1001\", realm=\"{OPEN}\", nonce=\"{OPEN}\", uri=\"sip:{address}\", response=\"{OPENS}2\"\r\n\
         Content-Type: application/sdp\r\nContent-Length: 100\r\n\r\n{:<100}",
        format!("s={OPEN}\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{OPENS}3\r\n")
    );
    socket.send_to(request.as_bytes(), address).unwrap();
    json.wait_until(|told| told.contains("\"SIP/2.0 401 "));
    let (_, told) = json.stop("INT");
    let written = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
    // What hides nothing is found, so that what is not found is not there.
    assert_eq!((request.matches(OPEN).count(), request.matches(OPENS).count()), (4, 3));
    for (place, text) in [("JSON", &told), ("file", &written)] {
        assert!(text.matches(OPEN).count() >= 4 && !text.contains(OPENS), "{place}: {text}");
        assert!(
            text.contains("1001:(cut)@") && text.contains("response=") && text.contains("inline:**"),
            "{place}: {text}"
        );
    }
}

#[test]
fn a_call_over_tls_is_shown_as_it_was_within() {
    let tls = format!("127.0.0.1:{}", free_port());
    let server = offhook::serve(&[&USERS[..], &["--tls", &tls]].concat());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tls.pcapng");
    let mut ladder = trace(&server, &["--write", file.to_str().unwrap()]);
    let certificate = server.state.path().join("state/tls/certificate.pem");
    let account = format!("sip:1001@{tls};transport=tls");
    let target = format!("sip:600@{tls};transport=tls");
    let mut caller = vec!["call", target.as_str(), "--account", &account, "--password", "secret1", "--no-register"];
    caller.extend(["--for", "1", "--tls-ca", certificate.to_str().unwrap()]);
    let (code, said) = offhook::start(&caller).finish();
    assert_eq!(code, 0, "{said}");
    ladder.wait_until(|told| !rungs(told, "200 BYE").is_empty());
    let (_, told) = ladder.stop("INT");
    assert!(told.contains(" 1001 -> 600, tls, "), "{told}");
    let packets = tshark(&file, &["-Y", "sip", "-T", "fields", "-e", "sip.Method", "-e", "frame.comment"]);
    assert!(packets.contains("INVITE\tTLS, received") && packets.contains("BYE\tTLS, received"), "{packets}");
}

#[test]
fn filters_show_one_user_or_one_call_and_nobody_elses() {
    let server = offhook::serve(&USERS);
    let mut all = trace(&server, &["--json"]);
    let mut one = trace(&server, &["--user", "1001", "--json"]);
    let account = |user: &str| format!("sip:{user}@{}", server.address);
    let register = |user: &str, password: &str| {
        let account = account(user);
        offhook::start(&["register", "--once", "--account", &account, "--password", password]).finish().0
    };
    assert_eq!((register("1002", "secret2"), register("1001", "secret1")), (0, 0));
    // Two bindings made and taken back, each with a challenge: 2 x 2 x 2 messages each.
    let is_done = |told: &str| told.matches("\"SIP/2.0 200 OK").count();
    all.wait_until(|told| is_done(told) >= 4);
    one.wait_until(|told| is_done(told) >= 2);
    let (_, everybody) = all.stop("INT");
    let (_, told) = one.stop("INT");
    assert!(everybody.contains("sip:1002@") && everybody.contains("sip:1001@"), "{everybody}");
    assert!(told.contains("sip:1001@") && !told.contains("sip:1002@"), "{told}");
    // By a Call-ID: what has it, and nothing else.
    let mut one = trace(&server, &["--call-id", "chosen@here", "--json"]);
    assert_eq!(register("1001", "secret1"), 0);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let here = socket.local_addr().unwrap();
    let options = format!(
        "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKchosen\r\nFrom: <sip:b@h>;tag=b\r\nTo: <sip:{to}>\r\n\
         Call-ID: chosen@here\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        to = server.address
    );
    socket.send_to(options.as_bytes(), &server.address).unwrap();
    socket.recv(&mut [0; 2_048]).unwrap();
    one.wait_until(|told| is_done(told) >= 1);
    let (code, told) = one.stop("INT");
    assert!(code == 0 && told.contains("\"messages\":2") && !told.contains("REGISTER sip:"), "{told}");
}

#[test]
fn robot_and_call_are_found_by_their_process_ids_and_write_files_themselves() {
    let runtime = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (own, theirs) = (folder.path().join("own.pcapng"), folder.path().join("theirs.pcapng"));
    let address = format!("127.0.0.1:{}", free_port());
    let here = runtime.path();
    let mut robot =
        offhook::start_in(here, &["answer", "--sip", &address, "--calls", "1", "--trace", own.to_str().unwrap()]);
    robot.wait_for("listening on tcp");
    let pid = robot.id().to_string();
    let mut of_robot = offhook::start_in(here, &["trace", "--pid", &pid]);
    of_robot.wait_for(&format!("tracing answer, process {pid}"));
    let target = format!("sip:x:passw0rd@{address}");
    let caller = ["call", &target, "--for", "3", "--trace", theirs.to_str().unwrap()];
    let mut caller = offhook::start_in(here, &caller);
    caller.wait_for("answered");
    // Two run now: which is meant must be said.
    let (code, told) = offhook::start_in(here, &["trace"]).finish();
    let named = [(pid.as_str(), "answer"), (&*caller.id().to_string(), "call")]
        .map(|(pid, verb)| format!("--pid {pid} ({verb} "));
    assert!(code == 2 && named.iter().all(|one| told.contains(one)) && !told.contains("passw0rd"), "{told}");
    let mut of_call = offhook::start_in(here, &["trace", "--pid", &caller.id().to_string()]);
    of_call.wait_for("tracing call");
    let (code, told) = caller.finish();
    assert_eq!(code, 0, "{told}");
    let (code, told) = of_call.finish();
    assert!(code == 0 && told.contains("BYE") && told.contains("the process has ended"), "{told}");
    let (_, told) = robot.finish();
    let (_, ladder) = of_robot.finish();
    assert!(!rungs(&ladder, " INVITE ").is_empty() && !rungs(&ladder, " 200 BYE ").is_empty(), "{told}\n{ladder}");
    for file in [&own, &theirs] {
        let methods = tshark(file, &["-Y", "sip", "-T", "fields", "-e", "sip.CSeq.method", "-e", "sip.Status-Code"]);
        assert!(methods.starts_with("INVITE\t") && methods.contains("BYE\t200"), "{methods}");
        assert!(!String::from_utf8_lossy(&std::fs::read(file).unwrap()).contains("passw0rd"));
    }
    let left = std::fs::read_dir(here).unwrap().count();
    assert_eq!(left, 0, "sockets are taken away");
}

#[test]
fn kamailio_captures_what_it_is_sent() {
    let run = tempfile::tempdir().unwrap();
    let port = free_port();
    let capture = format!("127.0.0.1:{port}");
    let (directory, pid) = (run.path().display().to_string(), run.path().join("pid").display().to_string());
    let configuration = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/kamailio/capture.cfg");
    let define = format!("HEPPORT={port}");
    let mut command = Command::new("kamailio");
    command.args([
        "-f",
        configuration,
        "-DD",
        "-E",
        "-m",
        "64",
        "-M",
        "8",
        "-Y",
        &directory,
        "-P",
        &pid,
        "-A",
        &define,
    ]);
    let mut kamailio = Program::start(&mut command);
    sipp::await_port(port);
    let server = offhook::serve(&[&USERS[..], &["--hep", &capture]].concat());
    let account = format!("sip:1001@{}", server.address);
    let caller = ["call", "600", "--account", &account, "--password", "secret1", "--no-register", "--for", "1"];
    let (code, said) = offhook::start(&caller).finish();
    assert_eq!(code, 0, "{said}");
    kamailio.wait_for("captured INVITE of ");
    // Each has the end that it came from, not that of the capture.
    let answer = kamailio.wait_for("captured 200 INVITE of ");
    assert!(answer.ends_with(&format!(" from {}", server.address)), "{answer}");
    let request = kamailio.wait_for("captured ACK of ");
    assert!(request.contains(" from 127.0.0.1:") && !request.contains(&server.address), "{request}");
    kamailio.wait_for("captured BYE of ");
    let with_credentials = kamailio.wait_for("<Digest ");
    assert!(with_credentials.contains("response=\"(cut)\""), "{with_credentials}");
    kamailio.stop("TERM");
}

#[test]
fn who_reads_no_trace_delays_no_call() {
    let server = offhook::serve(&USERS);
    let runtime = server.state.path().join("state/serve.sock");
    // Eight who ask and do not read, which is all there may be; the ninth is refused.
    let ask = || {
        let mut stream = UnixStream::connect(&runtime).unwrap();
        std::io::Write::write_all(&mut stream, b"trace\n").unwrap();
        stream
    };
    let first_line = |stream: &mut UnixStream| {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut line = String::new();
        let mut octet = [0; 1];
        while std::io::Read::read(stream, &mut octet).unwrap() == 1 && octet != *b"\n" {
            line.push(char::from(octet[0]));
        }
        line
    };
    let mut deaf: Vec<UnixStream> = (0..8).map(|_| ask()).collect();
    for stream in &mut deaf {
        assert!(first_line(stream).contains("\"event\":\"tracing\""));
    }
    assert!(first_line(&mut ask()).contains("\"error\":\"8 others watch already"));
    // Far more than sockets and queues hold, and every answer in time.
    let begin = Instant::now();
    let (code, said) = sipp::run("uac_options.xml", &server.address, &["-m", "15000", "-r", "1000", "-l", "1000"]);
    assert_eq!(code, 0, "{said}");
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    let status = server.status();
    assert!(status["loops"][0]["shed"] == 0 && status["loops"][0]["dropped"] == 0, "{status:#}");
    // Who did not read was let go, and there is room for who does.
    let end = Instant::now() + PATIENCE;
    while first_line(&mut ask()).contains("error") {
        assert!(Instant::now() < end, "nobody was let go");
        std::thread::sleep(Duration::from_millis(50));
    }
}
