//! What we show to those who connect, and what we ask of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::server::{NoServerSessionStorage, ServerConfig, ServerConnection};

use super::client::TlsClient;
use super::error::TlsError;
use super::named::{ByName, OwnCertificates};
use super::own::certificates;
use super::verify::{Authorities, Connecting};

/// Whether those who connect are asked for a certificate (RFC 5922 section 7.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Clients {
    /// No: they prove themselves by digest authentication, request by request.
    #[default]
    Unasked,
    /// Who shows one must have it from an authority in this file, or that very one must be there.
    Asked(PathBuf),
    /// Everybody must show one from an authority in this file, or one that is there.
    Required(PathBuf),
}

/// The server's side of TLS 1.2 and 1.3. Clones share it: what one replaces is replaced for all.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsServer(..)")
    }
}

impl TlsServer {
    /// Shows this certificate, or each of several to who asks for its name.
    ///
    /// # Errors
    /// [`TlsError`] when one does not fit its key, or the file of authorities cannot be read.
    pub fn new(own: impl Into<OwnCertificates>, clients: &Clients) -> Result<Self, TlsError> {
        Ok(Self { config: Arc::new(RwLock::new(config(own.into(), clients)?)) })
    }

    /// Shows others from now on. Connections that stand go on with what they have.
    ///
    /// # Errors
    /// As [`TlsServer::new`]; then the old ones are shown on.
    pub fn replace(&self, own: impl Into<OwnCertificates>, clients: &Clients) -> Result<(), TlsError> {
        let new = config(own.into(), clients)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// The same of one who shows that for no single name where he connects as well: both sides show others from now on, or where one of them cannot, neither.
    ///
    /// # Errors
    /// As [`TlsServer::replace`] and [`TlsClient::replace`].
    pub fn replace_with(
        &self,
        client: &TlsClient,
        own: impl Into<OwnCertificates>,
        clients: &Clients,
    ) -> Result<(), TlsError> {
        let own = own.into();
        let others = own.for_others().clone();
        let new = config(own, clients)?;
        client.replace(others)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// One more connection.
    pub(crate) fn connection(&self) -> Result<rustls::Connection, rustls::Error> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        ServerConnection::new(config).map(rustls::Connection::Server)
    }
}

fn config(own: OwnCertificates, clients: &Clients) -> Result<Arc<ServerConfig>, TlsError> {
    let unusable = |error: &dyn fmt::Display| TlsError::Unusable(error.to_string());
    let provider = Arc::new(ring::default_provider());
    let shown = ByName::new(own, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    let builder = match clients {
        Clients::Unasked => builder.with_no_client_auth(),
        Clients::Asked(path) => builder.with_client_cert_verifier(Arc::new(connecting(path, false)?)),
        Clients::Required(path) => builder.with_client_cert_verifier(Arc::new(connecting(path, true)?)),
    };
    let mut config = builder.with_cert_resolver(Arc::new(shown));
    // Who comes back brings what is needed for a short handshake, sealed: nothing is kept for it here.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new().map_err(|error| unusable(&error))?;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// Who is let in by the authorities in this file, or is in it himself.
fn connecting(path: &Path, required: bool) -> Result<Connecting, TlsError> {
    let given = certificates(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in &given {
        let wrong = |error| TlsError::Content { path: path.to_owned(), why: format!("{error}") };
        roots.add(certificate.clone()).map_err(wrong)?;
    }
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let hints = roots.subjects();
    Ok(Connecting { authorities: Authorities { anchors: roots.roots, given, algorithms }, hints, required })
}
