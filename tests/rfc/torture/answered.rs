//! The torture responses of RFC 4475 as answers to requests of ours, by programs that ask and by servers that pass on what others ask: what is an answer
//! counts, what is none is as if it had not come, and alive after each. RFC 5118 has requests only.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use super::judge::Case;
use crate::acceptance::wire::{Ask, Callee, Wire, code, field, fields, response};
use crate::program::{PATIENCE, free_port, offhook};
use crate::rfc::peer::{SECRET, find_all, is_alive, with_credentials};
use crate::rfc::way::{Line, Transport};

/// The tag of who answers.
const TAG: &str = "torture";
/// The description of who answers a call.
const ANSWER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";

/// The responses: a 200 with an odd reason, a 100 with none, a 503 whose CSeq is no number that there is, a code of ten digits, and a 200 with a Via more than it
/// should have.
fn responses() -> Vec<Case> {
    let all: Vec<Case> = Case::all("uas").into_iter().filter(|case| case.is_response).collect();
    let names: Vec<&str> = all.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["unreason", "noreason", "scalarlg", "bigcode", "bcast"]);
    all
}

/// What follows where a response may be none: a success where that would have been none, and the other way round.
fn follows(case: &Case) -> Option<&'static str> {
    match case.name.as_str() {
        "unreason" => None,
        "bcast" => Some("480 Temporarily Unavailable"),
        _ => Some("200 OK"),
    }
}

/// The response as one to this request, from `contact`: what tells which request it answers, and where its sender is, is put right, but for a CSeq that is no number. Vias
/// that it has too many stand behind the first of the request.
fn put_right(case: &Case, request: &str, contact: &str) -> String {
    let text = String::from_utf8_lossy(&case.bytes).into_owned();
    let head = text.split("\r\n\r\n").next().unwrap();
    let mut lines = head.split("\r\n");
    let mut answer = format!("{}\r\n", lines.next().unwrap());
    let mut vias = fields(request, "Via");
    vias.splice(1..1, fields(head, "Via").into_iter().skip(1));
    vias.iter().for_each(|via| answer += &format!("Via: {via}\r\n"));
    let is_call = request.starts_with("INVITE ");
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let theirs = field(request, name).unwrap_or_default();
        let value = match name {
            "Via" | "Content-Length" | "Content-Type" => continue,
            "From" | "Call-ID" => theirs,
            "To" if theirs.contains(";tag=") => theirs,
            "To" => format!("{theirs};tag={TAG}"),
            "CSeq" => {
                let number = value.split(' ').next().unwrap();
                let is_number = number.parse::<u32>().is_ok();
                if is_number { theirs } else { theirs.replacen(theirs.split(' ').next().unwrap(), number, 1) }
            }
            "Contact" => {
                answer += &contact_line(request, contact);
                continue;
            }
            _ => value.to_owned(),
        };
        answer += &format!("{name}: {value}\r\n");
    }
    let (kind, body) = if is_call && answer.starts_with("SIP/2.0 200 ") {
        ("Content-Type: application/sdp\r\n", ANSWER)
    } else {
        ("", "")
    };
    answer + &format!("{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Where the sender of a response is; to a REGISTER, what is bound now: nothing once it has been taken away.
fn contact_line(request: &str, own: &str) -> String {
    if !request.starts_with("REGISTER ") {
        return format!("Contact: <{own}>\r\n");
    }
    let asked = field(request, "Contact").unwrap();
    let is_removed = asked.ends_with("expires=0") || field(request, "Expires").as_deref() == Some("0");
    let bound = asked.split(";expires").next().unwrap();
    if is_removed { String::new() } else { format!("Contact: {bound};expires=60\r\n") }
}

/// All that is said to this request.
fn answers(case: &Case, request: &str, contact: &str) -> Vec<String> {
    match request.split(' ').next() {
        Some("INVITE" | "OPTIONS" | "MESSAGE" | "REGISTER") => {}
        Some("BYE" | "CANCEL") => return vec![response(request, "200 OK", "", "", TAG)],
        _ => return Vec::new(),
    }
    let right = follows(case).map(|status| {
        let body = if request.starts_with("INVITE ") && status.starts_with('2') { ANSWER } else { "" };
        response(request, status, &contact_line(request, contact), body, TAG)
    });
    [put_right(case, request, contact)].into_iter().chain(right).collect()
}

/// Who answers so, until the test has ended: his address as a URI.
fn answering(transport: Transport, case: Case) -> String {
    let uri = |local: SocketAddr| format!("sip:callee@{local};transport={}", transport.name().to_lowercase());
    if transport == Transport::Udp {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let contact = uri(socket.local_addr().unwrap());
        let own = contact.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                for answer in answers(&case, &request, &own) {
                    let _ = socket.send_to(answer.as_bytes(), from);
                }
            }
        });
        return contact;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let contact = uri(listener.local_addr().unwrap());
    let own = contact.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (case, own) = (case.clone(), own.clone());
            std::thread::spawn(move || on_stream(Line::with(transport, stream.unwrap()), &case, &own));
        }
    });
    contact
}

