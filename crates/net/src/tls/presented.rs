//! The certificate of a server, where another server asks for one.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{DistinguishedName, SignatureScheme};
use webpki::EndEntityCert;

/// It is shown to who names an authority of it, or none: whoever names others alone could make nothing of it, and some refuse what they cannot follow though
/// they would have gone on without (RFC 8446 sections 4.2.4 and 4.4.2.3, RFC 5246 section 7.4.4).
#[derive(Debug)]
pub(super) struct Presented {
    key: Arc<CertifiedKey>,
    /// Who has signed it, those between it and its authority, and so on as far as the chain goes; and itself, which may be trusted as it is.
    known_by: Vec<DistinguishedName>,
}

impl Presented {
    pub(super) fn new(key: CertifiedKey) -> Self {
        let chain = key.cert.iter().filter_map(|one| EndEntityCert::try_from(one).ok());
        let names = |one: EndEntityCert<'_>| [one.issuer(), one.subject()].map(DistinguishedName::in_sequence);
        let known_by = chain.flat_map(names).collect();
        Self { key: Arc::new(key), known_by }
    }
}

impl ResolvesClientCert for Presented {
    fn resolve(&self, authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let named = || self.known_by.iter().any(|one| authorities.contains(&one.as_ref()));
        (authorities.is_empty() || named()).then(|| Arc::clone(&self.key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
