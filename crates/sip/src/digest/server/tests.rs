use super::super::client::{Choice, Client, Credential, Credentials};
use super::super::ha1::Ha1Set;
use super::*;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const URI: &str = "sip:example.com";
const SECOND: u64 = 1_000_000;

fn server(change: impl FnOnce(&mut ServerConfig)) -> Server {
    let mut config = ServerConfig::new("test");
    change(&mut config);
    Server::new(config, [3; 32]).unwrap()
}

fn client(user: &str, password: &str) -> Client {
    Client::new(Credential::password(Some("test"), user, password).unwrap().into())
}

fn users(name: &str, algorithm: Algorithm) -> Option<Ha1> {
    let known = name == "alice" || name == "we\"ird\\";
    known.then(|| Ha1::new(algorithm, name, "test", "secret").unwrap())
}

fn request(method: &'static str) -> Presented<'static> {
    Presented { method, uri: URI, body: b"body" }
}

fn challenge(server: &mut Server, client: &mut Client, now: Time, stale: bool) {
    let lines: Vec<String> = server.challenges(now, PEER, stale).collect();
    client.take_challenges(lines.iter().map(|line| (false, line.as_bytes()))).unwrap();
}

fn line(client: &mut Client) -> String {
    client.lines_for("REGISTER", URI, b"body", 42).remove(0).1
}

/// An answer as RFC 2069 has it.
fn without_qop(server: &mut Server) -> String {
    let nonce = server.nonces.make(Time(0), Some(PEER));
    let asked = format!("Digest realm=\"test\", nonce=\"{}\"", nonce.as_str());
    let mut client = client("alice", "secret");
    client.take_challenges([(false, asked.as_bytes())].into_iter()).unwrap();
    line(&mut client)
}

#[derive(Debug, PartialEq)]
enum Short {
    Ok(String),
    Ask,
    Stale,
    Unknown,
    Wrong,
    Bad,
}

fn judge(server: &mut Server, now: Time, peer: IpAddr, request: Presented<'_>, line: &str) -> Short {
    match server.judge(now, peer, request, [line.as_bytes()].into_iter(), users) {
        Verdict::Ok(verified) => Short::Ok(verified.user.into_owned()),
        Verdict::Challenge { stale: false } => Short::Ask,
        Verdict::Challenge { stale: true } => Short::Stale,
        Verdict::Forbidden { reason: Reason::UnknownUser, .. } => Short::Unknown,
        Verdict::Forbidden { reason: Reason::WrongResponse, .. } => Short::Wrong,
        Verdict::BadRequest(_) => Short::Bad,
    }
}

fn plain(server: &mut Server, line: &str) -> Short {
    judge(server, Time(0), PEER, request("REGISTER"), line)
}

#[test]
fn rfc3261_22_1_every_algorithm_quality_and_variant_is_agreed_on() {
    for algorithm in Algorithm::STRONGEST_FIRST {
        for (session, integrity) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut server = server(|config| config.algorithms = vec![algorithm]);
            let nonce = server.nonces.make(Time(0), Some(PEER));
            let sess = if session { "-sess" } else { "" };
            let qop = if integrity { "auth-int" } else { "auth" };
            let asked = format!(
                "Digest realm=\"test\", nonce=\"{}\", algorithm={algorithm}{sess}, qop=\"{qop}\", opaque=\"o\\\"p\"",
                nonce.as_str()
            );
            let mut client = client("we\"ird\\", "secret");
            client.take_challenges([(false, asked.as_bytes())].into_iter()).unwrap();
            for _ in 0..3 {
                let line = line(&mut client);
                assert!(line.contains("opaque=\"o\\\"p\""), "{line}");
                assert_eq!(plain(&mut server, &line), Short::Ok("we\"ird\\".to_owned()), "{line}");
            }
            let line = line(&mut client);
            assert_eq!(judge(&mut server, Time(0), PEER, request("INVITE"), &line), Short::Wrong, "another method");
            let body = Presented { body: b"other", ..request("REGISTER") };
            let expected = if integrity { Short::Wrong } else { Short::Ok("we\"ird\\".to_owned()) };
            assert_eq!(judge(&mut server, Time(0), PEER, body, &line), expected, "another body");
        }
    }
}

