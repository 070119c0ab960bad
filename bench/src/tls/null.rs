//! The TLS server that does nothing: it shakes hands with one after the other, and ends the connection.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::figure::Report;

/// `null-tls ADDRESS CERTIFICATE KEY`: shakes hands until it is killed. That it listens is seen by a UDP port of the same number.
pub(crate) fn accept(address: &str, certificate: &str, key: &str) -> Result<Report, String> {
    let read = |path: &str| fs::read(path).map_err(|error| format!("{path}: {error}"));
    let chain = CertificateDer::from_pem_slice(&read(certificate)?).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| error.to_string())?;
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let config = builder.with_no_client_auth().with_single_cert(vec![chain], key).map_err(|error| error.to_string())?;
    let config = Arc::new(config);
    let failed = |error: std::io::Error| error.to_string();
    let listener = TcpListener::bind(address).map_err(failed)?;
    let _shown = UdpSocket::bind(address).map_err(failed)?;
    loop {
        let (mut stream, _) = listener.accept().map_err(failed)?;
        let mut tls = ServerConnection::new(Arc::clone(&config)).map_err(|error| error.to_string())?;
        // Who does not shake hands is let go.
        while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
    }
}
