//! Who a caller is asserted to be, and what of it is kept from others (RFC 3323, RFC 3325): as a PBX and as a proxy.

use audio::codec::Codec;
use pbx::{Config, Role, Running, Trust};
use sip::message::{HeaderId, Headers, Method, Request, Response};

use crate::phone::Phone;
use crate::setup::{config, nothing_left, phone, start, with_phones};
use crate::sound::Sound;

/// One whose trusted users these are.
pub(crate) fn trusting(role: Role, users: &[&str]) -> Config {
    let trust = Trust { users: users.iter().map(|name| (*name).to_owned()).collect(), ..Trust::default() };
    Config { role, domains: vec!["127.0.0.1".to_owned()], trust, ..config() }
}

/// `from` calls `to` with these lines, which rings with `answer`, unless that is empty, and is busy: the INVITE as it comes there, and the first answer. The INVITE is `None` where
/// it did not come that far.
pub(crate) fn call(
    config: Config,
    (from, says): (&str, &str),
    to: &str,
    lines: &str,
    answer: &str,
) -> (Option<Request>, Response) {
    let (running, address) = start(config);
    let mut callee = phone(address, to);
    assert_eq!(callee.register(120).code().get(), 200);
    call_to(&running, (from, says), &mut callee, lines, answer)
}

/// The same with a telephone that has registered.
fn call_to(
    running: &Running,
    (from, says): (&str, &str),
    callee: &mut Phone,
    lines: &str,
    answer: &str,
) -> (Option<Request>, Response) {
    let (address, to) = (running.bound()[0].address, callee.name.clone());
    let mut caller = phone(address, from);
    caller.says = says.to_owned();
    // A Request-URI of another host stands before them.
    let (host, lines) = lines.split_once("@@").unwrap_or(("127.0.0.1", lines));
    caller.extra = lines.to_owned();
    let uri = format!("sip:{to}@{host}:{}", address.port());
    let (dialog, challenge) = caller.ask_plain("INVITE", &uri, &uri, None, &[]);
    let credentials = caller.credentials(challenge.headers(), "INVITE", &uri, "");
    let (invite, response) = std::thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let (dialog, first) = caller.again(&dialog, "INVITE", &uri, None, &credentials);
            if !first.code().is_final() {
                let last = caller.final_response(&dialog.branch);
                caller.ack(&dialog, last.headers(), true, None);
            }
            first
        });
        while !calling.is_finished() {
            callee.catch_up();
            if let Some(invite) = callee.next_heard(&Method::Invite) {
                if !answer.is_empty() {
                    callee.respond_with(&invite, 180, answer, None);
                }
                callee.respond(&invite, 486, None);
                callee.request(Method::Ack);
                return (Some(invite), calling.join().unwrap());
            }
        }
        (None, calling.join().unwrap())
    });
    if invite.is_none() {
        assert!(response.code().get() != 486, "{response:?}");
    }
    nothing_left(running);
    (invite, response)
}

fn values(request: &Request, id: HeaderId) -> Vec<String> {
    request.headers().all(id).map(|one| one.text().into_owned()).collect()
}

/// What comes at the callee: P-Asserted-Identity, Privacy, and From without its tag.
fn told(config: Config, from: (&str, &str), to: &str, lines: &str) -> (Vec<String>, Vec<String>, String) {
    let (invite, response) = call(config, from, to, lines, "");
    let invite = invite.unwrap_or_else(|| panic!("no INVITE came: {response:?}"));
    assert_eq!(values(&invite, HeaderId::PPreferredIdentity), Vec::<String>::new());
    let from = invite.headers().text(HeaderId::From).unwrap().split(";tag").next().unwrap().to_owned();
    (values(&invite, HeaderId::PAssertedIdentity), values(&invite, HeaderId::Privacy), from)
}

const BOSS: &str = "P-Asserted-Identity: <sip:boss@127.0.0.1>\r\nP-Preferred-Identity: <sip:boss@127.0.0.1>\r\n";
const NOBODY: &str = "anonymous@anonymous.invalid";
const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

#[test]
fn rfc3325_5_what_a_stranger_to_the_trust_domain_asserts_is_taken_off() {
    for role in [Role::Pbx, Role::Proxy] {
        let (asserted, _, from) = told(trusting(role, &[]), ("1001", "1001"), "1002", BOSS);
        assert_eq!((asserted.len(), from.as_str()), (0, "<sip:1001@127.0.0.1>"), "{role:?}");
        let (asserted, _, _) = told(trusting(role, &["1003"]), ("1001", "1001"), "1003", BOSS);
        assert_eq!(asserted, ["<sip:1001@127.0.0.1>"], "{role:?}");
    }
}

