//! Who a request is from, and whether it is let in: credentials come before anything that tells which
//! numbers there are (RFC 3261 section 22).

use sip::digest::{Algorithm, Verdict};
use sip::header::From;
use sip::message::{HeaderId, Method, Request, StatusCode};
use sip::{Now, Origin, Reply, privacy};

use crate::command::Command;
use crate::one_hash::knows_one_hash_only;
use crate::switch::Switch;

/// As what we ask for credentials.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// The end of a request: 401 and Authorization.
    End,
    /// A proxy (RFC 3261 section 22.3): 407 and Proxy-Authorization.
    Proxy,
    /// One without transactions, to which a repeat is a request like any other (section 16.11).
    Stateless,
}

impl Switch {
    /// The place of the user who proved to be one; otherwise the answer: 401, 403 for a wrong password or a From of somebody else, 400.
    pub(crate) fn admit(&mut self, request: &Request, origin: &Origin, now: Now) -> Result<usize, Box<Reply>> {
        self.admit_by(request, origin, now, Asking::End)
    }

    /// The same, as what we ask.
    pub(crate) fn admit_by(
        &mut self,
        request: &Request,
        origin: &Origin,
        now: Now,
        asking: Asking,
    ) -> Result<usize, Box<Reply>> {
        let as_proxy = asking != Asking::End;
        let (accounts, mut place) = (&self.accounts, None);
        let lookup = |user: &str, algorithm| {
            place = accounts.place(user);
            accounts.at(place?)?.ha1.get(algorithm)
        };
        let refuse = |code| Err(Box::new(Reply::new(code)));
        let verdict = match asking {
            Asking::Stateless => self.digest.verify_again(now, request, origin, as_proxy, lookup),
            _ => self.digest.verify(now, request, origin, as_proxy, lookup),
        };
        match verdict {
            Verdict::Ok(verified) => match place {
                Some(place)
                    if *request.method() == Method::Register || self.may_say(request, origin, &verified.user) =>
                {
                    Ok(place)
                }
                _ => refuse(StatusCode::FORBIDDEN),
            },
            Verdict::Challenge { stale } => Err(Box::new(self.challenge_as(request, origin, now, as_proxy, stale))),
            Verdict::Forbidden { reason, user } => {
                // The only line for it: tools that ban addresses read it. The name is cut and quoted: it is the peer's choice.
                let name: String = user.chars().take(64).collect();
                self.metrics.auth_failed(reason);
                tracing::warn!("auth_failed ip={} user={name:?} reason={}", origin.remote.ip(), reason.as_str());
                refuse(StatusCode::FORBIDDEN)
            }
            Verdict::BadRequest(_) => refuse(StatusCode::BAD_REQUEST),
            _ => refuse(StatusCode::FORBIDDEN),
        }
    }

    pub(crate) fn challenge(&mut self, request: &Request, origin: &Origin, now: Now, stale: bool) -> Reply {
        self.challenge_as(request, origin, now, false, stale)
    }

    fn challenge_as(&mut self, request: &Request, origin: &Origin, now: Now, as_proxy: bool, stale: bool) -> Reply {
        let md5_alone = self.offers_md5_among_others && self.is_old(request, origin, now);
        let wanted = |algorithm| !md5_alone || algorithm == Algorithm::Md5;
        let lines = self.digest.challenge_to(now, request, origin, as_proxy, stale, wanted);
        let code = if as_proxy { StatusCode::PROXY_AUTHENTICATION_REQUIRED } else { StatusCode::UNAUTHORIZED };
        Reply::new(code).lines(lines).stateless()
    }

    /// Whether a request comes from a device that knows one hash only: by its User-Agent or, since not every request has one, by that of
    /// the REGISTER from the same address.
    fn is_old(&self, request: &Request, origin: &Origin, now: Now) -> bool {
        if let Some(agent) = request.headers().raw(HeaderId::UserAgent) {
            return knows_one_hash_only(agent);
        }
        let Some(Ok(from)) = request.headers().get::<From<'_>>() else { return false };
        let user = from.uri.user_unescaped().unwrap_or_default();
        let is_there = |binding: &proxy::Binding<'_>| match binding.origin() {
            Some(registered) => registered.remote == origin.remote,
            None => sip::message::Uri::parse(binding.uri()).is_ok_and(|uri| {
                let (host, port) = (uri.host_text().trim_matches(['[', ']']), uri.port().unwrap_or(5060));
                host.parse() == Ok(origin.remote.ip()) && port == origin.remote.port()
            }),
        };
        self.one_hash.knows(origin.remote)
            || self
                .bindings
                .of(now, &user)
                .any(|binding| is_there(&binding) && knows_one_hash_only(binding.agent().as_bytes()))
    }

    /// A user's device asks to be registered here whose calls other loops get: those must know that it takes one hash only.
    pub(crate) fn tell_one_hash(&self, request: &Request, origin: &Origin) {
        let agent = request.headers().raw(HeaderId::UserAgent).unwrap_or_default();
        if self.offers_md5_among_others && knows_one_hash_only(agent) {
            self.neighbours.tell_others(|| Command::OneHash(origin.remote));
        }
    }

    /// Whether a user may write what his From says: his own name or nobody's (RFC 3323 section 4.1.1.3), and whom we trust anybody's.
    fn may_say(&self, request: &Request, origin: &Origin, user: &str) -> bool {
        self.is_from(request, user) || privacy::is_from_nobody(request.headers()) || self.believes(origin, user)
    }

    /// Nobody speaks in another user's name.
    fn is_from(&self, request: &Request, user: &str) -> bool {
        let Some(Ok(from)) = request.headers().get::<From<'_>>() else { return false };
        let claimed = from.uri.user_unescaped().unwrap_or_default();
        claimed == user || self.accounts.by_number(&claimed).is_some_and(|known| known.name == user)
    }
}
