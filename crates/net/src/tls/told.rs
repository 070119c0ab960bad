//! Why there is no connection, for a person.

use rustls::{AlertDescription, CertificateError, Error};

/// Most names of a certificate that are told.
const NAMES: usize = 8;
/// Most characters of one that are told: no domain name has more (RFC 1035 section 2.3.4).
const CHARACTERS: usize = 255;

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
            let found = if presented.is_empty() { format!("no {kind} at all") } else { shown(presented) };
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
            CertificateError::InvalidPurpose => match name {
                Some(_) => format!("the certificate{of} is not meant for servers of SIP"),
                None => "the certificate is not meant for clients".to_owned(),
            },
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

/// What a certificate names, for a person's screen: whoever has made it has written that.
fn shown(names: &[String]) -> String {
    let one = |name: &String| -> String { name.escape_debug().take(CHARACTERS).collect() };
    let told: Vec<String> = names.iter().take(NAMES).map(one).collect();
    let more = match names.len().saturating_sub(NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    told.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    fn found(presented: Vec<String>) -> String {
        let expected = ServerName::try_from("sip.example.com").unwrap();
        let error = CertificateError::NotValidForNameContext { expected, presented };
        told(&Error::InvalidCertificate(error), Some(("sip.example.com", false)))
    }

    #[test]
    fn cve_tls_names_of_a_certificate_do_not_fill_the_screen_and_cannot_write_on_it() {
        let names = |number: usize| vec!["a.example".to_owned(); number];
        assert!(found(names(8)).contains("found a.example, a.example") && !found(names(8)).contains("more"));
        assert!(found(names(10_000)).contains("a.example and 9992 more (RFC 5922)"));
        for name in [format!("sip.example.com\0\x1b[2J\r\n{}", "x".repeat(60_000)), "\u{9b}2J".to_owned()] {
            let told = found(vec![name; 20]);
            assert!(
                told.contains(r"\u{") && !told.contains(char::is_control) && told.chars().count() < 8 * 255 + 200,
                "{told:?}"
            );
        }
    }
}
