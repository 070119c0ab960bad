//! RFC 5922, sentence by sentence, with certificates of each kind.

use std::time::{Duration, Instant};

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

#[test]
fn cve_tls_a_name_with_a_nul_in_it_is_for_nobody() {
    for name in [
        "DNS:example.com\0.evil.example",
        "DNS:example.com\0",
        "DNS:evil.example\0example.com",
        "URI:sip:example.com\0.evil.example",
        "URI:sip:example.com\0",
        "URI:sip:\0example.com",
        "URI:sip:example.com%00.evil.example",
    ] {
        let shown = certificate(&[name], "example.com");
        for host in ["example.com", "evil.example"] {
            let wanted = ServerName::try_from(host).unwrap();
            assert!(verify(&shown, &wanted).is_err(), "{name:?} {host}");
            assert!(verify_web(&shown, &wanted).is_err(), "{name:?} {host}");
            assert!(!super::is_for(&shown, host), "{name:?} {host}");
        }
        // It is not that the certificate cannot be read: what stands beside such a name counts.
        let beside = certificate(&[name, "IP:192.0.2.1"], "example.com");
        assert_eq!(verify(&beside, &ServerName::try_from("192.0.2.1").unwrap()), Ok(()), "{name:?}");
    }
}

#[test]
fn cve_tls_names_of_any_length_and_number_are_looked_through_in_time_and_are_for_nobody_else() {
    let wanted = |host: &str| ServerName::try_from(host.to_owned()).unwrap();
    let many: Vec<String> = (0..10_000).map(|_| "DNS:a.b".to_owned()).chain(["DNS:example.com".to_owned()]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let many = certificate(&many, "common.example.com");
    // A certificate is no longer than 65,535 octets; what is longer cannot be read.
    let [long, longest] = [60_000, 66_000].map(|octets| format!("example.com.{}", "x".repeat(octets)));
    let began = Instant::now();
    assert_eq!(verify(&many, &wanted("example.com")), Ok(()));
    assert_eq!(verify(&many, &wanted("other.example")).unwrap_err().len(), 10_001);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    for name in [format!("DNS:{long}"), format!("URI:sip:{long}"), format!("DNS:{longest}")] {
        let shown = certificate(&[&name], "example.com");
        let began = Instant::now();
        assert!(verify(&shown, &wanted("example.com")).is_err(), "{} octets", name.len());
        assert!(verify_web(&shown, &wanted("example.com")).is_err(), "{} octets", name.len());
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
}

#[test]
fn rfc5280_4_2_1_6_addresses_of_a_certificate_are_those_of_both_families_and_nothing_else() {
    let named = ["DNS:a.example", "IP:192.0.2.1", "URI:sip:192.0.2.9", "IP:2001:db8::1"];
    let found = addresses(&certificate(&named, "192.0.2.8"));
    let expected: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    assert_eq!(found, expected);
    for nothing in [certificate(&["DNS:a.example"], "x"), certificate(&[], "x"), CertificateDer::from(vec![0x30, 3, 1])]
    {
        assert!(addresses(&nothing).is_empty());
    }
}
