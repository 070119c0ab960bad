//! Which certificate is shown to whom: each name that clients ask for (server name indication, RFC 6066 section 3) may have its own.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::error::TlsError;
use super::names;
use super::own::OwnCertificate;

/// What a server shows: certificates for single host names, and one for who asks for none, or for another name.
#[derive(Clone, Debug)]
pub struct OwnCertificates {
    others: OwnCertificate,
    named: BTreeMap<String, OwnCertificate>,
}

impl From<OwnCertificate> for OwnCertificates {
    /// Shows this one to everybody.
    fn from(others: OwnCertificate) -> Self {
        Self { others, named: BTreeMap::new() }
    }
}

impl OwnCertificates {
    /// The one that is shown to who asks for no name, or for one that has none of its own.
    pub fn for_others(&self) -> &OwnCertificate {
        &self.others
    }

    /// Whether who asks for this host name is shown a certificate for it as SIP domain (RFC 5922 section 7.3).
    ///
    /// # Errors
    /// [`TlsError::Unusable`] where that is no host name, or says what the certificate is for instead.
    pub fn is_for(&self, name: &str) -> Result<(), TlsError> {
        let name = asked_for(name).ok_or_else(|| TlsError::Unusable(format!("{name} is no host name")))?;
        let shown = self.named.get(&name).unwrap_or(&self.others);
        let first = shown.chain.first().ok_or_else(|| TlsError::Unusable("there is none".into()))?;
        let wanted = ServerName::try_from(name.as_str()).map_err(|error| TlsError::Unusable(error.to_string()))?;
        names::verify(first, &wanted).map_err(|found| instead(&found, &name))
    }

    /// The addresses that the certificate is for that is shown to who asks for no name, as those do who connect to an address.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.others.chain.first().map(names::addresses).unwrap_or_default()
    }

    /// Shows this one to who asks for this host name, in whatever case; one that was shown to him before no more.
    ///
    /// # Errors
    /// [`TlsError::Unusable`] where that is no host name, or the certificate is not for it: neither as SIP domain (RFC 5922 section 7.1) nor as server of the
    /// web, as which a wildcard may name it.
    pub fn with(mut self, name: &str, own: OwnCertificate) -> Result<Self, TlsError> {
        let name = asked_for(name).ok_or_else(|| TlsError::Unusable(format!("{name} is no host name")))?;
        let wanted = ServerName::try_from(name.as_str()).map_err(|error| TlsError::Unusable(error.to_string()))?;
        let first = own.chain.first().ok_or_else(|| TlsError::Unusable("there is none".into()))?;
        if let (Err(found), Err(_)) = (names::verify(first, &wanted), names::verify_web(first, &wanted)) {
            return Err(instead(&found, &name));
        }
        self.named.insert(name, own);
        Ok(self)
    }
}

fn instead(found: &[String], name: &str) -> TlsError {
    let found = if found.is_empty() { "no domain".to_owned() } else { found.join(", ") };
    TlsError::Unusable(format!("it is for {found}, expected {name}"))
}

/// How clients ask for this name: in small letters, without a dot at the end. `None` where they cannot: for an address, or a wildcard.
pub fn asked_for(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    matches!(ServerName::try_from(name.as_str()), Ok(ServerName::DnsName(_))).then_some(name)
}

/// The same, ready for handshakes.
#[derive(Debug)]
pub(super) struct ByName {
    others: Arc<CertifiedKey>,
    named: HashMap<String, Arc<CertifiedKey>>,
}

impl ByName {
    /// # Errors
    /// [`TlsError::Unusable`] where a key does not fit its certificate.
    pub(super) fn new(own: OwnCertificates, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let ready = |own: OwnCertificate, whose: &str| {
            let key = CertifiedKey::from_der(own.chain, own.key, provider);
            key.map(Arc::new).map_err(|error| TlsError::Unusable(format!("{error}{whose}")))
        };
        let others = ready(own.others, "")?;
        let named = own.named.into_iter().map(|(name, own)| {
            let key = ready(own, &format!(", for {name}"))?;
            Ok((name, key))
        });
        Ok(Self { others, named: named.collect::<Result<_, TlsError>>()? })
    }
}

impl ResolvesServerCert for ByName {
    /// The name comes in small letters.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.named.get(name));
        Some(Arc::clone(named.unwrap_or(&self.others)))
    }
}
