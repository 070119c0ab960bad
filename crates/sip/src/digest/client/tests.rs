use super::super::response::Protection;
use super::*;

fn client(realm: Option<&str>) -> Client {
    Client::new(Credential::password(realm, "bob", "zanzibar").unwrap().into())
}

fn take(client: &mut Client, challenges: &[&str]) -> Result<(), Refused> {
    client.take_challenges(challenges.iter().map(|value| (false, value.as_bytes())))
}

fn lines(client: &mut Client) -> Vec<String> {
    client.lines_for("INVITE", "sip:bob@biloxi.com", b"", 7).into_iter().map(|(_, line)| line).collect()
}

fn realm(name: &str) -> String {
    name.to_owned()
}

struct Vector(std::collections::HashMap<String, String>);

impl Vector {
    fn all() -> Vec<Vector> {
        let text = include_str!("../../../tests/data/digest.txt");
        let blocks = text.split("\n\n").filter(|block| block.contains("source:"));
        blocks
            .map(|block| {
                Vector(
                    block
                        .lines()
                        .filter_map(|line| line.split_once(": "))
                        .map(|(key, value)| (key.to_owned(), value.to_owned()))
                        .collect(),
                )
            })
            .collect()
    }
    fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }
}

#[test]
fn a_1_rfc7616_3_9_and_rfc2617_3_5_and_sip_examples_give_the_printed_responses() {
    let vectors = Vector::all();
    assert_eq!(vectors.len(), 9);
    for vector in &vectors {
        let scheme =
            Scheme { session: vector.get("sess") == "true", ..Scheme::from_name(vector.get("algorithm")).unwrap() };
        let quality = Quality::from_name(vector.get("qop"));
        let cnonce = vector.get("cnonce");
        let inputs = Inputs {
            scheme,
            nonce: vector.get("nonce"),
            cnonce: Some(cnonce),
            protection: quality.map(|quality| Protection { quality, count: vector.get("nc"), cnonce }),
            method: vector.get("method"),
            uri: vector.get("uri"),
            body: b"",
        };
        let ha1 = Ha1::new(scheme.algorithm, vector.get("user"), vector.get("realm"), vector.get("pw")).unwrap();
        assert_eq!(inputs.response(&ha1).as_str(), vector.get("response"), "{}", vector.get("source"));
        let stored = Ha1::from_hex(scheme.algorithm, &ha1.to_hex().to_uppercase()).unwrap();
        assert!(stored == ha1);
    }
}

#[test]
fn rfc8760_2_6_the_hash_of_an_empty_body_is_that_of_the_empty_string() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Algorithm::Sha256.hex(&[b""]).as_str(), empty);
}

#[test]
fn rfc3261_22_4_credentials_are_written_with_everything_quoted_that_must_be() {
    let mut client = client(Some("biloxi.com"));
    take(
        &mut client,
        &["Digest realm=\"biloxi.com\", qop=\"auth-int,auth\", nonce=\"dcd98b\", opaque=\"5ccc\", algorithm=md5"],
    )
    .unwrap();
    let line = lines(&mut client).remove(0);
    let (head, rest) = line.split_once("response=\"").unwrap();
    assert_eq!(head, "Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"dcd98b\", uri=\"sip:bob@biloxi.com\", ");
    assert_eq!(rest[32..], *"\", algorithm=MD5, cnonce=\"0000000000000007\", qop=auth, nc=00000001, opaque=\"5ccc\"");
}

#[test]
fn rfc7616_3_3_a_challenge_without_algorithm_is_md5_and_answered_without() {
    let mut client = client(None);
    take(&mut client, &["Digest realm=\"x\", nonce=\"n\""]).unwrap();
    let line = lines(&mut client).remove(0);
    assert!(!line.contains("algorithm") && !line.contains("qop") && !line.contains("cnonce"), "{line}");
    let expected = Algorithm::Md5.hex(&[
        Algorithm::Md5.hex(&[b"bob:x:zanzibar"]).as_bytes(),
        b":n:",
        Algorithm::Md5.hex(&[b"INVITE:sip:bob@biloxi.com"]).as_bytes(),
    ]);
    assert!(line.contains(expected.as_str()));
}

