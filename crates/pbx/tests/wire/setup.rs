//! Servers for tests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pbx::{Config, Limits, MediaConfig, Running, Secret, Server, User, listen};

use crate::phone::Phone;

/// 1001, 1002, 1003 with `secret-NAME`; ports of its own, nothing on disk.
pub(crate) fn config() -> Config {
    let user = |name: &str| User { secret: Secret::Password(format!("secret-{name}")), ..User::default() };
    let mut users: BTreeMap<String, User> =
        ["1001", "1002", "1003"].into_iter().map(|name| (name.to_owned(), user(name))).collect();
    if let Some(second) = users.get_mut("1002") {
        second.numbers.push("2002".to_owned());
    }
    Config {
        listen: vec![listen("udp:127.0.0.1:0").unwrap(), listen("tcp:127.0.0.1:0").unwrap()],
        users,
        limits: Limits { retry_after: Duration::from_secs(7), ..Limits::default() },
        // So that there is something to move between, on a machine with one core, too.
        media: MediaConfig { threads: Some(2), ..MediaConfig::default() },
        ..Config::default()
    }
}

pub(crate) fn start(config: Config) -> (Running, SocketAddr) {
    let running = Server::start(config).unwrap();
    let address = running.bound()[0].address;
    (running, address)
}

/// A server with registered phones.
pub(crate) fn with_phones(names: &[&str]) -> (Running, Vec<Phone>) {
    with_config(config(), names)
}

pub(crate) fn with_config(config: Config, names: &[&str]) -> (Running, Vec<Phone>) {
    let (running, address) = start(config);
    let phones = names.iter().map(|name| {
        let mut phone = phone(address, name);
        assert_eq!(phone.register(120).code().get(), 200, "{name}");
        phone
    });
    let phones = phones.collect();
    (running, phones)
}

pub(crate) fn phone(server: SocketAddr, name: &str) -> Phone {
    Phone::new(server, name, &format!("secret-{name}"))
}

/// Everything that calls held has been given back.
pub(crate) fn nothing_left(running: &Running) {
    let until = Instant::now() + Duration::from_secs(3);
    let mut held = running.held().unwrap();
    while held > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
        held = running.held().unwrap();
    }
    assert_eq!(held, 0);
    assert_eq!(running.status().unwrap().calls, []);
}
