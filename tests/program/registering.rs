//! Devices by the hundred: REGISTER with MD5 digest from one UDP socket, many at a time, answers read as they come.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use sip::digest::{Client, Credential};

use super::PATIENCE;

/// When an answer is missing so long the request is sent again (RFC 3261 section 17.1.2.2, timer E).
const AGAIN: Duration = Duration::from_millis(500);

/// What a device wants bound, and what it says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Whose contact it is.
    pub(crate) user: String,
    /// The contact's URI; `None` only asks.
    pub(crate) contact: Option<String>,
    /// Lifetime in seconds.
    pub(crate) expires: u32,
    /// The device's Call-ID.
    pub(crate) call_id: String,
    /// The number of the first of the two requests (401, then with credentials).
    pub(crate) cseq: u32,
}

/// An answer: its code and contacts with what is left of their lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) code: u16,
    pub(crate) contacts: BTreeMap<String, u32>,
}

/// A device between its first request and its last answer.
struct Open {
    wish: usize,
    digest: Client,
    request: String,
    sent: Instant,
    signed: bool,
}

/// All devices behind one socket.
pub(crate) struct Devices {
    socket: UdpSocket,
    server: String,
    open: BTreeMap<String, Open>,
    branches: u64,
}

impl Devices {
    /// Devices of this server.
    pub(crate) fn of(server: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self { socket, server: server.to_owned(), open: BTreeMap::new(), branches: 0 }
    }

    /// Requests with credentials that have not been answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.open.values().filter(|open| open.signed).count()
    }

    /// Requests sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.branches
    }

    /// Requests that have not come to an end.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Sends the first request of a wish.
    pub(crate) fn begin(&mut self, number: usize, wish: &Wish, password: &str) {
        let digest = Client::new(Credential::password(None, &wish.user, password).unwrap().into());
        let request = self.text(wish, 0, "");
        self.send(&request);
        let open = Open { wish: number, digest, request, sent: Instant::now(), signed: false };
        self.open.insert(wish.call_id.clone(), open);
    }

    /// Reads one answer; a final one is returned with the number of its wish. `None` after `wait` without any.
    pub(crate) fn next(&mut self, wishes: &[Wish], wait: Duration) -> Option<(usize, Answered)> {
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut buffer = [0; 8_192];
        loop {
            let length = self.socket.recv(&mut buffer).ok()?;
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let Some(code) = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok()) else {
                continue;
            };
            let call_id = header(&text, "Call-ID").next().unwrap_or_default().to_owned();
            let Some(mut open) = self.open.remove(&call_id) else { continue };
            // A copy of an answer that has been acted on.
            let number = header(&text, "CSeq").next().and_then(|value| value.split(' ').next()?.parse::<u32>().ok());
            let wish = &wishes[open.wish];
            if code < 200 || number != Some(wish.cseq + u32::from(open.signed)) {
                self.open.insert(call_id, open);
                continue;
            }
            if code == 401 && !open.signed {
                let challenges = header(&text, "WWW-Authenticate").map(|value| (false, value.as_bytes()));
                open.digest.take_challenges(challenges).unwrap();
                let uri = format!("sip:{}", self.server);
                let lines = open.digest.lines_for("REGISTER", &uri, b"", self.branches);
                let line: String = lines.iter().map(|(_, value)| format!("Authorization: {value}\r\n")).collect();
                open.request = self.text(wish, 1, &line);
                (open.signed, open.sent) = (true, Instant::now());
                self.send(&open.request);
                self.open.insert(call_id, open);
                continue;
            }
            return Some((open.wish, Answered { code, contacts: contacts(&text) }));
        }
    }

    /// Sends again what has waited long; call it now and then.
    pub(crate) fn again(&mut self) {
        for open in self.open.values_mut().filter(|open| open.sent.elapsed() > AGAIN) {
            open.sent = Instant::now();
            self.socket.send_to(open.request.as_bytes(), &self.server).unwrap();
        }
    }

    /// Carries all wishes out, some at a time, and returns their answers in order.
    pub(crate) fn all(&mut self, wishes: &[Wish], password: &str) -> Vec<Answered> {
        let mut answers = BTreeMap::new();
        let mut begun = 0;
        let end = Instant::now() + PATIENCE;
        while answers.len() < wishes.len() {
            while begun < wishes.len() && self.len() < 50 {
                self.begin(begun, &wishes[begun], password);
                begun += 1;
            }
            answers.extend(self.next(wishes, AGAIN));
            self.again();
            assert!(Instant::now() < end, "{} of {} answered", answers.len(), wishes.len());
        }
        answers.into_values().collect()
    }

    fn send(&self, request: &str) {
        // A server that has been killed is told by ICMP: no reason to stop here.
        let _ = self.socket.send_to(request.as_bytes(), &self.server);
    }

    fn text(&mut self, wish: &Wish, step: u32, lines: &str) -> String {
        self.branches += 1;
        let (server, local) = (&self.server, self.socket.local_addr().unwrap());
        let Wish { user, call_id, expires, .. } = wish;
        let contact = match &wish.contact {
            Some(uri) => format!("Contact: <{uri}>;expires={expires}\r\n"),
            None => String::new(),
        };
        format!(
            "REGISTER sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{};rport\r\nFrom: <sip:{user}@{server}>;tag=t{}\r\n\
             To: <sip:{user}@{server}>\r\nCall-ID: {call_id}\r\nCSeq: {} REGISTER\r\nMax-Forwards: 70\r\n{contact}{lines}\
             Content-Length: 0\r\n\r\n",
            self.branches,
            self.branches,
            wish.cseq + step
        )
    }
}

/// The values of a header field.
fn header<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.split("\r\n").filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Contacts of an answer: `<URI>;expires=SECS, ...`.
fn contacts(text: &str) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for value in header(text, "Contact").flat_map(|value| value.split(", ")) {
        let (uri, parameters) = value.strip_prefix('<').and_then(|rest| rest.split_once('>')).unwrap();
        let expires = parameters.split(';').find_map(|one| one.strip_prefix("expires=")?.parse().ok()).unwrap();
        found.insert(uri.to_owned(), expires);
    }
    found
}
