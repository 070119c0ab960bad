//! A phone that is asked for its password in every way of RFC 7616, by who computes after the text of its section 3.4 alone.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use sha2::Digest as _;
use sip::message::{HeaderId, Method, Request};
use ua::{Account, AccountConfig, Endpoint};

use crate::registrar::{Scripted, bound};
use crate::{builder, until};

const HASHES: [&str; 3] = ["MD5", "SHA-256", "SHA-512-256"];
const REALM: &str = "test";
const OPAQUE: &str = "a, \\\"b\\\"";

fn hash(algorithm: &str, text: &[u8]) -> String {
    fn hex(octets: impl AsRef<[u8]>) -> String {
        octets.as_ref().iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        })
    }
    match algorithm.trim_end_matches("-sess") {
        "MD5" => hex(md5::Md5::digest(text)),
        "SHA-256" => hex(sha2::Sha256::digest(text)),
        "SHA-512-256" => hex(sha2::Sha512_256::digest(text)),
        other => panic!("{other}"),
    }
}

/// The parameters of credentials or a challenge, as they are written but for the quotes.
fn params(line: &str) -> HashMap<String, String> {
    let (mut found, mut rest) = (HashMap::new(), line.strip_prefix("Digest ").unwrap());
    while let Some((name, value)) = rest.split_once('=') {
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => {
                let escaped = |at: usize| quoted[..at].ends_with('\\');
                let end = quoted.match_indices('"').find(|(at, _)| !escaped(*at)).unwrap().0;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => value.split_at(value.find(',').unwrap_or(value.len())),
        };
        let twice = found.insert(name.trim().to_owned(), value.to_owned());
        assert_eq!(twice, None, "{name} stands there twice: {line}");
        rest = behind.trim_start_matches([',', ' ']);
    }
    found
}

/// Who asks for the password, in one way.
#[derive(Clone)]
struct Judge {
    algorithm: String,
    qop: &'static str,
    password: &'static str,
    /// The client nonce that came first with each nonce, and the last count.
    nonces: HashMap<String, (String, u32)>,
}

impl Judge {
    fn new(algorithm: String, qop: &'static str) -> Self {
        Self { algorithm, qop, password: "secret", nonces: HashMap::new() }
    }

    fn challenge(&self, nonce: &str, stale: bool) -> (&'static str, String) {
        let Self { algorithm, qop, .. } = self;
        let stale = if stale { ", stale=true" } else { "" };
        let line = format!(
            "Digest realm=\"{REALM}\", nonce=\"{nonce}\", opaque=\"{OPAQUE}\", algorithm={algorithm}, qop=\"{qop}\"{stale}"
        );
        ("WWW-Authenticate", line)
    }

    /// Whether a request has the right credentials for this nonce (RFC 7616 sections 3.4.1 to 3.4.3).
    fn accepts(&mut self, nonce: &str, request: &Request) -> Result<(), String> {
        let Some(line) = request.headers().text(HeaderId::Authorization) else {
            return Err("no credentials".to_owned());
        };
        let said = params(&line);
        let of = |name: &str| said.get(name).map_or("", String::as_str);
        let (first, last) = self.nonces.entry(nonce.to_owned()).or_insert_with(|| (of("cnonce").to_owned(), 0));
        *last += 1;
        let method = request.method().as_str();
        let mut a1 = hash(&self.algorithm, format!("alice:{REALM}:{}", self.password).as_bytes());
        if self.algorithm.ends_with("-sess") {
            a1 = hash(&self.algorithm, format!("{a1}:{nonce}:{first}").as_bytes());
        }
        let mut a2 = format!("{method}:{}", request.uri_text());
        if self.qop == "auth-int" {
            let _ = write!(a2, ":{}", hash(&self.algorithm, request.body()));
        }
        let (count, cnonce, a2) = (format!("{last:08x}"), of("cnonce"), hash(&self.algorithm, a2.as_bytes()));
        let response = format!("{a1}:{nonce}:{count}:{cnonce}:{}:{a2}", self.qop);
        let wanted = [
            ("username", "alice"),
            ("realm", REALM),
            ("nonce", nonce),
            ("opaque", OPAQUE),
            ("uri", request.uri_text()),
            ("algorithm", &self.algorithm),
            ("qop", self.qop),
            ("nc", &count),
            ("response", &hash(&self.algorithm, response.as_bytes())),
        ];
        match wanted.into_iter().find(|(name, value)| of(name) != *value) {
            _ if cnonce.len() < 8 => Err(format!("a client nonce too short to be one: {line}")),
            Some((name, value)) => Err(format!("{name} is not {value}: {line}")),
            None => Ok(()),
        }
    }
}

/// What was found right and wrong, credentials by credentials.
type Verdicts = Arc<Mutex<Vec<Result<(), String>>>>;

