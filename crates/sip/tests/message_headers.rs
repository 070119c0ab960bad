//! Typed header fields: what each reads, what it refuses, what it prints.

#![allow(clippy::unwrap_used)]

use sip::message::header::*;
use sip::message::{Header, HeaderId, Headers, ParamValue};

/// The canonical form of a value, `None` when it is refused.
fn canonical<'a, H: Header<'a>>(value: &'a str) -> Option<String> {
    let read: H = Headers::read(value.as_bytes()).ok()?;
    Some(read.to_string())
}

macro_rules! table {
    ($name:ident, $type:ty, { $($value:literal => $printed:expr),* $(,)? }, [$($bad:literal),* $(,)?]) => {
        #[test]
        fn $name() {
            $(assert_eq!(canonical::<$type>($value).as_deref(), Some($printed), "{:?}", $value);)*
            $(assert_eq!(canonical::<$type>($bad), None, "{:?}", $bad);)*
        }
    };
}

table!(rfc3261_20_1_accept, Accept<'_>, {
    "application/sdp;level=1" => "application/sdp;level=1",
    "*/*" => "*/*", "text/* ; q=0.5" => "text/*;q=0.5",
}, ["text", "text/", "/x", "text/html,", "a b/c"]);

table!(rfc3261_20_2_accept_encoding, AcceptEncoding<'_>, { "gzip" => "gzip", "* ; q=0" => "*;q=0" }, ["", "a b", ";q=1"]);
table!(rfc3261_20_3_accept_language, AcceptLanguage<'_>, { "da" => "da", "en-gb;q=0.8" => "en-gb;q=0.8" }, ["", "en gb"]);
table!(rfc3261_20_4_alert_info, AlertInfo<'_>, {
    "<http://www.example.com/sounds/moo.wav>" => "<http://www.example.com/sounds/moo.wav>",
    "<urn:alert:service:normal> ; x" => "<urn:alert:service:normal>;x",
}, ["http://a", "<>", "<http://a", "< http://a>"]);
table!(rfc3261_20_5_allow, Allow<'_>, { "INVITE" => "INVITE", "Odd-1" => "Odd-1" }, ["", "A B", "<A>"]);
table!(rfc3261_20_6_authentication_info, AuthenticationInfo<'_>, {
    "nextnonce=\"47364c23432d2e131a5fb210812c\"" => "nextnonce=\"47364c23432d2e131a5fb210812c\"",
    "qop=auth , nc = 00000001" => "qop=auth, nc=00000001",
}, ["", "a", "a=", "a=b,", "=b"]);
table!(rfc3261_20_7_authorization, Authorization<'_>, {
    "Digest username=\"Alice\",\r\n realm=\"a\\\"b\", nc=00000001" => "Digest username=\"Alice\", realm=\"a\\\"b\", nc=00000001",
    "NoOneKnowsThisScheme opaque-data=here" => "NoOneKnowsThisScheme opaque-data=here",
}, ["", "Digest", "Digest ", "Digest username", "Digest username=\"x", "=x"]);
table!(rfc3261_20_8_call_id, CallId<'_>, {
    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6@biloxi.com" => "f81d4fae-7dec-11d0-a765-00a0c91e6bf6@biloxi.com",
    "a,b" => "a,b",
}, ["", "a b", "\u{e4}"]);
table!(rfc3261_20_9_call_info, CallInfo<'_>, {
    "<http://wwww.example.com/alice/photo.jpg> ;purpose=icon" => "<http://wwww.example.com/alice/photo.jpg>;purpose=icon",
}, ["x", ""]);
table!(rfc3261_20_10_contact, Contact<'_>, {
    "*" => "*", " * " => "*",
    "\"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>;q=0.7; expires=3600"
        => "\"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>;q=0.7;expires=3600",
    "sip:a@b;x=y" => "<sip:a@b>;x=y", "<sip:a@b;x=y>" => "<sip:a@b;x=y>",
    "caller<sip:a@b>" => "\"caller\" <sip:a@b>", "A  B <sip:a@b>" => "\"A  B\" <sip:a@b>",
    "\"\" <sip:a@b>" => "\"\" <sip:a@b>", "<tel:+1>" => "<tel:+1>",
    "\"\\<>;,\" <sip:a,b;c@d?x=y>" => "\"<>;,\" <sip:a,b;c@d?x=y>",
}, ["", "*;q=1", "**", "</>", "<sip:a@b", "sip:a@b>", "\"a <sip:a@b>", "\"a\" sip:a@b", "sip:a@b?x=y", "<sip:a@b> x", "<sip:a@b>;",
    "<sip:a@b>;=", "<sip:a@b>;x=", "a, b <sip:a@b>", "\"a\\", "\"a\\\" <sip:a@b>", "<sip:a@b>;x=\"y", "< sip:a@b>", "<sip:a@b >", "<>"]);
