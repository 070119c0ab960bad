//! The side that has a password: reads challenges, writes credentials (RFC 3261 sections 22.2 and 22.3, RFC 8760 section 2.4).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::algorithm::{Algorithm, Hex, Scheme};
use super::fields::{Fields, escape, quotable, unescape};
use super::ha1::Ha1;
use super::home::{Challenger, Home};
use super::info::InfoError;
use super::response::{Inputs, Protection, Quality};
use crate::message::Uri;
use crate::planted::{Bug, planted};
use crate::route;

/// Answers to one realm within one request.
const ANSWERS: u8 = 2;
/// 401 and 407 taken in within one request: proxies of different realms stand one behind the other.
const ROUNDS: u8 = 4;
/// Challenges read from one response.
pub(super) const CHALLENGES: usize = 16;
/// Service routes of a registrar that are servers of the account's.
const ROUTES: usize = 16;

/// What a user proves himself with.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Secret {
    /// The password; good for every algorithm.
    Password(String),
    /// The hash alone; good for its own algorithm and realm.
    Ha1(Ha1),
}

/// Never prints the value.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Secret::Password(_) => "Password(..)",
            Secret::Ha1(_) => "Ha1(..)",
        })
    }
}

/// User and secret for one realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    realm: Option<String>,
    user: String,
    secret: Secret,
    /// The servers that may ask; empty: any.
    homes: Vec<Home>,
}

/// Why a [`Credential`] cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialError {
    /// The user name holds a control character; a header cannot carry it.
    User,
    /// The realm does.
    Realm,
    /// An [`Ha1`] is bound to a realm, which must be named.
    Ha1WithoutRealm,
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CredentialError::User => "user name: expected no control character (RFC 3261 25.1 quoted-string)",
            CredentialError::Realm => "realm: expected no control character (RFC 3261 25.1 quoted-string)",
            CredentialError::Ha1WithoutRealm => "HA1: expected the realm it was made for (RFC 7616 3.4.2)",
        })
    }
}

impl std::error::Error for CredentialError {}

impl Credential {
    /// `realm` is compared letter by letter with what a challenge names. `None` answers *any* realm: whoever can challenge us then gets a hash to guess at, so name the realm
    /// wherever it is known, and the servers with [`Credential::at`] where it is not.
    pub fn new(realm: Option<&str>, user: &str, secret: Secret) -> Result<Credential, CredentialError> {
        if !quotable(user) {
            return Err(CredentialError::User);
        }
        if realm.is_some_and(|realm| !quotable(realm)) {
            return Err(CredentialError::Realm);
        }
        if realm.is_none() && matches!(secret, Secret::Ha1(_)) {
            return Err(CredentialError::Ha1WithoutRealm);
        }
        Ok(Credential { realm: realm.map(str::to_owned), user: user.to_owned(), secret, homes: Vec::new() })
    }

    /// User and password for one realm, or any.
    pub fn password(realm: Option<&str>, user: &str, password: &str) -> Result<Credential, CredentialError> {
        Self::new(realm, user, Secret::Password(password.to_owned()))
    }

    /// Ties it to this server, besides those named before: what goes elsewhere first is not signed with it. Without a realm one only is answered of what
    /// goes there, the first that asks (any, where we register). What is no SIP address changes nothing.
    pub fn at(mut self, server: &Uri<'_>) -> Credential {
        Home::of(server).into_iter().for_each(|home| self.add(home));
        self
    }

    fn add(&mut self, home: Home) {
        if !self.homes.contains(&home) {
            self.homes.push(home);
        }
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(super) fn homes(&self) -> &[Home] {
        &self.homes
    }

    /// The realm it is bound to.
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    fn ha1(&self, algorithm: Algorithm, realm: &str) -> Option<Ha1> {
        match &self.secret {
            Secret::Password(password) => Some(Ha1::from_raw(algorithm, &escape(&self.user), realm, password)),
            Secret::Ha1(ha1) => Some(*ha1).filter(|ha1| ha1.algorithm() == algorithm),
        }
    }
}

/// All credentials of an account; cheap to clone. Empty: challenges go to the application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    list: Option<Arc<Vec<Credential>>>,
}

impl Credentials {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; a bound realm is preferred to [`None`], earlier ones to later ones.
    pub fn add(&mut self, credential: Credential) {
        Arc::make_mut(self.list.get_or_insert_default()).push(credential);
    }

