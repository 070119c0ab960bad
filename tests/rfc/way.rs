//! How messages reach who is asked, and answers come back: a socket for each message, or the one connection that a phone has opened to its
//! registrar.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ServerConfig, ServerConnection, SignatureScheme, StreamOwned,
};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

use super::peer::{answers, code_of, ended, find_all, homeward, is_final};
use crate::interop::tls::made_by_openssl;
use crate::program::PATIENCE;

/// How long an answer may take; the check that the program lives bounds it from the other side.
const ANSWER: Duration = Duration::from_millis(300);

/// The number before the first that tells one message from another: all have five digits, so none begins as another does, and no socket is given such a port.
const FIRST_MARK: u16 = 10_000;

/// Over what a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
    Tls,
    Ws,
}

impl Transport {
    /// As a Via has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
        }
    }

    /// Whether Content-Length alone tells where a message ends. A WebSocket has frames (RFC 7118 section 5).
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }
}

/// Where messages are sent.
pub(super) trait Way {
    /// Over what.
    fn transport(&self) -> Transport;

    /// Sends a message and returns the first final answer, or a provisional one where no final one follows in time.
    fn ask(&mut self, bytes: &[u8]) -> Option<Vec<u8>>;
}

/// A server's address: each message goes by a socket of its own, so late answers to one are not taken for those to another.
pub(super) struct Server(pub(super) Transport, pub(super) String);

impl Way for Server {
    fn transport(&self) -> Transport {
        self.0
    }

    fn ask(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let Self(transport, to) = self;
        if *transport == Transport::Udp {
            return by_udp(bytes, to);
        }
        let mut line = Line::to(*transport, to);
        let local = line.socket().local_addr().unwrap();
        line.say(&homeward(bytes, local, transport.name())).unwrap();
        line.first_final(|_| true)
    }
}

fn by_udp(bytes: &[u8], to: &str) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&homeward(bytes, socket.local_addr().unwrap(), "UDP"), to).unwrap();
    socket.set_read_timeout(Some(ANSWER)).unwrap();
    let mut answer = None;
    let mut buffer = [0; 65_536];
    while let Ok(length) = socket.recv(&mut buffer) {
        let code = code_of(&buffer[..length]);
        answer = code.map(|_| buffer[..length].to_vec()).or(answer);
        if code.is_some_and(|code| code >= 200) {
            break;
        }
    }
    answer
}

/// A connection with SIP on it.
pub(super) enum Line {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Accepted(Box<StreamOwned<ServerConnection, TcpStream>>),
    Ws(Box<WebSocket<TcpStream>>),
}

impl Line {
    /// To a server that listens there.
    pub(super) fn to(transport: Transport, server: &str) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        match transport {
            Transport::Tls => Self::Tls(Box::new(StreamOwned::new(encrypted(), stream))),
            Transport::Ws => Self::Ws(Box::new(upgraded(server, stream))),
            Transport::Udp | Transport::Tcp => Self::Tcp(stream),
        }
    }

    /// With who has connected to us.
    pub(super) fn with(transport: Transport, stream: TcpStream) -> Self {
        match transport {
            Transport::Tls => {
                let connection = ServerConnection::new(own_certificate()).unwrap();
                Self::Accepted(Box::new(StreamOwned::new(connection, stream)))
            }
            Transport::Ws => Self::Ws(Box::new(accepted(stream))),
            Transport::Udp | Transport::Tcp => Self::Tcp(stream),
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Tcp(socket) => socket,
            Self::Tls(stream) => &stream.sock,
            Self::Accepted(stream) => &stream.sock,
            Self::Ws(web) => web.get_ref(),
        }
    }

    pub(super) fn say(&mut self, message: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(&ended(message)),
            Self::Tls(stream) => stream.write_all(&ended(message)).and_then(|()| stream.flush()),
            Self::Accepted(stream) => stream.write_all(&ended(message)).and_then(|()| stream.flush()),
            Self::Ws(web) => web.send(Message::binary(message.to_vec())).map_err(std::io::Error::other),
        }
    }

    /// What has come within this time; nothing once the connection has ended.
    pub(super) fn hear(&mut self, within: Duration) -> std::io::Result<Vec<u8>> {
        self.socket().set_read_timeout(Some(within)).unwrap();
        let mut chunk = vec![0; 65_536];
        let length = match self {
            Self::Tcp(stream) => stream.read(&mut chunk)?,
            Self::Tls(stream) => stream.read(&mut chunk)?,
            Self::Accepted(stream) => stream.read(&mut chunk)?,
            Self::Ws(web) => match web.read() {
                Ok(message) => return Ok(message.into_data().to_vec()),
                Err(tungstenite::Error::Io(error)) => return Err(error),
                Err(_) => 0,
            },
        };
        chunk.truncate(length);
        Ok(chunk)
    }

    /// The first final answer of those that are ours, or the last provisional one. One of the messages is followed by another in the same stream:
    /// the first final answer is what is judged.
    fn first_final(&mut self, is_ours: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let end = Instant::now() + ANSWER;
        let (mut received, mut answer) = (Vec::new(), None);
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            match self.hear(left) {
                Ok(piece) if piece.is_empty() => break,
                Ok(piece) => received.extend_from_slice(&piece),
                Err(_) => break,
            }
            let ours = || answers(&received).filter(|answer| is_ours(answer));
            answer = ours().find(is_final).or(ours().last()).map(<[u8]>::to_vec);
            if answer.as_deref().as_ref().is_some_and(is_final) {
                break;
            }
        }
        answer
    }
}

