//! Grammar and limits of RFC 8866.

use std::net::{IpAddr, Ipv4Addr};

use crate::*;

const HEAD: &str = "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\n";

fn parse(text: &str) -> Result<Session, ParseError> {
    Session::parse(text.as_bytes())
}

/// A session with `lines` behind `s=`, each to be followed by CRLF.
fn with(lines: &[&str]) -> Result<Session, ParseError> {
    parse(&format!("{HEAD}{}\r\n", lines.join("\r\n")))
}

fn kind(lines: &[&str]) -> ParseErrorKind {
    with(lines).expect_err("refused").kind
}

#[test]
fn rfc8866_5_every_line_is_read_and_printed_in_order() {
    let text = "v=0\r\n\
        o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\n\
        s=Call to John Smith\r\n\
        i=SDP Offer #1\r\n\
        u=http://www.jdoe.example.com/home.html\r\n\
        e=Jane Doe <jane@jdoe.example.com>\r\n\
        e=j.doe@example.com (Jane Doe)\r\n\
        p=+1 617 555-6011\r\n\
        c=IN IP4 198.51.100.1\r\n\
        b=X-YZ:128\r\n\
        b=CT:1000\r\n\
        t=3724394400 3754123200\r\n\
        r=604800 3600 0 90000\r\n\
        r=7d 1h 0 25h\r\n\
        z=3730928400 -1h 3749680800 0\r\n\
        t=0 0\r\n\
        a=inactive\r\n\
        a=x-unknown:kept as it is \r\n\
        m=audio 49170 RTP/AVP 0\r\n\
        m=video 49170/2 RTP/AVP 99\r\n\
        i=slides\r\n\
        c=IN IP4 233.252.0.1/127/3\r\n\
        c=IN IP6 ff00::db8:0:101/3\r\n\
        b=AS:64\r\n\
        a=rtpmap:99 h263-1998/90000\r\n";
    let session = parse(text).unwrap();
    assert_eq!(session.to_string(), text);
    assert_eq!(session.times[0].repeats[1].interval.seconds(), Some(604_800));
    assert_eq!(session.times[0].repeats[1].offsets[1].seconds(), Some(90_000));
    assert!(session.times[0].zones[0].back);
    assert_eq!(session.bandwidths[0].kind, "X-YZ");
    assert_eq!(session.media[1].port_count, Some(2));
    assert_eq!(session.media[1].connections[0].ttl, Some(127));
    assert_eq!(session.media[1].connections[1].count, Some(3));
    assert_eq!(session.attributes.get("x-unknown"), Some("kept as it is "));
    assert_eq!(session.stream(0).unwrap().direction(), Direction::Inactive);
}

#[test]
fn rfc8866_5_lf_alone_ends_a_line_and_the_last_end_may_miss() {
    let crlf = format!("{HEAD}c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=sendonly\r\n");
    let expected = parse(&crlf).unwrap();
    for text in
        [crlf.replace('\r', ""), crlf.trim_end().to_owned(), format!("{crlf}\r\n\n"), crlf.replacen('\r', "", 2)]
    {
        assert_eq!(parse(&text).unwrap(), expected, "{text:?}");
    }
    let blank_inside = crlf.replace("t=0 0\r\n", "t=0 0\r\n\r\n");
    assert_eq!(parse(&blank_inside).unwrap_err().kind, ParseErrorKind::NotALine);
}

#[test]
fn rfc8866_5_order_is_checked() {
    use ParseErrorKind::*;
    for (lines, expected) in [
        (vec!["u=http://a", "i=x"], OutOfOrder('i')),
        (vec!["e=a@b", "u=http://a"], OutOfOrder('u')),
        (vec!["p=1", "e=a@b"], OutOfOrder('e')),
        (vec!["t=0 0", "p=1"], OutOfOrder('p')),
        (vec!["t=0 0", "s=x"], OutOfOrder('s')),
        (vec!["s=x"], Duplicate('s')),
        (vec!["i=x", "i=y"], Duplicate('i')),
        (vec!["u=x", "u=y"], Duplicate('u')),
        (vec!["c=IN IP4 1.2.3.4", "c=IN IP4 1.2.3.4"], Duplicate('c')),
        (vec!["r=1 1 0", "t=0 0"], OutOfOrder('r')),
        (vec!["t=0 0", "a=x", "r=1 1 0"], OutOfOrder('r')),
        (vec!["t=0 0", "z=0 0"], OutOfOrder('z')),
        (vec!["v=0"], OutOfOrder('v')),
        (vec!["t=0 0", "m=audio 0 RTP/AVP 0", "t=0 0"], OutOfOrder('t')),
        (vec!["t=0 0", "m=audio 0 RTP/AVP 0", "s=x"], OutOfOrder('s')),
        (vec!["t=0 0", "m=audio 0 RTP/AVP 0", "i=x", "i=y"], Duplicate('i')),
        (vec!["t=0 0", "m=audio 9 RTP/AVP 0"], Missing('c')),
        (vec!["y=1"], UnknownLetter('y')),
        (vec!["M=audio 0 RTP/AVP 0"], UnknownLetter('M')),
        (vec!["hello"], NotALine),
        (vec![" t=0 0"], NotALine),
    ] {
        assert_eq!(kind(&lines), expected, "{lines:?}");
    }
    for (text, letter) in [("", 'v'), ("o=- 1 1 IN IP4 h", 'v'), ("v=0", 'o'), ("v=0\ns=-\n", 'o'), ("\r\n", 'v')] {
        assert_eq!(parse(text).unwrap_err().kind, Missing(letter), "{text:?}");
    }
}

