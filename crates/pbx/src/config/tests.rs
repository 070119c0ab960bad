//! The settings as text.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::file::TOP;
use super::roles::PROXY;
use super::sections::{DNS, EXTENSIONS, LIMITS, MEDIA, REGISTER, SIP, SQLITE, TLS, USER, WEBSOCKET};
use super::{Config, Secret};

fn read(text: &str) -> Result<Config, String> {
    let environment = |name: &str| (name == "PHONE").then(|| "from-outside".to_owned());
    Config::from_toml(text, None, &environment).map_err(|error| error.to_string())
}

#[test]
fn an_empty_text_is_the_default() {
    let config = read("").unwrap();
    assert_eq!(config.listen.len(), 4);
    assert_eq!(config.generated, ["1001", "1002"]);
    assert_eq!(config.user_count(), 2);
    assert_eq!((config.limits.calls, config.limits.contacts_per_user), (1_000, 5));
    assert_eq!(config.ring, Duration::from_secs(60));
}

#[test]
fn arrays_without_end_and_octets_that_are_no_text_are_told_with_what_mends_them() {
    let error = read("realm = 'x'\nlisten = ['udp:127.0.0.1:5060'\n").unwrap_err();
    assert!(error.starts_with("line ") && error.contains("unclosed array") && error.contains("`]`"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin.toml");
    std::fs::write(&path, b"# one\nrealm = \"caf\xe9\"\n").unwrap();
    let error = Config::load(&path).unwrap_err().to_string();
    assert!(error.contains("latin.toml:2:13: ") && error.contains("save the file as UTF-8"), "{error}");
    let error = Config::load(&folder.path().join("none.toml")).unwrap_err().to_string();
    assert!(error.contains("none.toml") && error.contains("name a file"), "{error}");
}

#[test]
fn everything_the_page_of_this_module_shows_can_be_read() {
    let page = include_str!("file.rs");
    let text: String = page
        .lines()
        .skip_while(|line| !line.contains("```toml"))
        .skip(1)
        .take_while(|line| !line.contains("```"))
        .map(|line| line.trim_start_matches("//!").to_owned() + "\n")
        .collect();
    let text = text.replace("${PHONE_PASSWORD}", "${PHONE}");
    let config = read(&text).unwrap();
    assert_eq!(config.users["1001"].secret, Secret::Password("from-outside".to_owned()));
    assert_eq!(config.users["1001"].numbers, ["2001"]);
    assert_eq!(config.extensions.conference, ["610", "611"]);
    assert_eq!(config.media.ports, 10_000..=19_999);
    assert_eq!((config.shards, config.media.threads), (1, Some(2)));
    assert_eq!(config.metrics, Some(SocketAddr::from(([127, 0, 0, 1], 9_115))));
    assert_eq!(config.silence, Some(Duration::from_secs(30)));
    assert_eq!(config.digest, Config::default().digest);
    // The page says the defaults, so that nothing of it can be wrong unseen.
    let default = Config::default();
    let limits = super::Limits { connections: Some(10_000), ..default.limits };
    assert_eq!((config.limits, config.register, config.ring), (limits, default.register, default.ring));
}

#[test]
fn certificates_that_no_server_could_use_are_found_by_a_check() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let own = |name: &str| {
        let kept = folder.path().join(name);
        net::tls::OwnCertificate::kept_in(&kept, &["pbx.example".to_owned()]).unwrap();
        net::tls::OwnCertificate::files(&kept)
    };
    let ((certificate, key), (_, other)) = (own("one"), own("two"));
    let pair = |key: &Path| format!("certificate = '{}'\nkey = '{}'\n", certificate.display(), key.display());
    let named = |name: &str, key: &Path| format!("[tls.names.'{name}']\n{}", pair(key));
    write("nothing.pem", "nothing");
    let nothing = folder.path().join("nothing.pem");
    for (tls, expected) in [
        (pair(&key), None),
        (pair(&other), Some("offhook.toml:2:15: `tls.certificate`: expected a file that can be used")),
        (pair(&nothing), Some("expected a private key")),
        (format!("client_ca = '{}'", nothing.display()), Some("offhook.toml:2:13: `tls.client_ca`")),
        (format!("ca = '{}'", nothing.display()), Some("offhook.toml:2:6: `tls.ca`")),
        (format!("ca = '{}'\nclient_ca = '{0}'", certificate.display()), None),
        (named("PBX.example", &key), None),
        (
            named("pbx.example", &other),
            Some("offhook.toml:3:15: `tls.names.pbx.example.certificate`: expected a file that can be used: "),
        ),
        (named("pbx.example", &nothing), Some("expected a private key")),
        (format!("{}route_host = 'PBX.example'", pair(&key)), None),
        (format!("{}route_host = 'b.example'", pair(&key)), Some("it is for pbx.example, expected b.example")),
        (named("b.example", &key), Some("the certificate cannot be used: it is for pbx.example, expected b.example")),
    ] {
        write("offhook.toml", &format!("[tls]\n{tls}"));
        let path = folder.path().join("offhook.toml");
        let told = Config::check(&path).err().map(|error| error.to_string());
        match expected {
            None => assert_eq!(told, None, "{tls}"),
            Some(expected) => assert!(told.as_ref().is_some_and(|told| told.contains(expected)), "{tls}: {told:?}"),
        }
    }
}

#[test]
fn mistakes_are_told_with_line_column_and_what_was_expected() {
    let expected = [
        ("relam = 'x'", "line 1, column 1: unknown key `relam`; did you mean `realm`?"),
        ("\n[limits]\n  cals = 3", "line 3, column 3: unknown key `limits.cals`; did you mean `limits.calls`?"),
        (
            "[users.1001]\npasword = 'x'",
            "line 2, column 1: unknown key `users.1001.pasword`; did you mean `users.1001.password`?",
        ),
        ("\u{feff}relam = 'x'", "line 1, column 1: unknown key `relam`; did you mean `realm`?"),
        (
            "sip = 'udp:127.0.0.1:5060'",
            "line 1, column 7: `sip`: found \"udp:127.0.0.1:5060\", expected a table of timers; addresses stand in `listen`",
        ),
        ("realm = 'a'\nrealm = 'b'", "line 2, column 1: duplicate key `realm`; keep one of them"),
        ("zzzzzzzzzz = 1", "line 1, column 1: unknown key `zzzzzzzzzz`; remove it"),
        (
            "[limits]\ncalls = 0",
            "line 2, column 9: `limits.calls`: found 0, expected a whole number from 1 to 10000000",
        ),
        (
            "[limits]\ncalls = 'many'",
            "line 2, column 9: `limits.calls`: found \"many\", expected a whole number from 1 to 10000000",
        ),
        ("shards = 65", "line 1, column 10: `shards`: found 65, expected a whole number from 1 to 64"),
        ("shard = 2", "line 1, column 1: unknown key `shard`; did you mean `shards`?"),
        ("[media]\nthreads = 0", "line 2, column 11: `media.threads`: found 0, expected a whole number from 1 to 256"),
        ("[media]\nthread = 1", "line 2, column 1: unknown key `media.thread`; did you mean `media.threads`?"),
        ("ring_secs = -1", "line 1, column 13: `ring_secs`: found -1, expected a whole number from 1 to 31536000"),
        ("durability = 'never'", "line 1, column 14: `durability`: found \"never\", expected one of interval, sync"),
        (
            "listen = ['udp:1.2.3.4:5060', 'sctp:x']",
            "line 1, column 31: `listen`: found \"sctp:x\", expected PROTOCOL:ADDRESS:PORT with udp, tcp, tls, ws or wss, as in udp:0.0.0.0:5060",
        ),
        (
            "[websocket]\norigins = ['https://a.example/']",
            "line 2, column 12: `websocket.origins`: found \"https://a.example/\", expected SCHEME://HOST or SCHEME://HOST:PORT, as in https://phone.example.com",
        ),
        (
            "[media]\nports = '20-10'",
            "line 2, column 9: `media.ports`: found \"20-10\", expected FIRST-LAST with room for a pair, as in 10000-19999",
        ),
        (
            "[users.1001]\nha1 = 'xyz'",
            "line 2, column 7: `users.1001.ha1`: expected 32 (MD5) or 64 (SHA-256) hexadecimal digits",
        ),
        (
            "[users.1001]\ndisplay = 'A'",
            "line 2, column 1: `users.1001`: found none of them, expected exactly one of password, password_file and ha1",
        ),
        (
            "realm = '${NOBODY}'",
            "line 1, column 9: `${NOBODY}`: the environment has no NOBODY; set it, or write the value here",
        ),
        (
            "[dns]\nservers = ['192.0.2.53', 'ns.example']",
            "line 2, column 26: `dns.servers`: found \"ns.example\", expected ADDRESS or ADDRESS:PORT, as in 192.0.2.53",
        ),
        (
            "[dns]\nservers = []",
            "line 2, column 11: `dns.servers`: found an empty list, expected at least one name server",
        ),
        (
            "[dns]\ntimeout_ms = 99",
            "line 2, column 14: `dns.timeout_ms`: found 99, expected a whole number from 100 to 60000",
        ),
        ("[dns]\nserver = '::1'", "line 2, column 1: unknown key `dns.server`; did you mean `dns.servers`?"),
        ("[sip]\nt1_ms = 19", "line 2, column 9: `sip.t1_ms`: found 19, expected a whole number from 20 to 5000"),
        (
            "[sip]\nt4_ms = 60001",
            "line 2, column 9: `sip.t4_ms`: found 60001, expected a whole number from 20 to 60000",
        ),
        ("[sip]\nt1_ms = 300\nt2_ms = 299", "line 2, column 9: `sip.t1_ms`: found 300, expected t1_ms not above t2_ms"),
        (
            "[sip]\nsession_timer_secs = 86401",
            "line 2, column 22: `sip.session_timer_secs`: found 86401, expected a whole number from 0 to 86400",
        ),
        (
            "[sip]\nsession_timer_secs = 89",
            "line 2, column 22: `sip.session_timer_secs`: found 89, expected 0, or no less than session_timer_min_secs",
        ),
        (
            "[sip]\nsession_timer_min_secs = 1801",
            "line 2, column 26: `sip.session_timer_min_secs`: found 1801, expected 0, or no less than session_timer_min_secs",
        ),
        (
            "[users.1001]\n",
            "line 1, column 1: `users.1001`: found none of them, expected exactly one of password, password_file and ha1",
        ),
        (
            "[users.1001]\npassword = 'x'\npassword_file = 'y'",
            "line 2, column 1: `users.1001`: found several, expected exactly one of password, password_file and ha1",
        ),
        (
            "[users.1001]\npassword = ''",
            "line 2, column 12: `users.1001.password`: expected a password that is not empty",
        ),
        (
            "[users.'a b']\npassword = 'x'",
            "line 2, column 1: `users.a b`: expected a name without blanks and control characters",
        ),
        ("realm = \"a\\nb\"", "line 1, column 9: `realm`: expected a text without control characters"),
        (
            "digest = []",
            "line 1, column 10: `digest`: found an empty list, expected at least one of sha-256 and md5, and each once",
        ),
        (
            "digest = ['md5', 'md5']",
            "line 1, column 10: `digest`: found a value of type array, expected at least one of sha-256 and md5, and each once",
        ),
        (
            "[tls]\ncertificate = 'a.pem'",
            "line 2, column 15: `tls.certificate`: expected a `key` beside it, its private key",
        ),
        ("[tls]\nkey = 'a.pem'", "line 2, column 7: `tls.key`: expected a `certificate` beside it, whose key it is"),
        (
            "[tls]\nclient_required = true",
            "line 2, column 19: `tls.client_required`: expected a `client_ca` beside it, the authorities of devices",
        ),
        (
            "[tls]\nclient_ca = 'a.pem'\nreuse_connections = true",
            "line 3, column 21: `tls.reuse_connections`: expected a `certificate` and a `client_ca` beside it: both sides of a connection must know each other",
        ),
        (
            "[tls]\nroute_host = '192.0.2.1'",
            "line 2, column 14: `tls.route_host`: found \"192.0.2.1\", expected \"auto\", \"address\" or the name of a host, as in \"pbx.example.com\"",
        ),
        (
            "[tls.names.'192.0.2.1']\ncertificate = 'a.pem'\nkey = 'a.key'",
            "line 2, column 1: `tls.names.192.0.2.1`: expected the name of a host, as in \"pbx.example.com\": nothing else is asked for",
        ),
        (
            "[tls.names.'a.example']\nkey = 'a.key'",
            "line 2, column 1: `tls.names.a.example`: expected a `certificate` and its private `key`",
        ),
        (
            "[tls.names.'A.example']\ncertificate = 'a.pem'\nkey = 'a.key'\n[tls.names.'a.Example.']\ncertificate = 'b.pem'\nkey = 'b.key'",
            "line 5, column 1: `tls.names.a.Example.`: expected a name that `tls.names.A.example` has not: clients ask for both as a.example",
        ),
        (
            "[roles]\n'A.example' = 'proxy'\n'a.example' = 'redirect'",
            "line 3, column 15: `roles.a.example`: found \"redirect\", expected a domain that `roles.A.example` has not: it is the same",
        ),
        (
            "[tls.names.'a.example']\nkeyy = 'a.key'",
            "line 2, column 1: unknown key `tls.names.a.example.keyy`; did you mean `tls.names.a.example.key`?",
        ),
        ("[register]\nclamp = 1", "line 2, column 9: `register.clamp`: found 1, expected true or false"),
    ];
    for (text, message) in expected {
        assert_eq!(read(text).unwrap_err(), message);
    }
    assert!(read("realm = ").unwrap_err().starts_with("line 1, column 9: "));
    assert!(read("realm = 'a'\nrealm = 'b'").unwrap_err().starts_with("line 2, column 1: "));
}

#[test]
fn limit_of_name_servers_takes_eight_and_refuses_one_more() {
    let servers = |count: usize| format!("[dns]\nservers = [{}]", "'192.0.2.53', ".repeat(count));
    assert_eq!(read(&servers(8)).unwrap().names.servers.len(), 8);
    assert!(read(&servers(9)).unwrap_err().contains("expected at most 8 name servers"));
    for (millis, good) in [(99, false), (100, true), (60_000, true), (60_001, false)] {
        assert_eq!(read(&format!("[dns]\ntimeout_ms = {millis}")).is_ok(), good, "{millis}");
    }
}

#[test]
fn columns_count_characters_and_files_are_named() {
    let error = Config::from_toml("# ä\nrealm = 'ä' # ö\nä = 1", Some(Path::new("/x.toml")), &|_| None).unwrap_err();
    assert!(error.to_string().starts_with("/x.toml:"), "{error}");
    assert_eq!(error.place().unwrap().line, 3);
}

#[test]
fn no_secret_is_ever_printed() {
    let config =
        read("[users.1001]\npassword = 'hush'\n[users.1002]\nha1 = '00000000000000000000000000000000'").unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("hush") && !shown.contains("0000000000"), "{shown}");
}

