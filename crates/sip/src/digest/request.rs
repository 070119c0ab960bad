//! [`Server`] on whole requests.

use super::algorithm::Algorithm;
use super::ha1::Ha1;
use super::server::{Presented, Server, Verdict};
use crate::message::{HeaderId, Lines, Request};
use crate::outbox::Origin;
use crate::time::Now;

impl Server {
    /// The lines of a 401 (`proxy` false) or 407: RFC 3261 sections 22.2 and 22.3. Never challenge an ACK or a CANCEL (section 22.1).
    pub fn challenge(&mut self, now: Now, origin: &Origin, proxy: bool, stale: bool) -> Lines {
        let id = if proxy { HeaderId::ProxyAuthenticate } else { HeaderId::WwwAuthenticate };
        let mut lines = Lines::new();
        self.challenges(now.mono, origin.remote.ip(), stale).for_each(|value| lines.push_text(id, &value));
        lines
    }

    /// The lines of the 401 (`proxy` false) or 407 to a request, one for each of the hashes that are `wanted`. When it is repeated, it is given the nonce it was given
    /// first, unless more than a thousand others have been challenged meanwhile. So an answer that nothing is kept of
    /// ([`crate::Reply::stateless`]) is nearly always the same octets again.
    pub fn challenge_to(
        &mut self,
        now: Now,
        request: &Request,
        origin: &Origin,
        proxy: bool,
        stale: bool,
        wanted: impl Fn(Algorithm) -> bool,
    ) -> Lines {
        let headers = request.headers();
        let ((branch, _), (call_id, _)) = (headers.way_back(), headers.call());
        let named = ([branch, call_id], headers.cseq().number);
        let id = if proxy { HeaderId::ProxyAuthenticate } else { HeaderId::WwwAuthenticate };
        let mut lines = Lines::new();
        let add = |value: [&[u8]; 4]| lines.push_parts(id, &value);
        self.challenge_again(now.mono, origin.remote.ip(), named, stale, wanted, add);
        lines
    }

    /// Judges the Authorization (`proxy` false) or Proxy-Authorization of a request. `lookup` gives the HA1 of a user for an algorithm; it is called at most
    /// once, and not at all for a request without credentials.
    pub fn verify<'a>(
        &mut self,
        now: Now,
        request: &'a Request,
        origin: &Origin,
        proxy: bool,
        lookup: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict<'a> {
        self.judge_request(now, (request, origin, proxy), false, lookup)
    }

    /// The same for who keeps no transactions (RFC 3261 section 16.11): a request that was right is right again for 64*T1, as often as it is repeated, though
    /// its count is used. A repeat is the same, octet by octet, and comes from the same address; so whoever has seen it reaches nothing by it that it has
    /// not reached, and under the same branch.
    pub fn verify_again<'a>(
        &mut self,
        now: Now,
        request: &'a Request,
        origin: &Origin,
        proxy: bool,
        lookup: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict<'a> {
        self.judge_request(now, (request, origin, proxy), true, lookup)
    }

    fn judge_request<'a>(
        &mut self,
        now: Now,
        (request, origin, proxy): (&'a Request, &Origin, bool),
        again: bool,
        lookup: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict<'a> {
        let (headers, peer) = (request.headers(), origin.remote.ip());
        let id = if proxy { HeaderId::ProxyAuthorization } else { HeaderId::Authorization };
        let mut values = headers.values(id).peekable();
        if values.peek().is_none() {
            return Verdict::Challenge { stale: false };
        }
        let presented = Presented { method: request.method().as_str(), uri: request.uri_text(), body: request.body() };
        let name = again.then(|| self.name([b"repeat", request.bytes()], headers.cseq().number, peer));
        self.judge_named(now.mono, peer, presented, values, name, lookup)
    }
}
