//! Telephones for loads: their messages as text, and one socket for all of them.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use sip::digest::{Client, Credential, Credentials};

/// How long an answer may take: no message is lost on loopback unless a server is overrun.
const PATIENCE: Duration = Duration::from_secs(4);

/// A socket, and the server it speaks to.
pub(crate) struct Line {
    socket: UdpSocket,
    pub(crate) local: SocketAddr,
    pub(crate) server: SocketAddr,
}

/// A message that came, read as far as a load needs it.
pub(crate) struct Seen(pub(crate) String);

impl Line {
    /// A free port of loopback.
    pub(crate) fn open(server: SocketAddr) -> Result<Self, String> {
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let local = socket.local_addr().map_err(|error| error.to_string())?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        Ok(Self { socket, local, server })
    }

    /// Does not wait for what has not come.
    pub(crate) fn hurries(&self) -> Result<(), String> {
        self.socket.set_nonblocking(true).map_err(|error| error.to_string())
    }

    pub(crate) fn send(&self, message: &str) -> Result<(), String> {
        self.socket.send_to(message.as_bytes(), self.server).map_err(|error| error.to_string()).map(|_| ())
    }

    /// The next message.
    pub(crate) fn receive(&self) -> Result<Seen, String> {
        let mut buffer = [0_u8; 65_536];
        let (length, _) = self.socket.recv_from(&mut buffer).map_err(|error| format!("no answer: {error}"))?;
        Ok(Seen(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned()))
    }

    /// A request's head: what comes behind CSeq, and the body with its type, is in `rest`.
    pub(crate) fn request(&self, method: &str, uri: &str, dialog: &Dialog<'_>, rest: &str) -> String {
        let Dialog { from, to, call_id, cseq } = dialog;
        // A branch of its own for each request; an ACK to a refusal takes that of its INVITE, see `refused`.
        let kind = if method == "ACK" { "ACK" } else { "" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{call_id}.{cseq}{kind}\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{rest}",
            self.local
        )
    }

    /// The ACK to a refusal of an INVITE (RFC 3261 section 17.1.1.3).
    pub(crate) fn refused(&self, uri: &str, dialog: &Dialog<'_>, response: &Seen) -> Result<(), String> {
        let Dialog { from, call_id, cseq, .. } = dialog;
        self.send(&format!(
            "ACK {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{call_id}.{cseq}\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
             To: {}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} ACK\r\nContent-Length: 0\r\n\r\n",
            self.local,
            response.header("To").unwrap_or_default()
        ))
    }

    /// The answer to a request; `rest` as for [`request`](Self::request).
    pub(crate) fn answer(&self, request: &Seen, status: &str, tag: &str, rest: &str) -> Result<(), String> {
        let mut response = format!("SIP/2.0 {status}\r\n");
        for line in request.0.lines().take_while(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default();
            if ["Via", "From", "Call-ID", "CSeq", "Record-Route"].iter().any(|due| due.eq_ignore_ascii_case(name)) {
                response += &format!("{line}\r\n");
            }
        }
        let to = request.header("To").unwrap_or_default();
        let tag = if to.contains(";tag=") { String::new() } else { format!(";tag={tag}") };
        self.send(&format!("{response}To: {to}{tag}\r\n{rest}"))
    }
}

/// A telephone that registers at `bench.invalid` with digest.
pub(crate) struct Device<'a> {
    pub(crate) line: &'a Line,
    /// u0, u1 and so on, whose passwords are secret-u0 and so on.
    pub(crate) user: &'a str,
    /// Of its last request.
    pub(crate) cseq: u32,
}

impl Device<'_> {
    const REGISTRAR: &'static str = "sip:bench.invalid";

    /// Registers with these header lines and a password, through the challenge; the answer.
    pub(crate) fn register(&mut self, password: &str, lines: &str) -> Result<Seen, String> {
        let challenge = self.ask(lines)?;
        let credentials = authorization(&challenge, self.user, password, "REGISTER", Self::REGISTRAR)?;
        self.ask(&format!("{lines}{credentials}"))
    }

    fn ask(&mut self, lines: &str) -> Result<Seen, String> {
        self.cseq += 1;
        let Self { line, user, cseq } = *self;
        let call_id = format!("device-{user}-{}", line.local.port());
        let address = format!("<sip:{user}@bench.invalid>");
        let dialog = Dialog { from: &format!("{address};tag=device"), to: &address, call_id: &call_id, cseq };
        line.send(&line.request("REGISTER", Self::REGISTRAR, &dialog, &format!("{lines}{NO_BODY}")))?;
        line.receive()
    }
}

/// What names a dialog in a request.
#[derive(Clone, Copy)]
pub(crate) struct Dialog<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) cseq: u32,
}

/// The end of a head without a body.
pub(crate) const NO_BODY: &str = "Content-Length: 0\r\n\r\n";

/// The end of a head with a description, and the description: PCMU at `port` of loopback.
pub(crate) fn described(port: u16) -> String {
    let body = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    );
    format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The address and port of the first stream of a description.
pub(crate) fn media_address(description: &str) -> Option<SocketAddr> {
    let value = |start: &str, nth: usize| {
        description.lines().find_map(|line| line.strip_prefix(start)?.split_whitespace().nth(nth).map(str::to_owned))
    };
    Some(SocketAddr::new(value("c=IN IP4", 0)?.parse().ok()?, value("m=audio", 0)?.parse().ok()?))
}

impl Seen {
    /// The status of a response.
    pub(crate) fn status(&self) -> Option<u16> {
        self.0.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request or that of CSeq.
    pub(crate) fn method(&self) -> &str {
        self.header("CSeq").and_then(|value| value.split_whitespace().nth(1)).unwrap_or_default()
    }

    /// The number of CSeq.
    pub(crate) fn cseq(&self) -> u32 {
        let number = self.header("CSeq").and_then(|value| value.split_whitespace().next());
        number.and_then(|word| word.parse().ok()).unwrap_or_default()
    }

    /// The first header field of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.lines().skip(1).take_while(|line| !line.is_empty());
        let mut fields = head.filter_map(|line| line.split_once(':'));
        fields.find(|(found, _)| found.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The URI of Contact.
    pub(crate) fn contact(&self) -> Option<&str> {
        self.header("Contact")?.split_once('<')?.1.split('>').next()
    }

    pub(crate) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

/// The credentials that answer a challenge, with the header's name.
pub(crate) fn authorization(
    challenge: &Seen,
    user: &str,
    password: &str,
    method: &str,
    uri: &str,
) -> Result<String, String> {
    let proxy = challenge.status() == Some(407);
    let (wanted, name) =
        if proxy { ("Proxy-Authenticate", "Proxy-Authorization") } else { ("WWW-Authenticate", "Authorization") };
    let mut credentials = Credentials::new();
    credentials.add(Credential::password(None, user, password).map_err(|error| error.to_string())?);
    let mut client = Client::new(credentials);
    let fields = challenge.0.lines().filter_map(|line| line.split_once(':'));
    let values: Vec<&str> =
        fields.filter(|(found, _)| found.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).collect();
    client
        .take_challenges(values.iter().map(|value| (proxy, value.as_bytes())))
        .map_err(|error| format!("{error:?} in {}", challenge.0))?;
    let lines = client.lines_for(method, uri, b"", 7);
    Ok(lines.into_iter().map(|(_, line)| format!("{name}: {line}\r\n")).collect())
}
