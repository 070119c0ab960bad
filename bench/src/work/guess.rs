//! Who guesses a password: at a user that there is, and at one that there is not. The two take as long, or the time of the answer would tell which users
//! there are.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use sip::Time;
use sip::digest::{Algorithm, Client, Credential, Ha1Set, Presented, Server, ServerConfig, Verdict};

use crate::count::mark;

/// Guesses that are counted, of each algorithm.
pub(super) const COUNT: usize = 100;

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Md5, Algorithm::Sha256];
const GUESSER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const REGISTER: Presented<'static> = Presented { method: "REGISTER", uri: "sip:example.com", body: b"" };

/// Guesses at this one of a thousand users, 1000 to 1999, or at another: a piece for each algorithm.
pub(super) fn run(name: &str) {
    for algorithm in ALGORITHMS {
        let config = ServerConfig { algorithms: vec![algorithm], ..ServerConfig::new("example.com") };
        let Ok(mut server) = Server::new(config, [3; 32]) else { return };
        let secrets = |name: &String| Ha1Set::from_password(&[algorithm], name, "example.com", "secret").ok();
        let users = (1_000..2_000).map(|number| number.to_string());
        let users: HashMap<String, Ha1Set> = users.filter_map(|name| Some((name.clone(), secrets(&name)?))).collect();
        let guess = guess(&mut server, name);
        let mut refused = || {
            let lookup = |name: &str, algorithm| users.get(name)?.get(algorithm);
            let verdict = server.judge(Time(0), GUESSER, REGISTER, [guess.as_bytes()].into_iter(), lookup);
            matches!(black_box(verdict), Verdict::Forbidden { .. })
        };
        assert!(refused(), "a guess is refused");
        mark();
        for _ in 0..COUNT {
            black_box(refused());
        }
        mark();
    }
}

/// What a client answers to the challenge of the server that takes another password for his.
fn guess(server: &mut Server, name: &str) -> String {
    let mut client = Client::new(Credential::password(Some("example.com"), name, "guessed").into_iter().collect());
    let challenges: Vec<String> = server.challenges(Time(0), GUESSER, false).collect();
    let _ = client.take_challenges(challenges.iter().map(|value| (false, value.as_bytes())));
    let lines = client.lines_for(REGISTER.method, REGISTER.uri, REGISTER.body, 42);
    lines.into_iter().map(|(_, line)| line).collect()
}
