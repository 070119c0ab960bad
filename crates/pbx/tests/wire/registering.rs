//! Bindings: made, listed, ended, and there again after a restart.

use std::time::Duration;

use audio::codec::Codec;
use sip::message::{HeaderId, Method};

use crate::setup::{config, nothing_left, phone, start, with_phones};
use crate::sound::Sound;

#[test]
fn a_device_registers_and_is_listed_and_leaves() {
    let (running, mut phones) = with_phones(&["1001"]);
    let status = running.status().unwrap();
    assert_eq!((status.v, status.registrations), (1, 1));
    let user = status.users.iter().find(|user| user.name == "1001").unwrap();
    assert_eq!(user.contacts[0].uri, phones[0].contact().trim_matches(['<', '>']));
    let gone = phones[0].register(0);
    assert_eq!(gone.code().get(), 200);
    assert!(!gone.headers().has(HeaderId::Contact));
    assert_eq!(running.status().unwrap().registrations, 0);
}

#[test]
fn rfc3261_10_3_too_brief_is_423_and_too_many_contacts_403() {
    let (_running, address) = start(config());
    let mut first = phone(address, "1001");
    let brief = first.register(30);
    assert_eq!(brief.code().get(), 423);
    assert_eq!(brief.headers().text(HeaderId::MinExpires).unwrap(), "60");
    for count in 0..6 {
        let expected = if count < 5 { 200 } else { 403 };
        assert_eq!(phone(address, "1001").register(120).code().get(), expected, "contact {count}");
    }
}

#[test]
fn limit_of_registrations_is_the_servers_and_one_more_is_503_until_one_leaves() {
    for shards in [1, 4] {
        let limits = pbx::Limits { registrations: 3, ..config().limits };
        let (running, address) = start(pbx::Config { limits, shards, ..config() });
        let mut phones = ["1001", "1002", "1003"].map(|name| phone(address, name));
        phones.iter_mut().for_each(|phone| assert_eq!(phone.register(120).code().get(), 200, "{shards}"));
        for name in ["1001", "1002", "1003"] {
            let refused = phone(address, name).register(120);
            assert_eq!(refused.code().get(), 503, "{shards} {name}");
        }
        assert_eq!(running.status().unwrap().registrations, 3);
        // What is there can be refreshed; what leaves makes room, for whoever comes.
        assert_eq!(phones[0].register(120).code().get(), 200);
        assert_eq!(phones[0].register(0).code().get(), 200);
        assert_eq!(phone(address, "1003").register(120).code().get(), 200);
        assert_eq!(phones[0].register(120).code().get(), 503);
    }
}

#[test]
fn a_restart_keeps_bindings_and_generated_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let begin = || {
        let config = pbx::Config { users: Default::default(), state: Some(folder.path().join("state")), ..config() };
        start(config)
    };
    let (running, address) = begin();
    let accounts = running.accounts().to_vec();
    assert_eq!(accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), ["1001", "1002"]);
    let password = accounts[1].password.clone().unwrap();
    assert_ne!(accounts[0].password, accounts[1].password);
    let mut callee = crate::phone::Phone::new(address, "1002", &password);
    assert_eq!(callee.register(120).code().get(), 200);
    drop(running);
    let (running, address) = begin();
    assert_eq!(running.accounts(), accounts);
    assert_eq!(running.status().unwrap().registrations, 1);
    // The device does not register again, and is called.
    callee.server = address;
    let mut caller = crate::phone::Phone::new(address, "1001", &accounts[0].password.clone().unwrap());
    let sound = Sound::new(Codec::Pcmu);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            callee.answers(&sound.describe());
            callee.hung_up();
        });
        let (mut dialog, _) = caller.call_through("1002", &sound.describe());
        caller.hang_up(&mut dialog);
    });
    nothing_left(&running);
    use std::os::unix::fs::PermissionsExt as _;
    for (path, mode) in [("state", 0o700), ("state/passwords", 0o600), ("state/bindings.journal", 0o600)] {
        let found = std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
}