    /// True when no challenge can be answered.
    pub fn is_empty(&self) -> bool {
        self.list.as_ref().is_none_or(|list| list.is_empty())
    }

    /// The same once we are registered at this address, where these realms were answered (see [`Client::realms`]): what [`Credential::at`] has tied to
    /// servers is good there too, and for no other realms. No realms: for as many as before. What is for certain realms is good on the way that the registrar
    /// has told as well (Service-Route, RFC 3608 section 6.1).
    pub fn bound_to(&self, server: SocketAddr, service_route: &[String], realms: &[String]) -> Credentials {
        let routes = service_route.iter().take(ROUTES).filter_map(|route| Uri::parse(route::uri_of(route)).ok());
        let routes: Vec<Home> = routes.filter_map(|uri| Home::of(&uri)).collect();
        let tied = |one: &Credential| {
            let mut one = one.clone();
            one.add(Home::at(server));
            let mut all = match one.realm {
                None if !realms.is_empty() => {
                    let bound = |realm: &String| Credential { realm: Some(realm.clone()), ..one.clone() };
                    realms.iter().map(bound).collect()
                }
                _ => vec![one],
            };
            for one in all.iter_mut().filter(|one| one.realm.is_some()) {
                routes.iter().for_each(|home| one.add(home.clone()));
            }
            all
        };
        self.iter().flat_map(|one| if one.homes.is_empty() { vec![one.clone()] } else { tied(one) }).collect()
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Credential> {
        self.list.iter().flat_map(|list| list.iter())
    }

    /// Those that may answer this realm (as it stood between the quotes), bound ones first.
    pub(super) fn of<'a>(&'a self, realm: &'a str) -> impl Iterator<Item = &'a Credential> {
        let bound = self.iter().filter(move |one| one.realm().is_some_and(|known| known == unescape(realm)));
        bound.chain(self.iter().filter(|one| one.realm.is_none()))
    }
}

impl From<Credential> for Credentials {
    fn from(credential: Credential) -> Self {
        Credentials { list: Some(Arc::new(vec![credential])) }
    }
}

impl FromIterator<Credential> for Credentials {
    fn from_iter<I: IntoIterator<Item = Credential>>(iter: I) -> Self {
        Credentials { list: Some(Arc::new(iter.into_iter().collect())) }
    }
}

/// Why a 401 or 407 is not answered: it goes to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It carries no digest challenge that can be read.
    NoChallenge,
    /// No credentials for this realm; nothing was computed for it.
    NoCredentials {
        /// The first realm that challenged.
        realm: String,
    },
    /// Algorithm or quality of protection is unknown, or not the one the credentials hold.
    Unsupported {
        /// The realm.
        realm: String,
    },
    /// A stronger algorithm was offered before.
    Downgrade {
        /// The realm.
        realm: String,
    },
    /// The credentials were refused: asked again for the same nonce, or for the third time.
    Rejected {
        /// The realm.
        realm: String,
    },
    /// Too many challenges in a row for one request.
    TooMany,
    /// A server of the web asks for the password itself, where others could read it.
    InTheClear {
        /// The realm.
        realm: String,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NoChallenge => f.write_str("expected a digest challenge (RFC 3261 22.1)"),
            Refused::NoCredentials { realm } => write!(f, "no credentials for realm \"{realm}\""),
            Refused::Unsupported { realm } => {
                write!(f, "realm \"{realm}\" asks for an algorithm or qop that is not supported (RFC 8760 2.4)")
            }
            Refused::Downgrade { realm } => write!(f, "realm \"{realm}\" asks for a weaker algorithm than before"),
            Refused::Rejected { realm } => write!(f, "realm \"{realm}\" refused the credentials (RFC 3261 22.1)"),
            Refused::InTheClear { realm } => {
                write!(f, "realm \"{realm}\" asks for the password itself, which goes over TLS alone (RFC 7617 4)")
            }
            Refused::TooMany => write!(f, "more than {ROUNDS} challenges for one request"),
        }
    }
}

impl std::error::Error for Refused {}

/// Which of several challenges of one realm is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The strongest algorithm, so that nobody on the way gains by changing the order (RFC 8760 section 2.4 leaves it to local policy).
    #[default]
    Strongest,
    /// The topmost one supported.
    Topmost,
}