#[test]
fn rfc8760_2_3_challenges_stand_in_the_order_of_preference_with_one_nonce() {
    let mut server = server(|config| config.offer_integrity = true);
    let lines: Vec<String> = server.challenges(Time(0), PEER, true).collect();
    assert_eq!(lines.len(), 2);
    let (first, second) = (lines[0].replace("SHA-256", "MD5"), &lines[1]);
    assert_eq!(&first, second);
    assert!(first.starts_with("Digest realm=\"test\", nonce=\""), "{first}");
    assert!(first.ends_with("\", algorithm=MD5, qop=\"auth,auth-int\", stale=true"), "{first}");
}

#[test]
fn rfc8760_2_6_credentials_with_an_algorithm_not_offered_are_asked_anew() {
    let mut server = server(|config| config.algorithms = vec![Algorithm::Sha256]);
    let mut client = client("alice", "secret");
    challenge(&mut server, &mut client, Time(0), false);
    let line = line(&mut client);
    assert!(line.contains("algorithm=SHA-256"));
    assert_eq!(plain(&mut server, &line.replace("SHA-256", "SHA-3")), Short::Ask);
    let md5 = without_qop(&mut server);
    assert_eq!(plain(&mut server, &md5), Short::Ask);
}

#[test]
fn rfc2617_3_2_2_response_without_qop_is_taken_once() {
    let mut server = server(|config| config.algorithms = vec![Algorithm::Md5]);
    let line = without_qop(&mut server);
    assert!(!line.contains("qop"));
    assert_eq!(plain(&mut server, &line), Short::Ok("alice".to_owned()));
    assert_eq!(plain(&mut server, &line), Short::Stale);
    server.config.without_qop = false;
    assert_eq!(plain(&mut server, &line), Short::Ask);
}

#[test]
fn rfc7616_3_4_nc_replayed_is_challenged_and_counting_on_is_not() {
    let mut server = server(|_| {});
    let mut client = client("alice", "secret");
    challenge(&mut server, &mut client, Time(0), false);
    let first = line(&mut client);
    assert_eq!(plain(&mut server, &first), Short::Ok("alice".to_owned()));
    assert_eq!(plain(&mut server, &first), Short::Stale);
    let second = line(&mut client);
    assert!(second.contains("nc=00000002"), "{second}");
    assert_eq!(plain(&mut server, &second), Short::Ok("alice".to_owned()));
    assert_eq!(plain(&mut server, &second.replace("nc=00000002", "nc=00000003")), Short::Wrong);
}

#[test]
fn asterisk_b6_3_a_one_shot_nonce_is_stale_after_its_first_use() {
    let mut server = server(|config| config.once = true);
    let mut client = client("alice", "secret");
    challenge(&mut server, &mut client, Time(0), false);
    let line = |client: &mut Client| line(client);
    assert_eq!(plain(&mut server, &line(&mut client)), Short::Ok("alice".to_owned()));
    assert_eq!(plain(&mut server, &line(&mut client)), Short::Stale);
}

#[test]
fn rfc7616_3_3_stale_is_said_only_to_who_knows_the_password() {
    let mut server = server(|_| {});
    for (password, expected) in [("secret", Short::Stale), ("guess", Short::Wrong)] {
        let mut client = client("alice", password);
        challenge(&mut server, &mut client, Time(0), false);
        let line = line(&mut client);
        let late = Time(300 * SECOND + 1);
        assert_eq!(judge(&mut server, late, PEER, request("REGISTER"), &line), expected, "{password}, expired");
        let other = "192.0.2.8".parse().unwrap();
        assert_eq!(
            judge(&mut server, Time(0), other, request("REGISTER"), &line),
            expected,
            "{password}, other address"
        );
    }
    let mut client = client("alice", "secret");
    challenge(&mut server, &mut client, Time(5_000), false);
    let line = line(&mut client);
    assert_eq!(judge(&mut server, Time(4_999), PEER, request("REGISTER"), &line), Short::Stale, "from the future");
    assert_eq!(
        judge(&mut server, Time(5_000 + 300 * SECOND), PEER, request("REGISTER"), &line),
        Short::Ok("alice".to_owned()),
        "at the limit"
    );
}

