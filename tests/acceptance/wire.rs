//! A peer that writes and reads its messages as text, so that it can say what no stack would.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use sip::digest::{Client, Credential};

use crate::program::PATIENCE;

/// Silence that counts as no answer: longer than the answers to everything else take here.
const QUIET: Duration = Duration::from_millis(400);

/// A phone with PCMU.
const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";

/// One UDP socket on loopback and the party it talks to.
pub(crate) struct Wire {
    socket: UdpSocket,
    peer: String,
    /// What the messages of this wire are told apart by.
    call: String,
    branches: u32,
    /// The tag of what it answers.
    pub(crate) tag: String,
}

/// A request to be sent; fields are written as they stand.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) uri: String,
    pub(crate) version: &'static str,
    pub(crate) branch: String,
    pub(crate) call_id: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) cseq: String,
    /// Whole lines.
    pub(crate) more: Vec<String>,
    pub(crate) body: String,
    /// Names of header fields that are left out.
    pub(crate) without: Vec<&'static str>,
}

impl Wire {
    /// A wire to `peer`.
    pub(crate) fn to(peer: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let call = format!("call-{}", socket.local_addr().unwrap().port());
        Self { socket, peer: peer.to_owned(), call, branches: 0, tag: "callee".to_owned() }
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// A request outside a dialog, with a branch and a Call-ID of its own.
    pub(crate) fn ask(&mut self, method: &'static str) -> Ask {
        self.branches += 1;
        self.ask_numbered(method, self.branches)
    }

    /// The same, told apart from others by a number of the caller's choosing.
    pub(crate) fn ask_numbered(&self, method: &'static str, number: u32) -> Ask {
        let body = if method == "INVITE" { self.offer() } else { String::new() };
        Ask {
            method,
            uri: format!("sip:robot@{}", self.peer),
            version: "SIP/2.0",
            branch: format!("z9hG4bK{}x{number}", self.call),
            call_id: format!("{}-{number}", self.call),
            from: format!("<sip:tester@{}>;tag=tester", self.local()),
            to: format!("<sip:robot@{}>", self.peer),
            cseq: format!("1 {method}"),
            more: Vec::new(),
            body,
            without: Vec::new(),
        }
    }

    /// A request in the dialog that a response to one of ours made.
    pub(crate) fn within(&mut self, response: &str, method: &'static str, cseq: u32) -> Ask {
        let mut ask = self.ask(method);
        ask.to = field(response, "To").unwrap();
        ask.from = field(response, "From").unwrap();
        ask.call_id = field(response, "Call-ID").unwrap();
        ask.cseq = format!("{cseq} {method}");
        if field(response, "Contact").is_some() {
            ask.uri = contact(response);
        }
        ask
    }

    /// A request in the dialog that an INVITE to us has made.
    pub(crate) fn within_called(&mut self, invite: &str, method: &'static str, cseq: u32) -> Ask {
        let mut ask = self.ask(method);
        ask.from = format!("{};tag={}", field(invite, "To").unwrap(), self.tag);
        ask.to = field(invite, "From").unwrap();
        ask.call_id = field(invite, "Call-ID").unwrap();
        ask.cseq = format!("{cseq} {method}");
        ask.uri = contact(invite);
        ask
    }

    /// The offer of a phone with PCMU.
    pub(crate) fn offer(&self) -> String {
        OFFER.to_owned()
    }

    pub(crate) fn send(&self, ask: &Ask) {
        self.send_text(&self.text(ask));
    }

    pub(crate) fn send_text(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), &self.peer).unwrap();
    }

    /// What is sent for it.
    pub(crate) fn text(&self, ask: &Ask) -> String {
        let local = self.local();
        let fields = [
            ("Via", format!("SIP/2.0/UDP {local};branch={};rport", ask.branch)),
            ("From", ask.from.clone()),
            ("To", ask.to.clone()),
            ("Call-ID", ask.call_id.clone()),
            ("CSeq", ask.cseq.clone()),
            ("Max-Forwards", "70".to_owned()),
            ("Contact", format!("<sip:tester@{local}>")),
            ("Content-Length", ask.body.len().to_string()),
        ];
        let mut text = format!("{} {} {}\r\n", ask.method, ask.uri, ask.version);
        for (name, value) in fields.iter().filter(|(name, _)| !ask.without.contains(name)) {
            text += &format!("{name}: {value}\r\n");
        }
        for line in &ask.more {
            text += &format!("{line}\r\n");
        }
        if !ask.body.is_empty() && field(&text, "Content-Type").is_none() {
            text += "Content-Type: application/sdp\r\n";
        }
        text + "\r\n" + &ask.body
    }

    /// Answers a request, with a description where `body` is one.
    pub(crate) fn reply(&self, request: &str, status: &str, lines: &str, body: &str) {
        let own = format!("Contact: <sip:callee@{}>\r\n", self.local());
        let lines = if request.starts_with("REGISTER ") { lines.to_owned() } else { own + lines };
        self.send_text(&response(request, status, &lines, body, &self.tag));
    }

    /// The next message.
    pub(crate) fn next(&self, wait: Duration) -> Option<String> {
        Some(self.receive(wait)?.0)
    }

    fn receive(&self, wait: Duration) -> Option<(String, SocketAddr)> {
        self.socket.set_read_timeout(Some(wait.max(Duration::from_millis(1)))).unwrap();
        let mut buffer = [0; 65_536];
        let (length, from) = self.socket.recv_from(&mut buffer).ok()?;
        Some((String::from_utf8_lossy(&buffer[..length]).into_owned(), from))
    }

    /// The next message whose start line holds `start`; others are passed over.
    pub(crate) fn expect(&self, start: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Some(message) = self.next(end.saturating_duration_since(Instant::now())) {
            let first = message.lines().next().unwrap_or_default().to_owned();
            if first.contains(start) {
                return message;
            }
            seen.push(first);
        }
        panic!("{start:?} did not come; seen: {seen:?}");
    }

    /// The final response to a request that is sent now.
    pub(crate) fn final_of(&self, ask: &Ask) -> String {
        self.send(ask);
        self.answer_within(ask, PATIENCE).unwrap_or_else(|| panic!("no final response to {}", ask.method))
    }

    /// The final response to a request that has been sent, when it comes within `wait`.
    pub(crate) fn answer_within(&self, ask: &Ask, wait: Duration) -> Option<String> {
        let end = Instant::now() + wait;
        while let Some(message) = self.next(end.saturating_duration_since(Instant::now())) {
            let ours = message.starts_with("SIP/2.0 ") && message.contains(&ask.branch);
            if ours && !message.starts_with("SIP/2.0 1") {
                return Some(message);
            }
        }
        None
    }

    /// The code of that response.
    pub(crate) fn code_of(&self, ask: &Ask) -> u16 {
        code(&self.final_of(ask))
    }

    /// The same request as this user: with credentials for the challenge that it meets. Not sent.
    pub(crate) fn signed(&mut self, ask: &Ask, user: &str, password: &str) -> Ask {
        let ask = Ask { from: format!("<sip:{user}@{}>;tag=tester", self.peer), ..ask.clone() };
        let challenge = self.final_of(&ask);
        assert_eq!(code(&challenge), 401, "{challenge}");
        if ask.method == "INVITE" {
            let to = field(&challenge, "To").unwrap();
            self.send(&Ask { method: "ACK", to, cseq: "1 ACK".to_owned(), body: String::new(), ..ask.clone() });
        }
        let mut client = challenged(&challenge, user, password);
        let (branch, cseq) = (ask.branch.clone() + "signed", format!("2 {}", ask.method));
        Ask { branch, cseq, ..with_credentials(ask, &mut client) }
    }

    /// Everything that still comes within a short time.
    pub(crate) fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next(QUIET)).collect()
    }

    /// Places a call and acknowledges its 200, which is returned.
    pub(crate) fn call(&mut self) -> String {
        let invite = self.ask("INVITE");
        let answer = self.final_of(&invite);
        assert_eq!(code(&answer), 200, "{answer}");
        let ack = self.within(&answer, "ACK", 1);
        self.send(&ack);
        answer
    }
}