const HA1: &str = "0123456789abcdef0123456789abcdef";

/// Every key, with a value that is not its default.
const EVERYTHING: &str = r#"
listen = ["tcp:[::1]:5070", "ws:127.0.0.1:8080", "wss:127.0.0.1:8443"]
shards = 3
state = "/s"
realm = "other \"realm\""
options_auth = true
history = true
transfers = false
digest = ["md5"]
digest_once = true
domains = ["a.example"]
durability = "interval"
sqlite = { bindings = "/b.sqlite", users = "/u.sqlite" }
ring_secs = 7
intercom = ["1001", "1002"]
silence_secs = 8
qualify_secs = 9
metrics = "127.0.0.1:1"
control = "/c"
role = "redirect"
roles = { "a.example" = "proxy", "b.example" = "registrar", "c.example" = "pbx", "d.example" = "edge" }
proxy = { authenticate = "all", relay = true, record_route = false, forking = "serial", recurse = true, turn_secs = 4, timer_c_secs = 181 }
users.1001 = { password = "hush", display = "Ä", numbers = ["21", "22"], max_contacts = 4, remove_existing = true }
users.1002 = { password_file = "/f" }
users."a.b" = { ha1 = "0123456789abcdef0123456789abcdef" }
extensions = { echo = "1", tone = [], music = "2", conference = ["3", "4"] }
media = { address = "192.0.2.1", ports = "2000-3000", threads = 5, dscp = "ef" }
register = { default_expires_secs = 11, min_expires_secs = 10, max_expires_secs = 12, clamp = true, nat = "always", flow_timer_secs = 13, service_route = ["sip:p1.example.com;lr", "sips:p2.example.com;lr"] }
dns = { servers = ["127.0.0.1:5353", "::1"], timeout_ms = 100 }
tls = { certificate = "own.pem", key = "key.pem", client_ca = "devices.pem", client_required = true, reuse_connections = true, ca = "ca.pem", route_host = "edge.example.com", names = { "b.example" = { certificate = "b.pem", key = "b.key" } } }
websocket = { origins = ["https://phone.example.com", "http://localhost:3000"] }
sip = { t1_ms = 1000, t2_ms = 1001, t4_ms = 1002, rest_ms = 1, dscp = "24", proxies = ["10.0.0.0/8", "::1"], session_timer_secs = 300, session_timer_min_secs = 200, overload_control = true }
trust = { networks = ["192.0.2.0/24"], users = ["gateway"], tls = true }
limits = { calls = 1, calls_per_user = 2, registrations = 3, contacts_per_user = 4, users = 5, connections = 5, connections_per_address = 7, handshakes = 8, unfinished_octets = 9, idle_secs = 14, handshake_secs = 15, message_secs = 16, message_octets = 70000, overloaded_servers = 17, retry_after_secs = 6 }
"#;