#[test]
fn rfc7616_3_3_a_domain_in_a_challenge_changes_nothing() {
    let answers = |domain: &str| {
        let mut client = client(None);
        let asked = format!("Digest realm=\"x\", nonce=\"n\", qop=\"auth\"{domain}");
        client.take_challenges([(true, asked.as_bytes())].into_iter()).unwrap();
        client.lines_for("INVITE", "sip:bob@biloxi.com", b"", 7)
    };
    let plain = answers("");
    for domain in [", domain=\"sip:elsewhere.example\"", ", domain=\"sip:a sip:b\"", ", domain=x", ", domain=\"\""] {
        assert_eq!(answers(domain), plain, "{domain}");
    }
}

#[test]
fn a_4_counts_go_up_per_nonce_and_begin_at_one_with_a_new_one() {
    let mut client = client(None);
    take(&mut client, &["Digest realm=\"x\", nonce=\"n\", qop=\"auth\""]).unwrap();
    for count in 1..=11u32 {
        assert!(lines(&mut client)[0].contains(&format!("nc={count:08x}")));
    }
    take(&mut client, &["Digest realm=\"x\", nonce=\"m\", qop=\"auth\", stale=TRUE"]).unwrap();
    assert!(lines(&mut client)[0].contains("nc=00000001"));
}

#[test]
fn rfc3261_22_3_challenges_of_several_realms_are_answered_together_and_kept_in_the_next_attempt() {
    let mut client: Client = Client::new(
        [("a", "ann"), ("b", "ben"), ("c", "cid")]
            .iter()
            .map(|(realm, user)| Credential::password(Some(realm), user, "pw").unwrap())
            .collect(),
    );
    let both = [
        (true, b"Digest realm=\"a\", nonce=\"1\", qop=\"auth\"".as_slice()),
        (false, b"Digest realm=\"b\", nonce=\"2\""),
    ];
    client.take_challenges(both.into_iter()).unwrap();
    let lines = client.lines_for("INVITE", "sip:x", b"", 1);
    assert_eq!(lines.iter().map(|(proxy, _)| *proxy).collect::<Vec<_>>(), [true, false]);
    assert!(lines[0].1.contains("\"ann\"") && lines[1].1.contains("\"ben\""));
    client.take_challenges([(true, b"Digest realm=\"c\", nonce=\"3\"".as_slice())].into_iter()).unwrap();
    let lines = client.lines_for("INVITE", "sip:x", b"", 1);
    assert_eq!(lines.len(), 3);
    assert!(lines[0].1.contains("nc=00000002"), "{}", lines[0].1);
}

#[test]
fn cve_our_client_leaks_its_hash_a_realm_not_configured_gets_no_answer() {
    let mut client = client(Some("home"));
    let asked = ["Digest realm=\"evil\", nonce=\"n\"", "Digest realm=\"Home\", nonce=\"n\""];
    assert_eq!(take(&mut client, &asked), Err(Refused::NoCredentials { realm: realm("evil") }));
    assert!(lines(&mut client).is_empty());
    take(&mut client, &["Digest realm=\"evil\", nonce=\"n\"", "Digest realm=\"home\", nonce=\"n\""]).unwrap();
    let lines = lines(&mut client);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("realm=\"home\""));
}

#[test]
fn cve_endless_challenge_stops_after_two_refusals() {
    let mut client = client(None);
    for nonce in ["1", "2"] {
        take(&mut client, &[&format!("Digest realm=\"x\", nonce=\"{nonce}\", stale=true")]).unwrap();
        assert_eq!(lines(&mut client).len(), 1);
    }
    assert_eq!(
        take(&mut client, &["Digest realm=\"x\", nonce=\"3\", stale=true"]),
        Err(Refused::Rejected { realm: realm("x") })
    );
}

