//! URIs: grammar, comparison with all the examples of RFC 3261 section 19.1.4, addresses of record.

#![allow(clippy::unwrap_used)]

use sip::message::{Host, Scheme, Uri, UriBuf};

fn uri(text: &str) -> Uri<'_> {
    Uri::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

#[test]
fn rfc3261_19_1_3_examples_are_read() {
    let examples = [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
    ];
    for text in examples {
        assert_eq!(uri(text).to_string(), text);
    }
    let full = uri(examples[3]);
    assert_eq!((full.user(), full.password()), (Some("+1-212-555-1212"), Some("1234")));
    assert_eq!((full.host(), full.port()), (Host::Name("gateway.com"), None));
    assert_eq!(full.params().get("USER"), Some("phone"));
    let register = uri(examples[6]);
    assert_eq!((register.user(), register.params().get("method")), (None, Some("REGISTER")));
    assert_eq!(register.headers().iter().collect::<Vec<_>>(), [("to", "alice%40atlanta.com")]);
    assert_eq!(uri(examples[7]).user(), Some("alice;day=tuesday"));
    let two = uri(examples[2]);
    assert!(two.is_secure());
    assert_eq!(two.headers().get("Priority"), Some("urgent"));
}

#[test]
fn rfc3261_19_1_4_equivalent_examples() {
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:0DB8:0:0::1]"),
        ("sip:a@[2001:db8:::192.0.2.1]", "sip:a@[2001:db8::192.0.2.1]"),
        ("SIP:a@b", "sip:a@b"),
    ] {
        assert!(uri(a).equivalent(&uri(b)), "{a} {b}");
        assert!(uri(b).equivalent(&uri(a)), "{b} {a}");
    }
}

#[test]
fn rfc3261_19_1_4_different_examples() {
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:b"),
        ("sip:a@b", "sip:a:@b"),
        ("sip:a:x@b", "sip:a:X@b"),
        ("sip:a@b;maddr=x", "sip:a@b"),
        ("sip:a@b;ttl=1", "sip:a@b"),
        ("sip:a@b;user=phone", "sip:a@b"),
        ("sip:a@b;method=INVITE", "sip:a@b"),
        ("sip:a@b?x=1", "sip:a@b?x=1&x=1"),
        ("sip:a@b", "tel:1"),
        // RFC 5627 section 4.2: one instance, and all of them.
        ("sip:a@b;gr=urn:uuid:1", "sip:a@b"),
        ("sip:a@b;gr", "sip:a@b"),
        ("sip:a@b;gr=urn:uuid:1", "sip:a@b;gr=urn:uuid:2"),
    ] {
        assert!(!uri(a).equivalent(&uri(b)), "{a} {b}");
        assert!(!uri(b).equivalent(&uri(a)), "{b} {a}");
    }
}

#[test]
fn rfc3261_19_1_4_equivalence_is_not_transitive() {
    let (on, none, off) =
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com", "sip:carol@chicago.com;security=off");
    assert!(uri(on).equivalent(&uri(none)) && uri(none).equivalent(&uri(off)));
    assert!(!uri(on).equivalent(&uri(off)));
}

#[test]
fn address_of_record_is_canonical_whatever_is_odd_about_it() {
    for (text, canonical) in [
        ("sip:a@Host.", "sip:a@host"),
        ("sip:a@host", "sip:a@host"),
        ("sips:a@.", "sips:a@."),
        ("sip:a@host..", "sip:a@host.."),
        ("tel:23;phone-context", "tel:23"),
        ("tel:23;phone-context=A.example", "tel:23;phone-context=a.example"),
    ] {
        let aor = uri(text).aor();
        assert_eq!(aor.as_str(), canonical);
        assert_eq!(uri(aor.as_str()).aor(), aor, "{text}");
    }
}

#[test]
fn rfc3261_19_1_4_of_a_repeated_parameter_the_first_counts() {
    let twice = uri("sip:alice@AtLanTa.CoM;Transport=CoM;Transport=tcp");
    assert!(twice.equivalent(&twice), "whatever a URI holds, it is equivalent to itself");
    assert!(twice.equivalent(&uri("sip:alice@atlanta.com;transport=com")));
    assert!(!twice.equivalent(&uri("sip:alice@atlanta.com;transport=tcp")));
    let number = uri("tel:7042;phone-context=a.example;phone-context=b.example");
    assert!(number.equivalent(&number));
}