#[test]
fn settings_that_apply_can_be_read_again_and_show_no_secret() {
    for text in ["", EVERYTHING] {
        let config = read(text).unwrap();
        let shown = config.to_toml();
        assert!(!shown.contains("hush") && !shown.contains(HA1), "{shown}");
        let again = read(&shown.replace("ha1 = \"(not shown)\"", &format!("ha1 = \"{HA1}\""))).unwrap();
        // A realm that is not named is shown all the same.
        let config = Config { realm: Some(config.realm()), ..config };
        assert_eq!(format!("{again:?}"), format!("{config:?}"), "{shown}");
    }
}

#[test]
fn rfc3261_22_1_realm_that_nobody_names_is_that_of_the_domain_or_the_machine() {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let hash = format!("users.1001.ha1 = '{HA1}'");
    let realm = |text: &str| read(text).unwrap().realm();
    assert_eq!(realm(""), machine.trim());
    assert_eq!(realm("users.1001.password = 'x'"), machine.trim());
    assert_eq!(realm("domains = ['a.example', 'b.example']"), "a.example");
    assert_eq!(realm("realm = 'named'\ndomains = ['a.example']"), "named");
    // A stored hash is good for its realm only.
    assert_eq!(realm(&format!("domains = ['a.example']\n{hash}")), "offhook");
    assert_eq!(realm(&format!("realm = 'named'\n{hash}")), "named");
}

