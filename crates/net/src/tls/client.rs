//! Whom we trust when we connect, and what we show then.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, ClientConnection};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;

use super::error::TlsError;
use super::own::{OwnCertificate, certificates};
use super::verify::{Anybody, Named, Servers};

/// Who may say that a server is who it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The authorities that the system trusts. Read when they are needed first.
    #[default]
    System,
    /// The certificates in this PEM file, and nobody else: authorities, or a server's own.
    File(PathBuf),
    /// Nobody is asked: whoever answers is taken for the server. Only for finding faults.
    Anybody,
}

/// The client's side of TLS 1.2 and 1.3. Clones share what has been read.
#[derive(Clone, Default)]
pub struct TlsClient {
    trust: Trust,
    own: Option<OwnCertificate>,
    config: Arc<OnceLock<Configs>>,
}

/// What differs by who must be named in a certificate.
#[derive(Clone)]
pub(crate) struct Configs {
    /// SIP domains (RFC 5922).
    sip: Arc<ClientConfig>,
    /// Servers of WebSockets, as those of the web (RFC 7118 section 9.1).
    web: Arc<ClientConfig>,
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("trust", &self.trust).finish_non_exhaustive()
    }
}

impl TlsClient {
    /// Trusts these; shows `own` where a server asks for a certificate.
    ///
    /// # Errors
    /// [`TlsError`] when a file cannot be read or used. What the system trusts is read later.
    pub fn new(trust: Trust, own: Option<OwnCertificate>) -> Result<Self, TlsError> {
        let made = Self { trust, own, config: Arc::default() };
        if made.trust != Trust::System {
            made.config()?;
        }
        Ok(made)
    }

    /// Whether all has been read.
    pub(crate) fn is_ready(&self) -> bool {
        self.config.get().is_some()
    }

    /// Reads what is needed, unless that was done. May take some ten milliseconds.
    pub(crate) fn config(&self) -> Result<Configs, TlsError> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let made = self.make()?;
        Ok(self.config.get_or_init(|| made).clone())
    }

    fn make(&self) -> Result<Configs, TlsError> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let given = match &self.trust {
            Trust::System => system()?,
            Trust::File(path) => certificates(path)?,
            Trust::Anybody => Vec::new(),
        };
        if self.trust == Trust::Anybody {
            let config = self.trusting(Arc::new(Anybody(algorithms)))?;
            return Ok(Configs { sip: Arc::clone(&config), web: config });
        }
        // One among many that cannot be read takes nothing from the others.
        let anchor = |one| webpki::anchor_from_trusted_cert(one).ok().map(|anchor| anchor.to_owned());
        let anchors: Vec<_> = given.iter().filter_map(anchor).collect();
        if let (true, Trust::File(path)) = (anchors.is_empty(), &self.trust) {
            let why = "expected certificates of X.509 that can be trusted".to_owned();
            return Err(TlsError::Content { path: path.clone(), why });
        }
        let sip = Arc::new(Servers { named: Named::SipDomain, anchors, given, algorithms });
        let web = Arc::new(Servers { named: Named::Web, ..Servers::clone(&sip) });
        Ok(Configs { sip: self.trusting(sip)?, web: self.trusting(web)? })
    }

    /// What is done with servers that this one trusts.
    fn trusting(&self, verifier: Arc<dyn ServerCertVerifier>) -> Result<Arc<ClientConfig>, TlsError> {
        let unusable = |error: rustls::Error| TlsError::Unusable(error.to_string());
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match self.own.clone() {
            None => builder.with_no_client_auth(),
            Some(own) => builder.with_client_auth_cert(own.chain, own.key).map_err(unusable)?,
        };
        Ok(Arc::new(config))
    }

    /// A connection to a server that must be `name`, a host name or an address, as servers of SIP or of the web are. A host name is told to it (SNI).
    pub(crate) fn connection(&self, name: &str, web: bool) -> Result<rustls::Connection, String> {
        let configs = self.config().map_err(|error| error.to_string())?;
        let config = if web { configs.web } else { configs.sip };
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("{name:?} can be in no certificate: expected a host name or an address"))?;
        let connection = ClientConnection::new(config, server).map_err(|error| error.to_string())?;
        Ok(rustls::Connection::Client(connection))
    }
}

/// The authorities that the system trusts.
fn system() -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(TlsError::NoRoots(why));
    }
    Ok(found.certs)
}