/// Which parameters a number has, how often and in which order is for who writes it: it goes on as it came, and means the same in any order.
#[test]
fn rfc3966_3_a_tel_uri_goes_on_as_it_came_in_whatever_order() {
    let given = "tel:7042;phone-context=a.example;x=1;ext=12;ext=13";
    let number = uri(given);
    assert_eq!(number.to_string(), given);
    assert!(number.equivalent(&number));
    assert!(
        uri("tel:7042;phone-context=a.example;ext=12").equivalent(&uri("tel:7042;ext=1-2;phone-context=A.example"))
    );
}

#[test]
fn rfc3261_19_1_4_comparison_is_bounded() {
    let many = |count: usize| format!("sip:a@b{}", ";a=b".repeat(count));
    assert!(uri(&many(32)).equivalent(&uri(&many(32))));
    assert!(!uri(&many(33)).equivalent(&uri(&many(33))));
}

#[test]
fn rfc3966_4_tel_numbers_compare_without_separators() {
    assert!(uri("tel:+1-201-555-0123").equivalent(&uri("tel:+1(201)555.0123")));
    assert!(uri("TEL:7042;phone-context=Example.com").equivalent(&uri("tel:7042;phone-context=example.COM")));
    assert!(uri("tel:+1;ext=12-3").equivalent(&uri("tel:+1;ext=123")));
    assert!(!uri("tel:+1;ext=12").equivalent(&uri("tel:+1")));
    assert!(!uri("tel:1").equivalent(&uri("tel:+1")));
    assert_eq!((uri("tel:+1-2").scheme(), uri("tel:+1-2").user()), (Scheme::Tel, Some("+1-2")));
}

#[test]
fn rfc3261_25_1_what_is_no_uri() {
    for text in [
        "",
        "sip",
        "sip:",
        "sips:",
        ":a@b",
        "sip:@b",
        "sip:a@",
        "sip:a@b:",
        "sip:a@b:65536",
        "sip:a@b:x",
        "sip:a@b;",
        "sip:a@b;=x",
        "sip:a@b;x=",
        "sip:a@b?",
        "sip:a@b?x",
        "sip:a@b?=x",
        "sip:a b@c",
        "sip:a@b c",
        "sip:%@b",
        "sip:%4@b",
        "sip:%4x@b",
        "sip:a@b%",
        "sip:a@b@c",
        "sip:a@[::1",
        "sip:a@[1.2.3.4]",
        "sip:a@[::::1]",
        "sip:2001:db8::10",
        "sip:a@b\r\n",
        "sip:\u{e4}@b",
        "sip:a\"@b",
        "<sip:a@b>",
        "tel:",
        "tel:+",
        "tel:abc!",
        "tel:+a",
        "tel:+49 30 1",
        "</>",
        "/",
        "1x:y",
        "http:",
        "x:a b",
        "sip:x@h\r\nX: 1",
        "not a uri",
    ] {
        assert!(Uri::parse(text).is_err(), "{text:?}");
        assert!(text.parse::<UriBuf>().is_err(), "{text:?}");
    }
    assert!(Uri::parse(&format!("sip:{}", "a".repeat(65_531))).is_ok());
    assert!(Uri::parse(&format!("sip:{}", "a".repeat(65_532))).is_err());
}

#[test]
fn rfc3986_3_other_schemes_are_kept_whole() {
    for text in ["urn:service:sos", "http://www.example.com/a?b#c", "cid:x@y", "im:bob@example.com", "isbn:2983792873"]
    {
        let uri = uri(text);
        assert_eq!((uri.scheme(), uri.to_string().as_str()), (Scheme::Other, text));
        assert_eq!(format!("{}:{}", uri.scheme_text(), uri.opaque()), text);
        assert!(uri.user().is_none() && uri.port().is_none() && uri.params().is_empty() && uri.headers().is_empty());
    }
}