table!(rfc3261_20_11_content_disposition, ContentDisposition<'_>, {
    "session" => "session", "session ; handling=optional" => "session;handling=optional",
}, ["", ";x", "a/b"]);
table!(rfc3261_20_12_content_encoding, ContentEncoding<'_>, { "gzip" => "gzip" }, ["", "a;b"]);
table!(rfc3261_20_13_content_language, ContentLanguage<'_>, { "fr" => "fr" }, ["", "a b"]);
table!(rfc3261_20_14_content_length, ContentLength, { "349" => "349", "0049" => "49" }, ["", "-1", "4294967296", "1 2", "0x1"]);
table!(rfc3261_20_15_content_type, ContentType<'_>, {
    "application/sdp" => "application/sdp", "text/html; charset=ISO-8859-4" => "text/html;charset=ISO-8859-4",
    "multipart/mixed;boundary=\"a b\"" => "multipart/mixed;boundary=\"a b\"", "a / b" => "a/b",
}, ["", "a", "a/", "a/b/c", "a/b, c/d"]);
table!(rfc3261_20_16_cseq, CSeq, { "4711 INVITE" => "4711 INVITE", "0009\r\n INVITE" => "9 INVITE" }, ["", "1", "1 A B", "-1 A", "4294967296 A"]);
table!(rfc3261_20_17_date, Date, {
    "Sat, 13 Nov 2010 23:29:00 GMT" => "Sat, 13 Nov 2010 23:29:00 GMT",
    "Sat,\r\n\t13 Nov 2010 23:29:00 GMT" => "Sat, 13 Nov 2010 23:29:00 GMT",
    "sat, 13 nov 2010 23:29:00 gmt" => "Sat, 13 Nov 2010 23:29:00 GMT",
    "Thu, 29 Feb 2024 00:00:00 GMT" => "Thu, 29 Feb 2024 00:00:00 GMT",
}, ["", "Fri, 01 Jan 2010 16:00:00 EST", "Sun, 13 Nov 2010 23:29:00 GMT", "Wed, 29 Feb 2023 00:00:00 GMT",
    "Sat, 13 Nov 2010 24:00:00 GMT", "Sat, 13 Nov 2010 23:60:00 GMT", "Sat, 13 Nov 2010 23:29:00", "Sat, 31 Apr 2010 00:00:00 GMT",
    "Sat, 13 Nov 2010 23:29:00 GMTx", "Sat, +1 Nov 2010 23:29:00 GMT", "1290000000"]);
table!(rfc3261_20_18_error_info, ErrorInfo<'_>, { "<sip:not-in-service-recording@atlanta.com>" => "<sip:not-in-service-recording@atlanta.com>" }, ["x"]);
table!(rfc3261_20_19_expires, Expires, { "5" => "5", "99999999999999999999" => "4294967295" }, ["", "-1", "1.5", "1 2", "x"]);
table!(rfc3261_20_20_from, From<'_>, {
    "\"A. G. Bell\" <sip:agb@bell-telephone.com>;tag=a48s" => "\"A. G. Bell\" <sip:agb@bell-telephone.com>;tag=a48s",
    "sip:+12125551212@server.phone2net.com;tag=887s" => "<sip:+12125551212@server.phone2net.com>;tag=887s",
    "Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8" => "\"Anonymous\" <sip:c8oqz84zk7z@privacy.org>;tag=hyh8",
}, ["<sip:a@b>, <sip:c@d>", "</>", ""]);
table!(rfc3261_20_21_in_reply_to, InReplyTo<'_>, { "70710@saturn.bell-tel.com" => "70710@saturn.bell-tel.com" }, ["", "a b"]);
table!(rfc3261_20_22_max_forwards, MaxForwards, { "6" => "6", "0068" => "68", "255" => "255", "0" => "0" }, ["", "256", "300", "-1", "4294967296"]);
table!(rfc3261_20_23_min_expires, MinExpires, { "60" => "60" }, ["", "a"]);
table!(rfc3261_20_24_mime_version, MimeVersion<'_>, { "1.0" => "1.0" }, ["", "1 0"]);
table!(rfc3261_20_25_organization, Organization<'_>, { "Boxes by Bob" => "Boxes by Bob", "" => "", "a\r\n  b" => "a b" }, []);
table!(rfc3261_20_26_priority, Priority<'_>, { "emergency" => "emergency", "my-own" => "my-own" }, ["", "a b"]);
table!(rfc3261_20_27_proxy_authenticate, ProxyAuthenticate<'_>, {
    "Digest realm=\"atlanta.com\",\r\n domain=\"sip:ss1.carrier.com\", qop=\"auth\", nonce=\"f84f1cec41e6cbe5aea9c8e88d359\", opaque=\"\", stale=FALSE, algorithm=MD5"
        => "Digest realm=\"atlanta.com\", domain=\"sip:ss1.carrier.com\", qop=\"auth\", nonce=\"f84f1cec41e6cbe5aea9c8e88d359\", opaque=\"\", stale=FALSE, algorithm=MD5",
}, ["", "Digest", "Digest realm=\"a"]);
table!(rfc3261_20_28_proxy_authorization, ProxyAuthorization<'_>, {
    "Digest username=\"Alice\", response=\"245f23415f11432b3434341c022\"" => "Digest username=\"Alice\", response=\"245f23415f11432b3434341c022\"",
}, ["", "Digest,"]);
table!(rfc3261_20_29_proxy_require, ProxyRequire<'_>, { "foo" => "foo" }, ["", "a b"]);
table!(rfc3261_20_30_record_route, RecordRoute<'_>, {
    "<sip:server10.biloxi.com;lr>" => "<sip:server10.biloxi.com;lr>", "Edge <sip:a;lr>;x" => "\"Edge\" <sip:a;lr>;x",
}, ["", "sip:a;lr", "</>", "<sip:a"]);
table!(rfc3261_20_31_reply_to, ReplyTo<'_>, { "Bob <sip:bob@biloxi.com>" => "\"Bob\" <sip:bob@biloxi.com>" }, ["", "</>"]);
table!(rfc3261_20_32_require, Require<'_>, { "100rel" => "100rel" }, ["", "a b"]);
table!(rfc3261_20_33_retry_after, RetryAfter<'_>, {
    "18000;duration=3600" => "18000;duration=3600", "120 (I'm in a meeting)" => "120 (I'm in a meeting)",
    "5 (a (b) \\) c) ; x" => "5 (a (b) \\) c);x", "949302838503028349304023988" => "4294967295",
}, ["", "x", "1 (a", "1 (a\\)", "1 x", "-1"]);
table!(rfc3261_20_34_route, Route<'_>, { "<sip:bigbox3.site3.atlanta.com;lr>" => "<sip:bigbox3.site3.atlanta.com;lr>" }, ["", "sip:a"]);
table!(rfc3261_20_35_server, Server<'_>, { "HomeServer v2" => "HomeServer v2" }, []);
table!(rfc3261_20_36_subject, Subject<'_>, { "Need more boxes" => "Need more boxes", "" => "" }, []);
table!(rfc3261_20_37_supported, Supported<'_>, { "100rel" => "100rel" }, ["", "a;b"]);
table!(rfc3261_20_38_timestamp, Timestamp<'_>, { "54" => "54", "54.32  0.5" => "54.32 0.5", ".5" => ".5" }, ["", ".", "a", "1 2 3", "-1"]);
table!(rfc3261_20_39_to, To<'_>, {
    "The Operator <sip:operator@cs.columbia.edu>;tag=287447" => "\"The Operator\" <sip:operator@cs.columbia.edu>;tag=287447",
    "sip:+12125551212@server.phone2net.com" => "<sip:+12125551212@server.phone2net.com>",
}, ["\"Mr. J. User <sip:j.user@example.com>", "</>"]);
table!(rfc3261_20_40_unsupported, Unsupported<'_>, { "foo" => "foo" }, ["", "a b"]);
table!(rfc3261_20_41_user_agent, UserAgent<'_>, { "Softphone Beta1.5 (x)" => "Softphone Beta1.5 (x)" }, []);
table!(rfc3261_20_42_via, Via<'_>, {
    "SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7" => "SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7",
    "SIP / 2.0 / UDP first.example.com: 4000;ttl=16\r\n ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1"
        => "SIP/2.0/UDP first.example.com:4000;ttl=16;maddr=224.2.0.1;branch=z9hG4bKa7c6a8dlze.1",
    "SIP/2.0/TCP [2001:db8::9:1]:5060;received=[2001:db8::9:255];rport" => "SIP/2.0/TCP [2001:db8::9:1]:5060;received=[2001:db8::9:255];rport",
    "SIP/2.0/UNKNOWN unknownhost" => "SIP/2.0/UNKNOWN unknownhost",
}, ["", "SIP/2.0/UDP", "SIP/2.0 UDP h", "SIP/2.0/UDP h:", "SIP/2.0/UDP h:65536", "SIP/2.0/UDP h x", "SIP/2.0/UDP [::1", "SIP/2.0/UDP [x]",
    ";;,;,,", "SIP/2.0/UDP h;;", "SIP/2.0/UDP h;branch="]);
table!(rfc3261_20_43_warning, Warning<'_>, {
    "307 isi.edu \"Session parameter 'foo' not understood\"" => "307 isi.edu \"Session parameter 'foo' not understood\"",
    "301 [::1]:5060 \"x\"" => "301 [::1]:5060 \"x\"",
}, ["", "1812 a \"b\"", "30 a \"b\"", "300 a b", "300 \"b\"", "300 a \"b"]);
table!(rfc3261_20_44_www_authenticate, WwwAuthenticate<'_>, {
    "Digest realm=\"atlanta.com\", nonce=\"a==\", algorithm=SHA-256" => "Digest realm=\"atlanta.com\", nonce=\"a==\", algorithm=SHA-256",
}, ["", "Digest"]);

table!(rfc6665_8_2_2_allow_events, AllowEvents<'_>, { "dialog" => "dialog", "presence.winfo" => "presence.winfo" }, ["", "a b"]);
table!(rfc6665_8_2_1_event, Event<'_>, { "refer ; id=93809824" => "refer;id=93809824" }, ["", ";id=1", "a, b"]);
table!(rfc6665_8_2_3_subscription_state, SubscriptionState<'_>, {
    "active;expires=2993" => "active;expires=2993", "terminated;reason=timeout" => "terminated;reason=timeout",
}, ["", "a b"]);
table!(rfc4028_4_session_expires, SessionExpires<'_>, { "1800;refresher=uac" => "1800;refresher=uac", "90" => "90" }, ["", "x", "-1", "90 90"]);
table!(rfc4028_5_min_se, MinSe<'_>, { "90" => "90", "3600;lr" => "3600;lr" }, ["", "x"]);
table!(rfc3262_7_1_rseq, RSeq, { "988789" => "988789" }, ["", "-1", "4294967296"]);
table!(rfc3262_7_2_rack, RAck, { "776656  1 INVITE" => "776656 1 INVITE" }, ["", "1 INVITE", "1 1", "1 1 1 1", "4294967296 1 INVITE"]);
table!(rfc3325_9_1_p_asserted_identity, PAssertedIdentity<'_>, {
    "\"Cullen\" <sip:fluffy@cisco.com>" => "\"Cullen\" <sip:fluffy@cisco.com>", "tel:+14085264000" => "<tel:+14085264000>",
}, ["", "</>"]);
table!(rfc3325_9_2_p_preferred_identity, PPreferredIdentity<'_>, { "<sip:a@b>" => "<sip:a@b>" }, ["", "x"]);
table!(rfc3515_2_1_refer_to, ReferTo<'_>, {
    "<sip:c@d?Replaces=1%40h%3Bto-tag%3D2>" => "<sip:c@d?Replaces=1%40h%3Bto-tag%3D2>", "sip:c@d" => "<sip:c@d>",
}, ["", "sip:c@d?x=y", "</>", "<sip:a>, <sip:b>"]);
table!(rfc3892_2_referred_by, ReferredBy<'_>, { "<sip:r@x>;cid=\"20398823.2UWQFN309shb3@r.example\"" => "<sip:r@x>;cid=\"20398823.2UWQFN309shb3@r.example\"" }, [""]);
table!(rfc3891_6_1_replaces, Replaces<'_>, {
    "98732@sip.example.com\r\n ;from-tag=r33th4x0r ;to-tag=ff87ff" => "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff",
    "a;to-tag=1;from-tag=2;early-only" => "a;to-tag=1;from-tag=2;early-only",
}, ["", "a", "a;to-tag=1", "a;from-tag=1", "a;to-tag=1;from-tag=2;to-tag=3", ";to-tag=1;from-tag=2"]);
table!(rfc3327_4_path, Path<'_>, { "<sip:p1;lr>" => "<sip:p1;lr>" }, ["", "sip:p1;lr"]);
table!(rfc3608_5_service_route, ServiceRoute<'_>, { "<sip:p2;lr>" => "<sip:p2;lr>" }, ["", "sip:p2"]);
table!(rfc5806_4_diversion, Diversion<'_>, { "<sip:a@b>;reason=unconditional;counter=1" => "<sip:a@b>;reason=unconditional;counter=1" }, ["", "</>", "a@b"]);
table!(rfc7044_5_history_info, HistoryInfo<'_>, { "<sip:a@b?Reason=SIP%3Bcause%3D302>;index=1.1" => "<sip:a@b?Reason=SIP%3Bcause%3D302>;index=1.1" }, ["", "x"]);
table!(rfc3326_2_reason, Reason<'_>, { "Q.850 ;cause=16 ;text=\"Terminated\"" => "Q.850;cause=16;text=\"Terminated\"" }, ["", ";cause=1"]);
table!(rfc3323_4_2_privacy, Privacy<'_>, { "none" => "none", "id ; critical" => "id;critical", "id,user" => "id;user" }, ["", ";", "id;", "id user"]);

#[test]
fn parameters_of_sessions_subscriptions_and_reasons() {
    assert_eq!(read::<SessionExpires<'_>>("90;Refresher=UAS").refresher(), Some(Refresher::Uas));
    assert_eq!(read::<SessionExpires<'_>>("90;refresher=x").refresher(), None);
    assert_eq!(read::<Event<'_>>("refer;id=1").id(), Some("1"));
    let state: SubscriptionState<'_> = read("terminated;reason=probation;retry-after=99999999999;expires=x");
    assert_eq!((state.reason(), state.retry_after(), state.expires()), (Some("probation"), Some(u32::MAX), None));
    let reason: Reason<'_> = read("SIP;cause=200;text=\"Call \\\"completed\\\" elsewhere\"");
    assert_eq!((reason.cause(), reason.text().unwrap()), (Some(200), "Call \"completed\" elsewhere".into()));
    let replaces: Replaces<'_> = read("a@b;to-tag=1;from-tag=2;early-only");
    assert_eq!((replaces.to_tag(), replaces.from_tag(), replaces.is_early_only()), (Some("1"), Some("2"), true));
    assert!(read::<Privacy<'_>>("ID;critical").has("id"));
}

#[test]
fn every_header_field_of_rfc3261_section_20_has_a_table() {
    let this = include_str!("message_headers.rs");
    let missing: Vec<&str> = HeaderId::ALL
        .iter()
        .take(44)
        .map(|id| id.name())
        .filter(|name| {
            let rule = name.to_lowercase().replace('-', "_");
            !this.lines().any(|line| line.starts_with("table!(rfc3261_20_") && line.contains(&format!("_{rule},")))
        })
        .collect();
    assert_eq!(missing, [""; 0]);
}

fn read<'a, H: Header<'a>>(value: &'a str) -> H {
    Headers::read(value.as_bytes()).unwrap()
}

#[test]
fn rfc3261_20_42_via_parameters() {
    let via: Via<'_> = read("SIP/2.0/UDP h;rport;received=192.0.2.1;maddr=[::1];ttl=16;branch=z");
    assert_eq!((via.rport(), via.ttl(), via.branch()), (Some(None), Some(16), Some("z")));
    assert_eq!(via.received().unwrap().to_string(), "192.0.2.1");
    assert_eq!(via.maddr().unwrap().to_string(), "[::1]");
    let via: Via<'_> = read("SIP/2.0/UDP h;RPORT=5060;received=x;ttl=256");
    assert_eq!((via.rport(), via.received(), via.ttl(), via.maddr()), (Some(Some(5060)), None, None, None));
    let via: Via<'_> = read("SIP/2.0/UDP h;x=\"branch=no;rport\"");
    assert_eq!((via.branch(), via.rport()), (None, None));
}

#[test]
fn rfc3261_20_10_contact_q_and_expires() {
    for (value, q, expires) in [
        ("<sip:a@b>", None, None),
        ("<sip:a@b>;q=1;expires=0", Some(1000), Some(0)),
        ("<sip:a@b>;q=0.5;expires=5", Some(500), Some(5)),
        ("<sip:a@b>;q=0.123", Some(123), None),
        ("<sip:a@b>;q=1.001;expires=280297596632815", None, Some(u32::MAX)),
        ("<sip:a@b>;q=2;expires=soon", None, Some(3600)),
        ("<sip:a@b>;q=0.1234;expires", None, Some(3600)),
        ("*", None, None),
    ] {
        let contact: Contact<'_> = read(value);
        assert_eq!((contact.q(), contact.expires()), (q, expires), "{value}");
    }
}

#[test]
fn rfc3261_20_10_and_20_20_an_address_with_a_comma_a_question_mark_or_a_semicolon_stands_in_brackets() {
    for uri in ["sip:a,b@c", "sip:a?b@c", "sip:a;b@c", "sip:a@c;x=y", "sip:a@c?x=y", "sip:a@c"] {
        for (name, printed) in [
            ("Contact", canonical::<Contact<'_>>(&format!("<{uri}>;p=1"))),
            ("From", canonical::<From<'_>>(&format!("<{uri}>;p=1"))),
            ("To", canonical::<To<'_>>(&format!("<{uri}>;p=1"))),
            ("Reply-To", canonical::<ReplyTo<'_>>(&format!("<{uri}>;p=1"))),
        ] {
            assert_eq!(printed, Some(format!("<{uri}>;p=1")), "{name}");
        }
    }
    // Read without brackets: what stands behind a semicolon is the header's, and a question mark cannot be told apart.
    assert_eq!(canonical::<Contact<'_>>("sip:a@c;x=y").as_deref(), Some("<sip:a@c>;x=y"));
    assert_eq!(canonical::<From<'_>>("sip:a@c;x=y").as_deref(), Some("<sip:a@c>;x=y"));
    assert_eq!((canonical::<Contact<'_>>("sip:a@c?x=y"), canonical::<From<'_>>("sip:a@c?x=y")), (None, None));
}

#[test]
fn rfc3261_7_3_1_a_list_may_stand_on_one_line_or_on_several_in_any_mixture() {
    let head = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
        Call-ID: x\r\nCSeq: 1 OPTIONS\r\n";
    macro_rules! read {
        ($type:ty) => {
            |headers| headers.list::<$type>().map(|one| one.unwrap().to_string()).collect()
        };
    }
    type Read = fn(&Headers) -> Vec<String>;
    let lists: [(&str, [&str; 3], Read); 6] = [
        ("Route", ["<sip:p1;lr>", "\"a, b\" <sip:p2;lr>;x=\",\"", "<sip:p,3@h;lr>"], read!(Route<'_>)),
        ("Record-Route", ["<sip:p1;lr>", "<sip:p2;lr>;x=y", "<sip:p3>"], read!(RecordRoute<'_>)),
        ("Contact", ["<sip:a@h>;q=0.1", "\"x\\\", y\" <sip:b@h>", "<sip:c,d@h>"], read!(Contact<'_>)),
        ("Require", ["path", "100rel", "gruu"], read!(Require<'_>)),
        ("Allow", ["INVITE", "ACK", "ODD"], read!(Allow<'_>)),
        ("Accept", ["application/sdp;level=1", "text/*;q=0.5", "*/*"], read!(Accept<'_>)),
    ];
    for (name, [a, b, c], read) in lists {
        for lines in [
            format!("{name}: {a}\r\n{name}: {b}\r\n{name}: {c}\r\n"),
            format!("{name}: {a}, {b}\r\n{name}: {c}\r\n"),
            format!("{name}: {a}\r\nX-Between: 1\r\n{name}: {b} ,{c}\r\n"),
            format!("{name}: {a},{b},\r\n {c}\r\n"),
        ] {
            let text = format!("{head}{lines}\r\n");
            let message =
                sip::message::Message::parse(text.into_bytes().into(), &sip::message::Limits::default()).unwrap();
            assert_eq!(read(message.headers()), [a, b, c], "{lines}");
        }
    }
}

#[test]
fn rfc3261_25_1_a_value_with_special_characters_keeps_its_quotes() {
    for special in "()<>@,:\\\"/?={} \t".chars() {
        let quoted: String = match special {
            '\\' | '"' => format!("\"a\\{special}b\""),
            _ => format!("\"a{special}b\""),
        };
        let good = format!("<sip:a@b>;x={quoted};y=z");
        assert_eq!(canonical::<From<'_>>(&good), Some(good.clone()), "{special:?} is kept in its quotes");
        let from: From<'_> = read(&good);
        let value = from.params.get("x").unwrap();
        assert!(matches!(value, ParamValue::Quoted(value) if value.text() == format!("a{special}b")), "{special:?}");
    }
}

#[test]
fn rfc3261_20_1_accept_ranges() {
    let accept: Accept<'_> = read("application/*");
    assert!(
        accept.accepts("Application", "sdp") && !accept.accepts("text", "plain") && !accept.is("application", "sdp")
    );
    assert_eq!(read::<AcceptLanguage<'_>>("en;q=0.8").q(), 800);
    assert!(!read::<ContentDisposition<'_>>("session;handling=Optional").is_required());
    assert_eq!(read::<RetryAfter<'_>>("1;duration=60").duration(), Some(60));
}

#[test]
fn rfc3261_22_challenges_and_credentials_give_their_parameters() {
    let challenge: WwwAuthenticate<'_> =
        read("digest REALM=\"a \\\"b\\\"\", nonce=abc, stale=TRUE, qop=\"auth,auth-int\"");
    assert!(challenge.is_digest() && challenge.is_stale());
    assert_eq!(challenge.realm().unwrap(), "a \"b\"");
    assert_eq!((challenge.nonce().unwrap(), challenge.qop().unwrap()), ("abc".into(), "auth,auth-int".into()));
    assert_eq!((challenge.opaque(), challenge.algorithm()), (None, None));
    let credentials: Authorization<'_> = read("Digest username=\"u\", response=\"secret\"");
    assert!(!format!("{credentials:?}").contains("secret"));
    let most = vec!["a=b"; 64].join(",");
    assert!(Headers::read::<Authorization<'_>>(format!("Digest {most}").as_bytes()).is_ok());
    assert!(Headers::read::<Authorization<'_>>(format!("Digest {most},a=b").as_bytes()).is_err());
}

#[test]
fn rfc3261_20_41_opaque_text_need_not_be_utf8() {
    let subject: Subject<'_> = Headers::read(b"caf\xe9").unwrap();
    assert_eq!((subject.0.raw(), &*subject.0.text()), (&b"caf\xe9"[..], "caf\u{fffd}"));
    let from: From<'_> = Headers::read(b"\"\xff\" <sip:a@b>;x=\"\xfe\"").unwrap();
    assert_eq!(from.display.unwrap().text(), "\u{fffd}");
    assert!(Headers::read::<From<'_>>(b"\xff <sip:a@b>").is_err());
}

#[test]
fn rfc3261_7_3_3_names_and_compact_forms() {
    let forms = [
        ('a', HeaderId::AcceptContact),
        ('b', HeaderId::ReferredBy),
        ('c', HeaderId::ContentType),
        ('d', HeaderId::RequestDisposition),
        ('e', HeaderId::ContentEncoding),
        ('f', HeaderId::From),
        ('i', HeaderId::CallId),
        ('j', HeaderId::RejectContact),
        ('k', HeaderId::Supported),
        ('l', HeaderId::ContentLength),
        ('m', HeaderId::Contact),
        ('n', HeaderId::IdentityInfo),
        ('o', HeaderId::Event),
        ('r', HeaderId::ReferTo),
        ('s', HeaderId::Subject),
        ('t', HeaderId::To),
        ('u', HeaderId::AllowEvents),
        ('v', HeaderId::Via),
        ('x', HeaderId::SessionExpires),
        ('y', HeaderId::Identity),
    ];
    for letter in 'a'..='z' {
        let known = forms.iter().find(|(form, _)| *form == letter);
        let expected = known.map_or(HeaderId::Other, |(_, id)| *id);
        for letter in [letter, letter.to_ascii_uppercase()] {
            assert_eq!(HeaderId::from_name(letter.to_string().as_bytes()), expected, "{letter}");
        }
    }
    for id in HeaderId::ALL {
        let form = forms.iter().find(|(_, known)| known == id).map(|(letter, _)| *letter);
        assert_eq!(id.compact().map(char::from), form, "{}", id.name());
    }
    for id in HeaderId::ALL {
        assert_eq!(HeaderId::from_name(id.name().to_uppercase().as_bytes()), *id);
    }
    assert_eq!(HeaderId::from_name(b"X-Other"), HeaderId::Other);
}

table!(rfc7433_4_1_user_to_user, UserToUser<'_>, {
    "56a390f3d2b7310023a2 ; encoding=hex; purpose=foo;content=bar" => "56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar",
    "\"a;b,c\\\"d\";purpose=x" => "\"a;b,c\\\"d\";purpose=x", "00" => "00",
}, ["", ";purpose=x", "\"a", "a b", "<x>", "a,"]);
table!(rfc7989_5_session_id, SessionId<'_>, {
    "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2"
        => "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2",
    "ab30317f1a784dc48ff824d0d3715d86" => "ab30317f1a784dc48ff824d0d3715d86",
}, ["", "ab30317f1a784dc48ff824d0d3715d8", "ab30317f1a784dc48ff824d0d3715d867", "AB30317F1A784DC48FF824D0D3715D86", "ab30317f-1a78-4dc4-8ff8-24d0d371"]);
table!(rfc3841_9_2_accept_contact, AcceptContact<'_>, {
    "*;audio;require" => "*;audio;require", "* ; +sip.methods=\"INVITE,BYE\" ;explicit" => "*;+sip.methods=\"INVITE,BYE\";explicit", "*" => "*",
}, ["", "audio", "<*>", "**", "*audio"]);
table!(rfc3841_9_2_reject_contact, RejectContact<'_>, { "*;actor=\"msg-taker\";video" => "*;actor=\"msg-taker\";video" }, ["", "x;audio"]);
table!(rfc3841_9_1_request_disposition, RequestDisposition<'_>, { "no-fork" => "no-fork", "proxy" => "proxy" }, ["", "a b", "\"proxy\""]);

#[test]
fn rfc7433_4_1_what_a_user_says_to_a_user_is_read() {
    let read = |value: &'static str| Headers::read::<UserToUser<'_>>(value.as_bytes()).unwrap();
    let plain = read("48656C6c6f");
    assert_eq!((plain.purpose(), plain.content(), plain.encoding()), ("isdn-uui", None, "hex"));
    assert_eq!(plain.octets().as_deref(), Some(&b"Hello"[..]));
    let other = read("\"say \\\"hi\\\"\";encoding=text;purpose=crm;content=note");
    assert_eq!((other.purpose(), other.content(), other.text().as_ref()), ("crm", Some("note"), "say \"hi\""));
    for none in ["abc", "zz", "\"48 65\"", "48;encoding=base64"] {
        assert_eq!(read(none).octets(), None, "{none}");
    }
}

#[test]
fn rfc7989_11_one_uuid_alone_is_of_rfc_7329() {
    let read = |value: &'static str| Headers::read::<SessionId<'_>>(value.as_bytes()).unwrap();
    let both = read("ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000;x");
    assert_eq!(both.remote(), Some(NIL));
    assert_eq!(read("ab30317f1a784dc48ff824d0d3715d86").remote(), None);
    assert_eq!(read("ab30317f1a784dc48ff824d0d3715d86;remote=47755A9D").remote(), None);
    assert!(read("00000000000000000000000000000000;remote=ab30317f1a784dc48ff824d0d3715d86").is_nil());
}
