//! The clients: one holds connections, one makes new ones.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use socket2::{Domain, Socket, Type};

const PATIENCE: Duration = Duration::from_secs(10);
/// So many from one address.
const OF_ONE: u32 = 500;

/// `tls-hold ADDRESS COUNT`: makes so many connections, each of which is pinged once, says `held`, and looks once more whether they stand when its input ends.
pub(crate) fn hold(address: &str, count: &str) -> Result<(), String> {
    let (to, config) = (parsed(address)?, config()?);
    let count: u32 = count.parse().map_err(|error| format!("{count}: {error}"))?;
    let mut held = Vec::new();
    for number in 0..count {
        let (stream, _) =
            shaken(to, number / OF_ONE, &config, true).map_err(|why| format!("connection {number}: {why}"))?;
        held.push(stream);
    }
    println!("held");
    let _ = std::io::stdin().read(&mut [0]);
    let gone = held.iter().filter(|stream| !stands(stream)).count();
    println!("{}", if gone == 0 { "all stand".to_owned() } else { format!("{gone} are gone") });
    Ok(())
}

/// `tls-new ADDRESS SECS`: makes one connection after the other and ends it; says how many in what time.
pub(crate) fn make(address: &str, seconds: &str) -> Result<(), String> {
    let (to, config) = (parsed(address)?, config()?);
    let lasts = Duration::from_secs(seconds.parse().map_err(|error| format!("{seconds}: {error}"))?);
    let (begun, mut made) = (Instant::now(), 0_u32);
    println!("begins");
    while begun.elapsed() < lasts {
        shaken(to, 0, &config, false)?;
        made += 1;
    }
    println!("{made} {}", begun.elapsed().as_secs_f64());
    Ok(())
}

fn parsed(address: &str) -> Result<SocketAddr, String> {
    address.parse().map_err(|error| format!("{address}: {error}"))
}

/// Trusts every server, and shakes hands anew each time.
fn config() -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// A connection from the n-th address that has shaken hands; pinged where that is wanted.
fn shaken(
    to: SocketAddr,
    from: u32,
    config: &Arc<ClientConfig>,
    ping: bool,
) -> Result<(TcpStream, ClientConnection), String> {
    let failed = |error: std::io::Error| error.to_string();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(failed)?;
    let from = IpAddr::V4(Ipv4Addr::from(0x7f00_0002 + from));
    socket.bind(&SocketAddr::new(from, 0).into()).map_err(failed)?;
    socket.connect_timeout(&to.into(), PATIENCE).map_err(failed)?;
    let mut stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let name = ServerName::from(IpAddr::from([127, 0, 0, 1]));
    let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(|error| error.to_string())?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).map_err(failed)?;
    }
    if ping {
        let mut both = rustls::Stream::new(&mut tls, &mut stream);
        both.write_all(b"\r\n\r\n").and_then(|()| both.flush()).map_err(failed)?;
        both.read_exact(&mut [0; 2]).map_err(|error| format!("no answer to a ping: {error}"))?;
    }
    Ok((stream, tls))
}

/// Whether the other side has not closed.
fn stands(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return false;
    }
    let mut left = [0; 4_096];
    loop {
        let mut reader = stream;
        match reader.read(&mut left) {
            Ok(0) => return false,
            // Tickets of the handshake, mostly.
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

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