/// A challenge that can be answered, still in the response's text.
struct Offer<'a> {
    fields: Fields<'a>,
    nonce: &'a str,
    scheme: Scheme,
    quality: Option<Quality>,
}

impl<'a> Offer<'a> {
    /// `None` for what RFC 8760 section 2.4 wants ignored.
    fn read(fields: Fields<'a>) -> Option<Offer<'a>> {
        let nonce = fields.nonce?;
        let scheme = fields.algorithm.map_or(Some(Scheme::MD5), Scheme::from_name)?;
        let quality = match fields.qop {
            None if scheme.session => return None,
            None => None,
            Some(list) => {
                let known = || list.split(',').filter_map(|name| Quality::from_name(name.trim()));
                Some(known().find(|one| *one == Quality::Auth).or_else(|| known().next())?)
            }
        };
        Some(Offer { fields, nonce, scheme, quality })
    }

    fn stale(&self) -> bool {
        self.fields.stale.is_some_and(|word| word.eq_ignore_ascii_case("true"))
    }
}

/// What is known about one realm.
#[derive(Clone, Debug)]
struct Answering {
    /// Who has asked; `None`: not known, and so anybody.
    asked: Option<Home>,
    proxy: bool,
    /// As they stood between the quotes.
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// Escaped.
    user: String,
    scheme: Scheme,
    names_algorithm: bool,
    quality: Option<Quality>,
    ha1: Ha1,
    count: u32,
    /// Kept as long as the nonce: the session variants hash it into A1.
    cnonce: Option<Hex>,
    /// Answers within this request.
    answers: u8,
}

/// Credentials at work: for one request and its repetitions, or handed on from request to request so that a nonce is used again with the next count.
#[derive(Clone, Debug, Default)]
pub struct Client {
    credentials: Credentials,
    choice: Choice,
    answering: Vec<Answering>,
    rounds: u8,
    /// A challenge was taken in and not answered yet.
    asked: bool,
}

impl Client {
    /// Knows no challenge yet.
    pub fn new(credentials: Credentials) -> Self {
        Client { credentials, ..Self::default() }
    }

    /// Sets which of several challenges is answered.
    pub fn choose(mut self, choice: Choice) -> Self {
        self.choice = choice;
        self
    }

