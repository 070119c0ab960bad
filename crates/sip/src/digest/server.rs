//! The side that asks: makes challenges, judges credentials (RFC 3261 section 22, RFC 8760 section 2.3).

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use subtle::ConstantTimeEq;

use super::algorithm::{Algorithm, Hex, Scheme};
use super::fields::{FieldError, Fields, escape, quotable, unescape};
use super::ha1::Ha1;
use super::info::Proof;
use super::nonce::{Nonce, Nonces, Recent, Repeats, Used, Window};
use super::response::{Inputs, Protection, Quality};
use crate::time::Time;

/// Credentials looked at in one request.
const CREDENTIALS: usize = 8;

/// How far the `uri` of credentials may differ from the Request-URI (RFC 8760 section 2.6 number 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UriRule {
    /// Not looked at: for who is reached through proxies that rewrite the Request-URI.
    Any,
    /// Same user and host; port and parameters may differ, as some phones leave them out.
    #[default]
    Resource,
    /// As `Resource`; and a URI without user stands for every user of its host, as SIPp signs. Whoever can change such a request
    /// on its way can send it to another user of the same server; it cannot be sent twice.
    Server,
    /// The same text.
    Exact,
}

/// How a [`Server`] asks and judges.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The realm; no control characters.
    pub realm: String,
    /// Offered in this order, the most wanted first, and only these are taken.
    pub algorithms: Vec<Algorithm>,
    /// Offer `auth-int` beside `auth`. It is taken in any case.
    pub offer_integrity: bool,
    /// How long a nonce may be used.
    pub lifetime: Duration,
    /// A nonce is good for one request only, as Asterisk has it; otherwise counts go on.
    pub once: bool,
    /// Take responses without `qop`, as clients of RFC 2069 send them. Their nonces are good for one request.
    pub without_qop: bool,
    /// A nonce is good only for the address it was sent to (the port may change).
    pub bind_address: bool,
    /// What `uri` must be.
    pub uri: UriRule,
    /// Nonces whose counts are remembered; older ones are asked anew. As many requests are known again by [`Server::verify_again`].
    pub window: usize,
}

impl ServerConfig {
    /// SHA-256, then MD5; a nonce lives 300 s, bound to the address; 131,072 nonces remembered (at most 3 MB).
    pub fn new(realm: &str) -> Self {
        ServerConfig {
            realm: realm.to_owned(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            offer_integrity: false,
            lifetime: Duration::from_secs(300),
            once: false,
            without_qop: true,
            bind_address: true,
            uri: UriRule::Resource,
            window: 131_072,
        }
    }
}

/// What a [`ServerConfig`] lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerError {
    /// The realm holds a control character.
    Realm,
    /// No algorithm, or one twice (RFC 8760 section 2.3).
    Algorithms,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServerError::Realm => "realm: expected no control character (RFC 3261 25.1 quoted-string)",
            ServerError::Algorithms => "algorithms: expected at least one, and each once (RFC 8760 2.3)",
        })
    }
}

impl std::error::Error for ServerError {}

/// The parts of a request that credentials cover.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The method.
    pub method: &'a str,
    /// The Request-URI as it stands.
    pub uri: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// Why credentials are refused: for logs and counters, never for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No such user.
    UnknownUser,
    /// The response does not fit the password.
    WrongResponse,
}

impl Reason {
    /// One word, fit for a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::UnknownUser => "unknown_user",
            Reason::WrongResponse => "wrong_response",
        }
    }
}

/// Who it is, and what a proof of our own needs.
#[derive(Clone, Debug)]
pub struct Verified<'a> {
    /// The user, escapes taken away.
    pub user: Cow<'a, str>,
    /// For Authentication-Info.
    pub proof: Proof<'a>,
}

/// What credentials are worth.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict<'a> {
    /// Right.
    Ok(Verified<'a>),
    /// None for our realm, or right ones for a nonce that is no longer good (`stale`): 401 or 407 with [`Server::challenges`].
    Challenge {
        /// The password was right: the client need not ask its user.
        stale: bool,
    },
    /// Wrong: 403. Unknown user and wrong password look alike and take as long.
    Forbidden {
        /// For the log.
        reason: Reason,
        /// The name that was claimed.
        user: Cow<'a, str>,
    },
    /// Cannot be read: 400.
    BadRequest(FieldError),
}