#[test]
fn files_beside_are_read_by_name_and_the_later_counts() {
    let folder = std::env::temp_dir().join(format!("offhook-conf-d-{}", std::process::id()));
    let beside = folder.join("conf.d");
    std::fs::create_dir_all(&beside).unwrap();
    let main = folder.join("offhook.toml");
    std::fs::write(&main, "realm = 'main'\nring_secs = 5\n[limits]\ncalls = 7").unwrap();
    std::fs::write(beside.join("20.toml"), "realm = 'last'\n[limits]\ncalls_per_user = 3").unwrap();
    std::fs::write(beside.join("10.toml"), "realm = 'first'\n[users.9]\npassword = 'x'").unwrap();
    std::fs::write(beside.join("30.toml.old"), "no toml").unwrap();
    let config = Config::load(&main).unwrap();
    assert_eq!((config.realm().as_str(), config.ring), ("last", Duration::from_secs(5)));
    assert_eq!((config.limits.calls, config.limits.calls_per_user, config.users.len()), (7, 3, 1));
    let bad = beside.join("15.toml");
    std::fs::write(&bad, "\n relam = 'x'").unwrap();
    let error = Config::load(&main).unwrap_err().to_string();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(error, format!("{}:2:2: unknown key `relam`; did you mean `realm`?", bad.display()));
}

