//! Who a request is from, and whether it is let in (RFC 3261 section 22, E-07).

use sip::digest::{Presented, Verdict};
use sip::header::From;
use sip::message::{HeaderId, Lines, Method, Request, StatusCode};
use sip::{Now, Origin, Reply};

use crate::switch::Switch;

impl Switch {
    /// The name of the user who proved to be one; otherwise the answer: 401, 403 for a wrong password or a From of somebody else, 400.
    pub(crate) fn admit(&mut self, request: &Request, origin: &Origin, now: Now) -> Result<String, Box<Reply>> {
        let method = request.method().as_str();
        let presented = Presented { method, uri: request.uri_text(), body: request.body() };
        let values = request.headers().all(HeaderId::Authorization).map(|header| header.value);
        let accounts = &self.accounts;
        let lookup = |user: &str, algorithm| accounts.by_name(user).and_then(|known| known.ha1.get(algorithm));
        let refuse = |code| Err(Box::new(Reply::new(code)));
        match self.digest.judge(now.mono, origin.remote.ip(), presented, values, lookup) {
            Verdict::Ok(verified) => {
                let user = verified.user.into_owned();
                match *request.method() == Method::Register || self.is_from(request, &user) {
                    true => Ok(user),
                    false => refuse(StatusCode::FORBIDDEN),
                }
            }
            Verdict::Challenge { stale } => Err(Box::new(self.challenge(origin, now, stale))),
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

    fn challenge(&mut self, origin: &Origin, now: Now, stale: bool) -> Reply {
        let mut lines = Lines::new();
        for value in self.digest.challenges(now.mono, origin.remote.ip(), stale) {
            lines.push_id(HeaderId::WwwAuthenticate, value);
        }
        Reply::new(StatusCode::UNAUTHORIZED).lines(lines)
    }

    /// Nobody speaks in another user's name.
    fn is_from(&self, request: &Request, user: &str) -> bool {
        let Some(Ok(from)) = request.headers().get::<From<'_>>() else { return false };
        let claimed = from.uri.user_unescaped().unwrap_or_default();
        claimed == user || self.accounts.by_number(&claimed).is_some_and(|known| known.name == user)
    }
}