/// Asks and judges for one realm. Keeps no state for a challenge; the memory of used counts is bounded.
#[derive(Clone)]
pub struct Server {
    config: ServerConfig,
    /// Escaped.
    realm: String,
    /// What stands before the nonce of every challenge.
    before_nonce: String,
    /// What stands behind it, for each algorithm.
    behind_nonce: Vec<String>,
    nonces: Nonces,
    nobody: [u8; 32],
    window: Window,
    repeats: Repeats,
    recent: Recent,
    asked: Asked,
}

/// The HA2 of the last request without a protected body: devices that register mostly ask for the same.
#[derive(Clone, Default)]
struct Asked {
    method: String,
    uri: String,
    hash: Option<(Algorithm, Hex)>,
}

impl Asked {
    fn hash(&mut self, inputs: &Inputs<'_>) -> Hex {
        if matches!(inputs.protection, Some(Protection { quality: Quality::AuthInt, .. })) {
            return inputs.ha2();
        }
        let algorithm = inputs.scheme.algorithm;
        match self.hash {
            Some((known, hash)) if known == algorithm && self.uri == inputs.uri && self.method == inputs.method => hash,
            _ => {
                inputs.uri.clone_into(&mut self.uri);
                inputs.method.clone_into(&mut self.method);
                self.hash.insert((algorithm, inputs.ha2())).1
            }
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("config", &self.config)
            .field("remembered", &self.window.len())
            .finish_non_exhaustive()
    }
}

impl Server {
    /// `secret` keys the nonces: shards that share it accept each other's (each with a window of its own: keep a client on its shard). Draw it anew at every start.
    pub fn new(config: ServerConfig, secret: [u8; 32]) -> Result<Server, ServerError> {
        if !quotable(&config.realm) {
            return Err(ServerError::Realm);
        }
        let twice = config
            .algorithms
            .iter()
            .enumerate()
            .any(|(at, one)| config.algorithms.iter().take(at).any(|before| before == one));
        if config.algorithms.is_empty() || twice {
            return Err(ServerError::Algorithms);
        }
        let derived = |label: &[u8]| Algorithm::Sha256.bytes(&[label, &secret]);
        let (nonces, nobody) = (Nonces::new(&derived(b"nonces")), derived(b"nobody"));
        let (window, repeats) = (Window::new(config.window), Repeats::new(config.window));
        let realm = escape(&config.realm).into_owned();
        let qop = if config.offer_integrity { "auth,auth-int" } else { "auth" };
        let behind = |algorithm: &Algorithm| format!("\", algorithm={algorithm}, qop=\"{qop}\"");
        let behind_nonce = config.algorithms.iter().map(behind).collect();
        let before_nonce = format!("Digest realm=\"{realm}\", nonce=\"");
        let (recent, asked) = (Recent::default(), Asked::default());
        Ok(Server { realm, before_nonce, behind_nonce, config, nonces, nobody, window, repeats, recent, asked })
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.config.realm
    }

    /// Nonces in the replay window now. Counts them.
    pub fn remembered(&self) -> usize {
        self.window.len()
    }

    /// The values of WWW-Authenticate or Proxy-Authenticate, one line for each algorithm in the order of preference, all with the same nonce.
    pub fn challenges(&mut self, now: Time, peer: IpAddr, stale: bool) -> impl Iterator<Item = String> {
        let issue = self.nonces.issue(now);
        let nonce = self.nonces.write(issue, self.config.bind_address.then_some(peer));
        let server: &Server = self;
        let text =
            move |behind: &String| String::from_utf8_lossy(&server.told(&nonce, behind, stale).concat()).into_owned();
        server.behind_nonce.iter().map(text)
    }

    /// Gives the values of [`Server::challenges`], in parts, for the hashes that are `wanted`, for a request known by these texts and its CSeq
    /// number: one that comes again soon is given the same nonce.
    pub(crate) fn challenge_again(
        &mut self,
        now: Time,
        peer: IpAddr,
        (texts, number): ([&[u8]; 2], u32),
        stale: bool,
        wanted: impl Fn(Algorithm) -> bool,
        mut give: impl FnMut([&[u8]; 4]),
    ) {
        let name = self.nonces.name(texts, number, peer);
        let issue = self.recent.of(name, now, || self.nonces.issue(now));
        let nonce = self.nonces.write(issue, self.config.bind_address.then_some(peer));
        let told = self.config.algorithms.iter().zip(&self.behind_nonce).filter(|(algorithm, _)| wanted(**algorithm));
        told.for_each(|(_, behind)| give(self.told(&nonce, behind, stale)));
    }