/// However a header field may be written, and as it may not: who cannot be read is not passed on at all.
#[test]
fn cve_header_smuggling_nothing_asserted_by_a_stranger_arrives_however_it_is_written() {
    let forms = [
        "N : <sip:boss@b>",
        "N\t: <sip:boss@b>",
        "N \t:<sip:boss@b>",
        "N:\r\n <sip:boss@b>",
        "N\t:\r\n\t<sip:boss@b>",
        "N: <sip:1001@127.0.0.1>, <sip:boss@b>",
        "N: <sip:1001@127.0.0.1>\r\n ,\r\n \"x, y\" <sip:boss@b>",
        "N: \"boss",
    ];
    let names = ["P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "P-Asserted-Service"];
    let written = names.iter().flat_map(|name| [(*name).to_owned(), name.to_lowercase(), name.to_uppercase()]);
    let lines: Vec<String> = written.flat_map(|name| forms.map(|form| form.replace('N', &name) + "\r\n")).collect();
    let lines = lines.concat();
    let text = |headers: &Headers| {
        let text = String::from_utf8_lossy(headers.bytes()).to_lowercase();
        text.replace("\r\n ", " ").replace("\r\n\t", " ")
    };
    let roles = [Role::Pbx, Role::Proxy, Role::Stateless];
    for role in roles {
        let (invite, response) = call(trusting(role, &["1003"]), ("1001", "1001"), "1002", &lines, &lines);
        let invite = invite.unwrap_or_else(|| panic!("no INVITE came: {response:?}"));
        assert!(!text(invite.headers()).contains("boss"), "{role:?}: {}", text(invite.headers()));
        // Nor does what a callee says of himself come back, but for what means nothing there.
        assert_eq!(response.code().get(), 180, "{role:?}");
        let back = text(response.headers());
        let boss = back.lines().find(|line| line.contains("boss") && !line.starts_with("p-preferred-identity"));
        assert_eq!(boss, None, "{role:?}");
    }
    // The control: between those whom we trust it goes both ways.
    let config = trusting(Role::Proxy, &["1003", "1002"]);
    let (invite, response) = call(config, ("1003", "1003"), "1002", &lines, &lines);
    for headers in [invite.unwrap().headers(), response.headers()] {
        assert!(text(headers).contains("p-asserted-identity : <sip:boss@b>"), "{}", text(headers));
    }
    // What may stand in no name makes none: the whole request is refused.
    for role in roles {
        let (running, address) = start(trusting(role, &["1003"]));
        let mut caller = phone(address, "1001");
        let uri = format!("sip:1002@127.0.0.1:{}", address.port());
        for odd in ["\0", "\u{1}", "\u{b}", "\u{7f}", "\u{a0}", "\r", "\n"] {
            for name in [format!("P-Asserted-Identity{odd}"), format!("{odd}P-Asserted-Identity")] {
                caller.extra = format!("{name}: <sip:boss@b>\r\n");
                let answer = caller.ask_plain("MESSAGE", &uri, &uri, None, &[]).1;
                assert_eq!(answer.code().get(), 400, "{role:?} {name:?}");
            }
        }
        nothing_left(&running);
    }
}

#[test]
fn rfc3325_6_a_user_is_known_by_the_number_of_his_that_he_prefers() {
    for role in [Role::Pbx, Role::Proxy] {
        for (preferred, asserted) in [("2002", "<sip:2002@127.0.0.1>"), ("1001", "<sip:1002@127.0.0.1>")] {
            let lines = format!("P-Preferred-Identity: <sip:{preferred}@127.0.0.1>\r\n");
            let heard = told(trusting(role, &["1003"]), ("1002", "1002"), "1003", &lines);
            assert_eq!(heard.0, [asserted], "{role:?}");
        }
    }
}

#[test]
fn rfc3325_7_an_identity_that_is_private_stays_within_the_trust_domain() {
    let config = || trusting(Role::Pbx, &["1003"]);
    let (asserted, privacy, from) = told(config(), ("1001", "1001"), "1003", "Privacy: id\r\n");
    assert_eq!((asserted, privacy), (vec!["<sip:1001@127.0.0.1>".to_owned()], vec!["id".to_owned()]));
    assert_eq!(from, ANONYMOUS);
    let (invite, _) = call(config(), ("1001", "1001"), "1002", "Privacy: id\r\n", "");
    let text = String::from_utf8_lossy(invite.unwrap().headers().bytes()).into_owned();
    assert!(!text.contains("1001") && !text.contains("P-Asserted"), "{text}");
    for (privacy, told_to) in [("id", 0), ("none", 1)] {
        let lines = format!("Privacy: {privacy}\r\n");
        let heard = told(trusting(Role::Proxy, &["1003"]), ("1001", "1001"), "1002", &lines);
        assert_eq!(heard.0.len(), told_to, "{privacy}");
        let heard = told(trusting(Role::Proxy, &["1003"]), ("1001", "1001"), "1003", &lines);
        assert_eq!(heard.0.len(), 1, "{privacy}");
    }
}

#[test]
fn rfc3325_5_whom_we_trust_is_believed_whom_he_asserts() {
    let lines = "P-Asserted-Identity: \"Ann\" <tel:+4930123>\r\n";
    for (role, from) in [(Role::Pbx, "\"Ann\" <sip:+4930123@127.0.0.1>"), (Role::Proxy, "<sip:+4930123@127.0.0.1>")] {
        let heard = told(trusting(role, &["1003"]), ("1003", "+4930123"), "1002", lines);
        assert_eq!((heard.0, heard.2.as_str()), (vec!["\"Ann\" <tel:+4930123>".to_owned()], from), "{role:?}");
        // Nobody else may write a name that is not his.
        let (invite, refused) = call(trusting(role, &["1003"]), ("1001", "+4930123"), "1002", lines, "");
        assert!(invite.is_none() && refused.code().get() == 403, "{role:?}");
    }
    // What was there before RFC 3325, where it is all there is.
    let old = "Remote-Party-ID: \"Ann\" <sip:77@gw>;party=calling;screen=yes\r\n";
    let heard = told(trusting(Role::Pbx, &["1003"]), ("1003", "1003"), "1002", old);
    assert_eq!((heard.0, heard.2.as_str()), (vec!["\"Ann\" <sip:77@gw>".to_owned()], "\"Ann\" <sip:77@127.0.0.1>"));
}

#[test]
fn rfc3325_9_1_one_sip_address_and_one_telephone_number_are_asserted_and_nothing_else() {
    for (said, asserted) in [
        ("<sip:ann@gw>, <tel:+4930123>", &["<sip:ann@gw>", "<tel:+4930123>"][..]),
        ("<tel:+4930123>, <sips:ann@gw>", &["<tel:+4930123>", "<sips:ann@gw>"]),
        ("<sip:ann@gw>, <sip:bob@gw>", &["<sip:ann@gw>"]),
        ("<tel:+1>, <tel:+2>", &["<tel:+1>"]),
        ("<mailto:ann@gw>, <sip:ann@gw>", &["<sip:ann@gw>"]),
        // He is who he is then.
        ("<mailto:ann@gw>", &["<sip:1003@127.0.0.1>"]),
    ] {
        let lines = format!("P-Asserted-Identity: {said}\r\n");
        let heard = told(trusting(Role::Pbx, &["1003"]), ("1003", "1003"), "1002", &lines);
        assert_eq!(heard.0, asserted, "{said}");
    }
}

/// Gateways that know Remote-Party-ID only say by it, and by nothing else, that a number is hidden.
#[test]
fn rfc3325_7_a_remote_party_that_is_hidden_stays_within_the_trust_domain() {
    let lines =
        |privacy: &str| format!("Remote-Party-ID: \"Ann\" <sip:77@gw>;party=calling;privacy={privacy};screen=yes\r\n");
    for role in [Role::Pbx, Role::Proxy] {
        for (privacy, hidden) in
            [("full", true), ("uri", true), ("\"full-network\"", true), ("name,uri", true), ("off", false)]
        {
            let (invite, response) = call(trusting(role, &["1003"]), ("1003", "1003"), "1002", &lines(privacy), "");
            let invite = invite.unwrap_or_else(|| panic!("no INVITE came: {response:?}"));
            let text = String::from_utf8_lossy(invite.headers().bytes()).into_owned();
            assert_eq!(text.contains("sip:77@"), !hidden, "{role:?} {privacy}: {text}");
            assert!(!hidden || !text.contains("Ann"), "{role:?} {privacy}: {text}");
        }
    }
    // To whom we trust it is told, with what he needs to keep it.
    let told_to_trusted = told(trusting(Role::Pbx, &["1003", "1002"]), ("1003", "1003"), "1002", &lines("full"));
    assert_eq!((told_to_trusted.0.len(), told_to_trusted.1), (1, vec!["id".to_owned()]));
    let named = told(trusting(Role::Pbx, &["1003"]), ("1003", "1003"), "1002", &lines("name"));
    assert_eq!((named.0, named.2.as_str()), (vec!["<sip:77@gw>".to_owned()], "<sip:77@127.0.0.1>"));
}

/// Who is called, who has sent the call on, and a name alone.
#[test]
fn rfc3325_7_no_party_that_is_hidden_is_shown_outside_of_the_trust_domain() {
    let party = "Remote-Party-ID: \"Ann\" <sip:77@gw>;party=";
    let open = format!("Remote-Party-ID: <sip:78@gw>;party=calling;privacy=off\r\n{party}");
    for (lines, is_hidden) in [
        (format!("{open}redirecting;privacy=full\r\n"), true),
        (format!("{open}called;privacy=uri\r\n"), true),
        (format!("{party}calling;privacy=name\r\n"), true),
        (format!("{open}redirecting;privacy=off\r\n"), false),
    ] {
        for role in [Role::Proxy, Role::Stateless] {
            for (trusted, told) in [(&["1003"][..], !is_hidden), (&["1003", "1002"], true)] {
                let (invite, response) = call(trusting(role, trusted), ("1003", "1003"), "1002", &lines, "");
                let invite = invite.unwrap_or_else(|| panic!("no INVITE came: {response:?}"));
                let text = String::from_utf8_lossy(invite.headers().bytes()).into_owned();
                assert_eq!(text.contains("77@gw"), told, "{role:?} {trusted:?} {lines}: {text}");
                assert_eq!(text.contains("Ann"), told, "{role:?} {trusted:?} {lines}: {text}");
            }
        }
    }
    // What a gateway says of whom it has called: the number, and the name. Some write both kinds.
    for (privacy, trusted, (number, name)) in [
        ("full", &["1002"][..], (false, false)),
        ("uri", &["1002"], (false, false)),
        ("name", &["1002"], (true, false)),
        ("off", &["1002"], (true, true)),
        ("full", &["1002", "1001"], (true, true)),
    ] {
        for party in [";party=called", ";party=calling", ""] {
            let said = format!("Remote-Party-ID: \"Ann\" <sip:77@gw>{party};privacy={privacy}\r\n");
            let answer = said + "P-Asserted-Identity: <sip:77@gw>\r\n";
            let (_, response) = call(trusting(Role::Proxy, trusted), ("1001", "1001"), "1002", "", &answer);
            assert_eq!(response.code().get(), 180);
            let text = String::from_utf8_lossy(response.headers().bytes()).into_owned();
            assert_eq!(text.contains("77@gw"), number, "{party} {privacy} {trusted:?}: {text}");
            assert_eq!(text.contains("Ann"), name, "{party} {privacy} {trusted:?}: {text}");
        }
    }
    // By itself such a name hides the whole line, which is passed on as it came or not at all.
    let answer = format!("{party}called;privacy=name\r\n");
    let (_, response) = call(trusting(Role::Proxy, &["1002"]), ("1001", "1001"), "1002", "", &answer);
    assert!(!String::from_utf8_lossy(response.headers().bytes()).contains("77@gw"));
}

#[test]
fn rfc3323_4_1_1_3_who_is_from_nobody_proves_who_he_is_and_stays_nobody() {
    for (lines, privacy, from) in [
        ("", &[][..], ANONYMOUS),
        ("Privacy: user;header;session;critical\r\n", &[], ANONYMOUS),
        ("Privacy: none\r\n", &["none"], "<sip:1001@127.0.0.1>"),
    ] {
        let heard = told(trusting(Role::Pbx, &[]), ("1001", NOBODY), "1002", lines);
        assert_eq!((heard.0.len(), heard.2.as_str()), (0, from), "{lines}");
        assert_eq!(heard.1, privacy, "{lines}");
    }
}

/// Nobody proves to be somebody of another domain, nor that he has a name.
#[test]
fn rfc3325_5_a_user_is_asserted_under_a_name_of_ours_and_by_no_name_of_his_own_choice() {
    for role in [Role::Pbx, Role::Proxy] {
        for (from, lines) in [
            ("1001@bank.example", ""),
            ("\"Bank\" <sip:1001@bank.example>", ""),
            ("\"Bank\" <sip:1001@127.0.0.1>", ""),
            ("\"Bank\" <sip:1001@127.0.0.1>", "P-Preferred-Identity: \"Bank\" <sip:1001@bank.example>\r\n"),
            ("1001@BANK.example.", "P-Preferred-Identity: \"Bank\" <sip:1001@bank.example>\r\n"),
        ] {
            let (asserted, _, _) = told(trusting(role, &["1003"]), ("1001", from), "1003", lines);
            assert_eq!(asserted, ["<sip:1001@127.0.0.1>"], "{role:?} {from} {lines}");
        }
    }
    // What the account says is true.
    let mut config = trusting(Role::Pbx, &["1003"]);
    config.users.get_mut("1001").unwrap().display = Some("Alice".to_owned());
    let (asserted, _, from) = told(config, ("1001", "\"Bank\" <sip:1001@127.0.0.1>"), "1003", "");
    assert_eq!(
        (asserted[0].as_str(), from.as_str()),
        ("\"Alice\" <sip:1001@127.0.0.1>", "\"Alice\" <sip:1001@127.0.0.1>")
    );
    // The Request-URI is the caller's as well.
    for (from, host) in [(NOBODY, "other.example"), ("1001@bank.example", "other.example"), (NOBODY, "sip.example")] {
        let mut config = trusting(Role::Pbx, &["1003"]);
        config.domains.push("sip.example".to_owned());
        let (asserted, _, _) = told(config, ("1001", from), "1003", &format!("{host}@@"));
        let own = if host == "sip.example" { host } else { "127.0.0.1" };
        assert_eq!(asserted, [format!("<sip:1001@{own}>")], "{from} {host}");
    }
}

#[test]
fn rfc3261_8_1_1_3_a_gateway_that_writes_a_telephone_number_as_its_from_is_taken_as_it_is() {
    let config = || trusting(Role::Pbx, &["1003"]);
    let (asserted, _, from) = told(config(), ("1003", "<tel:+4930123>"), "1002", "");
    assert_eq!((asserted[0].as_str(), from.as_str()), ("<sip:+4930123@127.0.0.1>", "<sip:+4930123@127.0.0.1>"));
    // From nobody else.
    assert_eq!(call(config(), ("1001", "<tel:+4930123>"), "1002", "", "").1.code().get(), 403);
}

/// What is asserted would tell what the From does not.
#[test]
fn rfc3325_7_who_is_from_nobody_or_asks_for_user_is_asserted_within_the_trust_domain_alone() {
    for role in [Role::Pbx, Role::Proxy] {
        for (from, lines, privacy) in [
            (NOBODY, "", "id"),
            (NOBODY, "Privacy: user;critical\r\n", "id;user;critical"),
            (NOBODY, "Privacy: session\r\n", "id;session"),
            (NOBODY, "Privacy: id\r\n", "id"),
            ("1001", "Privacy: user\r\n", "id;user"),
        ] {
            let config = || trusting(role, &["1003"]);
            let privacy = if role == Role::Pbx { "id" } else { privacy };
            let (asserted, private, _) = told(config(), ("1001", from), "1003", lines);
            assert_eq!((asserted.len(), private), (1, vec![privacy.to_owned()]), "{role:?} {from} {lines}");
            assert!(asserted[0].contains("1001"), "{asserted:?}");
            let (asserted, _, _) = told(config(), ("1001", from), "1002", lines);
            assert_eq!(asserted.len(), 0, "{role:?} {from} {lines}");
        }
        let (asserted, private, _) = told(trusting(role, &["1003"]), ("1001", NOBODY), "1002", "Privacy: none\r\n");
        assert_eq!((asserted.len(), private), (1, vec!["none".to_owned()]), "{role:?}");
    }
}

#[test]
fn rfc3323_5_privacy_that_is_critical_and_not_known_is_refused() {
    let (invite, refused) = call(trusting(Role::Pbx, &[]), ("1001", "1001"), "1002", "Privacy: odd;critical\r\n", "");
    assert!(invite.is_none());
    assert_eq!((refused.code().get(), refused.reason()), (500, "Privacy Not Supported"));
    assert!(call(trusting(Role::Pbx, &[]), ("1001", "1001"), "1002", "Privacy: odd\r\n", "").0.is_some());
}

#[test]
fn rfc3325_5_a_callee_is_asserted_to_be_somebody_by_whom_we_trust_alone() {
    let ringing = "P-Asserted-Identity: <sip:desk@127.0.0.1>\r\n";
    let private = format!("{ringing}Privacy: id\r\n");
    for (trusted, answer, told) in [
        (&["1002"][..], ringing, true),
        (&[], ringing, false),
        (&["1001"], ringing, false),
        (&["1002"], &private, false),
    ] {
        let (_, response) = call(trusting(Role::Proxy, trusted), ("1001", "1001"), "1002", "", answer);
        assert_eq!(response.code().get(), 180);
        assert_eq!(response.headers().has(HeaderId::PAssertedIdentity), told, "{trusted:?} {answer}");
    }
}

/// The telephones here come by UDP.
#[test]
fn rfc3325_12_where_trust_is_over_tls_alone_nothing_else_is_believed_or_told() {
    for role in [Role::Pbx, Role::Proxy] {
        for tls in [false, true] {
            let over = || {
                let mut config = trusting(role, &["1003"]);
                config.trust.tls = tls;
                config
            };
            let (asserted, _, _) = told(over(), ("1001", "1001"), "1003", "Privacy: id\r\n");
            assert_eq!(asserted.is_empty(), tls, "{role:?}: {asserted:?}");
            let (asserted, _, _) = told(over(), ("1003", "1003"), "1002", BOSS);
            assert_eq!(asserted == ["<sip:boss@127.0.0.1>"], !tls, "{role:?}: {asserted:?}");
        }
    }
}

/// What a proxy passes on as it came from whom it trusts.
const ASSERTS: &str = "P-Asserted-Identity: <sip:1001@127.0.0.1>\r\nPrivacy: id\r\n";

/// A device writes whatever it likes as its own address.
#[test]
fn rfc3325_7_a_device_that_calls_itself_trusted_is_not_before_a_restart_nor_after() {
    for role in [Role::Pbx, Role::Proxy] {
        let folder = tempfile::tempdir().unwrap();
        let begin = |trusted: &str| {
            let networks = vec![net::Network::read(trusted).unwrap()];
            let register = pbx::RegisterConfig { nat: proxy::Nat::Always, ..config().register };
            let trust = Trust { networks, ..Trust::default() };
            let state = Some(folder.path().join("state"));
            start(Config { register, trust, state, ..trusting(role, &[]) })
        };
        let told = |running: &Running, callee: &mut Phone| {
            let (invite, response) = call_to(running, ("1001", "1001"), callee, ASSERTS, "");
            let invite = invite.unwrap_or_else(|| panic!("no INVITE came: {response:?}"));
            values(&invite, HeaderId::PAssertedIdentity).len()
        };
        let (running, address) = begin("192.0.2.9");
        let mut callee = phone(address, "1002");
        callee.host = "192.0.2.9".to_owned();
        assert_eq!(callee.register(120).code().get(), 200);
        assert_eq!(told(&running, &mut callee), 0, "{role:?}");
        drop(running);
        // The control comes last: at the address that requests go to it is told.
        for (trusted, count) in [("192.0.2.9", 0), ("127.0.0.1", 1)] {
            let (running, address) = begin(trusted);
            callee.server = address;
            assert_eq!(told(&running, &mut callee), count, "{role:?} {trusted}");
        }
    }
}

/// Requests go to a `maddr`, whatever host stands before it.
#[test]
fn rfc3325_7_a_path_through_a_trusted_address_that_leads_elsewhere_is_told_nothing() {
    for (role, trusted, count) in [
        (Role::Pbx, "192.0.2.9", 0),
        (Role::Proxy, "192.0.2.9", 0),
        (Role::Pbx, "127.0.0.1", 1),
        (Role::Proxy, "127.0.0.1", 1),
    ] {
        let networks = vec![net::Network::read(trusted).unwrap()];
        let (running, address) = start(Config { trust: Trust { networks, ..Trust::default() }, ..trusting(role, &[]) });
        let mut callee = phone(address, "1002");
        callee.agent = format!("Supported: path\r\nPath: <sip:192.0.2.9:{};lr;maddr=127.0.0.1>\r\n", callee.port());
        assert_eq!(callee.register(120).code().get(), 200);
        let (invite, response) = call_to(&running, ("1001", NOBODY), &mut callee, ASSERTS, "");
        let invite = invite.unwrap_or_else(|| panic!("no INVITE came: {response:?}"));
        assert!(values(&invite, HeaderId::Route)[0].contains("maddr"), "by its Path");
        assert_eq!(values(&invite, HeaderId::PAssertedIdentity).len(), count, "{role:?} {trusted}");
        let text = String::from_utf8_lossy(invite.headers().bytes()).into_owned();
        assert!(count > 0 || role == Role::Proxy || !text.contains("1001"), "{text}");
    }
}

/// What a caller writes as Route is met before the host of the Request-URI.
#[test]
fn rfc3325_7_a_route_leads_to_whom_it_names_and_not_to_the_request_uri() {
    for (trusted, count) in [("192.0.2.9", 0), ("127.0.0.1", 1)] {
        let networks = vec![net::Network::read(trusted).unwrap()];
        let config = Config { trust: Trust { networks, ..Trust::default() }, ..trusting(Role::Proxy, &[]) };
        let (running, address) = start(config);
        let mut callee = phone(address, "1002");
        let lines = format!("192.0.2.9@@{ASSERTS}Route: <sip:127.0.0.1:{};lr>\r\n", callee.port());
        let (invite, response) = call_to(&running, ("1001", "1001"), &mut callee, &lines, "");
        let invite = invite.unwrap_or_else(|| panic!("no INVITE came: {response:?}"));
        assert_eq!(values(&invite, HeaderId::PAssertedIdentity).len(), count, "{trusted}");
    }
}

/// What of an INVITE of 1001 with these lines alerts 1002.
fn alerted(intercom: &[&str], lines: &str) -> Vec<String> {
    let config = Config { intercom: intercom.iter().map(|&name| name.to_owned()).collect(), ..config() };
    let (invite, response) = call(config, ("1001", "1001"), "1002", lines, "");
    let invite = invite.unwrap_or_else(|| panic!("no INVITE came: {response:?}"));
    [HeaderId::CallInfo, HeaderId::AlertInfo, HeaderId::AnswerMode].map(|id| values(&invite, id)).concat()
}

/// Whoever is called would be listened to in his own room.
#[test]
fn rfc5373_9_nobody_has_anothers_telephone_answer_unless_he_may() {
    let asks = [
        "Call-Info: <sip:x>;answer-after=0",
        "Call-Info: <sip:x>;Answer-After=5",
        "Alert-Info: <http://x>;info=alert-autoanswer;delay=0",
        "Alert-Info: Ring Answer",
        "Alert-Info: info=Intercom",
        "Answer-Mode: Auto",
        "Answer-Mode: auto;require",
    ];
    let lines: String = asks.iter().map(|line| format!("{line}\r\n")).collect();
    assert_eq!(alerted(&[], &lines), Vec::<String>::new());
    assert_eq!(alerted(&["1002", "1003"], &lines), Vec::<String>::new());
    assert_eq!(alerted(&["1001"], &lines), asks.map(|line| line.split_once(": ").unwrap().1));
}

/// Who says that a call is to be answered so or not at all is not answered otherwise.
#[test]
fn rfc5373_4_5_1_a_call_that_would_be_answered_otherwise_than_is_required_is_403() {
    let place = |intercom: &[&str], number: &str, line: &str| {
        let config = Config { intercom: intercom.iter().map(|&name| name.to_owned()).collect(), ..config() };
        let (invite, response) = call(config, ("1001", "1001"), number, &format!("{line}\r\n"), "");
        (invite.map(|invite| values(&invite, HeaderId::AnswerMode).concat()), response)
    };
    for (intercom, line) in
        [(&["1001"][..], "Auto;require"), (&[], "Manual;require"), (&[], "Auto"), (&[], "Perhaps;require")]
    {
        let (seen, response) = place(intercom, "1002", &format!("Answer-Mode: {line}"));
        let passed = if line.starts_with("Manual") || !intercom.is_empty() { line } else { "" };
        assert_eq!(seen.as_deref(), Some(passed), "{line}: {response:?}");
    }
    for intercom in [&[][..], &["1002"]] {
        let (seen, response) = place(intercom, "1002", "Answer-Mode: Auto;require");
        assert_eq!(seen, None);
        assert_eq!((response.code().get(), response.reason()), (403, "automatic answer forbidden"));
    }
}

/// Nobody picks an extension up.
#[test]
fn rfc5373_4_5_1_an_extension_answers_by_itself_and_not_who_wants_a_person() {
    let (running, mut phones) = with_phones(&["1001"]);
    let description = Sound::new(Codec::Pcmu).describe();
    for (value, code) in [("Manual;require", 403), ("Manual", 200), ("Auto;require", 200), ("Perhaps;require", 200)] {
        phones[0].extra = format!("Answer-Mode: {value}\r\n");
        if code == 403 {
            let (_, response) = phones[0].call("600", Some(&description));
            assert_eq!((response.code().get(), response.reason()), (403, "manual answer forbidden"), "{value}");
            continue;
        }
        let (mut dialog, _) = phones[0].call_through("600", &description);
        phones[0].extra.clear();
        phones[0].hang_up(&mut dialog);
    }
    nothing_left(&running);
}

/// What only the two ends decide on.
#[test]
fn rfc5373_4_4_1_a_proxy_passes_on_how_a_call_is_to_be_answered_as_it_came() {
    for lines in [&[][..], &["Answer-Mode:  AUTO ;require", "Priv-Answer-Mode: Perhaps"], &["Answer-Mode: Manual"]] {
        let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let (invite, response) = call(trusting(Role::Proxy, &[]), ("1001", "1001"), "1002", &text, "");
        let invite = invite.unwrap_or_else(|| panic!("no INVITE came: {response:?}"));
        let came = String::from_utf8_lossy(invite.headers().bytes()).into_owned();
        let came: Vec<&str> = came.split("\r\n").filter(|line| line.contains("Answer-Mode")).collect();
        assert_eq!(came, lines);
    }
}

/// A proxy may read who has asked for a call, and leaves it alone.
#[test]
fn rfc3892_3_a_proxy_passes_on_who_has_asked_for_a_call_as_it_came() {
    for line in
        ["Referred-By:  \"R\" <sip:r@x>  ;cid=\"20398823.2UWQFN309shb3@x\"", "b: sip:r@x", "Referred-By: no uri"]
    {
        let (invite, response) = call(trusting(Role::Proxy, &[]), ("1001", "1001"), "1002", &format!("{line}\r\n"), "");
        let invite = invite.unwrap_or_else(|| panic!("no INVITE came: {response:?}"));
        let came = String::from_utf8_lossy(invite.headers().bytes()).into_owned();
        let came: Vec<&str> =
            came.split("\r\n").filter(|one| one.starts_with("Referred-By") || one.starts_with("b:")).collect();
        assert_eq!(came, [line]);
    }
}

#[test]
fn rfc3261_20_9_how_a_callee_is_to_be_alerted_else_crosses() {
    let lines = "Call-Info: <http://x/answers.png>;purpose=icon, <sip:x>;answer-after=0, <http://x/card>;purpose=card\r\nAlert-Info: <urn:alert:service:normal>\r\n\
        Answer-Mode: Manual\r\n";
    let rest =
        ["<http://x/answers.png>;purpose=icon", "<http://x/card>;purpose=card", "<urn:alert:service:normal>", "Manual"];
    assert_eq!(alerted(&[], lines), rest);
    // Nor by what a telephone might read that we cannot.
    assert_eq!(alerted(&[], "Call-Info: answer-after=0\r\n"), Vec::<String>::new());
}

#[test]
fn rfc3323_5_3_what_tells_of_who_does_not_want_to_be_known_is_taken_off() {
    let lines =
        "Call-Info: <http://x/1001.png>;purpose=icon, <sip:1001@x>;answer-after=3, <http://x/1001>;purpose=card\r\n";
    for (says, privacy) in [("1001", "Privacy: user;critical\r\n"), ("1001", "Privacy: id\r\n"), (NOBODY, "")] {
        let config = Config { intercom: vec!["1001".to_owned()], ..config() };
        let (invite, _) = call(config, ("1001", says), "1002", &format!("{lines}{privacy}"), "");
        let invite = invite.unwrap();
        assert_eq!(values(&invite, HeaderId::CallInfo), ["<sip:anonymous.invalid>;answer-after=3"], "{privacy}");
        let text = String::from_utf8_lossy(invite.headers().bytes()).into_owned();
        assert!(!text.contains("1001"), "{text}");
    }
    let (invite, _) = call(config(), ("1001", "1001"), "1002", &format!("{lines}Privacy: session\r\n"), "");
    assert_eq!(values(&invite.unwrap(), HeaderId::CallInfo).len(), 2);
}

#[test]
fn where_a_call_was_diverted_is_told_unless_its_history_is_private() {
    let diverted = "Diversion: <sip:9@b>;reason=user-busy\r\n";
    for (privacy, told) in [("Privacy: history;critical\r\n", 0), ("Privacy: id\r\n", 1), ("", 1)] {
        let (invite, _) = call(config(), ("1001", "1001"), "1002", &format!("{diverted}{privacy}"), "");
        assert_eq!(values(&invite.unwrap(), HeaderId::Diversion).len(), told, "{privacy}");
    }
}

/// A MESSAGE of 1001 to a registered telephone: as it comes there, or its refusal (500).
fn message(config: Config, says: &str, to: &str, lines: &str) -> Result<Request, Box<Response>> {
    let (running, address) = start(config);
    let (mut sender, mut receiver) = (phone(address, "1001"), phone(address, to));
    assert_eq!(receiver.register(120).code().get(), 200);
    (sender.says, sender.extra) = (says.to_owned(), lines.to_owned());
    let (uri, body) = (format!("sip:{to}@127.0.0.1"), Some(("text/plain", "hello")));
    let challenge = sender.ask_plain("MESSAGE", &uri, &uri, body, &[]).1;
    let credentials = sender.credentials(challenge.headers(), "MESSAGE", &uri, "hello");
    let text = sender.draft("MESSAGE", &uri, &uri, body, &credentials);
    sender.send(&text);
    let seen = match receiver.next_heard(&Method::Message) {
        Some(message) => {
            receiver.respond(&message, 200, None);
            sender.wait_for_code(200);
            Ok(message)
        }
        None => Err(Box::new(sender.wait_for_code(500))),
    };
    nothing_left(&running);
    seen
}

#[test]
fn rfc3325_5_who_writes_is_asserted_and_kept_from_others_as_who_calls() {
    let config = || trusting(Role::Pbx, &["1003"]);
    for (says, to, lines, asserted, private) in [
        ("1001", "1003", "", 1, ""),
        ("1001", "1002", "", 1, ""),
        ("1001", "1003", "Privacy: id\r\n", 1, "id"),
        ("1001", "1002", "Privacy: id\r\n", 0, ""),
        (NOBODY, "1003", "", 1, "id"),
        (NOBODY, "1002", "Privacy: user;critical\r\n", 0, ""),
    ] {
        let message = message(config(), says, to, lines).unwrap();
        let values = |id| values(&message, id);
        assert_eq!(values(HeaderId::PAssertedIdentity).len(), asserted, "{says} {to} {lines}");
        assert_eq!(values(HeaderId::Privacy).concat(), private, "{says} {to} {lines}");
        let named = String::from_utf8_lossy(message.headers().bytes()).contains("sip:1001@");
        assert_eq!(named, asserted > 0, "{says} {to} {lines}");
    }
    let refused = message(config(), "1001", "1002", "Privacy: odd;critical\r\n").unwrap_err();
    assert_eq!((refused.code().get(), refused.reason()), (500, "Privacy Not Supported"));
    assert!(message(config(), "1001", "1002", "Privacy: odd\r\n").is_ok());
}
