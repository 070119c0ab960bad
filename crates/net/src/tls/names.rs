//! Whom a certificate names (RFC 5922 section 7).

use std::net::IpAddr;

use rustls::pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

use super::purpose;

/// The extension with names of whom it is for, and an address among them (RFC 5280 section 4.2.1.6): id-ce-subjectAltName, iPAddress.
const SUBJECT_ALT_NAME: &[u8] = &[85, 29, 17];
const ADDRESS: u8 = 0x87;

/// The addresses that a certificate is for.
pub(super) fn addresses(certificate: &CertificateDer<'_>) -> Vec<IpAddr> {
    let address = |octets: &[u8]| match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
    };
    let named = purpose::listed(certificate, SUBJECT_ALT_NAME).filter(|(tag, _)| *tag == ADDRESS);
    named.filter_map(|(_, octets)| address(octets)).collect()
}

/// The SIP domain identities of a certificate (RFC 5922 section 7.1): the hosts of its `sip` URIs without a user; its DNS names only where there are
/// none of those. The common name is not looked at, as the section allows.
pub(super) fn identities(certificate: &EndEntityCert<'_>) -> Vec<String> {
    let uris: Vec<String> = certificate.valid_uri_names().filter_map(sip_domain).map(str::to_owned).collect();
    if uris.is_empty() { certificate.valid_dns_names().map(str::to_owned).collect() } else { uris }
}

/// The host of a `sip` URI that names a domain: one with a user names that user.
fn sip_domain(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    let end = rest.find([';', '?', '/']).unwrap_or(rest.len());
    let host = rest.get(..end)?;
    // Port, but not the colons of an IPv6 address.
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            if port.bytes().all(|digit| digit.is_ascii_digit()) { name } else { return None }
        }
        _ => host,
    };
    Some(name).filter(|name| !name.is_empty())
}

/// Whether the certificate is for this domain (RFC 5922 sections 7.2 and 7.3): DNS names, in their entirety, in any case; a wildcard stands
/// for nothing but itself. For an address the certificate must name that address (iPAddress, as RFC 3261 section 26.3.1 knows no other name of it).
///
/// # Errors
/// What it names instead.
pub(super) fn verify(certificate: &CertificateDer<'_>, wanted: &ServerName<'_>) -> Result<(), Vec<String>> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Err(Vec::new()) };
    let identities = identities(&certificate);
    let matches = match wanted {
        ServerName::DnsName(name) => identities.iter().any(|identity| same(identity, name.as_ref())),
        ServerName::IpAddress(address) => {
            let address = std::net::IpAddr::from(*address);
            let named = |identity: &String| identity.trim_matches(['[', ']']).parse() == Ok(address);
            certificate.verify_is_valid_for_subject_name(wanted).is_ok() || identities.iter().any(named)
        }
        _ => false,
    };
    if matches { Ok(()) } else { Err(identities) }
}

/// Whether the certificate is for the host that a request goes to: a SIP domain or an address.
pub(crate) fn is_for(certificate: &CertificateDer<'_>, host: &str) -> bool {
    ServerName::try_from(host).is_ok_and(|wanted| verify(certificate, &wanted).is_ok())
}

/// Whether the certificate is for this server of the web (RFC 6125).
///
/// # Errors
/// What it names instead.
pub(super) fn verify_web(certificate: &CertificateDer<'_>, wanted: &ServerName<'_>) -> Result<(), Vec<String>> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Err(Vec::new()) };
    let named = certificate.verify_is_valid_for_subject_name(wanted);
    named.map_err(|_| certificate.valid_dns_names().map(str::to_owned).collect())
}

/// Two DNS names are the same (RFC 4343); one dot at the end says nothing.
fn same(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests;