/// One UDP socket on loopback that is called.
pub(crate) struct Callee {
    wire: Wire,
}

impl Callee {
    pub(crate) fn new() -> Self {
        Self { wire: Wire::to("nobody yet") }
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:callee@{}", self.wire.local())
    }

    /// Its socket, and whoever called last at the other end.
    pub(crate) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// The next message, when one comes within `wait`.
    pub(crate) fn next(&mut self, wait: Duration) -> Option<String> {
        let (text, from) = self.wire.receive(wait)?;
        self.wire.peer = from.to_string();
        Some(text)
    }

    /// The next request of this method; others are passed over.
    pub(crate) fn request(&mut self, method: &str) -> String {
        loop {
            let text = self.next(PATIENCE).unwrap_or_else(|| panic!("{method} did not come"));
            if text.starts_with(&format!("{method} ")) {
                return text;
            }
        }
    }

    /// Answers a request; a 2xx to an INVITE describes a phone.
    pub(crate) fn reply(&self, request: &str, status: &str, lines: &str) {
        let answers = request.starts_with("INVITE ") && status.starts_with('2');
        self.wire.reply(request, status, lines, if answers { OFFER } else { "" });
    }

    /// The same with this description.
    pub(crate) fn describe(&self, request: &str, status: &str, body: &str) {
        self.wire.reply(request, status, "", body);
    }