/// Answers what comes by a connection.
fn on_stream(line: Line, case: &Case, contact: &str) {
    let mut device = Device { line, come: Vec::new() };
    while let Some(request) = device.next() {
        for answer in answers(case, &request, contact) {
            let _ = device.line.say(answer.as_bytes());
        }
    }
}

/// One end of a connection.
struct Device {
    line: Line,
    come: Vec<u8>,
}

impl Device {
    /// The next message; none once the connection has ended.
    fn next(&mut self) -> Option<String> {
        loop {
            if let Some(whole) = whole(&self.come) {
                let message: Vec<u8> = self.come.drain(..whole).collect();
                return Some(String::from_utf8_lossy(&message).into_owned());
            }
            let piece = self.line.hear(PATIENCE).ok().filter(|piece| !piece.is_empty())?;
            self.come.extend_from_slice(&piece);
        }
    }

    /// The next message that begins so; others are passed over.
    fn next_of(&mut self, start: &str) -> String {
        loop {
            let message = self.next().unwrap_or_else(|| panic!("{start} did not come"));
            if message.starts_with(start) {
                return message;
            }
        }
    }
}

/// 1002, who registers over a connection and is reached along it; and where he says he is.
fn registered(transport: Transport, at: &str, server: &str) -> (Device, String) {
    let line = Line::to(transport, at);
    let local = line.socket().local_addr().unwrap();
    let contact = match transport {
        Transport::Ws => "sip:callee@callee.invalid;transport=ws".to_owned(),
        _ => format!("sip:callee@{local};transport={}", transport.name().to_lowercase()),
    };
    let mut device = Device { line, come: Vec::new() };
    let register = format!(
        "REGISTER sip:{server} SIP/2.0\r\nVia: SIP/2.0/{} {local};branch=z9hG4bKdevice\r\nMax-Forwards: 70\r\nFrom: <sip:1002@{server}>;tag=device\r\n\
         To: <sip:1002@{server}>\r\nCall-ID: device\r\nCSeq: 1 REGISTER\r\nContact: <{contact}>;expires=3600\r\nContent-Length: 0\r\n\r\n",
        transport.name()
    );
    device.line.say(register.as_bytes()).unwrap();
    let challenge = device.next_of("SIP/2.0 401");
    let signed = with_credentials(register.as_bytes(), challenge.as_bytes()).unwrap();
    let signed = String::from_utf8(signed).unwrap().replace("z9hG4bKdevice", "z9hG4bKsigned");
    device.line.say(signed.as_bytes()).unwrap();
    device.next_of("SIP/2.0 200");
    (device, contact)
}

/// How long the first message of a stream is, once it is there.
fn whole(come: &[u8]) -> Option<usize> {
    let head = find_all(come, b"\r\n\r\n").next()? + 4;
    let length = field(&String::from_utf8_lossy(&come[..head]), "Content-Length");
    let all = head + length.map_or(0, |length| length.parse().unwrap());
    (come.len() >= all).then_some(all)
}