#[test]
fn every_key_is_in_the_example_on_the_page_and_among_the_settings_that_apply() {
    let shown = read(EVERYTHING).unwrap().to_toml();
    let told = [
        ("the example", include_str!("../../../../examples/offhook.toml")),
        ("the page of the module", include_str!("file.rs").split("```").nth(1).unwrap()),
        ("what applies", shown.as_str()),
    ];
    let groups: [&[&str]; 12] =
        [&TOP, &USER, &EXTENSIONS, &MEDIA, &REGISTER, &DNS, &TLS, &WEBSOCKET, &SIP, &SQLITE, &LIMITS, &PROXY];
    for (key, (name, text)) in groups.concat().into_iter().flat_map(|key| told.map(|told| (key, told))) {
        let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        assert!(words.into_iter().any(|word| word == key), "{name} does not tell of {key}");
    }
}

#[test]
fn bindings_in_a_database_are_not_written_before_the_answers() {
    let (one, other) = ("durability = 'sync'\n", "sqlite.bindings = '/b'");
    assert!(read(one).is_ok() && read(other).is_ok());
    let error = read(&format!("{one}{other}")).unwrap_err();
    assert!(error.contains("`sqlite.bindings`: expected no `durability = \"sync\"` beside it"), "{error}");
    let shown = read(one).unwrap().to_toml();
    assert!(shown.contains("durability = \"sync\""), "{shown}");
}