#[test]
fn rfc8866_5_what_devices_shuffle_is_accepted() {
    let shuffled = with(&[
        "t=0 0",
        "a=tool:x",
        "b=AS:64",
        "c=IN IP4 192.0.2.1",
        "m=audio 9 RTP/AVP 0",
        "a=sendonly",
        "b=AS:1",
        "c=IN IP4 192.0.2.9",
        "i=x",
    ]);
    let session = shuffled.unwrap();
    assert_eq!(session.media[0].information.as_deref(), Some("x"));
    assert_eq!(session.media[0].connections.len(), 1);
    assert_eq!(parse(&session.to_string()).unwrap(), session);
    let bare = parse("v=0\no=- 1 2 IN IP4 192.0.2.1\n").unwrap();
    assert_eq!((bare.name.as_str(), bare.times.len()), ("-", 1));
    assert_eq!(parse("v=0\no=- 1 2 IN IP4 192.0.2.1\ns=\n").unwrap().name, "-");
}

#[test]
fn rfc8866_5_1_only_version_0() {
    for version in ["v=1", "v=", "v=00", "v=0x"] {
        let error = parse(&format!("{version}\r\no=- 1 2 IN IP4 192.0.2.1\r\n")).unwrap_err();
        assert_eq!(error.kind, ParseErrorKind::Malformed('v'), "{version}");
    }
}

#[test]
fn rfc8866_5_2_origin() {
    let origin = |value: &str| parse(&format!("v=0\r\no={value}\r\ns=-\r\n")).map(|session| session.origin);
    let ok = origin("alice 2890844526 00042 IN IP6 2001:db8::1").unwrap();
    assert_eq!(ok.version.value(), Some(42));
    assert_eq!(ok.to_string(), "alice 2890844526 00042 IN IP6 2001:db8::1");
    assert_eq!(origin("John  Q Doe 1 2 IN IP4 h.example").unwrap().username, "John_Q_Doe");
    assert_eq!(origin(" 1 2 IN IP4 192.0.2.1").unwrap().username, "-");
    assert_eq!(origin("- -5 99999999999999999999 IN IP4 192.0.2.1").unwrap().version.value(), None);
    for bad in [
        "",
        "alice",
        "alice 1 2 IN IP4",
        "a x 2 IN IP4 h",
        "a 1 2x IN IP4 h",
        "a 1 - IN IP4 h",
        "a 1 2 IN IP4 256.0.0.1",
    ] {
        assert_eq!(origin(bad).unwrap_err().kind, ParseErrorKind::Malformed('o'), "{bad}");
    }
    let renamed = Origin { username: Text::new("a b\tc").unwrap(), ..ok };
    assert!(renamed.to_string().starts_with("a_b_c 2890844526 "));
}

#[test]
fn rfc8866_5_3_there_is_always_one_session_name() {
    for (line, name) in [("s=\r\n", "-"), ("", "-"), ("s= \r\n", " "), ("s=Gr\u{fc}\u{df}e \r\n", "Gr\u{fc}\u{df}e ")] {
        let session = parse(&format!("v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\n{line}t=0 0\r\n")).unwrap();
        assert_eq!(session.name, name);
        assert_eq!(session.to_string().matches("\r\ns=").count(), 1);
        assert!(!session.to_string().contains("s=\r\n"), "never empty");
    }
    assert_eq!(kind(&["s=again"]), ParseErrorKind::Duplicate('s'));
}

