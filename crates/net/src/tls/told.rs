//! Why there is no connection, for a person.

use rustls::{AlertDescription, CertificateError, Error};

/// What went wrong, with what was expected and found. `name`: the server that was wanted, where we are the client, and whether it is one of the web.
pub(crate) fn told(error: &Error, name: Option<(&str, bool)>) -> String {
    let of = name.map(|(name, _)| format!(" of {name}")).unwrap_or_default();
    match error {
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => {
            let expected = expected.to_str();
            let (kind, rule) = match name {
                Some((_, true)) => ("DNS name", "RFC 6125"),
                _ => ("SIP domain", "RFC 5922"),
            };
            let found = if presented.is_empty() { format!("no {kind} at all") } else { presented.join(", ") };
            format!("the certificate is for another name: expected {expected}, found {found} ({rule})")
        }
        // One of the same name as an authority of ours that is not it says no more than one of another name.
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!("nobody we trust has signed the certificate{of}: name its authority, or itself, with --tls-ca FILE")
        }
        Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("the certificate{of} has expired")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("the certificate{of} is not valid yet: check the clock")
            }
            CertificateError::InvalidPurpose => format!("the certificate{of} is not meant for servers of SIP"),
            other => format!("the certificate{of} is not good: {other}"),
        },
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            format!("the other side{of} wants a certificate of ours: give one with --tls-cert and --tls-key")
        }
        Error::AlertReceived(alert) => format!("the other side{of} has refused the handshake: {alert:?}"),
        Error::InvalidMessage(_) => format!("the other side{of} does not speak TLS there ({error})"),
        other => format!("no TLS with the other side{of}: {other}"),
    }
}