#[test]
fn rfc7616_3_3_a_nonce_of_the_process_before_is_stale_not_refused() {
    let mut client = client("alice", "secret");
    challenge(&mut Server::new(ServerConfig::new("test"), [9; 32]).unwrap(), &mut client, Time(0), false);
    assert_eq!(plain(&mut server(|_| {}), &line(&mut client)), Short::Stale);
}

#[test]
fn rfc3261_22_1_credentials_of_another_realm_or_scheme_are_not_looked_at() {
    let mut server = server(|_| {});
    let mut never = |value: &str| {
        let verdict = server
            .judge(Time(0), PEER, request("REGISTER"), [value.as_bytes()].into_iter(), |_, _| panic!("looked up"));
        matches!(verdict, Verdict::Challenge { stale: false })
    };
    assert!(never("Basic QWxhZGRpbg=="));
    assert!(never("Digest username=\"a\", realm=\"Test\", nonce=\"n\", uri=\"sip:x\", response=\"00\""));
    assert!(never("Digest username=\"alice\", realm=\"test\", nonce=\"\", uri=\"sip:example.com\", response=\"\""));
}

#[test]
fn rfc3261_22_3_ours_is_found_among_credentials_for_others() {
    let mut server = server(|_| {});
    let mut client = client("alice", "secret");
    challenge(&mut server, &mut client, Time(0), false);
    let (other, ours) =
        ("Digest username=\"a\", realm=\"else\", nonce=\"n\", uri=\"sip:x\", response=\"00\"", line(&mut client));
    let values = [other.as_bytes(), b"Digest broken", ours.as_bytes()];
    assert!(matches!(server.judge(Time(0), PEER, request("REGISTER"), values.into_iter(), users), Verdict::Ok(_)));
}

#[test]
fn cve_digest_missing_double_and_malformed_parameters_are_bad_requests() {
    let mut server = server(|_| {});
    let mut client = client("alice", "secret");
    challenge(&mut server, &mut client, Time(0), false);
    let good = line(&mut client);
    let bad = [
        good.replace("username=", "nobody="),
        good.replace("nonce=", "once="),
        good.replace("uri=", "url="),
        good.replace("response=", "answer="),
        good.replace("nc=00000001", "nc=1"),
        good.replace("nc=00000001", "nc=0000000g"),
        good.replace("nc=00000001", "nc=+0000001"),
        good.replace("nc=00000001", "nc=00000000"),
        good.replace(", nc=00000001", ""),
        good.replace("qop=auth", "qop=none"),
        good.replace("cnonce=\"", "anonce=\""),
        good.replace("response=\"", "response=\"0"),
        format!("{good}, realm=\"test\""),
        format!("{good}, username=\"alice\""),
        format!("{good}, username*=UTF-8''alice"),
        "Digest".to_owned(),
        good.replace("sip:example.com", "sip:example.org"),
    ];
    for line in bad {
        assert_eq!(plain(&mut server, &line), Short::Bad, "{line}");
    }
    let long = good.replace(" nonce=\"", &format!(" nonce=\"{}", "x".repeat(1_000_000)));
    assert_eq!(plain(&mut server, &long), Short::Wrong);
    assert_eq!(plain(&mut server, &good), Short::Ok("alice".to_owned()), "nothing of this spoilt the nonce");
}

#[test]
fn cve_account_enumeration_unknown_user_and_wrong_password_get_the_same_verdict() {
    let mut server = server(|_| {});
    for (name, password, expected) in
        [("alice", "guess", Short::Wrong), ("nobody", "secret", Short::Unknown), ("", "", Short::Unknown)]
    {
        let mut client = client(name, password);
        challenge(&mut server, &mut client, Time(0), false);
        let line = line(&mut client);
        let verdict = server.judge(Time(0), PEER, request("REGISTER"), [line.as_bytes()].into_iter(), users);
        assert!(matches!(verdict, Verdict::Forbidden { .. }), "{verdict:?}");
        assert_eq!(plain(&mut server, &line), expected);
    }
    assert_eq!(server.remembered(), 0, "only right answers take room");
}