#[test]
fn cve_endless_challenge_with_ever_new_realms_stops_too() {
    let mut client = client(None);
    for n in 0..4 {
        take(&mut client, &[&format!("Digest realm=\"{n}\", nonce=\"n\"")]).unwrap();
        lines(&mut client);
    }
    assert_eq!(take(&mut client, &["Digest realm=\"4\", nonce=\"n\""]), Err(Refused::TooMany));
}

#[test]
fn ta_35_a_second_challenge_with_the_same_nonce_means_the_password_is_wrong() {
    let mut client = client(None);
    let asked = "Digest realm=\"x\", nonce=\"n\", qop=\"auth\"";
    take(&mut client, &[asked]).unwrap();
    lines(&mut client);
    assert_eq!(take(&mut client, &[asked]), Err(Refused::Rejected { realm: realm("x") }));
}

#[test]
fn a_nonce_kept_from_the_request_before_may_be_refused_once() {
    let mut client = client(None);
    for request in 0..5 {
        take(&mut client, &[&format!("Digest realm=\"x\", nonce=\"{request}\", qop=\"auth\"")]).unwrap();
        assert!(lines(&mut client)[0].contains("nc=00000001"));
        // The next request uses it again, and is challenged anew without `stale`.
        assert!(lines(&mut client)[0].contains("nc=00000002"));
    }
}

#[test]
fn a_10_an_algorithm_weaker_than_before_is_not_answered() {
    let mut client = client(None);
    take(
        &mut client,
        &["Digest realm=\"x\", nonce=\"1\", algorithm=SHA-256", "Digest realm=\"x\", nonce=\"1\", algorithm=MD5"],
    )
    .unwrap();
    assert!(lines(&mut client)[0].contains("SHA-256"));
    assert_eq!(
        take(&mut client, &["Digest realm=\"x\", nonce=\"2\", algorithm=MD5"]),
        Err(Refused::Downgrade { realm: realm("x") })
    );
}

#[test]
fn rfc8760_2_4_challenges_not_understood_are_ignored() {
    let mut client = client(None);
    let strange = [
        "Basic realm=\"x\"",
        "Digest realm=\"x\", nonce=\"1\", algorithm=SHA-9",
        "Digest realm=\"x\", nonce=\"1\", qop=\"secret\"",
        "Digest realm=\"x\", nonce=\"1\", algorithm=MD5-sess",
    ];
    assert_eq!(take(&mut client, &strange), Err(Refused::Unsupported { realm: realm("x") }));
    assert_eq!(take(&mut client, &["Basic realm=\"x\"", "Digest nonce"]), Err(Refused::NoChallenge));
    assert_eq!(take(&mut client, &[]), Err(Refused::NoChallenge));
    let mut client = self::client(None);
    take(&mut client, &[strange[1], strange[3], "Digest realm=\"x\", nonce=\"1\", qop=\"foo, auth-int\""]).unwrap();
    assert!(lines(&mut client)[0].contains("qop=auth-int"));
}

#[test]
fn an_ha1_answers_its_own_algorithm_only() {
    let ha1 = Ha1::new(Algorithm::Md5, "bob", "x", "zanzibar").unwrap();
    assert_eq!(Credential::new(None, "bob", Secret::Ha1(ha1)), Err(CredentialError::Ha1WithoutRealm));
    let mut client = Client::new(Credential::new(Some("x"), "bob", Secret::Ha1(ha1)).unwrap().into());
    take(
        &mut client,
        &["Digest realm=\"x\", nonce=\"1\", algorithm=SHA-256", "Digest realm=\"x\", nonce=\"1\", algorithm=MD5"],
    )
    .unwrap();
    let mut other = self::client(Some("x"));
    take(&mut other, &["Digest realm=\"x\", nonce=\"1\", algorithm=MD5"]).unwrap();
    assert_eq!(lines(&mut client), lines(&mut other));
}