#[test]
fn users_and_bindings_are_not_in_one_file_whatever_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("there"), "").unwrap();
    std::os::unix::fs::symlink(at("there"), at("linked")).unwrap();
    std::fs::hard_link(at("there"), at("second")).unwrap();
    std::os::unix::fs::symlink(folder.path(), at("again")).unwrap();
    let text =
        |bindings: &str, users: &str| format!("sqlite = {{ bindings = '{}', users = '{}' }}", at(bindings), at(users));
    for (bindings, users) in
        [("a", "a"), ("a", "./a"), ("a", "again/a"), ("there", "linked"), ("there", "second"), ("no/such", "no/such")]
    {
        let error = read(&text(bindings, users)).unwrap_err();
        assert!(error.contains("`sqlite.users`") && error.contains("another file than `sqlite.bindings`"), "{error}");
    }
    for (bindings, users) in [("a", "b"), ("there", "a"), ("no/such", "nor/such")] {
        assert!(read(&text(bindings, users)).is_ok(), "{bindings} {users}");
    }
}

#[test]
fn rfc3261_17_1_1_2_timer_d_is_64_t1_and_never_under_32_s() {
    for (text, d) in [("", 32), ("sip.t1_ms = 20", 32), ("sip.t1_ms = 1000", 64)] {
        assert_eq!(read(text).unwrap().timers.d, Duration::from_secs(d), "{text}");
    }
}