#[test]
fn rfc7616_4_names_and_passwords_may_have_every_character() {
    let names = ["zoë", "Жанна", "田中", "a b", "o'neil", "x,y=z;w", "we\"ird\\", "\u{1F600}", "+4930123", "ÅNGSTRÖM"];
    let passwords =
        ["", " ", "pass word", "colon:colon", "\"quoted\"", "back\\slash", "пароль", "\u{1F511}", "naïve", "a, b=c"];
    for name in names {
        for password in passwords {
            let lookup =
                |user: &str, algorithm| (user == name).then(|| Ha1::new(algorithm, name, "test", password).unwrap());
            let mut server = server(|_| {});
            for (tried, right) in [(password.to_owned(), true), (format!("{password}x"), false)] {
                let mut client = client(name, &tried);
                challenge(&mut server, &mut client, Time(0), false);
                let line = line(&mut client);
                let verdict = server.judge(Time(0), PEER, request("REGISTER"), [line.as_bytes()].into_iter(), lookup);
                match verdict {
                    Verdict::Ok(verified) => assert!(right && verified.user == name, "{name:?} {tried:?}"),
                    other => assert!(!right, "{name:?} {tried:?}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn an_ha1_for_another_algorithm_is_as_good_as_none() {
    let mut server = server(|_| {});
    let mut client = client("alice", "secret");
    challenge(&mut server, &mut client, Time(0), false);
    let line = line(&mut client);
    let set = Ha1Set::from(Ha1::new(Algorithm::Md5, "alice", "test", "secret").unwrap());
    let verdict =
        server.judge(Time(0), PEER, request("REGISTER"), [line.as_bytes()].into_iter(), |_, _| set.get(Algorithm::Md5));
    assert!(matches!(verdict, Verdict::Forbidden { reason: Reason::UnknownUser, .. }));
}

#[test]
fn rfc7616_3_5_the_proof_is_believed_by_who_shares_the_secret_only() {
    for algorithm in Algorithm::STRONGEST_FIRST {
        let mut server = server(|config| config.algorithms = vec![algorithm]);
        let mut client = client("alice", "secret");
        challenge(&mut server, &mut client, Time(0), false);
        let line = line(&mut client);
        let Verdict::Ok(verified) =
            server.judge(Time(0), PEER, request("REGISTER"), [line.as_bytes()].into_iter(), users)
        else {
            panic!()
        };
        let info = verified.proof.authentication_info(b"answer").unwrap();
        assert_eq!(client.take_info(false, info.as_bytes(), URI, b"answer"), Ok(()));
        let forged = info.replace("rspauth=\"", "rspauth=\"0");
        use super::super::info::InfoError;
        assert_eq!(client.take_info(false, forged.as_bytes(), URI, b"answer"), Err(InfoError::Forged));
        assert_eq!(client.take_info(true, info.as_bytes(), URI, b"answer"), Err(InfoError::Forged));
        assert_eq!(
            client.take_info(false, info.replace("nc=00000001", "nc=00000002").as_bytes(), URI, b""),
            Err(InfoError::Forged)
        );
        let mut next = format!("{info}, nextnonce=\"{}\"", server.nonces.make(Time(0), Some(PEER)).as_str());
        assert_eq!(client.take_info(false, next.as_bytes(), URI, b"answer"), Ok(()));
        next = self::line(&mut client);
        assert!(next.contains("nc=00000001"), "{next}");
        assert_eq!(plain(&mut server, &next), Short::Ok("alice".to_owned()));
    }
}

#[test]
fn rfc8760_2_6_the_uri_is_held_to_the_rule_chosen() {
    for (rule, given, asked, expected) in [
        (UriRule::Exact, "sip:a@h", "sip:a@h", true),
        (UriRule::Exact, "sip:a@h", "sip:a@H", false),
        (UriRule::Any, "sip:a@h", "sip:b@i", true),
        (UriRule::Resource, "sip:h", "SIP:H:5060;transport=udp", true),
        (UriRule::Resource, "sips:%61:pw@h?x=y", "sip:a@h", true),
        (UriRule::Resource, "sip:a@[2001:db8::1]:5060", "sip:a@[2001:DB8::1];lr", true),
        (UriRule::Resource, "sip:A@h", "sip:a@h", false),
        (UriRule::Resource, "sip:a@h", "sip:a@h2", false),
        (UriRule::Resource, "sip:%+1@h", "sip:%01@h", false),
        (UriRule::Resource, "sip:[::1", "sip:h", false),
        (UriRule::Resource, "sip:h:5060", "sip:a@h:5060", false),
        (UriRule::Server, "sip:h:5060", "sip:a@h:5060", true),
        (UriRule::Server, "sip:a@h", "sip:A@h", false),
        (UriRule::Server, "sip:a@h", "sip:h", false),
        (UriRule::Server, "sip:i:5060", "sip:a@h:5060", false),
        (UriRule::Resource, "tel:+49", "tel:+49", true),
        (UriRule::Resource, "tel:+49", "tel:+50", false),
    ] {
        assert_eq!(same_resource(rule, given, asked), expected, "{rule:?} {given} {asked}");
    }
}

#[test]
fn a_server_without_algorithms_or_with_a_realm_nobody_can_write_is_refused() {
    let config = |realm: &str, algorithms: &[Algorithm]| {
        Server::new(ServerConfig { algorithms: algorithms.to_vec(), ..ServerConfig::new(realm) }, [0; 32]).map(|_| ())
    };
    assert_eq!(config("a\r\nb", &[Algorithm::Md5]), Err(ServerError::Realm));
    assert_eq!(config("a", &[]), Err(ServerError::Algorithms));
    assert_eq!(config("a", &[Algorithm::Md5, Algorithm::Md5]), Err(ServerError::Algorithms));
    assert_eq!(config("a \"b\"", &[Algorithm::Md5]), Ok(()));
}

#[test]
fn rfc8760_2_4_client_takes_the_strongest_or_the_topmost_as_told() {
    let mut server =
        server(|config| config.algorithms = vec![Algorithm::Md5, Algorithm::Sha512_256, Algorithm::Sha256]);
    for (choice, name) in [(Choice::Strongest, "SHA-512-256"), (Choice::Topmost, "MD5")] {
        let credentials: Credentials = Credential::password(None, "alice", "secret").unwrap().into();
        let mut client = Client::new(credentials).choose(choice);
        challenge(&mut server, &mut client, Time(0), false);
        let line = line(&mut client);
        assert!(line.contains(&format!("algorithm={name},")), "{line}");
        assert_eq!(plain(&mut server, &line), Short::Ok("alice".to_owned()));
    }
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cve_digest_octets_of_any_kind_get_a_verdict_and_never_entry(value in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut server = server(|_| {});
            let with_scheme = [b"Digest ".as_slice(), &value].concat();
            for value in [value.as_slice(), &with_scheme] {
                let verdict = server.judge(Time(0), PEER, request("REGISTER"), [value].into_iter(), users);
                prop_assert!(!matches!(verdict, Verdict::Ok(_)), "{:?}", verdict);
                let mut client = client("alice", "secret");
                let _ = client.take_challenges([(false, value)].into_iter());
                let _ = client.take_info(false, value, URI, b"");
                for (_, line) in client.lines_for("REGISTER", URI, b"", 1) {
                    prop_assert!(!line.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t'), "{line:?}");
                }
            }
        }

        #[test]
        fn cve_digest_no_changed_octet_of_good_credentials_makes_another_user_or_request_good(at in 0..400usize, octet in any::<u8>()) {
            let mut server = server(|_| {});
            let mut client = client("alice", "secret");
            challenge(&mut server, &mut client, Time(0), false);
            let good = line(&mut client);
            let mut changed = good.clone().into_bytes();
            let at = at % changed.len();
            changed[at] = octet;
            let verdict = server.judge(Time(0), PEER, request("REGISTER"), [changed.as_slice()].into_iter(), users);
            if let Verdict::Ok(verified) = verdict {
                // Only the case of letters in names and digits, and one blank for another.
                prop_assert_eq!(verified.user.as_ref(), "alice");
                let plain = |text: &[u8]| text.iter().filter(|octet| !octet.is_ascii_whitespace()).map(u8::to_ascii_lowercase).collect::<Vec<_>>();
                prop_assert_eq!(plain(&changed), plain(good.as_bytes()), "{}", String::from_utf8_lossy(&changed));
            }
        }
    }
}

#[test]
fn rfc7616_3_3_and_3_5_what_is_quoted_and_what_is_not() {
    let mut server = server(|_| {});
    let lines: Vec<String> = server.challenges(Time(0), PEER, true).collect();
    for quoted in ["realm=\"", "nonce=\"", "qop=\""] {
        assert!(lines[0].contains(quoted), "{}", lines[0]);
    }
    assert!(lines[0].contains("algorithm=SHA-256,") && lines[0].ends_with("stale=true"), "{}", lines[0]);
    let mut client = client("alice", "secret");
    challenge(&mut server, &mut client, Time(0), false);
    let line = line(&mut client);
    for quoted in ["username=\"", "realm=\"", "nonce=\"", "uri=\"", "response=\"", "cnonce=\""] {
        assert!(line.contains(quoted), "{line}");
    }
    assert!(
        line.contains("algorithm=SHA-256,") && line.contains("qop=auth,") && line.ends_with("nc=00000001"),
        "{line}"
    );
    let Verdict::Ok(verified) = server.judge(Time(0), PEER, request("REGISTER"), [line.as_bytes()].into_iter(), users)
    else {
        panic!()
    };
    let info = verified.proof.authentication_info(b"").unwrap();
    assert!(
        info.starts_with("qop=auth, rspauth=\"") && info.contains(", cnonce=\"") && info.ends_with(", nc=00000001"),
        "{info}"
    );
}

#[test]
fn eight_credentials_of_a_request_are_read_and_no_more() {
    let elsewhere =
        "Digest username=\"alice\", realm=\"elsewhere\", nonce=\"a\", uri=\"sip:example.com\", response=\"b\"";
    for (before, read) in [(7, true), (8, false)] {
        let (mut server, mut client) = (server(|_| {}), client("alice", "secret"));
        challenge(&mut server, &mut client, Time(0), false);
        let ours = line(&mut client);
        let values = std::iter::repeat_n(elsewhere.as_bytes(), before).chain([ours.as_bytes()]);
        let verdict = server.judge(Time(0), PEER, request("REGISTER"), values, users);
        assert_eq!(matches!(verdict, Verdict::Ok(_)), read, "{before} before it");
    }
}

#[test]
fn rfc7616_3_4_4_a_hash_of_a_name_is_not_asked_for_and_names_nobody() {
    let mut server = server(|_| {});
    assert!(server.challenges(Time(0), PEER, false).all(|line| !line.contains("userhash")));
    // The hash of alice in this realm, as who is asked for it would send it.
    let hash = Algorithm::Sha256.bytes(&[b"alice:test"]);
    let hashed: String = hash.iter().map(|octet| format!("{octet:02x}")).collect();
    let mut client = client(&hashed, "secret");
    challenge(&mut server, &mut client, Time(0), false);
    let line = format!("{}, userhash=true", line(&mut client));
    assert_eq!(plain(&mut server, &line), Short::Unknown);
}

#[test]
fn rfc7616_3_4_control_characters_in_a_name_or_realm_are_a_bad_request() {
    let mut server = server(|_| {});
    let mut client = client("alice", "secret");
    challenge(&mut server, &mut client, Time(0), false);
    let good = line(&mut client);
    for strange in ["\0", "\r\n ", "\u{1}", "\u{7f}", "\\\n"] {
        for (name, value) in [("username", "alice"), ("realm", "test")] {
            let from = format!("{name}=\"{value}\"");
            let line = good.replace(&from, &format!("{name}=\"{value}{strange}\""));
            assert_ne!(line, good);
            assert_eq!(plain(&mut server, &line), Short::Bad, "{line:?}");
        }
    }
    assert_eq!(plain(&mut server, &good), Short::Ok("alice".to_owned()));
}