    /// Takes in the challenges of a 401 (`proxy` false: WWW-Authenticate values) or 407 (Proxy-Authenticate values), of every realm there are credentials for.
    ///
    /// `Ok` when at least one can be answered by the next [`Client::lines_for`] or [`Client::lines_to`]. Who challenges is not looked at: see [`Client::take_challenges_of`].
    pub fn take_challenges<'v>(&mut self, values: impl Iterator<Item = (bool, &'v [u8])>) -> Result<(), Refused> {
        self.take(None, values)
    }

    /// The same, where it is known who challenges: what [`Credential::at`] ties to other servers is not used.
    pub fn take_challenges_of<'v>(
        &mut self,
        challenger: Challenger<'_>,
        values: impl Iterator<Item = (bool, &'v [u8])>,
    ) -> Result<(), Refused> {
        self.take(Some(challenger), values)
    }

    /// The realms that were answered, escapes taken away.
    pub fn realms(&self) -> Vec<String> {
        self.answering.iter().map(|one| unescape(&one.realm).into_owned()).collect()
    }

    fn take<'v>(
        &mut self,
        challenger: Option<Challenger<'_>>,
        values: impl Iterator<Item = (bool, &'v [u8])>,
    ) -> Result<(), Refused> {
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > ROUNDS {
            return Err(Refused::TooMany);
        }
        let mut groups: Vec<(bool, &'v str, Vec<Offer<'v>>)> = Vec::new();
        for (proxy, value) in values.take(CHALLENGES) {
            let Ok(Some(fields)) = Fields::with_scheme(value) else { continue };
            let Some(realm) = fields.realm else { continue };
            let offer = Offer::read(fields);
            match groups.iter_mut().find(|(at, name, _)| (*at, *name) == (proxy, realm)) {
                Some((_, _, offers)) => offers.extend(offer),
                None => groups.push((proxy, realm, offer.into_iter().collect())),
            }
        }
        let mut first = None;
        let mut answered = false;
        for (proxy, realm, offers) in groups {
            match self.consider(challenger, proxy, realm, &offers) {
                Ok(()) => answered = true,
                Err(why) => first = first.or(Some(why)),
            }
        }
        // A refusal of credentials outweighs another realm that might be answered: the request would only come back.
        match first {
            Some(why @ (Refused::Rejected { .. } | Refused::Downgrade { .. })) => Err(why),
            _ if answered => {
                self.asked = true;
                Ok(())
            }
            Some(why) => Err(why),
            None => Err(Refused::NoChallenge),
        }
    }

    /// Whether this credential, which may answer the realm, may do so to whoever asks.
    fn is_for(&self, one: &Credential, realm: &str, challenger: Option<Challenger<'_>>) -> bool {
        let Some(from) = challenger.filter(|_| !one.homes.is_empty()) else { return true };
        let bound =
            |known: &Answering| self.credentials.iter().any(|one| one.realm() == Some(&*unescape(&known.realm)));
        let is_told = one.realm.is_some() || from.registers || self.answering.iter().all(bound);
        let is_known = self.answering.iter().any(|known| known.realm == realm && known.was_asked_by(&from));
        is_known || is_told && one.homes.iter().any(|home| home.is(&from))
    }

    fn consider(
        &mut self,
        challenger: Option<Challenger<'_>>,
        proxy: bool,
        realm: &str,
        offers: &[Offer<'_>],
    ) -> Result<(), Refused> {
        let name = || unescape(realm).into_owned();
        let fitting = || self.credentials.of(realm).filter(|one| self.is_for(one, realm, challenger));
        if fitting().next().is_none() {
            return Err(Refused::NoCredentials { realm: name() });
        }
        let able = offers.iter().filter_map(|offer| {
            let fit = fitting().find_map(|one| Some((one, one.ha1(offer.scheme.algorithm, realm)?)));
            fit.map(|(credential, ha1)| (offer, credential, ha1))
        });
        let best = match self.choice {
            Choice::Topmost => { able }.next(),
            // The first of equals: the order of the server.
            Choice::Strongest => {
                able.reduce(|best, next| if next.0.scheme.algorithm > best.0.scheme.algorithm { next } else { best })
            }
        };
        let Some((offer, credential, ha1)) = best else {
            return Err(Refused::Unsupported { realm: name() });
        };
        let user = escape(&credential.user).into_owned();
        let known = self.answering.iter_mut().find(|one| one.proxy == proxy && one.realm == realm);
        let mut answers = 0;
        if let Some(known) = &known {
            answers = known.answers;
            if offer.scheme.algorithm < known.scheme.algorithm {
                return Err(Refused::Downgrade { realm: name() });
            }
            if answers >= ANSWERS || (answers > 0 && !offer.stale() && known.nonce == offer.nonce) {
                return Err(Refused::Rejected { realm: name() });
            }
        }
        let fresh = Answering {
            asked: challenger.map(Home::that_asked),
            proxy,
            realm: realm.to_owned(),
            nonce: offer.nonce.to_owned(),
            opaque: offer.fields.opaque.map(str::to_owned),
            user,
            scheme: offer.scheme,
            names_algorithm: offer.fields.algorithm.is_some(),
            quality: offer.quality,
            ha1,
            count: 0,
            cnonce: None,
            answers,
        };
        match known {
            Some(_) if planted(Bug::StaleNonce) => {}
            Some(known) => *known = fresh,
            None => self.answering.push(fresh),
        }
        Ok(())
    }

    /// The header values of the next attempt, with true for Proxy-Authorization; none before the first challenge. Each call counts each nonce up by one.
    ///
    /// `cnonce` must be fresh random; it is used where a nonce needs one.
    pub fn lines_for(&mut self, method: &str, uri: &str, body: &[u8], cnonce: u64) -> Vec<(bool, String)> {
        self.lines(None, method, uri, body, cnonce)
    }

    /// The same for a request that this one gets first: what it has asked for itself, or might ask for as a server of the account's (see [`Credential::at`]).
    pub fn lines_to(
        &mut self,
        whom: Challenger<'_>,
        method: &str,
        uri: &str,
        body: &[u8],
        cnonce: u64,
    ) -> Vec<(bool, String)> {
        self.lines(Some(whom), method, uri, body, cnonce)
    }

    fn lines(
        &mut self,
        whom: Option<Challenger<'_>>,
        method: &str,
        uri: &str,
        body: &[u8],
        cnonce: u64,
    ) -> Vec<(bool, String)> {
        if !std::mem::take(&mut self.asked) {
            // Not called for by a challenge: another request begins.
            self.rounds = 0;
            self.answering.iter_mut().for_each(|one| one.answers = 0);
        }
        let Self { answering, credentials, .. } = self;
        let is_home = |realm: &str, whom: &Challenger<'_>| {
            credentials.of(realm).any(|one| one.homes.iter().any(|home| home.is(whom)))
        };
        let shown =
            |one: &&mut Answering| whom.as_ref().is_none_or(|whom| one.was_asked_by(whom) || is_home(&one.realm, whom));
        let signed = answering.iter_mut().filter(shown);
        signed.map(|one| (one.proxy, one.sign(method, uri, body, cnonce))).collect()
    }

    /// Checks Authentication-Info (RFC 7616 section 3.5) of the response to the last request signed for `uri`, and keeps its `nextnonce`. `body` is the response's.
    pub fn take_info(&mut self, proxy: bool, value: &[u8], uri: &str, body: &[u8]) -> Result<(), InfoError> {
        let fields = Fields::bare(value).map_err(InfoError::Broken)?;
        // The header names no realm: it is for whichever of ours it fits.
        let mut fits = self.answering.iter_mut().filter(|one| one.proxy == proxy);
        let one = match fields.rspauth {
            None => fits.next(),
            Some(_) => fits.find(|one| {
                super::info::genuine(
                    &fields,
                    &one.inputs("", &escape(uri), body, &Hex::of(&one.count.to_be_bytes())),
                    &one.ha1,
                )
            }),
        };
        let one = one.ok_or(if fields.rspauth.is_some() { InfoError::Forged } else { InfoError::NotAsked })?;
        if let Some(next) = fields.nextnonce {
            one.nonce = next.to_owned();
            one.count = 0;
            one.cnonce = None;
        }
        Ok(())
    }
}