/// Takes the `wanted`th right answer and each after it; those before are called stale, so that the phone must go on with another nonce and asks
/// nobody. `besides`: challenges that are not to be taken.
async fn asking(mut judge: Judge, besides: Vec<Judge>, wanted: usize) -> (Scripted, Verdicts) {
    let verdicts = Verdicts::default();
    let told = Arc::clone(&verdicts);
    let mut right = 0;
    let script = move |_, request: &Request| {
        let nonce = |right: usize| format!("nonce{}", right.min(wanted - 1));
        if request.headers().has(HeaderId::Authorization) {
            let verdict = judge.accepts(&nonce(right), request);
            told.lock().unwrap().push(verdict.clone());
            if verdict.is_err() {
                return (403, Vec::new());
            }
            right += 1;
            if right >= wanted {
                return if *request.method() == Method::Register { bound(request, 2) } else { (200, Vec::new()) };
            }
        }
        (401, besides.iter().chain([&judge]).map(|one| one.challenge(&nonce(right), right > 0)).collect())
    };
    (Scripted::start(script).await, verdicts)
}

async fn alice(registrar: &Scripted) -> (Endpoint, Account) {
    let alice = builder().build().await.unwrap();
    let config = AccountConfig::new(format!("sip:alice@{}", registrar.address)).password("secret");
    let account = alice.account(config).await.unwrap();
    (alice, account)
}

/// Registers, is sent back once, refreshes, and takes it back.
async fn registers(judge: Judge, besides: Vec<Judge>) {
    let said = format!("REGISTER {} {}", judge.algorithm, judge.qop);
    let (registrar, verdicts) = asking(judge, besides, 2).await;
    let (alice, account) = alice(&registrar).await;
    let outcome = account.register().await;
    assert!(outcome.is_ok(), "{said}: {outcome:?} {verdicts:?}");
    until("the refresh", async || verdicts.lock().unwrap().len() >= 3).await;
    alice.close().await;
    assert!(verdicts.lock().unwrap().len() >= 4, "{said}: {verdicts:?}");
    assert!(verdicts.lock().unwrap().iter().all(Result::is_ok), "{said}: {verdicts:?}");
}

/// Sends something with a body.
async fn sends(judge: Judge) {
    let said = format!("MESSAGE {} {}", judge.algorithm, judge.qop);
    let (registrar, verdicts) = asking(judge, Vec::new(), 1).await;
    let (alice, account) = alice(&registrar).await;
    let outcome = account.message("bob", "Grüße").await;
    alice.close().await;
    assert!(outcome.is_ok(), "{said}: {outcome:?} {verdicts:?}");
    assert_eq!(*verdicts.lock().unwrap(), [Ok(())], "{said}");
}

#[tokio::test]
async fn rfc7616_3_4_every_challenge_is_answered() {
    let set = tokio::task::LocalSet::new();
    let mut all = Vec::new();
    for (hash, session) in HASHES.into_iter().flat_map(|hash| [(hash, ""), (hash, "-sess")]) {
        for qop in ["auth", "auth-int"] {
            let judge = Judge::new(format!("{hash}{session}"), qop);
            all.push(set.spawn_local(registers(judge.clone(), Vec::new())));
            all.push(set.spawn_local(sends(judge)));
        }
    }
    assert_eq!(all.len(), 2 * 12);
    set.await;
    for one in all {
        one.await.unwrap();
    }
}

/// RFC 8760 section 2.4 leaves the choice to the client's policy: the strongest.
#[tokio::test]
async fn rfc8760_2_4_of_several_challenges_the_strongest_is_answered() {
    let weaker = ["MD5", "SHA-256"].map(|hash| Judge::new(hash.to_owned(), "auth"));
    registers(Judge::new("SHA-512-256".to_owned(), "auth"), weaker.to_vec()).await;
}

/// The control: who knows another password is not satisfied by any of it, and is not asked on and on.
#[tokio::test]
async fn rfc7616_3_4_the_wrong_password_opens_nothing() {
    for (hash, qop) in HASHES.into_iter().flat_map(|hash| [(hash, "auth"), (hash, "auth-int")]) {
        let judge = Judge { password: "another", ..Judge::new(hash.to_owned(), qop) };
        let (registrar, verdicts) = asking(judge, Vec::new(), 1).await;
        let (_alice, account) = alice(&registrar).await;
        assert!(account.register().await.is_err(), "{hash}");
        let verdicts = verdicts.lock().unwrap().clone();
        let [Err(why)] = &verdicts[..] else { panic!("{hash} {qop}: {verdicts:?}") };
        assert!(why.starts_with("response is not "), "{why}");
        assert_eq!(registrar.came().len(), 2, "{hash} {qop}");
    }
}