#[test]
fn messages_reach_devices_that_are_there() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let (caller, callee) = phones.split_at_mut(1);
    let (caller, callee) = (&mut caller[0], &mut callee[0]);
    let text = Some(("text/plain;charset=utf-8", "lunch?"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let message = callee.request(Method::Message);
            assert_eq!(message.body(), b"lunch?");
            assert!(!message.headers().has(HeaderId::Contact), "RFC 3428 section 4");
            assert!(message.headers().text(HeaderId::From).unwrap().contains("sip:1001@"));
            callee.respond(&message, 202, None);
        });
        let (_, response) = caller.ask("MESSAGE", "sip:1002@127.0.0.1", "sip:1002@127.0.0.1", text);
        assert_eq!(response.code().get(), 202);
    });
    let (_, response) = caller.ask("MESSAGE", "sip:1003@127.0.0.1", "sip:1003@127.0.0.1", text);
    assert_eq!(response.code().get(), 480);
    let (_, response) = caller.ask("MESSAGE", "sip:999@127.0.0.1", "sip:999@127.0.0.1", text);
    assert_eq!(response.code().get(), 404);
    nothing_left(&running);
}

#[test]
fn stopping_hangs_up_and_takes_no_more() {
    let (running, mut phones) = with_phones(&["1001"]);
    let sound = Sound::new(Codec::Pcmu);
    phones[0].call_through("600", &sound.describe());
    let mut phone = phones.remove(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let bye = phone.hung_up();
            assert!(bye.headers().text(HeaderId::Reason).unwrap().starts_with("SIP;cause=503"));
        });
        running.stop(Duration::from_secs(3));
    });
}

#[test]
fn a_user_may_have_fewer_contacts_than_others() {
    let mut config = config();
    config.users.get_mut("1001").unwrap().max_contacts = Some(1);
    let (running, address) = start(config);
    for (name, code) in [("1001", 200), ("1002", 200), ("1001", 403), ("1002", 200)] {
        assert_eq!(phone(address, name).register(120).code().get(), code, "{name}");
    }
    assert_eq!(running.status().unwrap().registrations, 3);
}

#[test]
fn secrets_come_from_files_and_mistakes_in_them_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let user = || pbx::User { secret: pbx::Secret::File(path.clone()), ..pbx::User::default() };
    let with = |user| pbx::Config { users: [("1001".to_owned(), user)].into(), ..config() };
    let refused = |config| pbx::Server::start(config).unwrap_err().to_string();
    assert!(refused(with(user())).starts_with(&format!("{}: No such file", path.display())));
    std::fs::write(&path, "\n").unwrap();
    assert_eq!(refused(with(user())), format!("{}: expected a password in the first line", path.display()));
    std::fs::write(&path, "secret-1001\nsomething else\n").unwrap();
    let (_running, address) = start(with(user()));
    assert_eq!(phone(address, "1001").register(120).code().get(), 200);
    let clash = pbx::User { numbers: vec!["600".to_owned()], ..user() };
    assert_eq!(
        refused(with(clash)),
        "the number 600 is given twice, by `extensions.echo` and `users.1001.numbers`; give each its own"
    );
    assert!(refused(with(pbx::User::default())).contains("expected password, password_file or ha1"));
}

/// What the next test starts in a process of its own, and kills.
#[test]
#[ignore = "runs as a child of a_killed_server_keeps_every_binding_it_has_confirmed"]
fn server_that_will_be_killed() {
    let folder =
        std::env::var_os("OFFHOOK_TEST_STATE").expect("the state directory, from the test that starts this one");
    let config = pbx::Config { state: Some(folder.into()), ..config() };
    let (_running, address) = start(config);
    println!("port {}", address.port());
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_killed_server_keeps_every_binding_it_has_confirmed() {
    use std::io::BufRead as _;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    for round in 0..3_usize {
        let mut server = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "registering::server_that_will_be_killed", "--ignored", "--nocapture"])
            .env("OFFHOOK_TEST_STATE", &state)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(server.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| line.split("port ").nth(1)?.trim().parse::<u16>().ok());
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port.unwrap()));
        let answer = phone(address, "1001").register(600);
        assert_eq!(answer.code().get(), 200);
        assert_eq!(answer.headers().count(HeaderId::Contact), round + 1, "those of the rounds before are there");
        server.kill().unwrap();
        server.wait().unwrap();
    }
}
