//! A scripted telephone: it sends what it is told, and waits for what it expects.

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use sip::digest::{Client, Credential, Credentials};
use sip::header::{Contact, To};
use sip::message::{HeaderId, Headers, Limits, Message, Method, Request, Response};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Phone {
    pub(crate) name: String,
    password: String,
    socket: UdpSocket,
    pub(crate) server: SocketAddr,
    /// Came while something else was waited for.
    waiting: Vec<Message>,
    /// All that came, and how much of it had come before, octet by octet.
    came: HashSet<Vec<u8>>,
    pub(crate) repeats: usize,
    /// What it has answered for good, by branch and method.
    answered: HashSet<(String, String)>,
    /// Where INVITEs came from.
    pub(crate) called_from: Vec<SocketAddr>,
    count: u64,
    /// Adds these lines to every request.
    pub(crate) extra: String,
    /// Lines of every REGISTER.
    pub(crate) agent: String,
    /// Parameters of Contact in a REGISTER.
    pub(crate) preference: String,
    /// What stands behind the branch in Via.
    pub(crate) via: &'static str,
    /// What an answer says in place of the offer of who hears our load (RFC 7339); nothing: as it came.
    pub(crate) load: &'static str,
    /// The host of Contact.
    pub(crate) host: String,
    /// The user part of From, or user and host, or all of its address.
    pub(crate) says: String,
}

/// A dialog as a phone sees it.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) target: String,
    pub(crate) cseq: u32,
    pub(crate) branch: String,
}

