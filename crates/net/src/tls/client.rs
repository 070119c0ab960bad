//! Whom we trust when we connect, and what we show then.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, ClientConnection, ResolvesClientCert};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::error::TlsError;
use super::own::{OwnCertificate, certificates};
use super::presented::Presented;
use super::purpose::{self, CLIENTS, SERVERS};
use super::verify::{Anybody, Authorities, Named, Servers};

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

/// The client's side of TLS 1.2 and 1.3. Clones share what has been read: what one replaces is replaced for all.
#[derive(Clone, Default)]
pub struct TlsClient {
    trust: Trust,
    /// It is a server of SIP, which shows its certificate to other such servers alone.
    of_server: bool,
    /// How often it was replaced.
    replaced: Arc<AtomicU64>,
    made: Arc<RwLock<Made>>,
}

/// What connections are made of.
#[derive(Default)]
struct Made {
    own: Option<OwnCertificate>,
    /// `None` until they are needed first.
    configs: Option<Configs>,
}

/// What differs by who must be named in a certificate.
#[derive(Clone)]
pub(crate) struct Configs {
    /// SIP domains (RFC 5922).
    sip: Arc<ClientConfig>,
    /// Servers of WebSockets, as those of the web (RFC 7118 section 9.1).
    web: Arc<ClientConfig>,
    /// Who is asked about the certificates of SIP domains; `None`: nobody.
    servers: Option<Arc<Servers>>,
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
        Self::made(trust, own, false)
    }

    /// That of a server which shows its certificate to other servers of SIP, so that they come back along the connections that it makes (RFC 5923): where they
    /// ask for one of an authority that has signed it, or of any. No server of the web gets to see it, and it must be good for clients as well.
    ///
    /// # Errors
    /// [`TlsError`] when a file cannot be read or used, or the certificate says that it is for servers alone (RFC 5280 section 4.2.1.12): who asks for it
    /// would end the connection.
    pub fn of_server(trust: Trust, own: OwnCertificate) -> Result<Self, TlsError> {
        of_clients(&own)?;
        Self::made(trust, Some(own), true)
    }

    fn made(trust: Trust, own: Option<OwnCertificate>, of_server: bool) -> Result<Self, TlsError> {
        let made = Arc::new(RwLock::new(Made { own, configs: None }));
        let made = Self { trust, of_server, replaced: Arc::default(), made };
        if made.trust != Trust::System {
            made.config()?;
        }
        Ok(made)
    }

    /// Shows another certificate from now on, and reads once more whom it trusts. Connections that stand go on with what they have.
    ///
    /// # Errors
    /// As where it was made, and where the system trusts nobody; then nothing has changed.
    pub fn replace(&self, own: OwnCertificate) -> Result<(), TlsError> {
        if self.of_server {
            of_clients(&own)?;
        }
        let configs = self.make(Some(&own))?;
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = Made { own: Some(own), configs: Some(configs) };
        // Who sees this number asks the new authorities.
        self.replaced.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn standing(&self) -> RwLockReadGuard<'_, Made> {
        self.made.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a server that asks for a certificate gets one.
    pub(crate) fn shows_one(&self) -> bool {
        self.standing().own.is_some()
    }

    /// How often it was replaced: who was trusted before may be trusted no more.
    pub(crate) fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::Acquire)
    }

    /// Whether all has been read.
    pub(crate) fn is_ready(&self) -> bool {
        self.standing().configs.is_some()
    }

    /// Reads what is needed, unless that was done. May take some ten milliseconds.
    pub(crate) fn config(&self) -> Result<Configs, TlsError> {
        let known = self.standing().configs.clone();
        if let Some(configs) = known {
            return Ok(configs);
        }
        let own = self.standing().own.clone();
        let configs = self.make(own.as_ref())?;
        // Another thread may have been quicker.
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        Ok(made.configs.get_or_insert(configs).clone())
    }

    fn make(&self, own: Option<&OwnCertificate>) -> Result<Configs, TlsError> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let own = own.cloned().map(|own| self.shown(own)).transpose()?;
        let on_the_web = own.clone().filter(|_| !self.of_server);
        let given = match &self.trust {
            Trust::System => system()?,
            Trust::File(path) => certificates(path)?,
            Trust::Anybody => Vec::new(),
        };
        if self.trust == Trust::Anybody {
            let anybody = Arc::new(Anybody(algorithms));
            let sip = trusting(Arc::clone(&anybody) as Arc<dyn ServerCertVerifier>, own)?;
            return Ok(Configs { sip, web: trusting(anybody, on_the_web)?, servers: None });
        }
        // One among many that cannot be read takes nothing from the others.
        let anchor = |one| webpki::anchor_from_trusted_cert(one).ok().map(|anchor| anchor.to_owned());
        let anchors: Vec<_> = given.iter().filter_map(anchor).collect();
        if let (true, Trust::File(path)) = (anchors.is_empty(), &self.trust) {
            let why = "expected certificates of X.509 that can be trusted".to_owned();
            return Err(TlsError::Content { path: path.clone(), why });
        }
        let authorities = Authorities { anchors, given, algorithms };
        let sip = Arc::new(Servers { named: Named::SipDomain, authorities });
        let web = Arc::new(Servers { named: Named::Web, ..Servers::clone(&sip) });
        let servers = Some(Arc::clone(&sip));
        Ok(Configs { sip: trusting(sip, own)?, web: trusting(web, on_the_web)?, servers })
    }

    /// To whom a certificate is shown.
    fn shown(&self, own: OwnCertificate) -> Result<Arc<dyn ResolvesClientCert>, TlsError> {
        let key = CertifiedKey::from_der(own.chain, own.key, &ring::default_provider());
        let key = key.map_err(|error| TlsError::Unusable(error.to_string()))?;
        Ok(match self.of_server {
            true => Arc::new(Presented::new(key)),
            false => Arc::new(SingleCertAndKey::from(key)),
        })
    }

    /// Whether a server would be trusted that shows these now, its certificate first, whoever that is for.
    pub(crate) fn trusts(&self, shown: &[CertificateDer<'_>]) -> bool {
        let (Some((end, between)), Ok(configs)) = (shown.split_first(), self.config()) else { return false };
        let follow = |servers: Arc<Servers>| servers.authorities.follow(end, between, UnixTime::now(), &SERVERS);
        configs.servers.is_none_or(|servers| follow(servers).is_ok())
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

/// # Errors
/// [`TlsError::Unusable`] for a certificate that is for servers alone.
fn of_clients(own: &OwnCertificate) -> Result<(), TlsError> {
    let why = "its extended key usage is not for clients, as which other servers are to know it";
    match own.chain.first().is_some_and(|own| purpose::is_for(own, &CLIENTS)) {
        true => Ok(()),
        false => Err(TlsError::Unusable(why.to_owned())),
    }
}

/// What is done with servers that this one trusts; those that ask for a certificate may get `own`.
fn trusting(
    verifier: Arc<dyn ServerCertVerifier>,
    own: Option<Arc<dyn ResolvesClientCert>>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Unusable(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    Ok(Arc::new(match own {
        None => builder.with_no_client_auth(),
        Some(own) => builder.with_client_cert_resolver(own),
    }))
}

/// The authorities that the system trusts.
fn system() -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(TlsError::NoRoots(why));
    }
    Ok(found.certs)
}