/// What a program that asks makes of each.
fn asked(transport: Transport) {
    for case in responses() {
        let uri = answering(transport, case.clone());
        let place = uri.split_once('@').and_then(|(_, place)| place.split_once(';')).unwrap().0;
        let url = format!("ws://{place}");
        // What goes through a WebSocket is an account's.
        let by_web = format!("sip:callee@{place}");
        let account = ["--account", if transport == Transport::Ws { &by_web } else { &uri }, "--password", "x"];
        let more: &[&str] = match transport {
            Transport::Udp | Transport::Tcp => &[],
            // Who answers is not what is asked here.
            Transport::Tls => &["--tls-insecure"],
            Transport::Ws => &["--ws", &url],
        };
        let verbs: [&[&str]; 4] = [
            &["options", &uri],
            &["message", &uri, "hello"],
            &["call", &uri, "--no-register", "--for", "1"],
            &[&["register", "--once"][..], &account].concat(),
        ];
        for arguments in verbs {
            let has_account = transport != Transport::Ws || arguments.contains(&"--account");
            let whose: &[&str] = if has_account { &[] } else { &account };
            let (code, told) = offhook::start(&[arguments, &["--sip", "127.0.0.1:0"], more, whose].concat()).finish();
            // 480, and a registration that is refused.
            let due = match (case.name.as_str(), arguments[0]) {
                ("bcast", "register") => 6,
                ("bcast", _) => 8,
                _ => 0,
            };
            assert_eq!(code, due, "{} to {} by {}: {told}", case.name, arguments[0], transport.name());
            let shows = case.name == "unreason" && arguments[0] == "options";
            assert!(!shows || told.contains("= 2**3 * 5**2 но сто девяносто девять - простое"), "{told}");
        }
    }
}

#[test]
fn rfc4475_responses_over_udp_to_who_has_asked() {
    asked(Transport::Udp);
}

#[test]
fn rfc4475_responses_over_tcp_to_who_has_asked() {
    asked(Transport::Tcp);
}

#[test]
fn rfc4475_responses_over_tls_to_who_has_asked() {
    asked(Transport::Tls);
}

#[test]
fn rfc4475_responses_over_websocket_to_who_has_asked() {
    asked(Transport::Ws);
}

/// What a caller hears of each through a server in this role; `broadcast`: of the one that has a Via too many.
fn passed(role: &str, broadcast: u16) {
    let users = ["1001", "1002"].map(|name| format!("{name}:{SECRET}"));
    // Who registers for another stands where he says.
    let file = offhook::configuration("register.nat = \"never\"\n");
    let settings = ["--config", file.path().to_str().unwrap(), "--role", role];
    let mut server = offhook::serve(&[&["--user", &users[0], "--user", &users[1]], &settings[..]].concat());
    let own = server.address.clone();
    let mut callee = Callee::new();
    let (contact, mut device) = (callee.uri(), Wire::to(&own));
    let mut register = device.ask("REGISTER");
    register.uri = format!("sip:{own}");
    register.to = format!("<sip:1002@{own}>");
    register.without.push("Contact");
    register.more.push(format!("Contact: <{contact}>;expires=3600"));
    let register = device.signed(&register, "1002", SECRET);
    assert_eq!(device.code_of(&register), 200);
    for (number, case) in responses().iter().enumerate() {
        let mut caller = Wire::to(&own);
        let invite = invite(&mut caller, &own);
        let called = callee.request("INVITE");
        for answer in answers(case, &called, &contact) {
            callee.wire().send_text(&answer);
        }
        let heard = caller.answer_within(&invite, PATIENCE).unwrap_or_else(|| panic!("no answer to {}", case.name));
        let due = if case.name == "bcast" { broadcast } else { 200 };
        assert_eq!(code(&heard), due, "{} as {role}: {heard}", case.name);
        let reason = "200 = 2**3 * 5**2 но сто девяносто девять - простое";
        assert!(role == "pbx" || case.name != "unreason" || heard.contains(reason), "{heard}");
        assert!(is_alive(number, &own) && server.program.is_alive(), "{}: {}", case.name, server.program.output());
    }
}

