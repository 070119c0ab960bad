//! What a certificate says that it is for (RFC 5280 section 4.2.1.12, RFC 5924 section 4), whether or not it has run out or may sign others.

use rustls::pki_types::CertificateDer;

/// Object identifiers as they stand in a certificate (X.690 section 8.19).
pub(super) type Purposes = [&'static [u8]; 3];

/// TLS servers, or SIP domains, or anything: id-kp-serverAuth, id-kp-sipDomain, anyExtendedKeyUsage.
pub(super) const SERVERS: Purposes = [&[43, 6, 1, 5, 5, 7, 3, 1], SIP_DOMAIN, ANY];

/// TLS clients, or SIP domains, or anything: id-kp-clientAuth and the same.
pub(super) const CLIENTS: Purposes = [&[43, 6, 1, 5, 5, 7, 3, 2], SIP_DOMAIN, ANY];

const SIP_DOMAIN: &[u8] = &[43, 6, 1, 5, 5, 7, 3, 20];
const ANY: &[u8] = &[85, 29, 37, 0];

/// The extension that lists them: id-ce-extKeyUsage.
const EXTENDED_KEY_USAGE: &[u8] = &[85, 29, 37];

const OBJECT: u8 = 0x06;
const OCTETS: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const EXTENSIONS: u8 = 0xa3;

/// Whether it may be used for one of these: it names one, or says nothing of what it is for. What cannot be read is for nothing.
pub(super) fn is_for(certificate: &CertificateDer<'_>, wanted: &Purposes) -> bool {
    let Some(extensions) = extensions(certificate) else { return false };
    for extension in Elements(extensions) {
        let Some((SEQUENCE, extension)) = extension else { return false };
        // Its name, whether it is critical, and what it says.
        let mut parts = Elements(extension);
        if parts.next() != Some(Some((OBJECT, EXTENDED_KEY_USAGE))) {
            continue;
        }
        let said = parts.flatten().find(|(tag, _)| *tag == OCTETS).and_then(|(_, said)| element(said));
        let Some(((SEQUENCE, purposes), _)) = said else { return false };
        return Elements(purposes).flatten().any(|(tag, one)| tag == OBJECT && wanted.contains(&one));
    }
    true
}

/// What the elements of the sequence are that an extension holds; none where there is no such extension, or what it holds cannot be read.
pub(super) fn listed<'a>(certificate: &'a CertificateDer<'_>, name: &[u8]) -> impl Iterator<Item = (u8, &'a [u8])> {
    let all = Elements(extensions(certificate).unwrap_or_default()).flatten();
    let said = all.filter(|(tag, _)| *tag == SEQUENCE).find_map(|(_, extension)| {
        let mut parts = Elements(extension).flatten();
        let is_named = parts.next() == Some((OBJECT, name));
        parts.find(|(tag, _)| is_named && *tag == OCTETS)
    });
    let listed = said.and_then(|(_, said)| element(said)).filter(|((tag, _), _)| *tag == SEQUENCE);
    Elements(listed.map_or(&[], |((_, listed), _)| listed)).flatten()
}

/// The extensions of a certificate, one after the other; none of one that has none. `None` for what is no certificate.
fn extensions<'a>(certificate: &'a CertificateDer<'_>) -> Option<&'a [u8]> {
    let ((SEQUENCE, whole), _) = element(certificate)? else { return None };
    let ((SEQUENCE, signed), _) = element(whole)? else { return None };
    for part in Elements(signed) {
        if let (EXTENSIONS, part) = part? {
            let ((SEQUENCE, all), _) = element(part)? else { return None };
            return Some(all);
        }
    }
    Some(&[])
}

/// A tag and what is in it.
type Element<'a> = (u8, &'a [u8]);

/// One element after the other. `None` for what is none, which is the last.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Option<Element<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let read = element(self.0);
        self.0 = read.map_or(&[], |(_, behind)| behind);
        Some(read.map(|(one, _)| one))
    }
}

/// The element of DER at the beginning, and what is behind it (X.690 sections 8.1 and 10.1).
fn element(octets: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = octets.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (length.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (inside, behind) = rest.split_at_checked(length)?;
    Some(((tag, inside), behind))
}

#[cfg(test)]
mod tests {
    use rcgen::ExtendedKeyUsagePurpose::{self, Any, ClientAuth, EmailProtection, Other, ServerAuth};
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;

    fn certificate(purposes: &[ExtendedKeyUsagePurpose], ca: bool, names: usize) -> CertificateDer<'static> {
        let names: Vec<String> = (0..names).map(|n| format!("host-{n}.example.com")).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = purposes.to_vec();
        if ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn rfc5280_4_2_1_12_a_certificate_is_for_what_it_names_and_for_all_where_it_names_nothing() {
        let sip_domain = || Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 20]);
        for (purposes, servers, clients) in [
            (vec![], true, true),
            (vec![ServerAuth], true, false),
            (vec![ClientAuth], false, true),
            (vec![EmailProtection, ServerAuth, ClientAuth], true, true),
            (vec![sip_domain()], true, true),
            (vec![Any], true, true),
            (vec![EmailProtection], false, false),
        ] {
            // So short that a length is one octet, and so long that it is three.
            for (ca, names) in [(false, 1), (true, 1), (true, 40), (false, 3_000)] {
                let certificate = certificate(&purposes, ca, names);
                let found = (is_for(&certificate, &SERVERS), is_for(&certificate, &CLIENTS));
                assert_eq!(found, (servers, clients), "{purposes:?}, ca: {ca}, {names} names");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_for_nothing() {
        let whole = certificate(&[ServerAuth], true, 2);
        for end in 0..whole.len() {
            assert!(!is_for(&CertificateDer::from(&whole[..end]), &SERVERS), "{end} octets");
        }
        // Any octet may be another: that is read to its end, whatever comes of it.
        for at in 0..whole.len() {
            for octet in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut other = whole.to_vec();
                other[at] = octet;
                is_for(&CertificateDer::from(other), &SERVERS);
            }
        }
        for octets in [&b""[..], b"\x30", b"\x30\x80\x00\x00", b"\x30\x84\xff\xff\xff\xff", &[0xff; 100]] {
            assert!(!is_for(&CertificateDer::from(octets), &CLIENTS));
        }
    }
}