#[test]
fn cve_crlf_from_application_data_never_reaches_a_header() {
    assert_eq!(Credential::password(None, "bob\r\nX: y", "pw"), Err(CredentialError::User));
    assert_eq!(Credential::password(Some("a\nb"), "bob", "pw"), Err(CredentialError::Realm));
    let mut client = Client::new(Credential::password(None, "b\", realm=\"y", "pw").unwrap().into());
    take(&mut client, &["Digest realm=\"x\", nonce=\"n\\\", uri=\\\"\", opaque=\"\\\\\""]).unwrap();
    let line = client.lines_for("INVITE", "sip:\"@x", b"", 1).remove(0).1;
    let fields = Fields::with_scheme(line.as_bytes()).unwrap().unwrap();
    assert_eq!((fields.realm, fields.opaque, fields.uri), (Some("x"), Some("\\\\"), Some("sip:\\\"@x")));
    assert_eq!(unescape(fields.username.unwrap()), "b\", realm=\"y");
}

#[test]
fn secrets_are_never_printed() {
    let mut credentials = Credentials::new();
    assert!(credentials.is_empty());
    credentials.add(Credential::password(None, "bob", "zanzibar").unwrap());
    assert!(!credentials.is_empty());
    let mut client = Client::new(credentials);
    take(&mut client, &["Digest realm=\"x\", nonce=\"n\""]).unwrap();
    let shown = format!("{client:?}");
    assert!(!shown.contains("zanzibar") && shown.contains("Ha1(MD5)"), "{shown}");
}

#[test]
fn sixteen_challenges_of_a_response_are_read_and_no_more() {
    let strange = "Digest realm=\"mine\", nonce=\"a\", algorithm=STRANGE";
    let usable = "Digest realm=\"mine\", nonce=\"a\"";
    for (before, read) in [(15, true), (16, false)] {
        let challenges: Vec<&str> = std::iter::repeat_n(strange, before).chain([usable]).collect();
        assert_eq!(take(&mut client(Some("mine")), &challenges).is_ok(), read, "{before} before it");
    }
}

const REGISTRAR: Challenger<'static> =
    Challenger { host: "home.example", port: None, secure: false, registers: true, address: None };
const PROXY: Challenger<'static> = Challenger { registers: false, ..REGISTRAR };
const STRANGER: Challenger<'static> = Challenger { host: "evil.example", ..PROXY };

fn at_home() -> Credentials {
    let own: crate::message::UriBuf = "sip:bob@home.example".parse().unwrap();
    Credential::password(None, "bob", "zanzibar").unwrap().at(&own.as_uri()).into()
}

fn asked_by(client: &mut Client, who: Challenger<'_>, realm: &str) -> Result<(), Refused> {
    let value = format!("Digest realm=\"{realm}\", nonce=\"{realm}1\", qop=\"auth\"");
    client.take_challenges_of(who, [(true, value.as_bytes())].into_iter())
}

#[test]
fn cve_our_client_leaks_its_hash_a_stranger_gets_no_answer_whatever_the_realm() {
    let refused = || Err(Refused::NoCredentials { realm: realm("home") });
    let registers = Challenger { registers: true, ..STRANGER };
    let other_port = Challenger { port: Some(5080), ..PROXY };
    for who in [STRANGER, registers, other_port] {
        let mut client = Client::new(at_home());
        assert_eq!(asked_by(&mut client, who, "home"), refused(), "{who:?}");
        assert!(lines(&mut client).is_empty());
    }
    for who in [REGISTRAR, PROXY, Challenger { port: Some(5060), ..PROXY }, Challenger { secure: true, ..PROXY }] {
        assert_eq!(asked_by(&mut Client::new(at_home()), who, "home"), Ok(()), "{who:?}");
    }
}