#[test]
fn session_timers_are_on_unless_their_interval_is_zero() {
    for (text, expected) in [
        ("", Some((1_800, 90))),
        ("sip.session_timer_secs = 90", Some((90, 90))),
        ("sip = { session_timer_secs = 4, session_timer_min_secs = 2 }", Some((4, 2))),
        ("sip.session_timer_secs = 0", None),
    ] {
        let timer = read(text).unwrap().session_timer;
        let found = timer.map(|timer| (timer.interval.unwrap().as_secs(), timer.least.as_secs()));
        assert_eq!(found, expected, "{text}");
        assert!(timer.is_none_or(|timer| !timer.alone));
    }
}

#[test]
fn number_that_is_given_twice_is_told_where_it_stands_the_second_time() {
    let user = |name: &str, more: &str| format!("[users.{name}]\npassword = 'x'\n{more}\n");
    let expected = [
        (
            user("600", ""),
            "line 1, column 1: `users.600`: found \"600\", expected a number that `extensions.echo` has not",
        ),
        (
            user("1001", "numbers = ['602']"),
            "line 3, column 11: `users.1001.numbers`: found \"602\", expected a number that `extensions.music` has not",
        ),
        (
            user("1001", "numbers = ['1002']") + &user("1002", ""),
            "line 3, column 11: `users.1001.numbers`: found \"1002\", expected a number that `users.1002` has not",
        ),
        (
            "[extensions]\ntone = '600'".to_owned(),
            "line 2, column 8: `extensions.tone`: found \"600\", expected a number that `extensions.echo` has not",
        ),
        // The other one is a default.
        (
            "[extensions]\necho = '1001'".to_owned(),
            "line 2, column 8: `extensions.echo`: found \"1001\", expected a number that `users.1001` has not",
        ),
    ];
    for (text, message) in expected {
        assert_eq!(read(&text).unwrap_err(), format!("{message}; give each its own"));
    }
    read("[extensions]\necho = []\n[users.600]\npassword = 'x'").unwrap();
}

#[test]
fn number_that_another_file_gives_is_told_with_the_file_that_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (path, drop_in) = (folder.path().join("offhook.toml"), folder.path().join("conf.d/10-users.toml"));
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    std::fs::write(&path, "[extensions]\necho = '700'\n").unwrap();
    std::fs::write(&drop_in, "\n[users.700]\npassword = 'x'\n").unwrap();
    let error = Config::load(&path).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{}:2:1: `users.700`: found \"700\", expected a number that `extensions.echo` has not; give each its own",
            drop_in.display()
        )
    );
    // What the later file takes back is free.
    std::fs::write(&drop_in, "[extensions]\necho = '701'\n[users.700]\npassword = 'x'\n").unwrap();
    Config::load(&path).unwrap();
}

#[test]
fn users_that_share_no_hash_are_told() {
    let (md5, sha) = ("0".repeat(32), "0".repeat(64));
    let users = format!("[users.1]\nha1 = '{sha}'\n[users.2]\nha1 = '{md5}'\n[users.3]\npassword = 'x'\n");
    let error = read(&users).unwrap_err();
    assert!(error.starts_with("line 4, column 7: `users.2.ha1`: expected a hash of a kind that"), "{error}");
    let error = read(&format!("digest = 'sha-256'\n[users.2]\nha1 = '{md5}'\n")).unwrap_err();
    assert!(error.starts_with("line 3, column 7: `users.2.ha1`"), "{error}");
    read(&format!("digest = 'md5'\n[users.2]\nha1 = '{md5}'\n[users.3]\npassword = 'x'\n")).unwrap();
    read(&format!("[users.2]\nha1 = '{md5}'\n")).unwrap();
}

