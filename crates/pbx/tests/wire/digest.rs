//! Digest authentication, by a peer that computes its answers after the text of RFC 7616 section 3.4 alone.

use std::fmt::Write as _;

use sha2::Digest as _;
use sip::digest::Algorithm;
use sip::message::HeaderId;

use crate::phone::Phone;
use crate::setup::{config, phone, start};

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn hash(algorithm: &str, text: &str) -> String {
    match algorithm.trim_end_matches("-sess") {
        "MD5" => hex(&md5::Md5::digest(text)),
        "SHA-256" => hex(&sha2::Sha256::digest(text)),
        "SHA-512-256" => hex(&sha2::Sha512_256::digest(text)),
        other => panic!("{other}"),
    }
}

/// What a device says for itself.
#[derive(Clone)]
struct Answer {
    algorithm: String,
    realm: String,
    nonce: String,
    qop: &'static str,
    count: u32,
    password: &'static str,
    body: &'static str,
}

const URI: &str = "sip:127.0.0.1";
const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

impl Answer {
    /// RFC 7616 sections 3.4.1 to 3.4.3.
    fn line(&self) -> String {
        let Answer { algorithm, realm, nonce, qop, count, .. } = self;
        let of = |text: &str| hash(algorithm, text);
        let mut a1 = of(&format!("1001:{realm}:{}", self.password));
        if algorithm.ends_with("-sess") {
            a1 = of(&format!("{a1}:{nonce}:{CNONCE}"));
        }
        let mut a2 = format!("REGISTER:{URI}");
        if *qop == "auth-int" {
            let _ = write!(a2, ":{}", of(self.body));
        }
        let response = of(&format!("{a1}:{nonce}:{count:08x}:{CNONCE}:{qop}:{}", of(&a2)));
        format!(
            "Authorization: Digest username=\"1001\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{URI}\", algorithm={algorithm}, \
             qop={qop}, nc={count:08x}, cnonce=\"{CNONCE}\", response=\"{response}\"\r\n"
        )
    }
}

/// Asks who is bound; gives the code and the challenges.
fn ask(device: &mut Phone, body: &str, lines: &[String]) -> (u16, Vec<String>) {
    let body = Some(("text/plain", body)).filter(|(_, body)| !body.is_empty());
    let (_, response) = device.ask_plain("REGISTER", URI, "sip:1001@127.0.0.1", body, lines);
    let challenges = response.headers().all(HeaderId::WwwAuthenticate).map(|header| header.text().into_owned());
    (response.code().get(), challenges.collect())
}

fn field<'a>(challenge: &'a str, name: &str) -> &'a str {
    let start = challenge.find(&format!("{name}=")).unwrap() + name.len() + 1;
    challenge[start..].trim_start_matches('"').split(['"', ',']).next().unwrap()
}

fn answer_to(challenge: &str) -> Answer {
    Answer {
        algorithm: field(challenge, "algorithm").to_owned(),
        realm: field(challenge, "realm").to_owned(),
        nonce: field(challenge, "nonce").to_owned(),
        qop: "auth",
        count: 1,
        password: "secret-1001",
        body: "",
    }
}

#[test]
fn rfc7616_3_4_every_hash_with_and_without_session_and_body_counts_on() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
        let (_running, address) = start(pbx::Config { digest: vec![algorithm], ..config() });
        for (session, qop, body) in
            [("", "auth", ""), ("-sess", "auth", ""), ("", "auth-int", "of these octets"), ("-sess", "auth-int", "too")]
        {
            let mut device = phone(address, "1001");
            let (code, challenges) = ask(&mut device, "", &[]);
            assert_eq!((code, challenges.len()), (401, 1));
            let mut answer = Answer { qop, body, ..answer_to(&challenges[0]) };
            answer.algorithm.push_str(session);
            let said = format!("{} {qop}", answer.algorithm);
            assert_eq!(ask(&mut device, body, &[answer.line()]).0, 200, "{said}");
            // The nonce is good for the next count, and for one that was left out.
            for count in [2, 5] {
                answer.count = count;
                assert_eq!(ask(&mut device, body, &[answer.line()]).0, 200, "{said}, {count}");
            }
            // A count that has been used is a replay: the right password, but a stale nonce.
            answer.count = 2;
            let (code, challenges) = ask(&mut device, body, &[answer.line()]);
            assert_eq!((code, field(&challenges[0], "stale")), (401, "true"), "{said}");
            // With the new nonce it goes on.
            let mut again = Answer { qop, body, ..answer_to(&challenges[0]) };
            again.algorithm.push_str(session);
            assert_eq!(ask(&mut device, body, &[again.line()]).0, 200, "{said}");
            again.count = 2;
            // What is not signed so is refused.
            let wrong = Answer { password: "secret-1002", ..again.clone() };
            assert_eq!(ask(&mut device, body, &[wrong.line()]).0, 403, "{said}");
            let changed = if qop == "auth-int" { 403 } else { 200 };
            assert_eq!(ask(&mut device, "another body", &[again.line()]).0, changed, "{said}");
        }
    }
}