/// A registrar that knows no more than to answer REGISTER with 200: what a phone opens to it is the way to that phone.
pub(super) struct Registrar {
    transport: Transport,
    listener: TcpListener,
    line: Option<Line>,
    asked: u16,
}

impl Registrar {
    pub(super) fn new(transport: Transport) -> Self {
        Self { transport, listener: TcpListener::bind("127.0.0.1:0").unwrap(), line: None, asked: FIRST_MARK }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Waits for the phone, and for its REGISTER.
    pub(super) fn wait(&mut self) {
        let stream = self.listener.accept().unwrap().0;
        let mut line = Line::with(self.transport, stream);
        // What is repeated of earlier answers may come first.
        let mut received = Vec::new();
        let register = loop {
            let piece = line.hear(PATIENCE).unwrap();
            assert!(!piece.is_empty(), "the phone has gone");
            received.extend_from_slice(&piece);
            let whole = |start: &usize| find_all(&received[*start..], b"\r\n\r\n").next().is_some();
            if let Some(start) = find_all(&received, b"REGISTER sip:").next().filter(whole) {
                break String::from_utf8_lossy(&received[start..]).into_owned();
            }
        };
        line.say(&registered(&register)).unwrap();
        self.line = Some(line);
    }
}

impl Way for Registrar {
    fn transport(&self) -> Transport {
        self.transport
    }

    fn ask(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        // A port of its own in the Via of each message tells answers to it from late ones to another.
        self.asked += 1;
        let mark = SocketAddr::from(([127, 0, 0, 1], self.asked));
        let message = homeward(bytes, mark, self.transport.name());
        let is_ours =
            |answer: &[u8]| find_all(answer, format!("127.0.0.1:{}", mark.port()).as_bytes()).next().is_some();
        if self.line.as_mut().is_none_or(|line| line.say(&message).is_err()) {
            self.wait();
            self.line.as_mut()?.say(&message).unwrap();
        }
        let line = self.line.as_mut()?;
        let answer = line.first_final(is_ours);
        // On a stream the phone may wait for more of the message, or of the one behind it: it must open another for the next.
        let is_alone = find_all(bytes, b" SIP/2.0\r\n").count() < 2;
        if self.transport.is_stream() && (answer.is_none() || !is_alone) {
            self.line = None;
        }
        answer
    }
}

/// 200 to a REGISTER, with its Contact.
fn registered(register: &str) -> Vec<u8> {
    let keeps = ["via:", "from:", "to:", "call-id:", "cseq:", "contact:"];
    let kept = register.lines().filter(|line| keeps.iter().any(|name| line.to_ascii_lowercase().starts_with(name)));
    let lines: String = kept.map(|line| format!("{line}\r\n")).collect();
    format!("SIP/2.0 200 OK\r\n{lines}Expires: 3600\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// A certificate that nobody has reason to trust.
fn own_certificate() -> Arc<ServerConfig> {
    let folder = tempfile::tempdir().unwrap();
    made_by_openssl(folder.path(), "IP:127.0.0.1");
    let certificate = CertificateDer::from_pem_file(folder.path().join("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.path().join("key.pem")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(vec![certificate], key).unwrap())
}

/// Who trusts every server.
pub(crate) fn trusting() -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth())
}

fn encrypted() -> ClientConnection {
    ClientConnection::new(trusting(), ServerName::try_from("127.0.0.1").unwrap()).unwrap()
}

fn upgraded(to: &str, stream: TcpStream) -> WebSocket<TcpStream> {
    let mut request = format!("ws://{to}/").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
    tungstenite::client(request, stream).unwrap().0
}

#[expect(clippy::result_large_err, reason = "tungstenite's callback has it so")]
fn accepted(stream: TcpStream) -> WebSocket<TcpStream> {
    tungstenite::accept_hdr(
        stream,
        |_: &tungstenite::handshake::server::Request, mut response: tungstenite::handshake::server::Response| {
            response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
            Ok(response)
        },
    )
    .unwrap()
}

/// Who trusts every server: what is asked here is not who it is.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