    /// The parts of a value.
    fn told<'a>(&'a self, nonce: &'a Nonce, behind: &'a str, stale: bool) -> [&'a [u8]; 4] {
        [self.before_nonce.as_bytes(), nonce.octets(), behind.as_bytes(), if stale { b", stale=true" } else { b"" }]
    }

    /// Judges the values of Authorization (or Proxy-Authorization). `lookup` gives the HA1 of a user for an algorithm; it is called at most once.
    pub fn judge<'a>(
        &mut self,
        now: Time,
        peer: IpAddr,
        request: Presented<'a>,
        values: impl Iterator<Item = &'a [u8]>,
        lookup: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict<'a> {
        self.judge_named(now, peer, request, values, None, lookup)
    }

    /// What names a request from there, for [`Server::judge_named`].
    pub(super) fn name(&self, texts: [&[u8]; 2], number: u32, peer: IpAddr) -> u64 {
        self.nonces.name(texts, number, peer)
    }

    /// The same, where what was right once is right `again` under the same name.
    pub(super) fn judge_named<'a>(
        &mut self,
        now: Time,
        peer: IpAddr,
        request: Presented<'a>,
        values: impl Iterator<Item = &'a [u8]>,
        again: Option<u64>,
        lookup: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict<'a> {
        let mut broken = None;
        for value in values.take(CREDENTIALS) {
            match Fields::with_scheme(value) {
                Err(why) => broken = broken.or(Some(why)),
                Ok(Some(fields)) if fields.realm == Some(&self.realm) => match Claim::read(fields, request) {
                    Err(why) => broken = broken.or(Some(why)),
                    Ok(Some(claim)) if self.accepts(&claim) => {
                        return self.weigh(now, peer, request, &claim, again, lookup);
                    }
                    // An algorithm that was not offered: ask again.
                    Ok(_) => {}
                },
                // Another scheme or realm: not for us.
                Ok(_) => {}
            }
        }
        broken.map_or(Verdict::Challenge { stale: false }, Verdict::BadRequest)
    }

    fn accepts(&self, claim: &Claim<'_>) -> bool {
        let known = self.config.algorithms.contains(&claim.inputs.scheme.algorithm);
        known && (self.config.without_qop || claim.inputs.protection.is_some())
    }

    fn weigh<'a>(
        &mut self,
        now: Time,
        peer: IpAddr,
        request: Presented<'a>,
        claim: &Claim<'a>,
        again: Option<u64>,
        lookup: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict<'a> {
        let inputs = &claim.inputs;
        if !same_resource(self.config.uri, inputs.uri, request.uri) {
            return Verdict::BadRequest(FieldError { byte: 0, expected: "the uri of the Request-URI" });
        }
        let algorithm = inputs.scheme.algorithm;
        let user = unescape(claim.user);
        let known = lookup(&user, algorithm).filter(|ha1| ha1.algorithm() == algorithm);
        let ha1 = known.unwrap_or(Ha1::nobody(algorithm, self.nobody));
        let issue = self.nonces.read(inputs.nonce, self.config.bind_address.then_some(peer));
        let right = words(&inputs.octets_with(&ha1, &self.asked.hash(inputs))).ct_eq(&words(&claim.response));
        match (known, bool::from(right)) {
            (None, _) => return Verdict::Forbidden { reason: Reason::UnknownUser, user },
            (Some(_), false) => return Verdict::Forbidden { reason: Reason::WrongResponse, user },
            (Some(_), true) => {}
        }
        let live = issue.filter(|issue| issue.at() <= now && now.since(issue.at()) <= self.config.lifetime);
        let once = self.config.once || inputs.protection.is_none();
        match live.map(|issue| self.window.take(issue, claim.count, once)) {
            Some(Used::Fresh) => again.into_iter().for_each(|name| self.repeats.put(name, now)),
            // The count is used, or the nonce has grown too old meanwhile.
            Some(Used::Before) | None if again.is_some_and(|name| self.repeats.has(name, now)) => {}
            Some(Used::Before) | None => return Verdict::Challenge { stale: true },
        }
        Verdict::Ok(Verified { user, proof: claim.proof(ha1) })
    }
}

/// Credentials as read.
struct Claim<'a> {
    /// As it stood between the quotes.
    user: &'a str,
    /// As many octets as the hash has, then zeros.
    response: [u8; 32],
    count: u32,
    inputs: Inputs<'a>,
}