impl Answering {
    fn was_asked_by(&self, whom: &Challenger<'_>) -> bool {
        self.asked.as_ref().is_none_or(|asked| asked.is(whom))
    }

    fn inputs<'a>(&'a self, method: &'a str, uri: &'a str, body: &'a [u8], count: &'a Hex) -> Inputs<'a> {
        let cnonce = self.cnonce.as_ref().map(Hex::as_str);
        let protection = self.quality.map(|quality| Protection {
            quality,
            count: count.as_str(),
            cnonce: cnonce.unwrap_or_default(),
        });
        Inputs { scheme: self.scheme, nonce: &self.nonce, cnonce, protection, method, uri, body }
    }

    fn sign(&mut self, method: &str, uri: &str, body: &[u8], cnonce: u64) -> String {
        self.count = self.count.saturating_add(1);
        self.answers = self.answers.saturating_add(1);
        if self.quality.is_some() && self.cnonce.is_none() {
            self.cnonce = Some(Hex::of(&cnonce.to_be_bytes()));
        }
        let uri = escape(uri);
        let count = Hex::of(&self.count.to_be_bytes());
        let inputs = self.inputs(method, &uri, body, &count);
        let response = inputs.response(&self.ha1);
        let mut line = [
            "Digest username=\"",
            &self.user,
            "\", realm=\"",
            &self.realm,
            "\", nonce=\"",
            &self.nonce,
            "\", uri=\"",
            &uri,
            "\", response=\"",
            response.as_str(),
            "\"",
        ]
        .concat();
        let mut add = |parts: [&str; 3]| parts.iter().for_each(|part| line.push_str(part));
        if self.names_algorithm {
            add([", algorithm=", self.scheme.algorithm.name(), if self.scheme.session { "-sess" } else { "" }]);
        }
        if let Some(Protection { quality, count, cnonce }) = inputs.protection {
            add([", cnonce=\"", cnonce, "\""]);
            add([", qop=", quality.as_str(), ", nc="]);
            add([count, "", ""]);
        }
        if let Some(opaque) = &self.opaque {
            add([", opaque=\"", opaque, "\""]);
        }
        line
    }
}

#[cfg(test)]
mod tests;