#[test]
fn rfc8866_5_6_mail_and_telephone_stand_before_the_media() {
    let session = with(&["e=a@b (c)", "e=d <e@f>", "p=+1 2", "p=+3", "t=0 0"]).unwrap();
    assert_eq!((session.emails.len(), session.phones.len()), (2, 2));
    for late in ["e=a@b", "p=+1"] {
        let letter = late.chars().next().unwrap();
        assert_eq!(kind(&["t=0 0", "m=audio 0 RTP/AVP 0", late]), ParseErrorKind::OutOfOrder(letter));
    }
}

#[test]
fn rfc8866_5_13_unknown_attributes_are_kept_and_do_no_harm() {
    let lines = ["t=0 0", "a=x-a", "a=x-b:1", "m=audio 0 RTP/AVP 0", "a=x-c:\u{e4} :=/", "a=x-a"];
    let session = with(&lines).unwrap();
    assert_eq!(session.attributes.len(), 2);
    assert_eq!(session.media[0].attributes.get("x-c"), Some("\u{e4} :=/"));
    assert!(session.to_string().ends_with(&format!("{}\r\n", lines[3..].join("\r\n"))));
    assert_eq!(kind(&["a=n\u{e4}me:x"]), ParseErrorKind::Malformed('a'), "names are ASCII");
}

#[test]
fn rfc8866_5_7_connection_addresses() {
    let connection = |value: &str| {
        let session = with(&["t=0 0", "m=audio 9 RTP/AVP 0", &format!("c={value}")])?;
        Ok::<_, ParseError>(session.media[0].connections[0].clone())
    };
    for same in [
        "IN IP4 192.0.2.1",
        "IN IP4 host.example.com",
        "IN IP6 host_1.example.com",
        "IN IP6 2001:db8::1",
        "IN IP6 ::ffff:192.0.2.2",
        "IN IP4 224.2.1.1/127",
        "IN IP4 224.2.1.1/0/3",
        "IN IP6 ff15::101",
        "IN IP6 ff15::101/3",
        "TN RFC2543 +1-201-406-4090",
        "ATM NSAP 47.0091.8100.0000 more",
    ] {
        assert_eq!(connection(same).unwrap().to_string(), same);
    }
    assert_eq!(connection("in ip4 2001:db8::1").unwrap().to_string(), "IN IP6 2001:db8::1");
    assert_eq!(connection("IN  IP4  10.0.0.1 ").unwrap().address, Address::from(Ipv4Addr::new(10, 0, 0, 1)));
    for bad in [
        "",
        "IN",
        "IN IP4",
        "IN IP4 256.1.1.1",
        "IN IP4 192.0.2.1/127",
        "IN IP4 host.example.com/127",
        "IN IP4 224.2.1.1/256",
        "IN IP4 224.2.1.1/127/0",
        "IN IP4 224.2.1.1/127/3/4",
        "IN IP4 224.2.1.1/",
        "IN IP6 ff15::101/3/4",
        "IN IP6 ff15::101/0",
        "IN IP6 2001:db8::1::2",
        "IN IP4 ho/st",
        "IN IP4 a b",
        "I\"N IP4 192.0.2.1",
    ] {
        assert_eq!(connection(bad).unwrap_err().kind, ParseErrorKind::Malformed('c'), "{bad}");
    }
}

#[test]
fn rfc8866_5_7_a_group_of_ipv4_has_a_time_to_live_and_one_of_ipv6_none() {
    for (read, printed) in [("224.2.1.1", "224.2.1.1/127"), ("224.2.1.1/5", "224.2.1.1/5"), ("192.0.2.1", "192.0.2.1")]
    {
        let session = with(&[&format!("c=IN IP4 {read}"), "t=0 0"]).unwrap();
        assert!(session.to_string().contains(&format!("\r\nc=IN IP4 {printed}\r\n")), "{session}");
        assert_eq!(parse(&session.to_string()).unwrap(), session);
    }
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(Connection::new(ip("239.1.1.1")).to_string(), "IN IP4 239.1.1.1/127");
    let of_ipv6 = Connection { ttl: Some(5), ..Connection::new(ip("ff15::101")) };
    assert_eq!(of_ipv6.to_string(), "IN IP6 ff15::101");
    // And a single host has no slash at all.
    let host = Connection { ttl: Some(5), count: Some(3), ..Connection::new(ip("192.0.2.1")) };
    assert_eq!(host.to_string(), "IN IP4 192.0.2.1");
}

