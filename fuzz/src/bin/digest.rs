//! Digest fields from the network, both ways: challenges to our client, credentials to our server, and our client's
//! answers to our server about whatever the input makes of the request.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::plant;
use sip::Time;
use sip::digest::{Challenger, Client, Credential, Credentials, Ha1Set, Presented, Server, ServerConfig, Verdict, web_authorization};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const NOW: Time = Time(1_000_000);

// Lines: method, Request-URI, then values; `c` before a challenge, `p` before a proxy's, `a` before credentials,
// `i` before Authentication-Info. What follows an empty line is the body.
fuzz_target!(|input: &[u8]| {
    let cut = input.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = cut.map_or((input, &b""[..]), |at| (&input[..at], &input[at + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut text = || lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let (Some(method), Some(uri)) = (text(), text()) else { return };
    // A request line that our parser let through has no blank and no control character in its words.
    if !method.bytes().chain(uri.bytes()).all(|byte| byte.is_ascii_graphic()) || input.contains(&b'\r') {
        return;
    }
    let values: Vec<(u8, &[u8])> =
        lines.filter_map(|line| line.split_first().map(|(kind, value)| (*kind, value))).collect();
    let of = |kind: u8| values.iter().filter(move |value| value.0 == kind).map(|value| value.1);

    let config = ServerConfig { window: 16, ..ServerConfig::new("r") };
    let known = Ha1Set::from_password(&config.algorithms, "a", "r", "never guessed 5b1f");
    let secret = known.expect("a name and a realm");
    let mut server = Server::new(config, [7; 32]).expect("a realm and algorithms");
    let request = Presented { method, uri, body };
    match server.judge(NOW, PEER, request, of(b'a'), |user, algorithm| secret.get(algorithm).filter(|_| user == "a")) {
        Verdict::Ok(_) => panic!("the password was guessed"),
        Verdict::BadRequest(error) => assert!(!error.to_string().is_empty()),
        _ => {}
    }

    let mut credentials = Credentials::new();
    for realm in [None, Some("r")] {
        credentials.add(Credential::password(realm, "a", "never guessed 5b1f").expect("a name"));
    }
    let mut client = Client::new(credentials.clone());
    let challenges = of(b'c').map(|value| (false, value)).chain(of(b'p').map(|value| (true, value)));
    if client.take_challenges(challenges).is_ok() {
        let answers = client.lines_for(method, uri, body, 9);
        assert!(!answers.is_empty(), "a challenge that was taken in is answered");
        for (_, line) in &answers {
            assert!(!line.contains(['\r', '\n']), "no line of ours is two: {line:?}");
        }
        for value in of(b'i') {
            let _ = client.take_info(false, value, uri, body);
        }
        let integrity = answers.iter().any(|(proxy, line)| *proxy && line.contains("qop=auth-int"));
        plant(answers.len() == 3 && integrity);
    }

    // The same challenges from a server of the web, several in one field as well.
    let home = Challenger { host: "h", port: None, secure: true, registers: false, address: None };
    let own = Credential::password(None, "a", "never guessed 5b1f").expect("a name");
    let own = Credentials::from(own.at(&sip::message::uri::Uri::parse("sip:h;transport=wss").expect("an address")));
    if let Ok(line) = web_authorization(&own, home, of(b'c'), uri, 9) {
        assert!(!line.contains(['\r', '\n']), "no line of ours is two: {line:?}");
    }

    // What our own server asks, our own client answers, whatever the request looks like.
    let asked: Vec<String> = server.challenges(NOW, PEER, false).collect();
    let mut client = Client::new(credentials);
    client.take_challenges(asked.iter().map(|value| (false, value.as_bytes()))).expect("our own challenge");
    let answers = client.lines_for(method, uri, body, 9);
    let answers = answers.iter().map(|(_, line)| line.as_bytes());
    let verdict = server.judge(NOW, PEER, request, answers, |_, algorithm| secret.get(algorithm));
    let plain = uri.bytes().all(|byte| byte != b'"' && byte != b'\\');
    if plain && sip::message::uri::Uri::parse(uri).is_ok() {
        assert!(matches!(verdict, Verdict::Ok(_)), "our answer to our challenge for {method} {uri}: {verdict:?}");
    }
});