#[test]
fn rfc3261_10_3_addresses_of_record_are_canonical() {
    for (text, aor) in [
        ("sip:Alice:pw@Atlanta.COM:5070;user=phone?a=b", "sip:Alice@atlanta.com:5070"),
        ("sip:%61lice@h", "sip:alice@h"),
        ("sip:null-%00-null@h", "sip:null-%00-null@h"),
        ("sip:a%40b@h", "sip:a%40b@h"),
        ("sip:a%ff@h", "sip:a%FF@h"),
        ("sips:a@h.", "sips:a@h"),
        ("sip:a@[2001:DB8::0:1]", "sip:a@[2001:db8::1]"),
        ("sip:h", "sip:h"),
        ("tel:+49-30-12(3)", "tel:+4930123"),
        ("tel:12;phone-context=Example.com", "tel:12;phone-context=example.com"),
        ("URN:service:sos", "urn:service:sos"),
    ] {
        assert_eq!(uri(text).aor().as_str(), aor);
        assert_eq!(uri(aor).aor().as_str(), aor, "canonical");
    }
    assert_ne!(uri("sip:%00@h").aor(), uri("sip:%00%00@h").aor());
}

#[test]
fn rfc3261_19_1_2_what_may_not_stand_in_a_part_is_escaped() {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    for byte in 1..=0x7f_u8 {
        let text = char::from(byte).to_string();
        let escaped = format!("%{byte:02X}");
        let expected = |plain: &[u8]| if unreserved(byte) || plain.contains(&byte) { &text } else { &escaped };
        // Section 25.1: user-unreserved and param-unreserved.
        let user = UriBuf::sip(false, Some(&text), "h", None).unwrap();
        assert_eq!(user.as_str(), format!("sip:{}@h", expected(b"&=+$,;?/")));
        assert_eq!(user.as_uri().user_unescaped().unwrap(), text);
        let param = "sip:h".parse::<UriBuf>().unwrap().with_param("x", Some(&text)).unwrap();
        assert_eq!(param.as_str(), format!("sip:h;x={}", expected(b"[]/:&+$")));
        // Nothing that must be escaped is read bare in a user part; the host knows no escapes at all.
        let bare = Uri::parse(&format!("sip:a{text}b@h")).map(|uri| uri.user() == Some(&format!("a{text}b")));
        let allowed = unreserved(byte) || b"&=+$,;?/".contains(&byte);
        assert!(bare == Ok(true) || !allowed, "{byte:#x}");
        assert!(bare != Ok(true) || allowed, "{byte:#x}");
        assert!(Uri::parse(&format!("sip:a@h{escaped}st")).is_err(), "{byte:#x}");
    }
}

#[test]
fn rfc3261_19_1_1_uris_are_built_with_escapes_and_each_parameter_once() {
    let built = UriBuf::sip(false, Some("a b@c"), "2001:db8::1", Some(5070)).unwrap();
    assert_eq!(built.as_str(), "sip:a%20b%40c@[2001:db8::1]:5070");
    assert_eq!(built.as_uri().user_unescaped().unwrap(), "a b@c");
    let more = built.with_param("transport", Some("tcp")).unwrap().with_param("lr", None).unwrap();
    assert_eq!(more.as_str(), "sip:a%20b%40c@[2001:db8::1]:5070;transport=tcp;lr");
    assert!(more.as_uri().is_loose() && more.as_uri().transport() == Some("tcp"));
    // RFC 3261 19.1.1: no name stands twice.
    for name in ["transport", "Transport", "lr"] {
        assert!(more.with_param(name, Some("udp")).is_err() && more.with_param(name, None).is_err(), "{name}");
    }
    let quoted = built.with_param("x", Some("a;b?c")).unwrap();
    assert_eq!(quoted.as_uri().params().iter().last().unwrap().value, Some("a%3Bb%3Fc"));
    for host in ["", "a b", "a;b", "a@b", "a\r\nX: y", "[::1"] {
        assert!(UriBuf::sip(true, None, host, None).is_err(), "{host:?}");
    }
}