#[test]
fn cve_our_client_leaks_its_hash_who_stands_behind_our_proxy_gets_no_second_realm() {
    let mut client = Client::new(at_home());
    asked_by(&mut client, PROXY, "home").unwrap();
    assert_eq!(lines(&mut client).len(), 1);
    assert_eq!(asked_by(&mut client, PROXY, "evil"), Err(Refused::NoCredentials { realm: realm("evil") }));
    // A stranger that names the realm that is known gets none either.
    assert_eq!(asked_by(&mut client, STRANGER, "home"), Err(Refused::NoCredentials { realm: realm("home") }));
    // Who registers us may have several.
    let mut client = Client::new(at_home());
    for realm in ["edge", "home"] {
        asked_by(&mut client, REGISTRAR, realm).unwrap();
        lines(&mut client);
    }
    assert_eq!(client.realms(), ["edge", "home"]);
}

#[test]
fn cve_our_client_leaks_its_hash_the_realms_of_the_registrar_are_the_only_ones_later() {
    let server: SocketAddr = "192.0.2.1:5070".parse().unwrap();
    let bound = at_home().bound_to(server, &[], &["home".to_owned(), "edge".to_owned()]);
    let by_number = Challenger { host: "192.0.2.1", port: Some(5070), ..PROXY };
    for name in ["edge", "home"] {
        assert_eq!(asked_by(&mut Client::new(bound.clone()), PROXY, name), Ok(()));
        assert_eq!(asked_by(&mut Client::new(bound.clone()), by_number, name), Ok(()));
        let stranger = asked_by(&mut Client::new(bound.clone()), STRANGER, name);
        assert_eq!(stranger, Err(Refused::NoCredentials { realm: realm(name) }), "realms are no secret");
    }
    assert_eq!(asked_by(&mut Client::new(bound), PROXY, "evil"), Err(Refused::NoCredentials { realm: realm("evil") }));
    let untold = at_home().bound_to(server, &[], &[]);
    assert_eq!(asked_by(&mut Client::new(untold), by_number, "any"), Ok(()), "a registrar that asked for nothing");
    let named: Credentials = Credential::password(Some("x"), "bob", "zanzibar").unwrap().into();
    assert_eq!(named.bound_to(server, &[], &["y".to_owned()]), named, "what a person has said stays");
}

fn lines_to(client: &mut Client, whom: Challenger<'_>) -> usize {
    client.lines_to(whom, "BYE", "sip:00900@home.example", b"", 1).len()
}

#[test]
fn cve_our_client_leaks_its_hash_what_one_server_has_asked_for_is_shown_to_no_other() {
    let address = |text: &str| Some(text.parse::<SocketAddr>().unwrap());
    let proxy = Challenger { address: address("192.0.2.1:5060"), ..PROXY };
    let by_number = Challenger { host: "192.0.2.1", ..proxy };
    let stranger = Challenger { address: address("192.0.2.1:5070"), ..STRANGER };
    // With and without servers that it is tied to: here the first that asks is the only one.
    let loose: Credentials = Credential::password(Some("home"), "bob", "zanzibar").unwrap().into();
    for credentials in [at_home(), loose] {
        let mut client = Client::new(credentials);
        asked_by(&mut client, proxy, "home").unwrap();
        assert_eq!(lines_to(&mut client, proxy), 1);
        // A proxy that is in a dialog's route under its address, and asks again there.
        assert_eq!(lines_to(&mut client, by_number), 1);
        assert_eq!(lines_to(&mut client, stranger), 0);
        assert_eq!(
            client
                .take_challenges_of(by_number, [(true, b"Digest realm=\"home\", nonce=\"2\"".as_slice())].into_iter()),
            Ok(())
        );
        assert_eq!(lines_to(&mut client, by_number), 1);
    }
    // What came over TLS does not go in the clear.
    let mut client = Client::new(at_home());
    asked_by(&mut client, Challenger { secure: true, ..proxy }, "home").unwrap();
    assert_eq!(lines_to(&mut client, Challenger { secure: true, ..by_number }), 1);
    assert_eq!(lines_to(&mut client, by_number), 0);
}