impl Phone {
    pub(crate) fn new(server: SocketAddr, name: &str, password: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (name, password) = (name.to_owned(), password.to_owned());
        Self {
            says: name.clone(),
            name,
            password,
            socket,
            server,
            waiting: Vec::new(),
            came: HashSet::new(),
            repeats: 0,
            answered: HashSet::new(),
            called_from: Vec::new(),
            count: 0,
            extra: String::new(),
            load: "",
            preference: String::new(),
            via: ";rport",
            host: "127.0.0.1".to_owned(),
            agent: String::new(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    pub(crate) fn contact(&self) -> String {
        format!("<sip:{}@{}:{}>", self.name, self.host, self.port())
    }

    fn fresh(&mut self) -> String {
        self.count += 1;
        format!("{}x{}", self.port(), self.count)
    }

    pub(crate) fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.server).unwrap();
    }

    /// The next message that `want` accepts; others wait.
    pub(crate) fn wait<T>(&mut self, what: &str, mut want: impl FnMut(&Message) -> Option<T>) -> T {
        if let Some((at, found)) = self.waiting.iter().enumerate().find_map(|(at, m)| want(m).map(|found| (at, found)))
        {
            self.waiting.remove(at);
            return found;
        }
        let until = Instant::now() + PATIENCE;
        let mut buffer = [0; 65_536];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} waited in vain for {what}; came meanwhile: {:?}", self.name, self.waiting);
            self.socket.set_read_timeout(Some(left)).unwrap();
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { continue };
            let is_repeat = !self.came.insert(buffer[..length].to_vec());
            self.repeats += usize::from(is_repeat);
            let message = Message::parse(buffer[..length].to_vec().into(), &Limits::default()).unwrap();
            if matches!(&message, Message::Request(request) if *request.method() == Method::Invite) {
                self.called_from.push(from);
            }
            // Where several of a kind follow each other, one that comes again on a slow machine is not the next.
            if is_repeat && matches!(&message, Message::Request(request) if *request.method() == Method::Notify) {
                continue;
            }
            if is_repeat && self.has_answered(&message) {
                continue;
            }
            match want(&message) {
                Some(found) => return found,
                None => self.waiting.push(message),
            }
        }
    }

    /// True for a request that has its final answer from here: what comes of it once more is absorbed, as a server transaction does (RFC 3261 section 17.2).
    fn has_answered(&self, message: &Message) -> bool {
        matches!(message, Message::Request(request) if self.answered.contains(&transaction(request)))
    }

    /// The final or provisional response (not 100) to the request of this branch.
    pub(crate) fn response(&mut self, branch: &str) -> Response {
        self.wait("a response", |message| match message {
            Message::Response(response)
                if response.headers().branch() == Some(branch) && response.code().get() > 100 =>
            {
                Some(response.clone())
            }
            _ => None,
        })
    }

    pub(crate) fn final_response(&mut self, branch: &str) -> Response {
        loop {
            let response = self.response(branch);
            if response.code().is_final() {
                return response;
            }
        }
    }

    /// A response with this code, to whatever request.
    pub(crate) fn wait_for_code(&mut self, code: u16) -> Response {
        self.wait(&code.to_string(), |message| match message {
            Message::Response(response) if response.code().get() == code => Some(response.clone()),
            _ => None,
        })
    }

    pub(crate) fn request(&mut self, method: Method) -> Request {
        self.wait(method.as_str(), |message| match message {
            Message::Request(request) if *request.method() == method => Some(request.clone()),
            _ => None,
        })
    }

    /// Reads all that has been sent so far, up to the answer to a question that is asked now: what the server sends, it sends in order.
    pub(crate) fn catch_up(&mut self) {
        let uri = format!("sip:127.0.0.1:{}", self.server.port());
        let (_, answer) = self.ask("OPTIONS", &uri, &uri, None);
        assert!(answer.code().is_final(), "{answer:?}");
    }

    /// True when nothing of this method has come so far.
    pub(crate) fn hears_no(&mut self, method: &Method) -> bool {
        self.catch_up();
        !self.waiting.iter().any(|message| matches!(message, Message::Request(request) if request.method() == method))
    }

    /// The next request of this kind of those that have come by now.
    pub(crate) fn next_heard(&mut self, method: &Method) -> Option<Request> {
        (!self.hears_no(method)).then(|| self.request(method.clone()))
    }

    /// How many answers to this method have come that nobody has waited for, before the answer to a question that is asked now.
    pub(crate) fn answers_to(&mut self, method: &Method) -> usize {
        assert!(self.hears_no(method));
        let answers = self.waiting.iter().filter(
            |message| matches!(message, Message::Response(response) if response.headers().cseq().method == *method),
        );
        answers.count()
    }

    /// Responses that came while something else was waited for.
    pub(crate) fn responses_heard(&self) -> impl Iterator<Item = &Response> {
        self.waiting.iter().filter_map(|message| match message {
            Message::Response(response) => Some(response),
            Message::Request(_) => None,
        })
    }

    /// Sends a request outside a dialog, answers a challenge once, and gives the dialog and the branch of the last try.
    pub(crate) fn ask(&mut self, method: &str, uri: &str, to: &str, body: Option<(&str, &str)>) -> (Dialog, Response) {
        let (dialog, response) = self.ask_plain(method, uri, to, body, &[]);
        if !matches!(response.code().get(), 401 | 407) {
            return (dialog, response);
        }
        let lines = self.credentials(response.headers(), method, uri, body.map_or("", |(_, body)| body));
        self.again(&dialog, method, uri, body, &lines)
    }

    pub(crate) fn credentials(&self, challenge: &Headers, method: &str, uri: &str, body: &str) -> Vec<String> {
        let mut credentials = Credentials::new();
        credentials.add(Credential::password(None, &self.name, &self.password).unwrap());
        let mut client = Client::new(credentials);
        let www = challenge.all(HeaderId::WwwAuthenticate).map(|header| (false, header.value));
        let proxy = challenge.all(HeaderId::ProxyAuthenticate).map(|header| (true, header.value));
        client.take_challenges(www.chain(proxy)).unwrap();
        let lines = client.lines_for(method, uri, body.as_bytes(), 0x1234_5678_9abc_def0);
        let name = |proxy| if proxy { "Proxy-Authorization" } else { "Authorization" };
        lines.into_iter().map(|(proxy, value)| format!("{}: {value}\r\n", name(proxy))).collect()
    }

    /// A request outside a dialog, not sent.
    pub(crate) fn draft(
        &mut self,
        method: &str,
        uri: &str,
        to: &str,
        body: Option<(&str, &str)>,
        lines: &[String],
    ) -> String {
        let mut dialog = self.dialog(uri, to);
        self.compose(&mut dialog, method, uri, body, lines)
    }

    /// A dialog that nothing has been sent in.
    pub(crate) fn dialog(&mut self, uri: &str, to: &str) -> Dialog {
        let tag = self.fresh();
        let from = match self.says.as_str() {
            all if all.contains('<') => all.to_owned(),
            says if says.contains('@') => format!("<sip:{says}>"),
            says => format!("<sip:{says}@127.0.0.1>"),
        };
        Dialog {
            call_id: format!("{tag}@phone"),
            from: format!("{from};tag={tag}"),
            to: format!("<{to}>"),
            target: uri.to_owned(),
            cseq: 0,
            branch: String::new(),
        }
    }

    pub(crate) fn ask_plain(
        &mut self,
        method: &str,
        uri: &str,
        to: &str,
        body: Option<(&str, &str)>,
        lines: &[String],
    ) -> (Dialog, Response) {
        let dialog = self.dialog(uri, to);
        self.again(&dialog, method, uri, body, lines)
    }

    /// The same request once more, with these lines: the next in number.
    pub(crate) fn again(
        &mut self,
        dialog: &Dialog,
        method: &str,
        uri: &str,
        body: Option<(&str, &str)>,
        lines: &[String],
    ) -> (Dialog, Response) {
        let mut dialog = dialog.clone();
        let text = self.compose(&mut dialog, method, uri, body, lines);
        self.send(&text);
        let response = self.response(&dialog.branch);
        if method == "INVITE" && response.code().get() >= 300 {
            self.ack(&dialog, response.headers(), true, None);
        }
        if method == "INVITE"
            && response.code().get() < 300
            && let Some(Ok(to)) = response.headers().get::<To<'_>>()
        {
            learn(&mut dialog, &to.to_string(), response.headers());
        }
        (dialog, response)
    }

    /// A request of a dialog, sent.
    pub(crate) fn within(&mut self, dialog: &mut Dialog, method: &str, body: Option<(&str, &str)>) {
        let target = dialog.target.clone();
        let text = self.compose(dialog, method, &target, body, &[]);
        self.send(&text);
    }

    fn compose(
        &mut self,
        dialog: &mut Dialog,
        method: &str,
        uri: &str,
        body: Option<(&str, &str)>,
        lines: &[String],
    ) -> String {
        dialog.branch = format!("z9hG4bK{}", self.fresh());
        if method != "CANCEL" {
            dialog.cseq += 1;
        }
        let (content, body) =
            body.map_or((String::new(), ""), |(kind, body)| (format!("Content-Type: {kind}\r\n"), body));
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch={branch}{via}\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
             To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: {contact}\r\n{extra}{lines}{content}Content-Length: {length}\r\n\r\n{body}",
            port = self.port(),
            branch = dialog.branch,
            via = self.via,
            from = dialog.from,
            to = dialog.to,
            call_id = dialog.call_id,
            cseq = dialog.cseq,
            contact = self.contact() + if method == "REGISTER" { &self.preference } else { "" },
            extra = self.extra,
            lines = lines.concat(),
            length = body.len(),
        )
    }

    /// Acknowledges; `same` for a refusal, which keeps the branch.
    pub(crate) fn ack(&mut self, dialog: &Dialog, response: &Headers, same: bool, body: Option<&str>) {
        let to = response.get::<To<'_>>().unwrap().unwrap().to_string();
        let mut ack = Dialog { to, cseq: dialog.cseq - 1, ..dialog.clone() };
        let body = body.map(|body| ("application/sdp", body));
        let text = self.compose(&mut ack, "ACK", &dialog.target.clone(), body, &[]);
        let text = if same { text.replace(&ack.branch, &dialog.branch) } else { text };
        self.send(&text);
    }

    pub(crate) fn cancel(&mut self, dialog: &Dialog) {
        let to = dialog.to.split(";tag").next().unwrap().to_owned();
        let mut cancel = Dialog { to, ..dialog.clone() };
        let branch = dialog.branch.clone();
        let uri = format!("sip:{}", dialog.to.split(['<', '>']).nth(1).unwrap().trim_start_matches("sip:"));
        let text = self.compose(&mut cancel, "CANCEL", &uri, None, &[]);
        self.send(&text.replace(&cancel.branch, &branch));
    }

    /// Answers a request.
    pub(crate) fn respond(&mut self, request: &Request, code: u16, body: Option<&str>) -> Dialog {
        self.respond_with(request, code, "", body)
    }

    pub(crate) fn respond_with(&mut self, request: &Request, code: u16, lines: &str, body: Option<&str>) -> Dialog {
        let headers = request.headers();
        let text = |id: HeaderId| headers.text(id).unwrap().into_owned();
        let mut to = text(HeaderId::To);
        if headers.to_tag().is_none() {
            to.push_str(&format!(";tag={}", self.name));
        }
        let vias: String = headers.all(HeaderId::Via).map(|via| format!("Via: {}\r\n", via.text())).collect();
        let vias = match self.load {
            "" => vias,
            load => vias.replacen(";oc;oc-algo=\"loss\"", load, 1),
        };
        let content = body.map_or(String::new(), |_| "Content-Type: application/sdp\r\n".to_owned());
        let body = body.unwrap_or("");
        if code >= 200 {
            self.answered.insert(transaction(request));
            let waiting = std::mem::take(&mut self.waiting);
            self.waiting = waiting.into_iter().filter(|message| !self.has_answered(message)).collect();
        }
        self.send(&format!(
            "SIP/2.0 {code} X\r\n{vias}From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\nContact: {contact}\r\n{lines}{content}\
             Content-Length: {length}\r\n\r\n{body}",
            from = text(HeaderId::From),
            call_id = headers.call_id(),
            cseq = text(HeaderId::CSeq),
            contact = self.contact(),
            length = body.len(),
        ));
        let mut dialog = Dialog {
            call_id: headers.call_id().to_owned(),
            from: to,
            to: text(HeaderId::From),
            target: String::new(),
            cseq: 100,
            branch: String::new(),
        };
        let peer = dialog.to.clone();
        learn(&mut dialog, &peer, headers);
        dialog
    }

    pub(crate) fn register(&mut self, expires: u32) -> Response {
        self.extra = format!("Expires: {expires}\r\n{}", self.agent);
        let uri = format!("sip:127.0.0.1:{}", self.server.port());
        let to = format!("sip:{}@127.0.0.1", self.name);
        let (_, response) = self.ask("REGISTER", &uri, &to, None);
        self.extra.clear();
        response
    }

    /// Calls a number: the dialog and the first response that is not 100.
    pub(crate) fn call(&mut self, number: &str, description: Option<&str>) -> (Dialog, Response) {
        let uri = format!("sip:{number}@127.0.0.1:{}", self.server.port());
        let body = description.map(|description| ("application/sdp", description));
        let (mut dialog, response) = self.ask("INVITE", &uri, &format!("sip:{number}@127.0.0.1"), body);
        let _ = &mut dialog;
        (dialog, response)
    }

    /// Calls and acknowledges the 200.
    pub(crate) fn call_through(&mut self, number: &str, description: &str) -> (Dialog, Response) {
        let (dialog, first) = self.call(number, Some(description));
        let response = if first.code().is_final() { first } else { self.final_response(&dialog.branch) };
        assert_eq!(response.code().get(), 200, "{number}");
        let mut dialog = dialog;
        let to = response.headers().get::<To<'_>>().unwrap().unwrap().to_string();
        learn(&mut dialog, &to, response.headers());
        self.ack(&dialog, response.headers(), false, None);
        (dialog, response)
    }

    /// Says BYE and waits for the 200.
    pub(crate) fn hang_up(&mut self, dialog: &mut Dialog) {
        self.within(dialog, "BYE", None);
        let branch = dialog.branch.clone();
        assert_eq!(self.final_response(&branch).code().get(), 200);
    }

    /// Waits for a call and refuses it.
    pub(crate) fn refuses(&mut self, code: u16, lines: &str) {
        let invite = self.request(Method::Invite);
        self.respond_with(&invite, code, lines, None);
        self.request(Method::Ack);
    }

    /// Waits for a call and answers it: the INVITE, and the dialog as this phone sees it.
    pub(crate) fn answers(&mut self, description: &str) -> (Request, Dialog) {
        let invite = self.request(Method::Invite);
        let dialog = self.respond(&invite, 200, Some(description));
        self.request(Method::Ack);
        (invite, dialog)
    }

    /// Waits for a call and rings until it is taken back: the CANCEL.
    pub(crate) fn rings_in_vain(&mut self) -> Request {
        let invite = self.request(Method::Invite);
        self.respond(&invite, 180, None);
        let cancel = self.request(Method::Cancel);
        self.respond(&cancel, 200, None);
        self.respond(&invite, 487, None);
        self.request(Method::Ack);
        cancel
    }

    /// Takes a call back that rings, and acknowledges its end.
    pub(crate) fn takes_back(&mut self, dialog: &Dialog) {
        self.cancel(dialog);
        let terminated = self.wait_for_code(487);
        self.ack(dialog, terminated.headers(), true, None);
    }

    /// Waits for a BYE and answers it.
    pub(crate) fn hung_up(&mut self) -> Request {
        let bye = self.request(Method::Bye);
        self.respond(&bye, 200, None);
        bye
    }
}

/// What tells a server transaction from others, as far as one test goes (RFC 3261 section 17.2.3).
fn transaction(request: &Request) -> (String, String) {
    (request.headers().branch().unwrap_or_default().to_owned(), request.method().as_str().to_owned())
}

fn learn(dialog: &mut Dialog, to: &str, headers: &Headers) {
    dialog.to = to.to_owned();
    if let Some(Ok(contact)) = headers.get::<Contact<'_>>()
        && let Some(address) = contact.address()
    {
        dialog.target = address.uri.as_str().to_owned();
    }
}
