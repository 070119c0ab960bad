//! Whether a server's certificate is to be trusted, and for whom (RFC 5922 section 7.3, RFC 7118 section 9.1, RFC 5280).

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};

use super::names;

/// How a certificate names a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// As SIP domain (RFC 5922).
    SipDomain,
    /// As a server of the web: by DNS names, wildcards too, or addresses (RFC 6125, as RFC 7118 section 9.1 and RFC 6455 section 4.1 have it).
    Web,
}

/// Follows a certificate to an authority, then looks whom it names.
#[derive(Clone, Debug)]
pub(super) struct Servers {
    pub(super) named: Named,
    /// Authorities.
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// Certificates that were given as they are: one of them is trusted though it may sign others (RFC 5280 section 4.2.1.9), which those are that
    /// sign themselves.
    pub(super) given: Vec<CertificateDer<'static>>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Servers {
    /// Whether it leads to an authority, whomever it names.
    pub(super) fn follow(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let certificate = EndEntityCert::try_from(end).map_err(of_webpki)?;
        let path =
            certificate.verify_for_usage(self.algorithms.all, &self.anchors, between, now, For(&SERVERS), None, None);
        match path {
            Ok(_) => Ok(()),
            // Its time has been looked at before this.
            Err(webpki::Error::CaUsedAsEndEntity) if self.given.iter().any(|given| given == end) => Ok(()),
            Err(error) => Err(of_webpki(error)),
        }
    }
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.follow(end_entity, intermediates, now)?;
        let named = match self.named {
            Named::SipDomain => names::verify(end_entity, server_name),
            Named::Web => names::verify_web(end_entity, server_name),
        };
        match named {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(presented) => {
                let expected = server_name.to_owned();
                Err(CertificateError::NotValidForNameContext { expected, presented }.into())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Takes any certificate whose key the server has: nobody knows who that is.
#[derive(Debug)]
pub(super) struct Anybody(pub(super) WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// What a certificate may be for, where it says so.
struct For(&'static [&'static [usize]]);

/// TLS servers, or SIP domains (RFC 5924 section 4), or anything: id-kp-serverAuth, id-kp-sipDomain, anyExtendedKeyUsage.
const SERVERS: [&[usize]; 3] = [&[1, 3, 6, 1, 5, 5, 7, 3, 1], &[1, 3, 6, 1, 5, 5, 7, 3, 20], &[2, 5, 29, 37, 0]];

/// TLS clients, or SIP domains, or anything: id-kp-clientAuth and the same.
const CLIENTS: [&[usize]; 3] = [&[1, 3, 6, 1, 5, 5, 7, 3, 2], &[1, 3, 6, 1, 5, 5, 7, 3, 20], &[2, 5, 29, 37, 0]];

impl ExtendedKeyUsageValidator for For {
    #[expect(deprecated, reason = "what it says is said in other words anyway")]
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let mut any = false;
        for purpose in purposes {
            any = true;
            if self.0.contains(&purpose?.to_decoded_oid().as_slice()) {
                return Ok(());
            }
        }
        if any { Err(webpki::Error::RequiredEkuNotFound) } else { Ok(()) }
    }
}

/// Whether a client may show this certificate, by what it says it is for; one that says nothing is for everybody, and one that is out of date has other faults.
#[expect(deprecated, reason = "what [`For`] says")]
pub(super) fn is_for_clients(end: &CertificateDer<'_>) -> bool {
    let Ok(certificate) = EndEntityCert::try_from(end) else { return false };
    let algorithms = ring::default_provider().signature_verification_algorithms;
    // Its own extensions are looked at before it is found that nobody here has signed it.
    let seen = certificate.verify_for_usage(algorithms.all, &[], &[], UnixTime::now(), For(&CLIENTS), None, None);
    !matches!(seen, Err(webpki::Error::RequiredEkuNotFound))
}

#[expect(deprecated, reason = "matched so that each has its own words, whoever makes it")]
fn of_webpki(error: webpki::Error) -> Error {
    use webpki::Error as E;
    let known = match error {
        E::BadDer | E::BadDerTime | E::TrailingData(_) => CertificateError::BadEncoding,
        E::CertNotValidYet { time, not_before } => CertificateError::NotValidYetContext { time, not_before },
        E::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        // One that may sign others has no place at the end, unless it was given.
        E::UnknownIssuer | E::CaUsedAsEndEntity => CertificateError::UnknownIssuer,
        E::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        E::RequiredEkuNotFound | E::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    };
    Error::InvalidCertificate(known)
}
