//! RFC 5922, sentence by sentence, with certificates of each kind.

use rcgen::{CertificateParams, DnType, KeyPair, SanType};

use super::*;

/// A certificate with these alternative names: `DNS:`, `URI:`, `IP:`; and this common name.
fn certificate(names: &[&str], common: &str) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common);
    for name in names {
        let (kind, value) = name.split_once(':').unwrap();
        params.subject_alt_names.push(match kind {
            "DNS" => SanType::DnsName(value.try_into().unwrap()),
            "URI" => SanType::URI(value.try_into().unwrap()),
            _ => SanType::IpAddress(value.parse().unwrap()),
        });
    }
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

fn is_for(names: &[&str], wanted: &str) -> Result<(), Vec<String>> {
    verify(&certificate(names, "common.example.com"), &ServerName::try_from(wanted).unwrap())
}

#[test]
fn rfc5922_7_1_sip_uris_without_a_user_are_identities_and_dns_names_only_without_them() {
    let table: [(&[&str], &[&str]); 9] = [
        (&["URI:sip:example.com"], &["example.com"]),
        (&["URI:SIP:example.com", "DNS:other.example"], &["example.com"]),
        (&["URI:sip:alice@example.com", "DNS:dns.example.com"], &["dns.example.com"]),
        (&["URI:sips:example.com", "DNS:dns.example.com"], &["dns.example.com"]),
        (&["URI:http://example.com", "DNS:dns.example.com"], &["dns.example.com"]),
        (&["URI:sip:example.com:5061;transport=tls?x=y", "URI:sip:b.example"], &["example.com", "b.example"]),
        (&["DNS:a.example.com", "DNS:b.example.com"], &["a.example.com", "b.example.com"]),
        (&["IP:192.0.2.1"], &[]),
        (&[], &[]),
    ];
    for (names, expected) in table {
        let der = certificate(names, "common.example.com");
        assert_eq!(identities(&EndEntityCert::try_from(&der).unwrap()), expected, "{names:?}");
    }
}

#[test]
fn rfc5922_7_2_names_match_in_their_entirety_and_in_any_case() {
    for (names, wanted) in [
        (["DNS:Example.COM"], "example.com"),
        (["DNS:example.com"], "EXAMPLE.com"),
        (["URI:sip:eXample.com"], "example.com"),
        (["DNS:example.com"], "example.com."),
        (["DNS:xn--bcher-kva.example"], "XN--Bcher-KVA.example"),
    ] {
        assert_eq!(is_for(&names, wanted), Ok(()), "{names:?} {wanted}");
    }
    for (names, wanted) in [
        (["DNS:foo.example.com"], "example.com"),
        (["DNS:example.com"], "foo.example.com"),
        (["DNS:*.example.com"], "foo.example.com"),
        (["URI:sip:*.example.com"], "foo.example.com"),
        (["URI:sip:alice@example.com"], "example.com"),
        (["URI:sips:example.com"], "example.com"),
        (["DNS:example.com.evil.example"], "example.com"),
    ] {
        assert!(is_for(&names, wanted).is_err(), "{names:?} {wanted}");
    }
}

#[test]
fn rfc5922_7_1_a_dns_name_is_worth_nothing_beside_a_sip_uri() {
    let names = ["URI:sip:example.com", "DNS:host.example.com"];
    assert_eq!(is_for(&names, "example.com"), Ok(()));
    assert_eq!(is_for(&names, "host.example.com"), Err(vec!["example.com".to_owned()]));
}

#[test]
fn rfc5922_7_1_the_common_name_is_not_looked_at() {
    assert_eq!(is_for(&[], "common.example.com"), Err(Vec::new()));
    assert_eq!(is_for(&["DNS:other.example"], "common.example.com"), Err(vec!["other.example".to_owned()]));
}

#[test]
fn an_address_is_matched_by_that_address_alone() {
    for (names, wanted) in [
        (["IP:192.0.2.1"], "192.0.2.1"),
        (["IP:2001:db8::1"], "2001:db8::1"),
        (["URI:sip:192.0.2.1"], "192.0.2.1"),
        (["URI:sip:192.0.2.1:5061"], "192.0.2.1"),
        (["URI:sip:[2001:db8::1]:5061"], "2001:db8::1"),
    ] {
        assert_eq!(is_for(&names, wanted), Ok(()), "{names:?} {wanted}");
    }
    for (names, wanted) in
        [(["IP:192.0.2.1"], "192.0.2.2"), (["DNS:example.com"], "192.0.2.1"), (["URI:sip:192.0.2.1"], "192.0.2.2")]
    {
        assert!(is_for(&names, wanted).is_err(), "{names:?} {wanted}");
    }
}

#[test]
fn what_is_no_certificate_is_for_nobody() {
    let name = ServerName::try_from("example.com").unwrap();
    for octets in [&b""[..], b"\x30", b"\x30\x80\x00\x00", &[0xff; 100]] {
        assert!(verify(&CertificateDer::from(octets), &name).is_err());
    }
}