/// The same where the device has opened a connection to the server, along which it is called.
fn passed_along(role: &str, transport: Transport, broadcast: u16) {
    let users = ["1001", "1002"].map(|name| format!("{name}:{SECRET}"));
    let other = format!("127.0.0.1:{}", free_port());
    let listens: &[&str] = match transport {
        Transport::Udp | Transport::Tcp => &[],
        Transport::Tls => &["--tls", &other],
        Transport::Ws => &["--ws", &other],
    };
    let settings = ["--user", &users[0], "--user", &users[1], "--role", role];
    let mut server = offhook::serve(&[&settings[..], listens].concat());
    let own = server.address.clone();
    let at = if listens.is_empty() { &own } else { &other };
    let (mut device, contact) = registered(transport, at, &own);
    for (number, case) in responses().iter().enumerate() {
        let mut caller = Wire::to(&own);
        let invite = invite(&mut caller, &own);
        let called = device.next_of("INVITE ");
        for answer in answers(case, &called, &contact) {
            device.line.say(answer.as_bytes()).unwrap();
        }
        let by = transport.name();
        let heard = caller.answer_within(&invite, PATIENCE).unwrap_or_else(|| panic!("no answer to {}", case.name));
        let due = if case.name == "bcast" { broadcast } else { 200 };
        assert_eq!(code(&heard), due, "{} as {role} by {by}: {heard}", case.name);
        let reason = "200 = 2**3 * 5**2 но сто девяносто девять - простое";
        assert!(role == "pbx" || case.name != "unreason" || heard.contains(reason), "{heard}");
        assert!(is_alive(number, &own) && server.program.is_alive(), "{}: {}", case.name, server.program.output());
    }
}

/// Calls 1002 as 1001, who answers the challenge: the request that was sent at last.
fn invite(caller: &mut Wire, server: &str) -> Ask {
    let mut plain = caller.ask("INVITE");
    plain.uri = format!("sip:1002@{server}");
    plain.to = format!("<sip:1002@{server}>");
    plain.from = format!("<sip:1001@{server}>;tag=caller");
    let challenge = caller.final_of(&plain);
    let to = field(&challenge, "To").unwrap();
    caller.send(&Ask { method: "ACK", to, cseq: "1 ACK".to_owned(), body: String::new(), ..plain.clone() });
    let signed = Ask { branch: plain.branch.clone() + "signed", ..plain };
    let text = with_credentials(caller.text(&signed).as_bytes(), challenge.as_bytes());
    caller.send_text(&String::from_utf8(text.unwrap_or_else(|| panic!("{challenge}"))).unwrap());
    signed
}

#[test]
fn rfc4475_responses_to_a_back_to_back_user_agent_that_calls() {
    passed("pbx", 480);
}

#[test]
fn rfc4475_responses_to_a_proxy_that_has_passed_a_call_on() {
    // It goes back to who has asked, whatever is said by the Via behind ours (RFC 3261 section 16.7, step 9).
    passed("proxy", 200);
}

#[test]
fn rfc4475_responses_to_a_proxy_without_transactions_that_has_passed_a_call_on() {
    passed("stateless", 200);
}

#[test]
fn rfc4475_responses_over_tcp_to_servers_that_have_called_along_a_connection() {
    for (role, broadcast) in [("pbx", 480), ("proxy", 200), ("stateless", 200)] {
        passed_along(role, Transport::Tcp, broadcast);
    }
}

#[test]
fn rfc4475_responses_over_tls_to_servers_that_have_called_along_a_connection() {
    for (role, broadcast) in [("pbx", 480), ("proxy", 200), ("stateless", 200)] {
        passed_along(role, Transport::Tls, broadcast);
    }
}

#[test]
fn rfc4475_responses_over_websocket_to_servers_that_have_called_along_a_connection() {
    for (role, broadcast) in [("pbx", 480), ("proxy", 200), ("stateless", 200)] {
        passed_along(role, Transport::Ws, broadcast);
    }
}