impl<'a> Claim<'a> {
    /// `Ok(None)` for an algorithm that is not known, and for the empty response of who was not challenged yet (RFC 8760 section 2.7).
    fn read(fields: Fields<'a>, request: Presented<'a>) -> Result<Option<Claim<'a>>, FieldError> {
        let need = |value: Option<&'a str>, expected| value.ok_or(FieldError { byte: 0, expected });
        if fields.username_star.is_some() {
            return Err(FieldError { byte: 0, expected: "username without *" });
        }
        let (user, nonce) = (need(fields.username, "username")?, need(fields.nonce, "nonce")?);
        let (uri, response) = (need(fields.uri, "uri")?, need(fields.response, "response")?);
        let scheme = fields.algorithm.map_or(Some(Scheme::MD5), Scheme::from_name);
        let Some(scheme) = scheme.filter(|_| !response.is_empty()) else { return Ok(None) };
        let mut octets = [0; 32];
        let given = octets.get_mut(..scheme.algorithm.size());
        if !given.is_some_and(|into| super::algorithm::read_hex(response, into)) {
            return Err(FieldError { byte: 0, expected: "a response of the algorithm's length" });
        }
        let (mut count, mut protection) = (1, None);
        if let Some(qop) = fields.qop {
            let quality = need_quality(qop)?;
            let text = need(fields.nc, "nc of eight digits")?;
            let mut octets = [0; 4];
            if !super::algorithm::read_hex(text, &mut octets) {
                return Err(FieldError { byte: 0, expected: "nc of eight digits" });
            }
            count = u32::from_be_bytes(octets);
            if count == 0 {
                return Err(FieldError { byte: 0, expected: "nc above zero" });
            }
            protection = Some(Protection { quality, count: text, cnonce: need(fields.cnonce, "cnonce")? });
        }
        if scheme.session {
            need(fields.cnonce, "cnonce")?;
        }
        let Presented { method, body, .. } = request;
        let inputs = Inputs { scheme, nonce, cnonce: fields.cnonce, protection, method, uri, body };
        Ok(Some(Claim { user, response: octets, count, inputs }))
    }

    fn proof(&self, ha1: Ha1) -> Proof<'a> {
        let Inputs { scheme, nonce, cnonce, protection, uri, .. } = self.inputs;
        Proof { scheme, ha1, nonce, cnonce, protection, uri }
    }
}

/// Octets as numbers, which are compared eight at a time.
fn words(octets: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    words.iter_mut().zip(octets.as_chunks::<8>().0).for_each(|(word, eight)| *word = u64::from_ne_bytes(*eight));
    words
}

fn need_quality(qop: &str) -> Result<Quality, FieldError> {
    Quality::from_name(qop).ok_or(FieldError { byte: 0, expected: "qop auth or auth-int" })
}

fn same_resource(rule: UriRule, given: &str, asked: &str) -> bool {
    match rule {
        UriRule::Any => true,
        _ if given == asked => true,
        UriRule::Exact => false,
        UriRule::Resource | UriRule::Server => match (resource(given), resource(asked)) {
            (Some(given), Some(asked)) => {
                let same_user = unescaped(given.0).eq(unescaped(asked.0));
                given.1.eq_ignore_ascii_case(asked.1) && (same_user || rule == UriRule::Server && given.0.is_empty())
            }
            _ => false,
        },
    }
}

/// User and host of a SIP or SIPS URI, without password, port, parameters and headers.
fn resource(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
        return None;
    }
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    let user = user.split(':').next().unwrap_or_default();
    let host = host.split([';', '?']).next().unwrap_or_default();
    let host = match host.find(']') {
        Some(end) => host.get(..=end)?,
        None => host.split(':').next().unwrap_or_default(),
    };
    Some((user, host))
}

/// RFC 3261 section 19.1.4: an escaped letter equals the letter.
fn unescaped(user: &str) -> impl Iterator<Item = u8> + '_ {
    let mut bytes = user.as_bytes();
    std::iter::from_fn(move || {
        let (first, rest) = bytes.split_first()?;
        let pair = rest.get(..2).filter(|_| *first == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        let code = pair.filter(|pair| !pair.starts_with('+')).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes = if code.is_some() { rest.get(2..).unwrap_or_default() } else { rest };
        Some(code.unwrap_or(*first))
    })
}

#[cfg(test)]
mod tests;