#[test]
fn rfc7616_5_4_a_nonce_is_good_for_one_request_where_the_settings_say_so() {
    for (digest_once, second) in [(false, 200), (true, 401)] {
        let (_running, address) = start(pbx::Config { digest: vec![Algorithm::Sha256], digest_once, ..config() });
        let mut device = phone(address, "1001");
        let (_, challenges) = ask(&mut device, "", &[]);
        let mut answer = answer_to(&challenges[0]);
        assert_eq!(ask(&mut device, "", &[answer.line()]).0, 200);
        answer.count = 2;
        let (code, challenges) = ask(&mut device, "", &[answer.line()]);
        assert_eq!(code, second, "{digest_once}");
        if digest_once {
            assert_eq!(field(&challenges[0], "stale"), "true");
            assert_eq!(ask(&mut device, "", &[answer_to(&challenges[0]).line()]).0, 200);
        }
    }
}

#[test]
fn rfc8760_2_4_of_several_challenges_each_may_be_answered_and_no_other_hash() {
    let digest = vec![Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5];
    let (_running, address) = start(pbx::Config { digest, ..config() });
    let mut device = phone(address, "1001");
    let (_, challenges) = ask(&mut device, "", &[]);
    let names: Vec<&str> = challenges.iter().map(|challenge| field(challenge, "algorithm")).collect();
    assert_eq!(names, ["SHA-512-256", "SHA-256", "MD5"]);
    for (count, challenge) in (1..).zip(&challenges) {
        let answer = Answer { count, ..answer_to(challenge) };
        assert_eq!(ask(&mut device, "", &[answer.line()]).0, 200, "{challenge}");
    }
    let (_running, address) = start(pbx::Config { digest: vec![Algorithm::Sha256], ..config() });
    let mut device = phone(address, "1001");
    let (_, challenges) = ask(&mut device, "", &[]);
    let md5 = Answer { algorithm: "MD5".to_owned(), ..answer_to(&challenges[0]) };
    assert_eq!(ask(&mut device, "", &[md5.line()]).0, 401, "a hash that was not offered");
}

#[test]
fn rfc7616_3_4_6_a_uri_of_the_server_alone_is_taken_and_of_another_user_is_not() {
    let (_running, address) = start(config());
    let mut device = phone(address, "1001");
    let (_, challenges) = ask(&mut device, "", &[]);
    let answer = answer_to(&challenges[0]).line();
    // Signed for the host: good for whoever is asked for there, as SIPp signs.
    let (_, response) = device.ask_plain("REGISTER", "sip:x@127.0.0.1", "sip:1001@127.0.0.1", None, &[answer]);
    assert_ne!(response.code().get(), 400);
    let (_, challenges) = ask(&mut device, "", &[]);
    let other = answer_to(&challenges[0]).line().replace("sip:127.0.0.1", "sip:y@127.0.0.1");
    let (_, response) = device.ask_plain("REGISTER", "sip:x@127.0.0.1", "sip:1001@127.0.0.1", None, &[other]);
    assert_eq!(response.code().get(), 400);
}

#[test]
fn rfc3261_10_3_registers_are_carried_out_in_the_order_in_which_they_come() {
    const MANY: u32 = 40;
    for shards in [1, 4] {
        let (running, address) = start(pbx::Config { shards, ..config() });
        let mut device = phone(address, "1001");
        let (_, challenges) = ask(&mut device, "", &[]);
        // All at once; each a second longer than the one before, and all of one Call-ID.
        for number in 1..=MANY {
            let credentials = Answer { count: number, ..answer_to(&challenges[0]) }.line();
            let expires = format!("Expires: {}\r\n", 600 + number);
            let text = device.draft("REGISTER", URI, "sip:1001@127.0.0.1", None, &[credentials, expires]);
            let lines = text.split("\r\n").map(|line| match line.split(':').next() {
                Some("Call-ID") => "Call-ID: in-order".to_owned(),
                Some("CSeq") => format!("CSeq: {number} REGISTER"),
                _ => line.to_owned(),
            });
            device.send(&lines.collect::<Vec<_>>().join("\r\n"));
        }
        for number in 1..=MANY {
            let (came, code, contact) = device.wait("an answer", |message| match message {
                sip::message::Message::Response(response) => {
                    let contact = response.headers().text(HeaderId::Contact).unwrap_or_default().into_owned();
                    Some((response.headers().cseq().number, response.code().get(), contact))
                }
                sip::message::Message::Request(_) => None,
            });
            assert_eq!((came, code), (number, 200), "{shards} loops");
            assert!(contact.ends_with(&format!(";expires={}", 600 + number)), "{contact}");
        }
        assert_eq!(running.status().unwrap().registrations, 1);
    }
}