    /// A request in the dialog that an INVITE to us has made.
    pub(crate) fn within(&mut self, invite: &str, method: &'static str, cseq: u32) -> Ask {
        self.wire.within_called(invite, method, cseq)
    }
}

/// A response to a request, with a description where `body` is one.
pub(crate) fn response(request: &str, status: &str, lines: &str, body: &str, tag: &str) -> String {
    let vias: String = fields(request, "Via").iter().map(|via| format!("Via: {via}\r\n")).collect();
    let copied = ["From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", field(request, name).unwrap()));
    let to = field(request, "To").unwrap();
    let tag = if to.contains(";tag=") { String::new() } else { format!(";tag={tag}") };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let copied = copied.concat();
    format!(
        "SIP/2.0 {status}\r\n{vias}{copied}To: {to}{tag}\r\n{lines}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The URI of the Contact of a message.
pub(crate) fn contact(message: &str) -> String {
    let contact = field(message, "Contact").unwrap();
    contact.split('<').nth(1).and_then(|rest| rest.split('>').next()).unwrap().to_owned()
}

/// The body of a message.
pub(crate) fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// The number in CSeq.
pub(crate) fn number(message: &str) -> u32 {
    field(message, "CSeq").unwrap().split(' ').next().unwrap().parse().unwrap()
}

/// What answers a challenge as this user, again and again.
pub(crate) fn challenged(challenge: &str, user: &str, password: &str) -> Client {
    let mut client = Client::new(Credential::password(None, user, password).unwrap().into());
    let asked = fields(challenge, "WWW-Authenticate");
    client.take_challenges(asked.iter().map(|value| (false, value.as_bytes()))).unwrap();
    client
}

/// The same request with credentials.
pub(crate) fn with_credentials(mut ask: Ask, client: &mut Client) -> Ask {
    let lines = client.lines_for(ask.method, &ask.uri, ask.body.as_bytes(), 0x0123_4567_89ab_cdef);
    ask.more.extend(lines.iter().map(|(_, value)| format!("Authorization: {value}")));
    ask
}

/// A header field's value, the first of its name.
pub(crate) fn field(message: &str, name: &str) -> Option<String> {
    fields(message, name).into_iter().next()
}

/// The values of all header fields of a name.
pub(crate) fn fields(message: &str, name: &str) -> Vec<String> {
    message
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .filter(|(found, _)| found.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

/// The code of a response.
pub(crate) fn code(response: &str) -> u16 {
    response.get(8..11).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no response: {response}"))
}