#[test]
fn rfc8866_5_7_several_addresses_stand_in_a_media_section_only() {
    let groups = |lines: &[&str]| with(lines).map(|session| session.to_string());
    let media = ["t=0 0", "m=video 9 RTP/AVP 31", "c=IN IP4 224.2.1.1/127/3", "c=IN IP6 ff15::101/3"];
    assert!(groups(&media).unwrap().ends_with(&format!("{}\r\n", media.join("\r\n"))));
    for several in ["c=IN IP4 224.2.1.1/127/3", "c=IN IP6 ff15::101/3"] {
        assert_eq!(kind(&[several, "t=0 0"]), ParseErrorKind::Malformed('c'), "{several}");
    }
    assert_eq!(kind(&["c=IN IP4 192.0.2.1", "c=IN IP4 192.0.2.2"]), ParseErrorKind::Duplicate('c'));
    // Nor does what we print.
    let mut session = with(&["t=0 0"]).unwrap();
    let group = Connection::new("ff15::101".parse::<IpAddr>().unwrap());
    session.connection = Some(Connection { count: Some(3), ..group });
    assert!(session.to_string().contains("\r\nc=IN IP6 ff15::101\r\n"), "{session}");
}

#[test]
fn rfc8866_5_8_to_5_14_malformed_values_are_refused() {
    for bad in [
        "b=AS",
        "b=AS:",
        "b=AS:-1",
        "b=:1",
        "b=A S:1",
        "b=AS:18446744073709551616",
        "t=0",
        "t=0 0 0",
        "t=x 0",
        "t=-1 0",
        "a=",
        "a=:x",
        "a=na me:x",
        "a= sendrecv",
    ] {
        let letter = bad.chars().next().unwrap();
        assert_eq!(kind(&[bad]), ParseErrorKind::Malformed(letter), "{bad}");
    }
    for bad in ["r=", "r=1", "r=1 1", "r=1w 1 0", "r=1 1 0 d", "r=d 1 0", "r=1 1 -1"] {
        assert_eq!(kind(&["t=0 0", bad]), ParseErrorKind::Malformed('r'), "{bad}");
    }
    for bad in ["z=", "z=1", "z=1 1 1", "z=1 --1", "z=-1 1"] {
        assert_eq!(kind(&["t=0 0", "r=1 1 0", bad]), ParseErrorKind::Malformed('z'), "{bad}");
    }
    for bad in [
        "m=",
        "m=audio",
        "m=audio 1",
        "m=audio 1 RTP/AVP",
        "m=audio 65536 RTP/AVP 0",
        "m=audio -1 RTP/AVP 0",
        "m=audio 1/0 RTP/AVP 0",
        "m=audio 1/ RTP/AVP 0",
        "m=audio x RTP/AVP 0",
        "m=audio 1 RTP//AVP 0",
        "m=audio 1 RTP/AVP 0,8",
        "m=au:dio 1 RTP/AVP 0",
    ] {
        assert_eq!(kind(&["c=IN IP4 192.0.2.1", bad]), ParseErrorKind::Malformed('m'), "{bad}");
    }
    assert_eq!(with(&["m=audio 0 RTP/AVP"]).unwrap().media[0].formats, ["0"]);
    assert_eq!(with(&["a=sendonly "]).unwrap().attributes.direction(), Some(Direction::SendOnly));
}

#[test]
fn rfc8866_5_12_keys_are_discarded() {
    let session = with(&["t=0 0", "k=clear:secret", "a=x", "m=audio 0 RTP/AVP 0", "k=prompt"]).unwrap();
    let printed = session.to_string();
    assert!(!printed.contains("k=") && !printed.contains("secret") && !printed.contains("prompt"), "{printed}");
}

#[test]
fn rfc8866_5_13_crypto_keys_are_not_in_debug_output() {
    let line = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0";
    let session = with(&["m=audio 0 RTP/SAVP 0", line, "a=ice-pwd:topsecret"]).unwrap();
    let debug = format!("{session:?}");
    assert!(!debug.contains("c2VjcmV0") && !debug.contains("topsecret"), "{debug}");
    assert!(session.to_string().contains(line));
}

#[test]
fn rfc8866_5_4_information_is_utf8_whatever_it_was_read_as() {
    let around = |line: &[u8]| [b"v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\ni=", line, b"\r\nt=0 0\r\n"].concat();
    for line in ["Gespräch".as_bytes(), b"Gespr\xe4ch"] {
        let session = Session::parse(&around(line)).unwrap();
        assert_eq!(session.to_string().as_bytes(), around("Gespräch".as_bytes()));
    }
}

