//! Whether a certificate is to be trusted, and a server's for whom (RFC 5922 sections 7.3 and 7.4, RFC 7118 section 9.1, RFC 5280).

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter};

use super::names;
use super::purpose::{self, CLIENTS, Purposes, SERVERS};

/// Whom we trust to say who is who.
#[derive(Clone, Debug)]
pub(super) struct Authorities {
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// Certificates that were given as they are: one of them is trusted though it may sign others (RFC 5280 section 4.2.1.9), which those are that
    /// sign themselves.
    pub(super) given: Vec<CertificateDer<'static>>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Authorities {
    /// Whether a certificate leads to one of them and may be used for one of the purposes, whomever it names.
    pub(super) fn follow(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
        wanted: &Purposes,
    ) -> Result<(), Error> {
        let certificate = EndEntityCert::try_from(end).map_err(of_webpki)?;
        let path =
            certificate.verify_for_usage(self.algorithms.all, &self.anchors, between, now, For(wanted), None, None);
        match path {
            Ok(_) => Ok(()),
            // Its time has been looked at before this, but not what it is for.
            Err(webpki::Error::CaUsedAsEndEntity) if self.given.iter().any(|given| given == end) => {
                match purpose::is_for(end, wanted) {
                    true => Ok(()),
                    false => Err(CertificateError::InvalidPurpose.into()),
                }
            }
            Err(error) => Err(of_webpki(error)),
        }
    }
}

/// Whether a signature is that of the key in a certificate, by the algorithms of this field: the two traits ask for that in the same words.
macro_rules! signatures_by {
    ($($algorithms:tt)+) => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, certificate, signed, &self.$($algorithms)+)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signed, &self.$($algorithms)+)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.$($algorithms)+.supported_schemes()
        }
    };
}

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
    pub(super) authorities: Authorities,
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
        self.authorities.follow(end_entity, intermediates, now, &SERVERS)?;
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

    signatures_by!(authorities.algorithms);
}

/// Follows the certificate of who connects to an authority (RFC 5922 section 7.4).
#[derive(Debug)]
pub(super) struct Connecting {
    pub(super) authorities: Authorities,
    /// What is said of whose certificates will do.
    pub(super) hints: Vec<DistinguishedName>,
    /// Nobody is let in without one.
    pub(super) required: bool,
}

impl ClientCertVerifier for Connecting {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.authorities.follow(end_entity, intermediates, now, &CLIENTS)?;
        Ok(ClientCertVerified::assertion())
    }

    signatures_by!(authorities.algorithms);
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

    signatures_by!(0);
}

/// What a certificate may be for, where it says so.
struct For<'a>(&'a Purposes);

impl ExtendedKeyUsageValidator for For<'_> {
    #[expect(deprecated, reason = "what it says is said in other words anyway")]
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let mut any = false;
        for purpose in purposes {
            let purpose = purpose?;
            any = true;
            if self.0.iter().any(|wanted| KeyPurposeId::new(wanted) == purpose) {
                return Ok(());
            }
        }
        if any { Err(webpki::Error::RequiredEkuNotFound) } else { Ok(()) }
    }
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