#[test]
fn rfc5626_5_4_silence_is_allowed_for_longer_than_devices_are_told_to_wait() {
    for (text, expected) in [
        ("limits.idle_secs = 120", "line 1, column 20: `limits.idle_secs`: found 120, expected more than"),
        (
            "register.flow_timer_secs = 900",
            "line 1, column 28: `register.flow_timer_secs`: found 900, expected less than",
        ),
        ("register.flow_timer_secs = 7\nlimits.idle_secs = 7", "line 2, column 20: `limits.idle_secs`: found 7"),
        ("limits.idle_secs = 0", "expected a whole number from 1 to"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    for text in [
        "limits.idle_secs = 121",
        "register.flow_timer_secs = 899",
        "register.flow_timer_secs = 900\nlimits.idle_secs = 901",
    ] {
        read(text).unwrap();
    }
}

#[test]
fn roles_are_words_and_timer_c_is_more_than_three_minutes() {
    for (text, expected) in [
        ("role = 'gateway'", "`role`: found \"gateway\", expected one of pbx, proxy, stateless, redirect, registrar"),
        ("roles.'a.example' = 'x'", "expected one of pbx, proxy, stateless, redirect, registrar, edge"),
        ("role = 'edge'", "expected one of pbx, proxy, stateless, redirect, registrar"),
        ("proxy.timer_c_secs = 180", "expected"),
        ("proxy.forking = 'all'", "expected one of preference, parallel, serial"),
        ("proxy.relays = true", "did you mean `proxy.relay`?"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    for role in ["role = 'stateless'", "roles.'a.example' = 'stateless'"] {
        let error = read(&format!("shards = 2\n{role}")).unwrap_err();
        assert!(error.contains("`shards`: found 2, expected 1 beside the role `stateless`"), "{error}");
        let shown = read(role).unwrap().to_toml();
        assert!(read(&shown).unwrap().is_stateless(), "{shown}");
    }
    assert!(!read("role = 'proxy'").unwrap().is_stateless());
    assert!(!read("").unwrap().is_more_than_pbx());
    assert!(!read("roles.'a.example' = 'pbx'").unwrap().is_more_than_pbx());
    assert!(read("roles.'a.example' = 'proxy'").unwrap().is_more_than_pbx());
    assert!(read("role = 'registrar'").unwrap().is_more_than_pbx());
}

/// The number of a line `key = number # meaning`, which may be a comment; none where absent means something else than that number.
fn told(line: &str) -> Option<(&str, i64)> {
    let line = line.strip_prefix("//! ").unwrap_or(line);
    let (key, value) = line.trim_start_matches("# ").split_once(" = ")?;
    let (value, meaning) = value.split_once('#').unwrap_or((value, ""));
    Some((key, value.trim().parse().ok()?)).filter(|_| !meaning.contains("absent:"))
}

#[test]
fn what_is_written_as_the_default_is_the_default() {
    let effective: toml::Table = Config::default().to_toml().parse().unwrap();
    for (name, text, least) in [
        ("the example", include_str!("../../../../examples/offhook.toml"), 25),
        ("file.rs", include_str!("file.rs"), 25),
    ] {
        let (mut section, mut held) = (None, 0);
        for line in text.lines() {
            if let Some(begun) = line.trim_start_matches("//! ").trim_start_matches("# ").strip_prefix('[') {
                section = effective.get(begun.split(']').next().unwrap()).and_then(toml::Value::as_table);
            } else if let Some((key, number)) = told(line)
                && let Some(value) = section.and_then(|section| section.get(key)?.as_integer())
            {
                assert_eq!(value, number, "{name} says of {key}: {line}");
                held += 1;
            }
        }
        assert!(held >= least, "{name}: {held} numbers held");
    }
}