#[test]
fn rfc8866_6_10_lines_which_are_not_utf8_are_read_as_latin_1() {
    let mut bytes =
        b"v=0\r\no=J\xfcrgen 1 2 IN IP4 192.0.2.1\r\ns=Gr\xfc\xdfe\r\na=charset:ISO-8859-1\r\na=x:\xe4\r\n".to_vec();
    let session = Session::parse(&bytes).unwrap();
    assert_eq!(session.name, "Grüße");
    assert_eq!(session.attributes.get("charset"), Some("UTF-8"));
    assert_eq!(Session::parse(session.to_string().as_bytes()).unwrap(), session);
    bytes.retain(u8::is_ascii);
    assert_eq!(Session::parse(&bytes).unwrap().attributes.get("charset"), Some("ISO-8859-1"));
}

#[test]
fn errors_name_line_byte_expectation_and_rule() {
    let error = with(&["c=IN IP4 192.0.2.1", "t=0 0", "m=audio 70000 RTP/AVP 0"]).unwrap_err();
    let at = HEAD.len() + "c=IN IP4 192.0.2.1\r\nt=0 0\r\n".len() + "m=audio ".len();
    assert_eq!((error.line, error.byte), (6, at));
    let text = format!("line 6, byte {at}: malformed m=: expected a port from 0 to 65535 (RFC 8866 section 5.14)");
    assert_eq!(error.to_string(), text);
    let error = parse("v=0\r\no=- 1 2 IN IP4 h\r\ns=a\0b\r\n").unwrap_err();
    assert_eq!((error.line, error.byte, error.kind), (3, 26, ParseErrorKind::ForbiddenByte(0)));
    assert_eq!(parse("v=0\r\no=- 1 2 IN IP4 h\r\ns=a\rb\r\n").unwrap_err().kind, ParseErrorKind::ForbiddenByte(b'\r'));
}

/// Parses a good and a bad text under the same limits.
fn at_the_limit(limits: Limits, good: &str, bad: &str, bound: usize) {
    assert!(Session::parse_with(good.as_bytes(), &limits).is_ok(), "at the limit");
    let error = Session::parse_with(bad.as_bytes(), &limits).expect_err("one past the limit");
    assert_eq!(error.kind, ParseErrorKind::TooLarge(bound));
}

#[test]
fn cve_sdp_floods_stop_at_every_limit() {
    let d = Limits::DEFAULT;
    let text = |lines: &[String]| format!("{HEAD}c=IN IP4 192.0.2.1\r\nt=0 0\r\n{}\r\n", lines.join("\r\n"));
    let repeat = |line: &str, n: usize| text(&vec![line.to_owned(); n]);
    let media =
        |line: &str, n: usize| text(&[vec!["m=audio 9 RTP/AVP 0".to_owned()], vec![line.to_owned(); n]].concat());
    at_the_limit(d, &repeat("m=audio 9 RTP/AVP 0", 32), &repeat("m=audio 9 RTP/AVP 0", 33), d.media);
    at_the_limit(d, &repeat("a=x", 512), &repeat("a=x", 513), d.attributes);
    at_the_limit(d, &media("a=x", 512), &media("a=x", 513), d.attributes);
    let formats = |n: usize| text(&[format!("m=audio 9 RTP/AVP{}", " 0".repeat(n))]);
    at_the_limit(d, &formats(128), &formats(129), d.formats);
    let line = |n: usize| text(&[format!("a=x:{}", "y".repeat(n - 4))]);
    at_the_limit(d, &line(4096), &line(4097), d.line_bytes);
    at_the_limit(d, &media("b=AS:1", 2048 - 6), &media("b=AS:1", 2048 - 5), d.lines);
    let unit = "a=".len() + 4094 + "\r\n".len();
    let body = |n: usize| {
        let head = media("a=x", 0).len();
        let full = (n - head) / unit;
        let rest = n - head - full * unit;
        format!(
            "{}{}a={}\r\n",
            media("a=x", 0),
            format!("a={}\r\n", "y".repeat(4094)).repeat(full),
            "z".repeat(rest - 4)
        )
    };
    assert_eq!(body(65_536).len(), 65_536);
    at_the_limit(d, &body(65_536), &body(65_537), d.session_bytes);
}

#[test]
fn an_ip_address_of_either_family_is_printed_with_its_type() {
    for (ip, text) in [("192.0.2.1", "IN IP4 192.0.2.1"), ("2001:db8::1", "IN IP6 2001:db8::1")] {
        assert_eq!(Address::from(ip.parse::<IpAddr>().unwrap()).to_string(), text);
    }
    let layered = Connection { count: Some(2), ..Connection::new("239.1.1.1".parse::<IpAddr>().unwrap()) };
    assert_eq!(layered.to_string(), "IN IP4 239.1.1.1/127/2");
}