#[test]
fn rfc3608_6_1_the_way_that_the_registrar_tells_is_the_accounts_for_its_realms_alone() {
    let server: SocketAddr = "192.0.2.1:5070".parse().unwrap();
    let edge = Challenger { host: "edge2.home.example", ..PROXY };
    let route = ["<sip:edge2.home.example;lr>".to_owned()];
    let refused = |name: &str| Err(Refused::NoCredentials { realm: realm(name) });
    let asked = |credentials: &Credentials, name: &str| asked_by(&mut Client::new(credentials.clone()), edge, name);
    let bound = at_home().bound_to(server, &route, &["home".to_owned()]);
    assert_eq!(asked(&bound, "home"), Ok(()));
    assert_eq!(asked(&bound, "evil"), refused("evil"));
    // A registrar that asked for nothing has named no realm; and nobody is on the way that it did not tell.
    assert_eq!(asked(&at_home().bound_to(server, &route, &[]), "home"), refused("home"));
    assert_eq!(asked(&at_home().bound_to(server, &[], &["home".to_owned()]), "home"), refused("home"));
    let many: Vec<String> = (0..=ROUTES).map(|one| format!("<sip:edge{one}.home.example;lr>")).collect();
    for (one, outcome) in [(ROUTES - 1, Ok(())), (ROUTES, refused("home"))] {
        let host = format!("edge{one}.home.example");
        let bound = at_home().bound_to(server, &many, &["home".to_owned()]);
        assert_eq!(asked_by(&mut Client::new(bound), Challenger { host: &host, ..PROXY }, "home"), outcome, "{host}");
    }
}

#[test]
fn a_server_is_the_same_however_its_address_is_written_and_counts_once() {
    let asked = Challenger { host: "2001:db8::1", ..PROXY };
    for host in ["[2001:db8:0:0:0:0:0:1]", "[2001:DB8::1]"] {
        let own: crate::message::UriBuf = format!("sip:bob@{host}").parse().unwrap();
        let one = Credential::password(None, "bob", "zanzibar").unwrap().at(&own.as_uri());
        assert_eq!(asked_by(&mut Client::new(one.clone().into()), asked, "home"), Ok(()), "{host}");
        let other = Challenger { host: "2001:db8::2", ..PROXY };
        assert!(asked_by(&mut Client::new(one.clone().into()), other, "home").is_err(), "{host}");
        assert_eq!(one.clone().at(&own.as_uri()), one, "{host}");
    }
    let server: SocketAddr = "192.0.2.1:5070".parse().unwrap();
    let (route, realms) = (["<sip:edge.example;lr>".to_owned()], ["home".to_owned()]);
    let once = at_home().bound_to(server, &route, &realms);
    assert_eq!(once.bound_to(server, &route, &realms), once);
}

#[test]
fn rfc7616_3_3_a_realm_with_commas_and_escaped_quotes_is_one_realm() {
    let name = "a, realm=\"b\" \\ c";
    let asked = r#"Digest realm="a, realm=\"b\" \\ c", nonce="n,\"", qop="auth,auth-int", algorithm=SHA-256"#;
    let mut one = client(Some(name));
    take(&mut one, &[asked]).unwrap();
    let line = lines(&mut one).remove(0);
    assert!(line.contains(r#"realm="a, realm=\"b\" \\ c", nonce="n,\"""#), "{line}");
    assert_eq!(one.realms(), [name]);
    assert!(take(&mut client(Some("b")), &[asked]).is_err());
}

#[test]
fn rfc7616_3_4_4_the_name_is_said_though_the_server_would_take_a_hash_of_it() {
    let mut client = client(None);
    take(&mut client, &["Digest realm=\"x\", nonce=\"n\", qop=\"auth\", userhash=true"]).unwrap();
    let line = lines(&mut client).remove(0);
    assert!(line.contains("username=\"bob\"") && !line.contains("userhash"), "{line}");
}
